//! The document of `/v1` is what the program does: every route and every status in it exists, nothing else does, and
//! every answer that any test here gets is one that it tells of.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use respondby::desk::Scope;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::{ALL, Program, READ, Said};
use crate::engine::stage::{STRIPE, Setup, Stage, fraud, hours};
use respondby::sandbox::Change;

const AT: &str = "/v1/openapi.json";

/// As one engine of this build served it.
pub struct Document {
    whole: Value,
    /// The same, with every object closed: what it does not tell of must not be said.
    closed: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    pub async fn of(program: &Program) -> &'static Self {
        static SERVED: OnceCell<Document> = OnceCell::const_new();
        let fetch = async || {
            let answer = program.http.get(format!("{}{AT}", program.base)).send().await.unwrap();
            Self::new(serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
        };
        SERVED.get_or_init(fetch).await
    }

    fn new(whole: Value) -> Self {
        let mut closed = whole.clone();
        close(&mut closed);
        Self { whole, closed, validators: Mutex::default() }
    }

    /// The template of the path, if there is one.
    fn template(&self, path: &str) -> Option<&str> {
        let same = |(a, b): (&str, &str)| a == b || a.starts_with('{');
        let fits = |template: &&String| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(same)
        };
        self.whole["paths"].as_object().unwrap().keys().find(fits).map(String::as_str)
    }

    fn validator(&self, root: &Value, at: &[&str]) -> Arc<Validator> {
        let pointer = at.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
        let pointer = format!("/{}", pointer.collect::<Vec<_>>().join("/"));
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(pointer.clone()).or_insert_with(|| {
            assert!(root.pointer(&pointer).is_some(), "the document says nothing of {pointer}");
            // References are to the whole, so the whole is the schema.
            let schema = json!({"components": root["components"], "allOf": [root.pointer(&pointer)]});
            let made = jsonschema::options().should_validate_formats(true).build(&schema);
            Arc::new(made.unwrap_or_else(|e| panic!("{pointer}: {e}")))
        });
        validator.clone()
    }

    /// That the document tells of such an answer.
    pub fn check_answer(&self, method: &str, path: &str, said: &Said) {
        let Some(template) = self.template(path) else {
            assert_eq!(said.status, 404, "{method} {path}: {}", said.body);
            return;
        };
        let method = method.to_ascii_lowercase();
        if self.whole["paths"][template].get(&method).is_none() {
            assert_eq!(said.status, 405, "{method} {path}: {}", said.body);
            return;
        }
        let status = said.status.to_string();
        let media_type = said.headers["content-type"].to_str().unwrap();
        let at = ["paths", template, &method, "responses", &status, "content", media_type, "schema"];
        let faults: Vec<String> =
            self.validator(&self.closed, &at).iter_errors(&said.body).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{method} {path} {status}: {}: {faults:?}", said.body);
        let headers = self.whole["paths"][template][&method]["responses"][&status]["headers"].as_object();
        for name in headers.into_iter().flat_map(Map::keys) {
            assert!(said.headers.contains_key(name), "{method} {path} {status}: no {name}");
        }
    }

    /// That what was taken as JSON is what the document says that may be sent.
    pub fn check_request(&self, method: &str, path: &str, body: &[u8]) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
        let template = self.template(path).unwrap();
        let method = method.to_ascii_lowercase();
        let at = ["paths", template, &method, "requestBody", "content", "application/json", "schema"];
        let faults: Vec<String> =
            self.validator(&self.whole, &at).iter_errors(&body).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{method} {path}: it was taken, and is not told of: {body}: {faults:?}");
    }

    /// Method, path and what is told of it, for every call.
    fn calls(&self) -> Vec<(String, String, &Value)> {
        let paths = self.whole["paths"].as_object().unwrap();
        let calls = paths.iter().flat_map(|(path, calls)| {
            let calls = calls.as_object().unwrap().iter();
            calls.map(|(method, call)| (method.to_ascii_uppercase(), path.clone(), call))
        });
        calls.collect()
    }
}

