//! `respondby deliveries`: what providers sent, byte for byte, and sending some round again after a fix.
//! Applying one twice changes nothing, so that nobody has to be sure.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Globals;
use super::desk::{Person, now, with_database};
use super::show::{at_second, plain, table};
use super::words::{number, word};
use crate::providers::ProviderName;
use crate::store::deliveries::{
    self, DeliveryFilter, DeliveryInFull, DeliveryRow, DeliveryState, Dismissal, Dismissed,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List deliveries, the newest first.
    List(List),
    /// Show one with its headers and its body.
    Show(Show),
    /// Have some read again: after a fix those that are quarantined (all with --quarantined), settled ones to be sure.
    #[command(
        override_usage = "respondby deliveries replay <ID>...\n       respondby deliveries replay --quarantined"
    )]
    Replay(Replay),
    /// Say that nothing is to be done about one that is quarantined. It stays, and can be replayed.
    Dismiss(Dismiss),
}

#[derive(Debug, clap::Args)]
struct List {
    /// quarantined (waits for a person), kept (waits to be read) or settled.
    #[arg(long, value_parser = word::<DeliveryState>)]
    state: Option<DeliveryState>,
    #[arg(long, value_name = "NAME", value_parser = word::<ProviderName>)]
    provider: Option<ProviderName>,
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

#[derive(Debug, clap::Args)]
struct Show {
    #[arg(value_name = "ID", value_parser = number)]
    delivery_id: i64,
    /// Only the body, byte for byte as it came.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

#[derive(Debug, clap::Args)]
struct Replay {
    #[arg(value_name = "ID", required_unless_present = "quarantined", value_parser = number)]
    delivery_ids: Vec<i64>,
    /// Everything that is quarantined.
    #[arg(long, conflicts_with = "delivery_ids")]
    quarantined: bool,
}

#[derive(Debug, clap::Args)]
struct Dismiss {
    #[arg(value_name = "ID", value_parser = number)]
    delivery_id: i64,
    /// Your name.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
    /// Why nothing is to be done, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    why: String,
}

fn reason(text: &str) -> Result<String, String> {
    let fits = (1..=500).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.trim().to_owned()).ok_or_else(|| "a reason is 1 to 500 visible characters".to_owned())
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(list) => list_them(list, globals).await,
        Command::Show(show) => show_one(show, globals).await,
        Command::Replay(replay) => requeue(replay, globals).await,
        Command::Dismiss(dismiss) => dismiss_one(dismiss, globals).await,
    }
}

async fn list_them(list: List, globals: &Globals) -> anyhow::Result<ExitCode> {
    let List { state, provider, account, limit } = list;
    let filter = DeliveryFilter { state, provider: provider.map(|p| p.as_str().to_owned()), account, limit };
    let rows = with_database(globals, async |conn| Ok(deliveries::list(conn, &filter).await?)).await?;
    let text = match rows.is_empty() {
        true => "no deliveries".to_owned(),
        false => table(
            &["id", "received", "account", "source", "key", "bytes", "state", "what came of it"],
            &rows.iter().map(row).collect::<Vec<_>>(),
        ),
    };
    globals.output().answer(&text, &json!({ "deliveries": rows }))?;
    Ok(ExitCode::SUCCESS)
}

fn row(d: &DeliveryRow) -> Vec<String> {
    vec![
        d.delivery_id.to_string(),
        at_second(d.received_at),
        format!("{}/{}", d.provider, d.account),
        d.source.clone(),
        d.dedupe_key.chars().take(40).collect(),
        d.body_bytes.to_string(),
        d.state.clone(),
        came_of(d),
    ]
}

fn came_of(d: &DeliveryRow) -> String {
    match (&d.outcome, &d.note) {
        (Some(outcome), Some(note)) => format!("{outcome}: {note}"),
        (Some(outcome), None) => outcome.clone(),
        (None, _) => "waits to be read".to_owned(),
    }
}

