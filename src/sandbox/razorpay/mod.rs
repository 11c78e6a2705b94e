//! The stand-in of Razorpay's dispute API: `/v1/disputes` with accept and contest, `/v1/documents`. This file
//! reads as the order in which Razorpay looks at a request: key, address, body, effect. There is no
//! idempotency key. It must not know the engine's adapter.

mod contest;
mod documents;
mod life;
mod record;
mod refusal;
mod stand_in;

use std::collections::BTreeMap;

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::faults::{Trouble, Upset, after_effect, before_effect};
use super::ledger::LedgerResult;
use super::office::Called;
use super::reply::{Incoming, Part, Reply};
use super::{Operation, ProviderKind};
use record::{Dispute, Status};
use refusal::Refusal;

/// Most rows of a page. Razorpay documents it for a sibling list.
const COUNT_MAX: i64 = 100;

type Desk<'a> = super::stand_in::Desk<'a, Book>;

/// Everything Razorpay keeps.
#[derive(Debug, Default)]
pub(super) struct Book {
    disputes: BTreeMap<String, Dispute>,
    documents: BTreeMap<String, documents::Document>,
}

impl Book {
    fn dispute(&self, account: usize, id: &str) -> Result<&Dispute, Refusal> {
        valid_id(id, "disp_")?;
        self.disputes.get(id).filter(|d| d.account == account).ok_or_else(Refusal::no_such_id)
    }
}

