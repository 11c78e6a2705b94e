//! How things are shown to people: aligned tables, instants in UTC, time left rounded down, and words from
//! outside without anything that could steer a terminal. Knows nothing of what is shown.

use chrono::{DateTime, Utc};

/// An instant to the minute, cut off: a deadline never looks later than it is.
pub(super) fn at(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// The same to the second, for records.
pub(super) fn at_second(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

pub(super) fn at_or_never(instant: Option<DateTime<Utc>>) -> String {
    instant.map_or_else(|| "never".to_owned(), at)
}

/// `2d 04h left`, `35m left`, `overdue by 3h 05m`. Rounded down.
pub(super) fn left(until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (until - now).num_seconds() {
        seconds if seconds >= 0 && until >= now => format!("{} left", span(seconds)),
        seconds => format!("overdue by {}", span(-seconds)),
    }
}

/// `3h 05m ago`. Rounded down.
pub(super) fn ago(instant: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ago", span((now - instant).num_seconds().max(0)))
}

/// `2d 04h`, `3h 05m`, `35m`, rounded down.
pub(crate) fn span(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{sign}{minutes}m"),
        (0, h) => format!("{sign}{h}h {minutes:02}m"),
        (d, h) => format!("{sign}{d}d {h:02}h"),
    }
}

/// Words from outside on one line, fit for a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let steers = c.is_control();
            steers.then(|| c.escape_default()).into_iter().flatten().chain((!steers).then_some(c))
        })
        .collect()
}

/// Columns as wide as their widest cell, two spaces apart.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let lines: Vec<Vec<String>> =
        std::iter::once(&head).chain(rows).map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let wide = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    let shown: Vec<String> = lines
        .iter()
        .map(|line| {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_rounded_down_and_overdue_is_said() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let until = at("2026-11-21T12:00:00Z");
        for (now, wanted) in [
            ("2026-11-19T07:00:01Z", "2d 04h left"),
            ("2026-11-21T08:54:01Z", "3h 05m left"),
            ("2026-11-21T11:59:01Z", "0m left"),
            ("2026-11-21T12:00:00Z", "0m left"),
            ("2026-11-21T12:00:00.5Z", "overdue by 0m"),
            ("2026-11-21T15:05:59Z", "overdue by 3h 05m"),
        ] {
            assert_eq!(left(until, at(now)), wanted, "{now}");
        }
        assert_eq!(super::at(at("2026-11-21T12:00:59.9Z")), "2026-11-21 12:00 UTC");
    }

    #[test]
    fn columns_are_aligned_and_nothing_steers_the_terminal() {
        let rows = vec![vec!["ü".to_owned(), "1".to_owned()], vec!["\x1b[2Jx".to_owned(), "a\nb".to_owned()]];
        let shown = table(&["name", "n"], &rows);
        assert_eq!(shown, "name        n\nü           1\n\\u{1b}[2Jx  a\\nb");
    }
}
