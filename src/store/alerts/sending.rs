//! Claiming alerts that are due and settling what became of them. A claim is a lease with a fence: whoever
//! lost it can write nothing. A crash between sending and settling sends again, under the same message id:
//! at least once, never not at all.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::alerts::{AlertState, DIGEST, Outcome, Round, Settled, Standing};
use crate::dispute::{DisputeId, MerchantId};

/// An alert that is ours to send until the lease ends.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Claimed {
    pub merchant_id: MerchantId,
    pub alert_id: i64,
    pub fence: i64,
    pub dispute_id: Option<DisputeId>,
    pub cycle_n: Option<i32>,
    pub kind: String,
    pub severity: String,
    pub title: String,
    pub detail: Value,
    pub raised_at: DateTime<Utc>,
    pub state: String,
    pub needs_ack: bool,
    pub sends: i32,
    pub failures: i32,
    pub round_at: Option<DateTime<Utc>>,
    /// Above 0 once the escalation route has been told.
    pub escalation: i32,
}

impl Claimed {
    pub fn standing(&self) -> Standing {
        Standing {
            needs_ack: self.needs_ack,
            rounds: self.sends,
            failures: self.failures,
            round_at: self.round_at,
            raised_at: self.raised_at,
            escalated: self.escalation > 0,
        }
    }
}

/// Takes up to `batch` due alerts until `leased_until`, pages first. While leased they are due at the
/// lease's end, so that a claimer that dies is followed by another.
pub async fn claim(
    conn: &mut PgConnection,
    batch: i64,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
) -> sqlx::Result<Vec<Claimed>> {
    sqlx::query_as(
        "with due as (
            select merchant_id, alert_id
            from alerts
            where next_at <= $1
                and (needs_ack or severity = 'page' or kind = $2 or budget_at is not null)
            order by needs_ack desc, next_at, alert_id
            limit $3
            for update skip locked
        )
        update alerts a
        set fence = a.fence + 1, leased_until = $4, next_at = $4
        from due
        where a.merchant_id = due.merchant_id and a.alert_id = due.alert_id
        returning a.merchant_id, a.alert_id, a.fence, a.dispute_id, a.cycle_n, a.kind, a.severity, a.title,
            a.detail, a.raised_at, a.state, a.needs_ack, a.sends, a.failures, a.round_at,
            a.escalation",
    )
    .bind(now)
    .bind(DIGEST)
    .bind(batch)
    .bind(leased_until)
    .fetch_all(conn)
    .await
}

/// When the next alert is due, lease ends among them.
pub async fn next_at(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("select next_at from alerts where next_at is not null order by next_at limit 1")
        .fetch_optional(conn)
        .await
}

/// What an alert is about, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub merchant: String,
    /// The merchant's rules in force, as text.
    pub rules: Option<String>,
    pub dispute: Option<LookedDispute>,
    pub cycle_state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedDispute {
    pub provider: String,
    pub account: String,
    pub dispute_ref: String,
    pub stage: String,
    pub status: String,
    pub category: String,
    pub amount_minor: i64,
    pub currency: String,
    /// The cycle's, where the alert is about one.
    pub respond_by: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct LookRow {
    merchant: String,
    rules: Option<String>,
    provider: Option<String>,
    account: Option<String>,
    dispute_ref: Option<String>,
    stage: Option<String>,
    status: Option<String>,
    category: Option<String>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    respond_by: Option<DateTime<Utc>>,
    cycle_state: Option<String>,
}

/// The state at the moment of sending; `None` when the lease is lost or nothing is left to send.
pub async fn look(conn: &mut PgConnection, claimed: &Claimed) -> sqlx::Result<Option<Look>> {
    let row: Option<LookRow> = sqlx::query_as(
        "select m.name as merchant, r.rules, p.provider, p.name as account, d.dispute_ref, d.stage, d.status,
            d.category, d.amount_minor, d.currency, coalesce(c.respond_by, d.respond_by) as respond_by,
            c.state as cycle_state
        from alerts a
        join merchants m on m.merchant_id = a.merchant_id
        left join rulesets r on r.merchant_id = m.merchant_id and r.version = m.ruleset_version
        left join disputes d on d.merchant_id = a.merchant_id and d.dispute_id = a.dispute_id
        left join accounts p on p.merchant_id = d.merchant_id and p.account_id = d.account_id
        left join cycles c on c.merchant_id = a.merchant_id and c.dispute_id = a.dispute_id and c.n = a.cycle_n
        where a.merchant_id = $1 and a.alert_id = $2 and a.fence = $3 and a.state in ('raised', 'sent')",
    )
    .bind(claimed.merchant_id)
    .bind(claimed.alert_id)
    .bind(claimed.fence)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Look {
        dispute: looked_dispute(&row),
        merchant: row.merchant,
        rules: row.rules,
        cycle_state: row.cycle_state,
    }))
}

