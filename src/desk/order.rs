//! Orders: written down and put through a turn in one transaction, then watched until it is known what became of
//! them. One that is given again is not carried out again: its caller is told the first answer, or watches too.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::time::{Duration, Instant};

use super::standing::{Seen, in_vain, judge};
use super::wish::{NOT_KEPT_YET, Wish};
use super::{Caller, Desk, Standing, Told};
use crate::dispute::Dispute;
use crate::engine::{Applied, Cause, Input, Order};
use crate::store::api_orders::{self, Given, NewOrder};
use crate::store::evidence::{self, Named};
use crate::store::turn::{self, CaseKey, Item};
use crate::store::{disputes, dossier, files, snapshot};

/// How soon what became of an order is looked at again: the database is asked, so ever less often.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(50);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(500);

/// Why an order was not even looked at.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("another order was given under this idempotency key")]
    AnotherUnderThisKey,
    #[error("the database does not do as it should: {0}")]
    Away(#[from] sqlx::Error),
}

/// An order and who gives it.
pub(super) struct Ordering<'a> {
    pub caller: &'a Caller,
    pub named: &'a Named,
    pub wish: Wish,
    /// The caller's own name for it.
    pub idempotency_key: Option<&'a str>,
}

/// What came of giving it.
enum Gave {
    Answered(Told),
    Stands(Given),
}

impl Ordering<'_> {
    fn order(&self) -> Option<Order> {
        Some(Order { by: self.caller.signs_as(), command: self.wish.want.command()? })
    }

    /// What would be carried out: the same wish for another dispute is another order.
    fn digest(&self) -> [u8; 32] {
        use sha2::{Digest as _, Sha256};
        let of = Sha256::digest(format!("{}:{}", self.named.merchant_id, self.named.dispute_id));
        Sha256::new().chain_update(of).chain_update(self.wish.digest()).finalize().into()
    }
}

pub(super) async fn carry_out(
    desk: &Desk,
    mut ordering: Ordering<'_>,
    until: Instant,
) -> Result<Told, NotTaken> {
    match give(desk, &ordering).await? {
        Gave::Answered(told) => Ok(told),
        Gave::Stands(given) => {
            ordering.wish.let_go_of_evidence();
            Ok(watch(desk, &ordering, &given, until).await?)
        }
    }
}

async fn give(desk: &Desk, ordering: &Ordering<'_>) -> Result<Gave, NotTaken> {
    let mut tx = desk.pool.begin().await?;
    turn::lock_dispute(&mut tx, ordering.named.dispute_id).await?;
    // Not before: whoever held the lock may have been told no meanwhile, and this order came after that.
    let now = desk.clock.now();
    if let Some(given) = given_before(&mut tx, ordering).await? {
        tx.commit().await?;
        return repeat(ordering, given);
    }
    let (merchant_id, dispute_id) = (ordering.named.merchant_id, ordering.named.dispute_id);
    let newest = dossier::cycles(&mut tx, merchant_id, dispute_id).await?.pop();
    let in_vain = match ordering.order() {
        Some(_) => None,
        None => {
            let actions = disputes::actions(&mut tx, merchant_id, dispute_id).await?;
            in_vain(record(&mut tx, ordering.named).await?.status, newest.as_ref(), &actions)
        }
    };
    let new = NewOrder {
        merchant_id,
        key_id: ordering.caller.key_id,
        caller: &ordering.caller.name,
        idempotency_key: ordering.idempotency_key,
        digest: ordering.digest(),
        dispute_id,
        cycle_n: newest.map(|cycle| cycle.n),
    };
    let Some(given) = api_orders::add(&mut tx, &new, now).await? else {
        // Given under this key a moment ago, for another dispute.
        return Err(NotTaken::AnotherUnderThisKey);
    };
    let refused = match in_vain {
        Some(why) => Some(why),
        None => put(&mut tx, desk, ordering, now).await?,
    };
    let dispute = record(&mut tx, ordering.named).await?;
    let standing = match refused {
        Some(why) => Standing::Refused { why },
        None if ordering.wish.want.command().is_none() => Standing::Kept,
        None => {
            tx.commit().await?;
            desk.rung.as_ref()();
            return Ok(Gave::Stands(given));
        }
    };
    let told = Told { standing, status: dispute.status, stage: dispute.stage };
    api_orders::answer(&mut tx, merchant_id, given.order_id, &json!(told), now).await?;
    tx.commit().await?;
    desk.rung.as_ref()();
    Ok(Gave::Answered(told))
}

/// The order that this one repeats: under its name, or the last one of these very words that this program
/// gave, if it still stands.
async fn given_before(conn: &mut PgConnection, ordering: &Ordering<'_>) -> sqlx::Result<Option<Given>> {
    let Ordering { caller, named, wish, idempotency_key } = ordering;
    if let Some(key) = idempotency_key {
        return api_orders::named(conn, named.merchant_id, &caller.name, key).await;
    }
    let place = (named.merchant_id, named.dispute_id);
    // Whatever was given in between, an order that brings no evidence would change nothing that it has not changed
    // already; one that does would put its own in the place of what has come since.
    let last = match wish.brings_evidence() {
        true => api_orders::newest(conn, named.merchant_id, named.dispute_id).await?,
        false => api_orders::newest_alike(conn, place, &caller.name, ordering.digest()).await?,
    };
    let (Some(order), Some(last)) = (ordering.order(), last) else {
        return Ok(None);
    };
    if last.caller != caller.name || last.digest != ordering.digest() {
        return Ok(None);
    }
    let newest = dossier::cycles(conn, named.merchant_id, named.dispute_id).await?.pop();
    let Some(cycle) = newest.filter(|cycle| Some(cycle.n) == last.cycle_n) else { return Ok(None) };
    let actions = disputes::actions(conn, named.merchant_id, named.dispute_id).await?;
    let stands = match judge(&Seen { cycle, actions }, &wish.want, &order, last.ordered_at) {
        Standing::Confirmed | Standing::UnderWay { .. } | Standing::Waits { .. } => true,
        Standing::Kept
        | Standing::Refused { .. }
        | Standing::TurnedDown { .. }
        | Standing::Overtaken { .. } => false,
    };
    // One that was refused never stood, whatever stands now.
    let refused = matches!(answer_of(&last)?, Some(Told { standing: Standing::Refused { .. }, .. }));
    Ok(Some(last).filter(|_| stands && !refused))
}

