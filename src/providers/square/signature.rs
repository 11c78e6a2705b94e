//! Who sent this: `x-square-hmacsha256-signature` is the base64 HMAC-SHA256 of the notification URL, as the
//! subscription has it, followed by the raw body. Nothing of time is signed, so a replay is met by the event's
//! id alone, which the signature covers. Knows nothing of what a body means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::Sha256;

use crate::providers::shared::plausible::instant;
use crate::providers::shared::signed;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const SIGNATURE: &str = "x-square-hmacsha256-signature";
/// What the account calls the address that Square signs, where ours is not spelled the same.
pub const NOTIFICATION_URL: &str = "notification_url";

pub fn verify(delivery: Delivery, account: &Account) -> Result<Verified, Refusal> {
    let secrets = signed::secrets(account)?;
    let signature = parse_signature(delivery.single_header(SIGNATURE)?)?;
    let configured = account.credentials.get(NOTIFICATION_URL);
    let url = if configured.is_empty() { delivery.url.as_deref().unwrap_or_default() } else { configured };
    let signed = |url: &str| {
        secrets.iter().any(|secret| is_signed(secret.expose_secret(), url, &delivery.body, &signature))
    };
    if !signed(url) {
        let hint = hint(url, signed);
        return Err(Refusal::SignatureMismatch { header: SIGNATURE, secrets: secrets.len(), hint });
    }
    let (dedupe_key, claimed_at) = read_head(&delivery.body);
    Ok(Verified::new(account, dedupe_key, claimed_at, delivery))
}

fn parse_signature(value: &str) -> Result<[u8; 32], Refusal> {
    let malformed = |why: String| Refusal::HeaderMalformed { header: SIGNATURE, why };
    if value.len() != 44 {
        return Err(malformed(format!("expected 44 characters of base64, found {} bytes", value.len())));
    }
    let bytes = STANDARD.decode(value).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| malformed("expected 44 characters of base64, found others".to_owned()))
}

fn is_signed(secret: &str, url: &str, body: &[u8], signature: &[u8; 32]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

/// The dedupe key and the event's time. A retry repeats the event's id, and so does the older twin of an event
/// that is sent under two names.
fn read_head(body: &[u8]) -> (String, Option<DateTime<Utc>>) {
    #[derive(Default, Deserialize)]
    struct Head {
        event_id: Option<String>,
        created_at: Option<String>,
    }
    let head = json::read::<Head>(body, "the body").unwrap_or_default();
    let key = signed::key_by_id(head.event_id.as_deref(), body);
    let claimed_at = head.created_at.as_deref().and_then(instant);
    (key, claimed_at)
}

/// What is most likely wrong, for the operator: each guess is tried, not assumed.
fn hint(url: &str, signed: impl Fn(&str) -> bool) -> String {
    let other = match url.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{url}/"),
    };
    let plain = url.replacen("https://", "http://", 1);
    match [other.as_str(), plain.as_str(), ""].into_iter().find(|guess| *guess != url && signed(guess)) {
        Some("") => "it matches without any address: Square signs the notification URL too".to_owned(),
        Some(guess) => {
            format!("it matches with the address `{guess}`: write it as the account's `{NOTIFICATION_URL}`")
        }
        None => format!(
            "the secret is not the signature key of this webhook subscription, or its notification URL is not \
             `{url}` to the letter (say what it is as the account's `{NOTIFICATION_URL}`), or the body was changed \
             on its way"
        ),
    }
}
