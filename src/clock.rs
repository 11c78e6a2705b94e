//! The one clock. Everything that needs the time is given it, or asks here once per request or step.
//! Instants are cut to microseconds, as Postgres keeps them. A moved clock serves the demo and tests.

use std::sync::{Arc, PoisonError, RwLock};
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
    Moved(RwLock<Pace>),
}

#[derive(Debug, Clone, Copy)]
enum Pace {
    /// At the real pace, so far away from the machine's clock.
    Runs { away: TimeDelta },
    /// Not at all, until it is moved.
    Stands { at: DateTime<Utc> },
}

impl Clock {
    pub fn system() -> Self {
        Self::with(Mode::System)
    }

    /// Runs at the real pace from `start`; [`Clock::advance`] jumps.
    pub fn moved_to(start: DateTime<Utc>) -> Self {
        Self::away_by(start - machine_now())
    }

    /// Runs at the real pace, so far away from the machine's clock.
    pub fn away_by(away: TimeDelta) -> Self {
        Self::with(Mode::Moved(RwLock::new(Pace::Runs { away })))
    }

    /// Stands still until advanced.
    pub fn frozen_at(start: DateTime<Utc>) -> Self {
        Self::with(Mode::Moved(RwLock::new(Pace::Stands { at: start.trunc_subsecs(6) })))
    }

    fn with(mode: Mode) -> Self {
        Self(Arc::new(Inner { mode, moved: watch::Sender::new(()) }))
    }

    pub fn now(&self) -> DateTime<Utc> {
        match &self.0.mode {
            Mode::System => machine_now(),
            Mode::Moved(pace) => read(pace).now(),
        }
    }

    /// How far it is from the machine's clock now; `None` for the machine's own.
    pub fn away(&self) -> Option<TimeDelta> {
        match &self.0.mode {
            Mode::System => None,
            Mode::Moved(pace) => Some(read(pace).now() - machine_now()),
        }
    }

    /// Moves a clock that is not the system's. The system's stays where it is.
    pub fn advance(&self, by: TimeDelta) {
        self.change(|pace| match pace {
            Pace::Runs { away } => Pace::Runs { away: away + by },
            Pace::Stands { at } => Pace::Stands { at: (at + by).trunc_subsecs(6) },
        });
    }

    /// From here on at the real pace, for one that stood still.
    pub fn run(&self) {
        self.change(|pace| Pace::Runs { away: pace.now() - machine_now() });
    }

    fn change(&self, change: impl FnOnce(Pace) -> Pace) {
        if let Mode::Moved(pace) = &self.0.mode {
            let mut pace = pace.write().unwrap_or_else(PoisonError::into_inner);
            *pace = change(*pace);
            drop(pace);
            self.0.moved.send_replace(());
        }
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
            if self.stands() {
                _ = moved.changed().await;
                continue;
            }
            tokio::select! {
                _ = tokio::time::sleep(left.min(RECHECK)) => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// Whether it stands still until somebody moves it.
    pub fn stands(&self) -> bool {
        match &self.0.mode {
            Mode::System => false,
            Mode::Moved(pace) => matches!(read(pace), Pace::Stands { .. }),
        }
    }
}

impl Pace {
    fn now(self) -> DateTime<Utc> {
        match self {
            Pace::Runs { away } => (machine_now() + away).trunc_subsecs(6),
            Pace::Stands { at } => at,
        }
    }
}

fn read(pace: &RwLock<Pace>) -> Pace {
    *pace.read().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine_now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_micros(micros: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(micros).unwrap()
    }

    #[tokio::test]
    async fn a_clock_that_stood_still_runs_on_from_where_it_stood() {
        let clock = Clock::frozen_at(from_micros(1_000_000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(from_micros(1_000_001)).await }
        });
        clock.run();
        sleeper.await.unwrap();
        let away = clock.away().unwrap();
        let beside = Clock::away_by(away);
        assert!(clock.now() > from_micros(1_000_000) && clock.now() < from_micros(60_000_000));
        assert!((beside.now() - clock.now()).abs() < TimeDelta::seconds(5));
        assert_eq!(Clock::system().away(), None);
    }

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
