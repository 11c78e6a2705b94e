//! Asks the merchant's own system what it knows of an order: one signed GET per dispute, answered with a JSON
//! object or 404. Asking is repeatable and never stands in the way: when and how often is the act step's
//! matter, and a merchant's system that is down delays no response past the margin.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::TimeDelta;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::PgPool;

use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::dispute::DisputeId;
use crate::observe::record;
use crate::providers::http::{Http, Response, TimeOuts};
use crate::providers::{Account, CallLog};
use crate::standard_webhooks::{self, ID_HEADER, Key, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use crate::store::facts::{self, FACTS_BYTES_MAX, Mode, NewFacts};

/// What facts are stored as having come from.
const SOURCE: &str = "pull";

/// The merchants' systems that can be asked.
#[derive(Debug)]
pub struct FactsAsker {
    http: Http,
    clock: Clock,
    common: Option<Place>,
    own: BTreeMap<String, Place>,
    /// How long an answer that is of no use is left alone.
    retry_every: TimeDelta,
}

#[derive(Debug)]
struct Place {
    url: reqwest::Url,
    keys: Vec<Key>,
}

/// What is asked about. All ids are the provider's.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub merchant: &'a str,
    pub provider: &'a str,
    pub account: &'a str,
    pub payment_ref: Option<&'a str>,
    pub charge_ref: Option<&'a str>,
    pub dispute_ref: &'a str,
}

impl<'a> Asked<'a> {
    /// Whose facts the answer is: the payment's, where the provider names one.
    pub fn subject(&self) -> &'a str {
        self.payment_ref.or(self.charge_ref).unwrap_or(self.dispute_ref)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum PullOutcome {
    /// One JSON object that can be kept.
    Known(Value),
    /// The merchant's system knows nothing of it (404, 204).
    NoneKnown,
    /// Nobody is configured to be asked.
    NotAsked,
    /// No answer, or none of use. `after`: not before so long.
    Again { after: Option<TimeDelta>, why: String },
}

impl FactsAsker {
    /// # Errors
    /// An address without a secret, or with one that cannot sign: an unsigned question is never asked.
    pub fn new(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let common = config.facts.url.as_deref();
        let common =
            common.map(|url| place(url, config.facts.secret.as_ref()).context("facts")).transpose()?;
        let mut own = BTreeMap::new();
        for merchant in &config.merchants {
            let Some(url) = &merchant.facts_url else { continue };
            let place = place(url, merchant.facts_secret.as_ref());
            let place = place.with_context(|| format!("the facts of merchant `{}`", merchant.name))?;
            own.insert(merchant.name.clone(), place);
        }
        let total_ms = config.facts.timeout_ms;
        let time_outs = TimeOuts { connect_ms: total_ms.min(3_000), read_ms: total_ms, total_ms };
        let http = Http::new(time_outs, "x-request-id", clock.clone())?.body_at_most(FACTS_BYTES_MAX);
        let retry_every = TimeDelta::seconds(config.facts.retry_every_s.into());
        Ok(Self { http, clock, common, own, retry_every })
    }

    /// Asks once. Writes nothing.
    pub async fn pull(&self, asked: &Asked<'_>) -> (PullOutcome, Vec<CallLog>) {
        let Some(place) = self.own.get(asked.merchant).or(self.common.as_ref()) else {
            return (PullOutcome::NotAsked, Vec::new());
        };
        let url = address(&place.url, asked);
        let content = signed_content(&url);
        let id = format!("pull_{}", uuid::Uuid::new_v4().simple());
        let signed = standard_webhooks::sign(&place.keys, &id, self.clock.now(), content.as_bytes());
        let request = self
            .http
            .request(Method::GET, url.as_str())
            .header("accept", "application/json")
            .header(ID_HEADER, signed.id)
            .header(TIMESTAMP_HEADER, signed.timestamp)
            .header(SIGNATURE_HEADER, signed.signature);
        let exchange = self.http.send(request).await;
        let outcome = match exchange.outcome {
            Ok(response) => self.read(&response, asked),
            Err(failure) => PullOutcome::Again { after: None, why: failure.to_string() },
        };
        record::facts_pull(match outcome {
            PullOutcome::Known(_) => "answered",
            PullOutcome::NoneKnown | PullOutcome::NotAsked => "unknown",
            PullOutcome::Again { .. } => "failed",
        });
        (outcome, vec![exchange.log])
    }

