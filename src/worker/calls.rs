//! Manners towards providers: a pace per account, and a circuit that stops calling one that is down or asks
//! for quiet. Runs on the Clock, so that it can be tested without waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::dispute::AccountId;
use crate::providers::Answer;

/// Failures in a row that open the circuit.
const FAILURES_MAX: u32 = 5;
const OPEN_MIN: TimeDelta = TimeDelta::seconds(15);
const OPEN_MAX: TimeDelta = TimeDelta::minutes(5);

/// Shared by all steps of a process.
#[derive(Clone, Debug)]
pub struct Calls {
    per_second: f64,
    accounts: Arc<Mutex<HashMap<AccountId, Line>>>,
}

#[derive(Debug, Default)]
struct Line {
    /// The earliest instant for the next call: pace and `Retry-After` both move it.
    free_at: Option<DateTime<Utc>>,
    failures: u32,
    closed_until: Option<DateTime<Utc>>,
}

impl Calls {
    /// At most so many calls a second to each account.
    pub fn new(per_second: f64) -> Self {
        Self { per_second: per_second.max(0.01), accounts: Arc::default() }
    }

    /// Takes the next place in line: `Ok` when a call may go now, otherwise when to come back.
    pub fn take_place(&self, account_id: AccountId, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let line = accounts.entry(account_id).or_default();
        if let Some(until) = line.closed_until.filter(|until| *until > now) {
            return Err(until);
        }
        // A second's worth may go at once; then the pace holds.
        let burst = TimeDelta::seconds(1);
        let free_at = line.free_at.unwrap_or(now - burst).max(now - burst);
        if free_at > now {
            return Err(free_at);
        }
        let step = TimeDelta::microseconds((1e6 / self.per_second) as i64);
        line.free_at = Some(free_at + step);
        Ok(())
    }

    /// Learns from an answer. Trouble is what says something about the provider, not about our request.
    pub fn learn<T>(&self, account_id: AccountId, answer: &Answer<T>, now: DateTime<Utc>) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let line = accounts.entry(account_id).or_default();
        match answer {
            Answer::Receipt(_) | Answer::Refused { .. } => {
                line.failures = 0;
                line.closed_until = None;
            }
            Answer::Retry { after: Some(after), .. } => line.closed_until = Some(now + cap(*after)),
            Answer::Retry { after: None, .. } | Answer::Unknown { .. } => {
                line.failures += 1;
                if line.failures >= FAILURES_MAX {
                    let doubling = 1 << (line.failures - FAILURES_MAX).min(5);
                    line.closed_until = Some(now + (OPEN_MIN * doubling).min(OPEN_MAX));
                }
            }
        }
    }
}

fn cap(after: Duration) -> TimeDelta {
    TimeDelta::from_std(after).unwrap_or(OPEN_MAX).min(OPEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
    }

    fn lost() -> Answer<()> {
        Answer::Unknown { why: "time-out".into() }
    }

    #[test]
    fn the_pace_holds_after_a_second_s_worth() {
        let calls = Calls::new(2.0);
        let went = (0..10).filter(|_| calls.take_place(1, at(0)).is_ok()).count();
        assert_eq!(went, 3, "the burst and the one that is due");
        assert_eq!(calls.take_place(1, at(0)), Err(at(500)));
        assert!(calls.take_place(2, at(0)).is_ok(), "another account has its own line");
        assert!(calls.take_place(1, at(500)).is_ok());
    }

    #[test]
    fn trouble_opens_the_circuit_and_one_good_answer_closes_it() {
        let calls = Calls::new(1000.0);
        (0..5).for_each(|_| calls.learn(1, &lost(), at(0)));
        assert_eq!(calls.take_place(1, at(1)), Err(at(15_000)));
        assert!(calls.take_place(1, at(15_000)).is_ok(), "one call tries");
        calls.learn(1, &lost(), at(15_000));
        assert_eq!(calls.take_place(1, at(15_001)), Err(at(45_000)), "and waits twice as long");
        calls.learn(1, &Answer::Receipt(()), at(45_000));
        assert!(calls.take_place(1, at(45_001)).is_ok());
    }

    #[test]
    fn a_refusal_is_about_the_request_and_retry_after_is_obeyed() {
        let calls = Calls::new(1000.0);
        let refused = Answer::<()>::Refused { status: 400, code: None, reason: String::new() };
        (0..50).for_each(|_| calls.learn(1, &refused, at(0)));
        assert!(calls.take_place(1, at(0)).is_ok());
        let throttled = Answer::<()>::Retry { after: Some(Duration::from_secs(7)), why: "429".into() };
        calls.learn(1, &throttled, at(0));
        assert_eq!(calls.take_place(1, at(1)), Err(at(7000)));
    }
}
