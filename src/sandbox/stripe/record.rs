//! Stripe's own record of a dispute, and the JSON it is shown as (shapes: Stripe's published API description
//! for 2026-10-28.endive; every field it requires is there).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::super::office::Plan;
use super::parameters::{FILES, LONG_TEXTS, SHORT_TEXTS};

/// Stripe's statuses, ten of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    WarningNeedsResponse,
    WarningUnderReview,
    WarningClosed,
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
    Prevented,
    AppealNeedsResponse,
    AppealUnderReview,
}

impl Status {
    pub const ALL: [Status; 10] = [
        Status::WarningNeedsResponse,
        Status::WarningUnderReview,
        Status::WarningClosed,
        Status::NeedsResponse,
        Status::UnderReview,
        Status::Won,
        Status::Lost,
        Status::Prevented,
        Status::AppealNeedsResponse,
        Status::AppealUnderReview,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Status::WarningNeedsResponse => "warning_needs_response",
            Status::WarningUnderReview => "warning_under_review",
            Status::WarningClosed => "warning_closed",
            Status::NeedsResponse => "needs_response",
            Status::UnderReview => "under_review",
            Status::Won => "won",
            Status::Lost => "lost",
            Status::Prevented => "prevented",
            Status::AppealNeedsResponse => "appeal_needs_response",
            Status::AppealUnderReview => "appeal_under_review",
        }
    }

    pub fn parse(word: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|s| s.as_str() == word);
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| anyhow::anyhow!("`{word}` is not a Stripe dispute status: expected {}", known()))
    }

    /// What follows when the response that is asked for is sent.
    pub const fn answered(self) -> Option<Status> {
        match self {
            Status::WarningNeedsResponse => Some(Status::WarningUnderReview),
            Status::NeedsResponse => Some(Status::UnderReview),
            Status::AppealNeedsResponse => Some(Status::AppealUnderReview),
            Status::WarningUnderReview
            | Status::UnderReview
            | Status::AppealUnderReview
            | Status::WarningClosed
            | Status::Won
            | Status::Lost
            | Status::Prevented => None,
        }
    }

    pub const fn is_open(self) -> bool {
        self.answered().is_some()
    }

    pub const fn is_closed(self) -> bool {
        match self {
            Status::WarningClosed | Status::Won | Status::Lost | Status::Prevented => true,
            Status::WarningNeedsResponse
            | Status::WarningUnderReview
            | Status::NeedsResponse
            | Status::UnderReview
            | Status::AppealNeedsResponse
            | Status::AppealUnderReview => false,
        }
    }

    pub const fn is_inquiry(self) -> bool {
        matches!(self, Status::WarningNeedsResponse | Status::WarningUnderReview | Status::WarningClosed)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Dispute {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub created: i64,
    pub amount: i64,
    pub currency: String,
    pub charge: String,
    pub payment_intent: Option<String>,
    pub customer: Option<String>,
    pub email: Option<String>,
    pub reason: String,
    pub network: String,
    pub network_reason_code: Option<String>,
    pub case_type: String,
    pub status: Status,
    pub due_by: Option<i64>,
    /// Texts and file ids, staged or sent.
    pub evidence: BTreeMap<String, String>,
    pub enhanced: Map<String, Value>,
    pub appeal: Option<Value>,
    pub metadata: BTreeMap<String, String>,
    pub submission_count: u32,
    pub submitted_this_round: bool,
    pub past_due: bool,
    pub intended_submission_method: Option<String>,
    /// The account lets Stripe answer what nobody else answers.
    pub smart_disputes: bool,
    pub submitted_by_stripe: bool,
    pub is_charge_refundable: bool,
    pub livemode: bool,
    pub balance_transactions: Vec<Value>,
    pub compliance_fee: bool,
    pub ce3: Option<String>,
    pub plan: Plan,
    /// What the bank will say, and when.
    pub verdict: Option<(DateTime<Utc>, String)>,
    pub round: u32,
    /// The record as it was shown before its last change.
    pub before: Option<Value>,
}

impl Dispute {
    pub fn has_evidence(&self) -> bool {
        !self.evidence.is_empty() || !self.enhanced.is_empty() || self.appeal.is_some()
    }

    /// Whether Stripe takes a response at all: a deadline of 0 or null says it does not.
    pub fn takes_a_response(&self) -> bool {
        self.due_by.is_some_and(|due| due != 0)
    }

    /// At the deadline, where the account allows it and nobody has said that it is done by hand.
    pub fn is_answered_by_stripe(&self) -> bool {
        let by_hand = self.intended_submission_method.as_deref() == Some("manual");
        self.status == Status::NeedsResponse && self.smart_disputes && !by_hand
    }

    pub fn fee_acknowledged(&self) -> bool {
        let acknowledged = |name: &str| self.enhanced.get(name).and_then(|v| v.get("fee_acknowledged"));
        [self.fee_programme()].iter().any(|name| acknowledged(name) == Some(&json!(true)))
    }

    fn fee_programme(&self) -> &'static str {
        match self.network.as_str() {
            "mastercard" => "mastercard_compliance",
            _ => "visa_compliance",
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": self.balance_transactions,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": self.eligibility().keys().collect::<Vec<_>>(),
            "evidence": self.evidence_json(),
            "evidence_details": self.details(),
            "intended_submission_method": self.intended_submission_method,
            "is_charge_refundable": self.is_charge_refundable,
            "livemode": self.livemode,
            "metadata": self.metadata,
            "network_reason_code": self.network_reason_code,
            "payment_intent": self.payment_intent,
            "payment_method_details": {
                "card": {
                    "brand": self.network,
                    "case_type": self.case_type,
                    "network": self.network,
                    "network_reason_code": self.network_reason_code,
                },
                "type": "card",
            },
            "reason": self.reason,
            "status": self.status.as_str(),
        })
    }

    fn evidence_json(&self) -> Value {
        let names = LONG_TEXTS.iter().chain(&SHORT_TEXTS).chain(&FILES);
        let mut evidence: Map<String, Value> =
            names.map(|name| ((*name).to_owned(), json!(self.evidence.get(*name)))).collect();
        evidence.insert("enhanced_evidence".to_owned(), Value::Object(self.enhanced.clone()));
        if let Some(appeal) = &self.appeal {
            evidence.insert("appeal".to_owned(), appeal.clone());
        }
        Value::Object(evidence)
    }

    fn details(&self) -> Value {
        let method = match (self.submission_count, self.submitted_by_stripe) {
            (0, _) => "not_submitted",
            (_, true) => "smart_disputes",
            (_, false) => "manual",
        };
        json!({
            "due_by": self.due_by,
            "enhanced_eligibility": self.eligibility(),
            "has_evidence": self.has_evidence(),
            "past_due": self.past_due,
            "submission_count": self.submission_count,
            "submission_method": method,
        })
    }

    fn eligibility(&self) -> Map<String, Value> {
        let mut eligibility = Map::new();
        if let Some(status) = &self.ce3 {
            let missing = match status.as_str() {
                "requires_action" => json!(["missing_prior_undisputed_transactions"]),
                _ => json!([]),
            };
            let ce3 = json!({ "required_actions": missing, "status": status });
            eligibility.insert("visa_compelling_evidence_3".to_owned(), ce3);
        }
        if self.compliance_fee {
            let status = match self.fee_acknowledged() {
                true => "fee_acknowledged",
                false => "requires_fee_acknowledgement",
            };
            eligibility.insert(self.fee_programme().to_owned(), json!({ "status": status }));
        }
        eligibility
    }

    /// The charge behind the dispute, as far as a dispute desk needs it.
    pub fn charge_json(&self) -> Value {
        let inquiry = self.status.is_inquiry();
        json!({
            "id": self.charge,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount,
            "amount_refunded": if self.is_charge_refundable || !inquiry { 0 } else { self.amount },
            "billing_details": {
                "address": {
                    "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
                },
                "email": self.email, "name": null, "phone": null, "tax_id": null,
            },
            "captured": true,
            "created": self.created - 14 * 86_400,
            "currency": self.currency,
            "customer": self.customer,
            "disputed": true,
            "livemode": self.livemode,
            "metadata": {},
            "paid": true,
            "payment_intent": self.payment_intent,
            "receipt_email": self.email,
            "refunded": !self.is_charge_refundable && inquiry,
            "status": "succeeded",
        })
    }

    pub fn payment_intent_json(&self) -> Value {
        json!({
            "id": self.payment_intent,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_received": self.amount,
            "created": self.created - 14 * 86_400,
            "currency": self.currency,
            "customer": self.customer,
            "latest_charge": self.charge,
            "livemode": self.livemode,
            "metadata": {},
            "status": "succeeded",
        })
    }
}

/// The movement of money that a chargeback causes: `sign` -1 takes, 1 gives back.
pub(super) fn movement(id: String, dispute: &Dispute, at: DateTime<Utc>, sign: i64, fee: i64) -> Value {
    let amount = sign * dispute.amount;
    let (word, category) = match sign < 0 {
        true => ("withdrawal", "dispute"),
        false => ("reversal", "dispute_reversal"),
    };
    let fees = match fee {
        0 => json!([]),
        _ => json!([{
            "amount": fee, "application": null, "currency": dispute.currency,
            "description": "Dispute fee", "type": "stripe_fee",
        }]),
    };
    json!({
        "id": id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": at.timestamp() + 86_400,
        "balance_type": "payments",
        "created": at.timestamp(),
        "currency": dispute.currency,
        "description": format!("Chargeback {word} for {}", dispute.charge),
        "exchange_rate": null,
        "fee": fee,
        "fee_details": fees,
        "net": amount - fee,
        "reporting_category": category,
        "source": dispute.id,
        "status": "pending",
        "type": "adjustment",
    })
}
