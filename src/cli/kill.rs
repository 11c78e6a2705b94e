//! `respondby kill`: the switch that stops everything irreversible for a merchant at once. The last gate before
//! a request leaves looks at it, so that what is planned already is stopped too.

use std::process::ExitCode;

use serde_json::json;
use sqlx::Connection;

use super::Globals;
use super::desk::{Person, merchant, now, with_database};
use super::show::at;
use crate::store::turn;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Nothing is accepted or submitted any more. Deadlines run on, and people are paged.
    On(Whose),
    /// What is planned goes on.
    Off(Whose),
}

#[derive(Debug, clap::Args)]
struct Whose {
    #[arg(long, value_name = "NAME")]
    merchant: String,
    /// Your name.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (whose, on) = match args.command {
        Command::On(whose) => (whose, true),
        Command::Off(whose) => (whose, false),
    };
    let before = with_database(globals, async |conn| {
        let before = merchant(conn, &whose.merchant).await?;
        if before.kill_switch_at.is_some() != on {
            let now = now(conn).await?;
            let mut tx = conn.begin().await?;
            turn::set_kill_switch(&mut tx, before.merchant_id, on, whose.by.name(), now).await?;
            tx.commit().await?;
        }
        Ok(before)
    })
    .await?;
    let name = &before.name;
    let was_on = before.kill_switch_at.zip(before.kill_switch_by.as_deref());
    let text = match (on, was_on) {
        (true, None) => format!(
            "the kill switch is on for {name}: nothing irreversible is sent; deadlines run on and people are paged"
        ),
        (true, Some((since, by))) => {
            format!("the kill switch is on for {name} already, since {} by {by}", at(since))
        }
        (false, Some(_)) => format!("the kill switch is off for {name}: open cycles are looked at anew"),
        (false, None) => format!("the kill switch is off for {name} already"),
    };
    let value = json!({ "merchant": name, "kill_switch": on, "changed": on != was_on.is_some() });
    globals.output().answer(&text, &value)?;
    Ok(ExitCode::SUCCESS)
}
