//! Writes what changed of disputes and cycles, one statement per noun; then what the steps said.
//! Decides nothing: what it is given is what is written.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use super::columns::column;
use super::rows::respond_by_kind;
use super::{Working, World, save_effects, told};
use crate::dispute::{Cycle, Dispute, RespondBy};
use crate::engine::{Case, CycleRow};

pub(super) async fn cases(
    conn: &mut PgConnection,
    world: &World,
    working: &[Working],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let changed = |w: &&Working| {
        let of = |case: &Case| (case.check_at, case.read_as_of);
        w.case.dispute != w.before.dispute || of(&w.case) != of(&w.before)
    };
    let cases: Vec<&Case> = working.iter().filter(changed).map(|w| &w.case).collect();
    disputes(conn, &cases, now).await?;
    follow(conn, &cases).await?;
    told::keep(conn, working).await?;
    // Cycles that ended go first: one open cycle per dispute at a time, also between two statements.
    let rows = working.iter().flat_map(changed_cycles);
    let (ended, open): (Vec<_>, Vec<_>) = rows.partition(|changed| changed.row.cycle.wake_at.is_none());
    for group in [ended, open] {
        let (known, new): (Vec<_>, Vec<_>) = group.into_iter().partition(|changed| changed.loaded.is_some());
        let (put_off, known): (Vec<_>, Vec<_>) = known.into_iter().partition(ChangedCycle::is_put_off);
        put_off_cycles(conn, &put_off).await?;
        update_cycles(conn, &known).await?;
        insert_cycles(conn, &new).await?;
    }
    save_effects::all(conn, world, working, now).await
}

struct ChangedCycle<'a> {
    case: &'a Case,
    row: &'a CycleRow,
    /// The same cycle as it was loaded.
    loaded: Option<&'a CycleRow>,
}

impl ChangedCycle<'_> {
    /// Nothing of it is new but when it is looked at next: most wakes.
    fn is_put_off(&self) -> bool {
        self.loaded.is_some_and(|loaded| {
            let wake_at = loaded.cycle.wake_at;
            loaded.plan == self.row.plan && loaded.cycle == Cycle { wake_at, ..self.row.cycle.clone() }
        })
    }

    fn loaded_wake_at(&self) -> Option<DateTime<Utc>> {
        self.loaded.and_then(|loaded| loaded.cycle.wake_at)
    }
}

fn changed_cycles(w: &Working) -> impl Iterator<Item = ChangedCycle<'_>> {
    let newest = w.case.newest.iter().filter(|_| w.case.newest != w.before.newest);
    w.case.ended.iter().chain(newest).map(|row| {
        let loaded = w.before.newest.as_ref().filter(|before| before.cycle.n == row.cycle.n);
        ChangedCycle { case: &w.case, row, loaded }
    })
}

