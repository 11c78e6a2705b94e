//! What is committed. A transaction is a list of writes that is applied whole or not at all; a process that crashes
//! before it has written nothing. The rules of the tables that carry promises are repeated here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use respondby::alerts::AlertState;
use respondby::dispute::{Capabilities, CycleState, Dispute, Event, RespondBy};
use respondby::engine::{
    AccountView, ActionKind, ActionState, ActionView, Alert, Case, CycleRow, Decision, MerchantView,
};
use respondby::evidence::Packet;
use respondby::rules::{Customer, Ruleset};
use respondby::store::actions::Standing;
use serde_json::{Value, json};

use super::provider::ACCOUNTS;

pub type Id = i64;
pub const MERCHANT: i64 = 7;

/// What a delivery holds, once it is read.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few of them at a time")]
pub enum Body {
    News(Event),
    /// Says only that something changed.
    Thin(String),
    /// Words that nobody knows.
    Strange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Kept,
    Done,
    Quarantined,
}

#[derive(Debug, Clone)]
pub struct Delivery {
    pub account: usize,
    pub key: String,
    pub body: Body,
    pub state: Settled,
    /// A read that was not believed.
    pub doubted: bool,
}

#[derive(Debug, Clone)]
pub struct Action {
    pub id: i64,
    pub cycle_n: i32,
    pub kind: ActionKind,
    pub subject: String,
    pub state: ActionState,
    pub due_at: Option<DateTime<Utc>>,
    pub fence: i64,
    pub leased_until: Option<DateTime<Utc>>,
    pub generation: i32,
    pub attempts: i32,
    pub sent_at: Option<DateTime<Utc>>,
    pub wanted_at: DateTime<Utc>,
    pub note: Option<String>,
}

impl Action {
    pub fn alive(&self) -> bool {
        self.kind.irreversible()
            && match self.state {
                ActionState::Wanted | ActionState::Sent | ActionState::Unknown | ActionState::Done => true,
                ActionState::Refused | ActionState::Cancelled => false,
            }
    }

    /// Writes where it stands, as the store does.
    pub fn stand(&mut self, standing: &Standing) {
        (self.state, self.due_at) = match standing {
            Standing::Done => (ActionState::Done, None),
            Standing::Refused { .. } => (ActionState::Refused, None),
            Standing::Cancelled { .. } => (ActionState::Cancelled, None),
            Standing::Again { due_at, .. } | Standing::Regenerate { due_at, .. } => {
                (ActionState::Wanted, Some(*due_at))
            }
            Standing::Unconfirmed { due_at, .. } => (ActionState::Sent, Some(*due_at)),
            Standing::Unknown { due_at, .. } => (ActionState::Unknown, Some(*due_at)),
        };
        self.note = match standing {
            Standing::Refused { why } => Some(why.clone()),
            Standing::Done
            | Standing::Cancelled { .. }
            | Standing::Again { .. }
            | Standing::Regenerate { .. }
            | Standing::Unconfirmed { .. }
            | Standing::Unknown { .. } => None,
        };
        self.leased_until = None;
        if matches!(standing, Standing::Regenerate { .. }) {
            self.generation += 1;
        }
        if matches!(standing, Standing::Again { .. } | Standing::Regenerate { .. }) {
            self.sent_at = None;
        }
    }
}

#[derive(Debug, Clone)]
pub struct CaseRow {
    pub account: usize,
    pub dispute: Dispute,
    pub check_at: Option<DateTime<Utc>>,
    pub read_as_of: Option<DateTime<Utc>>,
    pub cycles: Vec<CycleRow>,
    pub actions: Vec<Action>,
    pub attached: Arc<Packet>,
    /// What was told of it, where it cannot be read.
    pub told: Arc<Vec<Event>>,
}

impl CaseRow {
    pub fn open(&self) -> Option<&CycleRow> {
        self.cycles.last().filter(|row| row.cycle.state == CycleState::Open)
    }

    pub fn wake_at(&self) -> Option<DateTime<Utc>> {
        self.open().and_then(|row| row.cycle.wake_at)
    }
}

