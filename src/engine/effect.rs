//! What a step wants done and written. Effects are data until the end: the caller commits them with the
//! state they follow from, in one transaction.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Answer;
use crate::dispute::{FraudNotice, Severity, UnknownWord, words};
use crate::evidence::Packet;

words!(
    /// One kind of external effect.
    ActionKind, "action kind", {
        Accept = "accept",
        Submit = "submit",
        StageEvidence = "stage_evidence",
        Upload = "upload",
        /// The provider is told to leave submitting to us, where it may otherwise answer by itself.
        KeepManual = "keep_manual",
        Fetch = "fetch",
        PullFacts = "pull_facts",
    }
);

impl ActionKind {
    /// Whether the provider cannot take it back. At most one such action per cycle (P4).
    pub const fn irreversible(self) -> bool {
        match self {
            ActionKind::Accept | ActionKind::Submit => true,
            ActionKind::StageEvidence
            | ActionKind::Upload
            | ActionKind::KeepManual
            | ActionKind::Fetch
            | ActionKind::PullFacts => false,
        }
    }
}

words!(
    /// `wanted`: never sent. `sent`: a request may have left. `unknown`: sent, and no answer to trust.
    ActionState, "action state", {
        Wanted = "wanted",
        Sent = "sent",
        Unknown = "unknown",
        Done = "done",
        Refused = "refused",
        Cancelled = "cancelled",
    }
);

words!(
    /// Why people are told.
    AlertKind, "alert kind", {
        /// A person has to decide, approve or bring evidence.
        NeedsPerson = "needs_person",
        /// The same, and time is running out.
        Deadline = "deadline",
        /// The margin is reached and the provider's record shows no response.
        Unanswered = "unanswered",
        /// A call may have arrived, its answer is lost, and the provider's record cannot be read.
        CallLost = "call_lost",
        /// `respond_by` has passed and the provider's record shows no response.
        Missed = "missed",
        /// The provider wants a response and does not say until when.
        DeadlineUnknown = "deadline_unknown",
        /// The provider takes no response at all.
        NoResponsePossible = "no_response_possible",
        /// Somebody answered outside this engine.
        AnsweredElsewhere = "answered_elsewhere",
        /// The dispute is over before anybody answered it, says what nothing proves.
        OverUnproved = "over_unproved",
        /// A settled dispute was settled differently, or opened again.
        Reversed = "reversed",
        /// A provider that cannot be read tells of the dispute more often than any dispute is told of.
        ToldTooOften = "told_too_often",
    }
);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    pub severity: Severity,
    /// The cycle it is about; `None` when the dispute has none.
    pub cycle_n: Option<i32>,
    /// Unique within the dispute: the same news is told once.
    pub key: String,
    pub title: String,
    pub detail: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An external effect, from `due_at` on.
    Want {
        kind: ActionKind,
        subject: String,
        cycle_n: i32,
        packet: Option<Packet>,
        due_at: DateTime<Utc>,
    },
    /// Actions of this cycle that were never sent are not wanted any more.
    Cancel {
        cycle_n: i32,
        why: String,
    },
    /// A call that may have arrived, and of which nothing but a person can say that it did not: not waited for any
    /// more, so that another can take its place.
    GiveUp {
        kind: ActionKind,
        cycle_n: i32,
        why: String,
    },
    Tell(Alert),
    /// The reason for the open alerts of this cycle is gone.
    ResolveAlerts {
        cycle_n: i32,
        why: String,
    },
    /// The reason is gone for the open alerts of this dispute whose key begins so.
    Withdraw {
        key: String,
        why: String,
    },
    KeepNotice {
        notice: FraudNotice,
        as_of: DateTime<Utc>,
    },
}

words!(
    HistoryKind, "history kind", {
        Opened = "opened",
        CycleOpened = "cycle_opened",
        StageMoved = "stage_moved",
        DeadlineMoved = "deadline_moved",
        AmountChanged = "amount_changed",
        ReasonChanged = "reason_changed",
        Answered = "answered",
        AnsweredElsewhere = "answered_elsewhere",
        Settled = "settled",
        Reversed = "reversed",
        Revived = "revived",
        /// News came late, and what was known after it was looked at again.
        LookedBack = "looked_back",
        FundsMoved = "funds_moved",
        Decided = "decided",
        Ordered = "ordered",
        Approved = "approved",
        ApprovalLapsed = "approval_lapsed",
        Wanted = "wanted",
        AtMargin = "at_margin",
        Paged = "paged",
        Missed = "missed",
        ActionSent = "action_sent",
        ActionDone = "action_done",
        ActionRefused = "action_refused",
        ActionUnknown = "action_unknown",
        ActionCancelled = "action_cancelled",
        EvidenceAdded = "evidence_added",
        FactsChanged = "facts_changed",
    }
);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    pub kind: HistoryKind,
    pub cycle_n: Option<i32>,
    pub detail: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub cycle_n: i32,
    pub decided_by: String,
    pub ruleset_version: Option<i32>,
    pub rule_id: Option<String>,
    pub answer: Answer,
    pub act_at: Option<DateTime<Utc>>,
    pub shadow: bool,
    /// JSON: why, each condition's result, the rules not tried, and the inputs.
    pub detail: String,
}

/// What an input came to, in a word, for the delivery that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    Applied,
    /// Nothing in it was new.
    Unchanged,
    /// Newer news is known already.
    Stale,
    /// A read that contradicts fresher knowledge and may come from a lagging replica: looked at again.
    Doubtful(String),
    /// A command that cannot be carried out, and why.
    Refused(String),
}

impl Applied {
    pub const fn word(&self) -> &'static str {
        match self {
            Applied::Applied => "applied",
            Applied::Unchanged => "unchanged",
            Applied::Stale => "stale",
            Applied::Doubtful(_) => "doubtful",
            Applied::Refused(_) => "refused",
        }
    }
}

/// Everything a step did beside changing the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub applied: Applied,
    pub history: Vec<HistoryEntry>,
    pub decisions: Vec<Decision>,
    pub effects: Vec<Effect>,
    /// The case was told something that it had not been told before, and that has to be told to it again.
    pub remembers: bool,
}

impl Outcome {
    pub fn new() -> Self {
        let (history, decisions, effects) = (Vec::new(), Vec::new(), Vec::new());
        Self { applied: Applied::Applied, history, decisions, effects, remembers: false }
    }

    pub fn note(&mut self, kind: HistoryKind, cycle_n: Option<i32>, detail: Value) {
        self.history.push(HistoryEntry { kind, cycle_n, detail });
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self::new()
    }
}
