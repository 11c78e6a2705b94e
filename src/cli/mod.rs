//! The command line: one file per command, and here what they share. A command prints its answer on
//! standard output, for people or with `--json` for programs; what went wrong goes to standard error.
//! Exit codes: 0 done or yes, 1 failed or no, 2 the command line itself was wrong.

mod alerts;
mod deliveries;
mod demo;
mod desk;
mod disputes;
mod doctor;
mod evidence;
mod facts;
mod keys;
mod kill;
mod migrate;
mod output;
mod publish;
mod reconcile;
mod rules;
mod sandbox;
mod serve;
pub(crate) mod show;
pub(crate) mod story;
mod trial;
mod webhook;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use output::Output;

/// Answers card disputes before respond_by.
#[derive(Debug, Parser)]
#[command(name = "respondby", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct Globals {
    /// The configuration file. Without it: the defaults and the environment.
    #[arg(long, global = true, env = crate::config::COMMAND_LINE, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What people are told, and acknowledging it.
    Alerts(alerts::Args),
    /// What providers sent, and sending some round again.
    Deliveries(deliveries::Args),
    /// Disputes: what is planned and why, and deciding otherwise.
    Disputes(disputes::Args),
    /// Say what is wrong, and how to mend it.
    Doctor(doctor::Args),
    /// Attach evidence to a dispute.
    Evidence(evidence::Args),
    /// What the merchant knows of an order.
    Facts(facts::Args),
    /// Keys that let a merchant's own programs in.
    Keys(keys::Args),
    /// Stop everything irreversible for a merchant, or let it go on.
    Kill(kill::Args),
    /// Bring the database's schema up to date.
    Migrate(migrate::Args),
    /// Play a scripted month against stand-ins of the providers.
    Demo(demo::Args),
    /// How each account compares with the provider's own list.
    Reconcile(reconcile::Args),
    /// Stand in for the providers' dispute APIs.
    Sandbox(sandbox::Args),
    /// Run the engine.
    Serve(serve::Args),
    /// Check, publish and compare a merchant's rules.
    Rules(rules::Args),
    /// Find out why a webhook's signature is refused.
    Webhook(webhook::Args),
}

/// What a command line that was wrong comes to, as clap has it for its own errors.
const USAGE: u8 = 2;

impl Globals {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.config.as_deref())?)
    }

    fn output(&self) -> Output {
        Output::new(self.json)
    }
}

/// Runs the command line of this process.
pub async fn run() -> ExitCode {
    let Cli { globals, command } = Cli::parse();
    let done = match command {
        Command::Alerts(args) => alerts::run(args, &globals).await,
        Command::Deliveries(args) => deliveries::run(args, &globals).await,
        Command::Disputes(args) => disputes::run(args, &globals).await,
        Command::Doctor(args) => doctor::run(args, &globals).await,
        Command::Evidence(args) => evidence::run(args, &globals).await,
        Command::Facts(args) => facts::run(args, &globals).await,
        Command::Keys(args) => keys::run(args, &globals).await,
        Command::Kill(args) => kill::run(args, &globals).await,
        Command::Migrate(args) => migrate::run(args, &globals).await,
        Command::Demo(args) => demo::run(args, &globals).await,
        Command::Reconcile(args) => reconcile::run(args, &globals).await,
        Command::Sandbox(args) => sandbox::run(args, &globals).await,
        Command::Serve(args) => serve::run(args, &globals).await,
        Command::Rules(args) => rules::run(args, &globals).await,
        Command::Webhook(args) => webhook::run(args, &globals).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", chain(&error));
        ExitCode::FAILURE
    })
}

/// The whole chain of causes, once, outermost first.
pub fn chain(error: &anyhow::Error) -> String {
    let mut shown = String::new();
    for (i, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        // An error that shows its source as its own text would be read twice.
        if i > 0 && shown.ends_with(&text) {
            continue;
        }
        if i > 0 {
            shown.push_str("\n  because: ");
        }
        shown.push_str(&text);
    }
    shown
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_chain_is_shown_once_outermost_first() {
        let inner = std::io::Error::other("the cable is out");
        let error = anyhow::Error::new(inner).context("cannot connect").context("cannot migrate");
        assert_eq!(chain(&error), "cannot migrate\n  because: cannot connect\n  because: the cable is out");
        let repeated = anyhow::anyhow!("no").context("it said: no");
        assert_eq!(chain(&repeated), "it said: no");
    }
}
