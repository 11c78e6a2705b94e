//! Reconciliation: always on, cheap, paced. What changed is listed since the watermark, what is open and quiet
//! is fetched, what something pointed at is fetched; all of it arrives as events, and the gap is measured.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::quarantine::{self, Waiting};
use super::read::{self, Looked};
use super::{Shop, Stepped, is_collision};
use crate::dispute::{DisputeId, Event, Severity, Source, Status};
use crate::engine::Applied;
use crate::observe::record;
use crate::providers::{Account, Answer, Page, Reading, Record};
use crate::store::alerts::{self, NewAlert};
use crate::store::fetches::{self, Refusals, Refused, ToRead, WantedFetch};
use crate::store::watermarks::{self, DueAccount, Listed, Polled};

/// A claimed listing or fetch that its worker does not finish is taken up again after this long.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// Fetches claimed at a time.
const FETCHES: i64 = 8;
/// How often the provider may say that there is no such dispute before it is believed. Some name one a little before
/// they show it, and more than once.
const REFUSALS: Refusals = Refusals { max: 5, apart: TimeDelta::minutes(10) };
/// How long a record may be unreadable before people hear of it.
const UNREAD_MAX: TimeDelta = TimeDelta::hours(24);
const RETRY_MIN: TimeDelta = TimeDelta::seconds(30);
const RETRY_MAX: TimeDelta = TimeDelta::hours(1);

/// Lists one page of one account's changes.
pub async fn reconcile_accounts(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let mut conn = shop.pool.acquire().await?;
    watermarks::make_missing(&mut conn, now, shop.settings.first_lookback).await?;
    let Some(due) = watermarks::claim_account(&mut conn, now, LEASE).await? else {
        return Ok(Stepped::Idle { next_at: watermarks::next_listing(&mut conn).await? });
    };
    drop(conn);
    let Some(account) = shop.accounts.by_id(due.merchant_id, due.account_id) else {
        return put_off(shop, &due, "its account is not known to this process", now + LEASE).await;
    };
    if !shop.world.registry.get(account.provider).capabilities().list {
        // No error, and no poll either: `reconcile` and `doctor` say which accounts have no list.
        return come_again(shop, &due, Polled::NotYet, now + TimeDelta::days(1)).await;
    }
    if let Err(free_at) = shop.calls.take_place(account.account_id, now) {
        return come_again(shop, &due, Polled::NotYet, free_at).await;
    }
    let since = due.listing_since.unwrap_or(now);
    let from = due.changed_until - shop.settings.overlap;
    let provider = shop.world.registry.get(account.provider).clone();
    let (answer, _) = provider.list_changed_since(&account, from, due.cursor.clone()).await;
    shop.calls.learn(account.account_id, &answer, shop.clock.now());
    match answer {
        Answer::Receipt(page) => take_page(shop, &due, &account, page, since).await,
        Answer::Retry { why, after } => {
            let wait = after.and_then(|a| TimeDelta::from_std(a).ok()).unwrap_or(RETRY_MIN);
            put_off(shop, &due, &why, shop.clock.now() + wait).await
        }
        Answer::Unknown { why } => put_off(shop, &due, &why, shop.clock.now() + RETRY_MIN).await,
        Answer::Refused { status, reason, .. } => {
            let why = format!("HTTP {status}: {reason}");
            tracing::error!(account.id = due.account_id, status, "the provider refuses to list disputes");
            // It may be the cursor that is refused. Nothing is lost by starting anew: the watermark stands.
            let anew = DueAccount { cursor: None, listing_since: None, ..due };
            put_off(shop, &anew, &why, shop.clock.now() + shop.settings.reconcile_every).await
        }
    }
}

async fn put_off(shop: &Shop, due: &DueAccount, why: &str, until: DateTime<Utc>) -> anyhow::Result<Stepped> {
    come_again(shop, due, Polled::Failed { why: why.to_owned() }, until).await
}

