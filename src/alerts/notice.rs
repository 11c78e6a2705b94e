//! How an alert reads: what, which dispute, how much, until when, how long that is, what is needed, and how
//! to say "I have it". Ids, amounts and times only: no evidence, nothing about the customer. Instants are
//! printed in full with their offset; what is left is rounded down, never up (FIELD 1, rows 3, 4 and 15).

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::dispute::{Category, Money, Severity, Stage};

/// Longer words than these are cut: a provider's text does not decide the length of a page.
const WORDS_MAX: usize = 300;

/// One alert, ready to be put into words for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Stable over retries, new for each round.
    pub message_id: String,
    pub alert_id: i64,
    pub merchant: String,
    pub kind: String,
    pub severity: Severity,
    pub title: String,
    pub needed: Option<String>,
    /// The rule whose plan this is about.
    pub rule_id: Option<String>,
    pub subject: Option<Subject>,
    /// What a digest lists.
    pub lines: Vec<String>,
    pub needs_ack: bool,
    /// How often it has been sent, this time included.
    pub round: i32,
    pub escalated: bool,
    pub raised_at: DateTime<Utc>,
}

/// The dispute an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub provider: String,
    pub account: String,
    pub dispute_ref: String,
    pub stage: Stage,
    pub category: Category,
    pub amount: Money,
    pub respond_by: Option<DateTime<Utc>>,
    /// The zone of the merchant's policy, for people's eyes.
    pub time_zone: Tz,
}

impl Notice {
    pub fn headline(&self) -> String {
        let again = match (self.escalated, self.round) {
            (true, round) => format!(" (escalated: sent {round} times and not acknowledged)"),
            (false, round) if round > 1 => format!(" (sent {round} times and not acknowledged)"),
            (false, _) => String::new(),
        };
        format!("{}: {}{again}", self.severity.as_str().to_uppercase(), plain(&self.title))
    }

    /// Name and value of everything below the headline, in order.
    pub fn rows(&self, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
        let mut rows = vec![("Merchant", plain(&self.merchant))];
        if let Some(subject) = &self.subject {
            let Subject { provider, account, dispute_ref, stage, category, .. } = subject;
            rows.push(("Dispute", plain(&format!("{dispute_ref} at {provider}, account {account}"))));
            rows.push(("Amount", subject.amount.to_string()));
            rows.push(("Stage and reason", format!("{stage}, {category}")));
            if let Some(respond_by) = subject.respond_by {
                rows.push(("Respond by", print_instant(respond_by, subject.time_zone)));
                rows.push(("Time left", print_left(respond_by, now)));
            }
        }
        rows.extend(self.rule_id.iter().map(|rule| ("Rule", plain(rule))));
        rows.extend(self.needed.iter().map(|needed| ("Needed", plain(needed))));
        rows.extend(self.lines.iter().map(|line| ("Among them", plain(line))));
        if self.needs_ack {
            rows.push(("Acknowledge", self.acknowledge()));
        }
        rows
    }

    pub fn acknowledge(&self) -> String {
        format!("respondby alerts ack {} --as NAME", self.alert_id)
    }

    /// The whole as plain text, a line per row.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut out = self.headline();
        for (name, value) in self.rows(now) {
            let _infallible = write!(out, "\n{name}: {value}");
        }
        out
    }
}

/// One line of visible characters: no line breaks, no control or bidirectional characters, not too long.
fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == WORDS_MAX {
            out.push('…');
            break;
        }
        out.push(if c.is_control() || turns(c) { ' ' } else { c });
    }
    out
}

