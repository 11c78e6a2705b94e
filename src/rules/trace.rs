//! Why a verdict came out as it did: every rule tried, every condition with what it saw and what it wanted,
//! and the rules that were not reached. Listens to the evaluation; decides nothing.

use chrono::TimeDelta;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::dispute::Money;
use crate::evidence::Field;
use crate::evidence::template::fact_at;

use super::condition::{Condition, Mask, Test, Truth};
use super::conditions::words_of;
use super::duration;
use super::eval::{Sink, View};
use super::rule::Rule;

/// Serialises to compact JSON. Borrows from the ruleset and the context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace<'a> {
    /// In the order of the file, up to the one that matched.
    pub rules: Vec<Tried<'a>>,
    /// The rules after the match, and `default` unless it answered: the alternatives.
    pub not_tried: Vec<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried<'a> {
    pub id: &'a str,
    pub matched: bool,
    pub conditions: Vec<Asked<'a>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked<'a> {
    /// `amount`, `unless.customer.disputes_90d`, `any[2].network`.
    pub path: &'a str,
    pub saw: Saw<'a>,
    pub wanted: &'a str,
    /// Whether the condition itself held; `None` (JSON `null`) = it could not be told. A line under
    /// `unless` lets its rule match only when this is `false`.
    pub held: Option<bool>,
}

impl Asked<'_> {
    /// Whether this condition alone kept its rule from matching.
    pub fn stopped(&self) -> bool {
        let lets_pass = !self.path.starts_with("unless.");
        self.held != Some(lets_pass)
    }
}

/// What a condition looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Saw<'a> {
    /// There was nothing to look at.
    Nothing,
    Word(&'a str),
    Flag(bool),
    Count(u32),
    Amount(Money),
    Left(TimeDelta),
    /// The evidence fields among those the condition names.
    Evidence(Mask),
    Fact(&'a Value),
}

/// Longest text of a fact that a trace repeats, characters.
const FACT_CHARS_MAX: usize = 120;

impl Serialize for Saw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Saw::Nothing => serializer.serialize_none(),
            Saw::Word(word) => serializer.serialize_str(word),
            Saw::Flag(flag) => serializer.serialize_bool(*flag),
            Saw::Count(count) => serializer.serialize_u32(*count),
            Saw::Amount(amount) => serializer.collect_str(amount),
            Saw::Left(left) => serializer.serialize_str(&duration::print(*left)),
            Saw::Evidence(mask) => words_of(*mask, Field::ALL, Field::as_str).serialize(serializer),
            Saw::Fact(Value::String(text)) => match text.char_indices().nth(FACT_CHARS_MAX) {
                Some((end, _)) => serializer.collect_str(&format_args!("{}…", &text[..end])),
                None => serializer.serialize_str(text),
            },
            Saw::Fact(Value::Array(list)) => {
                serializer.collect_str(&format_args!("a list of {}", list.len()))
            }
            Saw::Fact(Value::Object(table)) => {
                serializer.collect_str(&format_args!("an object of {}", table.len()))
            }
            Saw::Fact(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
                value.serialize(serializer)
            }
        }
    }
}

/// Writes down what it hears. `ALL`: every condition is asked; else only until a rule is settled.
pub(super) struct Scribe<'a, const ALL: bool>(Trace<'a>);

impl<'a, const ALL: bool> Scribe<'a, ALL> {
    pub fn new(rules: usize) -> Self {
        Self(Trace { rules: Vec::with_capacity(rules), not_tried: Vec::new() })
    }

    /// Closes the trace: `matched` is the index of the rule that answered, if one did.
    pub fn finish(self, rules: &'a [Rule], matched: Option<usize>) -> Trace<'a> {
        let Scribe(mut trace) = self;
        match matched {
            Some(index) => {
                trace.not_tried = rules[index + 1..].iter().map(|rule| rule.id.as_str()).collect();
                trace.not_tried.push(super::DEFAULT_ID);
            }
            None => {
                trace.rules.push(Tried { id: super::DEFAULT_ID, matched: true, conditions: Vec::new() });
            }
        }
        trace
    }
}

impl<'a, const ALL: bool> Sink<'a> for Scribe<'a, ALL> {
    const ALL: bool = ALL;

    fn rule(&mut self, rule: &'a Rule) {
        let conditions = Vec::with_capacity(rule.conditions.len());
        self.0.rules.push(Tried { id: &rule.id, matched: false, conditions });
    }

    fn condition(&mut self, condition: &'a Condition, view: &View<'a>, held: Truth) {
        let saw = saw(&condition.test, view);
        let asked = Asked { path: &condition.path, saw, wanted: &condition.wanted, held: held.known() };
        if let Some(tried) = self.0.rules.last_mut() {
            tried.conditions.push(asked);
        }
    }

    fn answered(&mut self, matched: bool) {
        if let Some(tried) = self.0.rules.last_mut() {
            tried.matched = matched;
        }
    }
}

fn saw<'a>(test: &Test, view: &View<'a>) -> Saw<'a> {
    let context = &view.context;
    let dispute = context.dispute;
    let word = |told: Option<&'a str>| told.filter(|w| !w.is_empty()).map_or(Saw::Nothing, Saw::Word);
    let count = |told: Option<u32>| told.map_or(Saw::Nothing, Saw::Count);
    match test {
        Test::Reason(_) => Saw::Word(dispute.reason.category.as_str()),
        Test::Stage(_) => Saw::Word(context.cycle.stage.as_str()),
        Test::Status(_) => Saw::Word(dispute.status.as_str()),
        Test::InTestMode(_) => Saw::Flag(!dispute.live),
        Test::Refunded(_) => Saw::Flag(dispute.refunded),
        Test::FeeRequired(_) => Saw::Flag(dispute.fee_required),
        Test::Has(mask) | Test::HasAny(mask) | Test::Lacks(mask) => Saw::Evidence(view.evidence & mask),
        Test::Amount(_) => Saw::Amount(dispute.amount),
        Test::TimeLeft(_) => Saw::Left(context.cycle.respond_by - context.now),
        Test::Disputes90d(_) => count(context.customer.disputes_90d),
        Test::DisputesTotal(_) => count(context.customer.disputes_total),
        Test::Provider(_) => word(Some(context.provider)),
        Test::Account(_) => word(Some(context.account)),
        Test::Network(_) => word(dispute.reason.network.as_deref()),
        Test::NetworkCode(_) => word(dispute.reason.network_code.as_deref()),
        Test::ProviderReason(_) => word(Some(&dispute.reason.provider_reason)),
        Test::Fact(fact) => fact_at(context.facts, &fact.path).map_or(Saw::Nothing, Saw::Fact),
        // Their parts stand above them in the list.
        Test::Any(_) | Test::Complete { .. } => Saw::Nothing,
    }
}
