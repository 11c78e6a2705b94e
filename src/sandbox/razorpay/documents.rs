//! `/v1/documents`: evidence documents, PDF, JPEG or PNG. Razorpay states no size for dispute evidence; its
//! sibling upload takes images of 4 MB and PDFs of 2 MB, and so does this.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::reply::Reply;
use super::Desk;
use super::refusal::Refusal;
use super::{Book, Call};

#[derive(Debug, Clone)]
pub(super) struct Document {
    pub account: usize,
    pub record: Value,
    pub content: Bytes,
}

impl Book {
    pub(super) fn has_document(&self, account: usize, id: &str) -> bool {
        self.documents.get(id).is_some_and(|document| document.account == account)
    }
}

/// The media type by the first bytes, and the most bytes it may have.
fn sniffed(content: &[u8]) -> Option<(&'static str, usize)> {
    match content {
        [b'%', b'P', b'D', b'F', ..] => Some(("application/pdf", 2 << 20)),
        [0xFF, 0xD8, 0xFF, ..] => Some(("image/jpeg", 4 << 20)),
        [0x89, b'P', b'N', b'G', ..] => Some(("image/png", 4 << 20)),
        _ => None,
    }
}

pub(super) fn upload(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let file = call.parts.iter().find(|part| part.name == "file");
    let file = file.ok_or_else(|| Refusal::bad_request("The file field is required.", Some("file")))?;
    let purpose = call.parts.iter().find(|part| part.name == "purpose");
    let missing = || Refusal::bad_request("The purpose field is required.", Some("purpose"));
    let purpose = String::from_utf8_lossy(&purpose.ok_or_else(missing)?.content).into_owned();
    if purpose != "dispute_evidence" {
        let description = format!("invalid document upload purpose:{purpose}");
        return Err(Refusal::bad_request(description, Some("purpose")));
    }
    let wrong = || {
        let description = "The file must be a file of type: jpg, jpeg, png, pdf.";
        Refusal::bad_request(description, Some("file"))
    };
    let (media_type, bytes_max) = sniffed(&file.content).ok_or_else(wrong)?;
    if file.content.len() > bytes_max {
        let description = format!("The file may not be greater than {} kilobytes.", bytes_max >> 10);
        return Err(Refusal::bad_request(description, Some("file")));
    }
    let id = desk.office.ids.next("doc_", 14);
    let record = json!({
        "id": id,
        "entity": "document",
        "purpose": purpose,
        "name": file.filename.as_deref().unwrap_or("document"),
        "mime_type": media_type,
        "size": file.content.len(),
        "created_at": call.at.timestamp(),
    });
    let document = Document { account: call.account, record: record.clone(), content: file.content.clone() };
    desk.book.documents.insert(id, document);
    Ok(Reply::json(200, &record))
}

fn found<'a>(desk: &'a Desk<'_>, call: &Call<'_>, id: &str) -> Result<&'a Document, Refusal> {
    super::valid_id(id, "doc_")?;
    let document = desk.book.documents.get(id).filter(|d| d.account == call.account);
    document.ok_or_else(Refusal::no_such_id)
}

pub(super) fn fetch(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    found(desk, call, id).map(|document| Reply::json(200, &document.record))
}

pub(super) fn content(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let document = found(desk, call, id)?;
    let media_type = document.record["mime_type"].as_str().unwrap_or("application/octet-stream");
    Ok(Reply::bytes(200, media_type, document.content.clone()))
}
