//! A packet as PayPal takes it: pieces of evidence, each of one type, with notes, tracking numbers and the names of
//! the documents that travel in the same call; and what a packet breaks of the limits before it is sent. Source:
//! `customer_disputes_v1.json`, schemas `evidence`, `evidence_info`, `tracking_info`, `document`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::wire;
use crate::evidence::{Document, Field, FileRef, Packet};
use crate::providers::shared::outgoing::misplaced;
use crate::providers::shared::plausible::clean;

/// Characters.
const NOTES_LENGTH_MAX: usize = 2_000;
const TRACKING_LENGTH_MAX: usize = 255;
const CARRIER_LENGTH_MAX: usize = 2_000;
const NAME_LENGTH_MAX: usize = 100;

const FULFILLMENT: &str = "PROOF_OF_FULFILLMENT";
const OTHER: &str = "OTHER";

/// Carriers that PayPal's list has under their plain names; all others are `OTHER` with their name in words.
const CARRIERS: [&str; 13] = [
    "AUSTRALIA_POST",
    "CANADA_POST",
    "DHL",
    "DPD",
    "FEDEX",
    "GLS",
    "HERMES",
    "JAPAN_POST",
    "PARCELFORCE",
    "ROYAL_MAIL",
    "TNT",
    "UPS",
    "USPS",
];

/// The `input` part of provide-evidence and appeal.
#[derive(Debug, Serialize)]
pub struct Input {
    evidences: Vec<Evidence>,
}

#[derive(Debug, Serialize)]
struct Evidence {
    evidence_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_info: Option<EvidenceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    documents: Vec<DocumentName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
}

#[derive(Debug, Serialize)]
struct EvidenceInfo {
    tracking_info: [TrackingInfo; 1],
}

#[derive(Debug, Serialize)]
struct TrackingInfo {
    carrier_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier_name_other: Option<String>,
    tracking_number: String,
}

#[derive(Debug, Serialize)]
struct DocumentName {
    name: String,
}

/// A document under the name that the evidence calls it by.
#[derive(Debug)]
pub struct File<'a> {
    pub name: String,
    pub document: &'a Document,
}

/// Names the documents: letters, digits, hyphens, one dot and an ending of letters, each name once.
pub fn files(documents: &[Document]) -> Vec<File<'_>> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let named = |document| {
        let own = stem(document);
        let copies = (2..).map(|n| format!("{n}-of-{own}"));
        let mut free = std::iter::once(own.clone()).chain(copies);
        // A document may be called as another one's copy would be: a name that was made is taken too.
        let stem = free.find(|stem| taken.insert(stem.to_ascii_lowercase())).unwrap_or(own);
        File { name: format!("{stem}.{}", ending(&document.media_type)), document }
    };
    documents.iter().map(named).collect()
}

fn stem(document: &Document) -> String {
    let is_ending = |text: &str| text.len() <= 5 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let split = document.name.rsplit_once('.').filter(|(_, ending)| is_ending(ending));
    let own = split.map_or(document.name.as_str(), |(stem, _)| stem);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let stem: String = own.chars().map(plain).take(NAME_LENGTH_MAX).collect();
    match stem.trim_matches('-') {
        "" => document.field.as_str().to_owned(),
        stem => stem.to_owned(),
    }
}

fn ending(media_type: &str) -> &'static str {
    match media_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        _ => "pdf",
    }
}

