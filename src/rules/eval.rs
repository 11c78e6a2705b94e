//! Asks the rules in order. One function serves the fast answer and the explained one, told apart only by
//! the sink that listens, so they cannot disagree.

use crate::dispute::{Category, Money};
use crate::evidence::Moment;
use crate::evidence::template::{Scope, fact_at};

use super::condition::{
    AmountRange, Condition, FactOp, FactTest, Mask, Number, Range, Reference, Scalar, Test, Truth,
};
use super::rule::Rule;
use super::{Context, Ruleset};

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Hears what is asked and how it was answered.
pub(super) trait Sink<'a> {
    /// Whether every condition is to be asked, also those that no longer decide anything.
    const ALL: bool;
    fn rule(&mut self, rule: &'a Rule);
    fn condition(&mut self, condition: &'a Condition, view: &View<'a>, held: Truth);
    fn answered(&mut self, matched: bool);
}

/// Listens to nothing: the fast path.
pub(super) struct Deaf;

impl Sink<'_> for Deaf {
    const ALL: bool = false;
    fn rule(&mut self, _: &Rule) {}
    fn condition(&mut self, _: &Condition, _: &View<'_>, _: Truth) {}
    fn answered(&mut self, _: bool) {}
}

/// The context with what is worked out once per decision.
pub(super) struct View<'a> {
    pub context: Context<'a>,
    pub ruleset: &'a Ruleset,
    pub evidence: Mask,
}

impl<'a> View<'a> {
    pub fn new(ruleset: &'a Ruleset, context: &Context<'a>) -> Self {
        let evidence = context.evidence.iter().fold(0, |mask, field| mask | 1 << *field as u64);
        Self { context: *context, ruleset, evidence }
    }
}

/// The index of the first rule that matches.
pub(super) fn first_match<'a, S: Sink<'a>>(view: &View<'a>, sink: &mut S) -> Option<usize> {
    view.ruleset.rules.iter().position(|rule| {
        sink.rule(rule);
        let mut truth = Truth::Holds;
        for condition in &rule.conditions {
            let held = ask(condition, view, sink);
            truth = truth.and(if condition.negated { held.not() } else { held });
            if !S::ALL && truth != Truth::Holds {
                break;
            }
        }
        sink.answered(truth == Truth::Holds);
        truth == Truth::Holds
    })
}

fn ask<'a, S: Sink<'a>>(condition: &'a Condition, view: &View<'a>, sink: &mut S) -> Truth {
    let held = if let Test::Any(alternatives) = &condition.test {
        any(alternatives, view, sink)
    } else {
        test_holds(&condition.test, view)
    };
    sink.condition(condition, view, held);
    held
}

fn any<'a, S: Sink<'a>>(alternatives: &'a [Vec<Condition>], view: &View<'a>, sink: &mut S) -> Truth {
    let mut either = Truth::Fails;
    for alternative in alternatives {
        let mut both = Truth::Holds;
        for condition in alternative {
            both = both.and(ask(condition, view, sink));
            if !S::ALL && both == Truth::Fails {
                break;
            }
        }
        either = either.or(both);
        if !S::ALL && either == Truth::Holds {
            break;
        }
    }
    either
}

fn test_holds(test: &Test, view: &View<'_>) -> Truth {
    let context = &view.context;
    let dispute = context.dispute;
    match test {
        Test::Reason(mask) => {
            let listed = mask & bit(dispute.reason.category as u64) != 0;
            let unknown = dispute.reason.category == Category::Unknown;
            if unknown && !listed { Truth::Unknown } else { Truth::of(listed) }
        }
        Test::Stage(mask) => Truth::of(mask & bit(context.cycle.stage as u64) != 0),
        Test::Status(mask) => Truth::of(mask & bit(dispute.status as u64) != 0),
        Test::InTestMode(wanted) => Truth::of(dispute.live != *wanted),
        Test::Refunded(wanted) => Truth::of(dispute.refunded == *wanted),
        Test::FeeRequired(wanted) => Truth::of(dispute.fee_required == *wanted),
        Test::Has(mask) => Truth::of(view.evidence & mask == *mask),
        Test::HasAny(mask) => Truth::of(view.evidence & mask != 0),
        Test::Lacks(mask) => Truth::of(view.evidence & mask == 0),
        Test::Amount(ranges) => amount_holds(ranges, dispute.amount),
        Test::TimeLeft(range) => Truth::of(range.holds(context.cycle.respond_by - context.now)),
        Test::Disputes90d(range) => count_holds(range, context.customer.disputes_90d),
        Test::DisputesTotal(range) => count_holds(range, context.customer.disputes_total),
        Test::Provider(words) => word_holds(words, Some(context.provider)),
        Test::Account(words) => word_holds(words, Some(context.account)),
        Test::Network(words) => word_holds(words, dispute.reason.network.as_deref()),
        Test::NetworkCode(words) => word_holds(words, dispute.reason.network_code.as_deref()),
        Test::ProviderReason(words) => word_holds(words, Some(&dispute.reason.provider_reason)),
        Test::Fact(fact) => fact_holds(fact, view),
        Test::Complete { template, wanted } => match view.ruleset.template(template) {
            Some(template) => Truth::of(template.is_complete(&view.scope(), context.evidence) == *wanted),
            None => Truth::Unknown,
        },
        // Asked by `any`, which tells the sink of every part.
        Test::Any(_) => Truth::Unknown,
    }
}

