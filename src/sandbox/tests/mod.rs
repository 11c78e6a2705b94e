//! A sandbox on free ports, a clock that stands still, and a receiver that keeps what it is sent and answers
//! as it is told. Everything else is in the files by subject.

mod adyen;
mod checkout;
mod control;
mod every;
mod faults;
mod hyperswitch;
mod paypal;
mod prism;
mod razorpay;
mod square;
mod stripe;
mod stripe_connected;
mod stripe_reads;
mod webhooks;

use std::sync::{Arc, Mutex};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;

const KEY: &str = "sk_test_bench";
const STRIPE_SECRET: &str = "whsec_bench";
const RAZORPAY_SECRET: &str = "bench_webhook_secret";
const ADYEN_KEY: &str = "AQEbench";
const ADYEN_SECRET: &str = "44D1B0C39E57A2F844D1B0C39E57A2F844D1B0C39E57A2F844D1B0C39E57A2F8";
const PDF: &[u8] = b"%PDF-1.4 a receipt";

#[derive(Debug, Clone)]
struct Received {
    headers: HeaderMap,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Debug, Clone, Default)]
struct Inbox {
    got: Arc<Mutex<Vec<Received>>>,
    /// Statuses of the next answers; 200 when there are none left.
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Inbox {
    fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }

    fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }
}

async fn receive(State(inbox): State<Inbox>, request: Request) -> StatusCode {
    let headers = request.headers().clone();
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    inbox.got.lock().unwrap().push(Received { headers, body });
    let mut answers = inbox.answers.lock().unwrap();
    match answers.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::from_u16(answers.remove(0)).unwrap(),
    }
}

/// A whole answer.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

struct Bench {
    sandbox: Sandbox,
    control: Control,
    clock: Clock,
    inbox: Inbox,
    client: reqwest::Client,
}

fn start_of_time() -> DateTime<Utc> {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

impl Bench {
    async fn new() -> Self {
        Self::with(|account| account).await
    }

    async fn with(change: impl Fn(SandboxAccount) -> SandboxAccount) -> Self {
        Self::with_more(change, Vec::new()).await
    }

    /// `more` accounts come after those that it has.
    async fn with_more(change: impl Fn(SandboxAccount) -> SandboxAccount, more: Vec<SandboxAccount>) -> Self {
        let inbox = Inbox::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(receive).with_state(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let clock = Clock::frozen_at(start_of_time());
        let mut accounts = vec![
            change(SandboxAccount::stripe("shop", KEY, STRIPE_SECRET).webhook_url(&url)),
            change(
                SandboxAccount::razorpay("shop", "rzp_test_bench", "bench_secret", RAZORPAY_SECRET)
                    .webhook_url(&url),
            ),
            change(paypal::account().webhook_url(&url)),
            change(SandboxAccount::adyen("shop", ADYEN_KEY, "BenchMerchant", ADYEN_SECRET).webhook_url(&url)),
        ];
        for kind in ProviderKind::ALL {
            if !accounts.iter().any(|account| account.provider == *kind) {
                accounts.push(change(kind.stand_in().example().webhook_url(&url)));
            }
        }
        accounts.extend(more);
        let config = SandboxConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            clock: clock.clone(),
            accounts,
            seed: 11,
        };
        let sandbox = Sandbox::start(config).await.unwrap();
        Self {
            control: sandbox.control(),
            sandbox,
            clock,
            inbox,
            client: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
        }
    }

    fn create(&self, order: NewDispute) -> String {
        self.control.create(&order).unwrap()
    }

    fn status(&self, id: &str) -> String {
        self.control.dispute(id).unwrap().status
    }

    fn advance(&self, by: TimeDelta) {
        self.control.advance(by).unwrap();
    }

    /// What arrived since the last look.
    async fn delivered(&self) -> Vec<Received> {
        self.control.flush().await;
        self.inbox.take()
    }

    /// The event types that arrived since the last look.
    async fn delivered_types(&self) -> Vec<String> {
        let events = self.delivered().await.into_iter().map(|received| {
            let body = received.json();
            let words = [&body["type"], &body["event"], &body["event_type"]];
            words.into_iter().find_map(Value::as_str).unwrap().to_owned()
        });
        events.collect()
    }

    fn stripe(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.sandbox.url(ProviderKind::Stripe)))
            .bearer_auth(KEY)
    }

    async fn stripe_get(&self, path: &str) -> Got {
        got(self.stripe(Method::GET, path)).await
    }

    async fn stripe_post(&self, path: &str, form: &[(&str, &str)]) -> Got {
        got(self.stripe(Method::POST, path).form(form)).await
    }

    async fn stripe_post_keyed(&self, path: &str, form: &[(&str, &str)], key: &str) -> Got {
        got(self.stripe(Method::POST, path).header("idempotency-key", key).form(form)).await
    }

    async fn stripe_file(&self) -> String {
        let part = reqwest::multipart::Part::bytes(PDF).file_name("receipt.pdf");
        let form = reqwest::multipart::Form::new().text("purpose", "dispute_evidence").part("file", part);
        let got = got(self.stripe(Method::POST, "/v1/files").multipart(form)).await;
        assert_eq!(got.status, 200, "{}", got.body);
        got.body["id"].as_str().unwrap().to_owned()
    }

    fn razorpay(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.url(ProviderKind::Razorpay));
        self.client.request(method, url).basic_auth("rzp_test_bench", Some("bench_secret"))
    }

    async fn razorpay_get(&self, path: &str) -> Got {
        got(self.razorpay(Method::GET, path)).await
    }

    async fn razorpay_accept(&self, id: &str) -> Got {
        got(self.razorpay(Method::POST, &format!("/v1/disputes/{id}/accept")).json(&json!({}))).await
    }

    async fn razorpay_contest(&self, id: &str, body: Value) -> Got {
        got(self.razorpay(Method::PATCH, &format!("/v1/disputes/{id}/contest")).json(&body)).await
    }

    async fn razorpay_document(&self) -> String {
        let part = reqwest::multipart::Part::bytes(PDF).file_name("receipt.pdf");
        let form = reqwest::multipart::Form::new().text("purpose", "dispute_evidence").part("file", part);
        let got = got(self.razorpay(Method::POST, "/v1/documents").multipart(form)).await;
        assert_eq!(got.status, 200, "{}", got.body);
        got.body["id"].as_str().unwrap().to_owned()
    }

    async fn control_post(&self, path: &str, body: Value) -> Got {
        got(self.client.post(format!("{}/_sandbox{path}", self.sandbox.control_url())).json(&body)).await
    }

    async fn control_get(&self, path: &str) -> Got {
        got(self.client.get(format!("{}/_sandbox{path}", self.sandbox.control_url()))).await
    }
}

async fn got(request: RequestBuilder) -> Got {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Got { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}