/// No member that is not named, in any object that names some.
fn close(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_route_of_the_document_exists_with_its_methods_and_no_others() {
    let stage = Stage::new().await;
    let stranger = Program::with_key(&stage, "x");
    let document = Document::of(&stranger).await;
    let told: BTreeSet<(String, String)> =
        document.calls().into_iter().map(|(method, path, _)| (method, path)).collect();
    let paths: BTreeSet<&String> = told.iter().map(|(_, path)| path).collect();
    for path in paths {
        let address = format!("{}{}", stranger.base, path.replace("{id}", "dp_1"));
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let request = stranger.http.request(method.parse().unwrap(), &address).bearer_auth("x");
            let status = request.send().await.unwrap().status().as_u16();
            let wanted = match told.contains(&(method.to_owned(), path.clone())) {
                true if path == AT => 200,
                true => 401,
                false => 405,
            };
            assert_eq!(status, wanted, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_is_read_without_a_key_and_its_examples_are_what_they_exemplify() {
    let stage = Stage::new().await;
    let nobody = Program::with_key(&stage, "");
    let answer = nobody.http.get(format!("{}{AT}", nobody.base)).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
        (200, &b"application/json"[..])
    );
    let served: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let document = Document::of(&nobody).await;
    assert_eq!(served, document.whole);
    let mut kinds = BTreeSet::new();
    for (method, path, call) in document.calls() {
        for (status, answer) in call["responses"].as_object().unwrap() {
            let content = &answer["content"]["application/problem+json"];
            for (word, example) in content["examples"].as_object().into_iter().flatten() {
                let body = example["value"].clone();
                assert_eq!(body["type"], format!("urn:respondby:problem:{word}"));
                assert_eq!(body["status"].to_string(), *status);
                let headers = [
                    ("content-type", "application/problem+json"),
                    ("retry-after", "1"),
                    ("www-authenticate", "Bearer"),
                ];
                let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
                let said = Said { status: status.parse().unwrap(), headers, body };
                document.check_answer(&method, &path, &said);
                kinds.insert(word.clone());
            }
        }
    }
    let told =
        document.whole["components"]["schemas"]["Problem"]["properties"]["type"]["enum"].as_array().unwrap();
    assert_eq!(told.len(), kinds.len());
}

/// The orders, and what each wants where nothing is to be sent or everything is fine.
fn orders() -> [(&'static str, Value); 3] {
    [
        ("defend", json!({"explanation": "It came.", "submit_evidence": false})),
        ("accept", json!({})),
        ("evidence", json!({"summary": "It came.", "submit": false})),
    ]
}

/// What was answered, as method, path and status.
#[derive(Default)]
struct Seen(BTreeSet<(String, String, String)>);

impl Seen {
    fn add(&mut self, method: &str, path: &str, said: &Said) {
        self.0.insert((method.to_owned(), path.to_owned(), said.status.to_string()));
    }

    async fn order(&mut self, program: &Program, dispute: &str, call: &str, lines: &str, body: &[u8]) {
        let at = |id: &str| format!("/v1/disputes/{id}/{call}");
        let lines = format!("connection: close\n{lines}");
        let said = program.say("POST", &at(dispute), &lines, body).await;
        self.add("POST", &at("{id}"), &said);
    }

    async fn read(&mut self, program: &Program, path: &str, template: &str) {
        self.add("GET", template, &program.get(path).await);
    }
}

const JSON: &str = "prefer: wait=0\ncontent-type: application/json";
const ONE: &str = "/v1/disputes/{id}";

#[tokio::test]
async fn every_status_that_the_document_tells_of_can_be_got() {
    let more = "[http]\nlisten = \"127.0.0.1:0\"\nrequest_timeout_ms = 300\nheader_read_timeout_ms = 300\n"
        .to_owned();
    let mut stage = Stage::with(Setup { more, ..Setup::default() }).await;
    let mut seen = Seen::default();
    let open = stage.open(fraud(STRIPE, hours(96))).await;
    let closed = stage.open(fraud(STRIPE, hours(96))).await;
    stage.change(&closed, Change::AcceptedElsewhere).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let reader = Program::of(&stage, "acme", "reader", READ).await;
    let writer = Program::of(&stage, "acme", "writer", &[Scope::DisputesWrite]).await;
    let stranger = Program::with_key(&stage, "x");
    let length = |body: &[u8]| format!("{JSON}\ncontent-length: {}", body.len());

    seen.read(&program, AT, AT).await;
    for (who, query) in [(&program, ""), (&program, "?limit=0"), (&writer, ""), (&stranger, "")] {
        seen.read(who, &format!("/v1/disputes{query}"), "/v1/disputes").await;
        seen.read(who, &format!("/v1/disputes/{open}{query}"), ONE).await;
    }
    seen.read(&program, "/v1/disputes/dp_nobody", ONE).await;
    for (call, body) in orders() {
        let huge = format!("{{\"explanation\": \"{}\"}}", "x".repeat(2 << 20));
        let body = body.to_string();
        for (who, dispute, body) in [
            (&stranger, open.as_str(), body.as_str()),
            (&reader, &open, &body),
            (&program, "dp_nobody", &body),
            (&program, &open, &body),
            (&program, &open, "[]"),
            (&program, &open, &huge),
        ] {
            seen.order(who, dispute, call, &length(body.as_bytes()), body.as_bytes()).await;
        }
        seen.order(&program, &open, call, "content-type: text/plain\ncontent-length: 1", b"x").await;
        // The rest of it never comes.
        seen.order(&program, &open, call, &format!("{JSON}\ncontent-length: 9"), b"{").await;
        seen.order(&program, &open, call, &format!("{JSON}\ntransfer-encoding: chunked"), b"nonsense\r\n")
            .await;
    }
    // Refused, kept, and under way; then confirmed.
    let refused = [("defend", json!({})), ("accept", json!({})), ("evidence", json!({"submit": true}))];
    for (call, body) in refused.iter().map(|(call, body)| (*call, body.to_string())) {
        seen.order(&program, &closed, call, &length(body.as_bytes()), body.as_bytes()).await;
        let other = stage.open(fraud(STRIPE, hours(96))).await;
        let lines = format!("idempotency-key: {call}\n{}", length(body.as_bytes()));
        seen.order(&program, &other, call, &lines, body.as_bytes()).await;
        stage.settle().await;
        seen.order(&program, &other, call, &lines, body.as_bytes()).await;
    }
    ambiguous(&mut seen, &stage, &program).await;
    busy(&mut seen).await;
    away(&mut seen, &stage, &program, &open).await;

    let told: BTreeSet<_> = Document::of(&program)
        .await
        .calls()
        .into_iter()
        .flat_map(|(method, path, call)| {
            let statuses = call["responses"].as_object().unwrap().keys();
            statuses.map(move |status| (method.clone(), path.clone(), status.clone())).collect::<Vec<_>>()
        })
        .collect();
    let never: Vec<_> = told.difference(&seen.0).collect();
    assert!(never.is_empty(), "told of, and never seen: {never:?}");
}

async fn ambiguous(seen: &mut Seen, stage: &Stage, program: &Program) {
    let accounts =
        "insert into accounts (merchant_id, account_id, provider, name, tolerance_s, webhook_secrets,
            credentials, updated_at)
         select merchant_id, 1, provider, 'acme-us', 300, '{}', '', now() from accounts where name = 'acme'";
    let disputes = "update disputes set dispute_ref = 'dp_same', account_id = case when dispute_id = (select
            min(dispute_id) from disputes) then 1 else account_id end
         where dispute_id in (select dispute_id from disputes order by dispute_id limit 2)";
    for sql in [accounts, disputes] {
        sqlx::query(sql).execute(&stage.db.pool).await.unwrap();
    }
    seen.read(program, "/v1/disputes/dp_same", ONE).await;
}

async fn busy(seen: &mut Seen) {
    let more = "[api]\ncalls_per_minute = 1\ncalls_at_once = 1\n".to_owned();
    let stage = Stage::with(Setup { more, ..Setup::default() }).await;
    let hasty = Program::of(&stage, "acme", "hasty", ALL).await;
    assert_eq!(hasty.get("/v1/disputes").await.status, 200);
    every_call(seen, &hasty, "dp_1").await;
}

async fn away(seen: &mut Seen, stage: &Stage, program: &Program, dispute: &str) {
    stage.engine.shop.pool.close().await;
    every_call(seen, program, dispute).await;
}

async fn every_call(seen: &mut Seen, program: &Program, dispute: &str) {
    seen.read(program, "/v1/disputes", "/v1/disputes").await;
    seen.read(program, &format!("/v1/disputes/{dispute}"), ONE).await;
    for (call, body) in orders() {
        let body = body.to_string();
        let lines = format!("{JSON}\ncontent-length: {}", body.len());
        seen.order(program, dispute, call, &lines, body.as_bytes()).await;
    }
}
