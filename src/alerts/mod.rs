//! People, asked in time: how an alert reads, when it is sent again and to whom. Pure: knows the dispute
//! model, not where alerts are kept nor how a channel carries them. Alerts are rows first (`store::alerts`);
//! `worker::notify` sends them through `observe::channel`.

mod notice;
mod rounds;

#[cfg(test)]
pub(crate) use notice::tests::page as example_notice;
pub use notice::{Notice, Subject, print_instant, print_left};
pub use rounds::{Outcome, Round, Settled, Standing, Timing, round, settle};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dispute::{CycleState, Status, UnknownWord, words};

words!(
    /// Where an alert stands.
    AlertState, "alert state", {
        /// Nobody has been reached yet.
        Raised = "raised",
        /// At least one channel has taken it.
        Sent = "sent",
        Acknowledged = "acknowledged",
        /// Its reason is gone.
        Resolved = "resolved",
    }
);

/// The kind of an alert that lists others which were beyond the hourly budget.
pub const DIGEST: &str = "digest";
/// The kind of an alert saying that a channel has told us to stop sending to it.
pub const CHANNEL_STOPPED: &str = "channel_stopped";

/// Kinds that are never folded into a digest, however many there are: their time is what they tell of.
pub const ABOUT_A_DEADLINE: [&str; 3] = ["deadline", "deadline_unknown", "missed"];

/// Whether the reason for an alert is gone, by what its cycle and dispute have come to since. An alert about
/// an open cycle is moot once the cycle is not open, except for news of the end itself.
pub fn is_moot(kind: &str, cycle: Option<CycleState>, status: Option<Status>) -> bool {
    match (kind, cycle) {
        ("answered_elsewhere", _) => false,
        ("missed", cycle) => cycle == Some(CycleState::Answered),
        ("deadline_unknown", None) => status.is_some_and(|status| status != Status::NeedsResponse),
        (_, None) => false,
        (_, Some(state)) => state != CycleState::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_about_a_cycle_that_is_not_open_is_moot_except_news_of_the_end() {
        let (open, answered, ended) = (CycleState::Open, CycleState::Answered, CycleState::Ended);
        for (kind, cycle, status, moot) in [
            ("needs_person", Some(open), Status::NeedsResponse, false),
            ("needs_person", Some(answered), Status::UnderReview, true),
            ("unanswered", Some(ended), Status::Lost, true),
            ("missed", Some(open), Status::NeedsResponse, false),
            ("missed", Some(ended), Status::Lost, false),
            ("missed", Some(answered), Status::UnderReview, true),
            ("answered_elsewhere", Some(answered), Status::UnderReview, false),
            ("deadline_unknown", None, Status::NeedsResponse, false),
            ("deadline_unknown", None, Status::Lost, true),
            ("reversed", None, Status::Lost, false),
        ] {
            assert_eq!(is_moot(kind, cycle, Some(status)), moot, "{kind} {cycle:?} {status}");
        }
        assert!(!is_moot(CHANNEL_STOPPED, None, None), "alerts about the engine have no cycle");
    }
}
