//! What a provider's record means for the dispute and its cycles. The provider is the authority; later
//! news decides by the provider's own time, never by arrival.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::unread::Heard;
use super::{Alert, AlertKind, Applied, Case, Effect, HistoryKind, Outcome, Severity, cycles, doubt, unread};
use crate::dispute::{
    Dispute, Event, FundsMove, Move, News, RespondBy, Snapshot, Source, Status, transition,
};

/// A read that asks for a response again, though one was just seen, may come from a lagging replica. It is
/// believed once the contradiction has lasted this long.
pub(super) const DOUBT: TimeDelta = TimeDelta::minutes(15);
const RECHECK_DOUBT: TimeDelta = TimeDelta::minutes(5);

pub(super) fn news(case: &mut Case, event: &Event, now: DateTime<Utc>, out: &mut Outcome) {
    match &event.news {
        News::Notice { notice } => {
            out.effects.push(Effect::KeepNotice { notice: notice.clone(), as_of: event.as_of });
        }
        News::Record { snapshot } => hear(case, event, snapshot, now, out),
        News::Funds { moved, snapshot } => {
            hear(case, event, snapshot, now, out);
            funds(case, *moved, event, out);
        }
    }
}

fn hear(case: &mut Case, event: &Event, snapshot: &Snapshot, now: DateTime<Utc>, out: &mut Outcome) {
    if case.account.capabilities.fetch || is_read(event.source) {
        return record(case, None, event, snapshot, now, out);
    }
    let doubted = unread::doubted(case);
    match unread::hear(case, event, out) {
        Heard::InOrder => {
            let in_order = unread::asks_unproved(case, snapshot, now);
            record(case, in_order.as_ref(), event, snapshot, now, out);
            unread::tell_anew(&mut out.effects, case.told.len());
            unread::withdraw(&doubted, case, "newer news says where it stands", out);
        }
        Heard::Late => unread::look_back(case, event, &doubted, now, out),
        Heard::TooOften(why) => out.applied = Applied::Doubtful(why),
    }
    unread::tell_of_the_last(case, event, out);
}

/// One of many that are told one after the other in the provider's order.
pub(super) fn in_order(case: &mut Case, event: &Event, now: DateTime<Utc>, out: &mut Outcome) {
    match &event.news {
        News::Notice { .. } => {}
        News::Record { snapshot } => record(case, None, event, snapshot, now, out),
        News::Funds { moved, snapshot } => {
            record(case, None, event, snapshot, now, out);
            funds(case, *moved, event, out);
        }
    }
}

/// `in_order`: the same dispute had all its news come in order, where that may be another. News is judged by the windows
/// of both: of what is told anew a part may be missing, and this engine may have heard of a window too late.
fn record(
    case: &mut Case,
    in_order: Option<&Case>,
    event: &Event,
    snapshot: &Snapshot,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    if let Some(known) = &case.dispute {
        if is_stale(known, event, snapshot) {
            out.applied = Applied::Stale;
            return learn(case, event, snapshot, now, out);
        }
        if let Some(doubt) = doubt::lagging(known, case.newest.as_ref(), event, snapshot) {
            out.applied = Applied::Doubtful(doubt);
            case.check_at = Some(now + RECHECK_DOUBT);
            return;
        }
        let by_windows_of = |case: &Case| doubt::unproved(known, case.newest.as_ref(), snapshot);
        if let Some(doubt) = by_windows_of(case).or_else(|| in_order.and_then(by_windows_of)) {
            return doubt::disbelieve(case, event, snapshot, doubt, now, out);
        }
    }
    let before = case.dispute.clone();
    let moved = transition(before.as_ref().map(|d| d.status), snapshot.status);
    let tied = before.as_ref().is_some_and(|b| b.as_of == event.as_of);
    let after = merge(case, before.as_deref(), event, snapshot);
    let changed = before.as_deref().is_none_or(|b| Dispute { as_of: after.as_of, ..b.clone() } != after);
    note_changes(before.as_deref(), &after, moved, out);
    tell_reversals(&after, moved, before.as_deref(), out);
    // Two records of one instant that differ: only the provider can say which one is the later.
    case.check_at = if tied && changed { Some(now) } else { next_check(&after, now) };
    case.dispute = Some(Arc::new(after));
    cycles::settle(case, before.as_deref(), moved, event, snapshot, now, out);
    if !changed && out.effects.is_empty() && out.history.is_empty() {
        out.applied = Applied::Unchanged;
        // What is kept nowhere moves nothing that a replay would have to know of.
        if is_read(event.source) {
            case.dispute = before;
            case.read_as_of = case.read_as_of.max(Some(event.as_of));
        }
    } else if changed && case.read_as_of > Some(event.as_of) {
        // A later read said otherwise: it lagged, or this was overtaken. The provider is asked which.
        case.check_at = Some(now);
    }
}

