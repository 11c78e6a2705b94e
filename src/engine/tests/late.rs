//! News in the wrong order, where nobody can be asked which of two is the later: what was doubted is believed once
//! the reason comes, what was believed is withdrawn, and what this engine has sent stays with the window it was
//! sent in.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::acting::always;
use super::world::{Provider, UNREAD, World, event, money, snapshot, start};
use crate::dispute::{CycleState, RespondBy, Response, Snapshot, Source, Stage, Status};
use crate::engine::*;

fn at(hours: i64) -> DateTime<Utc> {
    start() + TimeDelta::hours(hours)
}

/// A chargeback that asks until so many hours after the start; nothing proves it.
fn asks(until: i64) -> Snapshot {
    Snapshot { respond_by: RespondBy::At(at(until)), deadline_confirmed: false, ..snapshot(start()) }
}

fn is(status: Status) -> Snapshot {
    Snapshot { status, ..asks(200) }
}

fn world(rules: Option<&str>) -> World {
    World::new(rules, &UNREAD)
}

/// News as of that hour, heard at this one.
fn hears(world: &mut World, as_of: i64, heard: i64, snapshot: Snapshot) -> Outcome {
    world.now = world.now.max(at(heard));
    let input = Input::News(Box::new(event(Source::Webhook, at(as_of), snapshot)));
    let (_, outcome) = step(world.case.clone(), &input, world.now);
    world.put(&input);
    outcome
}

fn told_of(outcome: &Outcome) -> Vec<(AlertKind, Severity)> {
    let mut alerts = Vec::new();
    for effect in &outcome.effects {
        if let Effect::Tell(alert) = effect {
            alerts.push((alert.kind, alert.severity));
        }
    }
    alerts
}

fn withdrawn(outcome: &Outcome) -> usize {
    outcome.effects.iter().filter(|effect| matches!(effect, Effect::Withdraw { .. })).count()
}

fn open(world: &World) -> Option<(i32, Stage, DateTime<Utc>)> {
    world.case.open().map(|row| (row.cycle.n, row.cycle.stage, row.cycle.respond_by))
}

#[test]
fn what_was_doubted_is_believed_once_older_news_explains_it_and_nobody_is_asked_any_more() {
    let mut world = world(None);
    hears(&mut world, 0, 0, asks(100));
    hears(&mut world, 1, 1, is(Status::UnderReview));
    let doubted = hears(&mut world, 5, 5, asks(300));
    assert!(matches!(doubted.applied, Applied::Doubtful(_)));
    assert_eq!(told_of(&doubted), [(AlertKind::Reversed, Severity::Page)]);
    assert_eq!(open(&world), None);
    // The round was opened under a signature, and that was late: the unsigned one only repeats it.
    let signed = Snapshot { deadline_confirmed: true, ..asks(300) };
    let late = hears(&mut world, 4, 9, signed);
    assert_eq!((late.applied.clone(), withdrawn(&late)), (Applied::Applied, 1));
    assert!(late.history.iter().any(|entry| entry.kind == HistoryKind::LookedBack));
    assert_eq!(open(&world), Some((2, Stage::Chargeback, at(300))));
    let again = hears(&mut world, 4, 10, Snapshot { deadline_confirmed: true, ..asks(300) });
    assert_eq!((again.applied, again.history.len(), again.effects.len()), (Applied::Stale, 0, 0));
}

#[test]
fn what_was_believed_is_withdrawn_once_older_news_shows_that_it_was_answered() {
    let mut world = world(None);
    hears(&mut world, 1, 1, is(Status::UnderReview));
    hears(&mut world, 5, 5, asks(300));
    assert_eq!(open(&world), Some((1, Stage::Chargeback, at(300))));
    let late = hears(&mut world, 0, 9, asks(100));
    assert_eq!(open(&world), None);
    assert!(told_of(&late).contains(&(AlertKind::Reversed, Severity::Page)), "{late:?}");
    // Newer news that is believed answers the question.
    let settled = hears(&mut world, 12, 12, is(Status::Won));
    assert_eq!(withdrawn(&settled), 1);
}

#[test]
fn a_window_that_was_over_when_it_was_heard_of_is_not_opened_again_on_nobodys_word() {
    let mut world = world(None);
    hears(&mut world, 1, 1, is(Status::UnderReview));
    hears(&mut world, 0, 2, asks(100));
    assert_eq!(open(&world), None);
    let again = hears(&mut world, 3, 4, asks(300));
    assert!(matches!(again.applied, Applied::Doubtful(_)), "as it would be in order: {again:?}");
}

