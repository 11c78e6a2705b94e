//! The look at an open cycle: decide, see what is in the way, want what may be wanted, tell whom it
//! concerns, and name the next instant to look. Every input ends in one, and so does every wake.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::approval::{self, Lapse};
use super::decide::{self, Decided};
use super::files;
use super::gate::{self, Obstacle};
use super::step::take_back;
use super::{
    ActionKind, ActionState, ActionView, Answer, Approval, Case, CycleRow, Decision, Effect, HistoryKind,
    Outcome, Plan, Times, ladder, tell,
};
use crate::dispute::Dispute;
use crate::evidence::{Field, Packet};
use crate::rules::{AtMargin, Policy};

/// How often an overdue cycle is looked at until the provider's record says what became of it.
const OVERDUE: TimeDelta = TimeDelta::hours(6);
const DEFAULT_MARGIN: TimeDelta = TimeDelta::hours(6);

/// One look's findings, before they are written into the plan.
pub(super) struct Look {
    pub times: Times,
    pub decided: Decided,
    pub answer: Answer,
    pub packet: Packet,
    pub approval: Approval,
    pub lapse: Option<Lapse>,
    /// Required evidence that neither people, facts nor the template give.
    pub missing: Vec<Field>,
    pub obstacles: Vec<Obstacle>,
    /// The answer is what the margin made of it, not what was decided.
    pub at_margin: Option<&'static str>,
}

pub(super) fn look(case: &mut Case, now: DateTime<Utc>, out: &mut Outcome) {
    let Some((row, dispute)) = case.open().cloned().zip(case.dispute.clone()) else { return };
    let times = times(case, &row);
    let (plan, wake_at) = if case.irreversible().is_some_and(ActionView::may_have_arrived) {
        await_the_record(case, &row, times, now, out)
    } else {
        decide_anew(case, &row, &dispute, times, now, out)
    };
    if let Some(open) = case.open_mut() {
        open.plan = plan;
        open.cycle.wake_at = Some(wake_at);
    }
}

/// What a look would find now, whatever is on its way.
pub(super) fn at_once(case: &Case, now: DateTime<Utc>) -> Option<Look> {
    let (row, dispute) = case.open().zip(case.dispute.as_deref())?;
    Some(find(case, dispute, row, times(case, row), now))
}

fn times(case: &Case, row: &CycleRow) -> Times {
    let margin = policy(case).map_or(DEFAULT_MARGIN, |p| p.safety_margin);
    Times::of(row.cycle.opened_at, row.cycle.respond_by, margin)
}

/// A response is on its way and cannot be taken back: nothing is decided any more, and the clock still pages.
fn await_the_record(
    case: &mut Case,
    row: &CycleRow,
    times: Times,
    now: DateTime<Utc>,
    out: &mut Outcome,
) -> (Plan, DateTime<Utc>) {
    let mut plan = Plan { act_by: times.act_by, page_at: times.page_at, ..row.plan.clone() };
    tell::of_a_lost_call(row, &mut plan, case, out);
    tell::what_time_it_is(row, &mut plan, case, now, out);
    (plan, soonest([times.page_at, times.respond_by], now))
}

fn decide_anew(
    case: &mut Case,
    row: &CycleRow,
    dispute: &Dispute,
    times: Times,
    now: DateTime<Utc>,
    out: &mut Outcome,
) -> (Plan, DateTime<Utc>) {
    let seen = find(case, dispute, row, times, now);
    let mut plan = Plan { staged_for: staged_for(case, &row.plan), ..remade(&row.plan, &seen) };
    withdraw_what_no_longer_holds(case, row, &seen, now, out);
    if let Some(Lapse { by, changes }) = &seen.lapse {
        out.note(HistoryKind::ApprovalLapsed, Some(row.cycle.n), json!({"by": by, "because": changes}));
    }
    let acting = wants_to_act(case, &seen, now);
    if acting || differs(&row.plan, &plan) {
        record(case, dispute, row, &seen, &plan, now, out);
    }
    prepare(case, row, &seen, &mut plan, acting, now, out);
    if acting {
        act(case, row, &seen, now, out);
    }
    let placed = acting || case.irreversible().is_some();
    if !placed && seen.obstacles.iter().any(Obstacle::needs_person) {
        tell::what_is_needed(row, &seen, &mut plan, now, out);
    } else {
        tell::nobody_is_asked(row.cycle.n, &mut plan, now, "nobody is needed any more", out);
    }
    tell::what_time_it_is(row, &mut plan, case, now, out);
    let wake_at = next_wake(row, &seen, &plan, placed, now);
    (plan, wake_at)
}

