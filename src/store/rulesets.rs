//! Published rules: versions that never change, and which one is in force.
//! Keeps texts: what they mean, the rules module knows.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};

use super::turn::wake_merchant;
use crate::dispute::MerchantId;

/// What publishing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Published {
    pub version: i32,
    /// False when exactly this text was in force already.
    pub changed: bool,
    /// Open cycles that are decided again.
    pub cycles: u64,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct Version {
    pub version: i32,
    pub published_at: DateTime<Utc>,
    pub published_by: String,
    pub in_force: bool,
    pub rules: String,
}

/// The merchant of that name.
pub async fn merchant_id(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<MerchantId>> {
    sqlx::query_scalar("select merchant_id from merchants where name = $1")
        .bind(name)
        .fetch_optional(conn)
        .await
}

/// Puts checked text in force as the next version; open cycles are looked at anew. In one transaction of the
/// caller's. The text must have been checked: what does not load is never published.
pub async fn publish(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    text: &str,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Published> {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    // The merchant's row is the turnstile: two who publish at once get two versions.
    let in_force: Option<i32> =
        sqlx::query_scalar("select ruleset_version from merchants where merchant_id = $1 for update")
            .bind(merchant_id)
            .fetch_one(&mut *conn)
            .await?;
    let same: Option<i32> = sqlx::query_scalar(
        "select version from rulesets where merchant_id = $1 and version = $2 and digest = $3",
    )
    .bind(merchant_id)
    .bind(in_force)
    .bind(&digest[..])
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(version) = same {
        return Ok(Published { version, changed: false, cycles: 0 });
    }
    let version: i32 =
        sqlx::query_scalar("select coalesce(max(version), 0) + 1 from rulesets where merchant_id = $1")
            .bind(merchant_id)
            .fetch_one(&mut *conn)
            .await?;
    sqlx::query(
        "insert into rulesets (merchant_id, version, rules, digest, published_at, published_by)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(merchant_id)
    .bind(version)
    .bind(text)
    .bind(&digest[..])
    .bind(now)
    .bind(by)
    .execute(&mut *conn)
    .await?;
    sqlx::query("update merchants set ruleset_version = $2 where merchant_id = $1")
        .bind(merchant_id)
        .bind(version)
        .execute(&mut *conn)
        .await?;
    let cycles = wake_merchant(conn, merchant_id, now).await?;
    Ok(Published { version, changed: true, cycles })
}

/// Every version, newest first.
pub async fn versions(conn: &mut PgConnection, merchant_id: MerchantId) -> sqlx::Result<Vec<Version>> {
    let rows = sqlx::query(
        "select r.version, r.published_at, r.published_by, r.rules, r.version = m.ruleset_version as in_force
         from rulesets r
         join merchants m on m.merchant_id = r.merchant_id
         where r.merchant_id = $1
         order by r.version desc",
    )
    .bind(merchant_id)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Version {
                version: row.try_get("version")?,
                published_at: row.try_get("published_at")?,
                published_by: row.try_get("published_by")?,
                in_force: row.try_get::<Option<bool>, _>("in_force")?.unwrap_or(false),
                rules: row.try_get("rules")?,
            })
        })
        .collect()
}
