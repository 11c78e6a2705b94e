//! Random histories of everything at once: news, orders, facts, new rules, providers that fail, time. After
//! every input the promises of `watch` are checked; here stands what can only be said of a whole history.

use std::sync::{Arc, LazyLock};

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::acting::always;
use super::world::{Provider, RAZORPAY_LIKE, STRIPE_LIKE, UNREAD, World, money, ruleset, snapshot};
use crate::dispute::{Capabilities, RespondBy, Source, Stage, Status};
use crate::engine::*;
use crate::evidence::Field;
use crate::rules::Ruleset;

#[derive(Debug, Clone)]
enum Happening {
    Time { minutes: i64 },
    News { source: Source, status: Status, minutes_ago: i64 },
    Deadline { hours: Option<i64>, signed: bool },
    Amount(&'static str),
    Stage(Stage),
    Round,
    Refunded,
    Fee,
    Rules(usize),
    Kill(bool),
    Provider(Provider),
    Facts(bool),
    Evidence(u8),
    Upload,
    Order { by: &'static str, command: Command },
}

static RULES: LazyLock<Vec<Arc<Ruleset>>> = LazyLock::new(|| {
    let defend = "then = { defend = { template = \"plain\", lead = \"48h\" } }";
    let late = "when.time_left = { at_most = \"30h\" }\nthen = { accept = {} }";
    [
        always("", "then = { accept = { after = \"24h\" } }"),
        always("at_margin = \"accept\"", "then = { hold = { why = \"ask ann\" } }"),
        always("at_margin = \"submit what is staged\"", "then = { stage = { template = \"plain\" } }"),
        always("", &format!("{defend}\nrequires = [\"receipt\"]\notherwise = {{ accept = {{}} }}")),
        always("at_margin = \"accept\"", &format!("{defend}\napproval = \"always\"")),
        always("", "then = { accept = { after = \"24h\" } }\napproval = { above = { USD = \"50.00\" } }"),
        always("", defend).replace("live", "shadow"),
        always("", &format!("mode = \"shadow\"\n{defend}")),
        always("", &format!("when.facts.ok = {{ is = true }}\n{defend}")),
        always("at_margin = \"submit what is staged\"", late),
        always("at_margin = \"accept\"", "then = { ignore = { why = \"the bank pays\" } }"),
    ]
    .iter()
    .map(|text| ruleset(text))
    .collect()
});

fn happening() -> impl Strategy<Value = Happening> {
    let minutes = prop_oneof![1i64..200, 200i64..5_000, 5_000i64..40_000];
    let sources = vec![Source::Webhook, Source::Webhook, Source::Poll, Source::ReadBack, Source::Receipt];
    let stages = vec![Stage::Inquiry, Stage::Chargeback, Stage::PreArbitration, Stage::Compliance];
    let providers =
        vec![Provider::Answers, Provider::Refuses, Provider::TimesOut, Provider::Forgets, Provider::Down];
    let hours = prop::option::weighted(0.9, prop_oneof![-10i64..5, 5i64..700]);
    prop_oneof![
        6 => minutes.prop_map(|minutes| Happening::Time { minutes }),
        2 => (prop::sample::select(sources), prop::sample::select(Status::ALL), 0i64..300).prop_map(
            |(source, status, minutes_ago)| Happening::News { source, status, minutes_ago }
        ),
        4 => Just(Happening::News { source: Source::Webhook, status: Status::NeedsResponse, minutes_ago: 0 }),
        2 => (hours, any::<bool>()).prop_map(|(hours, signed)| Happening::Deadline { hours, signed }),
        1 => prop::sample::select(vec!["45.00", "60.00", "80.00"]).prop_map(Happening::Amount),
        1 => prop::sample::select(stages).prop_map(Happening::Stage),
        1 => Just(Happening::Round),
        1 => Just(Happening::Refunded),
        1 => Just(Happening::Fee),
        3 => (0..RULES.len()).prop_map(Happening::Rules),
        1 => any::<bool>().prop_map(Happening::Kill),
        3 => prop::sample::select(providers).prop_map(Happening::Provider),
        2 => any::<bool>().prop_map(Happening::Facts),
        1 => (0u8..3).prop_map(Happening::Evidence),
        1 => Just(Happening::Upload),
        4 => order(),
    ]
}

fn order() -> impl Strategy<Value = Happening> {
    let defend =
        |acknowledge_fee| Command::Defend { template: Some("plain".into()), reason: None, acknowledge_fee };
    let commands = vec![
        Command::Accept,
        defend(false),
        defend(true),
        Command::Hold { why: "asked to wait".into() },
        Command::Approve,
        Command::Approve,
        Command::Resume,
    ];
    (prop::sample::select(vec!["ann", "bob"]), prop::sample::select(commands))
        .prop_map(|(by, command)| Happening::Order { by, command })
}

fn world(first: usize, capabilities: &'static Capabilities) -> World {
    let mut world = World::new(None, capabilities);
    world.merchant(|m| m.ruleset = Some((first as i32, RULES[first].clone())));
    world
}

fn happen(world: &mut World, what: &Happening) {
    match what {
        Happening::Time { minutes } => world.advance_to(world.now + TimeDelta::minutes(*minutes)),
        Happening::News { source, status, minutes_ago } => {
            let mut record = world.record.clone().unwrap_or_else(|| snapshot(world.now));
            record.status = *status;
            if *minutes_ago == 0 || world.record.is_none() {
                world.record = Some(record.clone());
            }
            world.news(*source, world.now - TimeDelta::minutes(*minutes_ago), record);
        }
        Happening::Deadline { hours, signed } => {
            let at = hours.map(|h| world.now + TimeDelta::hours(h));
            world.changes(|r| {
                r.respond_by = at.map_or(RespondBy::NotAllowed, RespondBy::At);
                r.deadline_confirmed = *signed;
            });
        }
        Happening::Amount(major) => world.changes(|r| r.amount = money(major, "USD")),
        Happening::Stage(stage) => world.changes(|r| (r.stage, r.status) = (*stage, Status::NeedsResponse)),
        Happening::Round => world.changes(|r| (r.new_round, r.status) = (true, Status::NeedsResponse)),
        Happening::Refunded => world.changes(|r| r.refunded = true),
        Happening::Fee => world.changes(|r| r.fee_required = true),
        Happening::Rules(index) => {
            world.merchant(|m| m.ruleset = Some((*index as i32, RULES[*index].clone())));
            world.put(&Input::Look(Cause::Wake));
        }
        Happening::Kill(on) => {
            world.merchant(|m| m.killed = *on);
            world.put(&Input::Look(Cause::Wake));
        }
        Happening::Provider(provider) => {
            world.provider = *provider;
            world.work();
        }
        Happening::Facts(ok) => world.facts(json!({"ok": ok})),
        Happening::Evidence(n) => {
            world.attach(|p| _ = p.files.insert(Field::Receipt, vec![format!("f_{n}")]));
        }
        Happening::Upload => {
            world.case.pending_uploads.push(PendingUpload { file_id: 5, name: "slip.pdf".into() });
            world.put(&Input::Look(Cause::ActionMoved));
        }
        Happening::Order { by, command } => world.order(by, command.clone()),
    }
    // Two things never happen in one microsecond.
    world.now += TimeDelta::microseconds(1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_promises_hold_whatever_happens(
        happenings in prop::collection::vec(happening(), 1..40), first in 0..RULES.len(), like in 0usize..3,
    ) {
        let capabilities = [&STRIPE_LIKE, &RAZORPAY_LIKE, &UNREAD][like];
        let mut world = world(first, capabilities);
        for what in &happenings {
            happen(&mut world, what);
        }
        prop_assert!(capabilities.fetch || world.case.check_at.is_none(), "planned to read what cannot be read");
        // Left alone, an open cycle comes to its deadline: answered, or paged for and missed.
        let ignored = world.case.open().is_some_and(|row| matches!(row.plan.answer, Answer::Ignore { .. }));
        world.advance_to(world.now + TimeDelta::days(90));
        if let Some(row) = world.case.open() {
            let paged = row.plan.paged_at.is_some();
            prop_assert!(row.plan.missed_told && (paged || ignored), "left alone and nobody told: {:?}", row.plan);
        }
    }

    #[test]
    fn a_case_that_nobody_disturbs_is_stepped_the_same_twice(
        happenings in prop::collection::vec(happening(), 1..25), first in 0..RULES.len(),
    ) {
        let run = || {
            let mut world = world(first, &STRIPE_LIKE);
            happenings.iter().for_each(|what| happen(&mut world, what));
            (world.case.dispute, world.case.newest, world.seen)
        };
        prop_assert_eq!(run(), run());
    }
}
