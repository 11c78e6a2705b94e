//! Evidence in Prism's words: documents with their bytes, one of each kind, and two dates. Prism has no place for
//! other words, keeps the last of two documents of one kind without a word, and takes a document without bytes for
//! none: all of that is refused here.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::proto::types::{EvidenceDocument, EvidenceType};
use super::request::What;
use crate::evidence::{Document, Field, Packet, Sending};

/// The kind that a file of that field is for Prism. Texts have none.
const fn kind(field: Field) -> Option<EvidenceType> {
    match field {
        Field::CancellationPolicy => Some(EvidenceType::CancellationPolicy),
        Field::CustomerCommunication => Some(EvidenceType::CustomerCommunication),
        Field::CustomerSignature => Some(EvidenceType::CustomerSignature),
        Field::Receipt => Some(EvidenceType::Receipt),
        Field::RefundPolicy => Some(EvidenceType::RefundPolicy),
        Field::ServiceDocumentation => Some(EvidenceType::ServiceDocumentation),
        // Not ShippingDocumentation: Prism loses the media type of those on its way to Adyen, which needs one.
        Field::ShippingDocumentation => Some(EvidenceType::ServiceDocumentation),
        Field::DuplicateChargeDocumentation => Some(EvidenceType::InvoiceShowingDistinctTransactions),
        Field::AccessActivityDocumentation
        | Field::CancellationDocumentation
        | Field::ExplanationLetter
        | Field::RefundDocumentation
        | Field::TermsAndConditions
        | Field::UncategorizedFile => Some(EvidenceType::UncategorizedFile),
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

/// The only texts that have a place.
const DATES: [Field; 2] = [Field::ServiceDate, Field::ShippingDate];

/// The evidence of a packet as Prism takes it.
///
/// # Errors
/// What keeps it from being sent, in words.
pub fn submission(sending: Sending<'_>) -> Result<What<'static>, String> {
    let mut faults = lint(sending.packet, false);
    let documents: Vec<EvidenceDocument> =
        sending.documents.iter().filter_map(|d| document(d).map_err(|why| faults.push(why)).ok()).collect();
    if documents.len() != sending.packet.document_count() {
        let (wanted, there) = (sending.packet.document_count(), documents.len());
        faults.push(format!("the packet names {wanted} documents, and the bytes of {there} are at hand"));
    }
    if documents.is_empty() {
        faults.push("without a document there is nothing that Prism takes as evidence".to_owned());
    }
    if !faults.is_empty() {
        return Err(faults.join("; "));
    }
    let date = |field: Field| sending.packet.text.get(&field).and_then(|text| day(text));
    let (service_date, shipping_date) = (date(Field::ServiceDate), date(Field::ShippingDate));
    Ok(What::SubmitEvidence { service_date, shipping_date, documents })
}

fn document(document: &Document) -> Result<EvidenceDocument, String> {
    let kind = kind(document.field).ok_or_else(|| format!("`{}` is no kind of document", document.field))?;
    if document.content.is_empty() {
        return Err(format!("`{}` is empty", document.name));
    }
    Ok(EvidenceDocument {
        evidence_type: kind.into(),
        file_content: Some(document.content.clone()),
        file_mime_type: Some(document.media_type.clone()),
        provider_file_id: None,
        text_content: None,
    })
}

/// What keeps a packet from being sent. `submit` asks for what only a defence owes.
pub fn lint(packet: &Packet, submit: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for (field, text) in &packet.text {
        if !DATES.contains(field) {
            faults.push(format!("Prism has no place for `{field}`: say it in a document"));
        } else if day(text).is_none() {
            faults.push(format!("`{field}` is no date as Prism takes one: write YYYY-MM-DD"));
        }
    }
    let mut kinds: BTreeMap<i32, Vec<Field>> = BTreeMap::new();
    for (field, files) in &packet.files {
        match kind(*field) {
            Some(kind) => kinds.entry(kind.into()).or_default().extend(files.iter().map(|_| *field)),
            None => faults.push(format!("Prism has no place for a file as `{field}`")),
        }
    }
    for (kind, fields) in kinds.into_iter().filter(|(_, fields)| fields.len() > 1) {
        let kind = EvidenceType::try_from(kind).unwrap_or_default().as_str_name();
        let names = fields.iter().map(Field::as_str).collect::<Vec<_>>().join(", ");
        faults.push(format!("Prism keeps one document as {kind}, and here are several ({names}): join them"));
    }
    if packet.amount.is_some() {
        faults.push("Prism contests the whole amount: a part of it cannot be named".to_owned());
    }
    if submit && packet.document_count() == 0 {
        faults.push("a defence through Prism needs at least one document".to_owned());
    }
    faults
}

/// `2026-03-01`, as seconds since 1970 at its beginning in UTC.
fn day(text: &str) -> Option<i64> {
    let day = text.trim().parse::<NaiveDate>().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}
