//! The wake step: cycles whose instant has come are looked at, hundreds in one transaction. After downtime the
//! backlog is worked off earliest deadline first. When one cycle cannot be looked at, each is taken alone, and
//! only that one is put off, with a page.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

use super::{Shop, Stepped, is_about_a_row, is_collision, is_short_of_locks};
use crate::engine::{Cause, Input};
use crate::observe::record;
use crate::store::cycles::{self, DueCycle};
use crate::store::turn::{self, CaseKey, Item, Turned};

/// A wake this late means that there was downtime: order by deadline, not by wake.
const LATE: TimeDelta = TimeDelta::minutes(1);
/// How many overdue cycles are taken from one sort over all of them.
const SORTED_MAX: i64 = 50_000;
/// When a cycle that could not be looked at is tried again.
const PUT_OFF: TimeDelta = TimeDelta::minutes(10);

/// What is left of an overdue list, earliest deadline first. Clones share it: the wake loops of a process work
/// off one list.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<Overdue>);

#[derive(Debug, Default)]
struct Overdue {
    left: Mutex<VecDeque<DueCycle>>,
    /// Held by the loop that makes the next list.
    sorting: Mutex<()>,
}

impl Backlog {
    /// The next of the list; `None` when it has come to its end.
    async fn take(&self, batch_max: i64) -> Option<Vec<DueCycle>> {
        let mut left = self.0.left.lock().await;
        let take = left.len().min(usize::try_from(batch_max).unwrap_or(1));
        (take > 0).then(|| left.drain(..take).collect())
    }
}

pub async fn wake(shop: &Shop, backlog: &Backlog) -> anyhow::Result<Stepped> {
    let batch_max = shop.settings.batch;
    let done = match batch(shop, backlog, batch_max).await {
        Err(error) if is_short_of_locks(&error) => batch(shop, backlog, (batch_max / 16).max(1)).await,
        done => done,
    };
    match done {
        Ok(stepped) => Ok(stepped),
        Err(error) if is_collision(&error) => Ok(Stepped::Did(0)),
        Err(error) if is_about_a_row(&error) => one_by_one(shop).await,
        Err(error) => Err(error).context("waking due cycles"),
    }
}

async fn batch(shop: &Shop, backlog: &Backlog, batch_max: i64) -> sqlx::Result<Stepped> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let named = match next(&mut tx, backlog, batch_max, now).await? {
        Next::Overdue(named) => named,
        Next::Due => Vec::new(),
        Next::Nothing { next_at } => return Ok(Stepped::Idle { next_at }),
    };
    let overdue = !named.is_empty();
    let due = match overdue {
        true => cycles::claim_named(&mut tx, now, &named).await?,
        false => cycles::claim_due(&mut tx, now, batch_max).await?,
    };
    if due.is_empty() {
        // Somebody else holds what is due: they do the work.
        let next_at = Some(now + TimeDelta::milliseconds(50));
        return Ok(if overdue { Stepped::Did(0) } else { Stepped::Idle { next_at } });
    }
    let turned = match look(&mut tx, shop, &due, now).await {
        Ok(turned) => turned,
        Err(error) => {
            // Now, not when the connection is used next: what is still locked looks as if others worked on it.
            tx.rollback().await?;
            return Err(error);
        }
    };
    crate::crash::point("wake.looked");
    tx.commit().await?;
    shop.ring_for(&turned);
    due.iter().for_each(|(.., wake_at)| record::wake((now - *wake_at).as_seconds_f64()));
    Ok(Stepped::Did(due.len()))
}

/// What there is to do.
enum Next {
    /// Of the overdue list, in its order.
    Overdue(Vec<DueCycle>),
    Due,
    Nothing {
        next_at: Option<DateTime<Utc>>,
    },
}

async fn next(
    conn: &mut PgConnection,
    backlog: &Backlog,
    batch_max: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Next> {
    if let Some(named) = backlog.take(batch_max).await {
        return Ok(Next::Overdue(named));
    }
    match cycles::next_wake(conn).await? {
        Some(at) if at <= now - LATE => {
            // While one loop sorts what is overdue, the others take what is due as it comes.
            let Ok(_sorting) = backlog.0.sorting.try_lock() else { return Ok(Next::Due) };
            let sorted = cycles::overdue_by_deadline(conn, now, SORTED_MAX).await?;
            *backlog.0.left.lock().await = sorted.into();
            Ok(backlog.take(batch_max).await.map_or(Next::Due, Next::Overdue))
        }
        Some(at) if at <= now => Ok(Next::Due),
        next_at => Ok(Next::Nothing { next_at }),
    }
}

async fn look(
    conn: &mut PgConnection,
    shop: &Shop,
    due: &[DueCycle],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Turned>> {
    let item = |&(merchant_id, dispute_id, _): &DueCycle| Item {
        key: CaseKey::Id { merchant_id, dispute_id },
        input: Input::Look(Cause::Wake),
        cause: "wake".into(),
        delivery_id: None,
    };
    turn::take(conn, &shop.world, due.iter().map(item).collect(), now).await
}

/// After a batch failed over one row: the longest due alone. If it is the one, it is put off while it is still in
/// our hands, and a person hears of it: the others must not wait for it.
async fn one_by_one(shop: &Shop) -> anyhow::Result<Stepped> {
    match alone(shop).await {
        // There is more: a whole batch has just failed.
        Ok(turned) => {
            shop.ring_for(&turned);
            shop.bells.notify.ring();
            Ok(Stepped::Did(1))
        }
        Err(error) if is_collision(&error) => Ok(Stepped::Did(0)),
        Err(error) => Err(error).context("waking one due cycle"),
    }
}

async fn alone(shop: &Shop) -> sqlx::Result<Vec<Turned>> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let due = cycles::claim_due(&mut tx, now, 1).await?;
    let mut attempt = tx.begin().await?;
    let turned = match look(&mut attempt, shop, &due, now).await {
        Ok(turned) => {
            attempt.commit().await?;
            turned
        }
        Err(error) if is_about_a_row(&error) => {
            attempt.rollback().await?;
            for cycle in &due {
                tracing::error!(dispute.id = cycle.1, %error, "a due cycle cannot be looked at");
                cycles::put_off(&mut tx, *cycle, now + PUT_OFF, &error.to_string(), now).await?;
            }
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    tx.commit().await?;
    Ok(turned)
}