async fn come_again(
    shop: &Shop,
    due: &DueAccount,
    polled: Polled,
    until: DateTime<Utc>,
) -> anyhow::Result<Stepped> {
    let listed = Listed {
        changed_until: None,
        cursor: due.cursor.clone(),
        listing_since: due.listing_since,
        next_at: until,
        polled,
        disputes_found: 0,
        changes_found: 0,
    };
    let mut conn = shop.pool.acquire().await?;
    watermarks::settle_account(&mut conn, due, &listed, shop.clock.now()).await?;
    Ok(Stepped::Did(1))
}

async fn take_page(
    shop: &Shop,
    due: &DueAccount,
    account: &Account,
    page: Page,
    since: DateTime<Utc>,
) -> anyhow::Result<Stepped> {
    let (records, named) = take_apart(page.records, account);
    let page = Page { records, next: page.next };
    loop {
        match commit_page(shop, due, account, &page, &named, since).await {
            Ok(()) => return Ok(Stepped::Did(1)),
            Err(error) if is_collision(&error) => {}
            Err(error) => return Err(error).context("applying a page of a provider's list"),
        }
    }
}

/// The records of a page, and what it only names.
fn take_apart(records: Vec<Record>, account: &Account) -> (Vec<Record>, Vec<WantedFetch>) {
    let mut named = Vec::new();
    let mut whole = Vec::with_capacity(records.len());
    for record in records {
        match record.reading {
            Reading::FetchFirst { dispute_ref, .. } => {
                named.push((account.merchant_id, account.account_id, dispute_ref, None));
            }
            Reading::Events(_)
            | Reading::Partly { .. }
            | Reading::Acknowledged { .. }
            | Reading::NotOurs { .. }
            | Reading::Unrecognised { .. } => whole.push(record),
        }
    }
    (whole, named)
}

async fn commit_page(
    shop: &Shop,
    due: &DueAccount,
    account: &Account,
    page: &Page,
    named: &[WantedFetch],
    since: DateTime<Utc>,
) -> sqlx::Result<()> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let mut disputes_found = 0;
    for dispute_ref in disputes_on(page) {
        let known = watermarks::known_status(&mut tx, due.merchant_id, due.account_id, dispute_ref).await?;
        disputes_found += i64::from(known.is_none());
    }
    let looked = read::absorb_each(&mut tx, shop, account, &page.records, Source::Poll, now).await?;
    // A list is the word of the provider itself.
    fetches::want(&mut tx, named, i64::MAX, now).await?;
    let changes_found = looked.iter().filter(|l| changed(l)).count() as i64;
    let listed = Listed {
        changed_until: page.next.is_none().then_some(since),
        cursor: page.next.clone(),
        listing_since: page.next.is_some().then_some(since),
        next_at: if page.next.is_some() { now } else { now + shop.settings.reconcile_every },
        polled: if page.next.is_some() { Polled::NotYet } else { Polled::Through },
        disputes_found,
        changes_found,
    };
    watermarks::settle_account(&mut tx, due, &listed, now).await?;
    tx.commit().await?;
    for (record, _) in page.records.iter().zip(&looked).filter(|(_, looked)| changed(looked)) {
        record::reconcile_found(account.provider.as_str(), Some((now - record.as_of).as_seconds_f64()));
    }
    let turned: Vec<_> = looked
        .into_iter()
        .filter_map(|l| match l {
            Looked::Seen(turned) => Some(turned),
            Looked::Acknowledged(_)
            | Looked::NotNow { .. }
            | Looked::Refused { .. }
            | Looked::NotUnderstood(_) => None,
        })
        .collect();
    shop.ring_for(&turned);
    Ok(())
}

/// Each dispute once, however many of the page's records are about it.
fn disputes_on(page: &Page) -> BTreeSet<&str> {
    let events = page.records.iter().filter_map(|record| match &record.reading {
        Reading::Events(events) => Some(events),
        Reading::Partly { .. }
        | Reading::FetchFirst { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. }
        | Reading::Unrecognised { .. } => None,
    });
    events.flatten().filter_map(Event::snapshot).map(|snapshot| snapshot.dispute_ref.as_str()).collect()
}

