//! Durations as people write them: `90m`, `24h`, `7d`, `1d12h`. Exact, no months, no fractions.
//! Knows no clock and no calendar.

use chrono::TimeDelta;

/// Seconds per unit, longest first: the order they are written in.
const UNITS: &[(char, i64)] = &[('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// No window in this field is longer; larger numbers are slips of the finger.
const LONGEST: TimeDelta = TimeDelta::days(3650);

/// Reads `1d12h`. `None` when the text is not a duration or longer than ten years.
pub fn parse(text: &str) -> Option<TimeDelta> {
    let mut total_s: i64 = 0;
    let mut units = UNITS.iter();
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let (_, unit_s) = units.by_ref().find(|(name, _)| *name == unit)?;
        total_s = total_s.checked_add(count.checked_mul(*unit_s)?)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    TimeDelta::try_seconds(total_s).filter(|d| *d <= LONGEST)
}

/// Writes what [`parse`] reads: `1d12h`, `-3h` for one that is past, `0s`.
pub fn print(duration: TimeDelta) -> String {
    let mut left_s = duration.num_seconds().unsigned_abs();
    if left_s == 0 {
        return "0s".to_owned();
    }
    let mut out = String::from(if duration < TimeDelta::zero() { "-" } else { "" });
    for (unit, unit_s) in &UNITS[1..] {
        let count = left_s / unit_s.unsigned_abs();
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
        left_s %= unit_s.unsigned_abs();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_write_durations_in_few_ways() {
        assert_eq!(parse("90m"), Some(TimeDelta::minutes(90)));
        assert_eq!(parse("1d12h"), Some(TimeDelta::hours(36)));
        assert_eq!(parse("2w"), Some(TimeDelta::days(14)));
        assert_eq!(parse("0h"), Some(TimeDelta::zero()));
        let refused = [
            "",
            "24",
            "h",
            "-1h",
            "1.5h",
            "1h1d",
            "1h 1m",
            "1h1h",
            "24H",
            "1y",
            "9999999999999d",
            "٣h",
            "3651d",
        ];
        for text in refused {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_past_duration_says_so() {
        assert_eq!(print(TimeDelta::hours(-3)), "-3h");
        assert_eq!(print(TimeDelta::zero()), "0s");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(seconds in 1i64..315_000_000) {
            let duration = TimeDelta::seconds(seconds);
            prop_assert_eq!(parse(&print(duration)), Some(duration));
        }
    }
}
