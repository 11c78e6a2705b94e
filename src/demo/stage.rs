//! What the demo plays on: an embedded Postgres of its own, the stand-ins, the engine with its intake on a real
//! port, all on one moved clock. The engine is configured by a file, as a user's would be.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};

use crate::app::{self, Engine};
use crate::clock::Clock;
use crate::config::Config;
use crate::sandbox::{Control, ProviderKind, Sandbox, SandboxAccount, SandboxConfig};
use crate::store::{Opened, moved_clock};
use crate::worker::{Backlog, Stepped};
use crate::{observe, store};

/// How often work is looked for once the month is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Made-up secrets of made-up merchants: they open nothing. A test greps the demo's output for them.
pub const SECRETS: [(&str, &str); 5] = [
    ("acme-stripe-webhook", "whsec_demo_4c1f0acme0webhook0secret"),
    ("acme-stripe-key", "rk_test_demo_acme_51restricted"),
    ("bazaar-razorpay-webhook", "demo-bazaar-webhook-secret-77"),
    ("bazaar-razorpay-key-id", "rzp_test_demobazaar01"),
    ("bazaar-razorpay-key-secret", "demo-bazaar-key-secret-93"),
];
const ACME_RULES: &str = include_str!("../../config/demo/acme.rules.toml");
const BAZAAR_RULES: &str = include_str!("../../config/demo/bazaar.rules.toml");

pub struct Stage {
    pub clock: Clock,
    pub control: Control,
    pub engine: Engine,
    pub config: Config,
    pub dir: PathBuf,
    sandbox: Sandbox,
    backlog: Backlog,
}

/// When the month begins.
pub fn start_of_month() -> DateTime<Utc> {
    "2026-03-01T09:00:00Z".parse().expect("an instant")
}

