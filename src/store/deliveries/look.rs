//! Deliveries as people look at them: lists, one in full, and sending some round again after a fix.
//! Reads, and marks for another round; what a body means it does not know.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::dispute::{DisputeId, UnknownWord, words};

words!(
    /// `kept`: waits to be read. `settled`: its meaning is applied. `quarantined`: waits for a person.
    DeliveryState, "delivery state", {
        Kept = "kept",
        Settled = "settled",
        Quarantined = "quarantined",
    }
);

/// Which deliveries to list. `None` leaves a column open.
#[derive(Debug, Clone)]
pub struct DeliveryFilter {
    pub state: Option<DeliveryState>,
    pub provider: Option<String>,
    pub account: Option<String>,
    pub limit: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct DeliveryRow {
    pub delivery_id: i64,
    pub merchant: String,
    pub provider: String,
    pub account: String,
    pub received_at: DateTime<Utc>,
    pub source: String,
    pub dedupe_key: String,
    pub claimed_at: Option<DateTime<Utc>>,
    pub body_bytes: i32,
    pub state: String,
    pub settled_at: Option<DateTime<Utc>>,
    pub outcome: Option<String>,
    pub note: Option<String>,
    pub dispute_id: Option<DisputeId>,
}

/// One delivery with all that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DeliveryInFull {
    #[sqlx(flatten)]
    pub row: DeliveryRow,
    /// A JSON array of `[name, value]`, without those that carry credentials.
    pub headers: String,
    pub body: Vec<u8>,
}

/// Newest first.
pub async fn list(conn: &mut PgConnection, filter: &DeliveryFilter) -> sqlx::Result<Vec<DeliveryRow>> {
    sqlx::query_as(
        "select d.delivery_id, m.name as merchant, a.provider, a.name as account, d.received_at, d.source,
             d.dedupe_key, d.claimed_at, length(d.body) as body_bytes, d.state, d.settled_at, d.outcome,
             d.note, d.dispute_id
         from deliveries d
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         join merchants m on m.merchant_id = d.merchant_id
         where ($1::text is null or d.state = $1)
             and ($2::text is null or a.provider = $2)
             and ($3::text is null or a.name = $3)
         order by d.received_at desc, d.delivery_id desc
         limit $4",
    )
    .bind(filter.state.map(|s| s.as_str()))
    .bind(filter.provider.as_deref())
    .bind(filter.account.as_deref())
    .bind(filter.limit)
    .persistent(false)
    .fetch_all(conn)
    .await
}

/// One delivery in full, or `None` where there is none of that id.
pub async fn show(conn: &mut PgConnection, delivery_id: i64) -> sqlx::Result<Option<DeliveryInFull>> {
    // The merchants are named so that the primary key, which leads with them, serves the look-up.
    sqlx::query_as(
        "select d.delivery_id, m.name as merchant, a.provider, a.name as account, d.received_at, d.source,
             d.dedupe_key, d.claimed_at, length(d.body) as body_bytes, d.state, d.settled_at, d.outcome,
             d.note, d.dispute_id, d.headers, d.body
         from deliveries d
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         join merchants m on m.merchant_id = d.merchant_id
         where d.merchant_id = any (array(select merchant_id from merchants)) and d.delivery_id = $1",
    )
    .bind(delivery_id)
    .fetch_optional(conn)
    .await
}

/// Sends everything that waits for a person round again, and says which those are. After an upgrade that
/// knows more words.
pub async fn requeue_quarantined(conn: &mut PgConnection) -> sqlx::Result<Vec<i64>> {
    let mut requeued: Vec<i64> = sqlx::query_scalar(
        "update deliveries
         set state = 'kept', settled_at = null, outcome = null, note = null
         where merchant_id = any (array(select merchant_id from merchants)) and state = 'quarantined'
         returning delivery_id",
    )
    .fetch_all(conn)
    .await?;
    requeued.sort_unstable();
    Ok(requeued)
}

/// Sends settled and quarantined deliveries round again, and says which of `delivery_ids` go. Applying one
/// twice changes nothing; one that is waiting already is left as it is.
pub async fn requeue(conn: &mut PgConnection, delivery_ids: &[i64]) -> sqlx::Result<Vec<i64>> {
    let mut requeued: Vec<i64> = sqlx::query_scalar(
        "update deliveries
         set state = 'kept', settled_at = null, outcome = null, note = null
         where merchant_id = any (array(select merchant_id from merchants))
             and delivery_id = any ($1) and state <> 'kept'
         returning delivery_id",
    )
    .bind(delivery_ids)
    .fetch_all(conn)
    .await?;
    requeued.sort_unstable();
    Ok(requeued)
}
