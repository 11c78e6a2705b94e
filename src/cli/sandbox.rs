//! `respondby sandbox`: the providers' stand-ins for people to play with, until told to stop. Needs neither
//! a configuration nor a database.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::Globals;
use crate::sandbox::{self, RunOptions, SandboxPorts};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address to listen on. The credentials are public: keep it to this machine.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// The port of the control API; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 4240)]
    control_port: u16,
    /// The port of the stand-in for Stripe; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 4242)]
    stripe_port: u16,
    /// The port of the stand-in for Razorpay; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 4243)]
    razorpay_port: u16,
    /// Where webhooks go; `/stripe/example` and `/razorpay/example` are put at its end.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// The same seed gives the same ids and the same dice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Send Stripe's thin events instead of snapshots.
    #[arg(long)]
    thin_events: bool,
    /// Let the control API move the time.
    #[arg(long)]
    movable_clock: bool,
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
        listen: args.listen,
        ports: SandboxPorts {
            control: args.control_port,
            stripe: args.stripe_port,
            razorpay: args.razorpay_port,
        },
        webhook_url: args.webhook_url,
        seed: args.seed,
        thin_events: args.thin_events,
        movable_clock: args.movable_clock,
        json: globals.json,
    };
    sandbox::run(options, stop).await?;
    Ok(ExitCode::SUCCESS)
}
