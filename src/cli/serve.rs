//! `respondby serve`: runs the engine until told to stop (SIGTERM or Ctrl-C), then drains.
//! What is started, and in which order, is for `app` to know.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::Globals;
use crate::clock::Clock;
use crate::config::Config;
use crate::{app, observe, store};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only check the configuration and the rules it names, and say what it comes to.
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let config = globals.load()?;
    // Before anything is opened or written: what would be found later is found with half of it done.
    app::check(&config)?;
    if args.check {
        println!("{}", summary(&config));
        return Ok(ExitCode::SUCCESS);
    }
    observe::start_logging(&config.log)?;
    for variable in &config.unread {
        tracing::warn!(variable, "this variable begins like ours and names no key: nothing reads it");
    }
    // Listened for before anything starts, so that an early Ctrl-C still drains.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let opened = store::open(&config.database).await.context("cannot open the database")?;
    let engine = app::start(&config, opened, Clock::system()).await?;
    if let Some(address) = engine.address {
        tracing::info!(http.address = %address, accounts = config.accounts.len(), "ready");
        if let Some(address) = engine.grpc_address {
            tracing::info!(grpc.address = %address, tls = config.grpc.tls_key.is_some(), "gRPC calls are answered");
        }
        for account in &config.accounts {
            let path = format!("/webhooks/{}/{}", account.provider, account.name);
            tracing::info!(account.name, account.provider = %account.provider, path, "webhooks are taken here");
        }
    }
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to stop"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
    }
    engine.stop().await?;
    tracing::info!("stopped; nothing was left half done");
    Ok(ExitCode::SUCCESS)
}

fn summary(config: &Config) -> String {
    let mut lines = vec![format!("the configuration holds together; http.listen = {}", config.http.listen)];
    let unread = |name| format!("the environment variable {name} names no key: nothing reads it");
    lines.extend(config.unread.iter().map(unread));
    for account in &config.accounts {
        let secrets = account.webhook_secrets.len();
        if let Some(via) = account.via.as_ref().filter(|_| secrets == 0) {
            lines.push(format!(
                "account {}/{} of {}: reached via {via}, webhooks at /webhooks/{}/{via}",
                account.provider, account.name, account.merchant, account.provider
            ));
            continue;
        }
        lines.push(format!(
            "account {}/{} of {}: {secrets} webhook secret(s), webhooks at /webhooks/{}/{}",
            account.provider, account.name, account.merchant, account.provider, account.name
        ));
    }
    lines.join("\n")
}
