//! A packet as Razorpay takes it: the body of the contest call, and what the packet breaks of the limits
//! before it is sent. Source: razorpay/markdown-docs, `api/disputes/contest.md`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::capability::CAPABILITIES;
use crate::dispute::Money;
use crate::evidence::{Field, Packet};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::outgoing::misplaced;

/// Characters.
const SUMMARY_LENGTH_MAX: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Kept with the dispute, merged with what is there, and never sent by itself.
    Draft,
    Submit,
}

/// Razorpay's keys for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Slot {
    ShippingProof,
    BillingProof,
    CancellationProof,
    CustomerCommunication,
    ProofOfService,
    ExplanationLetter,
    RefundConfirmation,
    AccessActivityLog,
    RefundCancellationPolicy,
    TermAndConditions,
}

#[derive(Debug, Serialize)]
pub struct Contest<'a> {
    action: Action,
    /// Minor units; the whole amount when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(flatten)]
    proofs: BTreeMap<Slot, Vec<&'a str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Other<'a>>,
}

#[derive(Debug, Serialize)]
struct Other<'a> {
    r#type: &'static str,
    document_ids: &'a [String],
}

impl<'a> Contest<'a> {
    pub fn new(packet: &'a Packet, action: Action) -> Self {
        let mut proofs: BTreeMap<Slot, Vec<&str>> = BTreeMap::new();
        let mut others = Vec::new();
        for (field, documents) in packet.files.iter().filter(|(_, documents)| !documents.is_empty()) {
            match proof(*field) {
                Some(proof) => {
                    let known = proofs.entry(proof).or_default();
                    for id in documents.iter().map(String::as_str) {
                        // Two of our fields can share one of theirs.
                        if !known.contains(&id) {
                            known.push(id);
                        }
                    }
                }
                None => others.push(Other { r#type: field.as_str(), document_ids: documents }),
            }
        }
        let summary = Some(summary(packet)).filter(|s| !s.is_empty());
        Self { action, amount: packet.amount.map(|a| a.minor), summary, proofs, others }
    }
}

/// Where a file field goes; `None` under `others`, by its own name.
fn proof(field: Field) -> Option<Slot> {
    match field {
        Field::ShippingDocumentation => Some(Slot::ShippingProof),
        Field::Receipt => Some(Slot::BillingProof),
        Field::CancellationDocumentation => Some(Slot::CancellationProof),
        Field::CustomerCommunication => Some(Slot::CustomerCommunication),
        Field::ServiceDocumentation => Some(Slot::ProofOfService),
        Field::ExplanationLetter => Some(Slot::ExplanationLetter),
        Field::RefundDocumentation => Some(Slot::RefundConfirmation),
        Field::AccessActivityDocumentation => Some(Slot::AccessActivityLog),
        Field::RefundPolicy | Field::CancellationPolicy => Some(Slot::RefundCancellationPolicy),
        Field::TermsAndConditions => Some(Slot::TermAndConditions),
        Field::CustomerSignature | Field::DuplicateChargeDocumentation | Field::UncategorizedFile => None,
        Field::AccessActivityLog
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
        | Field::UncategorizedText => None,
    }
}

/// Razorpay has one place for words. The packet's own summary stands alone in it; without one, every other
/// text field is a line `Label: text`, in the catalogue's order.
fn summary(packet: &Packet) -> String {
    if let Some(own) = packet.text.get(&Field::Summary).map(|s| s.trim()).filter(|s| !s.is_empty()) {
        return own.to_owned();
    }
    let filled = packet.text.iter().filter(|(_, text)| !text.trim().is_empty());
    filled.map(|(field, text)| format!("{}: {}", label(*field), text.trim())).collect::<Vec<_>>().join("\n")
}

/// `shipping_tracking_number` as people write it: `Shipping tracking number`.
fn label(field: Field) -> String {
    let words = field.as_str().replace('_', " ");
    words[..1].to_ascii_uppercase() + &words[1..]
}

pub fn lint(packet: &Packet, submit: bool) -> Vec<String> {
    let mut found = Vec::new();
    let length = summary(packet).chars().count();
    if length > SUMMARY_LENGTH_MAX {
        found.push(format!(
            "the summary has {length} characters, and Razorpay takes {SUMMARY_LENGTH_MAX}: shorten `summary`, or \
             write one if it was composed of the other text fields"
        ));
    }
    if submit && packet.document_count() < CAPABILITIES.documents_min as usize {
        found.push("Razorpay takes no defence without a document: add at least one file".to_owned());
    }
    for (field, documents) in &packet.files {
        let foreign = documents.iter().filter(|id| !(id.starts_with("doc_") && is_plain_ref(id)));
        found.extend(foreign.map(|id| {
            format!("`{field}` holds `{id}`, which is not a Razorpay document id (`doc_…`): upload the file")
        }));
    }
    found.extend(misplaced(packet));
    found.extend(packet.amount.and_then(|amount| lint_amount(&amount)));
    found
}

/// Whether it exceeds the dispute's amount only the provider can tell here: the packet does not know it.
fn lint_amount(amount: &Money) -> Option<String> {
    if amount.minor < 0 {
        return Some(format!("the contested amount {amount} is negative"));
    }
    let thousandths = amount.currency.exponent() == 3 && amount.minor % 10 != 0;
    thousandths
        .then(|| format!("the contested amount {amount} must end in 0: Razorpay takes two of its decimals"))
}
