//! What happens to a Razorpay dispute: it is opened, contested, conceded, decided, asked about again, follows
//! into the next phase under a new id, and lapses. Razorpay tells of each change by one webhook, or by none.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::ProviderKind;
use super::super::orders::{Change, NewDispute};
use super::super::outbox::Draft;
use super::super::world::{Plan, Timer, World, instant};
use super::record::{Dispute, Evidence, PHASES, Status};

/// Days that the made-up deadline leaves.
const WINDOW_DAYS: i64 = 10;

impl World {
    /// Opens a dispute and answers with its id.
    pub fn razorpay_open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let account = self.account_index(ProviderKind::Razorpay, order.account.as_deref())?;
        let dispute = self.razorpay_made_up(now, account, order)?;
        let id = dispute.id.clone();
        if self.razorpay.disputes.contains_key(&id) {
            anyhow::bail!("a Razorpay dispute `{id}` exists already");
        }
        self.razorpay.disputes.insert(id.clone(), dispute);
        self.razorpay_watch_deadline(&id);
        if !order.silent {
            self.razorpay_tell(now, &id, "payment.dispute.created");
        }
        Ok(id)
    }

    fn razorpay_made_up(
        &mut self,
        now: DateTime<Utc>,
        account: usize,
        order: &NewDispute,
    ) -> anyhow::Result<Dispute> {
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
            id: order.id.clone().unwrap_or_else(|| self.ids.next("disp_", 14)),
            account,
            n: self.count(),
            payment_id: order.payment.clone().unwrap_or_else(|| self.ids.next("pay_", 14)),
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

    fn razorpay_tell(&mut self, at: DateTime<Utc>, id: &str, kind: &str) {
        let event_ref = self.ids.next("", 14);
        let Some(dispute) = self.razorpay.disputes.get(id) else { return };
        let body = dispute.event(kind, &self.accounts[dispute.account].account_ref, at);
        let draft = Draft::real(&event_ref, kind, Some(id), Bytes::from(body.to_string()));
        self.send_webhook(at, dispute.account, draft);
    }

    /// Changes a dispute without telling anyone: drafts, moved deadlines.
    pub(super) fn razorpay_edit(&mut self, at: DateTime<Utc>, id: &str, edit: impl FnOnce(&mut Dispute)) {
        let Some(dispute) = self.razorpay.disputes.get_mut(id) else { return };
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
    pub(super) fn razorpay_submit(&mut self, at: DateTime<Utc>, id: &str, edit: impl FnOnce(&mut Dispute)) {
        self.razorpay_edit(at, id, |d| {
            edit(d);
            d.status = Status::UnderReview;
            d.evidence.submitted_at = Some(at.timestamp());
        });
        self.razorpay_tell(at, id, "payment.dispute.under_review");
        let Some(dispute) = self.razorpay.disputes.get_mut(id) else { return };
        let Some(word) = dispute.plan.outcome.clone() else { return };
        let when = at + TimeDelta::seconds(dispute.plan.decide_after_s);
        dispute.verdict = Some((when, word));
        self.set_timer(when, Timer::Decide { provider: ProviderKind::Razorpay, dispute: id.to_owned() });
    }

    /// Moves a dispute to any status, with the webhook that goes with it.
    pub(super) fn razorpay_move(&mut self, at: DateTime<Utc>, id: &str, to: Status, deducted: Option<i64>) {
        let kind = match to {
            Status::Open => "payment.dispute.action_required",
            Status::UnderReview => "payment.dispute.under_review",
            Status::Won => "payment.dispute.won",
            Status::Lost => "payment.dispute.lost",
            Status::Closed => "payment.dispute.closed",
        };
        self.razorpay_edit(at, id, |d| {
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
        self.razorpay_tell(at, id, kind);
        self.razorpay_watch_deadline(id);
    }

    fn razorpay_watch_deadline(&mut self, id: &str) {
        let Some(dispute) = self.razorpay.disputes.get(id).filter(|d| d.status == Status::Open) else {
            return;
        };
        let ends = dispute.respond_by.saturating_add(1).saturating_add(dispute.plan.lapse_grace_s);
        let timer = Timer::Lapse { provider: ProviderKind::Razorpay, dispute: id.to_owned() };
        self.set_timer(instant(ends), timer);
    }

    /// The deadline passed without a response. Razorpay's pages do not name what follows; lost is what the
    /// field reports. A fraud report, which debits nobody, closes.
    pub fn razorpay_lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.razorpay.disputes.get(id).filter(|d| d.status == Status::Open) else {
            return;
        };
        if at.timestamp() <= dispute.respond_by.saturating_add(dispute.plan.lapse_grace_s) {
            return;
        }
        match dispute.phase == "fraud" {
            true => self.razorpay_move(at, id, Status::Closed, None),
            false => self.razorpay_move(at, id, Status::Lost, None),
        }
    }

    pub fn razorpay_bank_decides(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.razorpay.disputes.get_mut(id) else { return };
        let Some((_, word)) = dispute.verdict.take_if(|(when, _)| *when <= at) else { return };
        if dispute.status != Status::UnderReview {
            return;
        }
        match Status::parse(&word) {
            Ok(to) => self.razorpay_move(at, id, to, None),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    /// Something happens at Razorpay's side. Answers with the record afterwards; for a new phase, with the
    /// new dispute's.
    pub fn razorpay_apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute = self.razorpay.disputes.get(id);
        let dispute = dispute.ok_or_else(|| anyhow::anyhow!("no Razorpay dispute `{id}`"))?;
        let status = dispute.status;
        match change {
            Change::Status { status } => self.razorpay_move(at, id, Status::parse(status)?, None),
            Change::Won { amount_deducted } => {
                self.razorpay_move(at, id, Status::Won, Some(*amount_deducted));
            }
            Change::Lost => self.razorpay_move(at, id, Status::Lost, None),
            Change::ActionRequired { due_by } => {
                if let (Some(due), Some(dispute)) = (due_by, self.razorpay.disputes.get_mut(id)) {
                    dispute.respond_by = *due;
                }
                self.razorpay_move(at, id, Status::Open, None);
            }
            Change::Deadline { due_by: Some(due) } => {
                self.razorpay_edit(at, id, |d| d.respond_by = *due);
                self.razorpay_watch_deadline(id);
            }
            Change::Deadline { due_by: None } => anyhow::bail!("Razorpay always states `respond_by`"),
            Change::Escalate { due_by, phase } => {
                let order = next_phase(dispute, *due_by, phase.as_deref(), &self.accounts)?;
                let next = self.razorpay_open(at, &order)?;
                return Ok(self.razorpay.disputes[&next].json());
            }
            Change::SubmittedElsewhere if status == Status::Open => self.razorpay_submit(at, id, |d| {
                d.evidence.summary = Some("Answered in the dashboard.".to_owned());
            }),
            Change::AcceptedElsewhere if status == Status::Open => {
                self.razorpay_move(at, id, Status::Lost, None);
            }
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                anyhow::bail!("`{id}` is {}: nobody can answer it", status.as_str())
            }
            Change::Prevented | Change::AppealOffered { .. } | Change::Refunded => {
                anyhow::bail!("Razorpay has no such change: use `status`, `escalate` or `action_required`")
            }
        }
        Ok(self.razorpay.disputes[id].json())
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
