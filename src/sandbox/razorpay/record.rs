//! Razorpay's own record of a dispute, and the JSON it is shown as: flat, expanded and wrapped, and inside a
//! webhook (shapes: Razorpay's dispute entity, fetch and webhook pages).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::super::office::Plan;

/// Evidence fields that hold a list of document ids.
pub(super) const PROOFS: [&str; 10] = [
    "shipping_proof",
    "billing_proof",
    "cancellation_proof",
    "customer_communication",
    "proof_of_service",
    "explanation_letter",
    "refund_confirmation",
    "access_activity_log",
    "refund_cancellation_policy",
    "term_and_conditions",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    UnderReview,
    Won,
    Lost,
    /// Only disputes of the fraud phase end like this.
    Closed,
}

impl Status {
    pub const ALL: [Status; 5] =
        [Status::Open, Status::UnderReview, Status::Won, Status::Lost, Status::Closed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::UnderReview => "under_review",
            Status::Won => "won",
            Status::Lost => "lost",
            Status::Closed => "closed",
        }
    }

    pub fn parse(word: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|s| s.as_str() == word);
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found
            .ok_or_else(|| anyhow::anyhow!("`{word}` is not a Razorpay dispute status: expected {}", known()))
    }
}

pub(super) const PHASES: [&str; 5] = ["fraud", "retrieval", "chargeback", "pre_arbitration", "arbitration"];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// What is contested; the whole dispute until said otherwise.
    pub amount: Option<i64>,
    pub summary: Option<String>,
    pub proofs: BTreeMap<&'static str, Vec<String>>,
    pub others: Vec<(String, Vec<String>)>,
    pub submitted_at: Option<i64>,
}

impl Evidence {
    pub fn documents(&self) -> impl Iterator<Item = &String> {
        self.proofs.values().flatten().chain(self.others.iter().flat_map(|(_, ids)| ids))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Dispute {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub payment_id: String,
    pub amount: i64,
    pub amount_deducted: i64,
    pub currency: String,
    pub reason_code: String,
    pub network: String,
    pub respond_by: i64,
    pub status: Status,
    pub phase: String,
    pub created_at: i64,
    pub evidence: Evidence,
    pub lifecycle: Vec<Value>,
    pub email: String,
    pub notes: BTreeMap<String, String>,
    pub plan: Plan,
    /// What the bank will say, and when.
    pub verdict: Option<(DateTime<Utc>, String)>,
    pub round: u32,
    /// The record as it was shown before its last change.
    pub before: Option<Value>,
}

impl Dispute {
    fn evidence_json(&self, terms: &str) -> Value {
        let mut out = Map::new();
        out.insert("amount".to_owned(), json!(self.evidence.amount.unwrap_or(self.amount)));
        out.insert("summary".to_owned(), json!(self.evidence.summary));
        for proof in PROOFS {
            let name = if proof == "term_and_conditions" { terms } else { proof };
            out.insert(name.to_owned(), json!(self.evidence.proofs.get(proof)));
        }
        let others: Vec<Value> = self
            .evidence
            .others
            .iter()
            .map(|(kind, ids)| json!({ "type": kind, "document_ids": ids }))
            .collect();
        let others = if others.is_empty() { Value::Null } else { Value::Array(others) };
        out.insert("others".to_owned(), others);
        out.insert("submitted_at".to_owned(), json!(self.evidence.submitted_at));
        Value::Object(out)
    }

    fn entity(&self) -> Value {
        json!({
            "id": self.id,
            "entity": "dispute",
            "payment_id": self.payment_id,
            "amount": self.amount,
            "currency": self.currency,
            "amount_deducted": self.amount_deducted,
            "reason_code": self.reason_code,
            "respond_by": self.respond_by,
            "status": self.status.as_str(),
            "phase": self.phase,
            "created_at": self.created_at,
        })
    }

    /// The flat record of `GET /disputes/{id}`.
    pub fn json(&self) -> Value {
        let mut record = self.entity();
        record["evidence"] = self.evidence_json("term_and_conditions");
        record
    }

    /// The record with `expand[]`: more keys, another spelling of the terms field, and wrapped.
    pub fn expanded(&self, expand: &[String], flat: Value) -> Value {
        let mut record = flat;
        record["evidence"] = self.evidence_json("terms_and_conditions");
        record["gateway_dispute_id"] = json!(format!("gw{}", self.n));
        record["reason_description"] = json!(self.reason_code.replace('_', " "));
        record["comments"] = Value::Null;
        record["lifecycle"] = json!(self.lifecycle);
        record["reason"] = json!({
            "code": self.reason_code,
            "description": self.reason_code.replace('_', " "),
            "gateway_code": self.reason_code,
            "gateway_description": self.reason_code.replace('_', " "),
            "network": self.network,
        });
        record["transaction"] = Value::Null;
        if expand.iter().any(|e| e == "payment") {
            record["payment"] = self.payment();
        }
        json!({ "status_code": 200, "success": true, "data": record })
    }

    pub fn payment(&self) -> Value {
        let notes = match self.notes.is_empty() {
            true => json!([]),
            false => json!(self.notes),
        };
        json!({
            "id": self.payment_id,
            "entity": "payment",
            "amount": self.amount,
            "currency": self.currency,
            "base_amount": self.amount,
            "status": "captured",
            "order_id": null,
            "invoice_id": null,
            "international": false,
            "method": "card",
            "amount_refunded": 0,
            "amount_transferred": 0,
            "refund_status": null,
            "captured": true,
            "description": null,
            "card_id": null,
            "bank": null,
            "wallet": null,
            "vpa": null,
            "email": self.email,
            "contact": "+910000000000",
            "notes": notes,
            "fee": 0,
            "tax": 0,
            "error_code": null,
            "error_description": null,
            "error_source": null,
            "error_step": null,
            "error_reason": null,
            "created_at": self.created_at - 10 * 86_400,
        })
    }

    /// A webhook's body. `action_required` has the evidence beside the entity, as Razorpay's sample has it;
    /// `acquirer_data` is there in the events that carry it.
    pub fn event(&self, kind: &str, account_ref: &str, at: DateTime<Utc>) -> Value {
        let asks_again = kind == "payment.dispute.action_required";
        let dispute = match asks_again {
            true => json!({
                "entity": self.entity(),
                "evidence": self.evidence_json("term_and_conditions"),
            }),
            false => json!({ "entity": self.json() }),
        };
        let mut payment = self.payment();
        if asks_again || kind == "payment.dispute.created" {
            payment["acquirer_data"] = json!({});
        }
        json!({
            "entity": "event",
            "account_id": account_ref,
            "event": kind,
            "contains": ["payment", "dispute"],
            "payload": { "payment": { "entity": payment }, "dispute": dispute },
            "created_at": at.timestamp(),
        })
    }
}
