//! What those who run the process ask: is it alive, is it ready, what does it count.
//! However many ask, the database is asked at most once a second.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::answer::{counted, json, with_type};
use super::intake::Intake;
use crate::store::pending_migrations;
use crate::store::vitals::{self, Due};

/// Readiness is found out at most this often, however many ask.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// A database that takes longer is not reachable.
const DATABASE_WITHIN: Duration = Duration::from_secs(1);

/// A part of the process that has work to do, and how far behind it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleLag {
    pub role: String,
    /// Milliseconds since the oldest piece of its work was due, whoever is to do it. `None` where nothing says when
    /// its work is due, or the database cannot be asked.
    pub lag_ms: Option<i64>,
    /// False when it has ended or hangs: the process is not ready then.
    pub running: bool,
}

/// What a role says of itself, by what is due, asked whenever readiness is.
pub type Role = Arc<dyn Fn(&Due) -> RoleLag + Send + Sync>;

/// What the health routes ask.
pub struct Probes {
    pool: PgPool,
    intake: Option<Intake>,
    roles: Vec<Role>,
    render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    last: Mutex<Option<(Instant, Ready)>>,
}

impl Probes {
    pub fn new(
        pool: PgPool,
        intake: Option<Intake>,
        roles: Vec<Role>,
        render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        Self { pool, intake, roles, render_metrics, last: Mutex::new(None) }
    }

    async fn look(&self) -> Ready {
        let mut last = self.last.lock().await;
        match &*last {
            Some((at, ready)) if at.elapsed() < FRESH_FOR => ready.clone(),
            Some(_) | None => {
                let ready = self.find_out().await;
                *last = Some((Instant::now(), ready.clone()));
                ready
            }
        }
    }

    async fn find_out(&self) -> Ready {
        let database = match timeout(DATABASE_WITHIN, pending_migrations(&self.pool)).await {
            Ok(Ok(pending)) if pending.is_empty() => "ok".to_owned(),
            Ok(Ok(pending)) => format!("{} migrations are pending: run `respondby migrate`", pending.len()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready: the database does not answer as it should");
                "not reachable, or not of this version: see the log".to_owned()
            }
            Err(_) => format!("no answer within {} ms", DATABASE_WITHIN.as_millis()),
        };
        let intake = self.intake.as_ref().map(|intake| intake.writers_connected());
        let due = match database == "ok" && !self.roles.is_empty() {
            true => timeout(DATABASE_WITHIN, vitals::due(&self.pool)).await.ok().and_then(Result::ok),
            false => None,
        };
        let due = due.unwrap_or_default();
        let roles: Vec<RoleLag> = self.roles.iter().map(|role| role(&due)).collect();
        let ready = database == "ok" && intake != Some(0) && roles.iter().all(|r| r.running);
        Ready { ready, database, intake_writers: intake, roles }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Ready {
    ready: bool,
    database: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    intake_writers: Option<usize>,
    roles: Vec<RoleLag>,
}

/// The process runs. Asks nobody: a database that is away is no reason to kill it.
pub(super) async fn alive() -> Response {
    counted("/healthz", with_type(StatusCode::OK, "text/plain", Body::from("alive\n")))
}

pub(super) async fn ready(State(probes): State<Arc<Probes>>) -> Response {
    let ready = probes.look().await;
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&ready).expect("text and numbers are JSON");
    counted("/readyz", json(status, body + "\n"))
}

pub(super) async fn metrics(State(probes): State<Arc<Probes>>) -> Response {
    let text = (probes.render_metrics)();
    counted("/metrics", with_type(StatusCode::OK, "text/plain; version=0.0.4", Body::from(text)))
}
