//! Square's own record of a dispute, and the JSON it is shown as: alone, and in the event that carries it
//! (shapes: the disputes reference and the samples of its webhook events).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::office::{Plan, instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    InquiryEvidenceRequired,
    InquiryProcessing,
    InquiryClosed,
    EvidenceRequired,
    Processing,
    Won,
    Lost,
    Accepted,
}

impl State {
    pub const ALL: [State; 8] = [
        State::InquiryEvidenceRequired,
        State::InquiryProcessing,
        State::InquiryClosed,
        State::EvidenceRequired,
        State::Processing,
        State::Won,
        State::Lost,
        State::Accepted,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            State::InquiryEvidenceRequired => "INQUIRY_EVIDENCE_REQUIRED",
            State::InquiryProcessing => "INQUIRY_PROCESSING",
            State::InquiryClosed => "INQUIRY_CLOSED",
            State::EvidenceRequired => "EVIDENCE_REQUIRED",
            State::Processing => "PROCESSING",
            State::Won => "WON",
            State::Lost => "LOST",
            State::Accepted => "ACCEPTED",
        }
    }

    pub const fn asks(self) -> bool {
        matches!(self, State::InquiryEvidenceRequired | State::EvidenceRequired)
    }

    pub fn parse(word: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|s| s.as_str() == word);
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| anyhow::anyhow!("`{word}` is not a Square dispute state: expected {}", known()))
    }
}

pub(super) const REASONS: [&str; 9] = [
    "AMOUNT_DIFFERS",
    "CANCELLED",
    "DUPLICATE",
    "NO_KNOWLEDGE",
    "NOT_AS_DESCRIBED",
    "NOT_RECEIVED",
    "PAID_BY_OTHER_MEANS",
    "CUSTOMER_REQUESTS_CREDIT",
    "EMV_LIABILITY_SHIFT",
];

#[derive(Debug, Clone)]
pub(crate) struct Dispute {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub payment_id: String,
    pub amount: i64,
    pub currency: String,
    pub reason: String,
    pub card_brand: String,
    pub state: State,
    /// Unix seconds.
    pub due_at: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: u64,
    /// The pieces of evidence, as they are shown.
    pub pieces: Vec<Value>,
    pub plan: Plan,
    /// What the bank will say, and when.
    pub verdict: Option<(DateTime<Utc>, String)>,
    pub round: u32,
    /// The record as it was shown before its last change.
    pub before: Option<Value>,
}

fn millis(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Dispute {
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "amount_money": { "amount": self.amount, "currency": self.currency },
            "brand_dispute_id": format!("brand{:012}", self.n),
            "card_brand": self.card_brand,
            "created_at": millis(self.created_at),
            "disputed_payment": { "payment_id": self.payment_id },
            "due_at": millis(instant(self.due_at)),
            "evidence_ids": self.pieces.iter().map(|piece| &piece["id"]).collect::<Vec<_>>(),
            "location_id": "LSANDBOX00001",
            "reason": self.reason,
            "reported_at": millis(self.created_at),
            "state": self.state.as_str(),
            "updated_at": millis(self.updated_at),
            "version": self.version,
        })
    }

    pub fn event(&self, kind: &str, event_ref: &str, merchant_ref: &str, at: DateTime<Utc>) -> Value {
        let object = json!({ "dispute": self.json() });
        envelope(
            kind,
            event_ref,
            merchant_ref,
            at,
            json!({ "type": "dispute", "id": self.id, "object": object }),
        )
    }
}

pub(super) fn envelope(
    kind: &str,
    event_ref: &str,
    merchant_ref: &str,
    at: DateTime<Utc>,
    told: Value,
) -> Value {
    json!({
        "merchant_id": merchant_ref,
        "location_id": "LSANDBOX00001",
        "type": kind,
        "event_id": event_ref,
        "created_at": millis(at),
        "data": told,
    })
}
