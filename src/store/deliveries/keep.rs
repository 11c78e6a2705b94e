//! Keeping verified requests: a batch is one statement, durable when it returns. What was kept before is
//! found by the provider's own key. A row the database will not have is set aside alone; the others stay.

use std::collections::HashSet;

use bytes::Bytes;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sqlx::PgConnection;

use super::months::{before, make, month_of};
use crate::dispute::{AccountId, MerchantId};
use crate::providers::{Delivery, Verified};
use crate::store::ids::Ids;

/// Headers that carry a credential of somebody's. They are not kept.
const NOT_KEPT: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// A verified request on its way into the table. Only a [`Verified`] makes one.
#[derive(Debug, Clone)]
pub struct Arrival {
    merchant_id: MerchantId,
    account_id: AccountId,
    received_at: DateTime<Utc>,
    dedupe_key: String,
    claimed_at: Option<DateTime<Utc>>,
    headers: String,
    body: Bytes,
    on_behalf_of: Option<String>,
}

impl Arrival {
    pub fn new(verified: &Verified, received_at: DateTime<Utc>) -> Self {
        let delivery = verified.delivery();
        Self {
            merchant_id: verified.merchant_id,
            account_id: verified.account_id,
            received_at,
            // Text in Postgres has no NUL, and a signed body may well have one in its id.
            dedupe_key: verified.dedupe_key().replace('\0', "\u{fffd}"),
            claimed_at: verified.claimed_at().filter(|at| (1970..=9999).contains(&at.year())),
            headers: storable_headers(delivery),
            body: delivery.body.clone(),
            on_behalf_of: verified.on_behalf_of().map(str::to_owned),
        }
    }

    fn month(&self) -> NaiveDate {
        month_of(self.received_at)
    }

    fn key(&self) -> (MerchantId, AccountId, &str) {
        (self.merchant_id, self.account_id, &self.dedupe_key)
    }
}

/// The headers as a JSON array of pairs, in the order received, without those that carry credentials.
fn storable_headers(delivery: &Delivery) -> String {
    let kept: Vec<_> =
        delivery.headers.iter().filter(|(name, _)| !NOT_KEPT.contains(&name.as_str())).collect();
    // JSON escapes every control character, NUL among them.
    serde_json::to_string(&kept).expect("pairs of text are JSON")
}

/// What came of one arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    New {
        delivery_id: i64,
    },
    /// It was kept before, or came twice in this batch.
    Duplicate,
    /// The database will not have this row, whatever stands around it. It is not kept.
    Unkeepable {
        why: String,
    },
}

/// Keeps a batch, and says of each arrival what came of it, in their order. The connection must not be in a
/// transaction: each statement is its own.
///
/// # Errors
/// The database could not be asked, or is in trouble: of no arrival is it known whether it is kept, and the
/// whole batch may be kept again.
pub async fn keep(conn: &mut PgConnection, ids: &Ids, batch: &[Arrival]) -> sqlx::Result<Vec<Keeping>> {
    let mut order: Vec<usize> = (0..batch.len()).collect();
    // By month, since a statement looks at one month and the one before; then by key, so that two writers
    // with the same keys wait for each other in one order and never in a circle.
    order.sort_by(|a, b| {
        let (a, b) = (&batch[*a], &batch[*b]);
        a.month().cmp(&b.month()).then_with(|| a.key().cmp(&b.key()))
    });
    let mut outcomes = vec![Keeping::Duplicate; batch.len()];
    for group in order.chunk_by(|a, b| batch[*a].month() == batch[*b].month()) {
        let rows: Vec<&Arrival> = group.iter().map(|i| &batch[*i]).collect();
        let kept = keep_one_month(conn, ids, &rows).await?;
        for (i, outcome) in group.iter().zip(kept) {
            outcomes[*i] = outcome;
        }
    }
    Ok(outcomes)
}

async fn keep_one_month(conn: &mut PgConnection, ids: &Ids, rows: &[&Arrival]) -> sqlx::Result<Vec<Keeping>> {
    match insert_or_make_room(conn, ids, rows).await {
        Err(error) if Fault::of(&error) == Fault::Row => {}
        other => return other,
    }
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        outcomes.push(match insert_or_make_room(conn, ids, std::slice::from_ref(row)).await {
            Ok(mut one) => one.remove(0),
            Err(error) if Fault::of(&error) == Fault::Row => Keeping::Unkeepable { why: error.to_string() },
            Err(error) => return Err(error),
        });
    }
    Ok(outcomes)
}

