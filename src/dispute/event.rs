//! News about a dispute, provider-neutral. A webhook, a reconcile poll, a read-back and the answer to our
//! own call all arrive as an [`Event`]; nothing after this type knows which provider spoke.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::model::words;
use super::{Money, Reason, Stage, Status, UnknownWord};
use std::fmt;
use std::str::FromStr;

words!(
    /// How the news reached us.
    Source, "source", {
        Webhook = "webhook",
        Poll = "poll",
        ReadBack = "read_back",
        Receipt = "receipt",
    }
);

/// Until when the provider takes a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RespondBy {
    At(DateTime<Utc>),
    /// The provider says that no response is possible (Stripe `due_by` 0 or null).
    NotAllowed,
    /// This news does not say. What was known stays.
    Unstated,
}

/// The provider's whole record of one dispute at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub dispute_ref: String,
    pub payment_ref: Option<String>,
    pub charge_ref: Option<String>,
    pub stage: Stage,
    pub status: Status,
    pub provider_status: String,
    pub amount: Money,
    pub reason: Reason,
    pub respond_by: RespondBy,
    /// Whether the deadline was covered by a signature or read over an authenticated channel. One that
    /// was not may shorten a plan, never lengthen it.
    pub deadline_confirmed: bool,
    pub opened_at: DateTime<Utc>,
    /// Responses the provider has counted so far, where it counts them.
    pub submissions: u32,
    pub evidence_staged: bool,
    pub past_due: bool,
    pub fee_required: bool,
    pub refunded: bool,
    pub customer_ref: Option<String>,
    pub live: bool,
    /// The provider opens a new round in so many words (Razorpay `action_required`).
    pub new_round: bool,
}

words!(
    FundsMove, "funds movement", {
        Withdrawn = "withdrawn",
        Reinstated = "reinstated",
    }
);

/// An issuer's report of fraud that is not a dispute (TC40, SAFE, early fraud warning). Nothing is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FraudNotice {
    pub notice_ref: String,
    pub payment_ref: Option<String>,
    pub charge_ref: Option<String>,
    /// The provider's word for the kind of fraud.
    pub fraud_type: String,
    pub actionable: bool,
    pub live: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "news")]
pub enum News {
    Record { snapshot: Snapshot },
    Funds { moved: FundsMove, snapshot: Snapshot },
    Notice { notice: FraudNotice },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub source: Source,
    /// The provider's own word for what happened: `charge.dispute.created`. A poll says `poll`.
    pub name: String,
    /// The provider's own time of this state, whole seconds or finer. Orders all news of one dispute.
    pub as_of: DateTime<Utc>,
    pub news: News,
}

impl Event {
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match &self.news {
            News::Record { snapshot } | News::Funds { snapshot, .. } => Some(snapshot),
            News::Notice { .. } => None,
        }
    }
}
