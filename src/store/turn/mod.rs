//! A turn: many inputs to many disputes in one transaction. Loads the cases with their disputes locked,
//! runs the pure step over each input, and writes what it said, set-wise. Every way in (webhook, poll,
//! receipt, wake, a person's order) goes through here, so there is one place where state changes.

mod columns;
mod load;
mod lock;
pub(crate) mod rows;
mod save;
mod save_actions;
mod save_effects;
mod told;
mod world;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::dispute::{AccountId, DisputeId, MerchantId};
use crate::engine::{Applied, Case, Cause, Effect, HistoryKind, Input, Outcome, advance};

pub use lock::dispute as lock_dispute;
pub use world::{FactsPull, World, set_kill_switch, wake_merchant};

/// Which dispute an input is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CaseKey {
    Id { merchant_id: MerchantId, dispute_id: DisputeId },
    Ref { merchant_id: MerchantId, account_id: AccountId, dispute_ref: String },
}

#[derive(Debug, Clone)]
pub struct Item {
    pub key: CaseKey,
    pub input: Input,
    /// For the history: `webhook`, `poll`, `wake`, `person:NAME` …
    pub cause: String,
    pub delivery_id: Option<i64>,
}

/// What came of one item, in the order given.
#[derive(Debug, Clone)]
pub struct Turned {
    /// `None` when the key names no dispute, or the news was not about one.
    pub dispute_id: Option<DisputeId>,
    pub applied: Applied,
    /// Actions were wanted, so the act step has something to do.
    pub wants_action: bool,
    pub tells: bool,
    pub provider: &'static str,
    /// What was decided on the way, in a word each.
    pub decided: Vec<&'static str>,
    /// Seconds left before `respond_by` when the provider's record showed the response.
    pub slack_s: Option<i64>,
}

impl Turned {
    fn unknown() -> Self {
        let applied = Applied::Refused("there is no such dispute".into());
        Self {
            dispute_id: None,
            applied,
            wants_action: false,
            tells: false,
            provider: "none",
            decided: Vec::new(),
            slack_s: None,
        }
    }
}

/// A case on its way through a turn, with everything its steps said.
pub(super) struct Working {
    pub case: Case,
    /// The case as loaded: what has not changed is not written.
    pub before: Case,
    pub steps: Vec<Said>,
}

/// What one step said, and on whose account.
pub(super) struct Said {
    pub outcome: Outcome,
    pub cause: String,
    pub delivery_id: Option<i64>,
}

/// Runs the items and writes the results. Items of one dispute run in the order given. The caller commits.
///
/// Errors: any of the database's; nothing is written then. A unique violation means that another turn made
/// the same dispute first: take the turn again.
pub async fn take(
    conn: &mut PgConnection,
    world: &World,
    items: Vec<Item>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Turned>> {
    let (mut working, places) = load::cases(conn, world, &items, now).await?;
    let mut turned = Vec::with_capacity(items.len());
    for (item, place) in items.into_iter().zip(places) {
        let Some(work) = place.and_then(|at| working.get_mut(at)) else {
            turned.push(Turned::unknown());
            continue;
        };
        turned.push(run(work, item, now));
    }
    save::cases(conn, world, &working, now).await?;
    Ok(turned)
}

/// One dispute as a step would see it, and locked for the caller's transaction; `None` where there is none.
pub async fn case(
    conn: &mut PgConnection,
    world: &World,
    key: CaseKey,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Case>> {
    let item = Item { key, input: Input::Look(Cause::Wake), cause: String::new(), delivery_id: None };
    let (mut working, places) = load::cases(conn, world, &[item], now).await?;
    Ok(places.first().copied().flatten().map(|at| working.swap_remove(at).case))
}

fn run(work: &mut Working, item: Item, now: DateTime<Utc>) -> Turned {
    let outcome = advance(&mut work.case, &item.input, now);
    let turned = Turned {
        dispute_id: work.case.dispute.as_ref().map(|d| d.dispute_id),
        applied: outcome.applied.clone(),
        wants_action: outcome.effects.iter().any(|e| matches!(e, Effect::Want { .. })),
        tells: outcome.effects.iter().any(|e| matches!(e, Effect::Tell(_))),
        provider: work.case.account.provider,
        decided: outcome.decisions.iter().map(|d| d.answer.word()).collect(),
        slack_s: outcome
            .history
            .iter()
            .find(|entry| entry.kind == HistoryKind::Answered)
            .and_then(|entry| entry.detail["slack_s"].as_i64()),
    };
    work.steps.push(Said { outcome, cause: item.cause, delivery_id: item.delivery_id });
    turned
}
