//! What a Slack-compatible incoming webhook is sent: a line of plain text for notifications, and one block
//! per part for the channel. Knows Slack's escapes and limits, nothing of the network.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::alerts::Notice;
use crate::dispute::Severity;

/// A section's text may hold 3,000 characters (Slack, Block Kit reference, section block).
const SECTION_CHARS_MAX: usize = 3_000;

pub(super) fn payload(notice: &Notice, now: DateTime<Utc>) -> Value {
    let headline = format!("{} {}", sign(notice.severity), escape(&notice.headline()));
    let mut rows = String::new();
    for (name, value) in notice.rows(now) {
        let row = format!("*{name}:* {}\n", escape(&value));
        if rows.chars().count() + row.chars().count() > SECTION_CHARS_MAX {
            break;
        }
        rows.push_str(&row);
    }
    json!({
        "text": headline,
        "blocks": [
            { "type": "section", "text": { "type": "mrkdwn", "text": format!("*{headline}*") } },
            { "type": "section", "text": { "type": "mrkdwn", "text": rows.trim_end() } },
        ],
    })
}

const fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => ":information_source:",
        Severity::Warning => ":warning:",
        Severity::Page => ":rotating_light:",
    }
}

/// The three characters that Slack's text gives a meaning to (Slack, "Formatting text for app surfaces").
/// Without this a provider's text could mention a whole channel.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:30:00Z".parse().unwrap()
    }

    #[test]
    fn text_of_others_cannot_mention_or_link() {
        let mut notice = crate::alerts::example_notice();
        notice.title = "<!channel> & <https://evil.example.test|click>".into();
        let printed = payload(&notice, now()).to_string();
        assert!(!printed.contains('<') && !printed.contains('>'), "{printed}");
        assert!(printed.contains("&lt;!channel&gt; &amp; &lt;https://evil.example.test|click&gt;"));
    }

    #[test]
    fn a_page_reads_as_it_should() {
        insta::assert_json_snapshot!(payload(&crate::alerts::example_notice(), now()));
    }

    #[test]
    fn a_long_digest_stays_within_the_limit() {
        let mut notice = crate::alerts::example_notice();
        notice.lines = vec!["&".repeat(290); 50];
        let payload = payload(&notice, now());
        let section = payload["blocks"][1]["text"]["text"].as_str().unwrap();
        assert!(section.chars().count() <= SECTION_CHARS_MAX);
    }
}
