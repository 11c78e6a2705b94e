//! Merchants as people look at them: who there is, whose kill switch is on, whose rules are in force.
//! Changes nothing: the kill switch is turned by a turn, rules are put in force by publishing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::dispute::MerchantId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Merchant {
    pub merchant_id: MerchantId,
    pub name: String,
    /// Set while nothing irreversible may be done.
    pub kill_switch_at: Option<DateTime<Utc>>,
    pub kill_switch_by: Option<String>,
    pub ruleset_version: Option<i32>,
}

/// All of them, by name.
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Merchant>> {
    sqlx::query_as(
        "select merchant_id, name, kill_switch_at, kill_switch_by, ruleset_version
         from merchants
         order by name",
    )
    .fetch_all(conn)
    .await
}
