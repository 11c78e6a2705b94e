//! Everything between two machines: webhooks that are lost, late, doubled and out of order, answers that never
//! come, calls that arrive after everybody stopped waiting for them.

use chrono::TimeDelta;

use super::provider::{ACCOUNTS, Call, Trouble};
use super::sabotage::Sabotage;
use super::store::{Body, Delivery, Settled, Write};
use super::world::{Happening, Reply, World};

/// What becomes of a request that changes nothing.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// Answered, by a replica that lags, and looked at by a process that was suspended meanwhile.
    Answered {
        lag: TimeDelta,
        stalled: TimeDelta,
    },
    Lost,
    Throttled,
}

pub struct Webhook {
    pub account: usize,
    pub key: String,
    pub body: Body,
    pub tries: u32,
    /// The provider heard a 2xx, and never sends it again.
    pub acknowledged: bool,
}

/// How long the engine waits for an answer.
const PATIENCE: TimeDelta = TimeDelta::seconds(30);
/// How late a call may still arrive whose answer was given up: less than the engine allows for.
const ON_THE_WAY_MAX: TimeDelta = TimeDelta::seconds(55);
const LAG_MAX: TimeDelta = TimeDelta::seconds(20);

impl World {
    pub fn emit(&mut self, dispute_ref: &str, name: &str, new_round: bool) {
        let account = self.provider.truths[dispute_ref].account;
        let mut event = self.provider.told(dispute_ref, name, self.now);
        if let respondby::dispute::News::Record { snapshot } = &mut event.news {
            let can = ACCOUNTS[account].1;
            snapshot.new_round = new_round && can.own_id_per_stage;
            if !self.calm && self.chance.per_mille(20) {
                snapshot.respond_by = respondby::dispute::RespondBy::Unstated;
                self.provider.untold.insert(dispute_ref.to_owned());
            }
        }
        // Who cannot be read says it in full.
        let thin = !self.calm && ACCOUNTS[account].1.fetch && self.chance.per_mille(40);
        let body = if thin { Body::Thin(dispute_ref.to_owned()) } else { Body::News(event) };
        self.send(account, body);
        if !self.calm && self.chance.per_mille(30) {
            self.count("strange");
            self.send(account, Body::Strange);
        }
    }

    fn send(&mut self, account: usize, body: Body) {
        let key = format!("evt_{}", self.number());
        self.count("webhooks");
        if !self.calm && self.chance.per_mille(50) {
            self.never_told(&body);
            return self.count("webhooks lost");
        }
        let place = self.webhooks.len();
        let (tries, acknowledged) = (0, false);
        self.webhooks.push(Webhook { account, key, body, tries, acknowledged });
        let copies = if !self.calm && self.chance.per_mille(100) { 2 } else { 1 };
        for _ in 0..copies {
            let wait = self.on_its_way(account);
            self.soon(wait, Happening::Webhook(place));
        }
    }

    /// A webhook reaches the address. It is answered only when it is committed.
    pub fn deliver(&mut self, place: usize) {
        let webhook = &mut self.webhooks[place];
        webhook.tries += 1;
        let delivery = Delivery {
            account: webhook.account,
            key: webhook.key.clone(),
            body: webhook.body.clone(),
            state: Settled::Kept,
            doubted: false,
        };
        if self.store.keys.contains(&delivery.key) {
            self.count("webhooks doubled");
        }
        let up: Vec<usize> = (0..self.replicas.len()).filter(|r| self.replicas[*r].up).collect();
        if up.is_empty() || (!self.calm && self.chance.per_mille(30)) {
            return self.send_again(place);
        }
        let replica = *self.chance.pick(&up);
        if self.sabotage == Sabotage::AcknowledgesFirst {
            self.webhooks[place].acknowledged = true;
        }
        let kept = self.commit(replica, vec![Write::Keep(delivery)]);
        let heard = self.calm || !self.chance.per_mille(20);
        if kept && heard {
            self.webhooks[place].acknowledged = true;
        } else {
            self.send_again(place);
        }
    }

    fn send_again(&mut self, place: usize) {
        let webhook = &self.webhooks[place];
        if webhook.acknowledged {
            return;
        }
        if webhook.tries > 12 {
            let body = webhook.body.clone();
            return self.never_told(&body);
        }
        let wait = TimeDelta::minutes(1 << webhook.tries.min(9));
        self.soon(wait, Happening::Webhook(place));
    }

    /// What comes very late is looked back at, where webhooks are all there is.
    fn on_its_way(&mut self, account: usize) -> TimeDelta {
        let (soon, read) = (TimeDelta::milliseconds(50), ACCOUNTS[account].1.fetch);
        if self.calm {
            return self.chance.skewed(soon, TimeDelta::seconds(5));
        }
        match !read && self.chance.per_mille(250) {
            true => self.chance.micros(soon, TimeDelta::days(6)),
            false => self.chance.skewed(soon, TimeDelta::hours(5)),
        }
    }

