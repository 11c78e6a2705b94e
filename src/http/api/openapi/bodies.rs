//! What orders say, as schemas: the same fields as JSON and as a form. Says how they are written; how they are read is
//! not known here.

use serde_json::{Map, Value, json};

use super::{JSON, reference};
use crate::evidence::{Field, FieldKind, OTHER_SPELLINGS, spelled};
use crate::http::api::call::Call;
use crate::http::api::form::PARTS_MAX;
use crate::store::evidence::WORDS_CHARS_MAX;
use crate::store::files::{FILE_BYTES_MAX, MEDIA_TYPES};

const FORM: &str = "multipart/form-data";

pub(super) fn body(call: Call) -> Option<Value> {
    let one = |schema: &str, required: bool| {
        Some(json!({"required": required, "content": {JSON: {"schema": reference(schema)}}}))
    };
    match call {
        Call::Document | Call::List | Call::Show => None,
        Call::Defend => one("DefenceOrder", true),
        Call::Accept => one("AcceptanceOrder", false),
        Call::Evidence => {
            let form = json!({"schema": reference("EvidenceForm"), "encoding": encoding()});
            Some(
                json!({"required": true, "content": {JSON: {"schema": reference("EvidenceOrder")}, FORM: form}}),
            )
        }
    }
}

pub(super) fn schemas() -> impl Iterator<Item = (String, Value)> {
    let all = [
        ("DefenceOrder", defence()),
        ("AcceptanceOrder", closed(json!({"dispute_id": same_dispute()}))),
        ("EvidenceFields", closed(Value::Object(fields()))),
        ("EvidenceOrder", evidence_order()),
        ("EvidenceForm", evidence_form()),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema))
}

/// An object with no other members: one that is misspelt is refused.
fn closed(properties: Value) -> Value {
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn same_dispute() -> Value {
    json!({"type": ["string", "null"], "description": "Where it is given, the one in the address."})
}

fn name(description: &str) -> Value {
    json!({"type": ["string", "null"], "pattern": "^[A-Za-z0-9_.-]{1,64}$", "description": description})
}

fn words() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": WORDS_CHARS_MAX})
}

fn words_or_null(description: &str) -> Value {
    json!({"type": ["string", "null"], "minLength": 1, "maxLength": WORDS_CHARS_MAX, "description": description})
}

fn defence() -> Value {
    closed(json!({
        "dispute_id": same_dispute(),
        "reason_code": name("The reason of the defence, for providers that want one."),
        "explanation": words_or_null("The argument. It becomes the evidence `summary`."),
        "submit_evidence": {"type": ["boolean", "null"], "default": true,
            "description": "False: the explanation is kept, and nothing is sent. What else is said of a defence is \
                refused with it, because it would be lost: give it with the one that is sent."},
        "template": name("A template of the merchant's rules."),
        "acknowledge_fee": {"type": "boolean", "default": false,
            "description": "That the fee which the provider takes for a response is known of."},
    }))
}

/// Each field by our name and by the others that it is known under.
fn fields() -> Map<String, Value> {
    let others = OTHER_SPELLINGS.iter().map(|(word, _)| *word);
    let words_and_files = Field::ALL.iter().map(Field::as_str).chain(others);
    words_and_files.map(|word| (word.to_owned(), field(word))).collect()
}

fn file_id() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$"})
}

fn field(word: &str) -> Value {
    let ids = json!({"type": "array", "items": file_id()});
    match (spelled(word, FieldKind::Text), spelled(word, FieldKind::File)) {
        (Some(_), Some(_)) => json!({"anyOf": [words(), ids, {"type": "null"}],
            "description": "Words, or the provider's ids of files."}),
        (Some(_), None) => words_or_null("Words."),
        (None, _) => {
            json!({"anyOf": [file_id(), ids, {"type": "null"}], "description": "The provider's ids of files."})
        }
    }
}

fn evidence_order() -> Value {
    let mut properties = fields();
    let more = json!({
        "dispute_id": same_dispute(),
        "submit": {"type": ["boolean", "null"], "description": "Whether it is sent. Or `action`."},
        "action": {"enum": ["submit", "draft", null], "description": "Whether it is sent. Or `submit`."},
        "reason_code": name("The reason of the defence, for providers that want one."),
        "explanation": words_or_null("The argument, as `summary` is."),
        "amount": {"type": ["integer", "null"], "description": "What is contested, minor units: all of it."},
        "evidence": {"anyOf": [reference("EvidenceFields"), {"type": "null"}]},
        "others": {"anyOf": [{"type": "null"}, {"type": "array", "items": {
            "type": "object",
            "properties": {"type": {"type": "string"}, "document_ids": {"type": "array", "items": file_id()}},
            "required": ["type", "document_ids"],
            "additionalProperties": false,
        }}], "description": "Documents for which there is no field."},
    });
    if let Value::Object(more) = more {
        properties.extend(more);
    }
    let given = |name: &str, schema: Value| json!({"required": [name], "properties": {name: schema}});
    let mut order = closed(Value::Object(properties));
    order["anyOf"] =
        json!([given("submit", json!({"type": "boolean"})), given("action", json!({"type": "string"})),]);
    order
}

fn evidence_form() -> Value {
    let file = json!({"type": "string", "contentMediaType": "application/octet-stream"});
    let files = json!({"type": "array", "items": file, "maxItems": PARTS_MAX});
    let each = |word: &str| match spelled(word, FieldKind::File) {
        Some(_) => files.clone(),
        None => words(),
    };
    let others = OTHER_SPELLINGS.iter().map(|(word, _)| *word);
    let names = Field::ALL.iter().map(Field::as_str).chain(others);
    let mut properties: Map<String, Value> = names.map(|word| (word.to_owned(), each(word))).collect();
    for name in ["dispute_id", "reason_code", "explanation"] {
        properties.insert(name.to_owned(), words());
    }
    properties.insert("submit".to_owned(), json!({"type": "boolean"}));
    properties.insert("action".to_owned(), json!({"type": "string", "enum": ["submit", "draft"]}));
    properties.insert("amount".to_owned(), json!({"type": "integer"}));
    let mut form = closed(Value::Object(properties));
    form["anyOf"] = json!([{"required": ["submit"]}, {"required": ["action"]}]);
    form["description"] = format!(
        "At most {PARTS_MAX} parts. Files with their names, of at most {FILE_BYTES_MAX} bytes; a field that takes \
         several is given several times. A part without a file name is the provider's id of a file."
    )
    .into();
    form
}

/// What files are of.
fn encoding() -> Value {
    let types = MEDIA_TYPES.join(", ");
    let others = OTHER_SPELLINGS.iter().map(|(word, _)| *word);
    let names = Field::ALL.iter().map(Field::as_str).chain(others);
    let files = names.filter(|word| spelled(word, FieldKind::File).is_some());
    files.map(|word| (word.to_owned(), json!({"contentType": types}))).collect()
}
