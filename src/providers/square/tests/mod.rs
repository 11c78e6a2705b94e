//! Square's own tests; what every provider must stand is in `providers::conformance`.

mod calling;
mod packing;
mod paging;
mod reading;
mod signing;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::Square;
use crate::clock::Clock;
use crate::config::ProviderConfig;
use crate::providers::{Account, Credentials, Folder, ProviderName};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".json"))
    };
}
pub(super) use fixture;

const DISPUTE: &str = "Kq7ZtW3nVbR2xHcY8mPd";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-03-12T09:00:00Z")
}

fn account(secrets: &[&str], credentials: &[(&str, &str)], base_url: Option<String>) -> Account {
    let credential = |(name, value): &(&str, &str)| ((*name).to_owned(), SecretString::from(*value));
    Account {
        merchant_id: 9,
        account_id: 90,
        merchant: "fern".to_owned(),
        name: "north".to_owned(),
        provider: ProviderName::Square,
        webhook_secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
        credentials: Credentials::new(credentials.iter().map(credential)),
        base_url,
        tolerance_s: 300,
    }
}

fn square() -> Square {
    let config = ProviderConfig {
        base_url: "http://127.0.0.1:9".to_owned(),
        connect_timeout_ms: 2_000,
        read_timeout_ms: 2_000,
        total_timeout_ms: 4_000,
        settings: [("api_version".to_owned(), "2026-01-22".to_owned())].into(),
    };
    Square::start(&config, Clock::frozen_at(now())).unwrap()
}
