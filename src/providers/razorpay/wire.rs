//! The shapes of Razorpay's JSON, private to this folder. What a value means for a dispute is decided in `event`.
//! Sources: razorpay/markdown-docs, `webhooks/disputes.md` and `api/disputes/`; where its samples differ from its
//! tables, both are taken.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::providers::json::{needed_object, object, object_or_empty_list};

#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    pub entity: Option<String>,
    pub event: Option<String>,
    pub created_at: Option<i64>,
    /// Read only once the event's name says what is in it.
    #[serde(borrow)]
    pub payload: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct Payload {
    #[serde(deserialize_with = "needed_object")]
    pub dispute: DisputePayload,
    #[serde(default, deserialize_with = "object")]
    pub payment: Option<PaymentPayload>,
}

#[derive(Debug, Deserialize)]
pub struct DisputePayload {
    #[serde(deserialize_with = "needed_object")]
    pub entity: Dispute,
    /// `payment.dispute.action_required` has the evidence here, beside the entity it belongs to.
    #[serde(default, deserialize_with = "object_or_empty_list")]
    pub evidence: Option<Evidence>,
}

#[derive(Debug, Deserialize)]
pub struct PaymentPayload {
    #[serde(deserialize_with = "needed_object")]
    pub entity: Payment,
}

/// The fields of interest; `notes` (a list when empty, else a map) is not among them.
#[derive(Debug, Deserialize)]
pub struct Payment {
    pub id: String,
    pub method: Option<String>,
    pub refund_status: Option<String>,
    pub email: Option<String>,
    pub contact: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Dispute {
    pub entity: Option<String>,
    pub id: String,
    pub payment_id: String,
    pub amount: i64,
    pub currency: String,
    pub reason_code: Option<String>,
    pub respond_by: Option<i64>,
    pub status: String,
    pub phase: String,
    pub created_at: i64,
    #[serde(default, deserialize_with = "object_or_empty_list")]
    pub evidence: Option<Evidence>,
    #[serde(default, deserialize_with = "object")]
    pub reason: Option<Reason>,
}

#[derive(Debug, Deserialize)]
pub struct Reason {
    pub network: Option<String>,
    pub code: Option<String>,
}

type List = Option<Vec<IgnoredAny>>;

/// Only whether there is something matters; its `amount` may differ from the dispute's (a part is contested).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Evidence {
    pub summary: Option<String>,
    pub submitted_at: Option<i64>,
    shipping_proof: List,
    billing_proof: List,
    cancellation_proof: List,
    customer_communication: List,
    proof_of_service: List,
    explanation_letter: List,
    refund_confirmation: List,
    access_activity_log: List,
    refund_cancellation_policy: List,
    term_and_conditions: List,
    /// The expanded record spells it so.
    terms_and_conditions: List,
    others: List,
}

impl Evidence {
    pub fn is_blank(&self) -> bool {
        let lists = [
            &self.shipping_proof,
            &self.billing_proof,
            &self.cancellation_proof,
            &self.customer_communication,
            &self.proof_of_service,
            &self.explanation_letter,
            &self.refund_confirmation,
            &self.access_activity_log,
            &self.refund_cancellation_policy,
            &self.term_and_conditions,
            &self.terms_and_conditions,
            &self.others,
        ];
        let documents = lists.into_iter().flatten().any(|list| !list.is_empty());
        !documents && self.summary.as_deref().is_none_or(|s| s.trim().is_empty())
    }
}

/// A record by the API: the dispute itself, or wrapped as `{status_code, success, data}`.
#[derive(Debug, Deserialize)]
pub struct Wrapper<'a> {
    pub success: Option<bool>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    id: Option<IgnoredAny>,
}

impl Wrapper<'_> {
    pub fn is_flat(&self) -> bool {
        self.id.is_some()
    }
}

#[derive(Debug, Deserialize)]
pub struct Collection<'a> {
    #[serde(borrow)]
    pub items: Vec<&'a RawValue>,
}

/// Enough of an item of a [`Collection`] to page by.
#[derive(Debug, Deserialize)]
pub struct Listed {
    pub id: Option<String>,
    pub created_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub struct Document {
    pub id: String,
}

/// The first error shape, and the one of the expand parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub error: Option<FailureDetail>,
    pub errors: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FailureDetail {
    pub code: Option<String>,
    pub description: Option<String>,
    pub field: Option<String>,
}
