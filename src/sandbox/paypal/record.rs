//! PayPal's own record of a dispute, and the JSON it is shown as: whole, as a row of a list, and inside a webhook
//! (`customer_disputes_v1.json`, schemas `dispute` and `dispute_info`).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::office::{Plan, instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Open,
    WaitingForBuyer,
    WaitingForSeller,
    UnderReview,
    /// With the outcome's word.
    Resolved(&'static str),
}

pub(super) const BUYER: &str = "RESOLVED_BUYER_FAVOUR";
pub(super) const SELLER: &str = "RESOLVED_SELLER_FAVOUR";
const OUTCOMES: [&str; 7] =
    [BUYER, SELLER, "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER", "ACCEPTED", "DENIED", "NONE"];

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Open => "OPEN",
            Status::WaitingForBuyer => "WAITING_FOR_BUYER_RESPONSE",
            Status::WaitingForSeller => "WAITING_FOR_SELLER_RESPONSE",
            Status::UnderReview => "UNDER_REVIEW",
            Status::Resolved(_) => "RESOLVED",
        }
    }

    /// A status, or the outcome of a resolved dispute.
    pub fn parse(word: &str) -> anyhow::Result<Self> {
        let open = [Status::Open, Status::WaitingForBuyer, Status::WaitingForSeller, Status::UnderReview];
        if let Some(found) = open.into_iter().find(|s| s.as_str() == word) {
            return Ok(found);
        }
        OUTCOMES.into_iter().find(|o| *o == word).map(Status::Resolved).ok_or_else(|| {
            let known: Vec<&str> = open.map(Status::as_str).into_iter().chain(OUTCOMES).collect();
            anyhow::anyhow!("`{word}` is no PayPal status or outcome: expected one of {}", known.join(", "))
        })
    }
}

pub(super) const STAGES: [&str; 4] = ["INQUIRY", "CHARGEBACK", "PRE_ARBITRATION", "ARBITRATION"];

#[derive(Debug, Clone)]
pub(super) struct Dispute {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub transaction_id: String,
    pub invoice_number: Option<String>,
    pub transaction_status: &'static str,
    /// Minor units.
    pub amount: i64,
    pub currency: String,
    pub decimals: usize,
    pub reason: String,
    pub channel: String,
    pub external_reason_code: Option<String>,
    pub stage: String,
    pub status: Status,
    pub appealable: bool,
    /// Unix seconds.
    pub respond_by: Option<i64>,
    pub created_at: i64,
    pub updated_at: DateTime<Utc>,
    /// As submitted: the `evidences` of the calls.
    pub evidences: Vec<Value>,
    pub supporting_info: Vec<Value>,
    pub plan: Plan,
    /// What PayPal will say, and when.
    pub verdict: Option<(DateTime<Utc>, String)>,
    pub round: u32,
    /// The record as it was shown before its last change.
    pub before: Option<Value>,
}

impl Dispute {
    /// Whether PayPal waits for the merchant.
    pub fn asks(&self) -> bool {
        self.appealable || matches!(self.status, Status::Open | Status::WaitingForSeller)
    }

