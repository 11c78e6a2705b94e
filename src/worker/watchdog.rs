//! The watchdog: looks at the clock and the table, and trusts nobody. It runs beside the worker in every
//! process, whatever its roles, and pages when open cycles are not looked at in time (P3).

use chrono::TimeDelta;

use super::{Shop, Stepped};
use crate::store::cycles;

/// A wake this much overdue means that no worker is doing its work.
const LATE: TimeDelta = TimeDelta::minutes(5);
const EVERY: TimeDelta = TimeDelta::seconds(30);

pub async fn watch(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let late = cycles::page_for_late_wakes(&mut tx, now - LATE, now, &shop.world.ids).await?;
    tx.commit().await?;
    metrics::gauge!("respondby_overdue_cycles").set(late as f64);
    if late > 0 {
        tracing::error!(cycles.late = late, "open cycles were not looked at in time");
        shop.bells.notify.ring();
    }
    Ok(Stepped::Idle { next_at: Some(now + EVERY) })
}
