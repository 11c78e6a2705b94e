//! The accounts as every request needs them: in memory, unsealed, found by the address a webhook is sent to
//! or by id. Read again when the table says that something changed.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::{credentials_place, secret_place};
use crate::dispute::{AccountId, MerchantId};
use crate::providers::{Account, Credentials, ProviderName};
use crate::store::seal::{SealingKey, open};

/// All accounts. Clones share what was read.
#[derive(Clone)]
pub struct AccountDirectory {
    key: SealingKey,
    read: Arc<RwLock<Arc<Accounts>>>,
    dice: RandomState,
}

#[derive(Default)]
struct Accounts {
    by_address: HashMap<ProviderName, HashMap<String, Arc<Account>>>,
    by_id: BTreeMap<(MerchantId, AccountId), Arc<Account>>,
    /// By the account that webhooks come to, and the provider's id of the one that they name.
    named: HashMap<AccountId, HashMap<String, Arc<Account>>>,
    providers: BTreeMap<(MerchantId, AccountId), ProviderName>,
    unusable: Vec<Unusable>,
    version: String,
}

/// An account that stands in the table and cannot be used, and why: its deliveries are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    pub provider: String,
    pub name: String,
    pub why: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: i64,
    account_id: i64,
    merchant: String,
    provider: String,
    name: String,
    provider_account: Option<String>,
    via: Option<String>,
    base_url: Option<String>,
    tolerance_s: i32,
    webhook_secrets: Vec<Vec<u8>>,
    credentials: Vec<u8>,
    retired_at: Option<DateTime<Utc>>,
}

impl Accounts {
    fn find(&self, provider: ProviderName, name: &str) -> Option<&Arc<Account>> {
        self.by_address.get(&provider)?.get(name)
    }

    /// Whom webhooks for this account may come to: itself, and the one it is reached via.
    fn receivers(&self, account: &Account, via: Option<&str>) -> impl Iterator<Item = AccountId> + use<> {
        let platform = via.and_then(|via| self.find(account.provider, via)).map(|p| p.account_id);
        [Some(account.account_id), platform].into_iter().flatten()
    }
}

impl AccountDirectory {
    /// Empty until [`AccountDirectory::refresh`].
    pub fn new(key: SealingKey) -> Self {
        Self { key, read: Arc::default(), dice: RandomState::new() }
    }

    /// The account that webhooks to `/webhooks/{provider}/{name}` are for. Not one that is retired.
    pub fn find(&self, provider: ProviderName, name: &str) -> Option<Arc<Account>> {
        self.accounts().find(provider, name).cloned()
    }

    /// An account of that provider: always the same for a word, and nobody can tell which. What strangers are shown
    /// of an address that does not exist is what one of those that do would show them.
    pub fn any_of(&self, provider: ProviderName, word: &str) -> Option<Arc<Account>> {
        let accounts = self.accounts();
        let of_provider = accounts.by_address.get(&provider)?.values();
        of_provider.min_by_key(|account| self.dice.hash_one((word, account.account_id))).cloned()
    }

    /// The account of that id, unless it is retired or unusable: nothing may be called for it then.
    pub fn by_id(&self, merchant_id: MerchantId, account_id: AccountId) -> Option<Arc<Account>> {
        self.accounts().by_id.get(&(merchant_id, account_id)).cloned()
    }

    /// A merchant's accounts that are in use.
    pub fn of(&self, merchant_id: MerchantId) -> Vec<Arc<Account>> {
        let own = (merchant_id, AccountId::MIN)..=(merchant_id, AccountId::MAX);
        self.accounts().by_id.range(own).map(|(_, account)| account.clone()).collect()
    }

    /// The account that a delivery to `receiver` is for, when it names one by the provider's id: one that is reached
    /// via the receiver, or the receiver itself.
    pub fn named(&self, receiver: AccountId, provider_account: &str) -> Option<Arc<Account>> {
        self.accounts().named.get(&receiver)?.get(provider_account).cloned()
    }

    /// Whose words the deliveries of an account are in, also when the account is retired.
    pub fn provider_of(&self, merchant_id: MerchantId, account_id: AccountId) -> Option<ProviderName> {
        self.accounts().providers.get(&(merchant_id, account_id)).copied()
    }

