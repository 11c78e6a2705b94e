//! How disputes are written on `/v1`. Ids of ours are texts, so that no reader rounds them; money is minor units
//! beside its currency; instants are RFC 3339 in UTC. Shows what is known and decides nothing.

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use crate::desk::{File, Standing, Told, Want};
use crate::http::answer::json as json_answer;
use crate::store::disputes::{ActionLine, CycleLine, Line};
use crate::store::evidence::{Listed, Named};

/// Words of closed sets are written so.
fn capitals(word: &str) -> String {
    word.to_ascii_uppercase()
}

fn ok(body: &Value) -> Response {
    write(StatusCode::OK, body)
}

fn write(status: StatusCode, body: &Value) -> Response {
    json_answer(status, body.to_string() + "\n")
}

#[derive(Serialize)]
struct DisputeView<'a> {
    /// Ours.
    id: String,
    /// The provider's.
    dispute_id: &'a str,
    provider: &'a str,
    account: &'a str,
    payment_id: Option<&'a str>,
    stage: String,
    status: String,
    /// The provider's own word.
    provider_status: &'a str,
    amount_minor: i64,
    currency: String,
    reason: String,
    network_code: Option<&'a str>,
    opened_at: DateTime<Utc>,
    /// Until when a response is owed; null when none is.
    respond_by: Option<DateTime<Utc>>,
    cycle: Option<CycleView<'a>>,
}

#[derive(Serialize)]
struct CycleView<'a> {
    n: i32,
    state: String,
    respond_by: DateTime<Utc>,
    /// What is meant to happen, or was.
    answer: String,
    decided_by: &'a Value,
    rule: Option<&'a str>,
    act_at: Option<DateTime<Utc>>,
    waiting_for: Value,
    response: Option<String>,
    answered_at: Option<DateTime<Utc>>,
}

impl<'a> DisputeView<'a> {
    fn of(line: &'a Line) -> Self {
        let open = line.cycle.as_ref().filter(|c| c.state == "open");
        Self {
            id: line.dispute_id.to_string(),
            dispute_id: &line.dispute_ref,
            provider: &line.provider,
            account: &line.account,
            payment_id: line.payment_ref.as_deref(),
            stage: capitals(line.stage.as_str()),
            status: capitals(line.status.as_str()),
            provider_status: &line.provider_status,
            amount_minor: line.amount.minor,
            currency: line.amount.currency.to_string(),
            reason: capitals(&line.category),
            network_code: line.network_code.as_deref(),
            opened_at: line.opened_at,
            respond_by: open.map(|c| c.respond_by),
            cycle: line.cycle.as_ref().map(CycleView::of),
        }
    }
}

impl<'a> CycleView<'a> {
    fn of(cycle: &'a CycleLine) -> Self {
        const NOTHING: &Value = &Value::Null;
        Self {
            n: cycle.n,
            state: capitals(&cycle.state),
            respond_by: cycle.respond_by,
            answer: capitals(&cycle.plan_kind),
            decided_by: cycle.plan.get("decided_by").unwrap_or(NOTHING),
            rule: cycle.rule_id.as_deref(),
            act_at: cycle.act_at,
            waiting_for: cycle.plan.get("waiting_for").cloned().unwrap_or_else(|| json!([])),
            response: cycle.response.map(|r| capitals(r.as_str())),
            answered_at: cycle.answered_at,
        }
    }
}

pub(super) fn page(lines: &[Line], next_cursor: Option<String>) -> Response {
    let disputes: Vec<DisputeView<'_>> = lines.iter().map(DisputeView::of).collect();
    ok(&json!({ "disputes": disputes, "next_cursor": next_cursor }))
}

pub(super) fn file(file: &File) -> Response {
    let mut whole = json!(DisputeView::of(&file.line));
    let cycles: Vec<CycleView<'_>> = file.cycles.iter().map(CycleView::of).collect();
    whole["cycles"] = json!(cycles);
    whole["actions"] = file.actions.iter().map(action).collect();
    whole["evidence"] = file.evidence.iter().map(evidence).collect();
    ok(&whole)
}

fn action(action: &ActionLine) -> Value {
    json!({"cycle": action.cycle_n, "kind": capitals(&action.kind), "state": capitals(&action.state),
        "wanted_at": action.wanted_at, "done_at": action.done_at, "requests": action.requests, "note": action.note})
}

fn evidence(piece: &Listed) -> Value {
    let mut seen = json!(piece);
    seen["file_id"] = piece.file_id.map(|id| id.to_string()).into();
    seen
}

/// The SDK document's answer to a defence.
pub(super) fn defended(named: &Named, want: &Want, told: &Told) -> Result<Response, Problem> {
    ordered(named, want, told, "defense_submitted")
}

pub(super) fn accepted(named: &Named, want: &Want, told: &Told) -> Result<Response, Problem> {
    ordered(named, want, told, "accepted")
}

/// `done` is true only when the provider's record shows the response.
fn ordered(named: &Named, want: &Want, told: &Told, done: &'static str) -> Result<Response, Problem> {
    let no_waiting = Vec::new();
    let (status, detail, waiting_for) = match &told.standing {
        Standing::Confirmed => (StatusCode::OK, "the provider's record shows the response", &no_waiting),
        Standing::Kept => (StatusCode::OK, "the evidence is kept, and nothing is sent", &no_waiting),
        Standing::UnderWay { sent: true } => {
            (StatusCode::ACCEPTED, "it was sent, and the provider's record does not show it yet", &no_waiting)
        }
        Standing::UnderWay { sent: false } => {
            (StatusCode::ACCEPTED, "the order is taken, and not carried out yet", &no_waiting)
        }
        Standing::Waits { waiting_for } => {
            (StatusCode::ACCEPTED, "the order is taken, and a person is needed first", waiting_for)
        }
        Standing::Refused { why } => return Err(no(Kind::Refused, why, named, told)),
        Standing::TurnedDown { why } => {
            let why = format!("the provider refused it: {why}");
            return Err(no(Kind::ProviderRefused, &why, named, told));
        }
        Standing::Overtaken { why } => return Err(no(Kind::Overtaken, why, named, told)),
    };
    let mut body = json!({"id": named.dispute_id.to_string(), "dispute_id": named.dispute_ref,
        "status": capitals(told.status.as_str()), "status_code": status.as_u16(),
        "progress": capitals(told.standing.word()), "detail": detail, "waiting_for": waiting_for});
    body[done] = (told.standing == Standing::Confirmed && *want != Want::Keep).into();
    Ok(write(status, &body))
}

fn no(kind: Kind, why: &str, named: &Named, told: &Told) -> Problem {
    Problem::new(kind, why)
        .with("id", named.dispute_id.to_string().into())
        .with("dispute_id", named.dispute_ref.clone().into())
        .with("dispute_status", capitals(told.status.as_str()).into())
}
