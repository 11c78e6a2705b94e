//! One dispute in full, as it is shown to a person: the record, its cycles, and every request made for its
//! actions. Lists and the history are next door in `disputes`. Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::disputes::{self, CycleLine};
use super::turn::rows::{DISPUTE_COLUMNS, dispute as dispute_of};
use crate::dispute::{Dispute, DisputeId, MerchantId};

pub async fn dispute(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Option<Dispute>> {
    let sql = format!("select {DISPUTE_COLUMNS} from disputes where merchant_id = $1 and dispute_id = $2");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(merchant_id).bind(dispute_id).fetch_optional(conn).await?;
    row.as_ref().map(dispute_of).transpose()
}

/// The cycles of one dispute, oldest first.
pub async fn cycles(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Vec<CycleLine>> {
    let rows = sqlx::query(
        "select n, state as cycle_state, respond_by, plan_kind, rule_id, act_at, wake_at, page_at, paged_at, response,
             answered_at, plan
         from cycles
         where merchant_id = $1 and dispute_id = $2
         order by n",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .fetch_all(conn)
    .await?;
    rows.iter().map(disputes::cycle_line).collect()
}

/// One request made for an action, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct AttemptLine {
    pub action_id: i64,
    pub at: DateTime<Utc>,
    pub request: String,
    pub status: Option<i32>,
    pub outcome: String,
    pub provider_request_ref: Option<String>,
    pub latency_ms: i64,
    pub error: Option<String>,
}

/// Every request made for the dispute's actions, in their order.
pub async fn attempts(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Vec<AttemptLine>> {
    sqlx::query_as(
        "select t.action_id, t.at, t.request, t.status, t.outcome, t.provider_request_ref, t.latency_ms, t.error
         from actions a
         join attempts t on t.merchant_id = a.merchant_id and t.action_id = a.action_id
         where a.merchant_id = $1 and a.dispute_id = $2
         order by t.action_id, t.attempt_id",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .fetch_all(conn)
    .await
}

/// The rules' newest decision of a dispute, with everything it saw.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct NewestDecision {
    pub dispute_ref: String,
    pub rule_id: Option<String>,
    pub answer: String,
    /// `inputs` in it is what `engine::Inputs` reads.
    pub detail: Value,
}

/// The rules' newest decision of the merchant's one dispute, or of each of its newest `limit`.
pub async fn newest_decisions(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: Option<DisputeId>,
    limit: i64,
) -> sqlx::Result<Vec<NewestDecision>> {
    sqlx::query_as(
        "select d.dispute_ref, n.rule_id, n.answer, n.detail
         from disputes d
         join lateral (
             select rule_id, answer, detail::json as detail
             from decisions
             where merchant_id = d.merchant_id and dispute_id = d.dispute_id and decided_by = 'rules'
             order by at desc, decision_id desc
             limit 1
         ) n on true
         where d.merchant_id = $1 and ($2::bigint is null or d.dispute_id = $2)
         order by d.opened_at desc, d.dispute_id desc
         limit $3",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .bind(limit)
    .fetch_all(conn)
    .await
}
