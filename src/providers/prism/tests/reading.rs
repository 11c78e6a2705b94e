//! What kept answers mean: read again to the same, never more than they say, and nothing when they are damaged.

use bytes::Bytes;

use super::super::kept;
use super::super::service::{Service, Verb};
use super::wire::{bytes, message, number};
use super::{DISPUTE, now, prism};
use crate::dispute::{RespondBy, Source, Stage, Status};
use crate::providers::{Kept, Provider, Reading};

fn read(get: &str, source: Source, body: &[u8]) -> Reading {
    prism(get).events(&Kept { source, body, as_of: now() })
}

fn call(service: Service, verb: Verb, message: Vec<u8>) -> Bytes {
    kept::call(service, verb, &message.into())
}

/// Today's record, without the fields whose numbers are named.
fn record_but(left_out: &[u64], status: u64, stage: u64, currency: u64) -> Vec<u8> {
    let fields = [
        (1, bytes(1, DISPUTE)),
        (2, bytes(2, "PAY-44")),
        (3, number(3, status)),
        (4, number(4, stage)),
        (9, bytes(9, message(&[number(1, 4_599), number(2, currency)]))),
        (10, number(10, 1_772_000_000)),
        (13, number(13, 1_773_000_000)),
        (15, bytes(15, "13.1")),
    ];
    fields.into_iter().filter(|(n, _)| !left_out.contains(n)).flat_map(|(_, field)| field).collect()
}

fn got(message: Vec<u8>) -> Reading {
    read("real", Source::ReadBack, &call(Service::Types, Verb::Get, message))
}

#[test]
fn a_record_is_told_in_our_words() {
    let Reading::Events(events) = got(record_but(&[], 1, 2, 63)) else { panic!() };
    let snapshot = events[0].snapshot().unwrap();
    assert_eq!((snapshot.status, snapshot.stage), (Status::NeedsResponse, Stage::Chargeback));
    assert_eq!(snapshot.amount.to_string(), "45.99 INR");
    assert_eq!(snapshot.respond_by, RespondBy::At("2026-03-08T20:00:00Z".parse().unwrap()));
    assert_eq!(snapshot.payment_ref.as_deref(), Some("PAY-44"));
    assert!(snapshot.deadline_confirmed, "read over our own connection");
    let statuses = [
        (1, Status::NeedsResponse),
        (2, Status::Expired),
        (3, Status::Accepted),
        (4, Status::Cancelled),
        (5, Status::UnderReview),
        (6, Status::Won),
        (7, Status::Lost),
    ];
    for (number, status) in statuses {
        let Reading::Events(events) = got(record_but(&[], number, 2, 45)) else { panic!("{number}") };
        assert_eq!(events[0].snapshot().unwrap().status, status);
    }
    for (number, stage) in [(1, Stage::Inquiry), (2, Stage::Chargeback), (3, Stage::PreArbitration)] {
        let Reading::Events(events) = got(record_but(&[], 1, number, 45)) else { panic!("{number}") };
        assert_eq!(events[0].snapshot().unwrap().stage, stage);
    }
}

#[test]
fn an_amount_is_read_where_every_connector_counts_its_currency_alike() {
    for (number, amount) in [(69, "4,599 JPY"), (76, "4.599 KWD"), (159, "45.99 ZMW")] {
        let Reading::Events(events) = got(record_but(&[], 1, 2, number)) else { panic!("{number}") };
        assert_eq!(events[0].snapshot().unwrap().amount.to_string(), amount);
    }
    // Pesos of Chile: hundredths at one connector, and whole ones at another.
    let Reading::Unrecognised { what } = got(record_but(&[], 1, 2, 30)) else { panic!() };
    assert!(what.contains("different units"), "{what}");
}

#[test]
fn what_a_record_does_not_tell_is_not_made_up() {
    let lacking = [1, 3, 4, 9, 10].map(|n| record_but(&[n], 1, 2, 45));
    let unknown = [(8, 2, 45), (1, 4, 45), (1, 2, 999), (0, 2, 45), (1, 0, 45), (1, 2, 0)];
    let unknown = unknown.map(|(status, stage, currency)| record_but(&[], status, stage, currency));
    for bytes in lacking.into_iter().chain(unknown) {
        assert!(matches!(got(bytes.clone()), Reading::Unrecognised { .. }), "{bytes:?}");
    }
    let Reading::Events(events) = got(record_but(&[13], 1, 2, 45)) else { panic!() };
    assert_eq!(events[0].snapshot().unwrap().respond_by, RespondBy::Unstated);
    let Reading::Unrecognised { what } = got(Vec::new()) else { panic!() };
    assert!(what.contains("stub"), "{what}");
}

