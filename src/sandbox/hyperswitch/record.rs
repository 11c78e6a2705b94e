//! The router's own record of a dispute, and the JSON it is shown as: a `DisputeResponse`, alone and inside a webhook
//! (shapes: juspay/hyperswitch, `api_models/src/disputes.rs` and `webhooks.rs`). What the connector behind it
//! would say stands beside, as that connector spells it.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::office::Plan;

pub(super) const TEXT_FIELDS: [&str; 16] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
];

pub(super) const FILE_KINDS: [&str; 10] = [
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "invoice_showing_distinct_transactions",
    "receipt",
    "recurring_transaction_agreement",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
];

pub(super) const STAGES: [&str; 5] =
    ["pre_dispute", "dispute", "pre_arbitration", "arbitration", "dispute_reversal"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Opened,
    Challenged,
    Won,
    Lost,
    Accepted,
    Expired,
    Cancelled,
}

impl Status {
    const ALL: [Status; 7] = [
        Status::Opened,
        Status::Challenged,
        Status::Won,
        Status::Lost,
        Status::Accepted,
        Status::Expired,
        Status::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Opened => "dispute_opened",
            Status::Challenged => "dispute_challenged",
            Status::Won => "dispute_won",
            Status::Lost => "dispute_lost",
            Status::Accepted => "dispute_accepted",
            Status::Expired => "dispute_expired",
            Status::Cancelled => "dispute_cancelled",
        }
    }

    /// The router's word, or its last part: `dispute_won`, `won`.
    pub fn parse(word: &str) -> anyhow::Result<Self> {
        let found = Self::ALL
            .into_iter()
            .find(|s| s.as_str().trim_start_matches("dispute_") == word.trim_start_matches("dispute_"));
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| anyhow::anyhow!("`{word}` is not a status of the router: expected {}", known()))
    }
}

/// What the connector behind calls it, and what the router makes of that. Stripe's closing is cancelled to the router,
/// won and lost alike.
pub(super) fn translated(connector: &str, status: Status) -> (Status, &'static str) {
    match (connector, status) {
        ("stripe", Status::Opened) => (Status::Opened, "needs_response"),
        ("stripe", Status::Challenged) => (Status::Challenged, "under_review"),
        ("stripe", Status::Won) => (Status::Cancelled, "won"),
        ("stripe", Status::Lost | Status::Accepted | Status::Expired) => (Status::Cancelled, "lost"),
        ("stripe", Status::Cancelled) => (Status::Cancelled, "warning_closed"),
        (_, Status::Opened) => (Status::Opened, "evidence_required"),
        (_, Status::Challenged) => (Status::Challenged, "evidence_submitted"),
        (_, Status::Won) => (Status::Won, "won"),
        (_, Status::Lost) => (Status::Lost, "lost"),
        (_, Status::Accepted) => (Status::Accepted, "accepted"),
        (_, Status::Expired) => (Status::Expired, "expired"),
        (_, Status::Cancelled) => (Status::Cancelled, "canceled"),
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Dispute {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub payment_id: String,
    pub amount: i64,
    pub currency: String,
    pub stage: String,
    /// As the router has it.
    pub status: Status,
    pub connector: String,
    pub connector_status: &'static str,
    pub reason: Option<String>,
    pub reason_code: Option<String>,
    /// Absent where the connector does not say.
    pub respond_by: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub refunded: bool,
    /// Files by their kind.
    pub attached: BTreeMap<&'static str, String>,
    pub submitted: BTreeMap<String, String>,
    pub plan: Plan,
    /// What the bank will say, and when.
    pub verdict: Option<(DateTime<Utc>, String)>,
    pub round: u32,
    /// The record as it was shown before its last change.
    pub before: Option<Value>,
}

/// As the router writes instants.
fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Dispute {
    pub fn json(&self) -> Value {
        json!({
            "dispute_id": self.id,
            "payment_id": self.payment_id,
            "attempt_id": format!("{}_1", self.payment_id),
            "amount": self.amount.to_string(),
            "currency": self.currency,
            "dispute_stage": self.stage,
            "dispute_status": self.status.as_str(),
            "connector": self.connector,
            "connector_status": self.connector_status,
            "connector_dispute_id": format!("behind_{}", self.n),
            "connector_reason": self.reason,
            "connector_reason_code": self.reason_code,
            "challenge_required_by": self.respond_by.map(written),
            "connector_created_at": written(self.created_at),
            "connector_updated_at": null,
            "created_at": written(self.created_at),
            "profile_id": "pro_sandbox",
            "merchant_connector_id": format!("mca_{}", self.connector),
            "is_already_refunded": self.refunded,
        })
    }

    pub fn event(&self, event_id: &str, event_type: &str, merchant_id: &str, at: DateTime<Utc>) -> Value {
        json!({
            "merchant_id": merchant_id,
            "event_id": event_id,
            "event_type": event_type,
            "content": { "type": "dispute_details", "object": self.json() },
            "timestamp": written(at),
        })
    }
}
