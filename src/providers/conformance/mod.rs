//! What every provider must stand, once for all of them: a provider is right when this suite says so. Each
//! folder describes itself with a [`Conformance`] (its fixtures, how its sender signs, its API's answers);
//! the registry finds it there. Knows no provider's words.

mod calls;
mod deliveries;
mod readings;
mod requests;

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use wiremock::ResponseTemplate;

use super::{Account, Credentials, Delivery, Provider, ProviderName, Registry};
use crate::clock::Clock;
use crate::config::Config;
use crate::dispute::{Source, Status};
use crate::evidence::Packet;

/// The address that deliveries are sent to, for providers that sign it.
pub const URL: &str = "https://hooks.example/webhooks/this/account";

/// The headers of a genuine delivery of that body, with that secret, at that time. Names in lower case.
pub type Sign = fn(&[u8], &str, DateTime<Utc>) -> Vec<(String, String)>;

pub struct Conformance {
    pub provider: ProviderName,
    /// Credentials that its API would take, by name.
    pub credentials: &'static [(&'static str, &'static str)],
    /// Secrets as its dashboard makes them: newest, older, and one of somebody else.
    pub secrets: [&'static str; 3],
    pub sign: Sign,
    /// For senders whose signature is in the body: then `sign` gives the headers beside it.
    pub within: Option<Within>,
    /// Headers that are not signed: a delivery without them is taken all the same.
    pub optional_headers: &'static [&'static str],
    /// How old a signed time may be, seconds; `None` when no time is signed.
    pub age_max_s: Option<i64>,
    /// What its table of the configuration has for this suite, in place of the defaults.
    pub settings: &'static [(&'static str, &'static str)],
    pub webhooks: Vec<Webhook>,
    /// The API's records, where webhooks only point at disputes and tell nothing of them.
    pub records: Vec<Webhook>,
    pub api: ApiAnswers,
}

/// A signature in the body, over some of its fields.
#[derive(Debug, Clone, Copy)]
pub struct Within {
    /// The body with its signature under that secret.
    pub signed: fn(&[u8], &str) -> Vec<u8>,
    /// What the signature covers, and the signature: a body that says the same is as genuine. `None` when there is
    /// none to be read.
    pub fields: fn(&[u8]) -> Option<Vec<String>>,
}

/// A webhook's body as it may come, and what it means.
pub struct Webhook {
    pub name: &'static str,
    pub body: &'static str,
    pub meaning: Meaning,
    /// Where the body tells the dispute's status: text that it holds exactly once, and the word in it.
    pub status_at: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Dispute(Status),
    /// An issuer's report of fraud that is not a dispute.
    Notice,
    FetchFirst,
    NotOurs,
    Unrecognised,
}

/// How an API's answers travel: what stands for that HTTP status with that body.
pub struct Carried {
    pub answer: fn(u16, &str) -> ResponseTemplate,
    /// Whether it says how long one that asks too often is to wait.
    pub says_how_long: bool,
}

/// By HTTP, as JSON.
pub const JSON: Carried = Carried {
    answer: |status, body| ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json"),
    says_how_long: true,
};

/// Bodies that the provider's API answers with.
///
/// An empty body stands for 204, which is how some say that they did it.
pub struct ApiAnswers {
    pub carried: Carried,
    pub dispute_ref: &'static str,
    pub packet: fn() -> Packet,
    /// Requests that come before every call: for a token.
    pub before_each: &'static [Preparation],
    /// Requests that come before a submission, and can be made again: evidence that is given first.
    pub before_submission: &'static [Preparation],
    pub before_acceptance: &'static [Preparation],
    /// Requests that complete what a list shows.
    pub within_list: &'static [Preparation],
    pub fetched: &'static str,
    pub page: &'static str,
    /// A list of nothing is left out of the answer, which is then an empty object.
    pub omits_empty_list: bool,
    pub accepted: &'static str,
    pub staged: &'static str,
    pub submitted: &'static str,
    pub uploaded: &'static str,
    /// An error in the provider's own shape.
    pub refused: &'static str,
}

