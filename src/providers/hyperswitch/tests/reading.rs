//! What the router's words mean, and where they are not to be believed.

use serde_json::{Value, json};

use super::{fixture, now, router};
use crate::dispute::{Category, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::{Kept, Provider, Reading};

fn read(record: &Value) -> Reading {
    router().events(&Kept { source: Source::Poll, body: record.to_string().as_bytes(), as_of: now() })
}

fn record(changes: Value) -> Value {
    let mut record: Value = serde_json::from_str(fixture!("record")).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

fn snapshot(changes: Value) -> Snapshot {
    let reading = read(&record(changes.clone()));
    let Reading::Events(events) = reading else { panic!("{changes}: {reading:?}") };
    events[0].snapshot().unwrap().clone()
}

fn puzzle(changes: Value) -> String {
    let reading = read(&record(changes.clone()));
    let Reading::Unrecognised { what } = reading else { panic!("{changes}: {reading:?}") };
    what
}

#[test]
fn a_record_is_read_whole() {
    let seen = snapshot(json!({}));
    assert_eq!(
        (seen.dispute_ref.as_str(), seen.payment_ref.as_deref()),
        ("dp_Wz3kQh7LmNs9Tq", Some("pay_Fe8rJd2Vb6"))
    );
    assert_eq!((seen.amount.to_string().as_str(), seen.stage), ("48.90 EUR", Stage::Chargeback));
    assert_eq!(seen.respond_by, RespondBy::At("2026-03-24T22:00:00Z".parse().unwrap()));
    assert_eq!(
        seen.opened_at.to_rfc3339(),
        "2026-03-10T08:15:20+00:00",
        "the connector's time, not the router's"
    );
    assert_eq!(
        (seen.reason.category, seen.reason.network_code.as_deref()),
        (Category::ProductNotReceived, Some("13.1"))
    );
    assert_eq!(seen.provider_status, "dispute_opened");
    assert!(seen.deadline_confirmed && !seen.refunded);
    let least = snapshot(json!({"challenge_required_by": null, "connector_created_at": null,
        "connector_reason_code": null, "is_already_refunded": true}));
    assert_eq!((least.respond_by, least.reason.category), (RespondBy::Unstated, Category::Unknown));
    assert_eq!(least.opened_at.to_rfc3339(), "2026-03-10T08:15:23.118+00:00");
    assert!(least.refunded);
}

#[test]
fn every_stage_has_its_place_and_no_other_word_one() {
    for (word, stage) in [
        ("pre_dispute", Stage::Inquiry),
        ("dispute", Stage::Chargeback),
        ("pre_arbitration", Stage::PreArbitration),
        ("arbitration", Stage::Arbitration),
        ("dispute_reversal", Stage::Arbitration),
    ] {
        assert_eq!(snapshot(json!({"dispute_stage": word})).stage, stage);
    }
    assert!(puzzle(json!({"dispute_stage": "second_chargeback"})).contains("not known"));
}

/// Connector, the router's word, the connector's word → what is believed; `None`: nobody guesses.
const BELIEVED: &[(&str, &str, Option<&str>, Option<Status>)] = &[
    ("checkout", "dispute_lost", Some("lost"), Some(Status::Lost)),
    ("checkout", "dispute_cancelled", None, Some(Status::Cancelled)),
    ("braintree", "dispute_expired", None, Some(Status::Expired)),
    ("worldpayvantiv", "dispute_accepted", None, Some(Status::Accepted)),
    // The money is withdrawn when a dispute opens at Stripe, and the router calls that lost.
    ("stripe", "dispute_lost", Some("needs_response"), Some(Status::NeedsResponse)),
    ("stripe", "dispute_lost", Some("under_review"), Some(Status::UnderReview)),
    ("stripe", "dispute_lost", Some("lost"), Some(Status::Lost)),
    ("stripe", "dispute_lost", None, None),
    ("stripe", "dispute_won", Some("charge.dispute.funds_reinstated"), None),
    // Every closing is cancelled to the router.
    ("stripe", "dispute_cancelled", Some("won"), Some(Status::Won)),
    ("stripe", "dispute_cancelled", Some("lost"), Some(Status::Lost)),
    ("stripe", "dispute_cancelled", None, Some(Status::Closed)),
    ("stripe", "dispute_cancelled", Some("charge.dispute.closed"), None),
    ("stripe", "dispute_opened", Some("charge.dispute.created"), Some(Status::NeedsResponse)),
    ("stripe", "dispute_challenged", Some("warning_under_review"), Some(Status::UnderReview)),
    // A chargeback may still be defended at Adyen.
    ("adyen", "dispute_lost", None, None),
    ("adyen", "dispute_lost", Some("CHARGEBACK"), None),
    ("adyen", "dispute_lost", Some("Lost"), Some(Status::Lost)),
    // What the router tells as Adyen's status is the code of its event.
    ("adyen", "dispute_lost", Some("DISPUTE_DEFENSE_PERIOD_ENDED"), Some(Status::Lost)),
    ("adyen", "dispute_lost", Some("SECOND_CHARGEBACK"), Some(Status::Lost)),
    ("adyen", "dispute_lost", Some("PREARBITRATION_LOST"), Some(Status::Lost)),
    ("adyen", "dispute_lost", Some("NOTIFICATION_OF_CHARGEBACK"), None),
    ("adyen", "dispute_lost", Some("DISPUTE_DEFENSE_PERIOD"), None),
    ("adyen", "dispute_won", None, Some(Status::Won)),
    // A risk dispute has only just been opened at PayPal.
    ("paypal", "dispute_accepted", Some("OPEN"), None),
    ("paypal", "dispute_accepted", Some("RESOLVED"), Some(Status::Accepted)),
    // What is owed is believed of anybody, a verdict not.
    ("tomorrowpay", "dispute_opened", None, Some(Status::NeedsResponse)),
    ("tomorrowpay", "dispute_challenged", None, Some(Status::UnderReview)),
    ("tomorrowpay", "dispute_won", None, None),
    ("tomorrowpay", "dispute_lost", Some("lost"), None),
];

#[test]
fn the_router_is_believed_where_its_word_is_sure() {
    for (connector, told, own, believed) in BELIEVED {
        let changes = json!({"connector": connector, "dispute_status": told, "connector_status": own});
        if believed.is_some() {
            assert_eq!(Some(snapshot(changes.clone()).status), *believed, "{changes}");
        } else {
            let what = puzzle(changes);
            assert!(what.contains("look there") && what.contains(connector), "{what}");
        }
    }
    // An Adyen loss of a later stage is one.
    let later =
        json!({"connector": "adyen", "dispute_status": "dispute_lost", "dispute_stage": "pre_arbitration"});
    assert_eq!(snapshot(later).status, Status::Lost);
}

/// A webhook may be older than the record, which may have settled it since.
#[test]
fn news_that_leave_it_open_are_asked_about() {
    let webhook = |changes: Value| {
        let object = record(changes);
        let body = json!({"merchant_id": "m", "event_id": "e", "event_type": object["dispute_status"],
            "timestamp": "2026-03-12T09:00:00.000Z",
            "content": {"type": "dispute_details", "object": object}});
        router().events(&Kept { source: Source::Webhook, body: body.to_string().as_bytes(), as_of: now() })
    };
    for (connector, told, own) in [
        ("adyen", "dispute_lost", Some("CHARGEBACK")),
        ("adyen", "dispute_lost", None),
        ("stripe", "dispute_lost", None),
        ("paypal", "dispute_accepted", Some("OPEN")),
    ] {
        let reading =
            webhook(json!({"connector": connector, "dispute_status": told, "connector_status": own}));
        let wanted = Reading::FetchFirst { dispute_ref: "dp_Wz3kQh7LmNs9Tq".into(), name: told.into() };
        assert_eq!(reading, wanted, "{connector} {own:?}");
    }
    // Of a connector whose words nobody has read the record says no more, and the id is still one.
    let strange = webhook(json!({"connector": "tomorrowpay", "dispute_status": "dispute_won"}));
    assert!(matches!(strange, Reading::Unrecognised { .. }), "{strange:?}");
    let odd = json!({"connector": "adyen", "dispute_status": "dispute_lost", "dispute_id": "../x"});
    assert!(matches!(webhook(odd), Reading::Unrecognised { .. }));
}

/// What a dispute can do without does not hide it, whatever its shape; its own id must be one.
#[test]
fn a_payment_that_is_named_strangely_is_no_payment() {
    for odd in ["pay 1", "", "../x"] {
        assert_eq!(snapshot(json!({"payment_id": odd})).payment_ref, None, "{odd}");
    }
}

#[test]
fn absurd_values_are_no_record() {
    for (changes, part) in [
        (json!({"amount": "48.90"}), "`amount` is `48.90`"),
        (json!({"amount": "-1"}), "`amount` is `-1`"),
        (json!({"amount": ""}), "`amount` is ``"),
        (json!({"amount": "1000000000000001"}), "10^15"),
        (json!({"amount": 4890}), "expected a string"),
        (json!({"currency": "EURO"}), "`currency`"),
        (json!({"challenge_required_by": "2026-03-24"}), "`challenge_required_by` is `2026-03-24`"),
        (json!({"challenge_required_by": "9999-01-01T00:00:00.000Z"}), "between the years"),
        (json!({"dispute_id": "dp/../1"}), "which is no id"),
        (json!({"dispute_status": "dispute_paused"}), "not known"),
    ] {
        let what = puzzle(changes);
        assert!(what.contains(part), "{what}");
    }
    let mut without: Value = serde_json::from_str(fixture!("record")).unwrap();
    without.as_object_mut().unwrap().remove("connector_status");
    assert!(
        matches!(read(&without), Reading::Unrecognised { .. }),
        "its absence would change what is believed"
    );
}

#[test]
fn amounts_are_counted_as_the_connector_behind_counts_them() {
    let told = |connector: &str, amount: &str, currency: &str| {
        json!({"connector": connector, "connector_status": null,
        "amount": amount, "currency": currency})
    };
    for (connector, amount, currency, meant) in [
        ("adyen", "490000", "CLP", "4,900 CLP"),
        ("adyen", "490000", "ISK", "4,900 ISK"),
        ("adyen", "4900", "IDR", "4,900.00 IDR"),
        ("adyen", "4900", "CVE", "4,900.00 CVE"),
        ("adyen", "4900", "JPY", "4,900 JPY"),
        ("adyen", "4900", "KWD", "4.900 KWD"),
        ("stripe", "490000", "ISK", "4,900 ISK"),
        ("stripe", "4900", "MGA", "4,900.00 MGA"),
        ("stripe", "4900", "CLP", "4,900 CLP"),
        ("checkout", "490000", "CLP", "4,900 CLP"),
        ("checkout", "4900", "ISK", "4,900 ISK"),
        ("paypal", "4900", "HUF", "49.00 HUF"),
        ("braintree", "4900", "CLP", "4,900 CLP"),
        ("worldpayvantiv", "4900", "USD", "49.00 USD"),
    ] {
        let seen = snapshot(told(connector, amount, currency));
        assert_eq!(seen.amount.to_string(), meant, "{connector}: {amount} {currency}");
    }
    for (connector, amount, currency, why) in [
        ("adyen", "4950", "CLP", "Adyen counts CLP in hundredths"),
        ("adyen", "1000000000000000", "IDR", "10^15"),
        ("stripe", "4950", "ISK", "multiples of 100"),
        ("checkout", "4950", "CLP", "end in 00"),
        ("paypal", "4900", "ISK", "does not count ISK as ISO 4217"),
        ("braintree", "4900", "MGA", "does not count MGA as ISO 4217"),
        ("unheard_of", "4900", "LYD", "does not count LYD as ISO 4217"),
    ] {
        let what = puzzle(told(connector, amount, currency));
        assert!(what.contains(why) && what.contains("`amount`"), "{connector}: {amount} {currency}: {what}");
    }
}
