//! What may be done twice: staging evidence, uploads, reads, questions to the merchant's own system. Done
//! again after anything but a refusal.

use anyhow::Context;

use super::Task;
use super::patience::RETRY_MAX;
use crate::dispute::{CycleState, Source};
use crate::providers::{Answer, CallLog};
use crate::store::actions::Standing;
use crate::store::files;
use crate::worker::facts::PullOutcome;
use crate::worker::read;

impl Task<'_> {
    pub(super) async fn stage(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        if self.around.cycle_state != CycleState::Open {
            return Ok(Standing::Cancelled { why: "no response is owed any more".into() });
        }
        if self.around.killed {
            return Ok(self.later(self.now() + RETRY_MAX, "the kill switch is on"));
        }
        let documents = match self.documents().await? {
            Ok(documents) => documents,
            Err(why) => return Ok(Standing::Refused { why }),
        };
        match self.call(&documents, logs).await {
            Answer::Receipt(record) => {
                read::take_in(self.shop, &self.account, &record, Source::Receipt).await?;
                Ok(Standing::Done)
            }
            answer @ (Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. }) => {
                Ok(self.repeatable(answer))
            }
        }
    }

    /// What may be done twice is simply done again after anything but a refusal.
    fn repeatable<T>(&self, answer: Answer<T>) -> Standing {
        match answer {
            Answer::Receipt(_) => Standing::Done,
            Answer::Retry { after, why } => Standing::Again { due_at: self.asked_to_wait(after), why },
            Answer::Unknown { why } => Standing::Again { due_at: self.backoff(), why },
            Answer::Refused { status, code, reason } => {
                Standing::Refused { why: format!("HTTP {status} {}: {reason}", code.unwrap_or_default()) }
            }
        }
    }

    pub(super) async fn upload(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
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
        let call = provider.upload(&self.account, &file.name, &file.media_type, file.content.clone(), &key);
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

    pub(super) async fn fetch(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        let answer = self.call(&[], logs).await;
        if let Answer::Receipt(record) = &answer {
            read::take_in(self.shop, &self.account, record, Source::ReadBack).await?;
        }
        Ok(self.repeatable(answer))
    }

    /// Asks the merchant's system until the margin; from there on the response goes out without its answer.
    pub(super) async fn pull_facts(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        let (pool, dispute_id) = (&self.shop.pool, self.action.dispute_id);
        let (outcome, pulled) = self.shop.facts.pull_and_keep(pool, &self.account, dispute_id).await?;
        logs.extend(pulled);
        Ok(match outcome {
            PullOutcome::Known(_) | PullOutcome::NoneKnown | PullOutcome::NotAsked => Standing::Done,
            PullOutcome::Again { why, .. } if self.now() >= self.around.page_at => Standing::Refused { why },
            PullOutcome::Again { after, why } => {
                let wanted = after.map(|after| self.now() + after).filter(|at| *at < self.around.page_at);
                Standing::Again { due_at: wanted.unwrap_or(self.backoff()), why }
            }
        })
    }
}
