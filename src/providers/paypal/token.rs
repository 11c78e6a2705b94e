//! Access tokens: OAuth 2.0 client credentials (RFC 6749, 4.4), one token per account, kept until a tenth of its
//! life is left, asked for by one request at a time. A token is a secret: it is in no log and in no error.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::{refusal, wire};
use crate::clock::Clock;
use crate::providers::http::{Http, Safety};
use crate::providers::shared::outgoing::{basic, bearer, unauthorized};
use crate::providers::{Account, Answer, CallLog};

/// No token is believed to live longer, seconds.
const LIFE_S_MAX: i64 = 86_400;

/// Whose token it is: other credentials or another address have another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    account_id: i64,
    base_url: String,
    client_id: String,
}

#[derive(Debug, Clone)]
struct Held {
    token: SecretString,
    renew_at: DateTime<Utc>,
}

type Place = Arc<Mutex<Option<Held>>>;

pub struct Tokens {
    clock: Clock,
    held: StdMutex<BTreeMap<Holder, Place>>,
}

impl Tokens {
    pub fn new(clock: Clock) -> Self {
        Self { clock, held: StdMutex::default() }
    }

    /// A token for the account. `refused` is one that PayPal no longer takes: it is replaced, unless that has
    /// happened meanwhile. The log is of a request that failed; success is not worth a row.
    pub async fn get(
        &self,
        http: &Http,
        base_url: &str,
        account: &Account,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, (Answer<()>, Vec<CallLog>)> {
        let client_id = account.credentials.get("client_id");
        let Some(authorization) = basic(client_id, account.credentials.get("client_secret")) else {
            return Err((unauthorized("`client_id` or `client_secret`: configure both"), Vec::new()));
        };
        let place = self.place(Holder {
            account_id: account.account_id,
            base_url: base_url.to_owned(),
            client_id: client_id.to_owned(),
        });
        // Held over the request on purpose: whoever comes meanwhile waits for this one's token.
        let mut held = place.lock().await;
        let is_refused = |h: &Held| refused.is_some_and(|r| r.expose_secret() == h.token.expose_secret());
        if let Some(held) = held.as_ref().filter(|h| self.clock.now() < h.renew_at && !is_refused(h)) {
            return Ok(held.token.clone());
        }
        *held = None;
        let fresh = self.ask(http, base_url, authorization).await?;
        Ok(held.insert(fresh).token.clone())
    }

    fn place(&self, holder: Holder) -> Place {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(holder).or_default().clone()
    }

    async fn ask(
        &self,
        http: &Http,
        base_url: &str,
        authorization: HeaderValue,
    ) -> Result<Held, (Answer<()>, Vec<CallLog>)> {
        let asked_at = self.clock.now();
        let request = http
            .request(Method::POST, &format!("{base_url}/v1/oauth2/token"))
            .header(AUTHORIZATION, authorization)
            .form(&[("grant_type", "client_credentials")]);
        let (answer, log) = http.send(request).await.classify(Safety::Repeatable, refusal::refusal);
        let response = match answer.success::<()>() {
            Ok(response) => response,
            Err(Answer::Refused { status, code, reason }) => {
                let reason = format!("no access token was given: {reason}");
                return Err((Answer::Refused { status, code, reason }, vec![log]));
            }
            Err(other) => return Err((other, vec![log])),
        };
        let token: Option<wire::Token> = serde_json::from_slice(&response.body).ok();
        let usable = |t: &wire::Token| {
            t.token_type.eq_ignore_ascii_case("bearer") && bearer(&t.access_token).is_some()
        };
        match token.filter(usable) {
            Some(token) => {
                let life_s = token.expires_in.clamp(0, LIFE_S_MAX);
                let renew_at = asked_at + TimeDelta::seconds(life_s - life_s / 10);
                Ok(Held { token: token.access_token.into(), renew_at })
            }
            None => {
                // Not the body: it may hold what must not be told.
                let why = "the token address answered with something that is no token".to_owned();
                Err((Answer::Retry { after: None, why }, vec![log]))
            }
        }
    }
}
