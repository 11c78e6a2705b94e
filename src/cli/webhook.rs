//! `respondby webhook verify`: what people need when a signature fails. No database, no configuration: the
//! secret, the headers and the body as they came, and an answer that names what is wrong. No network either, but
//! for providers whose proof is a certificate that must be fetched.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::words::word;
use super::{Globals, USAGE};
use crate::clock::Clock;
use crate::config::{Config, nearest, read_secret_file};
use crate::providers::{
    Account, Credentials, Delivery, ProviderName, Refusal, Registry, Verified, WebhookSecrets,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check a webhook's signature as the engine would.
    ///
    /// Prints `ok` and exits with 0, or prints what is wrong and exits with 1.
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// The provider, as in the address of its webhooks.
    #[arg(long, value_name = "NAME", value_parser = word::<ProviderName>)]
    provider: ProviderName,
    /// A file with the webhook secret; several are tried in this order. One line ending (LF or CRLF) at
    /// the end of the file is not part of the secret; anything more is.
    #[arg(long, value_name = "FILE")]
    secret_file: Vec<PathBuf>,
    /// What the account's `settings` say, where the provider's proof rests on it.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    setting: Vec<(String, String)>,
    /// What one of the account's `credentials` is, likewise.
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_pair)]
    credential_file: Vec<(String, String)>,
    /// A key of the provider's table in the configuration, instead of its default: for PayPal,
    /// `certificate_file=FILE` takes the certificate from a file and fetches nothing.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    provider_setting: Vec<(String, String)>,
    /// A header as received, 'Name: value'. Give all there were.
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(String, String)>,
    /// The body, byte for byte as received; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// When it was received: unix seconds or RFC 3339. Now, if left out.
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    now: Option<DateTime<Utc>>,
    /// The address it was sent to, for providers that sign it.
    #[arg(long)]
    url: Option<String>,
    /// How old the signed time may be, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(0..))]
    tolerance: i64,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Command::Verify(args) = args.command;
    let inputs = read_inputs(&args);
    let (account, delivery) = match inputs {
        Ok(inputs) => inputs,
        Err(error) => {
            eprintln!("error: {}", super::chain(&error));
            return Ok(ExitCode::from(USAGE));
        }
    };
    if account.webhook_secrets.is_empty() && !args.secret_file.is_empty() {
        let message = format!("the secret file is empty: {}", shown(&args.secret_file));
        return refused(globals, "no_secret", &message);
    }
    let clock = Clock::system();
    let now = args.now.unwrap_or_else(|| clock.now());
    let registry = match registry(&args, clock) {
        Ok(registry) => registry,
        Err(error) => {
            eprintln!("error: {}", super::chain(&error));
            return Ok(ExitCode::from(USAGE));
        }
    };
    let provider = registry.get(args.provider);
    if let Some(preparing) = provider.prepare(&delivery, &account)
        && let Err(not_ready) = preparing.await
    {
        let message = format!("nothing can be said of it yet: {not_ready}");
        return refused(globals, "not_ready", &message);
    }
    match provider.verify(delivery, &account, now) {
        Ok(verified) if verified.set_aside().is_empty() => accepted(globals, &verified),
        Ok(verified) => {
            let told = verified.set_aside().join("; ");
            refused(globals, "set_aside", &format!("it is kept, and not all in it is believed: {told}"))
        }
        Err(refusal) => refused(globals, refusal.word(), &told(&refusal, &args)),
    }
}

/// The providers by their defaults, but for what the command says.
fn registry(args: &Verify, clock: Clock) -> anyhow::Result<Registry> {
    let mut providers = Config::read(None, [])?.providers;
    let table = providers.0.get_mut(&args.provider).context("a provider without a table")?;
    for (name, value) in &args.provider_setting {
        let Some(place) = table.settings.get_mut(name) else {
            let known: Vec<&str> = args.provider.settings().iter().map(|setting| setting.name).collect();
            bail!("`{name}` is no setting of {}: there is {}", args.provider, known.join(", "));
        };
        place.clone_from(value);
    }
    Registry::new(&providers, clock)
}

fn accepted(globals: &Globals, verified: &Verified) -> anyhow::Result<ExitCode> {
    let claimed_at = verified.claimed_at().map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    let signed = claimed_at.as_deref().map_or(String::new(), |at| format!(", signed at {at}"));
    let text = format!("ok: {} event {}{signed}", verified.provider, verified.dedupe_key());
    let value = json!({
        "ok": true,
        "provider": verified.provider,
        "dedupe_key": verified.dedupe_key(),
        "claimed_at": claimed_at,
    });
    globals.output().answer(&text, &value)?;
    Ok(ExitCode::SUCCESS)
}

