//! The shapes of Checkout.com's JSON, private to this folder, and the plain checks on single values. What a
//! value means for a dispute is decided in `event`. Sources: checkout.com/docs, "Webhook event types" (both
//! envelopes) and "Disputes API"; api-reference.checkout.com, "Disputes".

use chrono::{DateTime, SubsecRound, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::providers::json::object;

/// 2000-01-01 and 2200-01-01, unix seconds. An instant outside is a mistake, not a deadline.
const INSTANTS: std::ops::Range<i64> = 946_684_800..7_258_118_400;
/// Minor units. More than this is a mistake, not an amount.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;

/// The envelope of an event: older ones tell their time as `created_on`, newer ones as `timestamp`.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    pub r#type: Option<String>,
    pub created_on: Option<String>,
    pub timestamp: Option<String>,
    /// Read only once the event's type says what is in it.
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// What an event tells of its dispute. The oldest envelopes leave out the amount.
#[derive(Debug, Deserialize)]
pub struct Told {
    pub id: String,
    pub date: Option<String>,
    pub category: Option<String>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub reason_code: Option<String>,
    pub resolved_reason: Option<String>,
    pub payment_id: Option<String>,
    pub payment_action_id: Option<String>,
    pub payment_method: Option<String>,
    pub evidence_required_by: Option<String>,
}

/// The record by the API: whole with `payment` inside, and flat in the list.
#[derive(Debug, Deserialize)]
pub struct Dispute {
    pub id: String,
    pub status: String,
    pub category: Option<String>,
    pub amount: i64,
    pub currency: String,
    pub reason_code: Option<String>,
    pub resolved_reason: Option<String>,
    pub evidence_required_by: Option<String>,
    pub received_on: String,
    pub payment_id: Option<String>,
    pub payment_action_id: Option<String>,
    pub payment_method: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub payment: Option<Payment>,
}

#[derive(Debug, Deserialize)]
pub struct Payment {
    pub id: Option<String>,
    pub action_id: Option<String>,
    pub method: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Paged<'a> {
    pub limit: Option<usize>,
    #[serde(borrow)]
    pub data: Vec<&'a RawValue>,
}

/// Enough of an item of a [`Paged`] to page by.
#[derive(Debug, Deserialize)]
pub struct Listed {
    pub id: Option<String>,
    pub last_update: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct File {
    pub id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub request_id: Option<String>,
    pub error_type: Option<String>,
    pub error_codes: Option<Vec<String>>,
}

/// ISO 8601 with a zone, cut to microseconds as they are stored, when it is a plausible instant. Without a
/// zone it is none: half a day more or less is a deadline missed.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc).trunc_subsecs(6);
    INSTANTS.contains(&at.timestamp()).then_some(at)
}

/// Text by others, safe to store and to show: no control characters, at most 200 characters.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
