//! Packets in Razorpay's words, and what the lint says of them.

use serde_json::{Value, json};

use super::super::contest::{Action, Contest};
use super::razorpay;
use crate::dispute::{Currency, Money};
use crate::evidence::{Field, FieldKind, Packet};
use crate::providers::Provider;

fn packet(text: &[(Field, &str)], files: &[(Field, &[&str])]) -> Packet {
    Packet {
        text: text.iter().map(|(f, t)| (*f, (*t).to_owned())).collect(),
        files: files.iter().map(|(f, ids)| (*f, ids.iter().map(|s| (*s).to_owned()).collect())).collect(),
        ..Packet::default()
    }
}

fn body(packet: &Packet, action: Action) -> Value {
    serde_json::to_value(Contest::new(packet, action)).unwrap()
}

fn lint(packet: &Packet, submit: bool) -> Vec<String> {
    razorpay().lint(packet, submit)
}

#[test]
fn every_file_field_has_its_place() {
    let places = [
        (Field::AccessActivityDocumentation, "access_activity_log"),
        (Field::CancellationDocumentation, "cancellation_proof"),
        (Field::CancellationPolicy, "refund_cancellation_policy"),
        (Field::CustomerCommunication, "customer_communication"),
        (Field::ExplanationLetter, "explanation_letter"),
        (Field::Receipt, "billing_proof"),
        (Field::RefundDocumentation, "refund_confirmation"),
        (Field::RefundPolicy, "refund_cancellation_policy"),
        (Field::ServiceDocumentation, "proof_of_service"),
        (Field::ShippingDocumentation, "shipping_proof"),
        (Field::TermsAndConditions, "term_and_conditions"),
    ];
    let others = [Field::CustomerSignature, Field::DuplicateChargeDocumentation, Field::UncategorizedFile];
    for (field, place) in places {
        let body = body(&packet(&[], &[(field, &["doc_1", "doc_2"])]), Action::Draft);
        assert_eq!(body, json!({ "action": "draft", place: ["doc_1", "doc_2"] }), "{field}");
    }
    for field in others {
        let body = body(&packet(&[], &[(field, &["doc_1"])]), Action::Submit);
        let others = json!([{ "type": field.as_str(), "document_ids": ["doc_1"] }]);
        assert_eq!(body, json!({ "action": "submit", "others": others }), "{field}");
    }
    let files = Field::ALL.iter().filter(|f| f.kind() == FieldKind::File).count();
    assert_eq!(files, places.len() + others.len(), "a file field without a place");
}

#[test]
fn two_policies_share_one_place_without_repeating_a_document() {
    let both: [(Field, &[&str]); 2] = [
        (Field::CancellationPolicy, &["doc_1", "doc_2"]),
        (Field::RefundPolicy, &["doc_2", "doc_3", "doc_3"]),
    ];
    let body = body(&packet(&[], &both), Action::Draft);
    assert_eq!(body["refund_cancellation_policy"], json!(["doc_1", "doc_2", "doc_3"]));
}

#[test]
fn the_own_summary_stands_alone_and_otherwise_one_is_composed_in_order() {
    let words = [
        (Field::ShippingTrackingNumber, "1Z-77"),
        (Field::CustomerName, " Meera Nair "),
        (Field::ServiceDate, "  "),
    ];
    let composed = body(&packet(&words, &[]), Action::Draft);
    assert_eq!(composed["summary"], "Customer name: Meera Nair\nShipping tracking number: 1Z-77");
    let mut with_own = words.to_vec();
    with_own.push((Field::Summary, "Delivered.\n"));
    assert_eq!(body(&packet(&with_own, &[]), Action::Draft)["summary"], "Delivered.");
    assert_eq!(body(&Packet::default(), Action::Draft), json!({ "action": "draft" }));
}

#[test]
fn an_amount_is_sent_only_when_a_part_is_contested() {
    let inr = Currency::parse("INR").unwrap();
    let part = Packet { amount: Some(Money::new(120_000, inr)), ..Packet::default() };
    assert_eq!(body(&part, Action::Submit), json!({ "action": "submit", "amount": 120_000 }));
}

#[test]
fn a_packet_within_the_limits_passes() {
    let fit = packet(&[(Field::Summary, &"é".repeat(1000))], &[(Field::Receipt, &["doc_1"])]);
    assert_eq!(lint(&fit, true), Vec::<String>::new());
    assert_eq!(lint(&Packet::default(), false), Vec::<String>::new(), "a draft may be empty");
}

#[test]
fn each_broken_limit_is_named() {
    let receipt: (Field, &[&str]) = (Field::Receipt, &["doc_1"]);
    let long = "é".repeat(1001);
    let composed = "x".repeat(990);
    let currency = |code| Currency::parse(code).unwrap();
    let amount = |minor, code| Packet {
        amount: Some(Money::new(minor, currency(code))),
        ..packet(&[], &[(Field::Receipt, &["doc_1"])])
    };
    let rows = [
        (packet(&[(Field::Summary, &long)], &[receipt]), "1001 characters"),
        (packet(&[(Field::CustomerName, &composed)], &[receipt]), "1005 characters"),
        (packet(&[(Field::Summary, "Delivered.")], &[]), "without a document"),
        (packet(&[], &[(Field::Receipt, &[])]), "without a document"),
        (packet(&[], &[(Field::Receipt, &["file_1Nx"])]), "`file_1Nx`"),
        (packet(&[], &[(Field::Receipt, &["doc_1/../2"])]), "`doc_1/../2`"),
        (packet(&[(Field::Receipt, "see attached")], &[receipt]), "takes files"),
        (packet(&[], &[(Field::Summary, &["doc_1"])]), "takes words"),
        (amount(-1, "INR"), "negative"),
        (amount(1_001, "KWD"), "must end in 0"),
    ];
    for (packet, words) in rows {
        let found = lint(&packet, true);
        assert_eq!(found.len(), 1, "{words}: {found:?}");
        assert!(found[0].contains(words), "{words}: {found:?}");
    }
    assert_eq!(lint(&amount(1_010, "KWD"), true), Vec::<String>::new());
    assert_eq!(lint(&packet(&[], &[]), false), Vec::<String>::new(), "documents are owed on submit only");
}
