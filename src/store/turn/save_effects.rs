//! Writes what the steps of a turn said: history, decisions, packets, actions wanted and cancelled, alerts.
//! Decides nothing: what it is given is what is written.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::columns::column;
use super::{Said, Working, World};
use crate::dispute::FraudNotice;
use crate::engine::{ActionKind, Alert, Case, Decision, Effect, HistoryEntry};
use crate::evidence::Packet;

pub(super) async fn all(
    conn: &mut PgConnection,
    world: &World,
    working: &[Working],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    history(conn, world, working, now).await?;
    decisions(conn, world, working, now).await?;
    let mut gathered = Gathered::default();
    working.iter().for_each(|w| gathered.gather(w));
    cancel(conn, &gathered.cancels).await?;
    want(conn, world, &gathered.wants, now).await?;
    resolve(conn, &gathered.resolves).await?;
    tell(conn, world, &gathered.alerts, now).await?;
    notices(conn, &gathered.notices).await
}

struct Want<'a> {
    case: &'a Case,
    /// The cycle had such an action before this turn.
    again: bool,
    kind: ActionKind,
    subject: &'a str,
    cycle_n: i32,
    packet: Option<&'a Packet>,
    due_at: DateTime<Utc>,
}

/// The effects of a whole turn by kind, in order, each with its case.
#[derive(Default)]
struct Gathered<'a> {
    wants: Vec<Want<'a>>,
    cancels: Vec<(&'a Case, i32, &'a str)>,
    resolves: Vec<(&'a Case, i32, &'a str)>,
    alerts: Vec<(&'a Case, &'a Alert)>,
    notices: Vec<(&'a Case, &'a FraudNotice, DateTime<Utc>)>,
}

impl<'a> Gathered<'a> {
    fn gather(&mut self, w: &'a Working) {
        let case = &w.case;
        let first = self.wants.len();
        for effect in w.steps.iter().flat_map(|said| &said.outcome.effects) {
            match effect {
                Effect::Want { kind, subject, cycle_n, packet, due_at } => {
                    let packet = packet.as_ref();
                    let again = w.before.action(*kind, subject).is_some();
                    self.wants.push(Want {
                        case,
                        again,
                        kind: *kind,
                        subject,
                        cycle_n: *cycle_n,
                        packet,
                        due_at: *due_at,
                    });
                }
                // Also takes back what an earlier step of the same turn wanted.
                Effect::Cancel { cycle_n, why } => {
                    let own = self.wants.split_off(first);
                    self.wants.extend(own.into_iter().filter(|want| want.cycle_n != *cycle_n));
                    self.cancels.push((case, *cycle_n, why));
                }
                Effect::Tell(alert) => self.alerts.push((case, alert)),
                Effect::ResolveAlerts { cycle_n, why } => {
                    self.alerts.retain(|(other, alert)| {
                        other.dispute_id != case.dispute_id || alert.cycle_n != Some(*cycle_n)
                    });
                    self.resolves.push((case, *cycle_n, why));
                }
                Effect::KeepNotice { notice, as_of } => self.notices.push((case, notice, *as_of)),
            }
        }
    }
}

