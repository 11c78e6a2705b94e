//! Loads the cases of a turn: each dispute locked, in id order, and everything a step may look at, one
//! statement per noun however many disputes there are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::rows::{self, DISPUTE_COLUMNS};
use super::{CaseKey, Item, Working, World, columns::column, lock, told};
use crate::dispute::{AccountId, Dispute, DisputeId, FileDelivery, MerchantId};
use crate::engine::{AccountView, ActionView, Case, CycleRow, Input, OwnFile, PendingUpload};
use crate::evidence::Packet;
use crate::rules::Customer;
use crate::store::evidence::{self, Wanted};
use crate::store::facts;

/// The customers' window of DESIGN 8 (`disputes_90d`).
const RECENT: TimeDelta = TimeDelta::days(90);

/// The cases, and for each item the place of its case; `None` where the key names no dispute and the
/// input cannot make one.
pub(super) async fn cases(
    conn: &mut PgConnection,
    world: &World,
    items: &[Item],
    now: DateTime<Utc>,
) -> sqlx::Result<(Vec<Working>, Vec<Option<usize>>)> {
    let known = lock_disputes(conn, items).await?;
    let mut places = Vec::with_capacity(items.len());
    let mut drafts: Vec<Draft> = Vec::new();
    let mut by_key: HashMap<CaseKey, usize> = HashMap::new();
    let by_ref = items.iter().any(|item| matches!(item.key, CaseKey::Ref { .. }));
    for dispute in known {
        let place = drafts.len();
        by_key.insert(id_key(&dispute.0), place);
        if by_ref {
            by_key.insert(ref_key(&dispute.0), place);
        }
        drafts.push(Draft::known(dispute));
    }
    for item in items {
        let place = by_key.get(&item.key).copied().or_else(|| {
            let draft = Draft::new(item)?;
            by_key.insert(item.key.clone(), drafts.len());
            drafts.push(draft);
            Some(drafts.len() - 1)
        });
        places.push(place);
    }
    for (draft, item) in places.iter().zip(items).filter_map(|(at, item)| Some(((*at)?, item))) {
        drafts[draft].remember_refs(item);
    }
    number_new(conn, world, &mut drafts).await?;
    let mut working = fill(conn, world, drafts, now).await?;
    told::load(conn, world, items, &places, &mut working).await?;
    Ok((working, places))
}

fn id_key(d: &Dispute) -> CaseKey {
    CaseKey::Id { merchant_id: d.merchant_id, dispute_id: d.dispute_id }
}

fn ref_key(d: &Dispute) -> CaseKey {
    CaseKey::Ref { merchant_id: d.merchant_id, account_id: d.account_id, dispute_ref: d.dispute_ref.clone() }
}

