//! What happens to a Checkout.com dispute: it is received, answered, conceded, decided, resolved without
//! anybody's doing, taken to arbitration, and expires. Each change of status has its event; the rest has none.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::ProviderKind;
use super::super::office::{Plan, Timer, instant};
use super::super::orders::{Change, NewDispute};
use super::super::outbox::Draft;
use super::Desk;
use super::record::{CATEGORIES, Dispute, Evidence, Status, envelope};

/// Days that the made-up deadline leaves.
const WINDOW_DAYS: i64 = 14;
/// Its events are in the older envelope.
pub(super) const OLD_ENVELOPE: &str = "old_envelope";
/// `dispute_received` comes before the evidence is asked for.
pub(super) const ANNOUNCED: &str = "announced";

impl Desk<'_> {
    /// Opens a dispute and answers with its id.
    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let account = self.office.account_index(ProviderKind::Checkout, order.account.as_deref())?;
        let extras = Extras::of(order)?;
        let dispute = self.made_up(now, account, order, &extras)?;
        let (id, status) = (dispute.id.clone(), dispute.status);
        if self.book.disputes.contains_key(&id) {
            anyhow::bail!("a Checkout.com dispute `{id}` exists already");
        }
        self.book.disputes.insert(id.clone(), dispute);
        self.watch_deadline(&id);
        if !order.silent {
            if extras.announced {
                self.tell(now, &id, "dispute_received");
            }
            self.tell(now, &id, status.event());
        }
        Ok(id)
    }

    fn made_up(
        &mut self,
        now: DateTime<Utc>,
        account: usize,
        order: &NewDispute,
        extras: &Extras,
    ) -> anyhow::Result<Dispute> {
        let received_on = order.created.unwrap_or(now.timestamp());
        let category = order.reason.clone().unwrap_or_else(|| "product_service_not_received".to_owned());
        if !CATEGORIES.contains(&category.as_str()) {
            let known = CATEGORIES.join(", ");
            anyhow::bail!("`{category}` is not a Checkout.com category: expected one of {known}");
        }
        if let Some(word) = &order.outcome {
            Status::parse(word)?;
        }
        let evidence_required_by = match order.due_by {
            Some(Some(at)) => at,
            Some(None) => anyhow::bail!("Checkout.com always states `evidence_required_by`"),
            None => received_on + WINDOW_DAYS * 86_400,
        };
        let status = order.status.as_deref().map_or(Ok(Status::EvidenceRequired), Status::parse)?;
        let ids = &mut self.office.ids;
        Ok(Dispute {
            id: order.id.clone().unwrap_or_else(|| ids.next("dsp_", 22)),
            payment_id: order.payment.clone().unwrap_or_else(|| ids.next("pay_", 26)),
            action_id: order.charge.clone().unwrap_or_else(|| ids.next("act_", 26)),
            reference: order.metadata.get("reference").cloned().unwrap_or_else(|| ids.next("order-", 6)),
            account,
            n: self.office.count(),
            category,
            amount: order.amount.unwrap_or(18_450),
            currency: order.currency.clone().unwrap_or_else(|| "GBP".to_owned()).to_ascii_uppercase(),
            reason_code: order.network_reason_code.clone().unwrap_or_else(|| "13.1".to_owned()),
            method: order.network.clone().unwrap_or_else(|| "VISA".to_owned()),
            status,
            resolved_reason: None,
            evidence_required_by,
            received_on,
            last_update: now,
            has_refund: false,
            evidence: Evidence::new(),
            old_envelope: extras.old_envelope,
            plan: Plan::of(order),
            verdict: None,
            round: 1,
            before: None,
        })
    }

    fn tell(&mut self, at: DateTime<Utc>, id: &str, kind: &str) {
        let event_ref = self.office.ids.next("evt_", 26);
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let body = dispute.event(kind, &event_ref, at);
        let draft = Draft::real(&event_ref, kind, Some(id), Bytes::from(body.to_string()));
        self.office.send_webhook(at, dispute.account, draft);
    }

    /// Changes a dispute without telling anyone: evidence, moved deadlines.
    pub(super) fn edit(&mut self, at: DateTime<Utc>, id: &str, edit: impl FnOnce(&mut Dispute)) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let before = dispute.json();
        edit(dispute);
        // Added evidence is an update too, though the record does not show it.
        dispute.last_update = at;
        dispute.before = Some(before);
    }

    /// Sends the evidence on its way. The state has been checked.
    pub(super) fn submit(&mut self, at: DateTime<Utc>, id: &str) {
        self.move_to(at, id, Status::EvidenceUnderReview);
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some(word) = dispute.plan.outcome.clone() else { return };
        let when = at + TimeDelta::seconds(dispute.plan.decide_after_s);
        dispute.verdict = Some((when, word));
        let timer = Timer::Decide { provider: ProviderKind::Checkout, dispute: id.to_owned() };
        self.office.set_timer(when, timer);
    }

    /// Moves a dispute to any status, with the event that goes with it.
    pub(super) fn move_to(&mut self, at: DateTime<Utc>, id: &str, to: Status) {
        self.edit(at, id, |d| {
            if to == Status::EvidenceRequired && d.status != Status::EvidenceRequired {
                d.round += 1;
                d.evidence.clear();
            }
            d.status = to;
            d.verdict = None;
        });
        self.tell(at, id, to.event());
        self.watch_deadline(id);
    }

    fn resolve(&mut self, at: DateTime<Utc>, id: &str, reason: &str) {
        self.edit(at, id, |d| {
            d.resolved_reason = Some(reason.to_owned());
            d.has_refund |= reason == "already_refunded";
        });
        self.move_to(at, id, Status::Resolved);
    }

    fn watch_deadline(&mut self, id: &str) {
        let waits = |d: &&Dispute| d.status == Status::EvidenceRequired;
        let Some(dispute) = self.book.disputes.get(id).filter(waits) else { return };
        let ends = dispute.evidence_required_by.saturating_add(1).saturating_add(dispute.plan.lapse_grace_s);
        let timer = Timer::Lapse { provider: ProviderKind::Checkout, dispute: id.to_owned() };
        self.office.set_timer(instant(ends), timer);
    }

    /// The deadline passed without a response: the dispute expires, and can no longer be answered.
    pub fn lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let waits = |d: &&Dispute| d.status == Status::EvidenceRequired;
        let Some(dispute) = self.book.disputes.get(id).filter(waits) else { return };
        if at.timestamp() > dispute.evidence_required_by.saturating_add(dispute.plan.lapse_grace_s) {
            self.move_to(at, id, Status::Expired);
        }
    }

    pub fn bank_decides(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some((_, word)) = dispute.verdict.take_if(|(when, _)| *when <= at) else { return };
        if dispute.status != Status::EvidenceUnderReview {
            return;
        }
        match Status::parse(&word) {
            Ok(to) => self.move_to(at, id, to),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    /// Something happens at Checkout.com's side. Answers with the record afterwards.
    pub fn apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute = self.book.disputes.get(id);
        let dispute = dispute.ok_or_else(|| anyhow::anyhow!("no Checkout.com dispute `{id}`"))?;
        let status = dispute.status;
        let arbitrated = status == Status::ArbitrationUnderReview;
        let due = |desk: &mut Self, due_by: Option<i64>| {
            if let Some(due) = due_by {
                desk.edit(at, id, |d| d.evidence_required_by = due);
            }
        };
        match change {
            Change::Status { status } => self.move_to(at, id, Status::parse(status)?),
            Change::Won { .. } if arbitrated => self.move_to(at, id, Status::ArbitrationWon),
            Change::Lost if arbitrated => self.move_to(at, id, Status::ArbitrationLost),
            Change::Won { .. } => self.move_to(at, id, Status::Won),
            Change::Lost => self.move_to(at, id, Status::Lost),
            Change::Escalate { .. } => self.move_to(at, id, Status::ArbitrationUnderReview),
            Change::ActionRequired { due_by } => {
                due(self, *due_by);
                self.move_to(at, id, Status::EvidenceRequired);
            }
            Change::Deadline { due_by: Some(told) } => {
                due(self, Some(*told));
                self.watch_deadline(id);
            }
            Change::Deadline { due_by: None } => {
                anyhow::bail!("Checkout.com always states `evidence_required_by`")
            }
            Change::Refunded => self.resolve(at, id, "already_refunded"),
            Change::Prevented => self.resolve(at, id, "rapid_dispute_resolution"),
            Change::SubmittedElsewhere if status == Status::EvidenceRequired => {
                let words = "Answered in the dashboard.".to_owned();
                self.edit(at, id, |d| _ = d.evidence.insert("additional_evidence_text".to_owned(), words));
                self.submit(at, id);
            }
            Change::AcceptedElsewhere if status == Status::EvidenceRequired => {
                self.move_to(at, id, Status::Accepted);
            }
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                anyhow::bail!("`{id}` is {}: nobody can answer it", status.as_str())
            }
            Change::Special { name, .. } => self.special(at, id, name)?,
            Change::AppealOffered { .. } => {
                anyhow::bail!("Checkout.com has no appeals: use `escalate`, which is arbitration")
            }
        }
        Ok(self.book.disputes[id].json())
    }

    /// Events that change no status.
    fn special(&mut self, at: DateTime<Utc>, id: &str, name: &str) -> anyhow::Result<()> {
        match name {
            "acknowledged_by_scheme" => self.tell(at, id, "dispute_evidence_acknowledged_by_scheme"),
            "arbitration_evidence" => self.tell(at, id, "dispute_arbitration_evidence_submitted"),
            "information_requested" => self.ask(at, id),
            other => anyhow::bail!(
                "Checkout.com has no change `{other}`: there is acknowledged_by_scheme, arbitration_evidence and \
                 information_requested"
            ),
        }
        Ok(())
    }

    /// A request for information about the dispute's payment. It has an id of its own and no place in the API.
    fn ask(&mut self, at: DateTime<Utc>, id: &str) {
        let (event_ref, request) = (self.office.ids.next("evt_", 26), self.office.ids.next("rtvl_", 26));
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let told = json!({
            "id": request,
            "category": dispute.category,
            "amount": dispute.amount,
            "currency": dispute.currency,
            "payment_id": dispute.payment_id,
            "payment_method": dispute.method,
        });
        let kind = "request_for_information_received";
        let body = envelope(kind, &event_ref, at, &told, dispute.old_envelope);
        let draft = Draft::real(&event_ref, kind, Some(id), Bytes::from(body.to_string()));
        self.office.send_webhook(at, dispute.account, draft);
    }
}

/// What only a dispute of Checkout.com is ordered with.
struct Extras {
    old_envelope: bool,
    announced: bool,
}

impl Extras {
    fn of(order: &NewDispute) -> anyhow::Result<Self> {
        let is = |name: &str| match order.extra.get(name) {
            None => Ok(false),
            Some(value) => {
                let wrong = || anyhow::anyhow!("`{name}` is {value}: true or false is expected");
                value.as_bool().ok_or_else(wrong)
            }
        };
        Ok(Self { old_envelope: is(OLD_ENVELOPE)?, announced: is(ANNOUNCED)? })
    }
}