/// A request that is not yet the call itself, and how it is answered.
pub struct Preparation {
    /// As calls are logged: `gRPC` is a POST.
    pub method: &'static str,
    /// What its path holds.
    pub path: &'static str,
    pub answer: &'static str,
}

fn every() -> impl Iterator<Item = Conformance> {
    ProviderName::ALL.iter().map(|name| name.described())
}

fn now() -> DateTime<Utc> {
    "2026-03-12T09:00:00Z".parse().expect("an instant")
}

fn registry(read_ms: u64) -> Registry {
    let mut config = Config::read(None, []).expect("the defaults load").providers;
    for c in every() {
        let provider = config.0.get_mut(&c.provider).expect("every provider has a table");
        provider.read_timeout_ms = read_ms;
        provider
            .settings
            .extend(c.settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    Registry::new(&config, Clock::frozen_at(now())).expect("every provider starts")
}

/// To be asked what needs no network. A client's connections belong to the runtime of one test.
fn offline(name: ProviderName) -> &'static dyn Provider {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| registry(1_000));
    &**REGISTRY.get(name)
}

impl Conformance {
    fn account(&self, secrets: &[&str], base_url: Option<String>) -> Account {
        let credentials = self.credentials.iter().map(|(name, value)| {
            let value: SecretString = (*value).into();
            ((*name).to_owned(), value)
        });
        Account {
            merchant_id: 3,
            account_id: 31,
            merchant: "north".to_owned(),
            name: "north-main".to_owned(),
            provider: self.provider,
            webhook_secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
            credentials: Credentials::new(credentials),
            base_url,
            tolerance_s: self.age_max_s.unwrap_or(300),
        }
    }

    /// A delivery of `body` that the provider made `now`, signed with `secret`.
    fn delivery(&self, body: &[u8], secret: &str) -> Delivery {
        let headers = (self.sign)(body, secret, now());
        Delivery { headers, body: self.signed(body, secret).into(), url: Some(URL.to_owned()) }
    }

    /// The body as it is sent.
    fn signed(&self, body: &[u8], secret: &str) -> Vec<u8> {
        self.within.map_or_else(|| body.to_vec(), |within| (within.signed)(body, secret))
    }

    /// Whether a body that was changed on its way still says all that is signed.
    fn is_as_genuine(&self, genuine: &[u8], changed: &[u8]) -> bool {
        let says = |fields: &Within| {
            let said = (fields.fields)(genuine);
            said.is_some() && said == (fields.fields)(changed)
        };
        self.within.as_ref().is_some_and(says)
    }

    /// Everything that is read: webhooks and, where those are only hints, records.
    fn bodies(&self) -> impl Iterator<Item = (Source, &Webhook)> + Clone {
        let webhooks = self.webhooks.iter().map(|body| (Source::Webhook, body));
        webhooks.chain(self.records.iter().map(|body| (Source::ReadBack, body)))
    }

    fn webhook(&self, named: Meaning) -> impl Iterator<Item = &Webhook> {
        self.webhooks.iter().filter(move |w| w.meaning == named)
    }
}

#[test]
fn every_description_is_whole() {
    for c in every() {
        let name = c.provider;
        assert!(c.webhook(Meaning::NotOurs).next().is_some(), "{name}: no event of others");
        assert!(c.webhook(Meaning::Unrecognised).next().is_some(), "{name}: no unknown event");
        let hints_only = c.webhook(Meaning::FetchFirst).next().is_some();
        assert!(c.records.is_empty() || hints_only, "{name}: records are for webhooks that tell nothing");
        let tells_status =
            c.bodies().map(|(_, body)| body).filter(|w| matches!(w.meaning, Meaning::Dispute(_)));
        assert!(tells_status.clone().count() >= 4, "{name}: too few disputes");
        for webhook in tells_status {
            let (place, word) = webhook.status_at.expect(webhook.name);
            assert_eq!(webhook.body.matches(place).count(), 1, "{name} {}: {place}", webhook.name);
            assert!(place.contains(word), "{name} {}: {word}", webhook.name);
        }
        let [newest, older, strange] = c.secrets;
        assert!(newest != older && older != strange && newest != strange, "{name}");
    }
}
