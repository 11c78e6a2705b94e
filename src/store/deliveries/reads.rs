//! Records read from a provider's API, kept beside the webhooks because they changed something: the state
//! can be rebuilt from this one table. They arrive settled, in the transaction that applied them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::months::{make, month_of};
use crate::dispute::{AccountId, DisputeId, MerchantId, Source};
use crate::store::ids::Ids;

/// One record as the provider's API gave it.
#[derive(Debug, Clone)]
pub struct Read<'a> {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    pub dispute_id: Option<DisputeId>,
    pub source: Source,
    /// When it was read, by our clock.
    pub received_at: DateTime<Utc>,
    /// The provider's own time of the record.
    pub as_of: DateTime<Utc>,
    pub body: &'a [u8],
    /// What came of it, in a word.
    pub outcome: &'a str,
    pub note: Option<&'a str>,
}

impl Read<'_> {
    /// The same record of the same instant is kept once, unless it changed something: of two records of one instant
    /// that were told in turns, the last word would be missing where state is rebuilt.
    fn dedupe_key(&self, delivery_id: i64) -> String {
        let digest = hex::encode(Sha256::digest(self.body));
        let as_of = self.as_of.timestamp_micros();
        match self.outcome {
            "applied" => format!("{}:{as_of}:{digest}:{delivery_id}", self.source),
            _ => format!("{}:{as_of}:{digest}", self.source),
        }
    }
}

/// Keeps records as settled, and says under which id each is kept; `None` where the same one was kept before.
/// Fit for a transaction of the caller's: a missing partition is made beforehand.
pub async fn keep_reads(
    conn: &mut PgConnection,
    ids: &Ids,
    reads: &[Read<'_>],
) -> sqlx::Result<Vec<Option<i64>>> {
    let months: HashSet<_> = reads.iter().map(|r| month_of(r.received_at)).collect();
    for month in months {
        make(conn, month).await?;
    }
    let delivery_ids = ids.take(conn, reads.len()).await?;
    let kept = insert(conn, &delivery_ids, reads).await?;
    Ok(delivery_ids.into_iter().map(|id| kept.contains(&id).then_some(id)).collect())
}

async fn insert(
    conn: &mut PgConnection,
    delivery_ids: &[i64],
    reads: &[Read<'_>],
) -> sqlx::Result<HashSet<i64>> {
    let kept = sqlx::query_scalar(
        "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
             claimed_at, headers, body, state, settled_at, outcome, note, dispute_id)
         select merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
             claimed_at, '[]', body, 'settled', received_at, outcome, note, dispute_id
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::date[], $5::timestamptz[], $6::text[],
             $7::text[], $8::timestamptz[], $9::bytea[], $10::text[], $11::text[], $12::bigint[])
             as i (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
                 claimed_at, body, outcome, note, dispute_id)
         on conflict (merchant_id, account_id, dedupe_key, month) do nothing
         returning delivery_id",
    )
    .bind(reads.iter().map(|r| r.merchant_id).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.account_id).collect::<Vec<_>>())
    .bind(delivery_ids)
    .bind(reads.iter().map(|r| month_of(r.received_at)).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.received_at).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.source.as_str()).collect::<Vec<_>>())
    .bind(reads.iter().zip(delivery_ids).map(|(r, id)| r.dedupe_key(*id)).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.as_of).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.body).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.outcome).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.note).collect::<Vec<_>>())
    .bind(reads.iter().map(|r| r.dispute_id).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(kept.into_iter().collect())
}
