//! What the types cannot say: ranges, unique names, names that must exist elsewhere, secrets and files that
//! must be there. Every mistake is reported, not only the first.

use std::collections::BTreeSet;
use std::path::Path;

use super::layers::Step;
use super::problem::nearest;
use super::secret::{Secret, SecretError};
use super::{AlertsConfig, ChannelKind, Config, account, grpc, usable};

pub(super) struct Mistake {
    pub at: Vec<Step>,
    /// The other value of the two that do not go together: the place, where `at` is as it always was.
    pub or_at: Option<Vec<Step>>,
    pub message: String,
    pub hint: Option<String>,
}

/// Checks everything and fills in the secrets and the paths on the way.
pub(super) fn all(config: &mut Config, base: &Path, environment: &[(String, String)]) -> Vec<Mistake> {
    let mut found = Vec::new();
    ranges(config, &mut found);
    time_outs(config, &mut found);
    urls(config, &mut found);
    names(config, &mut found);
    account::all(&config.accounts, &config.providers, &mut found);
    alerts(&config.alerts, &mut found);
    rules_files(config, base, &mut found);
    grpc::all(&mut config.grpc, base, &mut found);
    secrets(config, base, environment, &mut found);
    usable::all(config, &mut found);
    found
}

/// `http.listen`, `account.2.name`.
pub(super) fn at(path: &str) -> Vec<Step> {
    path.split('.').map(|s| s.parse().map_or_else(|_| Step::Key(s.to_owned()), Step::Index)).collect()
}

pub(super) fn mistake(path: &str, message: impl Into<String>) -> Mistake {
    Mistake { at: at(path), or_at: None, message: message.into(), hint: None }
}

fn ranges(config: &Config, found: &mut Vec<Mistake>) {
    let c = config;
    let size = |n: usize| n as u64;
    #[rustfmt::skip]
    let bounds: [(&str, u64, u64, u64); 38] = [
        ("database.connections_max", c.database.connections_max.into(), 4, 1000),
        ("database.acquire_timeout_ms", c.database.acquire_timeout_ms, 10, 60_000),
        ("database.statement_timeout_ms", c.database.statement_timeout_ms, 100, 3_600_000),
        ("database.lock_timeout_ms", c.database.lock_timeout_ms, 10, 3_600_000),
        ("database.idle_in_transaction_timeout_ms", c.database.idle_in_transaction_timeout_ms, 100, 3_600_000),
        ("http.body_bytes_max", size(c.http.body_bytes_max), 1024, 64 << 20),
        ("http.header_count_max", size(c.http.header_count_max), 8, 1000),
        ("http.header_bytes_max", size(c.http.header_bytes_max), 8192, 1 << 20),
        ("http.header_read_timeout_ms", c.http.header_read_timeout_ms, 100, 600_000),
        ("http.request_timeout_ms", c.http.request_timeout_ms, 100, 600_000),
        ("http.connections_max", size(c.http.connections_max), 1, 1_000_000),
        ("http.shutdown_grace_ms", c.http.shutdown_grace_ms, 0, 600_000),
        ("api.calls_per_minute", c.api.calls_per_minute.into(), 1, 1_000_000),
        ("api.calls_at_once", c.api.calls_at_once.into(), 1, 1_000_000),
        ("api.wait_ms_max", c.api.wait_ms_max, 0, 600_000),
        ("api.upload_bytes_max", size(c.api.upload_bytes_max), 1024, 64 << 20),
        ("api.upload_timeout_ms", c.api.upload_timeout_ms, 100, 600_000),
        ("grpc.message_bytes_max", size(c.grpc.message_bytes_max), 65_536, 64 << 20),
        ("grpc.message_timeout_ms", c.grpc.message_timeout_ms, 100, 600_000),
        ("grpc.connections_max", size(c.grpc.connections_max), 1, 1_000_000),
        ("grpc.calls_max", c.grpc.calls_max.into(), 1, 10_000),
        ("grpc.idle_timeout_ms", c.grpc.idle_timeout_ms, 100, 86_400_000),
        ("grpc.shutdown_grace_ms", c.grpc.shutdown_grace_ms, 0, 600_000),
        ("intake.writers", size(c.intake.writers), 1, 16),
        ("intake.batch_max", size(c.intake.batch_max), 1, 5_000),
        ("intake.queue_max", size(c.intake.queue_max), 1, 1_000_000),
        ("worker.batch", c.worker.batch.into(), 1, 10_000),
        ("worker.poll_every_ms", c.worker.poll_every_ms, 10, 60_000),
        ("worker.calls_max", size(c.worker.calls_max), 1, 1_000),
        ("worker.lease_s", c.worker.lease_s.into(), 10, 3_600),
        ("reconcile.every_s", c.reconcile.every_s.into(), 10, 86_400),
        ("reconcile.overlap_s", c.reconcile.overlap_s.into(), 60, 604_800),
        ("reconcile.first_lookback_s", c.reconcile.first_lookback_s.into(), 86_400, 63_072_000),
        ("alerts.per_hour_max", c.alerts.per_hour_max.into(), 1, 10_000),
        ("alerts.repage_every_s", c.alerts.repage_every_s.into(), 60, 86_400),
        ("alerts.escalate_after_s", c.alerts.escalate_after_s.into(), 60, 604_800),
        ("facts.timeout_ms", c.facts.timeout_ms, 100, 60_000),
        ("facts.retry_every_s", c.facts.retry_every_s.into(), 10, 86_400),
    ];
    for (path, value, low, high) in bounds {
        if !(low..=high).contains(&value) {
            found.push(mistake(path, format!("{value} is out of range: {low} to {high}")));
        }
    }
    if !(0.01..=100.0).contains(&c.reconcile.calls_per_s) {
        let message = format!("{} is out of range: 0.01 to 100", c.reconcile.calls_per_s);
        found.push(mistake("reconcile.calls_per_s", message));
    }
    if let Err(e) = tracing_subscriber::EnvFilter::try_new(&c.log.filter) {
        found.push(mistake("log.filter", format!("is not a filter: {e}")));
    }
    if c.worker.roles.is_empty() {
        found.push(mistake("worker.roles", "a process without a role does nothing: \"intake\", \"worker\""));
    }
}

