//! The engine put together: what the configuration asks for, started in order and stopped in the opposite one.
//! The only place that knows both the HTTP side and the worker.

mod loops;
mod publish;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use sqlx::PgConnection;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use publish::{ConfiguredRules, configured_rules, publish_rules};

use crate::clock::Clock;
use crate::config::{Config, Role};
use crate::desk::Desk;
use crate::grpc;
use crate::http::{self, Api, Intake, Probes, Webhooks, Writers};
use crate::observe::Metrics;
use crate::observe::channel::Channels;
use crate::providers::Registry;
use crate::store::accounts::{self, AccountDirectory, ConfiguredAccount};
use crate::store::ids::Ids;
use crate::store::seal::SealingKey;
use crate::store::turn::{FactsPull, World};
use crate::store::{self, Opened, deliveries, moved_clock};
use crate::worker::facts::FactsAsker;
use crate::worker::notify::Notifier;
use crate::worker::{Bells, Calls, Settings, Shop};

/// How long the first webhook waits for the intake's own connections, before it is told to come again.
const INTAKE_WITHIN: Duration = Duration::from_secs(2);

/// A running engine.
pub struct Engine {
    pub shop: Shop,
    pub notifier: Arc<Notifier>,
    pub desk: Desk,
    /// Where webhooks and health are answered.
    pub address: Option<SocketAddr>,
    /// Where the calls of gRPC are answered.
    pub grpc_address: Option<SocketAddr>,
    pub metrics: Metrics,
    opened: Opened,
    writers: Option<Writers>,
    /// Ends intake first, so that what was taken in is still worked on.
    stop_http: CancellationToken,
    stop_worker: CancellationToken,
    http: TaskTracker,
    worker: TaskTracker,
}

/// Starts everything the configuration asks for. Returns when it is ready for work.
///
/// Errors: a database that cannot be reached or is newer than this program; accounts or rules that do not
/// hold together; an address that is taken.
pub async fn start(config: &Config, opened: Opened, clock: Clock) -> anyhow::Result<Engine> {
    let metrics = Metrics::install();
    let rules = check(config)?;
    opened.check().await.with_context(|| format!("cannot reach the database {}", opened.shown))?;
    store::migrate(&opened.pool)
        .await
        .with_context(|| format!("cannot use the database {}", opened.shown))?;
    let ids = Ids::new();
    let registry = Registry::new(&config.providers, clock.clone())?;
    let directory = AccountDirectory::new(sealing_key(config)?);
    let mut conn = opened.pool.acquire().await?;
    keep_to_its_clock(&mut conn, &clock).await.with_context(|| format!("cannot work on {}", opened.shown))?;
    configure(&mut conn, config, &rules, &ids, &directory, &clock).await?;
    drop(conn);
    let shop = shop(config, &opened, clock, ids, registry, directory)?;
    let channels = Arc::new(Channels::new(&config.alerts, shop.clock.clone())?);
    let notifier = Notifier::new(shop.pool.clone(), shop.clock.clone(), channels, &config.alerts);
    let (stop_http, bells) = (CancellationToken::new(), shop.bells.clone());
    let rung = Arc::new(move || {
        bells.act.ring();
        bells.notify.ring();
    });
    let (pool, at, turns) = (shop.pool.clone(), shop.clock.clone(), shop.world.clone());
    let directory = shop.accounts.clone();
    let desk = Desk::new(config, pool, at, turns, directory, rung, stop_http.clone());
    let mut engine = Engine {
        desk,
        shop,
        notifier: Arc::new(notifier),
        address: None,
        grpc_address: None,
        metrics,
        opened,
        writers: None,
        stop_http,
        stop_worker: CancellationToken::new(),
        http: TaskTracker::new(),
        worker: TaskTracker::new(),
    };
    let roles = engine.start_worker(config);
    engine.start_http(config, roles).await?;
    Ok(engine)
}

/// What stands in the files that a configuration names: the merchants' rules, and the certificate for gRPC. Everything
/// else was checked when it was read. `serve --check` is this and nothing more.
pub fn check(config: &Config) -> anyhow::Result<Vec<ConfiguredRules>> {
    let rules = configured_rules(config)?;
    grpc::check_tls(&config.grpc)?;
    Ok(rules)
}

/// What was made on a moved clock would be taken for the past or the future by the machine's.
async fn keep_to_its_clock(conn: &mut PgConnection, clock: &Clock) -> anyhow::Result<()> {
    if clock.away().is_none() && moved_clock::away(conn).await?.is_some() {
        bail!(
            "it belongs to `respondby demo` and lives by a moved clock: give the engine a database of its own"
        );
    }
    Ok(())
}

/// The key that secrets are sealed with. Without one in the configuration there can be no accounts.
pub fn sealing_key(config: &Config) -> anyhow::Result<SealingKey> {
    match &config.secrets.key {
        Some(key) => Ok(SealingKey::parse(key.value())?),
        None if config.accounts.is_empty() => Ok(SealingKey::generate()),
        None => bail!(
            "secrets.key is not set, so credentials cannot be sealed: make one with `openssl rand -hex 32` and name \
             it, as in key = \"file:/etc/respondby/key\""
        ),
    }
}

