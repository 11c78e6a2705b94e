//! The look at an open cycle: decide, see what is in the way, want what may be wanted, tell whom it
//! concerns, and name the next instant to look. Every input ends in one, and so does every wake.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::decide::{self, Decided};
use super::gate::{self, Obstacle};
use super::{
    ActionKind, ActionState, Alert, AlertKind, Answer, Approval, Case, CycleRow, Decision, Effect,
    HistoryKind, Outcome, Plan, Severity, Times, ladder,
};
use crate::dispute::Dispute;
use crate::evidence::Packet;
use crate::rules::AtMargin;

/// How often an overdue cycle is looked at until the provider's record says what became of it.
const OVERDUE: TimeDelta = TimeDelta::hours(6);
const DEFAULT_MARGIN: TimeDelta = TimeDelta::hours(6);

/// One look's findings, before they are written into the plan.
struct Look {
    times: Times,
    decided: Decided,
    answer: Answer,
    packet: Packet,
    approval: Approval,
    obstacles: Vec<Obstacle>,
    /// The answer is what the margin made of it, not what was decided.
    at_margin: Option<&'static str>,
}

pub(super) fn look(case: &mut Case, now: DateTime<Utc>, out: &mut Outcome) {
    let Some((row, dispute)) = case.open().cloned().zip(case.dispute.clone()) else { return };
    let seen = find(case, &dispute, &row, now);
    let mut plan = remade(&row.plan, &seen, case);
    let acting = wants_to_act(case, &seen, now);
    if acting || differs(&row.plan, &plan) {
        record(case, &dispute, &row, &seen, &plan, now, out);
    }
    prepare(case, &row, &seen, &mut plan, acting, now, out);
    if acting {
        act(case, &row, &seen, now, out);
    }
    tell(&row, &seen, &mut plan, case, now, out);
    let wake_at = next_wake(case, &row, &seen, &plan, now);
    if let Some(open) = case.open_mut() {
        open.plan = plan;
        open.cycle.wake_at = Some(wake_at);
    }
}

fn find(case: &Case, dispute: &Dispute, row: &CycleRow, now: DateTime<Utc>) -> Look {
    let policy = case.merchant.ruleset.as_ref().map(|(_, ruleset)| &ruleset.policy);
    let margin = policy.map_or(DEFAULT_MARGIN, |p| p.safety_margin);
    let times = Times::of(row.cycle.opened_at, row.cycle.respond_by, margin);
    let decided = decide::decide(case, dispute, row, &times, now);
    let answer = decided.answer.clone();
    let mut seen = weigh(case, dispute, row, times, decided, answer, None);
    let late = now >= times.act_by && case.irreversible().is_none() && !seen.obstacles.is_empty();
    if late
        && let Some(otherwise) = seen.decided.otherwise.clone().filter(|_| !seen.decided.missing.is_empty())
    {
        let Look { mut decided, .. } = seen;
        decided.missing.clear();
        decided.act_at = Some(now);
        seen = weigh(case, dispute, row, times, decided, otherwise, Some("otherwise"));
    }
    if late && !seen.obstacles.is_empty() && !seen.decided.ordered {
        let by_policy = match policy.map(|p| p.at_margin) {
            Some(AtMargin::Accept) => Some(Answer::Accept),
            Some(AtMargin::SubmitStaged) => staged_answer(case, &seen.answer, row),
            Some(AtMargin::Page) | None => None,
        };
        if let Some(answer) = by_policy.filter(|answer| *answer != seen.answer) {
            let Look { mut decided, .. } = seen;
            decided.missing.clear();
            decided.act_at = Some(now);
            seen = weigh(case, dispute, row, times, decided, answer, Some("policy"));
        }
    }
    seen
}

/// What `submit what is staged` sends: the staged answer's template, or what is attached.
fn staged_answer(case: &Case, answer: &Answer, row: &CycleRow) -> Option<Answer> {
    case.action(ActionKind::StageEvidence, "").filter(|a| a.state == ActionState::Done)?;
    let template = answer.template().or(row.plan.answer.template()).map(str::to_owned);
    Some(Answer::Defend { reason: None, template })
}

fn weigh(
    case: &Case,
    dispute: &Dispute,
    row: &CycleRow,
    times: Times,
    decided: Decided,
    answer: Answer,
    at_margin: Option<&'static str>,
) -> Look {
    let packet = match &answer {
        Answer::Defend { .. } | Answer::Stage { .. } => {
            decide::packet(case, dispute, row, &answer, decided.fee_acknowledged)
        }
        Answer::Accept | Answer::Hold { .. } | Answer::Ignore { .. } => Packet::default(),
    };
    let approval = approval(&row.plan, &decided, &answer);
    let obstacles = gate::obstacles(case, dispute, row, &decided, &answer, &packet, &approval);
    Look { times, decided, answer, packet, approval, obstacles, at_margin }
}

