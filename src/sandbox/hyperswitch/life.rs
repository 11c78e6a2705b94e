//! What happens to a dispute that the router knows of: it is opened, challenged, conceded, decided, moved to another
//! stage, and lapses. The router tells of each change of its own status by one webhook.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::super::ProviderKind;
use super::super::office::{Plan, Timer, instant};
use super::super::orders::{Change, NewDispute};
use super::super::outbox::Draft;
use super::Desk;
use super::record::{Dispute, STAGES, Status, translated};

/// Days that the made-up deadline leaves.
const WINDOW_DAYS: i64 = 10;

impl Desk<'_> {
    /// Opens a dispute and answers with its id.
    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let account = self.office.account_index(ProviderKind::Hyperswitch, order.account.as_deref())?;
        let dispute = self.made_up(now, account, order)?;
        let id = dispute.id.clone();
        ensure!(!self.book.disputes.contains_key(&id), "the router has a dispute `{id}` already");
        self.book.disputes.insert(id.clone(), dispute);
        self.watch_deadline(&id);
        if !order.silent {
            self.tell(now, &id);
        }
        Ok(id)
    }

    fn made_up(&mut self, now: DateTime<Utc>, account: usize, order: &NewDispute) -> anyhow::Result<Dispute> {
        let stage = order.phase.clone().unwrap_or_else(|| "dispute".to_owned());
        check_stage(&stage)?;
        if let Some(word) = &order.outcome {
            Status::parse(word)?;
        }
        let created_at = order.created.map_or(now, instant);
        let respond_by = match order.due_by {
            Some(Some(at)) => Some(instant(at)),
            Some(None) => None,
            None => Some(created_at + TimeDelta::days(WINDOW_DAYS)),
        };
        let connector = match order.extra.get("connector") {
            Some(word) => word.as_str().context("`connector` is a word")?.to_owned(),
            None => "checkout".to_owned(),
        };
        let status = order.status.as_deref().map_or(Ok(Status::Opened), Status::parse)?;
        let (status, connector_status) = translated(&connector, status);
        Ok(Dispute {
            id: order.id.clone().unwrap_or_else(|| self.office.ids.next("dp_router_", 16)),
            account,
            n: self.office.count(),
            payment_id: order.payment.clone().unwrap_or_else(|| self.office.ids.next("pay_router_", 14)),
            amount: order.amount.unwrap_or(5_400),
            currency: order.currency.clone().unwrap_or_else(|| "EUR".to_owned()).to_ascii_uppercase(),
            stage,
            status,
            connector,
            connector_status,
            reason: order.reason.clone(),
            reason_code: order.network_reason_code.clone(),
            respond_by,
            created_at,
            refunded: false,
            attached: BTreeMap::new(),
            submitted: BTreeMap::new(),
            plan: Plan::of(order),
            verdict: None,
            round: 1,
            before: None,
        })
    }

    fn tell(&mut self, at: DateTime<Utc>, id: &str) {
        let event_id = self.office.ids.next("evt_router_", 16);
        let Some(dispute) = self.book.disputes.get(id) else { return };
        let kind = dispute.status.as_str();
        let merchant = &self.office.accounts[dispute.account].account_ref;
        let body = Bytes::from(dispute.event(&event_id, kind, merchant, at).to_string());
        let draft = Draft::real(&event_id, kind, Some(id), body);
        self.office.send_webhook(at, dispute.account, draft);
    }

    /// Changes a dispute without telling anyone: attached files, moved deadlines.
    pub(super) fn edit(&mut self, id: &str, edit: impl FnOnce(&mut Dispute)) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let before = dispute.json();
        edit(dispute);
        if dispute.json() != before {
            dispute.before = Some(before);
        }
    }

    /// Hands the evidence to the connector. The state has been checked.
    pub(super) fn submit(&mut self, at: DateTime<Utc>, id: &str, fields: BTreeMap<String, String>) {
        self.edit(id, |d| d.submitted = fields);
        self.move_to(at, id, Status::Challenged);
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some(word) = dispute.plan.outcome.clone() else { return };
        let when = at + TimeDelta::seconds(dispute.plan.decide_after_s);
        dispute.verdict = Some((when, word));
        let timer = Timer::Decide { provider: ProviderKind::Hyperswitch, dispute: id.to_owned() };
        self.office.set_timer(when, timer);
    }

    /// Moves a dispute to any status, as its connector would and the router translates it, with the webhook.
    pub(super) fn move_to(&mut self, at: DateTime<Utc>, id: &str, to: Status) {
        self.edit(id, |d| {
            let (status, connector_status) = translated(&d.connector, to);
            if status == Status::Opened && d.status != Status::Opened {
                d.round += 1;
            }
            (d.status, d.connector_status, d.verdict) = (status, connector_status, None);
        });
        self.tell(at, id);
        self.watch_deadline(id);
    }

    fn watch_deadline(&mut self, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.status == Status::Opened) else { return };
        let Some(respond_by) = dispute.respond_by else { return };
        let ends = respond_by + TimeDelta::seconds(1 + dispute.plan.lapse_grace_s);
        let timer = Timer::Lapse { provider: ProviderKind::Hyperswitch, dispute: id.to_owned() };
        self.office.set_timer(ends, timer);
    }

    /// The deadline passed without a response: expired, as the connectors that say so have it.
    pub fn lapse(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get(id).filter(|d| d.status == Status::Opened) else { return };
        let grace = TimeDelta::seconds(dispute.plan.lapse_grace_s);
        if dispute.respond_by.is_some_and(|until| at > until + grace) {
            self.move_to(at, id, Status::Expired);
        }
    }

    pub fn bank_decides(&mut self, at: DateTime<Utc>, id: &str) {
        let Some(dispute) = self.book.disputes.get_mut(id) else { return };
        let Some((_, word)) = dispute.verdict.take_if(|(when, _)| *when <= at) else { return };
        if dispute.status != Status::Challenged {
            return;
        }
        match Status::parse(&word) {
            Ok(to) => self.move_to(at, id, to),
            Err(error) => tracing::error!(dispute.id = id, %error, "an ordered outcome cannot happen"),
        }
    }

    /// Something happens at the connector. Answers with the record afterwards.
    pub fn apply(&mut self, at: DateTime<Utc>, id: &str, change: &Change) -> anyhow::Result<Value> {
        let dispute =
            self.book.disputes.get(id).with_context(|| format!("the router has no dispute `{id}`"))?;
        let open = dispute.status == Status::Opened;
        match change {
            Change::Status { status } => self.move_to(at, id, Status::parse(status)?),
            Change::Won { .. } => self.move_to(at, id, Status::Won),
            Change::Lost => self.move_to(at, id, Status::Lost),
            Change::ActionRequired { due_by } => self.again(at, id, *due_by, None),
            Change::Deadline { due_by } => {
                self.edit(id, |d| d.respond_by = due_by.map(instant));
                self.watch_deadline(id);
            }
            Change::Escalate { due_by, phase } => {
                let next = next_stage(&dispute.stage, phase.as_deref())?;
                self.again(at, id, *due_by, Some(next));
            }
            Change::SubmittedElsewhere if open => self.submit(at, id, BTreeMap::new()),
            Change::AcceptedElsewhere if open => self.move_to(at, id, Status::Accepted),
            Change::SubmittedElsewhere | Change::AcceptedElsewhere => {
                bail!("`{id}` is {}: nobody can answer it", dispute.status.as_str())
            }
            Change::Refunded => self.edit(id, |d| d.refunded = true),
            Change::Prevented | Change::AppealOffered { .. } | Change::Special { .. } => {
                bail!("the router has no such change: use `status`, `escalate` or `action_required`")
            }
        }
        Ok(self.book.disputes[id].json())
    }

    /// A response is owed again, at another stage or at the same.
    fn again(&mut self, at: DateTime<Utc>, id: &str, due_by: Option<i64>, stage: Option<String>) {
        self.edit(id, |d| {
            d.respond_by = due_by.map(instant).or(Some(at + TimeDelta::days(WINDOW_DAYS)));
            d.stage = stage.unwrap_or_else(|| d.stage.clone());
        });
        self.move_to(at, id, Status::Opened);
    }
}

fn check_stage(stage: &str) -> anyhow::Result<()> {
    ensure!(
        STAGES.contains(&stage),
        "`{stage}` is no stage of the router: expected one of {}",
        STAGES.join(", ")
    );
    Ok(())
}

fn next_stage(here: &str, wanted: Option<&str>) -> anyhow::Result<String> {
    let place = STAGES.iter().position(|stage| *stage == here);
    let follows = place.and_then(|at| STAGES.get(at + 1)).copied();
    let next = wanted.or(follows).with_context(|| format!("{here} is the last stage"))?;
    check_stage(next)?;
    Ok(next.to_owned())
}
