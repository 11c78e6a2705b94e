//! The loop around every step, written once. It listens before it looks, so news that arrives while a step
//! runs is never missed; a step that fails is tried again with growing patience and logged once per failure.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Stepped;
use crate::clock::Clock;
use crate::observe::record;

/// Rung when there may be work. Ringing twice before anybody looks is ringing once.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }

    pub fn notify(&self) -> Arc<Notify> {
        self.0.clone()
    }
}

/// How a loop waits.
#[derive(Clone, Debug)]
pub struct Pace {
    pub clock: Clock,
    /// Work can appear without the bell (another process took the webhook): look this often.
    pub poll_every: Duration,
    pub stop: CancellationToken,
}

const PATIENCE_MIN: Duration = Duration::from_millis(100);
const PATIENCE_MAX: Duration = Duration::from_secs(5);

/// One pass of a step, owning what it needs.
pub type Pass = BoxFuture<'static, anyhow::Result<Stepped>>;

/// Runs `step` until told to stop. Ends between steps, never within one.
pub async fn run(name: &'static str, pace: Pace, bell: Bell, mut step: impl FnMut() -> Pass + Send) {
    let mut patience = PATIENCE_MIN;
    while !pace.stop.is_cancelled() {
        let rung = bell.0.notified();
        match step().await {
            Ok(Stepped::Did(_)) => patience = PATIENCE_MIN,
            Ok(Stepped::Idle { next_at }) => {
                patience = PATIENCE_MIN;
                let far = pace.clock.now() + TimeDelta::days(365);
                tokio::select! {
                    () = rung => {}
                    () = pace.clock.sleep_until(next_at.unwrap_or(far)) => {}
                    () = tokio::time::sleep(pace.poll_every) => {}
                    () = pace.stop.cancelled() => {}
                }
            }
            Err(error) => {
                tracing::error!(
                    worker.step = name,
                    error = format!("{error:#}"),
                    "a worker step failed and is tried again"
                );
                record::step_failure(name);
                tokio::select! {
                    () = tokio::time::sleep(patience) => {}
                    () = pace.stop.cancelled() => {}
                }
                patience = (patience * 2).min(PATIENCE_MAX);
            }
        }
    }
}
