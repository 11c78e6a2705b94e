//! The other side: made-up providers with a truth of their own, and a ledger of every irreversible call that took
//! effect. Some cannot be read: their webhooks tell all that is ever told. They know nothing of the engine; what
//! they tell, they tell as records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use respondby::dispute::{
    Capabilities, Category, Currency, Event, FileDelivery, FileLimits, LapseOutcome, Money, News, Reason,
    RespondBy, Snapshot, Source, Stage, StageCapability, Status,
};
use respondby::engine::ActionKind;
use respondby::providers::Answer;

use super::chance::Chance;

const fn stage(stage: Stage, acceptable: bool, defendable: bool) -> StageCapability {
    let lapse = LapseOutcome::Lost;
    StageCapability { stage, acceptable, defendable, draft: defendable, responds_once: true, lapse }
}

const fn capabilities(stages: &'static [StageCapability], keyed: bool) -> Capabilities {
    let delivery = FileDelivery::Upload;
    let files = FileLimits { delivery, media_types: &[], file_bytes_max: 1, total_bytes_max: 1 };
    let (webhooks, fetch, list, own_id_per_stage) = (true, true, true, !keyed);
    Capabilities {
        stages,
        webhooks,
        fetch,
        list,
        idempotency_key: keyed,
        submits_by_itself: false,
        own_id_per_stage,
        deadline_signed: keyed,
        documents_min: 0,
        files,
    }
}

/// Answers a repeated key with its first answer, and signs deadlines.
static KEYED: Capabilities = capabilities(
    &[
        stage(Stage::Inquiry, false, true),
        stage(Stage::Chargeback, true, true),
        stage(Stage::Compliance, true, true),
        stage(Stage::PreArbitration, false, false),
    ],
    true,
);

/// Has no keys, does not sign deadlines, gives each phase an id of its own and says when a new round begins.
static PLAIN: Capabilities = capabilities(
    &[
        stage(Stage::Inquiry, true, true),
        stage(Stage::Chargeback, true, true),
        stage(Stage::PreArbitration, true, true),
        stage(Stage::Arbitration, true, true),
    ],
    false,
);

/// Nothing of it can be read, it has no keys and signs no deadlines.
static MUTE: Capabilities = Capabilities { own_id_per_stage: false, ..unread(&PLAIN) };

/// Nothing of it can be read either, and its webhooks are signed whole.
static SEALED: Capabilities = Capabilities { idempotency_key: false, ..unread(&KEYED) };

const fn unread(like: &Capabilities) -> Capabilities {
    Capabilities { fetch: false, list: false, ..*like }
}

pub const ACCOUNTS: [(&str, &Capabilities); 4] =
    [("keyed", &KEYED), ("plain", &PLAIN), ("mute", &MUTE), ("sealed", &SEALED)];

/// The provider's own record of one dispute, now and as it was: reads may come from a replica that lags.
pub struct Truth {
    pub account: usize,
    pub now: Snapshot,
    /// Raised whenever a response is owed anew.
    pub round: u32,
    /// Somebody answered this round without the engine.
    pub elsewhere: bool,
    pub changed_at: DateTime<Utc>,
    past: Vec<(DateTime<Utc>, Snapshot)>,
}

/// One irreversible call that took effect.
#[derive(Debug, Clone)]
pub struct Effect {
    pub dispute_ref: String,
    pub round: u32,
    pub kind: ActionKind,
}

#[derive(Debug, Clone)]
pub struct Call {
    pub account: usize,
    pub dispute_ref: String,
    pub kind: ActionKind,
    pub key: String,
    pub trouble: Trouble,
}

/// What goes wrong on the provider's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    FailsBefore,
    FailsAfter,
    Refuses,
}

#[derive(Default)]
pub struct Provider {
    pub truths: BTreeMap<String, Truth>,
    pub ledger: Vec<Effect>,
    /// Of which a read has shown what was not true any more.
    pub lagged: BTreeSet<String>,
    /// Of which a webhook said less than the truth, or never came.
    pub untold: BTreeSet<String>,
    /// Takes another response to what was answered already, and charges for it: the worst there is.
    permissive: bool,
    keys: HashMap<String, Answer<Event>>,
    count: u32,
}

/// The provider's clock is told in whole seconds.
pub fn second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::seconds(1)).expect("an instant of this century")
}

