//! What is meant to happen with an open cycle. Stored with it as JSON; remade at every look.
//! A plan is data: it calls nobody and knows no provider.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ActionKind, Approval, Order};
use crate::rules::Then;

/// What the rules or a person answered, without the when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Accept,
    Defend { reason: Option<String>, template: Option<String> },
    Stage { template: String },
    Hold { why: String },
    Ignore { why: String },
}

impl Answer {
    pub fn of(then: &Then) -> Self {
        match then {
            Then::Accept { .. } => Answer::Accept,
            Then::Defend { reason, template, .. } => {
                Answer::Defend { reason: reason.clone(), template: Some(template.clone()) }
            }
            Then::Stage { template } => Answer::Stage { template: template.clone() },
            Then::Hold { why } => Answer::Hold { why: why.clone() },
            Then::Ignore { why } => Answer::Ignore { why: why.clone() },
        }
    }

    pub const fn word(&self) -> &'static str {
        match self {
            Answer::Accept => "accept",
            Answer::Defend { .. } => "defend",
            Answer::Stage { .. } => "stage",
            Answer::Hold { .. } => "hold",
            Answer::Ignore { .. } => "ignore",
        }
    }

    /// The irreversible action that carries it out.
    pub const fn action(&self) -> Option<ActionKind> {
        match self {
            Answer::Accept => Some(ActionKind::Accept),
            Answer::Defend { .. } => Some(ActionKind::Submit),
            Answer::Stage { .. } | Answer::Hold { .. } | Answer::Ignore { .. } => None,
        }
    }

    pub const fn acts(&self) -> bool {
        self.action().is_some()
    }

    /// Our reason for a defence.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Answer::Defend { reason, .. } => reason.as_deref(),
            Answer::Accept | Answer::Stage { .. } | Answer::Hold { .. } | Answer::Ignore { .. } => None,
        }
    }

    pub fn template(&self) -> Option<&str> {
        match self {
            Answer::Defend { template, .. } => template.as_deref(),
            Answer::Stage { template } => Some(template),
            Answer::Accept | Answer::Hold { .. } | Answer::Ignore { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub answer: Answer,
    /// `rules` or `person:NAME`.
    pub decided_by: String,
    pub rule_id: Option<String>,
    pub ruleset_version: Option<i32>,
    /// When the engine first knew of the cycle: nothing acts before.
    pub learned_at: DateTime<Utc>,
    /// When the answer acts; `None` where nothing acts by itself.
    pub act_at: Option<DateTime<Utc>>,
    pub act_by: DateTime<Utc>,
    pub page_at: DateTime<Utc>,
    /// What keeps the answer from acting, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
    #[serde(default)]
    pub approval: Approval,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<DateTime<Utc>>,
    pub shadow: bool,
    /// A response may have been sent to this window already, as far as can be known: in words, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maybe_answered: Option<String>,
    /// SHA-256 (hex) of the packet last put with the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_digest: Option<String>,
    /// The answer for which it is being put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_for: Option<Answer>,
    /// The answer for which the provider holds evidence, seen done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_for: Option<Answer>,
    /// People have been asked about exactly this answer and these obstacles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The tightest rung of the ladder told so far, seconds before `respond_by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung_told_s: Option<i64>,
    /// People have been paged about the lost call that was wanted at this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_lost_told: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paged_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub missed_told: bool,
}

impl Plan {
    /// A cycle that nobody has decided yet.
    pub fn unmade(learned_at: DateTime<Utc>, respond_by: DateTime<Utc>) -> Self {
        Self {
            answer: Answer::Hold { why: "not decided yet".into() },
            decided_by: String::new(),
            rule_id: None,
            ruleset_version: None,
            learned_at,
            act_at: None,
            act_by: respond_by,
            page_at: respond_by,
            waiting_for: Vec::new(),
            approval: Approval::NotNeeded,
            order: None,
            ordered_at: None,
            shadow: false,
            maybe_answered: None,
            staged_digest: None,
            staging_for: None,
            staged_for: None,
            asked: None,
            rung_told_s: None,
            call_lost_told: None,
            paged_at: None,
            missed_told: false,
        }
    }

    /// Whether anybody has decided.
    pub fn is_made(&self) -> bool {
        !self.decided_by.is_empty()
    }
}