/// Of a body kept by an older program, or of a record that was read before, nothing is told anew.
#[test]
fn a_window_that_is_known_here_counts_though_what_is_told_anew_does_not_show_it() {
    for kept in [1, 2] {
        let mut world = world(None);
        hears(&mut world, 0, 0, asks(100));
        hears(&mut world, 1, 1, is(Status::UnderReview));
        hears(&mut world, 2, 2, is(Status::UnderReview));
        let news = Arc::make_mut(&mut world.case.told);
        news.drain(..news.len() - kept);
        let again = hears(&mut world, 5, 5, asks(300));
        assert!(matches!(again.applied, Applied::Doubtful(_)), "{kept} of 3 news: {again:?}");
        assert_eq!(told_of(&again), [(AlertKind::Reversed, Severity::Page)]);
        assert_eq!(open(&world), None);
    }
}

#[test]
fn a_stage_that_is_behind_is_not_gone_back_to_on_nobodys_word() {
    let mut world = world(None);
    hears(&mut world, 0, 0, Snapshot { stage: Stage::PreArbitration, ..asks(100) });
    let back = hears(&mut world, 5, 5, asks(900));
    assert!(matches!(back.applied, Applied::Doubtful(_)), "{back:?}");
    assert_eq!(open(&world), Some((1, Stage::PreArbitration, at(100))), "no longer than it was");
}

#[test]
fn a_further_stage_is_asked_at_for_the_first_time_though_it_is_told_as_lost_before() {
    let further = |status| Snapshot { status, stage: Stage::PreArbitration, ..asks(500) };
    for order in [[1, 2], [2, 1]] {
        let mut world = world(None);
        hears(&mut world, 0, 0, asks(100));
        for (hours, hour) in (10..).zip(order) {
            let status = if hour == 1 { Status::Lost } else { Status::NeedsResponse };
            hears(&mut world, hour, hours, further(status));
        }
        assert_eq!(open(&world), Some((2, Stage::PreArbitration, at(500))), "{order:?}");
    }
}

#[test]
fn a_response_stays_with_the_window_it_was_sent_in() {
    let rules = always("", "then = { defend = { template = \"plain\" } }");
    let mut world = world(Some(&rules));
    world.provider = Provider::Forgets;
    hears(&mut world, 0, 0, Snapshot { deadline_confirmed: true, ..asks(100) });
    assert_eq!(world.memory.irreversible.len(), 1, "sent at once");
    // The next round comes before the news that the first was answered.
    hears(&mut world, 20, 21, Snapshot { deadline_confirmed: true, ..asks(300) });
    assert_eq!(open(&world).map(|(n, ..)| n), Some(1), "one window, as far as is known");
    hears(&mut world, 2, 30, is(Status::UnderReview));
    assert_eq!(open(&world), Some((2, Stage::Chargeback, at(300))));
    assert_eq!(world.memory.irreversible.len(), 2, "the second window is answered too");
}

#[test]
fn a_window_that_was_open_when_the_response_left_may_be_answered_by_it() {
    let rules = always("", "then = { defend = { template = \"plain\", lead = \"80h\" } }");
    let mut world = world(Some(&rules));
    world.provider = Provider::Forgets;
    hears(&mut world, 0, 0, Snapshot { deadline_confirmed: true, ..asks(100) });
    world.advance_to(at(21));
    assert_eq!(world.memory.irreversible.len(), 1);
    let row = world.case.newest.as_ref().unwrap();
    assert_eq!((row.cycle.n, row.cycle.state), (1, CycleState::Open));
    // A further stage was open an hour before the response left; its news is late.
    let further = Snapshot { stage: Stage::Compliance, ..asks(300) };
    hears(&mut world, 19, 22, further);
    assert_eq!(open(&world), Some((2, Stage::Compliance, at(300))));
    world.advance_to(at(299));
    let row = world.case.open().unwrap();
    assert!(row.plan.waiting_for.iter().any(|why| why.contains("may have answered it")), "{:?}", row.plan);
    assert!(row.plan.paged_at.is_some());
    assert_eq!(world.memory.irreversible.len(), 1, "not a second time by itself");
    let defend = Command::Defend { template: Some("plain".into()), reason: None, acknowledge_fee: false };
    world.order("ann", defend);
    assert_eq!(world.memory.irreversible.len(), 2, "whoever orders has looked");
    hears(&mut world, 301, 301, Snapshot { stage: Stage::Compliance, ..is(Status::UnderReview) });
    let row = world.case.newest.as_ref().unwrap();
    assert_eq!((row.cycle.n, row.cycle.response), (2, Some(Response::Defend)));
}

