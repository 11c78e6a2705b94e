//! Templates: text with `{facts.path}` in it, filled in when the packet is made. A placeholder without a
//! value leaves its field out and says so: never an empty or half sentence before a bank. What people and
//! facts give as evidence wins over a template. Knows nothing of rules or providers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;

use super::placeholder::{Part, Path, parse_parts};
use super::{EvidenceSet, Field, FieldKind, Moment, Packet};
use crate::dispute::{Category, Cycle, Dispute};

pub use super::placeholder::{Mistake, path_names};

/// How to fill each field. Made when rules are loaded, so that a template that exists can be rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Template {
    slots: BTreeMap<Field, Slot>,
}

#[derive(Debug, Clone, PartialEq)]
enum Slot {
    Text(Vec<Part>),
    /// Each yields one or more file ids: a literal id, or a placeholder.
    Files(Vec<Part>),
}

/// What placeholders can see.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub facts: &'a Value,
    pub dispute: &'a Dispute,
    pub cycle: &'a Cycle,
    /// The customer's other disputes; `None` = the customer is not known.
    pub customer_disputes_90d: Option<u32>,
    pub customer_disputes_total: Option<u32>,
    /// In which instants are printed.
    pub time_zone: Tz,
}

/// A field the template would fill, and the placeholders that had no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub field: Field,
    /// `facts.tracking_number`, without braces.
    pub placeholders: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: no value for {}", self.field, self.placeholders.join(", "))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    pub packet: Packet,
    pub missing: Vec<Missing>,
    /// Entries under `facts.evidence` that could not be used, in words.
    pub ignored: Vec<String>,
}

/// Evidence that the merchant's own system sent under `facts.evidence`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromFacts {
    pub packet: Packet,
    /// What could not be used, in words.
    pub ignored: Vec<String>,
}

impl Template {
    /// Sets how a text field is written, or how a file field finds its file ids (`sources` of one or more).
    /// Errors name every mistake in the texts.
    pub fn set(&mut self, field: Field, sources: &[&str]) -> Result<(), Vec<Mistake>> {
        let mut parts = Vec::new();
        let mut mistakes = Vec::new();
        for source in sources {
            match parse_parts(source) {
                Err(found) => mistakes.extend(found),
                Ok(found) => match field.kind() {
                    FieldKind::Text => parts.extend(found),
                    FieldKind::File => match <[Part; 1]>::try_from(found) {
                        Ok([part]) => parts.push(part),
                        Err(_) => mistakes.push(Mistake::not_one_file(source)),
                    },
                },
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let slot = match field.kind() {
            FieldKind::Text => Slot::Text(parts),
            FieldKind::File => Slot::Files(parts),
        };
        self.slots.insert(field, slot);
        Ok(())
    }

    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.slots.keys().copied()
    }

    /// The packet: what people gave (`explicit`), then what facts gave, then what the template fills in.
    pub fn render(&self, scope: &Scope<'_>, explicit: &Packet) -> Rendered {
        let given = FromFacts::read(scope.facts);
        let mut packet = explicit.clone();
        given.packet.fill_into(&mut packet);
        let at_hand = packet.clone();
        let mut missing = Vec::new();
        for (field, slot) in &self.slots {
            if at_hand.text.contains_key(field) || at_hand.files.contains_key(field) {
                continue;
            }
            let mut placeholders = Vec::new();
            match slot {
                Slot::Text(parts) => {
                    let text = text_of(parts, scope, &at_hand, &mut placeholders);
                    packet.text.extend(text.map(|text| (*field, text)));
                }
                Slot::Files(parts) => {
                    let ids = files_of(parts, scope, &at_hand, &mut placeholders);
                    if !ids.is_empty() {
                        packet.files.insert(*field, ids);
                    }
                }
            }
            if !placeholders.is_empty() {
                missing.push(Missing { field: *field, placeholders });
            }
        }
        Rendered { packet, missing, ignored: given.ignored }
    }

    /// Whether every field is at hand already or can be filled in whole.
    pub fn is_complete(&self, scope: &Scope<'_>, at_hand: &EvidenceSet) -> bool {
        self.slots.iter().all(|(field, slot)| {
            let (Slot::Text(parts) | Slot::Files(parts)) = slot;
            let as_file = matches!(slot, Slot::Files(_));
            at_hand.contains(field)
                || parts.iter().all(|part| match part {
                    Part::Words(_) => true,
                    Part::Value(Path::Evidence(other)) => at_hand.contains(other),
                    Part::Value(Path::Fact(path)) if as_file => {
                        fact_at(scope.facts, path).is_some_and(|v| !file_ids(v).is_empty())
                    }
                    Part::Value(path) => value_of(path, scope, &Packet::default()).is_some(),
                })
        })
    }
}

impl FromFacts {
    pub fn read(facts: &Value) -> Self {
        let mut out = Self::default();
        let entries = match facts.get("evidence") {
            None | Some(Value::Null) => return out,
            Some(Value::Object(entries)) => entries,
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                out.ignored.push("facts.evidence is not an object of evidence fields".to_owned());
                return out;
            }
        };
        for (name, value) in entries {
            let Ok(field) = name.parse::<Field>() else {
                out.ignored.push(format!("facts.evidence.{name} is not an evidence field"));
                continue;
            };
            let values = file_ids(value);
            if values.is_empty() {
                out.ignored.push(format!("facts.evidence.{name} is not text or a list of texts"));
                continue;
            }
            match field.kind() {
                FieldKind::Text => _ = out.packet.text.insert(field, values.join("\n")),
                FieldKind::File => _ = out.packet.files.insert(field, values),
            }
        }
        out
    }
}

