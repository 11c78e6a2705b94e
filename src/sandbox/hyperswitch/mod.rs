//! The stand-in of the Hyperswitch router's dispute API: `/disputes` with list, accept and evidence. It stands for the
//! router and the connector behind it in one. This file reads as the order in which the router looks at a request:
//! key, address, effect. There is no idempotency key. It must not know the engine's adapter.

mod evidence;
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

const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;

type Desk<'a> = super::stand_in::Desk<'a, Book>;

/// Everything the router keeps.
#[derive(Debug, Default)]
pub(super) struct Book {
    disputes: BTreeMap<String, Dispute>,
    /// By id: the account and the dispute that a file was attached to.
    files: BTreeMap<String, (usize, String)>,
}

impl Book {
    fn dispute(&self, account: usize, id: &str) -> Result<&Dispute, Refusal> {
        self.disputes.get(id).filter(|d| d.account == account).ok_or_else(|| Refusal::no_such_dispute(id))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    List,
    Fetch(&'a str),
    Accept(&'a str),
    Submit,
    Attach,
    Detach,
    Evidence(&'a str),
}

fn route<'a>(method: &Method, segments: &[&'a str]) -> Option<Route<'a>> {
    let is = |wanted: Method| *method == wanted;
    match segments {
        ["disputes", "list"] if is(Method::GET) => Some(Route::List),
        ["disputes", "accept", id] if is(Method::POST) => Some(Route::Accept(id)),
        ["disputes", "evidence"] if is(Method::POST) => Some(Route::Submit),
        ["disputes", "evidence"] if is(Method::PUT) => Some(Route::Attach),
        ["disputes", "evidence"] if is(Method::DELETE) => Some(Route::Detach),
        ["disputes", "evidence", id] if is(Method::GET) => Some(Route::Evidence(id)),
        ["disputes", id] if is(Method::GET) => Some(Route::Fetch(id)),
        _ => None,
    }
}

impl Route<'_> {
    fn operation(&self) -> Operation {
        match self {
            Route::List => Operation::DisputeList,
            Route::Fetch(_) | Route::Evidence(_) => Operation::DisputeFetch,
            Route::Accept(_) => Operation::DisputeAccept,
            Route::Submit => Operation::DisputeSubmit,
            Route::Attach | Route::Detach => Operation::DisputeStage,
        }
    }
}

/// A request whose key, address and body are good.
struct Call<'a> {
    at: DateTime<Utc>,
    account: usize,
    route: Route<'a>,
    /// In the address or in the body.
    dispute: Option<String>,
    query: BTreeMap<String, String>,
    body: Value,
    parts: &'a [Part],
    stale: bool,
}

impl Call<'_> {
    fn dispute(&self) -> Result<&str, Refusal> {
        self.dispute.as_deref().ok_or_else(|| Refusal::missing("dispute_id"))
    }

    fn called(&self, round: u32) -> Called<'_> {
        Called {
            at: self.at,
            account: self.account,
            operation: self.route.operation(),
            dispute: self.dispute.as_deref(),
            round,
            idempotency_key: None,
        }
    }
}

