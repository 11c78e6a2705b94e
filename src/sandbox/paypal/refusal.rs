//! PayPal's error bodies (`customer_disputes_v1.json`, schemas `error_400` to `error_503`). Knows no state: it is
//! told what is wrong.

use serde_json::{Value, json};

use super::super::reply::Reply;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub status: u16,
    pub body: Value,
}

impl Refusal {
    fn new(status: u16, name: &str, message: &str) -> Self {
        let body = json!({ "name": name, "message": message, "debug_id": "5ca1ab1e0ddba", "links": [] });
        Self { status, body }
    }

    /// The fine-grained word beside the coarse one.
    fn detail(mut self, issue: &str, description: &str, field: Option<&str>) -> Self {
        let mut detail = json!({ "issue": issue, "description": description });
        if let Some(field) = field {
            detail["field"] = json!(field);
        }
        self.body["details"] = json!([detail]);
        self
    }

    pub fn invalid(field: &str, issue: &str, description: &str) -> Self {
        let message = "Request is not well-formed, syntactically incorrect, or violates schema.";
        Self::new(400, "INVALID_REQUEST", message).detail(issue, description, Some(field))
    }

    /// The action is not among the record's links now.
    pub fn not_allowed(description: &str) -> Self {
        let message = "The requested action could not be performed, semantically incorrect, or failed business \
                       validation.";
        Self::new(422, "UNPROCESSABLE_ENTITY", message).detail("ACTION_NOT_ALLOWED", description, None)
    }

    pub fn not_found() -> Self {
        Self::new(404, "RESOURCE_NOT_FOUND", "The specified resource does not exist.")
    }

    pub fn unauthorised() -> Self {
        let message = "Authentication failed due to missing authorization header, or invalid authentication \
                       credentials.";
        Self::new(401, "AUTHENTICATION_FAILURE", message)
    }

    pub fn not_multipart() -> Self {
        let message = "The server does not support the request payload's media type.";
        Self::new(415, "UNSUPPORTED_MEDIA_TYPE", message)
    }

    /// The token address speaks OAuth's own words (RFC 6749, 5.2).
    pub fn oauth(status: u16, error: &str, description: &str) -> Self {
        Self { status, body: json!({ "error": error, "error_description": description }) }
    }

    pub fn throttled() -> Self {
        Self::new(429, "RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting.")
    }

    pub fn conflict() -> Self {
        Self::new(
            409,
            "RESOURCE_CONFLICT",
            "The server has detected a conflict while processing this request.",
        )
    }

    pub fn server_error() -> Self {
        Self::new(500, "INTERNAL_SERVER_ERROR", "An internal server error occurred.")
    }

    pub fn reply(&self) -> Reply {
        Reply::json(self.status, &self.body).header("paypal-debug-id", "5ca1ab1e0ddba")
    }
}
