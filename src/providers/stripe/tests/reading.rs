//! Meaning: a fixture per event type and per status, old shapes, and every refusal to guess.

use serde_json::json;

use super::*;
use crate::dispute::{Category, FundsMove, Money, News, RespondBy, Snapshot, Stage, Status};

#[track_caller]
fn snapshot(reading: Reading) -> Snapshot {
    one(reading).snapshot().expect("a dispute").clone()
}

#[test]
fn a_created_dispute_is_read_whole() {
    let event = one(webhook(CREATED));
    assert_eq!((event.source, event.name.as_str()), (Source::Webhook, "charge.dispute.created"));
    assert_eq!(event.as_of, at(T));
    let News::Record { snapshot } = event.news else { panic!("{:?}", event.news) };
    let expected = Snapshot {
        dispute_ref: "du_1QaMango".into(),
        payment_ref: Some("pi_3QaMango".into()),
        charge_ref: Some("ch_3QaMango".into()),
        stage: Stage::Chargeback,
        status: Status::NeedsResponse,
        provider_status: "needs_response".into(),
        amount: Money::new(4599, "EUR".parse().unwrap()),
        reason: crate::dispute::Reason {
            category: Category::ProductNotReceived,
            provider_reason: "product_not_received".into(),
            network_code: Some("13.1".into()),
            network: Some("visa".into()),
        },
        respond_by: RespondBy::At(at(T + 11 * 86_400)),
        deadline_confirmed: true,
        opened_at: at(T - 60),
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: false,
        customer_ref: None,
        live: true,
        new_round: false,
    };
    assert_eq!(snapshot, expected);
}

#[test]
fn expanded_objects_say_more() {
    let told = snapshot(webhook(UPDATED));
    assert_eq!(told.charge_ref.as_deref(), Some("ch_3QaMango"));
    assert_eq!(told.payment_ref.as_deref(), Some("pi_3QaMango"));
    assert_eq!(told.customer_ref.as_deref(), Some("cus_Qa77"));
    assert!(told.refunded && told.evidence_staged);
    assert_eq!((told.status, told.submissions), (Status::UnderReview, 1));
}

#[test]
fn every_event_type_has_its_meaning() {
    assert_eq!(snapshot(webhook(CLOSED)).status, Status::Won);
    for (body, moved) in [(WITHDRAWN, FundsMove::Withdrawn), (REINSTATED, FundsMove::Reinstated)] {
        let News::Funds { moved: told, .. } = one(webhook(body)).news else { panic!() };
        assert_eq!(told, moved);
    }
    for (body, actionable) in [(WARNED, true), (WARNING_UPDATED, false)] {
        let News::Notice { notice } = one(webhook(body)).news else { panic!() };
        assert_eq!(notice.notice_ref, "issfr_1QaPlum");
        assert_eq!(notice.payment_ref.as_deref(), Some("pi_3QaPlum"));
        assert_eq!(notice.charge_ref.as_deref(), Some("ch_3QaPlum"));
        assert_eq!(notice.fraud_type, "made_with_stolen_card");
        assert_eq!((notice.actionable, notice.live), (actionable, true));
    }
    assert_eq!(webhook(PAID), Reading::NotOurs { what: "payment_intent.succeeded".into() });
    let thin = [
        (THIN_DISPUTE, "du_1QaMango", "v1.charge.dispute.created"),
        (THIN_WARNING, "issfr_1QaPlum", "v1.radar.early_fraud_warning.created"),
    ];
    for (body, dispute_ref, name) in thin {
        let expected = Reading::FetchFirst { dispute_ref: dispute_ref.into(), name: name.into() };
        assert_eq!(webhook(body), expected);
    }
    let other = THIN_DISPUTE.replace("v1.charge.dispute.created", "v2.money_management.payout.created");
    assert!(matches!(webhook(&other), Reading::NotOurs { .. }));
    let other = THIN_DISPUTE.replace("v1.charge.dispute.created", "v1.invoice.paid");
    assert!(matches!(webhook(&other), Reading::NotOurs { .. }));
}

#[test]
fn every_status_has_its_meaning() {
    let rows: Vec<serde_json::Value> = serde_json::from_str(STATUSES).unwrap();
    assert_eq!(rows.len(), 12);
    for row in rows {
        for source in [Source::Poll, Source::ReadBack, Source::Receipt] {
            let event = one(read(source, &row["record"].to_string()));
            assert_eq!((event.source, event.name.as_str()), (source, source.as_str()));
            assert_eq!(event.as_of, at(T + 5));
            let told = event.snapshot().unwrap();
            assert_eq!(told.status.as_str(), row["status"].as_str().unwrap(), "{row}");
            assert_eq!(told.stage.as_str(), row["stage"].as_str().unwrap(), "{row}");
            assert_eq!(told.provider_status, row["record"]["status"].as_str().unwrap());
            assert_eq!(told.refunded, told.provider_status == "charge_refunded");
            assert_eq!(told.payment_ref, told.charge_ref, "without an intent the charge is the payment");
        }
    }
}

