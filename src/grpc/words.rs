//! The closed sets of words, ours and the documents', each way and without a default: statuses, stages, kinds of
//! evidence, currencies. Pure.

use super::proto::types::{Currency, DisputeStage, DisputeStatus, EvidenceType};
use crate::dispute::{Stage, Status};
use crate::evidence::Field;

/// What the documents call our status. They have no word for a matter that ended without a dispute (an inquiry that
/// was closed, a chargeback that was prevented): the nearest is that it was cancelled, and the provider's own word
/// stands beside it.
pub(super) const fn status(status: Status) -> DisputeStatus {
    match status {
        Status::NeedsResponse => DisputeStatus::Opened,
        Status::UnderReview => DisputeStatus::Challenged,
        Status::Won => DisputeStatus::Won,
        Status::Lost => DisputeStatus::Lost,
        Status::Accepted => DisputeStatus::Accepted,
        Status::Expired => DisputeStatus::Expired,
        Status::Cancelled | Status::Prevented | Status::Closed => DisputeStatus::Cancelled,
    }
}

/// The documents know three stages: before money moves, while it does, and after the first answer was not enough.
pub(super) const fn stage(stage: Stage) -> DisputeStage {
    match stage {
        Stage::FraudNotice | Stage::Inquiry => DisputeStage::PreDispute,
        Stage::Chargeback => DisputeStage::ActiveDispute,
        Stage::PreArbitration | Stage::Arbitration | Stage::Compliance => DisputeStage::PreArbitration,
    }
}

/// The field for a file of that kind.
pub(super) const fn file_field(kind: EvidenceType) -> Option<Field> {
    match kind {
        EvidenceType::Unspecified => None,
        EvidenceType::CancellationPolicy => Some(Field::CancellationPolicy),
        EvidenceType::CustomerCommunication => Some(Field::CustomerCommunication),
        EvidenceType::CustomerSignature => Some(Field::CustomerSignature),
        EvidenceType::Receipt => Some(Field::Receipt),
        EvidenceType::RefundPolicy => Some(Field::RefundPolicy),
        EvidenceType::ServiceDocumentation => Some(Field::ServiceDocumentation),
        EvidenceType::ShippingDocumentation => Some(Field::ShippingDocumentation),
        EvidenceType::InvoiceShowingDistinctTransactions => Some(Field::DuplicateChargeDocumentation),
        // What the customer agreed to.
        EvidenceType::RecurringTransactionAgreement => Some(Field::TermsAndConditions),
        EvidenceType::UncategorizedFile => Some(Field::UncategorizedFile),
    }
}

/// The field for words of that kind, where there is one.
pub(super) const fn text_field(kind: EvidenceType) -> Option<Field> {
    match kind {
        EvidenceType::CancellationPolicy => Some(Field::CancellationPolicyDisclosure),
        EvidenceType::RefundPolicy => Some(Field::RefundPolicyDisclosure),
        EvidenceType::InvoiceShowingDistinctTransactions => Some(Field::DuplicateChargeExplanation),
        EvidenceType::UncategorizedFile => Some(Field::UncategorizedText),
        EvidenceType::Unspecified
        | EvidenceType::CustomerCommunication
        | EvidenceType::CustomerSignature
        | EvidenceType::Receipt
        | EvidenceType::ServiceDocumentation
        | EvidenceType::ShippingDocumentation
        | EvidenceType::RecurringTransactionAgreement => None,
    }
}

/// What kind the documents have for a field: they have few, and everything else is uncategorized.
pub(super) fn kind(field: Field) -> EvidenceType {
    let of = |kind: &EvidenceType| file_field(*kind) == Some(field) || text_field(*kind) == Some(field);
    kinds().find(of).unwrap_or(EvidenceType::UncategorizedFile)
}

pub(super) fn kinds() -> impl Iterator<Item = EvidenceType> {
    (1..=10).filter_map(|number| EvidenceType::try_from(number).ok())
}

/// The numbers that are known of Prism's own list. Other amounts are told in words.
pub(super) fn currency(code: &str) -> Option<Currency> {
    Currency::from_str_name(code).filter(|currency| *currency != Currency::Unspecified)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::evidence::FieldKind;

    #[test]
    fn every_word_of_ours_has_one_of_theirs_and_what_is_settled_stays_settled() {
        for ours in Status::ALL {
            let theirs = status(*ours);
            assert_ne!(theirs, DisputeStatus::Unspecified, "{ours}");
            let open = matches!(theirs, DisputeStatus::Opened | DisputeStatus::Challenged);
            assert_eq!(open, !ours.is_terminal(), "{ours}");
        }
        for ours in Stage::ALL {
            assert_ne!(stage(*ours), DisputeStage::Unspecified, "{ours}");
        }
        for number in 1..=7 {
            let theirs = DisputeStatus::try_from(number).unwrap();
            assert!(Status::ALL.iter().any(|ours| status(*ours) == theirs), "{theirs:?} is never told");
        }
        assert!(DisputeStatus::try_from(8).is_err(), "a word that has no line here");
    }

    #[test]
    fn every_kind_of_evidence_has_its_own_field_and_is_told_by_it() {
        let mut seen = BTreeSet::new();
        for number in 1..=10 {
            let named = EvidenceType::try_from(number).unwrap();
            let field = file_field(named).unwrap();
            assert!(field.kind() == FieldKind::File && seen.insert(field), "{named:?}");
            assert_eq!(kind(field), named);
            if let Some(text) = text_field(named) {
                assert!(text.kind() == FieldKind::Text && seen.insert(text), "{named:?}");
                assert_eq!(kind(text), named);
            }
        }
        assert!(EvidenceType::try_from(11).is_err(), "a kind that has no line here");
        assert_eq!(file_field(EvidenceType::Unspecified), None);
        assert_eq!(kind(Field::Summary), EvidenceType::UncategorizedFile);
    }

    #[test]
    fn amounts_are_told_in_currencies_whose_numbers_are_known() {
        assert_eq!(currency("EUR"), Some(Currency::Eur));
        assert_eq!((currency("JPY"), currency("TRY")), (Some(Currency::Jpy), Some(Currency::Try)));
        assert_eq!((currency("MXV"), currency("CURRENCY_UNSPECIFIED")), (None, None));
    }
}
