//! Fields as other documents spell them, for people who bring evidence in the words that they know: ours, which are
//! Stripe's as well, and Razorpay's contest keys (razorpay/markdown-docs, `api/disputes/contest.md`). Pure.

use super::{Field, FieldKind};

/// Words of other documents, and the fields that they mean.
pub const OTHER_SPELLINGS: &[(&str, Field)] = &[
    ("shipping_proof", Field::ShippingDocumentation),
    ("billing_proof", Field::Receipt),
    ("cancellation_proof", Field::CancellationDocumentation),
    ("proof_of_service", Field::ServiceDocumentation),
    ("refund_confirmation", Field::RefundDocumentation),
    ("access_activity_log", Field::AccessActivityDocumentation),
    ("refund_cancellation_policy", Field::RefundPolicy),
    ("term_and_conditions", Field::TermsAndConditions),
];

/// The field that the word means for what is given: files or words. `access_activity_log` is words for one
/// provider and a list of documents for another, and nothing but the value says which.
pub fn spelled(word: &str, kind: FieldKind) -> Option<Field> {
    let other = OTHER_SPELLINGS.iter().find(|(other, _)| *other == word).map(|(_, field)| *field);
    let own = word.parse::<Field>().ok();
    own.into_iter().chain(other).find(|field| field.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_ours_is_spelled_as_it_is_and_no_other_spelling_hides_one() {
        for field in Field::ALL {
            assert_eq!(spelled(field.as_str(), field.kind()), Some(*field));
        }
    }

    #[test]
    fn other_spellings_mean_one_field_each_and_the_value_decides_where_one_word_means_two() {
        assert_eq!(spelled("shipping_proof", FieldKind::File), Some(Field::ShippingDocumentation));
        assert_eq!(spelled("shipping_proof", FieldKind::Text), None);
        assert_eq!(spelled("access_activity_log", FieldKind::Text), Some(Field::AccessActivityLog));
        assert_eq!(spelled("access_activity_log", FieldKind::File), Some(Field::AccessActivityDocumentation));
        assert_eq!(spelled("receipt", FieldKind::Text), None);
        assert_eq!(spelled("receit", FieldKind::File), None);
    }
}
