//! The gates that no rule can pass, and everything else that keeps an answer from acting. Each obstacle
//! says in words what is in the way, and whether a person is needed to clear it.

use chrono::{DateTime, Utc};

use super::decide::Decided;
use super::look::{Look, facts_are_to_be_pulled};
use super::{ActionKind, ActionState, Answer, Approval, Case, CycleRow, Order, files, find_card_or_ssn};
use crate::dispute::Dispute;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clears {
    /// Something is on its way.
    ByItself,
    ByPerson,
    /// Only by taking the merchant or the rule out of shadow.
    WhenLive,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub text: String,
    clears: Clears,
}

impl Obstacle {
    pub fn needs_person(&self) -> bool {
        match self.clears {
            Clears::ByPerson | Clears::WhenLive => true,
            Clears::ByItself => false,
        }
    }

    pub fn is_shadow(&self) -> bool {
        self.clears == Clears::WhenLive
    }
}

pub(super) fn person(text: impl Into<String>) -> Obstacle {
    Obstacle { text: text.into(), clears: Clears::ByPerson }
}

fn by_itself(text: impl Into<String>) -> Obstacle {
    Obstacle { text: text.into(), clears: Clears::ByItself }
}

/// What keeps the answer from acting now, its own time apart. Empty for an answer that may act.
pub(super) fn obstacles(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    seen: &Look,
    now: DateTime<Utc>,
) -> Vec<Obstacle> {
    let kind = match &seen.answer {
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
    found.extend(seen.missing.iter().map(|field| person(format!("evidence is missing: {field}"))));
    match kind {
        ActionKind::Accept if dispute.refunded => {
            found.push(person("the payment is refunded already: accepting would pay twice"));
        }
        ActionKind::Submit => packet_may_leave(case, dispute, seen, &mut found),
        ActionKind::Accept
        | ActionKind::StageEvidence
        | ActionKind::Upload
        | ActionKind::KeepManual
        | ActionKind::Fetch
        | ActionKind::PullFacts => {}
    }
    if case.merchant.killed {
        found.push(person("the kill switch is on"));
    }
    if seen.decided.shadow && !seen.decided.ordered {
        let text = format!("shadow mode: would {} now, and does nothing", seen.answer.word());
        found.push(Obstacle { text, clears: Clears::WhenLive });
    }
    match &seen.approval {
        Approval::Needed { asked_by, lapsed, .. } => {
            let lapsed = lapsed.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let whose = match asked_by.strip_prefix("person:") {
                Some(name) => format!("somebody other than {name}"),
                None => "a person".to_owned(),
            };
            found.push(person(format!("approval by {whose}{lapsed}")));
        }
        Approval::NotNeeded | Approval::Granted { .. } => {}
    }
    refused_before(case, row, kind, &seen.decided, &mut found);
    // A person who orders has been told, and has looked; a program has not.
    let looked = seen.decided.ordered && row.plan.order.as_ref().is_some_and(Order::is_a_person_s);
    found.extend(row.plan.maybe_answered.clone().filter(|_| !looked).map(person));
    if awaits_facts(case, row) && !seen.decided.ordered && now < seen.times.act_by {
        found.push(by_itself("facts about the order are being asked for"));
    }
    found
}

/// Rules that act before the facts are there act on half of what the merchant knows.
fn awaits_facts(case: &Case, row: &CycleRow) -> bool {
    let pending = case.action(ActionKind::PullFacts, "").is_some_and(|a| match a.state {
        ActionState::Wanted | ActionState::Sent | ActionState::Unknown => true,
        ActionState::Done | ActionState::Refused | ActionState::Cancelled => false,
    });
    pending || facts_are_to_be_pulled(case, row)
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
        | ActionKind::KeepManual
        | ActionKind::Fetch
        | ActionKind::PullFacts => {}
    }
}

fn packet_may_leave(case: &Case, dispute: &Dispute, seen: &Look, found: &mut Vec<Obstacle>) {
    let packet = &seen.packet;
    let mut uploading = false;
    for file in &case.pending_uploads {
        let refused = case
            .action(ActionKind::Upload, &file.file_id.to_string())
            .filter(|a| a.state == ActionState::Refused)
            .map(|a| a.note.clone().unwrap_or_default());
        uploading |= refused.is_none();
        found.push(match refused {
            Some(note) => person(format!("the provider refused the file {}: {note}", file.name)),
            None => by_itself(format!("the file {} is being uploaded", file.name)),
        });
    }
    let rules = case.merchant.ruleset.as_ref().map(|(_, ruleset)| ruleset);
    if let Some(name) = seen.answer.template()
        && rules.and_then(|rules| rules.template(name)).is_none()
    {
        found.push(person(format!("the rules in force have no template `{name}`")));
    }
    let mut faults = (case.account.lint)(packet, true);
    faults.extend(files::faults(case, packet));
    // Most providers say so themselves, with what they want instead.
    if packet.is_empty() && faults.is_empty() {
        faults.push("there is no evidence to send".into());
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
    // What is missing may be what is on its way: nobody is asked before it is there.
    found.extend(faults.into_iter().map(|fault| if uploading { by_itself(fault) } else { person(fault) }));
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
