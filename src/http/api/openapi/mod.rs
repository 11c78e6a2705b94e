//! The document of `/v1` (OpenAPI 3.1), served by the program that it is about. Built of the lists that the program
//! itself goes by: calls, problems, words, fields, parameters; what it says of bodies and answers, the tests hold
//! against every answer they get.

mod answers;
mod bodies;

use serde_json::{Map, Value, json};

use super::ask;
use super::call::Call;
use super::problem::Kind;
use crate::desk::Scope;
use crate::dispute::{Stage, Status};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for call in Call::ALL {
        let path = paths.entry(call.path()).or_insert_with(|| json!({}));
        path[call.method().as_str().to_ascii_lowercase()] = operation(*call);
    }
    let schemas: Map<String, Value> = bodies::schemas().chain(answers::schemas()).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "respondby",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A merchant's disputes: what they are, what is owed and planned, and orders about them. \
                Ids of ours are texts; money is minor units beside its currency; instants are RFC 3339 in UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The address that this document came from."}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {
                "type": "http",
                "scheme": "bearer",
                "description": "A key that `respondby keys create` made, for one merchant.",
            }},
        },
    })
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn operation(call: Call) -> Value {
    let (id, summary, description) = words(call);
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "description": description,
        "parameters": parameters(call),
        "responses": responses(call),
    });
    if let Some(body) = bodies::body(call) {
        operation["requestBody"] = body;
    }
    match scope(call) {
        Some(scope) => operation["x-scope"] = json!(scope),
        None => operation["security"] = json!([]),
    }
    operation
}

const fn words(call: Call) -> (&'static str, &'static str, &'static str) {
    match call {
        Call::Document => ("document", "This document", "Nobody is asked for a key."),
        Call::List => (
            "listDisputes",
            "The merchant's disputes, from the highest id",
            "A page, and where the next begins.",
        ),
        Call::Show => ("showDispute", "One dispute", "With its cycles, actions and evidence."),
        Call::Defend => (
            "defendDispute",
            "Defend a dispute",
            "Waits until the provider's record shows the defence (200), a person is needed, or the time is over (202).",
        ),
        Call::Accept => (
            "acceptDispute",
            "Give a dispute up",
            "Waits until the provider's record shows it (200), a person is needed, or the time is over (202).",
        ),
        Call::Evidence => (
            "giveEvidence",
            "Keep evidence, or send it",
            "As JSON, with files by the provider's ids of them, or as a form, with files as they are. Each field \
             replaces what it had.",
        ),
    }
}

/// What a key needs; nobody is asked for one where there is none.
const fn scope(call: Call) -> Option<Scope> {
    match call {
        Call::Document => None,
        Call::List | Call::Show => Some(Scope::DisputesRead),
        Call::Defend | Call::Accept | Call::Evidence => Some(Scope::DisputesWrite),
    }
}

fn parameters(call: Call) -> Value {
    let place = || ask::PLACE.iter().map(|name| query(name));
    let orders = || [id()].into_iter().chain(place()).chain(headers());
    match call {
        Call::Document => json!([]),
        Call::List => ask::FILTERS.iter().map(|name| query(name)).collect(),
        Call::Show => [id()].into_iter().chain(place()).collect(),
        Call::Defend | Call::Accept | Call::Evidence => orders().collect(),
    }
}

fn id() -> Value {
    json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1},
        "description": "The provider's id of the dispute, or ours."})
}

fn query(name: &str) -> Value {
    let text = || json!({"type": "string"});
    let (schema, description) = match name {
        "open" => {
            (json!({"type": "boolean", "default": false}), "Only disputes in which a response is owed.")
        }
        "status" => (reference("Status"), "In capitals or not."),
        "stage" => (reference("Stage"), "In capitals or not."),
        "provider" => (text(), "Only at this provider."),
        "account" => (text(), "Only of the account with this name."),
        "payment_id" => (text(), "Only of this payment, by the provider's id."),
        "limit" => (
            json!({"type": "integer", "minimum": 1, "maximum": ask::LIMIT_MAX, "default": ask::LIMIT}),
            "How many at most.",
        ),
        _ => (
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}),
            "The `next_cursor` of the page before.",
        ),
    };
    json!({"name": name, "in": "query", "schema": schema, "description": description})
}

