//! The merchant's rules: text that loads whole or says which line and column is wrong, and answers what to
//! do with a dispute and why. Pure. Knows the dispute and the evidence catalogue, nothing of providers,
//! databases or the clock.
//!
//! A rule matches when every line under `when` holds and every line under `unless` is known not to hold.
//! What cannot be told (a missing fact, a fact of another kind, an unknown customer, an unlisted currency)
//! neither holds nor fails: it keeps its rule from matching on either side. `present` alone is always known,
//! so `unless.facts.vip = { present = true, is = true }` excepts those known to be one and nobody else.

mod amounts;
mod check;
mod condition;
mod conditions;
mod cover;
pub mod duration;
mod eval;
mod facts_read;
mod kind;
mod load;
mod node;
mod problem;
mod rule;
mod rule_read;
#[cfg(test)]
mod tests;
mod trace;
mod turns;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::dispute::{Cycle, Dispute, UnknownWord, words};
use crate::evidence::template::{Scope, Template};
use crate::evidence::{EvidenceSet, Field};

pub use kind::Kind;
pub use problem::{Problem, Severity, text_of};
pub use trace::{Asked, Saw, Trace, Tried};

use rule::Rule;

/// The id under which the file's `default` answers.
pub const DEFAULT_ID: &str = "default";

/// What a condition can see.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub merchant: &'a str,
    pub account: &'a str,
    pub provider: &'a str,
    pub dispute: &'a Dispute,
    pub cycle: &'a Cycle,
    /// What the merchant knows of the order: one JSON object, `{}` when nothing is known.
    pub facts: &'a serde_json::Value,
    /// Evidence at hand, from people and from facts.
    pub evidence: &'a EvidenceSet,
    pub customer: Customer,
    pub now: DateTime<Utc>,
}

/// The customer's other disputes with this merchant. `None` = the customer is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    pub disputes_90d: Option<u32>,
    pub disputes_total: Option<u32>,
}

/// When an answer acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    AtOnce,
    /// So long after the cycle opened at the provider; at once where that has passed already.
    After(#[serde(serialize_with = "seconds")] TimeDelta),
    /// So long before `respond_by`.
    Lead(#[serde(serialize_with = "seconds")] TimeDelta),
}

/// What a rule answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    Accept {
        when: When,
    },
    Defend {
        reason: Option<String>,
        template: String,
        when: When,
    },
    /// Evidence is put with the provider and not sent.
    Stage {
        template: String,
    },
    /// A person decides.
    Hold {
        why: String,
    },
    /// Nobody acts, on purpose.
    Ignore {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'r> {
    pub rule_id: &'r str,
    pub why: &'r str,
    pub then: &'r Then,
    /// Evidence that must be at hand before the answer acts.
    pub requires: &'r [Field],
    /// What to do instead when it is missing at the margin.
    pub otherwise: Option<&'r Then>,
    /// A second person must agree before anything irreversible.
    pub approval_needed: bool,
    /// `Shadow` when the policy or the rule says so: decide, record, send nothing.
    pub mode: Mode,
}

words!(
    /// Whether verdicts reach providers.
    Mode, "mode", {
        Shadow = "shadow",
        Live = "live",
    }
);

words!(
    /// What happens at the safety margin if nothing else has.
    AtMargin, "at_margin", {
        Page = "page",
        Accept = "accept",
        SubmitStaged = "submit_staged",
    }
);

/// What holds for a merchant whatever rule answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    /// How long before `respond_by` the response must be confirmed.
    pub safety_margin: TimeDelta,
    pub at_margin: AtMargin,
    /// In which days begin and people read times.
    pub time_zone: Tz,
}

impl Default for Policy {
    /// What a file means that does not say: nothing is sent, a person is called.
    fn default() -> Self {
        Self {
            mode: Mode::Shadow,
            safety_margin: TimeDelta::hours(6),
            at_margin: AtMargin::Page,
            time_zone: Tz::UTC,
        }
    }
}

/// One version of a merchant's rules, immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruleset {
    pub policy: Policy,
    rules: Vec<Rule>,
    default: Then,
    templates: BTreeMap<String, Template>,
}

