//! The instants at which a condition turns by the clock alone, so that whoever asks can ask again in time.
//! Names instants that may change an answer, never one too few; does not decide whether they do.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::condition::{Condition, FactOp, Range, Reference, Test};
use super::eval::{View, edges_of};
use crate::evidence::template::fact_at;

/// Instants are kept in microseconds: the first one past a closed bound.
const TICK: TimeDelta = TimeDelta::microseconds(1);

pub(super) fn next(view: &View<'_>) -> Option<DateTime<Utc>> {
    let mut soonest = None;
    for rule in &view.ruleset.rules {
        of_conditions(&rule.conditions, view, &mut soonest);
    }
    soonest
}

fn of_conditions(conditions: &[Condition], view: &View<'_>, soonest: &mut Option<DateTime<Utc>>) {
    for condition in conditions {
        match &condition.test {
            Test::TimeLeft(range) => of_time_left(range, view, soonest),
            Test::Fact(fact) => {
                for test in &fact.tests {
                    if let FactOp::Before(Reference::Now) | FactOp::After(Reference::Now) = test {
                        let value = fact_at(view.context.facts, &fact.path);
                        let edges = value.and_then(|value| edges_of(value, view));
                        let Some((first, last)) = edges else { continue };
                        [first, first + TICK, last].into_iter().for_each(|at| keep(at, view, soonest));
                    }
                }
            }
            Test::Any(alternatives) => {
                for alternative in alternatives {
                    of_conditions(alternative, view, soonest);
                }
            }
            Test::Reason(_)
            | Test::Stage(_)
            | Test::Status(_)
            | Test::InTestMode(_)
            | Test::Refunded(_)
            | Test::FeeRequired(_)
            | Test::Has(_)
            | Test::HasAny(_)
            | Test::Lacks(_)
            | Test::Amount(_)
            | Test::Disputes90d(_)
            | Test::DisputesTotal(_)
            | Test::Provider(_)
            | Test::Account(_)
            | Test::Network(_)
            | Test::NetworkCode(_)
            | Test::ProviderReason(_)
            | Test::Complete { .. } => {}
        }
    }
}

/// `at_most` holds from its bound on, `at_least` up to its bound and no longer.
fn of_time_left(range: &Range<TimeDelta>, view: &View<'_>, soonest: &mut Option<DateTime<Utc>>) {
    let respond_by = view.context.cycle.respond_by;
    if let Some(at) = range.at_most.and_then(|most| respond_by.checked_sub_signed(most)) {
        keep(at, view, soonest);
    }
    if let Some(at) = range.at_least.and_then(|least| respond_by.checked_sub_signed(least)) {
        keep(at + TICK, view, soonest);
    }
}

/// Facts may be finer than the microseconds in which instants are kept: rounded up, or the wake comes early.
fn keep(at: DateTime<Utc>, view: &View<'_>, soonest: &mut Option<DateTime<Utc>>) {
    let whole = at.trunc_subsecs(6);
    let at = if whole < at { whole + TICK } else { whole };
    if at > view.context.now && soonest.is_none_or(|known| at < known) {
        *soonest = Some(at);
    }
}
