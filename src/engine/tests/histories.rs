//! P5: a provider's history that arrives lost in part, twice, late or in any order ends where it would have
//! ended had it come in order.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::world::{STRIPE_LIKE, UNREAD, World, money, snapshot, start};
use crate::dispute::{CycleState, Dispute, Event, News, RespondBy, Snapshot, Source, Stage, Status};
use crate::engine::*;

/// One thing that happens at the provider.
#[derive(Debug, Clone)]
enum Change {
    Status(Status),
    Stage(Stage),
    RespondBy(Option<i64>),
    AmountMinor(i64),
    Code,
    Payment,
    Refunded,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => prop::sample::select(Status::ALL).prop_map(Change::Status),
        1 => prop::sample::select(vec![Stage::Inquiry, Stage::Chargeback, Stage::PreArbitration])
            .prop_map(Change::Stage),
        2 => prop::option::weighted(0.8, 1i64..60).prop_map(Change::RespondBy),
        1 => (1i64..500_000).prop_map(Change::AmountMinor),
        1 => Just(Change::Code),
        1 => Just(Change::Payment),
        1 => Just(Change::Refunded),
    ]
}

/// The records as the provider sends them, one an hour, each with all it then knew.
fn history(changes: &[Change]) -> Vec<Event> {
    let mut record = snapshot(start());
    (record.payment_ref, record.amount) = (None, money("45.00", "USD"));
    let mut out = Vec::new();
    for (hour, change) in (1..).zip(changes) {
        apply(&mut record, change);
        let as_of = start() + TimeDelta::hours(hour);
        out.push(super::world::event(Source::Webhook, as_of, record.clone()));
    }
    out
}

fn apply(record: &mut Snapshot, change: &Change) {
    match change {
        Change::Status(status) => record.status = *status,
        Change::Stage(stage) => record.stage = *stage,
        Change::RespondBy(days) => {
            record.respond_by = match days {
                Some(days) => RespondBy::At(start() + TimeDelta::days(*days)),
                None => RespondBy::NotAllowed,
            }
        }
        Change::AmountMinor(minor) => record.amount.minor = *minor,
        Change::Code => record.reason.network_code = Some("13.1".into()),
        Change::Payment => record.payment_ref = Some("pay_gull".into()),
        Change::Refunded => record.refunded = true,
    }
}

#[test]
fn a_read_that_tells_nothing_new_outdates_no_news_and_has_the_provider_asked_again() {
    let mut world = World::new(None, &STRIPE_LIKE);
    let created = super::world::event(Source::Webhook, start(), snapshot(start()));
    world.put(&Input::News(Box::new(created.clone())));
    world.now = start() + TimeDelta::hours(3);
    world.news(Source::Poll, world.now, snapshot(start()));
    let as_of = |world: &World| world.case.dispute.as_ref().map(|dispute| dispute.as_of);
    assert_eq!(as_of(&world), Some(start()), "it is kept nowhere, so it moves nothing");
    // A webhook from before the read, and late: the read lagged, or it was overtaken.
    let answered = Snapshot { status: Status::UnderReview, ..snapshot(start()) };
    let late = super::world::event(Source::Webhook, start() + TimeDelta::hours(2), answered);
    world.now += TimeDelta::minutes(5);
    world.put(&Input::News(Box::new(late.clone())));
    assert_eq!(world.case.check_at, Some(world.now), "the provider is asked which it was");
    let live = world.case.dispute.as_deref().cloned();
    assert_eq!(live.as_ref().map(|dispute| dispute.status), Some(Status::UnderReview));
    assert_eq!(rebuild(&world.case.account, (7, 11), vec![created, late], world.now), live);
}

