//! Why we defend, in the words the account's connector wants. Rules name one of our own reasons, which is put into
//! the spelling of the account; any other word of a rule is a connector's own code and goes as it is.

/// Our own reasons, and each in the two spellings that Prism's documents print.
struct Known {
    ours: &'static str,
    /// As the table of the Defend call has it, in capitals.
    rpc: Option<&'static str>,
    /// As the SDK's list has it.
    sdk: Option<&'static str>,
}

const fn known(ours: &'static str, rpc: Option<&'static str>, sdk: Option<&'static str>) -> Known {
    Known { ours, rpc, sdk }
}

const RECEIVED: (Option<&str>, Option<&str>) =
    (Some("GOODS_SERVICES_RECEIVED"), Some("product_or_service_provided"));
const AUTHORIZED: (Option<&str>, Option<&str>) = (Some("TRANSACTION_AUTHORIZED"), None);
const REFUNDED: (Option<&str>, Option<&str>) = (Some("REFUND_ISSUED"), Some("credit_not_processed"));
const POLICY: (Option<&str>, Option<&str>) =
    (Some("CANCELLATION_POLICY_DISCLOSED"), Some("cancellation_policy_disclosed"));

const KNOWN: [Known; 13] = [
    known("goods_services_received", RECEIVED.0, RECEIVED.1),
    known("services_used", RECEIVED.0, RECEIVED.1),
    known("transaction_authorized", AUTHORIZED.0, AUTHORIZED.1),
    known("authenticated_payment", AUTHORIZED.0, AUTHORIZED.1),
    known("cardholder_participated", AUTHORIZED.0, AUTHORIZED.1),
    known("refund_issued", REFUNDED.0, REFUNDED.1),
    known("credit_issued", REFUNDED.0, REFUNDED.1),
    known("cancellation_policy_disclosed", POLICY.0, POLICY.1),
    known("cancellation_invalid", POLICY.0, POLICY.1),
    known("not_cancelled", None, None),
    known("customer_withdrew_dispute", None, Some("customer_withdrew_dispute")),
    known("not_duplicate", None, Some("duplicate_charge_doc")),
    known("as_described", None, Some("merchandise_or_service_not_as_described")),
];

/// The one reason that fits what Prism sends to Adyen: it calls every document `DefenseMaterial`, whatever it is.
/// Adyen's codes are in mixed case, so that a word in small letters is none of them.
const ADYEN: &str = "SupplyDefenseMaterial";

/// How an account's connector wants our reasons spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `goods_services_received`
    Lower,
    /// `GOODS_SERVICES_RECEIVED`
    Upper,
    /// `product_or_service_provided`
    Sdk,
    /// `SupplyDefenseMaterial`, whichever the reason.
    Adyen,
}

impl Spelling {
    pub const ALL: [Spelling; 4] = [Spelling::Lower, Spelling::Upper, Spelling::Sdk, Spelling::Adyen];

    /// As the account's setting `reason_codes` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Spelling::Lower => "lower",
            Spelling::Upper => "upper",
            Spelling::Sdk => "sdk",
            Spelling::Adyen => "adyen",
        }
    }

    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|spelling| spelling.as_str() == word)
    }

    /// What is right where an account does not say.
    pub fn of(connector: &str) -> Self {
        if connector == "adyen" { Spelling::Adyen } else { Spelling::Lower }
    }
}

/// The code to send for the reason of a rule.
///
/// # Errors
/// No reason, one that is no code, or one of ours that the spelling has no word for; in words.
pub fn code(reason: Option<&str>, spelling: Spelling) -> Result<String, String> {
    let Some(reason) = reason.filter(|r| !r.is_empty()) else {
        return Err("a defence needs a reason code, and Prism would pass an empty one on: give the rule's `defend` a \
                    `reason`"
            .to_owned());
    };
    if reason.len() > 128 || !reason.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the reason code has white space or other signs that no code has".to_owned());
    }
    let small = reason.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if spelling == Spelling::Adyen && small {
        return Ok(ADYEN.to_owned());
    }
    let Some(known) = KNOWN.iter().find(|known| known.ours == reason) else { return Ok(reason.to_owned()) };
    let word = match spelling {
        Spelling::Lower => known.rpc.map(str::to_lowercase),
        Spelling::Upper => known.rpc.map(str::to_owned),
        Spelling::Sdk => known.sdk.map(str::to_owned),
        Spelling::Adyen => None,
    };
    word.ok_or_else(|| {
        format!(
            "`{reason}` has no word in the spelling `{}`: write the connector's own code into the rule, or set the \
             account's `reason_codes`",
            spelling.as_str()
        )
    })
}
