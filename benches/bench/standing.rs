//! The shipped process over time: how soon what a webhook says is decided, and what it costs to stand by with a
//! thousand and with a million open cycles that want nothing.

use std::time::{Duration, Instant};

use respondby::app::Engine;
use respondby::worker::{self, Backlog};

use crate::Effort;
use crate::cluster::{Cluster, Scratch};
use crate::engine;
use crate::intake::ms;
use crate::load::{Order, Running};
use crate::measured::{Spent, median, resident_mib};
use crate::population::{Due, empty_state, open_cycles};
use crate::report::Report;
use crate::requests::Sender;
use crate::served::Served;

/// Everything that is listed, polled or read at the start is over by then.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// Empty rounds of steps.
const LOOKS: u32 = 2_000;

/// From the receipt of a webhook to the commit of what was decided about it, at 500 a second.
pub async fn measure_decisions(cluster: &Cluster, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    println!("webhook received to decision committed, 500 a second");
    let database = cluster.scratch("bench_decisions").await?;
    engine::publish(&database).await?;
    let mut p99 = Vec::new();
    for round in 0..effort.rounds as u64 {
        empty_state(&database).await?;
        let served = Served::product(&database, &["intake", "worker"]).await?;
        let order = Order {
            addr: served.addr.clone(),
            sender: Sender::stripe(),
            connections: 64,
            warm_up_ms: 1_000,
            window_ms: ms(effort.window * 2),
            first: 700_000_000_000 + round * 1_000_000,
            rate: Some(500.0),
        };
        let mut load = Running::start(&order).await?;
        load.end_of_window().await?;
        load.seen().await?;
        p99.push(slowest_hundredth_ms(&database).await?);
        served.stop().await?;
    }
    report.at_most("p99 of webhook to decision at 500/s", (median(p99), "ms"), ("promised", 100.0), 1.0);
    Ok(())
}

async fn slowest_hundredth_ms(database: &Scratch) -> anyhow::Result<f64> {
    let (settled, p99): (i64, Option<f64>) = sqlx::query_as(
        "select count(*),
             percentile_cont(0.99) within group (order by extract(epoch from settled_at - received_at)::double precision)
         from deliveries where state = 'settled'",
    )
    .fetch_one(&database.pool)
    .await?;
    if settled <= 500 {
        let others: Vec<(String, Option<String>, i64)> = sqlx::query_as(
            "select state, note, count(*) from deliveries group by state, note order by 3 desc limit 5",
        )
        .fetch_all(&database.pool)
        .await?;
        anyhow::bail!("only {settled} webhooks were decided; there are {others:?}");
    }
    Ok(p99.unwrap_or(f64::INFINITY) * 1000.0)
}

/// What it takes to have nothing to do: to look and find nothing, and to stand by. Each population is laid down once.
pub async fn measure_idle(cluster: &Cluster, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let many = if quick { 100_000 } else { 1_000_000 };
    println!("idle at a thousand and at {many} open cycles");
    let database = cluster.scratch("bench_idle").await?;
    let window = Duration::from_secs(if quick { 5 } else { 60 });
    let (mut rows, mut looks, mut cpu, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for open in [1_000, many] {
        let engine = engine::engine(&database, "accept = { after = \"1h\" }").await?;
        open_cycles(&database, open, Due::None).await?;
        empty_looks(&engine, 200).await?;
        let before = rows_read(&database).await?;
        looks.push(empty_looks(&engine, LOOKS).await? * 1e6);
        rows.push((rows_read(&database).await? - before) as f64 / f64::from(LOOKS));
        engine.stop().await?;

        let served = Served::product(&database, &["intake", "worker"]).await?;
        tokio::time::sleep(SETTLED_AFTER).await;
        let spent =
            || -> anyhow::Result<f64> { Ok(Spent::of(served.pid)?.seconds + cluster.spent()?.seconds) };
        let before = spent()?;
        tokio::time::sleep(window).await;
        cpu.push((spent()? - before) / window.as_secs_f64() * 1000.0);
        memory = resident_mib(served.pid)?.1;
        served.stop().await?;
    }
    let name = "rows read by an empty round of steps, many open";
    report.at_most(name, (rows[1], "rows"), ("few open", rows[0]), 1.0);
    report.at_most("an empty round of steps, many open", (looks[1], "us"), ("few open", looks[0]), 2.0);
    report.at_most("processor while idle, many open", (cpu[1], "ms/s"), ("few open", cpu[0]), 1.2);
    report.at_most("memory with many open cycles", (memory, "MiB"), ("promised", 64.0), 1.0);
    Ok(())
}

async fn empty_looks(engine: &Engine, times: u32) -> anyhow::Result<f64> {
    let backlog = Backlog::default();
    let began = Instant::now();
    for _ in 0..times {
        worker::apply(&engine.shop).await?;
        worker::wake(&engine.shop, &backlog).await?;
        worker::act(&engine.shop).await?;
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(times))
}

/// Rows that any statement fetched from tables or indexes of this database so far.
async fn rows_read(database: &Scratch) -> anyhow::Result<i64> {
    let mut conn = database.pool.acquire().await?;
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *conn).await?;
    Ok(sqlx::query_scalar(
        "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint from pg_stat_user_tables",
    )
    .fetch_one(&mut *conn)
    .await?)
}
