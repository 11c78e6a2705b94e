//! Carries alerts to people: Slack-compatible incoming webhooks and signed webhooks of the operator's own.
//! The log is a channel too and always has everything (`worker::notify` writes it). Knows how to send one
//! notice to one channel once; not when, not how often, and not where alerts are kept.

mod signed;
mod slack;

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::alerts::{Notice, Outcome};
use crate::clock::Clock;
use crate::config::{AlertsConfig, ChannelConfig, ChannelKind, RouteConfig};
use crate::dispute::Severity;
use crate::providers::http::{Http, Response, TimeOuts};
use crate::standard_webhooks::Key;

/// A channel that takes longer is tried again. All channels of an alert are tried side by side.
pub const TIME_OUTS: TimeOuts = TimeOuts { connect_ms: 3_000, read_ms: 5_000, total_ms: 10_000 };

/// Every configured channel, ready to send.
#[derive(Debug)]
pub struct Channels {
    http: Http,
    clock: Clock,
    endpoints: BTreeMap<String, Endpoint>,
    routes: Vec<RouteConfig>,
}

#[derive(Debug)]
enum Endpoint {
    Slack { url: SecretString },
    Signed { url: SecretString, keys: Vec<Key> },
}

impl Channels {
    /// # Errors
    /// A channel whose address or secret cannot be used, by name.
    pub fn new(config: &AlertsConfig, clock: Clock) -> anyhow::Result<Self> {
        let endpoints = config
            .channels
            .iter()
            .map(|channel| {
                let made = endpoint(channel);
                let named = made.with_context(|| format!("the alert channel `{}`", channel.name))?;
                Ok((channel.name.clone(), named))
            })
            .collect::<anyhow::Result<_>>()?;
        Self::with(endpoints, config.routes.clone(), clock)
    }

    fn with(
        endpoints: BTreeMap<String, Endpoint>,
        routes: Vec<RouteConfig>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let http = Http::new(TIME_OUTS, "x-request-id", clock.clone())?;
        Ok(Self { http, clock, endpoints, routes })
    }

    /// The channels for an alert, each once, in the order configured. A merchant with routes of its own has
    /// those alone.
    pub fn route(&self, merchant: &str, severity: Severity, escalated: bool) -> Vec<&str> {
        let own = self.routes.iter().any(|r| r.merchant.as_deref() == Some(merchant));
        let wanted = own.then_some(merchant);
        let mut out: Vec<&str> = Vec::new();
        for route in self.routes.iter().filter(|r| r.merchant.as_deref() == wanted) {
            let direct: &[String] = match route.at_least.is_none_or(|least| severity >= least) {
                true => &route.channels,
                false => &[],
            };
            let also: &[String] = if escalated { &route.escalate_to } else { &[] };
            out.extend(direct.iter().chain(also).map(String::as_str));
        }
        let mut seen = std::collections::BTreeSet::new();
        out.retain(|name| seen.insert(*name));
        out
    }

    /// Each channel's name with a digest of its address: an endpoint that told us to stop is asked again
    /// once this has changed.
    pub fn fingerprints(&self) -> BTreeMap<&str, [u8; 32]> {
        let digest = |endpoint: &Endpoint| -> [u8; 32] {
            let (Endpoint::Slack { url } | Endpoint::Signed { url, .. }) = endpoint;
            Sha256::digest(url.expose_secret()).into()
        };
        self.endpoints.iter().map(|(name, endpoint)| (name.as_str(), digest(endpoint))).collect()
    }

    /// Sends once. What went wrong never holds the address or the answer's body.
    pub async fn send(&self, channel: &str, notice: &Notice) -> Outcome {
        let Some(endpoint) = self.endpoints.get(channel) else {
            return Outcome::Failed { why: format!("no channel is called `{channel}`"), after: None };
        };
        let now = self.clock.now();
        let exchange = self.http.send(self.request(endpoint, notice, now)).await;
        match exchange.outcome {
            Ok(response) => outcome(&response),
            Err(failure) => Outcome::Failed { why: failure.to_string(), after: None },
        }
    }

    fn request(&self, endpoint: &Endpoint, notice: &Notice, now: DateTime<Utc>) -> RequestBuilder {
        match endpoint {
            Endpoint::Slack { url } => {
                self.http.request(Method::POST, url.expose_secret()).json(&slack::payload(notice, now))
            }
            Endpoint::Signed { url, keys } => {
                signed::request(self.http.request(Method::POST, url.expose_secret()), keys, notice, now)
            }
        }
    }
}

fn endpoint(channel: &ChannelConfig) -> anyhow::Result<Endpoint> {
    let url = channel.url.value().clone();
    let address = reqwest::Url::parse(url.expose_secret());
    let usable = address.is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    anyhow::ensure!(usable, "its `url` is not an http or https address");
    match channel.kind {
        ChannelKind::Slack => Ok(Endpoint::Slack { url }),
        ChannelKind::Webhook => {
            let secret = channel.secret.as_ref().context("it has no `secret` to sign with")?;
            Ok(Endpoint::Signed { url, keys: Key::parse_all(secret.value())? })
        }
    }
}

