//! The shapes of Stripe's JSON, as far as they are needed, borrowed from the body. Every scalar is read as
//! whatever it is, so that a wrong type is reported by its field's name and an unneeded field costs nothing.
//! Holds no judgement: what a word means is for `event`.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::providers::json::object;

/// Any JSON value; what is inside of lists and objects is skipped.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Loose<'a> {
    #[default]
    Absent,
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer.
    Number,
    Text(Cow<'a, str>),
    Nested,
}

impl Loose<'_> {
    pub fn text(&self) -> Option<&str> {
        if let Loose::Text(text) = self { Some(text) } else { None }
    }

    pub fn int(&self) -> Option<i64> {
        if let Loose::Int(n) = self { Some(*n) } else { None }
    }

    /// Absent or null: it says nothing.
    pub fn is_silent(&self) -> bool {
        matches!(self, Loose::Absent | Loose::Null)
    }

    /// What it is, for a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Loose::Absent => "missing",
            Loose::Null => "null",
            Loose::Bool(_) => "true or false",
            Loose::Int(_) => "a number",
            Loose::Number => "a number that is not a whole one within 64 bits",
            Loose::Text(_) => "text",
            Loose::Nested => "a list or an object",
        }
    }
}

/// An object that Stripe gives as its id, or expanded in full.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reference<'a> {
    pub id: Loose<'a>,
    /// Of an expanded charge.
    pub refunded: Loose<'a>,
    pub customer: Loose<'a>,
}

/// Webhook body: a snapshot event (`event`) or a thin one (`v2.core.event`).
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow, default)]
    pub object: Loose<'a>,
    #[serde(borrow, default, rename = "type")]
    pub kind: Loose<'a>,
    #[serde(borrow, default)]
    pub created: Loose<'a>,
    #[serde(borrow, default)]
    pub livemode: Loose<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub data: Option<EnvelopeData<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub related_object: Option<RelatedObject<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct EnvelopeData<'a> {
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct RelatedObject<'a> {
    #[serde(borrow, default)]
    pub id: Loose<'a>,
}

#[derive(Debug, Deserialize)]
pub struct WireDispute<'a> {
    #[serde(borrow, default)]
    pub object: Loose<'a>,
    #[serde(borrow, default)]
    pub id: Loose<'a>,
    #[serde(borrow, default)]
    pub amount: Loose<'a>,
    #[serde(borrow, default)]
    pub currency: Loose<'a>,
    #[serde(borrow, default)]
    pub status: Loose<'a>,
    #[serde(borrow, default)]
    pub reason: Loose<'a>,
    #[serde(borrow, default)]
    pub created: Loose<'a>,
    #[serde(borrow, default)]
    pub livemode: Loose<'a>,
    #[serde(borrow, default)]
    pub charge: Reference<'a>,
    #[serde(borrow, default)]
    pub payment_intent: Reference<'a>,
    /// Top level since API 2026-10-28; in the card's details before.
    #[serde(borrow, default)]
    pub network_reason_code: Loose<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub evidence_details: Option<EvidenceDetails<'a>>,
    /// In the place of `evidence_details` in the oldest API versions.
    #[serde(borrow, default)]
    pub evidence_due_by: Loose<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub payment_method_details: Option<PaymentMethodDetails<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub struct EvidenceDetails<'a> {
    #[serde(borrow, default)]
    pub due_by: Loose<'a>,
    #[serde(borrow, default)]
    pub has_evidence: Loose<'a>,
    #[serde(borrow, default)]
    pub past_due: Loose<'a>,
    #[serde(borrow, default)]
    pub submission_count: Loose<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub enhanced_eligibility: Option<EnhancedEligibility<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub struct EnhancedEligibility<'a> {
    #[serde(borrow, default, deserialize_with = "object")]
    pub visa_compliance: Option<Eligibility<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub mastercard_compliance: Option<Eligibility<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Eligibility<'a> {
    #[serde(borrow, default)]
    pub status: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub struct PaymentMethodDetails<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Loose<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub card: Option<Card<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub klarna: Option<OtherMethod<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub paypal: Option<OtherMethod<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Card<'a> {
    #[serde(borrow, default)]
    pub brand: Loose<'a>,
    #[serde(borrow, default)]
    pub network: Loose<'a>,
    #[serde(borrow, default)]
    pub case_type: Loose<'a>,
    #[serde(borrow, default)]
    pub network_reason_code: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub struct OtherMethod<'a> {
    #[serde(borrow, default)]
    pub reason_code: Loose<'a>,
}

#[derive(Debug, Deserialize)]
pub struct WireWarning<'a> {
    #[serde(borrow, default)]
    pub id: Loose<'a>,
    #[serde(borrow, default)]
    pub actionable: Loose<'a>,
    #[serde(borrow, default)]
    pub charge: Reference<'a>,
    #[serde(borrow, default)]
    pub payment_intent: Reference<'a>,
    #[serde(borrow, default)]
    pub fraud_type: Loose<'a>,
    #[serde(borrow, default)]
    pub livemode: Loose<'a>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct WireList<'a> {
    #[serde(borrow)]
    pub data: Vec<&'a RawValue>,
    #[serde(default)]
    pub has_more: bool,
}

/// Any object, for telling which one it is; a file, for its end.
#[derive(Debug, Deserialize)]
pub struct WireObject<'a> {
    #[serde(borrow, default)]
    pub id: Loose<'a>,
    #[serde(borrow, default)]
    pub expires_at: Loose<'a>,
}

#[derive(Debug, Deserialize)]
pub struct WireErrorBody<'a> {
    #[serde(borrow)]
    pub error: WireError<'a>,
}

#[derive(Debug, Deserialize)]
pub struct WireError<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Loose<'a>,
    #[serde(borrow, default)]
    pub code: Loose<'a>,
    #[serde(borrow, default)]
    pub message: Loose<'a>,
    #[serde(borrow, default)]
    pub param: Loose<'a>,
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Loose::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Loose::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Loose::Number, Loose::Int))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose::Number)
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Nested)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Nested)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(LooseVisitor)
    }
}

#[derive(Deserialize)]
struct Expanded<'a> {
    #[serde(borrow, default)]
    id: Loose<'a>,
    #[serde(borrow, default)]
    refunded: Loose<'a>,
    #[serde(borrow, default)]
    customer: Loose<'a>,
}

struct ReferenceVisitor;

impl<'de> Visitor<'de> for ReferenceVisitor {
    type Value = Reference<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, an object with an id, or null")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Reference { id: Loose::Null, ..Reference::default() })
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Reference { id: Loose::Text(Cow::Borrowed(value)), ..Reference::default() })
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Reference { id: Loose::Text(Cow::Owned(value.to_owned())), ..Reference::default() })
    }
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        let object = serde::de::value::MapAccessDeserializer::new(entries);
        let Expanded { id, refunded, customer } = Expanded::deserialize(object)?;
        Ok(Reference { id, refunded, customer })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Reference<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ReferenceVisitor)
    }
}
