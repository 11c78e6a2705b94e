//! `respondby demo`: the scripted month, told as it happens. Exits with 1 if a promise was broken.
//! The plot is told elsewhere; here is how to ask for it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use tokio::signal::unix::{SignalKind, signal};

use super::{Globals, show};
use crate::demo;
use crate::sandbox::Witness;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Leave everything running afterwards, with the addresses printed. Ctrl-C ends it.
    #[arg(long)]
    serve: bool,
    /// Where the demo keeps its database and configuration. Absent: a new folder, removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where the engine takes webhooks.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: String,
    /// Write every request to a provider's stand-in there, with its answer: a line of JSON each.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(super) async fn run(args: Args, _globals: &Globals) -> anyhow::Result<ExitCode> {
    let (dir, ours) = match &args.dir {
        Some(dir) => (dir.clone(), false),
        None => (std::env::temp_dir().join(format!("respondby-demo-{}", std::process::id())), true),
    };
    if dir.exists() && std::fs::read_dir(&dir)?.next().is_some() {
        bail!("{} is not empty: the demo wants a folder of its own, with --dir", dir.display());
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let done = play(&args, &dir).await;
    if ours {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    done
}

async fn play(args: &Args, dir: &std::path::Path) -> anyhow::Result<ExitCode> {
    let started = std::time::Instant::now();
    let witness = args.record.as_deref().map(Witness::writing_to).transpose()?;
    let mut played = demo::play(dir, &args.listen, witness, &mut |line| println!("{line}")).await?;
    println!("a month in {:.1} s", started.elapsed().as_secs_f64());
    if args.serve {
        stay(&mut played, dir).await?;
    }
    let kept = played.broken.is_empty();
    played.stage.end().await?;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says where everything is, and waits for Ctrl-C.
async fn stay(played: &mut demo::Played, dir: &std::path::Path) -> anyhow::Result<()> {
    // Listened for before anybody is told of it.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let stage = &mut played.stage;
    let control = stage.sandbox().control_url();
    println!();
    println!("Everything goes on from {}, at its own pace, until Ctrl-C:", show::at(stage.clock.now()));
    if let Some(address) = stage.engine.address {
        for shop in demo::SHOPS {
            println!("  webhooks   http://{address}/webhooks/{}/{}", shop.provider, shop.merchant);
        }
        println!("  health     http://{address}/healthz, /readyz, /metrics");
    }
    if let Some(address) = stage.engine.grpc_address {
        println!("  gRPC       {address}, with a key that `respondby keys create` makes");
    }
    let titles = demo::widest(|shop| shop.provider.title());
    for shop in demo::SHOPS {
        println!("  stand-in   {:<titles$}  {}", shop.provider.title(), stage.sandbox().url(shop.provider));
    }
    println!("  control    {control}/_sandbox");
    println!("  look       respondby --config {}/respondby.toml disputes list", dir.display());
    println!(
        "             (all commands with this --config live by the demo's clock; no other database does)"
    );
    if let Some(shop) = demo::SHOPS.first() {
        let order = format!("{{\"provider\":\"{}\",\"amount\":2500}}", shop.provider);
        println!("  a dispute  curl {control}/_sandbox/disputes --json '{order}'");
    }
    println!("  an hour on curl {control}/_sandbox/clock --json '{{\"advance_s\":3600}}'");
    if std::env::var_os("DATABASE_URL").is_some() {
        println!("  mind       DATABASE_URL is set in this shell, and commands follow it: unset it first");
    }
    stage.go_on(async { _ = interrupt.recv().await }).await
}