fn changed(looked: &Looked) -> bool {
    match looked {
        Looked::Seen(turned) => turned.applied == Applied::Applied,
        Looked::Acknowledged(_)
        | Looked::NotNow { .. }
        | Looked::Refused { .. }
        | Looked::NotUnderstood(_) => false,
    }
}

/// Fetches disputes that something pointed at without saying what they are.
pub async fn reconcile_fetches(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let claimed = {
        let mut conn = shop.pool.acquire().await?;
        fetches::claim(&mut conn, now, LEASE, FETCHES).await?
    };
    read_all(shop, claimed, true).await
}

/// Fetches disputes whose record has not been seen for a while.
pub async fn reconcile_disputes(shop: &Shop) -> anyhow::Result<Stepped> {
    let now = shop.clock.now();
    let claimed = {
        let mut conn = shop.pool.acquire().await?;
        watermarks::claim_quiet(&mut conn, now, LEASE, FETCHES).await?
    };
    read_all(shop, claimed, false).await
}

async fn read_all(shop: &Shop, claimed: Vec<ToRead>, asked: bool) -> anyhow::Result<Stepped> {
    if claimed.is_empty() {
        let mut conn = shop.pool.acquire().await?;
        return Ok(Stepped::Idle { next_at: watermarks::next_read(&mut conn).await? });
    }
    let count = claimed.len();
    for read in claimed {
        read_one(shop, &read, asked).await?;
    }
    Ok(Stepped::Did(count))
}

async fn read_one(shop: &Shop, to_read: &ToRead, asked: bool) -> anyhow::Result<()> {
    let Some(account) = shop.accounts.by_id(to_read.merchant_id, to_read.account_id) else { return Ok(()) };
    if !shop.world.registry.get(account.provider).capabilities().fetch {
        return never(shop, to_read, asked).await;
    }
    // Never waited for here: a step that waits holds up every other account.
    if let Err(free_at) = shop.calls.take_place(account.account_id, shop.clock.now()) {
        return again(shop, to_read, asked, free_at, "waiting for its turn at the provider").await;
    }
    let known = {
        let mut conn = shop.pool.acquire().await?;
        watermarks::known_status(&mut conn, to_read.merchant_id, to_read.account_id, &to_read.dispute_ref)
            .await?
    };
    let looked = read::look_up(shop, &account, &to_read.dispute_ref, Source::Poll, &mut Vec::new()).await?;
    let now = shop.clock.now();
    match looked {
        Looked::Seen(turned) => {
            let mut tx = shop.pool.begin().await?;
            let change = i64::from(turned.applied == Applied::Applied);
            let key = (to_read.merchant_id, to_read.account_id);
            let found = i64::from(known.is_none());
            if change > 0 && !asked {
                watermarks::count_found(&mut tx, key, found, change).await?;
                record::reconcile_found(account.provider.as_str(), None);
            }
            if asked {
                fetches::settle(&mut tx, to_read, None).await?;
            }
            tx.commit().await?;
            Ok(())
        }
        Looked::NotNow { after, why } => {
            let wait = after.and_then(|a| TimeDelta::from_std(a).ok()).unwrap_or(backoff(to_read.attempts));
            again(shop, to_read, asked, now + wait, &why).await
        }
        Looked::Refused { status: 404, why } if asked && known.is_none() => {
            nowhere(shop, &account, to_read, &why).await
        }
        Looked::Refused { why, .. } | Looked::NotUnderstood(why) | Looked::Acknowledged(why) => {
            tracing::warn!(dispute.reference = to_read.dispute_ref, why, "a dispute cannot be read");
            tell_of_unread(shop, &account, to_read, asked, known, &why).await?;
            again(shop, to_read, asked, now + RETRY_MAX, &why).await
        }
    }
}