fn policy(case: &Case) -> Option<&Policy> {
    case.merchant.ruleset.as_ref().map(|(_, ruleset)| &ruleset.policy)
}

fn find(case: &Case, dispute: &Dispute, row: &CycleRow, times: Times, now: DateTime<Utc>) -> Look {
    let decided = decide::decide(case, dispute, row, &times, now);
    let answer = decided.answer.clone();
    let seen = weigh(case, dispute, row, times, decided, answer, None, now);
    if now < times.act_by || seen.obstacles.is_empty() {
        return seen;
    }
    let at_the_margin = |seen: &Look, answer: Answer, by: &'static str| {
        let act_at = Some(times.act_by.max(row.plan.learned_at));
        let decided = Decided { requires: Vec::new(), act_at, ..seen.decided.clone() };
        weigh(case, dispute, row, times, decided, answer, Some(by), now)
    };
    let otherwise = seen.decided.otherwise.clone().filter(|_| !seen.missing.is_empty());
    let seen = match otherwise {
        Some(otherwise) => at_the_margin(&seen, otherwise, "otherwise"),
        None => seen,
    };
    let by_policy = match policy(case).map(|p| p.at_margin) {
        Some(AtMargin::Accept) => Some(Answer::Accept),
        Some(AtMargin::SubmitStaged) => staged_answer(case, row),
        Some(AtMargin::Page) | None => None,
    };
    match by_policy.filter(|_| !seen.obstacles.is_empty() && !seen.decided.ordered) {
        Some(answer) => {
            let instead = at_the_margin(&seen, answer, "policy");
            // A policy that cannot act either does not take the answer's place: nobody may find that the
            // approval asked for one answer was given to another.
            if instead.obstacles.iter().all(Obstacle::is_shadow) {
                instead
            } else {
                with_both(seen, &instead)
            }
        }
        None => seen,
    }
}

/// The answer as it stands, and what keeps the policy from taking over.
fn with_both(mut seen: Look, instead: &Look) -> Look {
    let told = |text: &&str| !seen.obstacles.iter().any(|known| known.text == **text);
    let more: Vec<&str> = instead.obstacles.iter().map(|o| o.text.as_str()).filter(told).collect();
    if !more.is_empty() {
        let (policy, why) = (instead.answer.word(), more.join(", "));
        seen.obstacles
            .push(gate::person(format!("at the margin the policy would {policy}, and cannot: {why}")));
    }
    seen
}

/// What `submit what is staged` sends: the answer it was staged for.
fn staged_answer(case: &Case, row: &CycleRow) -> Option<Answer> {
    let staged = staged_for(case, &row.plan)?;
    let (reason, template) = (staged.reason().map(str::to_owned), staged.template().map(str::to_owned));
    Some(Answer::Defend { reason, template })
}

/// While newer evidence is on its way, the provider holds what was staged before.
fn staged_for(case: &Case, plan: &Plan) -> Option<Answer> {
    let done = case.action(ActionKind::StageEvidence, "").is_some_and(|a| a.state == ActionState::Done);
    if done { plan.staging_for.clone() } else { plan.staged_for.clone() }
}

#[expect(clippy::too_many_arguments, reason = "one judgement of everything a look knows")]
fn weigh(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    times: Times,
    decided: Decided,
    answer: Answer,
    at_margin: Option<&'static str>,
    now: DateTime<Utc>,
) -> Look {
    let packet = match &answer {
        Answer::Defend { .. } | Answer::Stage { .. } => {
            decide::packet(case, dispute, row, &answer, decided.fee_acknowledged)
        }
        Answer::Accept | Answer::Hold { .. } | Answer::Ignore { .. } => decide::at_hand(case),
    };
    let given = packet.fields();
    let missing = decided.requires.iter().copied().filter(|field| !given.contains(field)).collect();
    let (approval, lapse) =
        approval::ask(&row.plan, &decided, dispute, &answer, &packet, at_margin.is_some());
    let obstacles = Vec::new();
    let mut seen = Look { times, decided, answer, packet, approval, lapse, missing, obstacles, at_margin };
    seen.obstacles = gate::obstacles(case, dispute, row, &seen, now);
    seen
}

