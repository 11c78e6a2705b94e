//! A simulated world around one case: a clock that moves only when told, a provider that answers, refuses,
//! stays silent or times out, and a person who looks. Every input is watched by the promises in `watch`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::watch::{self, Memory};
use crate::dispute::{
    Capabilities, Category, Currency, Event, FileDelivery, FileLimits, LapseOutcome, Money, News, Reason,
    RespondBy, Snapshot, Source, Stage, StageCapability, Status,
};
use crate::engine::*;
use crate::evidence::Packet;
use crate::rules::{Customer, Ruleset};

const fn stage(stage: Stage, acceptable: bool, defendable: bool) -> StageCapability {
    let lapse = LapseOutcome::Lost;
    StageCapability { stage, acceptable, defendable, draft: defendable, responds_once: true, lapse }
}

const fn provider(stages: &'static [StageCapability], documents_min: u32) -> Capabilities {
    let delivery = FileDelivery::Upload;
    let files = FileLimits { delivery, media_types: &[], file_bytes_max: 1, total_bytes_max: 1 };
    let (webhooks, fetch, list) = (true, true, true);
    Capabilities {
        stages,
        webhooks,
        fetch,
        list,
        idempotency_key: false,
        submits_by_itself: false,
        own_id_per_stage: false,
        deadline_signed: true,
        documents_min,
        files,
    }
}

/// Like Stripe: an inquiry cannot be accepted, and an appeal not answered through the API.
pub static STRIPE_LIKE: Capabilities = provider(
    &[
        stage(Stage::Inquiry, false, true),
        stage(Stage::Chargeback, true, true),
        stage(Stage::Compliance, true, true),
        stage(Stage::PreArbitration, false, false),
    ],
    0,
);

/// Like Razorpay: every phase can be accepted and contested, a contest needs a document.
pub static RAZORPAY_LIKE: Capabilities = provider(
    &[
        stage(Stage::FraudNotice, true, true),
        stage(Stage::Inquiry, true, true),
        stage(Stage::Chargeback, true, true),
        stage(Stage::PreArbitration, true, true),
        stage(Stage::Arbitration, true, true),
    ],
    1,
);

/// Like Adyen: nothing of it can be read, its webhooks are all there is.
pub static UNREAD: Capabilities = Capabilities { fetch: false, list: false, ..STRIPE_LIKE };

/// How the provider takes an irreversible call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Takes it, and its answer shows the response.
    Answers,
    Refuses,
    /// Takes the request and never says what became of it.
    TimesOut,
    /// Says yes, and its record goes on asking.
    Forgets,
    /// Cannot be called: what is wanted stays wanted.
    Down,
}

pub struct World {
    pub case: Case,
    pub now: DateTime<Utc>,
    pub start: DateTime<Utc>,
    pub provider: Provider,
    /// The provider's own record.
    pub record: Option<Snapshot>,
    pub memory: Memory,
    /// What happened since it was last read, with the instant.
    pub seen: Vec<(DateTime<Utc>, String)>,
}

pub fn ruleset(text: &str) -> Arc<Ruleset> {
    match Ruleset::parse(text) {
        Ok(loaded) => Arc::new(loaded.ruleset),
        Err(problems) => panic!("the rules of this test do not load: {problems:#?}"),
    }
}

/// A record nobody cares about, to be changed by what a test is about.
pub fn snapshot(opened_at: DateTime<Utc>) -> Snapshot {
    Snapshot {
        dispute_ref: "dp_tern".into(),
        payment_ref: Some("pay_tern".into()),
        charge_ref: None,
        stage: Stage::Chargeback,
        status: Status::NeedsResponse,
        provider_status: "asked".into(),
        amount: money("45.00", "USD"),
        reason: Reason {
            category: Category::ProductNotReceived,
            provider_reason: "not_here".into(),
            network_code: None,
            network: None,
        },
        respond_by: RespondBy::At(opened_at + TimeDelta::days(20)),
        deadline_confirmed: true,
        opened_at,
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: false,
        customer_ref: None,
        live: true,
        new_round: false,
    }
}

