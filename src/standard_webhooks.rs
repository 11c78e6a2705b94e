//! Requests signed by the Standard Webhooks scheme: HMAC-SHA256 over `id.timestamp.content`, one signature
//! per secret, so that a receiver can change its secret while requests are on their way. Serves the alerts
//! we send, the facts we ask for, and whoever wants to check either. Pure: `now` is an argument, and nothing
//! here knows what the content means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

pub const ID_HEADER: &str = "webhook-id";
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far a signed time may be from the receiver's, either way (the scheme's reference libraries: 5 minutes).
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

const SECRET_PREFIX: &str = "whsec_";
/// The scheme asks for 24 to 64 random bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// More than any rotation needs; a header with more is an attempt to keep us busy.
const SIGNATURES_MAX: usize = 32;

/// One shared secret, ready to sign. Prints as a word.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a webhook secret is `whsec_` followed by base64: the text after the prefix is not base64")]
    NotBase64,
    #[error("a webhook secret holds 24 to 64 random bytes, and this one holds {0}")]
    WrongLength(usize),
}

/// The three headers of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
}

/// Why a request was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no secret to check the signature with")]
    NoSecret,
    #[error("`{header}` is missing or malformed: {why}")]
    HeaderMalformed { header: &'static str, why: &'static str },
    #[error("no signature in `{SIGNATURE_HEADER}` matches under any of the {secrets} secret(s)")]
    SignatureMismatch { secrets: usize },
    #[error("the signed time is {age_s} s away from ours, and at most {tolerance_s} s are allowed")]
    TimeTooFar { age_s: i64, tolerance_s: i64 },
}

impl Key {
    /// Reads `whsec_<base64>`; the prefix may be absent, as in the scheme's own libraries.
    pub fn parse(secret: &str) -> Result<Self, BadKey> {
        let text = secret.trim();
        let text = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| BadKey::NotBase64)?);
        match SECRET_BYTES.contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(BadKey::WrongLength(bytes.len())),
        }
    }

    /// One or more secrets with spaces between, newest first.
    pub fn parse_all(secrets: &SecretString) -> Result<Vec<Self>, BadKey> {
        let keys: Vec<Self> =
            secrets.expose_secret().split_whitespace().map(Self::parse).collect::<Result<_, _>>()?;
        match keys.is_empty() {
            true => Err(BadKey::WrongLength(0)),
            false => Ok(keys),
        }
    }

    fn mac(&self, id: &str, timestamp: &str, content: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", content] {
            mac.update(part);
        }
        mac
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// Signs `content` under each key, newest first. `id` must not hold a dot: it would let the parts be cut
/// elsewhere. It stays the same over retries of one message.
pub fn sign(keys: &[Key], id: &str, now: DateTime<Utc>, content: &[u8]) -> Signed {
    debug_assert!(!id.contains('.'), "a message id without dots: {id}");
    let timestamp = now.timestamp().to_string();
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| {
            let tag = key.mac(id, &timestamp, content).finalize().into_bytes();
            format!("v1,{}", STANDARD.encode(tag))
        })
        .collect();
    Signed { id: id.to_owned(), timestamp, signature: signatures.join(" ") }
}

/// Whether one of `keys` signed `content`, at a time within `tolerance` of `now`. Constant time per
/// signature. Versions other than `v1` are passed over, as the scheme asks.
pub fn verify(
    keys: &[Key],
    signed: &Signed,
    content: &[u8],
    now: DateTime<Utc>,
    tolerance: TimeDelta,
) -> Result<(), Refusal> {
    if keys.is_empty() {
        return Err(Refusal::NoSecret);
    }
    if signed.id.is_empty() || signed.id.contains('.') {
        return Err(Refusal::HeaderMalformed { header: ID_HEADER, why: "empty, or with a dot in it" });
    }
    let at = signed_at(&signed.timestamp)?;
    let mut candidates = signed.signature.split(' ').filter_map(|s| s.strip_prefix("v1,")).peekable();
    if candidates.peek().is_none() {
        let why = "no signature of version v1";
        return Err(Refusal::HeaderMalformed { header: SIGNATURE_HEADER, why });
    }
    let matches = candidates.take(SIGNATURES_MAX).filter_map(|c| STANDARD.decode(c).ok()).any(|tag| {
        keys.iter().any(|key| key.mac(&signed.id, &signed.timestamp, content).verify_slice(&tag).is_ok())
    });
    if !matches {
        return Err(Refusal::SignatureMismatch { secrets: keys.len() });
    }
    let age = (now - at).abs();
    match age > tolerance {
        true => Err(Refusal::TimeTooFar { age_s: age.num_seconds(), tolerance_s: tolerance.num_seconds() }),
        false => Ok(()),
    }
}

