//! What the plot does to webhooks and calls, told when it befalls one: the engine sees only what comes of it. Later,
//! when the engine learns by asking what a lost webhook would have told, that is said beside it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::cli::show::span;
use crate::dispute::Source;
use crate::sandbox::{ApiFault, Control, Operation, ProviderKind, Trouble as Fault, Webhook, WebhookState};
use crate::store::disputes::Entry;

/// Something that went wrong, as a line of the story.
pub struct Went {
    pub at: DateTime<Utc>,
    pub provider: ProviderKind,
    pub dispute_ref: Option<String>,
    pub what: String,
}

#[derive(Default)]
pub struct Trouble {
    /// How many of the stand-ins' webhooks were looked at.
    webhooks: usize,
    /// The faults that wait for a call, with the turns they had left.
    faults: Vec<ApiFault>,
    /// The webhook about a dispute that was lost and that nothing has made up for yet.
    lost: HashMap<String, Lost>,
    /// What was made up for by asking the provider.
    pub found: usize,
}

#[derive(Debug, Clone, Copy)]
struct Lost {
    at: DateTime<Utc>,
    /// It was the first word of the dispute.
    first: bool,
}

impl Trouble {
    /// What befell webhooks since it was asked last.
    pub fn on_the_way(&mut self, control: &Control) -> Vec<Went> {
        let all = control.webhooks();
        let new = all.iter().skip(self.webhooks).filter(|webhook| webhook.copy_of.is_none());
        let went: Vec<Went> = new.filter_map(|webhook| went(webhook, &all)).collect();
        for webhook in all.iter().skip(self.webhooks).filter(|w| w.state == WebhookState::Dropped) {
            if let Some(dispute_ref) = &webhook.dispute_ref {
                let before = all.iter().take_while(|w| w.n < webhook.n);
                let first = before.filter(|w| w.dispute_ref.as_ref() == Some(dispute_ref)).count() == 0;
                self.lost.entry(dispute_ref.clone()).or_insert(Lost { at: webhook.made_at, first });
            }
        }
        self.webhooks = all.len();
        went
    }

    /// What befell calls since it was asked last, at the latest now.
    pub fn of_calls(&mut self, control: &Control, now: DateTime<Utc>) -> Vec<Went> {
        let (faults, _) = control.faults();
        let before = std::mem::replace(&mut self.faults, faults);
        let fell = self.faults.iter().enumerate().filter(|(n, fault)| match before.get(*n) {
            Some(before) => before.turns.times != fault.turns.times,
            // Ordered and used since.
            None => fault.turns.times == Some(0),
        });
        let went = |fault: &ApiFault| Went {
            at: now,
            provider: fault.provider,
            dispute_ref: fault.dispute.clone(),
            what: format!("~ {}", befell(fault)),
        };
        fell.map(|(_, fault)| went(fault)).collect()
    }

    /// Whether the entry makes up for a webhook that was lost, in words to put behind it.
    pub fn found(&mut self, entry: &Entry) -> Option<String> {
        let lost = self.lost.get(&entry.dispute_ref)?;
        let late_s = (entry.at - lost.at).num_seconds();
        let asked = [Source::Poll, Source::ReadBack].iter().any(|source| source.as_str() == entry.cause);
        let told = entry.cause.starts_with(Source::Webhook.as_str());
        // What is told at the same instant may have been told before it.
        let later = late_s > 0 || (late_s == 0 && lost.first);
        if !later || !(asked || told) {
            return None;
        }
        self.lost.remove(&entry.dispute_ref);
        self.found += usize::from(asked);
        Some(match asked {
            true => format!("; found by asking, {} after its webhook was lost", span(late_s)),
            false => "; told by the webhook after the one that was lost".to_owned(),
        })
    }
}

fn went(webhook: &Webhook, all: &[Webhook]) -> Option<Went> {
    let copies = all.iter().filter(|other| other.copy_of == Some(webhook.n)).count();
    let trouble = webhook.trouble.as_deref()?;
    let name = &webhook.event_type;
    let what = if webhook.state == WebhookState::Dropped {
        format!("~ the webhook {name} is lost on the way; the provider takes it for delivered")
    } else if copies > 0 {
        let often = if copies == 1 { "twice".to_owned() } else { format!("{} times", copies + 1) };
        format!("~ the webhook {name} comes {often}; it is kept once")
    } else if trouble.starts_with("delayed") {
        let by = span((webhook.due_at - webhook.made_at).num_seconds());
        format!("~ the webhook {name} is held up and comes {by} late")
    } else {
        format!("~ the webhook {name} comes after the one that followed it")
    };
    let (at, provider, dispute_ref) = (webhook.made_at, webhook.provider, webhook.dispute_ref.clone());
    Some(Went { at, provider, dispute_ref, what })
}

