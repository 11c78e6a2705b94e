//! Who sent this: `X-Webhook-Signature-512` is the lower-case hex HMAC-SHA512 of the raw body, keyed with the profile's
//! `payment_response_hash_key` as it is written. Nothing of time is signed; a replay is met by the event's id, which
//! stands in the signed body. Knows nothing of what a body means.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use super::wire;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const SIGNATURE: &str = "x-webhook-signature-512";
/// An event id longer than this is none: the dedupe key has at most 200 bytes.
const EVENT_ID_BYTES_MAX: usize = 128;

pub fn verify(delivery: Delivery, account: &Account) -> Result<Verified, Refusal> {
    // An empty secret is a key that everybody knows.
    let secrets: Vec<&SecretString> =
        account.webhook_secrets.iter().filter(|s| !s.expose_secret().is_empty()).collect();
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let signature = parse_signature(delivery.single_header(SIGNATURE)?)?;
    if !secrets.iter().any(|secret| is_signed(secret.expose_secret(), &delivery.body, &signature)) {
        let hint = hint(&secrets, &delivery.body, &signature).to_owned();
        return Err(Refusal::SignatureMismatch { header: SIGNATURE, secrets: secrets.len(), hint });
    }
    let signed = Signed::of(&delivery.body);
    let dedupe_key = signed.dedupe_key(&delivery.body);
    let claimed_at = signed.claimed_at();
    Ok(Verified::new(account, dedupe_key, claimed_at, delivery))
}

fn parse_signature(value: &str) -> Result<[u8; 64], Refusal> {
    let malformed = |why: String| Refusal::HeaderMalformed { header: SIGNATURE, why };
    if value.len() != 128 {
        return Err(malformed(format!("expected 128 hex digits, found {} bytes", value.len())));
    }
    if value.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(malformed("expected lower-case hex digits, found upper case".to_owned()));
    }
    let mut signature = [0; 64];
    hex::decode_to_slice(value, &mut signature)
        .map_err(|_| malformed("expected 128 hex digits, found other characters".to_owned()))?;
    Ok(signature)
}

fn is_signed(secret: &str, body: &[u8], signature: &[u8; 64]) -> bool {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

/// What a proved body says of itself, as far as it can be read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Signed {
    event_id: Option<String>,
    timestamp: Option<String>,
}

impl Signed {
    fn of(body: &[u8]) -> Self {
        json::read(body, "the body").unwrap_or_default()
    }

    /// The event's id; `sha256:<hex>` of the body without a usable one.
    fn dedupe_key(&self, body: &[u8]) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let usable = |id: &&str| !id.is_empty() && id.len() <= EVENT_ID_BYTES_MAX && id.bytes().all(plain);
        match self.event_id.as_deref().filter(usable) {
            Some(id) => id.to_owned(),
            None => format!("sha256:{}", hex::encode(Sha256::digest(body))),
        }
    }

    fn claimed_at(&self) -> Option<DateTime<Utc>> {
        wire::instant(self.timestamp.as_deref()?)
    }
}

/// What is most likely wrong, for the operator: each guess is tried, not assumed.
fn hint(secrets: &[&SecretString], body: &[u8], signature: &[u8; 64]) -> &'static str {
    if body.is_empty() {
        return "the body is empty: something between the router and here took it";
    }
    let trimmed = |s: &&SecretString| is_signed(s.expose_secret().trim(), body, signature);
    if secrets.iter().any(trimmed) {
        return "it matches once the white space around the configured secret is taken away: correct the secret";
    }
    let decoded = |s: &&SecretString| {
        let bytes = hex::decode(s.expose_secret()).ok()?;
        let mut mac = Hmac::<Sha512>::new_from_slice(&bytes).ok()?;
        mac.update(body);
        mac.verify_slice(signature).ok()
    };
    if secrets.iter().any(|secret| decoded(secret).is_some()) {
        return "it matches once the configured secret is decoded from hex: the sender is not the router itself, which \
                signs with the text";
    }
    "the secret is probably not the `payment_response_hash_key` of the profile that the payment belongs to, or the \
     body was changed on its way"
}
