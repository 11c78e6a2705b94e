//! The promises of the design, in their own terms, held against the committed store and the providers' truth. What
//! a promise says of every instant is looked at when something is committed, or at the instant it is due.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use respondby::alerts::AlertState;
use respondby::dispute::{CycleState, Dispute, Event, RespondBy, Snapshot, Status};
use respondby::engine::{ActionState, Answer, Inputs, rebuild};

use super::provider::ACCOUNTS;
use super::store::{Body, CaseRow, Id, MERCHANT, Settled, refused_by_tables};
use super::worker::REPAGE;
use super::world::{Happening, World};

/// How long a process may take from the instant at which something is due.
const PROMPT: TimeDelta = TimeDelta::seconds(10);

/// Something that is to be so at an instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inspection {
    /// P3: confirmed, or a person was paged.
    Margin { id: Id, n: i32, respond_by: DateTime<Utc>, page_at: DateTime<Utc> },
    /// P3: and is paged again until someone acknowledges.
    Page { id: Id, key: String, tried_at: Option<DateTime<Utc>> },
}

pub fn after_commit(world: &mut World, touched: &BTreeSet<Id>) {
    let mut inspections = Vec::new();
    for id in touched {
        let row = &world.store.cases[id];
        if let Some(constraint) = refused_by_tables(row) {
            let what = format!("{constraint}: {} {:?}", row.dispute.dispute_ref, row.cycles.last());
            return world.breach(what);
        }
        if let Some(what) = done_without_the_record(row) {
            return world.breach(what);
        }
        inspections.extend(margin(world, *id, row));
    }
    let pending = world.store.pending.iter().map(|key| (key, &world.store.alerts[key]));
    let wait = REPAGE + TimeDelta::minutes(1);
    for ((id, key), row) in pending.filter(|(_, row)| row.needs_ack) {
        let at = row.tried_at.map_or(row.raised_at + PROMPT, |at| at + wait);
        let (id, key, tried_at) = (*id, key.clone(), row.tried_at);
        inspections.push((at, Inspection::Page { id, key, tried_at }));
    }
    for (at, inspection) in inspections {
        if world.inspected.insert(inspection.clone()) {
            world.queue.push(at.max(world.now + PROMPT), Happening::Inspect(inspection));
        }
    }
}

/// By when somebody has to be told of this cycle, under the rules in force: reckoned here anew.
fn page_at(world: &World, row: &CaseRow) -> Option<DateTime<Utc>> {
    let open = row.open()?;
    let window = (open.cycle.respond_by - open.cycle.opened_at).max(TimeDelta::zero());
    let quarter = TimeDelta::microseconds(window.num_microseconds()? / 4);
    let rules = world.store.rulesets.last()?;
    Some(open.cycle.respond_by - rules.policy.safety_margin.min(quarter))
}

fn margin(world: &World, id: Id, row: &CaseRow) -> Option<(DateTime<Utc>, Inspection)> {
    let (open, page_at) = (row.open()?, page_at(world, row)?);
    let (n, respond_by) = (open.cycle.n, open.cycle.respond_by);
    Some((page_at + PROMPT, Inspection::Margin { id, n, respond_by, page_at }))
}

/// P6: an outcome that nobody knows is not a success.
fn done_without_the_record(row: &CaseRow) -> Option<String> {
    let open = row.open()?;
    let done = |kind: respondby::engine::ActionKind, state| kind.irreversible() && state == ActionState::Done;
    let done = row.actions.iter().find(|a| a.cycle_n == open.cycle.n && done(a.kind, a.state))?;
    let name = &row.dispute.dispute_ref;
    Some(format!("P6: `{}` of {name} counts as done, and the record asks for a response", done.kind))
}

pub fn inspect(world: &mut World, inspection: &Inspection) {
    // Nobody can page while no process runs. Whoever starts again has a moment to catch up.
    let running = world.replicas.iter().any(|r| r.up);
    if !running || world.now - world.up_since < PROMPT {
        return world.soon(PROMPT * 2, Happening::Inspect(inspection.clone()));
    }
    match inspection {
        Inspection::Margin { id, n, respond_by, page_at } => {
            at_the_margin(world, *id, *n, *respond_by, *page_at)
        }
        Inspection::Page { id, key, tried_at } => paged_again(world, *id, key, *tried_at),
    }
}