#[test]
fn a_read_that_was_believed_is_not_doubted_when_it_is_replayed() {
    let mut world = World::new(None, &STRIPE_LIKE);
    let created = super::world::event(Source::Webhook, start(), snapshot(start()));
    let dearer = Snapshot { amount: money("60.00", "USD"), ..snapshot(start()) };
    let read = super::world::event(Source::Poll, start() + TimeDelta::hours(3), dearer);
    let answered = Snapshot { status: Status::UnderReview, ..snapshot(start()) };
    let late = super::world::event(Source::Webhook, start() + TimeDelta::minutes(175), answered);
    world.now = start() + TimeDelta::hours(4);
    for event in [&created, &read, &late] {
        world.now += TimeDelta::seconds(1);
        world.put(&Input::News(Box::new(event.clone())));
    }
    let live = world.case.dispute.as_deref().cloned().unwrap();
    assert_eq!((live.status, live.amount), (Status::NeedsResponse, money("60.00", "USD")));
    assert_eq!(rebuild(&world.case.account, (7, 11), vec![created, late, read], world.now), Some(live));
}

/// A status that was left and came again: only in order can one tell when the last one began.
fn returns_to(events: &[Event], status: Option<Status>) -> bool {
    let mut in_order: Vec<_> = events.iter().filter_map(|e| Some((e.as_of, e.snapshot()?.status))).collect();
    in_order.sort();
    in_order.dedup();
    let statuses: Vec<_> = in_order.into_iter().map(|(_, status)| status).collect();
    statuses.chunk_by(|a, b| a == b).filter(|run| Some(run[0]) == status).count() > 1
}

fn returns_to_the_end(events: &[Event]) -> bool {
    let last = events.iter().max_by_key(|event| event.as_of);
    returns_to(events, last.and_then(Event::snapshot).map(|snapshot| snapshot.status))
}

/// What is the same in the end, whatever came on the way: the dispute, and what is owed until when.
fn end(events: &[Event]) -> (Option<Dispute>, Option<(Stage, RespondBy)>) {
    let world = told(World::new(None, &STRIPE_LIKE), events);
    let owed = world.case.newest.filter(|row| row.cycle.state == CycleState::Open);
    let settled_twice = returns_to_the_end(events);
    let dispute = world
        .case
        .dispute
        .map(|d| Dispute { closed_at: d.closed_at.filter(|_| !settled_twice), ..Dispute::clone(&d) });
    (dispute, owed.map(|row| (row.cycle.stage, RespondBy::At(row.cycle.respond_by))))
}

fn told(mut world: World, events: &[Event]) -> World {
    world.now = start() + TimeDelta::days(1);
    for event in events {
        world.put(&Input::News(Box::new(event.clone())));
        world.now += TimeDelta::seconds(1);
    }
    world
}

/// A dispute, the open window, and the instants of news that is doubted.
type Known = (Option<Dispute>, Option<(Stage, DateTime<Utc>)>, Vec<DateTime<Utc>>);

/// Everything that is known in the end where the provider cannot be read: the dispute to the last field, what is
/// owed until when, and what people are asked about that is not believed.
fn end_unread(events: &[Event]) -> Known {
    let world = told(World::new(None, &UNREAD), events);
    let open = world.case.open().map(|row| (row.cycle.stage, row.cycle.respond_by));
    let known = world.case.dispute.as_ref().map(|d| d.as_of);
    let doubted = world.case.told.iter().map(|told| told.as_of).filter(|at| Some(*at) > known).collect();
    (world.case.dispute.as_deref().cloned(), open, doubted)
}

/// Some of the news proves its deadline, and some of it is of one instant.
fn unsigned(events: &[Event], signed: &[bool], together: &[bool]) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    for (event, (signed, together)) in events.iter().zip(signed.iter().zip(together)) {
        let mut event = event.clone();
        if let News::Record { snapshot } = &mut event.news {
            snapshot.deadline_confirmed = *signed;
        }
        if let Some(before) = out.last().filter(|_| *together) {
            event.as_of = before.as_of;
        }
        out.push(event);
    }
    out
}

/// What becomes of one hour's webhook, and whether the record is read half an hour later.
type Hour = (Option<i64>, bool);