pub fn money(major: &str, code: &str) -> Money {
    Money::parse_major(major, Currency::parse(code).unwrap()).unwrap()
}

pub fn start() -> DateTime<Utc> {
    "2027-03-01T09:00:00Z".parse().unwrap()
}

pub fn event(source: Source, as_of: DateTime<Utc>, snapshot: Snapshot) -> Event {
    Event { source, name: source.to_string(), as_of, news: News::Record { snapshot } }
}

fn lint(packet: &Packet, submit: bool, documents_min: u32) -> Vec<String> {
    let few = submit && packet.document_count() < documents_min as usize;
    few.then(|| "at least one document is needed".to_owned()).into_iter().collect()
}

pub fn case(rules: Option<&str>, capabilities: &'static Capabilities) -> Case {
    let merchant = MerchantView {
        merchant_id: 7,
        name: "petrel".into(),
        killed: false,
        ruleset: rules.map(|text| (1, ruleset(text))),
        facts_pull: false,
    };
    let account = AccountView {
        account_id: 3,
        name: "main".into(),
        provider: "stripe",
        capabilities,
        lint: Arc::new(|packet, submit| lint(packet, submit, capabilities.documents_min)),
    };
    Case {
        merchant: Arc::new(merchant),
        account: Arc::new(account),
        dispute_id: 11,
        dispute: None,
        newest: None,
        ended: Vec::new(),
        facts: Arc::new(json!({})),
        attached: Arc::new(Packet::default()),
        pending_uploads: Vec::new(),
        own_files: Vec::new(),
        customer: Customer::default(),
        actions: Vec::new(),
        check_at: None,
        read_as_of: None,
        told: Arc::default(),
    }
}

impl World {
    pub fn new(rules: Option<&str>, capabilities: &'static Capabilities) -> Self {
        let case = case(rules, capabilities);
        let now = start();
        let (provider, memory) = (Provider::Answers, Memory::default());
        Self { case, now, start: now, provider, record: None, memory, seen: Vec::new() }
    }

    pub fn say(&mut self, what: impl Into<String>) {
        self.seen.push((self.now, what.into()));
    }

    /// Puts one input to the case at this instant, checks the promises, and lets the provider react.
    pub fn put(&mut self, input: &Input) {
        let before = self.case.clone();
        let (after, outcome) = step(before.clone(), input, self.now);
        watch::promises(&before, input, &after, &outcome, self.now, &mut self.memory);
        self.case = after;
        self.case.ended.clear();
        self.tell(&before, &outcome);
        self.react(&outcome);
    }

    pub fn news(&mut self, source: Source, as_of: DateTime<Utc>, snapshot: Snapshot) {
        self.put(&Input::News(Box::new(event(source, as_of, snapshot))));
    }

    /// Changes the provider's record and sends the webhook.
    pub fn changes(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let mut record = self.record.clone().unwrap_or_else(|| snapshot(self.now));
        change(&mut record);
        let told = record.clone();
        record.new_round = false;
        self.record = Some(record);
        self.news(Source::Webhook, self.now, told);
    }

    /// Time passes; every wake that comes due on the way is looked at, in order.
    pub fn advance_to(&mut self, until: DateTime<Utc>) {
        let mut looks = 0;
        while let Some(wake_at) = self.wake_at().filter(|at| *at <= until) {
            self.now = self.now.max(wake_at);
            self.put(&Input::Look(Cause::Wake));
            looks += 1;
            assert!(looks < 2_000, "the wake loop spins at {}", self.now);
        }
        self.now = until;
    }

    pub fn wake_at(&self) -> Option<DateTime<Utc>> {
        self.case.open().and_then(|row| row.cycle.wake_at)
    }

    pub fn merchant(&mut self, change: impl FnOnce(&mut MerchantView)) {
        change(Arc::make_mut(&mut self.case.merchant));
    }

