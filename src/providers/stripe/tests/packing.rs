//! Evidence: what fits where, and what a packet is told when it does not.

use super::super::evidence::{Place, form, place};
use super::*;
use crate::dispute::{Money, Stage};
use crate::evidence::{Field, FieldKind, Packet};

fn text(entries: &[(Field, &str)]) -> Packet {
    Packet { text: entries.iter().map(|(f, t)| (*f, (*t).to_owned())).collect(), ..Packet::default() }
}

fn files(entries: &[(Field, &[&str])]) -> Packet {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Packet { files: entries.iter().map(|(f, i)| (*f, ids(i))).collect(), ..Packet::default() }
}

fn lint(packet: &Packet) -> Vec<String> {
    offline().lint(packet, true)
}

#[test]
fn every_field_has_a_place_of_its_kind() {
    for field in Field::ALL {
        match (place(*field), field.kind()) {
            (Place::Text { .. }, FieldKind::Text) | (Place::File { .. }, FieldKind::File) => {}
            (Place::Text { .. } | Place::File { .. }, _) => panic!("{field}"),
        }
    }
}

#[test]
fn a_packet_within_the_limits_is_let_through() {
    let mut packet =
        text(&[(Field::ProductDescription, &"ü".repeat(20_000)), (Field::CustomerName, &"n".repeat(5_000))]);
    packet.files = files(&[(Field::Receipt, &["file_1Qa"])]).files;
    assert_eq!(lint(&packet), Vec::<String>::new());
    assert_eq!(offline().lint(&Packet::default(), false), Vec::<String>::new());
}

#[test]
fn limits_are_named() {
    let rows = [
        (Packet::default(), "no evidence to send"),
        (
            text(&[(Field::ProductDescription, &"x".repeat(20_001))]),
            "`product_description` has 20001 characters",
        ),
        (text(&[(Field::CustomerName, &"x".repeat(5_001))]), "`customer_name` has 5001 characters"),
        (text(&[(Field::CustomerName, "")]), "`customer_name` is empty"),
        (text(&[(Field::Receipt, "paid")]), "`receipt` takes a file"),
        (text(&[(Field::TermsAndConditions, "all")]), "`terms_and_conditions` takes a file"),
        (files(&[(Field::ShippingDate, &["file_1"])]), "`shipping_date` takes text"),
        (
            files(&[(Field::ExplanationLetter, &["file_1"]), (Field::TermsAndConditions, &["file_2"])]),
            "both go to Stripe's one `uncategorized_file`",
        ),
        (files(&[(Field::Receipt, &[])]), "`receipt` names no file"),
        (files(&[(Field::Receipt, &["file_1", "file_2"])]), "`receipt` takes one file and is given 2"),
        (files(&[(Field::Receipt, &["a receipt.pdf"])]), "not the id of an uploaded file"),
    ];
    for (packet, words) in rows {
        let faults = lint(&packet);
        assert!(faults.len() == 1 && faults[0].contains(words), "{words}: {faults:?}");
    }
    let partial =
        Packet { amount: Some(Money::new(1, "USD".parse().unwrap())), ..text(&[(Field::CustomerName, "n")]) };
    assert!(lint(&partial)[0].contains("whole amount"));
}

#[test]
fn all_text_together_has_a_limit() {
    let long = "x".repeat(20_000);
    let fields = [
        Field::AccessActivityLog,
        Field::CancellationPolicyDisclosure,
        Field::CancellationRebuttal,
        Field::DuplicateChargeExplanation,
        Field::ProductDescription,
        Field::RefundPolicyDisclosure,
        Field::RefundRefusalExplanation,
    ];
    let mut packet = text(&fields.map(|f| (f, long.as_str())));
    packet.text.insert(Field::UncategorizedText, "x".repeat(10_000));
    assert_eq!(lint(&packet), Vec::<String>::new());
    packet.text.insert(Field::CustomerName, "x".into());
    assert!(lint(&packet)[0].contains("150001 characters"), "{:?}", lint(&packet));
}

#[test]
fn the_summary_opens_the_free_text() {
    let both = text(&[(Field::UncategorizedText, "More."), (Field::Summary, "It arrived.")]);
    assert_eq!(form(&both), [("evidence[uncategorized_text]".to_owned(), "It arrived.\n\nMore.".to_owned())]);
    let long = text(&[(Field::UncategorizedText, &"x".repeat(10_000)), (Field::Summary, &"x".repeat(9_999))]);
    assert!(lint(&long)[0].contains("20001 characters"), "the join counts");
}

#[test]
fn appeals_and_inquiries_have_their_gates() {
    let at = |stage| offline().capabilities().at(stage).copied().unwrap();
    assert!(!at(Stage::Inquiry).acceptable && at(Stage::Inquiry).defendable);
    assert!(!at(Stage::PreArbitration).acceptable && !at(Stage::PreArbitration).defendable);
    assert!(at(Stage::Chargeback).acceptable && at(Stage::Compliance).defendable);
    assert!(offline().capabilities().at(Stage::Arbitration).is_none());
}
