//! An engine and the stand-ins on one clock that stands still, and steps taken by hand. Two merchants with one
//! account each: `acme` at Stripe, `bazaar` at Razorpay; and one more for each provider that the sandbox knows,
//! where a test is about all of them.

use chrono::{DateTime, TimeDelta, Utc};
use respondby::app::{self, Engine};
use respondby::clock::Clock;
use respondby::config::{Config, Role};
use respondby::engine::{Applied, Cause, Command, Input, Order};
use respondby::sandbox::{
    Change, Control, DisputeView, NewDispute, ProviderKind, Sandbox, SandboxAccount, SandboxConfig,
};
use respondby::store::disputes::{self, ActionLine, CycleLine, DecisionLine, Entry, Filter, Line};
use respondby::store::facts::{self, Mode, NewFacts};
use respondby::store::turn::{self, CaseKey, Item};
use respondby::store::{self, rulesets};
use respondby::worker::{Backlog, Stepped};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Database;
use crate::support::watched::Watched;
use crate::support::world::at;

pub const STRIPE: ProviderKind = ProviderKind::Stripe;
pub const RAZORPAY: ProviderKind = ProviderKind::Razorpay;
/// Steps between two instants. More means that they keep each other busy for ever.
const ROUNDS_MAX: usize = 2_000;

/// Accepts fraud an hour after it is known, answers what did not arrive a day before the deadline, and leaves the
/// rest to people.
pub const RULES: &str = r#"
schema = 1
default = { hold = { why = "no rule covers this dispute" } }

[policy]
mode = "live"
safety_margin = "6h"
at_margin = "page"
time_zone = "Europe/Lisbon"

[[rule]]
id = "fraud"
why = "a test concedes fraud"
when.reason = ["fraud"]
when.stage = ["chargeback", "fraud_notice"]
then = { accept = { after = "1h" } }

[[rule]]
id = "not-received"
why = "a test contests what did not arrive"
when.reason = ["product_not_received"]
then = { defend = { template = "words", lead = "24h" } }

[template.words]
summary = "The parcel of {dispute.amount} was handed over."
uncategorized_text = "It was handed over."
"#;

pub fn start_of_time() -> DateTime<Utc> {
    at("2026-11-21T08:00:00Z")
}

pub fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

/// What a test wants different from [`RULES`] and the plainest configuration.
pub struct Setup {
    pub rules: String,
    /// More of the configuration, whole sections only.
    pub more: String,
    pub thin_events: bool,
    /// Accounts that the stand-ins have beside the usual ones; `more` tells the engine of them.
    pub beside: Vec<SandboxAccount>,
    /// A merchant and an account for every provider of the sandbox, and not the two alone.
    pub everywhere: bool,
    pub seed: u64,
    pub repage_every_s: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rules: RULES.into(),
            more: String::new(),
            thin_events: false,
            beside: Vec::new(),
            everywhere: false,
            seed: 11,
            repage_every_s: 86_400,
        }
    }
}

pub struct Stage {
    pub clock: Clock,
    pub control: Control,
    pub engine: Engine,
    pub db: Database,
    /// Dropped, they stop: the stand-ins, and the folder of the configuration.
    kept: (Watched, TempDir),
    backlog: Backlog,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn ruled_by(rules: &str) -> Self {
        Self::with(Setup { rules: rules.into(), ..Setup::default() }).await
    }

    pub async fn with(setup: Setup) -> Self {
        let clock = Clock::frozen_at(start_of_time());
        let db = Database::new().await;
        let sandbox = sandbox(clock.clone(), &setup).await;
        let dir = tempfile::tempdir().unwrap();
        let mut config = configuration(&dir, &db, &sandbox, &setup);
        config.worker.roles = vec![Role::Intake];
        // Every page sent again is a stop of the clock.
        config.alerts.repage_every_s = setup.repage_every_s;
        // A pace is waited for, and this clock stands still while steps run.
        config.reconcile.calls_per_s = 1e6;
        let opened = store::open(&config.database).await.unwrap();
        let engine = app::start(&config, opened, clock.clone()).await.unwrap();
        let control = sandbox.control();
        let stage = Self { clock, control, engine, db, kept: (sandbox, dir), backlog: Backlog::default() };
        stage.point_webhooks(&setup);
        stage.ready().await;
        stage
    }

