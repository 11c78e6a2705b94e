//! Tests of the rules: every mistake with its exact message, disputes with the rule that answers, and
//! properties that hold for any file and any dispute. Here: what a test is about, made in one line.

mod decisions;
mod mistakes;
mod properties;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::dispute::{
    Category, Currency, Cycle, CycleState, Dispute, Money, Reason, RespondBy, Stage, Status,
};
use crate::evidence::EvidenceSet;

use super::{Context, Customer, Problem, Ruleset};

pub(super) const EXAMPLE: &str = include_str!("../../../config/rules.example.toml");

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// All that a [`Context`] borrows. The dispute opened on 10 May 2026 at noon with ten days to answer; it is
/// a day later now.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub provider: String,
    pub account: String,
    pub dispute: Dispute,
    pub cycle: Cycle,
    pub facts: Value,
    pub evidence: EvidenceSet,
    pub customer: Customer,
    pub now: DateTime<Utc>,
}

impl Case {
    pub fn new(category: Category, stage: Stage, amount: &str) -> Self {
        let (digits, currency) = amount.split_once(' ').unwrap();
        let amount = Money::parse_major(digits, Currency::parse(currency).unwrap()).unwrap();
        let (opened_at, respond_by) = (at("2026-05-10T12:00:00Z"), at("2026-05-20T12:00:00Z"));
        let reason = Reason {
            category,
            provider_reason: "their_word".to_owned(),
            network_code: Some("13.1".to_owned()),
            network: Some("visa".to_owned()),
        };
        Self {
            provider: "stripe".to_owned(),
            account: "shop".to_owned(),
            dispute: dispute(stage, amount, reason, opened_at, respond_by),
            cycle: Cycle {
                n: 1,
                stage,
                state: CycleState::Open,
                opened_at,
                respond_by,
                response: None,
                answered_at: None,
                ended_at: None,
                wake_at: None,
            },
            facts: json!({}),
            evidence: EvidenceSet::new(),
            customer: Customer::default(),
            now: at("2026-05-11T12:00:00Z"),
        }
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            merchant: "lamps",
            account: &self.account,
            provider: &self.provider,
            dispute: &self.dispute,
            cycle: &self.cycle,
            facts: &self.facts,
            evidence: &self.evidence,
            customer: self.customer,
            now: self.now,
        }
    }
}

fn dispute(
    stage: Stage,
    amount: Money,
    reason: Reason,
    opened_at: DateTime<Utc>,
    respond_by: DateTime<Utc>,
) -> Dispute {
    Dispute {
        merchant_id: 1,
        account_id: 1,
        dispute_id: 1,
        dispute_ref: "dp_lamp_7".to_owned(),
        payment_ref: Some("pi_lamp_7".to_owned()),
        charge_ref: None,
        stage,
        status: Status::NeedsResponse,
        provider_status: "needs_response".to_owned(),
        amount,
        reason,
        respond_by: RespondBy::At(respond_by),
        opened_at,
        as_of: opened_at,
        closed_at: None,
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: false,
        customer_ref: None,
        live: true,
        funds_withdrawn_at: None,
        funds_reinstated_at: None,
        follows_ref: None,
    }
}

/// A file with these lines as the `when` and `unless` of its only rule, which holds.
pub(super) fn one_rule(conditions: &str) -> String {
    format!(
        "schema = 1\ndefault = {{ hold = {{ why = \"none\" }} }}\n[[rule]]\nid = \"r\"\n\
         then = {{ ignore = {{ why = \"it matched\" }} }}\n{conditions}\n"
    )
}

pub(super) fn load(text: &str) -> Ruleset {
    Ruleset::parse(text).unwrap_or_else(|problems| panic!("{}", render(&problems, text))).ruleset
}

pub(super) fn render(problems: &[Problem], text: &str) -> String {
    problems.iter().map(|problem| problem.render("rules.toml", text)).collect()
}

/// Whether the only rule, with these conditions, matches.
pub(super) fn matches(conditions: &str, case: &Case) -> bool {
    load(&one_rule(conditions)).decide(&case.context()).rule_id == "r"
}
