//! What bodies mean: each event, status and phase once, the landmines of the official samples, and what must
//! not be guessed.

use super::{at, fixture, now, razorpay};
use crate::dispute::{Category, Event, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::{Kept, Provider, Reading};

fn read(source: Source, body: &str) -> Reading {
    razorpay().events(&Kept { source, body: body.as_bytes(), as_of: now() })
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
    event(Source::Poll, body).snapshot().unwrap().clone()
}

/// The body with `from`, which must occur, replaced.
fn with(body: &str, from: &str, to: &str) -> String {
    assert!(body.contains(from), "{from} is not in the fixture");
    body.replace(from, to)
}

fn puzzle(body: &str) -> String {
    let reading = read(Source::Webhook, body);
    let Reading::Unrecognised { what } = reading else { panic!("{reading:?}") };
    what
}

#[test]
fn every_status_and_phase_has_its_word() {
    let rows = [
        (fixture!("created"), Status::NeedsResponse, Stage::Chargeback),
        (fixture!("action_required"), Status::NeedsResponse, Stage::Chargeback),
        (fixture!("under_review"), Status::UnderReview, Stage::Chargeback),
        (fixture!("won"), Status::Won, Stage::Chargeback),
        (fixture!("lost"), Status::Lost, Stage::PreArbitration),
        (fixture!("closed"), Status::Closed, Stage::FraudNotice),
        (fixture!("fraud_created"), Status::NeedsResponse, Stage::FraudNotice),
        (fixture!("retrieval_created"), Status::NeedsResponse, Stage::Inquiry),
        (fixture!("arbitration_created"), Status::NeedsResponse, Stage::Arbitration),
    ];
    for (body, status, stage) in rows {
        let (event, snapshot) = webhook(body);
        assert_eq!((snapshot.status, snapshot.stage), (status, stage), "{}", event.name);
        assert!(snapshot.deadline_confirmed && snapshot.live);
    }
}

#[test]
fn a_created_dispute_is_read_to_the_last_field() {
    let (event, dispute) = webhook(fixture!("created"));
    assert_eq!(event.name, "payment.dispute.created");
    assert_eq!(event.as_of, at("2026-03-10T00:00:40Z"));
    assert_eq!(dispute.dispute_ref, "disp_Rk2WnV8sQyTz4B");
    assert_eq!(dispute.payment_ref.as_deref(), Some("pay_Rb7Xq2LmT9vKcE"));
    assert_eq!(dispute.amount.to_string(), "2,499.00 INR");
    assert_eq!(dispute.respond_by, RespondBy::At(at("2026-03-24T00:00:00Z")));
    assert_eq!(dispute.opened_at, at("2026-03-10T00:00:00Z"));
    assert_eq!(dispute.reason.category, Category::ProductNotReceived);
    assert_eq!(dispute.reason.network_code.as_deref(), Some("13.1"));
    assert_eq!(dispute.reason.network.as_deref(), Some("visa"));
    assert_eq!(dispute.customer_ref.as_deref(), Some("meera.nair@example.in"));
    assert_eq!((dispute.submissions, dispute.evidence_staged, dispute.refunded), (0, false, false));
    assert!(!dispute.new_round);
}

#[test]
fn evidence_beside_the_entity_is_that_of_the_dispute_and_a_round_is_announced() {
    let (event, dispute) = webhook(fixture!("action_required"));
    assert_eq!(event.name, "payment.dispute.action_required");
    assert!(dispute.new_round);
    assert!(dispute.evidence_staged);
    assert_eq!(dispute.submissions, 0);
    // Answered again before the webhook was written out: no round to answer.
    let answered = with(fixture!("action_required"), r#""status":"open""#, r#""status":"under_review""#);
    assert!(!webhook(&answered).1.new_round);
}

#[test]
fn a_submitted_dispute_counts_one_submission_and_stages_nothing() {
    let (_, dispute) = webhook(fixture!("under_review"));
    assert_eq!((dispute.submissions, dispute.evidence_staged), (1, false));
    // The contested part (199900) is not the disputed amount.
    assert_eq!(dispute.amount.minor, 249_900);
    assert!(!dispute.refunded, "a part of it is");
}

#[test]
fn words_or_papers_are_staged_evidence_and_blanks_are_not() {
    assert!(record(fixture!("record_drafted")).evidence_staged);
    assert!(!record(fixture!("record")).evidence_staged);
    let words = with(fixture!("record"), r#""summary":null"#, r#""summary":"It was delivered.""#);
    assert!(record(&words).evidence_staged);
    let blank = with(fixture!("record"), r#""summary":null"#, r#""summary":"  ""#);
    assert!(!record(&blank).evidence_staged);
    for key in ["term_and_conditions", "others", "proof_of_service"] {
        let filled = format!(r#""{key}":["doc_x"]"#);
        assert!(
            record(&with(fixture!("record"), &format!(r#""{key}":null"#), &filled)).evidence_staged,
            "{key}"
        );
        let empty = format!(r#""{key}":[]"#);
        assert!(
            !record(&with(fixture!("record"), &format!(r#""{key}":null"#), &empty)).evidence_staged,
            "{key}"
        );
    }
}

#[test]
fn the_wrapped_record_reads_as_the_flat_one() {
    let dispute = record(fixture!("record_wrapped"));
    assert_eq!(dispute.status, Status::UnderReview);
    assert_eq!(dispute.reason.network.as_deref(), Some("amex"));
    assert_eq!(dispute.reason.network_code.as_deref(), Some("C08"));
    assert_eq!(dispute.reason.category, Category::ProductNotReceived);
    let wrapped = format!(r#"{{"status_code":200,"success":true,"data":{}}}"#, fixture!("record"));
    assert_eq!(record(&wrapped), record(fixture!("record")));
    let failed = wrapped.replace("true", "false");
    assert!(matches!(read(Source::ReadBack, &failed), Reading::Unrecognised { .. }));
}

#[test]
fn a_bare_record_is_named_by_its_source_and_dated_by_its_answer() {
    for (source, name) in
        [(Source::Poll, "poll"), (Source::ReadBack, "read_back"), (Source::Receipt, "receipt")]
    {
        let event = event(source, fixture!("record"));
        assert_eq!((event.source, event.name.as_str(), event.as_of), (source, name, now()));
    }
    assert!(matches!(read(Source::Poll, fixture!("created")), Reading::Unrecognised { .. }));
    assert!(matches!(read(Source::Poll, fixture!("page")), Reading::Unrecognised { .. }));
    assert!(matches!(read(Source::Poll, fixture!("error")), Reading::Unrecognised { .. }));
    assert!(matches!(read(Source::Webhook, fixture!("record")), Reading::Unrecognised { .. }));
}

#[test]
fn a_record_behind_its_events_name_is_fetched_and_one_ahead_is_believed() {
    let Reading::FetchFirst { dispute_ref, name } = read(Source::Webhook, fixture!("behind_its_name")) else {
        panic!("the name says lost, the record open")
    };
    assert_eq!((dispute_ref.as_str(), name.as_str()), ("disp_Rk2WnV8sQyTz4B", "payment.dispute.lost"));
    let status = |word: &str| format!(r#""status":"{word}","phase""#);
    for (event, word, fetched) in [
        ("created", "under_review", false),
        ("created", "lost", false),
        ("action_required", "won", false),
        ("under_review", "open", true),
        ("under_review", "won", false),
        ("won", "lost", true),
        ("won", "under_review", true),
        ("lost", "closed", true),
        ("closed", "open", true),
    ] {
        let name = format!("payment.dispute.{event}");
        let body = with(fixture!("created"), "payment.dispute.created", &name);
        let body = with(&body, &status("open"), &status(word));
        let reading = read(Source::Webhook, &body);
        assert_eq!(
            matches!(reading, Reading::FetchFirst { .. }),
            fetched,
            "{event} with {word}: {reading:?}"
        );
    }
}

#[test]
fn events_of_others_are_passed_over_and_unknown_ones_about_disputes_are_not() {
    let captured = read(Source::Webhook, fixture!("payment_captured"));
    assert_eq!(captured, Reading::NotOurs { what: "payment.captured".to_owned() });
    assert!(puzzle(fixture!("unknown_event")).contains("payment.dispute.suspended"));
    for name in
        ["payment.dispute", "dispute.created", "payment.chargeback.created", "payment.dispute.Created"]
    {
        let body = with(fixture!("created"), "payment.dispute.created", name);
        assert!(puzzle(&body).contains(name), "{name}");
    }
}

/// None of Razorpay's pages says that there can be one. If there is, it is seen and asked about.
#[test]
fn a_dispute_that_owes_an_answer_and_names_no_deadline_is_seen() {
    for without in ["", r#""respond_by":null,"#, r#""respond_by":0,"#] {
        let (_, dispute) = webhook(&with(fixture!("created"), r#""respond_by":1774310400,"#, without));
        assert_eq!((dispute.status, dispute.respond_by), (Status::NeedsResponse, RespondBy::Unstated));
    }
}

#[test]
fn nothing_unknown_becomes_a_verdict() {
    let created = fixture!("created");
    let rows = [
        (r#""status":"open""#, r#""status":"paused""#, "`status` is `paused`"),
        (r#""status":"open""#, r#""status":"""#, "`status` is ``"),
        (r#""status":"open""#, r#""status":"Open""#, "`status` is `Open`"),
        (r#""status":"open""#, r#""status":null"#, "invalid type: null"),
        (r#""status":"open","#, "", "missing field `status`"),
        (r#""phase":"chargeback""#, r#""phase":"second_chargeback""#, "`phase` is `second_chargeback`"),
        (r#""phase":"chargeback","#, "", "missing field `phase`"),
        (
            r#""amount":249900,"currency":"INR","amount_deducted""#,
            r#""amount":-1,"currency":"INR","amount_deducted""#,
            "`amount` is -1",
        ),
        (
            r#""amount":249900,"currency":"INR","amount_deducted""#,
            r#""amount":1000000000000000001,"currency":"INR","amount_deducted""#,
            "minor units from 0 to 10^15",
        ),
        (
            r#""amount":249900,"currency":"INR","amount_deducted""#,
            r#""amount":"249900","currency":"INR","amount_deducted""#,
            "invalid type: string",
        ),
        (
            r#""amount":249900,"currency":"INR","amount_deducted""#,
            r#""amount":2499.5,"currency":"INR","amount_deducted""#,
            "invalid type: floating point",
        ),
        (
            r#""currency":"INR","amount_deducted""#,
            r#""currency":"QQQ","amount_deducted""#,
            "`QQQ` is not an ISO 4217",
        ),
        (r#""currency":"INR","amount_deducted""#, r#""currency":"","amount_deducted""#, "is not an ISO 4217"),
        (r#""respond_by":1774310400"#, r#""respond_by":1"#, "`respond_by` is 1"),
        (r#""respond_by":1774310400"#, r#""respond_by":253402300800"#, "`respond_by` is 253402300800"),
        (
            r#""respond_by":1774310400"#,
            r#""respond_by":-9223372036854775808"#,
            "unix seconds between the years 2000 and 2200",
        ),
        (r#""created_at":1773100800"#, r#""created_at":1"#, "`created_at` is 1"),
        (r#""created_at":1773100840"#, r#""created_at":99999999999"#, "`created_at` is 99999999999"),
        (r#","created_at":1773100840"#, "", "`created_at` is missing"),
        (r#""submitted_at":null"#, r#""submitted_at":77"#, "`evidence.submitted_at` is 77"),
        (r#""id":"disp_Rk2WnV8sQyTz4B""#, r#""id":"disp_""#, "`id` is `disp_`"),
        (r#""id":"disp_Rk2WnV8sQyTz4B""#, r#""id":"disp_../x""#, "`id` is `disp_../x`"),
        (r#""id":"disp_Rk2WnV8sQyTz4B""#, r#""id":"disp_a\u0000b""#, "`id` is `disp_ab`"),
        (r#""payment_id":"pay_Rb7Xq2LmT9vKcE""#, r#""payment_id":"order_1""#, "`payment_id` is `order_1`"),
        (r#""payment_id":"pay_Rb7Xq2LmT9vKcE","#, "", "missing field `payment_id`"),
        (r#""entity":"dispute""#, r#""entity":"refund""#, "`entity` is `refund`"),
        (r#"{"entity":"event""#, r#"{"entity":"list""#, "`entity` is `list`"),
        (r#""event":"payment.dispute.created""#, r#""event":null"#, "`event` is missing"),
        (r#""refund_status":null"#, r#""refund_status":"mostly""#, "`refund_status` is `mostly`"),
        (r#""dispute":{"entity""#, r#""dispute":{"thing""#, "missing field `entity`"),
        (r#""payload":{"#, r#""load":{"#, "`payload` is missing"),
    ];
    for (from, to, words) in rows {
        let what = puzzle(&with(created, from, to));
        assert!(what.contains(words), "{to}: {what}");
    }
    for body in
        ["", "[]", "null", "3", "\"x\"", "{", "<html>", "\u{feff}{}", "{}{}", "\u{0}", "{\"event\":7}"]
    {
        assert!(matches!(read(Source::Webhook, body), Reading::Unrecognised { .. }), "{body:?}");
        assert!(matches!(read(Source::Receipt, body), Reading::Unrecognised { .. }), "{body:?}");
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(read(Source::Webhook, &deep), Reading::Unrecognised { .. }));
    let twice = with(created, r#""status":"open""#, r#""status":"open","status":"lost""#);
    assert!(puzzle(&twice).contains("duplicate field"), "two words for one status");
}

#[test]
fn a_settled_dispute_may_come_without_a_deadline() {
    let won = with(fixture!("won"), r#""respond_by":1774310400"#, r#""respond_by":null"#);
    assert_eq!(webhook(&won).1.respond_by, RespondBy::Unstated);
}

#[test]
fn reasons_are_told_apart_and_phase_words_tell_nothing() {
    let rows = [
        ("RZP00", Category::General),
        ("RZP01", Category::ProductNotReceived),
        ("rzp02", Category::Fraud),
        ("RZP03", Category::Fraud),
        ("RZP04", Category::CreditNotProcessed),
        ("RZP05", Category::ProcessingError),
        ("RZP06", Category::General),
        ("RZP07", Category::ProcessingError),
        ("RZP08", Category::Unknown),
        ("10.4", Category::Fraud),
        ("4841", Category::SubscriptionCanceled),
        ("1062", Category::ProductUnacceptable),
        ("4863", Category::Unknown),
        ("processed_invalid_expired_card", Category::Authorization),
        ("warning_bulletin_or_exception_file", Category::Authorization),
        ("non_matching_account_number", Category::ProcessingError),
        ("goods_or_services_not_received_or_partially_received", Category::ProductNotReceived),
        ("chargeback", Category::Unknown),
        ("pre_arbitration", Category::Unknown),
        ("the customer is cross", Category::Unknown),
        ("", Category::Unknown),
    ];
    for (word, category) in rows {
        let body = with(fixture!("record"), r#""reason_code":"13.1""#, &format!(r#""reason_code":"{word}""#));
        let reason = record(&body).reason;
        assert_eq!((reason.category, reason.provider_reason.as_str()), (category, word));
    }
    let none = with(fixture!("record"), r#""reason_code":"13.1""#, r#""reason_code":null"#);
    assert_eq!(record(&none).reason.category, Category::Unknown);
}

#[test]
fn a_network_that_is_told_decides_what_its_code_means() {
    let wrapped = fixture!("record_wrapped");
    let foreign = record(&with(wrapped, r#""network":"Amex""#, r#""network":"Bajaj""#)).reason;
    assert_eq!(foreign.category, Category::Unknown);
    assert_eq!(foreign.network.as_deref(), Some("bajaj"));
    assert_eq!(foreign.network_code.as_deref(), Some("C08"));
    let (_, upi) = webhook(fixture!("fraud_created"));
    assert_eq!(upi.reason.network.as_deref(), Some("upi"));
    assert_eq!(upi.reason.category, Category::Fraud);
}

#[test]
fn customers_are_told_by_address_else_by_number() {
    let customer = |body: &str| webhook(body).1.customer_ref;
    assert_eq!(customer(fixture!("lost")).as_deref(), Some("+918045671230"), "no address");
    assert_eq!(customer(fixture!("closed")).as_deref(), Some("+918045671230"), "Razorpay's own address");
    let no_number = with(fixture!("closed"), r#""contact":"+918045671230""#, r#""contact":null"#);
    assert_eq!(customer(&no_number), None);
    let doubled = with(fixture!("lost"), "+918045671230", "++918045671230");
    assert_eq!(customer(&doubled), customer(fixture!("lost")));
}

#[test]
fn only_the_disputed_payment_speaks_for_the_customer_and_the_refund() {
    assert!(webhook(fixture!("lost")).1.refunded);
    let other = with(fixture!("lost"), r#""id":"pay_Rb7Xq2LmT9vKcE""#, r#""id":"pay_other""#);
    let (_, dispute) = webhook(&other);
    assert_eq!((dispute.refunded, dispute.customer_ref), (false, None));
}

#[test]
fn the_papers_of_a_payment_take_either_shape() {
    let (_, object) = webhook(fixture!("created"));
    let list = with(fixture!("created"), r#""notes":{"basket":"B-7714"}"#, r#""notes":[]"#);
    assert_eq!(webhook(&list).1, object);
    let bare = with(fixture!("created"), r#","acquirer_data":{"auth_code":"318842"}"#, "");
    assert_eq!(webhook(&bare).1, object);
    let none = with(fixture!("record"), r#""evidence":{"#, r#""evidence":null,"was":{"#);
    assert!(!record(&none).evidence_staged);
    let empty = with(fixture!("record"), r#""evidence":{"#, r#""evidence":[],"was":{"#);
    assert!(!record(&empty).evidence_staged);
    let full = with(fixture!("record"), r#""evidence":{"#, r#""evidence":[7],"was":{"#);
    let Reading::Unrecognised { what } = read(Source::Poll, &full) else { panic!("{full} is understood") };
    assert!(what.contains("at `evidence`: invalid type: sequence"), "{what}");
}