fn befell(fault: &ApiFault) -> String {
    let call = match fault.operation {
        Some(Operation::DisputeSubmit) => "the defence",
        Some(Operation::DisputeAccept) => "the acceptance",
        Some(Operation::DisputeStage) => "the draft of the evidence",
        Some(Operation::DisputeFetch) => "the reading of the record",
        Some(Operation::DisputeList | Operation::EventList) => "the reading of the list",
        Some(Operation::FileUpload | Operation::FileFetch) => "a file",
        Some(Operation::DisputeUpdate | Operation::Other) | None => "a call",
    };
    match &fault.trouble {
        Fault::RateLimited { retry_after_s: Some(wait), .. } => {
            format!("{call} is turned away with a 429 and told to come again in {wait} s")
        }
        Fault::RateLimited { .. } | Fault::LockTimeout => format!("{call} is turned away with a 429"),
        Fault::KeyInUse => format!("{call} is turned away with a 409"),
        Fault::ServerErrorBeforeEffect => format!("{call} is answered with a 500, and nothing was done"),
        Fault::ServerErrorAfterEffect => format!("{call} is carried out, and answered with a 500"),
        Fault::TimeOutBeforeEffect { .. } => format!("the connection breaks, and nothing of {call} was done"),
        Fault::TimeOutAfterEffect { .. } => {
            format!("{call} is carried out, and the connection breaks before the answer")
        }
        Fault::HtmlBeforeEffect => format!("{call} is answered with a page of HTML, and nothing was done"),
        Fault::HtmlAfterEffect => format!("{call} is carried out, and answered with a page of HTML"),
        Fault::StaleRead => format!("{call} is answered with what was true before the last change"),
        Fault::Latency { ms } => format!("{call} is answered after {ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn entry(at: DateTime<Utc>, cause: &str) -> Entry {
        Entry {
            history_id: 1,
            dispute_id: 1,
            dispute_ref: "dp_1".into(),
            provider: "any".into(),
            cycle_n: None,
            at,
            kind: "opened".into(),
            cause: cause.into(),
            delivery_id: None,
            detail: serde_json::Value::Null,
        }
    }

    #[test]
    fn what_a_lost_webhook_would_have_told_is_found_once_and_by_whom_is_said() {
        let lost_at = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let later = lost_at + TimeDelta::hours(6);
        for (cause, wanted) in [
            ("poll", Some("; found by asking, 6h 00m after its webhook was lost")),
            ("webhook charge.dispute.updated", Some("; told by the webhook after the one that was lost")),
            ("wake", None),
            ("person:ana", None),
        ] {
            let lost = |first| Trouble {
                lost: [("dp_1".to_owned(), Lost { at: lost_at, first })].into(),
                ..Trouble::default()
            };
            let mut trouble = lost(false);
            assert_eq!(
                lost(true).found(&entry(lost_at, cause)).is_some(),
                wanted.is_some(),
                "{cause}: the first word"
            );
            assert_eq!(trouble.found(&entry(lost_at, cause)), None, "{cause}: it may have been told before");
            let before = entry(lost_at - TimeDelta::seconds(1), cause);
            assert_eq!(trouble.found(&before), None, "{cause}: it was lost later");
            assert_eq!(trouble.found(&entry(later, cause)).as_deref(), wanted, "{cause}");
            if wanted.is_some() {
                assert_eq!(trouble.found(&entry(later, cause)), None, "{cause}: once");
            }
        }
    }

    #[test]
    fn every_fault_has_words_of_its_own() {
        let troubles = [
            Fault::RateLimited { retry_after_s: Some(30), should_retry: None },
            Fault::RateLimited { retry_after_s: None, should_retry: None },
            Fault::KeyInUse,
            Fault::ServerErrorBeforeEffect,
            Fault::ServerErrorAfterEffect,
            Fault::TimeOutBeforeEffect { hold_ms: 0 },
            Fault::TimeOutAfterEffect { hold_ms: 0 },
            Fault::HtmlBeforeEffect,
            Fault::HtmlAfterEffect,
            Fault::StaleRead,
            Fault::Latency { ms: 5 },
        ];
        let told: std::collections::BTreeSet<String> = troubles
            .iter()
            .map(|trouble| {
                befell(&ApiFault::once(ProviderKind::ALL[0], Operation::DisputeSubmit, trouble.clone()))
            })
            .collect();
        assert_eq!(told.len(), troubles.len(), "{told:?}");
        assert!(
            told.iter().all(|what| what.contains("the defence") || what.contains("connection")),
            "{told:?}"
        );
    }
}
