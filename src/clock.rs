//! The one clock. Everything that needs the time is given it, or asks here once per request or step.
//! Instants are cut to microseconds, as Postgres keeps them. A moved clock serves the demo and tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::watch;

/// Long sleeps are looked at again this often: machines are suspended and clocks are set.
const RECHECK: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mode: Mode,
    moved: watch::Sender<()>,
}

#[derive(Debug)]
enum Mode {
    System,
    /// Runs at the real pace, so many microseconds away from the machine's clock.
    Offset(AtomicI64),
    /// Stands still at so many microseconds since 1970 until it is moved.
    Frozen(AtomicI64),
}

impl Clock {
    pub fn system() -> Self {
        Self::with(Mode::System)
    }

    /// Runs at the real pace from `start`; [`Clock::advance`] jumps.
    pub fn moved_to(start: DateTime<Utc>) -> Self {
        let offset = start - machine_now();
        Self::with(Mode::Offset(AtomicI64::new(offset.num_microseconds().unwrap_or(0))))
    }

    /// Stands still until advanced.
    pub fn frozen_at(start: DateTime<Utc>) -> Self {
        Self::with(Mode::Frozen(AtomicI64::new(start.timestamp_micros())))
    }

    fn with(mode: Mode) -> Self {
        Self(Arc::new(Inner { mode, moved: watch::Sender::new(()) }))
    }

    pub fn now(&self) -> DateTime<Utc> {
        match &self.0.mode {
            Mode::System => machine_now(),
            Mode::Offset(micros) => machine_now() + TimeDelta::microseconds(micros.load(Ordering::Acquire)),
            Mode::Frozen(micros) => from_micros(micros.load(Ordering::Acquire)),
        }
    }

    /// Moves a clock that is not the system's. The system's stays where it is.
    pub fn advance(&self, by: TimeDelta) {
        let by = by.num_microseconds().unwrap_or(0);
        match &self.0.mode {
            Mode::System => return,
            Mode::Offset(micros) | Mode::Frozen(micros) => micros.fetch_add(by, Ordering::AcqRel),
        };
        self.0.moved.send_replace(());
    }

    pub fn advance_to(&self, to: DateTime<Utc>) {
        self.advance(to - self.now());
    }

    /// Returns once `now() >= until`. Follows a clock that is moved meanwhile.
    pub async fn sleep_until(&self, until: DateTime<Utc>) {
        let mut moved = self.0.moved.subscribe();
        loop {
            let Ok(left) = (until - self.now()).to_std() else { return };
            if left.is_zero() {
                return;
            }
            match &self.0.mode {
                Mode::Frozen(_) => _ = moved.changed().await,
                Mode::System | Mode::Offset(_) => {
                    tokio::select! {
                        _ = tokio::time::sleep(left.min(RECHECK)) => {}
                        _ = moved.changed() => {}
                    }
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine_now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frozen_clock_moves_only_when_told_and_wakes_sleepers() {
        let clock = Clock::frozen_at(from_micros(1_000_000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(from_micros(3_000_000)).await }
        });
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(clock.now(), from_micros(2_000_000));
        assert!(!sleeper.is_finished());
        clock.advance_to(from_micros(3_000_000));
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn an_instant_in_the_past_is_no_wait() {
        let clock = Clock::system();
        clock.sleep_until(clock.now() - TimeDelta::days(1)).await;
    }

    #[test]
    fn instants_are_whole_microseconds() {
        assert_eq!(Clock::system().now().timestamp_subsec_nanos() % 1000, 0);
    }
}
