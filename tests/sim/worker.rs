//! The steps of a process, as the worker takes them: apply, wake, act, reconcile, notify. Between a question and
//! its answer the rest of the world goes on, and a process that crashes meanwhile forgets that it asked.

use chrono::{DateTime, TimeDelta, Utc};
use respondby::alerts::{self, AlertState, Outcome, Timing};
use respondby::dispute::{Event, News, Source};
use respondby::engine::{AlertKind, Applied, Cause, HistoryKind, Input, Severity};
use respondby::providers::Answer;

use super::act::Acting;
use super::network::Fate;
use super::sabotage::Sabotage;
use super::store::{Body, CaseRow, Delivery, Fetch, Id, Settled, Watermark, Write};
use super::turn;
use super::world::{Happening, Reply, World};

pub const LEASE: TimeDelta = TimeDelta::minutes(5);
pub const REPAGE: TimeDelta = TimeDelta::hours(1);
const LIST_EVERY: TimeDelta = TimeDelta::minutes(45);
const OVERLAP: TimeDelta = TimeDelta::hours(1);
const READ_AGAIN_MAX: TimeDelta = TimeDelta::hours(1);

/// A question that a process has asked and waits on.
pub struct Task {
    pub replica: usize,
    pub epoch: u32,
    pub job: Job,
}

pub enum Job {
    Act(Acting),
    List { account: usize, mark: Watermark, since: DateTime<Utc> },
    Read { account: usize, dispute_ref: String, id: Option<Id>, attempts: i32 },
}

impl World {
    /// Everything that is due, once.
    pub fn work(&mut self, replica: usize) {
        let steps = [
            Self::apply_kept,
            Self::wake_due,
            Self::claim_actions,
            Self::list_changes,
            Self::read_due,
            Self::notify_due,
        ];
        for step in steps {
            if self.replicas[replica].up {
                step(self, replica);
            }
        }
    }

    pub fn begin_task(&mut self, replica: usize, job: Job) -> u64 {
        let task = self.number();
        let epoch = self.replicas[replica].epoch;
        self.tasks.insert(task, Task { replica, epoch, job });
        task
    }

    pub fn resume(&mut self, number: u64, reply: Reply) {
        let Some(task) = self.tasks.remove(&number) else { return };
        let process = &self.replicas[task.replica];
        if !process.up || process.epoch != task.epoch {
            return self.count("answers nobody waits for");
        }
        match task.job {
            Job::Act(acting) => self.act_on(task.replica, acting, reply),
            Job::List { account, mark, since } => self.listed(task.replica, account, mark, since, &reply),
            Job::Read { account, dispute_ref, id, attempts } => {
                let answer = self.answered(account, &dispute_ref, Source::Poll, &reply);
                self.was_read(task.replica, (account, dispute_ref, id, attempts), answer);
            }
        }
    }

    /// What the provider answers to a read, at this instant.
    pub fn answered(
        &mut self,
        account: usize,
        dispute_ref: &str,
        source: Source,
        reply: &Reply,
    ) -> Answer<Event> {
        match reply {
            Reply::Called(answer) => answer.clone(),
            Reply::Read(Fate::Answered { lag, stalled }) => {
                match self.provider.read(dispute_ref, source, self.now - *stalled, *lag) {
                    Some(event) => Answer::Receipt(event),
                    None => {
                        let reason = format!("no such dispute of {account}");
                        Answer::Refused { status: 404, code: None, reason }
                    }
                }
            }
            Reply::Read(Fate::Throttled) => {
                Answer::Retry { after: Some(std::time::Duration::from_secs(15)), why: "HTTP 429".into() }
            }
            Reply::Read(Fate::Lost) | Reply::Listed(_) | Reply::Facts(_) => {
                Answer::Unknown { why: "time-out".into() }
            }
        }
    }

