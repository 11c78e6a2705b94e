//! The month as it is told: one line for everything worth watching, from the history rows alone.
//! Changes nothing, and knows no plot.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::cli::story;
use crate::engine::HistoryKind;
use crate::store::disputes::Entry;

/// The plot's names of the disputes, by the provider's id.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, &'static str>);

impl Names {
    pub fn learn(&mut self, dispute_ref: String, name: &'static str) {
        self.0.insert(dispute_ref, name);
    }

    pub fn of(&self, dispute_ref: &str) -> &str {
        self.0.get(dispute_ref).copied().unwrap_or("?")
    }

    pub fn reference(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(_, n)| **n == name).map(|(dispute_ref, _)| dispute_ref.as_str())
    }
}

pub fn at(instant: DateTime<Utc>) -> String {
    instant.format("%b %d %H:%M").to_string()
}

pub fn line(when: DateTime<Utc>, who: &str, name: &str, what: &str) -> String {
    format!("{}  {who:<9} {name:<11} {what}", at(when))
}

/// The entry in words, or nothing where it is not worth a line.
pub fn words(entry: &Entry) -> Option<String> {
    let kind = entry.kind.parse().ok()?;
    let irreversible = ["accept", "submit"].map(Some).contains(&entry.detail["action"].as_str());
    match kind {
        // Said better by what follows: the record that confirms it.
        HistoryKind::ActionDone if irreversible => None,
        HistoryKind::FundsMoved | HistoryKind::ReasonChanged | HistoryKind::ActionCancelled => None,
        HistoryKind::Opened
        | HistoryKind::CycleOpened
        | HistoryKind::StageMoved
        | HistoryKind::DeadlineMoved
        | HistoryKind::AmountChanged
        | HistoryKind::Answered
        | HistoryKind::AnsweredElsewhere
        | HistoryKind::Settled
        | HistoryKind::Reversed
        | HistoryKind::Revived
        | HistoryKind::LookedBack
        | HistoryKind::Decided
        | HistoryKind::Ordered
        | HistoryKind::Approved
        | HistoryKind::ApprovalLapsed
        | HistoryKind::Wanted
        | HistoryKind::AtMargin
        | HistoryKind::Paged
        | HistoryKind::Missed
        | HistoryKind::ActionSent
        | HistoryKind::ActionDone
        | HistoryKind::ActionRefused
        | HistoryKind::ActionUnknown
        | HistoryKind::EvidenceAdded
        | HistoryKind::FactsChanged => story::words(entry, kind, at),
    }
}
