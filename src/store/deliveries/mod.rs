//! Deliveries: every verified request byte for byte, and every record read from a provider's API that
//! changed something. Kept before anybody asks what they mean. Claiming and settling them belongs to the
//! turn; here they are written, listed for people and sent round again.

mod dismiss;
mod keep;
mod look;
mod months;
mod reads;
mod settle;

pub use dismiss::{Dismissal, Dismissed, dismiss, dismissals};
pub use keep::{Arrival, Keeping, keep};
pub use look::{
    DeliveryFilter, DeliveryInFull, DeliveryRow, DeliveryState, list, requeue, requeue_quarantined, show,
};
pub use months::{maintain_months, missing_months, month_of};
pub use reads::{Read, keep_reads};
pub use settle::{
    Claimed, Handover, PARTLY, Settled, claim, count_webhooks, hand_over, quarantine_unfetched, settle,
    waiting, waits_to_be_read, webhook_keys,
};
