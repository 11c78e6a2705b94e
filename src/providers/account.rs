//! A merchant's credentials and webhook secrets at one provider, unsealed, as the provider code needs them.
//! Where they are kept, and how they are sealed there, it does not know.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::ProviderName;
use crate::dispute::{AccountId, MerchantId};

/// What an account has at its provider, by the names that the provider's folder states.
#[derive(Clone, Default)]
pub struct Credentials {
    entries: BTreeMap<String, SecretString>,
    acting_for: Option<String>,
}

impl Credentials {
    pub fn new(entries: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        Self { entries: entries.into_iter().collect(), acting_for: None }
    }

    /// The same, used for an account that is connected to theirs: its id at the provider.
    pub fn acting_for(self, provider_account: String) -> Self {
        Self { acting_for: Some(provider_account), ..self }
    }

    /// For whom calls are, where it is not the account that the credentials belong to.
    pub fn on_behalf_of(&self) -> Option<&str> {
        self.acting_for.as_deref()
    }

    /// The credential of that name; empty text where the account has none, which the provider refuses.
    pub fn get(&self, name: &str) -> &str {
        self.entries.get(name).map_or("", |s| s.expose_secret())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

#[derive(Debug, Clone)]
pub struct Account {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    /// The merchant's short name, as in the configuration.
    pub merchant: String,
    /// The account's short name: the last part of its webhook URL. Unique per provider.
    pub name: String,
    pub provider: ProviderName,
    /// Newest first. Empty means that every delivery is refused.
    pub webhook_secrets: Vec<SecretString>,
    pub credentials: Credentials,
    /// Where the provider's API answers, without a trailing slash. The provider's own by default.
    pub base_url: Option<String>,
    /// How old a signed timestamp may be, seconds.
    pub tolerance_s: i64,
}

impl Account {
    /// What the merchant is called at the go-between that the account is at, if it says so.
    pub fn merchant_there(&self) -> Option<&str> {
        let told = self.credentials.get(self.provider.merchant_there()?);
        Some(told).filter(|name| !name.is_empty())
    }
}
