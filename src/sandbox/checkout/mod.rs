//! The stand-in of Checkout.com's disputes API: `/disputes` with accept and evidence, `/files`. This file reads
//! as the order in which a request is looked at: key, address, body, effect. There is no idempotency key, and
//! what changes a dispute is answered with 204 and nothing. It must not know the engine's adapter.

mod evidence;
mod files;
mod life;
mod record;
mod refusal;
mod stand_in;

use std::collections::BTreeMap;

use axum::http::Method;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::faults::{Trouble, Upset, after_effect, before_effect};
use super::ledger::LedgerResult;
use super::office::Called;
use super::reply::{Incoming, Part, Reply};
use super::{Operation, ProviderKind};
use record::{Dispute, Status};
use refusal::Refusal;

/// Most rows of a page, and what it holds unless asked.
const LIMIT_MAX: usize = 250;
const LIMIT_DEFAULT: usize = 50;

type Desk<'a> = super::stand_in::Desk<'a, Book>;

/// Everything Checkout.com keeps.
#[derive(Debug, Default)]
pub(super) struct Book {
    disputes: BTreeMap<String, Dispute>,
    files: BTreeMap<String, files::File>,
}

impl Book {
    fn dispute(&self, account: usize, id: &str) -> Result<&Dispute, Refusal> {
        self.disputes.get(id).filter(|d| d.account == account).ok_or(Refusal::NotFound)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    List,
    Fetch(&'a str),
    Accept(&'a str),
    Provide(&'a str),
    Submit(&'a str),
    Provided(&'a str),
    Upload,
    FetchFile(&'a str),
}

fn route<'a>(method: &Method, segments: &[&'a str]) -> Option<Route<'a>> {
    let (get, post) = (*method == Method::GET, *method == Method::POST);
    match segments {
        ["disputes"] if get => Some(Route::List),
        ["disputes", id] if get => Some(Route::Fetch(id)),
        ["disputes", id, "accept"] if post => Some(Route::Accept(id)),
        ["disputes", id, "evidence"] if *method == Method::PUT => Some(Route::Provide(id)),
        ["disputes", id, "evidence"] if post => Some(Route::Submit(id)),
        ["disputes", id, "evidence"] if get => Some(Route::Provided(id)),
        ["files"] if post => Some(Route::Upload),
        ["files", id] if get => Some(Route::FetchFile(id)),
        _ => None,
    }
}

impl<'a> Route<'a> {
    fn dispute(&self) -> Option<&'a str> {
        match self {
            Route::Fetch(id)
            | Route::Accept(id)
            | Route::Provide(id)
            | Route::Submit(id)
            | Route::Provided(id) => Some(id),
            Route::List | Route::Upload | Route::FetchFile(_) => None,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Route::List => Operation::DisputeList,
            Route::Fetch(_) | Route::Provided(_) => Operation::DisputeFetch,
            Route::Accept(_) => Operation::DisputeAccept,
            Route::Provide(_) => Operation::DisputeStage,
            Route::Submit(_) => Operation::DisputeSubmit,
            Route::Upload => Operation::FileUpload,
            Route::FetchFile(_) => Operation::FileFetch,
        }
    }
}

/// A request whose key and address are good.
struct Call<'a> {
    at: DateTime<Utc>,
    account: usize,
    route: Route<'a>,
    query: Vec<(String, String)>,
    body: &'a Bytes,
    parts: &'a [Part],
    stale: bool,
}

/// Answers one request as Checkout.com would, but for the faults that were ordered.
fn answer(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Reply {
    let request_ref = desk.office.ids.next("cko", 16);
    let reply = look(desk, now, request, &request_ref).unwrap_or_else(|refusal| refusal.reply(&request_ref));
    reply.header("cko-request-id", request_ref).header("cko-version", "sandbox")
}

fn look(
    desk: &mut Desk<'_>,
    now: DateTime<Utc>,
    request: &Incoming,
    request_ref: &str,
) -> Result<Reply, Refusal> {
    let account = authorised(desk, request)?;
    let segments = request.segments();
    let route = route(&request.method, &segments).ok_or(Refusal::NotFound)?;
    let query = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let (body, parts) = (&request.body, &request.parts[..]);
    let mut call = Call { at: now, account, route, query, body, parts, stale: false };
    let trouble = desk.office.trouble_for_call(account, route.operation(), route.dispute());
    let round = route.dispute().and_then(|id| desk.book.disputes.get(id)).map_or(0, |d| d.round);
    if let Some(reply) = before_effect(trouble.as_ref(), &upset(request_ref)) {
        desk.office.record(&called(&call, round), reply.status, LedgerResult::NotReached);
        return Ok(reply);
    }
    call.stale = trouble == Some(Trouble::StaleRead);
    let (reply, result) = match effect(desk, &call) {
        Ok(reply) => (reply, LedgerResult::Effective),
        Err(refusal) => (refusal.reply(request_ref), LedgerResult::Refused),
    };
    desk.office.record(&called(&call, round), reply.status, result);
    Ok(after_effect(trouble, reply, Refusal::ServerError.reply(request_ref)))
}

fn effect(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    match call.route {
        Route::List => list(desk, call),
        Route::Fetch(id) => Ok(Reply::json(200, &shown(desk.book.dispute(call.account, id)?, call.stale))),
        Route::Accept(id) => {
            may_act(desk.book.dispute(call.account, id)?, call.at)?;
            desk.move_to(call.at, id, Status::Accepted);
            Ok(nothing())
        }
        Route::Provide(id) => evidence::provide(desk, call, id),
        Route::Submit(id) => evidence::submit(desk, call, id),
        Route::Provided(id) => evidence::provided(desk, call, id),
        Route::Upload => files::upload(desk, call),
        Route::FetchFile(id) => files::fetch(desk, call, id),
    }
}

fn nothing() -> Reply {
    Reply::bytes(204, "", Bytes::new())
}

/// An answer is taken while evidence is required, until the deadline.
fn may_act(dispute: &Dispute, now: DateTime<Utc>) -> Result<(), Refusal> {
    match dispute.status {
        Status::EvidenceRequired if now.timestamp() > dispute.evidence_required_by => {
            Err(Refusal::invalid("dispute_evidence_deadline_passed"))
        }
        Status::EvidenceRequired => Ok(()),
        Status::EvidenceUnderReview if dispute.plan.resubmittable => Ok(()),
        Status::EvidenceUnderReview
        | Status::Resolved
        | Status::Won
        | Status::Lost
        | Status::Canceled
        | Status::Expired
        | Status::Accepted
        | Status::ArbitrationUnderReview
        | Status::ArbitrationWon
        | Status::ArbitrationLost => Err(Refusal::invalid("dispute_status_not_evidence_required")),
    }
}

fn shown(dispute: &Dispute, stale: bool) -> Value {
    match (&dispute.before, stale) {
        (Some(before), true) => before.clone(),
        (Some(_), false) | (None, _) => dispute.json(),
    }
}

/// What a list is narrowed to.
struct Window {
    limit: usize,
    skip: usize,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    statuses: Vec<String>,
}

fn window(call: &Call<'_>) -> Result<Window, Refusal> {
    let number = |name: &str, least: usize, most: usize, otherwise: usize| match parameter(call, name) {
        None => Ok(otherwise),
        Some(text) => match text.parse::<usize>() {
            Ok(n) if (least..=most).contains(&n) => Ok(n),
            Ok(_) | Err(_) => Err(Refusal::invalid(&format!("paging_{name}_invalid"))),
        },
    };
    let instant = |name: &str| match parameter(call, name) {
        None => Ok(None),
        Some(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(at) => Ok(Some(at.with_timezone(&Utc))),
            Err(_) => Err(Refusal::invalid(&format!("paging_{name}_invalid"))),
        },
    };
    let statuses = parameter(call, "statuses").unwrap_or_default();
    Ok(Window {
        limit: number("limit", 1, LIMIT_MAX, LIMIT_DEFAULT)?,
        skip: number("skip", 0, usize::MAX, 0)?,
        from: instant("from")?,
        to: instant("to")?,
        statuses: statuses.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    })
}

/// The last updated first.
fn list(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let Window { limit, skip, from, to, statuses } = window(call)?;
    let named = |name: &str, is: &str| parameter(call, name).is_none_or(|wanted| wanted == is);
    let mut rows: Vec<&Dispute> = desk
        .book
        .disputes
        .values()
        .filter(|d| d.account == call.account && named("id", &d.id) && named("payment_id", &d.payment_id))
        .filter(|d| from.is_none_or(|from| from <= d.last_update) && to.is_none_or(|to| d.last_update <= to))
        .filter(|d| statuses.is_empty() || statuses.iter().any(|word| word == d.status.as_str()))
        .collect();
    rows.sort_by_key(|d| std::cmp::Reverse((d.last_update, d.n)));
    let total_count = rows.len();
    let page = rows.into_iter().skip(skip).take(limit);
    let items: Vec<Value> =
        page.map(|d| if call.stale { d.summary_of(&shown(d, true)) } else { d.summary() }).collect();
    let body = json!({ "limit": limit, "skip": skip, "total_count": total_count, "data": items });
    Ok(Reply::json(200, &body))
}

fn parameter<'a>(call: &'a Call<'_>, name: &str) -> Option<&'a str> {
    call.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn called<'a>(call: &'a Call<'_>, round: u32) -> Called<'a> {
    Called {
        at: call.at,
        account: call.account,
        operation: call.route.operation(),
        dispute: call.route.dispute(),
        round,
        idempotency_key: None,
    }
}

/// The account whose secret key the request carries.
fn authorised(desk: &Desk<'_>, request: &Incoming) -> Result<usize, Refusal> {
    let key = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    let found = key.and_then(|key| desk.office.account_with(ProviderKind::Checkout, &[("api_key", key)]));
    found.ok_or(Refusal::Unauthorised)
}

fn upset(request_ref: &str) -> Upset {
    Upset {
        throttled: Refusal::Throttled.reply(request_ref),
        conflict: Refusal::Conflict.reply(request_ref),
        server_error: Refusal::ServerError.reply(request_ref),
    }
}
