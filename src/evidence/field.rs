//! The catalogue of evidence fields. A provider that has no place for a field says so in its lint.
//! What a field is called on the wire is for that provider to know.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dispute::{UnknownWord, words};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Words.
    Text,
    /// Provider ids of uploaded files.
    File,
}

words!(
    /// One kind of evidence.
    Field, "evidence field", {
        AccessActivityLog = "access_activity_log",
        BillingAddress = "billing_address",
        CancellationPolicyDisclosure = "cancellation_policy_disclosure",
        CancellationRebuttal = "cancellation_rebuttal",
        CustomerEmailAddress = "customer_email_address",
        CustomerName = "customer_name",
        CustomerPurchaseIp = "customer_purchase_ip",
        DuplicateChargeExplanation = "duplicate_charge_explanation",
        DuplicateChargeId = "duplicate_charge_id",
        ProductDescription = "product_description",
        RefundPolicyDisclosure = "refund_policy_disclosure",
        RefundRefusalExplanation = "refund_refusal_explanation",
        ServiceDate = "service_date",
        ShippingAddress = "shipping_address",
        ShippingCarrier = "shipping_carrier",
        ShippingDate = "shipping_date",
        ShippingTrackingNumber = "shipping_tracking_number",
        /// The argument itself: why the claim does not hold.
        Summary = "summary",
        UncategorizedText = "uncategorized_text",

        AccessActivityDocumentation = "access_activity_documentation",
        CancellationDocumentation = "cancellation_documentation",
        CancellationPolicy = "cancellation_policy",
        CustomerCommunication = "customer_communication",
        CustomerSignature = "customer_signature",
        DuplicateChargeDocumentation = "duplicate_charge_documentation",
        ExplanationLetter = "explanation_letter",
        Receipt = "receipt",
        RefundDocumentation = "refund_documentation",
        RefundPolicy = "refund_policy",
        ServiceDocumentation = "service_documentation",
        ShippingDocumentation = "shipping_documentation",
        TermsAndConditions = "terms_and_conditions",
        UncategorizedFile = "uncategorized_file",
    }
);

impl Field {
    pub const fn kind(self) -> FieldKind {
        if (self as u8) < (Field::AccessActivityDocumentation as u8) {
            FieldKind::Text
        } else {
            FieldKind::File
        }
    }
}