#[derive(Debug, Clone)]
pub struct AlertRow {
    pub alert: Alert,
    pub state: AlertState,
    pub needs_ack: bool,
    pub raised_at: DateTime<Utc>,
    pub next_at: Option<DateTime<Utc>>,
    pub rounds: i32,
    pub failures: i32,
    pub round_at: Option<DateTime<Utc>>,
    pub escalated: bool,
    /// When it went out, heard or not.
    pub tried_at: Option<DateTime<Utc>>,
    /// Some channel has taken it.
    pub heard: bool,
}

impl AlertRow {
    pub fn is_open(&self) -> bool {
        let unsettled = matches!(self.state, AlertState::Raised | AlertState::Sent);
        unsettled && (self.needs_ack || self.next_at.is_some())
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Watermark {
    pub changed_until: DateTime<Utc>,
    pub next_at: DateTime<Utc>,
    pub fence: i64,
}

/// A read that is wanted because a thin webhook pointed at it.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    pub due_at: DateTime<Utc>,
    pub attempts: i32,
}

#[expect(clippy::large_enum_variant, reason = "there are few of them at a time")]
pub enum Write {
    Case(Id, Box<CaseRow>),
    Action(Id, Action),
    Keep(Delivery),
    Settle(usize, Settled),
    Raise(Id, Box<Alert>, DateTime<Utc>),
    Alert((Id, String), Box<AlertRow>),
    Resolve(Id, i32),
    Withdraw(Id, String),
    Decided(Id, Box<Decision>),
    Fetch((usize, String), Option<Fetch>),
    Watermark(usize, Watermark),
    Check(Id, DateTime<Utc>),
    Publish(Arc<Ruleset>),
    Kill(bool),
    WakeAll(DateTime<Utc>),
    Facts(Id, Value),
}

pub struct Store {
    pub cases: BTreeMap<Id, CaseRow>,
    pub refs: BTreeMap<(usize, String), Id>,
    pub facts: BTreeMap<Id, Arc<Value>>,
    pub deliveries: Vec<Delivery>,
    pub keys: BTreeSet<String>,
    /// Places of the deliveries that nobody has read yet.
    pub waiting: BTreeSet<usize>,
    pub alerts: BTreeMap<(Id, String), AlertRow>,
    /// Those of the alerts that are to go out, or that somebody has to acknowledge.
    pub pending: BTreeSet<(Id, String)>,
    pub decisions: Vec<(Id, Decision)>,
    pub fetches: BTreeMap<(usize, String), Fetch>,
    pub watermarks: Vec<Watermark>,
    /// Version 1 is the first.
    pub rulesets: Vec<Arc<Ruleset>>,
    pub killed: bool,
    accounts: Vec<Arc<AccountView>>,
    merchant: Arc<MerchantView>,
    numbers: i64,
}

impl Store {
    pub fn new(first: Arc<Ruleset>, facts_pull: bool, now: DateTime<Utc>) -> Self {
        let watermark = |(_, can): &(&str, &Capabilities)| {
            let next_at = if can.list { now } else { DateTime::<Utc>::MAX_UTC };
            Watermark { changed_until: now - TimeDelta::days(1), next_at, fence: 0 }
        };
        let accounts = ACCOUNTS.iter().zip(1..).map(|((name, capabilities), account_id)| {
            let lint = Arc::new(|_: &Packet, _| Vec::new());
            let (name, provider) = ((*name).to_owned(), *name);
            Arc::new(AccountView { account_id, name, provider, capabilities, lint })
        });
        let merchant = MerchantView {
            merchant_id: MERCHANT,
            name: "petrel".into(),
            killed: false,
            ruleset: Some((1, first.clone())),
            facts_pull,
        };
        Self {
            cases: BTreeMap::new(),
            refs: BTreeMap::new(),
            facts: BTreeMap::new(),
            deliveries: Vec::new(),
            keys: BTreeSet::new(),
            waiting: BTreeSet::new(),
            alerts: BTreeMap::new(),
            pending: BTreeSet::new(),
            decisions: Vec::new(),
            fetches: BTreeMap::new(),
            watermarks: ACCOUNTS.iter().map(watermark).collect(),
            rulesets: vec![first],
            killed: false,
            accounts: accounts.collect(),
            merchant: Arc::new(merchant),
            numbers: 10,
        }
    }

