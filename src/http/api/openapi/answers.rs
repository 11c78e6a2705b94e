//! What is answered, as schemas: disputes, what became of orders, and problems with an example each. Says how answers
//! are made, and makes none.

use serde_json::{Map, Value, json};

use super::{capitals, reference, stage, status};
use crate::dispute::{Category, CycleState, Response};
use crate::engine::{ActionKind, ActionState};
use crate::evidence::Field;
use crate::http::api::call::Call;
use crate::http::api::problem::Kind;
use crate::providers::ProviderName;

/// Status, meaning and schema of every answer that is no refusal.
pub(super) fn good(call: Call) -> Vec<(u16, &'static str, Value)> {
    let ordered = |schema: &str| {
        vec![
            (
                200,
                "It is done: the provider's record shows it, or, where nothing was to be sent, it is kept.",
                reference(schema),
            ),
            (202, "The order stands, and is not carried out yet.", reference(schema)),
        ]
    };
    match call {
        Call::Document => vec![(200, "An OpenAPI document.", json!({"type": "object"}))],
        Call::List => vec![(200, "A page of disputes.", reference("Page"))],
        Call::Show => vec![(200, "The dispute.", reference("DisputeInFull"))],
        Call::Defend | Call::Evidence => ordered("Defence"),
        Call::Accept => ordered("Acceptance"),
    }
}

pub(super) fn schemas() -> impl Iterator<Item = (String, Value)> {
    let all = [
        ("Status", status()),
        ("Stage", stage()),
        ("Reason", capitals(Category::ALL.iter().map(Category::as_str))),
        ("Page", object(&[("disputes", list(reference("Dispute"))), ("next_cursor", or_null(text()))])),
        ("Dispute", object(&dispute())),
        ("DisputeInFull", dispute_in_full()),
        ("Cycle", object(&cycle())),
        ("Action", object(&action())),
        ("Evidence", object(&evidence())),
        ("Defence", ordered("defense_submitted")),
        ("Acceptance", ordered("accepted")),
        ("Problem", problem()),
        (
            "Candidate",
            object(&[("id", our_id()), ("dispute_id", text()), ("provider", text()), ("account", text())]),
        ),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema))
}

