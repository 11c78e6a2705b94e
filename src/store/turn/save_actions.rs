//! Writes the actions that the steps of a turn wanted and cancelled, with the packets they carry.
//! Decides nothing: what it is given is what is written, and the unique keys have the last word (P4).

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use super::World;
use super::columns::column;
use crate::dispute::DisputeId;
use crate::engine::{ActionKind, Case};
use crate::evidence::Packet;

pub(super) struct Want<'a> {
    pub case: &'a Case,
    /// The cycle had such an action before this turn.
    pub again: bool,
    /// The cycle had none at all, so nothing can be in the way of this one.
    pub first: bool,
    pub kind: ActionKind,
    pub subject: &'a str,
    pub cycle_n: i32,
    pub packet: Option<&'a Packet>,
    pub due_at: DateTime<Utc>,
}

/// Only what was never sent can be cancelled; what was sent is settled by reading the provider's record. Where that
/// cannot be read this news is all there is, so what waits for it is taken up now.
pub(super) async fn cancel(
    conn: &mut PgConnection,
    rows: &[(&Case, i32, &str)],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
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
    .execute(&mut *conn)
    .await?;
    let unread: Vec<_> = rows.iter().filter(|r| !r.0.account.capabilities.fetch).collect();
    if unread.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update actions a
         set due_at = least(a.due_at, $4)
         from unnest($1::bigint[], $2::bigint[], $3::integer[]) as u (m, i, n)
         where a.merchant_id = u.m and a.dispute_id = u.i and a.cycle_n = u.n and a.leased_until is null
             and a.irreversible and a.state in ('sent', 'unknown')",
    )
    .bind(column!(unread, |r| r.0.merchant.merchant_id))
    .bind(column!(unread, |r| r.0.dispute_id))
    .bind(column!(unread, |r| r.1))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) type GivenUp<'a> = (&'a Case, i32, ActionKind, &'a str);

/// Lost calls that are not waited for any more. Whoever has one in hand loses it with its fence.
pub(super) async fn give_up(conn: &mut PgConnection, rows: &[GivenUp<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update actions a
         set state = 'cancelled', due_at = null, leased_until = null, fence = a.fence + 1, note = u.why
         from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[]) as u (m, i, n, kind, why)
         where a.merchant_id = u.m and a.dispute_id = u.i and a.cycle_n = u.n and a.kind = u.kind
             and a.irreversible and a.state = 'unknown'",
    )
    .bind(column!(rows, |r| r.0.merchant.merchant_id))
    .bind(column!(rows, |r| r.0.dispute_id))
    .bind(column!(rows, |r| r.1))
    .bind(column!(rows, |r| r.2.as_str()))
    .bind(column!(rows, |r| r.3))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn want(
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
    // Only what the cycle had already can be wanted again.
    if rows.iter().any(|w| w.again) {
        intents(REARM, &rows, &packets).bind(now).execute(&mut *conn).await?;
    }
    // Two irreversible ones of a cycle in one turn are for the database to choose from.
    let mut irreversible = HashSet::new();
    let doubled: HashSet<(DisputeId, i32)> = rows
        .iter()
        .filter(|w| w.kind.irreversible())
        .map(|w| (w.case.dispute_id, w.cycle_n))
        .filter(|cycle| !irreversible.insert(*cycle))
        .collect();
    let alone = |w: &Want<'_>| w.first && !doubled.contains(&(w.case.dispute_id, w.cycle_n));
    let (first, others): (Vec<_>, Vec<_>) = rows.into_iter().zip(packets).partition(|(w, _)| alone(w));
    insert_intents(conn, world, INSERT_FIRST, first, now).await?;
    insert_intents(conn, world, INSERT_UNLESS_THERE, others, now).await
}

fn intents<'q>(
    sql: &'static str,
    rows: &'q [&Want<'_>],
    packets: &[Option<i64>],
) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql)
        .bind(column!(rows, |w| w.case.merchant.merchant_id))
        .bind(column!(rows, |w| w.case.dispute_id))
        .bind(column!(rows, |w| w.cycle_n))
        .bind(column!(rows, |w| w.kind.as_str()))
        .bind(column!(rows, |w| w.subject))
        .bind(column!(rows, |w| w.due_at))
        .bind(packets.to_vec())
}

async fn insert_intents(
    conn: &mut PgConnection,
    world: &World,
    sql: &'static str,
    rows: Vec<(&Want<'_>, Option<i64>)>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (rows, packets): (Vec<&Want<'_>>, Vec<Option<i64>>) = rows.into_iter().unzip();
    let ids = world.ids.take(conn, rows.len()).await?;
    intents(sql, &rows, &packets)
        .bind(ids)
        .bind(column!(rows, |w| w.case.account.account_id))
        .bind(column!(rows, |w| w.kind.irreversible()))
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

macro_rules! insert_intents {
    ($on_conflict:literal) => {
        concat!(
            "insert into actions (merchant_id, dispute_id, cycle_n, kind, subject, due_at, packet_id, action_id,
                 account_id, irreversible, state, fence, generation, attempts, wanted_at)
             select m, i, n, kind, subject, due_at, packet, a, account, irreversible, 'wanted', 0, 1, 0, $11
             from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[],
                 $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[])
                 as u (m, i, n, kind, subject, due_at, packet, a, account, irreversible)",
            $on_conflict
        )
    };
}

/// The first actions of their cycles: nothing can be there. A third cheaper than looking for conflicts.
const INSERT_FIRST: &str = insert_intents!("");
const INSERT_UNLESS_THERE: &str = insert_intents!(" on conflict do nothing");

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