/// What is wanted and not sent yet is taken back when it is no longer the answer, or something came in its
/// way: new rules, the kill switch, a refund.
fn withdraw_what_no_longer_holds(
    case: &mut Case,
    row: &CycleRow,
    seen: &Look,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let Some(wanted) = case.irreversible() else { return };
    let due = seen.decided.act_at.is_some_and(|at| now >= at);
    if seen.answer.action() == Some(wanted.kind) && seen.obstacles.is_empty() && due {
        return;
    }
    let why = format!("`{}` is no longer what is to be done", wanted.kind);
    take_back(case, row.cycle.n, why, now, out);
}

fn remade(old: &Plan, seen: &Look) -> Plan {
    Plan {
        answer: seen.answer.clone(),
        decided_by: seen.decided.decided_by.clone(),
        rule_id: seen.decided.rule_id.clone(),
        ruleset_version: seen.decided.ruleset_version,
        act_at: seen.decided.act_at,
        act_by: seen.times.act_by,
        page_at: seen.times.page_at,
        waiting_for: seen.obstacles.iter().map(|o| o.text.clone()).collect(),
        approval: seen.approval.clone(),
        shadow: seen.decided.shadow,
        ..old.clone()
    }
}

fn differs(old: &Plan, new: &Plan) -> bool {
    let shape = |p: &Plan| {
        let who = (p.decided_by.clone(), p.rule_id.clone(), p.ruleset_version);
        // What exactly is agreed to changes with every piece of evidence, the decision does not.
        let agreed = match &p.approval {
            Approval::NotNeeded => None,
            Approval::Needed { asked_by, .. } => Some((asked_by.clone(), None)),
            Approval::Granted { asked_by, by, .. } => Some((asked_by.clone(), Some(by.clone()))),
        };
        (p.answer.clone(), who, p.act_at, p.waiting_for.clone(), agreed, p.shadow)
    };
    shape(old) != shape(new)
}

fn wants_to_act(case: &Case, seen: &Look, now: DateTime<Utc>) -> bool {
    let due = seen.decided.act_at.is_some_and(|at| now >= at);
    seen.answer.acts() && due && seen.obstacles.is_empty() && case.irreversible().is_none()
}

fn record(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    seen: &Look,
    plan: &Plan,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let n = row.cycle.n;
    if let Some(via) = seen.at_margin.filter(|_| row.plan.answer != plan.answer) {
        let detail = json!({"decided": seen.decided.answer.word(), "instead": seen.answer.word(), "by": via});
        out.note(HistoryKind::AtMargin, Some(n), detail);
    }
    let published = row.plan.is_made() && row.plan.ruleset_version != plan.ruleset_version;
    let detail = json!({"answer": plan.answer, "rule": plan.rule_id, "by": plan.decided_by,
        "act_at": plan.act_at, "waiting_for": plan.waiting_for, "version": plan.ruleset_version,
        "because": if published { "new rules were published" } else { "" }});
    out.note(HistoryKind::Decided, Some(n), detail);
    out.decisions.push(Decision {
        cycle_n: n,
        decided_by: plan.decided_by.clone(),
        ruleset_version: plan.ruleset_version,
        rule_id: plan.rule_id.clone(),
        answer: plan.answer.clone(),
        act_at: plan.act_at,
        shadow: plan.shadow,
        detail: decide::record_detail(case, (dispute, &row.cycle), &seen.decided, &plan.waiting_for, now),
    });
}

/// Reversible steps taken ahead: facts asked for, files uploaded, evidence put with the provider.
fn prepare(
    case: &Case,
    row: &CycleRow,
    seen: &Look,
    plan: &mut Plan,
    acting: bool,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let n = row.cycle.n;
    let mut want = |kind: ActionKind, subject: String, packet: Option<Packet>| {
        out.effects.push(Effect::Want { kind, subject, cycle_n: n, packet, due_at: now });
    };
    if facts_are_to_be_pulled(case, row) {
        want(ActionKind::PullFacts, String::new(), None);
    }
    let speaks = match seen.answer {
        Answer::Defend { .. } | Answer::Stage { .. } => true,
        Answer::Accept | Answer::Hold { .. } | Answer::Ignore { .. } => false,
    };
    let muted = case.merchant.killed || (plan.shadow && !seen.decided.ordered);
    if muted || acting || case.irreversible().is_some() {
        return;
    }
    let stages = speaks && puts_evidence(case, row, seen, plan, &mut want);
    if !stages && case.may_be_answered_for(row) {
        want(ActionKind::KeepManual, String::new(), None);
    }
}

