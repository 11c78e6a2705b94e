//! `/v1/files`: evidence documents. Dispute evidence is PDF, JPEG or PNG, at most 5 MB, and expires 270 days
//! after its upload (Stripe's file upload guide; the expiry as recorded from its API).

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::reply::Reply;
use super::Desk;
use super::refusal::Refusal;
use super::{Book, Call, lists};

const FILE_BYTES_MAX: usize = 5_000_000;
const KEPT_DAYS: i64 = 270;

#[derive(Debug, Clone)]
pub(super) struct File {
    pub account: usize,
    pub n: u64,
    pub created: i64,
    pub purpose: String,
    pub record: Value,
    pub content: Bytes,
    pub media_type: &'static str,
}

impl Book {
    pub(super) fn has_evidence_file(&self, account: usize, id: &str, now: DateTime<Utc>) -> bool {
        self.files.get(id).is_some_and(|file| {
            let expired = now.timestamp() > file.created + KEPT_DAYS * 86_400;
            file.account == account && file.purpose == "dispute_evidence" && !expired
        })
    }

    pub(super) fn file(&self, account: usize, id: &str) -> Result<&File, Refusal> {
        let found = self.files.get(id).filter(|file| file.account == account);
        found.ok_or_else(|| Refusal::no_such("file upload", id, "file"))
    }
}

/// By its first bytes, as the ending of a name proves nothing.
fn sniffed(content: &[u8]) -> Option<(&'static str, &'static str)> {
    match content {
        [b'%', b'P', b'D', b'F', ..] => Some(("pdf", "application/pdf")),
        [0xFF, 0xD8, 0xFF, ..] => Some(("jpg", "image/jpeg")),
        [0x89, b'P', b'N', b'G', ..] => Some(("png", "image/png")),
        _ => None,
    }
}

pub(super) fn upload(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let purpose = call.parameters.text("purpose").ok_or_else(|| Refusal::missing_parameter("purpose"))?;
    let part = call.parts.iter().find(|part| part.name == "file" && part.filename.is_some());
    let part = part.ok_or_else(|| Refusal::missing_parameter("file"))?;
    let evidence = ["dispute_evidence", "customer_signature"];
    if !evidence.contains(&purpose) {
        let message = format!("Invalid purpose: the sandbox takes {} and no others", evidence.join(" and "));
        return Err(Refusal::invalid(message).param("purpose"));
    }
    if part.content.is_empty() {
        return Err(Refusal::invalid("The uploaded file is empty").param("file"));
    }
    if part.content.len() > FILE_BYTES_MAX {
        return Err(Refusal::invalid("The uploaded file is larger than 5 MB").param("file"));
    }
    let wrong = || Refusal::invalid("The uploaded file is not a PDF, JPEG or PNG").param("file");
    let (ending, media_type) = sniffed(&part.content).ok_or_else(wrong)?;
    let id = desk.office.ids.next("file_", 24);
    let created = call.at.timestamp();
    let record = json!({
        "id": id,
        "object": "file",
        "created": created,
        "expires_at": created + KEPT_DAYS * 86_400,
        "filename": part.filename,
        "links": { "object": "list", "data": [], "has_more": false, "url": format!("/v1/file_links?file={id}") },
        "purpose": purpose,
        "size": part.content.len(),
        "title": null,
        "type": ending,
        "url": format!("/v1/files/{id}/contents"),
    });
    let file = File {
        account: call.account,
        n: desk.office.count(),
        created,
        purpose: purpose.to_owned(),
        record: record.clone(),
        content: part.content.clone(),
        media_type,
    };
    desk.book.files.insert(id, file);
    Ok(Reply::json(200, &record))
}

pub(super) fn fetch(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    desk.book.file(call.account, id).map(|file| Reply::json(200, &file.record))
}

pub(super) fn contents(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let file = desk.book.file(call.account, id)?;
    Ok(Reply::bytes(200, file.media_type, file.content.clone()))
}

pub(super) fn list(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let purpose = call.parameters.text("purpose");
    let wanted =
        desk.book.files.values().filter(|file| {
            file.account == call.account && purpose.is_none_or(|purpose| file.purpose == purpose)
        });
    let items =
        wanted.map(|file| lists::Item { created: file.created, n: file.n, record: file.record.clone() });
    lists::page(items.collect(), call, "file", "/v1/files")
}
