//! `rules publish`, `rules show` and `rules diff`: putting a text in force as the next version, and what is in
//! force now. What does not load is never published; versions never change.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;
use sqlx::PgConnection;

use super::Globals;
use super::desk::{Person, merchant, now, with_database};
use super::rules::{Checked, check};
use super::show::at_second;
use crate::app;
use crate::store::rulesets::{self, Version};

#[derive(Debug, clap::Args)]
pub(super) struct Publish {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_name = "NAME")]
    merchant: String,
    /// Your name: it stands beside the version.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[arg(long, value_name = "NAME")]
    merchant: String,
    /// Another version than the one in force.
    #[arg(long, value_name = "N")]
    version: Option<i32>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_name = "NAME")]
    merchant: String,
}

pub(super) async fn publish(args: Publish, globals: &Globals) -> anyhow::Result<ExitCode> {
    let accounts: Vec<String> = globals.load()?.accounts.into_iter().map(|a| a.name).collect();
    let Checked { file, text, rules, problems } = check(&args.file, &accounts)?;
    let shown: String = problems.iter().map(|p| p.render(&file, &text)).collect();
    if rules.is_none() {
        bail!("the rules are not published, because they do not load:\n{}", shown.trim_end());
    }
    let published = with_database(globals, async |conn| {
        let merchant = merchant(conn, &args.merchant).await?;
        let now = now(conn).await?;
        app::publish_rules(conn, &merchant.name, &file, &text, args.by.name(), now).await
    })
    .await?;
    let (version, cycles) = (published.version, published.cycles);
    let what = match published.changed {
        true => format!("version {version} is in force; {cycles} open cycle(s) are decided again"),
        false => format!("nothing new: this text is in force already, as version {version}"),
    };
    globals.output().answer(&format!("{shown}{what}"), &json!(published))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(args: Show, globals: &Globals) -> anyhow::Result<ExitCode> {
    let found =
        with_database(globals, async |conn| version_of(conn, &args.merchant, args.version).await).await?;
    let in_force = if found.in_force { ", in force" } else { "" };
    let head = format!(
        "# {}: version {}{in_force}, published {} by {}",
        args.merchant,
        found.version,
        at_second(found.published_at),
        found.published_by
    );
    globals.output().answer(&format!("{head}\n{}", found.rules.trim_end()), &json!(found))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn diff(args: Diff, globals: &Globals) -> anyhow::Result<ExitCode> {
    let file = args.file.display().to_string();
    let new = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {file}"))?;
    let found = with_database(globals, async |conn| version_of(conn, &args.merchant, None).await).await?;
    let old_name = format!("{} version {}", args.merchant, found.version);
    let unified =
        similar::TextDiff::from_lines(&found.rules, &new).unified_diff().header(&old_name, &file).to_string();
    let same = found.rules == new;
    let text = if same { format!("no difference to {old_name}") } else { unified.trim_end().to_owned() };
    globals.output().answer(&text, &json!({ "version": found.version, "same": same, "diff": unified }))?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn version_of(conn: &mut PgConnection, name: &str, wanted: Option<i32>) -> anyhow::Result<Version> {
    let merchant = merchant(conn, name).await?;
    let mut versions = rulesets::versions(conn, merchant.merchant_id).await?;
    let found = versions.iter().position(|v| wanted.map_or(v.in_force, |wanted| v.version == wanted));
    match (found, wanted) {
        (Some(at), _) => Ok(versions.swap_remove(at)),
        (None, None) => {
            bail!(
                "no rules are published for {name}: `respondby rules publish FILE --merchant {name}` does that"
            )
        }
        (None, Some(wanted)) => {
            let there_are: Vec<String> = versions.iter().map(|v| v.version.to_string()).collect();
            bail!("{name} has no version {wanted} of its rules: there are {}", there_are.join(", "))
        }
    }
}
