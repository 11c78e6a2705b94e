//! Alerts as rows: raised, listed, acknowledged, resolved. Sending them is claimed and settled next door, in
//! `sending`; keeping a flood within the hourly budget is `budget`. Knows nothing of channels.

mod budget;
mod sending;

pub use budget::{Admitted, Budget, admit};
pub use sending::{
    Claimed, DigestLine, Look, LookedDispute, Sent, SettledAlert, claim, delivered_in_round, digest_lines,
    look, next_at, settle, settle_moot, stop_channel, stopped_channels,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use crate::dispute::{DisputeId, MerchantId, Severity};

/// An alert to be raised. The first to use a dedupe key stands; later ones are the same news.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlert {
    pub merchant_id: MerchantId,
    /// `None` for alerts about the engine itself.
    pub dispute_id: Option<DisputeId>,
    pub cycle_n: Option<i32>,
    pub kind: String,
    pub severity: Severity,
    pub dedupe_key: String,
    pub title: String,
    pub detail: Value,
}

/// Raises all of them in one statement, to be sent at `now`; the ids of those that were new.
pub async fn raise(conn: &mut PgConnection, new: &[NewAlert], now: DateTime<Utc>) -> sqlx::Result<Vec<i64>> {
    fn column<'a, T>(new: &'a [NewAlert], of: impl Fn(&'a NewAlert) -> T) -> Vec<T> {
        new.iter().map(of).collect()
    }
    sqlx::query_scalar(
        "insert into alerts (merchant_id, alert_id, dispute_id, cycle_n, kind, severity, dedupe_key, title,
            detail, raised_at, state, needs_ack, next_at, sends, failures, escalation, fence)
        select merchant_id, nextval('ids'), dispute_id, cycle_n, kind, severity, dedupe_key, title,
            detail::json, $9, 'raised', severity = 'page', $9, 0, 0, 0, 0
        from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[]) as n (merchant_id, dispute_id, cycle_n, kind, severity, dedupe_key, title, detail)
        on conflict on constraint alerts_dedupe_key do nothing
        returning alert_id",
    )
    .bind(column(new, |n| n.merchant_id))
    .bind(column(new, |n| n.dispute_id))
    .bind(column(new, |n| n.cycle_n))
    .bind(column(new, |n| n.kind.as_str()))
    .bind(column(new, |n| n.severity.as_str()))
    .bind(column(new, |n| n.dedupe_key.as_str()))
    .bind(column(new, |n| n.title.as_str()))
    .bind(column(new, |n| n.detail.to_string()))
    .bind(now)
    .fetch_all(conn)
    .await
}

/// A cycle whose alerts have lost their reason, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub merchant_id: MerchantId,
    pub dispute_id: DisputeId,
    pub cycle_n: i32,
    pub why: String,
}

/// Resolves what was raised for these cycles before `now`: news raised by the same step is about the end
/// itself and stays. Acknowledged alerts stay acknowledged. Returns how many were resolved.
pub async fn resolve(conn: &mut PgConnection, ended: &[Answered], now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "update alerts a
        set state = 'resolved', next_at = null, leased_until = null, note = e.why
        from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[])
            as e (merchant_id, dispute_id, cycle_n, why)
        where a.merchant_id = e.merchant_id
            and a.dispute_id = e.dispute_id
            and a.cycle_n = e.cycle_n
            and a.state in ('raised', 'sent')
            and a.raised_at < $5",
    )
    .bind(ended.iter().map(|e| e.merchant_id).collect::<Vec<_>>())
    .bind(ended.iter().map(|e| e.dispute_id).collect::<Vec<_>>())
    .bind(ended.iter().map(|e| e.cycle_n).collect::<Vec<_>>())
    .bind(ended.iter().map(|e| e.why.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// An alert as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct AlertRow {
    pub alert_id: i64,
    pub merchant: String,
    pub dispute_ref: Option<String>,
    pub cycle_n: Option<i32>,
    pub kind: String,
    pub severity: String,
    pub title: String,
    pub state: String,
    pub needs_ack: bool,
    pub raised_at: DateTime<Utc>,
    pub next_at: Option<DateTime<Utc>>,
    pub sent_at: Option<DateTime<Utc>>,
    /// Rounds begun.
    pub sends: i32,
    /// Failed tries in a row in the last round.
    pub failures: i32,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub acknowledged_by: Option<String>,
    pub note: Option<String>,
    pub detail: Value,
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The merchant's name; all without it.
    pub merchant: Option<String>,
    /// The provider's id of the dispute; all without it.
    pub dispute_ref: Option<String>,
    /// Acknowledged and resolved ones as well.
    pub settled_too: bool,
    pub limit: i64,
}

/// Pages first, then the newest.
pub async fn list(conn: &mut PgConnection, filter: &Filter) -> sqlx::Result<Vec<AlertRow>> {
    sqlx::query_as(
        "select a.alert_id, m.name as merchant, d.dispute_ref, a.cycle_n, a.kind, a.severity, a.title, a.state,
            a.needs_ack, a.raised_at, a.next_at, a.sent_at, a.sends, a.failures, a.acknowledged_at,
            a.acknowledged_by, a.note, a.detail
        from alerts a
        join merchants m on m.merchant_id = a.merchant_id
        left join disputes d on d.merchant_id = a.merchant_id and d.dispute_id = a.dispute_id
        where ($1::text is null or m.name = $1)
            and ($2::text is null or d.dispute_ref = $2)
            and ($3 or a.state in ('raised', 'sent'))
        order by a.needs_ack and a.state in ('raised', 'sent') desc, a.raised_at desc, a.alert_id desc
        limit $4",
    )
    .bind(&filter.merchant)
    .bind(&filter.dispute_ref)
    .bind(filter.settled_too)
    .bind(filter.limit)
    .fetch_all(conn)
    .await
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "acknowledgement")]
pub enum Acknowledged {
    Done,
    Already { by: String, at: DateTime<Utc> },
    Resolved { note: Option<String> },
    NoSuchAlert,
}

/// Says that `by` has it: nothing more is sent. A send under way may still arrive.
pub async fn acknowledge(
    conn: &mut PgConnection,
    alert_id: i64,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Acknowledged> {
    let done = sqlx::query(
        "update alerts
        set state = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3, next_at = null,
            leased_until = null
        where merchant_id = any(array(select merchant_id from merchants))
            and alert_id = $1
            and state in ('raised', 'sent')",
    )
    .bind(alert_id)
    .bind(now)
    .bind(by)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() > 0 {
        return Ok(Acknowledged::Done);
    }
    #[derive(sqlx::FromRow)]
    struct Found {
        acknowledged_by: Option<String>,
        acknowledged_at: Option<DateTime<Utc>>,
        note: Option<String>,
    }
    let found: Option<Found> = sqlx::query_as(
        "select acknowledged_by, acknowledged_at, note
        from alerts
        where merchant_id = any(array(select merchant_id from merchants)) and alert_id = $1",
    )
    .bind(alert_id)
    .fetch_optional(conn)
    .await?;
    Ok(match found {
        None => Acknowledged::NoSuchAlert,
        Some(Found { acknowledged_by: Some(by), acknowledged_at: Some(at), .. }) => {
            Acknowledged::Already { by, at }
        }
        Some(Found { note, .. }) => Acknowledged::Resolved { note },
    })
}

/// How many alerts wait for somebody, by severity: for metrics.
pub async fn open_counts(conn: &mut PgConnection) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "select severity, count(*)
        from alerts
        where state in ('raised', 'sent') and (needs_ack or next_at is not null)
        group by severity
        order by severity",
    )
    .fetch_all(conn)
    .await
}
