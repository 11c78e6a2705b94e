//! What an `[[account]]` must say: what its provider's folder states that an account needs, each under the key it
//! belongs to, and nothing else. Names no provider.

use std::collections::BTreeSet;

use super::check::{Mistake, at, check_name, mistake};
use super::problem::nearest;
use super::{AccountConfig, ProvidersConfig};
use crate::providers::WebhookSecrets;

pub(super) fn all(accounts: &[AccountConfig], providers: &ProvidersConfig, found: &mut Vec<Mistake>) {
    let mut seen = BTreeSet::new();
    for (i, account) in accounts.iter().enumerate() {
        let path = |key: &str| format!("account.{i}.{key}");
        check_name(&account.name, &path("name"), found);
        if !seen.insert((account.provider, account.name.as_str())) {
            let message = format!("there is a {} account `{}` above already", account.provider, account.name);
            found.push(mistake(&path("name"), message));
        }
        connected(accounts, i, &path, found);
        if let Some(message) = webhook_secrets(account) {
            found.push(mistake(&path("webhook_secrets"), message));
        }
        if account.tolerance_s.is_some_and(|s| !(10..=86_400).contains(&s)) {
            found.push(mistake(&path("tolerance_s"), "out of range: 10 to 86400"));
        }
        let credentials: Vec<&str> = account.credentials.keys().map(String::as_str).collect();
        let settings: Vec<&str> = account.settings.keys().map(String::as_str).collect();
        if account.via.is_none() {
            needs(account, true, &credentials, &path, found);
            needs(account, false, &settings, &path, found);
        }
        let faults = account.provider.faults(&account.settings, providers.get(account.provider));
        found.extend(faults.into_iter().map(|(name, why)| mistake(&path(&format!("settings.{name}")), why)));
        for (name, _) in account.settings.iter().filter(|(_, value)| value.trim().is_empty()) {
            found.push(mistake(&path(&format!("settings.{name}")), format!("`{name}` is empty")));
        }
    }
}

fn webhook_secrets(account: &AccountConfig) -> Option<String> {
    match (account.provider.webhook_secrets(), account.webhook_secrets.is_empty()) {
        (WebhookSecrets::Required, true) if account.via.is_none() => Some(
            "without a webhook secret every delivery of this account is refused: name at least one"
                .to_owned(),
        ),
        (WebhookSecrets::Unused, false) => {
            Some(format!("a {} account has no webhook secrets: remove them", account.provider))
        }
        (WebhookSecrets::Required | WebhookSecrets::Optional, false)
        | (WebhookSecrets::Required | WebhookSecrets::Optional | WebhookSecrets::Unused, true) => None,
    }
}

/// Whether an account that is reached via another can be, and is told from its siblings.
fn connected(accounts: &[AccountConfig], i: usize, path: &impl Fn(&str) -> String, found: &mut Vec<Mistake>) {
    let account = &accounts[i];
    let provider = account.provider;
    let mut wrong = |key: &str, message: String| found.push(mistake(&path(key), message));
    let Some(begins) = provider.connected() else {
        for (key, _) in [("provider_account", &account.provider_account), ("via", &account.via)]
            .into_iter()
            .filter(|(_, value)| value.is_some())
        {
            wrong(key, format!("a {provider} account acts for no other: remove `{key}`"));
        }
        return;
    };
    if let Some(id) = account.provider_account.as_deref().filter(|id| !is_id(id, begins)) {
        wrong(
            "provider_account",
            format!("`{id}` is no id of a {provider} account: they begin with `{begins}`"),
        );
    }
    // Two accounts here for one there would each answer every dispute.
    let same = |other: &&AccountConfig| {
        other.provider == provider && other.provider_account == account.provider_account
    };
    if let Some(other) = accounts[..i].iter().find(same).filter(|_| account.provider_account.is_some()) {
        wrong("provider_account", format!("the account `{}` has it already", other.name));
    }
    let Some(via) = &account.via else { return };
    if account.provider_account.is_none() {
        wrong(
            "via",
            "say with `provider_account` which of the platform's connected accounts it is".to_owned(),
        );
    }
    let own = [("credentials", account.credentials.is_empty()), ("settings", account.settings.is_empty())];
    for (key, _) in own.into_iter().filter(|(_, empty)| !empty) {
        wrong(key, format!("calls for it go with what `{via}` has: remove `{key}`"));
    }
    let of_provider = || accounts.iter().filter(|other| other.provider == provider);
    match of_provider().find(|other| other.name == *via) {
        None => {
            let names = of_provider().map(|other| other.name.as_str()).filter(|name| *name != account.name);
            let hint = nearest(via, names);
            let message = format!("there is no {provider} [[account]] named `{via}`");
            found.push(Mistake { at: at(&path("via")), or_at: None, message, hint });
        }
        Some(platform) if platform.via.is_some() => {
            wrong("via", format!("`{via}` is reached via another account itself: name the platform's"));
        }
        Some(_) => {}
    }
}

/// Ids stand in headers and messages.
fn is_id(id: &str, begins: &str) -> bool {
    id.len() <= 100
        && id.strip_prefix(begins).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

/// The key it stands under, and what one entry there is called.
const fn place(secret: bool) -> (&'static str, &'static str) {
    if secret { ("credentials", "credential") } else { ("settings", "setting") }
}

/// Looks at one of the two keys under which an account says what it has: at the secrets, or at what is none.
fn needs(
    account: &AccountConfig,
    secret: bool,
    given: &[&str],
    path: &impl Fn(&str) -> String,
    found: &mut Vec<Mistake>,
) {
    let provider = account.provider;
    let all = provider.needs();
    let here = || all.iter().filter(|need| need.secret == secret);
    let (key, word) = place(secret);
    for name in given.iter().filter(|name| !here().any(|need| need.name == **name)) {
        let (message, hint) = match all.iter().find(|need| need.name == *name) {
            Some(need) => {
                let (other, _) = place(need.secret);
                (format!("`{name}` of a {provider} account stands under `{other}`, not here"), None)
            }
            None => {
                let known: Vec<&str> = here().map(|need| need.name).collect();
                let expected = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let message = format!("a {provider} account has no {word} `{name}`: expected {expected}");
                (message, nearest(name, known))
            }
        };
        found.push(Mistake { at: at(&path(&format!("{key}.{name}"))), or_at: None, message, hint });
    }
    for need in here().filter(|need| need.required && !given.contains(&need.name)) {
        let message = format!("a {provider} account needs the {word} `{}`", need.name);
        let hint = Some(need.meaning.to_owned());
        found.push(Mistake { at: at(&path(key)), or_at: None, message, hint });
    }
}