/// A dispute's row: what it is, when it is to be read, and when a read last told nothing new.
type Loaded = (Dispute, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// A case before it is filled.
struct Draft {
    merchant_id: MerchantId,
    account_id: i64,
    dispute_id: DisputeId,
    dispute: Option<Dispute>,
    check_at: Option<DateTime<Utc>>,
    read_as_of: Option<DateTime<Utc>>,
    /// Every id under which the merchant may have left facts, the most particular last.
    subjects: Vec<String>,
    customer_ref: Option<String>,
}

impl Draft {
    fn known((dispute, check_at, read_as_of): Loaded) -> Self {
        let refs =
            [dispute.charge_ref.clone(), dispute.payment_ref.clone(), Some(dispute.dispute_ref.clone())];
        Self {
            merchant_id: dispute.merchant_id,
            account_id: dispute.account_id,
            dispute_id: dispute.dispute_id,
            check_at,
            read_as_of,
            subjects: refs.into_iter().flatten().collect(),
            customer_ref: dispute.customer_ref.clone(),
            dispute: Some(dispute),
        }
    }

    /// Only news can make a dispute, and only under the provider's own id.
    fn new(item: &Item) -> Option<Self> {
        let (CaseKey::Ref { merchant_id, account_id, .. }, Input::News(_)) = (&item.key, &item.input) else {
            return None;
        };
        Some(Self {
            merchant_id: *merchant_id,
            account_id: *account_id,
            dispute_id: 0,
            dispute: None,
            check_at: None,
            read_as_of: None,
            subjects: Vec::new(),
            customer_ref: None,
        })
    }

    fn remember_refs(&mut self, item: &Item) {
        let Input::News(event) = &item.input else { return };
        let Some(snapshot) = event.snapshot() else { return };
        let refs = [snapshot.charge_ref.as_ref(), snapshot.payment_ref.as_ref(), Some(&snapshot.dispute_ref)];
        for subject in refs.into_iter().flatten().filter(|s| !self.subjects.contains(s)).collect::<Vec<_>>() {
            self.subjects.push(subject.clone());
        }
        self.customer_ref = self.customer_ref.take().or_else(|| snapshot.customer_ref.clone());
    }
}

async fn lock_disputes(conn: &mut PgConnection, items: &[Item]) -> sqlx::Result<Vec<Loaded>> {
    let unique: HashSet<&CaseKey> = items.iter().map(|item| &item.key).collect();
    let locked = lock::disputes(conn, &unique.into_iter().collect::<Vec<_>>()).await?;
    if locked.is_empty() {
        return Ok(Vec::new());
    }
    // The columns are one constant; the text holds no input.
    let sql = format!(
        "select {DISPUTE_COLUMNS}
         from unnest($1::bigint[], $2::bigint[]) with ordinality as k (m, i, place)
         join disputes on merchant_id = k.m and dispute_id = k.i
         order by k.place"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(column!(locked, |l| l.1))
        .bind(column!(locked, |l| l.0))
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| Ok((rows::dispute(row)?, row.try_get("check_at")?, row.try_get("read_as_of")?)))
        .collect()
}

async fn number_new(conn: &mut PgConnection, world: &World, drafts: &mut [Draft]) -> sqlx::Result<()> {
    let new: Vec<&mut Draft> = drafts.iter_mut().filter(|d| d.dispute.is_none()).collect();
    let ids = world.ids.take(conn, new.len()).await?;
    new.into_iter().zip(ids).for_each(|(draft, id)| draft.dispute_id = id);
    Ok(())
}

async fn fill(
    conn: &mut PgConnection,
    world: &World,
    drafts: Vec<Draft>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Working>> {
    let mut merchant_ids = column!(drafts, |d| d.merchant_id);
    merchant_ids.sort_unstable();
    merchant_ids.dedup();
    let merchants = world.merchants(conn, &merchant_ids).await?;
    let accounts = world.accounts(conn, &column!(drafts, |d| (d.merchant_id, d.account_id))).await?;
    let known = Known::of(&drafts);
    let mut cycles = newest_cycles(conn, &known).await?;
    let mut actions = newest_actions(conn, &known, &cycles).await?;
    let subjects =
        column!(drafts, |d| (d.merchant_id, d.subjects.iter().map(String::as_str).collect::<Vec<_>>()));
    let facts = facts::for_disputes(conn, &subjects).await?;
    let mut attached = attached(conn, &drafts, &accounts, now).await?;
    let mut drafts = drafts;
    for (draft, facts) in drafts.iter_mut().zip(&facts) {
        let told = facts.pointer("/customer/id").and_then(Value::as_str).map(str::to_owned);
        draft.customer_ref = told.or(draft.customer_ref.take());
    }
    let customers = customers(conn, &drafts, now).await?;
    let mut working = Vec::with_capacity(drafts.len());
    for ((draft, facts), customer) in drafts.into_iter().zip(facts).zip(customers) {
        let key = (draft.merchant_id, draft.dispute_id);
        let missing =
            |what: &str| sqlx::Error::Decode(format!("{what} of dispute {key:?} is not there").into());
        let merchant = merchants.get(&draft.merchant_id).ok_or_else(|| missing("the merchant"))?;
        let account =
            accounts.get(&(draft.merchant_id, draft.account_id)).ok_or_else(|| missing("the account"))?;
        let Attached { packet: attached, pending_uploads, own_files } =
            attached.remove(&key).unwrap_or_default();
        let customer_ref = draft.customer_ref;
        let dispute = draft.dispute.map(|mut d| {
            d.customer_ref = customer_ref.or(d.customer_ref.take());
            Arc::new(d)
        });
        let case = Case {
            merchant: merchant.clone(),
            account: account.clone(),
            dispute_id: draft.dispute_id,
            dispute,
            newest: cycles.remove(&key),
            ended: Vec::new(),
            facts: Arc::new(facts),
            attached: Arc::new(attached),
            pending_uploads,
            own_files,
            customer,
            actions: actions.remove(&key).unwrap_or_default(),
            check_at: draft.check_at,
            read_as_of: draft.read_as_of,
            told: Arc::default(),
        };
        working.push(Working { before: case.clone(), case, steps: Vec::new() });
    }
    Ok(working)
}

/// The disputes that are in the database already, as two columns.
struct Known {
    merchants: Vec<MerchantId>,
    disputes: Vec<DisputeId>,
}

impl Known {
    fn of(drafts: &[Draft]) -> Self {
        let known = drafts.iter().filter(|d| d.dispute.is_some());
        let (merchants, disputes) = known.map(|d| (d.merchant_id, d.dispute_id)).unzip();
        Self { merchants, disputes }
    }
}

type ByDispute<T> = HashMap<(MerchantId, DisputeId), T>;

async fn newest_cycles(conn: &mut PgConnection, known: &Known) -> sqlx::Result<ByDispute<CycleRow>> {
    if known.disputes.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "select c.merchant_id, c.dispute_id, c.n, c.stage, c.state, c.opened_at, c.respond_by, c.response,
                c.answered_at, c.ended_at, c.wake_at, c.plan::text as plan
         from unnest($1::bigint[], $2::bigint[]) as k (m, i)
         cross join lateral (
             select * from cycles where merchant_id = k.m and dispute_id = k.i order by n desc limit 1
         ) c",
    )
    .bind(&known.merchants)
    .bind(&known.disputes)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| Ok(((row.try_get("merchant_id")?, row.try_get("dispute_id")?), rows::cycle(row)?)))
        .collect()
}

