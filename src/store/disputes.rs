//! Disputes as people look at them: lists, one in full, and the history as it grows.
//! Reads only: what becomes of a dispute is for a turn to write.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::turn::rows::word;
use crate::dispute::{Currency, DisputeId, MerchantId, Money, Response, Stage, Status, UnknownWord};

/// One line of a list: the dispute and its newest cycle.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub merchant_id: MerchantId,
    pub merchant: String,
    pub provider: String,
    pub account: String,
    pub dispute_id: DisputeId,
    pub dispute_ref: String,
    pub payment_ref: Option<String>,
    pub stage: Stage,
    pub status: Status,
    pub provider_status: String,
    pub amount: Money,
    pub category: String,
    pub network_code: Option<String>,
    pub opened_at: DateTime<Utc>,
    pub cycle: Option<CycleLine>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CycleLine {
    pub n: i32,
    pub state: String,
    pub respond_by: DateTime<Utc>,
    pub plan_kind: String,
    pub rule_id: Option<String>,
    pub act_at: Option<DateTime<Utc>>,
    pub wake_at: Option<DateTime<Utc>>,
    pub page_at: DateTime<Utc>,
    pub paged_at: Option<DateTime<Utc>>,
    pub response: Option<Response>,
    pub answered_at: Option<DateTime<Utc>>,
    pub plan: Value,
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub merchant: Option<String>,
    /// Only disputes in which a response is owed.
    pub open: bool,
    /// The provider's id, or a part of it from its start.
    pub dispute_ref: Option<String>,
    pub limit: i64,
}

