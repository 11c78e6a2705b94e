//! When an alert goes out. A round is one going-out to every channel of the route; within a round, only the
//! channels that failed are tried again. What needs acknowledging begins a new round every `repage`, whether
//! or not the round before got through everywhere: a dead channel never quiets a living one.

use chrono::{DateTime, TimeDelta, Utc};

use super::AlertState;

/// First wait after a failure; doubles with each failure that follows.
const BACKOFF_FIRST: TimeDelta = TimeDelta::seconds(10);
const BACKOFF_MAX: TimeDelta = TimeDelta::minutes(15);
/// However close the deadline, people are not paged more often than this.
const REPAGE_MIN: TimeDelta = TimeDelta::minutes(5);
/// A channel's own wish to be left alone is followed up to this.
const RETRY_AFTER_MAX: TimeDelta = TimeDelta::hours(1);

#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long until what nobody has acknowledged is sent again.
    pub repage: TimeDelta,
    /// How long it may go unacknowledged before the escalation route is told as well.
    pub escalate_after: TimeDelta,
}

impl Timing {
    /// The same, made tighter as a deadline comes near: what is left always has room for three more pages
    /// and an escalation (a window may be a day, FIELD 2.1).
    pub fn towards(self, respond_by: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        let left = respond_by.map(|at| at - now).filter(|left| *left > TimeDelta::zero());
        let Some(left) = left else { return self };
        let tight = |wait: TimeDelta, of_left: TimeDelta| wait.min(of_left.max(REPAGE_MIN));
        Self { repage: tight(self.repage, left / 3), escalate_after: tight(self.escalate_after, left / 2) }
    }
}

/// Where an alert's sending stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub needs_ack: bool,
    /// Rounds begun so far.
    pub rounds: i32,
    /// Failed tries in a row within the last round; 0 when the round is done.
    pub failures: i32,
    pub round_at: Option<DateTime<Utc>>,
    pub raised_at: DateTime<Utc>,
    pub escalated: bool,
}

/// The round an alert that is due is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// 1 for the first.
    pub n: i32,
    pub begun_at: DateTime<Utc>,
    /// A try again within the round, for the channels that failed.
    pub retry: bool,
    /// The escalation route is told as well.
    pub escalated: bool,
}

/// What came of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    Failed {
        why: String,
        after: Option<TimeDelta>,
    },
    /// The endpoint is gone and says so (HTTP 410): nothing more until its configuration changes.
    Stopped {
        why: String,
    },
}

impl Outcome {
    pub const fn word(&self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Failed { .. } => "failed",
            Outcome::Stopped { .. } => "stopped",
        }
    }
}

/// What to write down after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    pub state: AlertState,
    pub failures: i32,
    pub next_at: Option<DateTime<Utc>>,
}

pub fn round(standing: Standing, timing: Timing, now: DateTime<Utc>) -> Round {
    let unfinished = standing.round_at.filter(|_| standing.failures > 0 && standing.rounds > 0);
    let goes_on = unfinished.filter(|begun_at| !standing.needs_ack || now < *begun_at + timing.repage);
    let (n, begun_at) = match goes_on {
        Some(begun_at) => (standing.rounds, begun_at),
        None => (standing.rounds.saturating_add(1), now),
    };
    let unheard = standing.rounds > 0 && now - standing.raised_at >= timing.escalate_after;
    let escalated = standing.needs_ack && (standing.escalated || unheard);
    Round { n, begun_at, retry: goes_on.is_some(), escalated }
}

/// `before`: whether any channel had taken the alert earlier, in this round or another. `outcomes`: of the
/// channels tried now. With no channel at all the log is the channel, and it has it.
pub fn settle(
    standing: Standing,
    round: Round,
    before: bool,
    outcomes: &[Outcome],
    timing: Timing,
    now: DateTime<Utc>,
) -> Settled {
    let reached = before || outcomes.is_empty() || outcomes.contains(&Outcome::Delivered);
    let state = if reached { AlertState::Sent } else { AlertState::Raised };
    let failed = outcomes.iter().any(|o| matches!(o, Outcome::Failed { .. }));
    // All channels stopped and nobody reached: looked at again, so that a mended configuration sends it.
    if !failed && reached {
        let next_at = standing.needs_ack.then(|| now + timing.repage);
        return Settled { state, failures: 0, next_at };
    }
    let failures = if round.retry { standing.failures.saturating_add(1) } else { 1 };
    let retry_at = now + backoff(failures).max(asked_wait(outcomes));
    let next_at = match standing.needs_ack {
        true => retry_at.min((round.begun_at + timing.repage).max(now + BACKOFF_FIRST)),
        false => retry_at,
    };
    Settled { state, failures, next_at: Some(next_at) }
}

fn backoff(failures: i32) -> TimeDelta {
    let doublings = u32::try_from(failures.clamp(1, 16) - 1).expect("clamped to a small positive number");
    (BACKOFF_FIRST * 2_i32.pow(doublings)).min(BACKOFF_MAX)
}