const fn bit(index: u64) -> Mask {
    1 << index
}

fn amount_holds(ranges: &[AmountRange], amount: Money) -> Truth {
    match ranges.iter().find(|range| range.currency == amount.currency) {
        Some(range) => Truth::of(range.minor.holds(amount.minor)),
        None => Truth::Unknown,
    }
}

fn count_holds(range: &Range<u32>, count: Option<u32>) -> Truth {
    count.map_or(Truth::Unknown, |count| Truth::of(range.holds(count)))
}

fn word_holds(words: &[String], told: Option<&str>) -> Truth {
    match told {
        None | Some("") => Truth::Unknown,
        Some(told) => Truth::of(words.iter().any(|word| word.eq_ignore_ascii_case(told))),
    }
}

fn fact_holds(fact: &FactTest, view: &View<'_>) -> Truth {
    let value = fact_at(view.context.facts, &fact.path);
    fact.tests.iter().fold(Truth::Holds, |truth, test| truth.and(fact_op_holds(test, value, view)))
}

fn fact_op_holds(test: &FactOp, value: Option<&Value>, view: &View<'_>) -> Truth {
    if let FactOp::Present(wanted) = test {
        return Truth::of(value.is_some() == *wanted);
    }
    let Some(value) = value else { return Truth::Unknown };
    match test {
        FactOp::Present(_) => Truth::Unknown,
        FactOp::Is(wanted) => same(wanted, value),
        FactOp::In(list) => list.iter().fold(Truth::Fails, |truth, wanted| truth.or(same(wanted, value))),
        FactOp::AtLeast(wanted) => ordered(value, wanted, |order| order.is_ge()),
        FactOp::AtMost(wanted) => ordered(value, wanted, |order| order.is_le()),
        FactOp::Contains(wanted) => match value {
            Value::String(text) => Truth::of(text.contains(wanted.as_str())),
            Value::Array(list) => Truth::of(list.iter().any(|item| item.as_str() == Some(wanted))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Truth::Unknown,
        },
        FactOp::Before(reference) => match (edges_of(value, view), edges(reference, view)) {
            (Some(fact), Some(reference)) => before(fact, reference),
            (_, _) => Truth::Unknown,
        },
        FactOp::After(reference) => match (edges_of(value, view), edges(reference, view)) {
            (Some(fact), Some(reference)) => before(reference, fact),
            (_, _) => Truth::Unknown,
        },
    }
}

/// A fact of another kind than the rule expects is not understood, and so is neither equal nor different.
fn same(wanted: &Scalar, value: &Value) -> Truth {
    match (wanted, value) {
        (Scalar::Text(wanted), Value::String(text)) => Truth::of(wanted == text),
        (Scalar::Flag(wanted), Value::Bool(flag)) => Truth::of(wanted == flag),
        (Scalar::Number(wanted), Value::Number(_)) => ordered(value, wanted, |order| order.is_eq()),
        (_, _) => Truth::Unknown,
    }
}

fn ordered(value: &Value, wanted: &Number, holds: fn(std::cmp::Ordering) -> bool) -> Truth {
    let order = match (value.as_i64(), wanted) {
        (Some(value), Number::Whole(wanted)) => Some(value.cmp(wanted)),
        (_, Number::Whole(wanted)) => value.as_f64().and_then(|v| v.partial_cmp(&(*wanted as f64))),
        (_, Number::Real(wanted)) => value.as_f64().and_then(|v| v.partial_cmp(wanted)),
    };
    order.map_or(Truth::Unknown, |order| Truth::of(holds(order)))
}

pub(super) type Edges = (DateTime<Utc>, DateTime<Utc>);

pub(super) fn edges_of(value: &Value, view: &View<'_>) -> Option<Edges> {
    Some(Moment::parse(value.as_str()?)?.edges(view.ruleset.policy.time_zone))
}

fn edges(reference: &Reference, view: &View<'_>) -> Option<Edges> {
    let context = &view.context;
    let at = match reference {
        Reference::Fixed(start, end) => return Some((*start, *end)),
        Reference::Fact(path) => return edges_of(fact_at(context.facts, path)?, view),
        Reference::DisputeOpenedAt => context.dispute.opened_at,
        Reference::CycleOpenedAt => context.cycle.opened_at,
        Reference::RespondBy => context.cycle.respond_by,
        Reference::Now => context.now,
    };
    Some((at, at))
}

/// Whether `a` lies before `b`. Days have a width: within one, nobody can tell.
fn before(a: Edges, b: Edges) -> Truth {
    let instant = |edges: Edges| edges.0 == edges.1;
    let surely = if instant(a) { a.0 < b.0 } else { a.1 <= b.0 };
    let surely_not = if instant(b) { a.0 >= b.0 } else { a.0 >= b.1 };
    match (surely, surely_not) {
        (true, _) => Truth::Holds,
        (false, true) => Truth::Fails,
        (false, false) => Truth::Unknown,
    }
}

impl<'a> View<'a> {
    pub fn scope(&self) -> Scope<'a> {
        let context = &self.context;
        Scope {
            facts: context.facts,
            dispute: context.dispute,
            cycle: context.cycle,
            customer_disputes_90d: context.customer.disputes_90d,
            customer_disputes_total: context.customer.disputes_total,
            time_zone: self.ruleset.policy.time_zone,
        }
    }
}
