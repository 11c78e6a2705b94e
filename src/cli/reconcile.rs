//! `respondby reconcile`: how much of what happened at each account came by webhook, and how much only polling
//! found. Polls nothing itself: `--now` has the worker of a running engine do it at once.

use std::process::ExitCode;

use serde_json::json;

use super::Globals;
use super::desk::{now, with_database};
use super::show::{at_or_never, at_second, table};
use crate::clock::Clock;
use crate::dispute::Capabilities;
use crate::providers::{ProviderName, Registry};
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
    let config = globals.load()?;
    let registry = Registry::new(&config.providers, Clock::system())?;
    let blind = gaps.iter().filter_map(|gap| {
        let name: ProviderName = gap.provider.parse().ok()?;
        blind_spot(gap, registry.get(name).capabilities())
    });
    let blind: Vec<String> = blind.collect();
    let mut text = match gaps.is_empty() {
        true => "no account has been polled yet: the worker of `respondby serve` starts with it".to_owned(),
        false => shown(&gaps),
    };
    gaps.iter().filter_map(failing).for_each(|said| text.push_str(&format!("\n{said}")));
    blind.iter().for_each(|said| text.push_str(&format!("\n{said}")));
    if args.now {
        text.push_str(
            "\nevery account is due now: the worker of a running engine begins within a second or so",
        );
    }
    globals.output().answer(&text, &json!({ "accounts": gaps, "blind": blind, "hurried": args.now }))?;
    Ok(ExitCode::SUCCESS)
}

/// What polling cannot find at this account, because its provider does not let itself be read.
pub(super) fn blind_spot(gap: &Gap, can: &Capabilities) -> Option<String> {
    let name = format!("{}/{}", gap.provider, gap.account);
    match (can.list, can.fetch) {
        (true, true) => None,
        (true, false) => {
            Some(format!("{name} lists its disputes and lets none be read: no call is read back"))
        }
        (false, true) => Some(format!(
            "{name} has no list: disputes are read one by one, and one whose webhooks are all lost is not found"
        )),
        (false, false) => Some(format!(
            "{name} cannot be read: its webhooks are all there is, and what they do not tell is not found"
        )),
    }
}

/// An account that no poll has gone through to for a while.
fn failing(gap: &Gap) -> Option<String> {
    let since = at_second(gap.failing_since?);
    Some(format!(
        "{}/{}: no poll has gone through since {since}; what happens there comes by webhook alone until the last error \
         is mended",
        gap.provider, gap.account
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_whose_provider_cannot_be_read_is_named() {
        let config = crate::config::Config::read(None, []).unwrap();
        let registry = Registry::new(&config.providers, Clock::system()).unwrap();
        let gap = Gap {
            merchant: "north".into(),
            provider: "stripe".into(),
            account: "north-main".into(),
            last_webhook_at: None,
            last_poll_at: None,
            last_poll_error: None,
            failing_since: None,
            changed_until: chrono::DateTime::UNIX_EPOCH,
            disputes_found_by_poll: 0,
            changes_found_by_poll: 0,
            fetches_waiting: 0,
        };
        let said = |list: bool, fetch: bool| {
            let all = *registry.get(ProviderName::Stripe).capabilities();
            blind_spot(&gap, &Capabilities { list, fetch, ..all })
        };
        assert_eq!(said(true, true), None);
        for (list, fetch, words) in [
            (false, false, "cannot be read"),
            (false, true, "has no list"),
            (true, false, "no call is read back"),
        ] {
            let said = said(list, fetch).unwrap();
            assert!(said.starts_with("stripe/north-main ") && said.contains(words), "{said}");
        }
    }
}
