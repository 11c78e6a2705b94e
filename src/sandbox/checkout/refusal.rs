//! Checkout.com's errors: a 401 or 404 says nothing, a 422 has a type and codes. The reference names the shape
//! and one code of paging; the codes of disputes here are of the same make. Knows no state.

use bytes::Bytes;
use serde_json::json;

use super::super::reply::Reply;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    Unauthorised,
    NotFound,
    /// 422, with its code.
    Invalid(String),
    Throttled,
    Conflict,
    ServerError,
}

impl Refusal {
    pub fn invalid(code: &str) -> Self {
        Refusal::Invalid(code.to_owned())
    }

    pub fn reply(&self, request_ref: &str) -> Reply {
        let told = |status: u16, kind: &str, codes: &[&str]| {
            let body = json!({ "request_id": request_ref, "error_type": kind, "error_codes": codes });
            Reply::json(status, &body)
        };
        let silent = |status: u16| Reply::bytes(status, "", Bytes::new());
        match self {
            Refusal::Unauthorised => silent(401),
            Refusal::NotFound => silent(404),
            Refusal::Invalid(code) => told(422, "request_invalid", &[code]),
            Refusal::Throttled => silent(429),
            Refusal::Conflict => told(409, "request_conflict", &["operation_in_progress"]),
            Refusal::ServerError => silent(500),
        }
    }
}
