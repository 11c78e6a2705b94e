//! What reached the stand-ins that cannot be taken back: every accept and every submission, with what came
//! of it. The promise "at most one irreversible call per cycle" is checked against this list.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::ProviderKind;
use super::faults::Operation;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Irreversible {
    /// The dispute was conceded.
    Accept,
    /// Evidence was sent to the bank.
    Submit,
}

impl Irreversible {
    pub(super) const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::DisputeAccept => Some(Irreversible::Accept),
            Operation::DisputeSubmit => Some(Irreversible::Submit),
            Operation::DisputeList
            | Operation::DisputeFetch
            | Operation::DisputeStage
            | Operation::DisputeUpdate
            | Operation::FileUpload
            | Operation::FileFetch
            | Operation::EventList
            | Operation::Other => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerResult {
    /// It changed the dispute.
    Effective,
    /// Answered from the saved answer to the same idempotency key.
    Replayed,
    /// Read, and refused: bad parameters, or the dispute's state does not allow it.
    Refused,
    /// A fault answered before anything was read.
    NotReached,
}

#[derive(Debug, Clone, Serialize)]
pub struct LedgerEntry {
    pub at: DateTime<Utc>,
    pub provider: ProviderKind,
    pub account: String,
    pub dispute_ref: String,
    /// 1 for the first response that the provider asked for; a dispute asked about again counts on.
    pub round: u32,
    pub call: Irreversible,
    pub idempotency_key: Option<String>,
    pub result: LedgerResult,
    /// The HTTP status that was computed; with a fault after the effect, not the one that was seen.
    pub status: u16,
}

/// The most seen in any one round of any one dispute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LedgerTotals {
    pub calls: usize,
    pub rounds_answered: usize,
    /// Calls that changed the dispute.
    pub effective_per_round_max: usize,
    /// Calls that were read: changed it or were refused. Replays of one key are one call.
    pub received_per_round_max: usize,
}

pub(super) fn totals(entries: &[LedgerEntry]) -> LedgerTotals {
    let mut rounds: BTreeMap<(&str, u32), (usize, usize)> = BTreeMap::new();
    for entry in entries {
        let round = rounds.entry((&entry.dispute_ref, entry.round)).or_default();
        match entry.result {
            LedgerResult::Effective => *round = (round.0 + 1, round.1 + 1),
            LedgerResult::Refused => round.1 += 1,
            LedgerResult::Replayed | LedgerResult::NotReached => {}
        }
    }
    LedgerTotals {
        calls: entries.len(),
        rounds_answered: rounds.values().filter(|(effective, _)| *effective > 0).count(),
        effective_per_round_max: rounds.values().map(|(effective, _)| *effective).max().unwrap_or(0),
        received_per_round_max: rounds.values().map(|(_, received)| *received).max().unwrap_or(0),
    }
}
