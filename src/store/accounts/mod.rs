//! Merchants and their accounts at providers: written from the configuration, read into a directory in
//! memory that every delivery and call looks its account up in. Secrets are sealed in the table and open
//! only here, through the [`Sealer`] that is passed in.

mod directory;
mod sync;

pub use directory::{AccountDirectory, Unusable};
pub use sync::{ConfiguredAccount, SyncError, Synced, sync};

use crate::providers::ProviderName;

/// Seals and opens secrets at rest. `place` says what a sealed value is for, and is bound into it: a value
/// moved to another account's row does not open.
pub trait Sealer: Send + Sync + 'static {
    fn seal(&self, plain: &[u8], place: &str) -> anyhow::Result<Vec<u8>>;

    fn open(&self, sealed: &[u8], place: &str) -> anyhow::Result<Vec<u8>>;
}

fn secret_place(merchant: &str, provider: ProviderName, account: &str) -> String {
    format!("accounts/{merchant}/{provider}/{account}/webhook_secret")
}

fn credentials_place(merchant: &str, provider: ProviderName, account: &str) -> String {
    format!("accounts/{merchant}/{provider}/{account}/credentials")
}
