//! The surface: webhooks in, questions and orders in, health out. A webhook is verified and kept before it is
//! answered; what it means is nobody's business here. Knows the providers' `verify`, the directory of accounts,
//! the queue to the database and the desk; never rules or the worker.

mod answer;
mod api;
mod body;
mod health;
mod intake;
mod server;
mod taking;
mod webhook;

pub use api::Api;
pub use health::{Probes, Role, RoleLag};
pub use intake::{Intake, NotKept, Writers};
pub use server::serve;
pub use webhook::Webhooks;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

/// Every route. Without `webhooks` and `api` (a process that does no intake) only health is answered.
pub fn router(probes: Probes, webhooks: Option<Webhooks>, api: Option<Api>) -> Router {
    let health = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .with_state(Arc::new(probes));
    let router = match webhooks {
        Some(webhooks) => health.merge(
            Router::new()
                .route("/webhooks/{provider}/{account}", post(webhook::receive))
                .with_state(Arc::new(webhooks)),
        ),
        None => health,
    };
    let router = match api {
        Some(api) => router.merge(api::router(api)),
        None => router,
    };
    router
        .fallback(|| async { answer::counted("none", answer::problem(StatusCode::NOT_FOUND)) })
        .method_not_allowed_fallback(|| async {
            answer::counted("none", answer::problem(StatusCode::METHOD_NOT_ALLOWED))
        })
        .layer(CatchPanicLayer::custom(panicked))
}

/// A panic ends one request. The panic's own words were printed where it happened.
fn panicked(_panic: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request ended in a panic and was answered with 500: this is a defect of respondby");
    answer::counted("none", answer::problem(StatusCode::INTERNAL_SERVER_ERROR))
}
