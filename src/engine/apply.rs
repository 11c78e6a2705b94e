//! What a provider's record means for the dispute and its cycles. The provider is the authority; later
//! news decides by the provider's own time, never by arrival.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    ActionKind, Alert, AlertKind, Applied, Case, CycleRow, Effect, HistoryKind, Outcome, Plan, Severity,
};
use crate::dispute::{
    Cycle, CycleState, Dispute, Event, FundsMove, Move, News, RespondBy, Response, Snapshot, Source, Status,
    transition,
};

/// A read that asks for a response again, though one was just seen, may come from a lagging replica. It is
/// believed once the contradiction has lasted this long.
const DOUBT: TimeDelta = TimeDelta::minutes(15);
const RECHECK_DOUBT: TimeDelta = TimeDelta::minutes(5);

pub(super) fn news(case: &mut Case, event: &Event, now: DateTime<Utc>, out: &mut Outcome) {
    match &event.news {
        News::Notice { notice } => {
            out.effects.push(Effect::KeepNotice { notice: notice.clone(), as_of: event.as_of });
        }
        News::Record { snapshot } => record(case, event, snapshot, now, out),
        News::Funds { moved, snapshot } => {
            record(case, event, snapshot, now, out);
            funds(case, *moved, event, out);
        }
    }
}

fn record(case: &mut Case, event: &Event, snapshot: &Snapshot, now: DateTime<Utc>, out: &mut Outcome) {
    if let Some(known) = &case.dispute {
        if is_stale(known, event, snapshot) {
            out.applied = Applied::Stale;
            return;
        }
        if let Some(doubt) = doubt(known, case.newest.as_ref(), event, snapshot) {
            out.applied = Applied::Doubtful(doubt);
            case.check_at = Some(now + RECHECK_DOUBT);
            return;
        }
    }
    let before = case.dispute.clone();
    let moved = transition(before.as_ref().map(|d| d.status), snapshot.status);
    let after = merge(case, before.as_ref(), event, snapshot);
    let changed = before.as_ref().is_none_or(|b| Dispute { as_of: after.as_of, ..b.clone() } != after);
    note_changes(before.as_ref(), &after, moved, out);
    tell_reversals(&after, moved, before.as_ref(), out);
    case.check_at = next_check(&after, now);
    case.dispute = Some(after);
    settle_cycles(case, moved, event, snapshot, now, out);
    if !changed && out.effects.is_empty() && out.history.is_empty() {
        out.applied = Applied::Unchanged;
    }
}

fn is_stale(known: &Dispute, event: &Event, snapshot: &Snapshot) -> bool {
    let tie_goes_back = snapshot.status.rank() < known.status.rank() && !snapshot.new_round;
    event.as_of < known.as_of || (event.as_of == known.as_of && tie_goes_back)
}

fn doubt(known: &Dispute, newest: Option<&CycleRow>, event: &Event, snapshot: &Snapshot) -> Option<String> {
    let read = match event.source {
        Source::Poll | Source::ReadBack => true,
        Source::Webhook | Source::Receipt => false,
    };
    let goes_back = match transition(Some(known.status), snapshot.status) {
        Move::AsksAgain | Move::Reopens | Move::Revives => true,
        Move::Opens
        | Move::EntersAnswered
        | Move::EntersSettled
        | Move::Stays
        | Move::Answers
        | Move::Settles
        | Move::Reverses => false,
    };
    let same_window = known.stage == snapshot.stage && known.respond_by == snapshot.respond_by;
    let fresh = event.as_of - known.as_of < DOUBT;
    let answered = newest.is_some_and(|row| row.cycle.state != CycleState::Open);
    (read && goes_back && same_window && fresh && answered && !snapshot.new_round).then(|| {
        format!(
            "the read says `{}` {} s after the record said `{}`: looked at again before it is believed",
            snapshot.status,
            (event.as_of - known.as_of).num_seconds(),
            known.status
        )
    })
}

/// The dispute as it stands after the record. What this news does not state stays as it was known.
fn merge(case: &Case, before: Option<&Dispute>, event: &Event, s: &Snapshot) -> Dispute {
    let known = |pick: fn(&Dispute) -> Option<String>| before.and_then(pick);
    let mut reason = s.reason.clone();
    reason.network_code = reason.network_code.or(known(|d| d.reason.network_code.clone()));
    reason.network = reason.network.or(known(|d| d.reason.network.clone()));
    let closed_at = s
        .status
        .is_terminal()
        .then(|| before.filter(|b| b.status == s.status).and_then(|b| b.closed_at).unwrap_or(event.as_of));
    Dispute {
        merchant_id: case.merchant.merchant_id,
        account_id: case.account.account_id,
        dispute_id: case.dispute_id,
        dispute_ref: s.dispute_ref.clone(),
        payment_ref: s.payment_ref.clone().or(known(|d| d.payment_ref.clone())),
        charge_ref: s.charge_ref.clone().or(known(|d| d.charge_ref.clone())),
        stage: s.stage,
        status: s.status,
        provider_status: s.provider_status.clone(),
        amount: s.amount,
        reason,
        respond_by: deadline(before, s),
        opened_at: s.opened_at,
        as_of: event.as_of,
        closed_at,
        submissions: s.submissions,
        evidence_staged: s.evidence_staged,
        past_due: s.past_due,
        fee_required: s.fee_required,
        refunded: s.refunded || before.is_some_and(|b| b.refunded),
        customer_ref: s.customer_ref.clone().or(known(|d| d.customer_ref.clone())),
        live: s.live,
        funds_withdrawn_at: before.and_then(|b| b.funds_withdrawn_at),
        funds_reinstated_at: before.and_then(|b| b.funds_reinstated_at),
        follows_ref: known(|d| d.follows_ref.clone()),
    }
}

