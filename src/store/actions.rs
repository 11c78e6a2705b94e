//! Actions: intents with a lease and a fence. A claimer that lost its lease can no longer write, because every
//! write names the fence it was given.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::turn::rows::word;
use crate::dispute::{AccountId, CycleState, DisputeId, MerchantId};
use crate::engine::{ActionKind, ActionState};
use crate::evidence::Packet;
use crate::providers::CallLog;

/// An action in this worker's hands until `leased_until`.
#[derive(Debug, Clone)]
pub struct LeasedAction {
    pub merchant_id: MerchantId,
    pub action_id: i64,
    pub dispute_id: DisputeId,
    pub cycle_n: i32,
    pub account_id: AccountId,
    pub kind: ActionKind,
    pub subject: String,
    pub state: ActionState,
    /// As it was left, before the claim: it makes `unknown` of what was sent by a worker that never settled it.
    pub state_before: ActionState,
    pub note_before: Option<String>,
    pub fence: i64,
    pub generation: i32,
    pub attempts: i32,
    pub sent_at: Option<DateTime<Utc>>,
    pub leased_until: DateTime<Utc>,
}

impl LeasedAction {
    /// What the provider dedupes by, where it does. A call that cannot be taken back keeps its key for as long as
    /// it may have taken effect. One that may be done twice has a key for each try: a failure is saved under its
    /// key as well, and would be all that is ever answered.
    pub fn idempotency_key(&self) -> String {
        let key = format!("respondby-{}-{}-{}", self.merchant_id, self.action_id, self.generation);
        if self.kind.irreversible() { key } else { format!("{key}-{}", self.attempts) }
    }
}

/// What the claimer needs to know of the dispute before it calls anybody.
#[derive(Debug, Clone)]
pub struct Circumstances {
    pub dispute_ref: String,
    pub payment_ref: Option<String>,
    pub cycle_state: CycleState,
    pub respond_by: DateTime<Utc>,
    pub page_at: DateTime<Utc>,
    pub killed: bool,
    pub packet: Option<Packet>,
}

/// Of how many due actions, those that wait longest, the most urgent are taken: enough for a night's backlog, and a
/// bound for what a claim reads.
const CHOSEN_AMONG: i64 = 2_000;

/// Takes due actions, none of the accounts in `full`: earliest deadline first, and of one deadline what cannot be taken
/// back first. One that was marked as sent and whose worker never settled it comes back as `unknown`: nobody heard the
/// answer.
pub async fn claim(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lease: TimeDelta,
    limit: i64,
    full: &[AccountId],
) -> sqlx::Result<Vec<LeasedAction>> {
    let rows = sqlx::query(
        "update actions a
         set fence = fence + 1, attempts = attempts + 1, leased_until = $2, due_at = $2,
             state = case when state = 'sent' and leased_until is not null then 'unknown' else state end
         from (
             select b.merchant_id, b.action_id, b.state as state_before, c.respond_by
             from (
                 select merchant_id, action_id from actions
                 where due_at <= $1 and account_id <> all ($4)
                 order by due_at
                 limit $5
             ) oldest
             join actions b on b.merchant_id = oldest.merchant_id and b.action_id = oldest.action_id
             left join cycles c
                 on c.merchant_id = b.merchant_id and c.dispute_id = b.dispute_id and c.n = b.cycle_n
             where b.due_at <= $1
             order by c.respond_by, b.irreversible desc, b.due_at, b.action_id
             limit $3
             for update of b skip locked
         ) due
         where a.merchant_id = due.merchant_id and a.action_id = due.action_id
         returning a.merchant_id, a.action_id, a.dispute_id, a.cycle_n, a.account_id, a.kind, a.subject, a.state,
             a.fence, a.generation, a.attempts, a.sent_at, a.leased_until, a.note, due.state_before,
             due.respond_by",
    )
    .bind(now)
    .bind(now + lease)
    .bind(limit)
    .bind(full)
    .bind(limit.max(CHOSEN_AMONG))
    .fetch_all(conn)
    .await?;
    // An update gives its rows back in no order, and whoever comes first has its turn at the provider first.
    let mut claimed = rows
        .iter()
        .map(|row| Ok((row.try_get::<Option<DateTime<Utc>>, _>("respond_by")?, leased(row)?)))
        .collect::<sqlx::Result<Vec<_>>>()?;
    claimed.sort_by_key(|(respond_by, action)| (*respond_by, !action.kind.irreversible(), action.action_id));
    Ok(claimed.into_iter().map(|(_, action)| action).collect())
}