fn looked_dispute(row: &LookRow) -> Option<LookedDispute> {
    Some(LookedDispute {
        provider: row.provider.clone()?,
        account: row.account.clone()?,
        dispute_ref: row.dispute_ref.clone()?,
        stage: row.stage.clone()?,
        status: row.status.clone()?,
        category: row.category.clone()?,
        amount_minor: row.amount_minor?,
        currency: row.currency.clone()?,
        respond_by: row.respond_by,
    })
}

/// Alerts of one kind in a digest, by what their dispute has come to since.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DigestLine {
    pub kind: String,
    pub cycle_state: Option<String>,
    pub status: Option<String>,
    pub count: i64,
    pub earliest_respond_by: Option<DateTime<Utc>>,
}

/// What a digest tells of.
pub async fn digest_lines(conn: &mut PgConnection, digest: &Claimed) -> sqlx::Result<Vec<DigestLine>> {
    sqlx::query_as(
        "select a.kind, c.state as cycle_state, d.status, count(*) as count,
            min(coalesce(c.respond_by, d.respond_by)) as earliest_respond_by
        from alerts a
        left join disputes d on d.merchant_id = a.merchant_id and d.dispute_id = a.dispute_id
        left join cycles c on c.merchant_id = a.merchant_id and c.dispute_id = a.dispute_id and c.n = a.cycle_n
        where a.merchant_id = $1 and a.digest_id = $2 and a.state in ('raised', 'sent')
        group by a.kind, c.state, d.status
        order by count(*) desc, a.kind",
    )
    .bind(digest.merchant_id)
    .bind(digest.alert_id)
    .fetch_all(conn)
    .await
}

/// Channels that have taken this round of the alert.
pub async fn delivered_in_round(
    conn: &mut PgConnection,
    claimed: &Claimed,
    round: i32,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select channel
        from alert_sends
        where merchant_id = $1 and alert_id = $2 and round = $3 and outcome = 'delivered'",
    )
    .bind(claimed.merchant_id)
    .bind(claimed.alert_id)
    .bind(round)
    .fetch_all(conn)
    .await
}

/// A round's try, to be written down.
#[derive(Debug, Clone)]
pub struct Sent<'a> {
    pub claimed: &'a Claimed,
    pub round: Round,
    pub settled: Settled,
    pub outcomes: &'a [(String, Outcome)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettledAlert {
    Settled,
    /// Acknowledged or resolved meanwhile: what was sent is recorded, nothing more will be.
    Overtaken,
    /// Somebody else has claimed it since: nothing was written.
    LeaseLost,
}

