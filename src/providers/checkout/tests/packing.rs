//! Packets in Checkout.com's words, the constraints of its reference on what is sent, and what the lint says.

use std::collections::BTreeMap;

use super::super::evidence::body;
use super::checkout;
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

fn sent(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn lint(packet: &Packet) -> Vec<String> {
    let found = checkout().lint(packet, true);
    assert_eq!(found, checkout().lint(packet, false), "a draft is held to the same limits");
    found
}

/// The names that "Provide dispute evidence" takes.
const PLACES: [&str; 8] = [
    "proof_of_delivery_or_service",
    "invoice_or_receipt",
    "invoice_showing_distinct_transactions",
    "customer_communication",
    "refund_or_cancellation_policy",
    "recurring_transaction_agreement",
    "additional_evidence",
    "proof_of_delivery_or_service_date",
];

#[test]
fn every_field_has_its_place_and_the_place_is_one_that_is_taken() {
    for field in Field::ALL {
        let packet = match field.kind() {
            FieldKind::Text => packet(&[(*field, "words")], &[]),
            FieldKind::File => packet(&[], &[(*field, &["file_a"])]),
        };
        let body = body(&packet);
        assert_eq!(body.len(), 1, "{field}: {body:?}");
        let (name, value) = body.first_key_value().unwrap();
        let (place, kind) = name.rsplit_once('_').unwrap();
        assert!(PLACES.contains(&place), "{field}: {name}");
        match field.kind() {
            FieldKind::Text => assert!(kind == "text" && value.ends_with("words"), "{field}: {name}"),
            FieldKind::File => assert_eq!((kind, value.as_str()), ("file", "file_a"), "{field}"),
        }
        assert_eq!(lint(&packet), Vec::<String>::new(), "{field}");
    }
}

#[test]
fn what_matters_most_goes_where_a_reviewer_looks_for_it() {
    let rows: [(Field, &str); 8] = [
        (Field::ShippingDocumentation, "proof_of_delivery_or_service_file"),
        (Field::ServiceDocumentation, "proof_of_delivery_or_service_file"),
        (Field::Receipt, "invoice_or_receipt_file"),
        (Field::DuplicateChargeDocumentation, "invoice_showing_distinct_transactions_file"),
        (Field::CustomerCommunication, "customer_communication_file"),
        (Field::RefundPolicy, "refund_or_cancellation_policy_file"),
        (Field::TermsAndConditions, "recurring_transaction_agreement_file"),
        (Field::ExplanationLetter, "additional_evidence_file"),
    ];
    for (field, place) in rows {
        assert_eq!(body(&packet(&[], &[(field, &["file_a"])])), sent(&[(place, "file_a")]), "{field}");
    }
}

#[test]
fn words_of_one_place_stand_together_and_the_argument_stands_first() {
    let words = [
        (Field::CustomerName, " Ada Brook "),
        (Field::Summary, "It was delivered.\n"),
        (Field::ShippingCarrier, "DPD"),
        (Field::ShippingTrackingNumber, "15502-7"),
        (Field::ShippingDate, "2026-02-21"),
        (Field::UncategorizedText, "  "),
    ];
    let expected = sent(&[
        ("additional_evidence_text", "It was delivered.\nCustomer name: Ada Brook"),
        ("proof_of_delivery_or_service_text", "Shipping carrier: DPD\nShipping tracking number: 15502-7"),
        ("proof_of_delivery_or_service_date_text", "Shipping date: 2026-02-21"),
    ]);
    assert_eq!(body(&packet(&words, &[])), expected);
}

#[test]
fn a_second_file_of_a_place_goes_to_the_additional_ones_and_a_third_is_told_of() {
    let two: [(Field, &[&str]); 1] = [(Field::Receipt, &["file_a", "file_b"])];
    let expected = sent(&[("invoice_or_receipt_file", "file_a"), ("additional_evidence_file", "file_b")]);
    assert_eq!(body(&packet(&[], &two)), expected);
    assert_eq!(lint(&packet(&[], &two)), Vec::<String>::new());
    // What has a claim to `additional_evidence` is not driven out by another's second file.
    let letter: [(Field, &[&str]); 2] =
        [(Field::CustomerCommunication, &["file_a", "file_b"]), (Field::ExplanationLetter, &["file_c"])];
    let placed = body(&packet(&[], &letter));
    assert_eq!(placed["additional_evidence_file"], "file_c");
    let found = lint(&packet(&[], &letter));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`file_b`") && found[0].contains("one PDF"), "{found:?}");
    // The same file under two names is one file.
    let same: [(Field, &[&str]); 2] = [(Field::Receipt, &["file_a"]), (Field::RefundPolicy, &["file_a"])];
    assert_eq!(body(&packet(&[], &same)).len(), 1);
}

#[test]
fn each_broken_limit_is_named() {
    let fits = "é".repeat(500);
    let long = "é".repeat(501);
    assert_eq!(lint(&packet(&[(Field::Summary, &fits)], &[])), Vec::<String>::new());
    let gbp = Currency::parse("GBP").unwrap();
    let part =
        Packet { amount: Some(Money::new(100, gbp)), ..packet(&[(Field::Summary, "Half of it.")], &[]) };
    let rows = [
        (packet(&[], &[]), "no empty evidence"),
        (packet(&[(Field::Summary, " ")], &[]), "no empty evidence"),
        (packet(&[(Field::Summary, &long)], &[]), "`additional_evidence_text` would have 501 characters"),
        (packet(&[(Field::ShippingAddress, &fits)], &[]), "shorten `shipping_address`"),
        (packet(&[], &[(Field::Receipt, &["doc_1"])]), "`doc_1`"),
        (packet(&[], &[(Field::Receipt, &["file_1/../2"])]), "`file_1/../2`"),
        (packet(&[(Field::Receipt, "see attached")], &[]), "takes files"),
        (packet(&[], &[(Field::Summary, &["file_1"])]), "takes words"),
        (part, "the whole amount only"),
    ];
    for (packet, words) in rows {
        let found = lint(&packet);
        assert_eq!(found.len(), 1, "{words}: {found:?}");
        assert!(found[0].contains(words), "{words}: {found:?}");
    }
}
