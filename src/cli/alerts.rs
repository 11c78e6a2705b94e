//! `respondby alerts`: what people have been told or are about to be, and saying "I have it". Sending is the
//! engine's matter.

use std::process::ExitCode;

use serde_json::json;

use super::Globals;
use super::desk::{Person, now, with_database};
use super::words::number;
use crate::store::alerts::{self, Acknowledged, AlertRow, Filter};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List alerts, pages first.
    List(List),
    /// Say that you have it: it is not sent again.
    Ack(Ack),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this merchant's.
    #[arg(long, value_name = "NAME")]
    merchant: Option<String>,
    /// Only those about this dispute, by the provider's id.
    #[arg(long, value_name = "ID")]
    dispute: Option<String>,
    /// Acknowledged and resolved ones as well.
    #[arg(long)]
    all: bool,
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

#[derive(Debug, clap::Args)]
struct Ack {
    /// The number of the alert, as `alerts list` and the alert itself show it.
    #[arg(value_name = "ID", value_parser = number)]
    alert_id: i64,
    /// Your name.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(list) => show(list, globals).await,
        Command::Ack(ack) => acknowledge(ack, globals).await,
    }
}

async fn show(list: List, globals: &Globals) -> anyhow::Result<ExitCode> {
    let List { merchant, dispute, all, limit } = list;
    let filter = Filter { merchant, dispute_ref: dispute, settled_too: all, limit };
    let rows = with_database(globals, async |conn| Ok(alerts::list(conn, &filter).await?)).await?;
    let text = match rows.is_empty() {
        true => "no alerts".to_owned(),
        false => rows.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    globals.output().answer(&text, &json!({ "alerts": rows }))?;
    Ok(ExitCode::SUCCESS)
}

fn line(row: &AlertRow) -> String {
    let raised = row.raised_at.format("%Y-%m-%d %H:%M:%S UTC");
    let about = row.dispute_ref.as_ref().map(|d| format!(" {d}:")).unwrap_or_default();
    let state = match (&row.acknowledged_by, &row.note) {
        (Some(by), _) => format!("acknowledged by {by}"),
        (None, Some(note)) => format!("{}: {note}", row.state),
        (None, None) if row.sends > 1 => format!("{} {} times", row.state, row.sends),
        (None, None) => row.state.clone(),
    };
    format!(
        "{:<8} {:<7} {raised} {}:{about} {} ({state})",
        row.alert_id, row.severity, row.merchant, row.title
    )
}

async fn acknowledge(ack: Ack, globals: &Globals) -> anyhow::Result<ExitCode> {
    let done = with_database(globals, async |conn| {
        let now = now(conn).await?;
        Ok(alerts::acknowledge(conn, ack.alert_id, ack.by.name(), now).await?)
    })
    .await?;
    let text = match &done {
        Acknowledged::Done => format!("alert {} is yours", ack.alert_id),
        Acknowledged::Already { by, at } => {
            let at = at.format("%Y-%m-%d %H:%M:%S UTC");
            format!("alert {} was acknowledged by {by} already, at {at}", ack.alert_id)
        }
        Acknowledged::Resolved { note } => {
            let why = note.as_deref().unwrap_or("its reason is gone");
            format!("alert {} needs nobody any more: {why}", ack.alert_id)
        }
        Acknowledged::NoSuchAlert => {
            let text =
                format!("there is no alert {}: `respondby alerts list` shows those there are", ack.alert_id);
            return globals.output().failure(&text, &json!(done));
        }
    };
    globals.output().answer(&text, &json!(done))?;
    Ok(ExitCode::SUCCESS)
}
