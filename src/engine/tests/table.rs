//! Scenarios as text. Each line is an input and, after `|`, everything that happened because of it:
//!
//! ```text
//! created 45.00 USD respond_by 20d | accept at -19d; wake -19d
//! advance 6d                       | @1d want accept; answered by accept
//! ```
//!
//! `@1d` is time since the start, `-19d` is lead before respond_by, `+6h` is after it. What waits for something
//! says so in brackets. A line that starts with `|` continues the expectation of the one above.

use chrono::{DateTime, TimeDelta, Utc};

use super::world::{Provider, RAZORPAY_LIKE, STRIPE_LIKE, World, money, ruleset};
use crate::dispute::{RespondBy, Snapshot, Source};
use crate::engine::*;
use crate::evidence::{Field, FieldKind};
use crate::rules::duration;

/// Runs a table against named rules (the first are in force from the start; `rules NAME` publishes others).
pub fn scenario(rules: &[(&str, &str)], table: &str) {
    run(World::new(rules.first().map(|(_, text)| *text), &STRIPE_LIKE), rules, table);
}

/// The same with a provider like Razorpay.
pub fn scenario_razorpay(rules: &[(&str, &str)], table: &str) {
    run(World::new(rules.first().map(|(_, text)| *text), &RAZORPAY_LIKE), rules, table);
}

pub fn run(mut world: World, rules: &[(&str, &str)], table: &str) {
    let mut wanted = String::new();
    let mut got = String::new();
    for (input, expected) in rows(table) {
        world.seen.clear();
        let begun = world.now;
        play(&mut world, rules, &input);
        let found = result(&world, begun);
        wanted.push_str(&format!("{input:<58} | {expected}\n"));
        got.push_str(&format!("{input:<58} | {found}\n"));
    }
    assert!(wanted == got, "\n--- expected\n{wanted}\n--- what happened\n{got}");
}

fn rows(table: &str) -> Vec<(String, String)> {
    let tidy = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--")) {
        let (input, expected) = line.split_once('|').unwrap_or((line, ""));
        match rows.last_mut().filter(|_| input.trim().is_empty()) {
            Some((_, above)) => *above = tidy(&format!("{above} {expected}")),
            None => rows.push((tidy(input), tidy(expected))),
        }
    }
    rows
}

fn length(text: &str) -> TimeDelta {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    duration::parse(digits).unwrap_or_else(|| panic!("`{text}` is not a length of time")) * sign
}

fn result(world: &World, begun: DateTime<Utc>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (at, what) in &world.seen {
        let prefix = if *at == begun { String::new() } else { format!("@{} ", since(*at - world.start)) };
        parts.push(format!("{prefix}{what}"));
    }
    parts.push(plan(world));
    parts.extend(world.wake_at().map(|at| {
        let respond_by = world.case.newest.as_ref().unwrap().cycle.respond_by;
        format!("wake {}", lead(respond_by, at))
    }));
    parts.join("; ")
}

fn since(elapsed: TimeDelta) -> String {
    let micros = (elapsed - TimeDelta::seconds(elapsed.num_seconds())).num_microseconds().unwrap();
    let tail = if micros == 0 { String::new() } else { format!("+{micros}us") };
    format!("{}{tail}", duration::print(elapsed))
}

fn lead(respond_by: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let sign = if at <= respond_by { '-' } else { '+' };
    let micros = (respond_by - at).abs().num_microseconds().unwrap() % 1_000_000;
    let tail = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{sign}{}{tail}", duration::print((respond_by - at).abs()))
}

fn plan(world: &World) -> String {
    let Some(row) = &world.case.newest else { return "no cycle".into() };
    let nth = if row.cycle.n > 1 { format!("cycle {} ", row.cycle.n) } else { String::new() };
    if let Some(response) = row.cycle.response {
        let verb = if row.cycle.answered_at.is_some() { "answered by" } else { "ended with" };
        return format!("{nth}{verb} {response}");
    }
    let plan = &row.plan;
    let at = plan.act_at.map(|at| format!(" at {}", lead(row.cycle.respond_by, at))).unwrap_or_default();
    let waits = if plan.waiting_for.is_empty() {
        String::new()
    } else {
        format!(" ({})", plan.waiting_for.join(", "))
    };
    format!("{nth}{}{at}{waits}", plan.answer.word())
}

