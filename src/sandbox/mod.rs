//! Stand-ins of the providers' real dispute APIs, for people, the demo and tests: stateful, with signed
//! webhooks, faults, movable time and a ledger of irreversible calls. Official SDKs can be pointed at them.
//!
//! Knows nothing of the engine but the clock. It must not import `providers`: an error in an adapter's
//! understanding of a provider must not be shared by what the adapter is tested against.

mod accounts;
mod adyen;
mod checkout;
mod control;
mod control_http;
mod delivery;
mod faults;
mod hyperswitch;
mod ids;
mod ledger;
mod office;
mod orders;
mod outbox;
mod paypal;
mod prism;
mod razorpay;
mod registry;
mod reply;
mod run;
mod server;
mod square;
mod stand_in;
mod stripe;
#[cfg(test)]
mod tests;
mod witness;
mod world;

pub use accounts::SandboxAccount;
pub use control::{Control, DisputeView};
pub use faults::{ApiFault, Operation, Trouble, Turns, Weather, WebhookFault, WebhookTrouble};
pub use ledger::{Irreversible, LedgerEntry, LedgerResult, LedgerTotals};
pub use orders::{Change, ExtraWebhook, NewDispute, NewWarning, Signing};
pub use outbox::{Webhook, WebhookAttempt, WebhookState};
pub use registry::ProviderKind;
pub use run::{RunOptions, run};
pub use server::{Sandbox, SandboxConfig};
pub use witness::{Exchange, Witness};
