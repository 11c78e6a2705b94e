//! What Stripe holds of a dispute's evidence before a submission. Later calls add to what was staged or put there by
//! hand, and all of it goes to the bank: so what the packet lacks is emptied in the call that submits.
//! Reads a record and writes form fields; calls nobody.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::Reach;
use super::evidence;
use super::fields::shown;
use crate::evidence::Packet;
use crate::providers::http::is_plain_ref;

const ENHANCED: &str = "enhanced_evidence";
/// Only while an appeal is open, which a person files, and nothing else can be changed then.
const APPEAL: &str = "appeal";
/// Programmes whose fee may have to be acknowledged. The packet does not know the network, and a field of the wrong
/// one is refused.
const FEE_PROGRAMMES: [&str; 2] = ["visa_compliance", "mastercard_compliance"];

/// The record, as far as it tells of evidence. Older API versions show less of it.
#[derive(Debug, Deserialize)]
pub struct Held {
    id: String,
    #[serde(default)]
    evidence: Value,
    #[serde(default)]
    evidence_details: Value,
}

impl Held {
    /// `None` when it is no record of this dispute.
    pub fn read(body: &[u8], dispute_ref: &str) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|held| held.id == dispute_ref)
    }

    /// The fields to send beside the packet's own: fees to acknowledge and, for the bank, what is to be emptied.
    pub fn beside(&self, packet: &Packet, reach: Reach) -> Result<Vec<(String, String)>, String> {
        let fees = self.fees(packet);
        let mut fields = match reach {
            Reach::Provider => Vec::new(),
            Reach::Bank => self.emptied(packet, &fees)?,
        };
        let acknowledged =
            |name| (format!("evidence[{ENHANCED}][{name}][fee_acknowledged]"), "true".to_owned());
        fields.extend(fees.into_iter().map(acknowledged));
        Ok(fields)
    }

    fn fees(&self, packet: &Packet) -> Vec<&'static str> {
        let asked = &self.evidence_details["enhanced_eligibility"];
        let asks = |name: &&str| asked.get(*name).is_some_and(|value| !value.is_null());
        FEE_PROGRAMMES.into_iter().filter(|name| packet.fee_acknowledged && asks(name)).collect()
    }

    /// An empty text unsets a field (docs.stripe.com/api). Only what is set is emptied: the call stays what it would
    /// be without it wherever nothing is in the way.
    fn emptied(&self, packet: &Packet, fees: &[&str]) -> Result<Vec<(String, String)>, String> {
        let Some(evidence) = self.evidence.as_object() else { return Ok(Vec::new()) };
        let ours = evidence::form(packet);
        let mut fields = Vec::new();
        for (name, value) in evidence.iter().filter(|(name, value)| *name != APPEAL && is_set(value)) {
            let field = format!("evidence[{name}]");
            if ours.iter().any(|(own, _)| *own == field) {
                continue;
            }
            if !is_plain_ref(name) {
                return Err(format!("Stripe holds evidence under `{}`, which is no name", shown(name, 40)));
            }
            match value.as_object() {
                Some(programmes) if name == ENHANCED && !fees.is_empty() => only(programmes, fees)?,
                Some(_) | None => fields.push((field, String::new())),
            }
        }
        Ok(fields)
    }
}

/// The fee that is acknowledged and other enhanced evidence stand in one place, which is emptied whole or not at all.
fn only(programmes: &Map<String, Value>, fees: &[&str]) -> Result<(), String> {
    let foreign = programmes.iter().find(|(name, value)| !fees.contains(&name.as_str()) && is_set(value));
    foreign.map_or(Ok(()), |(name, _)| {
        Err(format!(
            "Stripe holds `{}` beside the fee that is to be acknowledged, and would send it too: remove it in the \
             Stripe Dashboard, or submit there",
            shown(name, 40)
        ))
    })
}

/// Whether anything is said in it: Stripe shows places that nobody filled as null, empty or false.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_set),
        Value::Object(fields) => fields.values().any(is_set),
    }
}
