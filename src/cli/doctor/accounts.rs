//! What `doctor` looks at of merchants and accounts: can each be used, are its rules in force, is it compared
//! with the provider's list. Calls no provider.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::Finding;
use crate::app;
use crate::cli::disputes::kill_switch;
use crate::cli::reconcile::blind_spot;
use crate::cli::show::ago;
use crate::clock::Clock;
use crate::config::{AccountConfig, Config};
use crate::dispute::Capabilities;
use crate::providers::{ProviderName, Registry};
use crate::store::accounts::AccountDirectory;
use crate::store::merchants;
use crate::store::watermarks::{self, Gap};

pub(super) async fn look(
    conn: &mut PgConnection,
    config: &Config,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Finding>> {
    let mut findings = usable(conn, config).await?;
    findings.extend(merchants(conn).await?);
    findings.extend(polls(conn, config, now).await?);
    Ok(findings)
}

async fn usable(conn: &mut PgConnection, config: &Config) -> anyhow::Result<Vec<Finding>> {
    let about = "accounts";
    let key = match app::sealing_key(config) {
        Ok(key) => key,
        Err(error) => {
            let mend = "set secrets.key to the key that the accounts were sealed with";
            return Ok(vec![Finding::wrong(about, crate::cli::chain(&error), mend)]);
        }
    };
    let directory = AccountDirectory::new(key);
    directory.refresh(conn).await?;
    let mut findings: Vec<Finding> = directory
        .unusable()
        .into_iter()
        .map(|u| {
            let said =
                format!("{}/{} cannot be used, and its webhooks are refused: {}", u.provider, u.name, u.why);
            let mend = "set secrets.key to the key it was sealed with; or enter the account's secrets in the \
                        configuration again and restart `respondby serve`";
            Finding::wrong(about, said, mend)
        })
        .collect();
    findings.extend(config.accounts.iter().filter_map(|account| differs(account, &directory)));
    if findings.is_empty() {
        findings.push(Finding::ok(about, format!("{} usable", directory.all().len())));
    }
    Ok(findings)
}

/// What the configuration says of an account, and the database says otherwise.
fn differs(account: &AccountConfig, directory: &AccountDirectory) -> Option<Finding> {
    let AccountConfig { merchant, provider, name, .. } = account;
    if let Some(known) = directory.find(*provider, name) {
        let said = format!(
            "{provider}/{name} is the merchant {}'s in the database, and {merchant}'s in the configuration",
            known.merchant
        );
        let mend = "`respondby serve` does not start with this, for disputes cannot change hands: give the account of \
                    the other merchant a name of its own";
        return (known.merchant != *merchant).then(|| Finding::wrong("accounts", said, mend));
    }
    if directory.unusable().iter().any(|u| u.provider == provider.as_str() && u.name == *name) {
        // Told already, with why.
        return None;
    }
    let said = format!("{provider}/{name} is in the configuration and not in use yet");
    let namesake = directory.all().into_iter().find(|known| known.name == *name);
    Some(match namesake {
        None => {
            Finding::wrong("accounts", said, "start `respondby serve` with this configuration, or restart it")
        }
        Some(known) => Finding::wrong(
            "accounts",
            format!(
                "{said}; in use under that name is {}/{name}, of the merchant {}",
                known.provider, known.merchant
            ),
            format!(
                "if {provider} is right, restart `respondby serve` with this configuration; while {}/{name} has open \
                 disputes, keep it in the configuration beside the other, for nobody answers them without it",
                known.provider
            ),
        ),
    })
}

async fn merchants(conn: &mut PgConnection) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for merchant in merchants::list(conn).await? {
        let name = &merchant.name;
        if merchant.ruleset_version.is_none() {
            let said = format!("{name} has none in force: every dispute waits for a person");
            let mend = format!("`respondby rules publish FILE --merchant {name} --as YOU`");
            findings.push(Finding::note("rules", said, mend));
        }
        if let Some(said) = kill_switch(&merchant) {
            let mend = format!("when the reason is gone: `respondby kill off --merchant {name} --as YOU`");
            findings.push(Finding::note("kill switch", said, mend));
        }
    }
    Ok(findings)
}

async fn polls(conn: &mut PgConnection, config: &Config, now: DateTime<Utc>) -> anyhow::Result<Vec<Finding>> {
    // Two rounds may be missed for good reasons; the third is one too many.
    let oldest = now - TimeDelta::seconds(i64::from(config.reconcile.every_s)) * 3;
    let registry = Registry::new(&config.providers, Clock::system())?;
    let gaps = watermarks::gaps(conn).await?;
    let look = |gap: &Gap| {
        let name = gap.provider.parse::<ProviderName>().ok();
        name.and_then(|name| unlisted(gap, registry.get(name).capabilities()))
            .unwrap_or_else(|| poll(gap, oldest, now))
    };
    Ok(gaps.iter().map(look).collect())
}

/// What nobody can mend, and everybody should know.
fn unlisted(gap: &Gap, can: &Capabilities) -> Option<Finding> {
    let mend = "compare with the provider's dashboard now and then; have it send webhooks again where it can";
    Some(Finding::note("reconciliation", blind_spot(gap, can)?, mend))
}

fn poll(gap: &Gap, oldest: DateTime<Utc>, now: DateTime<Utc>) -> Finding {
    let about = "reconciliation";
    let name = format!("{}/{}", gap.provider, gap.account);
    let is_worker =
        "is a worker running? `respondby serve` with \"worker\" in worker.roles compares accounts";
    match (gap.last_poll_at, &gap.last_poll_error) {
        (None, _) => Finding::wrong(
            about,
            format!("{name} has never been compared with the provider's list"),
            is_worker,
        ),
        (Some(_), Some(error)) => Finding::wrong(
            about,
            format!("{name}: the last comparison failed: {error}"),
            "a refusal is mended at the provider (key, permissions); anything else is tried again by itself",
        ),
        (Some(at), None) if at < oldest => {
            Finding::wrong(about, format!("{name} was last compared {}", ago(at, now)), is_worker)
        }
        (Some(at), None) => Finding::ok(about, format!("{name} was compared {}", ago(at, now))),
    }
}
