//! The merchants' accounts that the stand-ins serve: which credentials a request must carry, where webhooks
//! go and what they are signed with. What a provider's accounts need is said in its folder.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ProviderKind;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxAccount {
    pub provider: ProviderKind,
    /// Unique among the accounts of one provider.
    pub name: String,
    /// By the names that the engine's configuration uses.
    #[serde(default)]
    pub credentials: BTreeMap<String, String>,
    /// What the account has beside them; not secret.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Newest first.
    #[serde(default)]
    pub webhook_secrets: Vec<String>,
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// The account of a platform that this one is connected to: what that has serves this one too, and its endpoint
    /// takes this one's webhooks.
    #[serde(default)]
    pub via: Option<String>,
    /// The provider's own id of it; made up without one.
    #[serde(default)]
    pub provider_account: Option<String>,
}

impl SandboxAccount {
    pub fn new(provider: ProviderKind, name: &str) -> Self {
        Self {
            provider,
            name: name.to_owned(),
            credentials: BTreeMap::new(),
            settings: BTreeMap::new(),
            webhook_secrets: vec![],
            webhook_url: None,
            via: None,
            provider_account: None,
        }
    }

    pub fn credential(mut self, name: &str, value: &str) -> Self {
        self.credentials.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// One more, older than those it has.
    pub fn webhook_secret(mut self, secret: &str) -> Self {
        self.webhook_secrets.push(secret.to_owned());
        self
    }

    pub fn webhook_url(mut self, url: &str) -> Self {
        self.webhook_url = Some(url.to_owned());
        self
    }
}

/// An account while the sandbox runs.
#[derive(Debug)]
pub(super) struct AccountState {
    pub spec: SandboxAccount,
    /// The platform that it is connected to.
    pub via: Option<usize>,
    /// The provider's id of the merchant.
    pub account_ref: String,
    /// Secrets that were rolled, and when they stop signing.
    pub retiring: Vec<(String, DateTime<Utc>)>,
    /// Switched off, because it failed for too long.
    pub webhook_disabled: bool,
}

impl AccountState {
    /// Absent for an account that was started without it, which the stand-in's facts rule out.
    pub fn credential(&self, name: &str) -> &str {
        self.spec.credentials.get(name).map_or("", String::as_str)
    }

    /// Whether a setting that is on or off is on.
    pub fn is_on(&self, setting: &str) -> bool {
        self.spec.settings.get(setting).is_some_and(|value| value == "true")
    }

    /// The secrets that sign a webhook sent at `now`, newest first.
    pub fn signing_secrets(&self, now: DateTime<Utc>) -> Vec<String> {
        let old = self.retiring.iter().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        self.spec.webhook_secrets.iter().chain(old).cloned().collect()
    }
}
