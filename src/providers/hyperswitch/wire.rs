//! The shapes of the router's JSON, private to this folder. What a value means for a dispute is decided in `event`.
//! Source: juspay/hyperswitch, `api_models/src/disputes.rs` and `webhooks.rs`; fields of newer versions are optional.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    pub event_type: Option<String>,
    pub timestamp: Option<String>,
    /// Read only once the event's type says what is in it.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct Content<'a> {
    pub r#type: String,
    #[serde(borrow)]
    pub object: &'a RawValue,
}

/// The fields of interest of a `DisputeResponse`. What is not known is written as null, or left out.
#[derive(Debug, Deserialize)]
pub struct Dispute {
    pub dispute_id: String,
    pub payment_id: Option<String>,
    /// Minor units, as text.
    pub amount: String,
    pub currency: String,
    pub dispute_stage: String,
    pub dispute_status: String,
    /// The provider behind: `stripe`, `adyen` …
    pub connector: String,
    /// Its own word for the status, or for the event. Null when there is none, and never left out.
    #[serde(deserialize_with = "said")]
    pub connector_status: Option<String>,
    pub connector_reason: Option<String>,
    pub connector_reason_code: Option<String>,
    pub challenge_required_by: Option<String>,
    pub connector_created_at: Option<String>,
    pub created_at: String,
    pub is_already_refunded: Option<bool>,
}

/// Enough of a listed record to page by.
#[derive(Debug, Deserialize)]
pub struct Listed {
    pub dispute_id: Option<String>,
}

/// What attaching a file answers.
#[derive(Debug, Deserialize)]
pub struct Attached {
    pub file_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub error: FailureDetail,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FailureDetail {
    pub r#type: Option<String>,
    pub code: Option<String>,
    pub message: Option<String>,
}

/// What has been attached already: a file of that kind, by the id it was given.
#[derive(Debug, Serialize)]
pub struct Submission<'a> {
    pub dispute_id: &'a str,
    /// Words by their field, ids of files by theirs.
    #[serde(flatten)]
    pub fields: std::collections::BTreeMap<&'static str, String>,
}

/// Null, and not merely absent: a field whose absence would change what another means.
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}
