//! What people and tests may order from the sandbox: a new dispute, a change to one, an extra webhook. The
//! same types serve the Rust handle and the JSON of the control port. Every field that is left out gets a
//! sensible made-up value.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::ProviderKind;

/// Tells `"due_by": null` (the provider says null) from a key that is absent (make one up).
fn said<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::<i64>::deserialize(d).map(Some)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDispute {
    pub provider: ProviderKind,
    /// May be left out where the provider has one account.
    #[serde(default)]
    pub account: Option<String>,
    #[serde(default)]
    pub id: Option<String>,
    /// Minor units.
    #[serde(default)]
    pub amount: Option<i64>,
    #[serde(default)]
    pub currency: Option<String>,
    /// Stripe: `reason`. Razorpay: `reason_code`.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub network: Option<String>,
    #[serde(default)]
    pub network_reason_code: Option<String>,
    /// Stripe: the charge.
    #[serde(default)]
    pub charge: Option<String>,
    /// Stripe: the payment intent. Razorpay: the payment.
    #[serde(default)]
    pub payment: Option<String>,
    /// Unix seconds; Stripe also has 0 and null, which mean that no response is possible.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub due_by: Option<Option<i64>>,
    /// Unix seconds. Absent: now.
    #[serde(default)]
    pub created: Option<i64>,
    /// The provider's word. Absent: the one that asks for a response.
    #[serde(default)]
    pub status: Option<String>,
    /// Stripe: `payment_method_details.card.case_type`.
    #[serde(default)]
    pub case_type: Option<String>,
    /// Razorpay.
    #[serde(default)]
    pub phase: Option<String>,
    /// Stripe: an inquiry (`warning_needs_response`), not a chargeback.
    #[serde(default)]
    pub inquiry: bool,
    /// Stripe: answering costs the network's compliance fee, to be acknowledged in the evidence.
    #[serde(default)]
    pub compliance_fee: bool,
    /// Stripe: the status of Visa Compelling Evidence 3.0 eligibility.
    #[serde(default)]
    pub ce3: Option<String>,
    #[serde(default)]
    pub livemode: bool,
    #[serde(default)]
    pub is_charge_refundable: Option<bool>,
    #[serde(default)]
    pub customer: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Stripe: start from one of the documented test cards' payment methods (`pm_card_createDispute` …).
    #[serde(default)]
    pub test_card: Option<String>,
    /// The provider's status that follows a submission, after `decide_after_s`. Absent: somebody moves it.
    #[serde(default)]
    pub outcome: Option<String>,
    #[serde(default)]
    pub decide_after_s: Option<i64>,
    /// How long after the deadline an unanswered dispute is settled. Stripe then counts a late submission as
    /// past due, Razorpay refuses it.
    #[serde(default)]
    pub lapse_grace_s: i64,
    /// Takes a second submission in one round, where the real provider refuses it: to see double answers.
    #[serde(default)]
    pub resubmittable: bool,
    /// No webhooks about its creation: only polling finds it.
    #[serde(default)]
    pub silent: bool,
    /// What only this provider has, by the names its stand-in knows.
    #[serde(default)]
    pub extra: BTreeMap<String, Value>,
}

impl NewDispute {
    pub fn new(provider: ProviderKind) -> Self {
        Self {
            provider,
            account: None,
            id: None,
            amount: None,
            currency: None,
            reason: None,
            network: None,
            network_reason_code: None,
            charge: None,
            payment: None,
            due_by: None,
            created: None,
            status: None,
            case_type: None,
            phase: None,
            inquiry: false,
            compliance_fee: false,
            ce3: None,
            livemode: false,
            is_charge_refundable: None,
            customer: None,
            email: None,
            metadata: BTreeMap::new(),
            test_card: None,
            outcome: None,
            decide_after_s: None,
            lapse_grace_s: 0,
            resubmittable: false,
            silent: false,
            extra: BTreeMap::new(),
        }
    }

