//! When to try again, and when an irreversible call may be repeated. Pure: what is known of the call and `now`
//! come as arguments. Knows neither the network nor the database, so that a simulation keeps the same rules.

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::ActionState;
use crate::store::actions::Standing;

pub const RETRY_MIN: TimeDelta = TimeDelta::seconds(5);
pub const RETRY_MAX: TimeDelta = TimeDelta::minutes(10);

/// After a call whose answer was lost: how long it may still be on its way before the record is believed.
pub const SETTLE: TimeDelta = TimeDelta::seconds(90);
/// A record that still asks for a response so long after a call proves that the call had no effect.
const PROVED: TimeDelta = TimeDelta::minutes(15);
/// How often an action is taken up before repeats under its key are given up.
const REPEATS_MAX: i32 = 5;

/// What is known of an irreversible call made before.
#[derive(Debug, Clone, Copy)]
pub struct EarlierCall {
    pub state: ActionState,
    pub sent_at: Option<DateTime<Utc>>,
    pub attempts: i32,
    /// The provider answers a repeat under the same key with its first answer.
    pub keyed: bool,
}

/// Patience that shrinks as the margin comes nearer, and behind it the deadline, so that there is always
/// another try before either. Past both there is no hurry any more.
pub fn backoff(
    attempts: i32,
    page_at: DateTime<Utc>,
    respond_by: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let doubling = 1 << attempts.clamp(0, 10);
    in_time(now + (RETRY_MIN * doubling).min(RETRY_MAX), page_at, respond_by, now)
}

/// `at`, or sooner: a quarter of the way to the margin, and behind it to the deadline.
pub fn in_time(
    at: DateTime<Utc>,
    page_at: DateTime<Utc>,
    respond_by: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let ahead = [page_at, respond_by].into_iter().find(|end| *end > now);
    ahead.map_or(at, |end| at.min(now + ((end - now) / 4).max(RETRY_MIN)))
}

/// What a record that asks for a response still says of the call before. `None`: a call may be made now. `backoff`:
/// when to look again otherwise. `read_at`: when the record was asked for, at the latest. How long ago that is says
/// nothing: an answer that was long on its way, or lay in a process that was suspended, proves no more than it did.
pub fn wait_for_earlier_call(
    call: EarlierCall,
    backoff: DateTime<Utc>,
    read_at: DateTime<Utc>,
) -> Option<Standing> {
    let sent_at = call.sent_at?;
    let since = read_at - sent_at;
    let why = "the record does not show the call yet".to_owned();
    match call.state {
        ActionState::Sent | ActionState::Unknown if since >= PROVED => {
            let why =
                format!("{} min after the call the record still asks for a response", since.num_minutes());
            Some(Standing::Regenerate { due_at: read_at, why })
        }
        // The answer was good: only the record lags.
        ActionState::Sent => Some(Standing::Unconfirmed { due_at: backoff.min(sent_at + PROVED), why }),
        // A failure may be saved under the key: more repeats bring the same answer, and a new key is safe
        // only once the record has proved that this one had no effect.
        ActionState::Unknown if call.keyed && call.attempts > REPEATS_MAX => {
            Some(Standing::Unknown { due_at: backoff.min(sent_at + PROVED), why })
        }
        ActionState::Unknown if since < SETTLE && !call.keyed => {
            Some(Standing::Unknown { due_at: sent_at + SETTLE, why })
        }
        ActionState::Unknown
        | ActionState::Wanted
        | ActionState::Done
        | ActionState::Refused
        | ActionState::Cancelled => None,
    }
}

/// What is to be done is otherwise now than when the call was made at `sent_at`. It is not repeated; once the record
/// has proved that it had no effect, it is decided anew.
pub fn overtaken(sent_at: DateTime<Utc>, why: &str) -> Standing {
    Standing::Unknown { due_at: sent_at + PROVED, why: format!("not repeated: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn judged(state: ActionState, attempts: i32, keyed: bool, read_s: i64) -> &'static str {
        let call = EarlierCall { state, sent_at: Some(at(0)), attempts, keyed };
        match wait_for_earlier_call(call, at(10_000), at(read_s)) {
            None => "may be called",
            Some(Standing::Unknown { due_at, .. }) if due_at == at(90) => "until it has settled",
            Some(Standing::Unknown { due_at, .. }) if due_at == at(900) => "until it is proved",
            Some(Standing::Unconfirmed { due_at, .. }) if due_at == at(900) => "until it is confirmed",
            Some(Standing::Regenerate { .. }) => "anew",
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn nobody_is_waited_for_until_it_is_too_late() {
        let (page_at, respond_by) = (at(3_600), at(7_200));
        for (asked_s, now_s, expected_s) in [
            (600, 0, 600),
            // A quarter of the way to the margin, then to the deadline; behind both it makes no difference.
            (7_200, 0, 900),
            (86_400, 3_600, 4_500),
            (86_400, 7_199, 7_204),
            (86_400, 7_200, 86_400),
        ] {
            let until = in_time(at(asked_s), page_at, respond_by, at(now_s));
            assert_eq!(until, at(expected_s), "asked for {asked_s} at {now_s}");
        }
    }

    #[test]
    fn a_call_is_repeated_only_once_it_cannot_be_on_its_way_any_more() {
        use ActionState::{Sent, Unknown};
        for (state, attempts, keyed, read_s, expected) in [
            (Unknown, 1, false, 89, "until it has settled"),
            (Unknown, 1, false, 90, "may be called"),
            (Unknown, 1, false, 900, "anew"),
            // Under its key a repeat is harmless, and after some of them useless.
            (Unknown, 5, true, 1, "may be called"),
            (Unknown, 6, true, 1, "until it is proved"),
            (Unknown, 6, true, 900, "anew"),
            (Sent, 1, false, 89, "until it is confirmed"),
            (Sent, 1, true, 899, "until it is confirmed"),
            (Sent, 1, true, 900, "anew"),
        ] {
            assert_eq!(
                judged(state, attempts, keyed, read_s),
                expected,
                "{state} {attempts} {keyed} {read_s}"
            );
        }
    }

    #[test]
    fn patience_shrinks_towards_the_margin_and_the_deadline() {
        let wait = |attempts, now| (backoff(attempts, at(1_000), at(2_000), at(now)) - at(now)).num_seconds();
        assert_eq!([wait(0, -90_000), wait(3, -90_000), wait(99, -90_000)], [5, 40, 600]);
        assert_eq!([wait(99, 0), wait(99, 900), wait(99, 990)], [250, 25, 5]);
        assert_eq!([wait(99, 1_000), wait(99, 1_900), wait(99, 2_000)], [250, 25, 600]);
    }
}
