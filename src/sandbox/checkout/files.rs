//! `/files`: evidence as PDF, JPEG or PNG of at most 4 MB, and what is told of one afterwards.
//! What a file is is seen by its first bytes, whatever its name says.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::super::reply::Reply;
use super::refusal::Refusal;
use super::{Book, Call, Desk};

const BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Clone)]
pub(super) struct File {
    pub account: usize,
    pub record: Value,
}

impl Book {
    pub(super) fn has_file(&self, account: usize, id: &str) -> bool {
        self.files.get(id).is_some_and(|file| file.account == account)
    }
}

/// Whether the first bytes are those of a kind that is taken.
fn is_taken(content: &[u8]) -> bool {
    matches!(content, [b'%', b'P', b'D', b'F', ..] | [0xFF, 0xD8, 0xFF, ..] | [0x89, b'P', b'N', b'G', ..])
}

pub(super) fn upload(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let file = call.parts.iter().find(|part| part.name == "file");
    let file = file.ok_or_else(|| Refusal::invalid("file_required"))?;
    let purpose = call.parts.iter().find(|part| part.name == "purpose");
    match purpose.map(|part| &part.content[..]) {
        Some(b"dispute_evidence") => {}
        Some(_) => return Err(Refusal::invalid("purpose_invalid")),
        None => return Err(Refusal::invalid("purpose_required")),
    }
    if file.content.len() > BYTES_MAX {
        return Err(Refusal::invalid("file_size_invalid"));
    }
    if !is_taken(&file.content) {
        return Err(Refusal::invalid("file_type_invalid"));
    }
    let id = desk.office.ids.next("file_", 26);
    let links = json!({ "self": { "href": format!("https://api.sandbox.checkout.com/files/{id}") } });
    let record = json!({
        "id": id,
        "filename": file.filename.as_deref().unwrap_or("file"),
        "purpose": "dispute_evidence",
        "size": file.content.len(),
        "uploaded_on": call.at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "_links": links,
    });
    desk.book.files.insert(id.clone(), File { account: call.account, record });
    Ok(Reply::json(200, &json!({ "id": id, "_links": links })))
}

pub(super) fn fetch(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let file = desk.book.files.get(id).filter(|file| file.account == call.account);
    file.map(|file| Reply::json(200, &file.record)).ok_or(Refusal::NotFound)
}
