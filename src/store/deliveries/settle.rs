//! The reading side of deliveries: claimed in arrival order under row locks, settled in the transaction that
//! applied them. A delivery is settled or quarantined exactly once, unless a person asks for it again.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, Row};

use crate::dispute::{AccountId, DisputeId, MerchantId};
use crate::store::ids::Ids;

/// A kept delivery, locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    pub delivery_id: i64,
    pub month: NaiveDate,
    pub received_at: DateTime<Utc>,
    pub body: Vec<u8>,
    /// The provider's id of the account it is for, where none was configured as it came.
    pub on_behalf_of: Option<String>,
}

/// What a delivery came to.
#[derive(Debug, Clone)]
pub struct Settled {
    pub merchant_id: MerchantId,
    pub delivery_id: i64,
    pub month: NaiveDate,
    /// Waits for a person instead of being done with.
    pub quarantined: bool,
    pub outcome: &'static str,
    pub note: Option<String>,
    pub dispute_id: Option<DisputeId>,
}

/// The outcome of a delivery in quarantine that was applied as far as it is understood.
pub const PARTLY: &str = "partly";

/// The oldest kept deliveries that no other worker holds.
pub async fn claim(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Claimed>> {
    let rows = sqlx::query(
        "select merchant_id, account_id, delivery_id, month, received_at, body, on_behalf_of
         from deliveries
         where state = 'kept'
         order by received_at
         limit $1
         for update skip locked",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Claimed {
                merchant_id: row.try_get("merchant_id")?,
                account_id: row.try_get("account_id")?,
                delivery_id: row.try_get("delivery_id")?,
                month: row.try_get("month")?,
                received_at: row.try_get("received_at")?,
                body: row.try_get("body")?,
                on_behalf_of: row.try_get("on_behalf_of")?,
            })
        })
        .collect()
}

/// Whether anything of this account is kept that nobody has read yet.
pub async fn waits_to_be_read(
    conn: &mut PgConnection,
    (merchant_id, account_id): (MerchantId, AccountId),
) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (
             select 1 from deliveries where state = 'kept' and merchant_id = $1 and account_id = $2)",
    )
    .bind(merchant_id)
    .bind(account_id)
    .fetch_one(conn)
    .await
}

pub async fn settle(conn: &mut PgConnection, rows: &[Settled], now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update deliveries d
         set state = case when u.quarantined then 'quarantined' else 'settled' end,
             settled_at = $8, outcome = u.outcome, note = u.note, dispute_id = u.dispute_id
         from unnest($1::bigint[], $2::bigint[], $3::date[], $4::boolean[], $5::text[], $6::text[], $7::bigint[])
             as u (merchant_id, delivery_id, month, quarantined, outcome, note, dispute_id)
         where d.merchant_id = u.merchant_id and d.delivery_id = u.delivery_id and d.month = u.month",
    )
    .bind(rows.iter().map(|r| r.merchant_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.delivery_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.month).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.quarantined).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.outcome).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.note.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.dispute_id).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Settled for as long as what it names was to be fetched, and there is no such dispute: it waits for a person.
pub async fn quarantine_unfetched(
    conn: &mut PgConnection,
    (merchant_id, delivery_id): (MerchantId, i64),
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update deliveries
         set state = 'quarantined', settled_at = $3, outcome = 'unrecognised', note = $4
         where merchant_id = $1 and delivery_id = $2 and state = 'settled' and outcome = 'fetching'",
    )
    .bind(merchant_id)
    .bind(delivery_id)
    .bind(now)
    .bind(why)
    .execute(conn)
    .await?;
    Ok(())
}

/// A delivery that stands under a platform's account, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Handover<'a> {
    pub claimed: &'a Claimed,
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
}

/// Keeps each once more, under the account that it is for, to be read there. One that the account has already
/// stays as it is. The row that is handed over stays too: it says what came, where, and what became of it.
pub async fn hand_over(conn: &mut PgConnection, ids: &Ids, rows: &[Handover<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let delivery_ids = ids.take(conn, rows.len()).await?;
    sqlx::query(
        "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
             claimed_at, headers, body, state)
         select u.to_merchant, u.to_account, u.new_id, d.month, d.received_at, d.source, d.dedupe_key,
             d.claimed_at, d.headers, d.body, 'kept'
         from unnest($1::bigint[], $2::bigint[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[])
             as u (merchant_id, delivery_id, month, to_merchant, to_account, new_id)
         join deliveries d
             on d.merchant_id = u.merchant_id and d.delivery_id = u.delivery_id and d.month = u.month
         on conflict (merchant_id, account_id, dedupe_key, month) do nothing",
    )
    .bind(rows.iter().map(|r| r.claimed.merchant_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.claimed.delivery_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.claimed.month).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.merchant_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.account_id).collect::<Vec<_>>())
    .bind(&delivery_ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// How many deliveries wait to be read, and since when the oldest does.
pub async fn waiting(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("select received_at from deliveries where state = 'kept' order by received_at limit 1")
        .fetch_optional(conn)
        .await
}

/// How many webhooks are kept, and how many of them wait for a person.
pub async fn count_webhooks(conn: &mut PgConnection) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "select count(*), count(*) filter (where state = 'quarantined') from deliveries where source = 'webhook'",
    )
    .fetch_one(conn)
    .await
}

/// The dedupe keys of every webhook kept.
pub async fn webhook_keys(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("select dedupe_key from deliveries where source = 'webhook'").fetch_all(conn).await
}