/// Uploads and stages what the answer sends later. Whether evidence is staged now.
fn puts_evidence(
    case: &Case,
    row: &CycleRow,
    seen: &Look,
    plan: &mut Plan,
    want: &mut impl FnMut(ActionKind, String, Option<Packet>),
) -> bool {
    for file in &case.pending_uploads {
        let subject = file.file_id.to_string();
        // An order takes back whatever was not sent, the files it needs among it.
        let gone = |a: &ActionView| a.state == ActionState::Cancelled;
        if case.action(ActionKind::Upload, &subject).is_none_or(gone) {
            want(ActionKind::Upload, subject, None);
        }
    }
    let drafts = case.account.capabilities.at(row.cycle.stage).is_some_and(|can| can.draft);
    let digest = hex::encode(seen.packet.digest());
    let staging = case.action(ActionKind::StageEvidence, "").map(|a| a.state);
    let busy = matches!(staging, Some(ActionState::Sent | ActionState::Unknown));
    let fresh = plan.staged_digest.as_deref() != Some(&digest) || staging == Some(ActionState::Cancelled);
    let leaks = seen.packet.text.values().any(|text| super::find_card_or_ssn(text).is_some());
    let faults =
        (case.account.lint)(&seen.packet, false).into_iter().chain(files::faults(case, &seen.packet));
    let clean = !seen.packet.is_empty() && !leaks && faults.count() == 0;
    let stages = drafts && fresh && clean && !busy && case.pending_uploads.is_empty();
    if stages {
        want(ActionKind::StageEvidence, String::new(), Some(seen.packet.clone()));
        plan.staged_digest = Some(digest);
        plan.staging_for = Some(seen.answer.clone());
    }
    stages
}

fn act(case: &Case, row: &CycleRow, seen: &Look, now: DateTime<Utc>, out: &mut Outcome) {
    let Some(kind) = seen.answer.action() else { return };
    let packet = (kind == ActionKind::Submit).then(|| seen.packet.clone());
    let slack_s = (row.cycle.respond_by - now).num_seconds();
    let detail = json!({"action": kind, "account": case.account.name, "slack_s": slack_s});
    out.note(HistoryKind::Wanted, Some(row.cycle.n), detail);
    let effect = Effect::Want { kind, subject: String::new(), cycle_n: row.cycle.n, packet, due_at: now };
    out.effects.push(effect);
}

/// The earliest instant at which looking again can change anything. Always there: P2.
fn next_wake(row: &CycleRow, seen: &Look, plan: &Plan, placed: bool, now: DateTime<Utc>) -> DateTime<Utc> {
    let respond_by = row.cycle.respond_by;
    let mut candidates = vec![seen.times.page_at, respond_by];
    candidates.extend(seen.decided.changes_at);
    if !placed {
        candidates.push(seen.times.act_by);
        candidates.extend(seen.decided.act_at);
        if seen.obstacles.iter().any(Obstacle::needs_person) {
            let told = plan.rung_told_s.unwrap_or(i64::MAX);
            let rungs = ladder(row.cycle.opened_at, respond_by).into_iter();
            candidates.extend(rungs.filter(|rung| rung.num_seconds() < told).map(|rung| respond_by - rung));
        }
    }
    soonest(candidates, now)
}

fn soonest(candidates: impl IntoIterator<Item = DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    candidates.into_iter().filter(|at| *at > now).min().unwrap_or(now + OVERDUE)
}

/// Facts are asked for once, when the cycle is first seen.
pub(super) fn facts_are_to_be_pulled(case: &Case, row: &CycleRow) -> bool {
    case.merchant.facts_pull && !row.plan.is_made() && case.action(ActionKind::PullFacts, "").is_none()
}
