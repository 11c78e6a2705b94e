//! Adyen's own tests; what every provider must stand is in `providers::conformance`.

mod calling;
mod crowds;
mod fuzzing;
mod packing;
mod reading;
mod signing;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::Adyen;
use crate::clock::Clock;
use crate::config::ProviderConfig;
use crate::providers::{Account, Credentials, Folder, ProviderName};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".json"))
    };
}
pub(super) use fixture;

const KEY: &str = "5B0E9A7C41D2F8836E1740BB9C5DA2F09477E3D168AC0F25B9E86D3C7A1150F4";
const MERCHANT_ACCOUNT: &str = "NordlichtHamburg";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-03-12T09:00:00Z")
}

/// An account with these credentials beside the key and the merchant account.
fn account_with(secrets: &[&str], more: &[(&str, &str)], base_url: Option<String>) -> Account {
    let known = [("api_key", "AQEyhmfx-quartz"), ("merchant_account", MERCHANT_ACCOUNT)];
    let credentials = known.iter().chain(more).map(|(n, v)| ((*n).to_owned(), SecretString::from(*v)));
    Account {
        merchant_id: 9,
        account_id: 90,
        merchant: "nordlicht".to_owned(),
        name: "nordlicht-eu".to_owned(),
        provider: ProviderName::Adyen,
        webhook_secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
        credentials: Credentials::new(credentials),
        base_url,
        tolerance_s: 300,
    }
}

fn account(secrets: &[&str], base_url: Option<String>) -> Account {
    account_with(secrets, &[], base_url)
}

fn adyen() -> Adyen {
    let config = ProviderConfig {
        base_url: "http://127.0.0.1:9".to_owned(),
        connect_timeout_ms: 2_000,
        read_timeout_ms: 2_000,
        total_timeout_ms: 4_000,
        settings: BTreeMap::from([("test_url".to_owned(), "http://127.0.0.1:10".to_owned())]),
    };
    Adyen::start(&config, Clock::frozen_at(now())).unwrap()
}

/// The body with `from`, which must occur, replaced.
fn with(body: &str, from: &str, to: &str) -> String {
    assert!(body.contains(from), "{from} is not in the fixture");
    body.replace(from, to)
}
