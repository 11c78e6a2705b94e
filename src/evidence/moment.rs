//! Times as people and shops write them: an instant, or a day without a clock. A day has two edges, so a
//! comparison inside it has no answer. Knows time zones; knows nothing of who asks.

use std::fmt::Write;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// When something happened, as exactly as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    At(DateTime<Utc>),
    /// A date: some instant of that day in the merchant's time zone.
    Day(NaiveDate),
}

impl Moment {
    /// Reads RFC 3339 (`2026-05-01T10:00:00+05:30`) or a date (`2026-05-01`). A time without a zone is not
    /// a moment: nobody can say which one is meant.
    pub fn parse(text: &str) -> Option<Self> {
        // Shaped like a year first: most texts are turned away after one look.
        let bytes = text.as_bytes();
        if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' || !bytes[0].is_ascii_digit() {
            return None;
        }
        match bytes.len() {
            10 => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Moment::Day),
            _ => DateTime::parse_from_rfc3339(text).ok().map(|at| Moment::At(at.with_timezone(&Utc))),
        }
    }

    /// The first instant it can be, and the first instant it can no longer be.
    pub fn edges(&self, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        match self {
            Moment::At(at) => (*at, *at),
            Moment::Day(day) => {
                let next = day.checked_add_days(Days::new(1)).unwrap_or(*day);
                (start_of(*day, zone), start_of(next, zone))
            }
        }
    }

    /// For people: `1 May 2026, 15:04 Asia/Kolkata (UTC+05:30)`, `1 May 2026, 15:04 UTC`, `1 May 2026`.
    pub fn print(&self, zone: Tz) -> String {
        match self {
            Moment::Day(day) => day.format("%-d %B %Y").to_string(),
            Moment::At(at) => {
                let local = at.with_timezone(&zone);
                let clock = if local.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
                let mut out = local.format("%-d %B %Y, ").to_string();
                _ = write!(out, "{} {}", local.format(clock), zone.name());
                if zone != Tz::UTC {
                    _ = write!(out, " (UTC{})", local.offset().fix());
                }
                out
            }
        }
    }
}

/// Midnight, or the first instant after the gap where clocks skip midnight.
fn start_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=24)
        .filter_map(|quarters| midnight.checked_add_signed(TimeDelta::minutes(15 * quarters)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map_or_else(|| midnight.and_utc(), |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn instants_and_days_read_and_nothing_else_does() {
        assert_eq!(Moment::parse("2026-05-01T10:00:00+05:30"), Some(Moment::At(at("2026-05-01T04:30:00Z"))));
        assert_eq!(Moment::parse("2026-05-01"), NaiveDate::from_ymd_opt(2026, 5, 1).map(Moment::Day));
        let refused =
            ["", "yesterday", "2026-05-01T10:00:00", "2026-13-01", "01-05-2026", "1777600000", "২০২৬-০৫-০১"];
        for text in refused {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_starts_at_local_midnight_even_where_clocks_skip_it() {
        let day = Moment::parse("2026-05-01").unwrap();
        assert_eq!(day.edges(Tz::Asia__Kolkata), (at("2026-04-30T18:30:00Z"), at("2026-05-01T18:30:00Z")));
        // Beirut skipped from 00:00 to 01:00 on 27 March 2022.
        let (start, end) = Moment::parse("2022-03-27").unwrap().edges(Tz::Asia__Beirut);
        assert_eq!((start, end), (at("2022-03-26T22:00:00Z"), at("2022-03-27T21:00:00Z")));
    }

    #[test]
    fn people_read_the_day_the_clock_and_the_zone() {
        let moment = Moment::parse("2026-05-01T09:34:00Z").unwrap();
        assert_eq!(moment.print(Tz::UTC), "1 May 2026, 09:34 UTC");
        assert_eq!(moment.print(Tz::Asia__Kolkata), "1 May 2026, 15:04 Asia/Kolkata (UTC+05:30)");
        assert_eq!(
            Moment::parse("2026-12-31T23:59:59Z").unwrap().print(Tz::Europe__Berlin),
            "1 January 2027, 00:59:59 Europe/Berlin (UTC+01:00)"
        );
        assert_eq!(Moment::parse("2026-05-01").unwrap().print(Tz::Asia__Kolkata), "1 May 2026");
    }
}
