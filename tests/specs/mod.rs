//! What the providers' APIs take, as data of our own: a file for each provider holds the calls that our clients
//! make, as JSON Schemas that take nothing else. Every request that a test sees made is held against them, in the
//! one HTTP client (`providers::http`) and in front of the stand-ins (`engine::stage`). `bin/spec-check` proves that
//! the files agree with the providers' own documents.

mod reading;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use axum::http::HeaderMap;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// A request as it is on its way.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The provider's word, which is the name of its file.
    pub provider: &'a str,
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// What clients and connections put in every request.
const EVERYWHERE: [&str; 8] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
];

struct Spec {
    calls: Vec<Call>,
}

struct Call {
    method: String,
    segments: Vec<Segment>,
    query: Shape,
    headers: Shape,
    /// The media type and the shape of the body. None: there is no body.
    body: Option<(String, Shape)>,
}

enum Segment {
    Word(String),
    Parameter(String, Shape),
}

/// A schema with what checks it.
struct Shape {
    schema: Value,
    validator: Validator,
}

/// By the provider's word.
static SPECS: LazyLock<BTreeMap<String, Spec>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = files.flatten().map(|file| file.path());
    let specs = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).map(|path| {
        let provider = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let written = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (provider, Spec::of(&written))
    });
    specs.collect()
});

/// What is wrong with the request, each fault with the call and the place in it. Empty: the API takes it.
///
/// # Panics
/// There is no file for that provider.
pub fn faults(asked: Asked<'_>) -> Vec<String> {
    let spec = SPECS.get(asked.provider);
    let spec = spec
        .unwrap_or_else(|| panic!("tests/specs/{}.json says what its API takes: write it", asked.provider));
    let called = format!("{} {} {}", asked.provider, asked.method, asked.path);
    let found = match spec.called(asked.method, asked.path) {
        Ok(call) => call.faults(asked),
        Err(why) => vec![why],
    };
    found.into_iter().map(|fault| format!("{called}: {fault}")).collect()
}

/// Whether there is a file for it.
pub fn is_known(provider: &str) -> bool {
    SPECS.contains_key(provider)
}

impl Spec {
    fn of(written: &Value) -> Self {
        let defs = &written["$defs"];
        let calls = written["calls"].as_array().expect("a spec has `calls`").iter();
        Self { calls: calls.map(|call| Call::of(call, &written["headers"], defs)).collect() }
    }

    /// The call with that path, the plainest if several have it.
    fn called(&self, method: &str, path: &str) -> Result<&Call, String> {
        let here = self.calls.iter().filter(|call| call.has(path));
        let plainest = here.clone().map(|call| call.parameters().count()).min();
        let Some(plainest) = plainest else { return Err("no call has this path".to_owned()) };
        let mut plainest = here.filter(|call| call.parameters().count() == plainest);
        plainest.clone().find(|call| call.method == method).ok_or_else(|| {
            format!("the path takes {}", plainest.next().map_or("nothing", |call| &call.method))
        })
    }
}

impl Call {
    fn of(written: &Value, headers: &Value, defs: &Value) -> Self {
        let text = |name: &str| written[name].as_str().unwrap_or_else(|| panic!("{written} has no `{name}`"));
        let segment = |word: &str| match word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) => {
                Segment::Parameter(name.to_owned(), Shape::of(&written["parameters"][name], defs, written))
            }
            None => Segment::Word(word.to_owned()),
        };
        let nothing = json!({ "type": "object", "maxProperties": 0 });
        let body = written["body"].as_object().and_then(|kinds| kinds.iter().next());
        Self {
            method: text("method").to_owned(),
            segments: text("path").split('/').map(segment).collect(),
            query: Shape::of(written.get("query").unwrap_or(&nothing), defs, written),
            headers: Shape::of(&headers[text("headers")], defs, written),
            body: body.map(|(kind, schema)| (kind.clone(), Shape::of(schema, defs, written))),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Parameter(..)))
    }

    fn has(&self, path: &str) -> bool {
        let words: Vec<&str> = path.split('/').collect();
        let fits = |(segment, word): (&Segment, &&str)| match segment {
            Segment::Word(own) => own == word,
            Segment::Parameter(..) => !word.is_empty(),
        };
        words.len() == self.segments.len() && self.segments.iter().zip(&words).all(fits)
    }

    fn faults(&self, asked: Asked<'_>) -> Vec<String> {
        let mut found = Vec::new();
        for (segment, word) in self.segments.iter().zip(asked.path.split('/')) {
            if let Segment::Parameter(name, shape) = segment {
                found.extend(shape.faults(&Value::from(word), &format!("path {name}")));
            }
        }
        match reading::form(asked.query.as_bytes(), &self.query.schema) {
            Ok(query) => found.extend(self.query.faults(&query, "query ")),
            Err(why) => found.push(format!("query: {why}")),
        }
        let own = asked.headers.iter().filter(|(name, _)| !EVERYWHERE.contains(&name.as_str()));
        let own: Map<String, Value> = own
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        found.extend(self.headers.faults(&Value::Object(own), "header "));
        found.extend(self.body_faults(asked));
        found
    }

    fn body_faults(&self, asked: Asked<'_>) -> Vec<String> {
        let content_type = asked.headers.get("content-type").and_then(|value| value.to_str().ok());
        let kind = content_type.map(|full| full.split(';').next().unwrap_or(full).trim());
        let Some((wanted, shape)) = &self.body else {
            return match (kind, asked.body.is_empty()) {
                (None, true) => Vec::new(),
                _ => vec!["body: none is taken".to_owned()],
            };
        };
        if kind != Some(wanted.as_str()) {
            return vec![format!("body: it is {}, and {wanted} is taken", kind.unwrap_or("of no kind"))];
        }
        let read = match wanted.as_str() {
            "application/json" => serde_json::from_slice(asked.body).map_err(|e| e.to_string()),
            "application/x-www-form-urlencoded" => reading::form(asked.body, &shape.schema),
            "multipart/form-data" => {
                reading::parts(content_type.unwrap_or(wanted), asked.body, &shape.schema)
            }
            other => Err(format!("nobody can read {other} here")),
        };
        match read {
            Ok(body) => shape.faults(&body, "body "),
            Err(why) => vec![format!("body: {why}")],
        }
    }
}

impl Shape {
    fn of(schema: &Value, defs: &Value, call: &Value) -> Self {
        assert!(schema.is_object(), "a schema is missing in {call}");
        let mut schema = schema.clone();
        if defs.is_object() {
            schema["$defs"] = defs.clone();
        }
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{schema}: {e}"));
        Self { schema, validator }
    }

    fn faults(&self, value: &Value, place: &str) -> Vec<String> {
        let found = self.validator.iter_errors(value);
        // What was sent may be long, and may be a picture.
        let cut = |words: String| words.chars().take(300).collect::<String>();
        found.map(|fault| format!("{place}{}: {}", fault.instance_path(), cut(fault.to_string()))).collect()
    }
}
