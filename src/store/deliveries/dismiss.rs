//! A person's word that nothing is to be done about a delivery that nobody understands. It is settled by that, and
//! can be sent round again like any other; who said so, when and why is kept whatever becomes of it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// What came of dismissing a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "dismissed")]
pub enum Dismissed {
    Done,
    /// It waits for nobody: only what is quarantined can be dismissed.
    NotQuarantined {
        state: String,
    },
    NoSuchDelivery,
}

/// One dismissal, and what the delivery had come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Dismissal {
    pub at: DateTime<Utc>,
    pub by: String,
    pub why: String,
    pub outcome: String,
    pub note: Option<String>,
}

/// Settles a quarantined delivery as dismissed. Of one that was understood in part, that part stays applied.
pub async fn dismiss(
    conn: &mut PgConnection,
    delivery_id: i64,
    (by, why): (&str, &str),
    now: DateTime<Utc>,
) -> sqlx::Result<Dismissed> {
    // Both or neither, and of two people at the same time one.
    let done = sqlx::query(
        "with waiting as materialized (
             select merchant_id, delivery_id, month, outcome, note
             from deliveries
             where merchant_id = any (array(select merchant_id from merchants))
                 and delivery_id = $1 and state = 'quarantined'
             for update
         ),
         told as (
             insert into dismissals (merchant_id, delivery_id, at, by, why, outcome, note)
             select merchant_id, delivery_id, $2, $3, $4, outcome, note from waiting
         )
         update deliveries d
         set state = 'settled', settled_at = $2, outcome = 'dismissed', note = 'by ' || $3 || ': ' || $4
         from waiting w
         where d.merchant_id = w.merchant_id and d.delivery_id = w.delivery_id and d.month = w.month",
    )
    .bind(delivery_id)
    .bind(now)
    .bind(by)
    .bind(why)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Dismissed::Done);
    }
    let state: Option<String> = sqlx::query_scalar(
        "select state from deliveries
         where merchant_id = any (array(select merchant_id from merchants)) and delivery_id = $1",
    )
    .bind(delivery_id)
    .fetch_optional(conn)
    .await?;
    Ok(state.map_or(Dismissed::NoSuchDelivery, |state| Dismissed::NotQuarantined { state }))
}

/// Every time that it was dismissed, the oldest first.
pub async fn dismissals(conn: &mut PgConnection, delivery_id: i64) -> sqlx::Result<Vec<Dismissal>> {
    sqlx::query_as(
        "select at, by, why, outcome, note
         from dismissals
         where merchant_id = any (array(select merchant_id from merchants)) and delivery_id = $1
         order by at",
    )
    .bind(delivery_id)
    .fetch_all(conn)
    .await
}
