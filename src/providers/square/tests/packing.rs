//! Packets in Square's pieces, and what the lint says of them.

use super::super::evidence::{kind, words};
use super::{DISPUTE, square};
use crate::dispute::{Currency, Money};
use crate::evidence::{Field, FieldKind, FileRef, Packet};
use crate::providers::Provider;

/// The kinds of `DisputeEvidenceType`.
const KINDS: [&str; 15] = [
    "GENERIC_EVIDENCE",
    "ONLINE_OR_APP_ACCESS_LOG",
    "AUTHORIZATION_DOCUMENTATION",
    "CANCELLATION_OR_REFUND_DOCUMENTATION",
    "CARDHOLDER_COMMUNICATION",
    "CARDHOLDER_INFORMATION",
    "PURCHASE_ACKNOWLEDGEMENT",
    "DUPLICATE_CHARGE_DOCUMENTATION",
    "PRODUCT_OR_SERVICE_DESCRIPTION",
    "RECEIPT",
    "SERVICE_RECEIVED_DOCUMENTATION",
    "PROOF_OF_DELIVERY_DOCUMENTATION",
    "RELATED_TRANSACTION_DOCUMENTATION",
    "REBUTTAL_EXPLANATION",
    "TRACKING_NUMBER",
];

fn packet(text: &[(Field, &str)], files: &[(Field, &[&str])]) -> Packet {
    Packet {
        text: text.iter().map(|(f, t)| (*f, (*t).to_owned())).collect(),
        files: files.iter().map(|(f, ids)| (*f, ids.iter().map(|s| (*s).to_owned()).collect())).collect(),
        ..Packet::default()
    }
}

#[test]
fn every_field_is_of_a_kind_that_is_taken() {
    for field in Field::ALL {
        assert!(KINDS.contains(&kind(*field)), "{field}");
    }
}

#[test]
fn a_piece_has_one_key_whenever_it_is_given_and_no_other_piece_has_it() {
    let first = packet(&[(Field::Summary, "It came."), (Field::CustomerName, "It came.")], &[]);
    let pieces = words(&first, DISPUTE);
    assert_eq!(pieces, words(&first, DISPUTE));
    assert_eq!(
        pieces.iter().map(|p| p.kind).collect::<Vec<_>>(),
        ["CARDHOLDER_INFORMATION", "REBUTTAL_EXPLANATION"]
    );
    let mut keys: Vec<String> = pieces.into_iter().map(|p| p.key).collect();
    keys.extend(words(&first, "AnotherDispute").into_iter().map(|p| p.key));
    keys.extend(words(&packet(&[(Field::Summary, "It came!")], &[]), DISPUTE).into_iter().map(|p| p.key));
    assert!(keys.iter().all(|key| (1..=45).contains(&key.len())));
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn each_broken_limit_is_named() {
    let own = FileRef { file_id: 3, sha256: [7; 32] }.to_string();
    let (fits, long) = ("é".repeat(500), "é".repeat(501));
    let usd = Currency::parse("USD").unwrap();
    let part = Packet { amount: Some(Money::new(100, usd)), ..packet(&[(Field::Summary, "Half.")], &[]) };
    for packet in [packet(&[(Field::Summary, &fits)], &[]), packet(&[], &[(Field::Receipt, &[&own])])] {
        assert_eq!(square().lint(&packet, true), Vec::<String>::new());
    }
    let rows = [
        (packet(&[], &[]), "no empty evidence"),
        (packet(&[(Field::Summary, " ")], &[]), "no empty evidence"),
        (packet(&[(Field::Summary, &long)], &[]), "501 characters"),
        (packet(&[], &[(Field::Receipt, &["file_1"])]), "`file_1`, which is not a file of ours"),
        (packet(&[(Field::Receipt, "see attached")], &[]), "takes files"),
        (packet(&[], &[(Field::Summary, &[&own])]), "takes words"),
        (part, "the whole amount only"),
    ];
    for (packet, words) in rows {
        let found = square().lint(&packet, true);
        assert_eq!(found.len(), 1, "{words}: {found:?}");
        assert!(found[0].contains(words), "{words}: {found:?}");
    }
    assert!(Field::ALL.iter().any(|f| f.kind() == FieldKind::File));
}
