//! What turns share and seldom changes: the providers, parsed rules, accounts by id, ids to hand out.
//! Holds what was read; when to read it again is for the turns to say.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use crate::dispute::{AccountId, Capabilities, MerchantId};
use crate::engine::{AccountView, MerchantView};
use crate::providers::{ProviderName, Registry};
use crate::rules::Ruleset;
use crate::store::accounts::AccountDirectory;
use crate::store::ids::Ids;

#[derive(Clone)]
pub struct World {
    pub registry: Registry,
    pub ids: Ids,
    facts_pull: FactsPull,
    accounts: Option<AccountDirectory>,
    cached: Arc<Cached>,
}

/// Whose own system can be asked for facts.
#[derive(Debug, Clone, Default)]
pub struct FactsPull {
    pub everybody: bool,
    /// Merchants, by name, that have an address of their own.
    pub merchants: Arc<HashSet<String>>,
}

impl FactsPull {
    fn asks(&self, merchant: &str) -> bool {
        self.everybody || self.merchants.contains(merchant)
    }
}

#[derive(Default)]
struct Cached {
    rulesets: Mutex<HashMap<(MerchantId, i32), Arc<Ruleset>>>,
    accounts: Mutex<HashMap<(MerchantId, AccountId), Arc<AccountView>>>,
}

impl World {
    pub fn new(registry: Registry, ids: Ids, facts_pull: FactsPull) -> Self {
        Self { registry, ids, facts_pull, accounts: None, cached: Arc::default() }
    }

    /// The same, and what can be done is asked for each account: without it, what its provider can do is all that
    /// is known.
    pub fn with_accounts(self, accounts: AccountDirectory) -> Self {
        Self { accounts: Some(accounts), ..self }
    }

    /// The merchants as they are now: the kill switch and the version in force are read each time.
    pub(super) async fn merchants(
        &self,
        conn: &mut PgConnection,
        ids: &[MerchantId],
    ) -> sqlx::Result<HashMap<MerchantId, Arc<MerchantView>>> {
        let rows = sqlx::query(
            "select merchant_id, name, kill_switch_at is not null as killed, ruleset_version
             from merchants
             where merchant_id = any($1)",
        )
        .bind(ids)
        .fetch_all(&mut *conn)
        .await?;
        let mut merchants = HashMap::with_capacity(rows.len());
        for row in rows {
            let merchant_id: MerchantId = row.get("merchant_id");
            let ruleset = match row.get::<Option<i32>, _>("ruleset_version") {
                Some(version) => Some((version, self.ruleset(conn, merchant_id, version).await?)),
                None => None,
            };
            let name: String = row.get("name");
            let facts_pull = self.facts_pull.asks(&name);
            let view = MerchantView { merchant_id, name, killed: row.get("killed"), ruleset, facts_pull };
            merchants.insert(merchant_id, Arc::new(view));
        }
        Ok(merchants)
    }

    /// Versions never change, so one that was parsed stays parsed.
    async fn ruleset(
        &self,
        conn: &mut PgConnection,
        merchant_id: MerchantId,
        version: i32,
    ) -> sqlx::Result<Arc<Ruleset>> {
        let key = (merchant_id, version);
        if let Some(known) = self.cached.rulesets.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let text: String =
            sqlx::query_scalar("select rules from rulesets where merchant_id = $1 and version = $2")
                .bind(merchant_id)
                .bind(version)
                .fetch_one(conn)
                .await?;
        let loaded = Ruleset::parse(&text).map_err(|problems| {
            let why = problems.first().map(|p| p.message.clone()).unwrap_or_default();
            sqlx::Error::Decode(format!("the published rules {version} do not load any more: {why}").into())
        })?;
        let ruleset = Arc::new(loaded.ruleset);
        self.cached.rulesets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, ruleset.clone());
        Ok(ruleset)
    }

    pub(crate) async fn accounts(
        &self,
        conn: &mut PgConnection,
        keys: &[(MerchantId, AccountId)],
    ) -> sqlx::Result<HashMap<(MerchantId, AccountId), Arc<AccountView>>> {
        let mut found = HashMap::with_capacity(keys.len());
        let mut unknown = Vec::new();
        {
            let cached = self.cached.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            for key in keys {
                // Its settings may have changed while this process ran.
                match cached.get(key).filter(|view| std::ptr::eq(view.capabilities, self.can(*key, view))) {
                    Some(view) => _ = found.insert(*key, view.clone()),
                    None => unknown.push(*key),
                }
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        let rows = sqlx::query(
            "select merchant_id, account_id, name, provider
             from accounts
             where account_id = any($1)",
        )
        .bind(unknown.iter().map(|(_, account_id)| *account_id).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
        let mut cached = self.cached.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let key: (MerchantId, AccountId) = (row.get("merchant_id"), row.get("account_id"));
            let view = Arc::new(self.view(key, row.get("name"), row.get("provider"))?);
            cached.insert(key, view.clone());
            found.insert(key, view);
        }
        Ok(found)
    }

    fn view(
        &self,
        (merchant_id, account_id): (MerchantId, AccountId),
        name: String,
        provider: &str,
    ) -> sqlx::Result<AccountView> {
        let provider: ProviderName = provider.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        let adapter = self.registry.get(provider).clone();
        let capabilities = self.capabilities((merchant_id, account_id), provider);
        let lint = Arc::new(move |packet: &crate::evidence::Packet, submit| adapter.lint(packet, submit));
        Ok(AccountView { account_id, name, provider: provider.as_str(), capabilities, lint })
    }

    fn can(&self, key: (MerchantId, AccountId), view: &AccountView) -> &'static Capabilities {
        view.provider.parse().map_or(view.capabilities, |provider| self.capabilities(key, provider))
    }

    fn capabilities(
        &self,
        (merchant_id, account_id): (MerchantId, AccountId),
        provider: ProviderName,
    ) -> &'static Capabilities {
        let adapter = self.registry.get(provider);
        let account = self.accounts.as_ref().and_then(|all| all.by_id(merchant_id, account_id));
        account.map_or_else(|| adapter.capabilities(), |account| adapter.capabilities_of(&account))
    }
}

/// Stops irreversible actions for a merchant, or lets them go on; open cycles are looked at anew.
pub async fn set_kill_switch(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    on: bool,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update merchants
         set kill_switch_at = case when $2 then $4 end, kill_switch_by = case when $2 then $3 end
         where merchant_id = $1",
    )
    .bind(merchant_id)
    .bind(on)
    .bind(by)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    wake_merchant(conn, merchant_id, now).await?;
    Ok(())
}

/// Every open cycle of the merchant is looked at again, now. Returns how many. One that is due already is moved by
/// the smallest step: a turn that has it in hand sees that it was woken after it was loaded.
pub async fn wake_merchant(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "with woken as (
             select merchant_id, dispute_id, n
             from cycles
             where merchant_id = $1 and state = 'open'
             -- In the order in which turns write.
             order by dispute_id
             for update)
         update cycles c
         set wake_at = least(c.wake_at - interval '1 microsecond', $2)
         from woken l
         where c.merchant_id = l.merchant_id and c.dispute_id = l.dispute_id and c.n = l.n",
    )
    .bind(merchant_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
