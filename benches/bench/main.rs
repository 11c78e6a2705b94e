//! The measures of speed and memory, as ratios to yardsticks built beside the product and run in the same
//! minutes on the same durable Postgres. Prints a table and fails if a target is missed.
//!
//! The process runs itself again as the load generator and as the textbook's server, so that what each of
//! them costs can be told apart.

mod bodies;
mod checksum;
mod cluster;
mod engine;
mod intake;
mod load;
mod measured;
mod population;
mod providers;
mod report;
mod requests;
mod rules;
mod senders;
mod served;
mod standing;
mod textbook;
mod yardstick;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use cluster::Cluster;
use report::Report;

/// The measures in their order, by the names that a part is asked for with.
const MEASURES: [&str; 8] =
    ["intake", "intake-providers", "apply", "wakes", "idle-standing", "decisions", "rules", "crowd"];

/// Measures respondby against yardsticks in the same run.
#[derive(Debug, Parser)]
struct Args {
    /// Only the measures whose name contains this.
    name: Option<String>,
    /// The same.
    #[arg(long, conflicts_with = "name")]
    only: Option<String>,
    /// Shorter rounds, fewer of them, and not the largest tables.
    #[arg(long)]
    quick: bool,
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
    Load { order: String },
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
        Some(Part::Load { order }) => one_thread().block_on(load::run(&order)),
        Some(Part::Textbook(order)) => all_threads().block_on(textbook::run(order)),
        None => all_threads().block_on(measure(args.quick, args.name.or(args.only).as_deref())),
    }
}

fn all_threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be made")
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

async fn measure(quick: bool, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let wanted = |name: &str| only.is_none_or(|o| name.contains(o));
    anyhow::ensure!(
        MEASURES.iter().any(|name| wanted(name)),
        "no measure is called so: there are {}",
        MEASURES.join(", ")
    );
    let cluster = Cluster::start().await?;
    let mut report = Report::default();
    let began = Instant::now();
    let measures = async {
        for name in MEASURES.iter().filter(|name| wanted(name)) {
            let began = Instant::now();
            one(name, &cluster, quick, &mut report).await?;
            cluster.clear().await?;
            println!("  ({name} took {:.0} s)", began.elapsed().as_secs_f64());
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
    println!("\n{report}\nin {:.1} minutes", began.elapsed().as_secs_f64() / 60.0);
    Ok(if report.all_reached() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn one(name: &str, cluster: &Cluster, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let effort = Effort::of(quick);
    match name {
        "intake" => intake::measure(cluster, effort, report).await,
        "intake-providers" => providers::measure(cluster, effort, report).await,
        "apply" => engine::measure_apply(cluster, effort, report).await,
        "wakes" => engine::measure_wakes(cluster, effort, report).await,
        "idle-standing" => standing::measure_idle(cluster, quick, report).await,
        "decisions" => standing::measure_decisions(cluster, effort, report).await,
        "rules" => rules::measure(effort.window, report),
        "crowd" => engine::measure_crowd(cluster, quick, report).await,
        other => anyhow::bail!("{other} is listed and is no measure"),
    }
}

async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
