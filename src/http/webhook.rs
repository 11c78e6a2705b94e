//! `POST /webhooks/{provider}/{account}`. Raw bytes first, then the proof of the sender, then the table, then
//! 200. Everybody who proves nothing gets one answer, after the same work, and the log gets the reason.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use rand::Rng as _;
use secrecy::SecretString;
use tokio::time::Instant;

use super::answer::{and_close, come_again, counted, problem, refused, with_type};
use super::body::{NoBody, Reader};
use super::intake::{Intake, NotKept};
use crate::clock::Clock;
use crate::config::HttpConfig;
use crate::observe::record;
use crate::providers::{Account, Acknowledgement, Credentials, Delivery, ProviderName, Registry, Verified};
use crate::store::accounts::AccountDirectory;
use crate::store::deliveries::{Arrival, Keeping};

const ROUTE: &str = "/webhooks/{provider}/{account}";

/// How much of a name that somebody made up goes into the log.
const SHOWN_CHARS: usize = 64;

/// What it takes to answer a webhook.
pub struct Webhooks {
    clock: Clock,
    providers: Registry,
    accounts: AccountDirectory,
    intake: Intake,
    bodies: Reader,
    public_url: Option<String>,
    header_bytes_max: usize,
    request_timeout: Duration,
}

impl Webhooks {
    pub fn new(
        config: &HttpConfig,
        clock: Clock,
        providers: Registry,
        accounts: AccountDirectory,
        intake: Intake,
    ) -> Self {
        Self {
            clock,
            providers,
            accounts,
            intake,
            bodies: Reader::new(config.body_bytes_max),
            public_url: config.public_url.clone(),
            header_bytes_max: config.header_bytes_max,
            request_timeout: Duration::from_millis(config.request_timeout_ms),
        }
    }
}

/// An account that no delivery is for: what is sent to an address that does not exist is verified against
/// its secrets, so that the answer takes as long as for one that does. Where the provider has accounts here it is
/// like one of them but for the secrets, down to what its provider is asked before anything can be verified.
fn decoy(provider: ProviderName, like: Option<&Account>) -> Account {
    // Hex reads as text, as hex and as base64, so that every provider takes it for a key.
    let secret = || -> SecretString { hex::encode(rand::rng().random::<[u8; 32]>()).into() };
    match like {
        Some(account) => Account {
            merchant_id: 0,
            account_id: 0,
            name: String::new(),
            webhook_secrets: account.webhook_secrets.iter().map(|_| secret()).collect(),
            ..account.clone()
        },
        None => Account {
            merchant_id: 0,
            account_id: 0,
            merchant: String::new(),
            name: String::new(),
            provider,
            webhook_secrets: vec![secret()],
            credentials: Credentials::new(provider.needs().iter().map(|n| (n.name.to_owned(), secret()))),
            base_url: None,
            tolerance_s: 300,
        },
    }
}

/// Whom an address names.
enum Addressee {
    Account(Arc<Account>),
    /// Nobody. Says for the log what was asked for.
    Nobody {
        word: &'static str,
        decoy: Box<Account>,
        /// Whether there is an account that it is like: else nothing is asked on its behalf.
        alike: bool,
        provider: String,
        account: String,
    },
}

pub(super) async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    counted(ROUTE, webhooks.answer(path, request).await)
}