fn outcome(response: &Response) -> Outcome {
    match response.status {
        200..=299 => Outcome::Delivered,
        410 => Outcome::Stopped { why: "HTTP 410: the endpoint is gone".to_owned() },
        300..=399 => {
            let why = format!("HTTP {}: a redirect, which is not followed: correct the url", response.status);
            Outcome::Failed { why, after: None }
        }
        status => {
            let after = response.retry_after().and_then(|wait| TimeDelta::from_std(wait).ok());
            Outcome::Failed { why: format!("HTTP {status}"), after }
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::{header_exists, method};
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    use super::*;
    use crate::standard_webhooks::{self, Signed};

    const SECRET: &str = "whsec_Dw4NDAsKCQgHBgUEAwIBAA8ODQwLCgkIBwYFBAMCAQA=";
    const NOW: &str = "2026-11-21T12:30:00Z";

    fn route(merchant: Option<&str>, at_least: Option<Severity>, to: &[&str], also: &[&str]) -> RouteConfig {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let merchant = merchant.map(str::to_owned);
        RouteConfig { merchant, at_least, channels: names(to), escalate_to: names(also) }
    }

    fn channels(url: &str) -> Channels {
        let keys = vec![Key::parse(SECRET).unwrap()];
        let endpoints = [
            ("ops".to_owned(), Endpoint::Slack { url: url.into() }),
            ("pager".to_owned(), Endpoint::Signed { url: url.into(), keys }),
        ];
        let routes = vec![
            route(None, Some(Severity::Warning), &["ops"], &["pager", "ops"]),
            route(None, Some(Severity::Page), &["pager"], &[]),
            route(Some("quiet"), Some(Severity::Page), &["ops"], &[]),
        ];
        let clock = Clock::frozen_at(NOW.parse().unwrap());
        Channels::with(endpoints.into(), routes, clock).unwrap()
    }

    fn page() -> Notice {
        crate::alerts::example_notice()
    }

    async fn answering(status: u16) -> MockServer {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("retry-after", "45");
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        server
    }

    async fn one_request(server: &MockServer) -> Request {
        let mut requests = server.received_requests().await.unwrap();
        assert_eq!(requests.len(), 1);
        requests.remove(0)
    }

    #[test]
    fn routes_are_by_severity_and_merchant_and_name_each_channel_once() {
        let channels = channels("http://127.0.0.1:1/x");
        assert_eq!(channels.route("shop", Severity::Info, false), [""; 0]);
        assert_eq!(channels.route("shop", Severity::Warning, false), ["ops"]);
        assert_eq!(channels.route("shop", Severity::Page, false), ["ops", "pager"]);
        assert_eq!(channels.route("shop", Severity::Warning, true), ["ops", "pager"]);
        assert_eq!(channels.route("quiet", Severity::Warning, true), [""; 0]);
        assert_eq!(channels.route("quiet", Severity::Page, true), ["ops"]);
    }

    #[tokio::test]
    async fn a_signed_webhook_verifies_with_the_receivers_secret() {
        let server = MockServer::start().await;
        Mock::given(header_exists("webhook-signature"))
            .respond_with(ResponseTemplate::new(204))
            .mount(&server)
            .await;
        assert_eq!(channels(&server.uri()).send("pager", &page()).await, Outcome::Delivered);
        let request = one_request(&server).await;
        let header = |name: &str| request.headers.get(name).unwrap().to_str().unwrap().to_owned();
        let signed = Signed {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        assert_eq!(signed.id, page().message_id);
        let keys = [Key::parse(SECRET).unwrap()];
        let now = NOW.parse().unwrap();
        standard_webhooks::verify(&keys, &signed, &request.body, now, standard_webhooks::TOLERANCE).unwrap();
    }

    #[tokio::test]
    async fn each_answer_has_its_meaning() {
        let wait = Some(TimeDelta::seconds(45));
        for (status, wanted) in [
            (200, Outcome::Delivered),
            (202, Outcome::Delivered),
            (410, Outcome::Stopped { why: "HTTP 410: the endpoint is gone".into() }),
            (404, Outcome::Failed { why: "HTTP 404".into(), after: wait }),
            (429, Outcome::Failed { why: "HTTP 429".into(), after: wait }),
            (503, Outcome::Failed { why: "HTTP 503".into(), after: wait }),
        ] {
            let server = answering(status).await;
            for channel in ["ops", "pager"] {
                assert_eq!(
                    channels(&server.uri()).send(channel, &page()).await,
                    wanted,
                    "{status} {channel}"
                );
            }
        }
        let server = answering(302).await;
        let outcome = channels(&server.uri()).send("ops", &page()).await;
        assert!(
            matches!(outcome, Outcome::Failed { ref why, .. } if why.contains("redirect")),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn what_went_wrong_never_tells_the_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/opaque-part", listener.local_addr().unwrap());
        drop(listener);
        for channel in ["ops", "pager"] {
            let outcome = channels(&url).send(channel, &page()).await;
            let printed = format!("{outcome:?} {:?}", channels(&url));
            assert!(matches!(outcome, Outcome::Failed { .. }));
            assert!(!printed.contains("opaque-part"), "{printed}");
        }
    }

    #[test]
    fn the_fingerprint_follows_the_address() {
        let (one, other) = (channels("http://127.0.0.1:1/x"), channels("http://127.0.0.1:1/y"));
        assert_eq!(one.fingerprints()["ops"], channels("http://127.0.0.1:1/x").fingerprints()["ops"]);
        assert_ne!(one.fingerprints()["ops"], other.fingerprints()["ops"]);
    }
}