fn event(source: Source, name: &str, as_of: DateTime<Utc>, snapshot: Snapshot) -> Event {
    Event { source, name: name.to_owned(), as_of: second(as_of), news: News::Record { snapshot } }
}

impl Provider {
    pub fn new(permissive: bool) -> Self {
        Self { permissive, ..Self::default() }
    }

    /// A new dispute, as it stands when it is first told of.
    pub fn open(
        &mut self,
        account: usize,
        stage: Stage,
        window: TimeDelta,
        now: DateTime<Utc>,
        chance: &mut Chance,
    ) -> String {
        self.count += 1;
        let (dispute_ref, payment_ref) = (format!("dp_{}", self.count), format!("pay_{}", self.count));
        self.insert(account, new_record(dispute_ref.clone(), payment_ref, stage, window, now, chance), now);
        dispute_ref
    }

    /// The next phase of a payment's dispute where each phase is a dispute of its own.
    pub fn next_phase(
        &mut self,
        of: &str,
        stage: Stage,
        window: TimeDelta,
        now: DateTime<Utc>,
        chance: &mut Chance,
    ) -> String {
        self.count += 1;
        let (account, payment_ref) = {
            let before = &self.truths[of];
            (before.account, before.now.payment_ref.clone().unwrap_or_default())
        };
        let dispute_ref = format!("dp_{}", self.count);
        self.insert(account, new_record(dispute_ref.clone(), payment_ref, stage, window, now, chance), now);
        dispute_ref
    }

    fn insert(&mut self, account: usize, record: Snapshot, now: DateTime<Utc>) {
        let round = 1;
        let past = vec![(now, record.clone())];
        let name = record.dispute_ref.clone();
        let truth = Truth { account, now: record, round, elsewhere: false, changed_at: now, past };
        self.truths.insert(name, truth);
    }

    /// Changes the record. A response that is owed after it and was not before begins a round.
    pub fn change(&mut self, dispute_ref: &str, now: DateTime<Utc>, change: impl FnOnce(&mut Snapshot)) {
        let Some(truth) = self.truths.get_mut(dispute_ref) else { return };
        let before = truth.now.clone();
        change(&mut truth.now);
        let asks = truth.now.status == Status::NeedsResponse;
        let shut = before.respond_by == RespondBy::NotAllowed && truth.now.respond_by != before.respond_by;
        if asks && (before.status != Status::NeedsResponse || before.stage != truth.now.stage || shut) {
            truth.round += 1;
            truth.elsewhere = false;
        }
        truth.changed_at = now;
        truth.past.push((now, truth.now.clone()));
    }

    /// What a webhook about the last change says.
    pub fn told(&self, dispute_ref: &str, name: &str, now: DateTime<Utc>) -> Event {
        let truth = &self.truths[dispute_ref];
        let signed = ACCOUNTS[truth.account].1.deadline_signed;
        let snapshot = Snapshot { deadline_confirmed: signed, ..truth.now.clone() };
        event(Source::Webhook, name, now, snapshot)
    }

    /// The record as a replica gives it that lags so far behind.
    pub fn read(
        &mut self,
        dispute_ref: &str,
        source: Source,
        now: DateTime<Utc>,
        lag: TimeDelta,
    ) -> Option<Event> {
        let truth = self.truths.get(dispute_ref)?;
        let (_, seen) = truth.past.iter().rev().find(|(at, _)| *at <= now - lag)?;
        if *seen != truth.now {
            self.lagged.insert(dispute_ref.to_owned());
        }
        Some(event(source, source.as_str(), now, seen.clone()))
    }

    /// Everything of an account that changed since.
    pub fn list(
        &mut self,
        account: usize,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
        lag: TimeDelta,
    ) -> Vec<Event> {
        let changed = self.truths.iter().filter(|(_, t)| t.account == account && t.changed_at >= since);
        let changed: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
        changed.iter().filter_map(|name| self.read(name, Source::Poll, now, lag)).collect()
    }

    /// A call reaches the provider. What it answers, whether or not anybody hears it.
    pub fn arrive(&mut self, call: &Call, now: DateTime<Utc>) -> Answer<Event> {
        let keyed = ACCOUNTS[call.account].1.idempotency_key;
        // The first answer word for word, under today's date: what it shows may have passed since.
        if let Some(first) = self.keys.get(&call.key).filter(|_| keyed) {
            self.lagged.insert(call.dispute_ref.clone());
            return first.clone().map(|event| Event { as_of: second(now), ..event });
        }
        let answer = self.take(call, now);
        if keyed {
            self.keys.insert(call.key.clone(), answer.clone());
        }
        answer
    }

