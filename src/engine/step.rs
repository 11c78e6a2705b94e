//! The step: one input to one case at one instant.
//! Pure: the same call serves live running, replay and simulation, and knows not which it is.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    ActionState, ActionView, Applied, Approval, Case, Command, Effect, HistoryKind, Matter, MerchantView,
    Order, Outcome, apply, look,
};
use crate::dispute::Event;

/// What is put to a case.
#[derive(Debug, Clone)]
pub enum Input {
    News(Box<Event>),
    /// The cycle's wake has come, or something it depends on has changed: rules, facts, evidence.
    Look(Cause),
    Order(Order),
}

/// Why a look is taken, for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    Wake,
    FactsChanged,
    EvidenceAdded {
        by: String,
    },
    /// A file was uploaded, or the provider refused something.
    ActionMoved,
}

/// Runs one input through the case. Pure: equal arguments, equal results.
pub fn step(mut case: Case, input: &Input, now: DateTime<Utc>) -> (Case, Outcome) {
    let out = advance(&mut case, input, now);
    (case, out)
}

/// The same in place, for callers that keep no copy of the case before.
pub fn advance(case: &mut Case, input: &Input, now: DateTime<Utc>) -> Outcome {
    let mut out = Outcome::new();
    match input {
        Input::News(event) => apply::news(case, event, now, &mut out),
        Input::Look(cause) => note_cause(case, cause, &mut out),
        Input::Order(order) => obey(case, order, now, &mut out),
    }
    match out.applied {
        Applied::Applied => look::look(case, now, &mut out),
        Applied::Unchanged | Applied::Stale | Applied::Doubtful(_) | Applied::Refused(_) => {}
    }
    absorb(case, &out.effects, now);
    // Nobody to ask: only its webhooks tell.
    if !case.account.capabilities.fetch {
        case.check_at = None;
    }
    out
}

/// What was wanted and cancelled shows in the case at once, for inputs that follow in the same turn.
fn absorb(case: &mut Case, effects: &[Effect], now: DateTime<Utc>) {
    let newest = case.newest.as_ref().map(|row| row.cycle.n);
    for effect in effects {
        match effect {
            Effect::Want { kind, subject, cycle_n, .. } if Some(*cycle_n) == newest => {
                case.actions.retain(|a| a.kind != *kind || a.subject != *subject);
                let (subject, state) = (subject.clone(), ActionState::Wanted);
                let (note, wanted_at, sent_at) = (None, now, None);
                case.actions.push(ActionView { kind: *kind, subject, state, note, wanted_at, sent_at });
            }
            Effect::Cancel { cycle_n, .. } if Some(*cycle_n) == newest => {
                let unsent = case.actions.iter_mut().filter(|a| a.state == ActionState::Wanted);
                unsent.for_each(|a| a.state = ActionState::Cancelled);
            }
            Effect::GiveUp { kind, cycle_n, .. } if Some(*cycle_n) == newest => {
                let lost = |a: &&mut ActionView| a.kind == *kind && a.state == ActionState::Unknown;
                case.actions.iter_mut().filter(lost).for_each(|a| a.state = ActionState::Cancelled);
            }
            Effect::Want { .. }
            | Effect::Cancel { .. }
            | Effect::GiveUp { .. }
            | Effect::Tell(_)
            | Effect::ResolveAlerts { .. }
            | Effect::Withdraw { .. }
            | Effect::KeepNotice { .. } => {}
        }
    }
}

fn note_cause(case: &Case, cause: &Cause, out: &mut Outcome) {
    let n = case.open().map(|row| row.cycle.n);
    match cause {
        Cause::Wake | Cause::ActionMoved => {}
        Cause::FactsChanged => out.note(HistoryKind::FactsChanged, n, json!({})),
        Cause::EvidenceAdded { by } => out.note(HistoryKind::EvidenceAdded, n, json!({"by": by})),
    }
}