    fn apply_kept(&mut self, replica: usize) {
        let places: Vec<usize> = self.store.waiting.iter().copied().take(50).collect();
        let mut writes = Vec::new();
        let mut events: Vec<(usize, Event, usize)> = Vec::new();
        for place in places {
            let Delivery { account, body, .. } = self.store.deliveries[place].clone();
            let settled = match body {
                Body::News(event) => {
                    events.push((account, event, place));
                    Settled::Done
                }
                Body::Thin(dispute_ref) => {
                    let fetch = Fetch { due_at: self.now, attempts: 0 };
                    writes.push(Write::Fetch((account, dispute_ref), Some(fetch)));
                    Settled::Done
                }
                Body::Strange if self.sabotage == Sabotage::ShrugsOffTheStrange => Settled::Done,
                Body::Strange => Settled::Quarantined,
            };
            writes.push(Write::Settle(place, settled));
        }
        if writes.is_empty() {
            return;
        }
        if self.sabotage == Sabotage::TrustsArrival {
            events.iter_mut().for_each(|(_, event, _)| event.as_of = super::provider::second(self.now));
        }
        events.sort_by_key(|(_, event, _)| event.as_of);
        let events: Vec<(usize, Event)> =
            events.into_iter().map(|(account, event, _)| (account, event)).collect();
        self.take_events(&events, &mut writes);
        self.commit(replica, writes);
    }

    /// One turn per dispute, its events in order.
    fn take_events(&mut self, events: &[(usize, Event)], writes: &mut Vec<Write>) -> Vec<Applied> {
        let mut applied: Vec<Option<Applied>> = vec![None; events.len()];
        let mut by_ref: std::collections::BTreeMap<(usize, String), Vec<usize>> = Default::default();
        for (place, (account, event)) in events.iter().enumerate() {
            let Some(snapshot) = event.snapshot() else { continue };
            by_ref.entry((*account, snapshot.dispute_ref.clone())).or_default().push(place);
        }
        for ((account, dispute_ref), places) in by_ref {
            let known = self.store.refs.get(&(account, dispute_ref.clone())).copied();
            let id = known.unwrap_or_else(|| self.store.number());
            let inputs: Vec<Input> =
                places.iter().map(|p| Input::News(Box::new(events[*p].1.clone()))).collect();
            let turned = turn::take(&mut self.store, (id, account), &inputs, self.now, self.sabotage, writes);
            let history = turned.outcomes.iter().flat_map(|outcome| &outcome.history);
            history.filter(|e| e.kind == HistoryKind::LookedBack).for_each(|_| self.count("looked back"));
            for (place, one) in places.iter().zip(turned.applied) {
                self.tell(|| format!("{} of {dispute_ref}: {one:?}", events[*place].1.source));
                self.count(match &one {
                    Applied::Stale => "stale news",
                    Applied::Doubtful(_) => "doubtful reads",
                    Applied::Applied | Applied::Unchanged | Applied::Refused(_) => "other news",
                });
                applied[*place] = Some(one);
            }
        }
        applied.into_iter().flatten().collect()
    }

    /// Records that were read, through the same door as webhooks. Kept when they changed something.
    pub fn take_in(
        &mut self,
        replica: usize,
        account: usize,
        events: Vec<Event>,
        mut writes: Vec<Write>,
    ) -> bool {
        let events: Vec<(usize, Event)> = events.into_iter().map(|event| (account, event)).collect();
        let applied = self.take_events(&events, &mut writes);
        for ((_, event), applied) in events.into_iter().zip(applied) {
            let doubted = matches!(applied, Applied::Doubtful(_));
            if (doubted || applied == Applied::Applied) && self.sabotage != Sabotage::KeepsNoReads {
                let news = serde_json::to_string(&event.news).expect("news is text, numbers and instants");
                let key = format!("{}:{}:{news}", event.source, event.as_of.timestamp_micros());
                let (body, state) = (Body::News(event), Settled::Done);
                writes.push(Write::Keep(Delivery { account, key, body, state, doubted }));
            }
        }
        self.commit(replica, writes)
    }

    fn wake_due(&mut self, replica: usize) {
        let due = |row: &CaseRow| row.wake_at().is_some_and(|at| at <= self.now);
        let due: Vec<(Id, usize)> =
            self.store.cases.iter().filter(|(_, row)| due(row)).map(|(id, row)| (*id, row.account)).collect();
        if due.is_empty() {
            return;
        }
        let mut writes = Vec::new();
        for (id, account) in due {
            self.count("wakes");
            if self.sabotage == Sabotage::SleepsIn {
                let mut row = self.store.cases[&id].clone();
                let newest = row.cycles.last_mut().expect("it was due");
                newest.cycle.wake_at = Some(self.now + TimeDelta::hours(12));
                writes.push(Write::Case(id, Box::new(row)));
                continue;
            }
            let looks = [Input::Look(Cause::Wake)];
            turn::take(&mut self.store, (id, account), &looks, self.now, self.sabotage, &mut writes);
        }
        self.commit(replica, writes);
    }