/// The history as it reaches us: webhooks lost or late, reads in between, in the order of arrival.
fn arrivals(events: &[Event], hours: &[Hour]) -> Vec<(DateTime<Utc>, Event)> {
    let mut arrivals = Vec::new();
    for (event, (late_hours, read)) in events.iter().zip(hours) {
        if let Some(late_hours) = late_hours {
            arrivals
                .push((event.as_of + TimeDelta::hours(*late_hours) + TimeDelta::minutes(1), event.clone()));
        }
        if *read {
            let at = event.as_of + TimeDelta::minutes(30);
            arrivals.push((at, Event { source: Source::Poll, as_of: at, ..event.clone() }));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repetition_ends_the_same(
        changes in prop::collection::vec(change(), 1..9),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        order in any::<prop::sample::Index>(),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
    ) {
        let events = history(&changes);
        let mut shuffled = events.clone();
        shuffled.extend(picks.iter().map(|pick| pick.get(&events).clone()));
        shuffled.rotate_left(order.index(events.len()));
        for (a, b) in &swaps {
            let (a, b) = (a.index(shuffled.len()), b.index(shuffled.len()));
            shuffled.swap(a, b);
        }
        prop_assert_eq!(end(&shuffled), end(&events));
    }

    /// P5 and P7 with nobody to ask: webhooks alone, unsigned, late, doubled and of one instant.
    #[test]
    fn any_order_ends_the_same_to_the_last_field_where_nothing_can_be_read(
        changes in prop::collection::vec(change(), 1..9),
        signed in prop::collection::vec(prop::bool::weighted(0.3), 9),
        together in prop::collection::vec(prop::bool::weighted(0.2), 9),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
    ) {
        let mut events = unsigned(&history(&changes), &signed, &together);
        in_order(&mut events);
        let mut shuffled = events.clone();
        shuffled.extend(picks.iter().map(|pick| pick.get(&events).clone()));
        for (a, b) in &swaps {
            let (a, b) = (a.index(shuffled.len()), b.index(shuffled.len()));
            shuffled.swap(a, b);
        }
        let ended = end_unread(&shuffled);
        let account = World::new(None, &UNREAD).case.account;
        prop_assert_eq!(&ended.0, &rebuild(&account, (7, 11), shuffled.clone(), start()));
        prop_assert_eq!(ended, end_unread(&events));
    }

    #[test]
    fn what_was_lost_is_made_up_for_by_one_read(
        changes in prop::collection::vec(change(), 1..9),
        kept in prop::collection::vec(any::<bool>(), 9),
    ) {
        let events = history(&changes);
        let last = events.last().unwrap();
        let read = Event { source: Source::Poll, as_of: last.as_of + TimeDelta::hours(1), ..last.clone() };
        let mut some: Vec<_> = events.iter().zip(&kept).filter(|(_, k)| **k).map(|(e, _)| e.clone()).collect();
        some.push(read.clone());
        let mut all = events.clone();
        all.push(read);
        // A read says that it is settled, and not since when; and what it only repeats was said before.
        let ((some, some_owed), (all, all_owed)) = (end(&some), end(&all));
        let timeless = |d: Option<Dispute>| d.map(|d| Dispute { closed_at: None, as_of: start(), ..d });
        prop_assert_eq!((timeless(some), some_owed), (timeless(all), all_owed));
    }

    /// P7: every webhook is kept, of the reads those that changed something; they make what stands.
    #[test]
    fn what_is_kept_makes_what_stands(
        changes in prop::collection::vec(change(), 1..9),
        hours in prop::collection::vec((prop::option::weighted(0.8, 0i64..6), any::<bool>()), 9),
    ) {
        let events = history(&changes);
        let mut case = super::world::case(None, &STRIPE_LIKE);
        let mut kept = Vec::new();
        for (now, event) in arrivals(&events, &hours) {
            let (after, outcome) = step(case, &Input::News(Box::new(event.clone())), now);
            case = after;
            if event.source == Source::Webhook || outcome.applied == Applied::Applied {
                kept.push(event);
            }
        }
        let now = start() + TimeDelta::days(1);
        let rebuilt = rebuild(&case.account, (7, 11), kept, now);
        let twice = returns_to(&events, case.dispute.as_ref().map(|d| d.status));
        let as_of = case.dispute.as_ref().map(|d| d.as_of);
        let timeless = |d: Option<Dispute>| d.zip(as_of).map(|(d, as_of)| {
            Dispute { as_of, closed_at: d.closed_at.filter(|_| !twice), ..d }
        });
        let (rebuilt, live) = (timeless(rebuilt), timeless(case.dispute.as_deref().cloned()));
        prop_assert_eq!(rebuilt, live);
    }
}
