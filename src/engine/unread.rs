//! News of a provider whose record cannot be read: its webhooks are all that is ever known, and nobody can be asked
//! which of two is the later. So they are kept in the provider's own order, and one that comes late has everything
//! since looked at again, as if all had come in order. What was doubted may be believed then, and the reverse.

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::replay::{self, Retold};
use super::{
    ActionView, Alert, AlertKind, Applied, Case, Effect, HistoryKind, Outcome, Severity, apply, cycles, doubt,
};
use crate::dispute::{CycleState, Dispute, Event, RespondBy, Snapshot, Status, transition};

/// The clocks of two machines, and a call on its way, may differ by so much.
const ON_THE_WAY: TimeDelta = TimeDelta::minutes(2);

/// The one order of a dispute's news, whatever the order of arrival. Of one instant the news that says more is the
/// later, and of two that say as much always the same.
pub(super) fn order(a: &Event, b: &Event) -> Ordering {
    let weight = |event: &Event| event.snapshot().map(|s| (s.new_round, s.status.rank()));
    let text = |event: &Event| (event.name.clone(), serde_json::to_string(&event.news).unwrap_or_default());
    a.as_of
        .cmp(&b.as_of)
        .then_with(|| weight(a).cmp(&weight(b)))
        .then_with(|| if a.news == b.news { a.name.cmp(&b.name) } else { text(a).cmp(&text(b)) })
}

/// Who has one signed webhook can send it again with other words in its unsigned part, and each of them is news. Of one
/// event about one amount so many are remembered; a dispute whose events come twice and thrice has a handful.
const ALIKE_MAX: usize = 50;
/// All of it is told again where one comes late, so that so much is remembered of a dispute at most.
const TOLD_MAX: usize = 500;

/// How news stands to what was told before.
pub(super) enum Heard {
    /// Nothing that comes after it is known.
    InOrder,
    /// Something that comes after it is known, or it is itself, so that all of it has to be looked at again.
    Late,
    /// There is no room for it, and why.
    TooOften(String),
}

/// Puts what was told in order, each news once.
pub fn in_order(told: &mut Vec<Event>) {
    told.sort_by(order);
    told.dedup_by(|a, b| order(a, b) == Ordering::Equal);
}

/// Adds the news to what was told. A dispute of which not everything is at hand has its order guard alone.
pub(super) fn hear(case: &mut Case, event: &Event, out: &mut Outcome) -> Heard {
    let whole = match &case.dispute {
        Some(known) => case.told.iter().any(|told| told.as_of == known.as_of),
        None => true,
    };
    let late = match case.told.binary_search_by(|told| order(told, event)) {
        Ok(_) => true,
        Err(place) => {
            if let Some(why) = no_room(&case.told, event) {
                return Heard::TooOften(why);
            }
            Arc::make_mut(&mut case.told).insert(place, event.clone());
            out.remembers = true;
            place + 1 < case.told.len()
        }
    };
    if whole && late { Heard::Late } else { Heard::InOrder }
}

/// Of everything that came, as it came, what is remembered, in order.
pub(super) fn remembered(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut told: Vec<Event> = Vec::new();
    for event in events {
        if let Err(place) = told.binary_search_by(|told| order(told, &event))
            && no_room(&told, &event).is_none()
        {
            told.insert(place, event);
        }
    }
    told
}

fn no_room(told: &[Event], event: &Event) -> Option<String> {
    if told.iter().filter(|told| says_alike(told, event)).count() >= ALIKE_MAX {
        return Some(format!("`{}` was told {ALIKE_MAX} times, and each time otherwise", event.name));
    }
    (told.len() >= TOLD_MAX).then(|| format!("{TOLD_MAX} news are told of it already"))
}

/// The same in all that a signature covers where it covers anything: the event, what it is about, and the amount.
fn says_alike(a: &Event, b: &Event) -> bool {
    let about = |told: &Snapshot, other: &Snapshot| {
        told.dispute_ref == other.dispute_ref
            && told.payment_ref == other.payment_ref
            && told.charge_ref == other.charge_ref
            && told.amount == other.amount
    };
    a.name == b.name && a.snapshot().zip(b.snapshot()).is_some_and(|(told, other)| about(told, other))
}

