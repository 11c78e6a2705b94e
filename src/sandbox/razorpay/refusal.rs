//! Razorpay's error bodies, with the descriptions its dispute and document pages give. Knows no state: it is
//! told what is wrong.

use serde_json::{Value, json};

use super::super::reply::Reply;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub status: u16,
    pub body: Value,
}

impl Refusal {
    /// 400 `BAD_REQUEST_ERROR`, with the field it is about where there is one.
    pub fn bad_request(description: impl Into<String>, field: Option<&str>) -> Self {
        let mut body = json!({ "error": {
            "code": "BAD_REQUEST_ERROR",
            "description": description.into(),
            "source": "business",
            "step": "payment_initiation",
            "reason": "input_validation_failed",
            "metadata": {},
        }});
        if let Some(field) = field {
            body["error"]["field"] = json!(field);
        }
        Self { status: 400, body }
    }

    pub fn no_such_id() -> Self {
        Self::bad_request("The id provided does not exist", None)
    }

    pub fn not_an_id(id: &str) -> Self {
        Self::bad_request(format!("{id} is not a valid id"), None)
    }

    pub fn deadline_elapsed() -> Self {
        Self::bad_request("Action not allowed as deadline to respond has elapsed", None)
    }

    pub fn not_open(status: &str) -> Self {
        Self::bad_request(format!("Action not allowed when dispute is in {status} status"), None)
    }

    pub fn too_much() -> Self {
        Self::bad_request("contest amount cannot be greater than dispute amount", Some("amount"))
    }

    pub fn no_such_file() -> Self {
        let description =
            "Invalid file id provided or merchant is unauthorized to access the fileId(s) provided";
        Self::bad_request(description, None)
    }

    pub fn not_required(name: &str) -> Self {
        Self::bad_request(format!("{name} is/are not required and should not be sent"), Some(name))
    }

    /// Another shape than every other error.
    pub fn not_expandable() -> Self {
        let sentence = "Value of each expand must be one of following types: payment, transaction.settlement";
        let errors = [sentence, "Status Code: 400"];
        Self { status: 400, body: json!({ "status_code": 400, "success": false, "errors": errors }) }
    }

    pub fn unauthorised() -> Self {
        let mut refusal = Self::bad_request("Authentication failed", None);
        refusal.status = 401;
        for key in ["source", "step", "reason"] {
            refusal.body["error"][key] = json!("NA");
        }
        refusal
    }

    /// The documents endpoints' own 401.
    pub fn unauthorised_documents() -> Self {
        let body = json!({ "error": {
            "status_code": 401,
            "description": "The API `` provided is invalid.",
            "code": "BAD_REQUEST_ERROR",
        }});
        Self { status: 401, body }
    }

    pub fn unknown_url() -> Self {
        Self::bad_request("The requested URL was not found on the server.", None)
    }

    pub fn throttled() -> Self {
        Self { status: 429, ..Self::bad_request("Request failed: too many requests at once", None) }
    }

    pub fn conflict() -> Self {
        Self { status: 409, ..Self::bad_request("Another operation on this dispute is in progress", None) }
    }

    pub fn server_error() -> Self {
        let mut refusal = Self::bad_request("The request could not be completed; try again later", None);
        refusal.status = 500;
        refusal.body["error"]["code"] = json!("SERVER_ERROR");
        refusal
    }

    pub fn reply(&self) -> Reply {
        Reply::json(self.status, &self.body)
    }
}
