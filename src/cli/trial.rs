//! `rules test`: what a file would answer to what was known when each dispute was last decided. Recorded
//! inputs go through the same pure rules as live ones (P8); nothing is published and nothing is sent.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::Globals;
use super::desk::{Which, dispute_at, merchant, with_database};
use super::disputes::conditions;
use super::rules::{Checked, check};
use super::show::{plain, table};
use crate::engine::{Answer, Inputs};
use crate::rules::Ruleset;
use crate::store::dossier::{self, NewestDecision};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_name = "NAME")]
    merchant: String,
    /// Only this dispute, with every condition's result.
    #[arg(long, value_name = "ID")]
    dispute: Option<String>,
    /// The newest so many disputes.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
}

/// One dispute under the file.
struct Tried {
    dispute_ref: String,
    was: (String, String),
    would_be: (String, String),
    trace: Value,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let accounts: Vec<String> = globals.load()?.accounts.into_iter().map(|a| a.name).collect();
    let Checked { file, text, rules, problems } = check(&args.file, &accounts)?;
    let (Some(_), Ok(loaded)) = (rules, Ruleset::parse(&text)) else {
        let shown: String = problems.iter().map(|p| p.render(&file, &text)).collect();
        bail!("the rules do not load:\n{}", shown.trim_end());
    };
    let recorded = with_database(globals, async |conn| {
        let merchant_id = merchant(conn, &args.merchant).await?.merchant_id;
        let dispute_id = match &args.dispute {
            Some(word) => {
                let (word, merchant) = (word.clone(), Some(args.merchant.clone()));
                Some(dispute_at(conn, &Which { word, merchant, account: None }).await?.dispute_id)
            }
            None => None,
        };
        Ok(dossier::newest_decisions(conn, merchant_id, dispute_id, args.limit).await?)
    })
    .await?;
    let tried: Vec<Tried> =
        recorded.iter().map(|r| decide_again(&loaded.ruleset, r)).collect::<anyhow::Result<_>>()?;
    let changed: Vec<&Tried> = tried.iter().filter(|t| t.was != t.would_be).collect();
    let text = shown(&tried, &changed, args.dispute.is_some());
    let told = if args.dispute.is_some() { tried.iter().collect() } else { changed.clone() };
    let disputes: Vec<Value> = told.iter().map(|t| t.value()).collect();
    let value = json!({ "tried": tried.len(), "changed": changed.len(), "disputes": disputes });
    globals.output().answer(&text, &value)?;
    Ok(ExitCode::SUCCESS)
}

fn decide_again(ruleset: &Ruleset, recorded: &NewestDecision) -> anyhow::Result<Tried> {
    let name = &recorded.dispute_ref;
    let inputs: Inputs = serde_json::from_value(recorded.detail["inputs"].clone())
        .with_context(|| format!("the recorded inputs of {name} cannot be read by this version"))?;
    let (verdict, trace) = inputs.explain(ruleset);
    let was = (recorded.rule_id.clone().unwrap_or_else(|| "none".to_owned()), recorded.answer.clone());
    let would_be = (verdict.rule_id.to_owned(), Answer::of(verdict.then).word().to_owned());
    Ok(Tried { dispute_ref: name.clone(), was, would_be, trace: serde_json::to_value(&trace)? })
}

fn shown(tried: &[Tried], changed: &[&Tried], in_full: bool) -> String {
    let mut lines = Vec::new();
    if !changed.is_empty() {
        let rows: Vec<Vec<String>> = changed.iter().map(|t| t.row()).collect();
        lines.push(table(&["dispute", "was decided by", "as", "would be by", "as"], &rows));
    }
    for one in tried.iter().filter(|_| in_full) {
        lines.extend(conditions(&one.trace).iter().map(|line| plain(line)));
    }
    lines.push(format!("{} of {} dispute(s) would be answered differently", changed.len(), tried.len()));
    lines.join("\n")
}

impl Tried {
    fn row(&self) -> Vec<String> {
        let cells = [&self.dispute_ref, &self.was.0, &self.was.1, &self.would_be.0, &self.would_be.1];
        cells.map(Clone::clone).to_vec()
    }

    fn value(&self) -> Value {
        json!({
            "dispute": self.dispute_ref,
            "was": { "rule": self.was.0, "answer": self.was.1 },
            "would_be": { "rule": self.would_be.0, "answer": self.would_be.1 },
            "trace": self.trace,
        })
    }
}