    /// Every account in use, by merchant.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.accounts().by_id.values().cloned().collect()
    }

    pub fn unusable(&self) -> Vec<Unusable> {
        self.accounts().unusable.clone()
    }

    /// Reads the table again if it changed. Returns whether it had.
    pub async fn refresh(&self, conn: &mut PgConnection) -> sqlx::Result<bool> {
        let version = read_version(conn).await?;
        if version == self.accounts().version {
            return Ok(false);
        }
        let accounts = self.build(version, read_rows(conn).await?);
        for Unusable { provider, name, why } in &accounts.unusable {
            tracing::error!(
                account.provider = provider,
                account.name = name,
                why,
                "account cannot be used: its deliveries are refused"
            );
        }
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
        Ok(true)
    }

    /// Refreshes every `every` until told to stop. A database that is away is asked again the next time.
    pub async fn keep_fresh(self, pool: PgPool, every: Duration, stop: CancellationToken) {
        let refresh = async || -> sqlx::Result<bool> { self.refresh(&mut *pool.acquire().await?).await };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            match refresh().await {
                Ok(true) => {
                    tracing::info!(accounts = self.all().len(), "accounts changed and were read again")
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot see whether accounts changed"),
            }
        }
    }

    fn accounts(&self) -> Arc<Accounts> {
        self.read.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn build(&self, version: String, rows: Vec<Row>) -> Accounts {
        let mut accounts = Accounts { version, ..Accounts::default() };
        // Those that others are reached via come first.
        let (connected, own): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.via.is_some());
        for row in own.into_iter().chain(connected) {
            let id = (row.merchant_id, row.account_id);
            let provider = row.provider.parse::<ProviderName>();
            if let Ok(provider) = &provider {
                accounts.providers.insert(id, *provider);
            }
            if row.retired_at.is_some() {
                continue;
            }
            match provider.map_err(anyhow::Error::from).and_then(|p| self.unseal(p, &row, &accounts)) {
                Ok(account) => {
                    let account = Arc::new(account);
                    if let Some(id) = row.provider_account {
                        for receiver in accounts.receivers(&account, row.via.as_deref()) {
                            accounts.named.entry(receiver).or_default().insert(id.clone(), account.clone());
                        }
                    }
                    let names = accounts.by_address.entry(account.provider).or_default();
                    names.insert(row.name, account.clone());
                    accounts.by_id.insert(id, account);
                }
                Err(why) => accounts.unusable.push(Unusable {
                    provider: row.provider,
                    name: row.name,
                    why: format!("{why:#}"),
                }),
            }
        }
        accounts
    }

    fn unseal(&self, provider: ProviderName, row: &Row, read: &Accounts) -> anyhow::Result<Account> {
        let platform = match &row.via {
            Some(via) => Some(read.find(provider, via).with_context(|| {
                format!("it is reached via {provider}/{via}, which cannot be used either")
            })?),
            None => None,
        };
        let credentials = match (&platform, &row.provider_account) {
            (Some(platform), Some(id)) => platform.credentials.clone().acting_for(id.clone()),
            (Some(_), None) | (None, _) => {
                open_credentials(&self.key, row).context("the credentials do not open")?
            }
        };
        let place = secret_place(row.merchant_id, row.account_id);
        let webhook_secrets = row
            .webhook_secrets
            .iter()
            .map(|sealed| open(&self.key, place, sealed))
            .collect::<Result<_, _>>()
            .context("a webhook secret does not open")?;
        Ok(Account {
            merchant_id: row.merchant_id,
            account_id: row.account_id,
            merchant: row.merchant.clone(),
            name: row.name.clone(),
            provider,
            webhook_secrets,
            credentials,
            base_url: row.base_url.clone().or_else(|| platform?.base_url.clone()),
            tolerance_s: i64::from(row.tolerance_s),
        })
    }
}

fn open_credentials(key: &SealingKey, row: &Row) -> anyhow::Result<Credentials> {
    let plain = open(key, credentials_place(row.merchant_id, row.account_id), &row.credentials)?;
    let entries: BTreeMap<String, SecretString> = serde_json::from_str(plain.expose_secret())?;
    Ok(Credentials::new(entries))
}

/// A digest that changes whenever a row does; empty while there is none.
async fn read_version(conn: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar(
        "select coalesce(md5(string_agg(
             concat_ws(' ', merchant_id, account_id, updated_at, coalesce(retired_at::text, 'in use')),
             ',' order by merchant_id, account_id)), '')
         from accounts",
    )
    .fetch_one(conn)
    .await
}

async fn read_rows(conn: &mut PgConnection) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as(
        "select a.merchant_id, a.account_id, m.name as merchant, a.provider, a.name, a.provider_account, a.via,
             a.base_url, a.tolerance_s, a.webhook_secrets, a.credentials, a.retired_at
         from accounts a
         join merchants m using (merchant_id)
         order by a.merchant_id, a.account_id",
    )
    .fetch_all(conn)
    .await
}
