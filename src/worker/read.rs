//! Reading the provider's record of a dispute and putting it through the same door as a webhook. What it
//! changed is kept beside the webhooks, so that state can be rebuilt from one table.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use super::{Shop, is_about_a_row, is_collision};
use crate::dispute::{Event, News, Source};
use crate::engine::{Applied, Input};
use crate::providers::{Account, Answer, CallLog, Reading, Record};
use crate::store::deliveries::{self, Read};
use crate::store::turn::{self, CaseKey, Item, Turned};

/// What reading came to.
#[derive(Debug)]
pub(super) enum Looked {
    /// The record is applied; the case stands as the provider's record says.
    Seen(Turned),
    /// The answer to a call of ours says that it was taken, and holds no record.
    Acknowledged(String),
    /// The provider was not reached or asked for patience.
    NotNow { after: Option<std::time::Duration>, why: String },
    /// The provider knows no such dispute, or does not let us read it.
    Refused { status: u16, why: String },
    /// The record uses words we do not know. Kept in quarantine; nothing is concluded from it.
    NotUnderstood(String),
}

/// Fetches one record and applies it.
pub(super) async fn look_up(
    shop: &Shop,
    account: &Account,
    dispute_ref: &str,
    source: Source,
    logs: &mut Vec<CallLog>,
) -> sqlx::Result<Looked> {
    let provider = shop.world.registry.get(account.provider).clone();
    let (answer, log) = provider.fetch(account, dispute_ref).await;
    shop.called(account, answer.word(), &log);
    logs.extend(log);
    shop.calls.learn(account.account_id, &answer, shop.clock.now());
    match answer {
        Answer::Receipt(record) => take_in(shop, account, &record, source).await,
        Answer::Retry { after, why } => Ok(Looked::NotNow { after, why }),
        // A read changes nothing, so an unknown outcome is only an answer that is missing.
        Answer::Unknown { why } => Ok(Looked::NotNow { after: None, why }),
        Answer::Refused { status, reason, .. } => {
            Ok(Looked::Refused { status, why: format!("HTTP {status}: {reason}") })
        }
    }
}

/// Applies a record in a transaction of its own.
pub(super) async fn take_in(
    shop: &Shop,
    account: &Account,
    record: &Record,
    source: Source,
) -> sqlx::Result<Looked> {
    loop {
        let now = shop.clock.now();
        let mut tx = shop.pool.begin().await?;
        match absorb_each(&mut tx, shop, account, std::slice::from_ref(record), source, now).await {
            Ok(mut looked) => {
                tx.commit().await?;
                let first = looked.pop().unwrap_or(Looked::NotUnderstood("the record is empty".into()));
                if let Looked::Seen(turned) = &first {
                    shop.ring_for(std::slice::from_ref(turned));
                }
                return Ok(first);
            }
            Err(error) if is_collision(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Applies many records in the caller's transaction, all in one turn; when one of them cannot be stored, each in a
/// turn of its own, so that it holds up no other. One result per record.
pub(super) async fn absorb_each(
    conn: &mut PgConnection,
    shop: &Shop,
    account: &Account,
    records: &[Record],
    source: Source,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Looked>> {
    let mut together = conn.begin().await?;
    match absorb(&mut together, shop, account, records, source, now).await {
        Ok(looked) => {
            together.commit().await?;
            return Ok(looked);
        }
        Err(error) if is_about_a_row(&error) => together.rollback().await?,
        Err(error) => return Err(error),
    }
    let mut looked = Vec::with_capacity(records.len());
    for record in records {
        let mut alone = conn.begin().await?;
        match absorb(&mut alone, shop, account, std::slice::from_ref(record), source, now).await {
            Ok(mut one) => {
                alone.commit().await?;
                looked.append(&mut one);
            }
            Err(error) if is_about_a_row(&error) => {
                alone.rollback().await?;
                tracing::error!(account.id = account.account_id, %error, "a provider's record cannot be stored");
                looked.push(Looked::NotUnderstood(format!("it cannot be stored: {error}")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(looked)
}

/// Applies many records in one turn, in the caller's transaction. One result per record.
async fn absorb(
    conn: &mut PgConnection,
    shop: &Shop,
    account: &Account,
    records: &[Record],
    source: Source,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Looked>> {
    let mut looked: Vec<Option<Looked>> = Vec::with_capacity(records.len());
    let mut places = Vec::new();
    let mut items = Vec::new();
    for (at, record) in records.iter().enumerate() {
        looked.push(match &record.reading {
            Reading::Events(events) => {
                for event in events {
                    places.push(at);
                    items.push(item(account, event, source));
                }
                None
            }
            // A read that holds no record has told nothing.
            Reading::Acknowledged { what } if source == Source::Receipt => {
                Some(Looked::Acknowledged(what.clone()))
            }
            // A record is of one dispute, and is understood or not.
            Reading::Partly { what, .. }
            | Reading::Acknowledged { what }
            | Reading::Unrecognised { what }
            | Reading::NotOurs { what } => Some(Looked::NotUnderstood(what.clone())),
            Reading::FetchFirst { name, .. } => Some(Looked::NotUnderstood(format!("{name} is no record"))),
        });
    }
    let turned = turn::take(conn, &shop.world, items, now).await?;
    for (place, turned) in places.into_iter().zip(turned) {
        looked[place] = Some(Looked::Seen(turned));
    }
    let looked: Vec<Looked> = looked
        .into_iter()
        .map(|l| l.unwrap_or_else(|| Looked::NotUnderstood("the record holds no news".into())))
        .collect();
    keep(conn, shop, account, records, &looked, source, now).await?;
    Ok(looked)
}

fn item(account: &Account, event: &Event, source: Source) -> Item {
    let dispute_ref = match &event.news {
        News::Record { snapshot } | News::Funds { snapshot, .. } => snapshot.dispute_ref.clone(),
        // A notice is no dispute: it goes through the turn under its own id, and leaves no dispute behind.
        News::Notice { notice } => notice.notice_ref.clone(),
    };
    let event = Event { source, ..event.clone() };
    let cause = source.to_string();
    let key = CaseKey::Ref { merchant_id: account.merchant_id, account_id: account.account_id, dispute_ref };
    Item { key, input: Input::News(Box::new(event)), cause, delivery_id: None }
}

/// Keeps the records that changed something. One that says nothing new is not worth a row.
async fn keep(
    conn: &mut PgConnection,
    shop: &Shop,
    account: &Account,
    records: &[Record],
    looked: &[Looked],
    source: Source,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let reads: Vec<Read<'_>> = records
        .iter()
        .zip(looked)
        .filter_map(|(record, looked)| {
            let (outcome, dispute_id, note) = match looked {
                Looked::Seen(turned) => match &turned.applied {
                    Applied::Applied => ("applied", turned.dispute_id, None),
                    Applied::Doubtful(why) => ("doubtful", turned.dispute_id, Some(why.as_str())),
                    Applied::Unchanged | Applied::Stale | Applied::Refused(_) => return None,
                },
                Looked::NotUnderstood(what) => ("unrecognised", None, Some(what.as_str())),
                Looked::Acknowledged(_) | Looked::NotNow { .. } | Looked::Refused { .. } => return None,
            };
            Some(Read {
                merchant_id: account.merchant_id,
                account_id: account.account_id,
                dispute_id,
                source,
                received_at: now,
                as_of: record.as_of,
                body: &record.raw,
                outcome,
                note,
            })
        })
        .collect();
    if !reads.is_empty() {
        deliveries::keep_reads(conn, &shop.world.ids, &reads).await?;
    }
    Ok(())
}
