//! What the networks' own reason codes mean, for providers that pass a code on instead of a reason. Pure
//! tables: FIELD 2.4, docs.stripe.com/disputes/categories, and Razorpay's "Submit Evidence" page for UPI and
//! RuPay. A code that is not listed, or that two networks use differently, is not guessed.

use super::Category;

use Category::{
    Authorization, CreditNotProcessed, Duplicate, Fraud, General, Noncompliant, ProcessingError,
    ProductNotReceived, ProductUnacceptable, SubscriptionCanceled, Unrecognized,
};

type Codes = &'static [(Category, &'static [&'static str])];

const NETWORKS: &[(&str, Codes)] = &[
    ("visa", VISA),
    ("mastercard", MASTERCARD),
    ("amex", AMEX),
    ("discover", DISCOVER),
    ("rupay", RUPAY),
    ("upi", UPI),
];

const VISA: Codes = &[
    (Fraud, &["10.1", "10.2", "10.3", "10.4", "10.5"]),
    (Authorization, &["11.1", "11.2", "11.3"]),
    (ProcessingError, &["12.1", "12.2", "12.3", "12.4", "12.5", "12.7"]),
    // Paid by other means is paid twice.
    (Duplicate, &["12.6", "12.6.1", "12.6.2"]),
    (ProductNotReceived, &["13.1", "13.9"]),
    (SubscriptionCanceled, &["13.2"]),
    (ProductUnacceptable, &["13.3", "13.4", "13.5"]),
    (CreditNotProcessed, &["13.6", "13.7"]),
    (General, &["13.8"]),
    (
        Noncompliant,
        &[
            "C028", "C030", "C031", "C034", "C035", "C036", "C038", "C045", "C048", "C050", "C071", "C081",
            "C0135",
        ],
    ),
];

const MASTERCARD: Codes = &[
    (Fraud, &["4837", "4840", "4849", "4870", "4871"]),
    (Unrecognized, &["4863"]),
    (Authorization, &["4807", "4808", "4812"]),
    (ProcessingError, &["4831", "4842", "4846", "4850"]),
    (Duplicate, &["4834"]),
    (SubscriptionCanceled, &["4841"]),
    // 4853 is an umbrella (not received, defective, misrepresented, cancelled) and does not say which.
    (General, &["4853", "4854", "4859"]),
    (ProductNotReceived, &["4855"]),
    (CreditNotProcessed, &["4860"]),
];

const AMEX: Codes = &[
    (Authorization, &["A01", "A02", "A03", "A08"]),
    (CreditNotProcessed, &["C02", "C04", "C05", "C18", "175"]),
    (ProductNotReceived, &["C08", "155"]),
    (Duplicate, &["C14", "P08", "173", "684"]),
    (SubscriptionCanceled, &["C28"]),
    (ProductUnacceptable, &["C31", "C32"]),
    (Fraud, &["F10", "F14", "F24", "F29", "F30", "F31", "FR2", "FR4", "FR6", "177", "193"]),
    (ProcessingError, &["P01", "P03", "P04", "P05", "P07", "P22", "P23"]),
    (Unrecognized, &["127"]),
    (General, &["M01", "M10", "M38", "M49", "R03", "R13", "S01"]),
];

const DISCOVER: Codes = &[
    (Fraud, &["UA01", "UA02", "UA05", "UA06", "UA10", "UA11", "4866", "4867", "7010", "7030"]),
    (Unrecognized, &["AA"]),
    (Authorization, &["AT", "AW", "DA", "EX", "NA"]),
    (SubscriptionCanceled, &["AP", "4541"]),
    (ProcessingError, &["CD", "IN", "LP", "4586"]),
    (Duplicate, &["DP", "PM", "4534", "4865"]),
    (ProductNotReceived, &["RG", "NF", "4755", "4864"]),
    (ProductUnacceptable, &["RM"]),
    (CreditNotProcessed, &["RN2", "8002"]),
    (General, &["4542", "4550", "4553", "4752", "4753", "4762", "4863"]),
];

const RUPAY: Codes = &[
    (CreditNotProcessed, &["1061"]),
    (ProductUnacceptable, &["1062"]),
    // Paid by other means is paid twice.
    (Duplicate, &["1063", "1084"]),
    (ProductNotReceived, &["1064"]),
    (ProcessingError, &["1065", "1081", "1082", "1083"]),
    (General, &["1101", "1102", "1103"]),
    (Unrecognized, &["1104"]),
    (Authorization, &["1121", "1122", "1123"]),
    (Fraud, &["1141", "1142", "1143"]),
];

const UPI: Codes = &[
    (CreditNotProcessed, &["1061"]),
    (ProductUnacceptable, &["1062"]),
    (Duplicate, &["1063", "1084"]),
    (ProductNotReceived, &["1064"]),
    // Debited and not credited, or debited though the payment failed.
    (ProcessingError, &["108", "121", "1065", "1081", "1085"]),
    (Fraud, &["128"]),
];

/// The network's usual name in this engine, whatever a provider calls it.
pub fn canonical_network(word: &str) -> Option<&'static str> {
    match word.trim().to_ascii_lowercase().replace(['_', '-'], " ").as_str() {
        "visa" => Some("visa"),
        "mastercard" | "master card" | "mc" | "maestro" => Some("mastercard"),
        "amex" | "american express" => Some("amex"),
        "discover" | "diners" | "diners club" => Some("discover"),
        "rupay" => Some("rupay"),
        "upi" => Some("upi"),
        _ => None,
    }
}

