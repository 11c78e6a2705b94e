//! The apply step: kept deliveries become state. Hundreds in one transaction; when one of them cannot be
//! stored, each is taken alone, and only the one that fails is quarantined.

use std::collections::HashSet;

use anyhow::Context;
use sqlx::{Connection, PgConnection};

use super::quarantine::Waiting;
use super::{Shop, Stepped, is_about_a_row, is_collision, is_short_of_locks};
use crate::dispute::{Event, News, Source};
use crate::engine::{Applied, Input};
use crate::observe::record;
use crate::providers::{Account, Kept, Reading};
use crate::store::alerts;
use crate::store::deliveries::{self, Claimed, Handover, Settled};
use crate::store::fetches::{self, WantedFetch};
use crate::store::turn::{self, CaseKey, Item, Turned};
use crate::store::watermarks;

/// Anybody can name disputes where a signature does not cover the body, so no account has more than so many waiting to
/// be fetched that are not known here.
const UNKNOWN_FETCHES_MAX: i64 = 1_000;

pub async fn apply(shop: &Shop) -> anyhow::Result<Stepped> {
    let batch_max = shop.settings.batch;
    let done = match batch(shop, batch_max).await {
        Err(error) if is_short_of_locks(&error) => batch(shop, (batch_max / 16).max(1)).await,
        done => done,
    };
    match done {
        Ok(done) => Ok(stepped(done)),
        Err(error) if is_collision(&error) => Ok(Stepped::Did(0)),
        Err(error) if is_about_a_row(&error) => one_by_one(shop).await,
        Err(error) => Err(error).context("applying kept deliveries"),
    }
}

fn stepped(done: usize) -> Stepped {
    match done {
        0 => Stepped::Idle { next_at: None },
        done => Stepped::Did(done),
    }
}

async fn batch(shop: &Shop, limit: i64) -> sqlx::Result<usize> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let claimed = deliveries::claim(&mut tx, limit).await?;
    if claimed.is_empty() {
        return Ok(0);
    }
    let (settled, turned) = match store(&mut tx, shop, &claimed, now).await {
        Ok(stored) => stored,
        Err(error) => {
            // Now, not when the connection is used next: what is still locked looks to the next claim as if it
            // were in another worker's hands.
            tx.rollback().await?;
            return Err(error);
        }
    };
    crate::crash::point("apply.applied");
    tx.commit().await?;
    measure(shop, &settled, &claimed, now);
    shop.ring_for(&turned);
    if claimed.len() as i64 == limit {
        // There may be more than this loop can take: wake another.
        shop.bells.apply.ring();
    }
    if settled.iter().any(|s| s.quarantined) {
        shop.bells.notify.ring();
    }
    if settled.iter().any(|s| s.outcome == "handed_over") {
        shop.bells.apply.ring();
    }
    if settled.iter().any(|s| s.outcome == "fetching") {
        shop.bells.reconcile.ring();
    }
    Ok(claimed.len())
}

/// After a batch failed over one row: the oldest alone. If it is the one, it goes to quarantine while it is still
/// in our hands, so that another worker's claim cannot put an innocent one in its place.
async fn one_by_one(shop: &Shop) -> anyhow::Result<Stepped> {
    match alone(shop).await {
        // There is more: a whole batch has just failed.
        Ok(done) => Ok(Stepped::Did(done)),
        Err(error) if is_collision(&error) => Ok(Stepped::Did(0)),
        Err(error) => Err(error).context("applying one kept delivery"),
    }
}

