//! `respondby disputes`: what is owed until when, what is planned and why, and a person's word on it. Orders
//! go the same way as news does, through a turn; a running engine acts on them.

mod list;
mod order;
mod show;

use std::process::ExitCode;

use super::Globals;
pub(super) use list::kill_switch;
pub(super) use show::conditions;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List disputes, the nearest deadline first.
    List(list::Args),
    /// Show one dispute with everything that is known and was done.
    Show(show::Args),
    /// Accept it: the money is given up.
    Accept(order::Accept),
    /// Defend it with the evidence at hand.
    Defend(order::Defend),
    /// Do nothing until somebody decides otherwise.
    Hold(order::Hold),
    /// Agree to what waits for a second person.
    Approve(order::Approve),
    /// Withdraw an order: the rules decide again.
    Resume(order::Resume),
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(args, globals).await,
        Command::Show(args) => show::run(args, globals).await,
        Command::Accept(args) => order::run(args.given(), globals).await,
        Command::Defend(args) => order::run(args.given(), globals).await,
        Command::Hold(args) => order::run(args.given(), globals).await,
        Command::Approve(args) => order::run(args.given(), globals).await,
        Command::Resume(args) => order::run(args.given(), globals).await,
    }
}
