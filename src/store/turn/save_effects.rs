//! Writes what the steps of a turn said: history, decisions, alerts, and by its neighbour the actions.
//! Decides nothing: what it is given is what is written.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::columns::{column, json_text};
use super::save_actions::{self, GivenUp, Want};
use super::{Said, Working, World};
use crate::dispute::FraudNotice;
use crate::engine::{Alert, Case, Decision, Effect, HistoryEntry};

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
    save_actions::cancel(conn, &gathered.cancels, now).await?;
    save_actions::give_up(conn, &gathered.given_up).await?;
    save_actions::want(conn, world, &gathered.wants, now).await?;
    resolve(conn, &gathered.resolves).await?;
    withdraw(conn, &gathered.withdrawn).await?;
    tell(conn, world, &gathered.alerts, now).await?;
    notices(conn, &gathered.notices).await
}

/// The effects of a whole turn by kind, in order, each with its case.
#[derive(Default)]
struct Gathered<'a> {
    wants: Vec<Want<'a>>,
    cancels: Vec<(&'a Case, i32, &'a str)>,
    given_up: Vec<GivenUp<'a>>,
    resolves: Vec<(&'a Case, i32, &'a str)>,
    withdrawn: Vec<(&'a Case, &'a str, &'a str)>,
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
                    let of_loaded = w.before.newest.as_ref().is_some_and(|row| row.cycle.n == *cycle_n);
                    let first = !of_loaded || w.before.actions.is_empty();
                    self.wants.push(Want {
                        case,
                        again,
                        first,
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
                Effect::GiveUp { kind, cycle_n, why } => self.given_up.push((case, *cycle_n, *kind, why)),
                Effect::Tell(alert) => self.alerts.push((case, alert)),
                Effect::ResolveAlerts { cycle_n, why } => {
                    self.alerts.retain(|(other, alert)| {
                        other.dispute_id != case.dispute_id || alert.cycle_n != Some(*cycle_n)
                    });
                    self.resolves.push((case, *cycle_n, why));
                }
                Effect::Withdraw { key, why } => {
                    self.alerts.retain(|(other, alert)| {
                        other.dispute_id != case.dispute_id || !alert.key.starts_with(key.as_str())
                    });
                    self.withdrawn.push((case, key, why));
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
    .bind(column!(rows, |r| json_text(&r.2.detail)))
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

async fn withdraw(conn: &mut PgConnection, rows: &[(&Case, &str, &str)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts a
         set state = 'resolved', next_at = null, note = u.why
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) as u (m, i, key, why)
         where a.merchant_id = u.m and a.dispute_id = u.i and starts_with(a.dedupe_key, u.key)
             and a.state in ('raised', 'sent')",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(column!(rows, |r| r.0.dispute_id))
    .bind(column!(rows, |r| format!("{}:{}", r.0.dispute_id, r.1)))
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
    .bind(column!(rows, |r| json_text(&r.1.detail)))
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
