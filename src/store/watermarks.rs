//! How far each account has been read, and which disputes have been quiet too long.
//! Knows no provider: what a mark means in its list, the caller knows.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row};

use super::deliveries::Claimed;
use super::fetches::{ToRead, to_read};
use super::turn::rows::word;
use crate::dispute::{AccountId, DisputeId, MerchantId, Status};

/// Remembers when each account's last webhook was kept, for `reconcile`.
pub async fn saw_webhooks(conn: &mut PgConnection, claimed: &[Claimed]) -> sqlx::Result<()> {
    let mut newest: HashMap<(MerchantId, AccountId), DateTime<Utc>> = HashMap::new();
    for c in claimed {
        let at = newest.entry((c.merchant_id, c.account_id)).or_insert(c.received_at);
        *at = (*at).max(c.received_at);
    }
    let mut rows: Vec<_> = newest.into_iter().collect();
    rows.sort_unstable();
    // A row that another worker is writing now will be just as new.
    sqlx::query(
        "update watermarks w
         set last_webhook_at = u.at
         from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as u (m, a, at)
         where (w.merchant_id, w.account_id) in (
                 select merchant_id, account_id from watermarks
                 where (merchant_id, account_id) in (select * from unnest($1::bigint[], $2::bigint[]))
                 order by merchant_id, account_id
                 for update skip locked)
             and w.merchant_id = u.m and w.account_id = u.a and (w.last_webhook_at is null or w.last_webhook_at < u.at)",
    )
    .bind(rows.iter().map(|r| r.0.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.0.1).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.1).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Every account that is not retired has a watermark; new ones look back as far as asked.
pub async fn make_missing(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lookback: TimeDelta,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into watermarks (merchant_id, account_id, changed_until, next_at, disputes_found_by_poll,
             changes_found_by_poll, fence)
         select merchant_id, account_id, $2, $1, 0, 0, 0 from accounts where retired_at is null
         on conflict do nothing",
    )
    .bind(now)
    .bind(now - lookback)
    .execute(conn)
    .await?;
    Ok(())
}

/// An account whose listing is due, in this worker's hands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DueAccount {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    pub changed_until: DateTime<Utc>,
    /// A listing that stopped half way: where it goes on, and since when it lists.
    pub cursor: Option<String>,
    pub listing_since: Option<DateTime<Utc>>,
    pub fence: i64,
}

pub async fn claim_account(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> sqlx::Result<Option<DueAccount>> {
    sqlx::query_as(
        "update watermarks w
         set fence = fence + 1, leased_until = $2, next_at = $2
         from (
             select w.merchant_id, w.account_id
             from watermarks w
             join accounts a on a.merchant_id = w.merchant_id and a.account_id = w.account_id and a.retired_at is null
             where w.next_at <= $1
             order by w.next_at
             limit 1
             for update of w skip locked
         ) due
         where w.merchant_id = due.merchant_id and w.account_id = due.account_id
         returning w.merchant_id, w.account_id, w.changed_until, w.cursor, w.listing_since, w.fence",
    )
    .bind(now)
    .bind(now + lease)
    .fetch_optional(conn)
    .await
}

/// What a page of a listing came to.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The listing's start, once it is read to its end: the new watermark.
    pub changed_until: Option<DateTime<Utc>>,
    pub cursor: Option<String>,
    pub listing_since: Option<DateTime<Utc>>,
    pub next_at: DateTime<Utc>,
    pub polled: Polled,
    pub disputes_found: i64,
    pub changes_found: i64,
}

/// How far a poll got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// The list was read to its end.
    Through,
    Failed {
        why: String,
    },
    /// There is more to read, or nobody was asked: as good or bad as it was before.
    NotYet,
}

pub async fn settle_account(
    conn: &mut PgConnection,
    due: &DueAccount,
    listed: &Listed,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let (word, why) = match &listed.polled {
        Polled::Through => ("through", None),
        Polled::Failed { why } => ("failed", Some(why.as_str())),
        Polled::NotYet => ("not_yet", None),
    };
    let done = sqlx::query(
        "update watermarks
         set changed_until = coalesce($4, changed_until), cursor = $5, listing_since = $6, next_at = $7,
             last_poll_at = case $8 when 'through' then $12 else last_poll_at end,
             last_poll_error = case $8 when 'through' then null when 'failed' then $9 else last_poll_error end,
             failing_since = case $8
                 when 'through' then null when 'failed' then coalesce(failing_since, $12) else failing_since end,
             leased_until = null,
             disputes_found_by_poll = disputes_found_by_poll + $10,
             changes_found_by_poll = changes_found_by_poll + $11
         where merchant_id = $1 and account_id = $2 and fence = $3",
    )
    .bind(due.merchant_id)
    .bind(due.account_id)
    .bind(due.fence)
    .bind(listed.changed_until)
    .bind(listed.cursor.as_deref())
    .bind(listed.listing_since)
    .bind(listed.next_at)
    .bind(word)
    .bind(why)
    .bind(listed.disputes_found)
    .bind(listed.changes_found)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Adds what single fetches found to the account's gap.
pub async fn count_found(
    conn: &mut PgConnection,
    key: (MerchantId, AccountId),
    disputes: i64,
    changes: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "update watermarks
         set disputes_found_by_poll = disputes_found_by_poll + $3, changes_found_by_poll = changes_found_by_poll + $4
         where merchant_id = $1 and account_id = $2",
    )
    .bind(key.0)
    .bind(key.1)
    .bind(disputes)
    .bind(changes)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn next_listing(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "select w.next_at from watermarks w
         join accounts a on a.merchant_id = w.merchant_id and a.account_id = w.account_id and a.retired_at is null
         order by w.next_at limit 1",
    )
    .fetch_optional(conn)
    .await
}