fn headers() -> [Value; 2] {
    let key = json!({"name": "idempotency-key", "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": ask::KEY_CHARS_MAX, "pattern": "^[!#-~]([ -~]*[!#-~])?$"},
        "description": "The caller's own name for this order. Given again, the first answer comes again."});
    let prefer = json!({"name": "prefer", "in": "header",
        "schema": {"type": "string", "pattern": "^wait=[0-9]{1,9}$"},
        "description": "`wait=SECONDS`: how long to wait for what becomes of the order, at most."});
    [key, prefer]
}

fn responses(call: Call) -> Value {
    let mut all = Map::new();
    for (status, description, schema) in answers::good(call) {
        let content = json!({JSON: {"schema": schema}});
        all.insert(status.to_string(), json!({"description": description, "content": content}));
    }
    for kind in Kind::ALL.iter().filter(|kind| may_be_told(call, **kind)) {
        let status = kind.status().as_u16();
        let answer = all.entry(status.to_string()).or_insert_with(|| refusal(*kind));
        answer["content"][PROBLEM]["examples"][kind.as_str()] = json!({"value": answers::example(*kind)});
    }
    Value::Object(all)
}

fn refusal(kind: Kind) -> Value {
    let mut answer =
        json!({"description": kind.title(), "content": {PROBLEM: {"schema": reference("Problem")}}});
    let header = |description: &str, schema: Value| json!({"description": description, "schema": schema});
    match kind {
        Kind::TooOften | Kind::Away => {
            let seconds = json!({"type": "integer", "minimum": 1});
            answer["headers"]["retry-after"] = header("Seconds until it is worth coming again.", seconds);
        }
        Kind::Unauthorized => {
            answer["headers"]["www-authenticate"] = header("`Bearer`.", json!({"const": "Bearer"}));
        }
        Kind::Broken
        | Kind::ScopeMissing
        | Kind::NoSuchDispute
        | Kind::TooSlow
        | Kind::Ambiguous
        | Kind::Refused
        | Kind::Overtaken
        | Kind::TooLarge
        | Kind::UnsupportedMediaType
        | Kind::Invalid
        | Kind::IdempotencyKeyReused
        | Kind::ProviderRefused => {}
    }
    answer
}

fn may_be_told(call: Call, kind: Kind) -> bool {
    let (asked, named, ordered) = match call {
        Call::Document => (false, false, false),
        Call::List => (true, false, false),
        Call::Show => (true, true, false),
        Call::Defend | Call::Accept | Call::Evidence => (true, true, true),
    };
    match kind {
        Kind::Unauthorized | Kind::ScopeMissing | Kind::Invalid | Kind::TooOften | Kind::Away => asked,
        Kind::NoSuchDispute | Kind::Ambiguous => named,
        Kind::Broken
        | Kind::TooSlow
        | Kind::TooLarge
        | Kind::UnsupportedMediaType
        | Kind::Refused
        | Kind::Overtaken
        | Kind::IdempotencyKeyReused
        | Kind::ProviderRefused => ordered,
    }
}

/// A closed set of words, as answers write it.
fn capitals<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    let words: Vec<String> = words.map(str::to_ascii_uppercase).collect();
    json!({"type": "string", "enum": words})
}

fn status() -> Value {
    capitals(Status::ALL.iter().map(Status::as_str))
}

fn stage() -> Value {
    capitals(Stage::ALL.iter().map(Stage::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_nothing_is_said_that_nobody_refers_to() {
        let document = document();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            assert!(
                text.contains(&format!("\"#/components/schemas/{name}\"")),
                "{name} is referred to nowhere"
            );
        }
        let ends = text.split("\"#/components/schemas/").skip(1);
        for name in ends.map(|rest| rest.split('"').next().unwrap_or_default()) {
            assert!(schemas.contains_key(name), "{name}");
        }
    }

    #[test]
    fn every_problem_has_an_example_somewhere() {
        let text = document().to_string();
        for kind in Kind::ALL {
            assert!(text.contains(&format!("\"{kind}\":{{\"value\"")), "{kind}");
        }
    }
}
