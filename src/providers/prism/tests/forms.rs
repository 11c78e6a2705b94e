//! The bytes of each form, both ways, against protobuf written by hand from the field numbers.

use super::super::proto::types::{EvidenceDocument, EvidenceType};
use super::super::request::{Ask, What};
use super::super::response::{Fault, Record, Told, record, told};
use super::super::service::{Service, Verb};
use super::wire::{bytes, message, number};

const ID: &str = "QX7TWPM4KJ9R2C8V";

fn ask(what: What<'_>) -> Ask<'_> {
    Ask { dispute_ref: ID, payment_ref: Some("PAY-44"), what }
}

/// An id as text, or in a message of its own.
fn id(service: Service, id: &str) -> Vec<u8> {
    match service {
        Service::Types => id.as_bytes().to_vec(),
        Service::UcsV2 | Service::UcsV2Renamed => bytes(1, id),
    }
}

#[test]
fn a_defence_is_the_same_but_for_its_ids() {
    for service in Service::ALL {
        let sent = ask(What::Defend { reason_code: "SupplyDefenseMaterial" }).encode(service);
        let expected = message(&[
            bytes(1, id(service, ID)),
            bytes(2, id(service, "PAY-44")),
            bytes(3, ID),
            bytes(4, "SupplyDefenseMaterial"),
        ]);
        assert_eq!(sent, expected, "{service:?}");
    }
}

#[test]
fn an_acceptance_is_a_defence_without_a_reason() {
    for service in Service::ALL {
        let sent = ask(What::Accept).encode(service);
        let expected = message(&[bytes(1, id(service, ID)), bytes(2, id(service, "PAY-44")), bytes(3, ID)]);
        assert_eq!(sent, expected, "{service:?}");
    }
}

#[test]
fn a_payment_that_is_not_known_is_left_out() {
    for service in Service::ALL {
        let sent = Ask { payment_ref: None, ..ask(What::Accept) }.encode(service);
        assert_eq!(sent, message(&[bytes(1, id(service, ID)), bytes(3, ID)]), "{service:?}");
    }
}

#[test]
fn evidence_carries_its_bytes_its_kind_and_its_dates() {
    let document = |kind: EvidenceType, content: &'static [u8]| EvidenceDocument {
        evidence_type: kind.into(),
        file_content: Some(content.into()),
        file_mime_type: Some("image/png".to_owned()),
        provider_file_id: None,
        text_content: None,
    };
    for service in Service::ALL {
        let sent = ask(What::SubmitEvidence {
            service_date: Some(1_772_323_200),
            shipping_date: None,
            documents: vec![
                document(EvidenceType::Receipt, b"\x89PNG-1"),
                document(EvidenceType::UncategorizedFile, b"\x89PNG-2"),
            ],
        })
        .encode(service);
        let file =
            |kind, content: &[u8]| message(&[number(1, kind), bytes(2, content), bytes(3, "image/png")]);
        let expected = message(&[
            bytes(1, id(service, ID)),
            bytes(2, id(service, "PAY-44")),
            bytes(3, ID),
            number(4, 1_772_323_200),
            bytes(6, file(4, b"\x89PNG-1")),
            bytes(6, file(10, b"\x89PNG-2")),
        ]);
        assert_eq!(sent, expected, "{service:?}");
    }
}

#[test]
fn a_get_asks_by_the_connectors_id() {
    for service in Service::ALL {
        let sent = ask(What::Get).encode(service);
        assert_eq!(sent, message(&[bytes(1, id(service, ID)), bytes(3, ID)]), "{service:?}");
    }
}

/// `types.ErrorInfo` with what a connector said.
fn error() -> Vec<u8> {
    let connector =
        message(&[bytes(1, "10_033"), bytes(2, "Not defendable"), bytes(3, "The period is over")]);
    let unified = message(&[bytes(1, "UE"), bytes(2, "unified words")]);
    message(&[bytes(1, unified), bytes(3, connector)])
}

fn fault() -> Option<Fault> {
    Some(Fault { code: Some("10_033".to_owned()), words: "Not defendable: The period is over".to_owned() })
}