    /// From a sequence: a number that was given out is never given out again, whatever becomes of it.
    pub fn number(&mut self) -> i64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn account(&self, account: usize) -> &Arc<AccountView> {
        &self.accounts[account]
    }

    /// What a step may look at.
    pub fn load(&self, id: Id, account: usize) -> Case {
        let row = self.cases.get(&id);
        let newest = row.and_then(|row| row.cycles.last().cloned());
        let n = newest.as_ref().map(|row| row.cycle.n);
        let view = |a: &Action| ActionView {
            kind: a.kind,
            subject: a.subject.clone(),
            state: a.state,
            note: a.note.clone(),
            wanted_at: a.wanted_at,
            sent_at: a.sent_at,
        };
        let actions = row.into_iter().flat_map(|row| &row.actions).filter(|a| Some(a.cycle_n) == n);
        Case {
            merchant: self.merchant.clone(),
            account: self.accounts[account].clone(),
            dispute_id: id,
            dispute: row.map(|row| Arc::new(row.dispute.clone())),
            newest,
            ended: Vec::new(),
            facts: self.facts.get(&id).cloned().unwrap_or_else(|| Arc::new(json!({}))),
            attached: row.map(|row| row.attached.clone()).unwrap_or_default(),
            pending_uploads: Vec::new(),
            own_files: Vec::new(),
            customer: Customer::default(),
            actions: actions.map(view).collect(),
            check_at: row.and_then(|row| row.check_at),
            read_as_of: row.and_then(|row| row.read_as_of),
            told: row.map(|row| row.told.clone()).unwrap_or_default(),
        }
    }

    /// All of it, in order. Returns the disputes that were written.
    pub fn commit(&mut self, writes: Vec<Write>) -> BTreeSet<Id> {
        let mut touched = BTreeSet::new();
        for write in writes {
            match write {
                Write::Case(id, row) => {
                    self.refs.insert((row.account, row.dispute.dispute_ref.clone()), id);
                    self.cases.insert(id, *row);
                    touched.insert(id);
                }
                Write::Action(id, action) => {
                    let row = self.cases.get_mut(&id).expect("an action is of a dispute");
                    match row.actions.iter_mut().find(|a| a.id == action.id) {
                        Some(known) => *known = action,
                        None => row.actions.push(action),
                    }
                    touched.insert(id);
                }
                Write::Check(id, at) => {
                    if let Some(row) = self.cases.get_mut(&id) {
                        row.check_at = Some(at);
                    }
                }
                Write::Facts(id, facts) => _ = self.facts.insert(id, Arc::new(facts)),
                Write::Decided(id, decision) => self.decisions.push((id, *decision)),
                Write::Keep(delivery) => {
                    if self.keys.insert(delivery.key.clone()) {
                        if delivery.state == Settled::Kept {
                            self.waiting.insert(self.deliveries.len());
                        }
                        self.deliveries.push(delivery);
                    }
                }
                Write::Settle(at, state) => {
                    self.deliveries[at].state = state;
                    self.waiting.remove(&at);
                }
                Write::Fetch(key, Some(fetch)) => _ = self.fetches.insert(key, fetch),
                Write::Fetch(key, None) => _ = self.fetches.remove(&key),
                Write::Watermark(account, mark) => self.watermarks[account] = mark,
                Write::Alert(key, row) => {
                    if !row.is_open() {
                        self.pending.remove(&key);
                    }
                    self.alerts.insert(key, *row);
                }
                Write::Raise(id, alert, at) => self.raise(id, *alert, at),
                Write::Resolve(id, n) => self.resolve(id, |_, alert| alert.cycle_n == Some(n)),
                Write::Withdraw(id, prefix) => self.resolve(id, |key, _| key.starts_with(&prefix)),
                Write::Publish(ruleset) => {
                    self.rulesets.push(ruleset);
                    self.set_merchant();
                }
                Write::Kill(on) => {
                    self.killed = on;
                    self.set_merchant();
                }
                Write::WakeAll(at) => self.wake_all(at),
            }
        }
        touched
    }

