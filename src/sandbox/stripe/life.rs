//! What happens to a Stripe dispute: it is opened, answered, conceded, decided, escalated, prevented, moved,
//! and lapses. Every change is told by the events that Stripe sends for it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::super::office::{Plan, Timer, instant};
use super::super::orders::{Change, NewDispute};
use super::super::{ProviderKind, orders};
use super::Desk;
use super::events::Cause;
use super::record::{Dispute, Status, movement};

/// Minor units of the disputed currency. The fee differs by country; only its being there matters here.
const DISPUTE_FEE: i64 = 1500;
/// Days that the made-up deadline leaves, up to the last second of the day, as Stripe's deadlines end.
const WINDOW_DAYS: i64 = 9;

/// The last second of the day so many days from `created`, unix seconds.
fn usual_deadline(created: i64) -> i64 {
    (created / 86_400 + WINDOW_DAYS) * 86_400 + 86_399
}

impl Desk<'_> {
    /// Opens a dispute and answers with its id.
    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let order = super::cards::with_test_card(order)?;
        let account = self.office.account_index(ProviderKind::Stripe, order.account.as_deref())?;
        let mut dispute = self.made_up(now, account, &order)?;
        if self.book.disputes.contains_key(&dispute.id) {
            anyhow::bail!("a Stripe dispute `{}` exists already", dispute.id);
        }
        if !dispute.status.is_inquiry() && dispute.status != Status::Prevented {
            let id = self.office.ids.next("txn_", 24);
            dispute.balance_transactions = vec![movement(id, &dispute, now, -1, DISPUTE_FEE)];
        }
        let id = dispute.id.clone();
        let record = dispute.json();
        let withdrawn = !dispute.balance_transactions.is_empty();
        self.book.disputes.insert(id.clone(), dispute);
        self.watch_deadline(&id);
        let mut kinds = vec!["charge.dispute.created"];
        if withdrawn {
            kinds.push("charge.dispute.funds_withdrawn");
        }
        for kind in kinds {
            match order.silent {
                true => self.keep_event(now, account, kind, &record),
                false => self.tell(now, account, kind, &record, None, &Cause::default()),
            }
        }
        Ok(id)
    }

    fn made_up(&mut self, now: DateTime<Utc>, account: usize, order: &NewDispute) -> anyhow::Result<Dispute> {
        let created = order.created.unwrap_or(now.timestamp());
        let usual = if order.inquiry { Status::WarningNeedsResponse } else { Status::NeedsResponse };
        let status = order.status.as_deref().map_or(Ok(usual), Status::parse)?;
        let case_type = match (&order.case_type, order.compliance_fee, status.is_inquiry()) {
            (Some(word), _, _) => word.clone(),
            (None, true, _) => "compliance".to_owned(),
            (None, false, true) => "inquiry".to_owned(),
            (None, false, false) => "chargeback".to_owned(),
        };
        if let Some(word) = &order.outcome {
            Status::parse(word)?;
        }
        let mut id = |given: &Option<String>, prefix: &'static str| {
            given.clone().unwrap_or_else(|| self.office.ids.next(prefix, 24))
        };
        let (dispute_id, charge, payment) =
            (id(&order.id, "dp_"), id(&order.charge, "ch_"), id(&order.payment, "pi_"));
        Ok(Dispute {
            id: dispute_id,
            account,
            n: self.office.count(),
            created,
            amount: order.amount.unwrap_or(4200),
            currency: order.currency.clone().unwrap_or_else(|| "usd".to_owned()).to_ascii_lowercase(),
            charge,
            payment_intent: Some(payment),
            customer: order.customer.clone(),
            email: order.email.clone(),
            reason: order.reason.clone().unwrap_or_else(|| "fraudulent".to_owned()),
            network: order.network.clone().unwrap_or_else(|| "visa".to_owned()),
            network_reason_code: order.network_reason_code.clone(),
            case_type,
            status,
            due_by: order.due_by.unwrap_or(Some(usual_deadline(created))),
            evidence: Default::default(),
            enhanced: Default::default(),
            appeal: None,
            metadata: order.metadata.clone(),
            submission_count: u32::from(!status.is_open() && status.answered_before()),
            submitted_this_round: status.answered_before(),
            past_due: false,
            intended_submission_method: None,
            smart_disputes: order.extra.get("smart_disputes").is_some_and(|on| on == true),
            submitted_by_stripe: false,
            is_charge_refundable: order.is_charge_refundable.unwrap_or(status.is_inquiry()),
            livemode: order.livemode,
            balance_transactions: vec![],
            compliance_fee: order.compliance_fee,
            ce3: order.ce3.clone(),
            plan: Plan::of(order),
            verdict: None,
            round: 1,
            before: None,
        })
    }

    /// Changes a dispute and tells so by `kinds`, in that order.
    fn change(
        &mut self,
        at: DateTime<Utc>,
        id: &str,
        cause: &Cause,
        kinds: &[&str],
        change: impl FnOnce(&mut Dispute),
    ) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let before = dispute.json();
        change(dispute);
        let after = dispute.json();
        let account = dispute.account;
        if after == before {
            return;
        }
        dispute.before = Some(before.clone());
        for kind in kinds {
            self.tell(at, account, kind, &after, Some(&before), cause);
        }
    }

    /// Lets the API's caller change what is not a response: staged evidence, metadata.
    pub(super) fn edit(
        &mut self,
        at: DateTime<Utc>,
        id: &str,
        cause: &Cause,
        edit: impl FnOnce(&mut Dispute),
    ) {
        self.change(at, id, cause, &["charge.dispute.updated"], edit);
    }

    /// Sends the evidence to the bank, after `edit` put it there. The state has been checked.
    pub(super) fn submit(
        &mut self,
        at: DateTime<Utc>,
        id: &str,
        cause: &Cause,
        edit: impl FnOnce(&mut Dispute),
    ) {
        self.change(at, id, cause, &["charge.dispute.updated"], |d| {
            edit(d);
            d.status = d.status.answered().unwrap_or(d.status);
            d.submission_count += 1;
            d.submitted_this_round = true;
            d.past_due = d.due_by.is_some_and(|due| at.timestamp() > due);
        });
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some((after_s, verdict)) = verdict_on(dispute) else { return };
        let when = at + TimeDelta::seconds(after_s);
        dispute.verdict = Some((when, verdict));
        self.office.set_timer(when, Timer::Decide { provider: ProviderKind::Stripe, dispute: id.to_owned() });
    }

    /// Moves a dispute to any status, with the events that go with it.
    pub(super) fn move_to(&mut self, at: DateTime<Utc>, id: &str, cause: &Cause, to: Status) {
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let mut kinds = match to.is_closed() && to != Status::Prevented {
            true => vec!["charge.dispute.closed"],
            false => vec!["charge.dispute.updated"],
        };
        let last = dispute.balance_transactions.last();
        let withdrawn = last.is_some_and(|b| b["amount"].as_i64().is_some_and(|amount| amount < 0));
        let moved = match (to, withdrawn) {
            (Status::Won, true) => Some((1, 0, "charge.dispute.funds_reinstated")),
            (Status::NeedsResponse | Status::UnderReview | Status::Lost, false) => {
                Some((-1, DISPUTE_FEE, "charge.dispute.funds_withdrawn"))
            }
            _ => None,
        };
        let funds = moved.map(|(sign, fee, kind)| {
            kinds.push(kind);
            movement(self.office.ids.next("txn_", 24), &self.book.disputes[id], at, sign, fee)
        });
        self.change(at, id, cause, &kinds, |d| {
            if to.is_open() && d.status != to {
                d.round += 1;
                d.submitted_this_round = false;
            }
            if d.status.is_inquiry() && !to.is_inquiry() {
                d.case_type = "chargeback".to_owned();
                d.is_charge_refundable = false;
            }
            d.status = to;
            d.verdict = None;
            d.balance_transactions.extend(funds);
        });
        self.watch_deadline(id);
    }

    fn watch_deadline(&mut self, id: &str) {
        let dispute = &self.book.disputes[id];
        let Some(due) = dispute.due_by.filter(|due| *due != 0 && dispute.status.is_open()) else { return };
        let at = instant(due.saturating_add(1).saturating_add(dispute.plan.lapse_grace_s));
        self.office.set_timer(at, Timer::Lapse { provider: ProviderKind::Stripe, dispute: id.to_owned() });
    }

    /// The deadline passed without a response: a chargeback is lost or Stripe answers it, an inquiry closes.
    pub fn lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let ends = dispute.due_by.map(|due| due.saturating_add(dispute.plan.lapse_grace_s));
        let passed = ends.is_some_and(|end| at.timestamp() > end) && dispute.takes_a_response();
        let to = match dispute.status {
            Status::WarningNeedsResponse => Status::WarningClosed,
            Status::NeedsResponse | Status::AppealNeedsResponse => Status::Lost,
            Status::WarningUnderReview
            | Status::UnderReview
            | Status::AppealUnderReview
            | Status::WarningClosed
            | Status::Won
            | Status::Lost
            | Status::Prevented => return,
        };
        if passed && dispute.is_answered_by_stripe() {
            self.submit(at, id, &Cause::default(), |d| {
                d.evidence.insert("uncategorized_text".to_owned(), "What Stripe has gathered.".to_owned());
                d.submitted_by_stripe = true;
            });
        } else if passed {
            self.move_to(at, id, &Cause::default(), to);
        }
    }

    pub fn bank_decides(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some((_, word)) = dispute.verdict.take_if(|(when, _)| *when <= at) else { return };
        if dispute.status.is_open() || dispute.status.is_closed() {
            return;
        }
        match Status::parse(&word) {
            Ok(Status::NeedsResponse) => self.escalate(at, id, None),
            Ok(to) => self.move_to(at, id, &Cause::default(), to),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    fn escalate(&mut self, at: DateTime<Utc>, id: &str, due_by: Option<i64>) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        dispute.due_by = Some(due_by.unwrap_or(usual_deadline(at.timestamp())));
        self.move_to(at, id, &Cause::default(), Status::NeedsResponse);
    }

    /// Something happens at Stripe's side. Answers with the record afterwards.
    pub fn apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute = self.book.disputes.get(id);
        let dispute = dispute.ok_or_else(|| anyhow::anyhow!("no Stripe dispute `{id}`"))?;
        let (status, open) = (dispute.status, dispute.status.is_open());
        let cause = Cause::default();
        match change {
            Change::Status { status } => self.move_to(at, id, &cause, Status::parse(status)?),
            Change::Won { .. } => self.move_to(at, id, &cause, Status::Won),
            Change::Lost if status.is_inquiry() => self.move_to(at, id, &cause, Status::WarningClosed),
            Change::Lost => self.move_to(at, id, &cause, Status::Lost),
            Change::Escalate { due_by, .. } if status.is_inquiry() => self.escalate(at, id, *due_by),
            Change::Escalate { .. } => anyhow::bail!("`{id}` is {}, not an inquiry", status.as_str()),
            Change::Prevented => {
                self.edit_quietly(id, |d| d.case_type = "resolution".to_owned());
                self.move_to(at, id, &cause, Status::Prevented);
            }
            Change::AppealOffered { due_by } => {
                let due = due_by.unwrap_or(usual_deadline(at.timestamp()));
                self.edit_quietly(id, |d| d.due_by = Some(due));
                self.move_to(at, id, &cause, Status::AppealNeedsResponse);
            }
            Change::Deadline { due_by } => {
                self.edit(at, id, &cause, |d| d.due_by = *due_by);
                self.watch_deadline(id);
            }
            Change::SubmittedElsewhere if open => self.submit(at, id, &cause, |d| {
                d.evidence.insert("uncategorized_text".to_owned(), "Answered in the dashboard.".to_owned());
            }),
            Change::AcceptedElsewhere if open => self.move_to(at, id, &cause, closed_by_merchant(status)),
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                anyhow::bail!("`{id}` is {}: nobody can answer it", status.as_str())
            }
            Change::Refunded => self.refund(at, id),
            Change::ActionRequired { .. } | Change::Special { .. } => {
                anyhow::bail!("Stripe has no such change: use `status` or `escalate`")
            }
        }
        Ok(self.book.disputes[id].json())
    }

    fn edit_quietly(&mut self, id: &str, edit: impl FnOnce(&mut Dispute)) {
        if let Some(dispute) = self.book.disputes.get_mut(id) {
            edit(dispute);
        }
    }

    /// A full refund resolves an inquiry.
    fn refund(&mut self, at: DateTime<Utc>, id: &str) {
        self.edit_quietly(id, |d| d.is_charge_refundable = false);
        let status = self.book.disputes[id].status;
        if status.is_inquiry() && !status.is_closed() {
            self.move_to(at, id, &Cause::default(), Status::WarningClosed);
        }
    }

    pub fn warn(&mut self, at: DateTime<Utc>, order: &orders::NewWarning) -> anyhow::Result<String> {
        let account = self.office.account_index(ProviderKind::Stripe, order.account.as_deref())?;
        let id = self.office.ids.next("issfr_", 24);
        let charge = order.charge.clone().unwrap_or_else(|| self.office.ids.next("ch_", 24));
        let warning = serde_json::json!({
            "id": id,
            "object": "radar.early_fraud_warning",
            "actionable": order.actionable.unwrap_or(true),
            "charge": charge,
            "created": at.timestamp(),
            "fraud_type": order.fraud_type.as_deref().unwrap_or("unauthorized_use_of_card"),
            "livemode": order.livemode,
            "payment_intent": order.payment,
        });
        let kind = "radar.early_fraud_warning.created";
        self.tell(at, account, kind, &warning, None, &Cause::default());
        self.book.warnings.push((account, warning));
        Ok(id)
    }
}

