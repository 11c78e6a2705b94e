//! Who is asking, what they may do, and how often. Everybody who shows no good key gets one answer.
//! Knows keys by their digests; who made them and why is not asked here.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use tokio::sync::Semaphore;

use super::Desk;
use super::key::{Scope, Shown};
use crate::config::ApiConfig;
use crate::dispute::MerchantId;
use crate::engine::Order;
use crate::store::api_keys;

/// The holder of a key. Made by [`Desk::authenticate`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub merchant_id: MerchantId,
    pub merchant: String,
    pub key_id: i64,
    /// The key's name: orders are given under `api:NAME`.
    pub name: String,
    scopes: Vec<Scope>,
}

/// The scope that a key would have to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this key lacks the scope {0}")]
pub struct Lacks(pub Scope);

impl Caller {
    pub fn needs(&self, scope: Scope) -> Result<(), Lacks> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Lacks(scope)) }
    }

    pub(super) const fn key(&self) -> Key {
        (self.merchant_id, self.key_id)
    }

    #[cfg(test)]
    pub(super) fn with_key_id(key_id: i64) -> Self {
        Self { merchant_id: 1, merchant: "acme".into(), key_id, name: "till".into(), scopes: Vec::new() }
    }

    /// Under which name orders are given.
    pub fn signs_as(&self) -> String {
        format!("{}{}", Order::PROGRAM, self.name)
    }
}

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No key, no key of ours, or one that is revoked: nobody is told which.
    #[error("no key that is in use was shown")]
    Unknown,
    #[error("this key has been used too often: come again in {after:?}")]
    TooOften { after: Duration },
    #[error("the keys cannot be looked at: {0}")]
    Away(#[from] sqlx::Error),
}

pub(super) type Key = (MerchantId, i64);

/// How often each key may come. Only keys that are in use have an entry, so that nobody can fill the memory.
pub(super) struct Gates {
    pace: RateLimiter<Key, HashMapStateStore<Key>, DefaultClock>,
    lookups: Semaphore,
}

/// So many keys are looked up at one time. Anybody can show one that is none, and the worker's connections come from
/// the same pool.
const LOOKUPS_MAX: usize = 4;

impl Gates {
    pub fn new(config: &ApiConfig) -> Self {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(at_least_one(config.calls_per_minute))
            .allow_burst(at_least_one(config.calls_at_once));
        Self { pace: RateLimiter::hashmap(quota), lookups: Semaphore::new(LOOKUPS_MAX) }
    }

    fn pass(&self, key: Key) -> Result<(), Denied> {
        let told = self.pace.check_key(&key);
        told.map_err(|until| Denied::TooOften { after: until.wait_time_from(DefaultClock::default().now()) })
    }
}

pub(super) async fn authenticate(desk: &Desk, authorization: &str) -> Result<Caller, Denied> {
    let shown = Shown::read(authorization).ok_or(Denied::Unknown)?;
    let held = {
        let _room = desk.gates.lookups.acquire().await;
        let mut conn = desk.pool.acquire().await?;
        api_keys::held(&mut conn, shown.merchant_id, shown.digest, desk.clock.now()).await?
    };
    let held = held.ok_or(Denied::Unknown)?;
    desk.gates.pass((shown.merchant_id, held.key_id))?;
    let scopes = held.scopes.iter().map(|word| word.parse()).collect::<Result<_, _>>();
    Ok(Caller {
        merchant_id: shown.merchant_id,
        merchant: held.merchant,
        key_id: held.key_id,
        name: held.name,
        scopes: scopes.map_err(|e: crate::dispute::UnknownWord| sqlx::Error::Decode(Box::new(e)))?,
    })
}
