//! Why the customer disputes: the scheme's own code, which comes with blanks around it, on the scheme that the
//! news names. A code of a scheme that we have no table of is `Category::Unknown`.

use super::wire;
use crate::dispute::{Category, Reason, reason_code};
use crate::providers::shared::plausible::clean;

pub fn reason(item: &wire::Item) -> Reason {
    let code = item.additional(|a| &a.chargeback_reason_code).or(item.additional(|a| &a.rfi_reason_code));
    let code = code.map(clean);
    let told = item.reason.as_deref().map(|r| clean(r.trim())).unwrap_or_default();
    let network = network(item);
    let known = network.as_deref().and_then(reason_code::canonical_network);
    let category = code.as_deref().and_then(|code| match (known, &network) {
        (Some(known), _) => reason_code::category(Some(known), code),
        // Another scheme's numbers must not be read by a table of ours.
        (None, Some(_)) => None,
        (None, None) => reason_code::category(None, code),
    });
    Reason {
        category: category.unwrap_or(Category::Unknown),
        provider_reason: if told.is_empty() { code.clone().unwrap_or_default() } else { told },
        network: known.map(str::to_owned).or(network),
        network_code: code.map(|code| code.to_ascii_uppercase()),
    }
}

/// The scheme that the dispute runs on, else the one the payment was made with; lower case.
fn network(item: &wire::Item) -> Option<String> {
    let scheme = item.additional(|a| &a.chargeback_scheme_code).or(item.additional(|a| &a.rfi_scheme_code));
    let told = scheme.or(item.payment_method.as_deref().map(str::trim))?;
    let word = clean(told).to_lowercase();
    (!word.is_empty()).then_some(word)
}