fn obey(case: &mut Case, order: &Order, now: DateTime<Utc>, out: &mut Outcome) {
    let too_late = too_late(case, order);
    let merchant = case.merchant.clone();
    let uploading = case.pending_uploads.first().map(|file| file.name.clone());
    let Some(row) = case.open_mut() else {
        out.applied = Applied::Refused("no response is owed: the dispute has no open cycle".into());
        return;
    };
    if let Some(why) = too_late {
        out.applied = Applied::Refused(why);
        return;
    }
    let n = row.cycle.n;
    match &order.command {
        Command::Approve => match &row.plan.approval {
            Approval::Needed { asked_by, .. } if is_person(asked_by, &order.by) => {
                let text = format!("{} asked for this, so somebody else has to approve it", order.by);
                out.applied = Applied::Refused(text);
            }
            Approval::Needed { matter: Some(Matter { packet: Some(_), .. }), .. } if uploading.is_some() => {
                let name = uploading.unwrap_or_default();
                let text = format!("the file {name} is not with the provider yet: approve what is complete");
                out.applied = Applied::Refused(text);
            }
            Approval::Needed { asked_by, matter, .. } => {
                let detail = json!({"by": order.by, "asked_by": asked_by, "answer": row.plan.answer,
                    "matter": matter});
                let (asked_by, by, matter) = (asked_by.clone(), order.by.clone(), matter.clone());
                row.plan.approval = Approval::Granted { asked_by, by, matter };
                out.note(HistoryKind::Approved, Some(n), detail);
            }
            Approval::NotNeeded => out.applied = Applied::Refused("nothing waits for approval".into()),
            Approval::Granted { by, .. } => {
                out.applied = Applied::Refused(format!("approved already, by {by}"));
            }
        },
        Command::Defend { template: Some(name), .. } if !has_template(&merchant, name) => {
            let text = format!("the rules in force have no template `{name}`");
            out.applied = Applied::Refused(text);
        }
        Command::Accept | Command::Defend { .. } | Command::Hold { .. } => {
            out.note(HistoryKind::Ordered, Some(n), json!(order));
            row.plan.order = Some(order.clone());
            row.plan.ordered_at = Some(now);
            // An order is a question of its own: who agreed to the one before has not seen this one.
            row.plan.approval = Approval::NotNeeded;
            take_back(case, n, format!("ordered otherwise by {}", order.by), now, out);
            give_up(case, n, &order.by, now, out);
        }
        Command::Resume => {
            out.note(HistoryKind::Ordered, Some(n), json!(order));
            row.plan.order = None;
            row.plan.ordered_at = None;
            take_back(case, n, format!("ordered otherwise by {}", order.by), now, out);
        }
    }
}

/// Why nothing can be ordered any more. Of a lost call that cannot be looked up a person says whether it
/// arrived, by ordering an answer again; a program that says the same again has not looked.
fn too_late(case: &Case, order: &Order) -> Option<String> {
    let sent = case.irreversible().filter(|a| a.may_have_arrived())?;
    let (kind, provider) = (sent.kind, case.account.provider);
    if case.lost_call().is_none() {
        return Some(format!("too late: `{kind}` has been sent to the provider already"));
    }
    match &order.command {
        Command::Accept | Command::Defend { .. } if order.is_a_person_s() => None,
        Command::Accept | Command::Defend { .. } => Some(format!(
            "`{kind}` may have arrived and {provider} cannot be asked: a person has to look there, and to order on \
             the command line"
        )),
        Command::Hold { .. } | Command::Approve | Command::Resume => Some(format!(
            "`{kind}` may have arrived and {provider} cannot be asked: look there, and order `accept` or `defend` \
             only if the response is not there"
        )),
    }
}

fn give_up(case: &mut Case, cycle_n: i32, by: &str, now: DateTime<Utc>, out: &mut Outcome) {
    let Some(lost) = case.lost_call() else { return };
    let kind = lost.kind;
    let why = format!("{by} says that it did not arrive, by ordering an answer again");
    let effect = Effect::GiveUp { kind, cycle_n, why: why.clone() };
    absorb(case, std::slice::from_ref(&effect), now);
    out.note(HistoryKind::ActionCancelled, Some(cycle_n), json!({"action": kind, "why": why}));
    out.effects.push(effect);
    let Some(row) = case.open() else { return };
    if row.plan.paged_at.is_none() && now < row.plan.page_at {
        out.effects.push(Effect::ResolveAlerts { cycle_n, why });
    }
}

/// People write their names in more than one way; none of them makes two people of one.
fn is_person(asked_by: &str, by: &str) -> bool {
    let plain = |name: &str| name.trim().to_lowercase();
    asked_by.strip_prefix("person:").is_some_and(|name| plain(name) == plain(by))
}

fn has_template(merchant: &MerchantView, name: &str) -> bool {
    merchant.ruleset.as_ref().is_some_and(|(_, rules)| rules.template(name).is_some())
}

/// Whatever was wanted and has not been sent is not wanted any more, in the case as in the effects.
pub(super) fn take_back(case: &mut Case, cycle_n: i32, why: String, now: DateTime<Utc>, out: &mut Outcome) {
    let cancel = Effect::Cancel { cycle_n, why };
    absorb(case, std::slice::from_ref(&cancel), now);
    out.effects.push(cancel);
}
