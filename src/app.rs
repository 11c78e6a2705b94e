//! The engine put together: what the configuration asks for, started in order and stopped in the opposite one.
//! The only place that knows both the HTTP side and the worker.

mod publish;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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
use crate::http::{self, Api, Intake, Probes, RoleLag, Webhooks, Writers};
use crate::observe::Metrics;
use crate::observe::channel::Channels;
use crate::providers::Registry;
use crate::store::accounts::{self, AccountDirectory, ConfiguredAccount};
use crate::store::ids::Ids;
use crate::store::seal::SealingKey;
use crate::store::turn::{FactsPull, World};
use crate::store::{self, Opened, api_orders, deliveries, moved_clock};
use crate::worker::facts::FactsAsker;
use crate::worker::notify::Notifier;
use crate::worker::{self, Backlog, Bell, Bells, Calls, Pace, Pass, Settings, Shop, Stepped};

/// How long the first webhook waits for the intake's own connections, before it is told to come again.
const INTAKE_WITHIN: Duration = Duration::from_secs(2);
/// How often accounts are looked at for changes made by another process.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(5);
/// How often the coming months' partitions are made sure of, and what nobody asks about any more is forgotten.
const HOUSEKEEPING_EVERY: TimeDelta = TimeDelta::hours(6);

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

/// A step as the loop takes it: the shop is shared, each pass owns its handle.
fn passes<F>(shop: &Arc<Shop>, step: F) -> impl FnMut() -> Pass + Send + 'static
where
    F: Fn(Arc<Shop>) -> Pass + Send + 'static,
{
    let shop = shop.clone();
    move || step(shop.clone())
}

impl Engine {
    /// Starts every loop the roles ask for, and whatever they are, the watchdog and who tells people what it raises:
    /// a page about dead workers that only a worker could send would reach nobody.
    fn start_worker(&mut self, config: &Config) -> Vec<http::Role> {
        let shop = Arc::new(self.shop.clone());
        let often = Duration::from_millis(config.worker.poll_every_ms);
        let quiet = Bell::default();
        let mut roles = vec![
            self.run(
                "watch",
                &quiet,
                often * 10,
                passes(&shop, |s| Box::pin(async move { worker::watch(&s).await })),
            ),
            self.run(
                "housekeeping",
                &quiet,
                often * 10,
                passes(&shop, |s| Box::pin(async move { keep_house(&s).await })),
            ),
        ];
        // On a clock that stands, whoever moves it takes the steps, this one too.
        if !self.shop.clock.stands() {
            roles.push(self.run("notify", &self.shop.bells.notify, often, {
                let notifier = self.notifier.clone();
                move || -> Pass {
                    let notifier = notifier.clone();
                    Box::pin(async move { notifier.step().await })
                }
            }));
        }
        let accounts = self.shop.accounts.clone();
        let (pool, stop) = (self.shop.pool.clone(), self.stop_worker.clone());
        self.worker.spawn(accounts.keep_fresh(pool, ACCOUNTS_EVERY, stop));
        if !config.worker.roles.contains(&Role::Worker) {
            return roles;
        }
        roles.extend(self.start_steps(&shop, often));
        roles
    }

    /// One loop for each kind of work.
    fn start_steps(&self, shop: &Arc<Shop>, often: Duration) -> Vec<http::Role> {
        let bells = &self.shop.bells;
        let quiet = Bell::default();
        let mut roles = Vec::new();
        // Several of each: while one waits for the database or its disk, the others read and decide.
        let overdue = Backlog::default();
        for _ in 0..worker::ABREAST {
            let apply = passes(shop, |s| Box::pin(async move { worker::apply(&s).await }));
            roles.push(self.run("apply", &bells.apply, often, apply));
            let overdue = overdue.clone();
            let wake = move |shop: Arc<Shop>| -> Pass {
                let overdue = overdue.clone();
                Box::pin(async move { worker::wake(&shop, &overdue).await })
            };
            roles.push(self.run("wake", &bells.wake, often, passes(shop, wake)));
        }
        let hands = Arc::new(worker::Hands::new(shop.clone(), self.worker.clone()));
        roles.extend([
            self.run("act", &bells.act, often, move || -> Pass {
                let hands = hands.clone();
                Box::pin(async move { hands.take_up().await })
            }),
            self.run(
                "list",
                &quiet,
                often,
                passes(shop, |s| Box::pin(async move { worker::reconcile_accounts(&s).await })),
            ),
            self.run(
                "fetch",
                &bells.reconcile,
                often,
                passes(shop, |s| Box::pin(async move { worker::reconcile_fetches(&s).await })),
            ),
            self.run(
                "check",
                &quiet,
                often,
                passes(shop, |s| Box::pin(async move { worker::reconcile_disputes(&s).await })),
            ),
        ]);
        roles
    }

    /// Runs one step in a loop of its own; returns how it is doing, for readiness.
    fn run(
        &self,
        name: &'static str,
        bell: &Bell,
        poll_every: Duration,
        mut step: impl FnMut() -> Pass + Send + 'static,
    ) -> http::Role {
        let clock = self.shop.clock.clone();
        let looked_at = Arc::new(AtomicI64::new(clock.now().timestamp_millis()));
        let pace = Pace { clock: clock.clone(), poll_every, stop: self.stop_worker.clone() };
        let (bell, mark, marked) = (bell.clone(), looked_at.clone(), clock.clone());
        let marking = move || -> Pass {
            let (pass, mark, clock) = (step(), mark.clone(), marked.clone());
            Box::pin(async move {
                let stepped = pass.await;
                mark.store(clock.now().timestamp_millis(), Ordering::Relaxed);
                stepped
            })
        };
        let task = self.worker.spawn(worker::run(name, pace, bell, marking));
        Arc::new(move || RoleLag {
            role: name.to_owned(),
            lag_ms: clock.now().timestamp_millis() - looked_at.load(Ordering::Relaxed),
            running: !task.is_finished(),
        })
    }

    /// Every kind of step once, by hand: for who moves the clock, instead of the loops.
    pub async fn step(&self, backlog: &Backlog) -> anyhow::Result<Stepped> {
        let shop = &self.shop;
        let steps = [
            worker::apply(shop).await?,
            worker::wake(shop, backlog).await?,
            worker::act(shop).await?,
            worker::reconcile_fetches(shop).await?,
            worker::reconcile_disputes(shop).await?,
            worker::reconcile_accounts(shop).await?,
            self.notifier.step().await?,
        ];
        Ok(steps.into_iter().fold(Stepped::Idle { next_at: None }, Stepped::and))
    }

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

async fn keep_house(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let mut conn = shop.pool.acquire().await?;
    deliveries::maintain_months(&mut conn, now).await?;
    let forgotten = api_orders::forget(&mut conn, now).await?;
    if forgotten > 0 {
        tracing::debug!(orders = forgotten, "orders that programs gave long ago are forgotten");
    }
    Ok(Stepped::Idle { next_at: Some(now + HOUSEKEEPING_EVERY) })
}
