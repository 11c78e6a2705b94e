//! A rule once it is loaded, and what its approval asks of an amount.
//! Knows nothing of the text it was read from.

use crate::dispute::Money;
use crate::evidence::Field;

use super::condition::Condition;
use super::{Mode, Then};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub id: String,
    pub why: String,
    /// A rule can stay in shadow while the policy is live.
    pub mode: Option<Mode>,
    /// From `when` and `unless`, the cheap ones first.
    pub conditions: Vec<Condition>,
    pub then: Then,
    pub requires: Vec<Field>,
    pub otherwise: Option<Then>,
    pub approval: Approval,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Approval {
    NotNeeded,
    Always,
    /// Above the limit of its currency. A currency without a limit needs approval: the safe side.
    Above(Vec<Money>),
}

impl Approval {
    pub fn needed(&self, amount: Money) -> bool {
        match self {
            Approval::NotNeeded => false,
            Approval::Always => true,
            Approval::Above(limits) => match limits.iter().find(|limit| limit.currency == amount.currency) {
                Some(limit) => amount.minor > limit.minor,
                None => true,
            },
        }
    }
}