/// What `code` means on `network` (a [`canonical_network`] name). Without a network: what it means wherever
/// it is used, when all networks agree.
pub fn category(network: Option<&str>, code: &str) -> Option<Category> {
    let mut meanings = meanings(code).filter(|(on, _)| network.is_none_or(|wanted| wanted == *on));
    let (_, first) = meanings.next()?;
    meanings.all(|(_, other)| other == first).then_some(first)
}

/// The one network that uses `code`; none when several or no network does.
pub fn network_of(code: &str) -> Option<&'static str> {
    let mut meanings = meanings(code);
    let (network, _) = meanings.next()?;
    meanings.next().is_none().then_some(network)
}

fn meanings(code: &str) -> impl Iterator<Item = (&'static str, Category)> {
    let code = code.trim();
    NETWORKS.iter().filter_map(move |(network, codes)| {
        let listed = |group: &[&str]| group.iter().any(|known| known.eq_ignore_ascii_case(code));
        let (category, _) = codes.iter().find(|(_, group)| listed(group))?;
        Some((*network, *category))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_their_network_says() {
        let rows = [
            (Some("visa"), "10.4", Some(Fraud)),
            (Some("visa"), "12.6.2", Some(Duplicate)),
            (Some("mastercard"), "4853", Some(General)),
            (Some("amex"), "c08", Some(ProductNotReceived)),
            (Some("discover"), " RN2 ", Some(CreditNotProcessed)),
            (Some("rupay"), "1104", Some(Unrecognized)),
            (Some("upi"), "128", Some(Fraud)),
            (Some("upi"), "10.4", None),
            (Some("jcb"), "10.4", None),
            (None, "10.4", Some(Fraud)),
            (None, "1064", Some(ProductNotReceived)),
            (None, "C028", Some(Noncompliant)),
            (None, "C28", Some(SubscriptionCanceled)),
            (None, "", None),
            (None, "10", None),
            (None, "10.40", None),
        ];
        for (network, code, wanted) in rows {
            assert_eq!(category(network, code), wanted, "{network:?} {code:?}");
        }
    }

    #[test]
    fn a_code_that_networks_use_differently_is_not_guessed() {
        assert_eq!(category(None, "4863"), None);
        assert_eq!(category(Some("mastercard"), "4863"), Some(Unrecognized));
        assert_eq!(category(Some("discover"), "4863"), Some(General));
    }

    #[test]
    fn a_network_is_inferred_only_when_it_is_the_only_one() {
        assert_eq!(network_of("13.1"), Some("visa"));
        assert_eq!(network_of("1064"), None, "UPI and RuPay share it");
        assert_eq!(network_of("1142"), Some("rupay"));
        assert_eq!(network_of("4863"), None);
        assert_eq!(network_of("RZP01"), None);
    }

    #[test]
    fn no_network_lists_a_code_twice() {
        for (network, codes) in NETWORKS {
            let mut all: Vec<&str> = codes.iter().flat_map(|(_, group)| group.iter().copied()).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count, "{network}");
        }
    }

    #[test]
    fn networks_have_one_name() {
        for (word, wanted) in [
            ("Visa", Some("visa")),
            ("MasterCard", Some("mastercard")),
            ("American_Express", Some("amex")),
            ("Diners Club", Some("discover")),
            ("RuPay", Some("rupay")),
            ("Bajaj", None),
        ] {
            assert_eq!(canonical_network(word), wanted, "{word}");
        }
    }
}
