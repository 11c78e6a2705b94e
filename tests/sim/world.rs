//! One month: a queue of instants, the providers, the network between, the processes, the people, and the one
//! store that all of it comes down to. What happens is chance; what is done about it is the engine's own code.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use respondby::dispute::{Event, Status};
use respondby::engine::{Cause, Input, Order};
use respondby::providers::Answer;
use respondby::worker::Calls;
use serde_json::json;

use super::chance::Chance;
use super::life::Turn;
use super::network::{Fate, Webhook};
use super::promises::{self, Inspection};
use super::provider::{ACCOUNTS, Call, Provider};
use super::queue::Queue;
use super::rules;
use super::sabotage::Sabotage;
use super::store::{CaseRow, Id, Store, Write};
use super::turn;
use super::worker::Task;

pub const MONTH: TimeDelta = TimeDelta::days(30);
/// Nothing fails any more and nothing new happens: what is still wrong after this stays wrong.
const CALM: TimeDelta = TimeDelta::days(7);

#[expect(clippy::large_enum_variant, reason = "there are few of them at a time")]
pub enum Happening {
    Open,
    Life(String, Turn),
    Webhook(usize),
    /// Something in the tables may be due.
    Tick,
    Arrive(Call, Option<u64>),
    Resume(u64, Reply),
    Restart(usize),
    PowerCut,
    Publish,
    Kill,
    Unkill,
    Acknowledge(Id, String),
    Ask(Id),
    Facts(Id),
    Inspect(Inspection),
}

/// What a task was waiting for.
#[expect(clippy::large_enum_variant, reason = "there are few of them at a time")]
pub enum Reply {
    Read(Fate),
    Listed(Fate),
    Called(Answer<Event>),
    Facts(bool),
}

pub struct Replica {
    pub up: bool,
    pub epoch: u32,
    pub calls: Calls,
}

/// How often things happened, so that a quiet simulation cannot pass for a good one.
pub type Tally = BTreeMap<&'static str, u64>;

pub struct World {
    pub now: DateTime<Utc>,
    pub queue: Queue<Happening>,
    pub chance: Chance,
    pub provider: Provider,
    pub store: Store,
    pub replicas: [Replica; 2],
    /// Since when at least one process has been running.
    pub up_since: DateTime<Utc>,
    pub tasks: BTreeMap<u64, Task>,
    pub webhooks: Vec<Webhook>,
    pub calm: bool,
    pub sabotage: Sabotage,
    pub inspected: BTreeSet<Inspection>,
    pub tally: Tally,
    pub breaches: Vec<String>,
    pub told: Option<Vec<String>>,
    ticks_at: (DateTime<Utc>, u32),
    next_tick: Option<DateTime<Utc>>,
    numbers: u64,
}

pub fn start() -> DateTime<Utc> {
    "2027-03-01T00:00:00Z".parse().expect("an instant")
}

