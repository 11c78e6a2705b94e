//! P5: a provider's history that arrives lost in part, twice, late or in any order ends where it would have
//! ended had it come in order.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::world::{STRIPE_LIKE, World, money, snapshot, start};
use crate::dispute::{CycleState, Dispute, Event, RespondBy, Snapshot, Source, Stage, Status};
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
    let mut world = World::new(None, &STRIPE_LIKE);
    world.now = start() + TimeDelta::days(1);
    for event in events {
        world.put(&Input::News(Box::new(event.clone())));
        world.now += TimeDelta::seconds(1);
    }
    let owed = world.case.newest.filter(|row| row.cycle.state == CycleState::Open);
    let settled_twice = returns_to_the_end(events);
    let dispute = world
        .case
        .dispute
        .map(|d| Dispute { closed_at: d.closed_at.filter(|_| !settled_twice), ..Dispute::clone(&d) });
    (dispute, owed.map(|row| (row.cycle.stage, RespondBy::At(row.cycle.respond_by))))
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
        // A read says that it is settled, and not since when.
        let ((some, some_owed), (all, all_owed)) = (end(&some), end(&all));
        let timeless = |d: Option<Dispute>| d.map(|d| Dispute { closed_at: None, ..d });
        prop_assert_eq!((timeless(some), some_owed), (timeless(all), all_owed));
    }

    /// P7: every webhook is kept, of the reads those that changed something; they make what stands. Not held here
    /// is what only reads that were not kept can tell: a replay that ends on news they had overtaken.
    #[test]
    fn what_is_kept_makes_what_stands(
        changes in prop::collection::vec(change(), 1..9),
        hours in prop::collection::vec((prop::option::weighted(0.8, 0i64..6), any::<bool>()), 9),
    ) {
        let events = history(&changes);
        let mut case = super::world::case(None, &STRIPE_LIKE);
        let (mut kept, mut stale) = (Vec::new(), Vec::new());
        for (now, event) in arrivals(&events, &hours) {
            let (after, outcome) = step(case, &Input::News(Box::new(event.clone())), now);
            case = after;
            if outcome.applied == Applied::Stale {
                stale.push(event.as_of);
            }
            if event.source == Source::Webhook || outcome.applied == Applied::Applied {
                kept.push(event);
            }
        }
        let now = start() + TimeDelta::days(1);
        let rebuilt = rebuild(&case.account, (7, 11), kept, now);
        let overtaken = rebuilt.as_ref().zip(case.dispute.as_ref())
            .is_some_and(|(rebuilt, live)| rebuilt.as_of < live.as_of && stale.contains(&rebuilt.as_of));
        let twice = returns_to(&events, case.dispute.as_ref().map(|d| d.status));
        let as_of = case.dispute.as_ref().map(|d| d.as_of);
        let timeless = |d: Option<Dispute>| d.zip(as_of).map(|(d, as_of)| {
            Dispute { as_of, closed_at: d.closed_at.filter(|_| !twice), ..d }
        });
        let (rebuilt, live) = (timeless(rebuilt), timeless(case.dispute.as_deref().cloned()));
        prop_assert!(rebuilt == live || overtaken, "rebuilt {:?}\n   live {:?}", rebuilt, live);
    }
}