#[test]
fn the_oldest_shape_is_read_where_its_meaning_is_certain() {
    let told = snapshot(webhook(OLDEST));
    assert_eq!(told.respond_by, RespondBy::At(at(1_389_225_599)));
    assert_eq!(told.reason.category, Category::Fraud);
    assert_eq!(told.payment_ref.as_deref(), Some("ch_0OldPear"));
    assert!(unrecognised(webhook(WITHOUT_ID)).contains("`data.object.id` is missing"));
}

#[test]
fn the_deadline_says_what_it_says() {
    let due_by = |value| snapshot(webhook(&created_with("evidence_details.due_by", value))).respond_by;
    assert_eq!(due_by(Some(json!(0))), RespondBy::NotAllowed);
    assert_eq!(due_by(Some(json!(null))), RespondBy::NotAllowed);
    assert_eq!(due_by(None), RespondBy::Unstated);
    assert_eq!(snapshot(webhook(&created_with("evidence_details", None))).respond_by, RespondBy::Unstated);
    assert_eq!(
        snapshot(webhook(&created_with("evidence_details", Some(json!(null))))).respond_by,
        RespondBy::Unstated
    );
}

#[test]
fn amounts_are_in_iso_minor_units() {
    let amount = |minor: i64, currency: &str| {
        let body = created_with("amount", Some(json!(minor)));
        webhook(&body.replace("\"eur\"", &format!("\"{currency}\"")))
    };
    let rows = [
        (1500, "jpy", 1500),
        (1500, "isk", 15),
        (50_000, "ugx", 500),
        (30, "mga", 3000),
        (5000, "kwd", 5000),
    ];
    for (stripe, currency, iso) in rows {
        assert_eq!(snapshot(amount(stripe, currency)).amount.minor, iso, "{currency}");
    }
    assert!(unrecognised(amount(1501, "isk")).contains("multiples of 100"));
}

#[test]
fn a_fee_is_required_until_it_is_acknowledged() {
    let fee = |network: &str, status| {
        let eligibility = json!({ network: { "status": status } });
        snapshot(webhook(&created_with("evidence_details.enhanced_eligibility", Some(eligibility))))
            .fee_required
    };
    for network in ["visa_compliance", "mastercard_compliance"] {
        assert!(fee(network, json!("requires_fee_acknowledgement")));
        assert!(!fee(network, json!("fee_acknowledged")));
        assert!(fee(network, json!("a_word_of_tomorrow")), "what is not known keeps the gate closed");
    }
    assert!(!fee("visa_compelling_evidence_3", json!("requires_action")));
}

#[test]
fn the_reason_is_found_wherever_the_version_puts_it() {
    let method = |value| snapshot(webhook(&created_with("payment_method_details", Some(value)))).reason;
    let card = method(
        json!({"type": "card", "card": {"brand": "MasterCard", "case_type": "chargeback", "network_reason_code": "4837"}}),
    );
    assert_eq!((card.network.as_deref(), card.category), (Some("mastercard"), Category::Fraud));
    let klarna = method(json!({"type": "klarna", "klarna": {"reason_code": "Faulty goods"}}));
    assert_eq!((klarna.network.as_deref(), klarna.category), (Some("klarna"), Category::ProductUnacceptable));
    let paypal = method(json!({"type": "paypal", "paypal": {"case_id": "PP-D-1", "reason_code": null}}));
    assert_eq!((paypal.network.as_deref(), paypal.network_code.as_deref()), (Some("paypal"), Some("13.1")));
    let none = snapshot(webhook(&created_with("payment_method_details", None))).reason;
    assert_eq!((none.network, none.category), (None, Category::ProductNotReceived));
    let unknown = snapshot(webhook(&created_with("reason", Some(json!("cosmic_rays"))))).reason;
    assert_eq!(unknown.category, Category::ProductNotReceived, "the network code still says it");
}

