//! What a call comes to, for every way in which Prism, a connector behind it or the line between can answer.

use std::time::Duration;

use super::stub::{Reply, Stub};
use super::wire::{bytes, message, number};
use super::{ADYEN, DISPUTE, account, document, packet, prism, started, with};
use crate::evidence::{Field, Sending};
use crate::providers::prism::Prism;
use crate::providers::{Account, Answer, CallLog, Provider, Reading, Record, Target};

pub(super) type Called = (Answer<Record>, Vec<CallLog>);

/// An answer of today's form with that status of a dispute.
pub(super) fn status(status: u64) -> Vec<u8> {
    message(&[bytes(1, DISPUTE), number(2, status), number(5, 200)])
}

/// The same for SubmitEvidence.
fn supplied(status: u64) -> Vec<u8> {
    message(&[bytes(1, DISPUTE), number(3, status), number(6, 200)])
}

/// A ConnectorError with an HTTP status.
fn connector(http: u64) -> Vec<u8> {
    let said = message(&[bytes(1, "702"), bytes(2, "Quite impossible")]);
    message(&[
        bytes(1, "Quite impossible"),
        bytes(2, "CONNECTOR_ERROR_RESPONSE"),
        number(3, http),
        bytes(4, bytes(3, said)),
    ])
}

fn integration(code: &str, words: &str) -> Vec<u8> {
    message(&[bytes(1, words), bytes(2, code), bytes(4, "https://prism.example/errors")])
}

pub(super) fn failed(code: i32, details: Vec<u8>) -> Reply {
    Reply::Status { code, message: "as it was", details }
}

pub(super) async fn accept(p: &Prism, account: &Account) -> Called {
    p.accept(account, DISPUTE.into(), "act-0001").await
}

async fn submit(p: &Prism, account: &Account) -> Called {
    let documents = [document(Field::Receipt, b"%PDF-1"), document(Field::ShippingDocumentation, b"%PDF-2")];
    let packet = packet(&documents);
    p.submit(account, DISPUTE.into(), Sending { packet: &packet, documents: &documents }, "act-0001").await
}

/// What an acceptance comes to that is answered so.
async fn accepted(reply: Reply) -> Called {
    let stub = Stub::answering([reply]).await;
    accept(&prism("stub"), &account(ADYEN, &stub.address)).await
}

/// What a defence comes to whose documents were taken.
async fn defended(reply: Reply) -> Called {
    let stub = Stub::answering([Reply::Message(supplied(5)), reply]).await;
    submit(&prism("stub"), &account(ADYEN, &stub.address)).await
}

pub(super) fn acknowledged(answer: &Answer<Record>) -> bool {
    matches!(answer, Answer::Receipt(Record { reading: Reading::Acknowledged { .. }, .. }))
}

#[tokio::test]
async fn a_call_that_was_taken_is_acknowledged_and_never_an_outcome() {
    let (answer, logs) = accepted(Reply::Message(status(3))).await;
    let Answer::Receipt(record) = &answer else { panic!("{answer:?}") };
    assert!(acknowledged(&answer), "{answer:?}");
    assert_eq!(record.as_of.to_rfc3339(), "2026-03-12T09:30:00+00:00", "the server's date");
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].request, "gRPC /types.DisputeService/Accept");
    assert_eq!((logs[0].status, logs[0].provider_request_ref.as_deref()), (Some(200), Some("req-7Q")));
    let (answer, logs) = defended(Reply::Message(status(5))).await;
    assert!(acknowledged(&answer), "{answer:?}");
    let called: Vec<_> = logs.iter().map(|l| l.request.as_str()).collect();
    assert_eq!(called, ["gRPC /types.DisputeService/SubmitEvidence", "gRPC /types.DisputeService/Defend"]);
}

