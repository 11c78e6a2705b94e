//! The contract every payment provider fulfils, and the types that cross it. A provider is one folder:
//! its wire words stay inside. Nothing here knows of the database, the rules or the clock: `now` and the
//! account come as arguments, and what a call did comes back as an [`Answer`].
//!
//! A new provider is its folder, its two lines here (`mod` and in the list) and its table in the configuration.

mod account;
mod answer;
#[cfg(test)]
mod conformance;
mod folder;
pub mod http;
mod json;
mod registry;
mod shared;
#[cfg(test)]
mod specs;
mod verified;

pub mod adyen;
pub mod checkout;
pub mod hyperswitch;
pub mod paypal;
pub mod prism;
pub mod razorpay;
pub mod square;
pub mod stripe;

registry::registry! {
    Stripe = "stripe", stripe::Stripe;
    Razorpay = "razorpay", razorpay::Razorpay;
    Prism = "prism", prism::Prism;
    Hyperswitch = "hyperswitch", hyperswitch::Hyperswitch;
    Paypal = "paypal", paypal::Paypal;
    Checkout = "checkout", checkout::Checkout;
    Square = "square", square::Square;
    Adyen = "adyen", adyen::Adyen;
}

pub use account::{Account, Credentials};
pub use answer::{Answer, CallError, CallLog, NOT_OFFERED, Outcome, Page, Record, Uploaded};
pub use folder::{Folder, Need, Setting, WebhookSecrets};
pub use registry::Registry;
pub use verified::{Acknowledgement, Delivery, Kept, NotReady, Reading, Refusal, Verified};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::config::ProviderConfig;
use crate::dispute::{Capabilities, UnknownWord};
use crate::evidence::{Packet, Sending};

/// A call to a provider: the answer, and what is worth keeping about how it went.
pub type Call<'a, T> = BoxFuture<'a, (Answer<T>, Vec<CallLog>)>;

/// The dispute that a call is to change, by the provider's own ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    pub dispute_ref: &'a str,
    /// The payment that it is about, where that is known: some are called with both.
    pub payment_ref: Option<&'a str>,
}

impl<'a> From<&'a str> for Target<'a> {
    /// Of a payment that is not known.
    fn from(dispute_ref: &'a str) -> Self {
        Self { dispute_ref, payment_ref: None }
    }
}

/// Required in full, no defaults: what a provider cannot do it says in `capabilities`. Where all its accounts are
/// alike, `capabilities_of` is the same, and need not be written.
pub trait Provider: Send + Sync + 'static {
    fn name(&self) -> ProviderName;

    fn capabilities(&self) -> &'static Capabilities;

    /// What can be done for that account: never more than `capabilities`.
    fn capabilities_of(&self, _account: &Account) -> &'static Capabilities {
        self.capabilities()
    }

    /// What must be fetched before `verify` can judge this delivery: a certificate that it names, into the
    /// provider's own cache. `None` where nothing is: `verify` is pure, and most providers' needs no more. Anybody
    /// can send a delivery, so that this asks only hosts which the provider knows, and the same thing once.
    fn prepare<'a>(
        &'a self,
        delivery: &'a Delivery,
        account: &'a Account,
    ) -> Option<BoxFuture<'a, Result<(), NotReady>>>;

    /// Checks the delivery against the account's secrets, newest first, in constant time. The order of
    /// checks is fixed: secret present, header present, header shape, signature, age.
    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal>;

    /// What a delivery that is kept, or was kept before, is answered with, under status 200.
    fn acknowledgement(&self) -> Acknowledgement;

    /// The meaning of a kept body. Total: what is not understood is `Reading::Unrecognised`.
    fn events(&self, kept: &Kept<'_>) -> Reading;

    /// The provider's record of one dispute, now. Not called where `capabilities` has no `fetch`.
    fn fetch<'a>(&'a self, account: &'a Account, dispute_ref: &'a str) -> Call<'a, Record>;

    /// A page of what changed (or, where the provider has no such list, was created) since `since`.
    /// `cursor` is what the page before returned as `next`. A dispute that could not be read with the others is
    /// `Reading::FetchFirst` and is fetched by itself. Not called where `capabilities` has no `list`.
    fn list_changed_since<'a>(
        &'a self,
        account: &'a Account,
        since: DateTime<Utc>,
        cursor: Option<String>,
    ) -> Call<'a, Page>;

    /// Concedes. Irreversible. An answer that holds no record is `Reading::Acknowledged`. `key` is the idempotency
    /// key, stable per intent, for providers that take one.
    fn accept<'a>(&'a self, account: &'a Account, target: Target<'a>, key: &'a str) -> Call<'a, Record>;

    /// Puts evidence with the provider without sending it to the bank. Repeatable. Where files are delivered
    /// inline, `sending` carries the content of each.
    fn stage_evidence<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record>;

    /// Sends the evidence to the bank. Irreversible.
    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record>;

    /// Uploads one file as dispute evidence; the answer carries the provider's id of it. Not called where files
    /// are delivered inline.
    fn upload<'a>(
        &'a self,
        account: &'a Account,
        name: &'a str,
        media_type: &'a str,
        content: Bytes,
        key: &'a str,
    ) -> Call<'a, Uploaded>;

    /// What a packet breaks of this provider's limits, in words; empty when it may be sent.
    /// `submit` is false for staging, where completeness is not owed yet.
    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String>;
}
