//! One turn at a time for a dispute: advisory locks on its id, held to the end of the transaction. Row locks
//! would rewrite a page of `disputes` per wake, which nothing else changes.
//! Who holds a lock reads the dispute in a statement of its own afterwards, so that it sees what the holder
//! before committed.

use sqlx::PgConnection;

use super::CaseKey;
use crate::dispute::{DisputeId, MerchantId};

/// Waits for the disputes that the keys name, in the order of their ids: two turns that share disputes queue
/// up instead of deadlocking. Returns them in that order; a key by the provider's id that names none
/// is left out.
pub(super) async fn disputes(
    conn: &mut PgConnection,
    keys: &[&CaseKey],
) -> sqlx::Result<Vec<(DisputeId, MerchantId)>> {
    let mut by_id = Vec::new();
    let mut by_ref = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        match key {
            CaseKey::Id { merchant_id, dispute_id } => by_id.push((*dispute_id, *merchant_id)),
            CaseKey::Ref { merchant_id, account_id, dispute_ref } => {
                by_ref.0.push(*merchant_id);
                by_ref.1.push(*account_id);
                by_ref.2.push(dispute_ref.as_str());
            }
        }
    }
    if !by_ref.0.is_empty() {
        let found: Vec<(DisputeId, MerchantId)> = sqlx::query_as(
            "select d.dispute_id, d.merchant_id
             from unnest($1::bigint[], $2::bigint[], $3::text[]) as k (m, a, r)
             join disputes d on d.merchant_id = k.m and d.account_id = k.a and d.dispute_ref = k.r",
        )
        .bind(by_ref.0)
        .bind(by_ref.1)
        .bind(by_ref.2)
        .fetch_all(&mut *conn)
        .await?;
        by_id.extend(found);
    }
    by_id.sort_unstable();
    by_id.dedup();
    if !by_id.is_empty() {
        // One after another, in the order of the array.
        sqlx::query("select pg_advisory_xact_lock(k.i) from unnest($1::bigint[]) as k (i)")
            .bind(by_id.iter().map(|(dispute_id, _)| *dispute_id).collect::<Vec<_>>())
            .execute(conn)
            .await?;
    }
    Ok(by_id)
}

/// Waits for one dispute.
pub async fn dispute(conn: &mut PgConnection, dispute_id: DisputeId) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(dispute_id).execute(conn).await?;
    Ok(())
}