impl Webhooks {
    async fn answer(
        &self,
        path: Result<Path<(String, String)>, PathRejection>,
        request: Request,
    ) -> Response {
        let received_at = self.clock.now();
        let until = Instant::now() + self.request_timeout;
        let (head, body) = request.into_parts();
        // The server's own limit is on a read buffer, and a head that arrives at once may overshoot it.
        if header_bytes(&head.headers) > self.header_bytes_max {
            return and_close(problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        if !is_json(&head.headers) {
            return and_close(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        if !is_plainly_coded(&head.headers) {
            return and_close(problem(StatusCode::NOT_IMPLEMENTED));
        }
        let invited = head.headers.contains_key(header::EXPECT);
        let held = match self.bodies.read(body, until, invited).await {
            Ok(held) => held,
            Err(why) => return no_body(why),
        };
        let addressee = self.addressee(path);
        let delivery =
            Delivery { headers: headers(&head.headers), body: held.bytes, url: Some(self.url(&head)) };
        if let Err(response) = self.prepare(&addressee, &delivery, until).await {
            return response;
        }
        let Some(verified) = self.verify(&addressee, delivery, received_at) else {
            return refused();
        };
        let verified = self.handed_over(verified);
        let provider = verified.provider;
        let kept = self.intake.keep(Arrival::new(&verified, received_at), held.room);
        let (outcome, response) = match tokio::time::timeout_at(until, kept).await {
            Ok(Ok(Keeping::New { .. })) => ("kept", self.acknowledged(provider)),
            Ok(Ok(Keeping::Duplicate)) => ("duplicate", self.acknowledged(provider)),
            Ok(Ok(Keeping::Unkeepable { why })) => {
                tracing::error!(
                    account.provider = provider.as_str(),
                    account.id = verified.account_id,
                    delivery.key = verified.dedupe_key(),
                    why,
                    "a verified delivery cannot be stored: it was answered with 500 and will come again"
                );
                ("unavailable", problem(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Ok(Err(NotKept::Away | NotKept::Full)) | Err(_) => ("unavailable", come_again()),
        };
        record::deliveries(provider.as_str(), outcome, 1);
        response
    }

    /// The delivery under the account that it names. Only its receiver's own and those connected to it are looked
    /// at: what one account's secret proves says nothing of another's. One that is not configured is nobody's, and
    /// stays with its receiver until it is.
    fn handed_over(&self, verified: Verified) -> Verified {
        let named = verified.on_behalf_of().map(|id| self.accounts.named(verified.account_id, id));
        match named.flatten() {
            Some(account) => verified.handed_to(&account),
            None => verified,
        }
    }

    fn acknowledged(&self, provider: ProviderName) -> Response {
        let Acknowledgement { media_type, body } = self.providers.get(provider).acknowledgement();
        with_type(StatusCode::OK, media_type, Body::from(body))
    }

    fn addressee(&self, path: Result<Path<(String, String)>, PathRejection>) -> Addressee {
        // An address that is not UTF-8 names nobody.
        let (provider, account) = path.map(|Path(names)| names).unwrap_or_default();
        let (word, known, found) = match provider.parse::<ProviderName>() {
            Ok(name) => ("unknown_account", name, self.accounts.find(name, &account)),
            // Whichever comes first: it is only the default of an address that names none.
            Err(_) => ("unknown_provider", ProviderName::ALL[0], None),
        };
        match found {
            Some(account) => Addressee::Account(account),
            None => {
                let like = self.accounts.any_of(known, &account);
                let decoy = Box::new(decoy(known, like.as_deref()));
                Addressee::Nobody { word, decoy, alike: like.is_some(), provider, account }
            }
        }
    }

    /// Fetches what the provider's `verify` needs, if anything. The same for an account that there is not: neither
    /// what comes of it nor how long it takes tells which there are.
    async fn prepare(
        &self,
        addressee: &Addressee,
        delivery: &Delivery,
        until: Instant,
    ) -> Result<(), Response> {
        let account = match addressee {
            Addressee::Account(account) => &**account,
            Addressee::Nobody { decoy, alike: true, .. } => &**decoy,
            Addressee::Nobody { alike: false, .. } => return Ok(()),
        };
        let Some(preparing) = self.providers.get(account.provider).prepare(delivery, account) else {
            return Ok(());
        };
        let why = match tokio::time::timeout_at(until, preparing).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(not_ready)) => not_ready.to_string(),
            Err(_) => "it took longer than http.request_timeout_ms".to_owned(),
        };
        tracing::warn!(
            account.provider = account.provider.as_str(),
            account.name = account.name,
            "a webhook cannot be verified yet, and its sender was told to come again: {why}"
        );
        record::deliveries(account.provider.as_str(), "unavailable", 1);
        Err(come_again())
    }

    fn verify(&self, addressee: &Addressee, delivery: Delivery, now: DateTime<Utc>) -> Option<Verified> {
        match addressee {
            Addressee::Account(account) => {
                match self.providers.get(account.provider).verify(delivery, account, now) {
                    Ok(verified) => {
                        for told in verified.set_aside() {
                            tracing::warn!(
                                account.provider = account.provider.as_str(),
                                account.name = account.name,
                                "part of a webhook is kept and not believed: {told}"
                            );
                        }
                        Some(verified)
                    }
                    Err(refusal) => {
                        tracing::warn!(
                            account.provider = account.provider.as_str(),
                            account.name = account.name,
                            refusal = refusal.word(),
                            "a webhook was refused: {refusal}"
                        );
                        record::deliveries(account.provider.as_str(), "refused", 1);
                        None
                    }
                }
            }
            Addressee::Nobody { word, decoy, provider, account, .. } => {
                // The work counts, not what comes of it.
                _ = self.providers.get(decoy.provider).verify(delivery, decoy, now);
                tracing::info!(
                    account.provider = shown(provider),
                    account.name = shown(account),
                    refusal = *word,
                    "a webhook was refused: nothing is configured at its address"
                );
                record::deliveries("none", "refused", 1);
                None
            }
        }
    }

    /// The address as the sender used it, for providers that sign it.
    fn url(&self, head: &Parts) -> String {
        let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
        if let Some(public) = &self.public_url {
            return format!("{public}{path}");
        }
        // Both can be made up by the sender, who gains nothing: a signature over the wrong address fails.
        let text = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok());
        let scheme = text("x-forwarded-proto").unwrap_or("http");
        format!("{scheme}://{}{path}", text("host").unwrap_or(""))
    }
}

fn no_body(why: NoBody) -> Response {
    let response = match why {
        NoBody::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE),
        NoBody::NoRoom => come_again(),
        NoBody::TooSlow => problem(StatusCode::REQUEST_TIMEOUT),
        NoBody::Broken => problem(StatusCode::BAD_REQUEST),
    };
    and_close(response)
}

/// Whether the body is said to be JSON. Every provider says so; one that says nothing is judged by its
/// signature alone.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let media_type = value.to_str().map_or("", |v| v.split(';').next().unwrap_or(""));
    let media_type = media_type.trim().to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Whether the body comes as it is, or in chunks and nothing more. The server takes chunks apart and leaves any
/// other coding as it found it, so that what was signed would not be what was read.
fn is_plainly_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_says_so_and_what_says_nothing() {
        let with = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]))
        };
        assert!(is_json(&HeaderMap::new()));
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
            assert!(with(yes), "{yes}");
        }
        for no in
            ["text/plain", "application/x-www-form-urlencoded", "", "json", "text/html; application/json"]
        {
            assert!(!with(no), "{no}");
        }
    }
}
