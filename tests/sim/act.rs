//! Actions become calls, as the act step does it: claimed with a fence, read before, marked as sent, called at most
//! once, read again. When a call may be repeated is the engine's own judgement (`worker::patience`).

use chrono::{DateTime, TimeDelta, Utc};
use respondby::dispute::{CycleState, Event, Source};
use respondby::engine::{ActionKind, ActionState, Cause, Input, overtaken};
use respondby::providers::Answer;
use respondby::store::actions::{LeasedAction, Standing};
use respondby::worker::patience::{self, EarlierCall, RETRY_MAX, RETRY_MIN};
use serde_json::json;

use super::provider::{ACCOUNTS, Call, Trouble};
use super::sabotage::Sabotage;
use super::store::{Action, CaseRow, Id, MERCHANT, Write};
use super::turn;
use super::worker::{Job, told_by};
use super::world::{Reply, World};

const ACTION_LEASE: TimeDelta = TimeDelta::minutes(2);

/// An action in the hands of a process, as it was when it was claimed.
#[derive(Clone)]
pub struct Acting {
    pub id: Id,
    pub account: usize,
    pub dispute_ref: String,
    pub action: Action,
    pub stage: Stage,
    /// When the record was asked for, since the action was claimed.
    pub asked_at: Option<DateTime<Utc>>,
}

#[derive(Clone)]
pub enum Stage {
    ReadBefore,
    Call,
    Confirm,
    AfterRefusal(String),
}

impl World {
    pub fn claim_actions(&mut self, replica: usize) {
        let mut claimed = Vec::new();
        let mut writes = Vec::new();
        for (id, row) in &self.store.cases {
            for action in row.actions.iter().filter(|a| a.due_at.is_some_and(|at| at <= self.now)) {
                let mut action = action.clone();
                if action.state == ActionState::Sent && action.leased_until.is_some() {
                    action.state = ActionState::Unknown;
                }
                (action.fence, action.attempts) = (action.fence + 1, action.attempts + 1);
                let until = Some(self.now + ACTION_LEASE);
                (action.leased_until, action.due_at) = (until, until);
                writes.push(Write::Action(*id, action.clone()));
                let dispute_ref = row.dispute.dispute_ref.clone();
                let (account, stage) = (row.account, Stage::ReadBefore);
                claimed.push(Acting { id: *id, account, dispute_ref, action, stage, asked_at: None });
            }
        }
        if claimed.is_empty() || !self.commit(replica, writes) {
            return;
        }
        for acting in claimed {
            if self.replicas[replica].up {
                self.start(replica, acting);
            }
        }
    }

    fn start(&mut self, replica: usize, mut acting: Acting) {
        let fresh = acting.action.state == ActionState::Wanted;
        if fresh && !self.still_open(&acting) {
            let why = "no response is owed any more".into();
            return self.settle(replica, &acting, &Standing::Cancelled { why });
        }
        if acting.action.kind == ActionKind::PullFacts {
            let heard = self.calm || self.chance.per_mille(800);
            let task = self.begin_task(replica, Job::Act(acting));
            return self.ask(task, |_| Reply::Facts(heard));
        }
        let sent_before = acting.action.state != ActionState::Wanted;
        if unread(&acting) && sent_before {
            let standing = self.await_webhook(&acting);
            return self.settle(replica, &acting, &standing);
        }
        if let Err(free_at) = self.replicas[replica].calls.take_place(acting.account as i64, self.now) {
            let standing = later(&acting.action, free_at);
            return self.settle(replica, &acting, &standing);
        }
        if unread(&acting) {
            // What was told is all that is known, so it is read first.
            let kept =
                self.store.waiting.iter().any(|at| self.store.deliveries[*at].account == acting.account);
            return match kept && self.sabotage != Sabotage::RepeatsBlindly {
                true => self.settle(replica, &acting, &later(&acting.action, self.now + RETRY_MIN)),
                false => self.send_if_allowed(replica, acting),
            };
        }
        let blindly = self.sabotage == Sabotage::RepeatsBlindly && acting.action.attempts > 1;
        if acting.action.kind.irreversible() && !blindly {
            acting.asked_at = Some(self.now);
            let task = self.begin_task(replica, Job::Act(acting));
            return self.ask_and_stall(task, Reply::Read);
        }
        if acting.action.kind.irreversible() {
            return self.send_if_allowed(replica, acting);
        }
        if self.store.killed {
            let standing = later(&acting.action, self.now + RETRY_MAX);
            return self.settle(replica, &acting, &standing);
        }
        self.send_call(replica, acting);
    }