fn time_outs(config: &Config, found: &mut Vec<Mistake>) {
    let c = config;
    for (name, provider) in &c.providers.0 {
        for (key, value) in [
            ("connect_timeout_ms", provider.connect_timeout_ms),
            ("read_timeout_ms", provider.read_timeout_ms),
            ("total_timeout_ms", provider.total_timeout_ms),
        ] {
            if !(100..=600_000).contains(&value) {
                let message = format!("{value} is out of range: 100 to 600000");
                found.push(mistake(&format!("providers.{name}.{key}"), message));
            }
        }
    }
    // A claimed call must be over, or given up by its own time-outs, before another worker may take it.
    for (name, provider) in &c.providers.0 {
        let total_ms = provider.total_timeout_ms;
        if total_ms >= u64::from(c.worker.lease_s) * 1000 {
            let path = format!("providers.{name}.total_timeout_ms");
            let message = format!(
                "{path} is {total_ms} and worker.lease_s is {}: a call must be over before another worker may take it up",
                c.worker.lease_s
            );
            found.push(Mistake { or_at: Some(at("worker.lease_s")), ..mistake(&path, message) });
        }
    }
}

fn urls(config: &Config, found: &mut Vec<Mistake>) {
    let http = ["https://", "http://"].as_slice();
    let postgres = ["postgres://", "postgresql://"].as_slice();
    let mut wanted: Vec<(String, Option<&str>, &[&str])> = vec![
        ("database.url".into(), config.database.url.as_deref(), postgres),
        ("http.public_url".into(), config.http.public_url.as_deref(), http),
        ("facts.url".into(), config.facts.url.as_deref(), http),
    ];
    for (name, provider) in &config.providers.0 {
        wanted.push((format!("providers.{name}.base_url"), Some(&provider.base_url), http));
        for setting in name.settings().iter().filter(|setting| setting.address) {
            let path = format!("providers.{name}.{}", setting.name);
            wanted.push((path, Some(provider.setting(setting.name)), http));
        }
    }
    for (i, merchant) in config.merchants.iter().enumerate() {
        wanted.push((format!("merchant.{i}.facts_url"), merchant.facts_url.as_deref(), http));
    }
    for (i, account) in config.accounts.iter().enumerate() {
        wanted.push((format!("account.{i}.base_url"), account.base_url.as_deref(), http));
    }
    for (path, url, schemes) in wanted {
        let Some(url) = url else { continue };
        if !schemes.iter().any(|s| url.len() > s.len() && url.starts_with(s)) {
            found.push(mistake(&path, format!("an address starts with {}", schemes.join(" or "))));
        } else if schemes == http && url.ends_with('/') {
            found.push(mistake(&path, "write the address without the slash at its end"));
        } else if schemes == http && !usable::is_web_address(url) {
            found.push(mistake(
                &path,
                "this is no address: after https:// stands a host, and after a colon its port",
            ));
        }
    }
}

fn names(config: &Config, found: &mut Vec<Mistake>) {
    let mut merchants = BTreeSet::new();
    for (i, merchant) in config.merchants.iter().enumerate() {
        let path = format!("merchant.{i}.name");
        check_name(&merchant.name, &path, found);
        if !merchants.insert(merchant.name.as_str()) {
            found.push(mistake(&path, format!("there is a merchant `{}` above already", merchant.name)));
        }
    }
    for (i, account) in config.accounts.iter().enumerate() {
        check_merchant(&account.merchant, &format!("account.{i}.merchant"), &merchants, found);
    }
    for (i, route) in config.alerts.routes.iter().enumerate() {
        if let Some(merchant) = &route.merchant {
            check_merchant(merchant, &format!("alerts.route.{i}.merchant"), &merchants, found);
        }
    }
}

