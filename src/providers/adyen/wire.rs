//! The shapes of Adyen's JSON, private to this folder, and the plain checks on single values. What a value
//! means for a dispute is decided in `event`. Sources: Adyen's OpenAPI `Webhooks-v1` and `DisputeService-v30`.
//! Its own samples break its own schemas, so unknown fields are passed over and only what is needed must be there.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::providers::json::{needed_object, object};
use crate::providers::shared::plausible::possible;

/// A webhook: items of the same endpoint, each signed for itself.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(default, deserialize_with = "text")]
    pub live: Option<String>,
    /// Read one by one: what is wrong with one says nothing of the others.
    #[serde(rename = "notificationItems", borrow)]
    pub items: Option<Vec<&'a RawValue>>,
    /// Not Adyen's: what `verify` took out before the body was kept.
    #[serde(rename = "respondby.setAside", default)]
    pub set_aside: Vec<Told>,
}

#[derive(Debug, Deserialize)]
pub struct Told {
    pub why: String,
}

/// The same as it is kept when some of its items may not be believed.
#[derive(Debug, Serialize)]
pub struct Sorted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<&'a str>,
    #[serde(rename = "notificationItems")]
    pub items: Vec<&'a RawValue>,
    #[serde(rename = "respondby.setAside")]
    pub set_aside: Vec<SetAside<'a>>,
}

#[derive(Debug, Serialize)]
pub struct SetAside<'a> {
    pub why: String,
    pub item: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub struct Wrapper {
    #[serde(rename = "NotificationRequestItem", deserialize_with = "needed_object")]
    pub item: Item,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    #[serde(deserialize_with = "text")]
    pub psp_reference: Option<String>,
    #[serde(deserialize_with = "text")]
    pub original_reference: Option<String>,
    #[serde(deserialize_with = "text")]
    pub merchant_account_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub merchant_reference: Option<String>,
    #[serde(deserialize_with = "object")]
    pub amount: Option<Amount>,
    #[serde(deserialize_with = "text")]
    pub event_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub event_date: Option<String>,
    #[serde(deserialize_with = "text")]
    pub success: Option<String>,
    #[serde(deserialize_with = "text")]
    pub reason: Option<String>,
    #[serde(deserialize_with = "text")]
    pub payment_method: Option<String>,
    #[serde(deserialize_with = "object")]
    pub additional_data: Option<Additional>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Amount {
    pub value: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub currency: Option<String>,
}

/// Flat keys with text values. Nothing in it is signed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Additional {
    #[serde(deserialize_with = "text")]
    pub hmac_signature: Option<String>,
    /// As it stands: it gives the status, and what is no text is no word that is known.
    #[serde(deserialize_with = "as_it_stands")]
    pub dispute_status: Option<String>,
    #[serde(deserialize_with = "text")]
    pub defendable: Option<String>,
    #[serde(deserialize_with = "text")]
    pub auto_defended: Option<String>,
    #[serde(deserialize_with = "text")]
    pub defense_period_ends_at: Option<String>,
    #[serde(deserialize_with = "text")]
    pub chargeback_reason_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub chargeback_scheme_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub rfi_reason_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub rfi_scheme_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub nof_reason_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub shopper_reference: Option<String>,
}

/// What every call is answered with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    #[serde(deserialize_with = "needed_object")]
    pub dispute_service_result: Done,
    #[serde(default)]
    pub defense_reasons: Vec<DefenseReason>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    pub success: bool,
    pub error_message: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefenseReason {
    pub defense_reason_code: String,
    #[serde(default)]
    pub defense_document_types: Vec<DocumentType>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentType {
    pub defense_document_type_code: String,
    pub requirement_level: String,
    #[serde(default)]
    pub available: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceError {
    #[serde(deserialize_with = "text")]
    pub error_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub message: Option<String>,
    #[serde(deserialize_with = "text")]
    pub error_type: Option<String>,
}

impl Item {
    /// The values of the eight signed fields in their order; a field that is absent is empty.
    pub fn signed(&self) -> [String; 8] {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let amount = self.amount.as_ref();
        [
            text(&self.psp_reference),
            text(&self.original_reference),
            text(&self.merchant_account_code),
            text(&self.merchant_reference),
            amount.and_then(|a| a.value).map_or(String::new(), |value| value.to_string()),
            amount.and_then(|a| a.currency.clone()).unwrap_or_default(),
            text(&self.event_code),
            text(&self.success),
        ]
    }

    /// A value of `additionalData`, without the blanks that some come with.
    pub fn additional(&self, pick: impl Fn(&Additional) -> &Option<String>) -> Option<&str> {
        let value = pick(self.additional_data.as_ref()?).as_deref()?.trim();
        (!value.is_empty()).then_some(value)
    }
}

/// ISO 8601 with an offset, as an instant, when it is a plausible one: `2031-07-17T13:42:40+01:00`, and with the
/// offset's colon left out.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let found = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()?
        .to_utc();
    possible(found)
}

fn as_it_stands<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

/// A value that should be text. `true` and `7` are taken for theirs; what is neither is as good as absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(TextVisitor)
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.to_owned()))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
