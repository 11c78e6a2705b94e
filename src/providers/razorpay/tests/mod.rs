//! Razorpay's own tests; what every provider must stand is in `providers::conformance`.

mod calling;
mod fuzzing;
mod packing;
mod paging;
mod reading;
mod signing;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::Razorpay;
use crate::clock::Clock;
use crate::config::ProviderConfig;
use crate::providers::{Account, Credentials, Folder, ProviderName};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".json"))
    };
}
pub(super) use fixture;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-03-12T09:00:00Z")
}

fn account(secrets: &[&str], base_url: Option<String>) -> Account {
    let credential = |name: &str, value: &str| (name.to_owned(), SecretString::from(value));
    Account {
        merchant_id: 7,
        account_id: 70,
        merchant: "teak".to_owned(),
        name: "teak-in".to_owned(),
        provider: ProviderName::Razorpay,
        webhook_secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
        credentials: Credentials::new([
            credential("key_id", "rzp_live_q1"),
            credential("key_secret", "s3:x"),
        ]),
        base_url,
        tolerance_s: 300,
    }
}

fn razorpay() -> Razorpay {
    let config = ProviderConfig {
        base_url: "http://127.0.0.1:9".to_owned(),
        connect_timeout_ms: 2_000,
        read_timeout_ms: 2_000,
        total_timeout_ms: 4_000,
        settings: BTreeMap::new(),
    };
    Razorpay::start(&config, Clock::frozen_at(now())).unwrap()
}