    fn set_merchant(&mut self) {
        let version = i32::try_from(self.rulesets.len()).expect("a few versions");
        let ruleset = self.rulesets.last().map(|ruleset| (version, ruleset.clone()));
        let merchant = MerchantView { killed: self.killed, ruleset, ..(*self.merchant).clone() };
        self.merchant = Arc::new(merchant);
    }

    fn wake_all(&mut self, at: DateTime<Utc>) {
        let newest = self.cases.values_mut().filter_map(|row| row.cycles.last_mut());
        for row in newest.filter(|row| row.cycle.state == CycleState::Open) {
            row.cycle.wake_at = row.cycle.wake_at.map(|wake_at| wake_at.min(at));
        }
    }

    /// The same news is told once: `alerts_dedupe_key`.
    fn raise(&mut self, id: Id, alert: Alert, at: DateTime<Utc>) {
        let key = (id, alert.key.clone());
        let needs_ack = alert.severity == respondby::engine::Severity::Page;
        if self.alerts.contains_key(&key) {
            return;
        }
        self.pending.insert(key.clone());
        let row = AlertRow {
            alert,
            state: AlertState::Raised,
            needs_ack,
            raised_at: at,
            next_at: Some(at),
            rounds: 0,
            failures: 0,
            round_at: None,
            escalated: false,
            tried_at: None,
            heard: false,
        };
        self.alerts.insert(key, row);
    }

    fn resolve(&mut self, id: Id, about: impl Fn(&str, &Alert) -> bool) {
        let unheard = |row: &AlertRow| matches!(row.state, AlertState::Raised | AlertState::Sent);
        let told = self.alerts.range_mut((id, String::new())..(id + 1, String::new()));
        for (key, row) in told.filter(|((_, key), row)| about(key, &row.alert) && unheard(row)) {
            (row.state, row.next_at) = (AlertState::Resolved, None);
            self.pending.remove(key);
        }
    }

    /// The instant at which anything in the tables is due next, whatever it is.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let cases = self.cases.values().flat_map(|row| {
            let actions = row.actions.iter().filter_map(|a| a.due_at);
            actions.chain(row.wake_at()).chain(row.check_at)
        });
        let alerts = self.pending.iter().filter_map(|key| self.alerts[key].next_at);
        let fetches = self.fetches.values().map(|f| f.due_at);
        let lists = self.watermarks.iter().map(|w| w.next_at);
        cases.chain(alerts).chain(fetches).chain(lists).min()
    }
}

/// What `cycles` and `actions` refuse to hold, in the names of their constraints.
pub fn refused_by_tables(row: &CaseRow) -> Option<&'static str> {
    let open = row.cycles.iter().filter(|r| r.cycle.state == CycleState::Open);
    if open.count() > 1 {
        return Some("cycles_one_open");
    }
    for CycleRow { cycle, plan } in &row.cycles {
        let open = cycle.state == CycleState::Open;
        if open != cycle.wake_at.is_some() {
            return Some("P2: cycles_open_has_a_wake");
        }
        if open != cycle.ended_at.is_none() || open != cycle.response.is_none() {
            return Some("cycles_ended_when");
        }
        if cycle.state == CycleState::Answered && cycle.answered_at.is_none() {
            return Some("cycles_answered_when");
        }
        if plan.page_at > cycle.respond_by {
            return Some("cycles_page_before_deadline");
        }
        let alive = row.actions.iter().filter(|a| a.cycle_n == cycle.n && a.alive()).count();
        if alive > 1 {
            return Some("P4: actions_one_irreversible");
        }
    }
    let closed = row.dispute.closed_at.is_some();
    let at = matches!(row.dispute.respond_by, RespondBy::At(_));
    let open_cycle_knows_when = row.open().is_none() || at || row.dispute.respond_by == RespondBy::Unstated;
    (closed != row.dispute.status.is_terminal())
        .then_some("disputes_closed_when")
        .or((!open_cycle_knows_when).then_some("an open cycle that takes no response"))
}
