//! Intake against R1 and R2: how much, how dear, how late, how large.

use std::time::Duration;

use crate::Effort;
use crate::cluster::{Cluster, Scratch};
use crate::load::{Order, Running, Seen};
use crate::measured::{Spent, median, resident_mib};
use crate::report::Report;
use crate::requests::Sender;
use crate::served::Served;
use crate::yardstick;

/// How much longer a flush takes on the slower disk, microseconds: `commit_delay`.
const SLOWER_BY_US: u32 = 3000;
/// The textbook's pools: as textbooks have it, and as large as helps it on the slower disk.
const POOL: u32 = 16;
const POOL_SLOW: u32 = 64;

/// One run of load against one server.
pub struct Round {
    pub seen: Seen,
    /// Processor time of the server and of Postgres per request, microseconds.
    pub cpu_us: f64,
}

/// Numbers events, so that no two runs send the same.
pub struct Events(pub u64);

impl Events {
    pub fn next_million(&mut self) -> u64 {
        self.0 += 1_000_000;
        self.0
    }
}

pub async fn measure(cluster: &Cluster, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let database = cluster.scratch("bench_intake").await?;
    let mut events = Events(0);
    println!("durable intake at 256 connections, against R1 and R2");
    at_saturation(cluster, &database, effort, &mut events, report).await?;
    println!("the same with each flush {SLOWER_BY_US} us slower");
    cluster.slow_flush_by(SLOWER_BY_US).await?;
    for connections in [64, 256] {
        slow_disk(cluster, &database, effort, &mut events, connections, report).await?;
    }
    cluster.slow_flush_by(0).await?;
    println!("500 webhooks a second");
    at_a_steady_rate(cluster, &database, effort, &mut events, report).await
}

async fn at_saturation(
    cluster: &Cluster,
    database: &Scratch,
    effort: Effort,
    events: &mut Events,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut r1, mut r2, mut product) = (Vec::new(), Vec::new(), Vec::new());
    let (mut r2_cpu, mut product_cpu, mut memory, mut growth) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut ready = Vec::new();
    for _ in 0..effort.rounds {
        r1.push(yardstick::raw_inserts(database, effort, 500_000_000_000 + events.next_million()).await?);

        let served = ready_product(database).await?;
        ready.push(served.ready_after.as_secs_f64());
        let round = run(cluster, &served, effort, events, 256, None).await?;
        let (before, _) = resident_mib(served.pid)?;
        // Once more on the same process: what it holds must not grow.
        run(cluster, &served, effort, events, 256, None).await?;
        let (after, most) = resident_mib(served.pid)?;
        served.stop().await?;
        product.push(round.seen.per_s());
        product_cpu.push(round.cpu_us);
        memory.push(most);
        growth.push(after / before);

        let served = ready_textbook(database, POOL).await?;
        let round = run(cluster, &served, effort, events, 256, None).await?;
        served.stop().await?;
        r2.push(round.seen.per_s());
        r2_cpu.push(round.cpu_us);
    }
    let (r1, r2, product) = (median(r1), median(r2), median(product));
    report.at_least("durable intake, 256 connections", (product, "req/s"), ("R1", r1), 0.5);
    report.at_least("durable intake, 256 connections", (product, "req/s"), ("R2", r2), 3.5);
    let (r2_cpu, product_cpu) = (median(r2_cpu), median(product_cpu));
    report.at_most("processor time per request", (product_cpu, "us"), ("R2", r2_cpu), 0.25);
    report.at_most("memory at saturation", (median(memory), "MiB"), ("limit", 64.0), 1.0);
    report.at_most("memory after as much again", (median(growth), "times"), ("before", 1.0), 1.1);
    report.at_most("serve ready on an existing database", (median(ready), "s"), ("limit", 0.5), 1.0);
    Ok(())
}

async fn slow_disk(
    cluster: &Cluster,
    database: &Scratch,
    effort: Effort,
    events: &mut Events,
    connections: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let effort = Effort { window: effort.window / 2, ..effort };
    let (mut r2, mut product) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let served = ready_product(database).await?;
        product.push(run(cluster, &served, effort, events, connections, None).await?.seen.per_s());
        served.stop().await?;
        let served = ready_textbook(database, POOL_SLOW).await?;
        r2.push(run(cluster, &served, effort, events, connections, None).await?.seen.per_s());
        served.stop().await?;
    }
    let name = format!("flush slowed, {connections} connections");
    report.at_least(&name, (median(product), "req/s"), ("R2, pool of 64", median(r2)), 1.0);
    Ok(())
}

async fn at_a_steady_rate(
    cluster: &Cluster,
    database: &Scratch,
    effort: Effort,
    events: &mut Events,
    report: &mut Report,
) -> anyhow::Result<()> {
    // A percentile wants requests, not speed: longer windows, and never one round alone.
    let effort = Effort { rounds: effort.rounds.max(3), window: effort.window * 2, ..effort };
    let (mut r2, mut product, mut r2_half, mut product_half) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let served = ready_product(database).await?;
        let seen = run(cluster, &served, effort, events, 64, Some(500.0)).await?.seen;
        served.stop().await?;
        product.push(seen.p99_us / 1000.0);
        product_half.push(seen.p50_us / 1000.0);
        let served = ready_textbook(database, POOL).await?;
        let seen = run(cluster, &served, effort, events, 64, Some(500.0)).await?.seen;
        served.stop().await?;
        r2.push(seen.p99_us / 1000.0);
        r2_half.push(seen.p50_us / 1000.0);
    }
    report.at_most("p99 of the answer at 500/s", (median(product), "ms"), ("R2", median(r2)), 1.0);
    report.note("p50 of the answer at 500/s", (median(product_half), "ms"));
    report.note("p50 of R2's answer at 500/s", (median(r2_half), "ms"));
    Ok(())
}

async fn ready_product(database: &Scratch) -> anyhow::Result<Served> {
    database.empty("deliveries").await?;
    Served::product(database, &["intake"]).await
}

async fn ready_textbook(database: &Scratch, pool: u32) -> anyhow::Result<Served> {
    let served = Served::textbook(database, pool).await?;
    database.empty("webhook_events").await?;
    Ok(served)
}

async fn run(
    cluster: &Cluster,
    served: &Served,
    effort: Effort,
    events: &mut Events,
    connections: usize,
    rate: Option<f64>,
) -> anyhow::Result<Round> {
    let order = Order {
        addr: served.addr.clone(),
        sender: Sender::stripe(),
        connections,
        warm_up_ms: ms(effort.warm_up),
        window_ms: ms(effort.window),
        first: events.next_million(),
        rate,
    };
    under_load(cluster, served, &order).await
}

pub async fn under_load(cluster: &Cluster, served: &Served, order: &Order) -> anyhow::Result<Round> {
    let spent = || -> anyhow::Result<f64> { Ok(Spent::of(served.pid)?.seconds + cluster.spent()?.seconds) };
    let mut load = Running::start(order).await?;
    let before = spent()?;
    load.end_of_window().await?;
    let cpu_s = spent()? - before;
    let seen = load.seen().await?;
    let cpu_us = cpu_s * 1e6 / seen.answered as f64;
    Ok(Round { seen, cpu_us })
}

pub fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("no measure takes that long")
}