    fn read(&self, response: &Response, asked: &Asked<'_>) -> PullOutcome {
        let useless = |why: String| PullOutcome::Again { after: Some(self.retry_every), why };
        match response.status {
            200 => {
                let facts: Value = match serde_json::from_slice(&response.body) {
                    Ok(facts) => facts,
                    Err(e) => return useless(format!("the answer is not JSON: {e}")),
                };
                match NewFacts::new(0, asked.subject(), facts.clone()) {
                    Ok(_) => PullOutcome::Known(facts),
                    Err(e) => useless(e.to_string()),
                }
            }
            204 | 404 => PullOutcome::NoneKnown,
            status @ (408 | 425 | 429 | 500..=599) => {
                let after = response.retry_after().and_then(|wait| TimeDelta::from_std(wait).ok());
                PullOutcome::Again { after, why: format!("HTTP {status}") }
            }
            status => useless(format!("HTTP {status}: neither facts (200) nor none known (404)")),
        }
    }

    /// Asks once about a dispute of this account and keeps what is answered, beside what was set by hand. No
    /// connection is held while the merchant's system is asked.
    pub async fn pull_and_keep(
        &self,
        pool: &PgPool,
        account: &Account,
        dispute_id: DisputeId,
    ) -> anyhow::Result<(PullOutcome, Vec<CallLog>)> {
        let known = facts::known_as(&mut *pool.acquire().await?, account.merchant_id, dispute_id).await?;
        let known = known.context("there is no such dispute to ask about")?;
        let asked = Asked {
            merchant: &account.merchant,
            provider: account.provider.as_str(),
            account: &account.name,
            payment_ref: known.payment_ref.as_deref(),
            charge_ref: known.charge_ref.as_deref(),
            dispute_ref: &known.dispute_ref,
        };
        let (outcome, logs) = self.pull(&asked).await;
        if let PullOutcome::Known(facts) = &outcome {
            let new = NewFacts::new(account.merchant_id, asked.subject(), facts.clone())?;
            let mut tx = pool.begin().await?;
            facts::set(&mut tx, &new, Mode::Merge, SOURCE, self.clock.now()).await?;
            tx.commit().await?;
        }
        Ok((outcome, logs))
    }
}

fn place(url: &str, secret: Option<&Secret>) -> anyhow::Result<Place> {
    let secret = secret.context("there is a url and no secret, so the question could not be signed")?;
    made(url, secret.value())
}

fn made(url: &str, secret: &SecretString) -> anyhow::Result<Place> {
    Ok(Place { url: reqwest::Url::parse(url)?, keys: Key::parse_all(secret)? })
}

fn address(place: &reqwest::Url, asked: &Asked<'_>) -> reqwest::Url {
    let mut url = place.clone();
    let mut query = url.query_pairs_mut();
    query.append_pair("provider", asked.provider).append_pair("account", asked.account);
    query.append_pair("dispute", asked.dispute_ref);
    for (name, value) in [("payment", asked.payment_ref), ("charge", asked.charge_ref)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    drop(query);
    url
}

/// Path and query as they stand in the request: whoever changes either breaks the signature.
fn signed_content(url: &reqwest::Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::{method, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::standard_webhooks::{Signed, TOLERANCE, verify};
    use serde_json::json;

    const SECRET: &str = "whsec_EA8ODQwLCgkIBwYFBAMCARAPDg0MCwoJCAcGBQQDAgE=";
    const NOW: &str = "2026-11-21T12:30:00Z";

    fn asker(url: &str) -> FactsAsker {
        let clock = Clock::frozen_at(NOW.parse().unwrap());
        let time_outs = TimeOuts { connect_ms: 500, read_ms: 500, total_ms: 500 };
        let http = Http::new(time_outs, "x-request-id", clock.clone()).unwrap().body_at_most(FACTS_BYTES_MAX);
        let common = Some(made(url, &SECRET.into()).unwrap());
        FactsAsker { http, clock, common, own: BTreeMap::new(), retry_every: TimeDelta::seconds(600) }
    }

    fn asked() -> Asked<'static> {
        Asked {
            merchant: "shop",
            provider: "stripe",
            account: "shop-eu",
            payment_ref: Some("pi_7&x=1"),
            charge_ref: None,
            dispute_ref: "dp_9",
        }
    }

    async fn answer(answer: ResponseTemplate) -> PullOutcome {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let (outcome, logs) = asker(&format!("{}/facts", server.uri())).pull(&asked()).await;
        assert_eq!(logs[0].request, "GET /facts", "no query in what is kept of a call");
        outcome
    }

    #[tokio::test]
    async fn the_question_is_signed_over_path_and_query() {
        let server = MockServer::start().await;
        Mock::given(query_param("payment", "pi_7&x=1"))
            .and(query_param("dispute", "dp_9"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"delivered": true})))
            .mount(&server)
            .await;
        let (outcome, _) = asker(&format!("{}/a/facts?key=v", server.uri())).pull(&asked()).await;
        assert_eq!(outcome, PullOutcome::Known(json!({"delivered": true})));
        let request = server.received_requests().await.unwrap().remove(0);
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        let (id, timestamp) = (header(ID_HEADER), header(TIMESTAMP_HEADER));
        let signed = Signed { id, timestamp, signature: header(SIGNATURE_HEADER) };
        let keys = [Key::parse(SECRET).unwrap()];
        let now = NOW.parse().unwrap();
        let content = format!("{}?{}", request.url.path(), request.url.query().unwrap());
        assert!(content.starts_with("/a/facts?key=v&"), "{content}");
        verify(&keys, &signed, content.as_bytes(), now, TOLERANCE).unwrap();
        let other = content.replace("dp_9", "dp_8");
        assert!(verify(&keys, &signed, other.as_bytes(), now, TOLERANCE).is_err());
    }

