//! Our packet in Prism's words: the reason in every spelling, the documents, and what is refused before it is sent.

use super::super::evidence::{lint, submission};
use super::super::reason::{Spelling, code};
use super::super::request::What;
use super::{document, packet};
use crate::dispute::Money;
use crate::evidence::{Document, Field, FieldKind, Packet, Sending};

#[test]
fn our_reasons_are_spelled_as_the_account_wants() {
    let rows = [
        (
            "goods_services_received",
            [
                Some("goods_services_received"),
                Some("GOODS_SERVICES_RECEIVED"),
                Some("product_or_service_provided"),
            ],
        ),
        ("transaction_authorized", [Some("transaction_authorized"), Some("TRANSACTION_AUTHORIZED"), None]),
        ("refund_issued", [Some("refund_issued"), Some("REFUND_ISSUED"), Some("credit_not_processed")]),
        (
            "cancellation_policy_disclosed",
            [
                Some("cancellation_policy_disclosed"),
                Some("CANCELLATION_POLICY_DISCLOSED"),
                Some("cancellation_policy_disclosed"),
            ],
        ),
        ("customer_withdrew_dispute", [None, None, Some("customer_withdrew_dispute")]),
        ("not_duplicate", [None, None, Some("duplicate_charge_doc")]),
        ("not_cancelled", [None, None, None]),
        (
            "services_used",
            [
                Some("goods_services_received"),
                Some("GOODS_SERVICES_RECEIVED"),
                Some("product_or_service_provided"),
            ],
        ),
        ("authenticated_payment", [Some("transaction_authorized"), Some("TRANSACTION_AUTHORIZED"), None]),
        ("as_described", [None, None, Some("merchandise_or_service_not_as_described")]),
    ];
    for (ours, spelled) in rows {
        for (spelling, expected) in [Spelling::Lower, Spelling::Upper, Spelling::Sdk].into_iter().zip(spelled)
        {
            match (code(Some(ours), spelling), expected) {
                (Ok(word), Some(expected)) => assert_eq!(word, expected),
                (Err(why), None) => assert!(why.contains(ours) && why.contains(spelling.as_str()), "{why}"),
                (told, _) => panic!("{ours} {spelling:?}: {told:?}"),
            }
        }
        assert_eq!(code(Some(ours), Spelling::Adyen).unwrap(), "SupplyDefenseMaterial");
    }
    assert_eq!([Spelling::of("adyen"), Spelling::of("stripe")], [Spelling::Adyen, Spelling::Lower]);
}

#[test]
fn any_other_word_of_a_rule_goes_as_it_is() {
    for spelling in Spelling::ALL {
        for word in ["AirlineFlightProvided", "GOODS_SERVICES_RECEIVED", "4853.1"] {
            assert_eq!(code(Some(word), spelling).as_deref(), Ok(word), "{spelling:?}");
        }
        for none in [None, Some(""), Some(" "), Some("two words"), Some("\u{e4}"), Some(&*"x".repeat(129))] {
            assert!(code(none, spelling).is_err(), "{none:?}");
        }
    }
    assert_eq!(
        code(Some("product_or_service_provided"), Spelling::Upper).unwrap(),
        "product_or_service_provided"
    );
}

#[test]
fn documents_go_with_their_kind_their_type_and_their_bytes() {
    let documents = [document(Field::Receipt, b"%PDF-r"), document(Field::ExplanationLetter, b"%PDF-e")];
    let mut packet = packet(&documents);
    packet.text.insert(Field::ShippingDate, "2026-03-01".to_owned());
    let What::SubmitEvidence { service_date, shipping_date, documents } =
        submission(Sending { packet: &packet, documents: &documents }).unwrap()
    else {
        panic!()
    };
    assert_eq!((service_date, shipping_date), (None, Some(1_772_323_200)));
    let sent: Vec<_> = documents
        .iter()
        .map(|d| (d.evidence_type().as_str_name(), d.file_mime_type.as_deref(), d.file_content.as_deref()))
        .collect();
    let pdf = Some("application/pdf");
    let expected = [("RECEIPT", pdf, Some(&b"%PDF-r"[..])), ("UNCATEGORIZED_FILE", pdf, Some(b"%PDF-e"))];
    assert_eq!(sent, expected);
}

#[test]
fn no_document_is_of_the_kind_whose_media_type_prism_loses() {
    for field in Field::ALL.iter().filter(|f| f.kind() == FieldKind::File) {
        let documents = [document(*field, b"x")];
        let packet = packet(&documents);
        let Ok(What::SubmitEvidence { documents, .. }) =
            submission(Sending { packet: &packet, documents: &documents })
        else {
            panic!("{field}")
        };
        assert_ne!(documents[0].evidence_type().as_str_name(), "SHIPPING_DOCUMENTATION", "{field}");
    }
}

#[test]
fn two_documents_of_one_kind_are_refused_since_prism_would_drop_one() {
    let twice = [document(Field::Receipt, b"1"), document(Field::Receipt, b"2")];
    let alike = [document(Field::ExplanationLetter, b"1"), document(Field::UncategorizedFile, b"2")];
    for documents in [&twice, &alike] {
        let packet = packet(documents);
        let faults = lint(&packet, true);
        assert!(faults.len() == 1 && faults[0].contains("one document"), "{faults:?}");
        assert!(submission(Sending { packet: &packet, documents }).is_err());
    }
}

#[test]
fn what_prism_has_no_place_for_is_said() {
    let documents = [document(Field::Receipt, b"1")];
    let whole = packet(&documents);
    assert_eq!(lint(&whole, true), Vec::<String>::new());
    for field in Field::ALL.iter().filter(|f| f.kind() == FieldKind::Text) {
        let mut packet = whole.clone();
        packet.text.insert(*field, "2026-03-01".to_owned());
        let dated = matches!(field, Field::ServiceDate | Field::ShippingDate);
        assert_eq!(lint(&packet, true).is_empty(), dated, "{field}");
        packet.text.insert(*field, "the first of March".to_owned());
        let faults = lint(&packet, true);
        assert!(faults.len() == 1 && faults[0].contains(field.as_str()), "{field}: {faults:?}");
    }
    let part = Packet { amount: Some(Money::new(5, "EUR".parse().unwrap())), ..whole };
    assert!(lint(&part, true)[0].contains("whole amount"));
    assert_eq!(lint(&Packet::default(), false), Vec::<String>::new());
    assert_eq!(lint(&Packet::default(), true).len(), 1);
}

#[test]
fn every_kind_of_file_has_a_place() {
    for field in Field::ALL.iter().filter(|f| f.kind() == FieldKind::File) {
        let documents = [document(*field, b"x")];
        let packet = packet(&documents);
        assert!(submission(Sending { packet: &packet, documents: &documents }).is_ok(), "{field}");
    }
}

#[test]
fn a_document_whose_bytes_are_not_at_hand_keeps_the_packet_back() {
    let documents = [document(Field::Receipt, b"1"), document(Field::ServiceDocumentation, b"2")];
    let packet = packet(&documents);
    let sent = |documents: &[Document]| submission(Sending { packet: &packet, documents });
    assert!(sent(&documents).is_ok());
    assert!(sent(&documents[..1]).unwrap_err().contains("bytes of 1"));
    assert!(sent(&[]).is_err());
    let mut text = documents.clone();
    text[1].field = Field::Summary;
    assert!(sent(&text).unwrap_err().contains("summary"));
}