/// A name stands in URLs and on command lines.
pub(super) fn check_name(name: &str, path: &str, found: &mut Vec<Mistake>) {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !starts_well || name.len() > 63 || !name.bytes().all(plain) {
        found
            .push(mistake(path, "a name is 1 to 63 of a-z, 0-9, - and _, and starts with a letter or digit"));
    }
}

fn check_merchant(name: &str, path: &str, merchants: &BTreeSet<&str>, found: &mut Vec<Mistake>) {
    if !merchants.contains(name) {
        let hint = nearest(name, merchants.iter().copied());
        let message = format!("there is no [[merchant]] named `{name}`");
        found.push(Mistake { at: at(path), or_at: None, message, hint });
    }
}

fn alerts(alerts: &AlertsConfig, found: &mut Vec<Mistake>) {
    let mut names = BTreeSet::new();
    for (i, channel) in alerts.channels.iter().enumerate() {
        let path = format!("alerts.channel.{i}.name");
        check_name(&channel.name, &path, found);
        if !names.insert(channel.name.as_str()) {
            found.push(mistake(&path, format!("there is a channel `{}` above already", channel.name)));
        }
        match (channel.kind, &channel.secret) {
            (ChannelKind::Webhook, None) => {
                let message = "a webhook channel needs a `secret`, or nobody can tell our alerts from others";
                found.push(mistake(&format!("alerts.channel.{i}"), message));
            }
            (ChannelKind::Slack, Some(_)) => {
                let message = "an incoming webhook of Slack is not signed: remove `secret`";
                found.push(mistake(&format!("alerts.channel.{i}.secret"), message));
            }
            (ChannelKind::Webhook, Some(_)) | (ChannelKind::Slack, None) => {}
        }
    }
    for (i, route) in alerts.routes.iter().enumerate() {
        for (list, key) in [(&route.channels, "channels"), (&route.escalate_to, "escalate_to")] {
            for (j, name) in list.iter().enumerate().filter(|(_, n)| !names.contains(n.as_str())) {
                let message = format!("there is no [[alerts.channel]] named `{name}`");
                let hint = nearest(name, names.iter().copied());
                found.push(Mistake {
                    at: at(&format!("alerts.route.{i}.{key}.{j}")),
                    or_at: None,
                    message,
                    hint,
                });
            }
        }
    }
}

fn rules_files(config: &mut Config, base: &Path, found: &mut Vec<Mistake>) {
    for (i, merchant) in config.merchants.iter_mut().enumerate() {
        let Some(rules) = &mut merchant.rules else { continue };
        *rules = base.join(&*rules);
        if let Err(e) = std::fs::File::open(&*rules) {
            let message = format!("cannot read the rules file {}: {e}", rules.display());
            found.push(mistake(&format!("merchant.{i}.rules"), message));
        }
    }
}

fn secrets(config: &mut Config, base: &Path, environment: &[(String, String)], found: &mut Vec<Mistake>) {
    let lookup = |name: &str| environment.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let mut fill = |path: String, secret: &mut Secret| {
        if let Err(error) = secret.fill(base, &lookup) {
            let hint = match &error {
                SecretError::EnvUnset { name } => {
                    nearest(name, environment.iter().map(|(n, _)| n.as_str()).filter(|n| similar(n, name)))
                }
                SecretError::Plain
                | SecretError::Unnamed { .. }
                | SecretError::FileUnreadable { .. }
                | SecretError::Empty { .. } => None,
            };
            found.push(Mistake { at: at(&path), or_at: None, message: error.to_string(), hint });
        }
    };
    let Config { facts, secrets, grpc, alerts, merchants, accounts, .. } = config;
    let single = [
        ("facts.secret", &mut facts.secret),
        ("secrets.key", &mut secrets.key),
        ("grpc.tls_key", &mut grpc.tls_key),
    ];
    for (path, secret) in single.into_iter().filter_map(|(path, s)| Some((path, s.as_mut()?))) {
        fill(path.to_owned(), secret);
    }
    for (i, channel) in alerts.channels.iter_mut().enumerate() {
        fill(format!("alerts.channel.{i}.url"), &mut channel.url);
        if let Some(secret) = &mut channel.secret {
            fill(format!("alerts.channel.{i}.secret"), secret);
        }
    }
    for (i, merchant) in merchants.iter_mut().enumerate() {
        if let Some(secret) = &mut merchant.facts_secret {
            fill(format!("merchant.{i}.facts_secret"), secret);
        }
    }
    for (i, account) in accounts.iter_mut().enumerate() {
        for (j, secret) in account.webhook_secrets.iter_mut().enumerate() {
            fill(format!("account.{i}.webhook_secrets.{j}"), secret);
        }
        for (name, secret) in &mut account.credentials {
            fill(format!("account.{i}.credentials.{name}"), secret);
        }
    }
}

/// One letter off or two, and nothing that merely starts the same: a variable's name is not everybody's.
fn similar(a: &str, b: &str) -> bool {
    strsim::levenshtein(a, b) <= 2
}
