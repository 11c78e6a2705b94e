//! The watchdog: looks at the clock and the table, and trusts nobody. It runs beside the worker in every
//! process, whatever its roles, and pages when open cycles are not looked at in time (P3). The same process sends
//! what is raised here.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Shop, Stepped};
use crate::observe::record;
use crate::providers::ProviderName;
use crate::store::{cycles, watermarks};

/// A wake this much overdue means that no worker is doing its work.
const LATE: TimeDelta = TimeDelta::minutes(5);
const EVERY: TimeDelta = TimeDelta::seconds(30);

pub async fn watch(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let late = cycles::page_for_late_wakes(&mut tx, now - LATE, now).await?;
    record::overdue(u64::try_from(late).unwrap_or_default());
    measure(&mut tx, now).await?;
    tx.commit().await?;
    if late > 0 {
        tracing::error!(cycles.late = late, "open cycles were not looked at in time");
        shop.bells.notify.ring();
    }
    Ok(Stepped::Idle { next_at: Some(now + EVERY) })
}

/// What waits, and how long ago each account was last compared with the provider's own list.
async fn measure(conn: &mut sqlx::PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    for (queue, rows) in cycles::queues(conn, now).await? {
        record::queue_depth(queue, rows);
    }
    for gap in watermarks::gaps(conn).await? {
        let Some(polled_at) = gap.last_poll_at else { continue };
        let provider = gap.provider.parse::<ProviderName>().map_or("none", |p| p.as_str());
        record::reconcile_age(provider, &gap.account, (now - polled_at).as_seconds_f64());
    }
    Ok(())
}
