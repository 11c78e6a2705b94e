//! Conditions as they are kept once loaded: flat, typed, ready to be asked a million times a second. The
//! variants of [`Test`] stand in the order of what asking costs.

use chrono::{DateTime, TimeDelta, Utc};

use crate::dispute::{Category, Currency, Stage, Status};
use crate::evidence::Field;

/// Words as bits, in the order of the closed set.
pub(super) type Mask = u64;

const _: () = assert!(Field::ALL.len() <= 64 && Category::ALL.len() <= 64);
const _: () = assert!(Stage::ALL.len() <= 64 && Status::ALL.len() <= 64);

/// The answer to one condition. `Unknown` is what cannot be told: a fact that is missing or of another kind,
/// a customer nobody knows, an amount in a currency the rule does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    Fails,
    Unknown,
    Holds,
}

impl Truth {
    pub fn of(known: bool) -> Self {
        if known { Truth::Holds } else { Truth::Fails }
    }

    /// Both: certain to fail as soon as one fails.
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Either: certain to hold as soon as one holds.
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    pub fn not(self) -> Self {
        match self {
            Truth::Fails => Truth::Holds,
            Truth::Unknown => Truth::Unknown,
            Truth::Holds => Truth::Fails,
        }
    }

    pub fn known(self) -> Option<bool> {
        match self {
            Truth::Fails => Some(false),
            Truth::Unknown => None,
            Truth::Holds => Some(true),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    /// Where it stands in the rule: `reason`, `unless.facts.vip`, `any[2].network`.
    pub path: String,
    /// What it wants, for people.
    pub wanted: String,
    /// Stands under `unless`: the rule matches only if this is known not to hold.
    pub negated: bool,
    pub test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Reason(Mask),
    Stage(Mask),
    Status(Mask),
    InTestMode(bool),
    Refunded(bool),
    FeeRequired(bool),
    Has(Mask),
    HasAny(Mask),
    Lacks(Mask),
    Amount(Vec<AmountRange>),
    TimeLeft(Range<TimeDelta>),
    Disputes90d(Range<u32>),
    DisputesTotal(Range<u32>),
    Provider(Vec<String>),
    Account(Vec<String>),
    Network(Vec<String>),
    NetworkCode(Vec<String>),
    ProviderReason(Vec<String>),
    Fact(FactTest),
    Any(Vec<Vec<Condition>>),
    /// Whether every field of the named template can be filled in.
    Complete {
        template: String,
        wanted: bool,
    },
}

impl Test {
    /// Cheap ones are asked first: most rules fail on the reason.
    pub fn cost(&self) -> u8 {
        match self {
            Test::Reason(_) => 0,
            Test::Stage(_) | Test::Status(_) => 1,
            Test::InTestMode(_) | Test::Refunded(_) | Test::FeeRequired(_) => 2,
            Test::Has(_) | Test::HasAny(_) | Test::Lacks(_) => 3,
            Test::Amount(_) | Test::TimeLeft(_) => 4,
            Test::Disputes90d(_) | Test::DisputesTotal(_) => 4,
            Test::Provider(_) | Test::Account(_) | Test::Network(_) => 5,
            Test::NetworkCode(_) | Test::ProviderReason(_) => 6,
            Test::Fact(_) => 7,
            Test::Any(_) => 8,
            Test::Complete { .. } => 9,
        }
    }
}

/// Closed at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range<T> {
    pub at_least: Option<T>,
    pub at_most: Option<T>,
}

impl<T: PartialOrd + Copy> Range<T> {
    pub fn holds(&self, value: T) -> bool {
        self.at_least.is_none_or(|least| value >= least) && self.at_most.is_none_or(|most| value <= most)
    }

    pub fn is_empty(&self) -> bool {
        matches!((self.at_least, self.at_most), (Some(least), Some(most)) if least > most)
    }

    /// Every value of `self` is in `other`.
    pub fn within(&self, other: &Self) -> bool {
        let least = other.at_least.is_none_or(|o| self.at_least.is_some_and(|s| s >= o));
        let most = other.at_most.is_none_or(|o| self.at_most.is_some_and(|s| s <= o));
        least && most
    }
}

/// The bounds in one currency, minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AmountRange {
    pub currency: Currency,
    pub minor: Range<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FactTest {
    pub path: Vec<String>,
    /// All must hold.
    pub tests: Vec<FactOp>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum FactOp {
    Present(bool),
    Is(Scalar),
    In(Vec<Scalar>),
    AtLeast(Number),
    AtMost(Number),
    /// A text that contains this text, or a list with this text in it.
    Contains(String),
    Before(Reference),
    After(Reference),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Number(Number),
    Flag(bool),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    /// Never NaN or infinite.
    Real(f64),
}

/// What a date is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// An instant, or the two edges of a day in the policy's time zone.
    Fixed(DateTime<Utc>, DateTime<Utc>),
    DisputeOpenedAt,
    CycleOpenedAt,
    RespondBy,
    Now,
    Fact(Vec<String>),
}

impl Reference {
    pub const NAMES: &'static [&'static str] =
        &["dispute.opened_at", "cycle.opened_at", "cycle.respond_by", "now", "facts.NAME"];
}
