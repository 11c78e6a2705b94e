//! `respondby migrate`: brings the schema up to date and says what it did.
//! Stops an embedded server again afterwards. Knows no migration by name.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::Globals;
use crate::store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only say what would be applied. Exits with 1 if there is anything.
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let config = globals.load()?;
    let database = store::open(&config.database).await.context("cannot open the database")?;
    let done = versions(&args, &database).await;
    let shown = database.shown.clone();
    // An embedded server is stopped however it went.
    let closed = database.close().await;
    let versions = done.with_context(|| format!("cannot migrate {shown}"))?;
    closed?;
    let what = if args.check { "pending" } else { "applied" };
    let text = match versions.as_slice() {
        [] => "the schema is up to date".to_owned(),
        some => {
            let listed: Vec<String> = some.iter().map(i64::to_string).collect();
            format!("{what}: {}", listed.join(", "))
        }
    };
    globals.output().answer(&text, &json!({ what: versions }))?;
    Ok(if args.check && !versions.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn versions(args: &Args, database: &store::Opened) -> anyhow::Result<Vec<i64>> {
    database.check().await?;
    let pool = &database.pool;
    Ok(if args.check { store::pending_migrations(pool).await? } else { store::migrate(pool).await? })
}
