//! `respondby reconcile`: how much of what happened at each account came by webhook, and how much only polling
//! found. Polls nothing itself: `--now` has the worker of a running engine do it at once.

use std::process::ExitCode;

use serde_json::json;

use super::Globals;
use super::desk::{now, with_database};
use super::show::{at_or_never, table};
use crate::store::watermarks::{self, Gap};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Have every account listed and every dispute fetched now, instead of at its time.
    #[arg(long)]
    now: bool,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let gaps = with_database(globals, async |conn| {
        if args.now {
            let now = now(conn).await?;
            watermarks::hurry(conn, now).await?;
        }
        Ok(watermarks::gaps(conn).await?)
    })
    .await?;
    let mut text = match gaps.is_empty() {
        true => "no account has been polled yet: the worker of `respondby serve` starts with it".to_owned(),
        false => shown(&gaps),
    };
    if args.now {
        text.push_str(
            "\nevery account is due now: the worker of a running engine begins within a second or so",
        );
    }
    globals.output().answer(&text, &json!({ "accounts": gaps, "hurried": args.now }))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(gaps: &[Gap]) -> String {
    let head = [
        "merchant",
        "account",
        "last webhook",
        "last poll",
        "disputes only by poll",
        "changes only by poll",
        "fetches waiting",
        "last error",
    ];
    let rows: Vec<Vec<String>> = gaps
        .iter()
        .map(|gap| {
            vec![
                gap.merchant.clone(),
                format!("{}/{}", gap.provider, gap.account),
                at_or_never(gap.last_webhook_at),
                at_or_never(gap.last_poll_at),
                gap.disputes_found_by_poll.to_string(),
                gap.changes_found_by_poll.to_string(),
                gap.fetches_waiting.to_string(),
                gap.last_poll_error.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        })
        .collect();
    table(&head, &rows)
}