    pub fn act_on(&mut self, replica: usize, acting: Acting, reply: Reply) {
        if let Reply::Facts(heard) = reply {
            return self.facts_came(replica, &acting, heard);
        }
        let source = match acting.stage {
            Stage::Call => Source::Receipt,
            Stage::ReadBefore | Stage::Confirm | Stage::AfterRefusal(_) => Source::ReadBack,
        };
        let answer = self.answered(acting.account, &acting.dispute_ref, source, &reply);
        self.replicas[replica].calls.learn(acting.account as i64, &answer, self.now);
        match acting.stage.clone() {
            Stage::Call if unread(&acting) => {
                let standing = self.called_unread(&acting, answer);
                self.settle(replica, &acting, &standing);
            }
            Stage::ReadBefore => self.was_read_before(replica, acting, answer),
            Stage::Call => self.called(replica, acting, answer),
            Stage::Confirm => {
                let seen = self.look_up(replica, &acting, answer);
                let why = "answered well; the record does not show it yet".to_owned();
                let standing = match seen && !self.still_open(&acting) {
                    true => Standing::Done,
                    false => Standing::Unconfirmed { due_at: self.backoff(&acting), why },
                };
                self.settle(replica, &acting, &standing);
            }
            Stage::AfterRefusal(why) => {
                let seen = self.look_up(replica, &acting, answer);
                let standing = match seen && !self.still_open(&acting) {
                    true => Standing::Done,
                    false => Standing::Refused { why },
                };
                self.settle(replica, &acting, &standing);
            }
        }
    }

    /// Applies a record that was read. False: there is none, or the process is gone.
    fn look_up(&mut self, replica: usize, acting: &Acting, answer: Answer<Event>) -> bool {
        let Answer::Receipt(event) = answer else { return false };
        self.take_in(replica, acting.account, vec![event], Vec::new())
    }

    fn was_read_before(&mut self, replica: usize, acting: Acting, answer: Answer<Event>) {
        let wait = match &answer {
            Answer::Receipt(_) => None,
            Answer::Retry { after, .. } => Some(after.and_then(|after| TimeDelta::from_std(after).ok())),
            Answer::Unknown { .. } | Answer::Refused { .. } => Some(None),
        };
        if let Some(wait) = wait {
            let due_at = wait.map_or_else(|| self.backoff(&acting), |wait| self.now + wait);
            let standing = later(&acting.action, due_at);
            return self.settle(replica, &acting, &standing);
        }
        if !self.look_up(replica, &acting, answer) {
            return;
        }
        if !self.still_open(&acting) {
            let why = "the provider's record shows that no response is owed".into();
            let standing = match acting.action.state == ActionState::Wanted {
                true => Standing::Cancelled { why },
                false => Standing::Done,
            };
            return self.settle(replica, &acting, &standing);
        }
        let action = &acting.action;
        let keyed = ACCOUNTS[acting.account].1.idempotency_key;
        let read_at = acting.asked_at.unwrap_or(self.now);
        let (state, sent_at, attempts) = (action.state, action.sent_at, action.attempts);
        let earlier = EarlierCall { state, sent_at, attempts, keyed };
        if let Some(standing) = patience::wait_for_earlier_call(earlier, self.backoff(&acting), read_at) {
            if matches!(standing, Standing::Regenerate { .. }) {
                self.count("regenerated");
            }
            return self.settle(replica, &acting, &standing);
        }
        self.send_if_allowed(replica, acting);
    }

    /// The last gate: committed as sent, by whoever holds the lease, and only if nobody stopped it.
    fn send_if_allowed(&mut self, replica: usize, acting: Acting) {
        if self.store.killed {
            let standing = later(&acting.action, self.now + RETRY_MAX);
            return self.settle(replica, &acting, &standing);
        }
        let mine = self.mine(&acting).cloned();
        let leased = |a: &Action| {
            a.leased_until.is_some_and(|until| until > self.now) || self.sabotage == Sabotage::IgnoresFences
        };
        let Some(mut action) = mine.filter(leased) else {
            self.count("fenced out");
            let standing = later(&acting.action, self.now + RETRY_MIN);
            return self.settle(replica, &acting, &standing);
        };
        if let Some(sent_at) = action.sent_at
            && self.sabotage != Sabotage::RepeatsBlindly
            && let Some(why) =
                overtaken(&self.store.load(acting.id, acting.account), action.kind, None, self.now)
        {
            self.count("repeats overtaken");
            return self.settle(replica, &acting, &patience::overtaken(sent_at, &why));
        }
        (action.state, action.sent_at) = (ActionState::Sent, Some(self.now));
        if self.commit(replica, vec![Write::Action(acting.id, action)]) {
            self.send_call(replica, acting);
        }
    }

