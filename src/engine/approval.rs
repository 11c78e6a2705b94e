//! A second person's agreement, and to what exactly it was given: so much, this answer, this evidence. A grant
//! counts for that and for nothing else; when any of it changes, somebody is asked anew and told why.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Answer, Plan, decide::Decided};
use crate::dispute::{Dispute, Money};
use crate::evidence::Packet;

/// Whether a second person must agree, and who has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Approval {
    #[default]
    NotNeeded,
    Needed {
        asked_by: String,
        /// `None` in plans that were kept before this was written down.
        #[serde(default)]
        matter: Option<Matter>,
        /// Who had agreed, and what has changed since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lapsed: Option<String>,
    },
    Granted {
        asked_by: String,
        by: String,
        /// `None` in plans that were kept before this was written down: such a grant counts for nothing.
        #[serde(default)]
        matter: Option<Matter>,
    },
}

/// What is agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matter {
    pub amount: Money,
    pub answer: Answer,
    /// The rule that decided; `None` for a person's order, which stands over every rule.
    pub rule_id: Option<String>,
    /// SHA-256 (hex) of what would be sent, for a defence: the texts as they read and the files as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<String>,
}

impl Matter {
    pub(super) fn of(dispute: &Dispute, decided: &Decided, answer: &Answer, packet: &Packet) -> Self {
        let sends = match answer {
            Answer::Defend { .. } => true,
            Answer::Accept | Answer::Stage { .. } | Answer::Hold { .. } | Answer::Ignore { .. } => false,
        };
        Self {
            amount: dispute.amount,
            answer: answer.clone(),
            rule_id: decided.rule_id.clone().filter(|_| !decided.ordered),
            packet: sends.then(|| hex::encode(packet.digest())),
        }
    }

    /// By what somebody says which matter they saw: a digest of it all, and a short one of each part, so that it can
    /// be said what changed.
    pub fn seen(&self) -> String {
        let parts: String = self.parts().iter().map(|(_, digest)| &digest[..4]).collect();
        format!("{}-{parts}", &hex_digest(self)[..32])
    }

    /// Why this is not what somebody saw; nothing where it is.
    pub fn other_than(&self, seen: &str) -> Option<String> {
        if seen.trim().eq_ignore_ascii_case(&self.seen()) {
            return None;
        }
        let said = seen.trim().to_ascii_lowercase();
        let parts = said.split_once('-').map_or("", |(_, parts)| parts);
        let differs =
            |n: usize, digest: &str| parts.get(4 * n..4 * n + 4).is_some_and(|part| part != &digest[..4]);
        let parts = self.parts();
        let changed = parts.iter().enumerate().filter(|(n, (_, digest))| differs(*n, digest));
        let changed: Vec<&str> = changed.map(|(_, (name, _))| *name).collect();
        let what = if changed.is_empty() {
            "that digest is of something else".to_owned()
        } else {
            changed.join(" and ") + " changed"
        };
        Some(format!(
            "what is to be approved is not what you saw: {what}. It is now: {self} (seen as {})",
            self.seen()
        ))
    }

    fn parts(&self) -> [(&'static str, String); 4] {
        [
            ("the amount", hex_digest(&self.amount)),
            ("the answer", hex_digest(&self.answer)),
            ("the rule", hex_digest(&self.rule_id)),
            ("the evidence to be sent", hex_digest(&self.packet)),
        ]
    }

    /// What is otherwise now, in words; nothing where it is the same matter.
    fn changes(&self, now: &Matter) -> Vec<String> {
        let mut changes = Vec::new();
        if self.amount != now.amount {
            changes.push(format!("the amount changed from {} to {}", self.amount, now.amount));
        }
        if self.answer != now.answer {
            changes.push(format!(
                "the answer changed from {} to {}",
                in_words(&self.answer),
                in_words(&now.answer)
            ));
        } else if self.packet != now.packet {
            changes.push("the evidence to be sent changed".to_owned());
        }
        if self.rule_id != now.rule_id {
            let rule =
                |id: &Option<String>| id.as_ref().map_or("no rule".to_owned(), |id| format!("rule {id}"));
            changes.push(format!("{} decided, and not {}", rule(&now.rule_id), rule(&self.rule_id)));
        }
        changes
    }
}

/// For the one who is asked, and for the one who reads it up later.
impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", in_words(&self.answer), self.amount)?;
        match &self.packet {
            Some(digest) => write!(f, ", evidence {}", &digest[..digest.len().min(12)]),
            None => Ok(()),
        }
    }
}

fn hex_digest(part: &impl Serialize) -> String {
    let json = serde_json::to_vec(part).expect("a matter is text and numbers");
    hex::encode(Sha256::digest(json))
}

fn in_words(answer: &Answer) -> String {
    let template = answer.template().map(|name| format!(" with template {name}"));
    let reason = answer.reason().map(|code| format!(" for reason {code}"));
    [Some(answer.word().to_owned()), template, reason].into_iter().flatten().collect()
}

/// A grant that counts no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lapse {
    pub by: String,
    pub changes: Vec<String>,
}

/// What is asked for now, and what became of a grant given before. `instead`: of an answer that only the margin
/// puts in the place of the one decided, so that it says nothing of what was granted to that one.
pub(super) fn ask(
    plan: &Plan,
    decided: &Decided,
    dispute: &Dispute,
    answer: &Answer,
    packet: &Packet,
    instead: bool,
) -> (Approval, Option<Lapse>) {
    let needed = answer.acts() && decided.approval_needed;
    if !needed && !matches!(plan.approval, Approval::Granted { .. }) {
        return (Approval::NotNeeded, None);
    }
    let matter = Matter::of(dispute, decided, answer, packet);
    let lapse = lapse(&plan.approval, decided, &matter, needed);
    if !needed {
        return (Approval::NotNeeded, lapse);
    }
    let lapsed = match (&plan.approval, &lapse) {
        (Approval::Granted { .. }, None) => return (plan.approval.clone(), None),
        _ if instead => None,
        (_, Some(Lapse { by, changes })) => {
            Some(format!("{by} had approved before {}", changes.join(" and ")))
        }
        (Approval::Needed { lapsed, .. }, None) => lapsed.clone(),
        (Approval::NotNeeded, None) => None,
    };
    let asked_by = decided.decided_by.clone();
    (Approval::Needed { asked_by, matter: Some(matter), lapsed }, lapse)
}

/// Whether what was granted is not what would be done now.
fn lapse(before: &Approval, decided: &Decided, matter: &Matter, needed: bool) -> Option<Lapse> {
    let Approval::Granted { asked_by, by, matter: granted } = before else { return None };
    let mut changes = match granted {
        Some(granted) => granted.changes(matter),
        None => vec!["this engine kept what exactly is approved".to_owned()],
    };
    if *asked_by != decided.decided_by {
        changes.push(format!("{} decided, and not {asked_by}", decided.decided_by));
    }
    if !needed && changes.is_empty() {
        changes.push("the rules asked for no approval any more".to_owned());
    }
    (!changes.is_empty()).then(|| Lapse { by: by.clone(), changes })
}
