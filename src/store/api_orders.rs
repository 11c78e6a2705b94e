//! Orders that came through the API, and what was answered: the memory that makes giving one twice harmless.
//! Written in the transaction of the order itself. Knows not what an answer says.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::dispute::{DisputeId, MerchantId};

/// A name is good for so long at least; it is what programs may count on.
pub const NAMES_KEPT: TimeDelta = TimeDelta::hours(24);
/// So many orders are forgotten in one statement.
const BATCH: i64 = 500;

/// An order about to be given.
#[derive(Debug, Clone)]
pub struct NewOrder<'a> {
    pub merchant_id: MerchantId,
    pub key_id: i64,
    /// The name of the key: the program's, whichever key it shows.
    pub caller: &'a str,
    pub idempotency_key: Option<&'a str>,
    /// SHA-256 of what is ordered.
    pub digest: [u8; 32],
    pub dispute_id: DisputeId,
    pub cycle_n: Option<i32>,
}

/// One that was given.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Given {
    pub order_id: i64,
    pub caller: String,
    pub digest: Vec<u8>,
    pub dispute_id: DisputeId,
    pub cycle_n: Option<i32>,
    pub ordered_at: DateTime<Utc>,
    pub answer: Option<Value>,
}

/// Writes it down; `None` when the caller has given one under this name before. Waits for one that is being given
/// under it right now.
pub async fn add(
    conn: &mut PgConnection,
    new: &NewOrder<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Given>> {
    sqlx::query_as(
        "insert into api_orders (merchant_id, order_id, key_id, caller, idempotency_key, digest, dispute_id, cycle_n,
             ordered_at)
         values ($1, nextval('ids'), $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint api_orders_one_of_a_name do nothing
         returning order_id, caller, digest, dispute_id, cycle_n, ordered_at, answer",
    )
    .bind(new.merchant_id)
    .bind(new.key_id)
    .bind(new.caller)
    .bind(new.idempotency_key)
    .bind(&new.digest[..])
    .bind(new.dispute_id)
    .bind(new.cycle_n)
    .bind(now)
    .fetch_optional(conn)
    .await
}

/// The one that was given under this name.
pub async fn named(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    caller: &str,
    idempotency_key: &str,
) -> sqlx::Result<Option<Given>> {
    sqlx::query_as(
        "select order_id, caller, digest, dispute_id, cycle_n, ordered_at, answer
         from api_orders
         where merchant_id = $1 and caller = $2 and idempotency_key = $3",
    )
    .bind(merchant_id)
    .bind(caller)
    .bind(idempotency_key)
    .fetch_optional(conn)
    .await
}

/// The newest order for the dispute, whoever gave it.
pub async fn newest(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Option<Given>> {
    sqlx::query_as(
        "select order_id, caller, digest, dispute_id, cycle_n, ordered_at, answer
         from api_orders
         where merchant_id = $1 and dispute_id = $2
         order by ordered_at desc, order_id desc
         limit 1",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .fetch_optional(conn)
    .await
}

/// The newest order for the dispute that this program gave in these very words.
pub async fn newest_alike(
    conn: &mut PgConnection,
    (merchant_id, dispute_id): (MerchantId, DisputeId),
    caller: &str,
    digest: [u8; 32],
) -> sqlx::Result<Option<Given>> {
    sqlx::query_as(
        "select order_id, caller, digest, dispute_id, cycle_n, ordered_at, answer
         from api_orders
         where merchant_id = $1 and dispute_id = $2 and caller = $3 and digest = $4
         order by ordered_at desc, order_id desc
         limit 1",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .bind(caller)
    .bind(&digest[..])
    .fetch_optional(conn)
    .await
}

/// Keeps what the caller is told, and returns what is kept: the first answer stays, whoever else found another. Of an
/// order that was forgotten meanwhile nothing is kept.
pub async fn answer(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    order_id: i64,
    answer: &Value,
    now: DateTime<Utc>,
) -> sqlx::Result<Value> {
    let kept = sqlx::query_scalar(
        "update api_orders
         set answer = coalesce(answer, $3::json), answered_at = coalesce(answered_at, $4)
         where merchant_id = $1 and order_id = $2
         returning answer",
    )
    .bind(merchant_id)
    .bind(order_id)
    .bind(answer)
    .bind(now)
    .fetch_optional(conn)
    .await?;
    Ok(kept.unwrap_or_else(|| answer.clone()))
}

/// Forgets orders whose names are older than is promised, and returns how many. What may still be given again stays
/// while its window is open: an order whose fate is not known, and the last one of the dispute.
pub async fn forget(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let mut forgotten = 0;
    loop {
        let batch = sqlx::query(
            "with old as materialized (
                 select o.merchant_id, o.order_id
                 from api_orders o
                 where o.ordered_at < $1
                     and not exists (
                         select 1
                         from cycles c
                         where c.merchant_id = o.merchant_id
                             and c.dispute_id = o.dispute_id
                             and c.n = o.cycle_n
                             and c.state = 'open'
                             and (o.answer is null or not exists (
                                 select 1
                                 from api_orders later
                                 where later.merchant_id = o.merchant_id
                                     and later.dispute_id = o.dispute_id
                                     and (later.ordered_at, later.order_id) > (o.ordered_at, o.order_id))))
                 order by o.ordered_at
                 limit $2
                 for update of o skip locked)
             delete from api_orders
             using old
             where api_orders.merchant_id = old.merchant_id and api_orders.order_id = old.order_id",
        )
        .bind(now - NAMES_KEPT)
        .bind(BATCH)
        .execute(&mut *conn)
        .await?
        .rows_affected();
        forgotten += batch;
        if batch < BATCH.cast_unsigned() {
            return Ok(forgotten);
        }
    }
}
