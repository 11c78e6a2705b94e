//! The signs by which `doctor` tells a database that is looked after from one that is not: what waits, since
//! when, and what has stood still. Judges nothing: how long is too long, the caller knows.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Row};

/// How many there are, and since when the oldest waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Waiting {
    pub count: i64,
    pub since: Option<DateTime<Utc>>,
}

/// When the oldest piece of work of each kind was or will be due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due(Vec<(&'static str, DateTime<Utc>)>);

impl Due {
    /// By the name of the loop that does it; `None` where nothing waits.
    pub fn since(&self, of: &str) -> Option<DateTime<Utc>> {
        self.0.iter().find(|(name, _)| *name == of).map(|(_, since)| *since)
    }
}

/// What every loop would find first, in one statement: each of them is the first row of an index.
pub async fn due(pool: &PgPool) -> sqlx::Result<Due> {
    let row = sqlx::query(
        "select
             (select received_at from deliveries where state = 'kept' order by received_at limit 1) as apply,
             (select wake_at from cycles where wake_at is not null order by wake_at limit 1) as wake,
             (select due_at from actions where due_at is not null order by due_at limit 1) as act,
             (select next_at from alerts where next_at is not null order by next_at limit 1) as notify,
             (select w.next_at from watermarks w
              join accounts a on a.merchant_id = w.merchant_id and a.account_id = w.account_id
              where a.retired_at is null order by w.next_at limit 1) as list,
             (select due_at from fetches order by due_at limit 1) as fetch,
             (select check_at from disputes where check_at is not null order by check_at limit 1) as check",
    )
    .fetch_one(pool)
    .await?;
    let mut due = Vec::new();
    for name in ["apply", "wake", "act", "notify", "list", "fetch", "check"] {
        due.extend(row.try_get::<Option<DateTime<Utc>>, _>(name)?.map(|at| (name, at)));
    }
    Ok(Due(due))
}

/// Open cycles that wanted to be looked at before `before` and were not.
pub async fn late_wakes(conn: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<Waiting> {
    sqlx::query_as("select count(*), min(wake_at) as since from cycles where wake_at <= $1")
        .bind(before)
        .fetch_one(conn)
        .await
}

/// Open cycles whose deadline has passed.
pub async fn overdue(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Waiting> {
    sqlx::query_as(
        "select count(*), min(respond_by) as since from cycles where state = 'open' and respond_by <= $1",
    )
    .bind(now)
    .fetch_one(conn)
    .await
}

/// Deliveries that wait to be read.
pub async fn unread(conn: &mut PgConnection) -> sqlx::Result<Waiting> {
    sqlx::query_as("select count(*), min(received_at) as since from deliveries where state = 'kept'")
        .fetch_one(conn)
        .await
}

/// Deliveries that wait for a person.
pub async fn quarantined(conn: &mut PgConnection) -> sqlx::Result<Waiting> {
    sqlx::query_as("select count(*), min(received_at) as since from deliveries where state = 'quarantined'")
        .fetch_one(conn)
        .await
}

/// Since when an action has waited too long for the provider's record, and since when for a webhook, where that is
/// all that can tell.
#[derive(Debug, Clone, Copy)]
pub struct SentBefore {
    pub read: DateTime<Utc>,
    pub unread: DateTime<Utc>,
}

/// Actions that may have reached a provider so long ago, and whose effect nothing has shown since. `unread`: the
/// providers whose records cannot be read.
pub async fn unconfirmed_actions(
    conn: &mut PgConnection,
    before: SentBefore,
    unread: &[&str],
) -> sqlx::Result<Waiting> {
    sqlx::query_as(
        "select count(*), min(coalesce(x.sent_at, x.wanted_at)) as since
         from actions x
         join accounts a on a.merchant_id = x.merchant_id and a.account_id = x.account_id
         where x.due_at is not null and x.state in ('sent', 'unknown')
             and coalesce(x.sent_at, x.wanted_at)
                 <= case when x.irreversible and a.provider = any ($3) then $2 else $1 end",
    )
    .bind(before.read)
    .bind(before.unread)
    .bind(unread)
    .fetch_one(conn)
    .await
}

/// Pages that nobody has acknowledged.
pub async fn unacknowledged_pages(conn: &mut PgConnection) -> sqlx::Result<Waiting> {
    sqlx::query_as(
        "select count(*), min(raised_at) as since
         from alerts
         where needs_ack and state in ('raised', 'sent')",
    )
    .fetch_one(conn)
    .await
}
