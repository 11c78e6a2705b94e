//! The month as it is told: one line for everything worth watching, from the history rows alone.
//! Changes nothing, and knows no plot.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::script::{Act, Scene};
use super::shops;
use crate::cli::story;
use crate::engine::HistoryKind;
use crate::store::disputes::Entry;
use crate::store::evidence::Listed;

/// The plot's names of the disputes, by the provider's id, and how wide the columns are that they stand in.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<String, &'static str>,
    name_chars: usize,
    provider_chars: usize,
}

impl Names {
    pub fn of(scenes: &[Scene]) -> Self {
        let names = scenes.iter().filter_map(|scene| match &scene.act {
            Act::Opens { name, .. } => Some(name.chars().count()),
            Act::Moves { becomes, .. } => becomes.map(|name| name.chars().count()),
            Act::Warns(_)
            | Act::ApiTrouble { .. }
            | Act::WebhookTrouble(_)
            | Act::Sends { .. }
            | Act::Person { .. }
            | Act::Attaches { .. }
            | Act::Learns { .. }
            | Act::Says(_) => None,
        });
        let provider_chars = shops::widest(|shop| shop.provider.as_str());
        Self { known: HashMap::new(), name_chars: names.max().unwrap_or(0), provider_chars }
    }

    pub fn learn(&mut self, dispute_ref: String, name: &'static str) {
        self.known.insert(dispute_ref, name);
    }

    pub fn name(&self, dispute_ref: &str) -> &str {
        self.known.get(dispute_ref).copied().unwrap_or("?")
    }

    pub fn reference(&self, name: &str) -> Option<&str> {
        self.known.iter().find(|(_, n)| **n == name).map(|(dispute_ref, _)| dispute_ref.as_str())
    }

    pub fn line(&self, when: DateTime<Utc>, provider: &str, name: &str, what: &str) -> String {
        let (providers, names) = (self.provider_chars, self.name_chars);
        format!("{}  {provider:<providers$}  {name:<names$}  {what}", at(when))
    }
}

pub fn at(instant: DateTime<Utc>) -> String {
    instant.format("%b %d %H:%M").to_string()
}

/// Without what was true for no minute: a plan that another one took the place of at the same instant, and all but
/// the first of the pieces of evidence that came together.
pub fn folded(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut seen = HashSet::new();
    // From the end for plans, whose last word counts.
    entries.reverse();
    entries.retain(|e| e.kind != HistoryKind::Decided.as_str() || seen.insert(sameness(e)));
    entries.reverse();
    entries.retain(|e| e.kind != HistoryKind::EvidenceAdded.as_str() || seen.insert(sameness(e)));
    entries
}

fn sameness(entry: &Entry) -> (i64, Option<i32>, DateTime<Utc>, String) {
    let by = entry.detail["by"].as_str().filter(|_| entry.kind == HistoryKind::EvidenceAdded.as_str());
    (entry.dispute_id, entry.cycle_n, entry.at, by.unwrap_or_default().to_owned())
}

/// Which of the dispute's pieces of evidence came with this entry.
pub fn attached(entry: &Entry, pieces: &[Listed]) -> String {
    let by = entry.detail["by"].as_str().unwrap_or_default();
    let came = pieces.iter().filter(|piece| piece.added_at == entry.at && piece.added_by == by);
    let what: Vec<String> = came
        .map(|piece| {
            let field = piece.field.replace('_', " ");
            piece.file_name.as_ref().map_or(field.clone(), |file| format!("{field} ({file})"))
        })
        .collect();
    let what = if what.is_empty() { "evidence".to_owned() } else { what.join(" and ") };
    format!("{} attaches {what}", story::who(by))
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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::*;
    use crate::demo::script;

    fn entry(history_id: i64, dispute_id: i64, kind: HistoryKind, at_min: i64, detail: Value) -> Entry {
        Entry {
            history_id,
            dispute_id,
            dispute_ref: format!("dp_{dispute_id}"),
            provider: "any".into(),
            cycle_n: Some(1),
            at: DateTime::UNIX_EPOCH + TimeDelta::minutes(at_min),
            kind: kind.to_string(),
            cause: "wake".into(),
            delivery_id: None,
            detail,
        }
    }

    #[test]
    fn a_plan_that_lasted_no_minute_is_not_told() {
        use HistoryKind::{CycleOpened, Decided, EvidenceAdded};
        let (shop, ana) = (json!({"by": "shop"}), json!({"by": "ana"}));
        let entries = vec![
            entry(1, 1, CycleOpened, 0, json!({})),
            entry(2, 1, Decided, 0, json!({"waiting_for": ["evidence is missing"]})),
            entry(3, 1, EvidenceAdded, 0, shop.clone()),
            entry(4, 2, Decided, 0, json!({})),
            entry(5, 1, Decided, 0, json!({})),
            entry(6, 1, EvidenceAdded, 0, shop.clone()),
            entry(7, 1, EvidenceAdded, 0, ana),
            entry(8, 1, EvidenceAdded, 1, shop),
            entry(9, 1, Decided, 1, json!({})),
        ];
        let left: Vec<i64> = folded(entries).iter().map(|e| e.history_id).collect();
        assert_eq!(left, [1, 3, 4, 5, 7, 8, 9]);
    }

    #[test]
    fn evidence_is_told_by_what_it_is() {
        let added = entry(1, 1, HistoryKind::EvidenceAdded, 0, json!({"by": "shop"}));
        let piece = |field: &str, file: Option<&str>, by: &str, at: DateTime<Utc>| Listed {
            field: field.into(),
            n: 1,
            words: None,
            file_id: None,
            file_name: file.map(str::to_owned),
            media_type: None,
            size_bytes: None,
            provider_file_ref: None,
            added_at: at,
            added_by: by.into(),
        };
        let pieces = [
            piece("shipping_documentation", Some("proof.pdf"), "shop", added.at),
            piece("receipt", None, "shop", added.at),
            piece("receipt", None, "ana", added.at),
            piece("receipt", None, "shop", added.at + TimeDelta::minutes(1)),
        ];
        assert_eq!(attached(&added, &pieces), "shop attaches shipping documentation (proof.pdf) and receipt");
        assert_eq!(attached(&added, &[]), "shop attaches evidence");
    }

    #[test]
    fn whatever_a_line_is_about_its_words_begin_at_one_place() {
        let scenes = script::month();
        let names = Names::of(&scenes);
        let opened = scenes.iter().filter_map(|scene| {
            let Act::Opens { name, .. } = &scene.act else { return None };
            Some(*name)
        });
        let columns: HashSet<usize> = opened
            .flat_map(|name| shops::SHOPS.iter().map(move |shop| (shop.provider.as_str(), name)))
            .map(|(provider, name)| names.line(DateTime::UNIX_EPOCH, provider, name, "@").find('@').unwrap())
            .collect();
        assert_eq!(columns.len(), 1, "{columns:?}");
    }
}