fn at_the_margin(world: &mut World, id: Id, n: i32, respond_by: DateTime<Utc>, then: DateTime<Utc>) {
    let row = &world.store.cases[&id];
    let Some(open) = row.open().filter(|open| open.cycle.n == n && open.cycle.respond_by == respond_by)
    else {
        return;
    };
    let due = page_at(world, row) == Some(then);
    let ignored = matches!(open.plan.answer, Answer::Ignore { .. });
    let key = format!("unanswered:{n}:{}:", respond_by.timestamp_micros());
    let told = world
        .store
        .alerts
        .range((id, key.clone())..)
        .next()
        .is_some_and(|((of, told), _)| *of == id && told.starts_with(&key));
    if due && !ignored && !told {
        let what = format!("P3: {} is not answered, and nobody is paged: {open:?}", row.dispute.dispute_ref);
        return world.breach(what);
    }
    world.count("margins inspected");
}

fn paged_again(world: &mut World, id: Id, key: &str, tried_at: Option<DateTime<Utc>>) {
    let Some(row) = world.store.alerts.get(&(id, key.to_owned())) else { return };
    let waits = matches!(row.state, AlertState::Raised | AlertState::Sent);
    if waits && row.tried_at == tried_at {
        let text = format!("P3: a page that nobody acknowledged is not sent again: {id} {key} {row:?}");
        return world.breach(text);
    }
    world.count("pages inspected");
}

/// P4: at most one irreversible call takes effect in one round.
pub fn at_most_one(world: &mut World, dispute_ref: &str) {
    let round = world.provider.truths[dispute_ref].round;
    let effects = world.provider.effects_in(dispute_ref, round);
    if effects > 1 {
        let mine = world.provider.ledger.iter().filter(|e| e.dispute_ref == dispute_ref && e.round == round);
        let kinds: Vec<&str> = mine.map(|effect| effect.kind.as_str()).collect();
        let what =
            format!("P4: {effects} irreversible calls took effect in one round of {dispute_ref}: {kinds:?}");
        world.breach(what);
    }
}

pub fn at_any_time(world: &mut World) {
    if world.breaches.is_empty() {
        let held = world.store.cases.values().filter(|row| !doubted(row).is_empty()).count();
        (0..held).for_each(|_| world.count("doubts held"));
        let found =
            [acknowledged_are_kept(world), watched(world), strange_are_kept(world), doubts_are_told(world)];
        let found = found.into_iter().flatten().chain(replays(world));
        let found: Vec<String> = found.chain(decisions_reproduce(world)).collect();
        found.into_iter().for_each(|what| world.breach(what));
    }
}

fn acknowledged_are_kept(world: &World) -> Option<String> {
    let mut acknowledged = world.webhooks.iter().filter(|w| w.acknowledged);
    let lost = acknowledged.find(|w| !world.store.keys.contains(&w.key))?;
    Some(format!("P1: {} was answered with 2xx and is not kept", lost.key))
}

fn watched(world: &World) -> Option<String> {
    let row = world.store.cases.values().find(|row| row.open().is_some() && row.wake_at().is_none())?;
    Some(format!("P2: an open cycle without a wake: {:?}", row.open()))
}

fn strange_are_kept(world: &World) -> Option<String> {
    let strange = |body: &Body| matches!(body, Body::Strange);
    let mut read = world.store.deliveries.iter().filter(|d| d.state != Settled::Kept);
    let lost = read.find(|d| strange(&d.body) && d.state != Settled::Quarantined)?;
    Some(format!("P6: nobody understands {}, and it is not in quarantine", lost.key))
}

/// News that is newer than what is believed of a dispute that cannot be read.
fn doubted(row: &CaseRow) -> Vec<DateTime<Utc>> {
    row.told.iter().map(|told| told.as_of).filter(|at| *at > row.dispute.as_of).collect()
}

