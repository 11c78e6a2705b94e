//! One step of one dispute: what the news means, what the rules say about it, and what is to happen when.
//! Pure: the case, the input and `now` come as arguments; changes and effects go out as values. Live
//! running, replay, shadow mode and simulation all call [`step`], so they cannot disagree. Knows rules,
//! evidence and disputes; nothing of providers' wire formats, databases or networks.

mod apply;
mod approval;
mod case;
mod command;
mod cycles;
mod decide;
mod doubt;
mod effect;
mod files;
mod gate;
mod look;
mod pan;
mod plan;
mod repeat;
mod replay;
mod step;
mod tell;
mod times;
mod unread;

pub use approval::{Approval, Matter};
pub use case::{
    AccountView, ActionView, Case, CycleRow, FailedPull, LintFn, MerchantView, OwnFile, PendingUpload,
};
pub use command::{Command, Order};
pub use effect::{
    ActionKind, ActionState, Alert, AlertKind, Applied, Decision, Effect, HistoryEntry, HistoryKind, Outcome,
};
pub use pan::find_card_or_ssn;
pub use plan::{Answer, Plan};
pub use repeat::overtaken;
pub use replay::{Inputs, rebuild};
pub use step::{Cause, Input, advance, step};
pub use times::{Times, ladder};
pub use unread::in_order;

pub use crate::dispute::Severity;
#[cfg(test)]
mod tests;
