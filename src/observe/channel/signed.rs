//! What an endpoint of the operator's own is sent: one JSON object, signed by the Standard Webhooks scheme.
//! The object's shape is a contract with whoever reads it: keys are added, never changed.

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::alerts::{Notice, Subject, print_left};
use crate::standard_webhooks::{self, ID_HEADER, Key, SIGNATURE_HEADER, TIMESTAMP_HEADER};

pub(super) fn request(
    builder: RequestBuilder,
    keys: &[Key],
    notice: &Notice,
    now: DateTime<Utc>,
) -> RequestBuilder {
    let body = payload(notice, now).to_string();
    let signed = standard_webhooks::sign(keys, &notice.message_id, now, body.as_bytes());
    builder
        .header(CONTENT_TYPE, "application/json")
        .header(ID_HEADER, signed.id)
        .header(TIMESTAMP_HEADER, signed.timestamp)
        .header(SIGNATURE_HEADER, signed.signature)
        .body(body)
}

/// Times are RFC 3339 in UTC, amounts minor units.
fn payload(notice: &Notice, now: DateTime<Utc>) -> Value {
    json!({
        "type": format!("alert.{}", notice.kind),
        "timestamp": instant(notice.raised_at),
        "data": {
            "alert_id": notice.alert_id,
            "severity": notice.severity,
            "merchant": notice.merchant,
            "title": notice.title,
            "needed": notice.needed,
            "rule": notice.rule_id,
            "dispute": notice.subject.as_ref().map(|s| dispute(s, now)),
            "lines": notice.lines,
            "times_sent": notice.round,
            "escalated": notice.escalated,
            "acknowledge": notice.needs_ack.then(|| notice.acknowledge()),
            "text": notice.text(now),
        },
    })
}

fn dispute(subject: &Subject, now: DateTime<Utc>) -> Value {
    json!({
        "provider": subject.provider,
        "account": subject.account,
        "ref": subject.dispute_ref,
        "stage": subject.stage,
        "category": subject.category,
        "amount_minor": subject.amount.minor,
        "currency": subject.amount.currency,
        "respond_by": subject.respond_by.map(instant),
        "time_zone": subject.time_zone.name(),
        "time_left": subject.respond_by.map(|until| print_left(until, now)),
    })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_what_receivers_were_promised() {
        let now = "2026-11-21T12:30:00Z".parse().unwrap();
        insta::assert_json_snapshot!(payload(&crate::alerts::example_notice(), now));
    }
}