    fn never_told(&mut self, body: &Body) {
        let Body::News(event) = body else { return };
        self.provider.untold.extend(event.snapshot().map(|snapshot| snapshot.dispute_ref.clone()));
    }

    /// A request that changes nothing, and when its answer comes.
    pub fn ask(&mut self, task: u64, reply: impl FnOnce(Fate) -> Reply) {
        let stalled = self.stall(30);
        self.ask_with(task, stalled, reply);
    }

    /// The same where a suspended process would do the most harm, with its hand on the next call.
    pub fn ask_and_stall(&mut self, task: u64, reply: impl FnOnce(Fate) -> Reply) {
        let stalled = self.stall(150);
        self.ask_with(task, stalled, reply);
    }

    fn ask_with(&mut self, task: u64, stalled: TimeDelta, reply: impl FnOnce(Fate) -> Reply) {
        let quick = self.chance.skewed(TimeDelta::milliseconds(30), TimeDelta::seconds(3));
        let lag = match self.calm || self.chance.per_mille(800) {
            true => TimeDelta::zero(),
            false => self.chance.micros(TimeDelta::zero(), LAG_MAX),
        };
        let (wait, fate) = match self.chance.number(0..100) {
            _ if self.calm => (quick, Fate::Answered { lag, stalled }),
            0..=4 => (PATIENCE, Fate::Lost),
            5..=7 => (quick, Fate::Throttled),
            _ => (quick + stalled, Fate::Answered { lag, stalled }),
        };
        self.soon(wait, Happening::Resume(task, reply(fate)));
    }

    /// A process that is suspended for a while, with everything it holds in its hands.
    fn stall(&mut self, per_mille: u32) -> TimeDelta {
        match !self.calm && self.chance.per_mille(per_mille) {
            true => self.chance.micros(TimeDelta::seconds(1), TimeDelta::minutes(5)),
            false => TimeDelta::zero(),
        }
    }

    /// A call that changes something: it may arrive, late or never, and its answer may be lost.
    pub fn call(&mut self, task: u64, mut call: Call) {
        let quick = self.chance.skewed(TimeDelta::milliseconds(50), TimeDelta::seconds(4));
        let unknown = || Reply::Called(respondby::providers::Answer::Unknown { why: "time-out".into() });
        let fate = if self.calm { 99 } else { self.chance.number(0..100) };
        match fate {
            0..=5 => {
                self.count("calls lost");
                self.soon(PATIENCE, Happening::Resume(task, unknown()));
            }
            6..=15 => {
                self.count("calls late");
                let arrives = self.chance.micros(TimeDelta::zero(), ON_THE_WAY_MAX);
                // The connection may break at once, long before the request is through at the other side.
                let heard = self.chance.micros(TimeDelta::zero(), PATIENCE);
                self.soon(arrives, Happening::Arrive(call, None));
                self.soon(heard, Happening::Resume(task, unknown()));
            }
            16..=23 => {
                self.count("calls failed");
                call.trouble = if fate < 20 { Trouble::FailsAfter } else { Trouble::FailsBefore };
                self.soon(quick, Happening::Arrive(call, Some(task)));
            }
            24..=28 => {
                let wait = std::time::Duration::from_secs(20);
                let answer =
                    respondby::providers::Answer::Retry { after: Some(wait), why: "HTTP 429".into() };
                self.soon(quick, Happening::Resume(task, Reply::Called(answer)));
            }
            29 | 30 => {
                self.count("calls refused");
                call.trouble = Trouble::Refuses;
                self.soon(quick, Happening::Arrive(call, Some(task)));
            }
            _ => self.soon(quick, Happening::Arrive(call, Some(task))),
        }
    }

    pub fn arrive(&mut self, call: &Call, task: Option<u64>) {
        let before = self.provider.truths[&call.dispute_ref].now.clone();
        let effects = self.provider.ledger.len();
        let answer = self.provider.arrive(call, self.now);
        let took_effect = self.provider.ledger.len() > effects;
        self.tell(|| format!("{} of {} arrives: {}", call.kind, call.dispute_ref, answer.word()));
        if took_effect {
            self.count("irreversible effects");
            super::promises::at_most_one(self, &call.dispute_ref);
        }
        let after = self.provider.truths[&call.dispute_ref].now.clone();
        if before != after {
            self.emit(&call.dispute_ref, "updated", false);
            if before.status != after.status {
                self.responded(&call.dispute_ref);
            }
        }
        if let Some(task) = task {
            let wait =
                self.chance.skewed(TimeDelta::milliseconds(20), TimeDelta::seconds(2)) + self.stall(60);
            self.soon(wait, Happening::Resume(task, Reply::Called(answer)));
        }
    }
}
