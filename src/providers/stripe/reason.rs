//! Why the cardholder disputes: the network's own code first, because Stripe files authorization and
//! processing errors under `general`; Stripe's reason word where the code says no more. Codes that only mean
//! "other" are left to the word. (docs.stripe.com/disputes/categories; network codes as published.)

use crate::dispute::Category;

/// `network` in lower case. An unknown pair is [`Category::Unknown`], never a guess.
pub fn category(network: Option<&str>, code: Option<&str>, reason: &str) -> Category {
    let by_code = match (network, code) {
        (Some(network), Some(code)) => by_network(network, code),
        (None, _) | (_, None) => None,
    };
    match (by_code, by_word(reason)) {
        (Some(category), _) => category,
        (None, Some(Category::General) | None) => match (network, code) {
            // Mastercard's umbrella for every complaint about goods and services.
            (Some("mastercard"), Some("4853")) => Category::ProductUnacceptable,
            _ => by_word(reason).unwrap_or(Category::Unknown),
        },
        (None, Some(category)) => category,
    }
}

fn by_word(reason: &str) -> Option<Category> {
    Some(match reason {
        "bank_cannot_process"
        | "check_returned"
        | "customer_initiated"
        | "debit_not_authorized"
        | "incorrect_account_details"
        | "insufficient_funds" => Category::BankDebit,
        "credit_not_processed" => Category::CreditNotProcessed,
        "duplicate" => Category::Duplicate,
        "fraudulent" => Category::Fraud,
        "general" => Category::General,
        "noncompliant" => Category::Noncompliant,
        "product_not_received" => Category::ProductNotReceived,
        "product_unacceptable" => Category::ProductUnacceptable,
        "subscription_canceled" => Category::SubscriptionCanceled,
        "unrecognized" => Category::Unrecognized,
        _ => return None,
    })
}

fn by_network(network: &str, code: &str) -> Option<Category> {
    match network {
        "visa" => visa(code),
        "mastercard" => mastercard(code),
        "amex" => amex(code),
        "discover" | "diners" => discover(code),
        "klarna" => klarna(code),
        "paypal" => paypal(code),
        "cashapp" => cashapp(code),
        _ => None,
    }
}

fn visa(code: &str) -> Option<Category> {
    Some(match code {
        "10.1" | "10.2" | "10.3" | "10.4" | "10.5" | "33" => Category::Fraud,
        "11.1" | "11.2" | "11.3" => Category::Authorization,
        "12.1" | "12.2" | "12.3" | "12.4" | "12.5" | "12.7" => Category::ProcessingError,
        // 12.6.2 is "paid by other means": two payments for one thing all the same.
        "12.6" | "12.6.1" | "12.6.2" => Category::Duplicate,
        "13.1" | "13.9" => Category::ProductNotReceived,
        "13.2" => Category::SubscriptionCanceled,
        "13.3" | "13.4" | "13.5" => Category::ProductUnacceptable,
        "13.6" | "13.7" => Category::CreditNotProcessed,
        "C028" | "C030" | "C031" | "C034" | "C035" | "C036" | "C038" | "C045" | "C048" | "C050" | "C071"
        | "C081" | "C0135" => Category::Noncompliant,
        _ => return None,
    })
}

fn mastercard(code: &str) -> Option<Category> {
    Some(match code {
        "4837" | "4840" | "4849" | "4870" | "4871" | "6341" => Category::Fraud,
        "4807" | "4808" | "4812" => Category::Authorization,
        "4831" | "4842" | "4846" | "4850" => Category::ProcessingError,
        "4834" => Category::Duplicate,
        "4855" => Category::ProductNotReceived,
        "4841" => Category::SubscriptionCanceled,
        "4860" => Category::CreditNotProcessed,
        "4863" | "6321" => Category::Unrecognized,
        _ => return None,
    })
}

