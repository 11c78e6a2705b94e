//! Why a defence is made, as programs say it: our words, those of the documents that they were written against, or a
//! provider's own code. Every protocol reads them here. Pure.

/// The documents' reasons, in the spellings that they print, and ours for each. Every word of ours on the right is one
/// that the providers' folders know; what a document spells as we do has no line.
const REASONS: [(&str, &str); 8] = [
    ("GOODS_SERVICES_RECEIVED", "goods_services_received"),
    ("TRANSACTION_AUTHORIZED", "transaction_authorized"),
    ("REFUND_ISSUED", "refund_issued"),
    ("CANCELLATION_POLICY_DISCLOSED", "cancellation_policy_disclosed"),
    ("product_or_service_provided", "goods_services_received"),
    ("credit_not_processed", "refund_issued"),
    ("duplicate_charge_doc", "not_duplicate"),
    ("merchandise_or_service_not_as_described", "as_described"),
];

const CHARS_MAX: usize = 64;

/// No code is written like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`reason_code` is 1 to {CHARS_MAX} letters, digits, `_`, `-` and `.`")]
pub struct NoReason;

/// Our word for the reason, if it is one of the documents'; any other is a provider's own code and stays.
///
/// # Errors
/// What no provider would take for a code.
pub fn reason(code: &str) -> Result<String, NoReason> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !(1..=CHARS_MAX).contains(&code.len()) || !code.chars().all(plain) {
        return Err(NoReason);
    }
    let ours = REASONS.iter().find(|(theirs, _)| *theirs == code).map_or(code, |(_, ours)| ours);
    Ok(ours.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_reasons_are_ours_and_codes_of_providers_stay() {
        for (theirs, ours) in REASONS {
            assert_eq!(reason(theirs).as_deref(), Ok(ours));
            assert_eq!(reason(ours).as_deref(), Ok(ours), "a word of ours is no other's");
        }
        for own in
            ["customer_withdrew_dispute", "cancellation_policy_disclosed", "SupplyDefenseMaterial", "4853.1"]
        {
            assert_eq!(reason(own).as_deref(), Ok(own));
        }
        for none in ["", "it came", "a\0", "ü", &"x".repeat(65)] {
            assert_eq!(reason(none), Err(NoReason), "{none:?}");
        }
    }
}
