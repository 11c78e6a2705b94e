//! The instants of a cycle. Everything is an instant, never a number of days: windows of a few hours exist,
//! and rounding has closed windows early before.

use chrono::{DateTime, TimeDelta, Utc};

/// Time kept between acting and paging, in which the provider's record can confirm the response.
const SETTLE_MAX: TimeDelta = TimeDelta::minutes(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub respond_by: DateTime<Utc>,
    /// The last instant at which the engine acts by itself.
    pub act_by: DateTime<Utc>,
    /// If the provider's record does not show a response by now, a person is paged (P3).
    pub page_at: DateTime<Utc>,
}

impl Times {
    /// `respond_by − margin`, where the margin never takes more than a quarter of the window, so that a
    /// window of some hours is not used up by a margin made for weeks.
    pub fn of(opened_at: DateTime<Utc>, respond_by: DateTime<Utc>, safety_margin: TimeDelta) -> Self {
        let window = (respond_by - opened_at).max(TimeDelta::zero());
        let margin = safety_margin.clamp(TimeDelta::zero(), part(window, 4));
        let settle = SETTLE_MAX.min(part(margin, 4));
        let page_at = respond_by - margin;
        Self { respond_by, act_by: page_at - settle, page_at }
    }
}

/// In whole microseconds, as instants are kept: a wake between two of them would be stored as one before it
/// is due, and come again at once.
fn part(length: TimeDelta, of: i32) -> TimeDelta {
    TimeDelta::microseconds((length / of).num_microseconds().unwrap_or(i64::MAX))
}

/// How long before `respond_by` people are told again, longest first, scaled to the window.
pub fn ladder(opened_at: DateTime<Utc>, respond_by: DateTime<Utc>) -> Vec<TimeDelta> {
    let window = (respond_by - opened_at).max(TimeDelta::zero());
    let hours: &[i64] = if window >= TimeDelta::hours(48) {
        &[168, 72, 24, 6, 1]
    } else if window >= TimeDelta::hours(6) {
        &[12, 4, 1]
    } else {
        return vec![part(window, 2), part(window, 4)];
    };
    hours.iter().map(|h| TimeDelta::hours(*h)).filter(|rung| *rung < window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + hours * 3600, 0).unwrap()
    }

    fn hours(rungs: Vec<TimeDelta>) -> Vec<i64> {
        rungs.iter().map(TimeDelta::num_hours).collect()
    }

    #[test]
    fn the_ladder_is_scaled_to_the_window() {
        assert_eq!(hours(ladder(at(0), at(24 * 20))), [168, 72, 24, 6, 1]);
        assert_eq!(hours(ladder(at(0), at(24 * 5))), [72, 24, 6, 1]);
        assert_eq!(hours(ladder(at(0), at(24))), [12, 4, 1]);
        assert_eq!(hours(ladder(at(0), at(4))), [2, 1]);
        assert_eq!(ladder(at(5), at(4)), [TimeDelta::zero(), TimeDelta::zero()]);
    }

    #[test]
    fn a_margin_made_for_weeks_does_not_eat_a_short_window() {
        let long = Times::of(at(0), at(240), TimeDelta::hours(6));
        assert_eq!(long.page_at, at(234));
        assert_eq!(long.act_by, at(234) - TimeDelta::minutes(10));
        let short = Times::of(at(0), at(8), TimeDelta::hours(6));
        assert_eq!(short.page_at, at(6));
    }

    proptest! {
        #[test]
        fn acting_comes_before_paging_comes_before_the_deadline(
            window_s in -100_000i64..10_000_000, margin_s in -10i64..1_000_000,
        ) {
            let respond_by = at(0) + TimeDelta::seconds(window_s);
            let times = Times::of(at(0), respond_by, TimeDelta::seconds(margin_s));
            prop_assert!(times.act_by <= times.page_at && times.page_at <= respond_by);
            if window_s > 0 {
                prop_assert!(times.act_by >= at(0), "a window is never closed before it opened");
            }
        }
    }
}
