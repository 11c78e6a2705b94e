//! When to try again, and when an irreversible call may be repeated. Pure: what is known of the call and `now`
//! come as arguments. Knows neither the network nor the database, so that a simulation keeps the same rules.

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::ActionState;
use crate::store::actions::Standing;

pub const RETRY_MIN: TimeDelta = TimeDelta::seconds(5);
pub const RETRY_MAX: TimeDelta = TimeDelta::minutes(10);

/// After a call whose answer was lost: how long it may still be on its way before the record is believed.
const SETTLE: TimeDelta = TimeDelta::seconds(90);
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
    let patience = (RETRY_MIN * doubling).min(RETRY_MAX);
    let ahead = [page_at, respond_by].into_iter().find(|at| *at > now);
    now + ahead.map_or(patience, |at| patience.min(((at - now) / 4).max(RETRY_MIN)))
}

/// What the record that was just read, and that asks for a response still, says of the call before. `None`: a
/// call may be made now. `backoff`: when to look again otherwise.
pub fn wait_for_earlier_call(
    call: EarlierCall,
    backoff: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<Standing> {
    let sent_at = call.sent_at?;
    let since = now - sent_at;
    let why = "the record does not show the call yet".to_owned();
    match call.state {
        ActionState::Sent | ActionState::Unknown if since >= PROVED => {
            let why =
                format!("{} min after the call the record still asks for a response", since.num_minutes());
            Some(Standing::Regenerate { due_at: now, why })
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
