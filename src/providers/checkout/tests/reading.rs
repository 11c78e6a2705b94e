//! What bodies mean: each event and status once, both envelopes, and what must not be guessed.

use super::{DISPUTE, at, checkout, fixture, now};
use crate::dispute::{Category, Event, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::{Kept, Provider, Reading};

fn read(source: Source, body: &str) -> Reading {
    checkout().events(&Kept { source, body: body.as_bytes(), as_of: now() })
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

fn record(body: &str) -> Snapshot {
    event(Source::ReadBack, body).snapshot().unwrap().clone()
}

/// The body with `from`, which must occur, replaced.
fn with(body: &str, from: &str, to: &str) -> String {
    assert!(body.contains(from), "{from} is not in the fixture");
    body.replace(from, to)
}

fn puzzle(source: Source, body: &str) -> String {
    let reading = read(source, body);
    let Reading::Unrecognised { what } = reading else { panic!("{reading:?}") };
    what
}

#[test]
fn every_event_has_its_standing() {
    let rows = [
        (fixture!("evidence_required"), Status::NeedsResponse, Stage::Chargeback, "evidence_required"),
        (fixture!("evidence_submitted"), Status::UnderReview, Stage::Chargeback, "evidence_under_review"),
        (fixture!("acknowledged_by_scheme"), Status::UnderReview, Stage::Chargeback, "evidence_under_review"),
        (fixture!("won"), Status::Won, Stage::Chargeback, "won"),
        (fixture!("lost"), Status::Lost, Stage::Chargeback, "lost"),
        (fixture!("accepted"), Status::Accepted, Stage::Chargeback, "accepted"),
        (fixture!("expired"), Status::Expired, Stage::Chargeback, "expired"),
        (fixture!("canceled"), Status::Cancelled, Stage::Chargeback, "canceled"),
        (fixture!("resolved"), Status::Closed, Stage::Chargeback, "resolved"),
        (fixture!("arbitration_sent"), Status::UnderReview, Stage::Arbitration, "arbitration_under_review"),
        (
            fixture!("arbitration_evidence_submitted"),
            Status::UnderReview,
            Stage::Arbitration,
            "arbitration_under_review",
        ),
        (fixture!("arbitration_won"), Status::Won, Stage::Arbitration, "arbitration_won"),
        (fixture!("arbitration_lost"), Status::Lost, Stage::Arbitration, "arbitration_lost"),
    ];
    for (body, status, stage, word) in rows {
        let (event, snapshot) = webhook(body);
        assert_eq!((snapshot.status, snapshot.stage), (status, stage), "{}", event.name);
        assert_eq!(snapshot.provider_status, word, "{}", event.name);
        assert!(snapshot.deadline_confirmed && snapshot.live);
    }
}

#[test]
fn every_status_of_the_record_has_its_standing() {
    let rows = [
        ("evidence_required", Status::NeedsResponse, Stage::Chargeback),
        ("evidence_under_review", Status::UnderReview, Stage::Chargeback),
        ("resolved", Status::Closed, Stage::Chargeback),
        ("won", Status::Won, Stage::Chargeback),
        ("lost", Status::Lost, Stage::Chargeback),
        ("canceled", Status::Cancelled, Stage::Chargeback),
        ("expired", Status::Expired, Stage::Chargeback),
        ("accepted", Status::Accepted, Stage::Chargeback),
        ("arbitration_under_review", Status::UnderReview, Stage::Arbitration),
        ("arb_evidence_submitted", Status::UnderReview, Stage::Arbitration),
        ("arbitration_won", Status::Won, Stage::Arbitration),
        ("arbitration_lost", Status::Lost, Stage::Arbitration),
    ];
    for (word, status, stage) in rows {
        let body = with(fixture!("record"), r#""evidence_required","#, &format!(r#""{word}","#));
        let snapshot = record(&body);
        assert_eq!((snapshot.status, snapshot.stage), (status, stage), "{word}");
        // The deadline in the record is the chargeback's.
        let dated = snapshot.respond_by == RespondBy::At(at("2026-03-16T18:00:00Z"));
        assert_eq!(dated, stage == Stage::Chargeback, "{word}");
    }
}

#[test]
fn the_first_news_is_read_to_the_last_field() {
    let (event, dispute) = webhook(fixture!("evidence_required"));
    assert_eq!(event.name, "dispute_evidence_required");
    assert_eq!(event.as_of, at("2026-03-02T08:14:06.402Z"));
    assert_eq!(dispute.dispute_ref, DISPUTE);
    assert_eq!(dispute.payment_ref.as_deref(), Some("pay_t6wq3zr5yh8kxm2vbn7c"));
    assert_eq!(dispute.charge_ref.as_deref(), Some("act_p9xh4kd7rw2mzt6vqn3b"));
    assert_eq!(dispute.amount.to_string(), "184.50 GBP");
    assert_eq!(dispute.respond_by, RespondBy::At(at("2026-03-16T18:00:00Z")));
    assert_eq!(dispute.opened_at, at("2026-03-02T08:14:05.183025Z"), "to the microsecond, as it is stored");
    assert_eq!(dispute.reason.category, Category::ProductNotReceived);
    assert_eq!(dispute.reason.provider_reason, "product_service_not_received");
    assert_eq!(dispute.reason.network_code.as_deref(), Some("13.1"));
    assert_eq!(dispute.reason.network.as_deref(), Some("visa"));
}

#[test]
fn the_event_and_the_record_tell_the_same() {
    let (_, told) = webhook(fixture!("evidence_required"));
    let read = record(fixture!("record"));
    // The record is a second coarser about when it came.
    assert_eq!(Snapshot { opened_at: told.opened_at, ..read }, told);
    let (_, told) = webhook(fixture!("resolved"));
    let read = record(fixture!("record_resolved"));
    assert!(told.refunded && read.refunded);
    assert_eq!(told.status, read.status);
}

#[test]
fn an_item_of_the_list_tells_the_same_as_the_record() {
    let page: serde_json::Value = serde_json::from_str(fixture!("page")).unwrap();
    let read = record(fixture!("record"));
    let listed = record(&page["data"][1].to_string());
    assert_eq!(listed, read);
    // A resolved dispute is read alike, though only the record says why it was.
    let settled = with(&page["data"][1].to_string(), "evidence_required\"", "resolved\"");
    assert_eq!(record(&settled).status, record(fixture!("record_resolved")).status);
}

#[test]
fn both_envelopes_tell_their_time_and_the_newer_word_wins() {
    assert_eq!(webhook(fixture!("lost")).0.as_of, at("2026-04-20T11:25:44Z"));
    assert_eq!(webhook(fixture!("won")).0.as_of, at("2026-04-20T11:25:44.910Z"));
    let both = with(
        fixture!("lost"),
        r#""created_on":"2026-04-20T11:25:44Z""#,
        r#""created_on":"2026-04-20T11:25:44Z","timestamp":"2026-04-20T11:25:45.5+02:00""#,
    );
    assert_eq!(webhook(&both).0.as_of, at("2026-04-20T09:25:45.5Z"));
}

#[test]
fn an_event_that_leaves_out_what_matters_is_fetched() {
    for (body, name) in [
        (fixture!("received"), "dispute_received"),
        (fixture!("won_without_amount"), "dispute_won"),
        (fixture!("evidence_required_undated"), "dispute_evidence_required"),
    ] {
        let expected = Reading::FetchFirst { dispute_ref: DISPUTE.to_owned(), name: name.to_owned() };
        assert_eq!(read(Source::Webhook, body), expected);
    }
    let no_currency = with(fixture!("won"), r#""currency":"GBP","#, "");
    assert!(matches!(read(Source::Webhook, &no_currency), Reading::FetchFirst { .. }));
    // A settled dispute needs no deadline, and one under review has one or not.
    assert_eq!(webhook(fixture!("won")).1.respond_by, RespondBy::Unstated);
}

#[test]
fn a_request_for_information_is_for_a_person() {
    let what = puzzle(Source::Webhook, fixture!("information_requested"));
    assert!(what.contains("rtvl_k4mvq7rzt2hxw9cbn3pd") && what.contains("Dashboard"), "{what}");
}

#[test]
fn events_of_others_are_passed_over_and_unknown_ones_are_not() {
    let captured = read(Source::Webhook, fixture!("payment_captured"));
    assert_eq!(captured, Reading::NotOurs { what: "payment_captured".to_owned() });
    let issuing = with(fixture!("payment_captured"), "payment_captured", "issuing_dispute_closed");
    assert!(matches!(read(Source::Webhook, &issuing), Reading::NotOurs { .. }), "the other side's disputes");
    for name in ["dispute_mediation_opened", "dispute", "Dispute_won", "dispute_won ", "disputes_won", "x"] {
        let body = with(fixture!("won"), "dispute_won", name);
        let what = puzzle(Source::Webhook, &body);
        assert!(what.contains(name.trim_end()), "{name}: {what}");
    }
}

#[test]
fn nothing_unknown_becomes_a_verdict() {
    let required = fixture!("evidence_required");
    let rows = [
        (r#""type":"dispute_evidence_required""#, r#""type":null"#, "`type` is missing"),
        (r#""amount":18450"#, r#""amount":-18450"#, "`amount` is -18450"),
        (r#""amount":18450"#, r#""amount":1000000000000000001"#, "minor units from 0 to 10^15"),
        (r#""amount":18450"#, r#""amount":"18450""#, "invalid type: string"),
        (r#""amount":18450"#, r#""amount":184.5"#, "invalid type: floating point"),
        (r#""currency":"GBP""#, r#""currency":"QQQ""#, "`QQQ` is not an ISO 4217"),
        ("2026-03-16T18:00:00+00:00", "2026-03-16T18:00:00", "a time with its zone"),
        ("2026-03-16T18:00:00+00:00", "2026-03-16", "a time with its zone"),
        ("2026-03-16T18:00:00+00:00", "1970-01-01T00:00:00Z", "between the years 2000 and 2200"),
        ("2026-03-16T18:00:00+00:00", "9999-12-31T23:59:59Z", "between the years 2000 and 2200"),
        ("2026-03-16T18:00:00+00:00", "tomorrow", "`evidence_required_by` is `tomorrow`"),
        ("2026-03-02T08:14:06.402+00:00", "", "`timestamp` is ``"),
        (r#""timestamp":"2026-03-02T08:14:06.402+00:00","#, "", "are both missing"),
        (r#""id":"dsp_k4mvq7rzt2hxw9cbn3pd""#, r#""id":"dsp_""#, "`id` is `dsp_`"),
        (r#""id":"dsp_k4mvq7rzt2hxw9cbn3pd""#, r#""id":"dsp_../x""#, "`id` is `dsp_../x`"),
        (r#""id":"dsp_k4mvq7rzt2hxw9cbn3pd","#, "", "missing field `id`"),
        (r#""data":{"id""#, r#""data":{"date":"x","id""#, "duplicate field"),
        (r#""data":{"#, r#""event_data":{"#, "`data` is missing"),
    ];
    for (from, to, words) in rows {
        let what = puzzle(Source::Webhook, &with(required, from, to));
        assert!(what.contains(words), "{to}: {what}");
    }
    let record = fixture!("record");
    let rows = [
        (r#""evidence_required","#, r#""paused","#, "`status` is `paused`"),
        (r#""evidence_required","#, r#""Won","#, "`status` is `Won`"),
        (r#""status": "evidence_required","#, "", "missing field `status`"),
        (r#""received_on": "2026-03-02T08:14:05Z","#, "", "missing field `received_on`"),
        (r#""2026-03-02T08:14:05Z""#, r#""2026-03-02""#, "`received_on` is `2026-03-02`"),
        (r#""payment": {"#, r#""payment": [], "x": {"#, "at `payment`"),
    ];
    for (from, to, words) in rows {
        let what = puzzle(Source::ReadBack, &with(record, from, to));
        assert!(what.contains(words), "{to}: {what}");
    }
}

/// An event without a deadline is fetched; a record without one has told all that there is.
#[test]
fn a_dispute_that_owes_an_answer_and_names_no_deadline_is_seen() {
    for without in ["", r#""evidence_required_by": null,"#] {
        let body = with(fixture!("record"), r#""evidence_required_by": "2026-03-16T18:00:00Z","#, without);
        let dispute = record(&body);
        assert_eq!((dispute.status, dispute.respond_by), (Status::NeedsResponse, RespondBy::Unstated));
    }
}

/// What a dispute can do without does not hide it, whatever its shape; its own id must be one.
#[test]
fn a_payment_that_is_named_strangely_is_no_payment() {
    let required = fixture!("evidence_required");
    for (from, to) in [
        (r#""payment_id":"pay_"#, r#""payment_id":"src_"#),
        (r#""payment_id":"pay_"#, r#""payment_id":"pay_../"#),
        (r#""payment_id":"pay_"#, r#""payment_id":"pay "#),
    ] {
        assert_eq!(webhook(&with(required, from, to)).1.payment_ref, None, "{to}");
    }
    let odd = with(required, r#""payment_action_id":"act_"#, r#""payment_action_id":"refund_"#);
    let (_, dispute) = webhook(&odd);
    assert_eq!((dispute.payment_ref.is_some(), dispute.charge_ref), (true, None));
}

#[test]
fn a_dispute_of_a_refund_is_negative_and_settles_itself() {
    let resolved = with(fixture!("resolved"), "already_refunded", "negative_amount");
    let resolved = with(&resolved, r#""amount":18450"#, r#""amount":-18450"#);
    let (_, dispute) = webhook(&resolved);
    assert_eq!((dispute.status, dispute.amount.minor, dispute.refunded), (Status::Closed, 18_450, false));
}

#[test]
fn pesos_without_hundredths_are_counted_in_whole_ones() {
    let chilean = with(fixture!("won"), r#""currency":"GBP""#, r#""currency":"CLP""#);
    let whole = with(&chilean, r#""amount":18450"#, r#""amount":1845000"#);
    assert_eq!(webhook(&whole).1.amount.to_string(), "18,450 CLP");
    assert!(puzzle(Source::Webhook, &chilean).contains("end in 00"));
    let yen = with(fixture!("won"), r#""currency":"GBP""#, r#""currency":"JPY""#);
    assert_eq!(webhook(&yen).1.amount.to_string(), "18,450 JPY");
}

#[test]
fn reasons_are_told_apart() {
    let rows = [
        ("fraudulent", Category::Fraud),
        ("unrecognized", Category::Unrecognized),
        ("canceled_recurring", Category::SubscriptionCanceled),
        ("product_service_not_received", Category::ProductNotReceived),
        ("not_as_described", Category::ProductUnacceptable),
        ("credit_not_issued", Category::CreditNotProcessed),
        ("duplicate", Category::Duplicate),
        ("incorrect_amount", Category::ProcessingError),
        ("general", Category::General),
        // Unknown words: the network's code (13.1) says what it is.
        ("novel", Category::ProductNotReceived),
        ("Fraudulent", Category::ProductNotReceived),
    ];
    for (word, category) in rows {
        let body = with(fixture!("won"), "product_service_not_received", word);
        assert_eq!(webhook(&body).1.reason.category, category, "{word}");
    }
    let foreign = with(fixture!("won"), "product_service_not_received", "novel");
    let foreign = with(&foreign, r#""payment_method":"VISA""#, r#""payment_method":"Cartes Bancaires""#);
    let reason = webhook(&foreign).1.reason;
    assert_eq!((reason.category, reason.network.as_deref()), (Category::Unknown, Some("cartes bancaires")));
    let uncoded = with(&foreign, r#""reason_code":"13.1","#, "");
    assert_eq!(webhook(&uncoded).1.reason.network_code, None);
}
