//! What a dispute is, whoever reports it: the words, the money, the news about it and what the news
//! means. Pure: nothing here knows of a provider's wire format, a database, a clock or a network.

mod capability;
mod event;
mod model;
mod money;
pub mod reason_code;
mod transition;

pub use capability::{Capabilities, FileDelivery, FileLimits, LapseOutcome, StageCapability};
pub use event::{Event, FraudNotice, FundsMove, News, RespondBy, Snapshot, Source};
pub(crate) use model::words;
pub use model::{
    AccountId, Category, Cycle, CycleState, Dispute, DisputeId, MerchantId, Reason, Response, Severity,
    Stage, Status, UnknownWord,
};
pub use money::{Currency, Money, MoneyError};
pub use transition::{Move, table, transition};
