//! The calls to Stripe's API: bearer key, pinned version, form encoding, idempotency key. Each call is made
//! once; repeating it is for whoever reads the record first. What an answer means is for `receipt`.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};

use super::evidence;
use super::fields::shown;
use super::held::Held;
use super::receipt::{Listed, classify, page, record, unreadable, uploaded};
use super::{CAPABILITIES, Stripe};
use crate::dispute::Source;
use crate::evidence::Packet;
use crate::providers::http::{Response, Safety, bad_ref, is_plain_ref, refused_unsent, uncertain};
use crate::providers::{Account, Answer, CallLog, Page, Record, Uploaded};

type Made<T> = (Answer<T>, Vec<CallLog>);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
/// For whom a platform calls (docs.stripe.com/connect/authentication).
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const FORM: &str = "application/x-www-form-urlencoded";
/// Stripe takes keys of up to 255 characters.
const KEY_CHARS_MAX: usize = 255;
/// Stripe keeps events for 30 days; a day is left for the page to be read.
const EVENTS_REACH: TimeDelta = TimeDelta::days(29);
/// The first API version that takes `intended_submission_method`.
const SUBMISSION_METHOD_SINCE: &str = "2026-10-28";
/// What a value keeps as it is (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const LISTED_EVENTS: [&str; 7] = [
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
    "radar.early_fraud_warning.updated",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Put with Stripe, not sent to the bank.
    Provider,
    /// Sent to the bank: once, and not to be taken back.
    Bank,
}

impl Stripe {
    pub(super) fn knows_submission_methods(&self) -> bool {
        self.api_version.as_str() >= SUBMISSION_METHOD_SINCE
    }

    pub(super) async fn fetch_record(&self, account: &Account, dispute_ref: &str) -> Made<Record> {
        if !is_plain_ref(dispute_ref) {
            return bad_ref(dispute_ref);
        }
        let path = match dispute_ref.starts_with("issfr_") {
            true => format!("/v1/radar/early_fraud_warnings/{dispute_ref}"),
            false => format!("/v1/disputes/{dispute_ref}"),
        };
        let (answer, logs) = self.get(account, &path, &[]).await;
        (record(answer, dispute_ref, Source::ReadBack, Safety::Repeatable), logs)
    }

    /// Events since `since`, which name what changed. Older than Stripe keeps events, it is the disputes
    /// created since: what changed of older ones must be fetched one by one.
    pub(super) async fn list_page(
        &self,
        account: &Account,
        since: DateTime<Utc>,
        cursor: Option<String>,
    ) -> Made<Page> {
        let (kind, after) = match cursor.as_deref().map(|c| c.split_once(':').unwrap_or((c, ""))) {
            None if self.clock.now() - since > EVENTS_REACH => (Listed::Disputes, None),
            None => (Listed::Events, None),
            Some(("events", id)) if is_plain_ref(id) => (Listed::Events, Some(id)),
            Some(("disputes", id)) if is_plain_ref(id) => (Listed::Disputes, Some(id)),
            Some((other, _)) => {
                return refused_unsent(format!("`{}` begins no cursor of this list", shown(other, 40)));
            }
        };
        let mut query = vec![("limit".to_owned(), "100".to_owned())];
        query.push(("created[gte]".to_owned(), since.timestamp().to_string()));
        if kind == Listed::Events {
            let types = LISTED_EVENTS.iter().enumerate();
            query.extend(types.map(|(i, name)| (format!("types[{i}]"), (*name).to_owned())));
        }
        query.extend(after.map(|id| ("starting_after".to_owned(), id.to_owned())));
        let (answer, logs) = self.get(account, kind.path(), &query).await;
        (page(answer, kind), logs)
    }

    pub(super) async fn close(&self, account: &Account, dispute_ref: &str, key: &str) -> Made<Record> {
        if !is_plain_ref(dispute_ref) {
            return bad_ref(dispute_ref);
        }
        let path = format!("/v1/disputes/{dispute_ref}/close");
        let (answer, logs) = self.post(account, &path, &[], key, Safety::Irreversible).await;
        (record(answer, dispute_ref, Source::Receipt, Safety::Irreversible), logs)
    }

    pub(super) async fn send_evidence(
        &self,
        account: &Account,
        dispute_ref: &str,
        packet: &Packet,
        key: &str,
        reach: Reach,
    ) -> Made<Record> {
        if !is_plain_ref(dispute_ref) {
            return bad_ref(dispute_ref);
        }
        let mut logs = Vec::new();
        let mut fields = evidence::form(packet);
        if packet.fee_acknowledged || reach == Reach::Bank {
            let (held, asking) = self.held(account, dispute_ref).await;
            logs.extend(asking);
            let held = match held {
                Ok(held) => held,
                Err(answer) => return (answer, logs),
            };
            match held.beside(packet, reach) {
                Ok(more) => fields.extend(more),
                Err(reason) => return (refused_unsent(reason).0, logs),
            }
        }
        let safety = match reach {
            Reach::Provider => {
                fields.push(("submit".to_owned(), "false".to_owned()));
                // Without it an account setting may let Stripe submit evidence of its own at the deadline.
                if self.knows_submission_methods() {
                    fields.push(("intended_submission_method".to_owned(), "manual".to_owned()));
                }
                Safety::Repeatable
            }
            Reach::Bank => {
                fields.push(("submit".to_owned(), "true".to_owned()));
                Safety::Irreversible
            }
        };
        let path = format!("/v1/disputes/{dispute_ref}");
        let (answer, posted) = self.post(account, &path, &fields, key, safety).await;
        logs.extend(posted);
        (record(answer, dispute_ref, Source::Receipt, safety), logs)
    }

