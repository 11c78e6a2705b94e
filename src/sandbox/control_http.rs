//! The control handle over HTTP, under `/_sandbox`: JSON in, JSON out, a sentence under `error` when an order
//! cannot be carried out.

use std::collections::BTreeMap;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ProviderKind;
use super::control::Control;
use super::faults::{ApiFault, Weather, WebhookFault};
use super::orders::{Change, ExtraWebhook, NewDispute, NewWarning};

type Answer = Result<Json<Value>, Refused>;
type Body<T> = Result<Json<T>, JsonRejection>;

/// 400 with the sentence; for a dispute that does not exist, 404.
struct Refused(StatusCode, String);

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Self {
        Refused(StatusCode::BAD_REQUEST, format!("{error:#}"))
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Refused(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

pub(super) fn router(control: Control) -> Router {
    Router::new()
        .route("/_sandbox", get(overview))
        .route("/_sandbox/disputes", get(disputes).post(create))
        .route("/_sandbox/disputes/{id}", get(dispute).post(change))
        .route("/_sandbox/warnings", post(warn))
        .route("/_sandbox/webhooks", get(webhooks).post(send_extra))
        .route("/_sandbox/faults", get(faults).delete(clear_faults))
        .route("/_sandbox/faults/api", post(add_api_fault))
        .route("/_sandbox/faults/webhooks", post(add_webhook_fault))
        .route("/_sandbox/faults/weather", post(set_weather))
        .route("/_sandbox/accounts/{provider}/{name}", post(account))
        .route("/_sandbox/clock", get(clock).post(advance))
        .route("/_sandbox/tick", post(tick))
        .route("/_sandbox/flush", post(flush))
        .route("/_sandbox/ledger", get(ledger))
        .with_state(control)
}

async fn overview(State(control): State<Control>) -> Json<Value> {
    let accounts = control.0.quietly(|world, _| {
        let shown = world.office.accounts.iter().map(|a| {
            json!({
                "provider": a.spec.provider,
                "name": a.spec.name,
                "account_ref": a.account_ref,
                "webhook_url": a.spec.webhook_url,
                "webhook_disabled": a.webhook_disabled,
                "settings": a.spec.settings,
            })
        });
        shown.collect::<Vec<_>>()
    });
    let ledger = control.ledger_totals();
    Json(json!({ "now": control.now(), "accounts": accounts, "ledger": ledger }))
}

async fn disputes(State(control): State<Control>) -> Json<Value> {
    Json(json!(control.disputes()))
}

async fn dispute(State(control): State<Control>, Path(id): Path<String>) -> Answer {
    let missing = || Refused(StatusCode::NOT_FOUND, format!("the sandbox has no dispute `{id}`"));
    control.dispute(&id).map(|view| Json(json!(view))).ok_or_else(missing)
}

async fn create(State(control): State<Control>, order: Body<NewDispute>) -> Answer {
    let Json(order) = order?;
    let id = control.create(&order)?;
    Ok(Json(json!(control.dispute(&id))))
}

async fn change(State(control): State<Control>, Path(id): Path<String>, change: Body<Change>) -> Answer {
    let Json(change) = change?;
    Ok(Json(control.change(&id, &change)?))
}

async fn warn(State(control): State<Control>, order: Body<NewWarning>) -> Answer {
    let Json(order) = order?;
    Ok(Json(json!({ "id": control.warn(&order)? })))
}

async fn webhooks(State(control): State<Control>) -> Json<Value> {
    Json(json!(control.webhooks()))
}

async fn send_extra(State(control): State<Control>, order: Body<ExtraWebhook>) -> Answer {
    let Json(order) = order?;
    control.send_extra(&order)?;
    Ok(Json(json!({ "queued": true })))
}

async fn faults(State(control): State<Control>) -> Json<Value> {
    let (api, webhooks) = control.faults();
    Json(json!({ "api": api, "webhooks": webhooks }))
}

async fn clear_faults(State(control): State<Control>) -> Json<Value> {
    control.clear_faults();
    Json(json!({ "api": [], "webhooks": [] }))
}

async fn add_api_fault(State(control): State<Control>, fault: Body<ApiFault>) -> Answer {
    let Json(fault) = fault?;
    control.add_api_fault(fault);
    Ok(faults(State(control)).await)
}

async fn add_webhook_fault(State(control): State<Control>, fault: Body<WebhookFault>) -> Answer {
    let Json(fault) = fault?;
    control.add_webhook_fault(fault);
    Ok(faults(State(control)).await)
}

async fn set_weather(State(control): State<Control>, weather: Body<Weather>) -> Answer {
    let Json(weather) = weather?;
    control.set_weather(&weather);
    Ok(faults(State(control)).await)
}

/// Each key that is there is applied; a null `webhook_url` takes the endpoint away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountChange {
    #[serde(default, deserialize_with = "said")]
    webhook_url: Option<Option<String>>,
    #[serde(default)]
    webhook_secret: Option<String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

fn said<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(d).map(Some)
}

async fn account(
    State(control): State<Control>,
    Path((provider, name)): Path<(String, String)>,
    change: Body<AccountChange>,
) -> Answer {
    let Json(change) = change?;
    let provider: ProviderKind = provider.parse()?;
    if let Some(url) = &change.webhook_url {
        control.set_webhook_url(provider, Some(&name), url.as_deref())?;
    }
    if let Some(secret) = &change.webhook_secret {
        control.roll_webhook_secret(provider, Some(&name), secret)?;
    }
    for (setting, value) in &change.settings {
        control.set_setting(provider, Some(&name), setting, value)?;
    }
    Ok(overview(State(control)).await)
}

async fn clock(State(control): State<Control>) -> Json<Value> {
    Json(json!({ "now": control.now() }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: i64,
}

async fn advance(State(control): State<Control>, order: Body<Advance>) -> Answer {
    let Json(order) = order?;
    let by = TimeDelta::try_seconds(order.advance_s).filter(|by| *by >= TimeDelta::zero());
    let by = by.ok_or_else(|| anyhow::anyhow!("`advance_s` must be a number of seconds, forwards"))?;
    match control.advance(by) {
        Ok(now) => Ok(Json(json!({ "now": now }))),
        Err(error) => Err(Refused(StatusCode::CONFLICT, error.to_string())),
    }
}

async fn tick(State(control): State<Control>) -> Json<Value> {
    control.tick();
    clock(State(control)).await
}

async fn flush(State(control): State<Control>) -> Json<Value> {
    control.flush().await;
    clock(State(control)).await
}

async fn ledger(State(control): State<Control>) -> Json<Value> {
    Json(json!({ "entries": control.ledger(), "totals": control.ledger_totals() }))
}