/// P3: what is not believed, and cannot be looked up, is in the hands of a person; and only as long as it is so.
fn doubts_are_told(world: &World) -> Option<String> {
    for (id, row) in &world.store.cases {
        let doubted = doubted(row);
        let of = |at: &DateTime<Utc>| format!("unproved:{}", at.timestamp_micros());
        let told = world.store.alerts.range((*id, "unproved:".to_owned())..(*id, "unproved;".to_owned()));
        let told: Vec<(&str, AlertState)> = told.map(|((_, key), row)| (key.as_str(), row.state)).collect();
        let stands =
            |key: &str| told.iter().any(|(told, s)| told.starts_with(key) && *s != AlertState::Resolved);
        let name = &row.dispute.dispute_ref;
        if ACCOUNTS[row.account].1.fetch {
            continue;
        }
        if let Some(at) = doubted.iter().find(|at| !stands(&of(at))) {
            return Some(format!("P3: {name} is told to ask again as of {at}, and nobody looks: {told:?}"));
        }
        let over = |(key, state): &&(&str, AlertState)| {
            let waits = matches!(state, AlertState::Raised | AlertState::Sent);
            waits && !doubted.iter().any(|at| key.starts_with(&of(at)))
        };
        if let Some((key, _)) = told.iter().find(over) {
            return Some(format!("P3: {name} is believed, and people are asked about it still: {key}"));
        }
    }
    None
}

/// P7: from the raw deliveries alone, the same disputes.
fn replays(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    for (id, row) in &world.store.cases {
        let own =
            |d: &&super::store::Delivery| d.account == row.account && d.state == Settled::Done && !d.doubted;
        let events = world.store.deliveries.iter().filter(own).filter_map(|d| match &d.body {
            Body::News(event) => Some(event.clone()),
            Body::Thin(_) | Body::Strange => None,
        });
        let about =
            |event: &Event| event.snapshot().is_some_and(|s| s.dispute_ref == row.dispute.dispute_ref);
        let events = events.filter(about).collect();
        let rebuilt = rebuild(world.store.account(row.account), (MERCHANT, *id), events, world.now);
        if rebuilt.as_ref().is_some_and(|rebuilt| same(world, row.account, rebuilt, &row.dispute)) {
            continue;
        }
        broken.push(format!("P7: live {:?}\n    rebuilt {rebuilt:?}", row.dispute));
    }
    broken
}

/// Where nothing is read, not a field may differ. Else which of two records that say the same came first is not told
/// apart, and since when a dispute is settled cannot be told for certain where a read lagged behind a webhook, or
/// where a settlement was left and came again.
fn same(world: &World, account: usize, rebuilt: &Dispute, live: &Dispute) -> bool {
    if !ACCOUNTS[account].1.fetch {
        return rebuilt == live;
    }
    let (name, provider) = (&live.dispute_ref, &world.provider);
    let uncertain = provider.lagged.contains(name) || provider.settled_twice(name, live.status);
    let closed_at = if uncertain { live.closed_at } else { rebuilt.closed_at };
    Dispute { as_of: live.as_of, closed_at, ..rebuilt.clone() } == *live
}

fn decisions_reproduce(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    for (id, decision) in &world.store.decisions {
        let (Some(version), Some(rule_id)) = (decision.ruleset_version, &decision.rule_id) else { continue };
        let detail: serde_json::Value = serde_json::from_str(&decision.detail).expect("a detail is JSON");
        let inputs: Inputs = serde_json::from_value(detail["inputs"].clone()).expect("inputs are kept whole");
        let rules = usize::try_from(version - 1).ok().and_then(|at| world.store.rulesets.get(at));
        let again = rules.map(|rules| inputs.decide_again(rules));
        if again != Some(rule_id.as_str()) {
            broken.push(format!(
                "P8: a decision on {id} was by rule {rule_id}, and its inputs lead to {again:?}"
            ));
        }
    }
    broken
}