type Members = Vec<(&'static str, Value)>;

/// An object that has all of these.
fn object(members: &[(&'static str, Value)]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": names})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn our_id() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+$"})
}

fn instant() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn whole_number() -> Value {
    json!({"type": "integer"})
}

fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn said(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}

fn dispute() -> Members {
    vec![
        ("id", said(our_id(), "Ours.")),
        ("dispute_id", said(text(), "The provider's.")),
        ("provider", text()),
        ("account", text()),
        ("payment_id", or_null(text())),
        ("stage", reference("Stage")),
        ("status", reference("Status")),
        ("provider_status", said(text(), "The provider's own word.")),
        ("amount_minor", said(whole_number(), "Minor units of `currency`.")),
        ("currency", json!({"type": "string", "pattern": "^[A-Z]{3}$"})),
        ("reason", reference("Reason")),
        ("network_code", or_null(text())),
        ("opened_at", instant()),
        ("respond_by", said(or_null(instant()), "Until when a response is owed; null when none is.")),
        ("cycle", said(or_null(reference("Cycle")), "The newest.")),
    ]
}

fn dispute_in_full() -> Value {
    let mut members = dispute();
    members.extend([
        ("cycles", said(list(reference("Cycle")), "Oldest first.")),
        ("actions", list(reference("Action"))),
        ("evidence", list(reference("Evidence"))),
    ]);
    object(&members)
}

fn cycle() -> Members {
    let answers = ["accept", "defend", "stage", "hold", "ignore"];
    vec![
        ("n", whole_number()),
        ("state", capitals(CycleState::ALL.iter().map(CycleState::as_str))),
        ("respond_by", instant()),
        ("answer", said(capitals(answers.into_iter()), "What is meant to happen, or was.")),
        ("decided_by", said(or_null(text()), "`rules`, or `person:NAME`.")),
        ("rule", or_null(text())),
        ("act_at", or_null(instant())),
        ("waiting_for", said(list(text()), "What is in the way, in words.")),
        ("response", or_null(capitals(Response::ALL.iter().map(Response::as_str)))),
        ("answered_at", or_null(instant())),
    ]
}

fn action() -> Members {
    vec![
        ("cycle", whole_number()),
        ("kind", capitals(ActionKind::ALL.iter().map(ActionKind::as_str))),
        ("state", capitals(ActionState::ALL.iter().map(ActionState::as_str))),
        ("wanted_at", instant()),
        ("done_at", or_null(instant())),
        ("requests", said(whole_number(), "Requests sent to the provider for it.")),
        ("note", or_null(text())),
    ]
}

fn evidence() -> Members {
    let fields: Vec<&str> = Field::ALL.iter().map(Field::as_str).collect();
    vec![
        ("field", json!({"type": "string", "enum": fields})),
        ("n", said(whole_number(), "Within the field, from 1.")),
        ("words", or_null(text())),
        ("file_id", said(or_null(our_id()), "Of a file that is kept here.")),
        ("file_name", or_null(text())),
        ("media_type", or_null(text())),
        ("size_bytes", or_null(whole_number())),
        ("provider_file_ref", said(or_null(text()), "The provider's id of the file, once it has it.")),
        ("added_at", instant()),
        ("added_by", text()),
    ]
}

/// `done`: the member that is true once the provider's record shows it.
fn ordered(done: &'static str) -> Value {
    let progress = ["confirmed", "kept", "sent", "wanted", "waits"];
    object(&[
        ("id", our_id()),
        ("dispute_id", text()),
        (done, said(json!({"type": "boolean"}), "Whether the provider's record shows it.")),
        ("status", reference("Status")),
        ("status_code", said(json!({"enum": [200, 202]}), "The status of this answer.")),
        ("progress", capitals(progress.into_iter())),
        ("detail", text()),
        ("waiting_for", said(list(text()), "What a person is needed for.")),
    ])
}

fn problem() -> Value {
    let urns: Vec<String> = Kind::ALL.iter().map(|kind| kind.urn()).collect();
    let mut problem = object(&[
        ("type", json!({"type": "string", "enum": urns})),
        ("title", text()),
        ("status", whole_number()),
        ("detail", said(text(), "A sentence for people.")),
    ]);
    let more = [
        ("scope", said(text(), "The scope that the key lacks.")),
        ("part", said(text(), "The part of the form that is meant.")),
        ("candidates", list(reference("Candidate"))),
        ("id", our_id()),
        ("dispute_id", text()),
        ("dispute_status", reference("Status")),
    ];
    for (name, schema) in more {
        problem["properties"][name] = schema;
    }
    problem
}

/// One that could be told so.
pub(super) fn example(kind: Kind) -> Value {
    let about =
        |detail| (detail, json!({"id": "4017", "dispute_id": "dp_1Q", "dispute_status": "NEEDS_RESPONSE"}));
    let provider = ProviderName::ALL[0].as_str();
    let (detail, more) = match kind {
        Kind::Broken => ("the body ended before its end", json!({})),
        Kind::Unauthorized => ("show a key that is in use: `authorization: Bearer KEY`", json!({})),
        Kind::ScopeMissing => ("this key lacks the scope disputes:write", json!({"scope": "disputes:write"})),
        Kind::NoSuchDispute => ("there is no such dispute: give the provider's id, or ours", json!({})),
        Kind::TooSlow => ("the body did not arrive in time", json!({})),
        Kind::Ambiguous => (
            "several disputes have this id: use one of our ids, or name provider and account in the query",
            json!({"candidates": [
                {"id": "4017", "dispute_id": "dp_1Q", "provider": provider, "account": "acme-eu"},
                {"id": "4100", "dispute_id": "dp_1Q", "provider": provider, "account": "acme-us"},
            ]}),
        ),
        Kind::Refused => about("there is no open cycle"),
        Kind::Overtaken => about("ana ordered otherwise"),
        Kind::TooLarge => ("the body is too large", json!({})),
        Kind::UnsupportedMediaType => ("an order is `application/json`", json!({})),
        Kind::Invalid => ("the part `receit`: is no evidence field", json!({"part": "receit"})),
        Kind::IdempotencyKeyReused => {
            ("another order was given under this idempotency key: use a new key for a new order", json!({}))
        }
        Kind::ProviderRefused => about("the provider refused it: no such file"),
        Kind::TooOften => ("this key has been used too often", json!({})),
        Kind::Away => (
            "the service is busy, or its database is away: come again, with the same idempotency key",
            json!({}),
        ),
    };
    let mut example = more;
    example["type"] = kind.urn().into();
    example["title"] = kind.title().into();
    example["status"] = kind.status().as_u16().into();
    example["detail"] = detail.into();
    example
}