fn answer_of(given: &Given) -> sqlx::Result<Option<Told>> {
    given.answer.clone().map(kept).transpose()
}

fn kept(answer: Value) -> sqlx::Result<Told> {
    serde_json::from_value(answer).map_err(|e| sqlx::Error::Decode(Box::new(e)))
}

fn repeat(ordering: &Ordering<'_>, given: Given) -> Result<Gave, NotTaken> {
    if given.digest != ordering.digest() {
        return Err(NotTaken::AnotherUnderThisKey);
    }
    Ok(match answer_of(&given)? {
        Some(told) => Gave::Answered(told),
        None => Gave::Stands(given),
    })
}

/// Attaches the evidence and takes the turn; why not, if not, and then nothing of it is left.
async fn put(
    conn: &mut PgConnection,
    desk: &Desk,
    ordering: &Ordering<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<String>> {
    let Ordering { named, wish, .. } = ordering;
    let amount = record(conn, named).await?.amount;
    if wish.amount_minor.is_some_and(|minor| minor != amount.minor) {
        return Ok(Some(format!("a part of the amount cannot be contested here, only all of it: {amount}")));
    }
    let mut attempt = conn.begin().await?;
    let by = ordering.caller.signs_as();
    for (piece, first) in wish.pieces() {
        let file_id = match piece.file() {
            Some(file) => files::add(&mut attempt, named.merchant_id, file, &by, now).await?,
            None => NOT_KEPT_YET,
        };
        let new = piece.new_evidence(file_id).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        let place = (named.merchant_id, named.dispute_id);
        evidence::add(&mut attempt, place, &new, first, &by, now).await?;
    }
    let input = match ordering.order() {
        Some(order) => Input::Order(order),
        None => Input::Look(Cause::EvidenceAdded { by: by.clone() }),
    };
    let key = CaseKey::Id { merchant_id: named.merchant_id, dispute_id: named.dispute_id };
    let item = Item { key, input, cause: by, delivery_id: None };
    let turned = turn::take(&mut attempt, &desk.world, vec![item], now).await?.pop();
    match turned.map(|turned| turned.applied) {
        Some(Applied::Refused(why)) => {
            attempt.rollback().await?;
            Ok(Some(why))
        }
        Some(Applied::Applied | Applied::Unchanged | Applied::Stale | Applied::Doubtful(_)) | None => {
            attempt.commit().await?;
            Ok(None)
        }
    }
}

async fn record(conn: &mut PgConnection, named: &Named) -> sqlx::Result<Dispute> {
    let dispute = dossier::dispute(conn, named.merchant_id, named.dispute_id).await?;
    dispute.ok_or(sqlx::Error::RowNotFound)
}

/// Looks until the order's fate is known, a person is needed, or it is `until`.
async fn watch(desk: &Desk, ordering: &Ordering<'_>, given: &Given, until: Instant) -> sqlx::Result<Told> {
    // So many may wait; the others are told how it stands at once.
    let room = desk.waiting.take(ordering.caller, 1, Instant::now()).await;
    let mut pause = LOOK_AGAIN_MIN;
    loop {
        let told = look(desk, ordering, given).await?;
        let waits = match told.standing {
            Standing::UnderWay { .. } => room.is_some() && Instant::now() < until,
            Standing::Confirmed
            | Standing::Kept
            | Standing::Waits { .. }
            | Standing::Refused { .. }
            | Standing::TurnedDown { .. }
            | Standing::Overtaken { .. } => false,
        };
        if !waits {
            return Ok(told);
        }
        tokio::select! {
            () = desk.stop.cancelled() => return Ok(told),
            () = tokio::time::sleep_until((Instant::now() + pause).min(until)) => {}
        }
        pause = (pause * 3 / 2).min(LOOK_AGAIN_MAX);
    }
}

/// How it stands now. What can change no more is kept as the answer.
async fn look(desk: &Desk, ordering: &Ordering<'_>, given: &Given) -> sqlx::Result<Told> {
    let Ordering { named, wish, .. } = ordering;
    let (merchant_id, dispute_id) = (named.merchant_id, named.dispute_id);
    let mut conn = desk.pool.acquire().await?;
    let mut moment = snapshot(&mut conn).await?;
    let dispute = record(&mut moment, named).await?;
    let cycles = dossier::cycles(&mut moment, merchant_id, dispute_id).await?;
    let cycle = cycles.into_iter().find(|cycle| Some(cycle.n) == given.cycle_n);
    let standing = match (cycle, ordering.order()) {
        (Some(cycle), Some(order)) => {
            let actions = disputes::actions(&mut moment, merchant_id, dispute_id).await?;
            judge(&Seen { cycle, actions }, &wish.want, &order, given.ordered_at)
        }
        (None, _) | (_, None) => Standing::Kept,
    };
    moment.commit().await?;
    let told = Told { standing, status: dispute.status, stage: dispute.stage };
    if !told.standing.is_final() {
        return Ok(told);
    }
    let now = desk.clock.now();
    kept(api_orders::answer(&mut conn, merchant_id, given.order_id, &json!(told), now).await?)
}
