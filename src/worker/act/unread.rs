//! What cannot be taken back, at a provider whose record cannot be read. Sent once, on what its webhooks have told;
//! then a webhook confirms it, or nothing does and a person is paged. Nothing here calls a second time.

use chrono::TimeDelta;
use sqlx::PgConnection;

use super::Task;
use super::irreversible::Sent;
use super::patience::RETRY_MIN;
use crate::dispute::Source;
use crate::engine::ActionState;
use crate::providers::{Answer, CallLog};
use crate::store::actions::Standing;
use crate::store::deliveries;
use crate::worker::read::{self, Looked};

/// Whoever waits is woken by the webhook itself; this is only so that nothing waits for ever.
const AFTER_THE_DEADLINE: TimeDelta = TimeDelta::days(7);

impl Task<'_> {
    /// Whether this is a call made, or maybe made, that only a webhook can tell the outcome of.
    pub(super) fn waits_for_webhook(&self, standing: &Standing) -> bool {
        let sent = matches!(standing, Standing::Unconfirmed { .. } | Standing::Unknown { .. });
        sent && self.action.kind.irreversible() && !self.capabilities().fetch
    }

    /// A call that was made, or may have been: over when a webhook has ended the cycle, and never made again.
    pub(super) fn await_webhook(&self, open: bool) -> Standing {
        match self.action.state {
            _ if !open => Standing::Done,
            ActionState::Unknown => self.lost("a process ended while the call was on its way"),
            ActionState::Sent
            | ActionState::Wanted
            | ActionState::Done
            | ActionState::Refused
            | ActionState::Cancelled => self.unconfirmed("sent, and no webhook has told of it yet".into()),
        }
    }

    /// A webhook that came while the call was on its way tells more than its answer.
    pub(super) async fn as_told_since(
        &self,
        conn: &mut PgConnection,
        standing: Standing,
    ) -> sqlx::Result<Standing> {
        if self.waits_for_webhook(&standing) && !self.is_open(conn).await? {
            return Ok(Standing::Done);
        }
        Ok(standing)
    }

    pub(super) async fn send_unread(&self, logs: &mut Vec<CallLog>) -> anyhow::Result<Standing> {
        // What webhooks have told is all that is known of the record, so all of them are read first.
        let waiting = {
            let mut conn = self.shop.pool.acquire().await?;
            let account = (self.action.merchant_id, self.action.account_id);
            deliveries::waits_to_be_read(&mut conn, account).await?
        };
        if waiting {
            let due_at = self.now() + RETRY_MIN;
            return Ok(self.later(due_at, "webhooks of the account wait to be read"));
        }
        let answer = match self.send(logs).await? {
            Sent::Answered(answer) => answer,
            Sent::NotAtAll(standing) => return Ok(standing),
        };
        Ok(match answer {
            Answer::Receipt(record) => {
                let looked = read::take_in(self.shop, &self.account, &record, Source::Receipt).await?;
                match (looked, self.still_open().await?) {
                    (_, false) => Standing::Done,
                    (Looked::Acknowledged(what), true) => {
                        self.unconfirmed(format!("taken by the provider ({what}); its webhook is waited for"))
                    }
                    (
                        Looked::Seen(_)
                        | Looked::NotNow { .. }
                        | Looked::Refused { .. }
                        | Looked::NotUnderstood(_),
                        true,
                    ) => self.unconfirmed("answered well; the provider's webhook is waited for".into()),
                }
            }
            Answer::Retry { after, why } => Standing::Again { due_at: self.asked_to_wait(after), why },
            Answer::Unknown { why } => self.lost(&why),
            Answer::Refused { status, code, reason } => match self.still_open().await? {
                true => {
                    Standing::Refused { why: format!("HTTP {status} {}: {reason}", code.unwrap_or_default()) }
                }
                false => Standing::Done,
            },
        })
    }

    fn lost(&self, why: &str) -> Standing {
        let why = format!("{why}; this provider cannot be read, so the call is not repeated");
        Standing::Unknown { due_at: self.last_look(), why }
    }

    fn unconfirmed(&self, why: String) -> Standing {
        Standing::Unconfirmed { due_at: self.last_look(), why }
    }

    fn last_look(&self) -> chrono::DateTime<chrono::Utc> {
        let (now, respond_by) = (self.now(), self.around.respond_by);
        if respond_by > now { respond_by } else { now + AFTER_THE_DEADLINE }
    }
}