/// `2026-11-21 18:29:59 UTC (2026-11-21 23:59:59 +05:30 Asia/Kolkata)`; UTC alone where that is the zone.
pub fn print_instant(at: DateTime<Utc>, zone: Tz) -> String {
    let utc = at.format("%Y-%m-%d %H:%M:%S UTC");
    if zone == Tz::UTC {
        return utc.to_string();
    }
    format!("{utc} ({} {zone})", at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %:z"))
}

/// What is left until `until`, two units at most, rounded down.
pub fn print_left(until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let left = until - now;
    if left <= TimeDelta::zero() {
        return "none: the time has passed".to_owned();
    }
    let (days, hours, minutes) = (left.num_days(), left.num_hours() % 24, left.num_minutes() % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => "less than a minute".to_owned(),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::dispute::Currency;
    use chrono::NaiveDateTime;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    pub(crate) fn page() -> Notice {
        Notice {
            message_id: "alert_41_2".into(),
            alert_id: 41,
            merchant: "shop".into(),
            kind: "deadline".into(),
            severity: Severity::Page,
            title: "Nobody has answered <this> & time runs out".into(),
            needed: Some("Decide: accept or defend".into()),
            rule_id: Some("delivered".into()),
            subject: Some(Subject {
                provider: "stripe".into(),
                account: "shop-eu".into(),
                dispute_ref: "dp_77".into(),
                stage: Stage::Chargeback,
                category: Category::ProductNotReceived,
                amount: Money::new(123_456, Currency::parse("EUR").unwrap()),
                respond_by: Some(at("2026-11-21T18:29:59Z")),
                time_zone: Tz::Asia__Kolkata,
            }),
            lines: Vec::new(),
            needs_ack: true,
            round: 2,
            escalated: false,
            raised_at: at("2026-11-20T10:00:00Z"),
        }
    }

    #[test]
    fn the_text_says_what_who_how_much_until_when_and_what_to_do() {
        let text = page().text(at("2026-11-21T12:30:00Z"));
        let wanted = [
            "PAGE: Nobody has answered <this> & time runs out (sent 2 times and not acknowledged)",
            "Merchant: shop",
            "Dispute: dp_77 at stripe, account shop-eu",
            "Amount: 1,234.56 EUR",
            "Stage and reason: chargeback, product_not_received",
            "Respond by: 2026-11-21 18:29:59 UTC (2026-11-21 23:59:59 +05:30 Asia/Kolkata)",
            "Time left: 5 h 59 min",
            "Rule: delivered",
            "Needed: Decide: accept or defend",
            "Acknowledge: respondby alerts ack 41 --as NAME",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn what_others_wrote_cannot_break_the_lines_or_swell_the_page() {
        let title = format!("one\ntwo\u{202e}three\u{0}{}", "x".repeat(5000));
        let text = Notice { title, ..page() }.text(at("2026-11-21T12:30:00Z"));
        assert_eq!(text.lines().count(), 10);
        assert!(text.lines().next().unwrap().starts_with("PAGE: one two three x"));
        assert!(text.len() < 1_000, "{}", text.len());
    }

    #[test]
    fn row_3_time_left_is_rounded_down_and_never_up() {
        let until = at("2026-11-21T12:00:00Z");
        let left = |seconds: i64| print_left(until, until - TimeDelta::seconds(seconds));
        assert_eq!(left(86_400 * 3 - 1), "2 d 23 h");
        assert_eq!(left(3_600 * 24), "1 d 0 h");
        assert_eq!(left(3_600 * 2 - 1), "1 h 59 min");
        assert_eq!(left(60), "1 min");
        assert_eq!(left(59), "less than a minute");
        assert_eq!(left(0), "none: the time has passed");
        assert_eq!(left(-1), "none: the time has passed");
    }

    /// The instant a printed one stands for, from its local half alone.
    fn read_back(printed: &str) -> DateTime<Utc> {
        let local = printed.split_once('(').map_or(printed.replace("UTC", "+00:00"), |(_, l)| l.to_owned());
        let words: Vec<_> = local.split([' ', ')']).collect();
        let text = format!("{} {} {}", words[0], words[1], words[2]);
        DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S %z").unwrap().with_timezone(&Utc)
    }

    proptest! {
        #[test]
        fn row_15_a_deadline_printed_in_any_zone_is_the_same_instant(
            seconds in 946_684_800i64..4_102_444_800, zone in 0..chrono_tz::TZ_VARIANTS.len(),
        ) {
            let (instant, zone) = (DateTime::from_timestamp(seconds, 0).unwrap(), chrono_tz::TZ_VARIANTS[zone]);
            let printed = print_instant(instant, zone);
            prop_assert_eq!(read_back(&printed), instant, "{}", printed);
            let utc = NaiveDateTime::parse_from_str(&printed[..19], "%Y-%m-%d %H:%M:%S").unwrap();
            prop_assert_eq!(utc.and_utc(), instant);
        }
    }

    #[test]
    fn row_15_both_halves_of_a_fold_and_the_edges_of_a_gap_are_told_apart() {
        // Europe/Berlin 2026: 02:00 becomes 03:00 on 29 March, 03:00 becomes 02:00 on 25 October.
        let berlin = |text: &str| print_instant(at(text), Tz::Europe__Berlin);
        assert!(berlin("2026-10-25T00:30:00Z").contains("02:30:00 +02:00"));
        assert!(berlin("2026-10-25T01:30:00Z").contains("02:30:00 +01:00"));
        assert!(berlin("2026-03-29T00:59:59Z").contains("01:59:59 +01:00"));
        assert!(berlin("2026-03-29T01:00:00Z").contains("03:00:00 +02:00"));
        // The calendar day differs from UTC's on both sides of the date line.
        assert!(
            print_instant(at("2026-11-21T11:00:00Z"), Tz::Pacific__Kiritimati).contains("2026-11-22 01:00")
        );
        assert!(
            print_instant(at("2026-11-21T03:00:00Z"), Tz::Pacific__Pago_Pago).contains("2026-11-20 16:00")
        );
    }

    proptest! {
        #[test]
        fn row_3_what_is_printed_as_left_is_never_more_than_what_is_left(micros in 1i64..10_000_000_000_000) {
            let until = at("2026-11-21T12:00:00Z");
            let left = TimeDelta::microseconds(micros);
            let printed = print_left(until, until - left);
            let mut said = TimeDelta::zero();
            let words: Vec<_> = printed.split(' ').collect();
            for pair in words.chunks(2).filter(|p| p[0].parse::<i64>().is_ok()) {
                let n: i64 = pair[0].parse().unwrap();
                said += match pair[1] {
                    "d" => TimeDelta::days(n),
                    "h" => TimeDelta::hours(n),
                    "min" => TimeDelta::minutes(n),
                    other => panic!("a unit nobody knows: {other}"),
                };
            }
            prop_assert!(said <= left && left - said < TimeDelta::hours(1), "{}", printed);
        }
    }
}