/// Nearest deadline first, then the newest.
pub async fn list(conn: &mut PgConnection, filter: &Filter) -> sqlx::Result<Vec<Line>> {
    let rows = sqlx::query(
        "select d.merchant_id, m.name as merchant, a.provider, a.name as account, d.dispute_id, d.dispute_ref, d.stage,
             d.status, d.provider_status, d.amount_minor, d.currency, d.category, d.network_code, d.opened_at,
             d.payment_ref, c.n, c.state as cycle_state, c.respond_by, c.plan_kind, c.rule_id, c.act_at, c.wake_at,
             c.page_at, c.paged_at, c.response, c.answered_at, c.plan
         from disputes d
         join merchants m on m.merchant_id = d.merchant_id
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         left join lateral (
             select * from cycles where merchant_id = d.merchant_id and dispute_id = d.dispute_id order by n desc limit 1
         ) c on true
         where ($1::text is null or m.name = $1)
             and (not $2 or c.state = 'open')
             and ($3::text is null or starts_with(d.dispute_ref, $3))
         order by c.state = 'open' desc nulls last, case when c.state = 'open' then c.respond_by end, d.opened_at desc
         limit $4",
    )
    .bind(filter.merchant.as_deref())
    .bind(filter.open)
    .bind(filter.dispute_ref.as_deref())
    .bind(filter.limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(line).collect()
}

/// Which of a merchant's disputes are wanted; all of them by default.
#[derive(Debug, Clone, Default)]
pub struct PageFilter {
    /// Begin after this one.
    pub after: Option<DisputeId>,
    pub dispute_id: Option<DisputeId>,
    /// Only disputes in which a response is owed.
    pub open: bool,
    pub status: Option<Status>,
    pub stage: Option<Stage>,
    pub provider: Option<String>,
    pub account: Option<String>,
    pub payment_ref: Option<String>,
    pub limit: i64,
}

/// One merchant's disputes, those that we came to know last first.
pub async fn page(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    filter: &PageFilter,
) -> sqlx::Result<Vec<Line>> {
    let rows = sqlx::query(
        "select d.merchant_id, m.name as merchant, a.provider, a.name as account, d.dispute_id, d.dispute_ref, d.stage,
             d.status, d.provider_status, d.amount_minor, d.currency, d.category, d.network_code, d.opened_at,
             d.payment_ref, c.n, c.state as cycle_state, c.respond_by, c.plan_kind, c.rule_id, c.act_at, c.wake_at,
             c.page_at, c.paged_at, c.response, c.answered_at, c.plan
         from disputes d
         join merchants m on m.merchant_id = d.merchant_id
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         left join lateral (
             select * from cycles where merchant_id = d.merchant_id and dispute_id = d.dispute_id order by n desc limit 1
         ) c on true
         where d.merchant_id = $1
             and ($2::bigint is null or d.dispute_id < $2)
             and ($3::bigint is null or d.dispute_id = $3)
             and (not $4 or c.state = 'open')
             and ($5::text is null or d.status = $5)
             and ($6::text is null or d.stage = $6)
             and ($7::text is null or a.provider = $7)
             and ($8::text is null or a.name = $8)
             and ($9::text is null or d.payment_ref = $9)
         order by d.dispute_id desc
         limit $10",
    )
    .bind(merchant_id)
    .bind(filter.after)
    .bind(filter.dispute_id)
    .bind(filter.open)
    .bind(filter.status.map(|s| s.as_str()))
    .bind(filter.stage.map(|s| s.as_str()))
    .bind(filter.provider.as_deref())
    .bind(filter.account.as_deref())
    .bind(filter.payment_ref.as_deref())
    .bind(filter.limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(line).collect()
}

fn line(row: &PgRow) -> sqlx::Result<Line> {
    let currency = Currency::parse(row.try_get("currency")?).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    Ok(Line {
        merchant_id: row.try_get("merchant_id")?,
        merchant: row.try_get("merchant")?,
        provider: row.try_get("provider")?,
        account: row.try_get("account")?,
        dispute_id: row.try_get("dispute_id")?,
        dispute_ref: row.try_get("dispute_ref")?,
        payment_ref: row.try_get("payment_ref")?,
        stage: word(row, "stage")?,
        status: word(row, "status")?,
        provider_status: row.try_get("provider_status")?,
        amount: Money::new(row.try_get("amount_minor")?, currency),
        category: row.try_get("category")?,
        network_code: row.try_get("network_code")?,
        opened_at: row.try_get("opened_at")?,
        cycle: row.try_get::<Option<i32>, _>("n")?.map(|n| cycle(row, n)).transpose()?,
    })
}

pub(super) fn cycle_line(row: &PgRow) -> sqlx::Result<CycleLine> {
    cycle(row, row.try_get("n")?)
}

fn cycle(row: &PgRow, n: i32) -> sqlx::Result<CycleLine> {
    let response: Option<&str> = row.try_get("response")?;
    Ok(CycleLine {
        n,
        state: row.try_get("cycle_state")?,
        respond_by: row.try_get("respond_by")?,
        plan_kind: row.try_get("plan_kind")?,
        rule_id: row.try_get("rule_id")?,
        act_at: row.try_get("act_at")?,
        wake_at: row.try_get("wake_at")?,
        page_at: row.try_get("page_at")?,
        paged_at: row.try_get("paged_at")?,
        response: response
            .map(str::parse)
            .transpose()
            .map_err(|e: UnknownWord| sqlx::Error::Decode(Box::new(e)))?,
        answered_at: row.try_get("answered_at")?,
        plan: row.try_get("plan")?,
    })
}

/// The disputes that a word can mean: the provider's id, or our own.
pub async fn named(conn: &mut PgConnection, word: &str) -> sqlx::Result<Vec<(MerchantId, DisputeId)>> {
    let rows = sqlx::query(
        "select merchant_id, dispute_id from disputes where dispute_ref = $1 or dispute_id::text = $1 limit 10",
    )
    .bind(word)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// One entry of the history.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub history_id: i64,
    pub dispute_id: DisputeId,
    pub dispute_ref: String,
    pub provider: String,
    pub cycle_n: Option<i32>,
    pub at: DateTime<Utc>,
    pub kind: String,
    pub cause: String,
    pub delivery_id: Option<i64>,
    pub detail: Value,
}

/// The history of one dispute, oldest first.
pub async fn history(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Vec<Entry>> {
    let rows = sqlx::query(
        "select h.history_id, h.dispute_id, d.dispute_ref, a.provider, h.cycle_n, h.at, h.kind, h.cause, h.delivery_id,
             h.detail
         from history h
         join disputes d on d.merchant_id = h.merchant_id and d.dispute_id = h.dispute_id
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         where h.merchant_id = $1 and h.dispute_id = $2
         order by h.at, h.history_id",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .fetch_all(conn)
    .await?;
    rows.iter().map(entry).collect()
}

/// What was written from one instant to another, both included, of every dispute: for a live account of what goes on.
pub async fn history_between(
    conn: &mut PgConnection,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> sqlx::Result<Vec<Entry>> {
    let rows = sqlx::query(
        "select h.history_id, h.dispute_id, d.dispute_ref, a.provider, h.cycle_n, h.at, h.kind, h.cause, h.delivery_id,
             h.detail
         from history h
         join disputes d on d.merchant_id = h.merchant_id and d.dispute_id = h.dispute_id
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         where h.at >= $1 and h.at <= $2
         order by h.at, h.history_id",
    )
    .bind(after)
    .bind(until)
    .fetch_all(conn)
    .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &PgRow) -> sqlx::Result<Entry> {
    Ok(Entry {
        history_id: row.try_get("history_id")?,
        dispute_id: row.try_get("dispute_id")?,
        dispute_ref: row.try_get("dispute_ref")?,
        provider: row.try_get("provider")?,
        cycle_n: row.try_get("cycle_n")?,
        at: row.try_get("at")?,
        kind: row.try_get("kind")?,
        cause: row.try_get("cause")?,
        delivery_id: row.try_get("delivery_id")?,
        detail: row.try_get::<Option<Value>, _>("detail")?.unwrap_or_default(),
    })
}

/// A decision as it was recorded.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct DecisionLine {
    pub decision_id: i64,
    pub merchant_id: MerchantId,
    pub dispute_id: DisputeId,
    pub cycle_n: i32,
    pub at: DateTime<Utc>,
    pub decided_by: String,
    pub ruleset_version: Option<i32>,
    pub rule_id: Option<String>,
    pub answer: String,
    pub act_at: Option<DateTime<Utc>>,
    pub shadow: bool,
    pub detail: Value,
}

/// Every decision, or those of one dispute; oldest first.
pub async fn decisions(
    conn: &mut PgConnection,
    of: Option<(MerchantId, DisputeId)>,
) -> sqlx::Result<Vec<DecisionLine>> {
    sqlx::query_as(
        "select decision_id, merchant_id, dispute_id, cycle_n, at, decided_by, ruleset_version, rule_id, answer, act_at,
             shadow, detail::json as detail
         from decisions
         where $1::bigint is null or (merchant_id = $1 and dispute_id = $2)
         order by at, decision_id",
    )
    .bind(of.map(|o| o.0))
    .bind(of.map(|o| o.1))
    .fetch_all(conn)
    .await
}

/// An action as it stands, with how many requests were made for it.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct ActionLine {
    pub action_id: i64,
    pub cycle_n: i32,
    pub kind: String,
    pub subject: String,
    pub state: String,
    pub wanted_at: DateTime<Utc>,
    pub done_at: Option<DateTime<Utc>>,
    pub due_at: Option<DateTime<Utc>>,
    pub requests: i64,
    pub note: Option<String>,
}

pub async fn actions(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Vec<ActionLine>> {
    sqlx::query_as(
        "select a.action_id, a.cycle_n, a.kind, a.subject, a.state, a.wanted_at, a.done_at, a.due_at, a.note,
             (select count(*) from attempts t where t.merchant_id = a.merchant_id and t.action_id = a.action_id) as requests
         from actions a
         where a.merchant_id = $1 and a.dispute_id = $2
         order by a.wanted_at, a.action_id",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .fetch_all(conn)
    .await
}

/// Every cycle there is, for an audit of the promises.
pub async fn all_cycles(conn: &mut PgConnection) -> sqlx::Result<Vec<(DisputeId, CycleLine)>> {
    let rows = sqlx::query(
        "select dispute_id, n, state as cycle_state, respond_by, plan_kind, rule_id, act_at, wake_at, page_at, paged_at,
             response, answered_at, plan
         from cycles
         order by dispute_id, n",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("dispute_id")?, cycle(row, row.try_get("n")?)?))).collect()
}
