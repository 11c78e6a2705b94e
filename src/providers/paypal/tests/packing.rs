//! Packets: what they become, what they break, and the specification's limits on every piece of them.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{fixture, json as parsed};
use crate::dispute::{Currency, Money};
use crate::evidence::{Document, Field, FieldKind, FileRef, Packet};
use crate::providers::paypal::evidence::{Input, files, lint};
use crate::providers::paypal::wire;

fn words(text: &[(Field, &str)]) -> Packet {
    Packet { text: text.iter().map(|(f, t)| (*f, (*t).to_owned())).collect(), ..Packet::default() }
}

fn record() -> wire::Dispute {
    serde_json::from_str(fixture!("record")).unwrap()
}

fn input(packet: &Packet, documents: &[Document]) -> Value {
    serde_json::to_value(Input::new(packet, &files(documents), &record())).unwrap()
}

fn document(field: Field, name: &str) -> Document {
    let media_type = "application/pdf".to_owned();
    Document { field, name: name.to_owned(), media_type, content: Bytes::from_static(b"x") }
}

/// The JSON schema's `pattern` of a document's name.
fn is_document_name(name: &str) -> bool {
    let Some((stem, ending)) = name.split_once('.') else { return false };
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ',') || c.is_ascii_whitespace();
    !stem.is_empty()
        && stem.chars().all(plain)
        && !ending.is_empty()
        && ending.chars().all(|c| c.is_ascii_alphabetic())
}

#[test]
fn words_without_a_summary_are_lines_and_the_tracking_number_stands_apart() {
    let packet = words(&[
        (Field::ProductDescription, "A walnut shelf"),
        (Field::ShippingCarrier, "Blue Dart"),
        (Field::ShippingTrackingNumber, " BD-1 "),
        (Field::CustomerName, "  "),
    ]);
    assert_eq!(
        input(&packet, &[]),
        json!({"evidences": [
            {"evidence_type": "PROOF_OF_FULFILLMENT", "evidence_info": {"tracking_info": [
                {"carrier_name": "OTHER", "carrier_name_other": "Blue Dart", "tracking_number": "BD-1"}]}},
            {"evidence_type": "OTHER", "notes": "Product description: A walnut shelf"},
        ]})
    );
}

/// A type that is not asked for is refused; what has no other place stands in the notes.
#[test]
fn a_tracking_number_that_is_not_asked_for_stands_in_the_notes() {
    let packet = words(&[
        (Field::Summary, "It came."),
        (Field::ShippingCarrier, "UPS"),
        (Field::ShippingTrackingNumber, "1Z"),
    ]);
    let mut asks = record();
    asks.evidences = serde_json::from_value(json!([
        {"evidence_type": "PROOF_OF_REFUND", "source": "REQUESTED_FROM_SELLER"},
        {"evidence_type": "PROOF_OF_FULFILLMENT", "source": "REQUESTED_FROM_BUYER"},
    ]))
    .unwrap();
    let notes = "It came.\nShipping carrier: UPS\nShipping tracking number: 1Z";
    assert_eq!(
        serde_json::to_value(Input::new(&packet, &[], &asks)).unwrap(),
        json!({"evidences": [{"evidence_type": "OTHER", "notes": notes}]})
    );
}

#[test]
fn carriers_are_named_as_paypal_names_them() {
    for (said, name) in
        [("UPS", "UPS"), ("royal mail", "ROYAL_MAIL"), ("FedEx", "FEDEX"), ("Canada-Post", "CANADA_POST")]
    {
        let packet = words(&[(Field::ShippingCarrier, said), (Field::ShippingTrackingNumber, "1")]);
        let info = &input(&packet, &[])["evidences"][0]["evidence_info"]["tracking_info"][0];
        assert_eq!(info, &json!({"carrier_name": name, "tracking_number": "1"}), "{said}");
    }
}

#[test]
fn documents_get_names_that_fit_and_differ() {
    let named = |names: &[&str]| -> Vec<String> {
        let documents: Vec<Document> = names.iter().map(|name| document(Field::Receipt, name)).collect();
        files(&documents).into_iter().map(|f| f.name).collect()
    };
    assert_eq!(named(&["bill.pdf", "BILL.pdf", "bill"]), ["bill.pdf", "2-of-BILL.pdf", "3-of-bill.pdf"]);
    assert_eq!(
        named(&["bill.pdf", "2-of-bill.pdf", "bill.png", "2-OF-BILL"]),
        ["bill.pdf", "2-of-bill.pdf", "3-of-bill.pdf", "2-of-2-OF-BILL.pdf"]
    );
    assert_eq!(
        named(&["../../etc/passwd", "日本.pdf", "", ".pdf"]),
        [
            "etc-passwd.pdf".to_owned(),
            "receipt.pdf".to_owned(),
            "2-of-receipt.pdf".to_owned(),
            "3-of-receipt.pdf".to_owned(),
        ]
    );
}