/// A ruleset that loaded, with what its author should look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub ruleset: Ruleset,
    pub warnings: Vec<Problem>,
}

/// Names that exist outside the file, to check `provider` and `account` against. Empty = anything goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'k> {
    pub providers: &'k [&'k str],
    pub accounts: &'k [&'k str],
}

impl Ruleset {
    /// Reads a rules file of at most 1 MiB. On failure every mistake that was found, in the order of the
    /// file, warnings among them.
    pub fn parse(text: &str) -> Result<Loaded, Vec<Problem>> {
        load::load(text, Known::default())
    }

    /// The same, and a provider or account that does not exist is a mistake.
    pub fn parse_knowing(text: &str, known: Known<'_>) -> Result<Loaded, Vec<Problem>> {
        load::load(text, known)
    }

    /// What to do: the first rule that matches answers, else the default.
    pub fn decide<'r>(&'r self, context: &Context<'_>) -> Verdict<'r> {
        let matched = eval::first_match(&eval::View::new(self, context), &mut eval::Deaf);
        self.verdict(matched, context)
    }

    /// The same answer with every condition's result.
    pub fn explain<'r, 'a>(&'r self, context: &Context<'a>) -> (Verdict<'r>, Trace<'a>)
    where
        'r: 'a,
    {
        self.traced::<true>(context)
    }

    /// The same answer with the conditions it rests on: of each rule those that were asked until it was
    /// settled. About half the size; [`Ruleset::explain`] gives the rest from the same inputs.
    pub fn explain_briefly<'r, 'a>(&'r self, context: &Context<'a>) -> (Verdict<'r>, Trace<'a>)
    where
        'r: 'a,
    {
        self.traced::<false>(context)
    }

    fn traced<'r, 'a, const ALL: bool>(&'r self, context: &Context<'a>) -> (Verdict<'r>, Trace<'a>)
    where
        'r: 'a,
    {
        let mut scribe = trace::Scribe::<ALL>::new(self.rules.len() + 1);
        let matched = eval::first_match(&eval::View::new(self, context), &mut scribe);
        (self.verdict(matched, context), scribe.finish(&self.rules, matched))
    }

    /// The next instant after `context.now` at which time alone may change the answer: where a condition on
    /// `time_left`, or on a fact before or after `now`, turns.
    pub fn next_change(&self, context: &Context<'_>) -> Option<DateTime<Utc>> {
        turns::next(&eval::View::new(self, context))
    }

    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.get(name)
    }

    pub fn template_names(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    /// In the order they are tried, without the default.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.id.as_str())
    }

    /// What placeholders of a template see in this context, times printed in the policy's zone.
    pub fn scope<'a>(&'a self, context: &Context<'a>) -> Scope<'a> {
        eval::View::new(self, context).scope()
    }

    fn verdict<'r>(&'r self, matched: Option<usize>, context: &Context<'_>) -> Verdict<'r> {
        let Some(rule) = matched.map(|index| &self.rules[index]) else {
            return Verdict {
                rule_id: DEFAULT_ID,
                why: match &self.default {
                    Then::Hold { why } | Then::Ignore { why } => why,
                    Then::Accept { .. } | Then::Defend { .. } | Then::Stage { .. } => "no rule matched",
                },
                then: &self.default,
                requires: &[],
                otherwise: None,
                approval_needed: false,
                mode: self.policy.mode,
            };
        };
        Verdict {
            rule_id: &rule.id,
            why: &rule.why,
            then: &rule.then,
            requires: &rule.requires,
            otherwise: rule.otherwise.as_ref(),
            approval_needed: rule.approval.needed(context.dispute.amount),
            mode: match (self.policy.mode, rule.mode) {
                (Mode::Live, None | Some(Mode::Live)) => Mode::Live,
                (Mode::Shadow, _) | (Mode::Live, Some(Mode::Shadow)) => Mode::Shadow,
            },
        }
    }
}

fn seconds<S: serde::Serializer>(d: &TimeDelta, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_i64(d.num_seconds())
}
