//! The configuration's accounts, written to the table. What is named is made or brought up to date; what is
//! no longer named is retired, never removed: its disputes keep their history.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection, PgConnection};

use super::{credentials_place, secret_place};
use crate::config::AccountConfig;
use crate::dispute::{AccountId, MerchantId};
use crate::providers::ProviderName;
use crate::store::ids::Ids;
use crate::store::seal::{SealingKey, open, seal};

/// Serialises programs that start side by side. Any number that nothing else here locks.
const TURN: i64 = 0x6163_636f_756e_7473;

/// An account as the configuration names it.
#[derive(Debug, Clone)]
pub struct ConfiguredAccount {
    pub merchant: String,
    pub provider: ProviderName,
    /// The last part of its webhook address. Unique per provider.
    pub name: String,
    /// The provider's own id of the account.
    pub provider_account: Option<String>,
    /// The name of the account of the same provider that reaches this one.
    pub via: Option<String>,
    pub base_url: Option<String>,
    pub tolerance_s: i32,
    /// Newest first.
    pub webhook_secrets: Vec<SecretString>,
    /// What the account has at its provider, by name: secrets and settings.
    pub credentials: BTreeMap<String, SecretString>,
}

impl From<&AccountConfig> for ConfiguredAccount {
    fn from(account: &AccountConfig) -> Self {
        let secret = account.credentials.iter().map(|(name, value)| (name.clone(), value.value().clone()));
        let plain = account.settings.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        Self {
            merchant: account.merchant.clone(),
            provider: account.provider,
            name: account.name.clone(),
            provider_account: account.provider_account.clone(),
            via: account.via.clone(),
            base_url: account.base_url.clone(),
            tolerance_s: i32::try_from(account.tolerance_s.unwrap_or(300)).unwrap_or(300),
            webhook_secrets: account.webhook_secrets.iter().map(|s| s.value().clone()).collect(),
            credentials: secret.chain(plain).collect(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error(
        "the account `{provider}/{name}` belongs to the merchant `{owner}` and the configuration gives it to \
         `{merchant}`: its disputes cannot change hands. Choose another name for the new merchant's account"
    )]
    OtherMerchant { provider: ProviderName, name: String, owner: String, merchant: String },
    #[error(
        "the account `{provider}/{name}` was `{was}` at its provider and the configuration says that it is `{is}`: \
         its disputes would be mixed with another's. Choose another name for the new one"
    )]
    OtherAccount { provider: ProviderName, name: String, was: String, is: String },
    #[error("the configuration names the account `{provider}/{name}` twice: names are unique per provider")]
    NamedTwice { provider: ProviderName, name: String },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// How many accounts were touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Synced {
    pub added: usize,
    pub changed: usize,
    pub retired: usize,
}

#[derive(sqlx::FromRow)]
struct Stored {
    merchant_id: MerchantId,
    account_id: AccountId,
    merchant: String,
    provider_account: Option<String>,
    via: Option<String>,
    base_url: Option<String>,
    tolerance_s: i32,
    webhook_secrets: Vec<Vec<u8>>,
    credentials: Vec<u8>,
    retired: bool,
}

/// Makes the table say what `configured` says, in one transaction. Rows that say it already are left alone,
/// so that nothing is read again for nothing.
pub async fn sync(
    conn: &mut PgConnection,
    ids: &Ids,
    key: &SealingKey,
    configured: &[ConfiguredAccount],
    now: DateTime<Utc>,
) -> Result<Synced, SyncError> {
    let mut tx = conn.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(TURN).execute(&mut *tx).await?;
    let mut stored = read_stored(&mut tx).await?;
    let mut named = HashSet::new();
    // First: an account under a new name may be the same one at the provider.
    let kept: HashSet<_> = configured.iter().map(|a| (a.provider.to_string(), a.name.clone())).collect();
    let gone = stored.iter().filter(|(address, row)| !row.retired && !kept.contains(*address));
    let gone: Vec<i64> = gone.map(|(_, row)| row.account_id).collect();
    let mut synced = Synced { retired: retire(&mut tx, &gone, now).await?, ..Synced::default() };
    for account in configured {
        let address = (account.provider.to_string(), account.name.clone());
        if !named.insert(address.clone()) {
            return Err(SyncError::NamedTwice { provider: account.provider, name: account.name.clone() });
        }
        match stored.remove(&address) {
            None => {
                let merchant_id = merchant(&mut tx, ids, &account.merchant, now).await?;
                let account_id = ids.take(&mut tx, 1).await?[0];
                write(&mut tx, key, account, (merchant_id, account_id), now).await?;
                synced.added += 1;
            }
            Some(row) if row.merchant != account.merchant => {
                return Err(SyncError::OtherMerchant {
                    provider: account.provider,
                    name: account.name.clone(),
                    owner: row.merchant,
                    merchant: account.merchant.clone(),
                });
            }
            Some(row)
                if row.provider_account.is_some() && row.provider_account != account.provider_account =>
            {
                return Err(SyncError::OtherAccount {
                    provider: account.provider,
                    name: account.name.clone(),
                    was: row.provider_account.unwrap_or_default(),
                    is: account.provider_account.clone().unwrap_or_else(|| "unsaid".to_owned()),
                });
            }
            Some(row) if says(&row, key, account) => {}
            Some(row) => {
                write(&mut tx, key, account, (row.merchant_id, row.account_id), now).await?;
                synced.changed += 1;
            }
        }
    }
    tx.commit().await?;
    Ok(synced)
}