    // Reconciliation.

    fn list_changes(&mut self, replica: usize) {
        for account in 0..self.store.watermarks.len() {
            let mut mark = self.store.watermarks[account];
            if mark.next_at > self.now || !self.replicas[replica].up {
                continue;
            }
            (mark.fence, mark.next_at) = (mark.fence + 1, self.now + LEASE);
            if self.sabotage == Sabotage::NeverReconciles {
                mark.next_at = self.now + TimeDelta::days(1_000);
            }
            if !self.commit(replica, vec![Write::Watermark(account, mark)])
                || self.sabotage == Sabotage::NeverReconciles
            {
                continue;
            }
            let task = self.begin_task(replica, Job::List { account, mark, since: self.now });
            self.ask(task, Reply::Listed);
        }
    }

    fn listed(
        &mut self,
        replica: usize,
        account: usize,
        mark: Watermark,
        since: DateTime<Utc>,
        reply: &Reply,
    ) {
        let fence_lost = self.store.watermarks[account].fence != mark.fence;
        let Reply::Listed(Fate::Answered { lag, stalled }) = reply else {
            let next_at = self.now + TimeDelta::seconds(30);
            if !fence_lost {
                self.commit(replica, vec![Write::Watermark(account, Watermark { next_at, ..mark })]);
            }
            return;
        };
        let page = self.provider.list(account, mark.changed_until - OVERLAP, self.now - *stalled, *lag);
        let mut writes = Vec::new();
        if !fence_lost {
            let next = Watermark { changed_until: since, next_at: self.now + LIST_EVERY, fence: mark.fence };
            writes.push(Write::Watermark(account, next));
        }
        self.take_in(replica, account, page, writes);
    }

    fn read_due(&mut self, replica: usize) {
        let now = self.now;
        let checks = self.store.cases.iter().filter(|(_, row)| row.check_at.is_some_and(|at| at <= now));
        let checks: Vec<(usize, String, Option<Id>, i32)> =
            checks.map(|(id, row)| (row.account, row.dispute.dispute_ref.clone(), Some(*id), 0)).collect();
        let fetches = self.store.fetches.iter().filter(|(_, fetch)| fetch.due_at <= now);
        let fetches: Vec<_> =
            fetches.map(|((account, name), f)| (*account, name.clone(), None, f.attempts + 1)).collect();
        for (account, dispute_ref, id, attempts) in checks.into_iter().chain(fetches) {
            let far = self.sabotage == Sabotage::NeverReconciles;
            let due_at = now + if far { TimeDelta::days(1_000) } else { LEASE };
            let claim = match id {
                Some(id) => Write::Check(id, due_at),
                None => Write::Fetch((account, dispute_ref.clone()), Some(Fetch { due_at, attempts })),
            };
            if !self.replicas[replica].up || !self.commit(replica, vec![claim]) || far {
                continue;
            }
            let task = self.begin_task(replica, Job::Read { account, dispute_ref, id, attempts });
            self.ask(task, Reply::Read);
        }
    }

    fn was_read(
        &mut self,
        replica: usize,
        (account, dispute_ref, id, attempts): (usize, String, Option<Id>, i32),
        answer: Answer<Event>,
    ) {
        let wait = match answer {
            Answer::Receipt(event) => {
                if self.take_in(replica, account, vec![event], Vec::new()) && id.is_none() {
                    self.commit(replica, vec![Write::Fetch((account, dispute_ref), None)]);
                }
                return;
            }
            Answer::Retry { after, .. } => after.and_then(|after| TimeDelta::from_std(after).ok()),
            Answer::Unknown { .. } => None,
            Answer::Refused { .. } => Some(READ_AGAIN_MAX),
        };
        let patience = (TimeDelta::seconds(30) * (1 << attempts.clamp(0, 7))).min(READ_AGAIN_MAX);
        let due_at = self.now + wait.unwrap_or(patience);
        let again = match id {
            Some(id) => Write::Check(id, due_at),
            None => Write::Fetch((account, dispute_ref), Some(Fetch { due_at, attempts })),
        };
        self.commit(replica, vec![again]);
    }

