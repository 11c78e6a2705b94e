//! The measures of speed and memory, as ratios to yardsticks built beside the product and run in the same
//! minutes on the same durable Postgres. Prints a table and fails if a target is missed.
//!
//! The process runs itself again as the load generator and as the textbook's server, so that what each of
//! them costs can be told apart.

mod bodies;
mod cluster;
mod engine;
mod intake;
mod load;
mod measured;
mod report;
mod rules;
mod served;
mod standing;
mod textbook;
mod yardstick;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Measures respondby against yardsticks in the same run.
#[derive(Debug, Parser)]
struct Args {
    /// Shorter rounds, fewer of them, and not the largest tables.
    #[arg(long, global = true)]
    quick: bool,
    /// Only the measures whose name contains this.
    #[arg(long, global = true)]
    only: Option<String>,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program is when it runs itself.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Load(load::Order),
    #[command(hide = true)]
    Textbook(textbook::Order),
}

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub warm_up: Duration,
    pub window: Duration,
}

impl Effort {
    fn of(quick: bool) -> Self {
        if quick {
            Self { rounds: 1, warm_up: Duration::from_millis(500), window: Duration::from_secs(2) }
        } else {
            Self { rounds: 3, warm_up: Duration::from_secs(1), window: Duration::from_secs(4) }
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    match args.part {
        Some(Part::Load(order)) => one_thread().block_on(load::run(order)),
        Some(Part::Textbook(order)) => all_threads().block_on(textbook::run(order)),
        None => all_threads().block_on(measure(args.quick, args.only.as_deref())),
    }
}

fn all_threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be made")
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

async fn measure(quick: bool, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let effort = Effort::of(quick);
    let wanted = |name: &str| only.is_none_or(|o| name.contains(o));
    let cluster = cluster::Cluster::start().await?;
    let mut report = report::Report::default();
    let measures = async {
        if wanted("intake") {
            intake::measure(&cluster, effort, &mut report).await?;
        }
        if wanted("apply") {
            engine::measure_apply(&cluster, effort, &mut report).await?;
        }
        if wanted("wake") {
            engine::measure_wakes(&cluster, effort, &mut report).await?;
        }
        if wanted("idle") {
            engine::measure_idle(&cluster, quick, &mut report).await?;
        }
        if wanted("decisions") {
            standing::measure_decisions(&cluster, effort, &mut report).await?;
        }
        if wanted("standing") {
            standing::measure_idle(&cluster, quick, &mut report).await?;
        }
        if wanted("rules") {
            rules::measure(effort.window, &mut report)?;
        }
        if wanted("crowd") {
            engine::measure_crowd(&cluster, quick, &mut report).await?;
        }
        anyhow::Ok(())
    };
    // Interrupted or done, the database goes. What went wrong first is what is said.
    let done = tokio::select! {
        done = measures => done,
        signal = interrupted() => signal.and_then(|()| anyhow::bail!("interrupted")),
    };
    let stopped = cluster.stop().await;
    done.and(stopped)?;
    println!("\n{report}");
    Ok(if report.all_reached() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