impl Input {
    /// `record` says which types PayPal asks the merchant for. A document goes under its own type where that is
    /// asked for, and under `OTHER` where it is not: other types are refused. A tracking number proves fulfilment, unless
    /// only other types are asked for: then it stands in the notes.
    pub fn new(packet: &Packet, files: &[File<'_>], record: &wire::Dispute) -> Self {
        let mut by_type: BTreeMap<&str, Vec<DocumentName>> = BTreeMap::new();
        for file in files {
            let own = kind(file.document.field).filter(|kind| is_asked_for(record, kind));
            by_type.entry(own.unwrap_or(OTHER)).or_default().push(DocumentName { name: file.name.clone() });
        }
        let fits = is_asked_for(record, FULFILLMENT) || !asks(record);
        let tracking = tracking(packet).filter(|_| fits);
        let words = if fits { notes(packet) } else { all_words(packet) };
        let notes = Some(words).filter(|n| !n.is_empty());
        if notes.is_some() {
            by_type.entry(OTHER).or_default();
        }
        let tracking = tracking.map(|info| Evidence {
            evidence_type: FULFILLMENT.to_owned(),
            evidence_info: Some(EvidenceInfo { tracking_info: [info] }),
            documents: Vec::new(),
            notes: None,
        });
        let others = by_type.into_iter().map(|(kind, documents)| Evidence {
            evidence_type: kind.to_owned(),
            evidence_info: None,
            documents,
            notes: if kind == OTHER { notes.clone() } else { None },
        });
        Self { evidences: tracking.into_iter().chain(others).collect() }
    }
}

fn is_asked_for(record: &wire::Dispute, kind: &str) -> bool {
    asked_for(record).any(|evidence| evidence.evidence_type.as_deref() == Some(kind))
}

fn asks(record: &wire::Dispute) -> bool {
    asked_for(record).next().is_some()
}

fn asked_for(record: &wire::Dispute) -> impl Iterator<Item = &wire::Evidence> {
    let asked = |evidence: &&wire::Evidence| evidence.source.as_deref() == Some("REQUESTED_FROM_SELLER");
    record.evidences.iter().flatten().filter(asked)
}

/// The type of its own that a field's documents have at PayPal.
fn kind(field: Field) -> Option<&'static str> {
    match field {
        Field::ShippingDocumentation => Some("PROOF_OF_SHIPMENT_POSTAGE"),
        Field::CustomerSignature => Some("PROOF_OF_DELIVERY_SIGNATURE"),
        Field::Receipt => Some("PROOF_OF_RECEIPT_COPY"),
        Field::RefundPolicy => Some("RETURN_POLICY"),
        Field::CancellationPolicy | Field::TermsAndConditions => Some("BILLING_AGREEMENT"),
        Field::RefundDocumentation => Some("PROOF_OF_REFUND_OUTSIDE_PAYPAL"),
        Field::ServiceDocumentation | Field::AccessActivityDocumentation => {
            Some("PROOF_FOR_SOFTWARE_OR_SERVICE_DELIVERED")
        }
        Field::ExplanationLetter => Some("MERCHANT_RESPONSE"),
        Field::DuplicateChargeDocumentation => Some("DETAILS_OF_PURCHASE"),
        Field::CancellationDocumentation | Field::CustomerCommunication | Field::UncategorizedFile => None,
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

fn filled(packet: &Packet, field: Field) -> Option<&str> {
    packet.text.get(&field).map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn tracking(packet: &Packet) -> Option<TrackingInfo> {
    let number = filled(packet, Field::ShippingTrackingNumber)?;
    let carrier = filled(packet, Field::ShippingCarrier)?;
    let word = carrier.to_ascii_uppercase().replace([' ', '-'], "_");
    let known = CARRIERS.contains(&word.as_str());
    Some(TrackingInfo {
        carrier_name: if known { word } else { OTHER.to_owned() },
        carrier_name_other: (!known).then(|| carrier.to_owned()),
        tracking_number: number.to_owned(),
    })
}

/// The words beside the tracking number. The packet's own summary stands alone; without one, every other text
/// field is a line `Label: text`, in the catalogue's order.
fn notes(packet: &Packet) -> String {
    if let Some(own) = filled(packet, Field::Summary) {
        return own.to_owned();
    }
    let tracked = tracking(packet).is_some();
    let told_already =
        |field: &Field| tracked && matches!(field, Field::ShippingCarrier | Field::ShippingTrackingNumber);
    let lines = packet.text.keys().filter(|f| !told_already(f)).filter_map(|f| line(packet, *f));
    lines.collect::<Vec<_>>().join("\n")
}

/// Where there is no place for a tracking number of its own.
fn all_words(packet: &Packet) -> String {
    let tracked = tracking(packet).is_some();
    let fields = [Field::ShippingCarrier, Field::ShippingTrackingNumber];
    let shipping = fields.into_iter().filter(|_| tracked).filter_map(|f| line(packet, f));
    let words = Some(notes(packet)).filter(|n| !n.is_empty());
    words.into_iter().chain(shipping).collect::<Vec<_>>().join("\n")
}

/// `shipping_tracking_number` as people write it: `Shipping tracking number: 1Z…`.
fn line(packet: &Packet, field: Field) -> Option<String> {
    let label = field.as_str().replace('_', " ");
    Some(format!("{}{}: {}", label[..1].to_ascii_uppercase(), &label[1..], filled(packet, field)?))
}

pub fn lint(packet: &Packet, submit: bool) -> Vec<String> {
    let mut found = Vec::new();
    let length = all_words(packet).chars().count();
    if length > NOTES_LENGTH_MAX {
        found.push(format!(
            "the notes have {length} characters, and PayPal takes {NOTES_LENGTH_MAX}: shorten `summary`, or write \
             one if they were composed of the other text fields"
        ));
    }
    if submit && packet.is_empty() {
        found.push("PayPal takes no defence without evidence: add words or a file".to_owned());
    }
    if packet.amount.is_some() {
        found.push("PayPal takes no part of the amount: a claim is contested whole".to_owned());
    }
    found.extend(lint_tracking(packet));
    for (field, named) in &packet.files {
        let foreign = named.iter().filter(|name| name.parse::<FileRef>().is_err());
        found.extend(foreign.map(|name| {
            format!("`{field}` holds `{}`, which is no file of ours: attach the file itself", clean(name))
        }));
    }
    found.extend(misplaced(packet));
    found
}

fn lint_tracking(packet: &Packet) -> Vec<String> {
    let number = filled(packet, Field::ShippingTrackingNumber);
    let carrier = filled(packet, Field::ShippingCarrier);
    let long = |text: Option<&str>, most: usize| text.is_some_and(|t| t.chars().count() > most);
    let mut found = Vec::new();
    if number.is_some() && carrier.is_none() {
        found.push("PayPal takes no tracking number without its carrier: add `shipping_carrier`".to_owned());
    }
    if long(number, TRACKING_LENGTH_MAX) || long(carrier, CARRIER_LENGTH_MAX) {
        found.push(format!(
            "`shipping_tracking_number` has at most {TRACKING_LENGTH_MAX} characters at PayPal, and \
             `shipping_carrier` {CARRIER_LENGTH_MAX}"
        ));
    }
    found
}

/// What the documents break: types, sizes, and their sum.
pub fn unfit(documents: &[Document]) -> Option<String> {
    let limits = &super::capability::CAPABILITIES.files;
    let mut total = 0;
    for document in documents {
        let (name, size) = (clean(&document.name), document.content.len() as u64);
        if !limits.media_types.contains(&document.media_type.as_str()) {
            let taken = limits.media_types.join(", ");
            return Some(format!("`{name}` is `{}`, and PayPal takes {taken}", clean(&document.media_type)));
        }
        if size == 0 || size > limits.file_bytes_max {
            return Some(format!(
                "`{name}` has {size} bytes, and PayPal takes 1 to {}",
                limits.file_bytes_max
            ));
        }
        total += size;
    }
    (total > limits.total_bytes_max)
        .then(|| format!("the documents have {total} bytes, and PayPal takes {}", limits.total_bytes_max))
}
