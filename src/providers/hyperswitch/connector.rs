//! Whose word counts. The router translates what the provider behind it says, and some of its translations are known
//! to be wrong: Stripe's `closed` becomes cancelled, won or lost as it may be; its withdrawal of the money, which
//! comes with the opening, becomes lost; Adyen's chargeback, which may still be defended, becomes lost; PayPal's
//! risk dispute, only just opened, becomes accepted (juspay/hyperswitch, each connector's event mapping). There
//! the connector's own word decides, and where it is not told or not known nobody guesses. Nor is a verdict believed
//! of a connector whose translation nobody has read.

use super::wire::Dispute;
use crate::dispute::Status;
use crate::providers::shared::plausible::clean;

/// The connectors whose translation has been read.
const READ: &[&str] = &["adyen", "airwallex", "braintree", "checkout", "paypal", "stripe", "worldpayvantiv"];

/// Adyen's own words and event codes that end a dispute: the router tells the code of the event as its status.
/// `CHARGEBACK`, which it calls lost too, comes while the dispute may still be defended.
const ADYEN_LOST: &[&str] =
    &["lost", "DISPUTE_DEFENSE_PERIOD_ENDED", "SECOND_CHARGEBACK", "PREARBITRATION_LOST"];

/// Why there is no status to believe.
pub enum Doubt {
    /// What is told leaves it open. A newer record may not.
    Unsure(String),
    /// A word that is not known, of the router or of what it makes of its connector's.
    Unknown(String),
}

impl Doubt {
    pub fn what(self) -> String {
        match self {
            Doubt::Unsure(what) | Doubt::Unknown(what) => what,
        }
    }
}

/// The status, or what cannot be told.
pub fn status(dispute: &Dispute) -> Result<Status, Doubt> {
    let told = told(&dispute.dispute_status).map_err(Doubt::Unknown)?;
    let own = dispute.connector_status.as_deref().map(str::trim).filter(|word| !word.is_empty());
    match (dispute.connector.as_str(), told) {
        ("stripe", _) => stripe(told, own).ok_or_else(|| unsure(dispute, own)),
        ("adyen", Status::Lost)
            if dispute.dispute_stage == "dispute" && !ADYEN_LOST.iter().any(|word| is(own, word)) =>
        {
            Err(unsure(dispute, own))
        }
        ("paypal", Status::Accepted) if !is(own, "resolved") => Err(unsure(dispute, own)),
        (connector, _) if READ.contains(&connector) || !told.is_terminal() => Ok(told),
        (connector, _) => Err(Doubt::Unknown(format!(
            "`dispute_status` is `{}` of a dispute at {}, and what the router makes of its words is not known: look there",
            clean(&dispute.dispute_status),
            clean(connector)
        ))),
    }
}

/// The router's own words, all of them.
fn told(word: &str) -> Result<Status, String> {
    match word {
        "dispute_opened" => Ok(Status::NeedsResponse),
        "dispute_challenged" => Ok(Status::UnderReview),
        "dispute_won" => Ok(Status::Won),
        "dispute_lost" => Ok(Status::Lost),
        "dispute_accepted" => Ok(Status::Accepted),
        "dispute_expired" => Ok(Status::Expired),
        "dispute_cancelled" => Ok(Status::Cancelled),
        _ => Err(format!("`dispute_status` is `{}`, which is not known", clean(word))),
    }
}

/// Stripe's own word. Without one, what the router cannot have got wrong.
fn stripe(told: Status, own: Option<&str>) -> Option<Status> {
    match own {
        Some("needs_response" | "warning_needs_response") => return Some(Status::NeedsResponse),
        Some("under_review" | "warning_under_review") => return Some(Status::UnderReview),
        Some("won") => return Some(Status::Won),
        Some("lost") => return Some(Status::Lost),
        Some("warning_closed") => return Some(Status::Closed),
        Some("prevented") => return Some(Status::Prevented),
        Some(_) | None => {}
    }
    match told {
        Status::NeedsResponse | Status::UnderReview => Some(told),
        // Settled, and nobody says how.
        Status::Cancelled if own.is_none() => Some(Status::Closed),
        Status::Won
        | Status::Lost
        | Status::Accepted
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed => None,
    }
}

fn is(own: Option<&str>, word: &str) -> bool {
    own.is_some_and(|own| own.eq_ignore_ascii_case(word))
}

fn unsure(dispute: &Dispute, own: Option<&str>) -> Doubt {
    Doubt::Unsure(format!(
        "`dispute_status` is `{}`, which the router also says of open disputes at {}, and `connector_status` ({}) does \
         not settle it: look there",
        clean(&dispute.dispute_status),
        clean(&dispute.connector),
        own.map_or("not told".to_owned(), |word| format!("`{}`", clean(word))),
    ))
}
