//! The merchants' accounts that the stand-ins serve: which credentials a request must carry, where webhooks
//! go and what they are signed with.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The Stripe API version whose shapes the stand-in speaks.
pub const STRIPE_API_VERSION: &str = "2026-10-28.endive";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    Stripe,
    Razorpay,
}

impl ProviderKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            ProviderKind::Stripe => "stripe",
            ProviderKind::Razorpay => "razorpay",
        }
    }
}

impl std::fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ProviderKind {
    type Err = anyhow::Error;
    fn from_str(word: &str) -> anyhow::Result<Self> {
        match word {
            "stripe" => Ok(ProviderKind::Stripe),
            "razorpay" => Ok(ProviderKind::Razorpay),
            other => {
                anyhow::bail!("the sandbox has no provider `{other}`: expected `stripe` or `razorpay`")
            }
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxAccount {
    pub provider: ProviderKind,
    /// Unique among the accounts of one provider.
    pub name: String,
    /// Stripe: the secret key. Razorpay: the key id.
    pub api_key: String,
    /// Razorpay: the key secret. Stripe has none.
    #[serde(default)]
    pub api_secret: Option<String>,
    /// Newest first. Stripe signs with each of them; Razorpay with the newest.
    pub webhook_secrets: Vec<String>,
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// Stripe: send thin `v2.core.event` notifications instead of snapshots.
    #[serde(default)]
    pub thin_events: bool,
}

impl SandboxAccount {
    pub fn stripe(name: &str, secret_key: &str, webhook_secret: &str) -> Self {
        Self {
            provider: ProviderKind::Stripe,
            name: name.to_owned(),
            api_key: secret_key.to_owned(),
            api_secret: None,
            webhook_secrets: vec![webhook_secret.to_owned()],
            webhook_url: None,
            thin_events: false,
        }
    }

    pub fn razorpay(name: &str, key_id: &str, key_secret: &str, webhook_secret: &str) -> Self {
        Self {
            provider: ProviderKind::Razorpay,
            api_secret: Some(key_secret.to_owned()),
            ..Self::stripe(name, key_id, webhook_secret)
        }
    }

    pub fn webhook_url(mut self, url: &str) -> Self {
        self.webhook_url = Some(url.to_owned());
        self
    }

    pub fn thin_events(mut self) -> Self {
        self.thin_events = true;
        self
    }
}

/// An account while the sandbox runs.
#[derive(Debug)]
pub(super) struct AccountState {
    pub spec: SandboxAccount,
    /// The provider's id of the merchant: `acct_…`, `acc_…`.
    pub account_ref: String,
    /// Stripe: secrets that were rolled, and when they stop signing.
    pub retiring: Vec<(String, DateTime<Utc>)>,
    /// Razorpay switches an endpoint off that failed for a day.
    pub webhook_disabled: bool,
}

impl AccountState {
    /// The secrets that sign a webhook sent at `now`, newest first.
    pub fn signing_secrets(&self, now: DateTime<Utc>) -> Vec<String> {
        let old = self.retiring.iter().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        self.spec.webhook_secrets.iter().chain(old).cloned().collect()
    }
}