#[tokio::test]
async fn what_an_answer_does_not_say_in_so_many_words_is_not_confirmed() {
    // Won and lost are what Prism makes of a no and, once mended, of a yes: the byte is the same.
    for number in [0, 1, 2, 3, 4, 6, 7, 99] {
        let (answer, _) = defended(Reply::Message(status(number))).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "Defend {number}: {answer:?}");
    }
    for number in [0, 1, 2, 4, 5, 6, 7, 99] {
        let (answer, _) = accepted(Reply::Message(status(number))).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "Accept {number}: {answer:?}");
    }
    let other = message(&[bytes(1, "QX7TWPM4KJ9R2C8X"), number(2, 3), number(5, 200)]);
    let nobody = message(&[number(2, 3), number(5, 200)]);
    for (answer, what) in [(other, "another dispute"), (nobody, "no dispute"), (Vec::new(), "nothing")] {
        let (answer, _) = accepted(Reply::Message(answer)).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn an_error_beside_an_answer_is_the_connectors_word() {
    let error = bytes(3, message(&[bytes(1, "No error code"), bytes(2, "Past the period")]));
    let answer = |dispute_status, http| {
        message(&[bytes(1, DISPUTE), number(2, dispute_status), bytes(4, &error), number(5, http)])
    };
    // HTTP 200 with a no in it, the same under Defend's wrong word, and older servers' 4xx.
    for (dispute_status, http) in [(0, 200), (6, 200), (0, 422), (0, 404)] {
        let (answer, _) = defended(Reply::Message(answer(dispute_status, http))).await;
        let Answer::Refused { status, code, reason } = answer else { panic!("{http}: {answer:?}") };
        assert_eq!(u64::from(status), http);
        assert_eq!((code.as_deref(), reason.as_str()), (Some("No error code"), "Past the period"));
    }
    for (dispute_status, http) in [(0, 500), (0, 503), (0, 408), (0, 0), (5, 200)] {
        let (answer, _) = defended(Reply::Message(answer(dispute_status, http))).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{dispute_status} {http}: {answer:?}");
    }
    let (answer, _) = defended(Reply::Message(answer(0, 429))).await;
    assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_status_means_what_its_details_say() {
    // The connector's HTTP status decides, whatever gRPC code Prism made of it.
    for (http, code, word) in [
        (400, 3, "refused"),
        (401, 16, "refused"),
        (403, 7, "refused"),
        (404, 5, "refused"),
        (422, 2, "refused"),
        (429, 8, "retry"),
        (408, 2, "unknown"),
        (500, 13, "unknown"),
        (501, 12, "unknown"),
        (503, 14, "unknown"),
        (504, 4, "unknown"),
        (302, 2, "unknown"),
    ] {
        let (answer, logs) = accepted(failed(code, connector(http))).await;
        assert_eq!(answer.word(), word, "HTTP {http}: {answer:?}");
        if let Answer::Refused { status, code, reason } = answer {
            assert_eq!((u64::from(status), code.as_deref()), (http, Some("702")));
            assert_eq!(reason, "Quite impossible");
        }
        assert_eq!(logs[0].provider_request_ref.as_deref(), Some("req-7Q"));
        assert!(logs[0].error.is_some());
    }
    for word in [
        "RESPONSE_DESERIALIZATION_FAILED",
        "RESPONSE_HANDLING_FAILED",
        "UNEXPECTED_RESPONSE_ERROR",
        "INTEGRITY_CHECK_FAILED",
    ] {
        for code in [3, 13] {
            let details = message(&[bytes(1, "it was asked"), bytes(2, word), number(3, 200)]);
            let (answer, _) = accepted(failed(code, details)).await;
            assert!(matches!(answer, Answer::Unknown { .. }), "{word}: {answer:?}");
        }
    }
    for word in ["MISSING_REQUIRED_FIELD", "INVALID_DATA_FORMAT", "INVALID_CONNECTOR_CONFIG"] {
        let (answer, _) = accepted(failed(3, integration(word, "no such field"))).await;
        let Answer::Refused { status: 0, code, reason } = answer else { panic!("{answer:?}") };
        assert_eq!(code.as_deref(), Some(word));
        assert!(reason.contains("no such field"), "{reason}");
    }
    for junk in [&b"\xff\xff\xff"[..], b"\x0a\x05abc", b"\x12\x00"] {
        let (answer, _) = accepted(failed(3, junk.to_vec())).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{junk:?}: {answer:?}");
    }
}

#[tokio::test]
async fn what_prism_does_not_have_is_told_with_what_to_do() {
    let details =
        integration("NOT_IMPLEMENTED", "This feature is not implemented: accept_dispute flow for stripe");
    let stub = Stub::answering([failed(9, details)]).await;
    let told = [("connector", "stripe"), ("api_key", "sk_live_6Q")];
    let (answer, _) = accept(&prism("stub"), &account(&told, &stub.address)).await;
    let Answer::Refused { status: 0, code, reason } = answer else { panic!("{answer:?}") };
    assert_eq!(code.as_deref(), Some("NOT_IMPLEMENTED"));
    for word in ["Accept", "stripe", "nothing was sent", "dashboard"] {
        assert!(reason.contains(word), "{word}: {reason}");
    }
    // A server that does not know the path: another version's, or none of Prism at all.
    let (answer, _) = accepted(failed(12, Vec::new())).await;
    let Answer::Refused { status: 0, code, reason } = answer else { panic!("{answer:?}") };
    assert_eq!(code.as_deref(), Some("UNIMPLEMENTED"));
    assert!(reason.contains("`service`") && reason.contains("ucs.v2"), "{reason}");
}

#[tokio::test]
async fn a_status_without_details_is_a_no_only_where_nothing_can_have_been_asked() {
    for code in 1..=16 {
        let refused = [3, 5, 7, 9, 12, 16].contains(&code);
        let (answer, _) = accepted(failed(code, Vec::new())).await;
        assert_eq!(answer.word(), if refused { "refused" } else { "unknown" }, "{code}: {answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_proves_nothing() {
    for reply in [
        Reply::NoStatus(status(3)),
        Reply::CutShort(status(3)),
        Reply::Html(200),
        Reply::Html(404),
        Reply::Html(502),
        Reply::HangUp,
        Reply::Message(b"\x08".to_vec()),
        Reply::Message(b"<html>".to_vec()),
    ] {
        let what = format!("{reply:?}");
        let (answer, logs) = accepted(reply).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{what}: {answer:?}");
        assert_eq!(logs.len(), 1);
    }
}

#[tokio::test]
async fn no_answer_within_the_deadline_is_unknown_and_the_server_is_told_the_deadline() {
    let stub = Stub::answering([Reply::Never]).await;
    let (answer, logs) = accept(&started("stub", 150), &account(ADYEN, &stub.address)).await;
    let Answer::Unknown { why } = answer else { panic!("{answer:?}") };
    assert!(why.contains("deadline"), "{why}");
    assert_eq!(logs[0].status, None);
    assert_eq!(stub.calls()[0].headers["grpc-timeout"], "150000u");
}

#[tokio::test]
async fn the_service_and_the_headers_are_the_accounts() {
    for (service, path, form) in [
        ("types", "/types.DisputeService/Accept", "x-connector-config"),
        ("ucs.v2", "/ucs.v2.DisputeService/Accept", "x-auth"),
        ("ucs.v2-2026-03-05", "/ucs.v2.DisputeService/Accept", "x-auth"),
    ] {
        let answer = match service {
            "ucs.v2" => message(&[bytes(1, DISPUTE), number(2, 3), number(7, 200)]),
            _ => status(3),
        };
        let stub = Stub::answering([Reply::Message(answer)]).await;
        let (answer, _) =
            accept(&prism("stub"), &account(&with(ADYEN, &[("service", service)]), &stub.address)).await;
        assert!(acknowledged(&answer), "{service}: {answer:?}");
        let call = &stub.calls()[0];
        assert_eq!(call.path, path);
        assert!(call.headers.contains_key(form), "{service}: {:?}", call.headers);
        assert!(call.headers["user-agent"].to_str().unwrap().starts_with("respondby/"));
    }
    for (setting, word) in [("service", "v3"), ("headers", "cookie"), ("reason_codes", "loud")] {
        let (answer, logs) =
            accept(&prism("stub"), &account(&with(ADYEN, &[(setting, word)]), "http://127.0.0.1:9")).await;
        let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{answer:?}") };
        assert!(reason.contains(setting) && reason.contains(word) && logs.is_empty(), "{reason}");
    }
}

#[tokio::test]
async fn a_defence_waits_for_its_documents_to_be_taken() {
    let no = message(&[bytes(5, bytes(3, bytes(2, "Too late"))), number(6, 200)]);
    let rows = [
        (Reply::Message(no), "refused"),
        (failed(3, connector(400)), "refused"),
        // Supplying documents twice does no harm at this connector.
        (failed(13, connector(500)), "retry"),
        (Reply::Message(supplied(6)), "retry"),
        (Reply::HangUp, "retry"),
    ];
    for (reply, word) in rows {
        let what = format!("{reply:?}");
        let stub = Stub::answering([reply, Reply::Message(status(5))]).await;
        let (answer, _) = submit(&prism("stub"), &account(ADYEN, &stub.address)).await;
        assert_eq!(answer.word(), word, "{what}: {answer:?}");
        assert_eq!(stub.calls().len(), 1, "{what}: no defence without its documents");
    }
}

/// One connector submits with SubmitEvidence and drops the bytes: a defence without evidence, for good. Where that
/// is not known to be otherwise nothing is sent, neither the documents nor a defence that has none.
#[tokio::test]
async fn no_defence_goes_to_a_connector_that_may_drop_its_documents() {
    let stub = Stub::answering([Reply::Message(supplied(5)), failed(8, connector(429))]).await;
    for connector in ["stripe", "razorpay", "novalnet"] {
        let told = [("connector", connector), ("api_key", "sk_live_6Q")];
        let account = account(&told, &stub.address);
        let (answer, logs) = submit(&prism("stub"), &account).await;
        let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{answer:?}") };
        for word in [connector, "nothing was sent", "documents", "dashboard"] {
            assert!(reason.contains(word), "{word}: {reason}");
        }
        assert!(logs.is_empty());
        let bare = packet(&[]);
        let (answer, logs) =
            prism("stub").submit(&account, DISPUTE.into(), Sending::of(&bare), "act-0001").await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }) && logs.is_empty(), "{answer:?}");
    }
    assert!(stub.calls().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_that_prism_would_pass_on_empty() {
    let stub = Stub::answering([Reply::Message(status(3))]).await;
    let (p, account) = (prism("stub"), account(ADYEN, &stub.address));
    for id in ["", " ", "a b", "../x", "ü"] {
        let (answer, _) = p.accept(&account, id.into(), "act-0001").await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{id:?}: {answer:?}");
    }
    let documents = [document(Field::Receipt, b"%PDF-1")];
    let whole = packet(&documents);
    let without_reason = crate::evidence::Packet { defence_reason: None, ..whole.clone() };
    let empty_reason = crate::evidence::Packet { defence_reason: Some(String::new()), ..whole.clone() };
    let empty = [document(Field::Receipt, b"")];
    for (packet, documents, word) in [
        (&without_reason, &documents[..], "reason"),
        (&empty_reason, &documents, "reason"),
        (&whole, &[], "bytes"),
        (&whole, &empty, "empty"),
    ] {
        let (answer, logs) =
            p.submit(&account, DISPUTE.into(), Sending { packet, documents }, "act-0001").await;
        let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{word}: {answer:?}") };
        assert!(reason.contains(word) && logs.is_empty(), "{word}: {reason}");
    }
    assert!(stub.calls().is_empty());
}

#[tokio::test]
async fn a_throttled_call_was_not_made_and_waits() {
    let (answer, _) = accepted(failed(8, connector(429))).await;
    let Answer::Retry { after, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(after, Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn the_connectors_id_of_the_payment_goes_along_where_it_is_known() {
    const PAYMENT: &str = "PAYK7WQ2M9X4R1TZ";
    let known = Target { dispute_ref: DISPUTE, payment_ref: Some(PAYMENT) };
    for (target, named) in
        [(known, true), (Target { payment_ref: Some(""), ..known }, false), (DISPUTE.into(), false)]
    {
        let stub = Stub::answering([Reply::Message(status(3))]).await;
        let (p, account) = (prism("stub"), account(ADYEN, &stub.address));
        p.accept(&account, target, "act-0001").await;
        let payment = if named { bytes(2, PAYMENT) } else { Vec::new() };
        let expected = message(&[bytes(1, DISPUTE), payment.clone(), bytes(3, DISPUTE)]);
        assert_eq!(stub.calls()[0].message, expected, "{target:?}");
        // The documents and the defence alike.
        let stub = Stub::answering([Reply::Message(supplied(5)), Reply::Message(status(5))]).await;
        let account = super::account(ADYEN, &stub.address);
        let documents = [document(Field::Receipt, b"%PDF-1")];
        let packet = packet(&documents);
        let sending = Sending { packet: &packet, documents: &documents };
        p.submit(&account, target, sending, "act-0001").await;
        let (calls, start) = (stub.calls(), message(&[bytes(1, DISPUTE), payment, bytes(3, DISPUTE)]));
        assert_eq!(calls.len(), 2, "{target:?}");
        for call in calls {
            assert!(call.message.starts_with(&start), "{}: {target:?}", call.path);
        }
    }
}
