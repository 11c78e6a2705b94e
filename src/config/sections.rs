//! One struct per section. What each key means, and what it is by default, stands in
//! `config/default.toml` and only there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::Secret;
use crate::dispute::Severity;
use crate::providers::ProviderName;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    pub url: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub pg_bin_dir: Option<PathBuf>,
    pub connections_max: u32,
    pub acquire_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    pub lock_timeout_ms: u64,
    pub idle_in_transaction_timeout_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub body_bytes_max: usize,
    pub header_count_max: usize,
    pub header_bytes_max: usize,
    pub header_read_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub connections_max: usize,
    pub shutdown_grace_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    pub calls_per_minute: u32,
    pub calls_at_once: u32,
    pub wait_ms_max: u64,
    pub upload_bytes_max: usize,
    pub upload_timeout_ms: u64,
}

/// Where keys may travel without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plaintext {
    /// On addresses that nobody but this machine reaches.
    OnLoopback,
    /// Anywhere, because a proxy in front ends TLS.
    BehindAProxy,
}

/// What becomes of a payment provider's credentials in a caller's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerCredentials {
    Ignored,
    /// A word that people will try. It is refused with the reason.
    Used,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcConfig {
    pub listen: Option<SocketAddr>,
    /// Absolute, or relative to the working directory, once loaded.
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<Secret>,
    pub plaintext: Plaintext,
    pub caller_credentials: CallerCredentials,
    pub message_bytes_max: usize,
    pub message_timeout_ms: u64,
    pub connections_max: usize,
    pub calls_max: u32,
    pub idle_timeout_ms: u64,
    pub shutdown_grace_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeConfig {
    pub writers: usize,
    pub batch_max: usize,
    pub queue_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Intake,
    Worker,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    pub roles: Vec<Role>,
    pub batch: u32,
    pub poll_every_ms: u64,
    pub calls_max: usize,
    pub lease_s: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileConfig {
    pub every_s: u32,
    pub calls_per_s: f64,
    pub overlap_s: u32,
    pub first_lookback_s: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    pub log: bool,
    pub repage_every_s: u32,
    pub escalate_after_s: u32,
    pub per_hour_max: u32,
    #[serde(default, rename = "channel")]
    pub channels: Vec<ChannelConfig>,
    #[serde(default, rename = "route")]
    pub routes: Vec<RouteConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Slack's incoming webhooks, and what speaks like them.
    Slack,
    /// A POST signed by the Standard Webhooks scheme.
    Webhook,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    pub name: String,
    pub kind: ChannelKind,
    /// Whoever knows the address of an incoming webhook can write to it: it is a secret.
    pub url: Secret,
    pub secret: Option<Secret>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    pub merchant: Option<String>,
    /// Quieter alerts do not go this way. All do without it.
    pub at_least: Option<Severity>,
    pub channels: Vec<String>,
    #[serde(default)]
    pub escalate_to: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactsConfig {
    pub url: Option<String>,
    pub secret: Option<Secret>,
    pub timeout_ms: u64,
    pub retry_every_s: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    pub key: Option<Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Json,
    Pretty,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantConfig {
    pub name: String,
    /// Absolute, or relative to the working directory, once loaded.
    pub rules: Option<PathBuf>,
    pub facts_url: Option<String>,
    pub facts_secret: Option<Secret>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    pub merchant: String,
    pub provider: ProviderName,
    pub name: String,
    /// Newest first.
    #[serde(default)]
    pub webhook_secrets: Vec<Secret>,
    #[serde(default)]
    pub credentials: BTreeMap<String, Secret>,
    /// What the account has at its provider that is no secret.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The provider's own id of the account.
    pub provider_account: Option<String>,
    /// The account whose credentials and webhooks serve this one too: the platform's.
    pub via: Option<String>,
    pub base_url: Option<String>,
    pub tolerance_s: Option<u32>,
}
