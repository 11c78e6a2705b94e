//! What the engine does by itself. Each kind of work is a step: it claims, does, and says whether there was
//! anything. The loop around steps is written once. Knows the store and the providers, never the HTTP side.

mod act;
mod apply;
mod calls;
pub mod facts;
mod loops;
pub mod notify;
mod quarantine;
mod read;
mod reconcile;
mod wake;
mod watchdog;

use chrono::{DateTime, Utc};

use crate::observe::record;
use crate::providers::{Account, CallLog};

pub use act::{Hands, act, patience};
pub use apply::apply;
pub use calls::Calls;
pub use loops::{Bell, Pace, Pass, run};
pub use reconcile::{reconcile_accounts, reconcile_disputes, reconcile_fetches};
pub use wake::{Backlog, wake};
pub use watchdog::watch;

/// How many loops apply deliveries, and how many wake cycles, in one process.
pub const ABREAST: usize = 3;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// So many pieces of work; there may be more.
    Did(usize),
    /// Nothing was due. `next_at` is when something will be, as far as is known.
    Idle { next_at: Option<DateTime<Utc>> },
}

impl Stepped {
    /// What two steps came to together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Stepped::Did(a), Stepped::Did(b)) => Stepped::Did(a + b),
            (Stepped::Did(n), Stepped::Idle { .. }) | (Stepped::Idle { .. }, Stepped::Did(n)) => {
                Stepped::Did(n)
            }
            (Stepped::Idle { next_at: a }, Stepped::Idle { next_at: b }) => {
                Stepped::Idle { next_at: a.into_iter().chain(b).min() }
            }
        }
    }
}

/// Rung by steps for the steps that follow them.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    pub apply: Bell,
    pub wake: Bell,
    pub act: Bell,
    pub notify: Bell,
    pub reconcile: Bell,
}

/// Everything steps share.
#[derive(Clone)]
pub struct Shop {
    pub pool: sqlx::PgPool,
    pub world: crate::store::turn::World,
    pub accounts: crate::store::accounts::AccountDirectory,
    pub clock: crate::clock::Clock,
    pub bells: Bells,
    pub calls: Calls,
    /// The merchants' own systems.
    pub facts: std::sync::Arc<facts::FactsAsker>,
    pub settings: Settings,
}

/// How much at a time, and how patiently.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rows a transaction takes.
    pub batch: i64,
    /// Calls to providers under way at once.
    pub calls_max: usize,
    /// How long an action is in one worker's hands. Longer than any call's total time-out.
    pub lease: chrono::TimeDelta,
    /// How often an account's changes are listed.
    pub reconcile_every: chrono::TimeDelta,
    /// How far a listing reaches back behind the one before, for events that were late in the provider's list.
    pub overlap: chrono::TimeDelta,
    /// How far the first listing of an account reaches back.
    pub first_lookback: chrono::TimeDelta,
}

impl Shop {
    /// After a turn is committed: rings for what it left to others, and measures it.
    fn ring_for(&self, turned: &[crate::store::turn::Turned]) {
        for one in turned {
            one.decided.iter().for_each(|answer| record::decisions(answer, 1));
            if let Some(slack_s) = one.slack_s {
                record::slack(one.provider, slack_s as f64);
            }
        }
        if turned.iter().any(|t| t.wants_action) {
            self.bells.act.ring();
        }
        if turned.iter().any(|t| t.tells) {
            self.bells.notify.ring();
        }
    }
}

impl Shop {
    /// Measures requests that were made to a provider, by what came of them.
    fn called(&self, account: &Account, outcome: &'static str, log: &[CallLog]) {
        for call in log {
            record::provider_call(account.provider.as_str(), outcome, call.latency_ms as f64 / 1000.0);
        }
    }
}

/// Whether another transaction got in the way, so that the same work succeeds when it is done again.
fn is_collision(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code();
    // 40P01 deadlock, 40001 serialization failure, 23505 on the key that names a dispute.
    matches!(code.as_deref(), Some("40P01" | "40001"))
        || (code.as_deref() == Some("23505") && error.constraint() == Some("disputes_ref_key"))
}

/// The database's table of locks is full, for all its clients together: a smaller batch may find room.
fn is_short_of_locks(error: &sqlx::Error) -> bool {
    // 53200 out of memory, which is how Postgres says it.
    error.as_database_error().and_then(|e| e.code()).as_deref() == Some("53200")
}

/// Data that the database refuses, as opposed to a database that is in trouble.
fn is_about_a_row(error: &sqlx::Error) -> bool {
    // Class 22 data exception, 23 integrity constraint violation, 54 a limit that a value is beyond.
    let data = |code: &str| ["22", "23", "54"].iter().any(|class| code.starts_with(class));
    let refused = error.as_database_error().and_then(|e| e.code()).is_some_and(|code| data(&code));
    let coding =
        matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_));
    refused || coding
}