async fn alone(shop: &Shop) -> sqlx::Result<usize> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let claimed = deliveries::claim(&mut tx, 1).await?;
    let mut attempt = tx.begin().await?;
    let turned = match store(&mut attempt, shop, &claimed, now).await {
        Ok((_, turned)) => {
            attempt.commit().await?;
            turned
        }
        Err(error) if is_about_a_row(&error) => {
            attempt.rollback().await?;
            tracing::error!(delivery.id = claimed.first().map(|c| c.delivery_id), %error, "a delivery cannot be stored");
            let note = format!("understood, but it cannot be stored: {error}");
            let rows: Vec<Settled> = claimed.iter().map(|c| quarantine(c, note.clone())).collect();
            deliveries::settle(&mut tx, &rows, now).await?;
            tell_of_quarantined(&mut tx, shop, (&claimed, &rows), now).await?;
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    tx.commit().await?;
    shop.ring_for(&turned);
    shop.bells.reconcile.ring();
    Ok(claimed.len())
}

/// Everything the claimed deliveries come to, written and not yet committed.
async fn store(
    conn: &mut PgConnection,
    shop: &Shop,
    claimed: &[Claimed],
    now: chrono::DateTime<chrono::Utc>,
) -> sqlx::Result<(Vec<Settled>, Vec<Turned>)> {
    let (settled, turned) = digest(conn, shop, claimed, now).await?;
    deliveries::settle(conn, &settled, now).await?;
    tell_of_quarantined(conn, shop, (claimed, &settled), now).await?;
    watermarks::saw_webhooks(conn, claimed).await?;
    Ok((settled, turned))
}

/// People hear of what was not understood, once an hour for each account. It may be a dispute that nothing else tells
/// of: where the provider cannot be read it is certain to be all there is, and they are paged.
async fn tell_of_quarantined(
    conn: &mut PgConnection,
    shop: &Shop,
    (claimed, settled): (&[Claimed], &[Settled]),
    now: chrono::DateTime<chrono::Utc>,
) -> sqlx::Result<()> {
    let mut told = HashSet::new();
    let mut alerts = Vec::new();
    for (claimed, settled) in claimed.iter().zip(settled).filter(|(_, settled)| settled.quarantined) {
        if !told.insert((claimed.merchant_id, claimed.account_id)) {
            continue;
        }
        let (merchant_id, account_id) = (claimed.merchant_id, claimed.account_id);
        let (delivery_id, why) = (Some(claimed.delivery_id), settled.note.as_deref());
        let waiting = Waiting { merchant_id, account_id, delivery_id, why };
        alerts.push(waiting.alert(shop, |can| !can.fetch, now));
    }
    if !alerts.is_empty() {
        alerts::raise(conn, &alerts, now).await?;
    }
    Ok(())
}

fn quarantine(claimed: &Claimed, note: String) -> Settled {
    Settled {
        merchant_id: claimed.merchant_id,
        delivery_id: claimed.delivery_id,
        month: claimed.month,
        quarantined: true,
        outcome: "unrecognised",
        note: Some(note),
        dispute_id: None,
    }
}

fn done(claimed: &Claimed, outcome: &'static str, note: Option<String>) -> Settled {
    Settled { quarantined: false, outcome, note, ..quarantine(claimed, String::new()) }
}

fn handover<'c>(claimed: &'c Claimed, account: &Account) -> Handover<'c> {
    Handover { claimed, merchant_id: account.merchant_id, account_id: account.account_id }
}

/// Reads every body, takes one turn for all events, and says what each delivery came to.
async fn digest(
    conn: &mut PgConnection,
    shop: &Shop,
    claimed: &[Claimed],
    now: chrono::DateTime<chrono::Utc>,
) -> sqlx::Result<(Vec<Settled>, Vec<Turned>)> {
    let mut settled: Vec<Settled> = Vec::with_capacity(claimed.len());
    let mut items: Vec<(usize, Item)> = Vec::new();
    let mut wanted = Vec::new();
    let mut handovers = Vec::new();
    for (at, delivery) in claimed.iter().enumerate() {
        let done = |outcome, note| done(delivery, outcome, note);
        if let Some(named) = &delivery.on_behalf_of {
            let account = shop.accounts.named(delivery.account_id, named);
            handovers.extend(account.as_deref().map(|account| handover(delivery, account)));
            settled.push(match account {
                Some(account) => done("handed_over", Some(format!("it is for {}", account.name))),
                None => quarantine(delivery, nobody(shop, delivery, named)),
            });
            continue;
        }
        let verdict = match read(shop, delivery) {
            Reading::Events(events) => {
                items.extend(events.into_iter().map(|event| (at, item(delivery, event))));
                done("applied", None)
            }
            Reading::Partly { events, what } => {
                items.extend(events.into_iter().map(|event| (at, item(delivery, event))));
                Settled { outcome: deliveries::PARTLY, ..quarantine(delivery, what) }
            }
            Reading::FetchFirst { dispute_ref, name } if !is_read(shop, delivery) => quarantine(
                delivery,
                format!("{name} says only that {dispute_ref} changed, and this provider cannot be read"),
            ),
            Reading::FetchFirst { dispute_ref, name } => {
                let (merchant_id, account_id) = (delivery.merchant_id, delivery.account_id);
                wanted.push((at, (merchant_id, account_id, dispute_ref, Some(delivery.delivery_id))));
                done(
                    "fetching",
                    Some(format!("{name} says only that something changed: the record is fetched")),
                )
            }
            Reading::NotOurs { what } => done("not_ours", Some(what)),
            Reading::Unrecognised { what } => quarantine(delivery, what),
            Reading::Acknowledged { what } => {
                quarantine(delivery, format!("no webhook, but the answer to a call: {what}"))
            }
        };
        settled.push(verdict);
    }
    want_fetches(conn, shop, claimed, &mut settled, wanted, now).await?;
    deliveries::hand_over(conn, &shop.world.ids, &handovers).await?;
    // Oldest news first within the batch; what is out of order across batches the order guard settles.
    items.sort_by_key(|(_, item)| match &item.input {
        Input::News(event) => event.as_of,
        Input::Look(_) | Input::Order(_) => now,
    });
    let (places, items): (Vec<usize>, Vec<Item>) = items.into_iter().unzip();
    let turned = turn::take(conn, &shop.world, items, now).await?;
    note_turns(&mut settled, places, &turned);
    Ok((settled, turned))
}

