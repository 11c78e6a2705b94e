//! What is believed of a value that somebody else wrote, before anybody asks what it means: instants and amounts that
//! can be true, and text that is safe to store and to show.

use chrono::{DateTime, SubsecRound, Utc};

/// 2000-01-01 and 2200-01-01, unix seconds. An instant outside is a mistake, not a deadline.
pub const INSTANTS: std::ops::Range<i64> = 946_684_800..7_258_118_400;
/// Minor units. More than this is a mistake, not an amount.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;
/// Longest text by others that is shown, characters.
const TEXT_LENGTH_MAX: usize = 200;

/// The instant, when it can be one.
pub fn possible(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    INSTANTS.contains(&at.timestamp()).then_some(at)
}

/// RFC 3339, cut to microseconds as they are stored. Without a zone it is none: half a day more or less is a deadline
/// missed.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    possible(DateTime::parse_from_rfc3339(text).ok()?.to_utc().trunc_subsecs(6))
}

pub fn unix_instant(unix_s: i64) -> Option<DateTime<Utc>> {
    possible(DateTime::from_timestamp(unix_s, 0)?)
}

/// Text by others, safe to store and to show: no control characters, at most 200 characters.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_lie_between_2000_and_2200_and_are_cut_to_what_is_stored() {
        let at = |text: &str| instant(text).map(|at| at.to_rfc3339());
        assert_eq!(at("2026-02-21T06:45:36.1234567Z").unwrap(), "2026-02-21T06:45:36.123456+00:00");
        assert_eq!(at("2026-02-21T06:45:36+05:30").unwrap(), "2026-02-21T01:15:36+00:00");
        for none in ["", "2026-02-21", "2026-02-21T06:45:36", "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z"]
        {
            assert_eq!(at(none), None, "{none}");
        }
        for (unix_s, possible) in [(946_684_799, false), (946_684_800, true), (i64::MAX, false), (-1, false)]
        {
            assert_eq!(unix_instant(unix_s).is_some(), possible, "{unix_s}");
        }
    }

    #[test]
    fn text_by_others_is_short_and_has_no_control_characters() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a[2Jbc");
        assert_eq!(clean(&"é".repeat(300)).chars().count(), TEXT_LENGTH_MAX);
    }
}
