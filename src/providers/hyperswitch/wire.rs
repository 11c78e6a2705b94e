//! The shapes of the router's JSON, private to this folder, and the plain checks on single values. What a value
//! means for a dispute is decided in `event`. Source: juspay/hyperswitch, `api_models/src/disputes.rs` and
//! `webhooks.rs`; fields of newer versions are optional.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// 2000-01-01 and 2200-01-01, unix seconds. An instant outside is a mistake, not a deadline.
const INSTANTS: std::ops::Range<i64> = 946_684_800..7_258_118_400;
/// Minor units. More than this is a mistake, not an amount.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;

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

/// `2026-02-21T06:45:36.000Z` as an instant, when it is a plausible one.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    INSTANTS.contains(&at.timestamp()).then(|| at.trunc_subsecs(6))
}

/// Text by others, safe to store and to show: no control characters, at most 200 characters.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
