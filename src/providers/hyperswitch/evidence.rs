//! A packet as the router takes it: which kind each file is attached as, the fields of the submission, and what the
//! packet breaks of the limits before anything is sent. Source: juspay/hyperswitch, `api_models/src/disputes.rs`,
//! `SubmitEvidenceRequest` and `EvidenceType`.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{Document, Field, FileRef, Packet};
use crate::providers::shared::outgoing::misplaced;

/// For words that have no field of their own.
const FREE_TEXT: &str = "uncategorized_text";
const FREE_FILE: &str = "uncategorized_file";

/// The router's field for words; `None` where they go into the free text.
fn text_field(field: Field) -> Option<&'static str> {
    match field {
        Field::AccessActivityLog
        | Field::BillingAddress
        | Field::CancellationPolicyDisclosure
        | Field::CancellationRebuttal
        | Field::CustomerEmailAddress
        | Field::CustomerName
        | Field::CustomerPurchaseIp
        | Field::ProductDescription
        | Field::RefundPolicyDisclosure
        | Field::RefundRefusalExplanation
        | Field::ServiceDate
        | Field::ShippingAddress
        | Field::ShippingCarrier
        | Field::ShippingDate
        | Field::ShippingTrackingNumber => Some(field.as_str()),
        Field::Summary
        | Field::UncategorizedText
        | Field::DuplicateChargeExplanation
        | Field::DuplicateChargeId
        | Field::AccessActivityDocumentation
        | Field::CancellationDocumentation
        | Field::CancellationPolicy
        | Field::CustomerCommunication
        | Field::CustomerSignature
        | Field::DuplicateChargeDocumentation
        | Field::ExplanationLetter
        | Field::Receipt
        | Field::RefundDocumentation
        | Field::RefundPolicy
        | Field::ServiceDocumentation
        | Field::ShippingDocumentation
        | Field::TermsAndConditions
        | Field::UncategorizedFile => None,
    }
}

/// The kind of evidence that a file is attached as, which is the submission's field for it too.
pub fn file_kind(field: Field) -> &'static str {
    match field {
        Field::CancellationPolicy
        | Field::CustomerCommunication
        | Field::CustomerSignature
        | Field::Receipt
        | Field::RefundPolicy
        | Field::ServiceDocumentation
        | Field::ShippingDocumentation => field.as_str(),
        Field::DuplicateChargeDocumentation => "invoice_showing_distinct_transactions",
        Field::AccessActivityDocumentation
        | Field::CancellationDocumentation
        | Field::ExplanationLetter
        | Field::RefundDocumentation
        | Field::TermsAndConditions
        | Field::UncategorizedFile
        | Field::AccessActivityLog
        | Field::BillingAddress
        | Field::CancellationPolicyDisclosure
        | Field::CancellationRebuttal
        | Field::CustomerEmailAddress
        | Field::CustomerName
        | Field::CustomerPurchaseIp
        | Field::DuplicateChargeExplanation
        | Field::DuplicateChargeId
        | Field::ProductDescription
        | Field::RefundPolicyDisclosure
        | Field::RefundRefusalExplanation
        | Field::ServiceDate
        | Field::ShippingAddress
        | Field::ShippingCarrier
        | Field::ShippingDate
        | Field::ShippingTrackingNumber
        | Field::Summary
        | Field::UncategorizedText => FREE_FILE,
    }
}

/// The fields of a submission: words, and the ids of the files that were attached.
pub fn fields(packet: &Packet, attached: BTreeMap<&'static str, String>) -> BTreeMap<&'static str, String> {
    let mut fields = attached;
    let filled = packet.text.iter().filter(|(_, text)| !text.trim().is_empty());
    for (field, text) in filled {
        match text_field(*field) {
            Some(name) => _ = fields.insert(name, text.clone()),
            None => {
                let free = fields.entry(FREE_TEXT).or_default();
                if !free.is_empty() {
                    free.push_str("\n\n");
                }
                free.push_str(&labelled(*field, text));
            }
        }
    }
    fields
}

/// The argument stands as it is; what only found its place here says what it is.
fn labelled(field: Field, text: &str) -> String {
    match field == Field::Summary || field == Field::UncategorizedText {
        true => text.trim().to_owned(),
        false => format!("{}: {}", field.as_str().replace('_', " "), text.trim()),
    }
}

pub fn lint(packet: &Packet) -> Vec<String> {
    let mut found = Vec::new();
    let mut kinds = BTreeSet::new();
    for (field, files) in packet.files.iter().filter(|(_, files)| !files.is_empty()) {
        let kind = file_kind(*field);
        if files.len() > 1 || !kinds.insert(kind) {
            found.push(format!(
                "the router takes one file as `{kind}`, and there are more: join the files of `{field}` into one"
            ));
        }
    }
    for (field, files) in &packet.files {
        let foreign = files.iter().filter(|name| name.parse::<FileRef>().is_err());
        found.extend(foreign.map(|name| {
            format!("`{field}` holds `{name}`, and the router takes the files themselves: attach the file")
        }));
    }
    found.extend(misplaced(packet));
    if packet.amount.is_some() {
        found.push("a part of the amount cannot be contested through the router".to_owned());
    }
    found
}

/// Whether every file that the packet names is among the documents: what is frozen is what is sent.
pub fn is_complete(packet: &Packet, documents: &[Document]) -> bool {
    let mut named: BTreeMap<Field, usize> = packet
        .files
        .iter()
        .filter(|(_, files)| !files.is_empty())
        .map(|(field, f)| (*field, f.len()))
        .collect();
    for document in documents {
        match named.get_mut(&document.field) {
            Some(left) if *left > 0 => *left -= 1,
            Some(_) | None => return false,
        }
    }
    named.values().all(|left| *left == 0)
}
