//! A packet as Square takes it: pieces of one type each, words of at most 500 characters or a file; and what the
//! packet breaks of that before it is sent. Source: developer.squareup.com/reference/square,
//! "CreateDisputeEvidenceText", "CreateDisputeEvidenceFile", `DisputeEvidenceType`.

use sha2::{Digest, Sha256};

use crate::evidence::{Document, Field, FileRef, Packet};
use crate::providers::shared::outgoing::misplaced;

/// Characters of one piece.
const TEXT_LENGTH_MAX: usize = 500;
/// Characters of an idempotency key.
const KEY_LENGTH: usize = 45;

/// What kind of evidence a field is, files and words alike.
pub const fn kind(field: Field) -> &'static str {
    match field {
        Field::AccessActivityLog | Field::AccessActivityDocumentation => "ONLINE_OR_APP_ACCESS_LOG",
        Field::CustomerSignature => "AUTHORIZATION_DOCUMENTATION",
        Field::CancellationDocumentation
        | Field::CancellationPolicy
        | Field::CancellationPolicyDisclosure
        | Field::CancellationRebuttal
        | Field::RefundDocumentation
        | Field::RefundPolicy
        | Field::RefundPolicyDisclosure
        | Field::RefundRefusalExplanation => "CANCELLATION_OR_REFUND_DOCUMENTATION",
        Field::CustomerCommunication => "CARDHOLDER_COMMUNICATION",
        Field::BillingAddress
        | Field::CustomerEmailAddress
        | Field::CustomerName
        | Field::CustomerPurchaseIp
        | Field::ShippingAddress => "CARDHOLDER_INFORMATION",
        Field::TermsAndConditions => "PURCHASE_ACKNOWLEDGEMENT",
        Field::DuplicateChargeDocumentation | Field::DuplicateChargeExplanation => {
            "DUPLICATE_CHARGE_DOCUMENTATION"
        }
        Field::DuplicateChargeId => "RELATED_TRANSACTION_DOCUMENTATION",
        Field::ProductDescription => "PRODUCT_OR_SERVICE_DESCRIPTION",
        Field::Receipt => "RECEIPT",
        Field::ServiceDate | Field::ServiceDocumentation => "SERVICE_RECEIVED_DOCUMENTATION",
        Field::ShippingCarrier | Field::ShippingDate | Field::ShippingDocumentation => {
            "PROOF_OF_DELIVERY_DOCUMENTATION"
        }
        Field::ShippingTrackingNumber => "TRACKING_NUMBER",
        Field::ExplanationLetter | Field::Summary => "REBUTTAL_EXPLANATION",
        Field::UncategorizedFile | Field::UncategorizedText => "GENERIC_EVIDENCE",
    }
}

/// A piece of words.
#[derive(Debug, PartialEq, Eq)]
pub struct Words<'a> {
    pub kind: &'static str,
    pub text: &'a str,
    pub key: String,
}

pub fn words<'a>(packet: &'a Packet, dispute_ref: &str) -> Vec<Words<'a>> {
    let filled = packet.text.iter().map(|(field, text)| (*field, text.trim())).filter(|(_, t)| !t.is_empty());
    filled
        .map(|(field, text)| Words { kind: kind(field), text, key: key(dispute_ref, field, text.as_bytes()) })
        .collect()
}

pub fn document_key(dispute_ref: &str, document: &Document) -> String {
    key(dispute_ref, document.field, &document.content)
}

/// The idempotency key of a piece: what it is and says, and not which try this is. Given again, it is one piece.
fn key(dispute_ref: &str, field: Field, content: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [dispute_ref.as_bytes(), field.as_str().as_bytes()] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(content);
    let mut key = hex::encode(hash.finalize());
    key.truncate(KEY_LENGTH);
    key
}

pub fn lint(packet: &Packet) -> Vec<String> {
    let mut found = Vec::new();
    if packet.document_count() == 0 && packet.text.values().all(|text| text.trim().is_empty()) {
        found.push("Square takes no empty evidence: add words or a file".to_owned());
    }
    for (field, text) in &packet.text {
        let length = text.trim().chars().count();
        if length > TEXT_LENGTH_MAX {
            found.push(format!(
                "`{field}` has {length} characters, and Square takes {TEXT_LENGTH_MAX}: shorten it"
            ));
        }
    }
    for (field, names) in &packet.files {
        let foreign = names.iter().filter(|name| name.parse::<FileRef>().is_err());
        found.extend(foreign.map(|name| {
            format!("`{field}` holds `{name}`, which is not a file of ours: Square is given the file itself")
        }));
    }
    found.extend(misplaced(packet));
    if let Some(amount) = packet.amount {
        found.push(format!("{amount} are contested, and Square takes a defence of the whole amount only"));
    }
    found
}
