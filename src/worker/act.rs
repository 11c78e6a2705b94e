//! The act step: actions become calls. Each is leased with a fence; nothing of the database is held while the
//! network is in use. An irreversible call is made only after the provider's record was read, is never repeated
//! before it was read again, and counts as done only when the record shows it (P3, P4).

use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::json;

use super::read::{self, Looked};
use super::{Shop, Stepped, is_collision};
use crate::crash;
use crate::dispute::{CycleState, Source};
use crate::engine::{ActionKind, ActionState, Applied, Cause, HistoryKind, Input};
use crate::evidence::Packet;
use crate::providers::{Account, Answer, CallLog, Record};
use crate::store::actions::{self, Circumstances, LeasedAction, Standing};
use crate::store::files;
use crate::store::turn::{self, CaseKey, Item};

/// After a call whose answer was lost: how long it may still be on its way before the record is believed.
const SETTLE: TimeDelta = TimeDelta::seconds(90);
/// A record that still asks for a response so long after a call proves that the call had no effect.
const PROVED: TimeDelta = TimeDelta::minutes(15);
const RETRY_MIN: TimeDelta = TimeDelta::seconds(5);
const RETRY_MAX: TimeDelta = TimeDelta::minutes(10);

pub async fn act(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let mut conn = shop.pool.acquire().await?;
    let limit = i64::try_from(shop.settings.calls_max).unwrap_or(16);
    let claimed = actions::claim(&mut conn, now, shop.settings.lease, limit).await?;
    if claimed.is_empty() {
        return Ok(Stepped::Idle { next_at: actions::next_due(&mut conn).await? });
    }
    drop(conn);
    crash::point("act.claimed");
    let count = claimed.len();
    let results = join_all(claimed.iter().map(|action| one(shop, action))).await;
    for (action, result) in claimed.iter().zip(results) {
        // The lease brings the action back; what was sent stays marked as sent.
        if let Err(error) = result {
            let error = format!("{error:#}");
            tracing::error!(action.id = action.action_id, action.kind = %action.kind, error, "an action could not be settled");
        }
    }
    Ok(Stepped::Did(count))
}

/// One action in hand, with everything around it.
struct Task<'a> {
    shop: &'a Shop,
    action: &'a LeasedAction,
    account: Arc<Account>,
    around: Circumstances,
}

async fn one(shop: &Shop, action: &LeasedAction) -> anyhow::Result<()> {
    let around = {
        let mut conn = shop.pool.acquire().await?;
        actions::circumstances(&mut conn, action).await.context("loading what an action is about")?
    };
    let Some(account) = shop.accounts.by_id(action.merchant_id, action.account_id) else {
        let due_at = shop.clock.now() + RETRY_MAX;
        let standing = Standing::Again { due_at, why: "its account is not known to this process".into() };
        let mut conn = shop.pool.acquire().await?;
        actions::settle(&mut conn, action, &standing, shop.clock.now()).await?;
        return Ok(());
    };
    let task = Task { shop, action, account, around };
    let (standing, logs) = task.carry_out().await?;
    task.settle(standing, &logs).await
}