async fn read_stored(conn: &mut PgConnection) -> sqlx::Result<HashMap<(String, String), Stored>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        provider: String,
        name: String,
        #[sqlx(flatten)]
        stored: Stored,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select a.provider, a.name, a.merchant_id, a.account_id, m.name as merchant, a.provider_account,
             a.via, a.base_url, a.tolerance_s, a.webhook_secrets, a.credentials, a.retired_at is not null as retired
         from accounts a
         join merchants m using (merchant_id)",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|r| ((r.provider, r.name), r.stored)).collect())
}

async fn merchant(
    conn: &mut PgConnection,
    ids: &Ids,
    name: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<MerchantId> {
    let known: Option<i64> = sqlx::query_scalar("select merchant_id from merchants where name = $1")
        .bind(name)
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(merchant_id) = known {
        return Ok(merchant_id);
    }
    let merchant_id = ids.take(conn, 1).await?[0];
    sqlx::query("insert into merchants (merchant_id, name, created_at) values ($1, $2, $3)")
        .bind(merchant_id)
        .bind(name)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(merchant_id)
}

/// Whether a row says already what the configuration says. One that does not open is written anew.
fn says(row: &Stored, key: &SealingKey, account: &ConfiguredAccount) -> bool {
    let opens_to = |sealed: &[u8], place, plain: &SecretString| {
        open(key, place, sealed).is_ok_and(|opened| opened.expose_secret() == plain.expose_secret())
    };
    let place = secret_place(row.merchant_id, row.account_id);
    let secrets_say = row.webhook_secrets.len() == account.webhook_secrets.len()
        && row
            .webhook_secrets
            .iter()
            .zip(&account.webhook_secrets)
            .all(|(sealed, plain)| opens_to(sealed, place, plain));
    !row.retired
        && row.provider_account == account.provider_account
        && row.via == account.via
        && row.base_url == account.base_url
        && row.tolerance_s == account.tolerance_s
        && secrets_say
        && opens_to(
            &row.credentials,
            credentials_place(row.merchant_id, row.account_id),
            &plain_credentials(account),
        )
}

fn plain_credentials(account: &ConfiguredAccount) -> SecretString {
    let entries: BTreeMap<&str, &str> =
        account.credentials.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    serde_json::to_string(&entries).expect("text under text is JSON").into()
}

async fn write(
    conn: &mut PgConnection,
    key: &SealingKey,
    account: &ConfiguredAccount,
    (merchant_id, account_id): (MerchantId, AccountId),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let place = secret_place(merchant_id, account_id);
    let secrets: Vec<Vec<u8>> =
        account.webhook_secrets.iter().map(|secret| seal(key, place, secret)).collect();
    let credentials = seal(key, credentials_place(merchant_id, account_id), &plain_credentials(account));
    sqlx::query(
        "insert into accounts (merchant_id, account_id, provider, name, base_url, tolerance_s, webhook_secrets,
             credentials, updated_at, provider_account, via)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (merchant_id, account_id) do update
         set provider_account = excluded.provider_account, via = excluded.via, base_url = excluded.base_url, tolerance_s = excluded.tolerance_s,
             webhook_secrets = excluded.webhook_secrets, credentials = excluded.credentials,
             -- Readers see a change by this, also when the clock was set back.
             updated_at = greatest(excluded.updated_at, accounts.updated_at + interval '1 microsecond'),
             retired_at = null",
    )
    .bind(merchant_id)
    .bind(account_id)
    .bind(account.provider.as_str())
    .bind(&account.name)
    .bind(&account.base_url)
    .bind(account.tolerance_s)
    .bind(secrets)
    .bind(credentials)
    .bind(now)
    .bind(&account.provider_account)
    .bind(&account.via)
    .execute(conn)
    .await?;
    Ok(())
}

async fn retire(conn: &mut PgConnection, account_ids: &[i64], now: DateTime<Utc>) -> sqlx::Result<usize> {
    let done = sqlx::query(
        "update accounts set retired_at = $2
         where merchant_id = any (array(select merchant_id from merchants)) and account_id = any ($1)",
    )
    .bind(account_ids)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() as usize)
}
