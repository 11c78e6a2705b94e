//! Who sent this: RSA over `{transmission id}|{time}|{webhook id}|{CRC32 of the raw body}`. The webhook's id is
//! not in the request: it is what the account's `webhook_secrets` hold, newest first. The time is signed, and how
//! old it may be includes PayPal's three days of repeats. Knows nothing of what a body means, or fetches anything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::certificate::Key;
use super::wire;
use crate::providers::shared::plausible::{clean, instant};
use crate::providers::shared::signed;
use crate::providers::{Account, Delivery, Refusal, Verified, json};

const ID: &str = "paypal-transmission-id";
const TIME: &str = "paypal-transmission-time";
const SIGNATURE: &str = "paypal-transmission-sig";
const CERT_URL: &str = "paypal-cert-url";
const ALGORITHM: &str = "paypal-auth-algo";
/// The one algorithm taken. SHA-1, which older libraries still know, is not.
const SHA256_WITH_RSA: &str = "SHA256withRSA";
/// RSA keys of at most 8192 bits are taken.
const SIGNATURE_BYTES_MAX: usize = 1024;
const HEADER_BYTES_MAX: usize = 512;

/// The headers of a delivery in the shape that PayPal sends.
#[derive(Debug)]
pub struct Transmission<'d> {
    pub cert_url: &'d str,
    id: &'d str,
    time: &'d str,
    signed_at: DateTime<Utc>,
    signature: Vec<u8>,
}

impl<'d> Transmission<'d> {
    /// Checks shapes only.
    pub fn read(delivery: &'d Delivery) -> Result<Self, Refusal> {
        let id = delivery.single_header(ID)?;
        let time = delivery.single_header(TIME)?;
        let signature = delivery.single_header(SIGNATURE)?;
        let cert_url = delivery.single_header(CERT_URL)?;
        let algorithm = delivery.single_header(ALGORITHM)?;
        if id.is_empty()
            || id.len() > HEADER_BYTES_MAX
            || !id.bytes().all(|b| b.is_ascii_graphic() && b != b'|')
        {
            return Err(malformed(ID, "an id of letters, digits and hyphens is expected".to_owned()));
        }
        let signed_at =
            instant(time).ok_or_else(|| malformed(TIME, format!("`{}` is no RFC 3339 time", clean(time))))?;
        let signature = STANDARD.decode(signature).ok().filter(|s| s.len() <= SIGNATURE_BYTES_MAX);
        let signature = signature.ok_or_else(|| malformed(SIGNATURE, "base64 is expected".to_owned()))?;
        if algorithm != SHA256_WITH_RSA {
            let found = clean(algorithm);
            return Err(malformed(ALGORITHM, format!("`{found}` is not taken, only `{SHA256_WITH_RSA}`")));
        }
        Ok(Self { cert_url, id, time, signed_at, signature })
    }

    fn message(&self, webhook_id: &str, body: &[u8]) -> String {
        format!("{}|{}|{webhook_id}|{}", self.id, self.time, crc32fast::hash(body))
    }

    fn is_signed(&self, key: &Key, webhook_id: &str, body: &[u8]) -> bool {
        key.is_signed(self.message(webhook_id, body).as_bytes(), &self.signature)
    }
}

pub fn malformed(header: &'static str, why: String) -> Refusal {
    Refusal::HeaderMalformed { header, why }
}

/// The account's webhook ids that are some.
pub fn webhook_ids(account: &Account) -> Result<Vec<&SecretString>, Refusal> {
    // The message is signed by PayPal whatever stands in it: an empty id would fit somebody's mistake.
    signed::secrets(account)
}

/// Whether certificates may come from that address: the settings' and the account's own.
pub fn allowed(url: &str, origins: &[String], account: &Account) -> Result<(), Refusal> {
    let own = account.base_url.as_deref().filter(|base| super::certificate::is_origin(base));
    match super::certificate::is_allowed(url, origins.iter().map(String::as_str).chain(own)) {
        true => Ok(()),
        false => {
            let shown = clean(url);
            Err(malformed(CERT_URL, format!("`{shown}` is no address that certificates may come from")))
        }
    }
}

/// `key` is what the certificate at the delivery's address says, or why that is not at hand.
/// `repeats_for` is how long PayPal repeats a delivery under its first signature.
pub fn verify(
    delivery: Delivery,
    account: &Account,
    now: DateTime<Utc>,
    origins: &[String],
    repeats_for: TimeDelta,
    key: impl FnOnce(&str) -> Result<Key, String>,
) -> Result<Verified, Refusal> {
    let ids = webhook_ids(account)?;
    let transmission = Transmission::read(&delivery)?;
    allowed(transmission.cert_url, origins, account)?;
    let key = key(transmission.cert_url).map_err(|why| malformed(CERT_URL, why))?;
    let signed = |id: &&SecretString| transmission.is_signed(&key, id.expose_secret(), &delivery.body);
    if !ids.iter().any(signed) {
        let hint = hint(&transmission, &key, &ids, &delivery.body).to_owned();
        return Err(Refusal::SignatureMismatch { header: SIGNATURE, secrets: ids.len(), hint });
    }
    let signed_at = transmission.signed_at;
    let tolerance_s = account.tolerance_s.saturating_add(repeats_for.num_seconds());
    let age_s = (now - signed_at).num_seconds();
    if age_s > tolerance_s {
        return Err(Refusal::TooOld { age_s, tolerance_s });
    }
    let dedupe_key = dedupe_key(&delivery.body);
    Ok(Verified::new(account, dedupe_key, Some(signed_at), delivery))
}

/// The id is the same over all repeats. The digest stands beside it because a body can be forged under genuine headers.
fn dedupe_key(body: &[u8]) -> String {
    let envelope = json::read::<wire::Envelope>(body, "the body").ok();
    signed::key_by_id_and_body(envelope.and_then(|e| e.id).as_deref(), body)
}

/// What is most likely wrong, for the operator: each guess is tried, not assumed.
fn hint(transmission: &Transmission<'_>, key: &Key, ids: &[&SecretString], body: &[u8]) -> &'static str {
    if body.is_empty() {
        return "the body is empty: something between PayPal and here took it";
    }
    let trimmed = |id: &&SecretString| transmission.is_signed(key, id.expose_secret().trim(), body);
    if ids.iter().any(trimmed) {
        return "it matches once the white space around the configured webhook id is taken away: correct it";
    }
    "`webhook_secrets` is probably not the id of this webhook, as the app's page in PayPal's dashboard shows it \
     (it is neither the client id nor the secret), or the body was changed on its way: a proxy or framework that \
     parses and re-serialises JSON changes it"
}