/// A grant holds for the answer it was given for, and for no other.
fn approval(plan: &Plan, decided: &Decided, answer: &Answer) -> Approval {
    let acts = match answer {
        Answer::Accept | Answer::Defend { .. } => true,
        Answer::Stage { .. } | Answer::Hold { .. } | Answer::Ignore { .. } => false,
    };
    if !acts || !decided.approval_needed {
        return Approval::NotNeeded;
    }
    match &plan.approval {
        Approval::Granted { .. } if plan.answer == *answer && plan.decided_by == decided.decided_by => {
            plan.approval.clone()
        }
        Approval::NotNeeded | Approval::Needed { .. } | Approval::Granted { .. } => {
            Approval::Needed { asked_by: decided.decided_by.clone() }
        }
    }
}

fn remade(old: &Plan, seen: &Look, case: &Case) -> Plan {
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
        shadow: gate::is_shadow(case),
        ..old.clone()
    }
}

fn differs(old: &Plan, new: &Plan) -> bool {
    let shape = |p: &Plan| {
        let who = (p.decided_by.clone(), p.rule_id.clone(), p.ruleset_version);
        (p.answer.clone(), who, p.act_at, p.waiting_for.clone(), p.approval.clone(), p.shadow)
    };
    shape(old) != shape(new)
}

fn wants_to_act(case: &Case, seen: &Look, now: DateTime<Utc>) -> bool {
    let acts = match seen.answer {
        Answer::Accept | Answer::Defend { .. } => true,
        Answer::Stage { .. } | Answer::Hold { .. } | Answer::Ignore { .. } => false,
    };
    let due = seen.decided.act_at.is_some_and(|at| now >= at);
    acts && due && seen.obstacles.is_empty() && case.irreversible().is_none()
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
    if case.merchant.facts_pull && !row.plan.is_made() && case.action(ActionKind::PullFacts, "").is_none() {
        want(ActionKind::PullFacts, String::new(), None);
    }
    let speaks = match seen.answer {
        Answer::Defend { .. } | Answer::Stage { .. } => true,
        Answer::Accept | Answer::Hold { .. } | Answer::Ignore { .. } => false,
    };
    let muted = case.merchant.killed || (plan.shadow && !seen.decided.ordered);
    let answered = case.irreversible().is_some_and(|a| a.may_have_arrived());
    if !speaks || muted || answered {
        return;
    }
    for file in &case.pending_uploads {
        let subject = file.file_id.to_string();
        if case.action(ActionKind::Upload, &subject).is_none() {
            want(ActionKind::Upload, subject, None);
        }
    }
    let drafts = case.account.capabilities.at(row.cycle.stage).is_some_and(|can| can.draft);
    let digest = hex::encode(seen.packet.digest());
    let busy = case
        .action(ActionKind::StageEvidence, "")
        .is_some_and(|a| matches!(a.state, ActionState::Sent | ActionState::Unknown));
    let fresh = plan.staged_digest.as_deref() != Some(&digest);
    let leaks = seen.packet.text.values().any(|text| super::find_card_or_ssn(text).is_some());
    let clean = !seen.packet.is_empty() && !leaks && (case.account.lint)(&seen.packet, false).is_empty();
    if drafts && fresh && clean && !busy && !acting && case.pending_uploads.is_empty() {
        want(ActionKind::StageEvidence, String::new(), Some(seen.packet.clone()));
        plan.staged_digest = Some(digest);
    }
}

fn act(case: &Case, row: &CycleRow, seen: &Look, now: DateTime<Utc>, out: &mut Outcome) {
    let kind = match seen.answer {
        Answer::Accept => ActionKind::Accept,
        Answer::Defend { .. } => ActionKind::Submit,
        Answer::Stage { .. } | Answer::Hold { .. } | Answer::Ignore { .. } => return,
    };
    let packet = (kind == ActionKind::Submit).then(|| seen.packet.clone());
    let slack_s = (row.cycle.respond_by - now).num_seconds();
    let detail = json!({"action": kind, "account": case.account.name, "slack_s": slack_s});
    out.note(HistoryKind::Wanted, Some(row.cycle.n), detail);
    let effect = Effect::Want { kind, subject: String::new(), cycle_n: row.cycle.n, packet, due_at: now };
    out.effects.push(effect);
}

