//! The act step: actions become calls. Each is leased with a fence; nothing of the database is held while the
//! network is in use. An irreversible call is made only after the provider's record was read, is never repeated
//! before it was read again, and counts as done only when the record shows it (P3, P4).

mod hands;
mod irreversible;
pub mod patience;
mod repeatable;
mod unread;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::json;

use super::{Shop, Stepped, is_collision};
use crate::crash;
use crate::dispute::{Capabilities, CycleState, FileDelivery, Severity};
use crate::engine::{ActionKind, ActionState, Applied, Cause, HistoryKind, Input};
use crate::evidence::{Document, FileRef, Packet, Sending};
use crate::observe::record;
use crate::providers::{Account, Answer, CallLog, NOT_OFFERED, Record, Target};
use crate::store::actions::{self, Circumstances, LeasedAction, Standing};
use crate::store::alerts::{self, NewAlert};
use crate::store::files;
use crate::store::turn::{self, CaseKey, Item};

/// How much longer a lease is for each piece of the evidence.
const PER_PIECE: TimeDelta = TimeDelta::seconds(30);

pub use hands::Hands;

/// Takes up what is due and waits until all of it is over: for who moves the clock by hand. A running engine has
/// [`Hands`], which wait for nothing.
pub async fn act(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let mut conn = shop.pool.acquire().await?;
    let limit = i64::try_from(shop.settings.calls_max).unwrap_or(16);
    let claimed = actions::claim(&mut conn, now, shop.settings.lease, limit, &[]).await?;
    if claimed.is_empty() {
        return Ok(Stepped::Idle { next_at: actions::next_due(&mut conn, &[]).await? });
    }
    drop(conn);
    crash::point("act.claimed");
    join_all(claimed.iter().map(|action| carry_out(shop, action))).await;
    Ok(Stepped::Did(claimed.len()))
}

async fn carry_out(shop: &Shop, action: &LeasedAction) {
    // The lease brings the action back; what was sent stays marked as sent.
    if let Err(error) = one(shop, action).await {
        let error = format!("{error:#}");
        tracing::error!(action.id = action.action_id, action.kind = %action.kind, error, "an action could not be settled");
    }
}

/// One action in hand, with everything around it.
struct Task<'a> {
    shop: &'a Shop,
    action: &'a LeasedAction,
    account: Arc<Account>,
    around: Circumstances,
    /// What is to be told of the account, when the call is one that nobody there has.
    not_offered: OnceLock<String>,
}

