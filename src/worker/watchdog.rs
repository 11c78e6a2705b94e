//! The watchdog: looks at the clock and the table, and trusts nobody. It runs beside the worker in every
//! process, whatever its roles, pages when open cycles are not looked at in time (P3), and tells of accounts whose
//! lists keep failing. The same process sends what is raised here.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Shop, Stepped};
use crate::observe::record;
use crate::providers::ProviderName;
use crate::store::{cycles, polls, watermarks};

/// A wake this much overdue means that no worker is doing its work.
const LATE: TimeDelta = TimeDelta::minutes(5);
const EVERY: TimeDelta = TimeDelta::seconds(30);
/// Providers have their bad hours: polls that fail for longer than this, and than two of their turns, are told of.
const FAILING: TimeDelta = TimeDelta::hours(1);

pub async fn watch(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let late = cycles::page_for_late_wakes(&mut tx, now - LATE, now).await?;
    record::overdue(u64::try_from(late).unwrap_or_default());
    let failing = FAILING.max(shop.settings.reconcile_every * 2);
    let new = polls::tell_of_failing(&mut tx, now - failing, now).await?;
    measure(&mut tx, now).await?;
    tx.commit().await?;
    if new > 0 {
        tracing::warn!(accounts.new = new, "the disputes of accounts cannot be listed");
        shop.bells.notify.ring();
    }
    if late > 0 {
        tracing::error!(cycles.late = late, "open cycles were not looked at in time");
        shop.bells.notify.ring();
    }
    Ok(Stepped::Idle { next_at: Some(now + EVERY) })
}

/// What waits, and how long ago each account was last compared with the whole of the provider's own list.
async fn measure(conn: &mut sqlx::PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    for (queue, rows) in cycles::queues(conn, now).await? {
        record::queue_depth(queue, rows);
    }
    for gap in watermarks::gaps(conn).await? {
        // Of an account that was never polled, the age of the first try.
        let Some(polled_at) = gap.last_poll_at.or(gap.failing_since) else { continue };
        let provider = gap.provider.parse::<ProviderName>().map_or("none", |p| p.as_str());
        record::reconcile_age(provider, &gap.account, (now - polled_at).as_seconds_f64());
    }
    Ok(())
}