fn leased(row: &PgRow) -> sqlx::Result<LeasedAction> {
    Ok(LeasedAction {
        merchant_id: row.try_get("merchant_id")?,
        action_id: row.try_get("action_id")?,
        dispute_id: row.try_get("dispute_id")?,
        cycle_n: row.try_get("cycle_n")?,
        account_id: row.try_get("account_id")?,
        kind: word(row, "kind")?,
        subject: row.try_get("subject")?,
        state: word(row, "state")?,
        state_before: word(row, "state_before")?,
        note_before: row.try_get("note")?,
        fence: row.try_get("fence")?,
        generation: row.try_get("generation")?,
        attempts: row.try_get("attempts")?,
        sent_at: row.try_get("sent_at")?,
        leased_until: row.try_get("leased_until")?,
    })
}

pub async fn circumstances(conn: &mut PgConnection, action: &LeasedAction) -> sqlx::Result<Circumstances> {
    let row = sqlx::query(
        "select d.dispute_ref, d.payment_ref, c.state, c.respond_by, c.page_at, m.kill_switch_at is not null as killed,
             p.packet::text as packet
         from actions a
         join disputes d on d.merchant_id = a.merchant_id and d.dispute_id = a.dispute_id
         join cycles c on c.merchant_id = a.merchant_id and c.dispute_id = a.dispute_id and c.n = a.cycle_n
         join merchants m on m.merchant_id = a.merchant_id
         left join packets p on p.merchant_id = a.merchant_id and p.packet_id = a.packet_id
         where a.merchant_id = $1 and a.action_id = $2",
    )
    .bind(action.merchant_id)
    .bind(action.action_id)
    .fetch_one(conn)
    .await?;
    let packet: Option<&str> = row.try_get("packet")?;
    Ok(Circumstances {
        dispute_ref: row.try_get("dispute_ref")?,
        payment_ref: row.try_get("payment_ref")?,
        cycle_state: word(&row, "state")?,
        respond_by: row.try_get("respond_by")?,
        page_at: row.try_get("page_at")?,
        killed: row.try_get("killed")?,
        packet: packet.map(serde_json::from_str).transpose().map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
    })
}

/// The last gate before a request leaves: commits that it may have left, and fails when the lease is lost, the
/// action was cancelled meanwhile, or the kill switch is on. True: go, and the lease begins anew.
pub async fn mark_sent(
    conn: &mut PgConnection,
    action: &LeasedAction,
    lease: TimeDelta,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update actions a
         set state = 'sent', sent_at = $4, leased_until = greatest(leased_until, $5), due_at = greatest(leased_until, $5)
         from merchants m
         where a.merchant_id = $1 and a.action_id = $2 and a.fence = $3 and a.leased_until > $4
             and a.state in ('wanted', 'sent', 'unknown')
             and m.merchant_id = a.merchant_id and (m.kill_switch_at is null or not a.irreversible)",
    )
    .bind(action.merchant_id)
    .bind(action.action_id)
    .bind(action.fence)
    .bind(now)
    .bind(now + lease)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Where an action stands after an attempt.
#[derive(Debug, Clone)]
pub enum Standing {
    Done,
    /// Nothing took effect; again from the start at the given instant.
    Again {
        due_at: DateTime<Utc>,
        why: String,
    },
    /// Sent, and the provider's record does not show it yet: read again at the given instant.
    Unconfirmed {
        due_at: DateTime<Utc>,
        why: String,
    },
    /// No answer to trust: read the record at the given instant before anything else.
    Unknown {
        due_at: DateTime<Utc>,
        why: String,
    },
    Refused {
        why: String,
    },
    Cancelled {
        why: String,
    },
    /// The record proves that the generation before had no effect: a new one, under a new key.
    Regenerate {
        due_at: DateTime<Utc>,
        why: String,
    },
}

impl Standing {
    pub const fn state(&self) -> ActionState {
        match self {
            Standing::Done => ActionState::Done,
            Standing::Again { .. } | Standing::Regenerate { .. } => ActionState::Wanted,
            Standing::Unconfirmed { .. } => ActionState::Sent,
            Standing::Unknown { .. } => ActionState::Unknown,
            Standing::Refused { .. } => ActionState::Refused,
            Standing::Cancelled { .. } => ActionState::Cancelled,
        }
    }

