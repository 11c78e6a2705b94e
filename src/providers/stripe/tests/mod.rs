//! What attacks the Stripe provider, by subject. Fixtures and vectors are of our own making.

mod calling;
mod fuzzing;
mod packing;
mod reading;
mod refusing;
mod signing;

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::Stripe;
use crate::clock::Clock;
use crate::config::ProviderConfig;
use crate::dispute::{Event, Source};
use crate::providers::{Account, Credentials, Folder, Kept, Provider, ProviderName, Reading};

/// 2026-03-01T10:00:00Z, the present of these tests.
const T: i64 = 1_772_359_200;

const CREATED: &str = include_str!("../fixtures/dispute_created.json");
const UPDATED: &str = include_str!("../fixtures/dispute_updated.json");
const CLOSED: &str = include_str!("../fixtures/dispute_closed.json");
const WITHDRAWN: &str = include_str!("../fixtures/dispute_funds_withdrawn.json");
const REINSTATED: &str = include_str!("../fixtures/dispute_funds_reinstated.json");
const WARNED: &str = include_str!("../fixtures/early_fraud_warning_created.json");
const WARNING_UPDATED: &str = include_str!("../fixtures/early_fraud_warning_updated.json");
const THIN_DISPUTE: &str = include_str!("../fixtures/thin_dispute_created.json");
const THIN_WARNING: &str = include_str!("../fixtures/thin_early_fraud_warning_created.json");
const PAID: &str = include_str!("../fixtures/payment_intent_succeeded.json");
const OLDEST: &str = include_str!("../fixtures/dispute_created_oldest_shape.json");
const WITHOUT_ID: &str = include_str!("../fixtures/dispute_updated_without_id.json");
const STATUSES: &str = include_str!("../fixtures/statuses.json");
const VECTORS: &str = include_str!("../fixtures/vectors.json");
const BODIES: [&str; 12] = [
    CREATED,
    UPDATED,
    CLOSED,
    WITHDRAWN,
    REINSTATED,
    WARNED,
    WARNING_UPDATED,
    THIN_DISPUTE,
    THIN_WARNING,
    PAID,
    OLDEST,
    WITHOUT_ID,
];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn account(secrets: &[&str]) -> Account {
    let key = ("api_key".to_owned(), SecretString::from("rk_test_mango"));
    Account {
        merchant_id: 1,
        account_id: 2,
        merchant: "orchard".into(),
        name: "fruit".into(),
        provider: ProviderName::Stripe,
        webhook_secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
        credentials: Credentials::new([key]),
        base_url: None,
        tolerance_s: 300,
    }
}

fn stripe() -> Stripe {
    let settings = [("files_url", "http://127.0.0.1:9"), ("api_version", "2026-10-28.endive")];
    let config = ProviderConfig {
        base_url: "http://127.0.0.1:9".into(),
        connect_timeout_ms: 2_000,
        read_timeout_ms: 400,
        total_timeout_ms: 2_000,
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    Stripe::start(&config, Clock::frozen_at(at(T))).unwrap()
}

/// To be asked what needs no network: a client takes long to make, and belongs to the runtime of one test.
fn offline() -> &'static Stripe {
    static STRIPE: LazyLock<Stripe> = LazyLock::new(stripe);
    &STRIPE
}

fn read(source: Source, body: &str) -> Reading {
    offline().events(&Kept { source, body: body.as_bytes(), as_of: at(T + 5) })
}

fn webhook(body: &str) -> Reading {
    read(Source::Webhook, body)
}

#[track_caller]
fn one(reading: Reading) -> Event {
    let Reading::Events(mut events) = reading else { panic!("not events: {reading:?}") };
    assert_eq!(events.len(), 1);
    events.remove(0)
}

#[track_caller]
fn unrecognised(reading: Reading) -> String {
    let Reading::Unrecognised { what } = reading else { panic!("understood: {reading:?}") };
    what
}

/// The body of `charge.dispute.created` with one field of its dispute replaced, or removed by `None`.
fn created_with(path: &str, value: Option<serde_json::Value>) -> String {
    let mut body: serde_json::Value = serde_json::from_str(CREATED).unwrap();
    let mut node = &mut body["data"]["object"];
    let (parents, last) = path.rsplit_once('.').map_or((None, path), |(p, l)| (Some(p), l));
    for part in parents.into_iter().flat_map(|p| p.split('.')) {
        node = &mut node[part];
    }
    match value {
        Some(value) => node[last] = value,
        None => {
            node.as_object_mut().unwrap().remove(last).expect("the fixture has the field");
        }
    }
    body.to_string()
}
