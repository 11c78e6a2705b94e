//! What happens to an Adyen dispute: a notification opens it, the funds are taken a while later, it is defended or
//! accepted or lapses, the bank takes the defence or charges back a second time, pre-arbitration and arbitration
//! follow. Every event of a dispute has its reference, and each is told by one webhook.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::super::office::{Plan, Timer, instant};
use super::super::orders::{Change, NewDispute};
use super::super::outbox::Draft;
use super::Desk;
use super::record::{Dispute, Stage, State, envelope, told_value};

/// Days that the made-up deadline leaves (Visa's, at Adyen).
const WINDOW_DAYS: i64 = 18;
/// How long after the notification the funds are taken, unless the order says otherwise.
const DEBIT_AFTER_S: i64 = 6 * 3600;

impl Desk<'_> {
    /// Opens a dispute and answers with its reference.
    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let account = self.office.account_index(self.book.kind, order.account.as_deref())?;
        let dispute = self.made_up(now, account, order)?;
        let (id, stage) = (dispute.id.clone(), dispute.stage);
        if self.book.disputes.contains_key(&id) {
            anyhow::bail!("an Adyen dispute `{id}` exists already");
        }
        if let Some(at) = dispute.debit_at {
            self.decide_at(instant(at), &id);
        }
        self.book.disputes.insert(id.clone(), dispute);
        self.watch_deadline(&id);
        if !order.silent {
            self.tell(now, &id, stage.opening());
        }
        Ok(id)
    }

    fn made_up(&mut self, now: DateTime<Utc>, account: usize, order: &NewDispute) -> anyhow::Result<Dispute> {
        let created = order.created.unwrap_or(now.timestamp());
        let stage = order.phase.as_deref().map_or(Ok(Stage::Chargeback), Stage::parse)?;
        let state = order.status.as_deref().map_or(Ok(State::Open), |word| State::parse(word, stage))?;
        if let Some(word) = &order.outcome {
            State::verdict(word)?;
        }
        let flag = |name: &str, otherwise: bool| match order.extra.get(name) {
            None => Ok(otherwise),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(anyhow::anyhow!("`{name}` is {other}, expected true or false")),
        };
        let debit_after_s = match order.extra.get("debit_after_s") {
            None => DEBIT_AFTER_S,
            Some(value) => value.as_i64().ok_or_else(|| anyhow::anyhow!("`debit_after_s` is {value}"))?,
        };
        let amount = order.amount.unwrap_or(4_900);
        let currency = order.currency.clone().unwrap_or_else(|| "EUR".to_owned()).to_ascii_uppercase();
        if told_value(amount, &currency).is_none() {
            anyhow::bail!("Adyen cannot count {amount} minor units of {currency}: it has whole ones only");
        }
        let reference = |given: &Option<String>, made: String| given.clone().unwrap_or(made);
        let (id, payment) = (self.next_reference("dispute"), self.next_reference("payment"));
        Ok(Dispute {
            id: reference(&order.id, id),
            account,
            n: self.office.count(),
            payment: reference(&order.payment, payment),
            merchant_reference: reference(&order.charge, format!("order-{created}")),
            amount,
            currency,
            scheme: order.network.clone().unwrap_or_else(|| "visa".to_owned()),
            reason_code: order.network_reason_code.clone().unwrap_or_else(|| "13.1".to_owned()),
            reason: reference(&order.reason, "Merchandise or services not received".to_owned()),
            stage,
            state,
            respond_by: order.due_by.unwrap_or(Some(created + WINDOW_DAYS * 86_400)),
            defendable: flag("defendable", true)?,
            status_told: flag("status_told", true)?,
            debit_at: (stage == Stage::Chargeback && !order.silent).then_some(created + debit_after_s),
            documents: Default::default(),
            shopper: order.customer.clone(),
            plan: Plan::of(order),
            verdict: None,
            round: 1,
        })
    }

    /// Sixteen capital letters and digits.
    fn next_reference(&mut self, kind: &'static str) -> String {
        self.office.ids.next(kind, 16).trim_start_matches(kind).to_ascii_uppercase()
    }

    fn tell(&mut self, at: DateTime<Utc>, id: &str, code: &str) {
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let account = &self.office.accounts[dispute.account];
        let item = dispute.item(code, &account.account_ref, at);
        let live = account.spec.settings.get("environment").is_none_or(|word| word != "test");
        let body = Bytes::from(envelope(item, live).to_string());
        // Adyen names no events.
        let draft = Draft::real(&format!("{code}:{id}"), code, Some(id), body);
        self.office.send_webhook(at, dispute.account, draft);
    }

    pub(super) fn edit(&mut self, id: &str, edit: impl FnOnce(&mut Dispute)) {
        if let Some(dispute) = self.book.disputes.get_mut(id) {
            edit(dispute);
        }
    }

    fn decide_at(&mut self, at: DateTime<Utc>, id: &str) {
        let timer = Timer::Decide { provider: self.book.kind, dispute: id.to_owned() };
        self.office.set_timer(at, timer);
    }

    fn watch_deadline(&mut self, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.state == State::Open) else { return };
        let Some(respond_by) = dispute.respond_by else { return };
        let ends = respond_by.saturating_add(1).saturating_add(dispute.plan.lapse_grace_s);
        let timer = Timer::Lapse { provider: self.book.kind, dispute: id.to_owned() };
        self.office.set_timer(instant(ends), timer);
    }

    /// Documents are there, which is told before any defence. The state has been checked.
    pub(super) fn supply(&mut self, at: DateTime<Utc>, id: &str, documents: BTreeMap<String, usize>) {
        self.edit(id, |d| d.documents.extend(documents));
        self.tell(at, id, "INFORMATION_SUPPLIED");
    }

    /// Sends the defence to the bank. The state has been checked.
    pub(super) fn defend(&mut self, at: DateTime<Utc>, id: &str) {
        self.edit(id, |d| d.state = State::Pending);
        self.tell(at, id, "INFORMATION_SUPPLIED");
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some(word) = dispute.plan.outcome.clone() else { return };
        let when = at + TimeDelta::seconds(dispute.plan.decide_after_s);
        dispute.verdict = Some((when, word));
        self.decide_at(when, id);
    }

    /// Liability is accepted, which ends the period in which it could be defended.
    pub(super) fn concede(&mut self, at: DateTime<Utc>, id: &str) {
        self.edit(id, |d| d.state = State::Accepted);
        self.tell(at, id, "DISPUTE_DEFENSE_PERIOD_ENDED");
    }

    fn end(&mut self, at: DateTime<Utc>, id: &str, state: State) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        dispute.state = state;
        dispute.verdict = None;
        let code = match (dispute.stage, state == State::Won) {
            (Stage::Inquiry | Stage::Chargeback, true) => "CHARGEBACK_REVERSED",
            (Stage::Inquiry | Stage::Chargeback, false) => "SECOND_CHARGEBACK",
            (Stage::PreArbitration, true) => "PREARBITRATION_WON",
            (Stage::PreArbitration, false) => "PREARBITRATION_LOST",
            (Stage::Arbitration, true) => "SCHEME_ARBITRATION_WON",
            (Stage::Arbitration, false) => "SCHEME_ARBITRATION_LOST",
        };
        self.tell(at, id, code);
    }

    /// The deadline passed without an answer.
    pub fn lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id).filter(|d| d.state == State::Open) else { return };
        let ends = dispute.respond_by.map(|by| by.saturating_add(dispute.plan.lapse_grace_s));
        if ends.is_none_or(|ends| at.timestamp() <= ends) {
            return;
        }
        dispute.state = if dispute.stage == Stage::Inquiry { State::Expired } else { State::Lost };
        self.tell(at, id, "DISPUTE_DEFENSE_PERIOD_ENDED");
    }

    /// The funds are taken, or the bank decides on the defence: whatever is due.
    pub fn decide(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let debited = dispute.debit_at.take_if(|when| *when <= at.timestamp()).is_some();
        let verdict = dispute.verdict.take_if(|(when, _)| *when <= at);
        let (stage, pending) = (dispute.stage, dispute.state == State::Pending);
        if debited && stage == Stage::Chargeback {
            self.tell(at, id, "CHARGEBACK");
        }
        let Some((_, word)) = verdict.filter(|_| pending) else { return };
        match State::verdict(&word) {
            Ok(state) => self.end(at, id, state),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    /// Something happens at Adyen's side. Answers with the record afterwards.
    pub fn apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute = self.book.disputes.get(id);
        let dispute = dispute.ok_or_else(|| anyhow::anyhow!("no Adyen dispute `{id}`"))?;
        let (stage, open) = (dispute.stage, dispute.state == State::Open);
        match change {
            Change::Won { .. } => self.end(at, id, State::Won),
            Change::Lost => self.end(at, id, State::Lost),
            Change::Escalate { due_by, phase } => {
                let next = phase.as_deref().map(Stage::parse).transpose()?.or(stage.next());
                let next = next.ok_or_else(|| anyhow::anyhow!("`{id}` is in its last stage"))?;
                self.escalate(at, id, next, *due_by);
            }
            Change::Deadline { due_by } => {
                self.edit(id, |d| d.respond_by = *due_by);
                self.tell(at, id, stage.opening());
                self.watch_deadline(id);
            }
            Change::SubmittedElsewhere if open => self.defend(at, id),
            Change::AcceptedElsewhere if open => self.concede(at, id),
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                anyhow::bail!("nobody can answer `{id}` any more")
            }
            // Whatever event the order names, about the dispute as it stands.
            Change::Special { name, .. } => self.tell(at, id, name),
            Change::Status { .. }
            | Change::ActionRequired { .. }
            | Change::Prevented
            | Change::AppealOffered { .. }
            | Change::Refunded => {
                anyhow::bail!(
                    "Adyen has no such change: use `won`, `lost`, `escalate`, `deadline` or `special`"
                )
            }
        }
        Ok(self.book.disputes[id].json())
    }

    /// The next stage asks for an answer of its own, but the scheme's own decision, which asks nobody.
    fn escalate(&mut self, at: DateTime<Utc>, id: &str, next: Stage, due_by: Option<i64>) {
        self.edit(id, |d| {
            d.stage = next;
            d.state = if next == Stage::Arbitration { State::Pending } else { State::Open };
            d.respond_by = due_by.or(Some(at.timestamp() + WINDOW_DAYS * 86_400));
            d.documents.clear();
            d.verdict = None;
            d.round += 1;
        });
        self.tell(at, id, next.opening());
        self.watch_deadline(id);
    }
}
