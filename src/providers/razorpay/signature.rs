//! Who sent this: `X-Razorpay-Signature` is the lower-case hex HMAC-SHA256 of the raw body, keyed with the
//! webhook's own secret. Nothing of time is signed, so there is no age to check, and a replay is met by the
//! dedupe key alone. Knows nothing of what a body means.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use crate::providers::shared::plausible::unix_instant;
use crate::providers::shared::signed;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const SIGNATURE: &str = "x-razorpay-signature";
const EVENT_ID: &str = "x-razorpay-event-id";
/// Only bodies up to this size are examined for a hint: a refusal must stay cheap. Real ones have 2–4 kB.
const HINT_BYTES_MAX: usize = 8 << 10;
/// A re-spaced body that grows past this is given up: many commas would make much of little.
const RESPACED_BYTES_MAX: usize = 16 << 10;

pub fn verify(delivery: Delivery, account: &Account) -> Result<Verified, Refusal> {
    let secrets = signed::secrets(account)?;
    let signature = signed::lower_hex_digits(SIGNATURE, delivery.single_header(SIGNATURE)?)?;
    let matches = |secret: &&SecretString| is_signed(secret.expose_secret(), &delivery.body, &signature);
    if !secrets.iter().any(matches) {
        let hint = hint(&secrets, &delivery.body, &signature).to_owned();
        return Err(Refusal::SignatureMismatch { header: SIGNATURE, secrets: secrets.len(), hint });
    }
    // The id is not signed.
    let event_id = delivery.single_header(EVENT_ID).ok();
    let dedupe_key = signed::key_by_id_and_body(event_id, &delivery.body);
    let claimed_at = claimed_at(&delivery.body);
    Ok(Verified::new(account, dedupe_key, claimed_at, delivery))
}

fn is_signed(secret: &str, body: &[u8], signature: &[u8; 32]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn claimed_at(body: &[u8]) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Clock {
        created_at: i64,
    }
    let clock: Clock = json::read(body, "the body").ok()?;
    unix_instant(clock.created_at)
}

/// What is most likely wrong, for the operator: each guess is tried, not assumed.
fn hint(secrets: &[&SecretString], body: &Bytes, signature: &[u8; 32]) -> &'static str {
    if body.is_empty() {
        return "the body is empty: something between Razorpay and here took it";
    }
    let under_any = |body: &[u8]| secrets.iter().any(|s| is_signed(s.expose_secret(), body, signature));
    let trimmed = |s: &&SecretString| is_signed(s.expose_secret().trim(), body, signature);
    if body.len() <= HINT_BYTES_MAX {
        if secrets.iter().any(trimmed) {
            return "it matches once the white space around the configured secret is taken away: correct the secret";
        }
        if respaced(body).iter().any(|variant| under_any(variant)) {
            return "it matches the same JSON with other white space: a proxy or framework parsed and re-serialised \
                    the body, and the raw bytes are needed";
        }
    }
    "the secret is probably not the one set for this webhook in the Razorpay dashboard (it is neither the key id \
     nor the key secret), or the body was changed on its way"
}

/// The same JSON as other serialisers write it: compact, and indented by two and four spaces.
fn respaced(body: &[u8]) -> Vec<Vec<u8>> {
    let compact = respace(body, None);
    let mut variants = vec![respace(&compact, Some(2)), respace(&compact, Some(4))];
    for n in 0..variants.len() {
        variants.push([&variants[n][..], b"\n"].concat());
    }
    variants.push([&compact[..], b"\n"].concat());
    variants.push(compact);
    variants
}

/// Copies JSON with its white space outside strings replaced: none, or an indentation per level.
fn respace(json: &[u8], indent: Option<usize>) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        if let Some(width) = indent {
            out.push(b'\n');
            out.resize(out.len() + width * depth.min(64), b' ');
        }
    };
    for (n, &byte) in json.iter().enumerate() {
        if out.len() > RESPACED_BYTES_MAX {
            break;
        }
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'{' | b'[' => {
                depth += 1;
                out.push(byte);
                if !matches!(json.get(n + 1), Some(b'}' | b']')) {
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !matches!(json.get(n.wrapping_sub(1)), Some(b'{' | b'[')) {
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(if indent.is_some() { b": " } else { b":" }),
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}
