//! Whether what is named can be used for what it is there for: a key that seals, secrets that sign, addresses that can
//! be asked, files of providers. What `serve` would stumble over later is told here, with its place.

use reqwest::Url;
use secrecy::SecretString;

use super::check::{Mistake, at, mistake};
use super::{Config, Secret, key_bytes};
use crate::standard_webhooks::Key;

const MAKE_ONE: &str =
    "make one with `openssl rand -hex 32` and name it, as in key = \"file:/etc/respondby/key\"";

pub(super) fn all(config: &Config, found: &mut Vec<Mistake>) {
    sealing_key(config, found);
    facts(config, found);
    channels(config, found);
    for (name, provider) in &config.providers.0 {
        for (setting, message) in name.mistakes(provider) {
            found.push(mistake(&format!("providers.{name}.{setting}"), message));
        }
    }
}

/// Something with a host that speaks HTTP.
pub(super) fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The value, if it could be read. If not, that is told already.
fn read(secret: Option<&Secret>) -> Option<&SecretString> {
    secret.filter(|secret| !secret.expose().is_empty()).map(Secret::value)
}

fn sealing_key(config: &Config, found: &mut Vec<Mistake>) {
    if config.secrets.key.is_none() && !config.accounts.is_empty() {
        let message =
            format!("secrets.key is not set, so this account's credentials cannot be sealed: {MAKE_ONE}");
        found.push(mistake("account.0", message));
    }
    let Some(key) = read(config.secrets.key.as_ref()) else { return };
    if key_bytes(key).is_none() {
        let message =
            format!("what it names is no key, which is 32 bytes as 64 hex digits or base64: {MAKE_ONE}");
        found.push(mistake("secrets.key", message));
    }
}

fn facts(config: &Config, found: &mut Vec<Mistake>) {
    let common = (config.facts.url.as_deref(), config.facts.secret.as_ref());
    let common = ("facts.url".to_owned(), "facts.secret".to_owned(), common);
    let own = config.merchants.iter().enumerate().map(|(i, m)| {
        let path = |key: &str| format!("merchant.{i}.{key}");
        (path("facts_url"), path("facts_secret"), (m.facts_url.as_deref(), m.facts_secret.as_ref()))
    });
    for (url_at, secret_at, (url, secret)) in std::iter::once(common).chain(own) {
        if url.is_some() && secret.is_none() {
            let key = secret_at.rsplit('.').next().unwrap_or_default();
            let message = format!(
                "what is asked there is signed, and nothing is named to sign with: {key} = \"env:NAME\" or \"file:PATH\" \
                 of `whsec_` and base64"
            );
            found.push(mistake(&url_at, message));
        }
        signs(&secret_at, secret, found);
    }
}

fn channels(config: &Config, found: &mut Vec<Mistake>) {
    for (i, channel) in config.alerts.channels.iter().enumerate() {
        if read(Some(&channel.url)).is_some() && !is_web_address(channel.url.expose()) {
            let message = "what it names is no address that starts with https:// or http:// and has a host";
            found.push(mistake(&format!("alerts.channel.{i}.url"), message));
        }
        signs(&format!("alerts.channel.{i}.secret"), channel.secret.as_ref(), found);
    }
}

fn signs(path: &str, secret: Option<&Secret>, found: &mut Vec<Mistake>) {
    let Some(value) = read(secret) else { return };
    if let Err(error) = Key::parse_all(value) {
        let hint = Some("`echo whsec_$(openssl rand -base64 32)` makes one".to_owned());
        found.push(Mistake { at: at(path), or_at: None, message: error.to_string(), hint });
    }
}
