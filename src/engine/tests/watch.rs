//! The promises of the pure core, checked after every single input of every test. What fails here fails in
//! the words of the promise.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::dispute::{CycleState, Status};
use crate::engine::*;
use crate::evidence::Packet;
use crate::rules::Mode;

/// What has been told and wanted so far.
#[derive(Debug, Default)]
pub struct Memory {
    keys: BTreeSet<String>,
    pub irreversible: Vec<(i32, ActionKind)>,
}

pub fn promises(
    before: &Case,
    input: &Input,
    after: &Case,
    outcome: &Outcome,
    now: DateTime<Utc>,
    memory: &mut Memory,
) {
    alerts_are_told_once(outcome, memory);
    the_open_cycle_has_a_wake(after, outcome, now);
    irreversible_wants(before, input, after, outcome, memory);
    the_margin_pages(after, outcome, now, memory);
    a_second_look_changes_nothing(after, outcome, now);
    cycles_tie_state_to_times(after);
}

fn alerts_are_told_once(outcome: &Outcome, memory: &mut Memory) {
    for effect in &outcome.effects {
        if let Effect::Tell(alert) = effect {
            assert!(memory.keys.insert(alert.key.clone()), "told twice: {} ({})", alert.key, alert.title);
        }
    }
}

fn the_open_cycle_has_a_wake(after: &Case, outcome: &Outcome, now: DateTime<Utc>) {
    let Some(row) = after.open() else { return };
    let wake_at = row.cycle.wake_at.expect("P2: an open cycle has a wake");
    if outcome.applied == Applied::Applied {
        let latest = row.cycle.respond_by.max(now + TimeDelta::hours(6));
        assert!(wake_at > now, "the wake loop would spin: wake {wake_at}, now {now}");
        assert!(wake_at <= latest, "the wake {wake_at} is later than {latest}");
        let kept = wake_at.timestamp_subsec_nanos() % 1_000;
        assert_eq!(kept, 0, "the database would cut the wake and fire early");
        assert!(row.plan.is_made(), "an open cycle that was looked at has a plan");
    }
}

/// The cycle in which an irreversible action was alive before the step.
fn alive(case: &Case) -> Option<i32> {
    let row = case.newest.as_ref()?;
    case.irreversible().map(|_| row.cycle.n)
}

fn irreversible_wants(before: &Case, input: &Input, after: &Case, outcome: &Outcome, memory: &mut Memory) {
    let mut unsent_cancelled = false;
    let mut given_up = false;
    let mut wants = 0;
    for effect in &outcome.effects {
        match effect {
            Effect::Cancel { .. } => unsent_cancelled = true,
            // A person's word, where nothing else can tell what became of the call.
            Effect::GiveUp { .. } => {
                assert!(before.lost_call().is_some() && matches!(input, Input::Order(_)), "P4: {input:?}");
                given_up = true;
            }
            Effect::Want { kind, cycle_n, packet, .. } => {
                let row = after.open().expect("something is wanted for a cycle that is not open");
                assert_eq!(row.cycle.n, *cycle_n, "something is wanted for another cycle");
                if kind.irreversible() {
                    wants += 1;
                    let was_sent = before.irreversible().is_some_and(ActionView::may_have_arrived);
                    let taken =
                        alive(before) == Some(*cycle_n) && ((was_sent && !given_up) || !unsent_cancelled);
                    assert!(!taken, "P4: a second irreversible action in cycle {cycle_n}");
                    may_act(after, row, *kind, input);
                    only_what_was_approved(after, row, packet.as_ref());
                    memory.irreversible.push((*cycle_n, *kind));
                }
            }
            Effect::Tell(_)
            | Effect::ResolveAlerts { .. }
            | Effect::Withdraw { .. }
            | Effect::KeepNotice { .. } => {}
        }
    }
    assert!(wants <= 1, "P4: {wants} irreversible actions in one step");
}

