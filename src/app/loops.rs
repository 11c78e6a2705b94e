//! The loops of a process: one for each kind of work its roles ask for, those that every process has, and how each is
//! doing. Which step comes when is for the steps to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::Engine;
use crate::config::{Config, Role};
use crate::http::{self, RoleLag};
use crate::store::vitals::Due;
use crate::store::{api_orders, deliveries};
use crate::worker::{self, Backlog, Bell, Pace, Pass, Shop, Stepped};

/// How often accounts are looked at for changes made by another process.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(5);
/// How often the coming months' partitions are made sure of, and what nobody asks about any more is forgotten.
const HOUSEKEEPING_EVERY: TimeDelta = TimeDelta::hours(6);
/// A pass that takes longer than this hangs: the longest reads eight disputes one after the other, each within a
/// provider's time-outs.
const PASS_MS_MAX: i64 = 600_000;

/// Whether a loop is in a pass, and since when, by the machine's own measure of time.
#[derive(Debug)]
struct Pulse {
    born: Instant,
    /// Milliseconds after that; below 0 between two passes.
    began_ms: AtomicI64,
}

impl Pulse {
    fn new() -> Self {
        Self { born: Instant::now(), began_ms: AtomicI64::new(-1) }
    }

    fn age_ms(&self) -> i64 {
        i64::try_from(self.born.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn begins(&self) {
        self.began_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    fn ends(&self) {
        self.began_ms.store(-1, Ordering::Relaxed);
    }

    fn is_stuck(&self) -> bool {
        hangs(self.began_ms.load(Ordering::Relaxed), self.age_ms())
    }
}

fn hangs(began_ms: i64, now_ms: i64) -> bool {
    began_ms >= 0 && now_ms - began_ms > PASS_MS_MAX
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
    pub(super) fn start_worker(&mut self, config: &Config) -> Vec<http::Role> {
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
        let works = config.worker.roles.contains(&Role::Worker);
        // On a clock that stands, whoever moves it takes the steps, this one too.
        if works || !self.shop.clock.stands() {
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
        if !works {
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
        let pulse = Arc::new(Pulse::new());
        let pace = Pace { clock: clock.clone(), poll_every, stop: self.stop_worker.clone() };
        let felt = pulse.clone();
        let marking = move || -> Pass {
            let (pass, felt) = (step(), felt.clone());
            Box::pin(async move {
                felt.begins();
                let stepped = pass.await;
                felt.ends();
                stepped
            })
        };
        let task = self.worker.spawn(worker::run(name, pace, bell.clone(), marking));
        Arc::new(move |due: &Due| RoleLag {
            role: name.to_owned(),
            lag_ms: due.since(name).map(|since| (clock.now() - since).num_milliseconds().max(0)),
            running: !task.is_finished() && !pulse.is_stuck(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_does_not_end_is_stuck_and_a_long_wait_between_two_is_not() {
        assert!(!hangs(-1, 3 * PASS_MS_MAX), "it waits for work");
        assert!(!hangs(7, 7 + PASS_MS_MAX), "it may take this long");
        assert!(hangs(7, 8 + PASS_MS_MAX) && hangs(0, 3 * PASS_MS_MAX));
    }

    #[test]
    fn a_pass_is_felt_from_its_begin_to_its_end() {
        let pulse = Pulse::new();
        let between = || pulse.began_ms.load(Ordering::Relaxed) < 0;
        assert!(between());
        pulse.begins();
        assert!(!between() && !pulse.is_stuck());
        pulse.ends();
        assert!(between());
    }
}
