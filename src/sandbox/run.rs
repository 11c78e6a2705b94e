//! `respondby sandbox`: starts the stand-ins with one example account each, prints where they are and how to
//! point official SDKs at them, and runs until told to stop.

use std::fmt::Write;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::stand_in::{StandIn, check_setting};
use super::{ProviderKind, Sandbox, SandboxAccount, SandboxConfig, Witness};
use crate::clock::Clock;

#[derive(Debug, Clone)]
pub struct RunOptions {
    /// As in [`SandboxConfig::listen`].
    pub listen: SocketAddr,
    /// Where webhooks go; provider and account are put at its end: `{url}/{provider}/example`.
    pub webhook_url: Option<String>,
    pub seed: u64,
    /// Settings of the example accounts.
    pub settings: Vec<(ProviderKind, String, String)>,
    /// A clock that `POST /_sandbox/clock` can move, starting at the machine's time.
    pub movable_clock: bool,
    /// Print the addresses as one line of JSON.
    pub json: bool,
    /// Where every request to a stand-in is written, with its answer, a line of JSON each.
    pub record: Option<PathBuf>,
}

/// Runs a sandbox until `stop` is done.
///
/// # Errors
/// A port that is taken, or a setting that a provider does not have.
pub async fn run(options: RunOptions, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let clock = match options.movable_clock {
        true => Clock::moved_to(Clock::system().now()),
        false => Clock::system(),
    };
    let accounts: Vec<SandboxAccount> =
        ProviderKind::ALL.iter().map(|kind| example(*kind, &options)).collect();
    for (provider, name, _) in &options.settings {
        check_setting(&provider.stand_in().facts(), *provider, name)?;
    }
    let config =
        SandboxConfig { listen: options.listen, clock, accounts: accounts.clone(), seed: options.seed };
    let witness = options.record.as_deref().map(Witness::writing_to).transpose()?;
    let sandbox = Sandbox::start_watched(config, witness).await?;
    print!(
        "{}",
        if options.json { addresses(&sandbox, &accounts) } else { introduction(&sandbox, &accounts) }
    );
    stop.await;
    sandbox.shutdown().await;
    Ok(())
}

fn example(provider: ProviderKind, options: &RunOptions) -> SandboxAccount {
    let mut account = provider.example();
    if let Some(base) = &options.webhook_url {
        account = account.webhook_url(&format!("{}/{provider}/example", base.trim_end_matches('/')));
    }
    let own = options.settings.iter().filter(|(of, _, _)| *of == provider);
    own.fold(account, |account, (_, name, value)| account.setting(name, value))
}

fn addresses(sandbox: &Sandbox, accounts: &[SandboxAccount]) -> String {
    let mut line = Map::new();
    line.insert("control".to_owned(), json!(sandbox.control_url()));
    for account in accounts {
        let provider = account.provider;
        line.insert(provider.to_string(), json!(sandbox.url(provider)));
        for (name, value) in account.credentials.iter().chain(&account.settings) {
            line.insert(format!("{provider}_{name}"), json!(value));
        }
        if let Some(secret) = account.webhook_secrets.first() {
            line.insert(format!("{provider}_webhook_secret"), json!(secret));
        }
    }
    format!("{}\n", Value::Object(line))
}

fn introduction(sandbox: &Sandbox, accounts: &[SandboxAccount]) -> String {
    let control = sandbox.control_url();
    let mut text = "The sandbox is listening.\n\n".to_owned();
    let stand_ins: Vec<(&SandboxAccount, Box<dyn StandIn>)> =
        accounts.iter().map(|account| (account, account.provider.stand_in())).collect();
    for (account, stand_in) in &stand_ins {
        let values: Vec<&str> = account.credentials.values().map(String::as_str).collect();
        let secret = account.webhook_secrets.first();
        let secret = secret.map(|secret| format!("   webhook secret {secret}")).unwrap_or_default();
        let (name, url) = (stand_in.facts().name, sandbox.url(account.provider));
        put(&mut text, &format!("{name:<13}{url}   key {}{secret}", values.join(":")));
    }
    put(&mut text, &format!("{:<13}{control}/_sandbox\n", "Control"));
    for (account, stand_in) in &stand_ins {
        for (who, line) in stand_in.sdk_lines(&sandbox.url(account.provider)) {
            put(&mut text, &format!("{:<18} {line}", format!("{who}:")));
        }
    }
    let first = ProviderKind::ALL[0];
    let orders = [
        ("Open a dispute", "disputes", format!(r#" --json '{{"provider":"{first}","amount":2500}}'"#)),
        ("Decide it", "disputes/ID", r#" --json '{"change":"won"}'"#.to_owned()),
        (
            "Make trouble",
            "faults/webhooks",
            format!(r#" --json '{{"provider":"{first}","trouble":{{"kind":"drop"}}}}'"#),
        ),
        ("Make bad weather", "faults/weather", " --json '{}'".to_owned()),
        ("What was answered", "ledger", String::new()),
    ];
    text.push('\n');
    for (what, path, order) in orders {
        put(&mut text, &format!("{:<18} curl {control}/_sandbox/{path}{order}", format!("{what}:")));
    }
    text
}

fn put(text: &mut String, line: &str) {
    // Writing to a text does not fail.
    _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_is_introduced_with_what_opens_the_door() {
        let accounts: Vec<SandboxAccount> = ProviderKind::ALL.iter().map(|kind| kind.example()).collect();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = SandboxConfig { listen, clock: Clock::system(), accounts: accounts.clone(), seed: 1 };
        let sandbox = Sandbox::start(config).await.unwrap();
        let text = introduction(&sandbox, &accounts);
        assert!(!text.contains('…') && !text.contains("..."), "what is printed can be pasted:\n{text}");
        let line: Value = serde_json::from_str(&addresses(&sandbox, &accounts)).unwrap();
        for account in &accounts {
            let provider = account.provider;
            assert_eq!(line[provider.as_str()], sandbox.url(provider));
            let shown = text.lines().find(|line| line.starts_with(&format!("{:<13}", provider.title())));
            let shown = shown.unwrap_or_else(|| panic!("nothing about {provider} in:\n{text}"));
            assert!(shown.contains(&sandbox.url(provider)), "{shown}");
            for (name, secret) in &account.credentials {
                assert!(shown.contains(secret), "{shown}");
                assert_eq!(line[format!("{provider}_{name}")], *secret);
            }
            assert!(account.webhook_secrets.iter().all(|secret| shown.contains(secret)), "{shown}");
        }
        assert_eq!(line["control"], sandbox.control_url());
        assert!(text.contains(&format!("curl {}/_sandbox/faults/weather", sandbox.control_url())), "{text}");
    }
}