fn may_act(case: &Case, row: &CycleRow, kind: ActionKind, input: &Input) {
    let plan = &row.plan;
    let dispute = case.dispute.as_ref().expect("an open cycle has a dispute");
    assert_eq!(dispute.status, Status::NeedsResponse, "acts on a dispute that asks for nothing");
    assert!(!case.merchant.killed, "acts with the kill switch on");
    let live = case.merchant.ruleset.as_ref().is_some_and(|(_, rules)| rules.policy.mode == Mode::Live);
    assert!(live || plan.order.is_some(), "acts in shadow mode without an order: {input:?}");
    assert!(!plan.shadow || plan.order.is_some(), "acts on a verdict in shadow");
    assert!(plan.waiting_for.is_empty(), "acts in spite of {:?}", plan.waiting_for);
    assert!(!matches!(plan.approval, Approval::Needed { .. }), "acts without the approval it needs");
    let can = case.account.capabilities.at(dispute.stage).expect("acts at a stage that takes no answer");
    let able = if kind == ActionKind::Accept { can.acceptable } else { can.defendable };
    assert!(able, "{kind} at stage {}, which cannot", dispute.stage);
    if kind == ActionKind::Accept {
        assert!(!dispute.refunded, "accepts what is refunded: pays twice");
    }
}

fn only_what_was_approved(case: &Case, row: &CycleRow, sent: Option<&Packet>) {
    let plan = &row.plan;
    if let Approval::Granted { asked_by, by, matter } = &plan.approval {
        assert_ne!(*asked_by, format!("person:{by}"), "acts on one person's word");
        let matter = matter.as_ref().expect("acts on a grant of nobody knows what");
        let amount = case.dispute.as_ref().map(|dispute| dispute.amount);
        assert_eq!(Some(matter.amount), amount, "acts on an amount nobody approved");
        assert_eq!(matter.answer, plan.answer, "does what nobody approved");
        let digest = sent.map(|packet| hex::encode(packet.digest()));
        assert_eq!(matter.packet, digest, "sends what nobody approved");
    }
}

fn the_margin_pages(after: &Case, outcome: &Outcome, now: DateTime<Utc>, memory: &Memory) {
    let Some(row) = after.open() else { return };
    let ignored = matches!(row.plan.answer, Answer::Ignore { .. });
    if outcome.applied == Applied::Applied && now >= row.plan.page_at && !ignored {
        let key = format!("unanswered:{}:{}:", row.cycle.n, row.cycle.respond_by.timestamp_micros());
        let told = memory.keys.iter().filter(|told| told.starts_with(&key)).count();
        assert_eq!(told, 1, "P3: at the margin a page is told once for this deadline ({key})");
    }
}

fn a_second_look_changes_nothing(after: &Case, outcome: &Outcome, now: DateTime<Utc>) {
    if outcome.applied != Applied::Applied {
        return;
    }
    let (again, outcome) = step(after.clone(), &Input::Look(Cause::Wake), now);
    assert_eq!(outcome.history, [], "a second look writes history");
    assert_eq!(outcome.decisions, [], "a second look decides again");
    assert_eq!(outcome.effects, [], "a second look has effects");
    assert_eq!(again.newest, after.newest, "a second look changes the plan");
    assert_eq!(again.dispute, after.dispute);
}

/// What the CHECKs of the cycles table would refuse.
fn cycles_tie_state_to_times(after: &Case) {
    for row in after.ended.iter().chain(&after.newest) {
        let cycle = &row.cycle;
        let open = cycle.state == CycleState::Open;
        assert_eq!(open, cycle.wake_at.is_some(), "cycles_open_has_a_wake");
        assert_eq!(open, cycle.ended_at.is_none(), "cycles_ended_when");
        assert_eq!(open, cycle.response.is_none(), "cycles_response_when");
        assert!(cycle.state != CycleState::Answered || cycle.answered_at.is_some(), "cycles_answered_when");
        assert!(row.plan.page_at <= cycle.respond_by, "cycles_page_before_deadline");
    }
}
