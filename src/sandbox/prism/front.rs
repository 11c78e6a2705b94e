//! One call: its path, its headers, the connector asked by HTTP, and what Prism makes of the answer. Seen of the real
//! server: a Defend that the connector refuses is answered WON without an error; Get is answered with nothing for
//! every connector; empty ids and reason codes are passed on; of two documents of one kind the last is taken; and
//! nothing but Adyen can do anything.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use prost::Message;
use serde_json::{Value, json};

use super::super::office::Office;
use super::super::reply::{Incoming, Reply};
use super::super::stand_in::StandIn;
use super::Book;
use super::grpc::{self, Code, Status};
use super::header::{Credentials, credentials};
use super::wire::{self, Ask, AskWithEvidence, Details, Document, ErrorInfo};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Defend,
    Accept,
    SubmitEvidence,
    Get,
}

/// Which numbers the answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Today,
    /// `ucs.v2` before 2026-03-05.
    Before,
}

const UNSPECIFIED: i32 = 0;
const ACCEPTED: i32 = 3;
const CHALLENGED: i32 = 5;
const WON: i32 = 6;

pub(super) fn answer(book: &mut Book, office: &mut Office, now: DateTime<Utc>, request: &Incoming) -> Reply {
    if !request.header("content-type").is_some_and(|t| t.starts_with("application/grpc")) {
        return Reply::bytes(415, "text/plain", Bytes::from_static(b"gRPC is spoken here\n"));
    }
    let reply = look(book, office, now, request).unwrap_or_else(|status| status.reply());
    let given = request.header("x-request-id").map(|id| id.chars().take(128).collect::<String>());
    reply.header("x-request-id", given.unwrap_or_else(|| office.ids.next("req-", 16)))
}

fn look(
    book: &mut Book,
    office: &mut Office,
    now: DateTime<Utc>,
    request: &Incoming,
) -> Result<Reply, Status> {
    let (form, call) = route(request).ok_or_else(|| Status::bare(Code::Unimplemented, ""))?;
    let credentials = credentials(request)?;
    if call == Call::Get {
        return Ok(grpc::answer(&[]));
    }
    if credentials.connector != "adyen" {
        return Err(Status::not_implemented(flow(call), &credentials.connector));
    }
    let (dispute_id, upstream) = upstream(call, &credentials, &request.body)?;
    let reply = book.connector.answer(office, now, &upstream);
    if reply.cut {
        return Ok(reply);
    }
    let latency = reply.latency;
    let told = told(form, call, &dispute_id, &reply).unwrap_or_else(|status| status.reply());
    Ok(Reply { latency, ..told })
}

fn route(request: &Incoming) -> Option<(Form, Call)> {
    let segments = request.segments();
    let [service, call] = segments[..] else { return None };
    let form = match service {
        "types.DisputeService" => Form::Today,
        "ucs.v2.DisputeService" => Form::Before,
        _ => return None,
    };
    let call = match call {
        "Defend" => Call::Defend,
        "Accept" => Call::Accept,
        "SubmitEvidence" => Call::SubmitEvidence,
        "Get" => Call::Get,
        _ => return None,
    };
    (request.method == Method::POST).then_some((form, call))
}

const fn flow(call: Call) -> &'static str {
    match call {
        Call::Defend => "defend_dispute",
        Call::Accept => "accept_dispute",
        Call::SubmitEvidence => "submit_evidence",
        Call::Get => "dispute_sync",
    }
}

/// The dispute that is asked about, and the request to the connector.
fn upstream(call: Call, credentials: &Credentials, body: &[u8]) -> Result<(String, Incoming), Status> {
    let (operation, dispute_id, more) = match call {
        Call::Defend => {
            let ask: Ask = grpc::decode(body)?;
            let reason = ask.reason_code.unwrap_or_default();
            ("defendDispute", ask.dispute_id, json!({ "defenseReasonCode": reason }))
        }
        Call::Accept | Call::Get => {
            let ask: Ask = grpc::decode(body)?;
            ("acceptDispute", ask.dispute_id, json!({}))
        }
        Call::SubmitEvidence => {
            let ask: AskWithEvidence = grpc::decode(body)?;
            let documents = documents(ask.evidence_documents)?;
            ("supplyDefenseDocument", ask.dispute_id, json!({ "defenseDocuments": documents }))
        }
    };
    let mut json = more;
    json["disputePspReference"] = json!(dispute_id);
    json["merchantAccountCode"] = json!(credentials.merchant_account);
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("via", HeaderValue::from_static("HyperSwitch"));
    let key = HeaderValue::from_str(&credentials.api_key);
    headers
        .insert("x-api-key", key.map_err(|_| Status::malformed("x-api-key", "It cannot stand in a header"))?);
    let request = Incoming {
        method: Method::POST,
        path: format!("/ca/services/DisputeService/v30/{operation}"),
        query: String::new(),
        headers,
        body: Bytes::from(json.to_string()),
        parts: vec![],
    };
    Ok((dispute_id, request))
}