#[test]
fn an_answer_to_a_call_is_acknowledged_and_never_an_event() {
    for service in Service::ALL {
        for (verb, status_field, status) in
            [(Verb::Defend, 2, 5), (Verb::Accept, 2, 3), (Verb::SubmitEvidence, 3, 5)]
        {
            let taken = call(service, verb, message(&[bytes(1, DISPUTE), number(status_field, status)]));
            let reading = read("stub", Source::Receipt, &taken);
            assert!(matches!(reading, Reading::Acknowledged { .. }), "{service:?} {verb:?}: {reading:?}");
            let won = call(service, verb, message(&[bytes(1, DISPUTE), number(status_field, 6)]));
            let reading = read("stub", Source::Receipt, &won);
            assert!(matches!(reading, Reading::Unrecognised { .. }), "{service:?} {verb:?}: {reading:?}");
            let as_webhook = read("stub", Source::Webhook, &taken);
            assert!(matches!(as_webhook, Reading::Unrecognised { .. }), "{as_webhook:?}");
        }
    }
}

/// What Prism answers about a webhook.
fn handled(verified: bool, kind: u64, content: Option<Vec<u8>>) -> Bytes {
    let mut fields = vec![number(1, kind)];
    fields.extend(content.map(|dispute| bytes(2, bytes(3, dispute))));
    fields.extend(verified.then(|| number(3, 1)));
    kept::event(&message(&fields).into(), &Bytes::from_static(b"<notification/>"))
}

#[test]
fn an_answer_about_a_webhook_counts_with_its_verification_alone() {
    let whole = || Some(record_but(&[], 7, 2, 45));
    let Reading::Events(events) = read("stub", Source::Webhook, &handled(true, 17, whole())) else {
        panic!()
    };
    // The content decides where the kind of event says otherwise.
    assert_eq!(events[0].snapshot().unwrap().status, Status::Lost);
    assert!(!events[0].snapshot().unwrap().deadline_confirmed);
    let forged = read("stub", Source::Webhook, &handled(false, 23, whole()));
    assert!(matches!(&forged, Reading::Unrecognised { what } if what.contains("verify")), "{forged:?}");
    // As Prism answers in fact: neither amount nor date nor deadline.
    let bare = || Some(record_but(&[2, 9, 10, 13, 15], 1, 2, 45));
    let told = read("stub", Source::Webhook, &handled(true, 17, bare()));
    let Reading::Unrecognised { what } = &told else { panic!("{told:?}") };
    assert!(what.contains(DISPUTE) && what.contains("DISPUTE_OPENED"), "a person is told: {what}");
    let told = read("real", Source::Webhook, &handled(true, 17, bare()));
    let fetch = Reading::FetchFirst { dispute_ref: DISPUTE.to_owned(), name: "HandleEvent".to_owned() };
    assert_eq!(told, fetch, "where a Get tells more, it is asked");
    for kind in [17, 20, 23] {
        let told = read("stub", Source::Webhook, &handled(true, kind, None));
        assert!(matches!(told, Reading::Unrecognised { .. }), "{told:?}");
    }
    for kind in [0, 1, 16, 24] {
        let told = read("stub", Source::Webhook, &handled(true, kind, None));
        assert!(matches!(told, Reading::NotOurs { .. }), "{told:?}");
    }
    let told = read("real", Source::ReadBack, &handled(true, 17, whole()));
    assert!(matches!(told, Reading::Unrecognised { .. }), "{told:?}");
}

#[test]
fn a_kept_answer_that_was_damaged_says_nothing() {
    let whole = call(Service::Types, Verb::Get, record_but(&[], 6, 2, 45));
    let told = read("real", Source::ReadBack, &whole);
    for length in 0..whole.len() {
        let cut = read("real", Source::ReadBack, &whole[..length]);
        assert!(matches!(cut, Reading::Unrecognised { .. }), "{length} bytes: {cut:?}");
    }
    for n in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.to_vec();
            changed[n] ^= 1 << bit;
            let reading = read("real", Source::ReadBack, &changed);
            let harmless = matches!(reading, Reading::Unrecognised { .. }) || reading == told;
            assert!(harmless, "byte {n}, bit {bit}: {reading:?}");
        }
    }
}
