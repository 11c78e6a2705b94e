//! `respondby doctor`: looks at everything that has to be right, and says of what is not how to mend it.
//! Changes nothing, calls no provider. Exits with 1 when something is wrong.

mod accounts;
mod work;

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use super::show::{at, plain};
use super::{Globals, desk};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::providers::Registry;
use crate::store::ids::Ids;
use crate::store::{self, Opened, rebuild};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Rebuild every dispute from its deliveries as well, and compare. Reads everything.
    #[arg(long)]
    deep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Somebody wanted it so, and should know.
    Note,
    Wrong,
}

/// What one look came to.
#[derive(Debug, Serialize)]
struct Finding {
    about: &'static str,
    state: State,
    said: String,
    mend: Option<String>,
}

impl Finding {
    fn ok(about: &'static str, said: impl Into<String>) -> Self {
        Self { about, state: State::Ok, said: said.into(), mend: None }
    }

    fn note(about: &'static str, said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about, state: State::Note, said: said.into(), mend: Some(mend.into()) }
    }

    fn wrong(about: &'static str, said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about, state: State::Wrong, said: said.into(), mend: Some(mend.into()) }
    }

    fn shown(&self) -> String {
        let word = match self.state {
            State::Ok => "ok   ",
            State::Note => "note ",
            State::Wrong => "WRONG",
        };
        let said: Vec<String> = self.said.lines().map(plain).collect();
        let mut text = format!("{word}  {}: {}", self.about, said.join("\n         "));
        if let Some(mend) = &self.mend {
            text.push_str(&format!("\n         mend: {mend}"));
        }
        text
    }
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let findings = match globals.load() {
        Ok(config) => {
            let mut findings = vec![configured(&config, globals)];
            findings.extend(database(&config, args.deep).await?);
            findings
        }
        Err(error) => {
            let mend = "correct what is named, or give another file with --config; config/default.toml explains each key";
            vec![Finding::wrong("configuration", super::chain(&error), mend)]
        }
    };
    let wrong = findings.iter().filter(|f| f.state == State::Wrong).count();
    let mut lines: Vec<String> = findings.iter().map(Finding::shown).collect();
    lines.push(match wrong {
        0 => "nothing is wrong".to_owned(),
        1 => "one thing is wrong".to_owned(),
        n => format!("{n} things are wrong"),
    });
    globals.output().answer(&lines.join("\n"), &json!({ "ok": wrong == 0, "findings": findings }))?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Loading reads every secret from where it is kept, so that a configuration that loads has them all.
fn configured(config: &Config, globals: &Globals) -> Finding {
    let file = globals
        .config
        .as_ref()
        .map_or("the defaults and the environment".to_owned(), |f| f.display().to_string());
    let secrets: usize = config.accounts.iter().map(|a| a.webhook_secrets.len() + a.credentials.len()).sum();
    let accounts = config.accounts.len();
    Finding::ok(
        "configuration",
        format!("{file}: {accounts} account(s), {secrets} secret(s) of theirs readable"),
    )
}

async fn database(config: &Config, deep: bool) -> anyhow::Result<Vec<Finding>> {
    let opened = match store::join(&config.database).await {
        Ok(opened) => opened,
        Err(error) => {
            let mend = "see [database] in the configuration; the message above says what was tried";
            return Ok(vec![Finding::wrong("database", super::chain(&error.into()), mend)]);
        }
    };
    let findings = within(config, &opened, deep).await;
    // An embedded server that this command started is stopped however it went.
    let closed = opened.close().await;
    let findings = findings?;
    closed?;
    Ok(findings)
}

/// The database in words: the embedded server's folders as they are, and not as an address writes them.
fn place(opened: &Opened) -> String {
    match &opened.embedded {
        Some(server) => format!(
            "the embedded server of {} (socket in {})",
            server.dir().display(),
            server.socket_dir().display()
        ),
        None => opened.shown.clone(),
    }
}

async fn within(config: &Config, opened: &Opened, deep: bool) -> anyhow::Result<Vec<Finding>> {
    if let Err(error) = opened.check().await {
        let said = format!("cannot reach {}: {}", opened.shown, super::chain(&error.into()));
        let mend = "start it, or correct database.url (DATABASE_URL)";
        return Ok(vec![Finding::wrong("database", said, mend)]);
    }
    let mut findings = vec![Finding::ok("database", format!("{} answers", place(opened)))];
    match store::pending_migrations(&opened.pool).await {
        Ok(pending) if pending.is_empty() => findings.push(Finding::ok("schema", "up to date")),
        Ok(pending) => {
            let said = format!("{} migration(s) are not applied", pending.len());
            findings.push(Finding::wrong(
                "schema",
                said,
                "run `respondby migrate`, or start `respondby serve`",
            ));
            return Ok(findings);
        }
        Err(error) => {
            let mend = "run the newer program, or restore a backup from before";
            findings.push(Finding::wrong("schema", super::chain(&error.into()), mend));
            return Ok(findings);
        }
    }
    let mut conn = opened.pool.acquire().await?;
    let clock = desk::clock(&mut conn).await?;
    let now = clock.now();
    if clock.away().is_some() {
        let said = format!("it lives by the demo's clock, and there it is {}", at(now));
        findings.push(Finding::note(
            "clock",
            said,
            "for real disputes, give the engine a database of its own",
        ));
    }
    findings.extend(accounts::look(&mut conn, config, now).await?);
    findings.extend(work::look(&mut conn, config, now).await?);
    if deep {
        findings.push(rebuilt(&mut conn, config, clock).await?);
    }
    Ok(findings)
}

/// P7: state equals what the deliveries make.
async fn rebuilt(conn: &mut PgConnection, config: &Config, clock: Clock) -> anyhow::Result<Finding> {
    let now = clock.now();
    let world = app::world(config, Ids::new(), Registry::new(&config.providers, clock)?);
    let differences = rebuild::differences(conn, &world, now).await?;
    Ok(match differences.is_empty() {
        true => Finding::ok("rebuilt", "every dispute is what its deliveries make of it"),
        false => {
            let said = format!("{} dispute(s) differ:\n{}", differences.len(), differences.join("\n"));
            let mend =
                "keep the database as it is and report this: deliveries and history show how it came about";
            Finding::wrong("rebuilt", said, mend)
        }
    })
}
