//! Asks the person's order first and the rules second, and writes down why (P8).
//! Looks at nothing but the case: what becomes of a decision is for the plan and the gates.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Answer, Case, Command, CycleRow, Times};
use crate::dispute::{Cycle, Dispute};
use crate::evidence::template::{FromFacts, Scope};
use crate::evidence::{EvidenceSet, Field, Packet};
use crate::rules::{Context, Customer, Mode, Ruleset, Trace, Tried, When};

/// What is wanted, by whom and why, before gates and the clock have had their say.
#[derive(Clone)]
pub(super) struct Decided {
    pub answer: Answer,
    pub decided_by: String,
    pub rule_id: Option<String>,
    pub ruleset_version: Option<i32>,
    pub act_at: Option<DateTime<Utc>>,
    /// Evidence that has to be in hand before the answer acts.
    pub requires: Vec<Field>,
    /// The rule's answer for when required evidence is still missing at the margin.
    pub otherwise: Option<Answer>,
    pub approval_needed: bool,
    /// An order outranks the rules and acts in shadow mode too.
    pub ordered: bool,
    /// The policy or the rule is in shadow: decide, record, do nothing.
    pub shadow: bool,
    pub fee_acknowledged: bool,
    /// When time alone may change the verdict.
    pub changes_at: Option<DateTime<Utc>>,
    pub why: String,
}

/// Everything at hand: what people attached and what facts give.
pub(super) fn at_hand(case: &Case) -> Packet {
    let mut packet = (*case.attached).clone();
    FromFacts::read(&case.facts).packet.fill_into(&mut packet);
    packet
}

pub(super) fn decide(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    times: &Times,
    now: DateTime<Utc>,
) -> Decided {
    let evidence = at_hand(case).fields();
    let by_rules = match &case.merchant.ruleset {
        Some((version, ruleset)) => by_rules(case, dispute, row, times, (*version, ruleset), &evidence, now),
        None => unpublished(),
    };
    match &row.plan.order {
        // From the instant of the order, so that looking again says the same.
        Some(order) => {
            by_order(order.by.clone(), &order.command, by_rules, row.plan.ordered_at.unwrap_or(now))
        }
        None => by_rules,
    }
}

/// What the rules can see of the case.
fn context<'a>(
    case: &'a Case,
    (dispute, cycle): (&'a Dispute, &'a Cycle),
    evidence: &'a EvidenceSet,
    now: DateTime<Utc>,
) -> Context<'a> {
    Context {
        merchant: &case.merchant.name,
        account: &case.account.name,
        provider: case.account.provider,
        dispute,
        cycle,
        facts: &case.facts,
        evidence,
        customer: case.customer,
        now,
    }
}

fn by_rules(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    times: &Times,
    (version, ruleset): (i32, &Ruleset),
    evidence: &EvidenceSet,
    now: DateTime<Utc>,
) -> Decided {
    let context = context(case, (dispute, &row.cycle), evidence, now);
    let verdict = ruleset.decide(&context);
    let when = match verdict.then {
        crate::rules::Then::Accept { when } | crate::rules::Then::Defend { when, .. } => Some(*when),
        crate::rules::Then::Stage { .. }
        | crate::rules::Then::Hold { .. }
        | crate::rules::Then::Ignore { .. } => None,
    };
    Decided {
        answer: Answer::of(verdict.then),
        decided_by: "rules".into(),
        rule_id: Some(verdict.rule_id.to_owned()),
        ruleset_version: Some(version),
        act_at: when.map(|when| act_at(when, row, times)),
        requires: verdict.requires.to_vec(),
        otherwise: verdict.otherwise.map(Answer::of),
        approval_needed: verdict.approval_needed,
        ordered: false,
        shadow: verdict.mode == Mode::Shadow,
        fee_acknowledged: false,
        changes_at: ruleset.next_change(&context),
        why: verdict.why.to_owned(),
    }
}

/// Never later than `act_by`, whatever the rule says, and never before the cycle was known. A delay counts from
/// the opening at the provider: a date that people see in its dashboard too, and that a late webhook cannot move.
fn act_at(when: When, row: &CycleRow, times: &Times) -> DateTime<Utc> {
    let learned_at = row.plan.learned_at;
    let wanted = match when {
        When::AtOnce => learned_at,
        When::After(delay) => row.cycle.opened_at + delay,
        When::Lead(lead) => times.respond_by - lead,
    };
    wanted.min(times.act_by).max(learned_at)
}

fn unpublished() -> Decided {
    Decided {
        answer: Answer::Hold { why: "no rules are published for this merchant".into() },
        decided_by: "rules".into(),
        rule_id: None,
        ruleset_version: None,
        act_at: None,
        requires: Vec::new(),
        otherwise: None,
        approval_needed: false,
        ordered: false,
        shadow: true,
        fee_acknowledged: false,
        changes_at: None,
        why: "no rules are published for this merchant".into(),
    }
}

