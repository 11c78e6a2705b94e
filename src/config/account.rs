//! What an `[[account]]` must say: what its provider's folder states that an account needs, each under the key it
//! belongs to, and nothing else. Names no provider.

use std::collections::BTreeSet;

use super::AccountConfig;
use super::check::{Mistake, at, check_name, mistake};
use super::problem::nearest;
use crate::providers::WebhookSecrets;

pub(super) fn all(accounts: &[AccountConfig], found: &mut Vec<Mistake>) {
    let mut seen = BTreeSet::new();
    for (i, account) in accounts.iter().enumerate() {
        let path = |key: &str| format!("account.{i}.{key}");
        check_name(&account.name, &path("name"), found);
        if !seen.insert((account.provider, account.name.as_str())) {
            let message = format!("there is a {} account `{}` above already", account.provider, account.name);
            found.push(mistake(&path("name"), message));
        }
        if let Some(message) = webhook_secrets(account) {
            found.push(mistake(&path("webhook_secrets"), message));
        }
        if account.tolerance_s.is_some_and(|s| !(10..=86_400).contains(&s)) {
            found.push(mistake(&path("tolerance_s"), "out of range: 10 to 86400"));
        }
        let credentials: Vec<&str> = account.credentials.keys().map(String::as_str).collect();
        let settings: Vec<&str> = account.settings.keys().map(String::as_str).collect();
        needs(account, true, &credentials, &path, found);
        needs(account, false, &settings, &path, found);
        for (name, _) in account.settings.iter().filter(|(_, value)| value.trim().is_empty()) {
            found.push(mistake(&path(&format!("settings.{name}")), format!("`{name}` is empty")));
        }
    }
}

fn webhook_secrets(account: &AccountConfig) -> Option<String> {
    match (account.provider.webhook_secrets(), account.webhook_secrets.is_empty()) {
        (WebhookSecrets::Required, true) => Some(
            "without a webhook secret every delivery of this account is refused: name at least one"
                .to_owned(),
        ),
        (WebhookSecrets::Unused, false) => {
            Some(format!("a {} account has no webhook secrets: remove them", account.provider))
        }
        (WebhookSecrets::Required | WebhookSecrets::Optional, false)
        | (WebhookSecrets::Optional | WebhookSecrets::Unused, true) => None,
    }
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
