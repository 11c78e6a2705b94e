//! Which deliveries told of a dispute whose provider cannot be read. What they tell is read from their bodies anew
//! each time: the body is what was kept, and a later program may understand more of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::columns::column;
use super::{Item, Working, World};
use crate::dispute::{DisputeId, Event, MerchantId, Source};
use crate::engine::{Input, in_order};
use crate::providers::{Kept, ProviderName, Reading};

/// Fills in what was told of the disputes that have news now. The others need none of it.
pub(super) async fn load(
    conn: &mut PgConnection,
    world: &World,
    items: &[Item],
    places: &[Option<usize>],
    working: &mut [Working],
) -> sqlx::Result<()> {
    let news = items.iter().zip(places).filter(|(item, _)| matches!(item.input, Input::News(_)));
    let mut wanted: Vec<usize> = news.filter_map(|(_, place)| *place).collect();
    wanted.retain(|at| working.get(*at).is_some_and(|w| is_unread(w) && w.case.dispute.is_some()));
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "select k.place, d.received_at, d.body
         from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as k (m, i, place)
         join unread_news n on n.merchant_id = k.m and n.dispute_id = k.i
         join deliveries d
             on d.merchant_id = n.merchant_id and d.delivery_id = n.delivery_id and d.month = n.month",
    )
    .bind(column!(wanted, |at| working[*at].case.merchant.merchant_id))
    .bind(column!(wanted, |at| working[*at].case.dispute_id))
    .bind(column!(wanted, |at| *at as i64))
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let place: i64 = row.try_get("place")?;
        let Some(work) = usize::try_from(place).ok().and_then(|at| working.get_mut(at)) else { continue };
        let read = read(world, work, row.try_get("body")?, row.try_get("received_at")?)?;
        Arc::make_mut(&mut work.case.told).extend(read);
    }
    for at in wanted {
        let work = &mut working[at];
        in_order(Arc::make_mut(&mut work.case.told));
        work.before.told = work.case.told.clone();
    }
    Ok(())
}

fn is_unread(work: &Working) -> bool {
    !work.case.account.capabilities.fetch
}

/// What a body tells of the dispute.
fn read(world: &World, work: &Working, body: &[u8], received_at: DateTime<Utc>) -> sqlx::Result<Vec<Event>> {
    let name: ProviderName =
        work.case.account.provider.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    let kept = Kept { source: Source::Webhook, body, as_of: received_at };
    let dispute_ref = work.case.dispute.as_ref().map(|dispute| dispute.dispute_ref.as_str());
    let about = |event: &Event| event.snapshot().map(|s| s.dispute_ref.as_str()) == dispute_ref;
    Ok(match world.registry.get(name).events(&kept) {
        Reading::Events(events) | Reading::Partly { events, .. } => {
            events.into_iter().filter(about).collect()
        }
        Reading::FetchFirst { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. }
        | Reading::Unrecognised { .. } => Vec::new(),
    })
}

/// Remembers the deliveries that brought the news of this turn. One that says again what was told is not one more.
pub(super) async fn keep(conn: &mut PgConnection, working: &[Working]) -> sqlx::Result<()> {
    let unread = working.iter().filter(|w| is_unread(w) && w.case.dispute.is_some());
    let rows: Vec<(MerchantId, DisputeId, i64)> = unread
        .flat_map(|w| {
            let ids = (w.case.merchant.merchant_id, w.case.dispute_id);
            let new = w.steps.iter().filter(|said| said.outcome.remembers);
            new.filter_map(move |said| Some((ids.0, ids.1, said.delivery_id?)))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into unread_news (merchant_id, dispute_id, delivery_id, month)
         select u.m, u.i, d.delivery_id, d.month
         from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as u (m, i, d)
         join deliveries d on d.merchant_id = u.m and d.delivery_id = u.d
         on conflict do nothing",
    )
    .bind(column!(rows, |r| r.0))
    .bind(column!(rows, |r| r.1))
    .bind(column!(rows, |r| r.2))
    .execute(conn)
    .await?;
    Ok(())
}
