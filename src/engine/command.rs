//! What a person may order. A person's word outranks the rules, never the gates.
//! Who may order what is settled before; here orders are values.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Accept,
    /// Defend with a template of the rules in force; without one, with the evidence attached.
    Defend {
        template: Option<String>,
        reason: Option<String>,
        /// The merchant agrees to the network's fee for a response (Visa compliance: USD 500).
        #[serde(default)]
        acknowledge_fee: bool,
    },
    Hold {
        why: String,
    },
    /// Agree to what waits for a second person.
    Approve,
    /// Withdraw an order: the rules decide again.
    Resume,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub by: String,
    pub command: Command,
}

impl Order {
    /// How the names of merchants' programs begin.
    pub const PROGRAM: &str = "api:";

    /// Whether somebody gave it who can look at a provider and say what is there.
    pub fn is_a_person_s(&self) -> bool {
        !self.by.starts_with(Self::PROGRAM)
    }
}