/// What is turned away waits for a person, who may send it round again.
async fn want_fetches(
    conn: &mut PgConnection,
    shop: &Shop,
    claimed: &[Claimed],
    settled: &mut [Settled],
    wanted: Vec<(usize, WantedFetch)>,
    now: chrono::DateTime<chrono::Utc>,
) -> sqlx::Result<()> {
    let (places, wanted): (Vec<usize>, Vec<WantedFetch>) = wanted.into_iter().unzip();
    let taken = fetches::want(conn, &wanted, UNKNOWN_FETCHES_MAX, now).await?;
    for (place, (merchant_id, account_id, dispute_ref, _)) in places.into_iter().zip(wanted) {
        let note = format!(
            "{dispute_ref} is not known here, and {UNKNOWN_FETCHES_MAX} such disputes wait to be fetched already"
        );
        if taken.contains(&(account_id, dispute_ref)) {
            continue;
        }
        settled[place] = quarantine(&claimed[place], note);
        let provider = shop.accounts.provider_of(merchant_id, account_id);
        record::fetch_dropped(provider.map_or("none", |p| p.as_str()), "turned_away");
        tracing::error!(account.id = account_id, "too many disputes that are not known wait to be fetched");
    }
    Ok(())
}

/// What the events of each delivery came to.
fn note_turns(settled: &mut [Settled], places: Vec<usize>, turned: &[Turned]) {
    for (place, turned) in places.into_iter().zip(turned) {
        let row = &mut settled[place];
        row.dispute_id = turned.dispute_id.or(row.dispute_id);
        if row.quarantined {
            // What is not understood is what a person has to see.
            continue;
        }
        row.outcome = turned.applied.word();
        row.note = match &turned.applied {
            Applied::Doubtful(why) | Applied::Refused(why) => Some(why.clone()),
            Applied::Applied | Applied::Unchanged | Applied::Stale => None,
        };
    }
}

/// What to do about an account that a delivery names and the configuration does not.
fn nobody(shop: &Shop, delivery: &Claimed, named: &str) -> String {
    let receiver = shop.accounts.by_id(delivery.merchant_id, delivery.account_id);
    let receiver = receiver.map_or_else(|| "its account".to_owned(), |account| account.name.clone());
    format!(
        "it is for the connected account `{named}`, and none that is configured is that: add an [[account]] with \
         provider_account = \"{named}\" and via = \"{receiver}\", restart, and replay this. If `{named}` is \
         `{receiver}` itself, say so there with provider_account"
    )
}

fn read(shop: &Shop, delivery: &Claimed) -> Reading {
    let Some(provider) = shop.accounts.provider_of(delivery.merchant_id, delivery.account_id) else {
        return Reading::Unrecognised { what: "its account is not known to this process".into() };
    };
    let kept = Kept { source: Source::Webhook, body: &delivery.body, as_of: delivery.received_at };
    shop.world.registry.get(provider).events(&kept)
}

/// Whether the account's provider lets its records be read.
fn is_read(shop: &Shop, delivery: &Claimed) -> bool {
    let provider = shop.accounts.provider_of(delivery.merchant_id, delivery.account_id);
    provider.is_some_and(|provider| shop.world.registry.get(provider).capabilities().fetch)
}

fn item(delivery: &Claimed, event: Event) -> Item {
    let dispute_ref = match &event.news {
        News::Record { snapshot } | News::Funds { snapshot, .. } => snapshot.dispute_ref.clone(),
        News::Notice { notice } => notice.notice_ref.clone(),
    };
    let key =
        CaseKey::Ref { merchant_id: delivery.merchant_id, account_id: delivery.account_id, dispute_ref };
    let cause = format!("webhook {}", event.name);
    Item { key, input: Input::News(Box::new(event)), cause, delivery_id: Some(delivery.delivery_id) }
}

fn measure(shop: &Shop, settled: &[Settled], claimed: &[Claimed], now: chrono::DateTime<chrono::Utc>) {
    for (row, delivery) in settled.iter().zip(claimed) {
        let provider = shop.accounts.provider_of(delivery.merchant_id, delivery.account_id);
        let provider = provider.map_or("none", |p| p.as_str());
        record::events(provider, row.outcome, 1);
        record::apply_lag(provider, (now - delivery.received_at).as_seconds_f64());
    }
}
