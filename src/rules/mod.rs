//! The merchant's rules: text that loads whole or says which line and column is wrong, and answers what to
//! do with a dispute and why. Pure. Knows the dispute and the evidence catalogue, nothing of providers,
//! databases or the clock.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::dispute::{Cycle, Dispute};
use crate::evidence::{EvidenceSet, Field};

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Customer {
    pub disputes_90d: Option<u32>,
    pub disputes_total: Option<u32>,
}

/// When an answer acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    AtOnce,
    /// So long after the cycle opened.
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
}

fn seconds<S: serde::Serializer>(d: &TimeDelta, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_i64(d.num_seconds())
}
