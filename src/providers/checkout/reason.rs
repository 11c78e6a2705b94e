//! Why the customer disputes: Checkout.com's category beside the network's own code. A category that is not
//! known (the list is announced to change) falls back to the code, and else is `Category::Unknown`.

use crate::dispute::{Category, Reason, reason_code};
use crate::providers::shared::plausible::clean;

/// `method` is the card scheme or payment method, in any spelling.
pub fn reason(category: Option<&str>, code: Option<&str>, method: Option<&str>) -> Reason {
    let category = clean(category.unwrap_or_default().trim());
    let code = code.map(|c| clean(c.trim())).filter(|c| !c.is_empty());
    let method = method.map(str::trim).filter(|m| !m.is_empty());
    let known = method.and_then(reason_code::canonical_network);
    let by_code = code.as_deref().and_then(|code| match (known, method) {
        (None, Some(_)) => None,
        (network, _) => reason_code::category(network, code),
    });
    let network = match known {
        Some(network) => Some(network.to_owned()),
        None => method
            .map(|m| clean(m).to_lowercase())
            .or(code.as_deref().and_then(reason_code::network_of).map(str::to_owned)),
    };
    Reason {
        category: own_word(&category).or(by_code).unwrap_or(Category::Unknown),
        network_code: code.map(|c| c.to_ascii_uppercase()),
        network,
        provider_reason: category,
    }
}

/// The nine categories (api-reference.checkout.com, "Get dispute details", `category`).
fn own_word(category: &str) -> Option<Category> {
    match category {
        "fraudulent" => Some(Category::Fraud),
        "unrecognized" => Some(Category::Unrecognized),
        "canceled_recurring" => Some(Category::SubscriptionCanceled),
        "product_service_not_received" => Some(Category::ProductNotReceived),
        "not_as_described" => Some(Category::ProductUnacceptable),
        "credit_not_issued" => Some(Category::CreditNotProcessed),
        "duplicate" => Some(Category::Duplicate),
        "incorrect_amount" => Some(Category::ProcessingError),
        "general" => Some(Category::General),
        _ => None,
    }
}