/// The answer to `verb` in that form, with everything in it, and without the copy of the request to the connector.
fn answers(service: Service, verb: Verb) -> (Vec<u8>, Vec<u8>) {
    let header = message(&[bytes(1, "x-b"), bytes(2, "2")]);
    let first = message(&[bytes(1, "x-z"), bytes(2, "1")]);
    let copy = bytes(1, "{\"x-api-key\":\"AQEq-91z\"}");
    let echo = id(service, ID);
    let evidence = verb == Verb::SubmitEvidence;
    // Everything after the status is one number further where the ids of the documents stand before it.
    let n = |n: u64| if evidence { n + 1 } else { n };
    let mut fields = vec![bytes(1, ID)];
    if evidence {
        fields.push(bytes(2, "doc-1"));
    }
    fields.push(number(n(2), 5));
    let (secret, rest) = match service {
        Service::Types | Service::UcsV2Renamed => {
            fields.extend([bytes(n(4), error()), number(n(5), 200), bytes(n(6), first), bytes(n(6), header)]);
            fields.push(bytes(n(7), echo));
            (bytes(n(8), copy), Vec::new())
        }
        Service::UcsV2 => {
            fields.extend([
                bytes(n(4), "10_033"),
                bytes(n(5), "Not defendable"),
                bytes(n(6), echo),
                number(n(7), 200),
                bytes(n(8), first),
                bytes(n(8), header),
            ]);
            (bytes(n(9), copy), bytes(n(10), "The period is over"))
        }
    };
    let clean = [message(&fields), rest.clone()].concat();
    (([message(&fields), secret, rest].concat()), clean)
}

#[test]
fn an_answer_is_read_in_the_form_of_its_service_and_kept_without_the_secret_in_it() {
    for service in Service::ALL {
        for verb in [Verb::Defend, Verb::Accept, Verb::SubmitEvidence] {
            let (sent, clean) = answers(service, verb);
            let (read, kept) = told(service, verb, &sent).unwrap();
            let expected = Told { dispute_ref: ID.to_owned(), status: 5, http_status: 200, fault: fault() };
            assert_eq!(read, expected, "{service:?} {verb:?}");
            assert_eq!(kept, clean, "{service:?} {verb:?}: byte for byte, headers in their order");
            assert!(!String::from_utf8_lossy(&kept).contains("AQEq"), "{service:?} {verb:?}");
        }
    }
}

#[test]
fn an_answer_in_the_numbers_of_the_other_age_is_not_read_at_all() {
    for verb in [Verb::Defend, Verb::Accept, Verb::SubmitEvidence] {
        for (spoken, read_as) in [(Service::Types, Service::UcsV2), (Service::UcsV2, Service::Types)] {
            let (sent, _) = answers(spoken, verb);
            let why = told(read_as, verb, &sent).unwrap_err();
            assert!(why.contains("`service`"), "{verb:?}: {why}");
        }
    }
}

#[test]
fn an_answer_that_says_little_is_read_as_little() {
    // A defence that Prism took and the connector refused, as old answers said it: status 6 and nothing else.
    let (read, _) = told(Service::UcsV2, Verb::Defend, &message(&[bytes(1, ID), number(2, 6)])).unwrap();
    assert_eq!(read, Told { dispute_ref: ID.to_owned(), status: 6, http_status: 0, fault: None });
    let (read, kept) = told(Service::Types, Verb::Accept, b"").unwrap();
    assert_eq!((read.status, read.dispute_ref.as_str(), kept.len()), (0, "", 0));
    // An error without words is an error.
    let (read, _) = told(Service::Types, Verb::Accept, &message(&[bytes(4, ""), number(5, 200)])).unwrap();
    assert!(read.fault.is_some());
}

#[test]
fn a_record_is_read_in_the_form_of_its_service() {
    let expected = Record {
        dispute_ref: Some(ID.to_owned()),
        payment_ref: Some("PAY-44".to_owned()),
        status: 1,
        stage: 2,
        amount: Some((4_599, 45)),
        opened_s: Some(1_772_000_000),
        due_s: Some(1_773_000_000),
        reason: Some("13.1".to_owned()),
        message: Some("Chargeback".to_owned()),
        connector_status: None,
        fault: None,
    };
    let money = message(&[number(1, 4_599), number(2, 45)]);
    for service in Service::ALL {
        let mut fields = vec![bytes(1, ID), bytes(2, id(service, "PAY-44")), number(3, 1), number(4, 2)];
        match service {
            Service::Types | Service::UcsV2Renamed => fields.extend([number(7, 200), bytes(9, &money)]),
            Service::UcsV2 => fields.extend([number(8, 4_599), number(9, 45)]),
        }
        fields.extend([
            number(10, 1_772_000_000),
            number(13, 1_773_000_000),
            bytes(15, "13.1"),
            bytes(16, "Chargeback"),
        ]);
        assert_eq!(record(service, &message(&fields)).unwrap().0, expected, "{service:?}");
        assert_eq!(record(service, b"").unwrap().0, Record::default(), "{service:?}: the stub");
    }
}