/// Asked for by us, and kept only for what it changed. A webhook is kept whatever it says.
fn is_read(source: Source) -> bool {
    match source {
        Source::Poll | Source::ReadBack | Source::Receipt => true,
        Source::Webhook => false,
    }
}

fn is_stale(known: &Dispute, event: &Event, snapshot: &Snapshot) -> bool {
    let tie_goes_back = snapshot.status.rank() < known.status.rank() && !snapshot.new_round;
    event.as_of < known.as_of || (event.as_of == known.as_of && tie_goes_back)
}

/// What stale news still tells: the provider's words that newer news left out, as if it had come in order.
fn learn(case: &mut Case, event: &Event, snapshot: &Snapshot, now: DateTime<Utc>, out: &mut Outcome) {
    let open_since = case.open().map(|row| row.cycle.opened_at);
    let Some(known) = &mut case.dispute else { return };
    let before = Dispute::clone(known);
    let known = Arc::make_mut(known);
    let fill = |place: &mut Option<String>, told: &Option<String>| {
        if place.is_none() {
            place.clone_from(told);
        }
    };
    fill(&mut known.payment_ref, &snapshot.payment_ref);
    fill(&mut known.charge_ref, &snapshot.charge_ref);
    fill(&mut known.customer_ref, &snapshot.customer_ref);
    fill(&mut known.reason.network_code, &snapshot.reason.network_code);
    fill(&mut known.reason.network, &snapshot.reason.network);
    known.refunded |= snapshot.refunded;
    known.opened_at = known.opened_at.min(snapshot.opened_at);
    if known.status == snapshot.status {
        known.closed_at = known.closed_at.map(|at| at.min(event.as_of));
    }
    let one_window = known.status == snapshot.status && known.stage == snapshot.stage;
    if one_window && known.respond_by == RespondBy::Unstated {
        known.respond_by = snapshot.respond_by;
    }
    let after = known.clone();
    // A response that was seen before the record asked again, or asked still: read what is true now.
    let contradicts =
        snapshot.status != Status::NeedsResponse && open_since.is_some_and(|at| at < event.as_of);
    // The newer record may have been a read from a replica that lagged: stamped later than what it showed.
    let disputed = event.source == Source::Webhook
        && snapshot.status != after.status
        && after.as_of - event.as_of < DOUBT;
    if contradicts || disputed {
        case.check_at = Some(now);
    }
    let snapshot = Snapshot { status: after.status, stage: after.stage, ..snapshot.clone() };
    if before != after || cycles::asks_in_so_many_words(case, event, &snapshot) {
        out.applied = Applied::Applied;
        note_changes(Some(&before), &after, Move::Stays, out);
        cycles::settle(case, Some(&before), Move::Stays, event, &snapshot, now, out);
    }
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
        opened_at: before.map_or(s.opened_at, |b| b.opened_at.min(s.opened_at)),
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

/// An unconfirmed deadline may shorten what is known, never lengthen it or take it away. A deadline that is
/// not stated stays as it was known for this window; another window has one of its own.
fn deadline(before: Option<&Dispute>, s: &Snapshot) -> RespondBy {
    let Some(known) = before else { return s.respond_by };
    let asked_anew = s.status == Status::NeedsResponse && known.status != Status::NeedsResponse;
    if asked_anew || known.stage != s.stage {
        return s.respond_by;
    }
    match (s.respond_by, known.respond_by) {
        (RespondBy::Unstated, known) => known,
        (RespondBy::At(new), RespondBy::At(old)) if !s.deadline_confirmed => RespondBy::At(new.min(old)),
        (RespondBy::NotAllowed, RespondBy::At(old)) if !s.deadline_confirmed => RespondBy::At(old),
        (told, _) => told,
    }
}

pub(super) fn note_changes(before: Option<&Dispute>, after: &Dispute, moved: Move, out: &mut Outcome) {
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

pub(super) fn tell_reversals(after: &Dispute, moved: Move, before: Option<&Dispute>, out: &mut Outcome) {
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
        key: format!("reversed:{}:{}", after.as_of.timestamp_micros(), after.status),
        title: format!("a dispute that was {} {title}: now {}", before.status, after.status),
        detail: json!({"from": before.status, "to": after.status}),
    }));
}

/// When to fetch the record for its own sake: often while a response is owed and oftener in short windows, daily under review, weekly for
/// two months after it settled (a win can be reversed), then never.
fn next_check(dispute: &Dispute, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match dispute.status {
        Status::NeedsResponse => {
            let left = match dispute.respond_by {
                RespondBy::At(at) if at > now => at - now,
                RespondBy::At(_) | RespondBy::NotAllowed | RespondBy::Unstated => TimeDelta::hours(8),
            };
            Some(now + (left / 8).clamp(TimeDelta::minutes(5), TimeDelta::hours(6)))
        }
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
    let Some(dispute) = case.dispute.as_mut().map(Arc::make_mut) else { return };
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
