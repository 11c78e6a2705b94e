//! PayPal's own tests; what every provider must stand is in `providers::conformance`.

mod calling;
mod downloads;
mod fuzzing;
mod keys;
mod packing;
mod paging;
mod reading;
mod signing;
mod tokens;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::Paypal;
use crate::clock::Clock;
use crate::config::{Config, ProviderConfig};
use crate::providers::{Account, Credentials, Folder, ProviderName};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".json"))
    };
}
pub(super) use fixture;

const DISPUTE: &str = "PP-R-TQX-20260311";
const TOKEN: &str = "A21AAQuinceTokenForTests";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-03-12T09:00:00Z")
}

fn key_file(name: &str) -> String {
    format!("{}/src/providers/paypal/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn account(webhook_ids: &[&str], base_url: Option<String>) -> Account {
    let credential = |name: &str, value: &str| (name.to_owned(), SecretString::from(value));
    Account {
        merchant_id: 8,
        account_id: 80,
        merchant: "larch".to_owned(),
        name: "larch-us".to_owned(),
        provider: ProviderName::Paypal,
        webhook_secrets: webhook_ids.iter().map(|s| SecretString::from(*s)).collect(),
        credentials: Credentials::new([
            credential("client_id", "AbLarchClient"),
            credential("client_secret", "ELarchSecret:7"),
        ]),
        base_url,
        tolerance_s: 300,
    }
}

fn config(settings: &[(&str, &str)]) -> ProviderConfig {
    let mut config = Config::read(None, []).unwrap().providers.get(ProviderName::Paypal).clone();
    config.base_url = "http://127.0.0.1:9".to_owned();
    (config.connect_timeout_ms, config.read_timeout_ms, config.total_timeout_ms) = (2_000, 2_000, 4_000);
    config.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config
}

fn paypal_with(settings: &[(&str, &str)], clock: Clock) -> Paypal {
    Paypal::start(&config(settings), clock).unwrap()
}

fn paypal() -> Paypal {
    paypal_with(&[], Clock::frozen_at(now()))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn ok(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_raw(body.to_owned(), "application/json")
        .insert_header("date", "Thu, 12 Mar 2026 09:00:10 GMT")
        .insert_header("paypal-debug-id", "d0c5a1")
}

/// A server that gives tokens and shows one record.
async fn showing(record: &str) -> MockServer {
    let server = giving_tokens().await;
    answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), ok(record)).await;
    server
}

async fn giving_tokens() -> MockServer {
    let server = MockServer::start().await;
    answer(&server, "POST", "/v1/oauth2/token", ok(fixture!("token"))).await;
    server
}

async fn answer(server: &MockServer, verb: &str, at: &str, template: ResponseTemplate) {
    Mock::given(method(verb)).and(path(at)).respond_with(template).mount(server).await;
}

/// What was asked, the tokens left out.
async fn asked(server: &MockServer) -> Vec<Request> {
    let requests = server.received_requests().await.unwrap();
    requests.into_iter().filter(|r| r.url.path() != "/v1/oauth2/token").collect()
}

async fn tokens_asked(server: &MockServer) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|r| r.url.path() == "/v1/oauth2/token").count()
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).map(|v| v.to_str().unwrap())
}
