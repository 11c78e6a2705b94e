//! The wake step: cycles whose instant has come are looked at, hundreds in one transaction. After downtime the
//! backlog is worked off earliest deadline first.

use std::collections::VecDeque;

use anyhow::Context;
use chrono::TimeDelta;

use super::{Shop, Stepped, is_collision};
use crate::engine::{Cause, Input};
use crate::observe::record;
use crate::store::cycles::{self, DueCycle};
use crate::store::turn::{self, CaseKey, Item};

/// A wake this late means that there was downtime: order by deadline, not by wake.
const LATE: TimeDelta = TimeDelta::minutes(1);
/// How many overdue cycles are sorted at a time.
const SORTED_MAX: i64 = 20_000;

/// What is left of an overdue list, earliest deadline first.
#[derive(Debug, Default)]
pub struct Backlog(VecDeque<DueCycle>);

pub async fn wake(shop: &Shop, backlog: &mut Backlog) -> anyhow::Result<Stepped> {
    match batch(shop, backlog).await {
        Ok(Stepped::Did(_)) => Ok(Stepped::Did(1)),
        Ok(idle) => Ok(idle),
        Err(error) if is_collision(&error) => Ok(Stepped::Did(0)),
        Err(error) => Err(error).context("waking due cycles"),
    }
}

async fn batch(shop: &Shop, backlog: &mut Backlog) -> sqlx::Result<Stepped> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    if backlog.0.is_empty() {
        let next = cycles::next_wake(&mut tx).await?;
        match next {
            Some(at) if at <= now - LATE => {
                backlog.0 = cycles::overdue_by_deadline(&mut tx, now, SORTED_MAX).await?.into();
            }
            Some(at) if at <= now => {}
            next_at => return Ok(Stepped::Idle { next_at }),
        }
    }
    let due = if backlog.0.is_empty() {
        cycles::claim_due(&mut tx, now, shop.settings.batch).await?
    } else {
        let take = backlog.0.len().min(usize::try_from(shop.settings.batch).unwrap_or(500));
        let named: Vec<DueCycle> = backlog.0.drain(..take).collect();
        cycles::claim_named(&mut tx, now, &named).await?
    };
    // Somebody else holds what is due: they do the work.
    if due.is_empty() {
        let next_at = backlog.0.is_empty().then_some(now + TimeDelta::milliseconds(50));
        return Ok(next_at.map_or(Stepped::Did(0), |at| Stepped::Idle { next_at: Some(at) }));
    }
    let lags: Vec<f64> = due.iter().map(|(.., wake_at)| (now - *wake_at).as_seconds_f64()).collect();
    let items = due
        .into_iter()
        .map(|(merchant_id, dispute_id, _)| Item {
            key: CaseKey::Id { merchant_id, dispute_id },
            input: Input::Look(Cause::Wake),
            cause: "wake".into(),
            delivery_id: None,
        })
        .collect::<Vec<_>>();
    let count = items.len();
    let turned = turn::take(&mut tx, &shop.world, items, now).await?;
    crate::crash::point("wake.looked");
    tx.commit().await?;
    shop.ring_for(&turned);
    lags.into_iter().for_each(record::wake);
    Ok(Stepped::Did(count))
}