    fn send_call(&mut self, replica: usize, mut acting: Acting) {
        acting.stage = Stage::Call;
        let action = &acting.action;
        let call = Call {
            account: acting.account,
            dispute_ref: acting.dispute_ref.clone(),
            kind: action.kind,
            key: leased(&acting).idempotency_key(),
            trouble: Trouble::Nothing,
        };
        if action.kind.irreversible() {
            self.count("irreversible calls");
        }
        let task = self.begin_task(replica, Job::Act(acting));
        self.call(task, call);
    }

    fn called(&mut self, replica: usize, mut acting: Acting, answer: Answer<Event>) {
        let irreversible = acting.action.kind.irreversible();
        match answer {
            // Who cannot be read answers that it was taken, and no more.
            Answer::Receipt(_) if !ACCOUNTS[acting.account].1.fetch => {
                self.settle(replica, &acting, &Standing::Done);
            }
            Answer::Receipt(event) => {
                let event = told_by(Source::Receipt, event);
                if !self.take_in(replica, acting.account, vec![event], Vec::new()) {
                    return;
                }
                if irreversible {
                    acting.stage = Stage::Confirm;
                    let task = self.begin_task(replica, Job::Act(acting));
                    return self.ask(task, Reply::Read);
                }
                self.settle(replica, &acting, &Standing::Done);
            }
            Answer::Retry { after, why } => {
                let wait = after.and_then(|after| TimeDelta::from_std(after).ok());
                let due_at = wait.map_or_else(|| self.backoff(&acting), |wait| self.now + wait);
                let standing = match acting.action.sent_at {
                    Some(_) if irreversible => Standing::Unknown { due_at, why },
                    _ => Standing::Again { due_at, why },
                };
                self.settle(replica, &acting, &standing);
            }
            Answer::Unknown { why } => {
                self.count("unknown outcomes");
                let due_at = self.backoff(&acting);
                let standing = if self.sabotage == Sabotage::BelievesTheBest {
                    Standing::Done
                } else if self.sabotage == Sabotage::RepeatsBlindly {
                    Standing::Again { due_at: self.now, why }
                } else if irreversible {
                    Standing::Unknown { due_at, why }
                } else {
                    Standing::Again { due_at, why }
                };
                self.settle(replica, &acting, &standing);
            }
            Answer::Refused { reason, .. } if irreversible => {
                acting.stage = Stage::AfterRefusal(reason);
                let task = self.begin_task(replica, Job::Act(acting));
                self.ask(task, Reply::Read);
            }
            Answer::Refused { reason, .. } => {
                self.settle(replica, &acting, &Standing::Refused { why: reason });
            }
        }
    }

    /// What its answer comes to where only webhooks tell the rest.
    fn called_unread(&mut self, acting: &Acting, answer: Answer<Event>) -> Standing {
        let (why, due_at) = (String::new(), self.last_look(acting));
        match answer {
            _ if self.sabotage == Sabotage::BelievesTheBest => Standing::Done,
            Answer::Receipt(_) if self.still_open(acting) => Standing::Unconfirmed { due_at, why },
            Answer::Refused { reason, .. } if self.still_open(acting) => Standing::Refused { why: reason },
            Answer::Receipt(_) | Answer::Refused { .. } => Standing::Done,
            Answer::Retry { after, .. } => {
                let wait = after.and_then(|after| TimeDelta::from_std(after).ok());
                let due_at = wait.map_or_else(|| self.backoff(acting), |wait| self.now + wait);
                Standing::Again { due_at, why }
            }
            Answer::Unknown { .. } => {
                self.count("unknown outcomes");
                Standing::Unknown { due_at, why }
            }
        }
    }

    fn await_webhook(&self, acting: &Acting) -> Standing {
        let (why, due_at) = (String::new(), self.last_look(acting));
        match acting.action.state {
            _ if !self.still_open(acting) => Standing::Done,
            ActionState::Unknown => Standing::Unknown { due_at, why },
            ActionState::Sent
            | ActionState::Wanted
            | ActionState::Done
            | ActionState::Refused
            | ActionState::Cancelled => Standing::Unconfirmed { due_at, why },
        }
    }

    fn last_look(&self, acting: &Acting) -> DateTime<Utc> {
        let (_, respond_by) = Self::page_at(&self.store.cases[&acting.id], acting.action.cycle_n);
        if respond_by > self.now { respond_by } else { self.now + TimeDelta::days(7) }
    }

