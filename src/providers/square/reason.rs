//! Why the customer disputes, in Square's nine words. It passes no network code on. A word that is not known is
//! `Category::Unknown`.

use crate::dispute::{Category, Reason, reason_code};
use crate::providers::shared::plausible::clean;

pub fn reason(word: Option<&str>, card_brand: Option<&str>) -> Reason {
    let provider_reason = clean(word.unwrap_or_default().trim());
    let brand = card_brand.map(str::trim).filter(|brand| !brand.is_empty());
    let network = brand.map(|brand| match reason_code::canonical_network(brand) {
        Some(known) => known.to_owned(),
        None => clean(brand).to_lowercase(),
    });
    Reason { category: category(&provider_reason), network_code: None, network, provider_reason }
}

/// developer.squareup.com/reference/square, `DisputeReason`. `NO_KNOWLEDGE` is said by a cardholder who did not
/// make the payment; what was paid by other means is paid twice.
fn category(word: &str) -> Category {
    match word {
        "AMOUNT_DIFFERS" => Category::ProcessingError,
        "CANCELLED" => Category::SubscriptionCanceled,
        "DUPLICATE" | "PAID_BY_OTHER_MEANS" => Category::Duplicate,
        "NO_KNOWLEDGE" | "EMV_LIABILITY_SHIFT" => Category::Fraud,
        "NOT_AS_DESCRIBED" => Category::ProductUnacceptable,
        "NOT_RECEIVED" => Category::ProductNotReceived,
        "CUSTOMER_REQUESTS_CREDIT" => Category::CreditNotProcessed,
        _ => Category::Unknown,
    }
}