    /// Whether it says anything that was not said when the action was claimed.
    pub fn is_news(&self, action: &LeasedAction) -> bool {
        self.state() != action.state_before || self.why() != action.note_before.as_deref()
    }

    fn due_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Standing::Again { due_at, .. }
            | Standing::Unconfirmed { due_at, .. }
            | Standing::Unknown { due_at, .. }
            | Standing::Regenerate { due_at, .. } => Some(*due_at),
            Standing::Done | Standing::Refused { .. } | Standing::Cancelled { .. } => None,
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Standing::Done => None,
            Standing::Again { why, .. }
            | Standing::Unconfirmed { why, .. }
            | Standing::Unknown { why, .. }
            | Standing::Refused { why }
            | Standing::Cancelled { why }
            | Standing::Regenerate { why, .. } => Some(why),
        }
    }
}

/// Writes where the action stands. False: the fence is no longer ours, and nothing was written.
pub async fn settle(
    conn: &mut PgConnection,
    action: &LeasedAction,
    standing: &Standing,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let regenerate = matches!(standing, Standing::Regenerate { .. });
    let unsent = matches!(standing, Standing::Again { .. } | Standing::Regenerate { .. });
    let done = sqlx::query(
        "update actions
         set state = $4, due_at = $5, note = $6, leased_until = null,
             done_at = case when $4 = 'done' then $7 end,
             generation = generation + case when $8 then 1 else 0 end,
             sent_at = case when $9 then null else sent_at end
         where merchant_id = $1 and action_id = $2 and fence = $3 and state in ('wanted', 'sent', 'unknown')",
    )
    .bind(action.merchant_id)
    .bind(action.action_id)
    .bind(action.fence)
    .bind(standing.state().as_str())
    .bind(standing.due_at())
    .bind(standing.why())
    .bind(now)
    .bind(regenerate)
    .bind(unsent)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn log_attempts(
    conn: &mut PgConnection,
    ids: &super::ids::Ids,
    action: &LeasedAction,
    outcome: &str,
    calls: &[CallLog],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if calls.is_empty() {
        return Ok(());
    }
    let mut attempt_ids = ids.take(conn, calls.len()).await?;
    attempt_ids.sort_unstable();
    sqlx::query(
        "insert into attempts (merchant_id, action_id, attempt_id, at, request, status, outcome, provider_request_ref,
             latency_ms, error)
         select $1, $2, a, $3, request, status, $4, ref, latency, error
         from unnest($5::bigint[], $6::text[], $7::integer[], $8::text[], $9::bigint[], $10::text[])
             as u (a, request, status, ref, latency, error)",
    )
    .bind(action.merchant_id)
    .bind(action.action_id)
    .bind(now)
    .bind(outcome)
    .bind(attempt_ids)
    .bind(calls.iter().map(|c| c.request.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.status.map(i32::from)).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.provider_request_ref.as_deref()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.latency_ms).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.error.as_deref()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// The next instant at which any action wants attention, but for those of the accounts in `full`.
pub async fn next_due(conn: &mut PgConnection, full: &[AccountId]) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "select due_at from actions
         where due_at is not null and account_id <> all ($1)
         order by due_at
         limit 1",
    )
    .bind(full)
    .fetch_optional(conn)
    .await
}

/// Appends to the history what happened to an action.
pub async fn note(
    conn: &mut PgConnection,
    ids: &super::ids::Ids,
    action: &LeasedAction,
    kind: crate::engine::HistoryKind,
    detail: &serde_json::Value,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let history_id = ids.take(conn, 1).await?.first().copied().unwrap_or_default();
    sqlx::query(
        "insert into history (merchant_id, dispute_id, history_id, cycle_n, at, kind, cause, detail)
         values ($1, $2, $3, $4, $5, $6, $7, $8::json)",
    )
    .bind(action.merchant_id)
    .bind(action.dispute_id)
    .bind(history_id)
    .bind(action.cycle_n)
    .bind(now)
    .bind(kind.as_str())
    .bind(format!("action:{}", action.kind))
    .bind(detail.to_string())
    .execute(conn)
    .await?;
    Ok(())
}
