//! The keys of merchants' own programs, by their digest. A key itself is never here.
//! Knows not what a scope lets its holder do.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::dispute::MerchantId;

/// When a key was last used is written down this often.
const USED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A key to be kept.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    pub merchant_id: MerchantId,
    pub name: &'a str,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    pub scopes: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    Key(i64),
    /// A key of that name is in use.
    NameTaken,
}

pub async fn add(
    conn: &mut PgConnection,
    new: &NewKey<'_>,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Added> {
    let added: Option<i64> = sqlx::query_scalar(
        "insert into api_keys (merchant_id, key_id, name, digest, scopes, created_at, created_by)
         values ($1, nextval('ids'), $2, $3, $4, $5, $6)
         on conflict (merchant_id, name) where revoked_at is null do nothing
         returning key_id",
    )
    .bind(new.merchant_id)
    .bind(new.name)
    .bind(&new.digest[..])
    .bind(&new.scopes)
    .bind(now)
    .bind(by)
    .fetch_optional(conn)
    .await?;
    Ok(added.map_or(Added::NameTaken, Added::Key))
}

/// A key as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct KeyLine {
    pub merchant: String,
    pub key_id: i64,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub created_by: String,
    pub used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_by: Option<String>,
}

/// Every key, or one merchant's; those in use first.
pub async fn list(conn: &mut PgConnection, merchant: Option<MerchantId>) -> sqlx::Result<Vec<KeyLine>> {
    sqlx::query_as(
        "select m.name as merchant, k.key_id, k.name, k.scopes, k.created_at, k.created_by, k.used_at, k.revoked_at,
             k.revoked_by
         from api_keys k
         join merchants m on m.merchant_id = k.merchant_id
         where $1::bigint is null or k.merchant_id = $1
         order by k.revoked_at is not null, m.name, k.name, k.key_id",
    )
    .bind(merchant)
    .fetch_all(conn)
    .await
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    Done { key_id: i64 },
    NoSuchKey,
}

/// Ends the merchant's key of that name. What it was shown for is refused from the next request on.
pub async fn revoke(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    name: &str,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Revoked> {
    let revoked: Option<i64> = sqlx::query_scalar(
        "update api_keys
         set revoked_at = $3, revoked_by = $4
         where merchant_id = $1 and name = $2 and revoked_at is null
         returning key_id",
    )
    .bind(merchant_id)
    .bind(name)
    .bind(now)
    .bind(by)
    .fetch_optional(conn)
    .await?;
    Ok(revoked.map_or(Revoked::NoSuchKey, |key_id| Revoked::Done { key_id }))
}

/// A key that is in use.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Held {
    pub key_id: i64,
    pub name: String,
    pub merchant: String,
    pub scopes: Vec<String>,
    used_at: Option<DateTime<Utc>>,
}

/// The merchant's key with that digest, unless it is revoked; remembers that it was used.
pub async fn held(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    digest: [u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Held>> {
    let held: Option<Held> = sqlx::query_as(
        "select k.key_id, k.name, m.name as merchant, k.scopes, k.used_at
         from api_keys k
         join merchants m on m.merchant_id = k.merchant_id
         where k.merchant_id = $1 and k.digest = $2 and k.revoked_at is null",
    )
    .bind(merchant_id)
    .bind(&digest[..])
    .fetch_optional(&mut *conn)
    .await?;
    let told = |held: &Held| held.used_at.is_some_and(|at| at > now - USED_EVERY);
    if let Some(held) = held.as_ref().filter(|held| !told(held)) {
        sqlx::query("update api_keys set used_at = $3 where merchant_id = $1 and key_id = $2")
            .bind(merchant_id)
            .bind(held.key_id)
            .bind(now)
            .execute(conn)
            .await?;
    }
    Ok(held)
}
