//! What cannot be taken back: accept and submit. Read, send at most once, read again. Knows the provider's
//! record and the lease; what the dispute deserves was decided before.

use anyhow::Context;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Task;
use super::patience::{self, EarlierCall, RETRY_MAX, RETRY_MIN};
use crate::crash;
use crate::dispute::{CycleState, Source};
use crate::engine::{ActionState, overtaken};
use crate::providers::{Answer, CallLog, Record};
use crate::store::actions::{self, Standing};
use crate::store::turn::{self, CaseKey};
use crate::worker::read::{self, Looked};

/// What became of a call that was to be made.
pub(super) enum Sent {
    Answered(Answer<Record>),
    /// No byte of it left.
    NotAtAll(Standing),
}

impl Task<'_> {
    /// Read, send at most once, read again.
    pub(super) async fn irreversible(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        let read_at = self.now();
        if let Some(standing) = self.settled_by_record(logs).await? {
            return Ok(standing);
        }
        // The record asks for a response still. A call that may be on its way is waited for.
        if let Some(standing) = self.wait_for_earlier_call(read_at) {
            return Ok(standing);
        }
        match self.send(logs).await? {
            Sent::Answered(answer) => self.after_call(answer, logs).await,
            Sent::NotAtAll(standing) => Ok(standing),
        }
    }

    /// Commits that a request may leave, and lets it leave: the one place where that happens.
    pub(super) async fn send(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Sent> {
        if self.around.killed {
            return Ok(Sent::NotAtAll(self.later(self.now() + RETRY_MAX, "the kill switch is on")));
        }
        let documents = match self.documents().await? {
            Ok(documents) => documents,
            Err(why) => return Ok(Sent::NotAtAll(Standing::Refused { why })),
        };
        if let Some(standing) = self.mark_sent().await.context("marking an action as sent")? {
            return Ok(Sent::NotAtAll(standing));
        }
        crash::point("act.sent");
        let answer = self.call(&documents, logs).await;
        crash::point("act.answered");
        Ok(Sent::Answered(answer))
    }

    /// The last gate. A call that was made before is decided anew first, in the same transaction: while it was on its
    /// way nothing could be taken back. `None`: go.
    async fn mark_sent(&self) -> sqlx::Result<Option<Standing>> {
        let (action, now) = (self.action, self.now());
        let mut tx = self.shop.pool.begin().await?;
        if let Some(sent_at) = action.sent_at {
            let key = CaseKey::Id { merchant_id: action.merchant_id, dispute_id: action.dispute_id };
            let case = turn::case(&mut tx, &self.shop.world, key, now).await?;
            let packet = self.around.packet.as_ref();
            let overtaken = case.and_then(|case| overtaken(&case, action.kind, packet, now));
            if let Some(why) = overtaken {
                return Ok(Some(patience::overtaken(sent_at, &why)));
            }
        }
        let go = actions::mark_sent(&mut tx, action, self.lease(), now).await?;
        tx.commit().await?;
        let why = "not sent: the lease, the plan or the kill switch changed";
        Ok((!go).then(|| self.later(now + RETRY_MIN, why)))
    }

    /// What the provider's record already settles; `None` when it asks for a response still.
    async fn settled_by_record(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Option<Standing>> {
        let looked =
            read::look_up(self.shop, &self.account, &self.around.dispute_ref, Source::ReadBack, logs).await?;
        match looked {
            Looked::Seen(_) => {}
            Looked::NotNow { after, why } => {
                return Ok(Some(self.later(self.asked_to_wait(after), &why)));
            }
            Looked::Refused { why, .. } | Looked::NotUnderstood(why) | Looked::Acknowledged(why) => {
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

    pub(super) async fn still_open(&self) -> anyhow::Result<bool> {
        let mut conn = self.shop.pool.acquire().await?;
        Ok(self.is_open(&mut conn).await?)
    }

    pub(super) async fn is_open(&self, conn: &mut PgConnection) -> sqlx::Result<bool> {
        let around = actions::circumstances(conn, self.action).await?;
        Ok(around.cycle_state == CycleState::Open)
    }

    fn is_keyed(&self) -> bool {
        self.capabilities().idempotency_key
    }

    fn wait_for_earlier_call(&self, read_at: DateTime<Utc>) -> Option<Standing> {
        let (action, keyed) = (self.action, self.is_keyed());
        let (state, sent_at, attempts) = (action.state, action.sent_at, action.attempts);
        let earlier = EarlierCall { state, sent_at, attempts, keyed };
        patience::wait_for_earlier_call(earlier, self.backoff(), read_at)
    }

    async fn after_call(&self, answer: Answer<Record>, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        match answer {
            Answer::Receipt(record) => {
                read::take_in(self.shop, &self.account, &record, Source::Receipt).await?;
                self.confirm(logs).await
            }
            Answer::Retry { after, why } => {
                let due_at = self.asked_to_wait(after);
                // An earlier request of this generation may have landed: then only the record can tell.
                Ok(match self.action.sent_at {
                    Some(_) => Standing::Unknown { due_at, why },
                    None => Standing::Again { due_at, why },
                })
            }
            // Its last request may have left just now, however long ago the first one did.
            Answer::Unknown { why } => {
                let settled_at = if self.is_keyed() { self.now() } else { self.now() + patience::SETTLE };
                Ok(Standing::Unknown { due_at: self.backoff().max(settled_at), why })
            }
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
}
