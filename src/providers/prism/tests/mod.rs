//! Prism's adapter, attacked. What every provider must stand is in the suite of the folder above.

mod attacks;
mod calling;
mod configuring;
mod connecting;
mod forms;
mod getting;
mod heading;
mod packing;
mod reading;
mod recorded;
mod stub;
mod tls;
mod webhooks;
mod wire;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::Prism;
use crate::clock::Clock;
use crate::config::ProviderConfig;
use crate::evidence::{Document, Field, FileRef, Packet};
use crate::providers::{Account, Credentials, Folder, ProviderName};

const DISPUTE: &str = "QX7TWPM4KJ9R2C8V";
const ADYEN: &[(&str, &str)] =
    &[("connector", "adyen"), ("api_key", "AQEq-91z"), ("merchant_account", "NorthECOM")];

fn now() -> DateTime<Utc> {
    "2026-03-12T09:00:00Z".parse().unwrap()
}

/// An account with those credentials and settings, whose server is at `address`.
fn account(told: &[(&str, &str)], address: &str) -> Account {
    let named = told.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
    Account {
        merchant_id: 3,
        account_id: 31,
        merchant: "north".to_owned(),
        name: "north-prism".to_owned(),
        provider: ProviderName::Prism,
        webhook_secrets: vec!["Damson-new".into(), "Bullace-old".into()],
        credentials: Credentials::new(named),
        base_url: Some(address.to_owned()),
        tolerance_s: 300,
    }
}

/// The same with more said, or other words.
fn with<'a>(told: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = told.iter().filter(|(name, _)| !more.iter().any(|(other, _)| name == other));
    kept.chain(more).copied().collect()
}

fn prism(get: &str) -> Prism {
    started(get, 20_000)
}

fn started(get: &str, read_timeout_ms: u64) -> Prism {
    trusting("", get, read_timeout_ms).unwrap()
}

/// One that traces certificates to the authorities of that file.
fn trusting(authorities: &str, get: &str, read_timeout_ms: u64) -> anyhow::Result<Prism> {
    let settings = [("get", get), ("certificate_authorities", authorities)];
    let config = ProviderConfig {
        base_url: "http://127.0.0.1:9".to_owned(),
        connect_timeout_ms: 2_000,
        read_timeout_ms,
        total_timeout_ms: 30_000,
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    Prism::start(&config, Clock::frozen_at(now()))
}

fn document(field: Field, content: &'static [u8]) -> Document {
    Document {
        field,
        name: format!("{field}.pdf"),
        media_type: "application/pdf".to_owned(),
        content: Bytes::from_static(content),
    }
}

/// A packet that names those documents.
fn packet(documents: &[Document]) -> Packet {
    let mut packet =
        Packet { defence_reason: Some("goods_services_received".to_owned()), ..Packet::default() };
    for (n, document) in documents.iter().enumerate() {
        let file = FileRef { file_id: n as i64 + 1, sha256: [7; 32] };
        packet.files.entry(document.field).or_default().push(file.to_string());
    }
    packet
}
