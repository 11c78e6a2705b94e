//! The router's error bodies: `{"error": {"type", "message", "code"}}`. Knows no state: it is told what is
//! wrong.

use serde_json::json;

use super::super::reply::Reply;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    kind: &'static str,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let kind = if status < 500 { "invalid_request" } else { "api" };
        Self { status, kind, code, message: message.into() }
    }

    pub fn unauthorised() -> Self {
        Self::new(401, "IR_01", "The key in `api-key` is missing or opens nothing")
    }

    pub fn unknown_url() -> Self {
        Self::new(404, "IR_02", "There is nothing at this address")
    }

    pub fn missing(name: &str) -> Self {
        Self::new(400, "IR_04", format!("`{name}` is required and missing"))
    }

    pub fn invalid(name: &str) -> Self {
        Self::new(400, "IR_06", format!("`{name}` is not what it should be"))
    }

    pub fn no_such_dispute(id: &str) -> Self {
        Self::new(404, "HE_02", format!("There is no dispute `{id}` on this account"))
    }

    pub fn no_such_file(id: &str) -> Self {
        Self::new(404, "HE_02", format!("There is no file `{id}` attached to this dispute"))
    }

    pub fn not_in_this_state(stage: &str, status: &str) -> Self {
        let message =
            format!("Not possible while the dispute is in the stage {stage} and the status {status}");
        Self::new(400, "IR_23", message)
    }

    pub fn throttled() -> Self {
        Self::new(429, "HE_05", "Too many requests: slow down")
    }

    pub fn conflict() -> Self {
        Self::new(409, "HE_06", "Another request is at work on this dispute")
    }

    pub fn server_error() -> Self {
        Self::new(500, "HE_00", "Something went wrong")
    }

    pub fn reply(&self) -> Reply {
        let body = json!({"error": {"type": self.kind, "message": self.message, "code": self.code}});
        Reply::json(self.status, &body)
    }
}
