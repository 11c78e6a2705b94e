//! The stand-in of Adyen's `DisputeService`, version 30: five operations, each a POST, and webhooks that tell all
//! the rest: there is no record to read. This file reads as the order in which Adyen looks at a request: key,
//! address, body, merchant account, effect. It must not know the engine's adapter.

mod defence;
mod life;
mod record;
mod refusal;
mod stand_in;

use std::collections::BTreeMap;

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::faults::{Upset, after_effect, before_effect};
use super::ledger::LedgerResult;
use super::office::Called;
use super::reply::{Incoming, Reply};
use super::{Operation, ProviderKind};
use record::{Dispute, State};
use refusal::Refusal;

type Desk<'a> = super::stand_in::Desk<'a, Book>;

/// Everything Adyen keeps.
#[derive(Debug)]
pub(super) struct Book {
    /// Whose accounts these are: Adyen's own, or those of somebody who passes calls on to it.
    kind: ProviderKind,
    disputes: BTreeMap<String, Dispute>,
}

impl Default for Book {
    fn default() -> Self {
        Self::behind(ProviderKind::Adyen)
    }
}

impl Book {
    /// For accounts of `kind`, whose disputes are at Adyen.
    pub fn behind(kind: ProviderKind) -> Self {
        Self { kind, disputes: BTreeMap::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Reasons,
    Supply,
    Delete,
    Defend,
    Accept,
}

impl Route {
    fn of(method: &Method, segments: &[&str]) -> Option<Self> {
        let ["ca", "services", "DisputeService", "v30", operation] = segments else { return None };
        match *operation {
            _ if *method != Method::POST => None,
            "retrieveApplicableDefenseReasons" => Some(Route::Reasons),
            "supplyDefenseDocument" => Some(Route::Supply),
            "deleteDisputeDefenseDocument" => Some(Route::Delete),
            "defendDispute" => Some(Route::Defend),
            "acceptDispute" => Some(Route::Accept),
            _ => None,
        }
    }

    fn operation(self) -> Operation {
        match self {
            Route::Reasons => Operation::DisputeFetch,
            Route::Supply => Operation::DisputeStage,
            Route::Delete => Operation::DisputeUpdate,
            Route::Defend => Operation::DisputeSubmit,
            Route::Accept => Operation::DisputeAccept,
        }
    }
}

/// A request whose key, address and body are good.
struct Call {
    at: DateTime<Utc>,
    account: usize,
    route: Route,
    dispute: String,
    body: Value,
}

/// Answers one request as Adyen would, but for the faults that were ordered.
fn answer(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Reply {
    look(desk, now, request).unwrap_or_else(|refusal| refusal.reply())
}

fn look(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Result<Reply, Refusal> {
    let key = request.header("x-api-key").unwrap_or_default();
    let known = desk.office.account_with(desk.book.kind, &[("api_key", key)]);
    let account = known.ok_or_else(Refusal::unauthorised)?;
    let route = Route::of(&request.method, &request.segments()).ok_or_else(Refusal::unknown_url)?;
    let call = read(desk, now, account, route, &request.body)?;
    let operation = route.operation();
    let trouble = desk.office.trouble_for_call(account, operation, Some(&call.dispute));
    let round = desk.book.disputes.get(&call.dispute).map_or(0, |d| d.round);
    let called = Called {
        at: now,
        account,
        operation,
        dispute: Some(&call.dispute),
        round,
        idempotency_key: request.header("idempotency-key"),
    };
    if let Some(reply) = before_effect(trouble.as_ref(), &upset()) {
        desk.office.record(&called, reply.status, LedgerResult::NotReached);
        return Ok(reply);
    }
    let (reply, result) = match effect(desk, &call) {
        Ok(reply) => (reply, LedgerResult::Effective),
        Err(refusal) => (refusal.reply(), LedgerResult::Refused),
    };
    desk.office.record(&called, reply.status, result);
    Ok(after_effect(trouble, reply, Refusal::server_error().reply()))
}

/// The body, with the fields that every operation has and the merchant account that the key opens.
fn read(
    desk: &Desk<'_>,
    at: DateTime<Utc>,
    account: usize,
    route: Route,
    body: &[u8],
) -> Result<Call, Refusal> {
    let body: Value =
        serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(Refusal::not_json)?;
    let text = |field: &'static str| match (body[field].as_str(), body[field].is_null()) {
        (Some(text), _) if !text.is_empty() => Ok(text.to_owned()),
        (Some(_), _) | (None, true) => Err(Refusal::missing(field)),
        (None, false) => Err(Refusal::not_json()),
    };
    let merchant_account = text("merchantAccountCode")?;
    let dispute = text("disputePspReference")?;
    if merchant_account != desk.office.accounts[account].account_ref {
        return Err(Refusal::foreign_account());
    }
    Ok(Call { at, account, route, dispute, body })
}

fn effect(desk: &mut Desk<'_>, call: &Call) -> Result<Reply, Refusal> {
    let known = desk.book.disputes.get(&call.dispute).filter(|d| d.account == call.account);
    let dispute = known.ok_or_else(|| Refusal::not_done("Dispute not found"))?;
    let done = || Ok(Reply::json(200, &json!({"disputeServiceResult": {"success": true}})));
    match call.route {
        Route::Reasons => {
            let reasons = defence::reasons(dispute);
            let body = json!({"defenseReasons": reasons, "disputeServiceResult": {"success": true}});
            Ok(Reply::json(200, &body))
        }
        Route::Supply => {
            may_act(dispute, call.at)?;
            let documents = defence::read_documents(dispute, &call.body)?;
            desk.supply(call.at, &call.dispute, documents);
            done()
        }
        Route::Delete => {
            may_act(dispute, call.at)?;
            let kind = call.body["defenseDocumentType"].as_str();
            let kind = kind.ok_or_else(|| Refusal::missing("defenseDocumentType"))?.to_owned();
            if !dispute.documents.contains_key(&kind) {
                return Err(Refusal::not_done("Defense document not found"));
            }
            desk.edit(&call.dispute, |d| _ = d.documents.remove(&kind));
            done()
        }
        Route::Defend => {
            may_act(dispute, call.at)?;
            defence::check(dispute, &call.body)?;
            desk.defend(call.at, &call.dispute);
            done()
        }
        Route::Accept => {
            may_act(dispute, call.at)?;
            if dispute.stage == record::Stage::Inquiry {
                return Err(Refusal::not_done("A request for information cannot be accepted"));
            }
            desk.concede(call.at, &call.dispute);
            done()
        }
    }
}

/// An answer is taken from open disputes, until the deadline.
fn may_act(dispute: &Dispute, now: DateTime<Utc>) -> Result<(), Refusal> {
    match dispute.state {
        State::Open if dispute.respond_by.is_some_and(|at| now.timestamp() > at) => {
            Err(Refusal::not_done("The defense period has ended"))
        }
        State::Open if !dispute.defendable => Err(Refusal::not_done("The dispute cannot be defended")),
        State::Open => Ok(()),
        State::Pending if dispute.plan.resubmittable => Ok(()),
        State::Pending => Err(Refusal::not_done("The dispute is defended already")),
        State::Accepted | State::Won | State::Lost | State::Expired => {
            Err(Refusal::not_done("The dispute is closed"))
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
