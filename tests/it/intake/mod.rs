//! Intake: from the socket to the committed row, and everything that may go wrong on the way.

mod accounts;
mod database;
mod deliveries;
mod ids;
mod nobody;
mod proxy;
mod server;
pub mod surface;

use std::sync::LazyLock;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::providers::{Account, Credentials, Delivery, ProviderName, Registry};
use respondby::store::deliveries::Arrival;
use sha2::Sha256;

pub const SECRET: &str = "whsec_of_the_tests";

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant in RFC 3339")
}

/// The defaults, as a process without a configuration file has them.
pub fn config() -> Config {
    Config::read(None, []).expect("the defaults are a configuration")
}

/// Made once: each reads the machine's certificates.
pub fn providers() -> Registry {
    static PROVIDERS: LazyLock<Registry> = LazyLock::new(|| {
        Registry::new(&config().providers, Clock::system())
            .expect("the providers need nothing but their configuration")
    });
    PROVIDERS.clone()
}

/// An account that no database knows: enough to verify with.
pub fn account() -> Account {
    Account {
        merchant_id: 1,
        account_id: 2,
        merchant: "acme".to_owned(),
        name: "acme-stripe".to_owned(),
        provider: ProviderName::Stripe,
        webhook_secrets: vec![SECRET.into()],
        credentials: Credentials::default(),
        base_url: None,
        tolerance_s: 300,
    }
}

/// The body of a webhook about a dispute, as Stripe would wrap it.
pub fn body(event: &str) -> String {
    format!(
        r#"{{"id":"{event}","object":"event","type":"charge.dispute.created","created":1790000000,"livemode":false,"data":{{"object":{{"id":"dp_{event}","object":"dispute"}}}}}}"#
    )
}

/// The value of `stripe-signature` for a body sent at `now`.
pub fn sign(secret: &str, body: &[u8], now: DateTime<Utc>) -> String {
    let t = now.timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(format!("{t}.").as_bytes());
    mac.update(body);
    format!("t={t},v1={}", hex::encode(mac.finalize().into_bytes()))
}

pub fn arrival(event: &str, now: DateTime<Utc>) -> Arrival {
    arrival_with(&[], &body(event), now)
}

/// A request that was signed, sent and verified at `now`.
pub fn arrival_with(headers: &[(&str, &str)], body: &str, now: DateTime<Utc>) -> Arrival {
    let mut all = vec![("stripe-signature".to_owned(), sign(SECRET, body.as_bytes(), now))];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let delivery = Delivery { headers: all, body: Bytes::copy_from_slice(body.as_bytes()), url: None };
    let verified = providers()
        .get(ProviderName::Stripe)
        .verify(delivery, &account(), now)
        .unwrap_or_else(|refusal| panic!("a good signature was refused: {refusal}"));
    Arrival::new(&verified, now)
}