    /// What the merchant may do now, by the names of the links.
    pub fn actions(&self) -> Vec<&'static str> {
        let mut actions = vec![];
        if self.status == Status::WaitingForSeller {
            actions.extend(["provide_evidence", "accept_claim"]);
        }
        if self.status == Status::Open {
            actions.extend(["accept_claim", "make_offer", "send_message"]);
        }
        if self.appealable {
            actions.push("appeal");
        }
        if self.status == Status::UnderReview && self.stage != "INQUIRY" {
            actions.push("provide_supporting_info");
        }
        if self.plan.resubmittable && self.status == Status::UnderReview {
            actions.push("provide_evidence");
        }
        actions
    }

    /// In one word, or two: a resolved dispute is told by its outcome.
    pub fn told(&self) -> String {
        let word = match self.status {
            Status::Resolved(outcome) => outcome,
            Status::Open | Status::WaitingForBuyer | Status::WaitingForSeller | Status::UnderReview => {
                self.status.as_str()
            }
        };
        if self.appealable { format!("{word} APPEALABLE") } else { word.to_owned() }
    }

    fn state(&self) -> &'static str {
        match self.status {
            _ if self.appealable => "APPEALABLE",
            Status::Open => "OPEN_INQUIRIES",
            Status::WaitingForBuyer => "REQUIRED_OTHER_PARTY_ACTION",
            Status::WaitingForSeller => "REQUIRED_ACTION",
            Status::UnderReview => "UNDER_PAYPAL_REVIEW",
            Status::Resolved(_) => "RESOLVED",
        }
    }

    /// A decimal text; none after the dot for currencies without a smaller unit.
    fn money(&self, minor: i64) -> Value {
        let digits = format!("{minor:0>width$}", width = self.decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.decimals);
        let value = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
        json!({ "currency_code": self.currency, "value": value })
    }

    /// A row of the list.
    pub fn summary(&self, url: &str) -> Value {
        let mut row = json!({
            "dispute_id": self.id,
            "create_time": written(instant(self.created_at)),
            "update_time": written(self.updated_at),
            "reason": self.reason,
            "status": self.status.as_str(),
            "dispute_state": self.state(),
            "dispute_amount": self.money(self.amount),
            "dispute_life_cycle_stage": self.stage,
            "dispute_channel": self.channel,
            "links": [self.link(url, None)],
        });
        if let Some(respond_by) = self.respond_by {
            row["seller_response_due_date"] = json!(written(instant(respond_by)));
        }
        row
    }

    pub fn json(&self, url: &str) -> Value {
        let mut record = self.summary(url);
        // The list tells it, and the record does not (schemas `dispute_info` and `dispute`).
        record.as_object_mut().and_then(|fields| fields.remove("dispute_state"));
        let mut transaction = json!({
            "buyer_transaction_id": format!("B{}", self.transaction_id),
            "seller_transaction_id": self.transaction_id,
            "create_time": written(instant(self.created_at - 10 * 86_400)),
            "transaction_status": self.transaction_status,
            "gross_amount": self.money(self.amount),
            "buyer": { "name": "Sandbox Buyer" },
            "seller": { "merchant_id": "SANDBOXSELLER", "name": "Sandbox Shop" },
        });
        if let Some(number) = &self.invoice_number {
            transaction["invoice_number"] = json!(number);
        }
        record["disputed_transactions"] = json!([transaction]);
        if let Some(code) = &self.external_reason_code {
            record["external_reason_code"] = json!(code);
        }
        if let Status::Resolved(outcome) = self.status {
            let back = if outcome == BUYER || outcome == "ACCEPTED" { self.amount } else { 0 };
            record["dispute_outcome"] =
                json!({ "outcome_code": outcome, "amount_refunded": self.money(back) });
        }
        let mut evidences = self.evidences.clone();
        if self.status == Status::WaitingForSeller {
            evidences
                .push(json!({ "evidence_type": "PROOF_OF_FULFILLMENT", "source": "REQUESTED_FROM_SELLER" }));
            record["allowed_response_options"] =
                json!({ "accept_claim": { "accept_claim_types": ["REFUND"] } });
        }
        if !evidences.is_empty() {
            record["evidences"] = json!(evidences);
        }
        if !self.supporting_info.is_empty() {
            record["supporting_info"] = json!(self.supporting_info);
        }
        let actions = self.actions();
        let links = std::iter::once(None).chain(actions.into_iter().map(Some));
        record["links"] = links.map(|action| self.link(url, action)).collect();
        record
    }

    pub fn link(&self, url: &str, action: Option<&str>) -> Value {
        let base = format!("{url}/v1/customer/disputes/{}", self.id);
        match action {
            None => json!({ "href": base, "rel": "self", "method": "GET" }),
            Some(action) => {
                json!({ "href": format!("{base}/{}", action.replace('_', "-")), "rel": action, "method": "POST" })
            }
        }
    }
}

pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A webhook's body.
pub(super) fn event(id: &str, kind: &str, resource: &Value, at: DateTime<Utc>) -> Value {
    json!({
        "id": id,
        "event_version": "1.0",
        "create_time": written(at),
        "resource_type": "dispute",
        "event_type": kind,
        "summary": "A dispute changed.",
        "resource": resource,
        "links": [],
    })
}
