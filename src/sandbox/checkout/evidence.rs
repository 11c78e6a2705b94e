//! `/disputes/{id}/evidence`: provided as often as one likes, field by field, and submitted once, without a
//! body. Read strictly: an unknown name, a text that is too long or a file that is not there refuses the call.

use serde_json::{Map, Value};

use super::super::reply::Reply;
use super::record::Evidence;
use super::refusal::Refusal;
use super::{Call, Desk};

const TEXT_CHARS_MAX: usize = 500;

const NAMES: [&str; 8] = [
    "proof_of_delivery_or_service",
    "invoice_or_receipt",
    "invoice_showing_distinct_transactions",
    "customer_communication",
    "refund_or_cancellation_policy",
    "recurring_transaction_agreement",
    "additional_evidence",
    "proof_of_delivery_or_service_date",
];

pub(super) fn provide(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    super::may_act(desk.book.dispute(call.account, id)?, call.at)?;
    let fields = read(call)?;
    let files = fields.iter().filter(|(name, _)| name.ends_with("_file"));
    if files.into_iter().any(|(_, file)| !desk.book.has_file(call.account, file)) {
        return Err(Refusal::invalid("file_not_found"));
    }
    desk.edit(call.at, id, |dispute| dispute.evidence.extend(fields));
    Ok(super::nothing())
}

fn read(call: &Call<'_>) -> Result<Evidence, Refusal> {
    let body: Map<String, Value> =
        serde_json::from_slice(call.body).map_err(|_| Refusal::invalid("request_body_malformed"))?;
    let mut fields = Evidence::new();
    for (name, value) in body {
        let known = name.rsplit_once('_').filter(|(place, _)| NAMES.contains(place));
        let text = value.as_str().filter(|text| !text.is_empty());
        let code = match (known, text) {
            (Some((_, "file")), Some(_)) => None,
            (Some((_, "text")), Some(text)) if text.chars().count() <= TEXT_CHARS_MAX => None,
            (Some((_, "text")), Some(_)) => Some(format!("{name}_too_long")),
            (Some((_, "file" | "text")), None) => Some(format!("{name}_invalid")),
            (Some(_) | None, _) => Some(format!("{name}_unknown")),
        };
        if let Some(code) = code {
            return Err(Refusal::Invalid(code));
        }
        fields.insert(name, text.unwrap_or_default().to_owned());
    }
    match fields.is_empty() {
        true => Err(Refusal::invalid("evidence_required")),
        false => Ok(fields),
    }
}

pub(super) fn submit(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    super::may_act(dispute, call.at)?;
    if dispute.evidence.is_empty() {
        return Err(Refusal::invalid("evidence_not_provided"));
    }
    desk.submit(call.at, id);
    Ok(super::nothing())
}

pub(super) fn provided(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    match dispute.evidence.is_empty() {
        true => Err(Refusal::NotFound),
        false => Ok(Reply::json(200, &serde_json::json!(dispute.evidence))),
    }
}