fn refused(globals: &Globals, word: &str, message: &str) -> anyhow::Result<ExitCode> {
    let value: Value = json!({ "ok": false, "refusal": word, "message": message });
    globals.output().answer(&format!("refused: {message}"), &value)?;
    Ok(ExitCode::FAILURE)
}

/// The refusal in the words of this command, where the engine speaks of the configuration.
fn told(refusal: &Refusal, args: &Verify) -> String {
    match refusal {
        Refusal::TooOld { .. } if args.now.is_none() => {
            format!("{refusal}; for a webhook of earlier, say with --now when it was received")
        }
        Refusal::HeaderMissing { header } => {
            let mut given = args.header.iter().map(|(name, _)| name.as_str());
            let misspelt = given.find(|name| nearest(name, [*header]).is_some());
            match misspelt {
                Some(name) => format!("{refusal}, and `{name}` is given: did you mean `{header}`?"),
                None => format!("{refusal}: give it with --header '{header}: …'"),
            }
        }
        Refusal::NoSecret
        | Refusal::HeaderTwice { .. }
        | Refusal::HeaderMalformed { .. }
        | Refusal::SignatureMismatch { .. }
        | Refusal::BodyMalformed { .. }
        | Refusal::PasswordMismatch { .. }
        | Refusal::TooOld { .. } => refusal.to_string(),
    }
}

fn read_inputs(args: &Verify) -> anyhow::Result<(Account, Delivery)> {
    if args.secret_file.is_empty() && args.provider.webhook_secrets() == WebhookSecrets::Required {
        bail!("webhooks of {} are signed: say with --secret-file where the secret is", args.provider);
    }
    let secrets: Vec<String> =
        args.secret_file.iter().map(|path| read_secret_file(path)).collect::<Result<_, _>>()?;
    let account = Account {
        merchant_id: 0,
        account_id: 0,
        merchant: "command-line".to_owned(),
        name: "command-line".to_owned(),
        provider: args.provider,
        webhook_secrets: secrets.into_iter().filter(|s| !s.is_empty()).map(SecretString::from).collect(),
        credentials: read_credentials(args)?,
        base_url: None,
        tolerance_s: args.tolerance,
    };
    let body = read_body(&args.body)?;
    let delivery = Delivery { headers: args.header.clone(), body: body.into(), url: args.url.clone() };
    Ok((account, delivery))
}

/// What the account has at its provider, each under a name that it knows.
fn read_credentials(args: &Verify) -> anyhow::Result<Credentials> {
    let known = |secret: bool| args.provider.needs().iter().filter(move |need| need.secret == secret);
    let mut entries: Vec<(String, SecretString)> = Vec::new();
    for (given, secret) in [(&args.setting, false), (&args.credential_file, true)] {
        for (name, value) in given {
            if !known(secret).any(|need| need.name == name) {
                let names: Vec<&str> = known(secret).map(|need| need.name).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                bail!("a {} account has no `{name}` there: expected {names}", args.provider);
            }
            let value = if secret { read_secret_file(Path::new(value))? } else { value.clone() };
            entries.push((name.clone(), value.into()));
        }
    }
    Ok(Credentials::new(entries))
}

fn read_body(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).context("cannot read the body from standard input")?;
        return Ok(body);
    }
    fs::read(path).with_context(|| format!("cannot read the body from {}", path.display()))
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written 'Name: value'")?;
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the name of a header is letters, digits and hyphens, before the first colon".to_owned());
    }
    // Servers hand a value on without the blanks around it.
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=…")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    let wanted = "a time is unix seconds (1790000000) or RFC 3339 (2026-09-21T14:13:20Z)";
    if let Ok(seconds) = text.parse::<i64>() {
        return DateTime::from_timestamp(seconds, 0)
            .ok_or_else(|| format!("{wanted}; {seconds} s is beyond every calendar"));
    }
    DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).map_err(|e| format!("{wanted}: {e}"))
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_cut_at_the_first_colon() {
        let header = |text: &str| parse_header(text);
        assert_eq!(header("X-Sig:  a:b \t").unwrap(), ("x-sig".to_owned(), "a:b".to_owned()));
        assert_eq!(header("x:").unwrap(), ("x".to_owned(), String::new()));
        assert!(header("no colon").is_err() && header(": v").is_err() && header("a b: v").is_err());
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let seconds = parse_time("1790000000").unwrap();
        for text in ["2026-09-21T14:13:20Z", "2026-09-21T19:43:20+05:30", "2026-09-21T14:13:20.000+00:00"] {
            assert_eq!(parse_time(text).unwrap(), seconds, "{text}");
        }
        assert_eq!(parse_time("-5").unwrap().timestamp(), -5);
        for wrong in ["yesterday", "", "2026-09-21", "99999999999999999"] {
            assert!(parse_time(wrong).unwrap_err().contains("RFC 3339"), "{wrong}");
        }
    }
}