fn by_order(by: String, command: &Command, rules: Decided, ordered_at: DateTime<Utc>) -> Decided {
    let (answer, act_at, fee_acknowledged) = match command {
        Command::Accept => (Answer::Accept, Some(ordered_at), false),
        Command::Defend { template, reason, acknowledge_fee } => {
            let answer = Answer::Defend { reason: reason.clone(), template: template.clone() };
            (answer, Some(ordered_at), *acknowledge_fee)
        }
        Command::Hold { why } => (Answer::Hold { why: why.clone() }, None, false),
        Command::Approve | Command::Resume => return rules,
    };
    Decided {
        answer,
        decided_by: format!("person:{by}"),
        act_at,
        requires: Vec::new(),
        otherwise: None,
        ordered: true,
        fee_acknowledged,
        why: format!("ordered by {by}"),
        ..rules
    }
}

/// What would be sent: the template filled in, on top of what people and facts gave.
pub(super) fn packet(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    answer: &Answer,
    fee_acknowledged: bool,
) -> Packet {
    let ruleset = case.merchant.ruleset.as_ref().map(|(_, ruleset)| ruleset);
    let template = answer.template().zip(ruleset).and_then(|(name, ruleset)| ruleset.template(name));
    let mut packet = match (template, ruleset) {
        (Some(template), Some(ruleset)) => {
            let scope = Scope {
                facts: &case.facts,
                dispute,
                cycle: &row.cycle,
                customer_disputes_90d: case.customer.disputes_90d,
                customer_disputes_total: case.customer.disputes_total,
                time_zone: ruleset.policy.time_zone,
            };
            template.render(&scope, &case.attached).packet
        }
        _ => at_hand(case),
    };
    if let Answer::Defend { reason, .. } = answer {
        packet.defence_reason = reason.clone();
    }
    packet.fee_acknowledged |= fee_acknowledged;
    packet
}

/// About what a decision's detail takes.
const DETAIL_BYTES: usize = 2048;

/// What is kept with a decision, straight to text: tens of thousands a second are written.
#[derive(Serialize)]
struct Detail<'a> {
    why: &'a str,
    waiting_for: &'a [String],
    trace: Option<Kept<'a>>,
    inputs: Seen<'a>,
}

/// What is kept of a trace: every condition of the rule that matched, what settled each rule before it, and the
/// rules after it. What the others saw and wanted follows from the inputs ([`super::Inputs::explain`]) and would
/// repeat most of the rules in every row.
#[derive(Serialize)]
struct Kept<'a> {
    matched: Option<Tried<'a>>,
    /// The condition that kept rules from matching, whether it held (null: it could not be told), and the rules, in
    /// their order; neighbours that one condition settled stand together.
    passed_over: Vec<(&'a str, Option<bool>, Vec<&'a str>)>,
    not_tried: Vec<&'a str>,
}

impl<'a> Kept<'a> {
    fn of(trace: Trace<'a>) -> Self {
        let mut passed_over: Vec<(&str, Option<bool>, Vec<&str>)> = Vec::new();
        let mut matched = None;
        for tried in trace.rules {
            match (tried.conditions.last(), passed_over.last_mut()) {
                (Some(asked), Some((path, held, rules)))
                    if !tried.matched && (*path, *held) == (asked.path, asked.held) =>
                {
                    rules.push(tried.id);
                }
                (Some(asked), _) if !tried.matched => {
                    passed_over.push((asked.path, asked.held, vec![tried.id]));
                }
                (Some(_) | None, _) => matched = Some(tried),
            }
        }
        Self { matched, passed_over, not_tried: trace.not_tried }
    }
}

/// The written side of [`super::Inputs`].
#[derive(Serialize)]
struct Seen<'a> {
    merchant: &'a str,
    account: &'a str,
    provider: &'a str,
    cycle: &'a Cycle,
    dispute: &'a Dispute,
    facts: &'a serde_json::Value,
    evidence: &'a EvidenceSet,
    customer: Customer,
    now: DateTime<Utc>,
}

/// What was known, as it is kept with the decision. The rules are asked again, for what settled each of them: the
/// plain answer comes from the same evaluation, and the inputs lead to the full trace whenever it is wanted.
pub(super) fn record_detail(
    case: &Case,
    (dispute, cycle): (&Dispute, &Cycle),
    decided: &Decided,
    obstacles: &[String],
    now: DateTime<Utc>,
) -> String {
    let evidence = at_hand(case).fields();
    let context = context(case, (dispute, cycle), &evidence, now);
    let trace = case.merchant.ruleset.as_ref();
    let trace = trace.map(|(_, ruleset)| Kept::of(ruleset.explain_briefly(&context).1));
    let inputs = Seen {
        merchant: context.merchant,
        account: context.account,
        provider: context.provider,
        cycle,
        dispute,
        facts: context.facts,
        evidence: &evidence,
        customer: context.customer,
        now,
    };
    let detail = Detail { why: &decided.why, waiting_for: obstacles, trace, inputs };
    let mut text = Vec::with_capacity(DETAIL_BYTES);
    serde_json::to_writer(&mut text, &detail).expect("a decision is text, numbers and instants");
    String::from_utf8(text).expect("JSON is UTF-8")
}
