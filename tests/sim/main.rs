//! Whole months against the engine's pure core on a simulated clock: providers with a truth of their own, a network
//! that loses and reorders, processes that crash between any two commits, people who answer or do not. Seeded by
//! the commit; a failure names its seed and how to play that month again.

mod act;
mod chance;
mod life;
mod network;
mod people;
mod promises;
mod provider;
mod queue;
mod rules;
mod sabotage;
mod store;
mod turn;
mod worker;
mod world;

use std::fmt::Write as _;

use chance::{VARIABLE, first_seed};
use sabotage::Sabotage;
use world::{Tally, World};

const MONTHS: u64 = 150;
const MONTHS_LONG: u64 = 2_500;
/// A fault that needs so many months to show would not be seen on anybody's commit.
const MONTHS_UNTIL_CAUGHT: u64 = 600;
/// Lines of a failing month that are printed.
const LINES: usize = 400;

fn months() -> u64 {
    if std::env::var_os("RESPONDBY_LONG").is_some() { MONTHS_LONG } else { MONTHS }
}

/// Plays one month, and says which promises it broke.
fn play(seed: u64, sabotage: Sabotage) -> World {
    let mut world = World::new(seed, sabotage);
    world.play();
    world
}

/// The month once more, with everything that happened in it.
fn report(seed: u64, broken: &[String]) -> String {
    let mut world = World::new(seed, Sabotage::None);
    world.told = Some(Vec::new());
    world.play();
    let told = world.told.unwrap_or_default();
    let last = &told[told.len().saturating_sub(LINES)..];
    let mut text = format!("\nthe month of seed {seed} broke its promises:\n");
    broken.iter().for_each(|what| _ = writeln!(text, "  {what}"));
    _ = writeln!(text, "again: {VARIABLE}={seed} cargo test --test sim months\nhow it came to that:");
    last.iter().for_each(|line| _ = writeln!(text, "  {line}"));
    text
}

#[test]
fn months_of_trouble_keep_every_promise() {
    let first = first_seed();
    let mut total = Tally::new();
    for seed in (first..).take(usize::try_from(months()).expect("a few thousand")) {
        let world = play(seed, Sabotage::None);
        assert!(world.breaches.is_empty(), "{}", report(seed, &world.breaches));
        for (what, times) in world.tally {
            *total.entry(what).or_default() += times;
        }
    }
    println!("from seed {first}: {total:#?}");
    for what in EXPECTED {
        assert!(total.contains_key(what), "in all these months no {what}: {total:#?}");
    }
}

/// What has to happen in some hundred months for them to prove anything.
const EXPECTED: &[&str] = &[
    "acknowledged",
    "answered elsewhere",
    "answers nobody waits for",
    "asked again",
    "calls failed",
    "calls late",
    "calls lost",
    "calls refused",
    "crashes",
    "doubts held",
    "deadlines moved",
    "doubtful reads",
    "fenced out",
    "irreversible effects",
    "lapses",
    "looked back",
    "margins inspected",
    "orders",
    "pages",
    "pages inspected",
    "people who looked first",
    "phases",
    "regenerated",
    "reversed",
    "settled by somebody else",
    "stale news",
    "told in full",
    "strange",
    "unknown outcomes",
    "webhooks doubled",
    "webhooks lost",
    "windows shut",
];

#[test]
fn a_seed_is_a_month() {
    let seed = first_seed();
    let once = play(seed, Sabotage::None);
    let twice = play(seed, Sabotage::None);
    assert_eq!(once.tally, twice.tally);
    assert_eq!(format!("{:?}", once.store.cases), format!("{:?}", twice.store.cases));
    let other = play(seed + 1, Sabotage::None);
    assert_ne!(once.tally, other.tally, "another seed is another month");
}

#[test]
fn whatever_is_broken_on_purpose_is_caught() {
    let first = first_seed();
    let mut missed = Vec::new();
    for (sabotage, promise) in Sabotage::ALL {
        let mut months = (first..).zip(1..=MONTHS_UNTIL_CAUGHT);
        let caught = months.find_map(|(seed, month)| {
            let broken = play(seed, sabotage).breaches;
            broken.into_iter().find(|what| what.starts_with(promise)).map(|what| (month, what))
        });
        match caught {
            Some((month, what)) => println!("{sabotage:?}: month {month}: {what:.100}"),
            None => missed.push(sabotage),
        }
    }
    assert!(missed.is_empty(), "from seed {first}, {MONTHS_UNTIL_CAUGHT} months do not show {missed:?}");
}