    pub fn facts(&mut self, facts: Value) {
        self.case.facts = Arc::new(facts);
        self.put(&Input::Look(Cause::FactsChanged));
    }

    pub fn attach(&mut self, change: impl FnOnce(&mut Packet)) {
        change(Arc::make_mut(&mut self.case.attached));
        self.put(&Input::Look(Cause::EvidenceAdded { by: "carol".into() }));
    }

    pub fn order(&mut self, by: &str, command: Command) {
        self.put(&Input::Order(Order { by: by.into(), command }));
    }

    /// The worker's turn with whatever is wanted.
    pub fn work(&mut self) {
        let wanted = |a: &&ActionView| a.state == ActionState::Wanted;
        let work: Vec<_> = self.case.actions.iter().filter(wanted).cloned().collect();
        for action in work {
            self.call(action.kind, &action.subject);
        }
    }

    pub fn set(&mut self, kind: ActionKind, subject: &str, state: ActionState, note: Option<&str>) {
        let same = |a: &&mut ActionView| a.kind == kind && a.subject == subject;
        if let Some(action) = self.case.actions.iter_mut().find(same) {
            action.state = state;
            action.note = note.map(str::to_owned);
        }
    }

    fn react(&mut self, outcome: &Outcome) {
        for effect in &outcome.effects {
            if let Effect::Want { kind, subject, .. } = effect {
                self.call(*kind, subject);
            }
        }
    }

    fn call(&mut self, kind: ActionKind, subject: &str) {
        if self.provider == Provider::Down || kind == ActionKind::PullFacts {
            return;
        }
        if !kind.irreversible() {
            self.set(kind, subject, ActionState::Done, None);
            self.case.pending_uploads.retain(|file| file.file_id.to_string() != subject);
            return self.put(&Input::Look(Cause::ActionMoved));
        }
        match self.provider {
            Provider::Answers => {
                self.set(kind, subject, ActionState::Done, None);
                let mut record = self.record.clone().expect("a response to a record");
                record.status = if kind == ActionKind::Accept { Status::Lost } else { Status::UnderReview };
                record.submissions += u32::from(kind == ActionKind::Submit);
                self.record = Some(record.clone());
                self.news(Source::Receipt, self.now, record);
            }
            Provider::Refuses => {
                self.set(kind, subject, ActionState::Refused, Some("not today"));
                self.put(&Input::Look(Cause::ActionMoved));
            }
            Provider::TimesOut => {
                self.set(kind, subject, ActionState::Unknown, None);
                self.put(&Input::Look(Cause::ActionMoved));
            }
            Provider::Forgets => {
                self.set(kind, subject, ActionState::Done, None);
                self.put(&Input::Look(Cause::ActionMoved));
            }
            Provider::Down => {}
        }
    }

    fn tell(&mut self, before: &Case, outcome: &Outcome) {
        match &outcome.applied {
            Applied::Applied => {}
            Applied::Refused(why) => self.say(format!("no: {why}")),
            other @ (Applied::Unchanged | Applied::Stale | Applied::Doubtful(_)) => self.say(other.word()),
        }
        for effect in &outcome.effects {
            match effect {
                Effect::Want { kind, .. } => self.say(format!("want {kind}")),
                Effect::Cancel { cycle_n, .. } => {
                    let unsent = before.actions.iter().any(|a| a.state == ActionState::Wanted);
                    let same = before.newest.as_ref().is_some_and(|row| row.cycle.n == *cycle_n);
                    if unsent && same {
                        self.say("cancel");
                    }
                }
                Effect::Tell(alert) => match alert.severity {
                    Severity::Page => self.say(format!("PAGE {}", alert.kind)),
                    Severity::Info | Severity::Warning => self.say(format!("tell {}", alert.kind)),
                },
                Effect::GiveUp { kind, .. } => self.say(format!("give up {kind}")),
                Effect::ResolveAlerts { .. } | Effect::Withdraw { .. } | Effect::KeepNotice { .. } => {}
            }
        }
    }
}