    /// The intake's writers connect in the background, and turn webhooks away until they have.
    async fn ready(&self) {
        let url = format!("http://{}/readyz", self.engine.address.unwrap());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for _ in 0..10_000 {
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the engine does not get ready");
    }

    /// Where the configuration is written.
    pub fn configuration(&self) -> std::path::PathBuf {
        self.kept.1.path().join("respondby.toml")
    }

    /// Ends the engine, so that its connections report, and tells how often the database broke a deadlock.
    pub async fn deadlocks(self) -> i64 {
        self.engine.stop().await.unwrap();
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
            .fetch_one(&self.db.pool)
            .await
            .unwrap()
    }

    fn point_webhooks(&self, setup: &Setup) {
        let address = self.engine.address.expect("the engine takes webhooks");
        for SandboxAccount { provider, name, .. } in accounts(setup) {
            let url = format!("http://{address}/webhooks/{provider}/{name}");
            self.control.set_webhook_url(provider, Some(&name), Some(&url)).unwrap();
        }
    }

    /// Delivers what is due and takes steps until nothing is due; returns when something will be.
    pub async fn settle(&mut self) -> Option<DateTime<Utc>> {
        for _ in 0..ROUNDS_MAX {
            self.control.flush().await;
            match self.engine.step(&self.backlog).await.unwrap() {
                Stepped::Did(_) => {}
                Stepped::Idle { next_at: Some(at) } if at <= self.clock.now() => {}
                Stepped::Idle { next_at } => return next_at,
            }
        }
        panic!("{ROUNDS_MAX} rounds at {}, and there is still something due", self.clock.now());
    }

    /// Moves the clock to `until`, stopping wherever the engine wants to look at something.
    pub async fn advance_to(&mut self, until: DateTime<Utc>) {
        loop {
            let next = self.settle().await;
            let now = self.clock.now();
            if now >= until {
                return;
            }
            let stop = next.filter(|at| *at > now).map_or(until, |at| at.min(until)).min(now + hours(12));
            self.clock.advance_to(stop);
            self.control.tick();
        }
    }

    pub async fn advance(&mut self, by: TimeDelta) {
        self.advance_to(self.clock.now() + by).await;
    }

    /// Opens a dispute on a payment of its own and lets the engine take it in. Answers with its id.
    pub async fn open(&mut self, order: NewDispute) -> String {
        let dispute_ref = self.create(order);
        self.settle().await;
        dispute_ref
    }

    pub fn create(&self, order: NewDispute) -> String {
        self.control.create(&order).unwrap()
    }

    pub async fn change(&mut self, dispute_ref: &str, change: Change) -> Value {
        let record = self.control.change(dispute_ref, &change).unwrap();
        self.settle().await;
        record
    }

    pub fn theirs(&self, dispute_ref: &str) -> DisputeView {
        self.control.dispute(dispute_ref).unwrap_or_else(|| panic!("the stand-in has no {dispute_ref}"))
    }

    pub async fn all(&self) -> Vec<Line> {
        let mut conn = self.db.pool.acquire().await.unwrap();
        disputes::list(&mut conn, &Filter { limit: 100_000, ..Filter::default() }).await.unwrap()
    }

    pub async fn known(&self, dispute_ref: &str) -> Option<Line> {
        self.all().await.into_iter().find(|line| line.dispute_ref == dispute_ref)
    }

    pub async fn line(&self, dispute_ref: &str) -> Line {
        self.known(dispute_ref).await.unwrap_or_else(|| panic!("the engine does not know {dispute_ref}"))
    }

    pub async fn status(&self, dispute_ref: &str) -> &'static str {
        self.line(dispute_ref).await.status.as_str()
    }

    pub async fn cycle(&self, dispute_ref: &str) -> CycleLine {
        self.line(dispute_ref).await.cycle.unwrap_or_else(|| panic!("{dispute_ref} has no cycle"))
    }

    pub async fn actions(&self, dispute_ref: &str) -> Vec<ActionLine> {
        let line = self.line(dispute_ref).await;
        let mut conn = self.db.pool.acquire().await.unwrap();
        disputes::actions(&mut conn, line.merchant_id, line.dispute_id).await.unwrap()
    }

    /// The state of the action of that kind, or `none`.
    pub async fn action(&self, dispute_ref: &str, kind: &str) -> String {
        let found = self.actions(dispute_ref).await.into_iter().rfind(|a| a.kind == kind);
        found.map_or("none".into(), |a| a.state)
    }

    pub async fn history(&self, dispute_ref: &str) -> Vec<Entry> {
        let line = self.line(dispute_ref).await;
        let mut conn = self.db.pool.acquire().await.unwrap();
        disputes::history(&mut conn, line.merchant_id, line.dispute_id).await.unwrap()
    }

    pub async fn decisions(&self, dispute_ref: &str) -> Vec<DecisionLine> {
        let line = self.line(dispute_ref).await;
        let mut conn = self.db.pool.acquire().await.unwrap();
        disputes::decisions(&mut conn, Some((line.merchant_id, line.dispute_id))).await.unwrap()
    }

