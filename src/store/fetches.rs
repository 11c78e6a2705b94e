//! Single disputes that are to be read from their provider, because something named them without saying what they are.
//! What named them may be anybody's word: those that are not known here are few at a time.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row};

use crate::dispute::{AccountId, MerchantId};

pub type WantedFetch = (MerchantId, AccountId, String, Option<i64>);

/// Wants each dispute fetched, but of those that are not known here only as many as make `unknown_max` of the account
/// in all. Answers with those that are taken on.
pub async fn want(
    conn: &mut PgConnection,
    rows: &[WantedFetch],
    unknown_max: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<HashSet<(AccountId, String)>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let taken: Vec<(AccountId, String)> = sqlx::query_as(
        "with asked as (
             select distinct on (m, a, r) m, a, r, d,
                 not exists (select from disputes k
                     where k.merchant_id = m and k.account_id = a and k.dispute_ref = r) as of_unknown,
                 exists (select from fetches f
                     where f.merchant_id = m and f.account_id = a and f.dispute_ref = r) as waits
             from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) as u (m, a, r, d)
             order by m, a, r
         ),
         room as (
             select m, a, $6 - (select count(*) from fetches f
                 where f.merchant_id = m and f.account_id = a and f.of_unknown) as free
             from (select distinct m, a from asked) accounts
         ),
         ranked as (
             select asked.*, free, row_number() over (partition by m, a, of_unknown and not waits order by r) as n
             from asked
             join room using (m, a)
         )
         insert into fetches (merchant_id, account_id, dispute_ref, due_at, attempts, delivery_id, of_unknown, asked_at)
         select m, a, r, $5, 0, d, of_unknown, $5
         from ranked
         where waits or not of_unknown or n <= free
         order by m, a, r
         -- Moved by the smallest step at least: whoever has it in hand sees that it was asked for since.
         on conflict (merchant_id, account_id, dispute_ref) do update
         set due_at = least(fetches.due_at - interval '1 microsecond', excluded.due_at),
             delivery_id = coalesce(fetches.delivery_id, excluded.delivery_id)
         returning account_id, dispute_ref",
    )
    .bind(rows.iter().map(|r| r.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.1).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.2.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.3).collect::<Vec<_>>())
    .bind(now)
    .bind(unknown_max)
    .fetch_all(conn)
    .await?;
    Ok(taken.into_iter().collect())
}

/// A dispute to be read from the provider, by its id there.
#[derive(Debug, Clone)]
pub struct ToRead {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    pub dispute_ref: String,
    pub attempts: i32,
    /// When it comes back unless it is settled; as it was written by the claim. Where it is another by then, the
    /// dispute was asked for since.
    pub due_at: DateTime<Utc>,
    /// Since when it has been asked for, or when the provider's record was seen last.
    pub since: DateTime<Utc>,
}

/// Takes due fetches and pushes them `lease` ahead, so that a crash only delays them.
pub async fn claim(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lease: TimeDelta,
    limit: i64,
) -> sqlx::Result<Vec<ToRead>> {
    let rows = sqlx::query(
        "update fetches f
         set due_at = $2, attempts = attempts + 1
         from (
             select merchant_id, account_id, dispute_ref from fetches
             where due_at <= $1 order by due_at limit $3 for update skip locked
         ) due
         where f.merchant_id = due.merchant_id and f.account_id = due.account_id and f.dispute_ref = due.dispute_ref
         returning f.merchant_id, f.account_id, f.dispute_ref, f.attempts, f.due_at,
             f.asked_at as since",
    )
    .bind(now)
    .bind(now + lease)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(to_read).collect()
}

pub(super) fn to_read(row: &sqlx::postgres::PgRow) -> sqlx::Result<ToRead> {
    Ok(ToRead {
        merchant_id: row.try_get("merchant_id")?,
        account_id: row.try_get("account_id")?,
        dispute_ref: row.try_get("dispute_ref")?,
        attempts: row.try_get("attempts")?,
        due_at: row.try_get("due_at")?,
        since: row.try_get("since")?,
    })
}

/// Read: forget it. Not read: again at `due_at`, and why. Asked for since: it stays as it is, to be read again now. Says
/// whether it was settled.
pub async fn settle(
    conn: &mut PgConnection,
    read: &ToRead,
    again: Option<(DateTime<Utc>, &str)>,
) -> sqlx::Result<bool> {
    let query = match again {
        None => sqlx::query(
            "delete from fetches where merchant_id = $1 and account_id = $2 and dispute_ref = $3 and due_at = $4",
        ),
        Some(_) => sqlx::query(
            "update fetches set due_at = $5, last_error = $6
             where merchant_id = $1 and account_id = $2 and dispute_ref = $3 and due_at = $4",
        ),
    };
    let query = query.bind(read.merchant_id).bind(read.account_id).bind(&read.dispute_ref).bind(read.due_at);
    let query = match again {
        None => query,
        Some((due_at, why)) => query.bind(due_at).bind(why),
    };
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// What a refusal came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is asked for again.
    Again,
    /// It is forgotten. What had asked for it, where that was a delivery.
    GivenUp { delivery_id: Option<i64> },
}

/// When refusals count, and how many are believed.
#[derive(Debug, Clone, Copy)]
pub struct Refusals {
    pub max: i32,
    pub apart: TimeDelta,
}

/// The provider says that there is no such dispute: again at `due_at`, until it has said so often enough.
pub async fn refuse(
    conn: &mut PgConnection,
    read: &ToRead,
    refusals: Refusals,
    (due_at, why): (DateTime<Utc>, &str),
    now: DateTime<Utc>,
) -> sqlx::Result<Refused> {
    let counted: Option<(i32, Option<i64>)> = sqlx::query_as(
        "update fetches f
         set due_at = case when f.due_at = $4 then $5 else f.due_at end, last_error = $6,
             refusals = f.refusals + case when c.counts then 1 else 0 end,
             refused_at = case when c.counts then $7 else f.refused_at end
         from (
             select coalesce(refused_at <= $8, true) as counts from fetches
             where merchant_id = $1 and account_id = $2 and dispute_ref = $3
             for update
         ) c
         where f.merchant_id = $1 and f.account_id = $2 and f.dispute_ref = $3
         returning f.refusals, f.delivery_id",
    )
    .bind(read.merchant_id)
    .bind(read.account_id)
    .bind(&read.dispute_ref)
    .bind(read.due_at)
    .bind(due_at)
    .bind(why)
    .bind(now)
    .bind(now - refusals.apart)
    .fetch_optional(&mut *conn)
    .await?;
    let Some((count, delivery_id)) = counted else { return Ok(Refused::Again) };
    let put_off = ToRead { due_at, ..read.clone() };
    match count >= refusals.max && settle(conn, &put_off, None).await? {
        true => Ok(Refused::GivenUp { delivery_id }),
        false => Ok(Refused::Again),
    }
}