impl Packet {
    /// Gives `other` the fields it lacks.
    pub fn fill_into(self, other: &mut Packet) {
        for (field, text) in self.text {
            other.text.entry(field).or_insert(text);
        }
        for (field, ids) in self.files {
            other.files.entry(field).or_insert(ids);
        }
    }
}

/// The value at a dotted path; a `null` is no value.
pub fn fact_at<'v, S: AsRef<str>>(facts: &'v Value, path: &[S]) -> Option<&'v Value> {
    let mut at = facts;
    for step in path {
        at = at.as_object()?.get(step.as_ref())?;
    }
    (!at.is_null()).then_some(at)
}

fn text_of(parts: &[Part], scope: &Scope<'_>, given: &Packet, missing: &mut Vec<String>) -> Option<String> {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Words(words) => out.push_str(words),
            Part::Value(path) => match value_of(path, scope, given) {
                Some(value) => out.push_str(&value),
                None => missing.push(path.to_string()),
            },
        }
    }
    missing.is_empty().then_some(out)
}

fn files_of(parts: &[Part], scope: &Scope<'_>, given: &Packet, missing: &mut Vec<String>) -> Vec<String> {
    let mut out = Vec::new();
    for part in parts {
        let ids = match part {
            Part::Words(id) => vec![id.clone()],
            Part::Value(Path::Fact(path)) => fact_at(scope.facts, path).map(file_ids).unwrap_or_default(),
            Part::Value(Path::Evidence(field)) => given.files.get(field).cloned().unwrap_or_default(),
            Part::Value(path) => value_of(path, scope, given).map(Cow::into_owned).into_iter().collect(),
        };
        if ids.is_empty()
            && let Part::Value(path) = part
        {
            missing.push(path.to_string());
        }
        out.extend(ids);
    }
    out
}

/// A text, or a list of texts, without the empty ones.
fn file_ids(value: &Value) -> Vec<String> {
    let clean = |v: &Value| v.as_str().map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
    match value {
        Value::String(_) => clean(value).into_iter().collect(),
        // One entry of another kind makes the list something we do not understand.
        Value::Array(list) if list.iter().all(Value::is_string) => list.iter().filter_map(clean).collect(),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn value_of<'a>(path: &Path, scope: &Scope<'a>, given: &'a Packet) -> Option<Cow<'a, str>> {
    let dispute = scope.dispute;
    let moment = |at| Some(Cow::Owned(Moment::At(at).print(scope.time_zone)));
    match path {
        Path::Fact(steps) => print_fact(fact_at(scope.facts, steps)?, scope.time_zone),
        Path::Evidence(field) => given.text.get(field).map(|text| Cow::Borrowed(text.as_str())),
        Path::DisputeRef => present(&dispute.dispute_ref),
        Path::DisputePaymentRef => present(dispute.payment_ref.as_deref()?),
        Path::DisputeAmount => Some(Cow::Owned(dispute.amount.to_string())),
        Path::DisputeOpenedAt => moment(dispute.opened_at),
        Path::DisputeReason => {
            let category = dispute.reason.category;
            (category != Category::Unknown).then(|| Cow::Owned(category.as_str().replace('_', " ")))
        }
        Path::DisputeProviderReason => present(&dispute.reason.provider_reason),
        Path::DisputeNetworkCode => present(dispute.reason.network_code.as_deref()?),
        Path::DisputeNetwork => present(dispute.reason.network.as_deref()?),
        Path::CycleRespondBy => moment(scope.cycle.respond_by),
        Path::CustomerDisputes90d => scope.customer_disputes_90d.map(|n| n.to_string().into()),
        Path::CustomerDisputesTotal => scope.customer_disputes_total.map(|n| n.to_string().into()),
    }
}

fn present(text: &str) -> Option<Cow<'_, str>> {
    (!text.trim().is_empty()).then_some(Cow::Borrowed(text))
}

/// Words for people: dates with their zone, yes and no, lists with commas. Objects have none.
fn print_fact(value: &Value, zone: Tz) -> Option<Cow<'_, str>> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "yes" } else { "no" })),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::String(text) => match Moment::parse(text.trim()) {
            Some(moment) => Some(Cow::Owned(moment.print(zone))),
            None => present(text),
        },
        Value::Array(list) => {
            let words: Option<Vec<_>> = list.iter().map(|v| print_fact(v, zone)).collect();
            words.filter(|w| !w.is_empty()).map(|w| Cow::Owned(w.join(", ")))
        }
    }
}