    /// What Stripe holds of this dispute's evidence already, and asks beside it.
    async fn held(
        &self,
        account: &Account,
        dispute_ref: &str,
    ) -> (Result<Held, Answer<Record>>, Vec<CallLog>) {
        let (answer, logs) = self.get(account, &format!("/v1/disputes/{dispute_ref}"), &[]).await;
        let held = answer.success().and_then(|response| {
            Held::read(&response.body, dispute_ref)
                .ok_or_else(|| uncertain(Safety::Repeatable, unreadable(&response)))
        });
        (held, logs)
    }

    pub(super) async fn upload_file(
        &self,
        account: &Account,
        name: &str,
        media_type: &str,
        content: Bytes,
        key: &str,
    ) -> Made<Uploaded> {
        let limits = CAPABILITIES.files;
        if !limits.media_types.contains(&media_type) {
            let taken = limits.media_types.join(", ");
            return refused_unsent(format!(
                "`{}` is no media type of evidence: {taken}",
                shown(media_type, 64)
            ));
        }
        let bytes = content.len() as u64;
        if bytes > limits.file_bytes_max {
            return refused_unsent(format!(
                "the file has {bytes} bytes, and {} are taken",
                limits.file_bytes_max
            ));
        }
        let part = Part::stream_with_length(content, bytes).file_name(name.to_owned()).mime_str(media_type);
        let part = match part {
            Ok(part) => part,
            Err(e) => return refused_unsent(format!("the file cannot be sent: {e}")),
        };
        let form = Form::new().text("purpose", "dispute_evidence").part("file", part);
        let request = match self.keyed(account, &self.url(account, &self.files_url, "/v1/files"), key) {
            Ok(request) => request.multipart(form),
            Err(reason) => return refused_unsent(reason),
        };
        let (answer, logs) = self.send(request, Safety::Repeatable).await;
        (uploaded(answer), logs)
    }

    async fn get(&self, account: &Account, path: &str, query: &[(String, String)]) -> Made<Response> {
        let mut url = self.url(account, &self.base_url, path);
        if !query.is_empty() {
            url = format!("{url}?{}", encode(query));
        }
        match self.authorized(account, Method::GET, &url) {
            Ok(request) => self.send(request, Safety::Repeatable).await,
            Err(reason) => refused_unsent(reason),
        }
    }

    async fn post(
        &self,
        account: &Account,
        path: &str,
        fields: &[(String, String)],
        key: &str,
        safety: Safety,
    ) -> Made<Response> {
        match self.keyed(account, &self.url(account, &self.base_url, path), key) {
            Ok(request) => self.send(request.header(CONTENT_TYPE, FORM).body(encode(fields)), safety).await,
            Err(reason) => refused_unsent(reason),
        }
    }

    async fn send(&self, request: RequestBuilder, safety: Safety) -> Made<Response> {
        let (answer, log) = classify(self.http.send(request).await, safety);
        (answer, vec![log])
    }

    fn url(&self, account: &Account, own: &str, path: &str) -> String {
        let base = account.base_url.as_deref().unwrap_or(own);
        format!("{}{path}", base.trim_end_matches('/'))
    }

    fn authorized(&self, account: &Account, method: Method, url: &str) -> Result<RequestBuilder, String> {
        let api_key = account.credentials.get("api_key");
        if api_key.is_empty() || !api_key.bytes().all(|b| b.is_ascii_graphic()) {
            let fault = if api_key.is_empty() { "has no" } else { "has white space or worse in its" };
            return Err(format!("account `{}` {fault} credential `api_key`", account.name));
        }
        let request = self.http.request(method, url).bearer_auth(api_key);
        let request = request.header(STRIPE_VERSION, &self.api_version);
        match account.credentials.on_behalf_of() {
            Some(connected) if is_plain_ref(connected) => Ok(request.header(STRIPE_ACCOUNT, connected)),
            Some(_) => Err(format!("`provider_account` of account `{}` is no id", account.name)),
            None => Ok(request),
        }
    }

    fn keyed(&self, account: &Account, url: &str, key: &str) -> Result<RequestBuilder, String> {
        if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("an idempotency key has 1 to {KEY_CHARS_MAX} printable ASCII characters"));
        }
        Ok(self.authorized(account, Method::POST, url)?.header(IDEMPOTENCY_KEY, key))
    }
}

/// Form fields as Stripe's libraries write them: values encoded, brackets in names as they are.
fn encode(fields: &[(String, String)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)));
    pairs.collect::<Vec<_>>().join("&")
}
