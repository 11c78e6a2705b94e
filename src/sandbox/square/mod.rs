//! The stand-in of Square's disputes API: `/v2/disputes` with accept, evidence and its submission. This file
//! reads as the order in which a request is looked at: token, address, body, effect. Pieces of evidence carry an
//! idempotency key; what cannot be taken back does not. It must not know the engine's adapter.

mod evidence;
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
use record::{Dispute, State};
use refusal::Refusal;

/// Rows of a page.
const PAGE: usize = 50;

type Desk<'a> = super::stand_in::Desk<'a, Book>;

/// Everything Square keeps.
#[derive(Debug, Default)]
pub(super) struct Book {
    disputes: BTreeMap<String, Dispute>,
    /// By account and key: what was given, and its answer.
    given: BTreeMap<(usize, String), (Bytes, Value)>,
}

impl Book {
    fn dispute(&self, account: usize, id: &str) -> Result<&Dispute, Refusal> {
        self.disputes.get(id).filter(|d| d.account == account).ok_or_else(|| Refusal::not_found(id))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    List,
    Fetch(&'a str),
    Accept(&'a str),
    Words(&'a str),
    File(&'a str),
    Pieces(&'a str),
    Piece(&'a str, &'a str),
    TakeAway(&'a str, &'a str),
    Submit(&'a str),
}

fn route<'a>(method: &Method, segments: &[&'a str]) -> Option<Route<'a>> {
    let (get, post) = (*method == Method::GET, *method == Method::POST);
    let ["v2", "disputes", rest @ ..] = segments else { return None };
    match rest {
        [] if get => Some(Route::List),
        [id] if get => Some(Route::Fetch(id)),
        [id, "accept"] if post => Some(Route::Accept(id)),
        [id, "evidence-text"] if post => Some(Route::Words(id)),
        [id, "evidence-files"] if post => Some(Route::File(id)),
        [id, "evidence"] if get => Some(Route::Pieces(id)),
        [id, "evidence", piece] if get => Some(Route::Piece(id, piece)),
        [id, "evidence", piece] if *method == Method::DELETE => Some(Route::TakeAway(id, piece)),
        [id, "submit-evidence"] if post => Some(Route::Submit(id)),
        _ => None,
    }
}

impl<'a> Route<'a> {
    fn dispute(&self) -> Option<&'a str> {
        match self {
            Route::List => None,
            Route::Fetch(id)
            | Route::Accept(id)
            | Route::Words(id)
            | Route::File(id)
            | Route::Pieces(id)
            | Route::Piece(id, _)
            | Route::TakeAway(id, _)
            | Route::Submit(id) => Some(id),
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Route::List => Operation::DisputeList,
            Route::Fetch(_) | Route::Pieces(_) | Route::Piece(..) => Operation::DisputeFetch,
            Route::Accept(_) => Operation::DisputeAccept,
            Route::Words(_) | Route::File(_) | Route::TakeAway(..) => Operation::DisputeStage,
            Route::Submit(_) => Operation::DisputeSubmit,
        }
    }
}

/// A request whose token and address are good.
struct Call<'a> {
    at: DateTime<Utc>,
    account: usize,
    route: Route<'a>,
    query: Vec<(String, String)>,
    body: &'a Bytes,
    parts: &'a [Part],
    stale: bool,
}

/// Answers one request as Square would, but for the faults that were ordered.
fn answer(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Reply {
    look(desk, now, request).unwrap_or_else(|refusal| refusal.reply())
}

fn look(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Result<Reply, Refusal> {
    let account = authorised(desk, request)?;
    let segments = request.segments();
    let route = route(&request.method, &segments).ok_or_else(Refusal::unknown_url)?;
    let query = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let (body, parts) = (&request.body, &request.parts[..]);
    let mut call = Call { at: now, account, route, query, body, parts, stale: false };
    let trouble = desk.office.trouble_for_call(account, route.operation(), route.dispute());
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
        Route::Fetch(id) => Ok(one(&shown(desk.book.dispute(call.account, id)?, call.stale))),
        Route::Accept(id) => {
            let dispute = desk.book.dispute(call.account, id)?;
            may_act(dispute, call.at)?;
            if dispute.state == State::InquiryEvidenceRequired {
                return Err(Refusal::bad_request("An inquiry cannot be accepted.", None));
            }
            desk.move_to(call.at, id, State::Accepted);
            Ok(one(&desk.book.dispute(call.account, id)?.json()))
        }
        Route::Words(id) => evidence::words(desk, call, id),
        Route::File(id) => evidence::file(desk, call, id),
        Route::Pieces(id) => evidence::pieces(desk, call, id),
        Route::Piece(id, piece) => evidence::piece(desk, call, id, piece),
        Route::TakeAway(id, piece) => evidence::take_away(desk, call, id, piece),
        Route::Submit(id) => {
            let dispute = desk.book.dispute(call.account, id)?;
            may_act(dispute, call.at)?;
            if dispute.pieces.is_empty() {
                return Err(Refusal::bad_request("The dispute has no evidence to submit.", None));
            }
            desk.submit(call.at, id);
            Ok(one(&desk.book.dispute(call.account, id)?.json()))
        }
    }
}

fn one(dispute: &Value) -> Reply {
    Reply::json(200, &json!({ "dispute": dispute }))
}

/// An answer is taken while evidence is required, until it is due.
fn may_act(dispute: &Dispute, now: DateTime<Utc>) -> Result<(), Refusal> {
    let refused = |detail: &str| Err(Refusal::bad_request(detail, Some("dispute_id")));
    match dispute.state {
        State::EvidenceRequired | State::InquiryEvidenceRequired if now.timestamp() > dispute.due_at => {
            refused("The evidence was due before.")
        }
        State::EvidenceRequired | State::InquiryEvidenceRequired => Ok(()),
        State::Processing | State::InquiryProcessing if dispute.plan.resubmittable => Ok(()),
        State::Processing
        | State::InquiryProcessing
        | State::InquiryClosed
        | State::Won
        | State::Lost
        | State::Accepted => refused(&format!("The dispute is {}.", dispute.state.as_str())),
    }
}

fn shown(dispute: &Dispute, stale: bool) -> Value {
    match (&dispute.before, stale) {
        (Some(before), true) => before.clone(),
        (Some(_), false) | (None, _) => dispute.json(),
    }
}

/// In no order that anybody promised: by id.
fn list(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let parameter = |name: &str| call.query.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str());
    let start = match parameter("cursor") {
        None => 0,
        Some(cursor) => cursor
            .strip_prefix("after-")
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| Refusal::bad_request("The cursor is not one of ours.", Some("cursor")))?,
    };
    let states: Vec<&str> =
        parameter("states").unwrap_or_default().split(',').filter(|s| !s.is_empty()).collect();
    let rows: Vec<&Dispute> = desk
        .book
        .disputes
        .values()
        .filter(|d| d.account == call.account && (states.is_empty() || states.contains(&d.state.as_str())))
        .collect();
    let page = rows.iter().skip(start).take(PAGE);
    let mut body = json!({});
    let items: Vec<Value> = page.map(|d| shown(d, call.stale)).collect();
    if !items.is_empty() {
        body["disputes"] = json!(items);
    }
    if start + PAGE < rows.len() {
        body["cursor"] = json!(format!("after-{}", start + PAGE));
    }
    Ok(Reply::json(200, &body))
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

/// The account whose token the request carries.
fn authorised(desk: &Desk<'_>, request: &Incoming) -> Result<usize, Refusal> {
    let token = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    let found =
        token.and_then(|token| desk.office.account_with(ProviderKind::Square, &[("access_token", token)]));
    found.ok_or_else(Refusal::unauthorised)
}

fn upset() -> Upset {
    Upset {
        throttled: Refusal::throttled().reply(),
        conflict: Refusal::conflict().reply(),
        server_error: Refusal::server_error().reply(),
    }
}