/// Somebody has one signed webhook, and changes what the signature does not cover.
#[test]
fn one_event_told_in_ever_other_words_is_remembered_so_often_and_then_a_person_is_paged_once() {
    let mut world = world(None);
    let mut paged = Vec::new();
    for minute in 0..70 {
        let outcome = hears(&mut world, 0, minute, asks(100 + minute));
        assert_eq!(outcome.remembers, minute < 50, "{minute}");
        assert_eq!(outcome.applied.word() == "doubtful", minute >= 50, "{minute}");
        if told_of(&outcome).contains(&(AlertKind::ToldTooOften, Severity::Page)) {
            paged.push(minute);
        }
    }
    assert_eq!(paged, [49], "when the last place is taken, and not for each that finds none");
    assert_eq!(world.case.told.len(), 50);
    // What was told before is no news, and what is told of another amount is heard.
    let known = hears(&mut world, 0, 80, asks(110));
    assert!(!known.remembers && told_of(&known).is_empty(), "{known:?}");
    let other = Snapshot { amount: money("44.00", "USD"), ..is(Status::UnderReview) };
    assert!(hears(&mut world, 81, 81, other).remembers);
}

#[test]
fn what_is_told_of_one_dispute_is_bounded_whatever_it_says() {
    let mut world = world(None);
    hears(&mut world, 0, 0, asks(100));
    let other = |n| {
        let amount = money(&format!("{n}.00"), "USD");
        event(Source::Webhook, at(n), Snapshot { amount, ..is(Status::UnderReview) })
    };
    Arc::make_mut(&mut world.case.told).extend((1..499).map(other));
    let last = hears(&mut world, 600, 600, is(Status::UnderReview));
    assert_eq!((last.remembers, world.case.told.len()), (true, 500));
    assert!(told_of(&last).contains(&(AlertKind::ToldTooOften, Severity::Page)), "{last:?}");
    let more = hears(&mut world, 601, 601, is(Status::Won));
    assert!(!more.remembers && matches!(more.applied, Applied::Doubtful(_)), "{:?}", more.applied);
    assert_eq!(told_of(&more), []);
}

/// Who forges the unsigned part of a signed webhook must not close a window unheard.
#[test]
fn a_window_that_nobody_answered_and_that_nobodys_word_ends_is_a_page() {
    let accept = always("", "then = { accept = {} }");
    for (status, kind) in [
        (Status::UnderReview, AlertKind::AnsweredElsewhere),
        (Status::Accepted, AlertKind::AnsweredElsewhere),
        (Status::Won, AlertKind::OverUnproved),
        (Status::Cancelled, AlertKind::OverUnproved),
        (Status::Lost, AlertKind::OverUnproved),
    ] {
        let mut early = world(None);
        hears(&mut early, 0, 0, asks(100));
        let ended = hears(&mut early, 2, 2, is(status));
        assert!(told_of(&ended).contains(&(kind, Severity::Page)), "{status}: {ended:?}");
        // Signed, it is the provider's word.
        let mut signed = world(None);
        hears(&mut signed, 0, 0, asks(100));
        let ended = hears(&mut signed, 2, 2, Snapshot { deadline_confirmed: true, ..is(status) });
        assert!(told_of(&ended).iter().all(|(_, severity)| *severity != Severity::Page), "{status}");
        // There is nothing left to be rescued.
        let mut late = world(None);
        hears(&mut late, 0, 0, asks(100));
        let ended = hears(&mut late, 101, 101, is(status));
        assert!(told_of(&ended).iter().all(|(_, severity)| *severity != Severity::Page), "{status}");
        // We have answered.
        let mut ours = world(Some(&accept));
        ours.provider = Provider::Forgets;
        hears(&mut ours, 0, 0, asks(100));
        assert_eq!(ours.memory.irreversible.len(), 1);
        let ended = hears(&mut ours, 2, 2, is(status));
        assert!(
            told_of(&ended).iter().all(|(_, severity)| *severity != Severity::Page),
            "{status}: {ended:?}"
        );
    }
}
