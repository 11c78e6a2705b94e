//! Checkout.com's own record of a dispute, and the JSON it is shown as: whole, in the list, and as an event in
//! either envelope (shapes: the disputes reference and the pages of webhook event types).

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::office::{Plan, instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    EvidenceRequired,
    EvidenceUnderReview,
    Resolved,
    Won,
    Lost,
    Canceled,
    Expired,
    Accepted,
    ArbitrationUnderReview,
    ArbitrationWon,
    ArbitrationLost,
}

impl Status {
    pub const ALL: [Status; 11] = [
        Status::EvidenceRequired,
        Status::EvidenceUnderReview,
        Status::Resolved,
        Status::Won,
        Status::Lost,
        Status::Canceled,
        Status::Expired,
        Status::Accepted,
        Status::ArbitrationUnderReview,
        Status::ArbitrationWon,
        Status::ArbitrationLost,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Status::EvidenceRequired => "evidence_required",
            Status::EvidenceUnderReview => "evidence_under_review",
            Status::Resolved => "resolved",
            Status::Won => "won",
            Status::Lost => "lost",
            Status::Canceled => "canceled",
            Status::Expired => "expired",
            Status::Accepted => "accepted",
            Status::ArbitrationUnderReview => "arbitration_under_review",
            Status::ArbitrationWon => "arbitration_won",
            Status::ArbitrationLost => "arbitration_lost",
        }
    }

    /// The event that tells of reaching it.
    pub const fn event(self) -> &'static str {
        match self {
            Status::EvidenceRequired => "dispute_evidence_required",
            Status::EvidenceUnderReview => "dispute_evidence_submitted",
            Status::Resolved => "dispute_resolved",
            Status::Won => "dispute_won",
            Status::Lost => "dispute_lost",
            Status::Canceled => "dispute_canceled",
            Status::Expired => "dispute_expired",
            Status::Accepted => "dispute_accepted",
            Status::ArbitrationUnderReview => "dispute_arbitration_sent_to_scheme",
            Status::ArbitrationWon => "dispute_arbitration_won",
            Status::ArbitrationLost => "dispute_arbitration_lost",
        }
    }

    pub fn parse(word: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|s| s.as_str() == word);
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| {
            anyhow::anyhow!("`{word}` is not a Checkout.com dispute status: expected {}", known())
        })
    }
}

pub(super) const CATEGORIES: [&str; 9] = [
    "fraudulent",
    "unrecognized",
    "canceled_recurring",
    "product_service_not_received",
    "not_as_described",
    "credit_not_issued",
    "duplicate",
    "incorrect_amount",
    "general",
];

pub(super) type Evidence = BTreeMap<String, String>;

#[derive(Debug, Clone)]
pub(crate) struct Dispute {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub payment_id: String,
    pub action_id: String,
    pub reference: String,
    pub category: String,
    pub amount: i64,
    pub currency: String,
    pub reason_code: String,
    pub method: String,
    pub status: Status,
    pub resolved_reason: Option<String>,
    /// Unix seconds.
    pub evidence_required_by: i64,
    pub received_on: i64,
    pub last_update: DateTime<Utc>,
    pub has_refund: bool,
    /// Provided, and sent or not.
    pub evidence: Evidence,
    /// Its events come in the older envelope.
    pub old_envelope: bool,
    pub plan: Plan,
    /// What the bank will say, and when.
    pub verdict: Option<(DateTime<Utc>, String)>,
    pub round: u32,
    /// The record as it was shown before its last change.
    pub before: Option<Value>,
}

fn seconds(unix_s: i64) -> String {
    instant(unix_s).to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn address(path: &str) -> Value {
    json!({ "href": format!("https://api.sandbox.checkout.com/{path}") })
}

impl Dispute {
    /// The record of `GET /disputes/{id}`.
    pub fn json(&self) -> Value {
        let mut record = json!({
            "id": self.id,
            "entity_id": format!("ent_sandbox{}", self.account),
            "category": self.category,
            "amount": self.amount,
            "currency": self.currency,
            "reason_code": self.reason_code,
            "status": self.status.as_str(),
            "relevant_evidence": ["proof_of_delivery_or_service", "customer_communication", "additional_evidence"],
            "evidence_required_by": seconds(self.evidence_required_by),
            "received_on": seconds(self.received_on),
            "last_update": self.last_update.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            "payment": {
                "id": self.payment_id,
                "action_id": self.action_id,
                "processing_channel_id": "pc_sandbox",
                "amount": self.amount,
                "currency": self.currency,
                "method": self.method,
                "arn": format!("{:023}", self.n),
                "mcc": "5712",
                "3ds": { "version": "2.2.0" },
                "eci": "05",
                "has_refund": self.has_refund,
                "processed_on": seconds(self.received_on - 20 * 86_400),
            },
            "_links": {
                "self": address(&format!("disputes/{}", self.id)),
                "evidence": address(&format!("disputes/{}/evidence", self.id)),
            },
        });
        if let Some(reason) = &self.resolved_reason {
            record["resolved_reason"] = json!(reason);
        }
        record
    }

    /// The same as an item of the list.
    pub fn summary(&self) -> Value {
        self.summary_of(&self.json())
    }

    pub fn summary_of(&self, record: &Value) -> Value {
        json!({
            "id": self.id,
            "entity_id": record["entity_id"],
            "category": record["category"],
            "status": record["status"],
            "amount": record["amount"],
            "currency": record["currency"],
            "reason_code": record["reason_code"],
            "payment_id": self.payment_id,
            "payment_action_id": self.action_id,
            "payment_reference": self.reference,
            "payment_arn": record["payment"]["arn"],
            "payment_mcc": record["payment"]["mcc"],
            "payment_method": self.method,
            "evidence_required_by": record["evidence_required_by"],
            "received_on": record["received_on"],
            "last_update": record["last_update"],
            "_links": { "self": record["_links"]["self"] },
        })
    }

    /// What an event tells of the dispute: no status, and a deadline only where evidence is required.
    fn told(&self, kind: &str, at: DateTime<Utc>) -> Value {
        let mut told = json!({
            "id": self.id,
            "date": at.to_rfc3339_opts(SecondsFormat::Micros, false),
            "category": self.category,
            "amount": self.amount,
            "currency": self.currency,
            "reason_code": self.reason_code,
            "payment_id": self.payment_id,
            "payment_action_id": self.action_id,
            "payment_reference": self.reference,
            "payment_method": self.method,
        });
        if kind == Status::EvidenceRequired.event() {
            told["date"] = json!(seconds(self.received_on));
            told["evidence_required_by"] = json!(instant(self.evidence_required_by).to_rfc3339());
        }
        if let Some(reason) = self.resolved_reason.as_ref().filter(|_| kind == Status::Resolved.event()) {
            told["resolved_reason"] = json!(reason);
        }
        told
    }

    pub fn event(&self, kind: &str, event_ref: &str, at: DateTime<Utc>) -> Value {
        envelope(kind, event_ref, at, &self.told(kind, at), self.old_envelope)
    }
}

pub(super) fn envelope(kind: &str, event_ref: &str, at: DateTime<Utc>, told: &Value, old: bool) -> Value {
    let links = json!({ "self": address(&format!("workflows/events/{event_ref}")) });
    match old {
        true => json!({
            "id": event_ref,
            "type": kind,
            "created_on": at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "data": told,
            "_links": links,
        }),
        false => json!({
            "id": event_ref,
            "type": kind,
            "timestamp": at.to_rfc3339_opts(SecondsFormat::Millis, false),
            "version": "1.2.0",
            "data": told,
            "action_invocations": [],
            "_links": links,
        }),
    }
}
