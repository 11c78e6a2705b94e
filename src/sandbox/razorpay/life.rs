//! What happens to a Razorpay dispute: it is opened, contested, conceded, decided, asked about again, follows
//! into the next phase under a new id, and lapses. Razorpay tells of each change by one webhook, or by none.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::ProviderKind;
use super::super::office::{Plan, Timer, instant};
use super::super::orders::{Change, NewDispute};
use super::super::outbox::Draft;
use super::Desk;
use super::record::{Dispute, Evidence, PHASES, Status};

/// Days that the made-up deadline leaves.
const WINDOW_DAYS: i64 = 10;

impl Desk<'_> {
    /// Opens a dispute and answers with its id.
    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let account = self.office.account_index(ProviderKind::Razorpay, order.account.as_deref())?;
        let dispute = self.made_up(now, account, order)?;
        let id = dispute.id.clone();
        if self.book.disputes.contains_key(&id) {
            anyhow::bail!("a Razorpay dispute `{id}` exists already");
        }
        self.book.disputes.insert(id.clone(), dispute);
        self.watch_deadline(&id);
        if !order.silent {
            self.tell(now, &id, "payment.dispute.created");
        }
        Ok(id)
    }

    fn made_up(&mut self, now: DateTime<Utc>, account: usize, order: &NewDispute) -> anyhow::Result<Dispute> {
        let created_at = order.created.unwrap_or(now.timestamp());
        let phase = order.phase.clone().unwrap_or_else(|| "chargeback".to_owned());
        if !PHASES.contains(&phase.as_str()) {
            anyhow::bail!("`{phase}` is not a Razorpay phase: expected one of {}", PHASES.join(", "));
        }
        if let Some(word) = &order.outcome {
            Status::parse(word)?;
        }
        let respond_by = match order.due_by {
            Some(Some(at)) => at,
            Some(None) => anyhow::bail!("Razorpay always states `respond_by`"),
            None => created_at + WINDOW_DAYS * 86_400,
        };
        let status = order.status.as_deref().map_or(Ok(Status::Open), Status::parse)?;
        let amount = order.amount.unwrap_or(249_900);
        Ok(Dispute {
            id: order.id.clone().unwrap_or_else(|| self.office.ids.next("disp_", 14)),
            account,
            n: self.office.count(),
            payment_id: order.payment.clone().unwrap_or_else(|| self.office.ids.next("pay_", 14)),
            amount,
            amount_deducted: if status == Status::Lost { amount } else { 0 },
            currency: order.currency.clone().unwrap_or_else(|| "INR".to_owned()).to_ascii_uppercase(),
            reason_code: order.reason.clone().unwrap_or_else(|| "goods_or_services_not_received".to_owned()),
            network: order.network.clone().unwrap_or_else(|| "Visa".to_owned()),
            respond_by,
            status,
            phase,
            created_at,
            evidence: Evidence::default(),
            lifecycle: vec![],
            email: order.email.clone().unwrap_or_else(|| "buyer@example.com".to_owned()),
            notes: order.metadata.clone(),
            plan: Plan::of(order),
            verdict: None,
            round: 1,
            before: None,
        })
    }

    fn tell(&mut self, at: DateTime<Utc>, id: &str, kind: &str) {
        let event_ref = self.office.ids.next("", 14);
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let body = dispute.event(kind, &self.office.accounts[dispute.account].account_ref, at);
        let draft = Draft::real(&event_ref, kind, Some(id), Bytes::from(body.to_string()));
        self.office.send_webhook(at, dispute.account, draft);
    }

    /// Changes a dispute without telling anyone: drafts, moved deadlines.
    pub(super) fn edit(&mut self, at: DateTime<Utc>, id: &str, edit: impl FnOnce(&mut Dispute)) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let before = dispute.json();
        let was = dispute.status;
        edit(dispute);
        if dispute.json() == before {
            return;
        }
        if dispute.status != was {
            dispute.lifecycle.push(json!({
                "change": { "new": { "status": dispute.status.as_str() }, "old": { "status": was.as_str() } },
                "created_at": at.timestamp(),
            }));
        }
        dispute.before = Some(before);
    }

    /// Sends the evidence to the bank, after `edit` put it there. The state has been checked.
    pub(super) fn submit(&mut self, at: DateTime<Utc>, id: &str, edit: impl FnOnce(&mut Dispute)) {
        self.edit(at, id, |d| {
            edit(d);
            d.status = Status::UnderReview;
            d.evidence.submitted_at = Some(at.timestamp());
        });
        self.tell(at, id, "payment.dispute.under_review");
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some(word) = dispute.plan.outcome.clone() else { return };
        let when = at + TimeDelta::seconds(dispute.plan.decide_after_s);
        dispute.verdict = Some((when, word));
        self.office
            .set_timer(when, Timer::Decide { provider: ProviderKind::Razorpay, dispute: id.to_owned() });
    }

    /// Moves a dispute to any status, with the webhook that goes with it.
    pub(super) fn move_to(&mut self, at: DateTime<Utc>, id: &str, to: Status, deducted: Option<i64>) {
        let kind = match to {
            Status::Open => "payment.dispute.action_required",
            Status::UnderReview => "payment.dispute.under_review",
            Status::Won => "payment.dispute.won",
            Status::Lost => "payment.dispute.lost",
            Status::Closed => "payment.dispute.closed",
        };
        self.edit(at, id, |d| {
            if to == Status::Open && d.status != Status::Open {
                d.round += 1;
                d.evidence.submitted_at = None;
            }
            d.amount_deducted = match to {
                Status::Lost => deducted.unwrap_or(d.amount),
                Status::Won => deducted.unwrap_or(0),
                Status::Open | Status::UnderReview | Status::Closed => d.amount_deducted,
            };
            d.status = to;
            d.verdict = None;
        });
        self.tell(at, id, kind);
        self.watch_deadline(id);
    }

    fn watch_deadline(&mut self, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.status == Status::Open) else {
            return;
        };
        let ends = dispute.respond_by.saturating_add(1).saturating_add(dispute.plan.lapse_grace_s);
        let timer = Timer::Lapse { provider: ProviderKind::Razorpay, dispute: id.to_owned() };
        self.office.set_timer(instant(ends), timer);
    }

    /// The deadline passed without a response. Razorpay's pages do not name what follows; lost is what the
    /// field reports. A fraud report, which debits nobody, closes.
    pub fn lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.status == Status::Open) else {
            return;
        };
        if at.timestamp() <= dispute.respond_by.saturating_add(dispute.plan.lapse_grace_s) {
            return;
        }
        match dispute.phase == "fraud" {
            true => self.move_to(at, id, Status::Closed, None),
            false => self.move_to(at, id, Status::Lost, None),
        }
    }

    pub fn bank_decides(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some((_, word)) = dispute.verdict.take_if(|(when, _)| *when <= at) else { return };
        if dispute.status != Status::UnderReview {
            return;
        }
        match Status::parse(&word) {
            Ok(to) => self.move_to(at, id, to, None),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    /// Something happens at Razorpay's side. Answers with the record afterwards; for a new phase, with the
    /// new dispute's.
    pub fn apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute = self.book.disputes.get(id);
        let dispute = dispute.ok_or_else(|| anyhow::anyhow!("no Razorpay dispute `{id}`"))?;
        let status = dispute.status;
        match change {
            Change::Status { status } => self.move_to(at, id, Status::parse(status)?, None),
            Change::Won { amount_deducted } => {
                self.move_to(at, id, Status::Won, Some(*amount_deducted));
            }
            Change::Lost => self.move_to(at, id, Status::Lost, None),
            Change::ActionRequired { due_by } => {
                if let (Some(due), Some(dispute)) = (due_by, self.book.disputes.get_mut(id)) {
                    dispute.respond_by = *due;
                }
                self.move_to(at, id, Status::Open, None);
            }
            Change::Deadline { due_by: Some(due) } => {
                self.edit(at, id, |d| d.respond_by = *due);
                self.watch_deadline(id);
            }
            Change::Deadline { due_by: None } => anyhow::bail!("Razorpay always states `respond_by`"),
            Change::Escalate { due_by, phase } => {
                let order = next_phase(dispute, *due_by, phase.as_deref(), &self.office.accounts)?;
                let next = self.open(at, &order)?;
                return Ok(self.book.disputes[&next].json());
            }
            Change::SubmittedElsewhere if status == Status::Open => self.submit(at, id, |d| {
                d.evidence.summary = Some("Answered in the dashboard.".to_owned());
            }),
            Change::AcceptedElsewhere if status == Status::Open => {
                self.move_to(at, id, Status::Lost, None);
            }
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                anyhow::bail!("`{id}` is {}: nobody can answer it", status.as_str())
            }
            Change::Prevented | Change::AppealOffered { .. } | Change::Refunded | Change::Special { .. } => {
                anyhow::bail!("Razorpay has no such change: use `status`, `escalate` or `action_required`")
            }
        }
        Ok(self.book.disputes[id].json())
    }
}

/// The order for the dispute that follows on the same payment.
fn next_phase(
    dispute: &Dispute,
    due_by: Option<i64>,
    phase: Option<&str>,
    accounts: &[super::super::accounts::AccountState],
) -> anyhow::Result<NewDispute> {
    let here = PHASES.iter().position(|p| *p == dispute.phase);
    let follows = here.and_then(|at| PHASES.get(at + 1)).copied();
    let phase = phase
        .or(follows)
        .ok_or_else(|| anyhow::anyhow!("`{}` is in its last phase, {}", dispute.id, dispute.phase))?;
    Ok(NewDispute {
        account: Some(accounts[dispute.account].spec.name.clone()),
        amount: Some(dispute.amount),
        currency: Some(dispute.currency.clone()),
        reason: Some(dispute.reason_code.clone()),
        network: Some(dispute.network.clone()),
        payment: Some(dispute.payment_id.clone()),
        due_by: due_by.map(Some),
        phase: Some(phase.to_owned()),
        email: Some(dispute.email.clone()),
        metadata: dispute.notes.clone(),
        ..NewDispute::razorpay()
    })
}