async fn one(shop: &Shop, action: &LeasedAction) -> anyhow::Result<()> {
    let around = {
        let mut conn = shop.pool.acquire().await?;
        actions::circumstances(&mut conn, action).await.context("loading what an action is about")?
    };
    let Some(account) = shop.accounts.by_id(action.merchant_id, action.account_id) else {
        let due_at = shop.clock.now() + patience::RETRY_MAX;
        let standing = later(action.state, due_at, "its account is not known to this process");
        let mut tx = shop.pool.begin().await?;
        turn::lock_dispute(&mut tx, action.dispute_id).await?;
        actions::settle(&mut tx, action, &standing, shop.clock.now()).await?;
        tx.commit().await?;
        return Ok(());
    };
    let task = Task { shop, action, account, around, not_offered: OnceLock::new() };
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
        // The merchant's system is no provider: it has no place in this line.
        if self.action.kind == ActionKind::PullFacts {
            return Ok((self.pull_facts(&mut logs).await?, logs));
        }
        let fetch = self.capabilities().fetch;
        if self.action.kind.irreversible() && sent_before && !fetch {
            return Ok((self.await_webhook(open), logs));
        }
        if let Err(free_at) = self.shop.calls.take_place(self.account.account_id, self.now()) {
            return Ok((self.later(free_at, "waiting for its turn at the provider"), logs));
        }
        let standing = match self.action.kind {
            ActionKind::Accept | ActionKind::Submit if !fetch => self.send_unread(&mut logs).await?,
            ActionKind::Accept | ActionKind::Submit => self.irreversible(&mut logs).await?,
            ActionKind::StageEvidence | ActionKind::KeepManual => self.stage(&mut logs).await?,
            ActionKind::Upload => self.upload(&mut logs).await?,
            ActionKind::PullFacts => self.pull_facts(&mut logs).await?,
            ActionKind::Fetch if !fetch => Standing::Refused { why: "this provider cannot be read".into() },
            ActionKind::Fetch => self.fetch(&mut logs).await?,
        };
        Ok((standing, logs))
    }

    /// From the moment something may leave. Some providers take each piece of evidence in a request of its own.
    fn lease(&self) -> TimeDelta {
        let pieces = self
            .around
            .packet
            .as_ref()
            .map_or(0, |packet| packet.text.len() + packet.files.values().map(Vec::len).sum::<usize>());
        self.shop.settings.lease + PER_PIECE * i32::try_from(pieces).unwrap_or(i32::MAX).min(100)
    }

    fn capabilities(&self) -> &'static Capabilities {
        self.shop.world.registry.get(self.account.provider).capabilities()
    }

    fn now(&self) -> DateTime<Utc> {
        self.shop.clock.now()
    }

    fn backoff(&self) -> DateTime<Utc> {
        let around = &self.around;
        patience::backoff(self.action.attempts, around.page_at, around.respond_by, self.now())
    }

    fn later(&self, due_at: DateTime<Utc>, why: &str) -> Standing {
        later(self.action.state, due_at, why)
    }

    /// When the provider wants to be asked again, but never so late that the margin or the deadline would pass before.
    fn asked_to_wait(&self, after: Option<Duration>) -> DateTime<Utc> {
        let (page_at, respond_by) = (self.around.page_at, self.around.respond_by);
        let asked = after.and_then(|after| TimeDelta::from_std(after).ok()).map(|after| self.now() + after);
        asked.map_or(self.backoff(), |at| patience::in_time(at, page_at, respond_by, self.now()))
    }

    /// The files that the packet names, with their bytes, where they travel in the call. An error tells a person
    /// which of them is not what it was when the packet was frozen.
    async fn documents(&self) -> anyhow::Result<Result<Vec<Document>, String>> {
        let mut documents = Vec::new();
        match self.capabilities().files.delivery {
            FileDelivery::Upload => return Ok(Ok(documents)),
            FileDelivery::Inline => {}
        }
        let Some(packet) = &self.around.packet else { return Ok(Ok(documents)) };
        let mut conn = self.shop.pool.acquire().await?;
        for (field, names) in &packet.files {
            for name in names {
                let named: FileRef = match name.parse() {
                    Ok(named) => named,
                    Err(error) => return Ok(Err(format!("{field}: {error}"))),
                };
                let Some(file) = files::load_named(&mut conn, self.action.merchant_id, named).await? else {
                    return Ok(Err(format!(
                        "{field}: the file {} is not what it was, or gone",
                        named.file_id
                    )));
                };
                let files::File { name, media_type, content } = file;
                documents.push(Document { field: *field, name, media_type, content });
            }
        }
        Ok(Ok(documents))
    }

    async fn call(&self, documents: &[Document], logs: &mut Vec<CallLog>) -> Answer<Record> {
        let provider = self.shop.world.registry.get(self.account.provider).clone();
        let account = &*self.account;
        let target =
            Target { dispute_ref: &self.around.dispute_ref, payment_ref: self.around.payment_ref.as_deref() };
        let key = self.action.idempotency_key();
        let empty = Packet::default();
        let sending = Sending { packet: self.around.packet.as_ref().unwrap_or(&empty), documents };
        let call = async {
            match self.action.kind {
                ActionKind::Accept => provider.accept(account, target, &key).await,
                ActionKind::Submit => provider.submit(account, target, sending, &key).await,
                // A draft of nothing tells the provider who submits.
                ActionKind::StageEvidence | ActionKind::KeepManual => {
                    provider.stage_evidence(account, target, sending, &key).await
                }
                ActionKind::Fetch | ActionKind::Upload | ActionKind::PullFacts => {
                    provider.fetch(account, target.dispute_ref).await
                }
            }
        };
        // A call may be a series of requests. None of them leaves once somebody else may take the action up.
        let patience = (self.lease() * 3 / 4).to_std().unwrap_or_default();
        let (answer, log) = tokio::time::timeout(patience, call).await.unwrap_or_else(|_| {
            let why = format!("its requests were not over in {} s", patience.as_secs());
            (Answer::Unknown { why: why.clone() }, vec![cut_short(self.action.kind, why, patience)])
        });
        self.shop.called(account, answer.word(), &log);
        logs.extend(log);
        self.shop.calls.learn(self.account.account_id, &answer, self.now());
        match answer {
            Answer::Refused { status, code, reason } if code.as_deref() == Some(NOT_OFFERED) => {
                _ = self.not_offered.set(reason);
                let reason = "this call cannot be made for the account at all, as was told once: answer the dispute \
                              in the provider's dashboard";
                Answer::Refused { status, code, reason: reason.to_owned() }
            }
            Answer::Receipt(_) | Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => {
                answer
            }
        }
    }

    /// Once for an account and a call, whatever the dispute: it is the account that wants mending.
    fn of_what_is_not_offered(&self) -> Option<NewAlert> {
        let why = self.not_offered.get()?;
        let (account, kind) = (&self.account, self.action.kind);
        Some(NewAlert {
            merchant_id: account.merchant_id,
            dispute_id: None,
            cycle_n: None,
            kind: "call_not_offered".into(),
            severity: Severity::Warning,
            dedupe_key: format!("not-offered:{}:{kind}", account.account_id),
            title: format!("`{kind}` cannot be done through {}/{}", account.provider, account.name),
            detail: json!({"account": account.name, "first": self.around.dispute_ref, "waiting_for": [why]}),
        })
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
        let mut tx = shop.pool.begin().await?;
        // The dispute before its action, in the order in which turns lock.
        turn::lock_dispute(&mut tx, action.dispute_id).await?;
        let standing = &self.as_told_since(&mut tx, standing.clone()).await?;
        let (word, kind) = told(standing);
        actions::log_attempts(&mut tx, &shop.world.ids, action, word, logs, now).await?;
        if !actions::settle(&mut tx, action, standing, now).await? {
            tracing::warn!(action.id = action.action_id, "an action was settled by somebody else");
            return tx.commit().await;
        }
        // What stands as it stood is no news, however often it is looked at.
        if let Some(kind) = kind.filter(|_| standing.is_news(action)) {
            let detail = json!({"action": action.kind, "subject": action.subject, "standing": word,
                "attempt": action.attempts, "why": why(standing)});
            actions::note(&mut tx, &shop.world.ids, action, kind, &detail, now).await?;
        }
        if let Some(alert) = self.of_what_is_not_offered() {
            alerts::raise(&mut tx, &[alert], now).await?;
        }
        let looks_again = match standing {
            Standing::Refused { .. } => true,
            Standing::Done => !action.kind.irreversible(),
            // While it may have been on its way nothing was decided. It can be taken back again, so whatever came
            // meanwhile counts now: a refund, new rules, another amount.
            Standing::Regenerate { .. } => true,
            Standing::Again { .. } => action.kind.irreversible() && !logs.is_empty(),
            // Only a person can find out what became of it, and is told so by the look.
            Standing::Unknown { .. } => self.waits_for_webhook(standing),
            Standing::Unconfirmed { .. } | Standing::Cancelled { .. } => false,
        };
        let mut turned = Vec::new();
        if looks_again {
            let cause = match action.kind {
                ActionKind::PullFacts if matches!(standing, Standing::Done) => Cause::FactsChanged,
                ActionKind::PullFacts
                | ActionKind::Accept
                | ActionKind::Submit
                | ActionKind::StageEvidence
                | ActionKind::Upload
                | ActionKind::KeepManual
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
        if self.not_offered.get().is_some() {
            shop.bells.notify.ring();
        }
        record::action(action.kind.as_str(), word);
        debug_assert!(turned.iter().all(|t| !matches!(t.applied, Applied::Doubtful(_))));
        Ok(())
    }
}

/// What is known of a series of requests that was cut off: that it was.
fn cut_short(kind: ActionKind, why: String, after: Duration) -> CallLog {
    CallLog {
        request: format!("{kind}, cut off"),
        status: None,
        provider_request_ref: None,
        latency_ms: i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        error: Some(why),
    }
}

/// Nothing was done: the action stands as it stood.
fn later(state: ActionState, due_at: DateTime<Utc>, why: &str) -> Standing {
    let why = why.to_owned();
    match state {
        ActionState::Unknown => Standing::Unknown { due_at, why },
        ActionState::Sent => Standing::Unconfirmed { due_at, why },
        ActionState::Wanted | ActionState::Done | ActionState::Refused | ActionState::Cancelled => {
            Standing::Again { due_at, why }
        }
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
