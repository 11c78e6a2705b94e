//! What the demo plays on: an embedded Postgres of its own, the stand-ins, the engine with its intake on a real
//! port, all on one moved clock. The engine is configured by a file, as a user's would be.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};

use super::rounds::Rounds;
use super::shops::{SHOPS, secrets};
use crate::app::{self, Engine};
use crate::clock::Clock;
use crate::config::Config;
use crate::sandbox::{Control, Sandbox, SandboxConfig, Witness};
use crate::store::{Opened, moved_clock};
use crate::{observe, store};

/// How often work is looked for once the month is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How far the clock is moved at a time where the engine waits for nothing.
const STRIDE: TimeDelta = TimeDelta::hours(6);

pub struct Stage {
    pub clock: Clock,
    pub control: Control,
    pub engine: Engine,
    pub config: Config,
    pub dir: PathBuf,
    sandbox: Sandbox,
    rounds: Rounds,
}

/// When the month begins.
pub fn start_of_month() -> DateTime<Utc> {
    "2026-03-01T09:00:00Z".parse().expect("an instant")
}

impl Stage {
    /// Sets everything up in `dir`. `clock` is moved by the demo and followed by everybody.
    pub async fn set(
        dir: &Path,
        clock: Clock,
        listen: &str,
        witness: Option<Witness>,
    ) -> anyhow::Result<Self> {
        let sandbox = SandboxConfig {
            listen: "127.0.0.1:0".parse()?,
            clock: clock.clone(),
            accounts: SHOPS.iter().map(|shop| shop.account()).collect(),
            seed: 7,
        };
        let sandbox = Sandbox::start_watched(sandbox, witness).await?;
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
        for shop in SHOPS {
            let url = format!("http://{address}/webhooks/{}/{}", shop.provider, shop.merchant);
            control.set_webhook_url(shop.provider, Some(shop.merchant), Some(&url))?;
        }
        Ok(Self { clock, control, engine, config, dir: dir.to_owned(), sandbox, rounds: Rounds::default() })
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Delivers what is due and takes steps until nothing is due any more. Whatever came from outside may concern any
    /// of them.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        self.rounds.ask_all();
        self.settle_on().await
    }

    /// The same where nothing has come but time.
    async fn settle_on(&mut self) -> anyhow::Result<()> {
        loop {
            self.control.flush().await;
            if !self.rounds.take(&self.engine).await? {
                return Ok(());
            }
        }
    }

    /// Moves the clock on towards `until`, no further than to where something wants to be looked at, and does what is
    /// due there. Whether there was any way to go.
    pub async fn move_on(&mut self, until: DateTime<Utc>) -> anyhow::Result<bool> {
        let now = self.clock.now();
        if now >= until {
            return Ok(false);
        }
        // The providers' own deadlines and decisions happen at hours of their own: never jump far.
        let far = until.min(now + STRIDE);
        let next = self.rounds.next_at().filter(|at| *at > now);
        self.clock.advance_to(next.map_or(far, |at| at.min(far)));
        self.control.tick();
        self.settle_on().await?;
        Ok(true)
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

fn write_configuration(dir: &Path, sandbox: &Sandbox, listen: &str) -> anyhow::Result<PathBuf> {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for (name, value) in secrets() {
        write(&name, value)?;
    }
    let key: [u8; 32] = rand::random();
    write("sealing-key", &hex::encode(key))?;
    for shop in SHOPS {
        write(&format!("{}.rules.toml", shop.merchant), shop.rules)?;
    }
    let data_dir = dir.join("database");
    let mut text = format!(
        r#"# The demo's configuration: merchants with one account each, all at the stand-ins.
[database]
data_dir = "{}"
[http]
listen = "{listen}"
[grpc]
listen = "127.0.0.1:0"
[secrets]
key = "file:sealing-key"
[reconcile]
every_s = 21600
calls_per_s = 100.0
[log]
format = "pretty"
# The month is told on standard output: what people would be told by mail or pager is in it.
filter = "error,respondby::worker::notify=off"
"#,
        data_dir.display(),
    );
    text.extend(SHOPS.iter().map(|shop| shop.configuration(&sandbox.url(shop.provider))));
    write("respondby.toml", &text)?;
    Ok(dir.join("respondby.toml"))
}
