//! `POST /v1/oauth2/token`: client credentials in, a token of nine hours out. Tokens end by the sandbox's clock.
//! Knows nothing of disputes.

use std::collections::BTreeMap;

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::super::ProviderKind;
use super::super::reply::{Incoming, Reply};
use super::Desk;
use super::refusal::Refusal;

const LIFE_S: i64 = 32_400;

#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<String, (usize, DateTime<Utc>)>);

impl Tokens {
    /// The account whose token the request carries, unless it has ended.
    pub fn account(&self, request: &Incoming, now: DateTime<Utc>) -> Option<usize> {
        let (account, ends_at) = self.0.get(request.bearer()?)?;
        (now < *ends_at).then_some(*account)
    }
}

pub(super) fn give(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Result<Reply, Refusal> {
    if request.method != Method::POST {
        return Err(Refusal::not_found());
    }
    let found = request.basic().and_then(|(id, secret)| {
        let credentials = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
        desk.office.account_with(ProviderKind::Paypal, &credentials)
    });
    let account =
        found.ok_or_else(|| Refusal::oauth(401, "invalid_client", "Client Authentication failed"))?;
    let granted = form_urlencoded::parse(&request.body)
        .any(|(name, value)| name == "grant_type" && value == "client_credentials");
    if !granted {
        return Err(Refusal::oauth(400, "unsupported_grant_type", "Grant Type is NULL"));
    }
    let token = desk.office.ids.next("A21AA", 32);
    desk.book.tokens.0.retain(|_, (_, ends_at)| now < *ends_at);
    desk.book.tokens.0.insert(token.clone(), (account, now + TimeDelta::seconds(LIFE_S)));
    Ok(Reply::json(
        200,
        &json!({
            "scope": "https://uri.paypal.com/services/disputes/read-seller \
                      https://uri.paypal.com/services/disputes/update-seller",
            "access_token": token,
            "token_type": "Bearer",
            "app_id": "APP-SANDBOX",
            "expires_in": LIFE_S,
            "nonce": "sandbox",
        }),
    ))
}
