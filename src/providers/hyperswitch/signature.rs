//! Who sent this: `X-Webhook-Signature-512` is the lower-case hex HMAC-SHA512 of the raw body, keyed with the profile's
//! `payment_response_hash_key` as it is written. Nothing of time is signed; a replay is met by the event's id, which
//! stands in the signed body. Knows nothing of what a body means.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha512;

use crate::providers::shared::plausible::instant;
use crate::providers::shared::signed;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const SIGNATURE: &str = "x-webhook-signature-512";

pub fn verify(delivery: Delivery, account: &Account) -> Result<Verified, Refusal> {
    let secrets = signed::secrets(account)?;
    let signature = signed::lower_hex_digits(SIGNATURE, delivery.single_header(SIGNATURE)?)?;
    if !secrets.iter().any(|secret| is_signed(secret.expose_secret(), &delivery.body, &signature)) {
        let hint = hint(&secrets, &delivery.body, &signature).to_owned();
        return Err(Refusal::SignatureMismatch { header: SIGNATURE, secrets: secrets.len(), hint });
    }
    let told = Told::of(&delivery.body);
    let dedupe_key = signed::key_by_id(told.event_id.as_deref(), &delivery.body);
    let claimed_at = told.claimed_at();
    Ok(Verified::new(account, dedupe_key, claimed_at, delivery))
}

fn is_signed(secret: &str, body: &[u8], signature: &[u8; 64]) -> bool {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

/// What a proved body says of itself, as far as it can be read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    event_id: Option<String>,
    timestamp: Option<String>,
}

impl Told {
    fn of(body: &[u8]) -> Self {
        json::read(body, "the body").unwrap_or_default()
    }

    fn claimed_at(&self) -> Option<DateTime<Utc>> {
        instant(self.timestamp.as_deref()?)
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