/// By kind, so that the last of a kind is the one that stays, and the order is not that of the request.
fn documents(given: Vec<Document>) -> Result<Vec<Value>, Status> {
    let usable = given.into_iter().filter(|d| (1..=10).contains(&d.evidence_type));
    let by_kind: BTreeMap<i32, Document> =
        usable.filter(|d| d.file_content.is_some()).map(|d| (d.evidence_type, d)).collect();
    if by_kind.is_empty() {
        return Err(Status::missing("Missing Defence Documents"));
    }
    let document = |d: Document| {
        let media_type = d.file_mime_type.filter(|_| d.evidence_type != wire::SHIPPING);
        json!({
            "content": STANDARD.encode(d.file_content.unwrap_or_default()),
            "contentType": media_type,
            "defenseDocumentTypeCode": "DefenseMaterial",
        })
    };
    Ok(by_kind.into_values().map(document).collect())
}

/// What Prism makes of the connector's answer.
fn told(form: Form, call: Call, dispute_id: &str, reply: &Reply) -> Result<Reply, Status> {
    let said: Option<Value> = serde_json::from_slice(&reply.body).ok();
    if reply.status != 200 {
        let text = |field: &str| said.as_ref().and_then(|v| v[field].as_str().map(str::to_owned));
        let code = text("errorCode").unwrap_or_else(|| reply.status.to_string());
        let message = text("message").unwrap_or_else(|| "no message".to_owned());
        return Err(Status::connector(reply.status, &code, &message));
    }
    let result = said.as_ref().map(|v| &v["disputeServiceResult"]).filter(|r| r.is_object());
    let result = result.ok_or_else(Status::unreadable)?;
    let status = match (call, result["success"] == json!(true)) {
        (Call::Accept, true) => ACCEPTED,
        (Call::Defend | Call::SubmitEvidence | Call::Get, true) => CHALLENGED,
        (Call::Defend, false) => WON,
        (Call::Accept | Call::SubmitEvidence | Call::Get, false) => UNSPECIFIED,
    };
    // A refused Defend keeps its id and loses its error; the others the other way round.
    let error =
        (status == UNSPECIFIED).then(|| result["errorMessage"].as_str().unwrap_or("No error message"));
    let dispute_id = if error.is_some() { "" } else { dispute_id };
    Ok(grpc::answer(&encoded(form, call, dispute_id, status, error)))
}

const NO_CODE: &str = "No error code";

fn encoded(form: Form, call: Call, dispute_id: &str, dispute_status: i32, error: Option<&str>) -> Vec<u8> {
    let optional_id = (!dispute_id.is_empty()).then(|| dispute_id.to_owned());
    let dispute_id = dispute_id.to_owned();
    let error_message = error.map(str::to_owned);
    let error_code = error.map(|_| NO_CODE.to_owned());
    let details = || {
        let message = error_message.clone();
        Details { code: error_code.clone(), reason: message.clone(), message }
    };
    let info = error.map(|_| ErrorInfo { unified_details: None, connector_details: Some(details()) });
    let status_code = 200;
    match (form, call) {
        (Form::Today, Call::SubmitEvidence) => {
            wire::ToldOfEvidence { dispute_id: optional_id, dispute_status, error: info, status_code }
                .encode_to_vec()
        }
        (Form::Today, Call::Defend | Call::Accept | Call::Get) => {
            wire::Told { dispute_id, dispute_status, error: info, status_code }.encode_to_vec()
        }
        (Form::Before, Call::SubmitEvidence) => wire::ToldOfEvidenceBefore {
            dispute_id: optional_id,
            dispute_status,
            error_code,
            error_message,
            status_code,
        }
        .encode_to_vec(),
        (Form::Before, Call::Defend | Call::Accept | Call::Get) => {
            wire::ToldBefore { dispute_id, dispute_status, error_code, error_message, status_code }
                .encode_to_vec()
        }
    }
}