/// The news took the last place: more of it is kept and not followed, and people hear so once.
pub(super) fn tell_of_the_last(case: &Case, event: &Event, out: &mut Outcome) {
    let Some(why) = no_room(&case.told, event).filter(|_| out.remembers) else { return };
    let provider = case.account.provider;
    let todo = format!(
        "look the dispute up in {provider}'s dashboard, and answer it there if a response is asked for. Somebody may \
         be sending its webhooks again with other words: give the account another key to sign them with"
    );
    out.effects.push(Effect::Tell(Alert {
        kind: AlertKind::ToldTooOften,
        severity: Severity::Page,
        cycle_n: None,
        key: format!("told-too-often:{}", case.told.len()),
        title: format!("{why}: what more is told of this dispute is not believed"),
        detail: json!({"waiting_for": [todo]}),
    }));
}

/// The dispute before its newest news, had all come in order: where the news asks for a response and proves nothing,
/// it counts which windows there were, and this engine may have heard of one only when it was over.
pub(super) fn asks_unproved(case: &Case, snapshot: &Snapshot, now: DateTime<Utc>) -> Option<Case> {
    let asks = snapshot.status == Status::NeedsResponse && !snapshot.deadline_confirmed;
    let (_, before) = case.told.split_last().filter(|(_, before)| asks && !before.is_empty())?;
    let ids = (case.merchant.merchant_id, case.dispute_id);
    Some(replay::retell(&case.account, ids, before.iter().cloned(), now).case)
}

/// Of the news told, the instants of those that are newer than what is believed.
pub(super) fn doubted(case: &Case) -> Vec<DateTime<Utc>> {
    let as_of = case.dispute.as_ref().map(|dispute| dispute.as_of);
    let newer = case.told.iter().rev().map(|told| told.as_of).take_while(|at| Some(*at) > as_of);
    newer.collect()
}

/// What was asked of people about news that was doubted is answered by other news.
pub(super) fn withdraw(before: &[DateTime<Utc>], case: &Case, why: &str, out: &mut Outcome) {
    let still = doubted(case);
    for at in before.iter().filter(|at| !still.contains(at)) {
        out.effects.push(Effect::Withdraw { key: doubt::unproved_key(*at), why: why.to_owned() });
    }
}

/// Puts the dispute where all its news in order lead. `event` is among them; `doubted_before`: what was not believed
/// without it.
pub(super) fn look_back(
    case: &mut Case,
    event: &Event,
    doubted_before: &[DateTime<Utc>],
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let Some(before) = case.dispute.clone() else { return };
    let ids = (case.merchant.merchant_id, case.dispute_id);
    let retold = replay::retell(&case.account, ids, case.told.iter().cloned(), now);
    let Some(after) = retold.case.dispute.as_deref() else { return };
    let after = Dispute {
        customer_ref: after.customer_ref.clone().or_else(|| before.customer_ref.clone()),
        follows_ref: before.follows_ref.clone(),
        // These follow their own order, and are told where they move.
        funds_withdrawn_at: before.funds_withdrawn_at,
        funds_reinstated_at: before.funds_reinstated_at,
        ..after.clone()
    };
    case.dispute = Some(Arc::new(after.clone()));
    withdraw(doubted_before, case, "older news came late and explains it", out);
    let doubted_now = doubted(case);
    let doubts = retold.doubts.iter().filter(|doubt| doubted_now.contains(&doubt.as_of));
    let fresh = doubts.filter(|doubt| !doubted_before.contains(&doubt.as_of));
    out.effects.extend(fresh.map(|doubt| Effect::Tell(doubt.alert.clone())));
    let moved = transition(Some(before.status), after.status);
    let changed = Dispute { as_of: after.as_of, ..Dispute::clone(&before) } != after;
    if changed || doubted_before != doubted_now {
        let detail = json!({"news": event.name, "as_of": event.as_of, "known_until": before.as_of,
            "doubted": doubted_now, "doubted_before": doubted_before});
        out.note(HistoryKind::LookedBack, None, detail);
    }
    if changed {
        apply::note_changes(Some(&before), &after, moved, out);
        apply::tell_reversals(&after, moved, Some(&before), out);
    }
    tell_anew(&mut out.effects, case.told.len());
    windows(case, &before, &retold, now, out);
    let quiet = out.effects.is_empty() && out.history.is_empty();
    let why = retold.doubts.iter().find(|doubt| doubt.as_of == event.as_of && doubt.of(event));
    out.applied = match why {
        Some(doubt) => Applied::Doubtful(doubt.why.clone()),
        None if !quiet => Applied::Applied,
        None if event.as_of == after.as_of => Applied::Unchanged,
        None => Applied::Stale,
    };
}