    #[tokio::test]
    async fn only_an_object_that_can_be_kept_is_known() {
        let json = |body: &str| ResponseTemplate::new(200).set_body_string(body);
        assert_eq!(answer(json("{}")).await, PullOutcome::Known(json!({})));
        for status in [204, 404] {
            assert_eq!(answer(ResponseTemplate::new(status)).await, PullOutcome::NoneKnown);
        }
        let deep = "[".repeat(5_000);
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(FACTS_BYTES_MAX));
        for bad in [
            "",
            "[1]",
            "null",
            "\"x\"",
            "<html>",
            "{\"a\":",
            "{\"a\":\"\\u0000\"}",
            deep.as_str(),
            large.as_str(),
        ] {
            let outcome = answer(json(bad)).await;
            assert!(matches!(outcome, PullOutcome::Again { .. }), "{:.20}: {outcome:?}", bad);
        }
    }

    #[tokio::test]
    async fn a_system_that_is_down_or_refuses_is_asked_again_later() {
        let wait = |after: Option<i64>| after.map(TimeDelta::seconds);
        for (status, after) in [(500, Some(7)), (429, Some(7)), (401, Some(600)), (302, Some(600))] {
            let answer = answer(ResponseTemplate::new(status).insert_header("retry-after", "7")).await;
            let PullOutcome::Again { after: told, why } = answer else { panic!("{status}: {answer:?}") };
            assert_eq!(told, wait(after), "{status}");
            assert!(why.contains(&status.to_string()), "{why}");
        }
        let slow = ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(30));
        assert!(matches!(answer(slow).await, PullOutcome::Again { after: None, .. }));
        let (outcome, _) = asker("http://127.0.0.1:1/facts?token=hidden").pull(&asked()).await;
        assert!(matches!(&outcome, PullOutcome::Again { why, .. } if !why.contains("hidden")), "{outcome:?}");
    }

    #[tokio::test]
    async fn nobody_configured_is_nobody_asked() {
        let asker = FactsAsker { common: None, ..asker("http://127.0.0.1:1/") };
        assert_eq!(asker.pull(&asked()).await.0, PullOutcome::NotAsked);
    }
}
