//! What Razorpay holds of a contest before it is submitted. Later calls add to a draft, so what was drafted before, or
//! in the dashboard, goes to the bank too; how a place is emptied is documented nowhere (`api/disputes/contest.md`).
//! Reads a record and compares; calls nobody.

use serde_json::{Map, Value};

use super::contest::Contest;
use crate::providers::shared::plausible::clean;

/// A list under either spelling: the expanded record has its own for this one.
const TERMS: [&str; 2] = ["term_and_conditions", "terms_and_conditions"];
/// Of the evidence, but given by nobody.
const NOT_GIVEN: [&str; 2] = ["amount", "submitted_at"];

#[derive(Debug)]
pub struct Held {
    /// Of the whole dispute, and what of it a draft contests. Minor units.
    amount: Option<i64>,
    contested: Option<i64>,
    evidence: Map<String, Value>,
}

impl Held {
    /// `None` when it is no record of this dispute.
    pub fn read(body: &[u8], dispute_ref: &str) -> Option<Self> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let record = answer.get("data").unwrap_or(&answer);
        if record["id"] != dispute_ref {
            return None;
        }
        let evidence = record["evidence"].as_object().cloned().unwrap_or_default();
        let contested = evidence.get("amount").and_then(Value::as_i64);
        Some(Self { amount: record["amount"].as_i64(), contested, evidence })
    }

    /// The whole amount, where a draft contests a part and this contest does not say how much.
    pub fn whole(&self) -> Option<i64> {
        self.amount.filter(|amount| self.contested.is_some_and(|contested| contested != *amount))
    }

    /// What of it the contest does not replace, in words.
    pub fn beside(&self, contest: &Contest<'_>) -> Option<String> {
        let ours = serde_json::to_value(contest).unwrap_or_default();
        let replaced = |name: &str| {
            let spelt = if TERMS.contains(&name) { TERMS[0] } else { name };
            ours.get(spelt).is_some()
        };
        let is_foreign = |(name, value): &(&String, &Value)| {
            !NOT_GIVEN.contains(&name.as_str()) && is_given(value) && !replaced(name)
        };
        let foreign = self.evidence.iter().filter(is_foreign);
        let foreign: Vec<String> = foreign.map(|(name, _)| format!("`{}`", clean(name))).collect();
        (!foreign.is_empty()).then(|| {
            format!(
                "Razorpay holds evidence in {} that this packet does not, and would send it too: fill the place in the \
                 packet as well, or take it out in the Razorpay Dashboard and order it again",
                foreign.join(", ")
            )
        })
    }
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}
