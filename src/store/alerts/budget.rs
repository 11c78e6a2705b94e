//! The budget against noise (FIELD 1, row 26): so many infos and warnings per merchant and hour go out at
//! once; the others are told of in one digest. Pages, digests and what is about a deadline are never held back, and
//! use nothing of the budget.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::alerts::{ABOUT_A_DEADLINE, DIGEST};
use crate::dispute::MerchantId;

#[derive(Debug, Clone, Copy)]
pub struct Budget {
    pub per_hour: i64,
    /// How long a digest collects before it goes out.
    pub digest_after: TimeDelta,
    /// Alerts looked at in one transaction.
    pub batch: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admitted {
    pub let_through: usize,
    pub folded: usize,
}

#[derive(Debug, sqlx::FromRow)]
struct Waiting {
    merchant_id: MerchantId,
    alert_id: i64,
    severity: String,
    kind: String,
}

/// Decides for the infos and warnings that are due: out now, or into a digest. Run it in a transaction.
pub async fn admit(conn: &mut PgConnection, budget: Budget, now: DateTime<Utc>) -> sqlx::Result<Admitted> {
    let waiting = waiting(conn, budget.batch, now).await?;
    if waiting.is_empty() {
        return Ok(Admitted::default());
    }
    let mut merchants: Vec<_> = waiting.iter().map(|w| w.merchant_id).collect();
    merchants.sort_unstable();
    merchants.dedup();
    lock_budgets(conn, &merchants).await?;
    let mut used = used_this_hour(conn, &merchants, now).await?;
    let (through, folded): (Vec<Waiting>, Vec<Waiting>) = waiting.into_iter().partition(|w| {
        if ABOUT_A_DEADLINE.contains(&w.kind.as_str()) {
            return true;
        }
        let used = used.entry(w.merchant_id).or_default();
        *used += 1;
        *used <= budget.per_hour
    });
    let_through(conn, &through, now).await?;
    fold(conn, &folded, now, now + budget.digest_after).await?;
    Ok(Admitted { let_through: through.len(), folded: folded.len() })
}

async fn waiting(conn: &mut PgConnection, batch: i64, now: DateTime<Utc>) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as(
        "select merchant_id, alert_id, severity, kind
        from alerts
        where next_at <= $1
            and not needs_ack
            and severity <> 'page'
            and kind <> $2
            and budget_at is null
        order by raised_at, alert_id
        limit $3
        for update skip locked",
    )
    .bind(now)
    .bind(DIGEST)
    .bind(batch)
    .fetch_all(conn)
    .await
}

/// One transaction at a time counts a merchant's hour. Compatible with the key-share lock that raising an
/// alert takes.
async fn lock_budgets(conn: &mut PgConnection, merchants: &[MerchantId]) -> sqlx::Result<()> {
    sqlx::query(
        "select merchant_id from merchants where merchant_id = any($1) order by merchant_id for no key update",
    )
    .bind(merchants)
    .execute(conn)
    .await?;
    Ok(())
}

async fn used_this_hour(
    conn: &mut PgConnection,
    merchants: &[MerchantId],
    now: DateTime<Utc>,
) -> sqlx::Result<HashMap<MerchantId, i64>> {
    let used: Vec<(MerchantId, i64)> = sqlx::query_as(
        "select merchant_id, count(*)
        from alerts
        where merchant_id = any($1) and budget_at > $2 and kind <> all($3)
        group by merchant_id",
    )
    .bind(merchants)
    .bind(now - TimeDelta::hours(1))
    .bind(ABOUT_A_DEADLINE.as_slice())
    .fetch_all(conn)
    .await?;
    Ok(used.into_iter().collect())
}

async fn let_through(conn: &mut PgConnection, through: &[Waiting], now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update alerts a
        set budget_at = $3
        from unnest($1::bigint[], $2::bigint[]) as t (merchant_id, alert_id)
        where a.merchant_id = t.merchant_id and a.alert_id = t.alert_id",
    )
    .bind(through.iter().map(|w| w.merchant_id).collect::<Vec<_>>())
    .bind(through.iter().map(|w| w.alert_id).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Infos and warnings have digests of their own: they may be routed differently.
async fn fold(
    conn: &mut PgConnection,
    folded: &[Waiting],
    now: DateTime<Utc>,
    digest_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let mut groups: BTreeMap<(MerchantId, &str), Vec<i64>> = BTreeMap::new();
    for w in folded {
        groups.entry((w.merchant_id, &w.severity)).or_default().push(w.alert_id);
    }
    for ((merchant_id, severity), alerts) in groups {
        let digest_id = match collecting_digest(conn, merchant_id, severity, now).await? {
            Some(digest_id) => digest_id,
            None => begin_digest(conn, merchant_id, severity, now, digest_at).await?,
        };
        sqlx::query(
            "update alerts
            set digest_id = $3, next_at = null, leased_until = null, fence = fence + 1
            where merchant_id = $1 and alert_id = any($2)",
        )
        .bind(merchant_id)
        .bind(&alerts)
        .bind(digest_id)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// A digest that nobody has begun to send. One that is being claimed just now is passed over: waiting for
/// it while holding the merchant's lock would be a deadlock.
async fn collecting_digest(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    severity: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "select alert_id
        from alerts
        where merchant_id = $1
            and kind = $2
            and severity = $3
            and state = 'raised'
            and sends = 0
            and leased_until is null
            and next_at > $4
        order by alert_id
        limit 1
        for update skip locked",
    )
    .bind(merchant_id)
    .bind(DIGEST)
    .bind(severity)
    .bind(now)
    .fetch_optional(conn)
    .await
}

async fn begin_digest(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    severity: &str,
    now: DateTime<Utc>,
    digest_at: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "insert into alerts (merchant_id, alert_id, kind, severity, dedupe_key, title, detail, raised_at, state,
            needs_ack, next_at, sends, failures, escalation, fence)
        select $1, id, $2, $3, $2 || ':' || id, 'more alerts than the hourly budget lets through', '{}', $4,
            'raised', false, $5, 0, 0, 0, 0
        from nextval('ids') as id
        returning alert_id",
    )
    .bind(merchant_id)
    .bind(DIGEST)
    .bind(severity)
    .bind(now)
    .bind(digest_at)
    .fetch_one(conn)
    .await
}