async fn disputes(conn: &mut PgConnection, cases: &[&Case], now: DateTime<Utc>) -> sqlx::Result<()> {
    let rows: Vec<(&Dispute, &Case)> =
        cases.iter().filter_map(|case| Some((case.dispute.as_deref()?, *case))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let at = |respond_by: RespondBy| match respond_by {
        RespondBy::At(at) => Some(at),
        RespondBy::NotAllowed | RespondBy::Unstated => None,
    };
    sqlx::query(UPSERT_DISPUTES)
        .bind(column!(rows, |r| r.0.merchant_id))
        .bind(column!(rows, |r| r.0.dispute_id))
        .bind(column!(rows, |r| r.0.account_id))
        .bind(column!(rows, |r| r.0.dispute_ref.as_str()))
        .bind(column!(rows, |r| r.0.payment_ref.as_deref()))
        .bind(column!(rows, |r| r.0.charge_ref.as_deref()))
        .bind(column!(rows, |r| r.0.stage.as_str()))
        .bind(column!(rows, |r| r.0.status.as_str()))
        .bind(column!(rows, |r| r.0.provider_status.as_str()))
        .bind(column!(rows, |r| r.0.amount.minor))
        .bind(column!(rows, |r| r.0.amount.currency.as_str()))
        .bind(column!(rows, |r| r.0.reason.category.as_str()))
        .bind(column!(rows, |r| r.0.reason.provider_reason.as_str()))
        .bind(column!(rows, |r| r.0.reason.network_code.as_deref()))
        .bind(column!(rows, |r| r.0.reason.network.as_deref()))
        .bind(column!(rows, |r| at(r.0.respond_by)))
        .bind(column!(rows, |r| respond_by_kind(r.0.respond_by)))
        .bind(column!(rows, |r| r.0.opened_at))
        .bind(column!(rows, |r| r.0.as_of))
        .bind(column!(rows, |r| r.0.closed_at))
        .bind(column!(rows, |r| i32::try_from(r.0.submissions).unwrap_or(i32::MAX)))
        .bind(column!(rows, |r| r.0.evidence_staged))
        .bind(column!(rows, |r| r.0.past_due))
        .bind(column!(rows, |r| r.0.fee_required))
        .bind(column!(rows, |r| r.0.refunded))
        .bind(column!(rows, |r| r.0.customer_ref.as_deref()))
        .bind(column!(rows, |r| r.0.live))
        .bind(column!(rows, |r| r.0.funds_withdrawn_at))
        .bind(column!(rows, |r| r.0.funds_reinstated_at))
        .bind(column!(rows, |r| r.1.check_at))
        .bind(column!(rows, |r| r.1.read_as_of))
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Some providers give each stage an id of its own. There a dispute follows the newest one on the same payment
/// that is of another stage and opened no later. Looked for at every change until it is found: the one before
/// may arrive after it.
async fn follow(conn: &mut PgConnection, cases: &[&Case]) -> sqlx::Result<()> {
    let alone: Vec<&Dispute> = cases
        .iter()
        .filter(|case| case.account.capabilities.own_id_per_stage)
        .filter_map(|case| case.dispute.as_deref())
        .filter(|d| d.follows_ref.is_none() && d.payment_ref.is_some())
        .collect();
    if alone.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update disputes d
         set follows_ref = earlier.dispute_ref
         from unnest($1::bigint[], $2::bigint[]) as k (m, i)
         join disputes self on self.merchant_id = k.m and self.dispute_id = k.i
         cross join lateral (
             select o.dispute_ref
             from disputes o
             where o.merchant_id = self.merchant_id and o.payment_ref = self.payment_ref
                 and o.account_id = self.account_id and o.dispute_id <> self.dispute_id
                 and o.stage <> self.stage and o.opened_at <= self.opened_at
                 and o.follows_ref is distinct from self.dispute_ref
             order by o.opened_at desc, o.dispute_id desc
             limit 1
         ) earlier
         where d.merchant_id = k.m and d.dispute_id = k.i",
    )
    .bind(column!(alone, |d| d.merchant_id))
    .bind(column!(alone, |d| d.dispute_id))
    .execute(conn)
    .await?;
    Ok(())
}

const UPSERT_DISPUTES: &str = "
    insert into disputes as d (
        merchant_id, dispute_id, account_id, dispute_ref, payment_ref, charge_ref, stage, status, provider_status,
        amount_minor, currency, category, provider_reason, network_code, network, respond_by, respond_by_kind,
        opened_at, as_of, closed_at, submissions, evidence_staged, past_due, fee_required, refunded, customer_ref,
        live, funds_withdrawn_at, funds_reinstated_at, check_at, read_as_of, seen_at)
    select u.*, $32
    from unnest(
        $1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
        $16::timestamptz[], $17::text[], $18::timestamptz[], $19::timestamptz[], $20::timestamptz[],
        $21::integer[], $22::boolean[], $23::boolean[], $24::boolean[], $25::boolean[], $26::text[],
        $27::boolean[], $28::timestamptz[], $29::timestamptz[], $30::timestamptz[], $31::timestamptz[]) as u
    on conflict (merchant_id, dispute_id) do update set
        payment_ref = excluded.payment_ref,
        charge_ref = excluded.charge_ref,
        stage = excluded.stage,
        status = excluded.status,
        provider_status = excluded.provider_status,
        amount_minor = excluded.amount_minor,
        currency = excluded.currency,
        category = excluded.category,
        provider_reason = excluded.provider_reason,
        network_code = excluded.network_code,
        network = excluded.network,
        respond_by = excluded.respond_by,
        respond_by_kind = excluded.respond_by_kind,
        opened_at = excluded.opened_at,
        as_of = excluded.as_of,
        closed_at = excluded.closed_at,
        submissions = excluded.submissions,
        evidence_staged = excluded.evidence_staged,
        past_due = excluded.past_due,
        fee_required = excluded.fee_required,
        refunded = excluded.refunded,
        customer_ref = excluded.customer_ref,
        live = excluded.live,
        funds_withdrawn_at = excluded.funds_withdrawn_at,
        funds_reinstated_at = excluded.funds_reinstated_at,
        check_at = excluded.check_at,
        read_as_of = excluded.read_as_of,
        seen_at = excluded.seen_at";

async fn insert_cycles(conn: &mut PgConnection, rows: &[ChangedCycle<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    bind_cycles(INSERT_CYCLES, rows).execute(conn).await?;
    Ok(())
}

async fn update_cycles(conn: &mut PgConnection, rows: &[ChangedCycle<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    bind_cycles(UPDATE_CYCLES, rows).bind(column!(rows, |r| r.loaded_wake_at())).execute(conn).await?;
    Ok(())
}

/// A fifth of the columns of [`update_cycles`], and the plan is not written again.
async fn put_off_cycles(conn: &mut PgConnection, rows: &[ChangedCycle<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update cycles c
         set wake_at = case when c.wake_at is distinct from u.loaded then least(c.wake_at, u.wake_at) else u.wake_at end
         from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::timestamptz[], $5::timestamptz[])
             as u (m, i, n, wake_at, loaded)
         where c.merchant_id = u.m and c.dispute_id = u.i and c.n = u.n",
    )
    .bind(column!(rows, |r| r.case.merchant.merchant_id))
    .bind(column!(rows, |r| r.case.dispute_id))
    .bind(column!(rows, |r| r.row.cycle.n))
    .bind(column!(rows, |r| r.row.cycle.wake_at))
    .bind(column!(rows, |r| r.loaded_wake_at()))
    .execute(conn)
    .await?;
    Ok(())
}

fn bind_cycles<'q>(sql: &'static str, rows: &'q [ChangedCycle<'_>]) -> Query<'q, Postgres, PgArguments> {
    let plan =
        |row: &CycleRow| serde_json::to_string(&row.plan).expect("a plan is text, numbers and instants");
    sqlx::query(sql)
        .bind(column!(rows, |r| r.case.merchant.merchant_id))
        .bind(column!(rows, |r| r.case.dispute_id))
        .bind(column!(rows, |r| r.row.cycle.n))
        .bind(column!(rows, |r| r.row.cycle.stage.as_str()))
        .bind(column!(rows, |r| r.row.cycle.state.as_str()))
        .bind(column!(rows, |r| r.row.cycle.opened_at))
        .bind(column!(rows, |r| r.row.cycle.respond_by))
        .bind(column!(rows, |r| r.row.cycle.response.map(|response| response.as_str())))
        .bind(column!(rows, |r| r.row.cycle.answered_at))
        .bind(column!(rows, |r| r.row.cycle.ended_at))
        .bind(column!(rows, |r| r.row.cycle.wake_at))
        .bind(column!(rows, |r| plan(r.row)))
        .bind(column!(rows, |r| r.row.plan.answer.word()))
        .bind(column!(rows, |r| r.row.plan.rule_id.as_deref()))
        .bind(column!(rows, |r| r.row.plan.act_at))
        .bind(column!(rows, |r| r.row.plan.page_at))
        .bind(column!(rows, |r| r.row.plan.paged_at))
}

