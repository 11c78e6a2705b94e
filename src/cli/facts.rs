//! `respondby facts`: what the merchant knows of an order, set and shown by hand. Rules and templates see
//! it under `facts`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value, json};
use sqlx::{Connection, PgConnection};

use super::Globals;
use super::desk::{now, with_database};
use crate::dispute::MerchantId;
use crate::store::facts::{self, Mode, NewFacts, Set};
use crate::store::rulesets;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set facts: a JSON file, or `key=text` and `key:=JSON`.
    ///
    /// What is known already stays unless it is named: objects are merged, and null removes
    /// (RFC 7396). Open disputes that the facts are about are looked at anew.
    Set(SetArgs),
    /// Show what is known.
    Show(About),
}

#[derive(Debug, clap::Args)]
struct About {
    /// The merchant's name.
    #[arg(long, value_name = "NAME")]
    merchant: String,
    #[command(flatten)]
    subject: Subject,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// The provider's id of the payment.
    #[arg(long, value_name = "ID")]
    payment: Option<String>,
    /// The provider's id of the charge.
    #[arg(long, value_name = "ID")]
    charge: Option<String>,
    /// The provider's id of the dispute. Outranks what is known of its payment.
    #[arg(long, value_name = "ID")]
    dispute: Option<String>,
}

impl Subject {
    fn id(&self) -> &str {
        let given = self.payment.as_ref().or(self.charge.as_ref()).or(self.dispute.as_ref());
        given.expect("clap asks for exactly one of them")
    }
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("known").required(true).args(["file", "pairs"])))]
struct SetArgs {
    #[command(flatten)]
    about: About,
    /// A file with one JSON object; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Forget what was known before.
    #[arg(long)]
    replace: bool,
    /// `delivered_at=2026-11-02T09:30:00Z` sets text, `items:=3` sets JSON. Dots lead inside objects.
    #[arg(value_name = "KEY=TEXT")]
    pairs: Vec<String>,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Set(args) => set(args, globals).await,
        Command::Show(about) => show(about, globals).await,
    }
}

async fn set(args: SetArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let given = match &args.file {
        Some(file) => read(file)?,
        None => from_pairs(&args.pairs)?,
    };
    let mode = if args.replace { Mode::Replace } else { Mode::Merge };
    let subject = args.about.subject.id();
    let (set, woken) = with_database(globals, async |conn| {
        let merchant_id = merchant(conn, &args.about.merchant).await?;
        let new = NewFacts::new(merchant_id, subject, given)?;
        let now = now(conn).await?;
        let mut tx = conn.begin().await?;
        let set = facts::set(&mut tx, &new, mode, "command", now).await?;
        let woken = facts::wake_cycles(&mut tx, merchant_id, subject, now).await?;
        tx.commit().await?;
        Ok((set, woken))
    })
    .await?;
    let (text, version) = match set {
        Set::Changed { version } => {
            (format!("{subject}: version {version}; {woken} open cycle(s) are looked at anew"), version)
        }
        Set::Unchanged { version } => (format!("{subject}: nothing new, still version {version}"), version),
    };
    let changed = matches!(set, Set::Changed { .. });
    globals.output().answer(
        &text,
        &json!({"subject": subject, "version": version, "changed": changed, "woken": woken}),
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn show(about: About, globals: &Globals) -> anyhow::Result<ExitCode> {
    let subject = about.subject.id();
    let known = with_database(globals, async |conn| {
        let merchant_id = merchant(conn, &about.merchant).await?;
        Ok(facts::get(conn, merchant_id, subject).await?)
    })
    .await?;
    let Some(known) = known else {
        globals.output().answer(&format!("nothing is known of {subject}"), &Value::Null)?;
        return Ok(ExitCode::FAILURE);
    };
    let at = known.updated_at.format("%Y-%m-%d %H:%M:%S UTC");
    let pretty = serde_json::to_string_pretty(&known.facts)?;
    let text = format!("{subject}: version {}, from {} at {at}\n{pretty}", known.version, known.source);
    globals.output().answer(&text, &json!(known))?;
    Ok(ExitCode::SUCCESS)
}

async fn merchant(conn: &mut PgConnection, name: &str) -> anyhow::Result<MerchantId> {
    rulesets::merchant_id(conn, name).await?.with_context(|| {
        format!("there is no merchant `{name}`: merchants come with the configuration of `serve`")
    })
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text = match file == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?,
        false => std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

fn from_pairs(pairs: &[String]) -> anyhow::Result<Value> {
    let mut facts = Map::new();
    for pair in pairs {
        let Some((key, text)) = pair.split_once('=') else {
            bail!("`{pair}` is no fact: write key=text, or key:=JSON");
        };
        let (key, value) = match key.strip_suffix(':') {
            Some(key) => (key, serde_json::from_str(text).with_context(|| format!("`{text}` is not JSON"))?),
            None => (key, Value::String(text.to_owned())),
        };
        put(&mut facts, key, value)?;
    }
    Ok(Value::Object(facts))
}

fn put(facts: &mut Map<String, Value>, path: &str, value: Value) -> anyhow::Result<()> {
    let mut steps: Vec<&str> = path.split('.').collect();
    let last = steps.pop().unwrap_or_default();
    ensure!(!last.is_empty() && steps.iter().all(|s| !s.is_empty()), "`{path}` is no name of a fact");
    let mut place = facts;
    for step in steps {
        let inner = place.entry(step).or_insert_with(|| Value::Object(Map::new()));
        place = inner.as_object_mut().with_context(|| format!("`{path}` leads inside a value set before"))?;
    }
    let before = place.insert(last.to_owned(), value);
    ensure!(before.is_none(), "`{path}` is set twice");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(given: &[&str]) -> anyhow::Result<Value> {
        from_pairs(&given.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn pairs_are_text_unless_they_say_json_and_dots_lead_inside() {
        let facts =
            pairs(&["order=0012", "items:=3", "note=a=b", "customer.id=7", "customer.vip:=true"]).unwrap();
        let wanted =
            json!({"order": "0012", "items": 3, "note": "a=b", "customer": {"id": "7", "vip": true}});
        assert_eq!(facts, wanted);
    }

    #[test]
    fn what_is_no_fact_is_refused_by_name() {
        for (given, part) in [
            (&["items"][..], "`items` is no fact"),
            (&["items:=x"], "`x` is not JSON"),
            (&["=x"], "`` is no name"),
            (&["a..b=x"], "`a..b` is no name"),
            (&["a=1", "a=2"], "`a` is set twice"),
            (&["a=1", "a.b=2"], "`a.b` leads inside"),
        ] {
            let message = format!("{:#}", pairs(given).unwrap_err());
            assert!(message.contains(part), "{given:?}: {message}");
        }
    }
}