    /// The deadline, cut to whole seconds as the providers keep it.
    pub fn respond_by(mut self, at: DateTime<Utc>) -> Self {
        self.due_by = Some(Some(at.timestamp()));
        self
    }

    /// What follows a submission, and how long after it.
    pub fn then(mut self, outcome: &str, decide_after_s: i64) -> Self {
        self.outcome = Some(outcome.to_owned());
        self.decide_after_s = Some(decide_after_s);
        self
    }
}

/// What happens to a dispute at the provider's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// To any word of the provider, with the webhooks that go with it.
    Status {
        status: String,
    },
    Won {
        /// Razorpay: what was kept in a partly contested dispute, minor units.
        #[serde(default)]
        amount_deducted: i64,
    },
    Lost,
    /// Stripe: the inquiry becomes a chargeback. Razorpay: the payment gets a new dispute of the next phase.
    /// Answers with the dispute that is open afterwards.
    Escalate {
        #[serde(default)]
        due_by: Option<i64>,
        /// Razorpay: absent means the phase that follows.
        #[serde(default)]
        phase: Option<String>,
    },
    /// Razorpay: asks for more evidence, by a new deadline or the one it had.
    ActionRequired {
        #[serde(default)]
        due_by: Option<i64>,
    },
    /// Stripe: refunded by a prevention programme before it became a chargeback.
    Prevented,
    /// Stripe: an appeal may be filed after a loss.
    AppealOffered {
        #[serde(default)]
        due_by: Option<i64>,
    },
    /// A new deadline; null for none (Stripe). Razorpay tells nobody.
    Deadline {
        due_by: Option<i64>,
    },
    /// Somebody submitted in the provider's dashboard.
    SubmittedElsewhere,
    /// Somebody accepted in the provider's dashboard.
    AcceptedElsewhere,
    /// The payment was refunded in full.
    Refunded,
    /// What only this provider has, by the name its stand-in knows.
    Special {
        name: String,
        #[serde(default)]
        extra: BTreeMap<String, Value>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewWarning {
    /// Absent: the first that there is.
    #[serde(default = "first")]
    pub provider: ProviderKind,
    #[serde(default)]
    pub account: Option<String>,
    #[serde(default)]
    pub charge: Option<String>,
    #[serde(default)]
    pub payment: Option<String>,
    #[serde(default)]
    pub fraud_type: Option<String>,
    #[serde(default)]
    pub actionable: Option<bool>,
    #[serde(default)]
    pub livemode: bool,
}

fn first() -> ProviderKind {
    ProviderKind::ALL[0]
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    #[default]
    Valid,
    /// Right shape, wrong key.
    Forged,
    /// No signature header at all.
    Missing,
}

/// A webhook that no dispute caused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraWebhook {
    pub provider: ProviderKind,
    #[serde(default)]
    pub account: Option<String>,
    /// The exact body. Absent: a well-formed event of `event_type`.
    #[serde(default)]
    pub body: Option<String>,
    /// Absent with no body: a type that nobody knows.
    #[serde(default)]
    pub event_type: Option<String>,
    /// The dispute that the made-up event carries. Absent: an object of a made-up kind.
    #[serde(default)]
    pub dispute: Option<String>,
    #[serde(default)]
    pub event_ref: Option<String>,
    #[serde(default)]
    pub signing: Signing,
    /// Added to the signature's time (Stripe): -301 is too old.
    #[serde(default)]
    pub timestamp_offset_s: i64,
    /// Whether a refusal is followed by the provider's usual repeats.
    #[serde(default)]
    pub retried: bool,
}

impl ExtraWebhook {
    /// A well-formed, well-signed event of a type that nobody knows.
    pub fn new(provider: ProviderKind) -> Self {
        Self {
            provider,
            account: None,
            body: None,
            event_type: None,
            dispute: None,
            event_ref: None,
            signing: Signing::Valid,
            timestamp_offset_s: 0,
            retried: false,
        }
    }
}