const INSERT_CYCLES: &str = "
    insert into cycles as c (
        merchant_id, dispute_id, n, stage, state, opened_at, respond_by, response, answered_at, ended_at, wake_at,
        plan, plan_kind, rule_id, act_at, page_at, paged_at)
    select m, i, n, stage, state, opened_at, respond_by, response, answered_at, ended_at, wake_at,
        plan::json, plan_kind, rule_id, act_at, page_at, paged_at
    from unnest(
        $1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
        $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[],
        $14::text[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[])
        as u (m, i, n, stage, state, opened_at, respond_by, response, answered_at, ended_at, wake_at, plan,
            plan_kind, rule_id, act_at, page_at, paged_at)";

/// For rows that were loaded: cheaper than an insert that finds each row there. A cycle that somebody had woken
/// since it was loaded (new rules, facts, evidence, the kill switch) stays woken: this turn has not seen why.
const UPDATE_CYCLES: &str = "
    update cycles c set
        state = u.state,
        respond_by = u.respond_by,
        response = u.response,
        answered_at = u.answered_at,
        ended_at = u.ended_at,
        wake_at = case
            when u.wake_at is not null and c.wake_at is distinct from u.loaded_wake_at
            then least(c.wake_at, u.wake_at)
            else u.wake_at
        end,
        plan = u.plan::json,
        plan_kind = u.plan_kind,
        rule_id = u.rule_id,
        act_at = u.act_at,
        page_at = u.page_at,
        paged_at = u.paged_at
    from unnest(
        $1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
        $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[],
        $14::text[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[])
        as u (m, i, n, stage, state, opened_at, respond_by, response, answered_at, ended_at, wake_at, plan,
            plan_kind, rule_id, act_at, page_at, paged_at, loaded_wake_at)
    where c.merchant_id = u.m and c.dispute_id = u.i and c.n = u.n";