/// Answers one request as the router would, but for the faults that were ordered.
fn answer(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Reply {
    look(desk, now, request).unwrap_or_else(|refusal| refusal.reply())
}

fn look(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Result<Reply, Refusal> {
    let key = request.header("api-key").unwrap_or_default();
    let account = desk.office.account_with(ProviderKind::Hyperswitch, &[("api_key", key)]);
    let account = account.filter(|_| !key.is_empty()).ok_or_else(Refusal::unauthorised)?;
    let segments = request.segments();
    let route = route(&request.method, &segments).ok_or_else(Refusal::unknown_url)?;
    let query = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let body = read_body(route, request)?;
    let named = match route {
        Route::Fetch(id) | Route::Accept(id) | Route::Evidence(id) => Some(id.to_owned()),
        Route::Submit | Route::Detach => body["dispute_id"].as_str().map(str::to_owned),
        Route::Attach => part(&request.parts, "dispute_id").map(str::to_owned),
        Route::List => None,
    };
    let parts = &request.parts;
    let mut call = Call { at: now, account, route, dispute: named, query, body, parts, stale: false };
    let trouble = desk.office.trouble_for_call(account, route.operation(), call.dispute.as_deref());
    let round = call.dispute.as_ref().and_then(|id| desk.book.disputes.get(id)).map_or(0, |d| d.round);
    if let Some(reply) = before_effect(trouble.as_ref(), &upset()) {
        desk.office.record(&call.called(round), reply.status, LedgerResult::NotReached);
        return Ok(reply);
    }
    call.stale = trouble == Some(Trouble::StaleRead);
    let (reply, result) = match effect(desk, &call) {
        Ok(reply) => (reply, LedgerResult::Effective),
        Err(refusal) => (refusal.reply(), LedgerResult::Refused),
    };
    desk.office.record(&call.called(round), reply.status, result);
    Ok(after_effect(trouble, reply, Refusal::server_error().reply()))
}

fn effect(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    match call.route {
        Route::List => list(desk, call),
        Route::Fetch(_) => {
            let dispute = desk.book.dispute(call.account, call.dispute()?)?;
            Ok(Reply::json(200, &shown(dispute, call.stale)))
        }
        Route::Accept(_) => {
            let id = call.dispute()?;
            may_act(desk.book.dispute(call.account, id)?)?;
            desk.move_to(call.at, id, Status::Accepted);
            Ok(Reply::json(200, &desk.book.dispute(call.account, id)?.json()))
        }
        Route::Submit => evidence::submit(desk, call),
        Route::Attach => evidence::attach(desk, call),
        Route::Detach => evidence::detach(desk, call),
        Route::Evidence(_) => evidence::show(desk, call),
    }
}

/// The router hands on what is open at the stage `dispute`, and nothing else.
fn may_act(dispute: &Dispute) -> Result<(), Refusal> {
    let open = dispute.status == Status::Opened || dispute.plan.resubmittable;
    match open && dispute.stage == "dispute" {
        true => Ok(()),
        false => Err(Refusal::not_in_this_state(dispute.stage.as_str(), dispute.status.as_str())),
    }
}

fn shown(dispute: &Dispute, stale: bool) -> Value {
    match (&dispute.before, stale) {
        (Some(before), true) => before.clone(),
        (Some(_), false) | (None, _) => dispute.json(),
    }
}

fn list(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let number = |name: &str, otherwise: usize| match call.query.get(name) {
        None => Ok(otherwise),
        Some(text) => text.parse::<usize>().map_err(|_| Refusal::invalid(name)),
    };
    let instant = |name: &str| match call.query.get(name) {
        None => Ok(None),
        Some(text) => {
            let at = DateTime::parse_from_rfc3339(text).map_err(|_| Refusal::invalid(name))?;
            Ok(Some(at.with_timezone(&Utc)))
        }
    };
    let (limit, offset) = (number("limit", LIMIT_DEFAULT)?.min(LIMIT_MAX), number("offset", 0)?);
    let (from, until) = (instant("start_time")?, instant("end_time")?);
    let words = |name: &str| call.query.get(name).map(|all| all.split(',').collect::<Vec<_>>());
    let statuses = words("dispute_status");
    let mut rows: Vec<&Dispute> = desk.book.disputes.values().filter(|d| d.account == call.account).collect();
    rows.retain(|d| from.is_none_or(|at| d.created_at >= at) && until.is_none_or(|at| d.created_at <= at));
    rows.retain(|d| statuses.as_ref().is_none_or(|all| all.contains(&d.status.as_str())));
    rows.sort_by_key(|d| std::cmp::Reverse((d.created_at, d.n)));
    let page: Vec<Value> = rows.into_iter().skip(offset).take(limit).map(|d| shown(d, call.stale)).collect();
    Ok(Reply::json(200, &json!(page)))
}

fn part<'a>(parts: &'a [Part], name: &str) -> Option<&'a str> {
    let part = parts.iter().find(|part| part.name == name)?;
    std::str::from_utf8(&part.content).ok()
}

fn read_body(route: Route<'_>, request: &Incoming) -> Result<Value, Refusal> {
    match route {
        Route::Submit | Route::Detach => {
            let body = serde_json::from_slice::<Value>(&request.body).ok();
            body.filter(Value::is_object).ok_or_else(|| Refusal::invalid("the body"))
        }
        Route::List | Route::Fetch(_) | Route::Accept(_) | Route::Attach | Route::Evidence(_) => {
            Ok(Value::Null)
        }
    }
}

fn upset() -> Upset {
    Upset {
        throttled: Refusal::throttled().reply(),
        conflict: Refusal::conflict().reply(),
        server_error: Refusal::server_error().reply(),
    }
}