    fn take(&mut self, call: &Call, now: DateTime<Utc>) -> Answer<Event> {
        let lost = Answer::Unknown { why: "HTTP 500".into() };
        match call.trouble {
            Trouble::FailsBefore => return lost,
            Trouble::Refuses => return refused("not today"),
            Trouble::Nothing | Trouble::FailsAfter => {}
        }
        let Some(truth) = self.truths.get(&call.dispute_ref) else {
            return refused("there is no such dispute");
        };
        let (asks, round) = (truth.now.status == Status::NeedsResponse, truth.round);
        let answered = self.ledger.iter().any(|e| e.dispute_ref == call.dispute_ref && e.round == round);
        match call.kind {
            ActionKind::Accept | ActionKind::Submit if asks || (self.permissive && answered) => {
                self.respond(call, round, asks, now);
            }
            ActionKind::StageEvidence if asks => {
                self.change(&call.dispute_ref, now, |record| record.evidence_staged = true);
            }
            ActionKind::Accept | ActionKind::Submit | ActionKind::StageEvidence => {
                return refused("this dispute takes no response now");
            }
            ActionKind::Upload | ActionKind::KeepManual | ActionKind::Fetch | ActionKind::PullFacts => {}
        }
        if call.trouble == Trouble::FailsAfter {
            return lost;
        }
        match self.read(&call.dispute_ref, Source::Receipt, now, TimeDelta::zero()) {
            Some(receipt) => Answer::Receipt(receipt),
            None => refused("there is no such dispute"),
        }
    }

    fn respond(&mut self, call: &Call, round: u32, asks: bool, now: DateTime<Utc>) {
        let (dispute_ref, kind) = (call.dispute_ref.clone(), call.kind);
        self.ledger.push(Effect { dispute_ref, round, kind });
        if asks {
            self.change(&call.dispute_ref, now, |record| match kind {
                ActionKind::Accept => record.status = Status::Lost,
                ActionKind::Submit
                | ActionKind::StageEvidence
                | ActionKind::Upload
                | ActionKind::KeepManual
                | ActionKind::Fetch
                | ActionKind::PullFacts => {
                    record.status = Status::UnderReview;
                    record.submissions += 1;
                }
            });
        }
    }

    /// Whether the dispute had this status, left it, and has had it again.
    pub fn settled_twice(&self, dispute_ref: &str, status: Status) -> bool {
        let told: Vec<Status> =
            self.truths[dispute_ref].past.iter().map(|(_, record)| record.status).collect();
        told.chunk_by(|a, b| a == b).filter(|run| run[0] == status).count() > 1
    }

    /// Irreversible calls that took effect in one round, at most.
    pub fn effects_in(&self, dispute_ref: &str, round: u32) -> usize {
        self.ledger.iter().filter(|e| e.dispute_ref == dispute_ref && e.round == round).count()
    }
}

fn refused(reason: &str) -> Answer<Event> {
    Answer::Refused { status: 400, code: None, reason: reason.into() }
}

fn new_record(
    dispute_ref: String,
    payment_ref: String,
    stage: Stage,
    window: TimeDelta,
    now: DateTime<Utc>,
    chance: &mut Chance,
) -> Snapshot {
    let currency = Currency::parse("USD").expect("dollars exist");
    let category = *chance.pick(Category::ALL);
    Snapshot {
        dispute_ref,
        payment_ref: Some(payment_ref),
        charge_ref: None,
        stage,
        status: Status::NeedsResponse,
        provider_status: "asked".into(),
        amount: Money::new(chance.number(100..9_000), currency),
        reason: Reason {
            category,
            provider_reason: format!("their_{category}"),
            network_code: chance.per_mille(500).then(|| "13.1".to_owned()),
            network: None,
        },
        respond_by: RespondBy::At(second(now + window)),
        deadline_confirmed: true,
        opened_at: second(now),
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: chance.per_mille(40),
        refunded: chance.per_mille(30),
        customer_ref: None,
        live: true,
        new_round: false,
    }
}
