//! What Postgres itself can do with the same rows on the same tables: R1 for intake, R3 for wakes.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use respondby::clock::Clock;
use respondby::store::deliveries::month_of;
use sqlx::PgConnection;

use crate::Effort;
use crate::bodies::Bodies;
use crate::cluster::Scratch;

/// Rows of a statement of R1: what the product's writers take at most.
const BATCH: u64 = 256;
const CONNECTIONS: u64 = 2;
/// Rows of a transaction of R3.
const WAKES: i64 = 500;

const HEADERS: &str = r#"[["host","bench"],["content-type","application/json; charset=utf-8"],["user-agent","Stripe/1.0 (+https://stripe.com/docs/webhooks)"],["accept","*/*; q=0.5, application/xml"],["cache-control","no-cache"],["stripe-signature","t=1790000000,v1=0000000000000000000000000000000000000000000000000000000000000000"],["content-length","3000"]]"#;

/// R1: rows a second by multi-row inserts of the same bodies into the product's own table, on two
/// connections, and nothing else.
pub async fn raw_inserts(database: &Scratch, effort: Effort, first: u64) -> anyhow::Result<f64> {
    database.empty("deliveries").await?;
    let now = Clock::system().now();
    let bodies = Bodies::new(now.timestamp(), now.timestamp() + 20 * 86_400);
    let until = Instant::now() + effort.window;
    let writers: Vec<_> = (0..CONNECTIONS)
        .map(|w| {
            let (pool, bodies) = (database.pool.clone(), bodies.clone());
            tokio::spawn(async move {
                let mut conn = pool.acquire().await?;
                sqlx::query("set plan_cache_mode = force_generic_plan").execute(&mut *conn).await?;
                let mut rows = 0;
                let began = Instant::now();
                while Instant::now() < until {
                    let from = first + w * 1_000_000_000 + rows;
                    insert(&mut conn, &bodies, from, now).await?;
                    rows += BATCH;
                }
                anyhow::Ok(rows as f64 / began.elapsed().as_secs_f64())
            })
        })
        .collect();
    let mut per_s = 0.0;
    for writer in writers {
        per_s += writer.await??;
    }
    Ok(per_s)
}

async fn insert(conn: &mut PgConnection, bodies: &Bodies, from: u64, now: DateTime<Utc>) -> sqlx::Result<()> {
    let numbers: Vec<u64> = (from..from + BATCH).collect();
    let month: NaiveDate = month_of(now);
    sqlx::query(
        "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
             claimed_at, headers, body, state)
         select 1, 1, i.delivery_id, $1, $2, 'webhook', i.dedupe_key, $2, i.headers, i.body, 'kept'
         from unnest($3::bigint[], $4::text[], $5::text[], $6::bytea[])
             as i (delivery_id, dedupe_key, headers, body)",
    )
    .bind(month)
    .bind(now)
    .bind(numbers.iter().map(|n| *n as i64).collect::<Vec<_>>())
    .bind(numbers.iter().map(|n| Bodies::event_id(*n)).collect::<Vec<_>>())
    .bind(vec![HEADERS; numbers.len()])
    .bind(numbers.iter().map(|n| bodies.body(*n)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// R3: wakes a second by a bare loop on one connection: claim what is due, set it to the future, log it, one
/// transaction per batch.
pub async fn bare_wakes(database: &Scratch, open: i64) -> anyhow::Result<()> {
    for statement in [
        "drop table if exists bench_wakes, bench_wake_log",
        "create table bench_wakes (id bigint primary key, wake_at timestamptz) with (fillfactor = 80)",
        "create index bench_wakes_wake on bench_wakes (wake_at) where wake_at is not null",
        "create table bench_wake_log (id bigint not null, at timestamptz not null, what text not null)",
    ] {
        sqlx::query(statement).execute(&database.pool).await?;
    }
    sqlx::query(
        "insert into bench_wakes select n, '2020-01-01Z'::timestamptz + n * interval '1 ms' from generate_series(1, $1) n",
    )
    .bind(open)
    .execute(&database.pool)
    .await?;
    sqlx::query("vacuum analyze bench_wakes").execute(&database.pool).await?;
    sqlx::query("checkpoint").execute(&database.pool).await?;
    Ok(())
}

pub async fn fire_bare_wakes(database: &Scratch, window: Duration) -> anyhow::Result<f64> {
    let mut conn = database.pool.acquire().await?;
    let now = Clock::system().now();
    let (began, mut fired) = (Instant::now(), 0);
    while began.elapsed() < window {
        let batch = fire(&mut conn, now).await?;
        fired += batch;
        if batch < WAKES {
            break;
        }
    }
    Ok(fired as f64 / began.elapsed().as_secs_f64())
}

async fn fire(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    let done = sqlx::query(
        "with fired as (
             update bench_wakes set wake_at = $1 + interval '1 day'
             where id = any (array(
                 select id from bench_wakes where wake_at <= $1
                 order by wake_at
                 limit $2
                 for update skip locked))
             returning id)
         insert into bench_wake_log select id, $1, 'woke' from fired",
    )
    .bind(now)
    .bind(WAKES)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() as i64)
}