async fn again(
    shop: &Shop,
    read: &ToRead,
    asked: bool,
    due_at: DateTime<Utc>,
    why: &str,
) -> anyhow::Result<()> {
    let mut conn = shop.pool.acquire().await?;
    match asked {
        true => _ = fetches::settle(&mut conn, read, Some((due_at, why))).await?,
        false => watermarks::check_again(&mut conn, read, Some(due_at)).await?,
    }
    Ok(())
}

/// A record that is refused, or not understood, seldom mends itself: people hear of it, once for the dispute.
async fn tell_of_unread(
    shop: &Shop,
    account: &Account,
    read: &ToRead,
    asked: bool,
    known: Option<(DisputeId, Status)>,
    why: &str,
) -> anyhow::Result<()> {
    let now = shop.clock.now();
    // What is looked at now and then was seen a while ago although nothing is wrong.
    let usual = match known {
        _ if asked => TimeDelta::zero(),
        Some((_, Status::NeedsResponse)) | None => TimeDelta::hours(6),
        Some((_, Status::UnderReview)) => TimeDelta::hours(24),
        Some(_) => TimeDelta::days(7),
    };
    if now - read.since < usual + UNREAD_MAX {
        return Ok(());
    }
    let (name, provider) = (&read.dispute_ref, account.provider);
    let todo = format!(
        "look the dispute up in {provider}'s dashboard, and answer it there if a response is asked for: what cannot be \
         read is not answered from here"
    );
    let alert = NewAlert {
        merchant_id: read.merchant_id,
        dispute_id: known.map(|(dispute_id, _)| dispute_id),
        cycle_n: None,
        kind: "record_not_read".into(),
        severity: Severity::Warning,
        dedupe_key: format!("record-not-read:{}:{name}", read.account_id),
        title: format!("{provider}'s record of {name} could not be read for a day"),
        detail: json!({"account": account.name, "dispute": name, "why": why, "waiting_for": [todo]}),
    };
    let mut conn = shop.pool.acquire().await?;
    if !alerts::raise(&mut conn, &[alert], now).await?.is_empty() {
        shop.bells.notify.ring();
    }
    Ok(())
}

/// What nobody knows, here or there, may have been anybody's word: it is asked about a few times more, and not for ever.
async fn nowhere(shop: &Shop, account: &Account, read: &ToRead, why: &str) -> anyhow::Result<()> {
    let now = shop.clock.now();
    let mut tx = shop.pool.begin().await?;
    let refused = fetches::refuse(&mut tx, read, REFUSALS, (now + RETRY_MAX, why), now).await?;
    let Refused::GivenUp { delivery_id } = refused else { return Ok(tx.commit().await?) };
    let (merchant_id, account_id) = (read.merchant_id, read.account_id);
    let (name, provider) = (&read.dispute_ref, account.provider);
    let note = format!("{provider} says again and again that there is no {name}: {why}");
    let waiting = Waiting { merchant_id, account_id, delivery_id, why: Some(&note) };
    quarantine::nothing_to_fetch(&mut tx, shop, &waiting, now).await?;
    tx.commit().await?;
    record::fetch_dropped(provider.as_str(), "given_up");
    tracing::warn!(dispute.reference = name, why, "no such dispute: it is not asked for any more");
    shop.bells.notify.ring();
    Ok(())
}

/// Left from when this provider could be read: nobody asks it any more.
async fn never(shop: &Shop, read: &ToRead, asked: bool) -> anyhow::Result<()> {
    let mut conn = shop.pool.acquire().await?;
    match asked {
        true => _ = fetches::settle(&mut conn, read, None).await?,
        false => watermarks::check_again(&mut conn, read, None).await?,
    }
    Ok(())
}

fn backoff(attempts: i32) -> TimeDelta {
    let doubling = 1 << attempts.clamp(0, 7);
    (RETRY_MIN * doubling).min(RETRY_MAX)
}
