//! The way of a delivery: received, verified, kept, read. Each stage has its own type, and only a
//! provider's `verify` can make a [`Verified`], so nothing unverified can be kept by mistake.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::ProviderName;
use crate::dispute::{AccountId, Event, MerchantId, Source};

/// One HTTP request as received: nothing parsed, nothing believed.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// In the order received, names in lower case, values as bytes may come (lossy UTF-8).
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The full address it was sent to, for providers that sign it.
    pub url: Option<String>,
}

impl Delivery {
    /// All values of one header. `name` in lower case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of a header that may appear once: a second one is refused, so that no proxy and
    /// parser can be played against each other.
    pub fn single_header(&self, name: &'static str) -> Result<&str, Refusal> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let first = values.next().ok_or(Refusal::HeaderMissing { header: name })?;
        match values.next() {
            Some(_) => Err(Refusal::HeaderTwice { header: name }),
            None => Ok(first),
        }
    }
}

/// Why a delivery was refused. The sender learns nothing of this; the operator learns all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the account has no webhook secret, so nothing can be verified: configure `webhook_secrets`")]
    NoSecret,
    #[error("the header `{header}` is missing")]
    HeaderMissing { header: &'static str },
    #[error("the header `{header}` appears more than once")]
    HeaderTwice { header: &'static str },
    #[error("the header `{header}` is malformed: {why}")]
    HeaderMalformed { header: &'static str, why: String },
    #[error("no signature in `{header}` matches the body under {}: {hint}", under(*.secrets))]
    SignatureMismatch { header: &'static str, secrets: usize, hint: String },
    #[error("the body is not one that could be signed: {why}")]
    BodyMalformed { why: String },
    #[error("the user or the password in `{header}` is not the one that the account has")]
    PasswordMismatch { header: &'static str },
    #[error("the signed time is {age_s} s ago, and at most {tolerance_s} s are allowed")]
    TooOld { age_s: i64, tolerance_s: i64 },
}

fn under(secrets: usize) -> String {
    match secrets {
        1 => "the configured secret".to_owned(),
        n => format!("any of the {n} configured secrets"),
    }
}

impl Refusal {
    /// A word for metrics and logs.
    pub const fn word(&self) -> &'static str {
        match self {
            Refusal::NoSecret => "no_secret",
            Refusal::HeaderMissing { .. } => "header_missing",
            Refusal::HeaderTwice { .. } => "header_twice",
            Refusal::HeaderMalformed { .. } => "header_malformed",
            Refusal::SignatureMismatch { .. } => "signature_mismatch",
            Refusal::BodyMalformed { .. } => "body_malformed",
            Refusal::PasswordMismatch { .. } => "password_mismatch",
            Refusal::TooOld { .. } => "too_old",
        }
    }
}

/// What `verify` would need is not there, so that nothing can be said of the delivery yet: the sender is told to
/// come again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotReady {
    pub why: String,
}

/// What the sender of a delivery is told when it is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    pub media_type: &'static str,
    pub body: &'static [u8],
}

impl Acknowledgement {
    /// For senders who read the status alone.
    pub const PLAIN: Self = Self { media_type: "application/json", body: b"{\"outcome\":\"kept\"}\n" };
}

/// A delivery whose sender is proved.
#[derive(Debug, Clone)]
pub struct Verified {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    pub provider: ProviderName,
    dedupe_key: String,
    claimed_at: Option<DateTime<Utc>>,
    delivery: Delivery,
    on_behalf_of: Option<String>,
    set_aside: Vec<String>,
}

impl Verified {
    /// For providers only: calling this is the statement that the signature was checked.
    pub(in crate::providers) fn new(
        account: &super::Account,
        dedupe_key: String,
        claimed_at: Option<DateTime<Utc>>,
        delivery: Delivery,
    ) -> Self {
        Self {
            merchant_id: account.merchant_id,
            account_id: account.account_id,
            provider: account.provider,
            dedupe_key,
            claimed_at,
            delivery,
            on_behalf_of: None,
            set_aside: Vec::new(),
        }
    }

    /// For providers whose accounts act for others: whom the body says it is for, as written.
    pub(in crate::providers) fn naming(self, on_behalf_of: Option<String>) -> Self {
        Self { on_behalf_of, ..self }
    }

    /// The provider's id of the account that this is for, where it says so and it is not known to be the account
    /// that it was verified for.
    pub fn on_behalf_of(&self) -> Option<&str> {
        self.on_behalf_of.as_deref()
    }

    /// Keeps it under the account that it names. `account` is the one that is configured as connected to the
    /// account it was verified for, or that account itself: nobody else's secret proves anything about it.
    pub fn handed_to(self, account: &super::Account) -> Self {
        Self { merchant_id: account.merchant_id, account_id: account.account_id, on_behalf_of: None, ..self }
    }

    /// For providers whose webhooks hold several pieces of news, each signed for itself: which of them are kept
    /// and not believed, and why. The delivery's body has them where `events` does not read them as news.
    pub(in crate::providers) fn with_set_aside(self, set_aside: Vec<String>) -> Self {
        Self { set_aside, ..self }
    }

    /// What the provider repeats on redelivery. At most 200 bytes.
    pub fn dedupe_key(&self) -> &str {
        &self.dedupe_key
    }

    /// When the provider says that it happened or was sent.
    pub fn claimed_at(&self) -> Option<DateTime<Utc>> {
        self.claimed_at
    }

    /// What in it is not to be believed, in words; empty when all of it is.
    pub fn set_aside(&self) -> &[String] {
        &self.set_aside
    }

    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }
}

/// A body that is in the database, ready to be read.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// A webhook's body is an envelope; every other source gives the bare record of one dispute.
    pub source: Source,
    pub body: &'a [u8],
    /// The provider's time of a bare record. A webhook's envelope carries its own.
    pub as_of: DateTime<Utc>,
}

/// What a kept body means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    Events(Vec<Event>),
    /// News of several things at once, and not all of it is understood: what is, is applied, and the delivery is
    /// shown to a person all the same.
    Partly {
        events: Vec<Event>,
        what: String,
    },
    /// The body only points at a dispute: fetch it, then apply the record.
    FetchFirst {
        dispute_ref: String,
        name: String,
    },
    /// The provider took our call, and its answer holds no record: what became of it is read back, or told by a
    /// webhook where the provider cannot be read. Only ever the answer to a call of ours.
    Acknowledged {
        what: String,
    },
    /// Understood, and not about a dispute (`payment_intent.succeeded`): settled without effect.
    NotOurs {
        what: String,
    },
    /// Not understood. Kept, quarantined and shown to a person. Says what was found and where.
    Unrecognised {
        what: String,
    },
}