/// Locked, so that an action cannot be marked as sent while a turn cancels it.
async fn newest_actions(
    conn: &mut PgConnection,
    known: &Known,
    cycles: &ByDispute<CycleRow>,
) -> sqlx::Result<ByDispute<Vec<ActionView>>> {
    if known.disputes.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<_> = cycles.iter().map(|(key, row)| (key.0, key.1, row.cycle.n)).collect();
    let rows = sqlx::query(
        "select a.merchant_id, a.dispute_id, a.kind, a.subject, a.state, a.note, a.wanted_at, a.sent_at
         from unnest($1::bigint[], $2::bigint[], $3::integer[]) as k (m, i, n)
         -- Each by the index, whatever the table's size was when this was planned.
         cross join lateral (
             select * from actions
             where merchant_id = k.m and dispute_id = k.i and cycle_n = k.n
             for update
         ) a",
    )
    .bind(column!(keys, |k| k.0))
    .bind(column!(keys, |k| k.1))
    .bind(column!(keys, |k| k.2))
    .fetch_all(conn)
    .await?;
    let mut found: ByDispute<Vec<ActionView>> = HashMap::new();
    for row in &rows {
        let key = (row.try_get("merchant_id")?, row.try_get("dispute_id")?);
        found.entry(key).or_default().push(rows::action(row)?);
    }
    Ok(found)
}

/// The customer's other disputes, for each draft in order.
async fn customers(
    conn: &mut PgConnection,
    drafts: &[Draft],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Customer>> {
    let named: Vec<(usize, &Draft, &String)> =
        drafts.iter().enumerate().filter_map(|(at, d)| Some((at, d, d.customer_ref.as_ref()?))).collect();
    let mut found = vec![Customer::default(); drafts.len()];
    if named.is_empty() {
        return Ok(found);
    }
    let rows = sqlx::query(
        "select k.place, count(d.dispute_id) as total,
                count(d.dispute_id) filter (where d.opened_at > $5) as recent
         from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) as k (m, customer, self, place)
         left join disputes d on d.merchant_id = k.m and d.customer_ref = k.customer and d.dispute_id <> k.self
         group by k.place",
    )
    .bind(column!(named, |n| n.1.merchant_id))
    .bind(column!(named, |n| n.2.as_str()))
    .bind(column!(named, |n| n.1.dispute_id))
    .bind(column!(named, |n| n.0 as i64))
    .bind(now - RECENT)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let place: i64 = row.try_get("place")?;
        let count =
            |column: &str| row.try_get::<i64, _>(column).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let customer =
            Customer { disputes_90d: Some(count("recent")?), disputes_total: Some(count("total")?) };
        found[usize::try_from(place).unwrap_or_default()] = customer;
    }
    Ok(found)
}

/// What people attached, the files of it that still need an upload, and those that travel in the call.
#[derive(Default)]
struct Attached {
    packet: Packet,
    pending_uploads: Vec<PendingUpload>,
    own_files: Vec<OwnFile>,
}

async fn attached(
    conn: &mut PgConnection,
    drafts: &[Draft],
    accounts: &HashMap<(MerchantId, AccountId), Arc<AccountView>>,
    now: DateTime<Utc>,
) -> sqlx::Result<ByDispute<Attached>> {
    let known: Vec<&Draft> = drafts.iter().filter(|d| d.dispute.is_some()).collect();
    let wanted = column!(known, |d| Wanted {
        merchant_id: d.merchant_id,
        dispute_id: d.dispute_id,
        account_id: d.account_id,
        delivery: accounts
            .get(&(d.merchant_id, d.account_id))
            .map_or(FileDelivery::Upload, |account| account.capabilities.files.delivery),
    });
    let found =
        evidence::attached(conn, &wanted, now).await.map_err(|e| match e.downcast::<sqlx::Error>() {
            Ok(error) => error,
            Err(other) => sqlx::Error::Decode(other.into()),
        })?;
    let pending = |to_upload: Vec<evidence::ToUpload>| {
        to_upload.into_iter().map(|f| PendingUpload { file_id: f.file_id, name: f.name }).collect()
    };
    let keys = known.iter().map(|d| (d.merchant_id, d.dispute_id));
    let attached = |found: evidence::Attached| Attached {
        packet: found.packet,
        pending_uploads: pending(found.to_upload),
        own_files: found.own_files,
    };
    Ok(keys.zip(found).map(|(key, found)| (key, attached(found))).collect())
}