    /// `kind/severity` of every alert about the dispute, oldest first.
    pub async fn alerts(&self, dispute_ref: &str) -> Vec<String> {
        sqlx::query_scalar(
            "select a.kind || '/' || a.severity
             from alerts a
             join disputes d on d.merchant_id = a.merchant_id and d.dispute_id = a.dispute_id
             where d.dispute_ref = $1
             order by a.raised_at, a.alert_id",
        )
        .bind(dispute_ref)
        .fetch_all(&self.db.pool)
        .await
        .unwrap()
    }

    /// How many deliveries are in each state.
    pub async fn deliveries(&self, state: &str) -> i64 {
        sqlx::query_scalar("select count(*) from deliveries where state = $1")
            .bind(state)
            .fetch_one(&self.db.pool)
            .await
            .unwrap()
    }

    pub async fn key(&self, dispute_ref: &str) -> CaseKey {
        let line = self.line(dispute_ref).await;
        CaseKey::Id { merchant_id: line.merchant_id, dispute_id: line.dispute_id }
    }

    /// A person's order; what became of it at once.
    pub async fn order(&mut self, dispute_ref: &str, by: &str, command: Command) -> Applied {
        let input = Input::Order(Order { by: by.into(), command });
        let applied = self.put(dispute_ref, input, &format!("person:{by}")).await;
        self.settle().await;
        applied
    }

    /// Has the dispute looked at for a reason of the test's own.
    pub async fn look(&mut self, dispute_ref: &str, input: Input) -> Applied {
        let applied = self.put(dispute_ref, input, "a test").await;
        self.settle().await;
        applied
    }

    async fn put(&self, dispute_ref: &str, input: Input, cause: &str) -> Applied {
        let item = Item { key: self.key(dispute_ref).await, input, cause: cause.into(), delivery_id: None };
        let mut tx = self.db.pool.begin().await.unwrap();
        let now = self.clock.now();
        let turned = turn::take(&mut tx, &self.engine.shop.world, vec![item], now).await.unwrap();
        tx.commit().await.unwrap();
        turned[0].applied.clone()
    }

    /// What the merchant says of a payment or a dispute.
    pub async fn say(&mut self, provider: ProviderKind, subject: &str, known: Value) {
        let now = self.clock.now();
        let mut tx = self.db.pool.begin().await.unwrap();
        let merchant_id = rulesets::merchant_id(&mut tx, merchant_of(provider)).await.unwrap().unwrap();
        let new = NewFacts::new(merchant_id, subject, known).unwrap();
        facts::set(&mut tx, &new, Mode::Merge, "a test", now).await.unwrap();
        tx.commit().await.unwrap();
        if self.known(subject).await.is_some() {
            self.put(subject, Input::Look(Cause::FactsChanged), "facts").await;
            self.settle().await;
        }
    }

    /// Puts a document with the provider and says so under the payment, so that a defence can be sent.
    pub async fn prove(&mut self, provider: ProviderKind, payment: &str) {
        let shop = &self.engine.shop;
        let name = provider.as_str().parse().unwrap();
        let account = shop.accounts.all().into_iter().find(|a| a.provider == name).unwrap();
        let adapter = shop.world.registry.get(name).clone();
        let content = format!("%PDF-1.4\n% what proves {payment}\n%%EOF\n").into_bytes();
        let key = format!("prove-{payment}");
        let call = adapter.upload(&account, "proof.pdf", "application/pdf", content.into(), &key);
        let uploaded = call.await.0.into_result().unwrap();
        let known = json!({"evidence": {"shipping_documentation": uploaded.provider_file_ref}});
        self.say(provider, payment, known).await;
    }

    pub async fn publish(&mut self, provider: ProviderKind, rules: &str) {
        let mut conn = self.db.pool.acquire().await.unwrap();
        let now = self.clock.now();
        let merchant = merchant_of(provider);
        app::publish_rules(&mut conn, merchant, "a test", rules, "a test", now).await.unwrap();
        self.settle().await;
    }
}

/// The two that most tests are about have names; the others are called after their provider.
pub fn merchant_of(provider: ProviderKind) -> &'static str {
    let named = [(STRIPE, "acme"), (RAZORPAY, "bazaar")].into_iter().find(|(of, _)| *of == provider);
    named.map_or(provider.as_str(), |(_, merchant)| merchant)
}

/// Fraud over 20.00, to be answered within so long.
pub fn fraud(provider: ProviderKind, window: TimeDelta) -> NewDispute {
    let reason = match provider {
        ProviderKind::Stripe | ProviderKind::Checkout | ProviderKind::Hyperswitch => "fraudulent",
        ProviderKind::Paypal => "UNAUTHORISED",
        ProviderKind::Square => "NO_KNOWLEDGE",
        ProviderKind::Razorpay | ProviderKind::Adyen | ProviderKind::Prism => "10.4",
    };
    dispute(provider, reason, window)
}

