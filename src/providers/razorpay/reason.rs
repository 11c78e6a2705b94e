//! Why the customer disputes. `reason_code` is free text: a network's code, one of Razorpay's own, an old
//! word, or a word that only repeats the phase. What is none of the known is `Category::Unknown`.

use super::wire;
use crate::dispute::{Category, Reason, reason_code};
use crate::providers::shared::plausible::clean;

/// `method` is how the payment was made, where the news says so.
pub fn reason(dispute: &wire::Dispute, method: Option<&str>) -> Reason {
    let expanded = dispute.reason.as_ref();
    let told = dispute.reason_code.as_deref().or(expanded.and_then(|r| r.code.as_deref()));
    let provider_reason = clean(told.unwrap_or_default().trim());
    let told_network = expanded.and_then(|r| r.network.as_deref()).or(method.filter(|m| *m == "upi"));
    let network = match told_network.map(str::trim).filter(|n| !n.is_empty()) {
        None => Network::Unstated,
        Some(word) => reason_code::canonical_network(word).map_or(Network::Foreign(word), Network::Known),
    };
    let by_code = network.category(&provider_reason);
    // The expanded record says which network spoke; otherwise the code itself must tell that it is one.
    let expanded_code = expanded.filter(|r| r.network.is_some()).and_then(|r| r.code.as_deref());
    let network_code = by_code.map(|_| provider_reason.as_str()).or(expanded_code.map(str::trim));
    let category = own_code(&provider_reason).or(by_code).or_else(|| old_word(&provider_reason));
    Reason {
        category: category.unwrap_or(Category::Unknown),
        network_code: network_code.map(|code| clean(code).to_ascii_uppercase()),
        network: network.name(&provider_reason),
        provider_reason,
    }
}

enum Network<'a> {
    Known(&'static str),
    /// One whose codes we have no table of: its numbers must not be read by another's.
    Foreign(&'a str),
    Unstated,
}

impl Network<'_> {
    fn category(&self, code: &str) -> Option<Category> {
        match self {
            Network::Known(network) => reason_code::category(Some(network), code),
            Network::Foreign(_) => None,
            Network::Unstated => reason_code::category(None, code),
        }
    }

    fn name(&self, code: &str) -> Option<String> {
        match self {
            Network::Known(network) => Some((*network).to_owned()),
            Network::Foreign(word) => Some(clean(word).to_lowercase()),
            Network::Unstated => reason_code::network_of(code).map(str::to_owned),
        }
    }
}

/// Razorpay's own codes (razorpay/markdown-docs, `payments/disputes/submit-evidence.md`, "Razorpay"). RZP00
/// says that no specific one fits, RZP02 that the customer denies the payment.
fn own_code(code: &str) -> Option<Category> {
    match code.to_ascii_uppercase().as_str() {
        "RZP00" | "RZP06" => Some(Category::General),
        "RZP01" => Some(Category::ProductNotReceived),
        "RZP02" | "RZP03" => Some(Category::Fraud),
        "RZP04" => Some(Category::CreditNotProcessed),
        "RZP05" | "RZP07" => Some(Category::ProcessingError),
        _ => None,
    }
}

/// The words that the samples of the dispute pages use in place of codes. `chargeback` and
/// `pre_arbitration` are among those too: they repeat the phase and say nothing of the reason.
fn old_word(word: &str) -> Option<Category> {
    match word.to_ascii_lowercase().as_str() {
        "goods_or_services_not_received_or_partially_received" => Some(Category::ProductNotReceived),
        "processed_invalid_expired_card" | "warning_bulletin_or_exception_file" => {
            Some(Category::Authorization)
        }
        "non_matching_account_number" => Some(Category::ProcessingError),
        _ => None,
    }
}
