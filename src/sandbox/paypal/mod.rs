//! The stand-in of PayPal's dispute API: tokens, the certificate, `/v1/customer/disputes` with accept-claim,
//! provide-evidence, provide-supporting-info and appeal. This file reads as the order in which PayPal looks at a
//! request: token, address, body, effect. There is no idempotency key. It must not know the engine's adapter.

mod evidence;
mod life;
mod list;
mod record;
mod refusal;
mod signing;
mod stand_in;
mod tokens;

use std::collections::BTreeMap;

use axum::http::Method;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Operation;
use super::faults::{Trouble, Upset, after_effect, before_effect};
use super::ledger::LedgerResult;
use super::office::Called;
use super::reply::{Incoming, Reply};
use record::{BUYER, Dispute, Status};
use refusal::Refusal;

type Desk<'a> = super::stand_in::Desk<'a, Book>;

/// Everything PayPal keeps.
#[derive(Debug, Default)]
pub(super) struct Book {
    disputes: BTreeMap<String, Dispute>,
    tokens: tokens::Tokens,
    /// Where this stand-in answers: links and certificates lead there.
    url: String,
}

impl Book {
    fn dispute(&self, account: usize, id: &str) -> Result<&Dispute, Refusal> {
        self.disputes.get(id).filter(|d| d.account == account).ok_or_else(Refusal::not_found)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    List,
    Show(&'a str),
    Accept(&'a str),
    Evidence(&'a str),
    SupportingInfo(&'a str),
    Appeal(&'a str),
}

fn route<'a>(method: &Method, segments: &[&'a str]) -> Option<Route<'a>> {
    let (get, post) = (*method == Method::GET, *method == Method::POST);
    match segments {
        ["v1", "customer", "disputes"] if get => Some(Route::List),
        ["v1", "customer", "disputes", id] if get => Some(Route::Show(id)),
        ["v1", "customer", "disputes", id, action] if post => match *action {
            "accept-claim" => Some(Route::Accept(id)),
            "provide-evidence" => Some(Route::Evidence(id)),
            "provide-supporting-info" => Some(Route::SupportingInfo(id)),
            "appeal" => Some(Route::Appeal(id)),
            _ => None,
        },
        _ => None,
    }
}

impl<'a> Route<'a> {
    fn dispute(&self) -> Option<&'a str> {
        match self {
            Route::Show(id)
            | Route::Accept(id)
            | Route::Evidence(id)
            | Route::SupportingInfo(id)
            | Route::Appeal(id) => Some(id),
            Route::List => None,
        }
    }

    const fn operation(&self) -> Operation {
        match self {
            Route::List => Operation::DisputeList,
            Route::Show(_) => Operation::DisputeFetch,
            Route::Accept(_) => Operation::DisputeAccept,
            Route::Evidence(_) | Route::SupportingInfo(_) | Route::Appeal(_) => Operation::DisputeSubmit,
        }
    }
}

/// A request whose token and address are good.
struct Call<'a> {
    at: DateTime<Utc>,
    account: usize,
    route: Route<'a>,
    request: &'a Incoming,
    stale: bool,
}

/// Answers one request as PayPal would, but for the faults that were ordered.
fn answer(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Reply {
    look(desk, now, request).unwrap_or_else(|refusal| refusal.reply())
}

fn look(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Result<Reply, Refusal> {
    let segments = request.segments();
    match segments[..] {
        ["v1", "oauth2", "token"] => return tokens::give(desk, now, request),
        ["v1", "notifications", "certs", id] => return certificate(id),
        _ => {}
    }
    let account = desk.book.tokens.account(request, now).ok_or_else(Refusal::unauthorised)?;
    let route = route(&request.method, &segments).ok_or_else(Refusal::not_found)?;
    let mut call = Call { at: now, account, route, request, stale: false };
    let trouble = desk.office.trouble_for_call(account, route.operation(), route.dispute());
    let round = route.dispute().and_then(|id| desk.book.disputes.get(id)).map_or(0, |d| d.round);
    if let Some(reply) = before_effect(trouble.as_ref(), &upset()) {
        desk.office.record(&called(&call, round), reply.status, LedgerResult::NotReached);
        return Ok(reply);
    }
    call.stale = trouble == Some(Trouble::StaleRead);
    let (reply, result) = match effect(desk, &call) {
        Ok(reply) => (reply.header("paypal-debug-id", "7e57ab1e"), LedgerResult::Effective),
        Err(refusal) => (refusal.reply(), LedgerResult::Refused),
    };
    desk.office.record(&called(&call, round), reply.status, result);
    Ok(after_effect(trouble, reply, Refusal::server_error().reply()))
}

fn effect(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    match call.route {
        Route::List => list::list(desk, call),
        Route::Show(id) => {
            let dispute = desk.book.dispute(call.account, id)?;
            Ok(Reply::json(200, &shown(dispute, &desk.book.url, call.stale)))
        }
        Route::Accept(id) => accept(desk, call, id),
        Route::Evidence(id) => {
            let (input, files) = allowed(desk, call, id, "provide_evidence")?;
            let evidences = evidence::evidences(&input, &files)?;
            desk.submit(call.at, id, evidences);
            taken(desk, call, id)
        }
        Route::Appeal(id) => {
            let (input, files) = allowed(desk, call, id, "appeal")?;
            let evidences = evidence::evidences(&input, &files)?;
            desk.submit(call.at, id, evidences);
            taken(desk, call, id)
        }
        Route::SupportingInfo(id) => {
            let (input, files) = allowed(desk, call, id, "provide_supporting_info")?;
            evidence::notes(&input["notes"], "/notes")?;
            if input["notes"].is_null() && files.is_empty() {
                let words = "Notes or documents are required.";
                return Err(Refusal::invalid("/notes", "MISSING_REQUIRED_PARAMETER", words));
            }
            let info = json!({ "notes": input["notes"], "source": "SUBMITTED_BY_SELLER" });
            desk.change(call.at, id, |d| d.supporting_info.push(info));
            taken(desk, call, id)
        }
    }
}

/// The input and files of an action that the dispute's links offer now.
fn allowed<'c>(
    desk: &Desk<'_>,
    call: &Call<'c>,
    id: &str,
    action: &str,
) -> Result<(Value, Vec<&'c super::reply::Part>), Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    if !dispute.actions().contains(&action) {
        let words =
            format!("{action} is not among the links of a dispute that is {}.", dispute.status.as_str());
        return Err(Refusal::not_allowed(&words));
    }
    let late = dispute.respond_by.is_some_and(|at| call.at.timestamp() > at);
    if late && dispute.asks() {
        return Err(Refusal::not_allowed("The time to respond has passed."));
    }
    evidence::input(call.request)
}

fn accept(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let (input, _) = allowed(desk, call, id, "accept_claim")?;
    evidence::notes(&input["note"], "/note")?;
    if input["accept_claim_type"] != "REFUND" {
        let words = "The dispute may be accepted as REFUND.";
        return Err(Refusal::invalid("/accept_claim_type", "INVALID_PARAMETER_VALUE", words));
    }
    desk.move_to(call.at, id, Status::Resolved(BUYER));
    taken(desk, call, id)
}

/// Every action answers with a link to the dispute, and no record.
fn taken(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let link = desk.book.dispute(call.account, id)?.link(&desk.book.url, None);
    Ok(Reply::json(200, &json!({ "links": [link] })))
}

fn shown(dispute: &Dispute, url: &str, stale: bool) -> Value {
    match (&dispute.before, stale) {
        (Some(before), true) => before.clone(),
        (Some(_), false) | (None, _) => dispute.json(url),
    }
}

fn certificate(id: &str) -> Result<Reply, Refusal> {
    match id == signing::CERTIFICATE_ID {
        true => Ok(Reply::bytes(200, "application/x-pem-file", Bytes::from_static(signing::CERTIFICATE))),
        false => Err(Refusal::not_found()),
    }
}

fn called<'a>(call: &Call<'a>, round: u32) -> Called<'a> {
    Called {
        at: call.at,
        account: call.account,
        operation: call.route.operation(),
        dispute: call.route.dispute(),
        round,
        idempotency_key: None,
    }
}

fn upset() -> Upset {
    Upset {
        throttled: Refusal::throttled().reply(),
        conflict: Refusal::conflict().reply(),
        server_error: Refusal::server_error().reply(),
    }
}
