//! `respondby keys`: what merchants' own programs show to be let in. A key is shown once, when it is made; the
//! database knows only its digest.

use std::process::ExitCode;

use anyhow::bail;
use rand::Rng as _;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Globals;
use super::desk::{Person, merchant, now, with_database};
use super::show::{at_second, table};
use crate::desk::{NewSecret, Scope};
use crate::store::api_keys::{self, Added, KeyLine, NewKey, Revoked};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key and show it, this once.
    Create(Create),
    /// Show which keys there are. None is shown itself.
    List(List),
    /// End a key: it is refused from the next request on.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Whose disputes it is for.
    #[arg(long, value_name = "NAME")]
    merchant: String,
    /// What it is called: lower-case letters, digits, `-` and `_`.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: String,
    /// What it may do: `disputes:read`, `disputes:write`. Give it once for each.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// Your name.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this merchant's.
    #[arg(long, value_name = "NAME")]
    merchant: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    #[arg(long, value_name = "NAME")]
    merchant: String,
    /// What the key is called.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Your name.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
}

/// As the database wants it (`api_keys_name_shape`).
fn parse_name(name: &str) -> Result<String, String> {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.starts_with(first)
        && name.len() <= 63
        && name.chars().all(|c| first(c) || matches!(c, '-' | '_'));
    match fits {
        true => Ok(name.to_owned()),
        false => Err("a key's name is 1 to 63 lower-case letters, digits, `-` and `_`".to_owned()),
    }
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Create(create) => make(create, globals).await,
        Command::List(list) => show(list, globals).await,
        Command::Revoke(revoke) => end(revoke, globals).await,
    }
}

async fn make(create: Create, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut scopes: Vec<&'static str> = create.scopes.iter().map(Scope::as_str).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let (key_id, secret) = with_database(globals, async |conn| {
        let merchant = merchant(conn, &create.merchant).await?;
        let secret = NewSecret::of(merchant.merchant_id, rand::rng().random());
        let digest = secret.digest;
        let new =
            NewKey { merchant_id: merchant.merchant_id, name: &create.name, digest, scopes: scopes.clone() };
        let now = now(conn).await?;
        match api_keys::add(conn, &new, create.by.name(), now).await? {
            Added::Key(key_id) => Ok((key_id, secret)),
            Added::NameTaken => bail!(
                "{} has a key `{}` already: revoke it first, or choose another name",
                create.merchant,
                create.name
            ),
        }
    })
    .await?;
    let key = secret.shown.expose_secret();
    let text = format!("{key}\nthis is the only time it is shown: keep it where secrets are kept");
    let told = json!({"merchant": create.merchant, "name": create.name, "key_id": key_id, "scopes": scopes,
        "key": key});
    globals.output().answer(&text, &told)?;
    Ok(ExitCode::SUCCESS)
}

async fn show(list: List, globals: &Globals) -> anyhow::Result<ExitCode> {
    let rows = with_database(globals, async |conn| {
        let only = match &list.merchant {
            Some(name) => Some(merchant(conn, name).await?.merchant_id),
            None => None,
        };
        Ok(api_keys::list(conn, only).await?)
    })
    .await?;
    let text = match rows.is_empty() {
        true => "no keys".to_owned(),
        false => table(
            &["merchant", "name", "scopes", "created", "used"],
            &rows.iter().map(row).collect::<Vec<_>>(),
        ),
    };
    globals.output().answer(text.trim_end(), &json!({ "keys": rows }))?;
    Ok(ExitCode::SUCCESS)
}

fn row(key: &KeyLine) -> Vec<String> {
    let used = match (&key.revoked_at, &key.revoked_by, &key.used_at) {
        (Some(when), by, _) => {
            format!("revoked by {} at {}", by.as_deref().unwrap_or("nobody"), at_second(*when))
        }
        (None, _, Some(when)) => at_second(*when),
        (None, _, None) => "never".to_owned(),
    };
    let created = format!("{} by {}", at_second(key.created_at), key.created_by);
    vec![key.merchant.clone(), key.name.clone(), key.scopes.join(" "), created, used]
}

async fn end(revoke: Revoke, globals: &Globals) -> anyhow::Result<ExitCode> {
    let done = with_database(globals, async |conn| {
        let merchant = merchant(conn, &revoke.merchant).await?;
        let now = now(conn).await?;
        Ok(api_keys::revoke(conn, merchant.merchant_id, &revoke.name, revoke.by.name(), now).await?)
    })
    .await?;
    let Revoked::Done { key_id } = done else {
        bail!("{} has no key `{}` in use: `respondby keys list` shows them", revoke.merchant, revoke.name)
    };
    let text = format!("the key `{}` of {} is refused from now on", revoke.name, revoke.merchant);
    let told = json!({"merchant": revoke.merchant, "name": revoke.name, "key_id": key_id, "revoked": true});
    globals.output().answer(&text, &told)?;
    Ok(ExitCode::SUCCESS)
}
