//! `/disputes/evidence`: files attached one by one under the kind of evidence that they are, and the submission that
//! names them. Read strictly: an unknown field or a file that is not there refuses the whole call.

use serde_json::{Value, json};

use super::super::reply::Reply;
use super::record::{FILE_KINDS, TEXT_FIELDS};
use super::refusal::Refusal;
use super::{Call, Desk, may_act, part};

const FILE_BYTES_MAX: usize = 5_000_000;

pub(super) fn attach(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = call.dispute()?;
    may_act(desk.book.dispute(call.account, id)?)?;
    let kind = part(call.parts, "evidence_type").ok_or_else(|| Refusal::missing("evidence_type"))?;
    let kind = FILE_KINDS
        .into_iter()
        .find(|known| *known == kind)
        .ok_or_else(|| Refusal::invalid("evidence_type"))?;
    let file = call.parts.iter().find(|part| part.name == "file" && part.filename.is_some());
    let file = file.ok_or_else(|| Refusal::missing("file"))?;
    let forms = [&b"%PDF-"[..], b"\x89PNG", b"\xff\xd8\xff"];
    let fits = forms.into_iter().any(|form| file.content.starts_with(form));
    if !fits || file.content.len() > FILE_BYTES_MAX {
        return Err(Refusal::invalid("file"));
    }
    let file_id = desk.office.ids.next("file_router_", 16);
    desk.book.files.insert(file_id.clone(), (call.account, id.to_owned()));
    let (id, attached) = (id.to_owned(), file_id.clone());
    desk.edit(&id, |d| _ = d.attached.insert(kind, attached));
    Ok(Reply::json(200, &json!({ "file_id": file_id })))
}

pub(super) fn detach(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = call.dispute()?.to_owned();
    may_act(desk.book.dispute(call.account, &id)?)?;
    let kind = call.body["evidence_type"].as_str().ok_or_else(|| Refusal::missing("evidence_type"))?;
    let kind = FILE_KINDS
        .into_iter()
        .find(|known| *known == kind)
        .ok_or_else(|| Refusal::invalid("evidence_type"))?;
    desk.edit(&id, |d| _ = d.attached.remove(kind));
    Ok(Reply::json(200, &json!({})))
}

pub(super) fn submit(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = call.dispute()?.to_owned();
    may_act(desk.book.dispute(call.account, &id)?)?;
    let mut fields = std::collections::BTreeMap::new();
    let empty = serde_json::Map::new();
    for (name, value) in call.body.as_object().unwrap_or(&empty) {
        let known = TEXT_FIELDS.contains(&name.as_str());
        let file = FILE_KINDS.contains(&name.as_str());
        match value {
            _ if name == "dispute_id" => {}
            Value::Null => {}
            Value::String(text) if known => _ = fields.insert(name.clone(), text.clone()),
            Value::String(file_id) if file => {
                let there = desk
                    .book
                    .files
                    .get(file_id)
                    .is_some_and(|(account, of)| *account == call.account && *of == id);
                if !there {
                    return Err(Refusal::no_such_file(file_id));
                }
                fields.insert(name.clone(), file_id.clone());
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                return Err(Refusal::invalid(name));
            }
        }
    }
    desk.submit(call.at, &id, fields);
    Ok(Reply::json(200, &desk.book.dispute(call.account, &id)?.json()))
}

/// What is attached and was submitted.
pub(super) fn show(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, call.dispute()?)?;
    let blocks: Vec<Value> = dispute
        .attached
        .iter()
        .map(|(kind, file_id)| json!({ "evidence_type": kind, "file_metadata_response": { "file_id": file_id } }))
        .collect();
    Ok(Reply::json(200, &json!(blocks)))
}
