//! Who sent this: `Cko-Signature` is the hex HMAC-SHA256 of the raw body, keyed with the signature key of the
//! workflow's webhook action. That action may send an `Authorization` header of the merchant's choosing
//! besides; where the account has one configured, it must be there. Nothing of time is signed, so a replay is
//! met by the event's id alone, which the signature covers. Knows nothing of what a body means.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::providers::shared::plausible::instant;
use crate::providers::shared::signed;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const SIGNATURE: &str = "cko-signature";
const AUTHORIZATION: &str = "authorization";
/// The credential that holds what the workflow action sends as `Authorization`.
pub const WEBHOOK_AUTHORIZATION: &str = "webhook_authorization";
/// Only bodies up to this size are examined for a hint: a refusal must stay cheap. Real ones have 1–3 kB.
const HINT_BYTES_MAX: usize = 8 << 10;

pub fn verify(delivery: Delivery, account: &Account) -> Result<Verified, Refusal> {
    let secrets = signed::secrets(account)?;
    let signature = signed::hex_digits(SIGNATURE, delivery.single_header(SIGNATURE)?)?;
    let matches = |secret: &&SecretString| is_signed(secret.expose_secret(), &delivery.body, &signature);
    if !secrets.iter().any(matches) {
        let hint = hint(&secrets, &delivery.body, &signature).to_owned();
        return Err(Refusal::SignatureMismatch { header: SIGNATURE, secrets: secrets.len(), hint });
    }
    authorized(&delivery, account.credentials.get(WEBHOOK_AUTHORIZATION))?;
    let (dedupe_key, claimed_at) = read_head(&delivery.body);
    Ok(Verified::new(account, dedupe_key, claimed_at, delivery))
}

fn is_signed(secret: &str, body: &[u8], signature: &[u8; 32]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

/// `wanted` is empty where the account has none configured: then the header proves nothing and is ignored.
fn authorized(delivery: &Delivery, wanted: &str) -> Result<(), Refusal> {
    if wanted.is_empty() {
        return Ok(());
    }
    let told = delivery.single_header(AUTHORIZATION)?;
    // Digests, so that not even the length can be found out by timing.
    let [told, wanted] = [told, wanted].map(|text| Sha256::digest(text.as_bytes()));
    match bool::from(told.as_slice().ct_eq(wanted.as_slice())) {
        true => Ok(()),
        false => {
            let why = format!("it is not the account's `{WEBHOOK_AUTHORIZATION}`");
            Err(Refusal::HeaderMalformed { header: AUTHORIZATION, why })
        }
    }
}

/// The dedupe key and the event's time. The key is the event's id alone: `action_invocations`, further down in
/// the body, may tell of earlier tries, so two deliveries of one event need not be equal to the byte.
fn read_head(body: &[u8]) -> (String, Option<DateTime<Utc>>) {
    #[derive(Default, Deserialize)]
    struct Head {
        id: Option<String>,
        created_on: Option<String>,
        timestamp: Option<String>,
    }
    let head = json::read::<Head>(body, "the body").unwrap_or_default();
    let key = signed::key_by_id(head.id.as_deref(), body);
    let claimed_at = head.timestamp.or(head.created_on).as_deref().and_then(instant);
    (key, claimed_at)
}

/// What is most likely wrong, for the operator: each guess is tried, not assumed.
fn hint(secrets: &[&SecretString], body: &Bytes, signature: &[u8; 32]) -> &'static str {
    if body.is_empty() {
        return "the body is empty: something between Checkout.com and here took it";
    }
    let signed_with = |key: fn(&str) -> &str, body: &[u8]| {
        secrets.iter().any(|s| is_signed(key(s.expose_secret()), body, signature))
    };
    if body.len() <= HINT_BYTES_MAX {
        if signed_with(str::trim, body) {
            return "it matches once the white space around the configured secret is taken away: correct the secret";
        }
        if signed_with(|key| key, body.trim_ascii()) {
            return "it matches without the white space around the body: something on the way added it";
        }
    }
    "the secret is probably not the signature key of this workflow's webhook action (it is neither the API key \
     nor the `Authorization` header of that action), or the body was changed on its way"
}
