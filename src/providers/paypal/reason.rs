//! Why the customer disputes: PayPal's ten reasons (schema `dispute_reason`), and beside them the card
//! network's own code where the claim came through a card issuer. A reason that is not known is
//! `Category::Unknown`, in its own words.

use super::wire;
use crate::dispute::{Category, Reason, reason_code};
use crate::providers::shared::plausible::clean;

/// `external` when the claim came through a card issuer: only then is its code a network's.
pub fn reason(dispute: &wire::Dispute, external: bool) -> Reason {
    let word = clean(dispute.reason.as_deref().unwrap_or_default());
    let told = dispute.external_reason_code.as_deref().filter(|_| external);
    let code = told.map(|c| clean(c.trim())).filter(|c| !c.is_empty());
    let by_code = code.as_deref().and_then(|code| reason_code::category(None, code));
    Reason {
        category: own(&word).or(by_code).unwrap_or(Category::Unknown),
        network: code.as_deref().and_then(reason_code::network_of).map(str::to_owned),
        network_code: code.map(|c| c.to_ascii_uppercase()),
        provider_reason: word,
    }
}

fn own(word: &str) -> Option<Category> {
    match word {
        "MERCHANDISE_OR_SERVICE_NOT_RECEIVED" => Some(Category::ProductNotReceived),
        "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED" => Some(Category::ProductUnacceptable),
        "UNAUTHORISED" => Some(Category::Fraud),
        "CREDIT_NOT_PROCESSED" => Some(Category::CreditNotProcessed),
        // Paid twice, once here and once by other means, is what the networks file under duplicates too.
        "DUPLICATE_TRANSACTION" | "PAYMENT_BY_OTHER_MEANS" => Some(Category::Duplicate),
        "INCORRECT_AMOUNT" | "PROBLEM_WITH_REMITTANCE" => Some(Category::ProcessingError),
        "CANCELED_RECURRING_BILLING" => Some(Category::SubscriptionCanceled),
        "OTHER" => Some(Category::General),
        _ => None,
    }
}