/// Writes the configuration's merchants, accounts and rules to the database.
async fn configure(
    conn: &mut PgConnection,
    config: &Config,
    rules: &[ConfiguredRules],
    ids: &Ids,
    directory: &AccountDirectory,
    clock: &Clock,
) -> anyhow::Result<()> {
    let now = clock.now();
    deliveries::maintain_months(conn, now).await?;
    let key = sealing_key(config)?;
    let configured: Vec<ConfiguredAccount> = config.accounts.iter().map(Into::into).collect();
    if !configured.is_empty() {
        let synced = accounts::sync(conn, ids, &key, &configured, now).await?;
        tracing::info!(
            added = synced.added,
            changed = synced.changed,
            retired = synced.retired,
            "accounts are set up"
        );
    }
    for ConfiguredRules { merchant, file, text } in rules {
        publish_rules(conn, merchant, file, text, "configuration", now).await?;
    }
    directory.refresh(conn).await?;
    Ok(())
}

/// What turns share: also a person's order, given beside a running engine, is a turn.
pub fn world(config: &Config, ids: Ids, registry: Registry) -> World {
    let own: HashSet<String> =
        config.merchants.iter().filter(|m| m.facts_url.is_some()).map(|m| m.name.clone()).collect();
    let facts_pull = FactsPull { everybody: config.facts.url.is_some(), merchants: Arc::new(own) };
    World::new(registry, ids, facts_pull)
}

/// What steps share, as the configuration wants it.
pub fn shop(
    config: &Config,
    opened: &Opened,
    clock: Clock,
    ids: Ids,
    registry: Registry,
    accounts: AccountDirectory,
) -> anyhow::Result<Shop> {
    let seconds = |s: u32| TimeDelta::seconds(i64::from(s));
    Ok(Shop {
        pool: opened.pool.clone(),
        world: world(config, ids, registry).with_accounts(accounts.clone()),
        accounts,
        facts: Arc::new(FactsAsker::new(config, clock.clone())?),
        clock,
        bells: Bells::default(),
        calls: Calls::new(config.reconcile.calls_per_s),
        settings: Settings {
            batch: i64::from(config.worker.batch),
            calls_max: config.worker.calls_max,
            lease: seconds(config.worker.lease_s),
            reconcile_every: seconds(config.reconcile.every_s),
            overlap: seconds(config.reconcile.overlap_s),
            first_lookback: seconds(config.reconcile.first_lookback_s),
        },
    })
}

impl Engine {
    async fn start_http(&mut self, config: &Config, roles: Vec<http::Role>) -> anyhow::Result<()> {
        let takes_in = config.worker.roles.contains(&Role::Intake);
        let (clock, ids) = (self.shop.clock.clone(), self.shop.world.ids.clone());
        let mut webhooks = None;
        let mut queue = None;
        if takes_in {
            let arrived = self.shop.bells.apply.notify();
            let (intake, writers) =
                Intake::start(&config.intake, self.opened.options.clone(), clock.clone(), ids, arrived);
            intake.wait_connected(INTAKE_WITHIN).await;
            let (registry, accounts) = (self.shop.world.registry.clone(), self.shop.accounts.clone());
            webhooks = Some(Webhooks::new(&config.http, clock, registry, accounts, intake.clone()));
            queue = Some(intake);
            self.writers = Some(writers);
        }
        let metrics = self.metrics.clone();
        let probes = Probes::new(self.shop.pool.clone(), queue, roles, Arc::new(move || metrics.render()));
        let listener = TcpListener::bind(config.http.listen).await.with_context(|| {
            format!("cannot listen on http.listen = {}: is another program there?", config.http.listen)
        })?;
        self.address = Some(listener.local_addr()?);
        if takes_in
            && let Some(grpc) = grpc::Server::bind(&config.grpc, &config.api, self.desk.clone()).await?
        {
            self.grpc_address = Some(grpc.address());
            self.http.spawn(grpc.serve(self.stop_http.clone()));
        }
        let (http_config, stop) = (config.http.clone(), self.stop_http.clone());
        let api = takes_in.then(|| Api::new(&config.http, &config.api, self.desk.clone()));
        let router = http::router(probes, webhooks, api);
        self.http.spawn(async move { http::serve(listener, router, &http_config, stop).await });
        Ok(())
    }

    /// Stops in order: no new requests, what was taken in is kept and answered, steps end between two passes, the
    /// database last.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop_http.cancel();
        self.http.close();
        self.http.wait().await;
        if let Some(writers) = self.writers {
            writers.drain().await;
        }
        self.stop_worker.cancel();
        self.worker.close();
        self.worker.wait().await;
        self.opened.close().await?;
        Ok(())
    }
}