#[test]
fn the_lint_names_what_paypal_would_not_take() {
    let own = FileRef { file_id: 3, sha256: [7; 32] }.to_string();
    let long = "é".repeat(2_001);
    let file_packet =
        |field, name: &str| Packet { files: [(field, vec![name.to_owned()])].into(), ..Packet::default() };
    let rows: Vec<(Packet, &str)> = vec![
        (words(&[(Field::Summary, &long)]), "the notes have 2001 characters"),
        (Packet::default(), "no defence without evidence"),
        (words(&[(Field::ShippingTrackingNumber, "1Z")]), "without its carrier"),
        (
            words(&[(Field::ShippingCarrier, "UPS"), (Field::ShippingTrackingNumber, &"1".repeat(256))]),
            "at most 255",
        ),
        (file_packet(Field::Receipt, "file_123"), "no file of ours"),
        (file_packet(Field::Summary, &own), "takes words"),
        (words(&[(Field::Receipt, "see above")]), "takes files"),
        (
            Packet {
                amount: Some(Money::new(5, Currency::parse("USD").unwrap())),
                ..words(&[(Field::Summary, "x")])
            },
            "no part of the amount",
        ),
    ];
    for (packet, expected) in rows {
        let found = lint(&packet, true);
        assert!(found.iter().any(|f| f.contains(expected)), "{expected}: {found:?}");
    }
    assert_eq!(lint(&file_packet(Field::Receipt, &own), true), Vec::<String>::new());
    assert_eq!(lint(&Packet::default(), false), Vec::<String>::new());
    assert_eq!(lint(&words(&[(Field::Summary, &"é".repeat(2_000))]), true), Vec::<String>::new());
}

/// Schemas `evidence`, `tracking_info` and `document`, as far as a request can break them.
fn assert_fits(input: &Value) {
    let known: Vec<&str> = vec![
        "OTHER",
        "PROOF_OF_FULFILLMENT",
        "PROOF_OF_SHIPMENT_POSTAGE",
        "PROOF_OF_DELIVERY_SIGNATURE",
        "PROOF_OF_RECEIPT_COPY",
        "RETURN_POLICY",
        "BILLING_AGREEMENT",
        "PROOF_OF_REFUND_OUTSIDE_PAYPAL",
        "PROOF_FOR_SOFTWARE_OR_SERVICE_DELIVERED",
        "MERCHANT_RESPONSE",
        "DETAILS_OF_PURCHASE",
    ];
    let evidences = input["evidences"].as_array().unwrap();
    assert!((1..=100).contains(&evidences.len()), "{input}");
    for evidence in evidences {
        assert!(known.contains(&evidence["evidence_type"].as_str().unwrap()), "{evidence}");
        if let Some(notes) = evidence.get("notes") {
            assert!((1..=2_000).contains(&notes.as_str().unwrap().chars().count()), "{notes}");
        }
        if let Some(documents) = evidence.get("documents") {
            let names = documents.as_array().unwrap();
            assert!((1..=100).contains(&names.len()));
            assert!(names.iter().all(|d| is_document_name(d["name"].as_str().unwrap())), "{documents}");
        }
        if let Some(info) = evidence.get("evidence_info") {
            let tracking = &info["tracking_info"][0];
            let other = tracking["carrier_name"] == "OTHER";
            assert_eq!(tracking.get("carrier_name_other").is_some(), other, "{tracking}");
            assert!((1..=255).contains(&tracking["tracking_number"].as_str().unwrap().chars().count()));
        }
    }
}

proptest! {
    #[test]
    fn whatever_passes_the_lint_fits_the_specification(
        texts in proptest::collection::btree_map(0..Field::ALL.len(), "\\PC{0,300}", 0..8),
        names in proptest::collection::vec((0..Field::ALL.len(), "\\PC{0,120}"), 0..6),
    ) {
        let text = |(n, text): (usize, String)| {
            let field = Field::ALL[n];
            (field.kind() == FieldKind::Text).then_some((field, text))
        };
        let packet = Packet { text: texts.into_iter().filter_map(text).collect(), ..Packet::default() };
        let documents: Vec<Document> = names
            .iter()
            .map(|(n, name)| (Field::ALL[*n], name))
            .filter(|(field, _)| field.kind() == FieldKind::File)
            .map(|(field, name)| document(field, name))
            .collect();
        let says_something = packet.text.values().any(|t| !t.trim().is_empty()) || !documents.is_empty();
        if lint(&packet, false).is_empty() && says_something {
            assert_fits(&input(&packet, &documents));
        }
        let named: Vec<String> = files(&documents).into_iter().map(|f| f.name.to_lowercase()).collect();
        let mut once = named.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), named.len());
        let _reads = parsed(fixture!("record"));
    }
}
