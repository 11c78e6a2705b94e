//! What bodies mean: each event by each status, the landmines of the official samples, and what must not be
//! guessed.

use super::super::meaning;
use super::{adyen, at, fixture, now, with};
use crate::dispute::{Category, Event, FundsMove, News, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::{Kept, Provider, Reading};

fn read(source: Source, body: &str) -> Reading {
    adyen().events(&Kept { source, body: body.as_bytes(), as_of: now() })
}

fn event(body: &str) -> Event {
    let reading = read(Source::Webhook, body);
    let Reading::Events(mut events) = reading else { panic!("{reading:?}") };
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn dispute(body: &str) -> Snapshot {
    event(body).snapshot().unwrap().clone()
}

fn puzzle(body: &str) -> String {
    let reading = read(Source::Webhook, body);
    let Reading::Unrecognised { what } = reading else { panic!("{reading:?}") };
    what
}

#[test]
fn every_event_means_what_its_table_says() {
    insta::assert_snapshot!(meaning::table());
}

#[test]
fn every_fixture_has_its_stage_and_status() {
    let rows = [
        (fixture!("notification_of_chargeback"), Stage::Chargeback, Status::NeedsResponse, None),
        (fixture!("chargeback"), Stage::Chargeback, Status::NeedsResponse, Some(FundsMove::Withdrawn)),
        (
            fixture!("chargeback_without_status"),
            Stage::Chargeback,
            Status::NeedsResponse,
            Some(FundsMove::Withdrawn),
        ),
        (fixture!("information_supplied"), Stage::Chargeback, Status::UnderReview, None),
        (fixture!("request_for_information"), Stage::Inquiry, Status::NeedsResponse, None),
        (fixture!("information_supplied_to_inquiry"), Stage::Inquiry, Status::UnderReview, None),
        (fixture!("chargeback_reversed"), Stage::Chargeback, Status::Won, Some(FundsMove::Reinstated)),
        (fixture!("second_chargeback"), Stage::PreArbitration, Status::Lost, Some(FundsMove::Withdrawn)),
        (fixture!("defense_period_ended"), Stage::Chargeback, Status::Lost, None),
        (fixture!("prearbitration_open"), Stage::PreArbitration, Status::NeedsResponse, None),
        (fixture!("prearbitration_lost"), Stage::PreArbitration, Status::Lost, None),
    ];
    for (body, stage, status, funds) in rows {
        let event = event(body);
        let moved = match &event.news {
            News::Funds { moved, .. } => Some(*moved),
            News::Record { .. } | News::Notice { .. } => None,
        };
        let snapshot = event.snapshot().unwrap();
        let found = (snapshot.stage, snapshot.status, moved);
        assert_eq!(found, (stage, status, funds), "{}", event.name);
        assert!(snapshot.live && !snapshot.deadline_confirmed, "{}", event.name);
    }
}

#[test]
fn a_chargeback_is_read_to_the_last_field() {
    let event = event(fixture!("notification_of_chargeback"));
    assert_eq!(event.name, "NOTIFICATION_OF_CHARGEBACK");
    assert_eq!(event.as_of, at("2026-03-02T09:15:30Z"));
    let dispute = event.snapshot().unwrap();
    assert_eq!(dispute.dispute_ref, "KT7WQ2MXH4BZ6R82");
    assert_eq!(dispute.payment_ref.as_deref(), Some("JX5PL9VND3CQ8T46"));
    assert_eq!(dispute.charge_ref.as_deref(), Some("order-7731"));
    assert_eq!(dispute.provider_status, "Undefended");
    assert_eq!(dispute.amount.to_string(), "49.00 EUR");
    assert_eq!(dispute.respond_by, RespondBy::At(at("2026-03-20T08:15:30Z")), "the offset counts");
    assert_eq!(dispute.opened_at, at("2026-03-02T09:15:30Z"));
    assert_eq!(dispute.reason.category, Category::ProductNotReceived);
    assert_eq!(dispute.reason.network_code.as_deref(), Some("13.1"));
    assert_eq!(dispute.reason.network.as_deref(), Some("visa"));
    assert_eq!(dispute.reason.provider_reason, "Goods never came");
    assert_eq!(dispute.customer_ref.as_deref(), Some("shopper-58"));
}

#[test]
fn a_chargeback_without_a_status_asks_for_an_answer() {
    let dispute = dispute(fixture!("chargeback_without_status"));
    assert_eq!(dispute.status, Status::NeedsResponse);
    assert_eq!(dispute.respond_by, RespondBy::At(at("2026-04-13T23:59:59Z")));
    assert_eq!(dispute.provider_status, "CHARGEBACK");
    assert_eq!(dispute.reason.network_code.as_deref(), Some("4837"), "the blank before it is none of it");
    assert_eq!(
        (dispute.reason.category, dispute.reason.network.as_deref()),
        (Category::Fraud, Some("mastercard"))
    );
    assert_eq!(dispute.reason.provider_reason, "Sem autorização do titular");
}

#[test]
fn what_cannot_be_defended_is_told_and_what_adyen_defended_is_answered() {
    let noc = fixture!("notification_of_chargeback");
    let closed = with(noc, r#""defendable":"true""#, r#""defendable":"false""#);
    assert_eq!(dispute(&closed).respond_by, RespondBy::NotAllowed);
    let bare = with(&closed, r#""disputeStatus":"Undefended","#, "");
    assert_eq!(
        (dispute(&bare).status, dispute(&bare).respond_by),
        (Status::NeedsResponse, RespondBy::NotAllowed)
    );
    let auto = with(&bare, r#""defendable""#, r#""autoDefended":"true","defendable""#);
    assert_eq!(dispute(&auto).status, Status::UnderReview);
    assert_eq!(dispute(&auto).respond_by, RespondBy::At(at("2026-03-20T08:15:30Z")));
    for (key, word) in [("defendable", "TRUE"), ("defendable", "yes")] {
        let odd = with(noc, r#""defendable":"true""#, &format!(r#""{key}":"{word}""#));
        assert!(puzzle(&odd).contains(&format!("`{key}` is `{word}`")));
    }
}

/// The event does not say at which stage it stands: read as a question, it would end the cycle of a later stage and
/// open another one at the first.
#[test]
fn documents_that_are_there_before_the_defence_change_nothing() {
    let pending = r#""disputeStatus":"Pending""#;
    let supplied = fixture!("information_supplied");
    let asked = fixture!("information_supplied_to_inquiry");
    let wordless = with(supplied, &format!("{pending},"), "");
    for body in [
        with(supplied, pending, r#""disputeStatus":"Undefended""#),
        with(asked, r#""disputeStatus":"Responded""#, r#""disputeStatus":"Unresponded""#),
        wordless.clone(),
        with(supplied, pending, r#""autoDefended":"false""#),
        with(asked, r#""disputeStatus":"Responded","#, ""),
    ] {
        let reading = read(Source::Webhook, &body);
        let Reading::NotOurs { what } = reading else { panic!("{body}: {reading:?}") };
        assert!(what.starts_with("INFORMATION_SUPPLIED of ") && what.ends_with("changes nothing"), "{what}");
    }
    let defended = dispute(supplied);
    assert_eq!((defended.status, defended.evidence_staged), (Status::UnderReview, false));
    let by_adyen = with(supplied, pending, r#""autoDefended":"true""#);
    assert_eq!(dispute(&by_adyen).status, Status::UnderReview);
}

#[test]
fn amounts_are_read_in_the_units_that_adyen_counts_in() {
    let noc = fixture!("notification_of_chargeback");
    let told = |value: i64, code: &str| {
        let amount = format!(r#""amount":{{"currency":"{code}","value":{value}}}"#);
        with(noc, r#""amount":{"currency":"EUR","value":4900}"#, &amount)
    };
    let rows = [
        ("CLP", 490_000, "4,900 CLP"),
        ("ISK", 490_000, "4,900 ISK"),
        ("IDR", 4_900, "4,900.00 IDR"),
        ("CVE", 4_900, "4,900.00 CVE"),
        ("clp", 100, "1 CLP"),
        ("EUR", 4_900, "49.00 EUR"),
        ("JPY", 4_900, "4,900 JPY"),
        ("KWD", 4_900, "4.900 KWD"),
    ];
    for (code, value, amount) in rows {
        assert_eq!(dispute(&told(value, code)).amount.to_string(), amount, "{code} {value}");
    }
    for (code, value) in [("CLP", 4_950), ("ISK", 1), ("CLP", 99)] {
        let what = puzzle(&told(value, code));
        assert!(what.contains(&format!("`amount.value` is {value}")) && what.contains(code), "{what}");
    }
    for (code, value) in [("IDR", 1_000_000_000_000_000), ("CVE", 10_000_000_000_001)] {
        assert!(puzzle(&told(value, code)).contains("from 0 to 10^15"), "{code} {value}");
    }
    assert_eq!(dispute(&told(10_000_000_000_000, "IDR")).amount.minor, 1_000_000_000_000_000);
}

#[test]
fn deadlines_are_instants_and_absurd_ones_are_not_believed() {
    let noc = fixture!("notification_of_chargeback");
    let told = |text: &str| dispute(&with(noc, "2026-03-20T09:15:30+01:00", text)).respond_by;
    for text in [
        "2026-03-20T08:15:30Z",
        "2026-03-20T13:45:30+05:30",
        "2026-03-20T03:15:30-0500",
        " 2026-03-20T08:15:30.000+00:00 ",
    ] {
        assert_eq!(told(text), RespondBy::At(at("2026-03-20T08:15:30Z")), "{text}");
    }
    // No scheme gives more than 45 days: whoever wrote more wants it forgotten. Without a deadline a person is asked.
    assert_eq!(told("2026-04-17T11:15:30+02:00"), RespondBy::At(at("2026-04-17T09:15:30Z")));
    assert_eq!(told("2026-04-17T11:15:31+02:00"), RespondBy::Unstated);
    assert_eq!(told("2026-06-30T10:15:30+02:00"), RespondBy::Unstated);
    assert_eq!(told("2099-01-01T00:00:00+00:00"), RespondBy::Unstated);
    assert_eq!(told(""), RespondBy::Unstated);
    for text in ["2026-03-20", "2026-03-20T09:15:30", "20/03/2026", "1774000000", "1969-12-31T23:59:59Z"] {
        let what = puzzle(&with(noc, "2026-03-20T09:15:30+01:00", text));
        assert!(
            what.contains("`defensePeriodEndsAt` is") && what.contains("with an offset"),
            "{text}: {what}"
        );
    }
}

#[test]
fn a_warning_of_fraud_is_a_notice() {
    let event = event(fixture!("notification_of_fraud"));
    let News::Notice { notice } = &event.news else { panic!("{event:?}") };
    assert_eq!((notice.notice_ref.as_str(), notice.fraud_type.as_str()), ("MB3VN9KRJ5TC7Y62", "1"));
    assert_eq!(notice.payment_ref.as_deref(), Some("PL7XD4SZH2QW6B83"));
    assert!(notice.actionable && notice.live);
}

#[test]
fn comments_and_payments_change_nothing_and_unknown_events_are_not_passed_over() {
    let comments = read(Source::Webhook, fixture!("issuer_comments"));
    let Reading::NotOurs { what } = comments else { panic!("{comments:?}") };
    assert_eq!(what, "ISSUER_COMMENTS of KT7WQ2MXH4BZ6R82, which changes nothing");
    let paid = read(Source::Webhook, fixture!("authorisation"));
    assert_eq!(paid, Reading::NotOurs { what: "AUTHORISATION".to_owned() });
    for name in ["PREARBITRATION_POSTPONED", "chargeback", "CHARGEBACK ", "RETRIEVAL", "A\\u0007B"] {
        let body = with(fixture!("unknown_event"), "PREARBITRATION_POSTPONED", name);
        assert!(puzzle(&body).starts_with("item 1: `eventCode` is `"), "{name}");
    }
}

#[test]
fn fields_that_no_schema_knows_are_passed_over() {
    let lost = dispute(fixture!("prearbitration_lost"));
    assert_eq!(lost.payment_ref, None, "left out in the samples of several events");
    assert_eq!(lost.status, Status::Lost);
    let noc = fixture!("notification_of_chargeback");
    let odd = with(noc, r#""grossValue":"4900""#, r#""grossValue":4900,"x":{"y":[1]},"nofReasonCode":[{}]"#);
    assert_eq!(dispute(&odd), dispute(noc));
    let told = with(noc, r#""success":"true""#, r#""success":true"#);
    assert_eq!(dispute(&told), dispute(noc), "true is as good as \"true\"");
}

#[test]
fn nothing_unknown_becomes_a_verdict() {
    let noc = fixture!("notification_of_chargeback");
    let rows = [
        (r#""disputeStatus":"Undefended""#, r#""disputeStatus":"Paused""#, "`disputeStatus` is `Paused`"),
        (
            r#""disputeStatus":"Undefended""#,
            r#""disputeStatus":"undefended""#,
            "`disputeStatus` is `undefended`",
        ),
        (r#""disputeStatus":"Undefended""#, r#""disputeStatus":"""#, "`disputeStatus` is ``"),
        (r#""disputeStatus":"Undefended""#, r#""disputeStatus":null"#, "`disputeStatus` is `null`"),
        (
            r#""disputeStatus":"Undefended""#,
            r#""disputeStatus":"Won","disputeStatus":"Undefended""#,
            "duplicate field",
        ),
        (r#""success":"true""#, r#""success":"false""#, "`success` of NOTIFICATION_OF_CHARGEBACK is `false`"),
        (r#","success":"true""#, "", "`success` of NOTIFICATION_OF_CHARGEBACK is ``"),
        (r#""value":4900"#, r#""value":-1"#, "`amount.value` is -1"),
        (r#""value":4900"#, r#""value":1000000000000000001"#, "minor units from 0 to 10^15"),
        (r#""value":4900"#, r#""value":49.5"#, "invalid type: floating point"),
        (r#""value":4900"#, r#""value":"4900""#, "invalid type: string"),
        (r#""currency":"EUR""#, r#""currency":"QQQ""#, "`QQQ` is not an ISO 4217"),
        (r#""amount":{"currency":"EUR","value":4900},"#, "", "`amount` is missing"),
        (r#""amount":{"#, r#""amount":[],"was":{"#, "invalid type: sequence"),
        ("KT7WQ2MXH4BZ6R82", "", "`pspReference` is ``"),
        ("KT7WQ2MXH4BZ6R82", "../acceptDispute", "`pspReference` is `../acceptDispute`"),
        ("2026-03-02T10:15:30+01:00", "yesterday", "`eventDate` is `yesterday`"),
        (r#""eventDate":"2026-03-02T10:15:30+01:00","#, "", "`eventDate` is missing"),
        (r#""eventCode":"NOTIFICATION_OF_CHARGEBACK","#, "", "`eventCode` is missing"),
        (r#""live":"true""#, r#""live":"perhaps""#, "`live` is `perhaps`"),
        (r#""notificationItems":["#, r#""items":["#, "`notificationItems` is missing"),
        ("NotificationRequestItem", "Item", "missing field `NotificationRequestItem`"),
    ];
    for (from, to, words) in rows {
        let what = puzzle(&with(noc, from, to));
        assert!(what.contains(words), "{to}: {what}");
    }
    for body in ["", "[]", "null", "3", "\"x\"", "{", "<html>", "\u{feff}{}", "{}{}", "\u{0}", "{\"live\":7}"]
    {
        for source in Source::ALL {
            assert!(matches!(read(*source, body), Reading::Unrecognised { .. }), "{source} {body:?}");
        }
    }
}

#[test]
fn a_status_that_the_events_name_contradicts_is_not_believed() {
    let rows = [
        (fixture!("chargeback_reversed"), "Won", "Lost"),
        (fixture!("information_supplied"), "Pending", "Won"),
        (fixture!("defense_period_ended"), "Lost", "Won"),
        (fixture!("prearbitration_lost"), "Lost", "Won"),
        (fixture!("request_for_information"), "Unresponded", "Lost"),
    ];
    for (body, from, to) in rows {
        let status = |word: &str| format!(r#""disputeStatus":"{word}""#);
        let what = puzzle(&with(body, &status(from), &status(to)));
        assert!(what.contains(&format!("`disputeStatus` is `{to}`, which `")), "{what}");
    }
}

#[test]
fn an_ended_period_without_its_word_settles_nothing() {
    let ended = fixture!("defense_period_ended");
    for rest in ["", r#""autoDefended":"true","#, r#""defendable":"false","#, r#""rfiReasonCode":"127","#] {
        let what = puzzle(&with(ended, r#""disputeStatus":"Lost","#, rest));
        assert!(what.contains("Brazil") && what.contains("Customer Area"), "{rest}: {what}");
    }
    // With it, what it says: that nobody answered, somebody accepted, or the bank has the answer.
    for (word, status) in [
        ("Undefended", Status::Expired),
        ("Expired", Status::Expired),
        ("Accepted", Status::Accepted),
        ("Pending", Status::UnderReview),
        ("Lost", Status::Lost),
    ] {
        let told = with(ended, r#""disputeStatus":"Lost""#, &format!(r#""disputeStatus":"{word}""#));
        assert_eq!(dispute(&told).status, status, "{word}");
    }
}

#[test]
fn the_scheme_decides_what_its_code_means() {
    let noc = fixture!("notification_of_chargeback");
    let reason = |scheme: &str, code: &str| {
        let body =
            with(noc, r#""chargebackSchemeCode":"visa""#, &format!(r#""chargebackSchemeCode":"{scheme}""#));
        dispute(&with(
            &body,
            r#""chargebackReasonCode":"13.1""#,
            &format!(r#""chargebackReasonCode":"{code}""#),
        ))
        .reason
    };
    assert_eq!(reason("mc", " 4853").category, Category::General);
    assert_eq!(reason("amex", "c08 ").network_code.as_deref(), Some("C08"));
    let jcb = reason("jcb", "502");
    assert_eq!((jcb.category, jcb.network.as_deref()), (Category::Unknown, Some("jcb")));
    let bare = with(noc, r#""chargebackSchemeCode":"visa","#, "");
    assert_eq!(dispute(&bare).reason.network.as_deref(), Some("visa"), "the payment's method");
    let (inquiry, amex) = (dispute(fixture!("request_for_information")).reason, Some("amex"));
    assert_eq!((inquiry.network.as_deref(), inquiry.network_code.as_deref()), (amex, Some("127")));
    assert_eq!(inquiry.category, Category::Unrecognized);
}

#[test]
fn the_answer_to_a_call_tells_only_that_it_was_taken() {
    assert!(matches!(read(Source::Receipt, fixture!("done")), Reading::Acknowledged { .. }));
    for body in [fixture!("not_done"), fixture!("error"), fixture!("notification_of_chargeback")] {
        assert!(matches!(read(Source::Receipt, body), Reading::Unrecognised { .. }), "{body}");
    }
    for source in [Source::Poll, Source::ReadBack, Source::Webhook] {
        assert!(matches!(read(source, fixture!("done")), Reading::Unrecognised { .. }), "{source}");
    }
}
