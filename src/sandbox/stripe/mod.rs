//! The stand-in of Stripe's dispute API: `/v1/disputes`, `/v1/files`, `/v1/events`,
//! `/v1/radar/early_fraud_warnings`, and as much of charges and payment intents as disputes point to.
//! This file reads as the order in which Stripe looks at a request: key, address, parameters, idempotency
//! key, effect. It must not know the engine's adapter.

mod cards;
mod events;
mod files;
mod form;
mod life;
mod lists;
mod parameters;
mod record;
mod refusal;
mod replay;
mod stand_in;
mod update;

use std::collections::{BTreeMap, HashMap};

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::accounts::AccountState;
use super::faults::{Trouble, Upset, after_effect};
use super::ledger::LedgerResult;
use super::office::Called;
use super::reply::{Incoming, Reply};
use super::{Operation, ProviderKind, faults};
use events::Cause;
use form::Node;
use record::Dispute;
use refusal::Refusal;

/// The API version whose shapes the stand-in speaks.
const API_VERSION: &str = "2026-10-28.endive";
/// An account's setting: thin `v2.core.event` notifications instead of snapshots.
const THIN_EVENTS: &str = "thin_events";

type Desk<'a> = super::stand_in::Desk<'a, Book>;

/// Everything Stripe keeps.
#[derive(Debug, Default)]
pub(super) struct Book {
    disputes: BTreeMap<String, Dispute>,
    files: BTreeMap<String, files::File>,
    events: Vec<events::Event>,
    /// Thin notifications by their own id, with the account they belong to.
    thin: BTreeMap<String, (usize, Value)>,
    /// Early fraud warnings with the account they belong to.
    warnings: Vec<(usize, Value)>,
    replays: HashMap<(usize, String), replay::Saved>,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route<'a> {
    ListDisputes,
    FetchDispute(&'a str),
    UpdateDispute(&'a str),
    CloseDispute(&'a str),
    ListFiles,
    UploadFile,
    FetchFile(&'a str),
    FileContents(&'a str),
    ListEvents,
    FetchEvent(&'a str),
    FetchThinEvent(&'a str),
    ListWarnings,
    FetchWarning(&'a str),
    FetchCharge(&'a str),
    FetchPaymentIntent(&'a str),
}

fn route<'a>(method: &Method, segments: &[&'a str]) -> Option<Route<'a>> {
    let (get, post) = (*method == Method::GET, *method == Method::POST);
    match segments {
        ["v1", "disputes"] if get => Some(Route::ListDisputes),
        ["v1", "disputes", id] if get => Some(Route::FetchDispute(id)),
        ["v1", "disputes", id] if post => Some(Route::UpdateDispute(id)),
        ["v1", "disputes", id, "close"] if post => Some(Route::CloseDispute(id)),
        ["v1", "files"] if get => Some(Route::ListFiles),
        ["v1", "files"] if post => Some(Route::UploadFile),
        ["v1", "files", id] if get => Some(Route::FetchFile(id)),
        ["v1", "files", id, "contents"] if get => Some(Route::FileContents(id)),
        ["v1", "events"] if get => Some(Route::ListEvents),
        ["v1", "events", id] if get => Some(Route::FetchEvent(id)),
        ["v2", "core", "events", id] if get => Some(Route::FetchThinEvent(id)),
        ["v1", "radar", "early_fraud_warnings"] if get => Some(Route::ListWarnings),
        ["v1", "radar", "early_fraud_warnings", id] if get => Some(Route::FetchWarning(id)),
        ["v1", "charges", id] if get => Some(Route::FetchCharge(id)),
        ["v1", "payment_intents", id] if get => Some(Route::FetchPaymentIntent(id)),
        _ => None,
    }
}

impl Route<'_> {
    fn parameters(&self) -> &'static [parameters::Field] {
        match self {
            Route::ListDisputes => parameters::DISPUTE_LIST,
            Route::UpdateDispute(_) => parameters::UPDATE,
            Route::ListFiles => parameters::FILE_LIST,
            Route::UploadFile => parameters::FILE_UPLOAD,
            Route::ListEvents => parameters::EVENT_LIST,
            Route::ListWarnings => parameters::WARNING_LIST,
            Route::CloseDispute(_)
            | Route::FetchDispute(_)
            | Route::FetchFile(_)
            | Route::FileContents(_)
            | Route::FetchEvent(_)
            | Route::FetchThinEvent(_)
            | Route::FetchWarning(_)
            | Route::FetchCharge(_)
            | Route::FetchPaymentIntent(_) => parameters::EXPAND_ONLY,
        }
    }

    fn dispute(&self) -> Option<&str> {
        match self {
            Route::FetchDispute(id) | Route::UpdateDispute(id) | Route::CloseDispute(id) => Some(id),
            Route::ListDisputes
            | Route::ListFiles
            | Route::UploadFile
            | Route::FetchFile(_)
            | Route::FileContents(_)
            | Route::ListEvents
            | Route::FetchEvent(_)
            | Route::FetchThinEvent(_)
            | Route::ListWarnings
            | Route::FetchWarning(_)
            | Route::FetchCharge(_)
            | Route::FetchPaymentIntent(_) => None,
        }
    }

    fn operation(&self, parameters: &Node) -> Operation {
        match self {
            Route::ListDisputes => Operation::DisputeList,
            Route::FetchDispute(_) => Operation::DisputeFetch,
            Route::UpdateDispute(_) if update::submits(parameters) => Operation::DisputeSubmit,
            Route::UpdateDispute(_) if parameters.get("evidence").is_some() => Operation::DisputeStage,
            Route::UpdateDispute(_) => Operation::DisputeUpdate,
            Route::CloseDispute(_) => Operation::DisputeAccept,
            Route::UploadFile => Operation::FileUpload,
            Route::ListFiles | Route::FetchFile(_) | Route::FileContents(_) => Operation::FileFetch,
            Route::ListEvents => Operation::EventList,
            Route::FetchEvent(_)
            | Route::FetchThinEvent(_)
            | Route::ListWarnings
            | Route::FetchWarning(_)
            | Route::FetchCharge(_)
            | Route::FetchPaymentIntent(_) => Operation::Other,
        }
    }
}

/// A request whose key, address and parameters are good.
struct Call<'a> {
    at: DateTime<Utc>,
    account: usize,
    route: Route<'a>,
    parameters: Node,
    operation: Operation,
    parts: &'a [super::reply::Part],
    cause: Cause,
    stale: bool,
}

/// Answers one request as Stripe would, but for the faults that were ordered.
fn answer(desk: &mut Desk<'_>, now: DateTime<Utc>, request: &Incoming) -> Reply {
    let request_ref = desk.office.ids.next("req_", 14);
    let key = request.header("idempotency-key").filter(|_| request.method == Method::POST);
    let reply = look(desk, now, request, &request_ref, key).unwrap_or_else(|refusal| refusal.reply());
    let version = request.header("stripe-version").unwrap_or(API_VERSION).to_owned();
    let reply = reply.header("request-id", request_ref).header("stripe-version", version);
    match key {
        Some(key) => reply.header("idempotency-key", key),
        None => reply,
    }
}

fn look(
    desk: &mut Desk<'_>,
    now: DateTime<Utc>,
    request: &Incoming,
    request_ref: &str,
    key: Option<&str>,
) -> Result<Reply, Refusal> {
    let account = authorised(desk, request)?;
    let segments = request.segments();
    let method = &request.method;
    let unknown = || Refusal::unknown_url(method.as_str(), &request.path);
    let route = route(method, &segments).ok_or_else(unknown)?;
    let parameters = read_parameters(request)?;
    let operation = route.operation(&parameters);
    let cause = Cause { request: Some(request_ref.to_owned()), key: key.map(str::to_owned) };
    let mut call =
        Call { at: now, account, route, parameters, operation, parts: &request.parts, cause, stale: false };
    let trouble = desk.office.trouble_for_call(account, operation, call.route.dispute());
    if let Some(reply) = before_effect(trouble.as_ref(), key) {
        let result = LedgerResult::NotReached;
        record(desk, &call, reply.status, result, round_of(desk, &call));
        return Ok(reply);
    }
    call.stale = trouble == Some(Trouble::StaleRead);
    let reply = parameters::check(call.route.parameters(), &call.parameters)
        .and_then(|()| replayed_or_run(desk, &call, key, trouble.as_ref()))
        .unwrap_or_else(|refusal| refusal_on_record(desk, &call, &refusal));
    Ok(after_effect(trouble, reply, Refusal::server_error().reply()))
}

/// A request that never got as far as its effect, with its line in the ledger.
fn refusal_on_record(desk: &mut Desk<'_>, call: &Call<'_>, refusal: &Refusal) -> Reply {
    let round = round_of(desk, call);
    record(desk, call, refusal.status, LedgerResult::Refused, round);
    refusal.reply()
}

fn replayed_or_run(
    desk: &mut Desk<'_>,
    call: &Call<'_>,
    key: Option<&str>,
    trouble: Option<&Trouble>,
) -> Result<Reply, Refusal> {
    let Some(key) = key else { return Ok(run(desk, call)) };
    if key.chars().count() > 255 {
        return Err(Refusal::invalid("Idempotency keys are at most 255 characters long"));
    }
    let print = replay::fingerprint(call);
    if let Some(saved) = desk.book.saved(call.account, key, call.at) {
        if saved.print != print {
            return Err(Refusal::idempotency_mismatch(key));
        }
        let (reply, first) = (saved.reply.clone(), saved.request_ref.clone());
        let round = round_of(desk, call);
        record(desk, call, reply.status, LedgerResult::Replayed, round);
        return Ok(reply.header("original-request", first).header("idempotent-replayed", "true"));
    }
    let reply = run(desk, call);
    let kept = match trouble {
        Some(Trouble::ServerErrorAfterEffect) => Refusal::server_error().reply(),
        _ => reply.clone(),
    };
    desk.book.save(call, key, print, kept);
    Ok(reply)
}

/// Carries a call out, with its line in the ledger.
fn run(desk: &mut Desk<'_>, call: &Call<'_>) -> Reply {
    let round = round_of(desk, call);
    let (reply, result) = match effect(desk, call) {
        Ok(reply) => (reply, LedgerResult::Effective),
        Err(refusal) => (refusal.reply(), LedgerResult::Refused),
    };
    record(desk, call, reply.status, result, round);
    reply
}

fn effect(desk: &mut Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    match call.route {
        Route::ListDisputes => lists::disputes(desk, call),
        Route::FetchDispute(id) => {
            let dispute = desk.book.dispute(call.account, id)?;
            lists::shown(desk, dispute, call, "").map(|record| Reply::json(200, &record))
        }
        Route::UpdateDispute(id) => update::update(desk, call, id),
        Route::CloseDispute(id) => update::close(desk, call, id),
        Route::ListFiles => files::list(desk, call),
        Route::UploadFile => files::upload(desk, call),
        Route::FetchFile(id) => files::fetch(desk, call, id),
        Route::FileContents(id) => files::contents(desk, call, id),
        Route::ListEvents => lists::events(desk, call),
        Route::FetchEvent(id) => lists::event(desk, call, id),
        Route::FetchThinEvent(id) => lists::thin_event(desk, call, id),
        Route::ListWarnings => lists::warnings(desk, call),
        Route::FetchWarning(id) => lists::warning(desk, call, id),
        Route::FetchCharge(id) => lists::charge(desk, call, id),
        Route::FetchPaymentIntent(id) => lists::payment_intent(desk, call, id),
    }
}

impl Book {
    /// The account's dispute, or Stripe's 404.
    fn dispute(&self, account: usize, id: &str) -> Result<&Dispute, Refusal> {
        let found = self.disputes.get(id).filter(|d| d.account == account);
        found.ok_or_else(|| Refusal::no_such("dispute", id, "dispute"))
    }
}

fn round_of(desk: &Desk<'_>, call: &Call<'_>) -> u32 {
    let dispute = call.route.dispute().and_then(|id| desk.book.disputes.get(id));
    dispute.map_or(0, |d| d.round)
}

fn record(desk: &mut Desk<'_>, call: &Call<'_>, status: u16, result: LedgerResult, round: u32) {
    let called = Called {
        at: call.at,
        account: call.account,
        operation: call.operation,
        dispute: call.route.dispute(),
        round,
        idempotency_key: call.cause.key.as_deref(),
    };
    desk.office.record(&called, status, result);
}

/// The account whose secret key the request carries, as Bearer token or as Basic user name; or the one that it speaks
/// for, which is connected to that (docs.stripe.com/connect/authentication).
fn authorised(desk: &Desk<'_>, request: &Incoming) -> Result<usize, Refusal> {
    let user = || request.basic().map(|(user, _)| user);
    let key = request.bearer().map(str::to_owned).or_else(user).ok_or_else(Refusal::no_key)?;
    let found = desk.office.account_with(ProviderKind::Stripe, &[("api_key", &key)]);
    let own = found.ok_or_else(|| Refusal::bad_key(&key))?;
    let Some(named) = request.header("stripe-account") else { return Ok(own) };
    let of_key =
        |(n, a): &(usize, &AccountState)| (*n == own || a.via == Some(own)) && a.account_ref == named;
    let spoken_for = desk.office.accounts.iter().enumerate().find(of_key).map(|(n, _)| n);
    spoken_for.ok_or_else(|| Refusal::no_access(named))
}

fn read_parameters(request: &Incoming) -> Result<Node, Refusal> {
    if request.method == Method::GET {
        return Ok(form::decode(request.query.as_bytes()));
    }
    if !request.parts.is_empty() {
        let texts = request.parts.iter().filter(|part| part.filename.is_none());
        let pairs = texts.map(|p| (p.name.clone(), String::from_utf8_lossy(&p.content).into_owned()));
        return Ok(form::tree(pairs));
    }
    if request.header("content-type").is_some_and(|t| t.starts_with("application/json")) {
        let message = "This API takes application/x-www-form-urlencoded bodies, not application/json";
        return Err(Refusal::invalid(message));
    }
    Ok(form::decode(&request.body))
}

/// The answer of a fault that keeps the call from having an effect, with Stripe's headers about it.
fn before_effect(trouble: Option<&Trouble>, key: Option<&str>) -> Option<Reply> {
    let upset = Upset {
        throttled: match trouble {
            Some(Trouble::LockTimeout) => {
                Refusal::rate_limited("lock_timeout").reply().header("stripe-should-retry", "true")
            }
            Some(_) | None => Refusal::rate_limited("rate_limit")
                .reply()
                .header("stripe-rate-limited-reason", "global-rate"),
        },
        conflict: Refusal::key_in_use(key.unwrap_or_default()).reply(),
        server_error: Refusal::server_error().reply(),
    };
    let reply = faults::before_effect(trouble, &upset)?;
    match trouble {
        Some(Trouble::RateLimited { should_retry: Some(should), .. }) => {
            Some(reply.header("stripe-should-retry", should.to_string()))
        }
        Some(_) | None => Some(reply),
    }
}
