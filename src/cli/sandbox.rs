//! `respondby sandbox`: the providers' stand-ins for people to play with, until told to stop. Needs neither
//! a configuration nor a database.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::Globals;
use crate::sandbox::{self, ProviderKind, RunOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address to listen on. The credentials are public: keep it to this machine.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// The port of the control API; each stand-in has one of the ports after it. 0 takes free ones.
    #[arg(long, value_name = "PORT", default_value_t = 4240)]
    port: u16,
    /// Where webhooks go; `/stripe/example`, `/razorpay/example` and so on are put at its end.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// The same seed gives the same ids and the same dice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A setting of a stand-in's account: `stripe.thin_events=true` sends thin events instead of snapshots.
    #[arg(long = "set", value_name = "PROVIDER.NAME=VALUE", value_parser = setting)]
    settings: Vec<(ProviderKind, String, String)>,
    /// Let the control API move the time.
    #[arg(long)]
    movable_clock: bool,
    /// Write every request to a stand-in there, with its answer: a line of JSON each.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

fn setting(text: &str) -> anyhow::Result<(ProviderKind, String, String)> {
    let parts = text.split_once('.').and_then(|(provider, rest)| Some((provider, rest.split_once('=')?)));
    let (provider, (name, value)) = parts.context("expected PROVIDER.NAME=VALUE")?;
    Ok((provider.parse()?, name.to_owned(), value.to_owned()))
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let options = RunOptions {
        listen: SocketAddr::new(args.listen, args.port),
        webhook_url: args.webhook_url,
        seed: args.seed,
        settings: args.settings,
        movable_clock: args.movable_clock,
        json: globals.json,
        record: args.record,
    };
    sandbox::run(options, stop).await?;
    Ok(ExitCode::SUCCESS)
}