/// The shortest wait asked for: one busy channel does not delay the others that failed.
fn asked_wait(outcomes: &[Outcome]) -> TimeDelta {
    let mut waits = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Failed { after, .. } => waits.push(after.unwrap_or(TimeDelta::zero())),
            Outcome::Delivered | Outcome::Stopped { .. } => {}
        }
    }
    waits.into_iter().min().unwrap_or(TimeDelta::zero()).min(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMING: Timing = Timing { repage: TimeDelta::minutes(30), escalate_after: TimeDelta::minutes(90) };

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn failed() -> Outcome {
        Outcome::Failed { why: "HTTP 500".into(), after: None }
    }

    fn page() -> Standing {
        Standing {
            needs_ack: true,
            rounds: 0,
            failures: 0,
            round_at: None,
            raised_at: at(0),
            escalated: false,
        }
    }

    /// Plays `minutes` of an alert whose every try ends in `outcomes`; the instants it went out, and how.
    fn play(mut standing: Standing, outcomes: &[Outcome], minutes: i64) -> Vec<(DateTime<Utc>, Round)> {
        let (mut now, mut out, mut before) = (at(0), Vec::new(), false);
        while now <= at(minutes) {
            let round = round(standing, TIMING, now);
            out.push((now, round));
            let settled = settle(standing, round, before, outcomes, TIMING, now);
            before = settled.state == AlertState::Sent;
            standing.rounds = round.n;
            standing.round_at = Some(round.begun_at);
            standing.failures = settled.failures;
            standing.escalated = round.escalated;
            let Some(next_at) = settled.next_at else { break };
            assert!(next_at > now, "the next look is later than this one");
            now = next_at;
        }
        out
    }

    #[test]
    fn a_page_goes_out_again_every_repage_and_is_escalated_when_nobody_answers() {
        let played = play(page(), &[Outcome::Delivered], 120);
        let sent: Vec<_> = played.iter().map(|(at, r)| (*at, r.n, r.escalated)).collect();
        let wanted: Vec<_> = (0..5).map(|i| (at(i * 30), i as i32 + 1, i >= 3)).collect();
        assert_eq!(sent, wanted);
    }

    #[test]
    fn a_near_deadline_makes_pages_come_faster_and_never_slower() {
        let towards = |left: i64| TIMING.towards(Some(at(left)), at(0));
        let minutes = |t: Timing| (t.repage.num_minutes(), t.escalate_after.num_minutes());
        assert_eq!(minutes(towards(6 * 60)), (30, 90));
        assert_eq!(minutes(towards(60)), (20, 30));
        assert_eq!(minutes(towards(12)), (5, 6));
        assert_eq!(minutes(towards(1)), (5, 5));
        assert_eq!(minutes(towards(-1)), (30, 90), "past the deadline haste no longer helps");
        assert_eq!(minutes(TIMING.towards(None, at(0))), (30, 90));
    }

    #[test]
    fn a_page_first_sent_late_is_not_escalated_before_anybody_was_told() {
        let first = round(page(), TIMING, at(600));
        assert!(!first.escalated);
        let second = Standing { rounds: 1, round_at: Some(at(600)), ..page() };
        assert!(round(second, TIMING, at(630)).escalated);
    }

    #[test]
    fn a_warning_that_got_through_is_done() {
        let warning = Standing { needs_ack: false, ..page() };
        assert_eq!(play(warning, &[Outcome::Delivered], 10_000).len(), 1);
        assert_eq!(play(warning, &[], 10_000).len(), 1, "without channels the log is the channel");
    }

    #[test]
    fn a_failing_channel_is_tried_again_within_the_round_and_never_delays_the_next_round() {
        let played = play(page(), &[Outcome::Delivered, failed()], 100);
        let begun: Vec<_> = played.iter().filter(|(_, r)| !r.retry).map(|(at, r)| (*at, r.n)).collect();
        assert_eq!(begun, [(at(0), 1), (at(30), 2), (at(60), 3), (at(90), 4)]);
        let waits: Vec<_> = played.windows(2).map(|w| (w[1].0 - w[0].0).num_seconds()).take(6).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320]);
    }

    #[test]
    fn a_warning_nobody_could_be_told_of_is_tried_for_ever() {
        let warning = Standing { needs_ack: false, ..page() };
        for outcome in [failed(), Outcome::Stopped { why: "gone".into() }] {
            let played = play(warning, &[outcome], 24 * 60);
            assert!(played.len() > 90, "{}", played.len());
            assert!(played.iter().all(|(_, r)| r.n == 1 && !r.escalated));
        }
    }

    #[test]
    fn a_channel_that_asks_for_time_gets_it_within_reason() {
        let warning = Standing { needs_ack: false, ..page() };
        let first = round(warning, TIMING, at(0));
        let after = |wait: TimeDelta| {
            let outcome = Outcome::Failed { why: "HTTP 429".into(), after: Some(wait) };
            settle(warning, first, false, &[outcome], TIMING, at(0)).next_at.unwrap() - at(0)
        };
        assert_eq!(after(TimeDelta::seconds(90)), TimeDelta::seconds(90));
        assert_eq!(after(TimeDelta::seconds(1)), BACKOFF_FIRST);
        assert_eq!(after(TimeDelta::days(7)), RETRY_AFTER_MAX);
    }

    proptest! {
        #[test]
        fn what_needs_acknowledging_always_has_a_next_time_within_repage(
            rounds in 0i32..9, failures in 0i32..99, ago in 0i64..120,
            outcomes in proptest::collection::vec(0u8..3, 0..4), before: bool,
        ) {
            let outcomes: Vec<_> = outcomes.into_iter().map(|o| match o {
                0 => Outcome::Delivered,
                1 => failed(),
                _ => Outcome::Stopped { why: "gone".into() },
            }).collect();
            let round_at = (rounds > 0).then(|| at(-ago));
            let standing = Standing { rounds, failures, round_at, ..page() };
            let now = at(0);
            let this = round(standing, TIMING, now);
            let settled = settle(standing, this, before, &outcomes, TIMING, now);
            let next_at = settled.next_at.expect("a page is always on its way again");
            prop_assert!(next_at > now && next_at <= now + TIMING.repage);
        }
    }
}