/// What a dispute becomes when the merchant gives in.
pub(super) fn closed_by_merchant(status: Status) -> Status {
    match status.is_inquiry() {
        true => Status::WarningClosed,
        false => Status::Lost,
    }
}

impl Status {
    /// Whether a dispute that starts out in this status has been answered already.
    const fn answered_before(self) -> bool {
        matches!(self, Status::WarningUnderReview | Status::UnderReview | Status::AppealUnderReview)
    }
}

/// What the bank will say to what was just submitted, and after how many seconds: Stripe's own test texts
/// first, then what was ordered with the dispute.
fn verdict_on(dispute: &Dispute) -> Option<(i64, String)> {
    let text = dispute.evidence.get("uncategorized_text").map(String::as_str);
    let inquiry = dispute.status.is_inquiry();
    let said = match text {
        Some("winning_evidence") => Some((4, if inquiry { "warning_closed" } else { "won" })),
        Some("losing_evidence") => Some((1, if inquiry { "warning_closed" } else { "lost" })),
        Some("escalate_inquiry_evidence") if inquiry => Some((1, "needs_response")),
        Some(_) | None => None,
    };
    match said {
        Some((after_s, word)) => Some((after_s, word.to_owned())),
        None => dispute.plan.outcome.clone().map(|word| (dispute.plan.decide_after_s, word)),
    }
}
