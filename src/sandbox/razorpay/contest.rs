//! `PATCH /v1/disputes/{id}/contest`: a draft that later drafts add to, and its submission. Read strictly: an
//! unknown key, a document that is not there or an amount above the dispute's refuses the whole call.

use serde_json::Value;

use super::super::reply::Reply;
use super::Call;
use super::Desk;
use super::record::{Dispute, Evidence, PROOFS};
use super::refusal::Refusal;

const SUMMARY_CHARS_MAX: usize = 1000;

/// Whether the body asks for submission; anything else is a draft.
pub(super) fn submits(body: &Value) -> bool {
    body["action"] == "submit"
}

pub(super) fn contest(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    super::may_act(dispute, call.at)?;
    let action = &call.body["action"];
    let submit = match action.as_str() {
        Some("submit") => true,
        Some("draft") => false,
        None if action.is_null() => false,
        Some(_) | None => return Err(Refusal::bad_request("The selected action is invalid", Some("action"))),
    };
    let evidence = merged(dispute, &call.body)?;
    let known = |id: &String| desk.book.has_document(call.account, id);
    if !evidence.documents().all(known) {
        return Err(Refusal::no_such_file());
    }
    if submit && evidence.documents().next().is_none() {
        let description = "At least one document is required to submit the contest";
        return Err(Refusal::bad_request(description, None));
    }
    match submit {
        true => desk.submit(call.at, id, |d| d.evidence = evidence),
        false => desk.edit(call.at, id, |d| d.evidence = evidence),
    }
    Ok(Reply::json(200, &desk.book.dispute(call.account, id)?.json()))
}

/// What was drafted before, with what the body adds.
fn merged(dispute: &Dispute, body: &Value) -> Result<Evidence, Refusal> {
    let mut evidence = dispute.evidence.clone();
    let empty = serde_json::Map::new();
    for (key, value) in body.as_object().unwrap_or(&empty) {
        match key.as_str() {
            "action" => {}
            "amount" => evidence.amount = amount(value, dispute.amount)?,
            "summary" => evidence.summary = summary(value)?,
            "others" => evidence.others = others(value)?,
            key => match PROOFS.into_iter().find(|proof| *proof == key) {
                None => return Err(Refusal::not_required(key)),
                Some(proof) if value.is_null() => _ = evidence.proofs.remove(proof),
                Some(proof) => _ = evidence.proofs.insert(proof, documents(value, proof)?),
            },
        }
    }
    Ok(evidence)
}

fn amount(value: &Value, whole: i64) -> Result<Option<i64>, Refusal> {
    match (value, value.as_i64()) {
        (Value::Null, _) => Ok(None),
        (_, Some(amount)) if amount > whole => Err(Refusal::too_much()),
        (_, Some(amount)) if amount >= 0 => Ok(Some(amount)),
        _ => Err(Refusal::bad_request("The amount must be a positive integer.", Some("amount"))),
    }
}

fn summary(value: &Value) -> Result<Option<String>, Refusal> {
    match value.as_str() {
        None if value.is_null() => Ok(None),
        Some(text) if text.chars().count() <= SUMMARY_CHARS_MAX => Ok(Some(text.to_owned())),
        Some(_) => {
            let description = format!("The summary may not be greater than {SUMMARY_CHARS_MAX} characters.");
            Err(Refusal::bad_request(description, Some("summary")))
        }
        None => Err(Refusal::bad_request("The summary must be a string.", Some("summary"))),
    }
}

fn documents(value: &Value, field: &str) -> Result<Vec<String>, Refusal> {
    let wrong = || Refusal::bad_request(format!("The {field} must be an array."), Some(field));
    let items = value.as_array().ok_or_else(wrong)?;
    items.iter().map(|id| id.as_str().map(str::to_owned).ok_or_else(Refusal::no_such_file)).collect()
}

fn others(value: &Value) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    if value.is_null() {
        return Ok(vec![]);
    }
    let wrong = || Refusal::bad_request("The others must be an array.", Some("others"));
    let items = value.as_array().ok_or_else(wrong)?;
    let mut out = vec![];
    for (n, item) in items.iter().enumerate() {
        let keys = item.as_object().ok_or_else(wrong)?;
        if let Some(key) = keys.keys().find(|key| !["type", "document_ids"].contains(&key.as_str())) {
            return Err(Refusal::not_required(&format!("others.{n}.{key}")));
        }
        let missing = || {
            let field = format!("others.{n}.type");
            Refusal::bad_request(format!("The {field} field is required."), Some(&field))
        };
        let kind = item["type"].as_str().filter(|kind| !kind.is_empty()).ok_or_else(missing)?;
        out.push((kind.to_owned(), documents(&item["document_ids"], "others")?));
    }
    Ok(out)
}