fn needs_person(seen: &Look, case: &Case) -> bool {
    case.irreversible().is_none() && seen.obstacles.iter().any(|o| o.needs_person)
}

fn tell(
    row: &CycleRow,
    seen: &Look,
    plan: &mut Plan,
    case: &mut Case,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let n = row.cycle.n;
    let respond_by = row.cycle.respond_by;
    if needs_person(seen, case) {
        tell_what_is_needed(row, seen, plan, now, out);
    }
    let ignored = matches!(seen.answer, Answer::Ignore { .. });
    if now >= seen.times.page_at && plan.paged_at.is_none() && !ignored {
        plan.paged_at = Some(now);
        out.note(HistoryKind::Paged, Some(n), json!({"waiting_for": plan.waiting_for}));
        out.effects.push(Effect::Tell(Alert {
            kind: AlertKind::Unanswered,
            severity: Severity::Page,
            cycle_n: Some(n),
            key: format!("unanswered:{n}:{}", respond_by.timestamp()),
            title: "the provider's record shows no response, and time is running out".into(),
            detail: json!({"respond_by": respond_by, "waiting_for": plan.waiting_for, "answer": plan.answer}),
        }));
    }
    if now >= respond_by && !plan.missed_told {
        plan.missed_told = true;
        case.check_at = Some(now);
        out.note(HistoryKind::Missed, Some(n), json!({"respond_by": respond_by, "ignored": ignored}));
        out.effects.push(Effect::Tell(Alert {
            kind: AlertKind::Missed,
            severity: if ignored { Severity::Info } else { Severity::Page },
            cycle_n: Some(n),
            key: format!("missed:{n}:{}", respond_by.timestamp()),
            title: "respond_by has passed and the provider's record shows no response".into(),
            detail: json!({"respond_by": respond_by, "waiting_for": plan.waiting_for, "answer": plan.answer}),
        }));
    }
}

fn tell_what_is_needed(row: &CycleRow, seen: &Look, plan: &mut Plan, now: DateTime<Utc>, out: &mut Outcome) {
    let n = row.cycle.n;
    let respond_by = row.cycle.respond_by;
    let rung =
        ladder(row.cycle.opened_at, respond_by).into_iter().filter(|rung| now >= respond_by - *rung).min();
    let rung_s = rung.map(|r| r.num_seconds());
    let question = json!([plan.answer, plan.waiting_for]).to_string();
    let detail = json!({"respond_by": respond_by, "waiting_for": plan.waiting_for, "answer": plan.answer,
        "rule": plan.rule_id, "why": seen.decided.why});
    let title = format!("a person is needed: {}", plan.waiting_for.join("; "));
    let asked_anew = plan.asked.as_deref() != Some(&question);
    let tighter = rung_s.is_some_and(|rung| plan.rung_told_s.is_none_or(|told| rung < told));
    if asked_anew {
        let key = format!("needs-person:{n}:{}", &hex::encode(sha2_of(&question))[..16]);
        let kind = AlertKind::NeedsPerson;
        out.effects.push(Effect::Tell(Alert {
            kind,
            severity: Severity::Warning,
            cycle_n: Some(n),
            key,
            title,
            detail,
        }));
    } else if tighter {
        let key = format!("deadline:{n}:{}:{}", respond_by.timestamp(), rung_s.unwrap_or_default());
        let kind = AlertKind::Deadline;
        out.effects.push(Effect::Tell(Alert {
            kind,
            severity: Severity::Warning,
            cycle_n: Some(n),
            key,
            title,
            detail,
        }));
    }
    plan.asked = Some(question);
    plan.rung_told_s = match (plan.rung_told_s, rung_s) {
        (Some(told), Some(rung)) => Some(told.min(rung)),
        (told, rung) => told.or(rung),
    };
}

fn sha2_of(text: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).into()
}

/// The earliest instant at which looking again can change anything. Always there: P2.
fn next_wake(case: &Case, row: &CycleRow, seen: &Look, plan: &Plan, now: DateTime<Utc>) -> DateTime<Utc> {
    let respond_by = row.cycle.respond_by;
    let mut candidates = vec![seen.times.page_at, respond_by];
    if case.irreversible().is_none() {
        candidates.push(seen.times.act_by);
        candidates.extend(seen.decided.act_at);
    }
    if needs_person(seen, case) {
        let told = plan.rung_told_s.unwrap_or(i64::MAX);
        let rungs = ladder(row.cycle.opened_at, respond_by).into_iter();
        candidates.extend(rungs.filter(|rung| rung.num_seconds() < told).map(|rung| respond_by - rung));
    }
    candidates.into_iter().filter(|at| *at > now).min().unwrap_or(now + OVERDUE)
}
