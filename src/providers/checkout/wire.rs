//! The shapes of Checkout.com's JSON, private to this folder. What a value means for a dispute is decided in `event`.
//! Sources: checkout.com/docs, "Webhook event types" (both envelopes) and "Disputes API"; api-reference.checkout.com,
//! "Disputes".

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::providers::json::object;

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