impl World {
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut chance = Chance::of(seed);
        let now = start();
        let first = chance.pick(&rules::ALL).clone();
        let facts_pull = chance.per_mille(300);
        let provider = Provider::new(chance.per_mille(700));
        let replica = || Replica { up: true, epoch: 0, calls: Calls::new(2.0) };
        let mut world = Self {
            now,
            queue: Queue::new(),
            provider,
            store: Store::new(first, facts_pull, now),
            replicas: [replica(), replica()],
            up_since: now,
            tasks: BTreeMap::new(),
            webhooks: Vec::new(),
            calm: false,
            sabotage,
            inspected: BTreeSet::new(),
            tally: Tally::new(),
            breaches: Vec::new(),
            told: None,
            ticks_at: (now, 0),
            next_tick: None,
            numbers: 0,
            chance,
        };
        world.plan_the_month();
        world
    }

    fn plan_the_month(&mut self) {
        let mut sometime = |from: i64, until: i64, times: i64| -> Vec<DateTime<Utc>> {
            let (from, until) = (TimeDelta::days(from), TimeDelta::days(until));
            (0..times).map(|_| start() + self.chance.micros(from, until)).collect()
        };
        let opens = sometime(0, 24, 5);
        let publishes = sometime(1, 29, 2);
        let kills = sometime(1, 29, 1);
        let cuts = sometime(1, 29, 1);
        opens.into_iter().for_each(|at| self.queue.push(at, Happening::Open));
        publishes.into_iter().for_each(|at| self.queue.push(at, Happening::Publish));
        cuts.into_iter().for_each(|at| self.queue.push(at, Happening::PowerCut));
        for at in kills.into_iter().take(usize::from(self.chance.per_mille(400))) {
            self.queue.push(at, Happening::Kill);
        }
    }

    /// The month, the promises at its end, the calm after it, and the promises that hold only then.
    pub fn play(&mut self) {
        self.run_until(start() + MONTH);
        promises::at_any_time(self);
        self.calm = true;
        self.count("months");
        if self.store.killed {
            self.queue.push(self.now, Happening::Unkill);
        }
        self.run_until(start() + MONTH + CALM);
        promises::at_any_time(self);
        promises::in_the_end(self);
    }

    fn run_until(&mut self, until: DateTime<Utc>) {
        self.set_tick();
        while self.breaches.is_empty() {
            let Some((at, what)) = self.queue.pop(until) else { break };
            self.now = at;
            self.happen(what);
            self.set_tick();
        }
        self.now = if self.breaches.is_empty() { until } else { self.now };
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Open if self.calm => {}
            Happening::Open => self.open(),
            Happening::Life(..) if self.calm => {}
            Happening::Life(dispute_ref, turn) => self.live(&dispute_ref, turn),
            Happening::Webhook(at) => self.deliver(at),
            Happening::Tick => self.tick(),
            Happening::Arrive(call, task) => self.arrive(&call, task),
            Happening::Resume(task, reply) => self.resume(task, reply),
            Happening::Restart(replica) => self.restart(replica),
            Happening::PowerCut => (0..self.replicas.len()).for_each(|replica| self.crash(replica)),
            Happening::Publish => self.publish(),
            Happening::Kill => self.kill(true),
            Happening::Unkill => self.kill(false),
            Happening::Acknowledge(id, key) => self.acknowledge(id, &key),
            Happening::Ask(id) => self.ask_person(id),
            Happening::Facts(id) => self.facts_change(id),
            Happening::Inspect(inspection) => promises::inspect(self, &inspection),
        }
    }

    /// One look at the tables for each instant at which something in them is due.
    fn set_tick(&mut self) {
        let unread = (!self.store.waiting.is_empty()).then_some(self.now);
        let Some(due) = self.store.next_due().into_iter().chain(unread).min() else { return };
        if !self.replicas.iter().any(|r| r.up) {
            return;
        }
        let at = due.max(self.now);
        if self.next_tick.is_none_or(|next| at < next || next < self.now) {
            self.next_tick = Some(at);
            self.queue.push(at, Happening::Tick);
        }
    }

    fn tick(&mut self) {
        if self.next_tick == Some(self.now) {
            self.next_tick = None;
        }
        let (at, times) = self.ticks_at;
        self.ticks_at = if at == self.now { (at, times + 1) } else { (self.now, 1) };
        assert!(times < 500 || at != self.now, "the loop spins: something stays due at {at}");
        // Whoever is first does all of it; the other takes over what is left when the first one crashed.
        let first = usize::from(self.chance.per_mille(500));
        self.work(first);
        let due = self.store.next_due().is_some_and(|at| at <= self.now);
        if due || !self.store.waiting.is_empty() {
            self.work(1 - first);
        }
    }

    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// For the one who reads a failure: kept only when the month is played for them.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(format!("{} {}", self.now.format("%d %H:%M:%S%.6f"), what()));
        }
    }

    pub fn breach(&mut self, what: String) {
        self.tell(|| format!("BROKEN {what}"));
        self.breaches.push(format!("{} at {}", what, self.now));
    }

    pub fn soon(&mut self, wait: TimeDelta, what: Happening) {
        self.queue.push(self.now + wait, what);
    }

    // Processes.

    pub fn crash(&mut self, replica: usize) {
        if !self.replicas[replica].up {
            return;
        }
        self.count("crashes");
        self.tell(|| format!("process {replica} crashes"));
        let process = &mut self.replicas[replica];
        (process.up, process.calls) = (false, Calls::new(2.0));
        process.epoch += 1;
        let down = self.chance.skewed(TimeDelta::seconds(2), TimeDelta::hours(3));
        self.soon(down, Happening::Restart(replica));
    }

    fn restart(&mut self, replica: usize) {
        if !self.replicas.iter().any(|r| r.up) {
            self.up_since = self.now;
        }
        self.replicas[replica].up = true;
    }

    /// One transaction of one process. False: it crashed, before or after.
    pub fn commit(&mut self, replica: usize, writes: Vec<Write>) -> bool {
        if self.crashes(replica) {
            return false;
        }
        self.commit_by_hand(writes);
        !self.crashes(replica)
    }

    pub fn crashes(&mut self, replica: usize) -> bool {
        if !self.calm && self.chance.per_mille(2) {
            self.crash(replica);
        }
        !self.replicas[replica].up
    }

    pub fn commit_by_hand(&mut self, writes: Vec<Write>) {
        let touched = self.store.commit(writes);
        promises::after_commit(self, &touched);
    }

    // People.

    fn publish(&mut self) {
        if self.calm {
            return;
        }
        let ruleset = self.chance.pick(&rules::ALL).clone();
        self.tell(|| "new rules are published".into());
        self.commit_by_hand(vec![Write::Publish(ruleset), Write::WakeAll(self.now)]);
        if self.sabotage == Sabotage::EditsPublishedRules {
            self.store.rulesets.rotate_left(1);
        }
    }

    fn kill(&mut self, on: bool) {
        self.tell(|| format!("kill switch {on}"));
        self.commit_by_hand(vec![Write::Kill(on), Write::WakeAll(self.now)]);
        if on {
            let off = self.chance.skewed(TimeDelta::minutes(5), TimeDelta::days(3));
            self.soon(off, Happening::Unkill);
        }
    }

    fn acknowledge(&mut self, id: Id, key: &str) {
        use respondby::alerts::AlertState;
        let Some(row) = self.store.alerts.get(&(id, key.to_owned())) else { return };
        if !matches!(row.state, AlertState::Raised | AlertState::Sent) {
            return;
        }
        let mut row = row.clone();
        (row.state, row.next_at) = (AlertState::Acknowledged, None);
        self.count("acknowledged");
        self.commit_by_hand(vec![Write::Alert((id, key.to_owned()), Box::new(row))]);
    }

    fn ask_person(&mut self, id: Id) {
        let Some(row) = self.store.cases.get(&id).filter(|row| row.open().is_some()) else { return };
        let account = row.account;
        if !self.may_be_answered_anew(row) {
            return self.count("people who looked first");
        }
        let by = (*self.chance.pick(&["ann", "bob"])).to_owned();
        let command = super::people::command(&mut self.chance);
        self.count("orders");
        self.tell(|| format!("{by} orders {command:?} for {id}"));
        let input = Input::Order(Order { by, command });
        self.put(id, account, input);
    }

    /// Where nothing can be read and a response may have been sent, people are told to look at the provider's first.
    /// They find what is there, not what is still on its way.
    fn may_be_answered_anew(&self, row: &CaseRow) -> bool {
        let Some(open) = row.open().filter(|_| !ACCOUNTS[row.account].1.fetch) else { return true };
        let sent = row.actions.iter().filter(|a| a.cycle_n == open.cycle.n && a.kind.irreversible());
        let sent_at = sent.filter_map(|a| a.sent_at).max();
        if sent_at.is_none() && open.plan.maybe_answered.is_none() {
            return true;
        }
        let (name, long_ago) = (&row.dispute.dispute_ref, self.now - TimeDelta::minutes(2));
        let truth = &self.provider.truths[name];
        let asks = truth.now.status == Status::NeedsResponse;
        asks && self.provider.effects_in(name, truth.round) == 0 && sent_at.is_none_or(|at| at < long_ago)
    }

    fn facts_change(&mut self, id: Id) {
        let Some(account) = self.store.cases.get(&id).map(|row| row.account) else { return };
        let delivered = self.chance.per_mille(600);
        self.commit_by_hand(vec![Write::Facts(id, json!({"delivered": delivered}))]);
        self.put(id, account, Input::Look(Cause::FactsChanged));
    }

    /// A person's command line: one input, one transaction, no process of ours.
    fn put(&mut self, id: Id, account: usize, input: Input) {
        let mut writes = Vec::new();
        turn::take(&mut self.store, (id, account), &[input], self.now, self.sabotage, &mut writes);
        self.commit_by_hand(writes);
    }
}
