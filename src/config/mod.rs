//! The configuration: `config/default.toml` compiled in, then the file named, then the environment. Read
//! whole and checked before any socket opens; a mistake is told with its file, line and column and the
//! nearest name that would have been right. Knows of other parts only what the providers' folders state.

mod account;
mod check;
mod grpc;
mod layers;
mod problem;
mod provider;
mod secret;
mod sections;
mod usable;
mod variables;

use std::env;
use std::path::Path;

use serde::Deserialize;

use layers::Layers;
pub use problem::{ConfigError, Problem, nearest};
pub use provider::{ProviderConfig, ProvidersConfig};
pub use secret::{Secret, SecretError, SecretSource, key_bytes, read_file as read_secret_file};
pub use sections::*;

/// Every key with its default and its meaning, as people read it.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// The variable that names the file, which the command line reads.
pub const COMMAND_LINE: &str = "RESPONDBY_CONFIG";

/// The whole configuration. Secrets are read, rules files are found, names are unique.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub database: DatabaseConfig,
    pub http: HttpConfig,
    pub api: ApiConfig,
    pub grpc: GrpcConfig,
    pub intake: IntakeConfig,
    pub worker: WorkerConfig,
    pub reconcile: ReconcileConfig,
    pub alerts: AlertsConfig,
    pub facts: FactsConfig,
    pub secrets: SecretsConfig,
    pub log: LogConfig,
    pub providers: ProvidersConfig,
    #[serde(default, rename = "merchant")]
    pub merchants: Vec<MerchantConfig>,
    #[serde(default, rename = "account")]
    pub accounts: Vec<AccountConfig>,
    /// Variables that begin like ours, and that nothing reads.
    #[serde(skip)]
    pub unread: Vec<String>,
}

impl Config {
    /// The defaults, the file if one is named, and this process's environment.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        // A variable that is not UTF-8 cannot be one of ours.
        let environment = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::read(file, environment)
    }

    /// The same with an environment of the caller's choice. `env:` secrets are looked up in it.
    pub fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let layers = Layers::read(file, &environment)?;
        let merged = layers.merge()?;
        let mut config = layers.deserialize(merged.clone())?;
        let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut problems: Vec<Problem> = check::all(&mut config, base, &environment)
            .into_iter()
            .map(|mistake| layers.locate(&merged, mistake))
            .collect();
        let (misspelt, unread) = variables::unknown(&layers.text(), &environment);
        problems.extend(misspelt);
        config.unread = unread;
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    /// Where this merchant's facts are asked for: its own place, else the common one.
    pub fn facts_of(&self, merchant: &str) -> Option<(&str, Option<&Secret>)> {
        let own = self.merchants.iter().find(|m| m.name == merchant);
        if let Some((merchant, url)) = own.and_then(|m| Some((m, m.facts_url.as_deref()?))) {
            return Some((url, merchant.facts_secret.as_ref()));
        }
        self.facts.url.as_deref().map(|url| (url, self.facts.secret.as_ref()))
    }
}

#[cfg(test)]
mod tests;
