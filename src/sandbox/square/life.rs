//! What happens to a Square dispute: an inquiry or a chargeback is opened, given evidence, submitted, conceded
//! and decided. Every change raises the version, and is told by an event that carries the record.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::super::ProviderKind;
use super::super::office::{Plan, Timer, instant};
use super::super::orders::{Change, NewDispute};
use super::super::outbox::Draft;
use super::Desk;
use super::record::{Dispute, REASONS, State};

/// Days that the made-up deadline leaves.
const WINDOW_DAYS: i64 = 14;
const MOVED: &str = "dispute.state.updated";

impl Desk<'_> {
    /// Opens a dispute and answers with its id.
    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let account = self.office.account_index(ProviderKind::Square, order.account.as_deref())?;
        let dispute = self.made_up(now, account, order)?;
        let id = dispute.id.clone();
        if self.book.disputes.contains_key(&id) {
            anyhow::bail!("a Square dispute `{id}` exists already");
        }
        self.book.disputes.insert(id.clone(), dispute);
        self.watch_deadline(&id);
        if !order.silent {
            self.tell(now, &id, "dispute.created");
        }
        Ok(id)
    }

    fn made_up(&mut self, now: DateTime<Utc>, account: usize, order: &NewDispute) -> anyhow::Result<Dispute> {
        let created_at = order.created.map_or(now, instant);
        let reason = order.reason.clone().unwrap_or_else(|| "NOT_RECEIVED".to_owned());
        if !REASONS.contains(&reason.as_str()) {
            anyhow::bail!("`{reason}` is not a Square reason: expected one of {}", REASONS.join(", "));
        }
        if let Some(word) = &order.outcome {
            State::parse(word)?;
        }
        let due_at = match order.due_by {
            Some(Some(at)) => at,
            Some(None) => anyhow::bail!("Square always states `due_at`"),
            None => created_at.timestamp() + WINDOW_DAYS * 86_400,
        };
        let first = if order.inquiry { State::InquiryEvidenceRequired } else { State::EvidenceRequired };
        let ids = &mut self.office.ids;
        Ok(Dispute {
            id: order.id.clone().unwrap_or_else(|| ids.next("sq", 20)),
            payment_id: order.payment.clone().unwrap_or_else(|| ids.next("sqpay", 25)),
            account,
            n: self.office.count(),
            amount: order.amount.unwrap_or(6_480),
            currency: order.currency.clone().unwrap_or_else(|| "USD".to_owned()).to_ascii_uppercase(),
            reason,
            card_brand: order.network.clone().unwrap_or_else(|| "VISA".to_owned()),
            state: order.status.as_deref().map_or(Ok(first), State::parse)?,
            due_at,
            created_at,
            updated_at: now,
            version: 1,
            pieces: vec![],
            plan: Plan::of(order),
            verdict: None,
            round: 1,
            before: None,
        })
    }

    fn tell(&mut self, at: DateTime<Utc>, id: &str, kind: &str) {
        let event_ref = self.office.ids.next("sqevent", 25);
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let body = dispute.event(kind, &event_ref, &self.office.accounts[dispute.account].account_ref, at);
        let draft = Draft::real(&event_ref, kind, Some(id), Bytes::from(body.to_string()));
        self.office.send_webhook(at, dispute.account, draft);
    }

    /// Changes a dispute, with the event that tells of it.
    pub(super) fn edit(&mut self, at: DateTime<Utc>, id: &str, kind: &str, edit: impl FnOnce(&mut Dispute)) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let before = dispute.json();
        edit(dispute);
        dispute.version += 1;
        dispute.updated_at = at;
        dispute.before = Some(before);
        self.tell(at, id, kind);
    }

    /// Sends what was given on its way. The state has been checked.
    pub(super) fn submit(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let inquiry = matches!(dispute.state, State::InquiryEvidenceRequired | State::InquiryProcessing);
        self.move_to(at, id, if inquiry { State::InquiryProcessing } else { State::Processing });
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some(word) = dispute.plan.outcome.clone() else { return };
        let when = at + TimeDelta::seconds(dispute.plan.decide_after_s);
        dispute.verdict = Some((when, word));
        let timer = Timer::Decide { provider: ProviderKind::Square, dispute: id.to_owned() };
        self.office.set_timer(when, timer);
    }

    /// Moves a dispute to any state.
    pub(super) fn move_to(&mut self, at: DateTime<Utc>, id: &str, to: State) {
        self.edit(at, id, MOVED, |d| {
            if to.asks() && !d.state.asks() {
                d.round += 1;
                d.pieces.clear();
            }
            d.state = to;
            d.verdict = None;
        });
        self.watch_deadline(id);
    }

    fn watch_deadline(&mut self, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.state.asks()) else { return };
        let ends = dispute.due_at.saturating_add(1).saturating_add(dispute.plan.lapse_grace_s);
        let timer = Timer::Lapse { provider: ProviderKind::Square, dispute: id.to_owned() };
        self.office.set_timer(instant(ends), timer);
    }

    /// The deadline passed without a response: lost, or an inquiry that simply closes.
    pub fn lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.state.asks()) else { return };
        if at.timestamp() <= dispute.due_at.saturating_add(dispute.plan.lapse_grace_s) {
            return;
        }
        let inquiry = dispute.state == State::InquiryEvidenceRequired;
        self.move_to(at, id, if inquiry { State::InquiryClosed } else { State::Lost });
    }

    pub fn bank_decides(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some((_, word)) = dispute.verdict.take_if(|(when, _)| *when <= at) else { return };
        if !matches!(dispute.state, State::Processing | State::InquiryProcessing) {
            return;
        }
        match State::parse(&word) {
            Ok(to) => self.move_to(at, id, to),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    /// Something happens at Square's side. Answers with the record afterwards.
    pub fn apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute =
            self.book.disputes.get(id).ok_or_else(|| anyhow::anyhow!("no Square dispute `{id}`"))?;
        let state = dispute.state;
        match change {
            Change::Status { status } => self.move_to(at, id, State::parse(status)?),
            Change::Won { .. } => self.move_to(at, id, State::Won),
            Change::Lost => self.move_to(at, id, State::Lost),
            Change::Escalate { due_by, .. } => {
                self.due(at, id, *due_by);
                self.move_to(at, id, State::EvidenceRequired);
            }
            Change::ActionRequired { due_by } => {
                self.due(at, id, *due_by);
                self.move_to(at, id, State::EvidenceRequired);
            }
            Change::Deadline { due_by: Some(due) } => {
                self.due(at, id, Some(*due));
                self.watch_deadline(id);
            }
            Change::Deadline { due_by: None } => anyhow::bail!("Square always states `due_at`"),
            Change::SubmittedElsewhere if state.asks() => self.submit(at, id),
            Change::AcceptedElsewhere if state == State::EvidenceRequired => {
                self.move_to(at, id, State::Accepted);
            }
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                anyhow::bail!("`{id}` is {}: nobody can answer it so", state.as_str())
            }
            Change::Prevented | Change::AppealOffered { .. } | Change::Refunded | Change::Special { .. } => {
                anyhow::bail!("Square has no such change: use `status` or `escalate`")
            }
        }
        Ok(self.book.disputes[id].json())
    }

    fn due(&mut self, at: DateTime<Utc>, id: &str, due_by: Option<i64>) {
        if let Some(due) = due_by {
            self.edit(at, id, MOVED, |d| d.due_at = due);
        }
    }
}