async fn show_one(show: Show, globals: &Globals) -> anyhow::Result<ExitCode> {
    let id = show.delivery_id;
    let (found, dismissals) = with_database(globals, async |conn| {
        let found = deliveries::show(conn, id).await?.with_context(|| no_such_delivery(id))?;
        Ok((found, deliveries::dismissals(conn, id).await?))
    })
    .await?;
    if show.raw {
        io::stdout().lock().write_all(&found.body).context("cannot write the body to standard output")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut value = json!(found.row);
    value["headers"] = headers(&found);
    value["dismissals"] = json!(dismissals);
    match std::str::from_utf8(&found.body) {
        Ok(text) => value["body"] = Value::from(text),
        Err(_) => value["body_base64"] = Value::from(BASE64_STANDARD.encode(&found.body)),
    }
    globals.output().answer(&shown(&found, &dismissals), &value)?;
    Ok(ExitCode::SUCCESS)
}

fn no_such_delivery(id: i64) -> String {
    format!("there is no delivery {id}: `respondby deliveries list` shows those there are")
}

/// As they are kept: a list of names and values. Kept by this program, so that it reads back.
fn headers(found: &DeliveryInFull) -> Value {
    serde_json::from_str(&found.headers).unwrap_or_else(|_| Value::from(found.headers.as_str()))
}

fn shown(found: &DeliveryInFull, dismissals: &[Dismissal]) -> String {
    let d = &found.row;
    let mut lines = vec![
        format!(
            "delivery {} for {}, {}/{}, by {}",
            d.delivery_id, d.merchant, d.provider, d.account, d.source
        ),
        format!("  received {}, key {}", at_second(d.received_at), d.dedupe_key),
        format!("  {}: {}", d.state, came_of(d)),
    ];
    lines.extend(d.claimed_at.map(|at| format!("  the provider's own time {}", at_second(at))));
    lines.extend(d.dispute_id.map(|id| format!("  dispute {id} (our id)")));
    lines.extend(dismissals.iter().map(|said| {
        let was =
            said.note.as_ref().map_or_else(|| said.outcome.clone(), |n| format!("{}: {n}", said.outcome));
        format!("  dismissed {} by {}: {} (it was {was})", at_second(said.at), said.by, said.why)
    }));
    lines.push("headers".to_owned());
    for header in headers(found).as_array().into_iter().flatten() {
        let text = |i: usize| header[i].as_str().unwrap_or_default().to_owned();
        lines.push(format!("  {}: {}", text(0), text(1)));
    }
    lines.push(format!("body, {} bytes", d.body_bytes));
    let body = match serde_json::from_slice::<Value>(&found.body) {
        Ok(json) => format!("{json:#}"),
        Err(_) => String::from_utf8_lossy(&found.body).into_owned(),
    };
    lines.extend(body.lines().map(|line| format!("  {line}")));
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

async fn requeue(replay: Replay, globals: &Globals) -> anyhow::Result<ExitCode> {
    let asked = &replay.delivery_ids;
    let requeued = with_database(globals, async |conn| {
        Ok(match replay.quarantined {
            true => deliveries::requeue_quarantined(conn).await?,
            false => deliveries::requeue(conn, asked).await?,
        })
    })
    .await?;
    let left_out: Vec<i64> = asked.iter().copied().filter(|id| !requeued.contains(id)).collect();
    let mut lines = vec![match requeued.len() {
        0 => "nothing is sent round again".to_owned(),
        n => format!("{n} sent round again: the worker of a running engine reads them within a second or so"),
    }];
    lines.extend(left_out.iter().map(|id| format!("{id}: there is none, or it waits to be read already")));
    let (text, value) = (lines.join("\n"), json!({ "requeued": requeued, "left_out": left_out }));
    match left_out.is_empty() {
        true => globals.output().answer(&text, &value)?,
        false => return globals.output().failure(&text, &value),
    }
    Ok(ExitCode::SUCCESS)
}

async fn dismiss_one(dismiss: Dismiss, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Dismiss { delivery_id: id, by, why } = dismiss;
    let done = with_database(globals, async |conn| {
        let now = now(conn).await?;
        Ok(deliveries::dismiss(conn, id, (by.name(), &why), now).await?)
    })
    .await?;
    let failed = match &done {
        Dismissed::Done => {
            let text = format!(
                "delivery {id} waits for nobody any more: it stays, and `respondby deliveries replay {id}` reads it again"
            );
            globals.output().answer(&text, &json!(done))?;
            return Ok(ExitCode::SUCCESS);
        }
        Dismissed::NotQuarantined { state } => {
            format!("delivery {id} is {state}: only what is quarantined can be dismissed")
        }
        Dismissed::NoSuchDelivery => no_such_delivery(id),
    };
    globals.output().failure(&failed, &json!(done))
}
