//! The nouns: dispute, cycle, and the closed sets of words they are described with. Every word has one
//! spelling, used in the database, in rules, in JSON and on the screen alike.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Money, RespondBy};

pub type MerchantId = i64;
pub type AccountId = i64;
pub type DisputeId = i64;

/// A word outside one of the closed sets. Carries what was expected, so that the message can say it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not {article} {set}: expected one of {expected}", article = article(set))]
pub struct UnknownWord {
    pub set: &'static str,
    pub word: String,
    pub expected: String,
}

fn article(set: &str) -> &'static str {
    if set.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Declares a closed set of words with one spelling each, and nothing else.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $set:literal, { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub const fn as_str(&self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|w| w.as_str() == word).ok_or_else(|| UnknownWord {
                    set: $set,
                    word: word.chars().take(64).collect(),
                    expected: Self::ALL.iter().map(Self::as_str).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}
pub(crate) use words;

words!(
    /// How far the dispute has come on its way through the network.
    Stage, "stage", {
        FraudNotice = "fraud_notice",
        Inquiry = "inquiry",
        Chargeback = "chargeback",
        PreArbitration = "pre_arbitration",
        Arbitration = "arbitration",
        Compliance = "compliance",
    }
);

words!(
    /// Where the dispute stands, as the provider's record says.
    Status, "status", {
        NeedsResponse = "needs_response",
        UnderReview = "under_review",
        Won = "won",
        Lost = "lost",
        Accepted = "accepted",
        Expired = "expired",
        Cancelled = "cancelled",
        Prevented = "prevented",
        Closed = "closed",
    }
);

impl Status {
    /// Whether the provider considers the matter settled. Soft: later news may reopen it.
    pub const fn is_terminal(self) -> bool {
        match self {
            Status::NeedsResponse | Status::UnderReview => false,
            Status::Won
            | Status::Lost
            | Status::Accepted
            | Status::Expired
            | Status::Cancelled
            | Status::Prevented
            | Status::Closed => true,
        }
    }

    /// Breaks a tie between two records with one provider timestamp: the further one wins.
    pub const fn rank(self) -> u8 {
        match self {
            Status::NeedsResponse => 0,
            Status::UnderReview => 1,
            Status::Prevented | Status::Cancelled | Status::Closed | Status::Expired => 2,
            Status::Accepted | Status::Lost | Status::Won => 3,
        }
    }
}

words!(
    /// Why the cardholder disputes, independent of network and provider (FIELD 2.4).
    Category, "reason category", {
        Fraud = "fraud",
        Authorization = "authorization",
        ProcessingError = "processing_error",
        Duplicate = "duplicate",
        ProductNotReceived = "product_not_received",
        ProductUnacceptable = "product_unacceptable",
        CreditNotProcessed = "credit_not_processed",
        SubscriptionCanceled = "subscription_canceled",
        Unrecognized = "unrecognized",
        BankDebit = "bank_debit",
        Noncompliant = "noncompliant",
        General = "general",
        /// The provider's word is not one we know. A state of its own, never a guess.
        Unknown = "unknown",
    }
);

/// The reason as told: our category beside the provider's and the network's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub category: Category,
    pub provider_reason: String,
    pub network_code: Option<String>,
    /// Card network or scheme, lower case: `visa`, `mastercard`, `upi` …
    pub network: Option<String>,
}

/// A dispute as last known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    pub dispute_id: DisputeId,
    /// The provider's id of the dispute.
    pub dispute_ref: String,
    /// The provider's id of the payment the dispute is about: what facts are found by.
    pub payment_ref: Option<String>,
    /// A second id of the payment, where the provider has one (a charge beside a payment intent).
    pub charge_ref: Option<String>,
    pub stage: Stage,
    pub status: Status,
    /// The provider's own word for `status`, for people's eyes.
    pub provider_status: String,
    pub amount: Money,
    pub reason: Reason,
    pub respond_by: RespondBy,
    pub opened_at: DateTime<Utc>,
    /// The provider's own time of the newest record applied: the order guard.
    pub as_of: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
    pub submissions: u32,
    pub evidence_staged: bool,
    pub past_due: bool,
    /// The provider wants a fee acknowledged before it takes a response (Visa compliance: USD 500).
    pub fee_required: bool,
    /// The payment is refunded in full already, as far as the provider says.
    pub refunded: bool,
    pub customer_ref: Option<String>,
    pub live: bool,
    pub funds_withdrawn_at: Option<DateTime<Utc>>,
    pub funds_reinstated_at: Option<DateTime<Utc>>,
    /// A sibling that became this dispute (providers that give each phase an id of its own).
    pub follows_ref: Option<String>,
}

words!(
    /// `open`: one response is owed. `answered`: the provider's record shows the response.
    /// `ended`: no response is owed any more, for a reason that the history tells.
    CycleState, "cycle state", {
        Open = "open",
        Answered = "answered",
        Ended = "ended",
    }
);

words!(
    /// Who answered a cycle, and how.
    Response, "response", {
        Accept = "accept",
        Defend = "defend",
        /// The provider's record shows a response that this engine did not make.
        Elsewhere = "elsewhere",
        /// The cycle ended without one.
        Nothing = "nothing",
    }
);

words!(
    /// How loud people are told. A `page` is never folded into a digest and is sent until acknowledged.
    Severity, "severity", {
        Info = "info",
        Warning = "warning",
        Page = "page",
    }
);

/// One window in which one response is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// 1 for the first cycle of a dispute.
    pub n: i32,
    pub stage: Stage,
    pub state: CycleState,
    pub opened_at: DateTime<Utc>,
    pub respond_by: DateTime<Utc>,
    pub response: Option<Response>,
    /// When the provider's record first showed the response.
    pub answered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub wake_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for word in Status::ALL {
            assert_eq!(word.as_str().parse::<Status>().unwrap(), *word);
            assert_eq!(serde_json::to_string(word).unwrap(), format!("\"{word}\""));
        }
        for word in Stage::ALL {
            assert_eq!(word.as_str().parse::<Stage>().unwrap(), *word);
        }
        for word in Category::ALL {
            assert_eq!(word.as_str().parse::<Category>().unwrap(), *word);
        }
    }

    #[test]
    fn an_unknown_word_names_what_was_expected() {
        let error = "lots".parse::<Response>().unwrap_err().to_string();
        assert_eq!(error, "`lots` is not a response: expected one of accept, defend, elsewhere, nothing");
    }
}