/// Inserts, and once more where what was in the way can be mended.
async fn insert_or_make_room(
    conn: &mut PgConnection,
    ids: &Ids,
    rows: &[&Arrival],
) -> sqlx::Result<Vec<Keeping>> {
    let error = match insert(conn, ids, rows).await {
        Err(error) => error,
        kept => return kept,
    };
    match Fault::of(&error) {
        Fault::NoPartition => make(conn, rows[0].month()).await?,
        Fault::Collision => {}
        Fault::Row | Fault::Database => return Err(error),
    }
    insert(conn, ids, rows).await
}

/// Rows of one month, at least one, ordered by key. They are inserted in the order of the arrays: nothing in
/// the plan reorders them. The look at the month before is a subquery with a limit, which Postgres runs as
/// one index lookup a row and never turns into a join over the whole table.
async fn insert(conn: &mut PgConnection, ids: &Ids, rows: &[&Arrival]) -> sqlx::Result<Vec<Keeping>> {
    let delivery_ids = ids.take(conn, rows.len()).await?;
    let month = rows[0].month();
    let kept: HashSet<i64> = sqlx::query_scalar(
        "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
             claimed_at, headers, body, state, on_behalf_of)
         select i.merchant_id, i.account_id, i.delivery_id, $1, i.received_at, 'webhook', i.dedupe_key,
             i.claimed_at, i.headers, i.body, 'kept', i.on_behalf_of
         from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::text[],
             $8::timestamptz[], $9::text[], $10::bytea[], $11::text[])
             as i (merchant_id, account_id, delivery_id, received_at, dedupe_key, claimed_at, headers, body,
                 on_behalf_of)
         where (
             select true from deliveries d
             where d.merchant_id = i.merchant_id and d.account_id = i.account_id
                 and d.dedupe_key = i.dedupe_key and d.month = $2
             limit 1
         ) is null
         on conflict (merchant_id, account_id, dedupe_key, month) do nothing
         returning delivery_id",
    )
    .bind(month)
    .bind(before(month))
    .bind(rows.iter().map(|r| r.merchant_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.account_id).collect::<Vec<_>>())
    .bind(&delivery_ids)
    .bind(rows.iter().map(|r| r.received_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.dedupe_key.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.claimed_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.headers.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| &r.body[..]).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.on_behalf_of.as_deref()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?
    .into_iter()
    .collect();
    let outcome = |delivery_id| match kept.contains(&delivery_id) {
        true => Keeping::New { delivery_id },
        false => Keeping::Duplicate,
    };
    Ok(delivery_ids.into_iter().map(outcome).collect())
}

/// Whose fault a failed insert is, by SQLSTATE (PostgreSQL documentation, appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The month has no partition yet.
    NoPartition,
    /// Lost against another transaction; may simply be done again.
    Collision,
    /// One of the rows cannot be stored.
    Row,
    /// None of the rows': the connection, the server, the schema.
    Database,
}

impl Fault {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        let Some(error) = error.as_database_error() else { return Self::Database };
        let code = error.code();
        let code = code.as_deref().unwrap_or("");
        // Both are check violations; a partition that is missing has no constraint to name.
        if code == "23514" && error.constraint().is_none() {
            return Self::NoPartition;
        }
        match code.get(..2) {
            Some("40") => Self::Collision,
            // Data exception, integrity, program limit, raised by a trigger.
            Some("22" | "23" | "54" | "P0") => Self::Row,
            Some(_) | None => Self::Database,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_kept_and_nul_bytes_are_storable() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let delivery = Delivery {
            headers: vec![
                header("x-note", "a\0b"),
                header("authorization", "Bearer let-me-in"),
                header("cookie", "session=1"),
                header("x-note", "again"),
            ],
            body: Bytes::new(),
            url: None,
        };
        assert_eq!(storable_headers(&delivery), r#"[["x-note","a\u0000b"],["x-note","again"]]"#);
    }
}
