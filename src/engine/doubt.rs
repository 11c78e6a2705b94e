//! News that is not believed as it comes: a read that may lag, and webhooks that ask for a response with nothing to
//! prove it. Says why; what is done about it follows the provider's next word, or a person's look.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::apply::DOUBT;
use super::{Alert, AlertKind, Applied, Case, CycleRow, Effect, Outcome, Severity};
use crate::dispute::{CycleState, Dispute, Event, Move, RespondBy, Snapshot, Source, Status, transition};

/// A read that goes back on a fresh answer.
pub(super) fn lagging(
    known: &Dispute,
    newest: Option<&CycleRow>,
    event: &Event,
    snapshot: &Snapshot,
) -> Option<String> {
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

/// News whose status and deadline nothing proves may not open a window that was answered once more: what asks
/// again at its stage, or at one before, may have been written before the answer, or by somebody else. A further
/// stage has a window of its own.
pub(super) fn unproved(known: &Dispute, newest: Option<&CycleRow>, snapshot: &Snapshot) -> Option<String> {
    let asks = snapshot.status == Status::NeedsResponse;
    let over = newest.is_some_and(|row| {
        let closed = row.cycle.state != CycleState::Open && known.status != Status::NeedsResponse;
        snapshot.stage < row.cycle.stage || (closed && snapshot.stage == row.cycle.stage)
    });
    (asks && over && !snapshot.deadline_confirmed).then(|| {
        format!(
            "it asks for a response at the stage `{}`, which is over (now `{}`, `{}`), and nothing in it proves that",
            snapshot.stage, known.stage, known.status
        )
    })
}

/// How the alert about news of this instant is called; more may follow it.
pub(super) fn unproved_key(as_of: DateTime<Utc>) -> String {
    format!("unproved:{}", as_of.timestamp_micros())
}

/// Where the provider can be read it is asked; else only a person can look, and is paged where a window is named.
pub(super) fn disbelieve(
    case: &mut Case,
    event: &Event,
    snapshot: &Snapshot,
    doubt: String,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let Some(known) = &case.dispute else { return };
    let ends_at = match snapshot.respond_by {
        RespondBy::At(at) => Some(at),
        RespondBy::Unstated | RespondBy::NotAllowed => None,
    };
    let (read, provider) = (case.account.capabilities.fetch, case.account.provider);
    // A window whose end nobody names may be a window all the same.
    let page = !read
        && match snapshot.respond_by {
            RespondBy::At(at) => at > now,
            RespondBy::Unstated => true,
            RespondBy::NotAllowed => false,
        };
    let todo = match read {
        true => format!("nothing: {provider} is asked whether it does"),
        false => format!(
            "look the dispute up in {provider}'s dashboard, and answer it there if a response is asked for: it is not \
             answered from here"
        ),
    };
    out.effects.push(Effect::Tell(Alert {
        kind: AlertKind::Reversed,
        severity: if page { Severity::Page } else { Severity::Warning },
        cycle_n: None,
        key: unproved_key(event.as_of),
        title: format!(
            "a dispute that was {} is told to ask for a response again: look whether it does",
            known.status
        ),
        detail: json!({"from": known.status, "event": event.name, "respond_by": ends_at,
            "waiting_for": [todo]}),
    }));
    case.check_at = Some(now);
    out.applied = Applied::Doubtful(doubt);
}