impl Task<'_> {
    async fn carry_out(&self) -> anyhow::Result<(Standing, Vec<CallLog>)> {
        let mut logs = Vec::new();
        let open = self.around.cycle_state == CycleState::Open;
        let sent_before = self.action.state != ActionState::Wanted;
        if !open && !sent_before {
            return Ok((Standing::Cancelled { why: "no response is owed any more".into() }, logs));
        }
        if let Err(free_at) = self.shop.calls.take_place(self.account.account_id, self.now()) {
            return Ok((self.later(free_at, "waiting for its turn at the provider"), logs));
        }
        let standing = match self.action.kind {
            ActionKind::Accept | ActionKind::Submit => self.irreversible(&mut logs).await?,
            ActionKind::StageEvidence => self.stage(&mut logs).await?,
            ActionKind::Upload => self.upload(&mut logs).await?,
            ActionKind::PullFacts => self.pull_facts().await?,
            ActionKind::Fetch => self.fetch(&mut logs).await?,
        };
        Ok((standing, logs))
    }

    fn now(&self) -> DateTime<Utc> {
        self.shop.clock.now()
    }

    /// Patience that shrinks as the margin comes nearer, so that there is always another try before it.
    fn backoff(&self) -> DateTime<Utc> {
        let now = self.now();
        let doubling = 1 << self.action.attempts.clamp(0, 10);
        let left = ((self.around.page_at - now) / 4).max(RETRY_MIN);
        now + (RETRY_MIN * doubling).min(RETRY_MAX).min(left)
    }

    fn later(&self, due_at: DateTime<Utc>, why: &str) -> Standing {
        let why = why.to_owned();
        match self.action.state {
            ActionState::Unknown => Standing::Unknown { due_at, why },
            ActionState::Sent => Standing::Unconfirmed { due_at, why },
            ActionState::Wanted | ActionState::Done | ActionState::Refused | ActionState::Cancelled => {
                Standing::Again { due_at, why }
            }
        }
    }

    /// Read, send at most once, read again.
    async fn irreversible(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        if let Some(standing) = self.settled_by_record(logs).await? {
            return Ok(standing);
        }
        // The record asks for a response still. A call that may be on its way is waited for.
        if let Some(standing) = self.wait_for_earlier_call() {
            return Ok(standing);
        }
        if self.around.killed {
            return Ok(self.later(self.now() + RETRY_MAX, "the kill switch is on"));
        }
        let now = self.now();
        let go = {
            let mut conn = self.shop.pool.acquire().await?;
            actions::mark_sent(&mut conn, self.action, now).await?
        };
        if !go {
            return Ok(
                self.later(now + RETRY_MIN, "not sent: the lease, the plan or the kill switch changed")
            );
        }
        crash::point("act.sent");
        let answer = self.call(logs).await;
        crash::point("act.answered");
        self.after_call(answer, logs).await
    }

    /// What the provider's record already settles; `None` when it asks for a response still.
    async fn settled_by_record(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Option<Standing>> {
        let looked =
            read::look_up(self.shop, &self.account, &self.around.dispute_ref, Source::ReadBack, logs).await?;
        match looked {
            Looked::Seen(_) => {}
            Looked::NotNow { after, why } => {
                let due_at = after.and_then(|a| TimeDelta::from_std(a).ok()).map(|a| self.now() + a);
                return Ok(Some(self.later(due_at.unwrap_or(self.backoff()), &why)));
            }
            Looked::Refused(why) | Looked::NotUnderstood(why) => {
                return Ok(Some(self.later(self.backoff(), &format!("the record cannot be read: {why}"))));
            }
        }
        if self.still_open().await? {
            return Ok(None);
        }
        let sent_before = self.action.state != ActionState::Wanted;
        Ok(Some(match sent_before {
            true => Standing::Done,
            false => {
                Standing::Cancelled { why: "the provider's record shows that no response is owed".into() }
            }
        }))
    }

    async fn still_open(&self) -> anyhow::Result<bool> {
        let mut conn = self.shop.pool.acquire().await?;
        let around = actions::circumstances(&mut conn, self.action).await?;
        Ok(around.cycle_state == CycleState::Open)
    }

    fn wait_for_earlier_call(&self) -> Option<Standing> {
        let sent_at = self.action.sent_at?;
        let since = self.now() - sent_at;
        let keyed = self.shop.world.registry.get(self.account.provider).capabilities().idempotency_key;
        let why = "the record does not show the call yet".to_owned();
        match self.action.state {
            ActionState::Sent | ActionState::Unknown if since >= PROVED => {
                let why = format!(
                    "{} min after the call the record still asks for a response",
                    since.num_minutes()
                );
                Some(Standing::Regenerate { due_at: self.now(), why })
            }
            // The answer was good: only the record lags.
            ActionState::Sent => {
                Some(Standing::Unconfirmed { due_at: self.backoff().min(sent_at + PROVED), why })
            }
            ActionState::Unknown if since < SETTLE && !keyed => {
                Some(Standing::Unknown { due_at: sent_at + SETTLE, why })
            }
            ActionState::Unknown
            | ActionState::Wanted
            | ActionState::Done
            | ActionState::Refused
            | ActionState::Cancelled => None,
        }
    }

    async fn call(&self, logs: &mut Vec<CallLog>) -> Answer<Record> {
        let provider = self.shop.world.registry.get(self.account.provider).clone();
        let (account, dispute_ref) = (&*self.account, self.around.dispute_ref.as_str());
        let key = self.action.idempotency_key();
        let empty = Packet::default();
        let packet = self.around.packet.as_ref().unwrap_or(&empty);
        let (answer, log) = match self.action.kind {
            ActionKind::Accept => provider.accept(account, dispute_ref, &key).await,
            ActionKind::Submit => provider.submit(account, dispute_ref, packet, &key).await,
            ActionKind::StageEvidence => provider.stage_evidence(account, dispute_ref, packet, &key).await,
            ActionKind::Fetch | ActionKind::Upload | ActionKind::PullFacts => {
                provider.fetch(account, dispute_ref).await
            }
        };
        logs.extend(log);
        self.shop.calls.learn(self.account.account_id, &answer, self.now());
        answer
    }

    async fn after_call(&self, answer: Answer<Record>, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        match answer {
            Answer::Receipt(record) => {
                read::take_in(self.shop, &self.account, &record, Source::Receipt).await?;
                self.confirm(logs).await
            }
            Answer::Retry { after, why } => {
                let due_at = after.and_then(|a| TimeDelta::from_std(a).ok()).map(|a| self.now() + a);
                let due_at = due_at.unwrap_or(self.backoff());
                // An earlier request of this generation may have landed: then only the record can tell.
                Ok(match self.action.sent_at {
                    Some(_) => Standing::Unknown { due_at, why },
                    None => Standing::Again { due_at, why },
                })
            }
            Answer::Unknown { why } => Ok(Standing::Unknown { due_at: self.backoff(), why }),
            Answer::Refused { status, code, reason } => {
                let why = format!("HTTP {status} {}: {reason}", code.unwrap_or_default());
                match self.settled_after_refusal(logs).await? {
                    true => Ok(Standing::Done),
                    false => Ok(Standing::Refused { why }),
                }
            }
        }
    }

    /// The read-back after a good answer: done only when the provider's own record shows it.
    async fn confirm(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        let dispute_ref = &self.around.dispute_ref;
        let looked = read::look_up(self.shop, &self.account, dispute_ref, Source::ReadBack, logs).await?;
        let read_back = matches!(looked, Looked::Seen(_));
        if read_back && !self.still_open().await? {
            return Ok(Standing::Done);
        }
        let why = "answered well; the provider's record does not show it yet".to_owned();
        Ok(Standing::Unconfirmed { due_at: self.backoff(), why })
    }

    /// A refusal after an earlier request of ours that did land ("already under review") is a confirmation.
    async fn settled_after_refusal(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<bool> {
        let dispute_ref = &self.around.dispute_ref;
        let looked = read::look_up(self.shop, &self.account, dispute_ref, Source::ReadBack, logs).await?;
        Ok(matches!(looked, Looked::Seen(_)) && !self.still_open().await?)
    }

    async fn stage(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        if self.around.cycle_state != CycleState::Open {
            return Ok(Standing::Cancelled { why: "no response is owed any more".into() });
        }
        if self.around.killed {
            return Ok(self.later(self.now() + RETRY_MAX, "the kill switch is on"));
        }
        match self.call(logs).await {
            Answer::Receipt(record) => {
                read::take_in(self.shop, &self.account, &record, Source::Receipt).await?;
                Ok(Standing::Done)
            }
            other => Ok(self.repeatable(other)),
        }
    }

    /// What may be done twice is simply done again after anything but a refusal.
    fn repeatable<T>(&self, answer: Answer<T>) -> Standing {
        match answer {
            Answer::Receipt(_) => Standing::Done,
            Answer::Retry { after, why } => {
                let due_at = after.and_then(|a| TimeDelta::from_std(a).ok()).map(|a| self.now() + a);
                Standing::Again { due_at: due_at.unwrap_or(self.backoff()), why }
            }
            Answer::Unknown { why } => Standing::Again { due_at: self.backoff(), why },
            Answer::Refused { status, code, reason } => {
                Standing::Refused { why: format!("HTTP {status} {}: {reason}", code.unwrap_or_default()) }
            }
        }
    }

    async fn upload(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        let file_id: i64 = self.action.subject.parse().context("the subject of an upload is a file's id")?;
        let file = {
            let mut conn = self.shop.pool.acquire().await?;
            files::load(&mut conn, self.action.merchant_id, file_id).await?
        };
        let Some(file) = file else {
            return Ok(Standing::Refused { why: format!("there is no file {file_id}") });
        };
        let provider = self.shop.world.registry.get(self.account.provider).clone();
        let key = self.action.idempotency_key();
        let call =
            provider.upload(&self.account, &file.name, &file.media_type, file.content.clone().into(), &key);
        let (answer, log) = call.await;
        logs.extend(log);
        self.shop.calls.learn(self.account.account_id, &answer, self.now());
        if let Answer::Receipt(uploaded) = &answer {
            let mut conn = self.shop.pool.acquire().await?;
            let (merchant_id, account_id) = (self.action.merchant_id, self.action.account_id);
            let (file_ref, expires_at) = (&uploaded.provider_file_ref, uploaded.expires_at);
            files::record_upload(&mut conn, merchant_id, file_id, account_id, file_ref, expires_at).await?;
        }
        Ok(self.repeatable(answer))
    }

    async fn fetch(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        let answer = self.call(logs).await;
        if let Answer::Receipt(record) = &answer {
            read::take_in(self.shop, &self.account, record, Source::ReadBack).await?;
        }
        Ok(self.repeatable(answer))
    }

    async fn pull_facts(&self) -> anyhow::Result<Standing> {
        Ok(Standing::Done)
    }

    async fn settle(&self, standing: Standing, logs: &[CallLog]) -> anyhow::Result<()> {
        loop {
            match self.commit(&standing, logs).await {
                Ok(()) => return Ok(()),
                Err(error) if is_collision(&error) => {}
                Err(error) => return Err(error).context("settling an action"),
            }
        }
    }

    async fn commit(&self, standing: &Standing, logs: &[CallLog]) -> sqlx::Result<()> {
        let (shop, action, now) = (self.shop, self.action, self.now());
        let (word, kind) = told(standing);
        let mut tx = shop.pool.begin().await?;
        actions::log_attempts(&mut tx, &shop.world.ids, action, word, logs, now).await?;
        if !actions::settle(&mut tx, action, standing, now).await? {
            tracing::warn!(action.id = action.action_id, "an action was settled by somebody else");
            return tx.commit().await;
        }
        if let Some(kind) = kind {
            let detail = json!({"action": action.kind, "subject": action.subject, "standing": word,
                "attempt": action.attempts, "why": why(standing)});
            actions::note(&mut tx, &shop.world.ids, action, kind, &detail, now).await?;
        }
        let looks_again = match standing {
            Standing::Refused { .. } => true,
            Standing::Done => !action.kind.irreversible(),
            Standing::Again { .. }
            | Standing::Unconfirmed { .. }
            | Standing::Unknown { .. }
            | Standing::Cancelled { .. }
            | Standing::Regenerate { .. } => false,
        };
        let mut turned = Vec::new();
        if looks_again {
            let cause = match action.kind {
                ActionKind::PullFacts => Cause::FactsChanged,
                ActionKind::Accept
                | ActionKind::Submit
                | ActionKind::StageEvidence
                | ActionKind::Upload
                | ActionKind::Fetch => Cause::ActionMoved,
            };
            let key = CaseKey::Id { merchant_id: action.merchant_id, dispute_id: action.dispute_id };
            let item = Item {
                key,
                input: Input::Look(cause),
                cause: format!("action:{}", action.kind),
                delivery_id: None,
            };
            turned = turn::take(&mut tx, &shop.world, vec![item], now).await?;
        }
        tx.commit().await?;
        shop.ring_for(&turned);
        let kind = action.kind.as_str();
        metrics::counter!("respondby_actions_total", "kind" => kind, "outcome" => word).increment(1);
        debug_assert!(turned.iter().all(|t| !matches!(t.applied, Applied::Doubtful(_))));
        Ok(())
    }
}

/// A word for the attempts table, and what the history says of it.
fn told(standing: &Standing) -> (&'static str, Option<HistoryKind>) {
    match standing {
        Standing::Done => ("done", Some(HistoryKind::ActionDone)),
        Standing::Again { .. } => ("again", None),
        Standing::Unconfirmed { .. } => ("unconfirmed", Some(HistoryKind::ActionSent)),
        Standing::Unknown { .. } => ("unknown", Some(HistoryKind::ActionUnknown)),
        Standing::Refused { .. } => ("refused", Some(HistoryKind::ActionRefused)),
        Standing::Cancelled { .. } => ("cancelled", Some(HistoryKind::ActionCancelled)),
        Standing::Regenerate { .. } => ("regenerated", Some(HistoryKind::ActionUnknown)),
    }
}

fn why(standing: &Standing) -> Option<&str> {
    match standing {
        Standing::Done => None,
        Standing::Again { why, .. }
        | Standing::Unconfirmed { why, .. }
        | Standing::Unknown { why, .. }
        | Standing::Refused { why }
        | Standing::Cancelled { why }
        | Standing::Regenerate { why, .. } => Some(why),
    }
}