async fn history(
    conn: &mut PgConnection,
    world: &World,
    working: &[Working],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let rows: Vec<(&Case, &Said, &HistoryEntry)> = working
        .iter()
        .flat_map(|w| {
            w.steps.iter().flat_map(move |said| said.outcome.history.iter().map(move |e| (&w.case, said, e)))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut ids = world.ids.take(conn, rows.len()).await?;
    ids.sort_unstable();
    sqlx::query(
        "insert into history (merchant_id, dispute_id, history_id, cycle_n, at, kind, cause, delivery_id, detail)
         select m, i, h, n, $9, kind, cause, delivery, detail::json
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::text[], $7::bigint[],
             $8::text[]) as u (m, i, h, n, kind, cause, delivery, detail)",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(column!(rows, |r| r.0.dispute_id))
    .bind(ids)
    .bind(column!(rows, |r| r.2.cycle_n))
    .bind(column!(rows, |r| r.2.kind.as_str()))
    .bind(column!(rows, |r| r.1.cause.as_str()))
    .bind(column!(rows, |r| r.1.delivery_id))
    .bind(column!(rows, |r| r.2.detail.to_string()))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn decisions(
    conn: &mut PgConnection,
    world: &World,
    working: &[Working],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let rows: Vec<(&Case, &Decision)> = working
        .iter()
        .flat_map(|w| w.steps.iter().flat_map(|said| said.outcome.decisions.iter().map(|d| (&w.case, d))))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut ids = world.ids.take(conn, rows.len()).await?;
    ids.sort_unstable();
    sqlx::query(
        "insert into decisions (merchant_id, dispute_id, decision_id, cycle_n, at, decided_by, ruleset_version,
             rule_id, answer, act_at, shadow, detail)
         select m, i, d, n, $12, decided_by, version, rule, answer, act_at, shadow, detail
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::integer[], $7::text[],
             $8::text[], $9::timestamptz[], $10::boolean[], $11::text[])
             as u (m, i, d, n, decided_by, version, rule, answer, act_at, shadow, detail)",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(column!(rows, |r| r.0.dispute_id))
    .bind(ids)
    .bind(column!(rows, |r| r.1.cycle_n))
    .bind(column!(rows, |r| r.1.decided_by.as_str()))
    .bind(column!(rows, |r| r.1.ruleset_version))
    .bind(column!(rows, |r| r.1.rule_id.as_deref()))
    .bind(column!(rows, |r| r.1.answer.word()))
    .bind(column!(rows, |r| r.1.act_at))
    .bind(column!(rows, |r| r.1.shadow))
    .bind(column!(rows, |r| r.1.detail.as_str()))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Only what was never sent can be cancelled; what was sent is settled by reading the provider's record.
async fn cancel(conn: &mut PgConnection, rows: &[(&Case, i32, &str)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update actions a
         set state = 'cancelled', due_at = null, note = u.why
         from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[]) as u (m, i, n, why)
         where a.merchant_id = u.m and a.dispute_id = u.i and a.cycle_n = u.n and a.state = 'wanted'",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(column!(rows, |r| r.0.dispute_id))
    .bind(column!(rows, |r| r.1))
    .bind(column!(rows, |r| r.2))
    .execute(conn)
    .await?;
    Ok(())
}

async fn want(
    conn: &mut PgConnection,
    world: &World,
    wants: &[Want<'_>],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // The last word on one action of a cycle counts; earlier ones of the same turn were never seen by anybody.
    let mut seen = HashSet::new();
    let mut rows: Vec<&Want<'_>> = wants
        .iter()
        .rev()
        .filter(|w| seen.insert((w.case.dispute_id, w.cycle_n, w.kind, w.subject)))
        .collect();
    rows.reverse();
    if rows.is_empty() {
        return Ok(());
    }
    let packets = packets(conn, world, &rows, now).await?;
    let ids = world.ids.take(conn, rows.len()).await?;
    let columns = (
        column!(rows, |w| w.case.merchant.merchant_id),
        column!(rows, |w| w.case.dispute_id),
        column!(rows, |w| w.cycle_n),
        column!(rows, |w| w.kind.as_str()),
        column!(rows, |w| w.subject),
        column!(rows, |w| w.due_at),
    );
    // Only what the cycle had already can be wanted again.
    let again = rows.iter().any(|w| w.again);
    let rearm = sqlx::query(REARM)
        .bind(&columns.0)
        .bind(&columns.1)
        .bind(&columns.2)
        .bind(&columns.3)
        .bind(&columns.4)
        .bind(&columns.5)
        .bind(&packets)
        .bind(now);
    if again {
        rearm.execute(&mut *conn).await?;
    }
    sqlx::query(
        "insert into actions (merchant_id, dispute_id, cycle_n, kind, subject, due_at, packet_id, action_id, account_id,
             irreversible, state, fence, generation, attempts, wanted_at)
         select m, i, n, kind, subject, due_at, packet, a, account, irreversible, 'wanted', 0, 1, 0, $11
         from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[],
             $8::bigint[], $9::bigint[], $10::boolean[])
             as u (m, i, n, kind, subject, due_at, packet, a, account, irreversible)
         on conflict do nothing",
    )
    .bind(columns.0)
    .bind(columns.1)
    .bind(columns.2)
    .bind(columns.3)
    .bind(columns.4)
    .bind(columns.5)
    .bind(packets)
    .bind(ids)
    .bind(column!(rows, |w| w.case.account.account_id))
    .bind(column!(rows, |w| w.kind.irreversible()))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// An intent that was refused, cancelled, or is repeatable is wanted again under a new generation, unless
/// another irreversible one of the same cycle is alive (P4). What is alive itself stays as it is.
const REARM: &str = "
    update actions a
    set state = 'wanted', due_at = u.due_at, packet_id = coalesce(u.packet, a.packet_id), wanted_at = $8,
        done_at = null, note = null, sent_at = null, attempts = 0, generation = a.generation + 1
    from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[])
        as u (m, i, n, kind, subject, due_at, packet)
    where a.merchant_id = u.m and a.dispute_id = u.i and a.cycle_n = u.n and a.kind = u.kind and a.subject = u.subject
        and (a.state in ('refused', 'cancelled') or (not a.irreversible and a.state in ('wanted', 'done')))
        and (not a.irreversible or not exists (
            select 1 from actions o
            where o.merchant_id = u.m and o.dispute_id = u.i and o.cycle_n = u.n
                and o.irreversible and o.state in ('wanted', 'sent', 'unknown', 'done')))";

/// Freezes the packets of the wants that carry one; `None` for the others.
async fn packets(
    conn: &mut PgConnection,
    world: &World,
    wants: &[&Want<'_>],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Option<i64>>> {
    let rows: Vec<(&Want<'_>, &Packet)> = wants.iter().filter_map(|w| Some((*w, w.packet?))).collect();
    if rows.is_empty() {
        return Ok(vec![None; wants.len()]);
    }
    let ids = world.ids.take(conn, rows.len()).await?;
    sqlx::query(
        "insert into packets (merchant_id, packet_id, dispute_id, cycle_n, digest, packet, made_at)
         select m, p, i, n, digest, packet::json, $7
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::bytea[], $6::text[])
             as u (m, p, i, n, digest, packet)",
    )
    .bind(column!(rows, |r| r.0.case.merchant.merchant_id))
    .bind(&ids)
    .bind(column!(rows, |r| r.0.case.dispute_id))
    .bind(column!(rows, |r| r.0.cycle_n))
    .bind(column!(rows, |r| r.1.digest().to_vec()))
    .bind(column!(rows, |r| serde_json::to_string(r.1).expect("a packet is text, lists and numbers")))
    .bind(now)
    .execute(conn)
    .await?;
    let mut ids = ids.into_iter();
    Ok(wants.iter().map(|w| w.packet.and_then(|_| ids.next())).collect())
}

async fn resolve(conn: &mut PgConnection, rows: &[(&Case, i32, &str)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts a
         set state = 'resolved', next_at = null, note = u.why
         from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[]) as u (m, i, n, why)
         where a.merchant_id = u.m and a.dispute_id = u.i and a.cycle_n = u.n and a.state in ('raised', 'sent')",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(column!(rows, |r| r.0.dispute_id))
    .bind(column!(rows, |r| r.1))
    .bind(column!(rows, |r| r.2))
    .execute(conn)
    .await?;
    Ok(())
}

async fn tell(
    conn: &mut PgConnection,
    world: &World,
    rows: &[(&Case, &Alert)],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids = world.ids.take(conn, rows.len()).await?;
    let needs_ack = |alert: &Alert| alert.severity == crate::engine::Severity::Page;
    sqlx::query(
        "insert into alerts (merchant_id, alert_id, dispute_id, cycle_n, kind, severity, dedupe_key, title, detail,
             needs_ack, raised_at, state, next_at, sends, failures, escalation, fence)
         select m, a, i, n, kind, severity, key, title, detail::json, needs_ack, $11, 'raised', $11, 0, 0, 0, 0
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::boolean[])
             as u (m, a, i, n, kind, severity, key, title, detail, needs_ack)
         on conflict (merchant_id, dedupe_key) do nothing",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(ids)
    .bind(column!(rows, |r| r.0.dispute_id))
    .bind(column!(rows, |r| r.1.cycle_n))
    .bind(column!(rows, |r| r.1.kind.as_str()))
    .bind(column!(rows, |r| r.1.severity.as_str()))
    .bind(column!(rows, |r| format!("{}:{}", r.0.dispute_id, r.1.key)))
    .bind(column!(rows, |r| r.1.title.as_str()))
    .bind(column!(rows, |r| r.1.detail.to_string()))
    .bind(column!(rows, |r| needs_ack(r.1)))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn notices(conn: &mut PgConnection, rows: &[(&Case, &FraudNotice, DateTime<Utc>)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    // A notice told of twice in one turn is one row: the newest, and of two as new the one that came last.
    sqlx::query(
        "insert into fraud_notices as f (merchant_id, account_id, notice_ref, payment_ref, charge_ref, fraud_type,
             actionable, live, as_of)
         select distinct on (m, a, ref) m, a, ref, payment, charge, fraud_type, actionable, live, as_of
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
             $8::boolean[], $9::timestamptz[]) with ordinality
             as u (m, a, ref, payment, charge, fraud_type, actionable, live, as_of, nth)
         order by m, a, ref, as_of desc, nth desc
         on conflict (merchant_id, account_id, notice_ref) do update
         set fraud_type = excluded.fraud_type, actionable = excluded.actionable, as_of = excluded.as_of
         where f.as_of <= excluded.as_of",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(column!(rows, |r| r.0.account.account_id))
    .bind(column!(rows, |r| r.1.notice_ref.as_str()))
    .bind(column!(rows, |r| r.1.payment_ref.as_deref()))
    .bind(column!(rows, |r| r.1.charge_ref.as_deref()))
    .bind(column!(rows, |r| r.1.fraud_type.as_str()))
    .bind(column!(rows, |r| r.1.actionable))
    .bind(column!(rows, |r| r.1.live))
    .bind(column!(rows, |r| r.2))
    .execute(conn)
    .await?;
    Ok(())
}