/// Writes down what became of a try. Run it in a transaction.
pub async fn settle(
    conn: &mut PgConnection,
    sent: &Sent<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<SettledAlert> {
    let claimed = sent.claimed;
    let found: Option<(i64, String)> =
        sqlx::query_as("select fence, state from alerts where merchant_id = $1 and alert_id = $2 for update")
            .bind(claimed.merchant_id)
            .bind(claimed.alert_id)
            .fetch_optional(&mut *conn)
            .await?;
    let Some((fence, state)) = found.filter(|(fence, _)| *fence == claimed.fence) else {
        return Ok(SettledAlert::LeaseLost);
    };
    record_outcomes(conn, sent, now).await?;
    if state != AlertState::Raised.as_str() && state != AlertState::Sent.as_str() {
        return Ok(SettledAlert::Overtaken);
    }
    let delivered = sent.outcomes.iter().any(|(_, o)| *o == Outcome::Delivered) || sent.outcomes.is_empty();
    sqlx::query(
        "update alerts
        set state = $4, sends = $5, failures = $6, round_at = $7, next_at = $8, leased_until = null,
            escalation = greatest(escalation, $9),
            sent_at = case when $10 then $11 else sent_at end
        where merchant_id = $1 and alert_id = $2 and fence = $3",
    )
    .bind(claimed.merchant_id)
    .bind(claimed.alert_id)
    .bind(fence)
    .bind(sent.settled.state.as_str())
    .bind(sent.round.n)
    .bind(sent.settled.failures)
    .bind(sent.round.begun_at)
    .bind(sent.settled.next_at)
    .bind(i32::from(sent.round.escalated))
    .bind(delivered)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    if claimed.kind == DIGEST && sent.settled.state == AlertState::Sent {
        settle_folded(conn, claimed, now).await?;
    }
    Ok(SettledAlert::Settled)
}

async fn record_outcomes(conn: &mut PgConnection, sent: &Sent<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
    let error = |outcome: &Outcome| match outcome {
        Outcome::Delivered => None,
        Outcome::Failed { why, .. } | Outcome::Stopped { why } => Some(why.clone()),
    };
    sqlx::query(
        "insert into alert_sends (merchant_id, alert_id, round, channel, outcome, tries, at, error)
        select $1, $2, $3, channel, outcome, 1, $7, error
        from unnest($4::text[], $5::text[], $6::text[]) as o (channel, outcome, error)
        on conflict on constraint alert_sends_pkey do update
        set outcome = excluded.outcome, tries = alert_sends.tries + 1, at = excluded.at, error = excluded.error",
    )
    .bind(sent.claimed.merchant_id)
    .bind(sent.claimed.alert_id)
    .bind(sent.round.n)
    .bind(sent.outcomes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())
    .bind(sent.outcomes.iter().map(|(_, o)| o.word()).collect::<Vec<_>>())
    .bind(sent.outcomes.iter().map(|(_, o)| error(o)).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn settle_folded(conn: &mut PgConnection, digest: &Claimed, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update alerts
        set state = 'sent', sent_at = $3, note = 'told in digest ' || digest_id
        where merchant_id = $1 and digest_id = $2 and state = 'raised'",
    )
    .bind(digest.merchant_id)
    .bind(digest.alert_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The reason is gone: nothing is sent. For a digest this goes for all it would have told of.
pub async fn settle_moot(
    conn: &mut PgConnection,
    claimed: &Claimed,
    why: &str,
) -> sqlx::Result<SettledAlert> {
    let done = sqlx::query(
        "update alerts
        set state = 'resolved', next_at = null, leased_until = null, note = $4
        where merchant_id = $1
            and ((alert_id = $2 and fence = $3) or (digest_id = $2 and $5))
            and state in ('raised', 'sent')",
    )
    .bind(claimed.merchant_id)
    .bind(claimed.alert_id)
    .bind(claimed.fence)
    .bind(why)
    .bind(claimed.kind == DIGEST)
    .execute(conn)
    .await?;
    Ok(if done.rows_affected() > 0 { SettledAlert::Settled } else { SettledAlert::LeaseLost })
}

/// Channels, with a digest of their address, that told us to stop.
pub async fn stopped_channels(conn: &mut PgConnection) -> sqlx::Result<Vec<(String, Vec<u8>)>> {
    sqlx::query_as("select channel, fingerprint from stopped_channels").fetch_all(conn).await
}

/// Remembers that a channel told us to stop; whether that was news.
pub async fn stop_channel(
    conn: &mut PgConnection,
    channel: &str,
    fingerprint: &[u8],
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into stopped_channels (channel, fingerprint, stopped_at, why)
        values ($1, $2, $3, $4)
        on conflict on constraint stopped_channels_pkey do nothing",
    )
    .bind(channel)
    .bind(fingerprint)
    .bind(now)
    .bind(why)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}
