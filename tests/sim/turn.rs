//! Inputs become writes: the case is loaded, stepped and written back with everything the step wanted, as the
//! store's turns do. Decides nothing.

use chrono::{DateTime, Utc};
use respondby::engine::{ActionKind, ActionState, Applied, Case, Effect, Input, Outcome, step};

use super::sabotage::Sabotage;
use super::store::{Action, CaseRow, Id, Store, Write};

pub struct Turned {
    pub applied: Vec<Applied>,
    pub outcomes: Vec<Outcome>,
}

/// Runs the inputs of one dispute, in order, and adds what is to be written.
pub fn take(
    store: &mut Store,
    (id, account): (Id, usize),
    inputs: &[Input],
    now: DateTime<Utc>,
    sabotage: Sabotage,
    writes: &mut Vec<Write>,
) -> Turned {
    let before = store.load(id, account);
    let mut case = before.clone();
    let mut turned = Turned { applied: Vec::new(), outcomes: Vec::new() };
    for input in inputs {
        let (after, outcome) = step(case, input, now);
        case = after;
        turned.applied.push(outcome.applied.clone());
        turned.outcomes.push(outcome);
    }
    save(store, account, &before, &case, &turned.outcomes, now, sabotage, writes);
    turned
}

#[expect(clippy::too_many_arguments, reason = "one call, a line above")]
fn save(
    store: &mut Store,
    account: usize,
    before: &Case,
    case: &Case,
    outcomes: &[Outcome],
    now: DateTime<Utc>,
    sabotage: Sabotage,
    writes: &mut Vec<Write>,
) {
    let id = case.dispute_id;
    let Some(dispute) = case.dispute.as_deref().cloned() else { return };
    let mut row = store.cases.get(&id).cloned().unwrap_or_else(|| CaseRow {
        account,
        dispute: dispute.clone(),
        check_at: None,
        read_as_of: None,
        cycles: Vec::new(),
        actions: Vec::new(),
        attached: case.attached.clone(),
        told: case.told.clone(),
    });
    row.told = case.told.clone();
    (row.dispute, row.check_at, row.read_as_of) = (dispute, case.check_at, case.read_as_of);
    for cycle in case.ended.iter().chain(&case.newest) {
        match row.cycles.iter_mut().find(|known| known.cycle.n == cycle.cycle.n) {
            Some(known) => *known = cycle.clone(),
            None => row.cycles.push(cycle.clone()),
        }
    }
    let undecided = outcomes.iter().all(|outcome| outcome.decisions.is_empty());
    if sabotage == Sabotage::LosesWakes && undecided && row.open().is_some() {
        let last = row.cycles.last_mut().expect("it is open");
        last.cycle.wake_at = None;
    }
    actions(store, &mut row, before, outcomes, now);
    let mut alerts = Vec::new();
    for outcome in outcomes {
        for effect in &outcome.effects {
            match effect {
                Effect::Tell(alert) => alerts.push(alert.clone()),
                Effect::ResolveAlerts { cycle_n, .. } => {
                    alerts.retain(|alert| alert.cycle_n != Some(*cycle_n));
                    writes.push(Write::Resolve(id, *cycle_n));
                }
                Effect::Withdraw { key, .. } => {
                    alerts.retain(|alert| !alert.key.starts_with(key));
                    writes.push(Write::Withdraw(id, key.clone()));
                }
                Effect::Want { .. }
                | Effect::Cancel { .. }
                | Effect::GiveUp { .. }
                | Effect::KeepNotice { .. } => {}
            }
        }
        writes.extend(outcome.decisions.iter().map(|d| Write::Decided(id, Box::new(d.clone()))));
    }
    writes.push(Write::Case(id, Box::new(row)));
    if sabotage != Sabotage::CommitsHalf {
        writes.extend(alerts.into_iter().map(|alert| Write::Raise(id, Box::new(alert), now)));
    }
}

/// Cancels what was never sent, wants what is wanted; the last word on one action counts.
fn actions(store: &mut Store, row: &mut CaseRow, before: &Case, outcomes: &[Outcome], now: DateTime<Utc>) {
    let mut wants: Vec<(ActionKind, &str, i32, DateTime<Utc>)> = Vec::new();
    for effect in outcomes.iter().flat_map(|outcome| &outcome.effects) {
        match effect {
            Effect::Want { kind, subject, cycle_n, due_at, .. } => {
                wants.retain(|w| (w.0, w.1, w.2) != (*kind, subject.as_str(), *cycle_n));
                wants.push((*kind, subject, *cycle_n, *due_at));
            }
            Effect::Cancel { cycle_n, .. } => {
                wants.retain(|w| w.2 != *cycle_n);
                let unsent = |a: &&mut Action| a.cycle_n == *cycle_n && a.state == ActionState::Wanted;
                for action in row.actions.iter_mut().filter(unsent) {
                    (action.state, action.due_at) = (ActionState::Cancelled, None);
                }
                // Nothing but this news tells what became of a call that cannot be looked up.
                let waits = |a: &&mut Action| {
                    let sent = matches!(a.state, ActionState::Sent | ActionState::Unknown);
                    a.cycle_n == *cycle_n && sent && a.kind.irreversible() && a.leased_until.is_none()
                };
                for action in
                    row.actions.iter_mut().filter(|a| !before.account.capabilities.fetch && waits(a))
                {
                    action.due_at = action.due_at.min(Some(now));
                }
            }
            Effect::GiveUp { kind, cycle_n, .. } => {
                let lost = |a: &&mut Action| {
                    a.cycle_n == *cycle_n && a.kind == *kind && a.state == ActionState::Unknown
                };
                for action in row.actions.iter_mut().filter(lost) {
                    (action.state, action.due_at) = (ActionState::Cancelled, None);
                    action.fence += 1;
                }
            }
            Effect::Tell(_)
            | Effect::ResolveAlerts { .. }
            | Effect::Withdraw { .. }
            | Effect::KeepNotice { .. } => {}
        }
    }
    for (kind, subject, cycle_n, due_at) in wants {
        want(store, row, before.action(kind, subject).is_some(), (kind, subject, cycle_n), due_at, now);
    }
}

fn want(
    store: &mut Store,
    row: &mut CaseRow,
    again: bool,
    (kind, subject, cycle_n): (ActionKind, &str, i32),
    due_at: DateTime<Utc>,
    now: DateTime<Utc>,
) {
    let other_alive = row.actions.iter().any(|a| a.cycle_n == cycle_n && a.alive());
    let mine = |a: &&mut Action| a.cycle_n == cycle_n && a.kind == kind && a.subject == subject;
    if let Some(action) = row.actions.iter_mut().find(mine) {
        let free = match action.state {
            ActionState::Refused | ActionState::Cancelled => true,
            ActionState::Wanted | ActionState::Done => !kind.irreversible(),
            ActionState::Sent | ActionState::Unknown => false,
        };
        if again && free && (!kind.irreversible() || !other_alive) {
            action.state = ActionState::Wanted;
            (action.due_at, action.wanted_at) = (Some(due_at), now);
            (action.sent_at, action.note, action.attempts) = (None, None, 0);
            action.generation += 1;
        }
        return;
    }
    if kind.irreversible() && other_alive {
        return;
    }
    row.actions.push(Action {
        id: store.number(),
        cycle_n,
        kind,
        subject: subject.to_owned(),
        state: ActionState::Wanted,
        due_at: Some(due_at),
        fence: 0,
        leased_until: None,
        generation: 1,
        attempts: 0,
        sent_at: None,
        wanted_at: now,
        note: None,
    });
}