/// Everything is listed and fetched now, instead of at its time.
pub async fn hurry(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update watermarks set next_at = $1 where next_at > $1")
        .bind(now)
        .execute(&mut *conn)
        .await?;
    // Locked in the order in which turns write: beside a running engine this queues up instead of deadlocking.
    sqlx::query(
        "with later as (
             select merchant_id, dispute_id
             from disputes
             where check_at > $1
             order by dispute_id
             for update
         )
         update disputes d
         set check_at = $1
         from later
         where d.merchant_id = later.merchant_id and d.dispute_id = later.dispute_id",
    )
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Disputes quiet for too long, nearest deadline first, pushed `lease` ahead.
pub async fn claim_quiet(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lease: TimeDelta,
    limit: i64,
) -> sqlx::Result<Vec<ToRead>> {
    let rows = sqlx::query(
        "update disputes d
         set check_at = $2
         from (
             select merchant_id, dispute_id from disputes
             where check_at <= $1 order by check_at limit $3 for update skip locked
         ) due
         where d.merchant_id = due.merchant_id and d.dispute_id = due.dispute_id
         returning d.merchant_id, d.account_id, d.dispute_ref, 0 as attempts, d.check_at as due_at,
             d.seen_at as since",
    )
    .bind(now)
    .bind(now + lease)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(to_read).collect()
}

/// When the next fetch or quiet dispute is due.
pub async fn next_read(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "select least(
             (select due_at from fetches order by due_at limit 1),
             (select check_at from disputes where check_at is not null order by check_at limit 1))",
    )
    .fetch_one(conn)
    .await
}

/// One account's line in `reconcile`.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct Gap {
    pub merchant: String,
    pub provider: String,
    pub account: String,
    pub last_webhook_at: Option<DateTime<Utc>>,
    /// When the list was last read to its end.
    pub last_poll_at: Option<DateTime<Utc>>,
    pub last_poll_error: Option<String>,
    /// Since when no poll has gone through.
    pub failing_since: Option<DateTime<Utc>>,
    pub changed_until: DateTime<Utc>,
    pub disputes_found_by_poll: i64,
    pub changes_found_by_poll: i64,
    pub fetches_waiting: i64,
}

pub async fn gaps(conn: &mut PgConnection) -> sqlx::Result<Vec<Gap>> {
    sqlx::query_as(
        "select m.name as merchant, a.provider, a.name as account, w.last_webhook_at, w.last_poll_at, w.last_poll_error,
             w.failing_since, w.changed_until, w.disputes_found_by_poll, w.changes_found_by_poll,
             (select count(*) from fetches f where f.merchant_id = a.merchant_id and f.account_id = a.account_id)
                 as fetches_waiting
         from watermarks w
         join accounts a on a.merchant_id = w.merchant_id and a.account_id = w.account_id
         join merchants m on m.merchant_id = a.merchant_id
         order by m.name, a.provider, a.name",
    )
    .fetch_all(conn)
    .await
}

/// The status a dispute is known in, if it is known.
pub async fn known_status(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    account_id: AccountId,
    dispute_ref: &str,
) -> sqlx::Result<Option<(DisputeId, Status)>> {
    let row = sqlx::query(
        "select dispute_id, status from disputes where merchant_id = $1 and account_id = $2 and dispute_ref = $3",
    )
    .bind(merchant_id)
    .bind(account_id)
    .bind(dispute_ref)
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((row.try_get("dispute_id")?, word(&row, "status")?))).transpose()
}

/// A quiet dispute that could not be read: again at `due_at`, or never. News that came meanwhile has said itself when.
pub async fn check_again(
    conn: &mut PgConnection,
    read: &ToRead,
    due_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update disputes set check_at = $4
         where merchant_id = $1 and account_id = $2 and dispute_ref = $3 and check_at = $5",
    )
    .bind(read.merchant_id)
    .bind(read.account_id)
    .bind(&read.dispute_ref)
    .bind(due_at)
    .bind(read.due_at)
    .execute(conn)
    .await?;
    Ok(())
}
