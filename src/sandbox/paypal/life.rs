//! What happens to a PayPal dispute: it is opened as an inquiry or a claim, answered, conceded, decided, appealed,
//! asked about again, and lapses. PayPal tells of each change by one webhook.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::ProviderKind;
use super::super::office::{Plan, Timer, instant};
use super::super::orders::{Change, NewDispute};
use super::super::outbox::Draft;
use super::Desk;
use super::record::{self, BUYER, Dispute, SELLER, STAGES, Status};

/// Days that the made-up deadline of a claim leaves.
const CLAIM_DAYS: i64 = 10;
/// An inquiry closes by itself unless the buyer makes a claim of it.
const INQUIRY_DAYS: i64 = 20;
const CREATED: &str = "CUSTOMER.DISPUTE.CREATED";
const UPDATED: &str = "CUSTOMER.DISPUTE.UPDATED";
const RESOLVED: &str = "CUSTOMER.DISPUTE.RESOLVED";

impl Desk<'_> {
    /// Opens a dispute and answers with its id.
    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let account = self.office.account_index(ProviderKind::Paypal, order.account.as_deref())?;
        let dispute = self.made_up(now, account, order)?;
        let id = dispute.id.clone();
        if self.book.disputes.contains_key(&id) {
            anyhow::bail!("a PayPal dispute `{id}` exists already");
        }
        self.book.disputes.insert(id.clone(), dispute);
        self.watch_deadline(&id);
        if !order.silent {
            self.tell(now, &id, CREATED);
        }
        Ok(id)
    }

    fn made_up(&mut self, now: DateTime<Utc>, account: usize, order: &NewDispute) -> anyhow::Result<Dispute> {
        let created_at = order.created.unwrap_or(now.timestamp());
        let stage = order
            .phase
            .clone()
            .unwrap_or_else(|| if order.inquiry { "INQUIRY".to_owned() } else { "CHARGEBACK".to_owned() });
        if !STAGES.contains(&stage.as_str()) {
            anyhow::bail!("`{stage}` is not a PayPal stage: expected one of {}", STAGES.join(", "));
        }
        if let Some(word) = &order.outcome {
            Status::parse(word)?;
        }
        let inquiry = stage == "INQUIRY";
        let asking = if inquiry { Status::Open } else { Status::WaitingForSeller };
        let respond_by = match order.due_by {
            Some(told) => told,
            None => (!inquiry).then_some(created_at + CLAIM_DAYS * 86_400),
        };
        let currency = order.currency.clone().unwrap_or_else(|| "USD".to_owned()).to_ascii_uppercase();
        let decimals = match currency.as_str() {
            "JPY" | "KRW" | "VND" => 0,
            "TND" | "KWD" | "BHD" => 3,
            _ => 2,
        };
        Ok(Dispute {
            id: order.id.clone().unwrap_or_else(|| self.office.ids.next("PP-R-", 12).to_ascii_uppercase()),
            account,
            n: self.office.count(),
            transaction_id: match &order.payment {
                Some(payment) => payment.clone(),
                None => self.office.ids.next("T", 16).to_ascii_uppercase(),
            },
            invoice_number: order.charge.clone(),
            transaction_status: "COMPLETED",
            amount: order.amount.unwrap_or(4_200),
            currency,
            decimals,
            reason: order.reason.clone().unwrap_or_else(|| "MERCHANDISE_OR_SERVICE_NOT_RECEIVED".to_owned()),
            channel: if order.network_reason_code.is_some() { "EXTERNAL" } else { "INTERNAL" }.to_owned(),
            external_reason_code: order.network_reason_code.clone(),
            status: order.status.as_deref().map_or(Ok(asking), Status::parse)?,
            stage,
            appealable: false,
            respond_by,
            created_at,
            updated_at: now,
            evidences: vec![],
            supporting_info: vec![],
            plan: Plan::of(order),
            verdict: None,
            round: 1,
            before: None,
        })
    }

    fn tell(&mut self, at: DateTime<Utc>, id: &str, kind: &str) {
        let event_ref = self.office.ids.next("WH-", 17);
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let body = record::event(&event_ref, kind, &dispute.json(&self.book.url), at);
        let draft = Draft::real(&event_ref, kind, Some(id), Bytes::from(body.to_string()));
        self.office.send_webhook(at, dispute.account, draft);
    }

    /// Changes a dispute and tells of it.
    pub(super) fn change(&mut self, at: DateTime<Utc>, id: &str, edit: impl FnOnce(&mut Dispute)) {
        let url = self.book.url.clone();
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        dispute.before = Some(dispute.json(&url));
        edit(dispute);
        dispute.updated_at = at;
        let settled = matches!(dispute.status, Status::Resolved(_)) && !dispute.appealable;
        self.tell(at, id, if settled { RESOLVED } else { UPDATED });
        self.watch_deadline(id);
    }

    /// Moves a dispute to any status. One that asks again begins another round.
    pub(super) fn move_to(&mut self, at: DateTime<Utc>, id: &str, to: Status) {
        self.change(at, id, |d| {
            if to == Status::WaitingForSeller && d.status != Status::WaitingForSeller {
                d.round += 1;
            }
            d.status = to;
            d.appealable = false;
            d.verdict = None;
        });
    }

    /// Evidence or an appeal arrived: PayPal looks at it. The state has been checked.
    pub(super) fn submit(&mut self, at: DateTime<Utc>, id: &str, evidences: Vec<Value>) {
        self.change(at, id, |d| {
            d.evidences.extend(evidences);
            d.status = Status::UnderReview;
            d.appealable = false;
        });
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some(word) = dispute.plan.outcome.clone() else { return };
        let when = at + TimeDelta::seconds(dispute.plan.decide_after_s);
        dispute.verdict = Some((when, word));
        self.office.set_timer(when, Timer::Decide { provider: ProviderKind::Paypal, dispute: id.to_owned() });
    }

    fn watch_deadline(&mut self, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.asks()) else { return };
        let ends = ends_at(dispute).saturating_add(1).saturating_add(dispute.plan.lapse_grace_s);
        let timer = Timer::Lapse { provider: ProviderKind::Paypal, dispute: id.to_owned() };
        self.office.set_timer(instant(ends), timer);
    }

    /// The deadline passed without a response: a claim goes to the buyer, an inquiry closes, an appeal is forgone.
    pub fn lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.asks()) else { return };
        if at.timestamp() <= ends_at(dispute).saturating_add(dispute.plan.lapse_grace_s) {
            return;
        }
        match dispute.status {
            Status::Open => self.move_to(at, id, Status::Resolved("NONE")),
            Status::WaitingForSeller => self.move_to(at, id, Status::Resolved(BUYER)),
            Status::Resolved(_) | Status::WaitingForBuyer | Status::UnderReview => {
                self.change(at, id, |d| d.appealable = false);
            }
        }
    }

    pub fn decides(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some((_, word)) = dispute.verdict.take_if(|(when, _)| *when <= at) else { return };
        if dispute.status != Status::UnderReview {
            return;
        }
        match Status::parse(&word) {
            Ok(to) => self.move_to(at, id, to),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    /// Something happens at PayPal's side. Answers with the record afterwards.
    pub fn apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute = self.book.disputes.get(id);
        let dispute = dispute.ok_or_else(|| anyhow::anyhow!("no PayPal dispute `{id}`"))?;
        let (status, asks) = (dispute.status, dispute.asks());
        match change {
            Change::Status { status } => self.move_to(at, id, Status::parse(status)?),
            Change::Won { .. } => self.move_to(at, id, Status::Resolved(SELLER)),
            Change::Lost => self.move_to(at, id, Status::Resolved(BUYER)),
            Change::Escalate { due_by, phase } => {
                let stage = next_stage(dispute, phase.as_deref())?;
                self.change(at, id, |d| {
                    d.stage = stage;
                    d.status = Status::WaitingForSeller;
                    d.appealable = false;
                    d.respond_by = Some(due_by.unwrap_or(at.timestamp() + CLAIM_DAYS * 86_400));
                    d.round += 1;
                });
            }
            Change::ActionRequired { due_by } => {
                if let (Some(due), Some(dispute)) = (due_by, self.book.disputes.get_mut(id)) {
                    dispute.respond_by = Some(*due);
                }
                self.move_to(at, id, Status::WaitingForSeller);
            }
            Change::AppealOffered { due_by } if status == Status::Resolved(BUYER) => {
                self.change(at, id, |d| {
                    d.appealable = true;
                    d.respond_by = Some(due_by.unwrap_or(at.timestamp() + CLAIM_DAYS * 86_400));
                    d.round += 1;
                });
            }
            Change::AppealOffered { .. } => anyhow::bail!("`{id}` is not lost: there is nothing to appeal"),
            Change::Deadline { due_by } => self.change(at, id, |d| d.respond_by = *due_by),
            Change::SubmittedElsewhere if asks => {
                let elsewhere = json!({ "evidence_type": "OTHER", "source": "SUBMITTED_BY_SELLER" });
                self.submit(at, id, vec![elsewhere]);
            }
            Change::AcceptedElsewhere if asks => self.move_to(at, id, Status::Resolved(BUYER)),
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                anyhow::bail!("`{id}` is {}: nobody can answer it", status.as_str())
            }
            Change::Refunded => self.change(at, id, |d| d.transaction_status = "REFUNDED"),
            Change::Prevented | Change::Special { .. } => {
                anyhow::bail!("PayPal has no such change: use `status` or `refunded`")
            }
        }
        Ok(self.book.disputes[id].json(&self.book.url))
    }
}

/// Unix seconds.
fn ends_at(dispute: &Dispute) -> i64 {
    dispute.respond_by.unwrap_or(dispute.created_at + INQUIRY_DAYS * 86_400)
}

fn next_stage(dispute: &Dispute, wanted: Option<&str>) -> anyhow::Result<String> {
    let here = STAGES.iter().position(|stage| *stage == dispute.stage);
    let follows = here.and_then(|at| STAGES.get(at + 1)).copied();
    let next = wanted.or(follows).filter(|stage| STAGES.contains(stage));
    next.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("no stage follows {}", dispute.stage))
}
