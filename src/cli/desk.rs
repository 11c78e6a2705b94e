//! What commands of people at work share: the database beside a serving engine, and who is speaking.
//! Knows nothing of what the commands do.

use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Globals;
use crate::clock::Clock;
use crate::engine::Order;
use crate::store::evidence::{self, Named};
use crate::store::merchants::{self, Merchant};
use crate::store::{self, Opened, moved_clock};

/// The name somebody acts under. Taken at their word: whoever can reach the database can do anything.
#[derive(Debug, Clone)]
pub(super) struct Person(String);

impl Person {
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromStr for Person {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let fits = (1..=64).contains(&name.chars().count());
        let shown = !name.chars().any(|c| c.is_control()) && name.trim() == name;
        match fits && shown {
            true if name.starts_with(Order::PROGRAM) => {
                Err(format!("names that begin with `{}` are programs'", Order::PROGRAM))
            }
            true => Ok(Self(name.to_owned())),
            false => Err("a name is 1 to 64 visible characters, without spaces around it".to_owned()),
        }
    }
}

/// Joins the database of the configuration, works on one connection, and leaves.
pub(super) async fn with_database<T>(
    globals: &Globals,
    work: impl AsyncFnOnce(&mut PgConnection) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let config = globals.load()?;
    let opened = store::join(&config.database).await.context("cannot open the database")?;
    let done = within(&opened, work).await;
    // An embedded server that this command started is stopped however it went.
    let closed = opened.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// The clock this database lives by: the machine's, save for the demo's. Nothing but the database can say so.
pub(super) async fn clock(conn: &mut PgConnection) -> anyhow::Result<Clock> {
    Ok(moved_clock::away(conn).await?.map_or_else(Clock::system, Clock::away_by))
}

/// What time it is there.
pub(super) async fn now(conn: &mut PgConnection) -> anyhow::Result<DateTime<Utc>> {
    Ok(clock(conn).await?.now())
}

async fn within<T>(
    opened: &Opened,
    work: impl AsyncFnOnce(&mut PgConnection) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    opened.check().await.with_context(|| format!("cannot reach the database {}", opened.shown))?;
    let pending = store::pending_migrations(&opened.pool).await?;
    ensure!(
        pending.is_empty(),
        "the database has not been brought up to date: run `respondby migrate` first"
    );
    let mut conn = opened.pool.acquire().await?;
    work(&mut conn).await
}

/// Which dispute a person means.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Which {
    /// The provider's id of the dispute, or ours.
    #[arg(value_name = "DISPUTE")]
    pub word: String,
    /// The merchant it belongs to, where the id alone does not say.
    #[arg(long, value_name = "NAME")]
    pub merchant: Option<String>,
    /// The account it was raised at, where the id alone does not say.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
}

impl Which {
    fn fits(&self, named: &Named) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        same(&self.merchant, &named.merchant) && same(&self.account, &named.account)
    }
}

/// The one dispute that a person means, by its id alone.
pub(super) async fn dispute(conn: &mut PgConnection, word: &str) -> anyhow::Result<Named> {
    only(evidence::named(conn, word).await?, word, "say which by our id")
}

/// The one dispute that a person means.
pub(super) async fn dispute_at(conn: &mut PgConnection, which: &Which) -> anyhow::Result<Named> {
    let mut found = evidence::named(conn, &which.word).await?;
    found.retain(|named| which.fits(named));
    only(found, &which.word, "say which with --merchant and --account, or by our id")
}

fn only(mut found: Vec<Named>, word: &str, how: &str) -> anyhow::Result<Named> {
    match (found.pop(), found.as_slice()) {
        (None, _) => bail!(
            "there is no dispute `{word}`: give the provider's id, or ours; `respondby disputes list` shows those \
             there are, and `respondby reconcile --now` asks the providers for more"
        ),
        (Some(named), []) => Ok(named),
        (Some(last), others) => {
            let line =
                |d: &Named| format!("  {} at {}/{} of {}", d.dispute_id, d.provider, d.account, d.merchant);
            let lines: Vec<String> = others.iter().chain([&last]).map(line).collect();
            bail!("`{word}` names {} disputes: {how}\n{}", lines.len(), lines.join("\n"))
        }
    }
}

/// The merchant of that name.
pub(super) async fn merchant(conn: &mut PgConnection, name: &str) -> anyhow::Result<Merchant> {
    let mut all = merchants::list(conn).await?;
    match all.iter().position(|m| m.name == name) {
        Some(at) => Ok(all.swap_remove(at)),
        None if all.is_empty() => {
            bail!("there is no merchant `{name}`, nor any other: they come with the configuration of `serve`")
        }
        None => {
            let names: Vec<&str> = all.iter().map(|m| m.name.as_str()).collect();
            bail!("there is no merchant `{name}`: there are {}", names.join(", "))
        }
    }
}
