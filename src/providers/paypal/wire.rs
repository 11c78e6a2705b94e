//! The shapes of PayPal's JSON, private to this folder, and the plain checks on single values. What a value
//! means for a dispute is decided in `record`. Source: paypal/paypal-rest-api-specifications,
//! `customer_disputes_v1.json` 1.10 (schemas named below) and `notifications_webhooks_v1.json`.

use serde::Deserialize;

use crate::providers::http::is_plain_ref;
use crate::providers::json::{needed_object, object};

/// A webhook's envelope, read no further than to the dispute it points at: nothing else of it is believed.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    pub id: Option<String>,
    pub event_type: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub resource: Option<Resource>,
}

#[derive(Debug, Deserialize)]
pub struct Resource {
    pub dispute_id: Option<String>,
}

/// Schema `dispute`, and what of it a list shows (schema `dispute_info`).
#[derive(Debug, Deserialize)]
pub struct Dispute {
    pub dispute_id: String,
    pub create_time: String,
    pub disputed_transactions: Option<Vec<Transaction>>,
    pub reason: Option<String>,
    pub external_reason_code: Option<String>,
    pub status: String,
    /// In lists by the specification, and in single records too.
    pub dispute_state: Option<String>,
    #[serde(deserialize_with = "needed_object")]
    pub dispute_amount: Money,
    #[serde(default, deserialize_with = "object")]
    pub dispute_outcome: Option<Outcome>,
    pub dispute_life_cycle_stage: String,
    pub dispute_channel: Option<String>,
    pub seller_response_due_date: Option<String>,
    #[serde(default)]
    pub evidences: Option<Vec<Evidence>>,
    #[serde(default, deserialize_with = "object")]
    pub allowed_response_options: Option<ResponseOptions>,
    pub links: Option<Vec<Link>>,
}

#[derive(Debug, Deserialize)]
pub struct Transaction {
    pub seller_transaction_id: Option<String>,
    pub transaction_status: Option<String>,
    pub invoice_number: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Money {
    pub currency_code: String,
    pub value: String,
}

#[derive(Debug, Deserialize)]
pub struct Outcome {
    pub outcome_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Evidence {
    pub evidence_type: Option<String>,
    pub source: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct ResponseOptions {
    #[serde(default, deserialize_with = "object")]
    pub accept_claim: Option<AcceptOptions>,
}

#[derive(Debug, Deserialize)]
pub struct AcceptOptions {
    pub accept_claim_types: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub struct Link {
    pub href: Option<String>,
    pub rel: Option<String>,
}

/// Schema `subsequent_action`: what every action answers with.
#[derive(Debug, Deserialize)]
pub struct SubsequentAction {
    pub links: Vec<Link>,
}

/// Schema `dispute_search`.
#[derive(Debug, Deserialize)]
pub struct Search {
    /// Absent when nothing matches.
    pub items: Option<Vec<Listed>>,
    pub links: Option<Vec<Link>>,
}

#[derive(Debug, Deserialize)]
pub struct Listed {
    pub dispute_id: String,
}

/// What the token address gives (RFC 6749, 5.1).
#[derive(Deserialize)]
pub struct Token {
    pub access_token: String,
    pub token_type: String,
    pub expires_in: i64,
}

/// Schema `error`; and what the token address says instead (RFC 6749, 5.2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub name: Option<String>,
    pub message: Option<String>,
    pub details: Option<Vec<FailureDetail>>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FailureDetail {
    pub field: Option<String>,
    pub issue: Option<String>,
    pub description: Option<String>,
}

/// An id as PayPal gives them: letters, digits and hyphens.
pub fn is_dispute_ref(id: &str) -> bool {
    is_plain_ref(id) && !id.contains('_')
}
