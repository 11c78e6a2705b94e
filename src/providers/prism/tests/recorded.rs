//! Calls as they stand on the line, in both directions and byte for byte: what is sent under each service with each
//! form of headers, and what comes of every kind of answer. The fixture was written by hand from Prism's field
//! numbers, not by what is tested.

use serde_json::Value;

use super::stub::{Reply, Stub};
use super::{account, document, packet, prism};
use crate::evidence::{Field, Sending};
use crate::providers::{Account, Answer, Provider, Reading, Record};

const CALLS: &str = include_str!("../fixtures/calls.jsonl");
const DISPUTE: &str = "MB4KQ8ZT2WV6HX9R";

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn reply(exchange: &Value) -> Reply {
    match exchange.get("answer") {
        Some(answer) => Reply::Message(bytes(answer)),
        None => Reply::Status {
            code: i32::try_from(exchange["status"].as_i64().unwrap()).unwrap(),
            message: "as it was",
            details: bytes(&exchange["details"]),
        },
    }
}

/// The account that all of it is for.
fn hazel(line: &Value, address: &str) -> Account {
    let told = [
        ("connector", "adyen"),
        ("api_key", "AQE-Hazel-31"),
        ("merchant_account", "HazelKontor"),
        ("tenant", "kontor-7"),
        ("service", text(line, "service")),
        ("headers", text(line, "headers")),
    ];
    Account { merchant: "hazel".to_owned(), ..account(&told, address) }
}

async fn done(line: &Value, account: &Account) -> Answer<Record> {
    // The stub's answer of nothing is read as a server's whose Get is said to be real.
    let p = prism("real");
    match text(line, "do") {
        "accept" => p.accept(account, DISPUTE.into(), "act-0001").await.0,
        "read" => p.fetch(account, DISPUTE).await.0,
        "defend" => {
            let documents = [
                document(Field::Receipt, b"%PDF-1.7 hazel receipt"),
                document(Field::ShippingDocumentation, b"%PDF-1.7 hazel parcel"),
            ];
            let mut packet = packet(&documents);
            packet.text.insert(Field::ServiceDate, "2026-02-03".to_owned());
            packet.text.insert(Field::ShippingDate, "2026-02-05".to_owned());
            p.submit(account, DISPUTE.into(), Sending { packet: &packet, documents: &documents }, "act-0001")
                .await
                .0
        }
        other => panic!("{other}"),
    }
}

fn came_to(line: &Value, answer: &Answer<Record>) {
    let (what, expected) = (text(line, "what"), &line["comes_to"]);
    assert_eq!(answer.word(), text(expected, "word"), "{what}: {answer:?}");
    match answer {
        Answer::Refused { status, code, reason } => {
            assert_eq!(i64::from(*status), expected["status"].as_i64().unwrap(), "{what}");
            assert_eq!(code.as_deref(), expected["code"].as_str(), "{what}");
            assert!(reason.contains(text(expected, "reason")), "{what}: {reason}");
        }
        Answer::Receipt(record) => {
            let shown = String::from_utf8_lossy(&record.raw);
            let key = base64_of("AQE-Hazel-31");
            assert!(
                !shown.contains("AQE-Hazel") && !key.iter().any(|k| shown.contains(k)),
                "{what}: {shown}"
            );
            match &record.reading {
                Reading::Events(events) => {
                    let amount = events[0].snapshot().unwrap().amount.to_string();
                    assert_eq!(amount, text(expected, "amount"), "{what}");
                }
                Reading::Acknowledged { .. } => assert!(expected["amount"].is_null(), "{what}"),
                Reading::Partly { .. }
                | Reading::FetchFirst { .. }
                | Reading::NotOurs { .. }
                | Reading::Unrecognised { .. } => panic!("{what}: {:?}", record.reading),
            }
        }
        Answer::Retry { .. } | Answer::Unknown { .. } => {}
    }
}

/// How a text may look inside base64, at each of the three places it can begin at.
fn base64_of(text: &str) -> [String; 3] {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    [0, 1, 2].map(|before| {
        let encoded = STANDARD_NO_PAD.encode([&b"???"[..before], text.as_bytes()].concat());
        let whole = (before * 8).div_ceil(6)..(before + text.len()) * 8 / 6;
        encoded[whole].to_owned()
    })
}

#[tokio::test]
async fn every_call_is_on_the_line_as_it_was_written_down() {
    let mut seen = std::collections::BTreeSet::new();
    for line in CALLS.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let what =
            format!("{} ({}, {})", text(&line, "what"), text(&line, "service"), text(&line, "headers"));
        let exchanges = line["exchanges"].as_array().unwrap();
        let stub = Stub::answering(exchanges.iter().map(reply)).await;
        let answer = done(&line, &hazel(&line, &stub.address)).await;
        came_to(&line, &answer);
        let calls = stub.calls();
        assert_eq!(calls.len(), exchanges.len(), "{what}");
        for (call, exchange) in calls.iter().zip(exchanges) {
            assert_eq!(call.path, text(exchange, "path"), "{what}");
            assert_eq!(hex::encode(&call.message), text(exchange, "message"), "{what}: {}", call.path);
            let ours = call.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-"));
            let mut sent: serde_json::Map<String, Value> =
                ours.map(|(n, v)| (n.to_string(), v.to_str().unwrap().into())).collect();
            // A read is named after what it reads: it is no action.
            if text(&line, "do") == "read" {
                assert_eq!(sent["x-request-id"], DISPUTE, "{what}");
                sent.insert("x-request-id".to_owned(), "act-0001".into());
            }
            assert_eq!(Value::Object(sent), line["metadata"], "{what}");
            seen.insert((
                text(&line, "service").to_owned(),
                text(&line, "headers").to_owned(),
                call.path.clone(),
            ));
        }
    }
    assert_eq!(seen.len(), 3 * 3 * 4, "every call of every service in every form");
}
