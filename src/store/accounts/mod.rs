//! Merchants and their accounts at providers: written from the configuration, read into a directory in
//! memory that every delivery and call looks its account up in. Secrets are sealed in the table and open
//! only here.

mod directory;
mod sync;

pub use directory::{AccountDirectory, Unusable};
pub use sync::{ConfiguredAccount, SyncError, Synced, sync};

use super::seal::Place;
use crate::dispute::{AccountId, MerchantId};

/// Where a webhook secret is sealed for. They change places in their list as they are rotated, so that the
/// position is no part of it.
const fn secret_place(merchant_id: MerchantId, account_id: AccountId) -> Place<'static> {
    Place { merchant_id, account_id, field: "webhook_secret" }
}

/// Where the JSON object of credentials is sealed for.
const fn credentials_place(merchant_id: MerchantId, account_id: AccountId) -> Place<'static> {
    Place { merchant_id, account_id, field: "credentials" }
}
