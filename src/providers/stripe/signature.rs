//! Who sent a webhook: the `Stripe-Signature` header, `t=<unix>,v1=<hex>[,v1=<hex>…]`, where each `v1` is
//! HMAC-SHA256 over `<t>.<raw body>` under one of the endpoint's secrets (docs.stripe.com/webhooks). Reads no
//! more of the body than its id, which names the delivery, and the account that it is about.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::wire::Loose;
use crate::providers::http::is_plain_ref;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const HEADER: &str = "stripe-signature";
/// Longer event ids are hashed, to stay under the 200 bytes that a dedupe key may have.
const ID_BYTES_MAX: usize = 150;

/// The header, taken apart.
struct Signed<'h> {
    /// As written: it is part of what was signed.
    t: &'h str,
    t_s: i64,
    /// Well-formed `v1` signatures.
    macs: Vec<[u8; 32]>,
    /// `v1` items that no HMAC-SHA256 in lower-case hex can be.
    malformed: usize,
    other_schemes: bool,
}

pub fn verify(delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
    let secrets = usable_secrets(account);
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let signed = parse_header(delivery.single_header(HEADER)?)?;
    if !secrets.iter().any(|secret| bool::from(matches_secret(&signed, secret, &delivery.body))) {
        let hint = hint(&signed, &secrets, &delivery.body);
        return Err(Refusal::SignatureMismatch { header: HEADER, secrets: secrets.len(), hint });
    }
    // Only age counts: Stripe's own libraries take a time in the future.
    let age_s = now.timestamp().saturating_sub(signed.t_s);
    if age_s > account.tolerance_s {
        return Err(Refusal::TooOld { age_s, tolerance_s: account.tolerance_s });
    }
    let claimed_at = DateTime::from_timestamp(signed.t_s, 0);
    let key = dedupe_key(&delivery.body);
    let named = on_behalf_of(&delivery.body);
    Ok(Verified::new(account, key, claimed_at, delivery).naming(named))
}

/// A blank secret is no secret: anyone can sign with it.
fn usable_secrets(account: &Account) -> Vec<&str> {
    let exposed = account.webhook_secrets.iter().map(SecretString::expose_secret);
    exposed.filter(|s| !s.trim().is_empty()).collect()
}

fn parse_header(value: &str) -> Result<Signed<'_>, Refusal> {
    let malformed = |why: String| Refusal::HeaderMalformed { header: HEADER, why };
    if value.is_empty() {
        return Err(malformed("it is empty".to_owned()));
    }
    let mut t = None;
    let mut signed = Signed { t: "", t_s: 0, macs: Vec::new(), malformed: 0, other_schemes: false };
    for item in value.split(',') {
        let Some((scheme, text)) = item.split_once('=') else {
            return Err(malformed(format!("`{}` has no `=`", shown(item))));
        };
        match scheme {
            "t" if t.is_some() => return Err(malformed("`t` appears twice".to_owned())),
            "t" => t = Some(text),
            "v1" => match mac_bytes(text) {
                Some(mac) => signed.macs.push(mac),
                None => signed.malformed += 1,
            },
            _ => signed.other_schemes = true,
        }
    }
    signed.t = t.ok_or_else(|| malformed("it has no `t=<unix seconds>`".to_owned()))?;
    let digits = signed.t.strip_prefix('-').unwrap_or(signed.t);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let t_s = signed.t.parse().ok().filter(|_| whole);
    signed.t_s = t_s.ok_or_else(|| malformed(format!("`t={}` is not unix seconds", shown(signed.t))))?;
    Ok(signed)
}

/// Stripe writes 64 lower-case hex digits; anything else is not its signature.
fn mac_bytes(text: &str) -> Option<[u8; 32]> {
    let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut mac = [0; 32];
    (lower && hex::decode_to_slice(text, &mut mac).is_ok()).then_some(mac)
}

fn matches_secret(signed: &Signed<'_>, secret: &str, body: &[u8]) -> Choice {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    hmac.update(signed.t.as_bytes());
    hmac.update(b".");
    hmac.update(body);
    let expected: [u8; 32] = hmac.finalize().into_bytes().into();
    // Every candidate is compared, so that time says nothing of which one came close.
    signed.macs.iter().fold(Choice::from(0), |found, mac| found | mac.ct_eq(&expected))
}

/// The likeliest cause, for the person who configures the endpoint.
fn hint(signed: &Signed<'_>, secrets: &[&str], body: &[u8]) -> String {
    if signed.macs.is_empty() {
        return match (signed.malformed, signed.other_schemes) {
            (0, true) => {
                "the header has no `v1` signature, and other schemes (`v0`) prove nothing".to_owned()
            }
            (0, false) => "the header has no `v1` signature".to_owned(),
            (_, _) => "no `v1` is 64 lower-case hex digits: was the header changed on the way?".to_owned(),
        };
    }
    if secrets.iter().any(|s| s.trim() != *s) {
        return "a configured secret has white space around it: remove it".to_owned();
    }
    if let Some(odd) = secrets.iter().position(|s| !s.starts_with("whsec_")) {
        return format!("secret {} does not start with `whsec_`: is it an API key?", odd + 1);
    }
    match body {
        [] => "the body is empty: was it read before it came here?".to_owned(),
        [.., b'\n' | b'\r' | b' '] => {
            "the body ends in white space, which Stripe does not send: check the raw bytes as received"
                .to_owned()
        }
        _ if !body.contains(&b'\n') => {
            "the body is one line and Stripe indents: was it parsed and written again on the way?".to_owned()
        }
        _ => "each endpoint has its own secret, and so has the Stripe CLI: is this the right one?".to_owned(),
    }
}

#[derive(Deserialize)]
struct OnlyId<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// The event's id, the same on every redelivery. A body without a usable one is named by its digest.
fn dedupe_key(body: &[u8]) -> String {
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    match json::read::<OnlyId<'_>>(body, "the body") {
        Ok(OnlyId { id }) if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic()) => {
            format!("sha256:{}", digest(body))
        }
        Ok(OnlyId { id }) if id.len() > ID_BYTES_MAX => format!("id-sha256:{}", digest(id.as_bytes())),
        Ok(OnlyId { id }) => id.into_owned(),
        Err(_) => format!("sha256:{}", digest(body)),
    }
}

#[derive(Deserialize)]
struct OnlyAccount<'a> {
    #[serde(borrow, default)]
    account: Loose<'a>,
    #[serde(borrow, default)]
    context: Loose<'a>,
}

/// The connected account that the event is about: `account` of a snapshot event (docs.stripe.com/connect/webhooks),
/// `context` of a thin one. What is no id is passed on in words, so that nobody is found by it.
fn on_behalf_of(body: &[u8]) -> Option<String> {
    let OnlyAccount { account, context } = json::read(body, "the body").ok()?;
    let named = if account.is_silent() { context } else { account };
    match &named {
        Loose::Absent | Loose::Null => None,
        Loose::Text(id) if is_plain_ref(id) => Some(id.clone().into_owned()),
        Loose::Text(id) => Some(format!("({})", shown(id))),
        Loose::Bool(_) | Loose::Int(_) | Loose::Number | Loose::Nested => Some(format!("({})", named.kind())),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_default).collect()
}

/// The header's value for a body, as Stripe would write it.
#[cfg(test)]
pub(crate) fn sign(secret: &str, t: i64, body: &[u8]) -> String {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    hmac.update(format!("{t}.").as_bytes());
    hmac.update(body);
    format!("t={t},v1={}", hex::encode(hmac.finalize().into_bytes()))
}