/// An unconfirmed deadline may shorten what is known, never lengthen it.
fn deadline(before: Option<&Dispute>, s: &Snapshot) -> RespondBy {
    let Some(known) = before else { return s.respond_by };
    match (s.respond_by, known.respond_by) {
        (RespondBy::Unstated, known) => known,
        (RespondBy::At(new), RespondBy::At(old)) if !s.deadline_confirmed && known.stage == s.stage => {
            RespondBy::At(new.min(old))
        }
        (told, _) => told,
    }
}

fn note_changes(before: Option<&Dispute>, after: &Dispute, moved: Move, out: &mut Outcome) {
    let Some(before) = before else {
        let detail = json!({"status": after.status, "stage": after.stage, "amount": after.amount,
            "reason": after.reason, "respond_by": after.respond_by});
        return out.note(HistoryKind::Opened, None, detail);
    };
    if before.stage != after.stage {
        out.note(HistoryKind::StageMoved, None, json!({"from": before.stage, "to": after.stage}));
    }
    if before.respond_by != after.respond_by {
        let detail = json!({"from": before.respond_by, "to": after.respond_by});
        out.note(HistoryKind::DeadlineMoved, None, detail);
    }
    if before.amount != after.amount {
        out.note(HistoryKind::AmountChanged, None, json!({"from": before.amount, "to": after.amount}));
    }
    if before.reason != after.reason {
        out.note(HistoryKind::ReasonChanged, None, json!({"from": before.reason, "to": after.reason}));
    }
    let detail = json!({"from": before.status, "to": after.status, "word": after.provider_status});
    match moved {
        Move::Settles => out.note(HistoryKind::Settled, None, detail),
        Move::Reverses => out.note(HistoryKind::Reversed, None, detail),
        Move::Revives => out.note(HistoryKind::Revived, None, detail),
        Move::Opens
        | Move::EntersAnswered
        | Move::EntersSettled
        | Move::Stays
        | Move::Answers
        | Move::AsksAgain
        | Move::Reopens => {}
    }
}

fn tell_reversals(after: &Dispute, moved: Move, before: Option<&Dispute>, out: &mut Outcome) {
    let title = match moved {
        Move::Reverses => "was settled differently",
        Move::Reopens => "asks for a response again",
        Move::Revives => "is under review again",
        Move::Opens
        | Move::EntersAnswered
        | Move::EntersSettled
        | Move::Stays
        | Move::Answers
        | Move::AsksAgain
        | Move::Settles => return,
    };
    let Some(before) = before else { return };
    out.effects.push(Effect::Tell(Alert {
        kind: AlertKind::Reversed,
        severity: Severity::Warning,
        cycle_n: None,
        key: format!("reversed:{}:{}", after.as_of.timestamp(), after.status),
        title: format!("a dispute that was {} {title}: now {}", before.status, after.status),
        detail: json!({"from": before.status, "to": after.status}),
    }));
}

/// When to fetch the record for its own sake: often while a response is owed, daily under review, weekly for
/// two months after it settled (a win can be reversed), then never.
fn next_check(dispute: &Dispute, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match dispute.status {
        Status::NeedsResponse => Some(now + TimeDelta::hours(6)),
        Status::UnderReview => Some(now + TimeDelta::hours(24)),
        Status::Won
        | Status::Lost
        | Status::Accepted
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed => {
            let young = dispute.closed_at.is_some_and(|closed_at| now - closed_at < TimeDelta::days(60));
            young.then(|| now + TimeDelta::days(7))
        }
    }
}

fn funds(case: &mut Case, moved: FundsMove, event: &Event, out: &mut Outcome) {
    let Some(dispute) = &mut case.dispute else { return };
    let at = match moved {
        FundsMove::Withdrawn => &mut dispute.funds_withdrawn_at,
        FundsMove::Reinstated => &mut dispute.funds_reinstated_at,
    };
    if at.is_none_or(|known| known < event.as_of) {
        *at = Some(event.as_of);
        out.note(HistoryKind::FundsMoved, None, json!({"moved": moved}));
        out.applied = Applied::Applied;
    }
}