/// P5, once nothing fails any more: what the provider says is what stands here.
pub fn in_the_end(world: &mut World) {
    if !world.breaches.is_empty() {
        return;
    }
    let mut broken = Vec::new();
    let mut in_full = 0;
    for (name, truth) in &world.provider.truths {
        if !ACCOUNTS[truth.account].1.fetch {
            let known = world.store.refs.get(&(truth.account, name.clone())).map(|id| &world.store.cases[id]);
            if let Some(row) = known.filter(|row| was_told_all(world, name, row)) {
                in_full += 1;
                broken.extend(differs_unread(&truth.now, row).map(|what| format!("P5: {name}: {what}")));
            }
            continue;
        }
        let id = world.store.refs.get(&(truth.account, name.clone()));
        let Some(row) = id.map(|id| &world.store.cases[id]) else {
            broken.push(format!("P5: {name} is at the provider and not here"));
            continue;
        };
        broken.extend(differs(&truth.now, row).map(|what| format!("P5: {name}: {what}")));
        if ACCOUNTS[truth.account].1.own_id_per_stage && row.dispute.stage != truth.now.stage {
            broken.push(format!("P5: {name} changed its stage, which only another dispute can"));
        }
    }
    (0..in_full).for_each(|_| world.count("told in full"));
    broken.into_iter().for_each(|what| world.breach(what));
    world.check_the_end();
}

/// Every webhook came in the end, none of them in one instant with another, and none is doubted.
fn was_told_all(world: &World, name: &str, row: &CaseRow) -> bool {
    let mut instants: Vec<DateTime<Utc>> = row.told.iter().map(|told| told.as_of).collect();
    instants.dedup();
    let apart = instants.len() == row.told.len();
    apart && doubted(row).is_empty() && !world.provider.untold.contains(name)
}

/// A deadline that nothing signs may be the shorter one of those told.
fn differs_unread(truth: &Snapshot, row: &CaseRow) -> Option<String> {
    let open = row.open().map(|open| open.cycle.respond_by);
    let theirs = match (truth.status, truth.respond_by) {
        (Status::NeedsResponse, RespondBy::At(at)) => Some(at),
        _ => None,
    };
    let shorter = !ACCOUNTS[row.account].1.deadline_signed && open <= theirs;
    let shut = truth.respond_by == RespondBy::NotAllowed && !ACCOUNTS[row.account].1.deadline_signed;
    let respond_by = match open {
        Some(at) if truth.status == Status::NeedsResponse && (shut || shorter) => RespondBy::At(at),
        _ => truth.respond_by,
    };
    differs(&Snapshot { respond_by, ..truth.clone() }, row)
}

fn differs(truth: &Snapshot, row: &CaseRow) -> Option<String> {
    let d = &row.dispute;
    let theirs =
        (truth.status, truth.stage, truth.amount, &truth.reason, truth.fee_required, truth.submissions);
    let ours = (d.status, d.stage, d.amount, &d.reason, d.fee_required, d.submissions);
    if theirs != ours || (truth.refunded && !d.refunded) || truth.evidence_staged != d.evidence_staged {
        return Some(format!("there {theirs:?}, here {ours:?}"));
    }
    let owed = match (truth.status, truth.respond_by) {
        (Status::NeedsResponse, RespondBy::At(at)) => Some(at),
        _ => None,
    };
    let open = row.open().map(|open| open.cycle.respond_by);
    (owed != open).then(|| format!("a response is owed until {owed:?}, and here until {open:?}"))
}

impl World {
    /// What was sent is settled, and nothing of a cycle that is over is left to do.
    fn check_the_end(&mut self) {
        let mut left = Vec::new();
        for row in self.store.cases.values() {
            let closed =
                |n: i32| row.cycles.iter().any(|c| c.cycle.n == n && c.cycle.state != CycleState::Open);
            for action in row.actions.iter().filter(|a| closed(a.cycle_n) && a.due_at.is_some()) {
                left.push(format!("left behind: {} {action:?}", row.dispute.dispute_ref));
            }
        }
        left.into_iter().for_each(|what| self.breach(what));
    }
}
