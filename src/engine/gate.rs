//! The gates that no rule can pass, and everything else that keeps an answer from acting. Each obstacle
//! says in words what is in the way, and whether a person is needed to clear it.

use super::decide::Decided;
use super::{ActionKind, ActionState, Answer, Approval, Case, CycleRow, find_card_or_ssn};
use crate::dispute::Dispute;
use crate::evidence::Packet;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub text: String,
    pub needs_person: bool,
}

fn person(text: impl Into<String>) -> Obstacle {
    Obstacle { text: text.into(), needs_person: true }
}

/// What keeps `answer` from acting now, the clock apart. Empty for an answer that may act.
pub(super) fn obstacles(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    decided: &Decided,
    answer: &Answer,
    packet: &Packet,
    approval: &Approval,
) -> Vec<Obstacle> {
    let kind = match answer {
        Answer::Accept => ActionKind::Accept,
        Answer::Defend { .. } => ActionKind::Submit,
        Answer::Stage { .. } => {
            return vec![person("evidence is staged; a person decides whether it is sent")];
        }
        Answer::Hold { why } => return vec![person(why.clone())],
        Answer::Ignore { .. } => return Vec::new(),
    };
    let mut found = Vec::new();
    stage_allows(case, dispute, kind, &mut found);
    match kind {
        ActionKind::Accept if dispute.refunded => {
            found.push(person("the payment is refunded already: accepting would pay twice"));
        }
        ActionKind::Submit => packet_may_leave(case, dispute, decided, packet, &mut found),
        ActionKind::Accept
        | ActionKind::StageEvidence
        | ActionKind::Upload
        | ActionKind::Fetch
        | ActionKind::PullFacts => {}
    }
    if case.merchant.killed {
        found.push(person("the kill switch is on"));
    }
    if is_shadow(case) && !decided.ordered {
        found.push(person(format!("shadow mode: would {} now, and does nothing", answer.word())));
    }
    match approval {
        Approval::Needed { asked_by } => {
            found.push(person(format!("approval by somebody other than {asked_by}")))
        }
        Approval::NotNeeded | Approval::Granted { .. } => {}
    }
    refused_before(case, row, kind, decided, &mut found);
    found
}

pub(super) fn is_shadow(case: &Case) -> bool {
    match &case.merchant.ruleset {
        Some((_, ruleset)) => ruleset.policy.mode == crate::rules::Mode::Shadow,
        None => true,
    }
}

fn stage_allows(case: &Case, dispute: &Dispute, kind: ActionKind, found: &mut Vec<Obstacle>) {
    let provider = case.account.provider;
    let stage = dispute.stage;
    let Some(can) = case.account.capabilities.at(stage) else {
        return found.push(person(format!("{provider} has no {stage} stage that can be answered")));
    };
    match kind {
        ActionKind::Accept if !can.acceptable => {
            found.push(person(format!("{provider} does not let a dispute be accepted at stage {stage}")));
        }
        ActionKind::Submit if !can.defendable => {
            found
                .push(person(format!("{provider} does not take a defence at stage {stage} through its API")));
        }
        ActionKind::Accept
        | ActionKind::Submit
        | ActionKind::StageEvidence
        | ActionKind::Upload
        | ActionKind::Fetch
        | ActionKind::PullFacts => {}
    }
}

fn packet_may_leave(
    case: &Case,
    dispute: &Dispute,
    decided: &Decided,
    packet: &Packet,
    found: &mut Vec<Obstacle>,
) {
    for field in &decided.missing {
        found.push(person(format!("evidence is missing: {field}")));
    }
    for file in &case.pending_uploads {
        let refused = case
            .action(ActionKind::Upload, &file.file_id.to_string())
            .filter(|a| a.state == ActionState::Refused)
            .map(|a| a.note.clone().unwrap_or_default());
        found.push(match refused {
            Some(note) => person(format!("the provider refused the file {}: {note}", file.name)),
            None => {
                Obstacle { text: format!("the file {} is being uploaded", file.name), needs_person: false }
            }
        });
    }
    for (field, text) in &packet.text {
        if let Some(what) = find_card_or_ssn(text) {
            found.push(person(format!("{what} stands in {field}: take it out")));
        }
    }
    if dispute.fee_required && !packet.fee_acknowledged {
        let how = "`disputes defend --acknowledge-fee`";
        found.push(person(format!(
            "the network charges a fee for a response here: acknowledge it with {how}"
        )));
    }
    found.extend((case.account.lint)(packet, true).into_iter().map(person));
}

/// The provider said no to this before. Only an order given after that tries again.
fn refused_before(
    case: &Case,
    row: &CycleRow,
    kind: ActionKind,
    decided: &Decided,
    found: &mut Vec<Obstacle>,
) {
    let refused = case.action(kind, "").filter(|a| a.state == ActionState::Refused);
    let Some(refused) = refused else { return };
    let ordered_since = decided.ordered && row.plan.ordered_at.is_some_and(|at| at > refused.wanted_at);
    if !ordered_since {
        let note = refused.note.clone().unwrap_or_default();
        found.push(person(format!("the provider refused to {kind}: {note}")));
    }
}
