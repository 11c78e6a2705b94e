//! What bodies mean: each state once, both generations of events, the order of records, and what must not be
//! guessed.

use proptest::prelude::*;

use super::super::event;
use super::{DISPUTE, at, fixture, now, square};
use crate::dispute::{Category, Event, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::{Kept, Provider, Reading};

fn read(source: Source, body: &str) -> Reading {
    square().events(&Kept { source, body: body.as_bytes(), as_of: now() })
}

fn event(source: Source, body: &str) -> Event {
    let reading = read(source, body);
    let Reading::Events(mut events) = reading else { panic!("{reading:?}") };
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn webhook(body: &str) -> (Event, Snapshot) {
    let event = event(Source::Webhook, body);
    let snapshot = event.snapshot().unwrap().clone();
    (event, snapshot)
}

/// The body with `from`, which must occur, replaced.
fn with(body: &str, from: &str, to: &str) -> String {
    assert!(body.contains(from), "{from} is not in the fixture");
    body.replace(from, to)
}

#[test]
fn every_state_has_its_standing() {
    let rows = [
        (fixture!("created"), Status::NeedsResponse, Stage::Chargeback),
        (fixture!("evidence_created"), Status::NeedsResponse, Stage::Chargeback),
        (fixture!("evidence_added"), Status::NeedsResponse, Stage::Chargeback),
        (fixture!("inquiry_created"), Status::NeedsResponse, Stage::Inquiry),
        (fixture!("inquiry_processing"), Status::UnderReview, Stage::Inquiry),
        (fixture!("inquiry_closed"), Status::Closed, Stage::Inquiry),
        (fixture!("processing"), Status::UnderReview, Stage::Chargeback),
        (fixture!("won"), Status::Won, Stage::Chargeback),
        (fixture!("lost"), Status::Lost, Stage::Chargeback),
        (fixture!("accepted"), Status::Accepted, Stage::Chargeback),
    ];
    for (body, status, stage) in rows {
        let (event, dispute) = webhook(body);
        assert_eq!((dispute.status, dispute.stage), (status, stage), "{}", event.name);
        assert_eq!(dispute.dispute_ref, DISPUTE, "{}: under the older name of the id too", event.name);
    }
}

#[test]
fn a_created_dispute_is_read_to_the_last_field() {
    let (event, dispute) = webhook(fixture!("created"));
    assert_eq!(event.name, "dispute.created");
    assert_eq!(dispute.payment_ref.as_deref(), Some("hT4nR8yXcZ2qLmB6vKwPj3DsFaGe1U"));
    assert_eq!(dispute.amount.to_string(), "64.80 USD");
    assert_eq!(dispute.respond_by, RespondBy::At(at("2026-03-20T00:00:00Z")));
    assert_eq!(dispute.opened_at, at("2026-03-02T17:40:11.204Z"));
    assert_eq!(dispute.reason.category, Category::ProductNotReceived);
    assert_eq!(dispute.reason.network.as_deref(), Some("mastercard"));
    assert!(dispute.deadline_confirmed && dispute.live);
}

#[test]
fn versions_order_what_was_updated_in_one_millisecond() {
    let as_of = |version: &str| {
        let body = with(fixture!("created"), r#""version":1"#, &format!(r#""version":{version}"#));
        event(Source::Webhook, &body).as_of
    };
    assert_eq!(as_of("1"), at("2026-03-02T17:40:11.204001Z"));
    assert!(as_of("2") < as_of("3") && as_of("999") < at("2026-03-02T17:40:11.205Z"));
    assert_eq!(as_of("99999999999"), as_of("999"), "never another millisecond");
    assert_eq!(as_of("-5"), as_of("0"));
    // A read tells its own time as well, however late it was answered.
    let told = webhook(fixture!("evidence_created")).0.as_of;
    let read = event(Source::ReadBack, fixture!("bare_record"));
    assert_eq!((read.as_of, read.name.as_str()), (told, "read_back"));
}

#[test]
fn events_of_others_are_passed_over_and_unknown_ones_about_disputes_are_not() {
    let payment = read(Source::Webhook, fixture!("payment_updated"));
    assert_eq!(payment, Reading::NotOurs { what: "payment.updated".to_owned() });
    for name in ["dispute.mediation.opened", "disputes.created", "Dispute.created", "created", "dispute"] {
        let body = with(fixture!("created"), "\"dispute.created\"", &format!("\"{name}\""));
        let reading = read(Source::Webhook, &body);
        assert!(matches!(reading, Reading::Unrecognised { .. }), "{name}: {reading:?}");
    }
}

#[test]
fn nothing_unknown_becomes_a_verdict() {
    let rows = [
        (
            "\"state\":\"EVIDENCE_REQUIRED\"",
            "\"state\":\"evidence_required\"",
            "`state` is `evidence_required`",
        ),
        ("\"state\":\"EVIDENCE_REQUIRED\",", "", "missing field `state`"),
        ("\"amount\":6480", "\"amount\":-6480", "`amount` is -6480"),
        ("\"amount\":6480", "\"amount\":64.8", "floating point"),
        ("\"currency\":\"USD\"", "\"currency\":\"USDC\"", "not an ISO 4217"),
        ("2026-03-20T00:00:00.000Z", "2026-03-20", "a time with its zone"),
        ("2026-03-20T00:00:00.000Z", "1970-01-01T00:00:00Z", "between the years 2000 and 2200"),
        ("\"updated_at\":\"2026-03-02T17:40:11.204Z\"", "\"updated_at\":\"\"", "`updated_at` is ``"),
        ("\"id\":\"Kq7ZtW3nVbR2xHcY8mPd\",\"location_id\"", "\"location_id\"", "`id` is missing"),
        ("\"id\":\"Kq7ZtW3nVbR2xHcY8mPd\",\"location_id\"", "\"id\":\"../x\",\"location_id\"", "`../x`"),
        ("\"data\":{", "\"dada\":{", "`data` is missing"),
        ("\"object\":{", "\"object\":[],\"o\":{", "at `object`"),
    ];
    for (from, to, words) in rows {
        let reading = read(Source::Webhook, &with(fixture!("created"), from, to));
        let Reading::Unrecognised { what } = reading else { panic!("{to}: {reading:?}") };
        assert!(what.contains(words), "{to}: {what}");
    }
}

/// Square's schema lets `due_at` be null. Such a dispute is seen and asked about; quarantined it would be lost.
#[test]
fn a_dispute_that_owes_an_answer_and_names_no_deadline_is_seen() {
    for without in ["", "\"due_at\":null,"] {
        let body = with(fixture!("created"), "\"due_at\":\"2026-03-20T00:00:00.000Z\",", without);
        let (_, dispute) = webhook(&body);
        assert_eq!((dispute.status, dispute.respond_by), (Status::NeedsResponse, RespondBy::Unstated));
    }
}

/// What a dispute can do without does not hide it, whatever its shape; its own id must be one.
#[test]
fn a_payment_that_is_named_strangely_is_no_payment() {
    let odd = with(fixture!("created"), "hT4nR8yXcZ2qLmB6vKwPj3DsFaGe1U", "../x");
    assert_eq!(webhook(&odd).1.payment_ref, None);
}

#[test]
fn reasons_are_told_apart() {
    let rows = [
        ("AMOUNT_DIFFERS", Category::ProcessingError),
        ("CANCELLED", Category::SubscriptionCanceled),
        ("DUPLICATE", Category::Duplicate),
        ("NO_KNOWLEDGE", Category::Fraud),
        ("NOT_AS_DESCRIBED", Category::ProductUnacceptable),
        ("NOT_RECEIVED", Category::ProductNotReceived),
        ("PAID_BY_OTHER_MEANS", Category::Duplicate),
        ("CUSTOMER_REQUESTS_CREDIT", Category::CreditNotProcessed),
        ("EMV_LIABILITY_SHIFT", Category::Fraud),
        ("NOVEL", Category::Unknown),
        ("", Category::Unknown),
    ];
    for (word, category) in rows {
        let body = with(fixture!("created"), "NOT_RECEIVED", word);
        assert_eq!(webhook(&body).1.reason.category, category, "{word}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        for source in Source::ALL {
            event::events(&Kept { source: *source, body: &body, as_of: now() });
        }
    }

    #[test]
    fn no_edit_of_a_real_body_settles_it(
        at in 0usize..900,
        with in proptest::collection::vec(any::<u8>(), 0..6),
        drop in 0usize..12,
    ) {
        let body = fixture!("created").as_bytes();
        let start = at.min(body.len());
        let end = (start + drop).min(body.len());
        let edited = [&body[..start], &with, &body[end..]].concat();
        let kept = Kept { source: Source::Webhook, body: &edited, as_of: now() };
        if let Reading::Events(events) = event::events(&kept) {
            prop_assert!(!events[0].snapshot().unwrap().status.is_terminal());
        }
    }
}