fn amex(code: &str) -> Option<Category> {
    Some(match code {
        "F10" | "F14" | "F24" | "F29" | "F30" | "F31" | "FR2" | "FR4" | "FR5" | "FR6" | "177" | "193" => {
            Category::Fraud
        }
        "A01" | "A02" | "A08" => Category::Authorization,
        "P01" | "P03" | "P04" | "P05" | "P07" | "P22" | "P23" => Category::ProcessingError,
        "C14" | "P08" | "173" | "684" => Category::Duplicate,
        "C08" | "004" | "155" => Category::ProductNotReceived,
        "C31" | "C32" | "024" | "059" | "063" => Category::ProductUnacceptable,
        "C02" | "C04" | "C05" | "C18" | "061" | "062" | "154" | "158" | "170" | "175" | "680" => {
            Category::CreditNotProcessed
        }
        "C28" | "021" => Category::SubscriptionCanceled,
        "127" | "176" | "691" => Category::Unrecognized,
        _ => return None,
    })
}

fn discover(code: &str) -> Option<Category> {
    Some(match code {
        "UA01" | "UA02" | "UA05" | "UA06" | "UA10" | "UA11" => Category::Fraud,
        "4866" | "4867" | "6041" | "7010" | "7030" => Category::Fraud,
        "AT" | "AW" | "DA" | "EX" | "NA" => Category::Authorization,
        "CD" | "IN" | "LP" | "4586" => Category::ProcessingError,
        "DP" | "PM" | "4534" | "4865" => Category::Duplicate,
        "RG" | "NF" | "4755" | "4864" => Category::ProductNotReceived,
        "RM" => Category::ProductUnacceptable,
        "RN2" | "8002" => Category::CreditNotProcessed,
        "AP" | "4541" => Category::SubscriptionCanceled,
        "AA" => Category::Unrecognized,
        _ => return None,
    })
}

fn klarna(code: &str) -> Option<Category> {
    Some(match code {
        "Return" => Category::CreditNotProcessed,
        "Already paid" => Category::Duplicate,
        "Unauthorized purchase" => Category::Fraud,
        "Goods not received" => Category::ProductNotReceived,
        "Faulty goods" => Category::ProductUnacceptable,
        _ => return None,
    })
}

fn paypal(code: &str) -> Option<Category> {
    Some(match code {
        "Credit not processed" => Category::CreditNotProcessed,
        "Duplicate transaction" | "Payment by other means" => Category::Duplicate,
        "Unauthorized" => Category::Fraud,
        "Merchandise or service not received" => Category::ProductNotReceived,
        "Merchandise or service not as described" => Category::ProductUnacceptable,
        "Canceled recurring billing" => Category::SubscriptionCanceled,
        _ => return None,
    })
}

fn cashapp(code: &str) -> Option<Category> {
    Some(match code {
        "FR10" | "FR11" => Category::Unrecognized,
        "PE10" | "PE12" => Category::Duplicate,
        "CD10" | "CD13" => Category::CreditNotProcessed,
        "CD11" => Category::ProductUnacceptable,
        "CD12" => Category::ProductNotReceived,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_code_says_more_than_the_word() {
        let rows = [
            (Some("visa"), Some("12.5"), "general", Category::ProcessingError),
            (Some("visa"), Some("11.2"), "general", Category::Authorization),
            (Some("visa"), Some("10.4"), "fraudulent", Category::Fraud),
            (Some("visa"), Some("13.8"), "general", Category::General),
            (Some("visa"), Some("83"), "fraudulent", Category::Fraud),
            (Some("mastercard"), Some("4853"), "product_not_received", Category::ProductNotReceived),
            (Some("mastercard"), Some("4853"), "general", Category::ProductUnacceptable),
            (Some("mastercard"), Some("4853"), "no_such_word", Category::ProductUnacceptable),
            (Some("amex"), Some("C08"), "general", Category::ProductNotReceived),
            (Some("discover"), Some("UA02"), "unrecognized", Category::Fraud),
            (Some("jcb"), Some("502"), "duplicate", Category::Duplicate),
            (None, Some("10.4"), "general", Category::General),
            (None, None, "insufficient_funds", Category::BankDebit),
            (None, None, "", Category::Unknown),
            (Some("visa"), Some("99.9"), "brand_new_word", Category::Unknown),
        ];
        for (network, code, reason, expected) in rows {
            assert_eq!(category(network, code, reason), expected, "{network:?} {code:?} {reason}");
        }
    }
}
