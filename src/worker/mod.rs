//! What the engine does by itself. Each kind of work is a step: it claims, does, and says whether there was
//! anything. The loop around steps is written once. Knows the store and the providers, never the HTTP side.

use chrono::{DateTime, Utc};

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// So many pieces of work; there may be more.
    Did(usize),
    /// Nothing was due. `next_at` is when something will be, as far as is known.
    Idle { next_at: Option<DateTime<Utc>> },
}
