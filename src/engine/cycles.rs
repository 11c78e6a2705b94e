//! What a record means for the windows in which responses are owed: which one ends, who answered it, which
//! one opens, until when. Follows the provider's record; decides nothing.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    ActionKind, ActionView, Alert, AlertKind, Answer, Case, CycleRow, Effect, HistoryKind, Outcome, Plan,
    Severity, unread,
};
use crate::dispute::{Cycle, CycleState, Dispute, Event, Move, RespondBy, Response, Snapshot, Status};

pub(super) fn settle(
    case: &mut Case,
    before: Option<&Dispute>,
    moved: Move,
    event: &Event,
    snapshot: &Snapshot,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let Some(respond_by) = case.dispute.as_ref().map(|d| d.respond_by) else { return };
    let owed = snapshot.status == Status::NeedsResponse;
    let again = asks_in_so_many_words(case, event, snapshot);
    if let Some(row) = case.open_mut() {
        match respond_by {
            RespondBy::At(_) | RespondBy::Unstated if owed && !again && row.cycle.stage == snapshot.stage => {
                if let RespondBy::At(at) = respond_by {
                    move_deadline(row, at);
                }
            }
            RespondBy::At(_) | RespondBy::Unstated | RespondBy::NotAllowed => {
                end_cycle(case, snapshot.status, event, now, out);
            }
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
    let said_at_last = said_at_last(before, respond_by);
    if owed && case.open().is_none() && (asks || again || unanswered || said_at_last) {
        let anew = asks || before.is_none_or(|b| b.respond_by != respond_by || b.stage != snapshot.stage);
        // The first record known asks already, or has asked all along without saying until when.
        let from_the_start = before.is_none_or(|b| b.status == Status::NeedsResponse);
        open_cycle(case, respond_by, anew, from_the_start, event, now, out);
    }
}

/// It asked before and gave no window: it did not say until when, or took no response then.
fn said_at_last(before: Option<&Dispute>, respond_by: RespondBy) -> bool {
    before.is_some_and(|b| {
        let asked = b.status == Status::NeedsResponse && !matches!(b.respond_by, RespondBy::At(_));
        asked && b.respond_by != respond_by
    })
}

/// The news between our response and the next round was lost: the round says itself that it is another one.
pub(super) fn asks_in_so_many_words(case: &Case, event: &Event, snapshot: &Snapshot) -> bool {
    let ours = case.irreversible().filter(|a| ActionView::may_have_arrived(a));
    let before = match case.account.capabilities.fetch {
        true => ours.is_some_and(|a| a.wanted_at < event.as_of),
        // The record is not read before the call, which may have found the new round.
        false => unread::answers_before(case, event.as_of),
    };
    snapshot.new_round && before
}

/// What was told about one deadline says nothing about another.
pub(super) fn move_deadline(row: &mut CycleRow, respond_by: DateTime<Utc>) {
    if row.cycle.respond_by != respond_by {
        row.cycle.respond_by = respond_by;
        row.plan.paged_at = None;
        row.plan.missed_told = false;
        row.plan.rung_told_s = None;
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
        Status::NeedsResponse if sent(ActionKind::Accept) => Response::Accept,
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

/// Where the record cannot be asked and the word for it is not signed, somebody may have made up that a window is over.
/// One that this engine has answered has had its response; of one that it would have answered still, only a person can
/// find out in time.
fn hearsay(case: &Case, told: Status, event: &Event, now: DateTime<Utc>) -> Option<Severity> {
    let proved = case.account.capabilities.fetch || event.snapshot().is_none_or(|s| s.deadline_confirmed);
    let row = case.open()?;
    let answered = case.irreversible().is_some_and(ActionView::may_have_arrived);
    let ignored = matches!(row.plan.answer, Answer::Ignore { .. });
    // What asks on under a further stage has a window of its own.
    let over = told == Status::NeedsResponse || now >= row.cycle.respond_by;
    (!proved).then_some(if answered || ignored || over { Severity::Warning } else { Severity::Page })
}

pub(super) fn end_cycle(case: &mut Case, told: Status, event: &Event, now: DateTime<Utc>, out: &mut Outcome) {
    let response = who_answered(case, told);
    let hearsay = hearsay(case, told, event, now);
    let provider = case.account.provider;
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
    let lapsed = matches!(told, Status::Lost | Status::Expired) && !row.plan.missed_told;
    // Lost while there was time: given up elsewhere, or decided early. Which of them the record does not say.
    let early = told == Status::Lost && event.as_of < row.cycle.respond_by;
    row.plan.missed_told |= lapsed && !early && response == Response::Nothing;
    let ignored = matches!(row.plan.answer, Answer::Ignore { .. });
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
            out.effects.push(Effect::Tell(elsewhere(n, hearsay, provider, slack_s)));
        }
        Response::Nothing if hearsay == Some(Severity::Page) => {
            out.effects.push(Effect::Tell(over_unproved(n, told, provider, slack_s)));
        }
        Response::Nothing => {}
    }
    if response == Response::Nothing && lapsed {
        if !early {
            out.note(HistoryKind::Missed, Some(n), json!({"told": told, "ignored": ignored}));
        }
        out.effects.push(Effect::Tell(Alert {
            kind: AlertKind::Missed,
            severity: if ignored { Severity::Info } else { Severity::Warning },
            // Of no cycle: there is none left in which anything could be done about it.
            cycle_n: None,
            key: format!("lapsed:{n}"),
            title: match early {
                false => format!("settled as {told} and nobody had answered"),
                true => format!("settled as {told} before the deadline, and no answer of ours was sent"),
            },
            detail: json!({"slack_s": slack_s}),
        }));
    }
}

fn elsewhere(n: i32, hearsay: Option<Severity>, provider: &str, slack_s: i64) -> Alert {
    let title = match hearsay {
        None => "answered outside this engine; its own plan is cancelled",
        Some(_) => {
            "answered outside this engine, says a part of a webhook that is not signed; its own plan is cancelled. If \
             none of you answered, look at the provider before the deadline"
        }
    };
    let todo = hearsay.map(|_| look_whether_it_is_over(provider));
    Alert {
        kind: AlertKind::AnsweredElsewhere,
        severity: hearsay.unwrap_or(Severity::Info),
        cycle_n: Some(n),
        key: format!("elsewhere:{n}"),
        title: title.into(),
        detail: json!({"slack_s": slack_s, "waiting_for": todo.as_slice()}),
    }
}

/// Of no cycle: the one that it is about is over, if it is true.
fn over_unproved(n: i32, told: Status, provider: &str, slack_s: i64) -> Alert {
    Alert {
        kind: AlertKind::OverUnproved,
        severity: Severity::Page,
        cycle_n: None,
        key: format!("over-unproved:{n}"),
        title: format!(
            "{told} before anybody answered, says a part of a webhook that is not signed; the plan of this engine is \
             cancelled"
        ),
        detail: json!({"slack_s": slack_s, "waiting_for": [look_whether_it_is_over(provider)]}),
    }
}

fn look_whether_it_is_over(provider: &str) -> String {
    format!(
        "look the dispute up in {provider}'s dashboard, and answer it there if a response is asked for still: it is \
         not answered from here"
    )
}

/// `anew`: the record did not ask in these very words before. `from_the_start`: a response is owed since the
/// dispute opened, and not since this news.
pub(super) fn open_cycle(
    case: &mut Case,
    respond_by: RespondBy,
    anew: bool,
    from_the_start: bool,
    event: &Event,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let (Some(dispute), n) = (&case.dispute, case.newest.as_ref().map_or(1, |r| r.cycle.n + 1)) else {
        return;
    };
    let respond_by = match respond_by {
        RespondBy::At(at) => at,
        RespondBy::NotAllowed | RespondBy::Unstated if !anew => return,
        RespondBy::NotAllowed => {
            return out.effects.push(Effect::Tell(Alert {
                kind: AlertKind::NoResponsePossible,
                severity: Severity::Info,
                cycle_n: None,
                key: format!("no-response:{n}:{}", event.as_of.timestamp_micros()),
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
                key: format!("deadline-unknown:{n}:{}", event.as_of.timestamp_micros()),
                title: "a response is owed and the provider does not say until when".into(),
                detail: json!({}),
            }));
        }
    };
    let opened_at = if n == 1 && from_the_start { dispute.opened_at } else { event.as_of };
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
    let maybe_answered = unread::may_be_answered(case, opened_at);
    let plan = Plan { maybe_answered, ..Plan::unmade(now, respond_by) };
    case.ended.extend(case.newest.replace(CycleRow { cycle, plan }));
    case.actions.clear();
}
