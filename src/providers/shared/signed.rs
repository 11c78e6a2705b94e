//! The plain parts of proving a webhook: secrets that are some, signatures written in hex, ids that may be a dedupe
//! key. What is signed, and with what, each provider's `signature` says.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::providers::{Account, Refusal};

/// An event id longer than this is none: the dedupe key has at most 200 bytes.
const EVENT_ID_BYTES_MAX: usize = 128;

/// The account's secrets, newest first. An empty one is a key that everybody knows, and is none.
pub fn secrets(account: &Account) -> Result<Vec<&SecretString>, Refusal> {
    let secrets: Vec<&SecretString> =
        account.webhook_secrets.iter().filter(|s| !s.expose_secret().is_empty()).collect();
    match secrets.is_empty() {
        true => Err(Refusal::NoSecret),
        false => Ok(secrets),
    }
}

/// Hex digits of either case: the number is the same, and nothing is gained by refusing one spelling of it.
pub fn hex_digits<const BYTES: usize>(header: &'static str, value: &str) -> Result<[u8; BYTES], Refusal> {
    let digits = 2 * BYTES;
    let malformed = |why: String| Refusal::HeaderMalformed { header, why };
    if value.len() != digits {
        return Err(malformed(format!("expected {digits} hex digits, found {} bytes", value.len())));
    }
    let mut signature = [0; BYTES];
    hex::decode_to_slice(value, &mut signature)
        .map_err(|_| malformed(format!("expected {digits} hex digits, found other characters")))?;
    Ok(signature)
}

/// For a provider that sends lower case, and whose own SDKs compare texts.
pub fn lower_hex_digits<const BYTES: usize>(
    header: &'static str,
    value: &str,
) -> Result<[u8; BYTES], Refusal> {
    let signature = hex_digits(header, value)?;
    match value.bytes().any(|b| b.is_ascii_uppercase()) {
        true => {
            let why = "expected lower-case hex digits, found upper case".to_owned();
            Err(Refusal::HeaderMalformed { header, why })
        }
        false => Ok(signature),
    }
}

/// The event's id, when it can be a dedupe key.
pub fn usable_id(id: Option<&str>) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    id.filter(|id| !id.is_empty() && id.len() <= EVENT_ID_BYTES_MAX && id.bytes().all(plain))
}

/// The event's id where the signature covers it; `sha256:<hex>` of the body without a usable one.
pub fn key_by_id(id: Option<&str>, body: &[u8]) -> String {
    match usable_id(id) {
        Some(id) => id.to_owned(),
        None => format!("sha256:{}", hex::encode(Sha256::digest(body))),
    }
}

/// `<event id>:<16 hex digits of the body's SHA-256>`, or `sha256:<hex>` without a usable id: for ids that are not
/// proved. Keyed by such an id alone, somebody could send a genuine body under the id of an event to come, or a forged
/// one that names it, and the real one would be dropped as its duplicate.
pub fn key_by_id_and_body(id: Option<&str>, body: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(body));
    match usable_id(id) {
        Some(id) => format!("{id}:{}", &digest[..16]),
        None => format!("sha256:{digest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_and_read_in_either_case_or_in_lower_case_alone() {
        let read = |value: &str| hex_digits::<2>("h", value).is_ok();
        let lower = |value: &str| lower_hex_digits::<2>("h", value).is_ok();
        for (value, either_case, lower_case) in [
            ("00ff", true, true),
            ("00FF", true, false),
            ("00f", false, false),
            ("00ff0", false, false),
            ("00fg", false, false),
            ("00é", false, false),
            ("", false, false),
        ] {
            assert_eq!((read(value), lower(value)), (either_case, lower_case), "{value}");
        }
    }

    #[test]
    fn an_id_that_is_none_leaves_the_body_to_tell_deliveries_apart() {
        let long = "x".repeat(EVENT_ID_BYTES_MAX + 1);
        for none in [None, Some(""), Some("a b"), Some("a:b"), Some(long.as_str())] {
            assert!(key_by_id(none, b"{}").starts_with("sha256:44136fa3"), "{none:?}");
            assert_eq!(key_by_id(none, b"{}"), key_by_id_and_body(none, b"{}"));
        }
        assert_eq!(key_by_id(Some("evt_1"), b"{}"), "evt_1");
        assert_eq!(key_by_id_and_body(Some("evt_1"), b"{}"), "evt_1:44136fa355b3678a");
    }
}
