//! Adyen's error bodies. A request that cannot be read gets a status of its own; one that can, and may not be
//! done, gets 200 with `success` false. Knows no state: it is told what is wrong.

use serde_json::{Value, json};

use super::super::reply::Reply;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub status: u16,
    pub body: Value,
}

impl Refusal {
    fn service(status: u16, code: &str, message: impl Into<String>, kind: &str) -> Self {
        let message = message.into();
        let body = json!({ "status": status, "errorCode": code, "message": message, "errorType": kind });
        Self { status, body }
    }

    /// Read, understood, and not done.
    pub fn not_done(message: &str) -> Self {
        let body = json!({ "disputeServiceResult": { "success": false, "errorMessage": message } });
        Self { status: 200, body }
    }

    pub fn unauthorised() -> Self {
        Self::service(401, "000", "HTTP Status Response - Unauthorized", "security")
    }

    pub fn foreign_account() -> Self {
        Self::service(403, "901", "Invalid Merchant Account", "security")
    }

    pub fn unknown_url() -> Self {
        Self::service(404, "000", "HTTP Status Response - Not Found", "validation")
    }

    pub fn not_json() -> Self {
        Self::service(400, "702", "The structure of the request is not what is expected", "validation")
    }

    pub fn missing(field: &str) -> Self {
        Self::service(422, "100", format!("Required field '{field}' is not provided."), "validation")
    }

    pub fn throttled() -> Self {
        Self::service(429, "829", "Too many requests", "security")
    }

    pub fn conflict() -> Self {
        Self::service(409, "704", "The request is processed already or in progress", "validation")
    }

    pub fn server_error() -> Self {
        Self::service(500, "905", "The request could not be completed", "internal")
    }

    pub fn reply(&self) -> Reply {
        Reply::json(self.status, &self.body)
    }
}