/// What turned out otherwise may have been told before, and withdrawn: with so much more told it is another matter.
pub(super) fn tell_anew(effects: &mut [Effect], told: usize) {
    for effect in effects {
        if let Effect::Tell(alert) = effect
            && alert.kind == AlertKind::Reversed
        {
            alert.key.push_str(&format!(":{told}"));
        }
    }
}

/// The window that is owed, as it would be had the news come in order. A response that this engine has sent stays
/// with the window in which it was sent.
fn windows(case: &mut Case, before: &Dispute, retold: &Retold, now: DateTime<Utc>, out: &mut Outcome) {
    let Some(after) = case.dispute.clone() else { return };
    let Some((last, told)) = last_believed(case, &after) else { return };
    let Some(ideal) = retold.case.open().map(|row| row.cycle.clone()) else {
        let snapshot = Snapshot { status: after.status, stage: after.stage, new_round: false, ..told };
        let moved = transition(Some(before.status), after.status);
        return cycles::settle(case, Some(before), moved, &last, &snapshot, now, out);
    };
    let since = newest_round(case, &after).map_or(ideal.opened_at, |round| round.max(ideal.opened_at));
    let another = case.open().is_some_and(|row| {
        let answered = row.cycle.opened_at < since && answers_before(case, since);
        row.cycle.stage != ideal.stage || answered
    });
    if another {
        // It ended when the one before did, had that been told in time.
        let ended_at = retold.case.ended.last().and_then(|row| row.cycle.ended_at).unwrap_or(since);
        let ended = Event { as_of: ended_at.min(since), ..last.clone() };
        cycles::end_cycle(case, Status::NeedsResponse, &ended, now, out);
    }
    match case.open_mut() {
        Some(row) => cycles::move_deadline(row, ideal.respond_by),
        None => {
            let (by, opens) = (RespondBy::At(ideal.respond_by), Event { as_of: since, ..last });
            cycles::open_cycle(case, by, true, ideal.n == 1, &opens, now, out);
        }
    }
}

/// The news on which the dispute stands.
fn last_believed(case: &Case, after: &Dispute) -> Option<(Event, Snapshot)> {
    let mut told = case.told.iter().rev().filter(|told| told.as_of == after.as_of);
    told.find_map(|event| Some((event.clone(), event.snapshot()?.clone())))
}

/// When the provider last opened a round in so many words.
fn newest_round(case: &Case, after: &Dispute) -> Option<DateTime<Utc>> {
    let opens = |event: &&Event| event.as_of <= after.as_of && event.snapshot().is_some_and(|s| s.new_round);
    case.told.iter().rev().find(opens).map(|event| event.as_of)
}

/// A response of ours was sent, and surely before this instant.
pub(super) fn answers_before(case: &Case, at: DateTime<Utc>) -> bool {
    let sent = case.irreversible().filter(|a| ActionView::may_have_arrived(a));
    sent.is_some_and(|a| a.left_at() + ON_THE_WAY < at)
}

/// The response to the window before this one was sent when this one was open already: it may have answered this
/// one. In words, for the person who has to find out.
pub(super) fn may_be_answered(case: &Case, opened_at: DateTime<Utc>) -> Option<String> {
    if case.account.capabilities.fetch {
        return None;
    }
    let ended = case.newest.as_ref().is_some_and(|row| row.cycle.state != CycleState::Open);
    let sent = case.irreversible().filter(|a| ended && ActionView::may_have_arrived(a))?;
    (sent.left_at() + ON_THE_WAY >= opened_at).then(|| {
        format!(
            "`{}` was sent to {} when this window was open already, and may have answered it: look there, and order \
             `accept` or `defend` only if a response is still asked for",
            sent.kind, case.account.provider
        )
    })
}
