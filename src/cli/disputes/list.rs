//! `disputes list`: one line per dispute, the nearest deadline first. Shows what the plan says and decides
//! nothing.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::cli::desk::{merchant, now, with_database};
use crate::cli::show::{at, left, table};
use crate::engine::{Approval, Matter};
use crate::store::disputes::{self, CycleLine, Filter, Line};
use crate::store::merchants::{self, Merchant};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this merchant's.
    #[arg(long, value_name = "NAME")]
    merchant: Option<String>,
    /// Only those in which a response is owed.
    #[arg(long)]
    open: bool,
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Args { merchant: name, open, limit } = args;
    let filter = Filter { merchant: name.clone(), open, dispute_ref: None, limit };
    let (merchants, lines, now) = with_database(globals, async |conn| {
        let merchants = match &name {
            Some(name) => vec![merchant(conn, name).await?],
            None => merchants::list(conn).await?,
        };
        Ok((merchants, disputes::list(conn, &filter).await?, now(conn).await?))
    })
    .await?;
    let stopped: Vec<&Merchant> = merchants.iter().filter(|m| m.kill_switch_at.is_some()).collect();
    let mut text: Vec<String> = stopped.iter().filter_map(|m| kill_switch(m)).collect();
    text.push(match lines.is_empty() {
        true if open => "no response is owed".to_owned(),
        true => "no disputes".to_owned(),
        false => shown(&lines, now),
    });
    if lines.len() as i64 == limit {
        text.push(format!("the first {limit}; --limit shows more"));
    }
    let value = json!({ "kill_switches": stopped, "disputes": lines });
    globals.output().answer(&text.join("\n"), &value)?;
    Ok(ExitCode::SUCCESS)
}

/// The line that nobody must overlook.
pub(in crate::cli) fn kill_switch(merchant: &Merchant) -> Option<String> {
    let (since, by) = merchant.kill_switch_at.zip(merchant.kill_switch_by.as_deref())?;
    Some(format!(
        "KILL SWITCH: nothing irreversible is sent for {}, since {} by {by}",
        merchant.name,
        at(since)
    ))
}

fn shown(lines: &[Line], now: DateTime<Utc>) -> String {
    let rows: Vec<Vec<String>> = lines.iter().map(|line| row(line, now)).collect();
    let head = [
        "dispute",
        "merchant",
        "account",
        "stage",
        "status",
        "amount",
        "reason",
        "respond by",
        "time",
        "plan",
    ];
    table(&head, &rows)
}

fn row(line: &Line, now: DateTime<Utc>) -> Vec<String> {
    let open = line.cycle.as_ref().filter(|c| c.state == "open");
    vec![
        line.dispute_ref.clone(),
        line.merchant.clone(),
        format!("{}/{}", line.provider, line.account),
        line.stage.to_string(),
        line.status.to_string(),
        line.amount.to_string(),
        line.category.clone(),
        line.cycle.as_ref().map_or_else(|| "-".to_owned(), |c| at(c.respond_by)),
        open.map_or_else(|| "-".to_owned(), |c| left(c.respond_by, now)),
        line.cycle.as_ref().map_or_else(|| "no response is owed".to_owned(), plan),
    ]
}

/// What is meant to happen, or what happened, in a few words.
pub(super) fn plan(cycle: &CycleLine) -> String {
    match (&cycle.response, cycle.answered_at) {
        (Some(response), Some(answered_at)) => format!("{response}, confirmed {}", at(answered_at)),
        (Some(response), None) => response.to_string(),
        (None, _) => planned(cycle),
    }
}

fn planned(cycle: &CycleLine) -> String {
    let waiting: Vec<&str> =
        cycle.plan["waiting_for"].as_array().into_iter().flatten().filter_map(|w| w.as_str()).collect();
    match (waiting.split_first(), cycle.act_at) {
        (Some((first, [])), _) => format!("{}; waits: {first}", cycle.plan_kind),
        (Some((first, more)), _) => format!("{}; waits: {first} (and {} more)", cycle.plan_kind, more.len()),
        (None, Some(act_at)) => format!("{} at {}", cycle.plan_kind, at(act_at)),
        (None, None) => cycle.plan_kind.clone(),
    }
}

/// What somebody is asked to approve, or has approved, and the digest by which it is known again.
pub(super) fn approval(plan: &Value, open: bool) -> Option<String> {
    match serde_json::from_value(plan["approval"].clone()).ok()? {
        Approval::NotNeeded => None,
        Approval::Needed { .. } if !open => None,
        Approval::Needed { matter, .. } => {
            let matter = matter?;
            Some(format!("to be approved: {} (--seen {})", with_rule(&matter), matter.seen()))
        }
        Approval::Granted { by, matter, .. } => {
            let matter = matter?;
            Some(format!("approved by {by}: {} (seen as {})", with_rule(&matter), matter.seen()))
        }
    }
}

fn with_rule(matter: &Matter) -> String {
    let rule = matter.rule_id.as_ref().map(|id| format!(", by rule {id}")).unwrap_or_default();
    format!("{matter}{rule}")
}

/// By what `disputes approve --seen` knows that nothing has changed.
pub(super) fn seen(plan: &Value) -> Option<String> {
    match serde_json::from_value(plan["approval"].clone()).ok()? {
        Approval::Needed { matter, .. } | Approval::Granted { matter, .. } => Some(matter?.seen()),
        Approval::NotNeeded => None,
    }
}