/// Ids are a prefix and fourteen letters or digits.
fn valid_id(id: &str, prefix: &str) -> Result<(), Refusal> {
    let tail = id.strip_prefix(prefix);
    match tail.is_some_and(|t| t.len() == 14 && t.bytes().all(|b| b.is_ascii_alphanumeric())) {
        true => Ok(()),
        false => Err(Refusal::not_an_id(id)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    List,
    Fetch(&'a str),
    Accept(&'a str),
    Contest(&'a str),
    Upload,
    FetchDocument(&'a str),
    DocumentContent(&'a str),
}

fn route<'a>(method: &Method, segments: &[&'a str]) -> Option<Route<'a>> {
    let (get, post) = (*method == Method::GET, *method == Method::POST);
    match segments {
        ["v1", "disputes"] if get => Some(Route::List),
        ["v1", "disputes", id] if get => Some(Route::Fetch(id)),
        ["v1", "disputes", id, "accept"] if post => Some(Route::Accept(id)),
        ["v1", "disputes", id, "contest"] if *method == Method::PATCH => Some(Route::Contest(id)),
        ["v1", "documents"] if post => Some(Route::Upload),
        ["v1", "documents", id] if get => Some(Route::FetchDocument(id)),
        ["v1", "documents", id, "content"] if get => Some(Route::DocumentContent(id)),
        _ => None,
    }
}

impl<'a> Route<'a> {
    fn dispute(&self) -> Option<&'a str> {
        match self {
            Route::Fetch(id) | Route::Accept(id) | Route::Contest(id) => Some(id),
            Route::List | Route::Upload | Route::FetchDocument(_) | Route::DocumentContent(_) => None,
        }
    }

    fn operation(&self, body: &Value) -> Operation {
        match self {
            Route::List => Operation::DisputeList,
            Route::Fetch(_) => Operation::DisputeFetch,
            Route::Accept(_) => Operation::DisputeAccept,
            Route::Contest(_) if contest::submits(body) => Operation::DisputeSubmit,
            Route::Contest(_) => Operation::DisputeStage,
            Route::Upload => Operation::FileUpload,
            Route::FetchDocument(_) | Route::DocumentContent(_) => Operation::FileFetch,
        }
    }
}

/// A request whose key, address and body are good.
struct Call<'a> {
    at: DateTime<Utc>,
    account: usize,
    route: Route<'a>,
    operation: Operation,
    query: Vec<(String, String)>,
    body: Value,
    parts: &'a [Part],
    stale: bool,
}

/// Answers one request as Razorpay would, but for the faults that were ordered.
fn answer(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Reply {
    look(desk, now, request).unwrap_or_else(|refusal| refusal.reply())
}

fn look(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Result<Reply, Refusal> {
    let segments = request.segments();
    let account = authorised(desk, request, segments.contains(&"documents"))?;
    let route = route(&request.method, &segments).ok_or_else(Refusal::unknown_url)?;
    let query = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let body = read_body(request)?;
    let operation = route.operation(&body);
    let mut call =
        Call { at: now, account, route, operation, query, body, parts: &request.parts, stale: false };
    let trouble = desk.office.trouble_for_call(account, operation, route.dispute());
    let round = route.dispute().and_then(|id| desk.book.disputes.get(id)).map_or(0, |d| d.round);
    if let Some(reply) = before_effect(trouble.as_ref(), &upset()) {
        desk.office.record(&called(&call, round), reply.status, LedgerResult::NotReached);
        return Ok(reply);
    }
    call.stale = trouble == Some(Trouble::StaleRead);
    let (reply, result) = match effect(desk, &call) {
        Ok(reply) => (reply, LedgerResult::Effective),
        Err(refusal) => (refusal.reply(), LedgerResult::Refused),
    };
    desk.office.record(&called(&call, round), reply.status, result);
    Ok(after_effect(trouble, reply, Refusal::server_error().reply()))
}

fn effect(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    match call.route {
        Route::List => list(desk, call),
        Route::Fetch(id) => {
            let expand = expands(call)?;
            let dispute = desk.book.dispute(call.account, id)?;
            let flat = shown(dispute, call.stale);
            let record = if expand.is_empty() { flat } else { dispute.expanded(&expand, flat) };
            Ok(Reply::json(200, &record))
        }
        Route::Accept(id) => {
            may_act(desk.book.dispute(call.account, id)?, call.at)?;
            desk.move_to(call.at, id, Status::Lost, None);
            Ok(Reply::json(200, &desk.book.dispute(call.account, id)?.json()))
        }
        Route::Contest(id) => contest::contest(desk, call, id),
        Route::Upload => documents::upload(desk, call),
        Route::FetchDocument(id) => documents::fetch(desk, call, id),
        Route::DocumentContent(id) => documents::content(desk, call, id),
    }
}

/// An answer is taken from open disputes, until the deadline.
fn may_act(dispute: &Dispute, now: DateTime<Utc>) -> Result<(), Refusal> {
    match dispute.status {
        Status::Open if now.timestamp() > dispute.respond_by => Err(Refusal::deadline_elapsed()),
        Status::Open => Ok(()),
        Status::UnderReview if dispute.plan.resubmittable => Ok(()),
        Status::UnderReview | Status::Won | Status::Lost | Status::Closed => {
            Err(Refusal::not_open(dispute.status.as_str()))
        }
    }
}

fn shown(dispute: &Dispute, stale: bool) -> Value {
    match (&dispute.before, stale) {
        (Some(before), true) => before.clone(),
        (Some(_), false) | (None, _) => dispute.json(),
    }
}

fn list(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let expand = expands(call)?;
    let number = |name: &str, least: i64, most: i64, otherwise: i64| match parameter(call, name) {
        None => Ok(otherwise),
        Some(text) => match text.parse::<i64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(n),
            Ok(_) => {
                let description = format!("The {name} must be between {least} and {most}.");
                Err(Refusal::bad_request(description, Some(name)))
            }
            Err(_) => Err(Refusal::bad_request(format!("The {name} must be an integer."), Some(name))),
        },
    };
    let count = number("count", 1, COUNT_MAX, 10)?;
    let skip = number("skip", 0, i64::MAX, 0)?;
    let from = number("from", 0, i64::MAX, 0)?;
    let to = number("to", 0, i64::MAX, i64::MAX)?;
    let mut rows: Vec<&Dispute> = desk
        .book
        .disputes
        .values()
        .filter(|d| d.account == call.account && (from..=to).contains(&d.created_at))
        .collect();
    rows.sort_by_key(|d| std::cmp::Reverse((d.created_at, d.n)));
    let page = rows.into_iter().skip(skip as usize).take(count as usize);
    let items: Vec<Value> = page
        .map(|d| {
            let mut record = shown(d, call.stale);
            if expand.iter().any(|e| e == "payment") {
                record["payment"] = d.payment();
            }
            record
        })
        .collect();
    Ok(Reply::json(200, &json!({ "entity": "collection", "count": items.len(), "items": items })))
}

fn parameter<'a>(call: &'a Call<'_>, name: &str) -> Option<&'a str> {
    call.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn expands(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let wanted = call.query.iter().filter(|(key, _)| key == "expand[]" || key.starts_with("expand["));
    let wanted: Vec<String> = wanted.map(|(_, value)| value.clone()).collect();
    match wanted.iter().all(|value| ["payment", "transaction.settlement"].contains(&value.as_str())) {
        true => Ok(wanted),
        false => Err(Refusal::not_expandable()),
    }
}

fn called<'a>(call: &'a Call<'_>, round: u32) -> Called<'a> {
    Called {
        at: call.at,
        account: call.account,
        operation: call.operation,
        dispute: call.route.dispute(),
        round,
        idempotency_key: None,
    }
}

/// The account whose key id and secret the request carries. The scheme must be spelled `Basic`.
fn authorised(desk: &Desk<'_>, request: &Incoming, documents: bool) -> Result<usize, Refusal> {
    let spelled = request.header("authorization").is_some_and(|header| header.starts_with("Basic "));
    let pair = request.basic().filter(|_| spelled);
    let found = pair.and_then(|(id, secret)| {
        desk.office.account_with(ProviderKind::Razorpay, &[("key_id", &id), ("key_secret", &secret)])
    });
    found.ok_or_else(|| match documents {
        true => Refusal::unauthorised_documents(),
        false => Refusal::unauthorised(),
    })
}

/// JSON, or the form that one of the official SDKs sends; an empty body is an empty object.
fn read_body(request: &Incoming) -> Result<Value, Refusal> {
    if request.body.iter().all(u8::is_ascii_whitespace) || request.method == Method::GET {
        return Ok(json!({}));
    }
    let form = request.header("content-type").is_some_and(|t| t.contains("x-www-form-urlencoded"));
    if form {
        let pairs = form_urlencoded::parse(&request.body);
        return Ok(Value::Object(pairs.map(|(k, v)| (k.into_owned(), json!(v))).collect()));
    }
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(body) if body.is_object() || body == json!([]) => Ok(body),
        Ok(_) | Err(_) => Err(Refusal::bad_request("The request body is not valid JSON", None)),
    }
}

fn upset() -> Upset {
    Upset {
        throttled: Refusal::throttled().reply(),
        conflict: Refusal::conflict().reply(),
        server_error: Refusal::server_error().reply(),
    }
}
