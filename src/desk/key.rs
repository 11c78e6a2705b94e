//! What a key looks like, and what it may be good for. Pure: a key is made from random bytes that the caller
//! brings, and is known afterwards by its digest alone.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dispute::{MerchantId, UnknownWord, words};

words!(
    /// What the holder of a key may do. No scope includes another.
    Scope, "scope", {
        /// See the merchant's disputes.
        DisputesRead = "disputes:read",
        /// Give orders about them.
        DisputesWrite = "disputes:write",
    }
);

/// So that a key that got into a log or a repository is recognised.
const PREFIX: &str = "rby";

/// A new key, to be shown once.
pub struct NewSecret {
    /// `rby_`, the merchant's number, `_` and 256 bits as base64.
    pub shown: SecretString,
    pub digest: [u8; 32],
}

impl NewSecret {
    pub fn of(merchant_id: MerchantId, bits: [u8; 32]) -> Self {
        let shown = format!("{PREFIX}_{merchant_id}_{}", BASE64.encode(bits));
        Self { digest: Sha256::digest(&shown).into(), shown: shown.into() }
    }
}

/// What somebody showed, if it has a key's shape: whose it claims to be, and what it is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub merchant_id: MerchantId,
    pub digest: [u8; 32],
}

impl Shown {
    /// Reads the value of an `authorization` header: `Bearer KEY`, or the key alone.
    pub fn read(authorization: &str) -> Option<Self> {
        let text = authorization.trim();
        let key = match text.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim_start(),
            Some(_) => return None,
            None => text,
        };
        let rest = key.strip_prefix(PREFIX)?.strip_prefix('_')?;
        let (merchant, bits) = rest.split_once('_')?;
        let plain = !merchant.is_empty() && merchant.bytes().all(|b| b.is_ascii_digit());
        let merchant_id = merchant.parse().ok().filter(|_| plain)?;
        BASE64.decode(bits).ok().filter(|bits| bits.len() == 32)?;
        Some(Self { merchant_id, digest: Sha256::digest(key).into() })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_key_that_is_shown_again_is_known_by_its_digest() {
        let new = NewSecret::of(4012, [7; 32]);
        let key = new.shown.expose_secret();
        for shown in [key.to_owned(), format!("Bearer {key}"), format!("bearer  {key} ")] {
            let read = Shown::read(&shown).unwrap_or_else(|| panic!("{shown}"));
            assert_eq!((read.merchant_id, read.digest), (4012, new.digest), "{shown}");
        }
        assert_ne!(NewSecret::of(4013, [7; 32]).digest, new.digest);
    }

    #[test]
    fn what_is_no_key_is_told_apart_without_asking_anybody() {
        let good = NewSecret::of(12, [9; 32]).shown.expose_secret().to_owned();
        let long = format!("{good}A");
        let short = &good[..good.len() - 1];
        for text in [
            "",
            "Bearer",
            "Bearer ",
            "Basic abc",
            "rby_",
            "rby_12_",
            "rby_+12_AAAA",
            "rby_99999999999999999999_AAAA",
            &good.replace("rby_12", "rby_-12"),
            &good.replace("rby", "sk"),
            &good.replace("_12_", "__"),
            &format!("Basic {good}"),
            &long,
            short,
        ] {
            assert_eq!(Shown::read(text), None, "{text}");
        }
    }
}