fn signed_at(timestamp: &str) -> Result<DateTime<Utc>, Refusal> {
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.then(|| timestamp.parse().ok()).flatten();
    seconds
        .and_then(|s| DateTime::from_timestamp(s, 0))
        .ok_or(Refusal::HeaderMalformed { header: TIMESTAMP_HEADER, why: "not unix seconds" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes 0 to 31, and the same turned round.
    const FIRST: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const SECOND: &str = "whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    const SENT: i64 = 1_790_000_000;
    const CONTENT: &[u8] = br#"{"alert":41,"amount":"12.50 USD"}"#;

    #[test]
    fn the_vectors_are_what_another_implementation_computes() {
        // Computed with the PyPI package `standardwebhooks` 1.1.0 under the same secret, id and time.
        let signed = sign(&[key(FIRST)], "alert_41_1", at(SENT), CONTENT);
        assert_eq!(signed.timestamp, "1790000000");
        assert_eq!(signed.signature, "v1,duWXQkA/r0hxP1OV9GM6ZCIEzur6BpF6AlIUPy62xfQ=");
        let both = sign(&[key(SECOND), key(FIRST)], "alert_41_1", at(SENT), CONTENT);
        assert_eq!(
            both.signature,
            format!("v1,NzMh07EAsb6kUNPAZaJfvE+PuoDj1uHo2d8WnOKiyvs= {}", signed.signature)
        );
        let empty = sign(&[key(FIRST)], "pull", at(SENT), b"/facts?payment=pi_7&dispute=dp_9");
        assert_eq!(empty.signature, "v1,PEytTQB9BObw/OnEDZEsGwk/xZQZzZnVA8PdvJY/KgY=");
    }

    #[test]
    fn either_secret_verifies_while_one_replaces_the_other() {
        let signed = sign(&[key(SECOND), key(FIRST)], "a", at(SENT), CONTENT);
        for receiver in [FIRST, SECOND] {
            assert_eq!(verify(&[key(receiver)], &signed, CONTENT, at(SENT), TOLERANCE), Ok(()));
        }
        let old = sign(&[key(FIRST)], "a", at(SENT), CONTENT);
        assert_eq!(verify(&[key(SECOND), key(FIRST)], &old, CONTENT, at(SENT), TOLERANCE), Ok(()));
        let refusal = verify(&[key(SECOND)], &old, CONTENT, at(SENT), TOLERANCE);
        assert_eq!(refusal, Err(Refusal::SignatureMismatch { secrets: 1 }));
        assert_eq!(verify(&[], &old, CONTENT, at(SENT), TOLERANCE), Err(Refusal::NoSecret));
    }

    #[test]
    fn a_time_too_far_either_way_is_refused_and_the_edge_is_not() {
        let signed = sign(&[key(FIRST)], "a", at(SENT), CONTENT);
        for off in [-300, 0, 300] {
            assert_eq!(verify(&[key(FIRST)], &signed, CONTENT, at(SENT + off), TOLERANCE), Ok(()), "{off}");
        }
        for off in [-301, 301, 86_400] {
            let refusal = verify(&[key(FIRST)], &signed, CONTENT, at(SENT + off), TOLERANCE).unwrap_err();
            assert!(matches!(refusal, Refusal::TimeTooFar { .. }), "{off}: {refusal}");
        }
    }

    #[test]
    fn malformed_headers_are_named() {
        let good = sign(&[key(FIRST)], "a", at(SENT), CONTENT);
        let check =
            |signed: &Signed| verify(&[key(FIRST)], signed, CONTENT, at(SENT), TOLERANCE).unwrap_err();
        for id in ["", "a.b"] {
            let refusal = check(&Signed { id: id.into(), ..good.clone() });
            assert!(matches!(refusal, Refusal::HeaderMalformed { header: ID_HEADER, .. }), "{refusal}");
        }
        for timestamp in ["", "-1", "1e9", "soon", "99999999999999999999"] {
            let refusal = check(&Signed { timestamp: timestamp.into(), ..good.clone() });
            assert!(
                matches!(refusal, Refusal::HeaderMalformed { header: TIMESTAMP_HEADER, .. }),
                "{refusal}"
            );
        }
        for signature in ["", "v1", "v2,AAAA", "v1a,AAAA"] {
            let refusal = check(&Signed { signature: signature.into(), ..good.clone() });
            assert!(
                matches!(refusal, Refusal::HeaderMalformed { header: SIGNATURE_HEADER, .. }),
                "{refusal}"
            );
        }
        let refusal = check(&Signed { signature: "v1,not-base64!".into(), ..good.clone() });
        assert_eq!(refusal, Refusal::SignatureMismatch { secrets: 1 });
        let among = Signed { signature: format!("v1,AAAA v1a,zz {}", good.signature), ..good };
        assert_eq!(verify(&[key(FIRST)], &among, CONTENT, at(SENT), TOLERANCE), Ok(()));
    }

    #[test]
    fn a_secret_is_read_strictly_and_never_printed() {
        let parse = |text: &str| Key::parse(text).map(|_| ());
        assert_eq!(parse("whsec_!!!"), Err(BadKey::NotBase64));
        assert_eq!(parse(""), Err(BadKey::WrongLength(0)));
        assert_eq!(parse("whsec_AAAA"), Err(BadKey::WrongLength(3)));
        assert_eq!(parse(FIRST.trim_start_matches("whsec_")), Ok(()));
        assert_eq!(format!("{:?}", key(FIRST)), "Key(hidden)");
        let several = |text: &str| Key::parse_all(&SecretString::from(text)).map(|keys| keys.len());
        assert_eq!(several(&format!("{SECOND} {FIRST}")), Ok(2));
        assert_eq!(several(" "), Err(BadKey::WrongLength(0)));
        assert_eq!(several(&format!("{SECOND} nonsense!")), Err(BadKey::NotBase64));
    }

    proptest! {
        #[test]
        fn what_was_signed_verifies_and_one_changed_bit_does_not(
            content in proptest::collection::vec(any::<u8>(), 0..200),
            bit in any::<prop::sample::Index>(),
        ) {
            let signed = sign(&[key(FIRST)], "a", at(SENT), &content);
            prop_assert_eq!(verify(&[key(FIRST)], &signed, &content, at(SENT), TOLERANCE), Ok(()));
            let mut changed = content.clone();
            match changed.is_empty() {
                true => changed.push(0),
                false => changed[bit.index(content.len())] ^= 1 << (bit.index(8)),
            }
            prop_assert!(verify(&[key(FIRST)], &signed, &changed, at(SENT), TOLERANCE).is_err());
        }
    }
}
