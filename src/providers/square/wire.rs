//! The shapes of Square's JSON, private to this folder. What a value means for a dispute is decided in `event`. Source:
//! developer.squareup.com/reference/square, "Disputes", and the samples of its webhook events (older ones say
//! `reported_date` and `dispute_id` as well).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::providers::json::{needed_object, object};

#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    pub merchant_id: Option<String>,
    pub event_id: Option<String>,
    pub r#type: Option<String>,
    /// Read only once the event's type says what is in it.
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct Told {
    #[serde(deserialize_with = "needed_object")]
    pub object: Object,
}

#[derive(Debug, Deserialize)]
pub struct Object {
    #[serde(deserialize_with = "needed_object")]
    pub dispute: Dispute,
}

/// An answer with one dispute in it.
#[derive(Debug, Deserialize)]
pub struct Answered<'a> {
    #[serde(borrow)]
    pub dispute: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct Dispute {
    pub id: Option<String>,
    /// The older name of `id`.
    pub dispute_id: Option<String>,
    #[serde(deserialize_with = "needed_object")]
    pub amount_money: Money,
    pub reason: Option<String>,
    pub state: String,
    pub due_at: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub disputed_payment: Option<Payment>,
    pub card_brand: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub version: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub struct Money {
    pub amount: i64,
    pub currency: String,
}

#[derive(Debug, Deserialize)]
pub struct Payment {
    pub payment_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Paged<'a> {
    /// Absent on a page without any.
    #[serde(default, borrow)]
    pub disputes: Vec<&'a RawValue>,
    pub cursor: Option<String>,
}

/// Enough of an item of a [`Paged`] to pass over it.
#[derive(Debug, Deserialize)]
pub struct Listed {
    pub updated_at: Option<String>,
}

/// An answer with one piece of evidence in it.
#[derive(Debug, Deserialize)]
pub struct Given {
    #[serde(deserialize_with = "needed_object")]
    pub evidence: Piece,
}

#[derive(Debug, Deserialize)]
pub struct Piece {
    pub id: Option<String>,
    /// The older name of `id`.
    pub evidence_id: Option<String>,
}

impl Piece {
    pub fn into_id(self) -> Option<String> {
        self.id.or(self.evidence_id).filter(|id| !id.is_empty())
    }
}

/// A page of what is held. Absent on a page without any.
#[derive(Debug, Deserialize)]
pub struct Held {
    #[serde(default)]
    pub evidence: Vec<Piece>,
    pub cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub errors: Vec<FailureDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FailureDetail {
    pub category: Option<String>,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub field: Option<String>,
}
