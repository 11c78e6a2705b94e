//! Why the customer disputes: the network's code where the connector hands it on, else the words that connectors
//! use. What is neither is `Category::Unknown`.

use super::wire::Dispute;
use crate::dispute::{Category, Reason, reason_code};
use crate::providers::shared::plausible::clean;

pub fn reason(dispute: &Dispute) -> Reason {
    let told = |text: &Option<String>| text.as_deref().map(|t| clean(t.trim())).filter(|t| !t.is_empty());
    let code = told(&dispute.connector_reason_code);
    let words = told(&dispute.connector_reason);
    let by_code = code.as_deref().and_then(|code| reason_code::category(None, code));
    let by_word = [&words, &code].into_iter().flatten().find_map(|word| by_word(word));
    Reason {
        category: by_code.or(by_word).unwrap_or(Category::Unknown),
        network: code.as_deref().and_then(reason_code::network_of).map(str::to_owned),
        network_code: code.clone().filter(|_| by_code.is_some()).map(|code| code.to_ascii_uppercase()),
        provider_reason: words.or(code).unwrap_or_default(),
    }
}

/// Words of the connectors that several share, without regard to case and joints.
fn by_word(word: &str) -> Option<Category> {
    let plain = word.to_ascii_lowercase().replace([' ', '-'], "_");
    Some(match plain.as_str() {
        "fraudulent" | "fraud" | "unauthorised" | "unauthorized" => Category::Fraud,
        "product_not_received" | "not_received" | "merchandise_or_service_not_received" => {
            Category::ProductNotReceived
        }
        "product_unacceptable" | "not_as_described" | "merchandise_or_service_not_as_described" => {
            Category::ProductUnacceptable
        }
        "credit_not_processed" => Category::CreditNotProcessed,
        "duplicate" | "duplicate_transaction" => Category::Duplicate,
        "subscription_canceled" | "canceled_recurring_billing" | "canceled_recurring_transaction" => {
            Category::SubscriptionCanceled
        }
        "unrecognized" => Category::Unrecognized,
        "general" => Category::General,
        "processing_error" => Category::ProcessingError,
        "no_authorization" | "authorization" => Category::Authorization,
        _ => return None,
    })
}