    // People.

    fn notify_due(&mut self, replica: usize) {
        let due: Vec<(Id, String)> = {
            let due = |key: &&(Id, String)| self.store.alerts[*key].next_at.is_some_and(|at| at <= self.now);
            self.store.pending.iter().filter(due).cloned().collect()
        };
        for key in due {
            if !self.replicas[replica].up {
                return;
            }
            self.notify(replica, key);
        }
    }

    fn notify(&mut self, replica: usize, key: (Id, String)) {
        let mut row = self.store.alerts[&key].clone();
        let case = self.store.cases.get(&key.0);
        let cycle = row.alert.cycle_n.and_then(|n| {
            case.and_then(|case| case.cycles.iter().find(|c| c.cycle.n == n)).map(|c| c.cycle.state)
        });
        let status = case.map(|case| case.dispute.status);
        let respond_by = case.and_then(CaseRow::open).map(|open| open.cycle.respond_by);
        if alerts::is_moot(row.alert.kind.as_str(), cycle, status) {
            (row.state, row.next_at) = (AlertState::Resolved, None);
            self.commit(replica, vec![Write::Alert(key, Box::new(row))]);
            return;
        }
        let timing = Timing { repage: REPAGE, escalate_after: TimeDelta::hours(2) };
        let timing = timing.towards(respond_by, self.now);
        let standing = alerts::Standing {
            needs_ack: row.needs_ack,
            rounds: row.rounds,
            failures: row.failures,
            round_at: row.round_at,
            raised_at: row.raised_at,
            escalated: row.escalated,
        };
        let round = alerts::round(standing, timing, self.now);
        let delivered = self.calm || !self.chance.per_mille(150);
        let outcome = match delivered {
            true => Outcome::Delivered,
            false => Outcome::Failed { why: "HTTP 502".into(), after: None },
        };
        let settled = alerts::settle(standing, round, row.heard, &[outcome], timing, self.now);
        (row.state, row.next_at, row.failures) = (settled.state, settled.next_at, settled.failures);
        (row.rounds, row.round_at, row.escalated) = (round.n, Some(round.begun_at), round.escalated);
        (row.tried_at, row.heard) = (Some(self.now), row.heard || delivered);
        if self.sabotage == Sabotage::PagesOnce && row.heard {
            row.next_at = None;
        }
        let page = row.alert.severity == Severity::Page;
        self.count(if page { "pages" } else { "warnings" });
        if delivered {
            self.stir_people(&key, row.alert.kind, page);
        }
        self.commit(replica, vec![Write::Alert(key, Box::new(row))]);
    }

    /// People read what they are sent, and do something about it or not.
    fn stir_people(&mut self, (id, key): &(Id, String), kind: AlertKind, page: bool) {
        if page && self.chance.per_mille(300) {
            let wait = self.chance.micros(TimeDelta::minutes(1), TimeDelta::hours(4));
            self.soon(wait, Happening::Acknowledge(*id, key.clone()));
        }
        let asked = matches!(kind, AlertKind::NeedsPerson | AlertKind::Deadline | AlertKind::Unanswered);
        if asked && !self.calm && self.chance.per_mille(300) {
            let wait = self.chance.skewed(TimeDelta::minutes(1), TimeDelta::hours(40));
            self.soon(wait, Happening::Ask(*id));
        }
        if asked && !self.calm && self.chance.per_mille(200) {
            let wait = self.chance.skewed(TimeDelta::minutes(1), TimeDelta::hours(20));
            self.soon(wait, Happening::Facts(*id));
        }
    }

    pub fn page_at(row: &CaseRow, n: i32) -> (DateTime<Utc>, DateTime<Utc>) {
        let cycle = row.cycles.iter().find(|c| c.cycle.n == n).expect("an action is of a cycle");
        (cycle.plan.page_at, cycle.cycle.respond_by)
    }
}

/// An event as it is told of by another source.
pub fn told_by(source: Source, event: Event) -> Event {
    debug_assert!(matches!(event.news, News::Record { .. }), "reads give records");
    Event { source, ..event }
}
