//! State rebuilt from the raw deliveries and held against the live rows (P7). Reads everything: for audits,
//! tests and the demo, not for every day.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::turn::World;
use super::turn::rows::{DISPUTE_COLUMNS, dispute, word};
use crate::dispute::{AccountId, Dispute, Event, MerchantId, Source};
use crate::engine;
use crate::providers::{Kept, Reading};

type Key = (MerchantId, AccountId, String);

/// Every dispute that its deliveries do not lead to, in words.
pub async fn differences(
    conn: &mut PgConnection,
    world: &World,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    let mut events = all_events(conn, world).await?;
    let sql = format!("select {DISPUTE_COLUMNS} from disputes order by merchant_id, dispute_id");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
    let mut differences = Vec::new();
    for row in &rows {
        let live = dispute(row)?;
        let key = (live.merchant_id, live.account_id, live.dispute_ref.clone());
        let accounts = world.accounts(conn, &[(live.merchant_id, live.account_id)]).await?;
        let Some(account) = accounts.get(&(live.merchant_id, live.account_id)) else { continue };
        let own = events.remove(&key).unwrap_or_default();
        let ids = (live.merchant_id, live.dispute_id);
        match engine::rebuild(account, ids, own, now) {
            None => differences.push(format!("{} is in no delivery", live.dispute_ref)),
            Some(rebuilt) if comparable(&rebuilt, &live) != live => {
                differences.push(differs(&live, &comparable(&rebuilt, &live)));
            }
            Some(_) => {}
        }
    }
    Ok(differences)
}

fn differs(live: &Dispute, rebuilt: &Dispute) -> String {
    let fields = |d: &Dispute| serde_json::to_value(d).expect("a dispute is text, numbers and instants");
    let (live_fields, rebuilt_fields) = (fields(live), fields(rebuilt));
    let own = live_fields.as_object().into_iter().flatten();
    let told: Vec<String> = own
        .filter(|(name, value)| rebuilt_fields[name.as_str()] != **value)
        .map(|(name, value)| format!("{name} is {value} and its deliveries make {}", rebuilt_fields[name]))
        .collect();
    format!("{}: {}", live.dispute_ref, told.join("; "))
}

/// What no delivery carries is taken from the live row: which of two records that say the same was the first to say
/// it, the customer as facts name them, the sibling it follows.
fn comparable(rebuilt: &Dispute, live: &Dispute) -> Dispute {
    Dispute {
        as_of: live.as_of,
        customer_ref: live.customer_ref.clone(),
        follows_ref: live.follows_ref.clone(),
        ..rebuilt.clone()
    }
}

async fn all_events(conn: &mut PgConnection, world: &World) -> sqlx::Result<BTreeMap<Key, Vec<Event>>> {
    let rows = sqlx::query(
        "select d.merchant_id, d.account_id, a.provider, d.source, d.received_at, d.claimed_at, d.body
         from deliveries d
         join accounts a on a.merchant_id = d.merchant_id and a.account_id = d.account_id
         -- A read that was doubted is no news. A webhook is, and is doubted again where it stands.
         where (d.state = 'settled' and (d.outcome <> 'doubtful' or d.source = 'webhook') or d.outcome = 'partly')
             and d.on_behalf_of is null
         order by d.received_at, d.delivery_id",
    )
    .fetch_all(conn)
    .await?;
    let mut events: BTreeMap<Key, Vec<Event>> = BTreeMap::new();
    for row in &rows {
        let source: Source = word(row, "source")?;
        let received_at: DateTime<Utc> = row.try_get("received_at")?;
        let claimed_at: Option<DateTime<Utc>> = row.try_get("claimed_at")?;
        let as_of = claimed_at.unwrap_or(received_at);
        let provider = world.registry.get(word(row, "provider")?);
        let read = match provider.events(&Kept { source, body: row.try_get("body")?, as_of }) {
            Reading::Events(events) | Reading::Partly { events, .. } => events,
            Reading::FetchFirst { .. }
            | Reading::Acknowledged { .. }
            | Reading::NotOurs { .. }
            | Reading::Unrecognised { .. } => continue,
        };
        for event in read {
            let Some(snapshot) = event.snapshot() else { continue };
            let key = (row.try_get("merchant_id")?, row.try_get("account_id")?, snapshot.dispute_ref.clone());
            events.entry(key).or_default().push(Event { source, ..event });
        }
    }
    Ok(events)
}
