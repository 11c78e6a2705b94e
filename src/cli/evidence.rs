//! `respondby evidence`: what a person attaches to a dispute, as words or as a file. What a packet is made
//! of and when it is sent, the engine decides.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::Globals;
use super::desk::{self, Person, now, with_database};
use super::words::word;
use crate::evidence::Field;
use crate::store::evidence::{self, Form, Listed, Named, NewEvidence};
use crate::store::files::{self, FILE_BYTES_MAX, NewFile};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Attach evidence to a dispute. Its open cycle is looked at anew.
    Add(Add),
    /// Show what is attached.
    List(List),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The dispute: the provider's id, or ours.
    #[arg(value_name = "DISPUTE")]
    dispute: String,
    /// What it is evidence of: `summary`, `receipt`, `shipping_tracking_number` …
    #[arg(long, value_parser = word::<Field>)]
    field: Field,
    #[command(flatten)]
    form: Given,
    /// In place of what the field has, instead of beside it.
    #[arg(long)]
    replace: bool,
    /// Your name.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Given {
    /// Words.
    #[arg(long)]
    text: Option<String>,
    /// A PDF, PNG or JPEG on this machine. It is uploaded to the provider when it is needed.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// The provider's id of a file that is already there.
    #[arg(long, value_name = "ID")]
    provider_file: Option<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// The dispute: the provider's id, or ours.
    #[arg(value_name = "DISPUTE")]
    dispute: String,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Add(add) => attach(add, globals).await,
        Command::List(list) => show(list, globals).await,
    }
}

async fn attach(add: Add, globals: &Globals) -> anyhow::Result<ExitCode> {
    // The file is read and judged before the database is asked for anything.
    let file = add.form.file.as_deref().map(read).transpose()?;
    let (named, n, woken) = with_database(globals, async |conn| {
        let named = desk::dispute(conn, &add.dispute).await?;
        let mut tx = conn.begin().await?;
        let (n, woken) = put(&mut tx, &add, &named, file).await?;
        tx.commit().await?;
        Ok((named, n, woken))
    })
    .await?;
    let looked = if woken { "its open cycle is looked at anew" } else { "it has no open cycle" };
    let text = format!("{} has {} number {n}; {looked}", named.dispute_ref, add.field);
    let told = json!({"dispute": named.dispute_ref, "dispute_id": named.dispute_id, "field": add.field, "n": n,
        "woken": woken});
    globals.output().answer(&text, &told)?;
    Ok(ExitCode::SUCCESS)
}

async fn put(
    conn: &mut PgConnection,
    add: &Add,
    named: &Named,
    file: Option<NewFile>,
) -> anyhow::Result<(i32, bool)> {
    let now = now(conn).await?;
    let by = add.by.name();
    let form = match (file, &add.form.text, &add.form.provider_file) {
        (Some(file), _, _) => Form::File(files::add(conn, named.merchant_id, &file, by, now).await?),
        (None, Some(text), _) => Form::Words(text.clone()),
        (None, None, given) => Form::ProviderFile(given.clone().unwrap_or_default()),
    };
    let new = NewEvidence::new(add.field, form)?;
    let place = (named.merchant_id, named.dispute_id);
    let n = evidence::add(conn, place, &new, add.replace, by, now).await?;
    let woken = evidence::wake_cycle(conn, named.merchant_id, named.dispute_id, now).await?;
    Ok((n, woken))
}

fn read(path: &Path) -> anyhow::Result<NewFile> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    anyhow::ensure!(
        size <= FILE_BYTES_MAX as u64,
        "{shown} takes {size} bytes, and {FILE_BYTES_MAX} are taken"
    );
    let content = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(NewFile::new(&name, content)?)
}

async fn show(list: List, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (named, rows) = with_database(globals, async |conn| {
        let named = desk::dispute(conn, &list.dispute).await?;
        let rows = evidence::list(conn, named.merchant_id, named.dispute_id).await?;
        Ok((named, rows))
    })
    .await?;
    let text = match rows.is_empty() {
        true => format!("nobody has attached anything to {}", named.dispute_ref),
        false => rows.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    globals.output().answer(&text, &json!({"dispute": named.dispute_ref, "evidence": rows}))?;
    Ok(ExitCode::SUCCESS)
}

fn line(row: &Listed) -> String {
    let at = row.added_at.format("%Y-%m-%d %H:%M:%S UTC");
    let what = match (&row.words, &row.file_name, &row.provider_file_ref) {
        (Some(words), _, _) => {
            let start: String =
                words.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
            format!("{start:?}, {} characters", words.chars().count())
        }
        (None, Some(name), uploaded) => {
            let there = uploaded.as_ref().map_or("not uploaded yet".into(), |id| format!("there as {id}"));
            let size = row.size_bytes.unwrap_or_default();
            format!("{name}, {}, {size} bytes, {there}", row.media_type.as_deref().unwrap_or("a file"))
        }
        (None, None, id) => format!("the provider's file {}", id.as_deref().unwrap_or("(none)")),
    };
    format!("{} {}: {what} (by {} at {at})", row.field, row.n, row.added_by)
}
