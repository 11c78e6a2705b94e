//! What a provider's folder states before there is a provider to ask: which keys its table of the configuration
//! has, what an account there needs, how it is made. The configuration is checked against this before anything
//! starts.

use std::collections::BTreeMap;

use super::Provider;
use crate::clock::Clock;
use crate::config::ProviderConfig;

/// What the registry and the configuration take from a folder.
pub trait Folder: Provider + Sized {
    /// Keys of `[providers.NAME]` beyond the address and the time-outs. Each has its value in
    /// `config/default.toml`.
    const SETTINGS: &'static [Setting];

    /// What an `[[account]]` says of itself, beyond its webhook secrets.
    const NEEDS: &'static [Need];

    const WEBHOOK_SECRETS: WebhookSecrets;

    /// How the provider's own id of an account begins, where one account can act for others that are connected to
    /// it: webhooks name whom they are for, and calls say for whom they are. `None` where there is no such thing.
    const CONNECTED: Option<&'static str> = None;

    /// The setting of an account with the merchant's id at a go-between, where there is one: programs that spoke to it
    /// know the merchant by that.
    const MERCHANT_THERE: Option<&'static str> = None;

    /// What is wrong with the settings of an account, beyond those that are missing or not known: the setting, and
    /// why in words. `provider` is the provider's own table.
    fn faults(
        _settings: &BTreeMap<String, String>,
        _provider: &ProviderConfig,
    ) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What is wrong with the values of its table, each with its key. `start` fails on the same.
    fn mistakes(_config: &ProviderConfig) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Fails when no client can be built.
    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self>;

    /// For the suite that every provider stands.
    #[cfg(test)]
    fn described() -> super::conformance::Conformance;
}

/// A key of a provider's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// Whether its value is an address, and is checked to be one.
    pub address: bool,
}

impl Setting {
    pub const fn text(name: &'static str) -> Self {
        Self { name, address: false }
    }

    pub const fn address(name: &'static str) -> Self {
        Self { name, address: true }
    }
}

/// Something an account has at its provider. Secret or not, the provider reads it from the account's credentials
/// by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub name: &'static str,
    /// A secret stands under `credentials`, by reference; what is none stands under `settings`, as it is.
    pub secret: bool,
    pub required: bool,
    /// In words, for who writes the configuration.
    pub meaning: &'static str,
}

impl Need {
    pub const fn secret(name: &'static str, meaning: &'static str) -> Self {
        Self { name, secret: true, required: true, meaning }
    }

    pub const fn plain(name: &'static str, meaning: &'static str) -> Self {
        Self { name, secret: false, required: true, meaning }
    }

    pub const fn optional(self) -> Self {
        Self { required: false, ..self }
    }
}

/// Whether the provider signs webhooks under a secret of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookSecrets {
    /// An account without one would refuse everything: the configuration is refused instead.
    Required,
    /// An account may do without webhooks of its own. One without a secret refuses everything sent to it.
    Optional,
    /// Webhooks are proved by other means, and a secret would prove nothing.
    Unused,
}