fn settle_cycles(
    case: &mut Case,
    moved: Move,
    event: &Event,
    snapshot: &Snapshot,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let Some(respond_by) = case.dispute.as_ref().map(|d| d.respond_by) else { return };
    let owed = snapshot.status == Status::NeedsResponse;
    if let Some(row) = case.open_mut() {
        match respond_by {
            _ if !owed => {
                let response = who_answered(case, snapshot.status);
                end_cycle(case, response, event, out);
            }
            _ if row.cycle.stage != snapshot.stage => end_cycle(case, Response::Nothing, event, out),
            RespondBy::NotAllowed => end_cycle(case, Response::Nothing, event, out),
            RespondBy::At(at) => row.cycle.respond_by = at,
            RespondBy::Unstated => {}
        }
    }
    let asks = match moved {
        Move::Opens | Move::AsksAgain | Move::Reopens => true,
        Move::EntersAnswered
        | Move::EntersSettled
        | Move::Stays
        | Move::Answers
        | Move::Settles
        | Move::Revives
        | Move::Reverses => false,
    };
    let unanswered = case
        .newest
        .as_ref()
        .is_none_or(|r| r.cycle.stage != snapshot.stage || r.cycle.response == Some(Response::Nothing));
    if owed && case.open().is_none() && (asks || unanswered) {
        open_cycle(case, respond_by, event, now, out);
    }
}

fn who_answered(case: &Case, told: Status) -> Response {
    let sent = |kind: ActionKind| case.actions.iter().any(|a| a.kind == kind && a.may_have_arrived());
    match told {
        Status::UnderReview => match sent(ActionKind::Submit) {
            true => Response::Defend,
            false => Response::Elsewhere,
        },
        Status::Lost | Status::Accepted | Status::Closed if sent(ActionKind::Accept) => Response::Accept,
        Status::Accepted => Response::Elsewhere,
        Status::Won
        | Status::Lost
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed
        | Status::NeedsResponse => match sent(ActionKind::Submit) {
            true => Response::Defend,
            false => Response::Nothing,
        },
    }
}

fn end_cycle(case: &mut Case, response: Response, event: &Event, out: &mut Outcome) {
    let Some(row) = case.open_mut() else { return };
    let n = row.cycle.n;
    let answered = match response {
        Response::Accept | Response::Defend | Response::Elsewhere => true,
        Response::Nothing => false,
    };
    row.cycle.state = if answered { CycleState::Answered } else { CycleState::Ended };
    row.cycle.response = Some(response);
    row.cycle.answered_at = answered.then_some(event.as_of);
    row.cycle.ended_at = Some(event.as_of);
    row.cycle.wake_at = None;
    let slack_s = (row.cycle.respond_by - event.as_of).num_seconds();
    let detail = json!({"response": response, "slack_s": slack_s, "respond_by": row.cycle.respond_by});
    let why = format!("the provider's record ended the cycle: {response}");
    // Resolving comes first: what is told below is news, not one of the alerts whose reason is gone.
    out.effects.push(Effect::Cancel { cycle_n: n, why: why.clone() });
    out.effects.push(Effect::ResolveAlerts { cycle_n: n, why });
    match response {
        Response::Accept | Response::Defend => out.note(HistoryKind::Answered, Some(n), detail),
        Response::Elsewhere => {
            out.note(HistoryKind::AnsweredElsewhere, Some(n), detail);
            out.effects.push(Effect::Tell(Alert {
                kind: AlertKind::AnsweredElsewhere,
                severity: Severity::Info,
                cycle_n: Some(n),
                key: format!("elsewhere:{n}"),
                title: "answered outside this engine; its own plan is cancelled".into(),
                detail: json!({"slack_s": slack_s}),
            }));
        }
        Response::Nothing => {}
    }
}

fn open_cycle(case: &mut Case, respond_by: RespondBy, event: &Event, now: DateTime<Utc>, out: &mut Outcome) {
    let (Some(dispute), n) = (&case.dispute, case.newest.as_ref().map_or(1, |r| r.cycle.n + 1)) else {
        return;
    };
    let respond_by = match respond_by {
        RespondBy::At(at) => at,
        RespondBy::NotAllowed => {
            return out.effects.push(Effect::Tell(Alert {
                kind: AlertKind::NoResponsePossible,
                severity: Severity::Info,
                cycle_n: None,
                key: format!("no-response:{n}"),
                title: "the provider takes no response to this dispute".into(),
                detail: json!({}),
            }));
        }
        RespondBy::Unstated => {
            case.check_at = Some(now);
            return out.effects.push(Effect::Tell(Alert {
                kind: AlertKind::DeadlineUnknown,
                severity: Severity::Page,
                cycle_n: None,
                key: format!("deadline-unknown:{n}"),
                title: "a response is owed and the provider does not say until when".into(),
                detail: json!({}),
            }));
        }
    };
    let opened_at = if n == 1 { dispute.opened_at } else { event.as_of };
    let cycle = Cycle {
        n,
        stage: dispute.stage,
        state: CycleState::Open,
        opened_at,
        respond_by,
        response: None,
        answered_at: None,
        ended_at: None,
        wake_at: Some(now),
    };
    let detail = json!({"stage": cycle.stage, "respond_by": respond_by});
    out.note(HistoryKind::CycleOpened, Some(n), detail);
    let plan = Plan::unmade(now, respond_by);
    case.ended.extend(case.newest.replace(CycleRow { cycle, plan }));
    case.actions.clear();
}
