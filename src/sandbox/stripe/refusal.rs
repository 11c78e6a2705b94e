//! Stripe's error body, and the refusals its dispute API is known to give. Messages that no primary source
//! quotes are marked: an integration must decide on status, type and code, never on their text.

use serde_json::json;

use super::super::reply::Reply;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub message: String,
    pub param: Option<String>,
}

impl Refusal {
    /// 400 `invalid_request_error` without a code.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, kind: "invalid_request_error", code: None, message: message.into(), param: None }
    }

    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn unknown_parameter(name: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {name}")).code("parameter_unknown").param(name)
    }

    pub fn missing_parameter(name: &str) -> Self {
        Self::invalid(format!("Missing required param: {name}.")).code("parameter_missing").param(name)
    }

    pub fn empty_parameter(name: &str) -> Self {
        let message = format!(
            "You passed an empty string for '{name}'. An empty value unsets a parameter, and '{name}' cannot be unset."
        );
        Self::invalid(message).code("parameter_invalid_empty").param(name)
    }

    /// 404 in a path; used with `.status(400)` for an id inside the parameters.
    pub fn no_such(noun: &str, id: &str, param: &str) -> Self {
        Self::invalid(format!("No such {noun}: '{id}'")).code("resource_missing").param(param).status(404)
    }

    /// The one state refusal whose text is on record; it carries no code.
    pub fn already_closed() -> Self {
        Self::invalid("This dispute is already closed")
    }

    /// Text assumed: no primary source quotes it.
    pub fn already_submitted() -> Self {
        Self::invalid("Evidence for this dispute has already been submitted to the bank")
    }

    /// Text assumed.
    pub fn no_response_possible() -> Self {
        Self::invalid("This dispute cannot be responded to")
    }

    pub fn idempotency_mismatch(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self { kind: "idempotency_error", ..Self::invalid(message) }
    }

    pub fn no_key() -> Self {
        Self::invalid(
            "You did not provide an API key. Send it in the Authorization header as a Bearer token.",
        )
        .status(401)
    }

    /// Shows the last four characters of the key, as Stripe does.
    pub fn bad_key(key: &str) -> Self {
        let shown: String = key.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
        Self::invalid(format!("Invalid API Key provided: ****{shown}")).status(401)
    }

    /// For an account that is not connected to the key's. Text assumed; the code and the status are on record.
    pub fn no_access(account_ref: &str) -> Self {
        let message = format!(
            "The provided key does not have access to account '{account_ref}' (or that account does not exist)"
        );
        Self::invalid(message).code("account_invalid").status(403)
    }

    pub fn unknown_url(method: &str, path: &str) -> Self {
        Self::invalid(format!("Unrecognized request URL ({method}: {path}).")).status(404)
    }

    pub fn rate_limited(code: &'static str) -> Self {
        Self::invalid("Too many requests hit the API too quickly.").code(code).status(429)
    }

    pub fn key_in_use(key: &str) -> Self {
        let message = format!("A request with the idempotency key '{key}' is still being executed.");
        Self::invalid(message).code("idempotency_key_in_use").status(409)
    }

    pub fn server_error() -> Self {
        let message = "An error occurred with our connection; the outcome is not known.";
        Self { status: 500, kind: "api_error", ..Self::invalid(message) }
    }

    pub fn reply(&self) -> Reply {
        let mut error = serde_json::Map::new();
        if let Some(code) = self.code {
            error.insert("code".to_owned(), json!(code));
            let page = code.replace('_', "-");
            error.insert("doc_url".to_owned(), json!(format!("https://stripe.com/docs/error-codes/{page}")));
        }
        error.insert("message".to_owned(), json!(self.message));
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        error.insert("type".to_owned(), json!(self.kind));
        Reply::json(self.status, &json!({ "error": error }))
    }
}
