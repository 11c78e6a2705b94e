//! Pieces of evidence: words or a file each, given under an idempotency key, shown, and taken away again. The
//! same key with the same request answers as it did; with another one it is refused.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::reply::Reply;
use super::refusal::Refusal;
use super::{Call, Desk};

const TEXT_CHARS_MAX: usize = 500;
const KEY_CHARS_MAX: usize = 45;
const FILE_BYTES_MAX: usize = 5 << 20;

const TYPES: [&str; 15] = [
    "GENERIC_EVIDENCE",
    "ONLINE_OR_APP_ACCESS_LOG",
    "AUTHORIZATION_DOCUMENTATION",
    "CANCELLATION_OR_REFUND_DOCUMENTATION",
    "CARDHOLDER_COMMUNICATION",
    "CARDHOLDER_INFORMATION",
    "PURCHASE_ACKNOWLEDGEMENT",
    "DUPLICATE_CHARGE_DOCUMENTATION",
    "PRODUCT_OR_SERVICE_DESCRIPTION",
    "RECEIPT",
    "SERVICE_RECEIVED_DOCUMENTATION",
    "PROOF_OF_DELIVERY_DOCUMENTATION",
    "RELATED_TRANSACTION_DOCUMENTATION",
    "REBUTTAL_EXPLANATION",
    "TRACKING_NUMBER",
];
const FILE_TYPES: [&str; 6] =
    ["image/heic", "image/heif", "image/jpeg", "application/pdf", "image/png", "image/tiff"];

/// What every piece is given with.
struct Given {
    key: String,
    kind: String,
    request: Value,
}

fn given(request: Value) -> Result<Given, Refusal> {
    let key = request["idempotency_key"].as_str().unwrap_or_default().to_owned();
    if !(1..=KEY_CHARS_MAX).contains(&key.chars().count()) {
        let detail = "A key of 1 to 45 characters is required.";
        return Err(Refusal::invalid("MISSING_REQUIRED_PARAMETER", detail, Some("idempotency_key")));
    }
    let asked = &request["evidence_type"];
    let kind = match asked.is_null() {
        true => "GENERIC_EVIDENCE",
        false => TYPES.into_iter().find(|known| asked == *known).ok_or_else(|| {
            Refusal::invalid("INVALID_ENUM_VALUE", "There is no such type.", Some("evidence_type"))
        })?,
    };
    Ok(Given { key, kind: kind.to_owned(), request })
}

fn parsed(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::bad_request("The request is not JSON.", None))
}

pub(super) fn words(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let given = given(parsed(call.body)?)?;
    let text = given.request["evidence_text"].as_str().unwrap_or_default().to_owned();
    if !(1..=TEXT_CHARS_MAX).contains(&text.chars().count()) {
        let detail = "Words of 1 to 500 characters are required.";
        return Err(Refusal::invalid("VALUE_TOO_LONG", detail, Some("evidence_text")));
    }
    give(desk, call, id, given, call.body.clone(), &json!({ "evidence_text": text }))
}

pub(super) fn file(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let part = |name: &str| call.parts.iter().find(|part| part.name == name);
    let missing =
        |name: &str| Refusal::invalid("MISSING_REQUIRED_PARAMETER", "A part is missing.", Some(name));
    let given = given(parsed(&part("request").ok_or_else(|| missing("request"))?.content)?)?;
    let file = part("image_file").ok_or_else(|| missing("image_file"))?;
    let taken = |kind: &&str| given.request["content_type"] == **kind;
    let Some(media_type) = FILE_TYPES.into_iter().find(taken) else {
        let detail = "Files of this type are not taken.";
        return Err(Refusal::invalid("UNSUPPORTED_MEDIA_TYPE", detail, Some("content_type")));
    };
    if file.content.is_empty() || file.content.len() > FILE_BYTES_MAX {
        let detail = "The file is empty or larger than 5 MB.";
        return Err(Refusal::invalid("INVALID_VALUE", detail, Some("image_file")));
    }
    let filename = file.filename.as_deref().unwrap_or("file");
    let shown = json!({ "evidence_file": { "filename": filename, "filetype": media_type } });
    let content = file.content.clone();
    give(desk, call, id, given, content, &shown)
}

fn give(
    desk: &mut Desk<'_>,
    call: &Call<'_>,
    id: &str,
    given: Given,
    content: Bytes,
    shown: &Value,
) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    let place = (call.account, given.key);
    match desk.book.given.get(&place) {
        Some((before, answer)) if *before == content => return Ok(Reply::json(200, answer)),
        Some(_) => {
            let detail = "The key was used for another request.";
            return Err(Refusal::invalid("IDEMPOTENCY_KEY_REUSED", detail, Some("idempotency_key")));
        }
        None => super::may_act(dispute, call.at)?,
    }
    let mut piece = json!({
        "id": desk.office.ids.next("piece", 17),
        "dispute_id": id,
        "evidence_type": given.kind,
        "uploaded_at": call.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    });
    for (name, value) in shown.as_object().into_iter().flatten() {
        piece[name] = value.clone();
    }
    let answer = json!({ "evidence": piece });
    desk.book.given.insert(place, (content, answer.clone()));
    desk.edit(call.at, id, "dispute.evidence.created", |dispute| dispute.pieces.push(piece));
    Ok(Reply::json(200, &answer))
}

pub(super) fn pieces(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    Ok(Reply::json(200, &json!({ "evidence": dispute.pieces })))
}

pub(super) fn piece(desk: &Desk<'_>, call: &Call<'_>, id: &str, piece: &str) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    let found = dispute.pieces.iter().find(|p| p["id"] == piece).ok_or_else(|| Refusal::not_found(piece))?;
    Ok(Reply::json(200, &json!({ "evidence": found })))
}

pub(super) fn take_away(
    desk: &mut Desk<'_>,
    call: &Call<'_>,
    id: &str,
    piece: &str,
) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    super::may_act(dispute, call.at)?;
    if !dispute.pieces.iter().any(|p| p["id"] == piece) {
        return Err(Refusal::not_found(piece));
    }
    desk.edit(call.at, id, "dispute.evidence.deleted", |dispute| dispute.pieces.retain(|p| p["id"] != piece));
    Ok(Reply::json(200, &json!({})))
}