fn play(world: &mut World, rules: &[(&str, &str)], row: &str) {
    let mut words = row.splitn(2, ' ');
    let (verb, rest) = (words.next().unwrap(), words.next().unwrap_or(""));
    match verb {
        "at" => {
            let (at, then) = rest.split_once(' ').unwrap_or((rest, ""));
            world.advance_to(world.start + length(at));
            if !then.is_empty() {
                play(world, rules, then);
            }
        }
        "advance" => world.advance_to(world.now + length(rest)),
        "created" | "news" => world.changes(|record| told(record, rest)),
        // News that the provider sent earlier than now and that arrives now.
        "late" => {
            let (as_of, change) = rest.split_once(' ').unwrap();
            let mut record = world.record.clone().expect("news before any news");
            told(&mut record, change);
            world.news(Source::Webhook, world.start + length(as_of), record);
        }
        // The provider's record as it is, read or delivered again.
        "poll" => {
            let record = world.record.clone().expect("a poll before any record");
            world.news(Source::Poll, world.now, record);
        }
        // The record changes and no webhook tells.
        "unseen" => {
            let mut record = world.record.clone().expect("a change before any record");
            told(&mut record, rest);
            world.record = Some(record);
        }
        "rules" => {
            let index = rules.iter().position(|(name, _)| *name == rest).expect("rules of that name");
            let version = index as i32 + 1;
            world.merchant(|m| m.ruleset = Some((version, ruleset(rules[index].1))));
            world.put(&Input::Look(Cause::Wake));
        }
        "facts" => {
            world.set(ActionKind::PullFacts, "", ActionState::Done, None);
            world.facts(serde_json::from_str(rest).expect("facts are JSON"));
        }
        "no-facts" => {
            world.set(ActionKind::PullFacts, "", ActionState::Refused, Some("404"));
            world.put(&Input::Look(Cause::ActionMoved));
        }
        "evidence" => attach(world, rest),
        "upload" => {
            let file = PendingUpload { file_id: rest.len() as i64, name: rest.into() };
            world.case.pending_uploads.push(file);
            world.put(&Input::Look(Cause::EvidenceAdded { by: "carol".into() }));
        }
        "order" | "approve" => person(world, row),
        "kill" => {
            world.merchant(|m| m.killed = rest == "on");
            world.put(&Input::Look(Cause::Wake));
        }
        "provider" => provider(world, rest),
        "pulls" => world.merchant(|m| m.facts_pull = true),
        "look" => world.put(&Input::Look(Cause::Wake)),
        _ => panic!("no such row: {row}"),
    }
}

/// `lost`, `45.00 USD`, `stage inquiry`, `respond_by 20d` (from now), `respond_by none`, `fee`, `unsigned` …
fn told(record: &mut Snapshot, words: &str) {
    let opened_at = record.opened_at;
    record.deadline_confirmed = true;
    let mut words = words.split_whitespace().peekable();
    while let Some(word) = words.next() {
        match word {
            "respond_by" => {
                record.respond_by = match words.next().unwrap() {
                    "none" => RespondBy::NotAllowed,
                    "unstated" => RespondBy::Unstated,
                    at => RespondBy::At(super::world::start() + length(at)),
                }
            }
            "opened" => record.opened_at = opened_at + length(words.next().unwrap()),
            "stage" => record.stage = words.next().unwrap().parse().unwrap(),
            "network" => record.reason.network = words.next().map(str::to_owned),
            "new_round" => record.new_round = true,
            "unsigned" => record.deadline_confirmed = false,
            "fee" => record.fee_required = true,
            "refunded" => record.refunded = true,
            amount if amount.starts_with(|c: char| c.is_ascii_digit()) => {
                record.amount = money(amount, words.next().unwrap());
            }
            word => match (word.parse(), word.parse()) {
                (Ok(status), _) => record.status = status,
                (_, Ok(category)) => record.reason.category = category,
                (_, _) => panic!("`{word}` is neither a status nor a reason"),
            },
        }
    }
}

fn attach(world: &mut World, rest: &str) {
    let (field, value) = rest.split_once(' ').unwrap_or((rest, "file_1"));
    let field: Field = field.parse().unwrap();
    world.attach(|packet| match field.kind() {
        FieldKind::Text => _ = packet.text.insert(field, value.into()),
        FieldKind::File => _ = packet.files.insert(field, vec![value.into()]),
    });
}

/// `order accept by alice`, `order defend TEMPLATE fee by alice`, `order hold by alice`, `approve by bob`.
fn person(world: &mut World, row: &str) {
    let (what, by) = row.split_once(" by ").expect("by whom");
    let words: Vec<&str> = what.split_whitespace().collect();
    let command = match words[..] {
        ["approve"] => Command::Approve,
        ["order", "accept"] => Command::Accept,
        ["order", "hold"] => Command::Hold { why: "asked to wait".into() },
        ["order", "resume"] => Command::Resume,
        ["order", "defend", ref rest @ ..] => Command::Defend {
            template: rest.iter().find(|w| **w != "fee").map(|w| (*w).to_owned()),
            reason: None,
            acknowledge_fee: rest.contains(&"fee"),
        },
        _ => panic!("no such order: {row}"),
    };
    world.order(by, command);
}

fn provider(world: &mut World, how: &str) {
    world.provider = match how {
        "answers" => Provider::Answers,
        "refuses" => Provider::Refuses,
        "times-out" => Provider::TimesOut,
        "forgets" => Provider::Forgets,
        "down" => Provider::Down,
        _ => panic!("no such provider: {how}"),
    };
    if world.provider == Provider::Answers {
        world.work();
    }
}