impl Stage {
    /// Sets everything up in `dir`. `clock` is moved by the demo and followed by everybody.
    pub async fn set(dir: &Path, clock: Clock, listen: &str) -> anyhow::Result<Self> {
        let sandbox = Sandbox::start(SandboxConfig {
            listen: "127.0.0.1:0".parse()?,
            clock: clock.clone(),
            accounts: accounts()?,
            seed: 7,
        })
        .await?;
        let path = write_configuration(dir, &sandbox, listen)?;
        let mut config = Config::load(Some(&path))?;
        // Started already where a test plays several months in one process.
        if let Err(error) = observe::start_logging(&config.log) {
            tracing::debug!(%error, "the log goes on as it is");
        }
        // The demo takes the worker's steps itself, one after the other, so that a month passes in seconds.
        config.worker.roles = vec![crate::config::Role::Intake];
        // Whatever the environment says: the demo plays on a database of its own, and on no other.
        config.database.url = None;
        config.database.data_dir = Some(dir.join("database"));
        let opened = store::open(&config.database).await.context("cannot start the demo's database")?;
        live_by(&clock, &opened).await?;
        let engine = app::start(&config, opened, clock.clone()).await?;
        let control = sandbox.control();
        let address = engine.address.context("the engine takes webhooks")?;
        for (provider, name) in [(ProviderKind::Stripe, "acme"), (ProviderKind::Razorpay, "bazaar")] {
            let url = format!("http://{address}/webhooks/{provider}/{name}");
            control.set_webhook_url(provider, Some(name), Some(&url))?;
        }
        Ok(Self { clock, control, engine, config, dir: dir.to_owned(), sandbox, backlog: Backlog::default() })
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Delivers what is due and takes steps until nothing is due any more; returns when something will be.
    pub async fn settle(&mut self) -> anyhow::Result<Option<DateTime<Utc>>> {
        loop {
            self.control.flush().await;
            match self.engine.step(&self.backlog).await? {
                Stepped::Did(_) => {}
                Stepped::Idle { next_at: Some(at) } if at <= self.clock.now() => {}
                Stepped::Idle { next_at } => return Ok(next_at),
            }
        }
    }

    /// Moves the clock to `until`, stopping wherever the engine wants to look at something.
    pub async fn advance_to(&mut self, until: DateTime<Utc>) -> anyhow::Result<()> {
        loop {
            let next = self.settle().await?;
            if self.clock.now() >= until {
                return Ok(());
            }
            let stop = next.filter(|at| *at > self.clock.now()).map_or(until, |at| at.min(until));
            // The providers' own deadlines and decisions happen at hours of their own: never jump far.
            let stop = stop.min(self.clock.now() + TimeDelta::hours(6));
            self.clock.advance_to(stop);
            self.control.tick();
        }
    }

    /// Time goes on at its own pace, and everything with it, until `stop` is done. Whoever moves the clock (the
    /// stand-ins can) is followed, and so are the commands beside it.
    pub async fn go_on(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.clock.run();
        tokio::pin!(stop);
        loop {
            self.settle().await?;
            self.control.tick();
            if let Some(away) = self.clock.away() {
                let mut conn = self.engine.shop.pool.acquire().await?;
                moved_clock::follow(&mut conn, away).await?;
            }
            tokio::select! {
                () = &mut stop => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    pub async fn end(self) -> anyhow::Result<()> {
        self.engine.stop().await?;
        self.sandbox.shutdown().await;
        Ok(())
    }
}

/// Before anything else is written: what is played on a moved clock must never be taken for real.
async fn live_by(clock: &Clock, opened: &Opened) -> anyhow::Result<()> {
    store::migrate(&opened.pool).await?;
    let mut conn = opened.pool.acquire().await?;
    if let Some(away) = clock.away() {
        let new = moved_clock::set_up(&mut conn, away).await?;
        ensure!(new, "{} holds accounts already: the demo wants a database of its own", opened.shown);
    }
    Ok(())
}

fn secret(name: &str) -> anyhow::Result<&'static str> {
    let found = SECRETS.iter().find(|(n, _)| *n == name);
    found.map(|(_, value)| *value).with_context(|| format!("the demo has no secret `{name}`"))
}

fn accounts() -> anyhow::Result<Vec<SandboxAccount>> {
    let stripe = SandboxAccount::stripe("acme", secret("acme-stripe-key")?, secret("acme-stripe-webhook")?);
    let razorpay = SandboxAccount::razorpay(
        "bazaar",
        secret("bazaar-razorpay-key-id")?,
        secret("bazaar-razorpay-key-secret")?,
        secret("bazaar-razorpay-webhook")?,
    );
    Ok(vec![stripe, razorpay])
}

fn write_configuration(dir: &Path, sandbox: &Sandbox, listen: &str) -> anyhow::Result<PathBuf> {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for (name, value) in SECRETS {
        write(name, value)?;
    }
    let key: [u8; 32] = rand::random();
    write("sealing-key", &hex::encode(key))?;
    write("acme.rules.toml", ACME_RULES)?;
    write("bazaar.rules.toml", BAZAAR_RULES)?;
    let (stripe, razorpay) = (sandbox.url(ProviderKind::Stripe), sandbox.url(ProviderKind::Razorpay));
    let data_dir = dir.join("database");
    let text = format!(
        r#"# The demo's configuration: two merchants, one account each, both at the stand-ins.
[database]
data_dir = "{}"
[http]
listen = "{listen}"
[secrets]
key = "file:sealing-key"
[reconcile]
every_s = 21600
calls_per_s = 100.0
[log]
format = "pretty"
# The month is told on standard output: what people would be told by mail or pager is in it.
filter = "error,respondby::worker::notify=off"

[[merchant]]
name = "acme"
rules = "acme.rules.toml"
[[merchant]]
name = "bazaar"
rules = "bazaar.rules.toml"

[[account]]
merchant = "acme"
provider = "stripe"
name = "acme"
webhook_secrets = ["file:acme-stripe-webhook"]
credentials = {{ api_key = "file:acme-stripe-key" }}
base_url = "{stripe}"
[[account]]
merchant = "bazaar"
provider = "razorpay"
name = "bazaar"
webhook_secrets = ["file:bazaar-razorpay-webhook"]
credentials = {{ key_id = "file:bazaar-razorpay-key-id", key_secret = "file:bazaar-razorpay-key-secret" }}
base_url = "{razorpay}"
"#,
        data_dir.display(),
    );
    write("respondby.toml", &text)?;
    Ok(dir.join("respondby.toml"))
}
