//! The router's own tests; what every provider must stand is in `providers::conformance`.

mod calling;
mod paging;
mod reading;
mod signing;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::Hyperswitch;
use crate::clock::Clock;
use crate::config::ProviderConfig;
use crate::providers::{Account, Credentials, Folder, ProviderName};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".json"))
    };
}
pub(super) use fixture;

fn now() -> DateTime<Utc> {
    "2026-03-12T09:00:00Z".parse().unwrap()
}

fn account(secrets: &[&str], base_url: Option<String>) -> Account {
    Account {
        merchant_id: 7,
        account_id: 70,
        merchant: "teak".to_owned(),
        name: "teak-router".to_owned(),
        provider: ProviderName::Hyperswitch,
        webhook_secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
        credentials: Credentials::new([("api_key".to_owned(), SecretString::from("prd_Curlew12"))]),
        base_url,
        tolerance_s: 300,
    }
}

fn router() -> Hyperswitch {
    let config = ProviderConfig {
        base_url: "http://127.0.0.1:9".to_owned(),
        connect_timeout_ms: 2_000,
        read_timeout_ms: 2_000,
        total_timeout_ms: 4_000,
        settings: Default::default(),
    };
    Hyperswitch::start(&config, Clock::frozen_at(now())).unwrap()
}
