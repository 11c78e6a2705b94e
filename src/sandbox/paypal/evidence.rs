//! What an action carries: the `input` part, JSON, and files beside it whose names it gives. Read strictly: a type
//! that PayPal does not have, a carrier without its number or a name without its file refuses the whole call.

use serde_json::Value;

use super::super::reply::{Incoming, Part};
use super::refusal::Refusal;

const NOTES_CHARS_MAX: usize = 2_000;
const FILE_BYTES_MAX: usize = 10_000_000;
const TOTAL_BYTES_MAX: usize = 50_000_000;

/// Of PayPal's seventy, those that a merchant answers with.
const TYPES: [&str; 14] = [
    "PROOF_OF_FULFILLMENT",
    "PROOF_OF_REFUND",
    "PROOF_OF_DELIVERY_SIGNATURE",
    "PROOF_OF_RECEIPT_COPY",
    "RETURN_POLICY",
    "BILLING_AGREEMENT",
    "ITEM_DESCRIPTION",
    "PROOF_OF_SHIPMENT_POSTAGE",
    "PROOF_OF_REFUND_OUTSIDE_PAYPAL",
    "PROOF_FOR_SOFTWARE_OR_SERVICE_DELIVERED",
    "MERCHANT_RESPONSE",
    "DETAILS_OF_PURCHASE",
    "ADDITIONAL_PROOF_OF_SHIPMENT",
    "OTHER",
];

/// The JSON of the `input` part, and the files.
pub(super) fn input(request: &Incoming) -> Result<(Value, Vec<&Part>), Refusal> {
    let multipart = request.header("content-type").is_some_and(|t| t.starts_with("multipart/form-data"));
    if !multipart {
        return Err(Refusal::not_multipart());
    }
    let (inputs, files): (Vec<&Part>, Vec<&Part>) = request.parts.iter().partition(|p| p.name == "input");
    let [input] = inputs[..] else {
        return Err(Refusal::invalid(
            "/input",
            "MISSING_REQUIRED_PARAMETER",
            "One part `input` is required.",
        ));
    };
    let read = serde_json::from_slice::<Value>(&input.content).ok().filter(Value::is_object);
    let read =
        read.ok_or_else(|| Refusal::invalid("/input", "MALFORMED_REQUEST_JSON", "It is no JSON object."))?;
    check_files(&files)?;
    Ok((read, files))
}

fn check_files(files: &[&Part]) -> Result<(), Refusal> {
    let wrong = |issue, words| Err(Refusal::invalid("/documents", issue, words));
    for file in files {
        let ending =
            file.filename.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let taken = ["jpg", "jpeg", "gif", "png", "pdf"];
        if !ending.is_some_and(|ending| taken.contains(&ending.to_ascii_lowercase().as_str())) {
            return wrong("INVALID_DOCUMENT_TYPE", "JPG, GIF, PNG and PDF are supported.");
        }
        if file.content.is_empty() || file.content.len() >= FILE_BYTES_MAX {
            return wrong("INVALID_DOCUMENT_SIZE", "Individual files must be smaller than 10 MB.");
        }
    }
    match files.iter().map(|file| file.content.len()).sum::<usize>() > TOTAL_BYTES_MAX {
        true => wrong("INVALID_DOCUMENT_SIZE", "At most 50 MB of files are taken for a case."),
        false => Ok(()),
    }
}

/// The evidences of provide-evidence and appeal, as the record shows them afterwards.
pub(super) fn evidences(input: &Value, files: &[&Part]) -> Result<Vec<Value>, Refusal> {
    let list = input["evidences"].as_array().filter(|list| !list.is_empty() && list.len() <= 100);
    let list = list.ok_or_else(|| {
        Refusal::invalid("/evidences", "MISSING_REQUIRED_PARAMETER", "1 to 100 evidences are required.")
    })?;
    let named = |name: &Value| files.iter().any(|f| f.filename.as_deref() == name.as_str());
    let mut taken = vec![];
    for evidence in list {
        let kind = evidence["evidence_type"].as_str().unwrap_or_default();
        if !TYPES.contains(&kind) {
            let words = "The value is not one of the evidence types.";
            return Err(Refusal::invalid("/evidences/evidence_type", "INVALID_PARAMETER_VALUE", words));
        }
        notes(&evidence["notes"], "/evidences/notes")?;
        if kind == "PROOF_OF_FULFILLMENT" {
            check_tracking(&evidence["evidence_info"]["tracking_info"])?;
        }
        let documents = evidence["documents"].as_array();
        if !documents.into_iter().flatten().all(|document| named(&document["name"])) {
            let words = "A document is named that is not among the files.";
            return Err(Refusal::invalid("/evidences/documents", "INVALID_PARAMETER_VALUE", words));
        }
        let mut shown = evidence.clone();
        shown["source"] = "SUBMITTED_BY_SELLER".into();
        taken.push(shown);
    }
    Ok(taken)
}

fn check_tracking(tracking: &Value) -> Result<(), Refusal> {
    let list = tracking.as_array().filter(|list| (1..=10).contains(&list.len()));
    let given = |info: &Value, name: &str| info[name].as_str().is_some_and(|text| !text.is_empty());
    let whole = |info: &Value| {
        let other = info["carrier_name"] != "OTHER" || given(info, "carrier_name_other");
        given(info, "carrier_name") && given(info, "tracking_number") && other
    };
    match list.is_some_and(|list| list.iter().all(whole)) {
        true => Ok(()),
        false => {
            let words = "Proof of fulfillment requires a carrier and a tracking number.";
            Err(Refusal::invalid("/evidences/evidence_info", "MISSING_REQUIRED_PARAMETER", words))
        }
    }
}

pub(super) fn notes(notes: &Value, field: &str) -> Result<(), Refusal> {
    let length = notes.as_str().map(|text| text.chars().count());
    let fits = notes.is_null() || length.is_some_and(|length| (1..=NOTES_CHARS_MAX).contains(&length));
    match fits {
        true => Ok(()),
        false => Err(Refusal::invalid(field, "INVALID_STRING_LENGTH", "1 to 2000 characters are taken.")),
    }
}