#[test]
fn nothing_unknown_becomes_a_verdict() {
    let rows = [
        ("status", json!("won_on_points"), "`data.object.status` is `won_on_points`"),
        ("status", json!(""), "`data.object.status`"),
        ("status", json!(null), "`data.object.status` is null"),
        ("status", json!("Won"), "`Won`"),
        ("currency", json!("zzz"), "`ZZZ` is not an ISO 4217"),
        ("currency", json!(840), "`data.object.currency` is 840"),
        ("amount", json!(-1), "`data.object.amount` is -1"),
        ("amount", json!("4599"), "`data.object.amount` is `4599`"),
        ("amount", json!(45.99), "`data.object.amount` is a number that is not a whole one"),
        ("amount", json!(1_000_000_000_000_000_000i64), "`data.object.amount`"),
        ("created", json!(86_400), "`data.object.created` is 86400"),
        ("created", json!(253_402_300_800i64), "`data.object.created`"),
        ("created", json!("2026-03-01"), "`data.object.created`"),
        ("evidence_details.due_by", json!(-5), "`data.object.evidence_details.due_by` is -5"),
        ("evidence_details.due_by", json!(86_400), "due_by"),
        ("evidence_details.due_by", json!("soon"), "due_by"),
        ("evidence_details.submission_count", json!(-1), "submission_count"),
        ("evidence_details.past_due", json!("no"), "past_due"),
        ("evidence_details", json!("text"), "another shape"),
        ("id", json!("../close"), "`data.object.id`"),
        ("id", json!("a\u{0}b"), "`data.object.id`"),
        ("charge", json!("ch 1"), "`data.object.charge`"),
        ("payment_intent", json!({"object": "payment_intent", "id": 7}), "`data.object.payment_intent`"),
        ("object", json!("charge"), "`data.object.object` is `charge`"),
        ("reason", json!("a\u{0}b"), "`data.object.reason`"),
        ("reason", json!("x".repeat(300)), "`data.object.reason`"),
        ("livemode", json!("yes"), "`data.object.livemode`"),
    ];
    for (path, value, words) in rows {
        let what = unrecognised(webhook(&created_with(path, Some(value.clone()))));
        assert!(
            what.contains(words.replace("`ZZZ`", "`zzz`").as_str()) || what.contains(words),
            "{path} {value}: {what}"
        );
    }
    for path in ["id", "status", "currency", "amount", "created"] {
        let what = unrecognised(webhook(&created_with(path, None)));
        assert!(what.contains(&format!("`data.object.{path}` is missing")), "{what}");
    }
}

#[test]
fn an_envelope_that_is_not_known_is_said_to_be() {
    let changed = |from: &str, to: &str| unrecognised(webhook(&CREATED.replace(from, to)));
    assert!(
        changed("charge.dispute.created", "charge.dispute.escalated").contains("charge.dispute.escalated")
    );
    assert!(changed("charge.dispute.created", "radar.early_fraud_warning.gone").contains("not known"));
    assert!(changed("\"object\": \"event\"", "\"object\": \"evening\"").contains("`object` is `evening`"));
    assert!(changed("\"object\": \"event\",", "").contains("`object` is missing"));
    assert!(changed("\"type\": \"charge.dispute.created\"", "\"type\": null").contains("`type` is null"));
    assert!(changed("\"data\"", "\"date\"").contains("`data.object` is missing"));
    let thin = THIN_DISPUTE.replace("related_object", "related_objects");
    assert!(unrecognised(webhook(&thin)).contains("related_object"));
    let thin = THIN_DISPUTE.replace("dispute.created", "dispute.escalated");
    assert!(unrecognised(webhook(&thin)).contains("escalated"));
    let twice =
        CREATED.replacen("\"status\": \"needs_response\"", "\"status\": \"won\", \"status\": \"lost\"", 1);
    assert!(unrecognised(webhook(&twice)).contains("duplicate field"), "two answers are none");
}

#[test]
fn the_mode_is_the_envelopes_where_the_object_has_none() {
    assert!(snapshot(webhook(&created_with("livemode", None))).live);
    let body = created_with("livemode", None).replace("\"livemode\":true,", "");
    assert!(unrecognised(webhook(&body)).contains("livemode"));
}

#[test]
fn a_bare_record_is_no_event_and_an_event_no_bare_record() {
    assert!(unrecognised(read(Source::Poll, CREATED)).contains("`object` is `event`"));
    let dispute: serde_json::Value = serde_json::from_str(CREATED).unwrap();
    let what = unrecognised(webhook(&dispute["data"]["object"].to_string()));
    assert!(what.contains("`type` is missing"), "{what}");
}

#[test]
fn a_fetched_fraud_warning_is_a_notice() {
    let warned: serde_json::Value = serde_json::from_str(WARNED).unwrap();
    let event = one(read(Source::ReadBack, &warned["data"]["object"].to_string()));
    assert_eq!(event.name, "read_back");
    assert!(matches!(event.news, News::Notice { .. }));
}