/// A parcel that did not arrive.
pub fn not_received(provider: ProviderKind, window: TimeDelta) -> NewDispute {
    let reason = if provider == STRIPE { "product_not_received" } else { "13.1" };
    dispute(provider, reason, window)
}

pub fn dispute(provider: ProviderKind, reason: &str, window: TimeDelta) -> NewDispute {
    let mut order = NewDispute::new(provider).respond_by(start_of_time() + window);
    order.reason = Some(reason.into());
    order.amount = Some(2_000);
    order
}

/// The accounts a test wants, each called like its merchant.
fn accounts(setup: &Setup) -> Vec<SandboxAccount> {
    let stripe = SandboxAccount::stripe("acme", "sk_test_stage", "whsec_stage");
    let stripe = if setup.thin_events { stripe.thin_events() } else { stripe };
    let razorpay =
        SandboxAccount::razorpay("bazaar", "rzp_test_stage", "key-of-the-stage", "hook-of-the-stage");
    let others = ProviderKind::ALL.iter().filter(|p| setup.everywhere && ![STRIPE, RAZORPAY].contains(p));
    let others = others.map(|p| SandboxAccount { name: merchant_of(*p).into(), ..p.example() });
    [stripe, razorpay].into_iter().chain(others).collect()
}

pub async fn sandbox(clock: Clock, setup: &Setup) -> Watched {
    let listen = "127.0.0.1:0".parse().unwrap();
    let accounts = accounts(setup).into_iter().chain(setup.beside.clone()).collect();
    let config = SandboxConfig { listen, clock, accounts, seed: setup.seed };
    Watched::start(config).await
}

/// As a user would write it, in a folder of its own.
pub fn configuration(dir: &TempDir, db: &Database, sandbox: &Sandbox, setup: &Setup) -> Config {
    let path = write_configuration(dir, &db.url, sandbox, setup);
    Config::load(Some(&path)).unwrap()
}

pub fn write_configuration(
    dir: &TempDir,
    database_url: &str,
    sandbox: &Sandbox,
    setup: &Setup,
) -> std::path::PathBuf {
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let kept = [
        ("sealing-key", "7b0d5a2c91e6f4483a6b1cd2e8f7091a5c3d4e6f8091a2b3c4d5e6f708192a3b"),
        ("facts-secret", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("rules.toml", setup.rules.as_str()),
    ];
    kept.iter().for_each(|(name, text)| write(name, text));
    let reconcile = match setup.more.contains("[reconcile]") {
        true => "",
        false => "[reconcile]\nevery_s = 21600\n",
    };
    let http = match setup.more.contains("[http]") {
        true => "",
        false => "[http]\nlisten = \"127.0.0.1:0\"\n",
    };
    let more = &setup.more;
    let mut text = format!(
        r#"
[database]
url = "{database_url}"
connections_max = 8
{http}
[secrets]
key = "file:sealing-key"
{reconcile}
{more}
"#
    );
    let accounts = accounts(setup);
    if !more.contains("[[merchant]]") {
        let merchants =
            accounts.iter().map(|a| format!("[[merchant]]\nname = \"{}\"\nrules = \"rules.toml\"\n", a.name));
        text.extend(merchants);
    }
    for account in &accounts {
        text.push_str(&account_section(account, &sandbox.url(account.provider), &write));
    }
    write("respondby.toml", &text);
    dir.path().join("respondby.toml")
}

/// `[[account]]`, with its secrets in files of their own.
fn account_section(account: &SandboxAccount, base_url: &str, write: &impl Fn(&str, &str)) -> String {
    let SandboxAccount { name, provider, .. } = account;
    let in_file = |key: &str, secret: &str| {
        let file = format!("{name}-{key}");
        write(&file, secret);
        format!("\"file:{file}\"")
    };
    let hooks = account.webhook_secrets.iter().map(|secret| in_file("hook", secret));
    let hooks = hooks.collect::<Vec<_>>().join(", ");
    let credentials =
        account.credentials.iter().map(|(key, secret)| format!("{key} = {}", in_file(key, secret)));
    let credentials = credentials.collect::<Vec<_>>().join(", ");
    // What only the stand-in is told (thin events) is no setting of the engine's.
    let settings = account.settings.iter().filter(|(key, _)| *key != "thin_events");
    let settings: Vec<_> = settings.map(|(key, value)| format!("{key} = \"{value}\"")).collect();
    let settings = match settings[..] {
        [] => String::new(),
        _ => format!("settings = {{ {} }}\n", settings.join(", ")),
    };
    format!(
        r#"
[[account]]
merchant = "{name}"
provider = "{provider}"
name = "{name}"
webhook_secrets = [{hooks}]
credentials = {{ {credentials} }}
{settings}base_url = "{base_url}"
"#
    )
}
