//! Square's errors: a list of one, with a category, a code and a sentence (the codes are of its reference).
//! Knows no state: it is told what is wrong.

use serde_json::{Value, json};

use super::super::reply::Reply;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    status: u16,
    error: Value,
}

impl Refusal {
    fn new(status: u16, category: &str, code: &str, detail: &str) -> Self {
        Self { status, error: json!({ "category": category, "code": code, "detail": detail }) }
    }

    /// 400, with the field it is about where there is one.
    pub fn bad_request(detail: &str, field: Option<&str>) -> Self {
        Self::invalid("BAD_REQUEST", detail, field)
    }

    pub fn invalid(code: &str, detail: &str, field: Option<&str>) -> Self {
        let mut refusal = Self::new(400, "INVALID_REQUEST_ERROR", code, detail);
        if let Some(field) = field {
            refusal.error["field"] = json!(field);
        }
        refusal
    }

    pub fn not_found(id: &str) -> Self {
        Self::new(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", &format!("There is no `{id}`."))
    }

    pub fn unknown_url() -> Self {
        Self::new(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "Resource not found.")
    }

    pub fn unauthorised() -> Self {
        Self::new(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "This request could not be authorized.")
    }

    pub fn throttled() -> Self {
        Self::new(429, "RATE_LIMIT_ERROR", "RATE_LIMITED", "Too many requests at once.")
    }

    pub fn conflict() -> Self {
        Self::new(409, "API_ERROR", "CONFLICT", "Another request about this dispute is in progress.")
    }

    pub fn server_error() -> Self {
        Self::new(500, "API_ERROR", "INTERNAL_SERVER_ERROR", "The request could not be completed.")
    }

    pub fn reply(&self) -> Reply {
        Reply::json(self.status, &json!({ "errors": [self.error] }))
    }
}