    fn facts_came(&mut self, replica: usize, acting: &Acting, heard: bool) {
        if heard {
            let facts = json!({"delivered": self.chance.per_mille(700)});
            if self.commit(replica, vec![Write::Facts(acting.id, facts)]) {
                self.settle(replica, acting, &Standing::Done);
            }
            return;
        }
        let (page_at, _) = Self::page_at(&self.store.cases[&acting.id], acting.action.cycle_n);
        let why = "the merchant's system does not answer".to_owned();
        let standing = match self.now >= page_at {
            true => Standing::Refused { why },
            false => Standing::Again { due_at: self.backoff(acting), why },
        };
        self.settle(replica, acting, &standing);
    }

    /// The action, if it is in these hands still and not settled.
    fn mine(&self, acting: &Acting) -> Option<&Action> {
        let action = self.store.cases[&acting.id].actions.iter().find(|a| a.id == acting.action.id)?;
        let unsettled =
            matches!(action.state, ActionState::Wanted | ActionState::Sent | ActionState::Unknown);
        let fence = action.fence == acting.action.fence || self.sabotage == Sabotage::IgnoresFences;
        (unsettled && fence).then_some(action)
    }

    fn settle(&mut self, replica: usize, acting: &Acting, standing: &Standing) {
        let Some(mut action) = self.mine(acting).cloned() else {
            return self.count("settled by somebody else");
        };
        let waits = matches!(standing, Standing::Unconfirmed { .. } | Standing::Unknown { .. });
        let waits = waits && unread(acting);
        // A webhook that came while the call was on its way tells more than its answer.
        let standing = if waits && !self.still_open(acting) { &Standing::Done } else { standing };
        self.tell(|| format!("{} of {}: {standing:?}", action.kind, acting.dispute_ref));
        action.stand(standing);
        let looks_again = match standing {
            Standing::Refused { .. } => true,
            Standing::Done => !action.kind.irreversible(),
            Standing::Regenerate { .. } => true,
            Standing::Again { .. } => action.kind.irreversible() && acting.asked_at.is_some(),
            Standing::Unknown { .. } => waits,
            Standing::Unconfirmed { .. } | Standing::Cancelled { .. } => false,
        };
        let cause = match action.kind == ActionKind::PullFacts && matches!(standing, Standing::Done) {
            true => Cause::FactsChanged,
            false => Cause::ActionMoved,
        };
        let forgets =
            self.sabotage == Sabotage::ForgetsIntents && matches!(standing, Standing::Unknown { .. });
        // One transaction: a crash comes before both or after both.
        if self.crashes(replica) {
            return;
        }
        self.commit_by_hand(vec![Write::Action(acting.id, action.clone())]);
        if forgets && let Some(row) = self.store.cases.get_mut(&acting.id) {
            row.actions.retain(|a| a.id != action.id);
        }
        if looks_again || forgets {
            let mut writes = Vec::new();
            let looks = [Input::Look(cause)];
            turn::take(
                &mut self.store,
                (acting.id, acting.account),
                &looks,
                self.now,
                self.sabotage,
                &mut writes,
            );
            self.commit_by_hand(writes);
        }
        self.crashes(replica);
    }

    fn still_open(&self, acting: &Acting) -> bool {
        let cycles = &self.store.cases[&acting.id].cycles;
        let mine = cycles.iter().find(|row| row.cycle.n == acting.action.cycle_n);
        mine.is_some_and(|row| row.cycle.state == CycleState::Open)
    }

    fn backoff(&self, acting: &Acting) -> DateTime<Utc> {
        let row: &CaseRow = &self.store.cases[&acting.id];
        let (page_at, respond_by) = Self::page_at(row, acting.action.cycle_n);
        patience::backoff(acting.action.attempts, page_at, respond_by, self.now)
    }
}

/// A call of which only webhooks can tell what became.
fn unread(acting: &Acting) -> bool {
    acting.action.kind.irreversible() && !ACCOUNTS[acting.account].1.fetch
}

/// As the store hands it out.
fn leased(acting: &Acting) -> LeasedAction {
    let action = acting.action.clone();
    LeasedAction {
        state_before: acting.action.state,
        note_before: None,
        merchant_id: MERCHANT,
        action_id: action.id,
        dispute_id: acting.id,
        cycle_n: action.cycle_n,
        account_id: acting.account as i64,
        kind: action.kind,
        subject: action.subject,
        state: action.state,
        fence: action.fence,
        generation: action.generation,
        attempts: action.attempts,
        sent_at: action.sent_at,
        leased_until: action.leased_until.unwrap_or_default(),
    }
}

fn later(action: &Action, due_at: DateTime<Utc>) -> Standing {
    let why = "not now".to_owned();
    match action.state {
        ActionState::Unknown => Standing::Unknown { due_at, why },
        ActionState::Sent => Standing::Unconfirmed { due_at, why },
        ActionState::Wanted | ActionState::Done | ActionState::Refused | ActionState::Cancelled => {
            Standing::Again { due_at, why }
        }
    }
}
