//! Reading: every word of PayPal's closed sets means what the table says, and every other is not understood.

use serde_json::{Value, json};

use super::{at, fixture, json as parsed, now};
use crate::dispute::{Category, Currency, Money, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::paypal::{event, money, wire};
use crate::providers::{Kept, Reading};

fn read(source: Source, body: &Value) -> Reading {
    event::events(&Kept { source, body: body.to_string().as_bytes(), as_of: now() })
}

#[track_caller]
fn snapshot(body: &Value) -> Snapshot {
    let reading = read(Source::ReadBack, body);
    let Reading::Events(events) = reading else { panic!("{reading:?}") };
    assert_eq!((events.len(), events[0].source, events[0].as_of), (1, Source::ReadBack, now()));
    events[0].snapshot().unwrap().clone()
}

#[track_caller]
fn puzzle(body: &Value) -> String {
    let reading = read(Source::ReadBack, body);
    let Reading::Unrecognised { what } = reading else { panic!("{reading:?}") };
    what
}

fn record() -> Value {
    parsed(fixture!("record"))
}

fn with(field: &str, value: Value) -> Value {
    let mut record = record();
    record[field] = value;
    record
}

#[test]
fn a_record_is_read_whole() {
    let s = snapshot(&record());
    assert_eq!(s.dispute_ref, "PP-R-TQX-20260311");
    assert_eq!(s.payment_ref.as_deref(), Some("3WN90412PB8835627"));
    assert_eq!(s.charge_ref.as_deref(), Some("LARCH-5521"));
    assert_eq!((s.stage, s.status), (Stage::Chargeback, Status::NeedsResponse));
    assert_eq!(s.provider_status, "WAITING_FOR_SELLER_RESPONSE");
    assert_eq!(s.amount, Money::new(14_890, Currency::parse("USD").unwrap()));
    assert_eq!(s.reason.category, Category::ProductNotReceived);
    assert_eq!(s.reason.provider_reason, "MERCHANDISE_OR_SERVICE_NOT_RECEIVED");
    assert_eq!(s.respond_by, RespondBy::At(at("2026-03-16T10:15:30Z")));
    assert_eq!(s.opened_at, at("2026-03-04T10:15:30Z"));
    assert!(s.deadline_confirmed && !s.refunded && s.submissions == 0 && s.customer_ref.is_none());
}

#[test]
fn an_inquiry_has_no_deadline_and_says_so() {
    let s = snapshot(&parsed(fixture!("record_inquiry")));
    assert_eq!(
        (s.stage, s.status, s.respond_by),
        (Stage::Inquiry, Status::NeedsResponse, RespondBy::Unstated)
    );
}

#[test]
fn what_was_submitted_is_counted_and_its_deadline_forgotten() {
    let s = snapshot(&parsed(fixture!("record_under_review")));
    assert_eq!((s.status, s.submissions, s.respond_by), (Status::UnderReview, 1, RespondBy::Unstated));
}

#[test]
fn every_status_state_and_outcome_is_mapped() {
    let rows = [
        ("OPEN", None, None, Some(Status::NeedsResponse)),
        ("WAITING_FOR_SELLER_RESPONSE", None, None, Some(Status::NeedsResponse)),
        ("WAITING_FOR_BUYER_RESPONSE", Some("REQUIRED_OTHER_PARTY_ACTION"), None, Some(Status::UnderReview)),
        ("UNDER_REVIEW", Some("UNDER_PAYPAL_REVIEW"), None, Some(Status::UnderReview)),
        ("RESOLVED", None, Some("RESOLVED_BUYER_FAVOUR"), Some(Status::Lost)),
        ("RESOLVED", None, Some("RESOLVED_SELLER_FAVOUR"), Some(Status::Won)),
        ("RESOLVED", None, Some("RESOLVED_WITH_PAYOUT"), Some(Status::Closed)),
        ("RESOLVED", None, Some("CANCELED_BY_BUYER"), Some(Status::Cancelled)),
        ("RESOLVED", None, Some("ACCEPTED"), Some(Status::Lost)),
        ("RESOLVED", None, Some("DENIED"), Some(Status::Won)),
        ("RESOLVED", None, Some("NONE"), Some(Status::Closed)),
        ("RESOLVED", None, None, None),
        // A loss that may be appealed asks once more; a win does not.
        ("RESOLVED", Some("APPEALABLE"), Some("RESOLVED_BUYER_FAVOUR"), Some(Status::NeedsResponse)),
        ("RESOLVED", Some("APPEALABLE"), Some("RESOLVED_SELLER_FAVOUR"), Some(Status::Won)),
        ("OTHER", None, None, None),
        ("OTHER", Some("RESOLVED"), None, None),
        ("OTHER", Some("OPEN_INQUIRIES"), None, Some(Status::NeedsResponse)),
        ("OTHER", Some("REQUIRED_ACTION"), None, Some(Status::NeedsResponse)),
        ("OTHER", Some("APPEALABLE"), None, Some(Status::NeedsResponse)),
        ("OTHER", Some("REQUIRED_OTHER_PARTY_ACTION"), None, Some(Status::UnderReview)),
        ("OTHER", Some("UNDER_PAYPAL_REVIEW"), None, Some(Status::UnderReview)),
        ("LIMBO", None, None, None),
        ("UNDER_REVIEW", Some("LIMBO"), None, None),
        ("RESOLVED", None, Some("DRAWN"), None),
        ("UNDER_REVIEW", None, Some("DRAWN"), None),
    ];
    for (status, state, outcome, wanted) in rows {
        let mut record = with("status", json!(status));
        record["dispute_state"] = json!(state);
        record["dispute_outcome"] = json!(outcome.map(|code| json!({ "outcome_code": code })));
        let row = format!("{status} {state:?} {outcome:?}");
        match wanted {
            Some(wanted) => assert_eq!(snapshot(&record).status, wanted, "{row}"),
            None => assert!(!puzzle(&record).is_empty(), "{row}"),
        }
    }
}

#[test]
fn an_appeal_that_is_offered_opens_another_round() {
    let offered = parsed(fixture!("record_appealable"));
    let s = snapshot(&offered);
    assert_eq!((s.status, s.respond_by), (Status::NeedsResponse, RespondBy::At(at("2026-03-22T12:00:00Z"))));
    assert_eq!(s.provider_status, "RESOLVED_BUYER_FAVOUR APPEALABLE");
    // By the link alone, where the state is not told.
    let mut by_link = offered.clone();
    by_link["dispute_state"] = Value::Null;
    assert_eq!(snapshot(&by_link).status, Status::NeedsResponse);
    by_link["links"] = json!([]);
    assert_eq!(snapshot(&by_link).status, Status::Lost);
}

/// The record goes on to tell until when evidence was due. An appeal is not due by then.
#[test]
fn an_appeal_is_not_due_by_the_deadline_that_is_over() {
    let mut offered = parsed(fixture!("record_appealable"));
    offered["seller_response_due_date"] = json!("2026-03-12T08:59:59.000Z");
    let s = snapshot(&offered);
    assert_eq!((s.status, s.respond_by), (Status::NeedsResponse, RespondBy::Unstated));
    // Evidence that is overdue is overdue.
    let s = snapshot(&with("seller_response_due_date", json!("2026-03-12T08:59:59.000Z")));
    assert_eq!(s.respond_by, RespondBy::At(at("2026-03-12T08:59:59Z")));
}

#[test]
fn every_stage_channel_and_reason_is_mapped() {
    for (word, stage) in [
        ("INQUIRY", Stage::Inquiry),
        ("CHARGEBACK", Stage::Chargeback),
        ("PRE_ARBITRATION", Stage::PreArbitration),
        ("ARBITRATION", Stage::Arbitration),
    ] {
        assert_eq!(snapshot(&with("dispute_life_cycle_stage", json!(word))).stage, stage);
    }
    for (word, category) in [
        ("MERCHANDISE_OR_SERVICE_NOT_RECEIVED", Category::ProductNotReceived),
        ("MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED", Category::ProductUnacceptable),
        ("UNAUTHORISED", Category::Fraud),
        ("CREDIT_NOT_PROCESSED", Category::CreditNotProcessed),
        ("DUPLICATE_TRANSACTION", Category::Duplicate),
        ("INCORRECT_AMOUNT", Category::ProcessingError),
        ("PAYMENT_BY_OTHER_MEANS", Category::Duplicate),
        ("CANCELED_RECURRING_BILLING", Category::SubscriptionCanceled),
        ("PROBLEM_WITH_REMITTANCE", Category::ProcessingError),
        ("OTHER", Category::General),
        ("BAD_WEATHER", Category::Unknown),
    ] {
        let reason = snapshot(&with("reason", json!(word))).reason;
        assert_eq!((reason.category, reason.provider_reason.as_str()), (category, word));
    }
    for channel in ["INTERNAL", "ALERT"] {
        let mut record = with("dispute_channel", json!(channel));
        record["external_reason_code"] = json!("10.4");
        assert_eq!(snapshot(&record).reason.network_code, None, "{channel}");
    }
    let external = snapshot(&parsed(fixture!("record_external"))).reason;
    assert_eq!((external.network_code.as_deref(), external.network.as_deref()), (Some("10.4"), Some("visa")));
}

#[test]
fn a_word_that_is_not_known_is_told_with_its_place() {
    for (field, value, words) in [
        ("status", json!("LIMBO"), "`status` is `LIMBO`"),
        ("dispute_life_cycle_stage", json!("APPEAL"), "`dispute_life_cycle_stage` is `APPEAL`"),
        ("dispute_channel", json!("CARRIER_PIGEON"), "`dispute_channel` is `CARRIER_PIGEON`"),
        ("dispute_id", json!("../x"), "`dispute_id` is `../x`"),
        ("create_time", json!("1970-01-01T00:00:00Z"), "`create_time` is"),
        ("seller_response_due_date", json!("9999-01-01T00:00:00Z"), "`seller_response_due_date` is"),
        ("seller_response_due_date", json!("soon"), "an RFC 3339 time"),
        (
            "dispute_amount",
            json!({"currency_code": "XYZ", "value": "1"}),
            "`dispute_amount`: `currency_code`",
        ),
        ("dispute_amount", Value::Null, "dispute_amount"),
    ] {
        let what = puzzle(&with(field, value));
        assert!(what.contains(words), "{field}: {what}");
    }
    let mut record = record();
    record["disputed_transactions"][0]["transaction_status"] = json!("SHREDDED");
    assert!(puzzle(&record).contains("SHREDDED"));
    record["disputed_transactions"][0]["transaction_status"] = json!("REFUNDED");
    assert!(snapshot(&record).refunded);
}

#[test]
fn a_webhook_is_a_hint_whatever_it_says() {
    for body in [fixture!("created"), fixture!("updated"), fixture!("resolved"), fixture!("risk_created")] {
        let reading = read(Source::Webhook, &parsed(body));
        let Reading::FetchFirst { dispute_ref, .. } = reading else { panic!("{reading:?}") };
        assert_eq!(dispute_ref, "PP-R-TQX-20260311");
    }
    for (edit, words) in [
        (json!({"event_type": null}), "`event_type` is missing"),
        (json!({"id": ""}), "`id` is missing"),
        (json!({"resource": null}), "`resource` is missing"),
        (json!({"resource": {}}), "`resource.dispute_id` is missing"),
        (json!({"resource": {"dispute_id": "PP/../1"}}), "which is no id"),
        (json!({"event_type": "Customer.Dispute.Created"}), "which is not known"),
    ] {
        let mut body = parsed(fixture!("updated"));
        for (name, value) in edit.as_object().unwrap() {
            body[name] = value.clone();
        }
        let reading = read(Source::Webhook, &body);
        let Reading::Unrecognised { what } = reading else { panic!("{reading:?}") };
        assert!(what.contains(words), "{what}");
    }
}

#[test]
fn amounts_are_read_exactly_or_not_at_all() {
    let read = |currency: &str, value: &str| {
        money::read(&wire::Money { currency_code: currency.to_owned(), value: value.to_owned() })
    };
    for (currency, value, minor) in [
        ("USD", "148.90", 14_890),
        ("USD", "148.9", 14_890),
        ("USD", "148", 14_800),
        ("USD", ".50", 50),
        ("USD", "0.10", 10),
        ("USD", "0", 0),
        ("USD", "19.990", 1_999),
        ("JPY", "1500", 1_500),
        ("JPY", "1500.00", 1_500),
        // No decimals at PayPal, two in ISO 4217.
        ("HUF", "1500", 150_000),
        ("TWD", "90", 9_000),
        ("TND", "1.234", 1_234),
        ("KWD", "1.2", 1_200),
        ("USD", "10000000000000.00", 1_000_000_000_000_000),
    ] {
        assert_eq!(read(currency, value).unwrap().minor, minor, "{value} {currency}");
    }
    for (currency, value) in [
        ("USD", ""),
        ("USD", "."),
        ("USD", "1."),
        ("USD", "-1.00"),
        ("USD", "+1"),
        ("USD", "1e3"),
        ("USD", " 1"),
        ("USD", "1,000.00"),
        ("USD", "0.001"),
        ("JPY", "0.5"),
        ("TND", "1.2345"),
        ("USD", "1.2.3"),
        ("USD", "1.0x"),
        ("USD", "10000000000000.01"),
        ("USD", "99999999999999999999999999"),
        ("XAU", "1"),
        ("US", "1"),
        ("", "1"),
        ("USD", "0.0000000000000000000000000000000000"),
    ] {
        assert!(read(currency, value).is_err(), "{value} {currency}");
    }
}
