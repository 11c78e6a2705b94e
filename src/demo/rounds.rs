//! The worker's steps taken by hand, one after the other. Each is taken where there may be something for it: its time
//! has come by its own word, its bell was rung, or another step did what concerns it. Asking all of them at each of
//! the month's thousand stops took two thirds of the time.

use anyhow::Context;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures_util::FutureExt;

use crate::app::Engine;
use crate::worker::{self, Backlog, Bell, Stepped};

/// Records that nobody waits for are read at full hours, many at a time.
const READS: TimeDelta = TimeDelta::hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Apply,
    Wake,
    Act,
    Fetch,
    Check,
    List,
    Notify,
}

impl Kind {
    const ALL: [Kind; 7] =
        [Kind::Apply, Kind::Wake, Kind::Act, Kind::Fetch, Kind::Check, Kind::List, Kind::Notify];

    /// Whether it reads records that nobody waits for.
    fn reads(self) -> bool {
        matches!(self, Kind::Fetch | Kind::Check)
    }

    /// What may have something to do after this one did something, beside those whose bells it rings.
    fn concerns(self) -> &'static [Kind] {
        match self {
            Kind::Apply | Kind::Act => &[Kind::Wake, Kind::Fetch, Kind::Check],
            Kind::Fetch | Kind::Check | Kind::List => &[Kind::Wake, Kind::Fetch, Kind::Check],
            Kind::Wake => &[Kind::Wake],
            Kind::Notify => &[],
        }
    }
}

/// What is known of a step's next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It has to be asked.
    Unknown,
    At(Option<DateTime<Utc>>),
}

#[derive(Debug)]
pub struct Rounds {
    backlog: Backlog,
    next: [Next; Kind::ALL.len()],
}

impl Default for Rounds {
    fn default() -> Self {
        Self { backlog: Backlog::default(), next: [Next::Unknown; Kind::ALL.len()] }
    }
}

impl Rounds {
    /// Something came from outside: a person, the shop, a long time.
    pub fn ask_all(&mut self) {
        self.next = [Next::Unknown; Kind::ALL.len()];
    }

    /// Takes every step once for which there may be something. Whether there was any.
    pub async fn take(&mut self, engine: &Engine) -> anyhow::Result<bool> {
        self.hear(engine);
        let now = engine.shop.clock.now();
        let mut asked = false;
        for kind in Kind::ALL {
            let due = match self.next[kind as usize] {
                Next::Unknown => true,
                Next::At(at) => at.is_some_and(|at| at <= now),
            };
            if !due {
                continue;
            }
            asked = true;
            self.next[kind as usize] = match self.step(engine, kind).await? {
                // The two that read records tell one time for both: it is the other one's then.
                Stepped::Idle { next_at: Some(at) } if at <= now && kind.reads() => {
                    let other = if kind == Kind::Fetch { Kind::Check } else { Kind::Fetch };
                    self.next[other as usize] = Next::Unknown;
                    Next::At(None)
                }
                Stepped::Idle { next_at } => Next::At(patient(kind, next_at, now)),
                Stepped::Did(_) => {
                    kind.concerns().iter().for_each(|other| self.next[*other as usize] = Next::Unknown);
                    Next::Unknown
                }
            };
        }
        Ok(asked)
    }

    /// When something will be due, as far as is known.
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        let known = self.next.iter().filter_map(|next| match next {
            Next::At(at) => *at,
            Next::Unknown => None,
        });
        known.min()
    }

    fn hear(&mut self, engine: &Engine) {
        let bells = &engine.shop.bells;
        let rung = |bell: &Bell| bell.notify().notified().now_or_never().is_some();
        for (bell, kind) in [
            (&bells.apply, Kind::Apply),
            (&bells.wake, Kind::Wake),
            (&bells.act, Kind::Act),
            (&bells.reconcile, Kind::Fetch),
            (&bells.notify, Kind::Notify),
        ] {
            if rung(bell) {
                self.next[kind as usize] = Next::Unknown;
            }
        }
    }

    async fn step(&self, engine: &Engine, kind: Kind) -> anyhow::Result<Stepped> {
        let shop = &engine.shop;
        let stepped = match kind {
            Kind::Apply => worker::apply(shop).await,
            Kind::Wake => worker::wake(shop, &self.backlog).await,
            Kind::Act => worker::act(shop).await,
            Kind::Fetch => worker::reconcile_fetches(shop).await,
            Kind::Check => worker::reconcile_disputes(shop).await,
            Kind::List => worker::reconcile_accounts(shop).await,
            Kind::Notify => engine.notifier.step().await,
        };
        stepped.with_context(|| format!("step {kind:?}"))
    }
}

/// What is due now is due now; a read that is due later can wait for others.
fn patient(kind: Kind, next_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    next_at.map(|at| match kind.reads() && at > now {
        true => at.duration_trunc(READS).map_or(at, |hour| if hour < at { hour + READS } else { at }),
        false => at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wait_for_the_full_hour_and_nothing_else_does() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2026-03-01T10:20:00Z");
        for (kind, next_at, wanted) in [
            (Kind::Check, "2026-03-01T10:30:00Z", "2026-03-01T11:00:00Z"),
            (Kind::Check, "2026-03-01T11:00:00Z", "2026-03-01T11:00:00Z"),
            (Kind::Check, "2026-03-01T10:10:00Z", "2026-03-01T10:10:00Z"),
            (Kind::Fetch, "2026-03-01T10:30:00Z", "2026-03-01T11:00:00Z"),
            (Kind::Wake, "2026-03-01T10:30:00Z", "2026-03-01T10:30:00Z"),
            (Kind::Act, "2026-03-01T10:20:05Z", "2026-03-01T10:20:05Z"),
        ] {
            assert_eq!(patient(kind, Some(at(next_at)), now), Some(at(wanted)), "{kind:?} {next_at}");
        }
        assert_eq!(patient(Kind::Check, None, now), None);
    }

    #[test]
    fn a_step_that_is_not_asked_is_not_waited_for() {
        let mut rounds = Rounds::default();
        assert_eq!(rounds.next_at(), None);
        let at = DateTime::UNIX_EPOCH;
        rounds.next[Kind::Act as usize] = Next::At(Some(at + TimeDelta::hours(2)));
        rounds.next[Kind::Wake as usize] = Next::At(Some(at));
        rounds.next[Kind::List as usize] = Next::At(None);
        assert_eq!(rounds.next_at(), Some(at));
        rounds.ask_all();
        assert_eq!(rounds.next_at(), None);
    }
}
