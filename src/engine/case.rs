//! A case: everything a step may look at, loaded before it and written back after it.
//! Plain values: nothing here knows where they are kept.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{ActionKind, ActionState, Plan};
use crate::dispute::{AccountId, Capabilities, Cycle, CycleState, Dispute, DisputeId, Event, MerchantId};
use crate::evidence::Packet;
use crate::rules::{Customer, Ruleset};

pub type LintFn = Arc<dyn Fn(&Packet, bool) -> Vec<String> + Send + Sync>;

#[derive(Debug, Clone)]
pub struct MerchantView {
    pub merchant_id: MerchantId,
    pub name: String,
    /// Nothing irreversible may be done for this merchant now.
    pub killed: bool,
    pub ruleset: Option<(i32, Arc<Ruleset>)>,
    /// The merchant's own system can be asked for facts.
    pub facts_pull: bool,
}

#[derive(Clone)]
pub struct AccountView {
    pub account_id: AccountId,
    pub name: String,
    pub provider: &'static str,
    pub capabilities: &'static Capabilities,
    /// The provider's own limits on a packet, in words.
    pub lint: LintFn,
}

impl fmt::Debug for AccountView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct CycleRow {
    pub cycle: Cycle,
    pub plan: Plan,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionView {
    pub kind: ActionKind,
    pub subject: String,
    pub state: ActionState,
    pub note: Option<String>,
    /// Who was in charge when it was wanted last: a person's later order may want it again.
    pub wanted_at: DateTime<Utc>,
    /// When a request may have left, the last time.
    pub sent_at: Option<DateTime<Utc>>,
}

impl ActionView {
    /// Takes the cycle's one irreversible place.
    pub fn holds_the_place(&self) -> bool {
        self.kind.irreversible()
            && match self.state {
                ActionState::Wanted | ActionState::Sent | ActionState::Unknown | ActionState::Done => true,
                ActionState::Refused | ActionState::Cancelled => false,
            }
    }

    /// When a request may have left, at the earliest that is known.
    pub fn left_at(&self) -> DateTime<Utc> {
        self.sent_at.unwrap_or(self.wanted_at)
    }

    /// A request may have reached the provider.
    pub fn may_have_arrived(&self) -> bool {
        match self.state {
            ActionState::Sent | ActionState::Unknown | ActionState::Done => true,
            ActionState::Wanted | ActionState::Refused | ActionState::Cancelled => false,
        }
    }
}

/// A file of ours that evidence refers to and this account's provider does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingUpload {
    pub file_id: i64,
    pub name: String,
}

/// A file of ours that evidence names, for a provider that takes its bytes in the call itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFile {
    /// How a packet names it: id and digest.
    pub file_ref: String,
    pub name: String,
    pub media_type: String,
    pub size_bytes: u64,
}

/// The last pull of facts did not succeed, and why.
pub type FailedPull = String;

#[derive(Debug, Clone)]
pub struct Case {
    pub merchant: Arc<MerchantView>,
    pub account: Arc<AccountView>,
    /// Given out before the dispute is known, so that what a step writes can refer to it.
    pub dispute_id: DisputeId,
    pub dispute: Option<Arc<Dispute>>,
    /// The newest cycle, whatever its state.
    pub newest: Option<CycleRow>,
    /// Cycles that a step ended, to be written back beside the newest.
    pub ended: Vec<CycleRow>,
    pub facts: Arc<Value>,
    /// Evidence that people attached.
    pub attached: Arc<Packet>,
    pub pending_uploads: Vec<PendingUpload>,
    /// Files of ours among the attached evidence, where they travel in the call.
    pub own_files: Vec<OwnFile>,
    pub customer: Customer,
    /// Actions of the newest cycle.
    pub actions: Vec<ActionView>,
    /// When the dispute's record is to be fetched for its own sake.
    pub check_at: Option<DateTime<Utc>>,
    /// The provider's time of the newest read that told nothing new. Such a read is no news and is kept nowhere; it
    /// says only that older news which differs may have been overtaken, or the read have lagged.
    pub read_as_of: Option<DateTime<Utc>>,
    /// What was told of it before, in the provider's order, where its record cannot be read. There when news comes.
    pub told: Arc<Vec<Event>>,
}

impl Case {
    pub fn open(&self) -> Option<&CycleRow> {
        self.newest.as_ref().filter(|row| row.cycle.state == CycleState::Open)
    }

    pub fn open_mut(&mut self) -> Option<&mut CycleRow> {
        self.newest.as_mut().filter(|row| row.cycle.state == CycleState::Open)
    }

    pub fn irreversible(&self) -> Option<&ActionView> {
        self.actions.iter().find(|a| a.holds_the_place())
    }

    /// A call whose answer is lost, at a provider whose record cannot be read: nothing but a webhook or a person
    /// can tell what became of it.
    pub fn lost_call(&self) -> Option<&ActionView> {
        let lost = self.irreversible().filter(|a| a.state == ActionState::Unknown);
        lost.filter(|_| !self.account.capabilities.fetch)
    }

    pub fn action(&self, kind: ActionKind, subject: &str) -> Option<&ActionView> {
        self.actions.iter().find(|a| a.kind == kind && a.subject == subject)
    }

    /// Whether the provider may answer for us, and nothing that we sent or are about to send has told it not to. Asked
    /// once in a cycle: what it refuses is not asked again, and the history says so.
    pub fn may_be_answered_for(&self, row: &CycleRow) -> bool {
        let can = self.account.capabilities;
        let told = |kind: ActionKind| {
            self.action(kind, "").is_some_and(|a| match a.state {
                ActionState::Wanted | ActionState::Sent | ActionState::Unknown | ActionState::Done => true,
                ActionState::Refused => kind == ActionKind::KeepManual,
                ActionState::Cancelled => false,
            })
        };
        let drafts = can.at(row.cycle.stage).is_some_and(|can| can.draft);
        can.submits_by_itself && drafts && !told(ActionKind::StageEvidence) && !told(ActionKind::KeepManual)
    }
}
