//! `/v1`: what merchants' own programs ask and order, as JSON. Here is how a request is let in, how it is read and
//! how the answer is written; what it means, the desk knows. Closed sets of words are written in capitals, as
//! in `UNDER_REVIEW`.

mod ask;
mod order;
mod problem;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::time::Instant;

use super::answer::{and_close, counted};
use super::body::{NoBody, Reader};
use super::webhook::is_json;
use crate::config::{ApiConfig, HttpConfig};
use crate::desk::{Caller, Desk, Found, Scope, Want, Which, Wish};
use crate::store::evidence::Named;
use problem::Problem;

const DISPUTES: &str = "/v1/disputes";
const DISPUTE: &str = "/v1/disputes/{id}";
const DEFEND: &str = "/v1/disputes/{id}/defend";
const ACCEPT: &str = "/v1/disputes/{id}/accept";
const EVIDENCE: &str = "/v1/disputes/{id}/evidence";

/// What it takes to answer `/v1`.
pub struct Api {
    desk: Desk,
    bodies: Reader,
    request_timeout: Duration,
    wait_max: Duration,
}

impl Api {
    pub fn new(http: &HttpConfig, api: &ApiConfig, desk: Desk) -> Self {
        Self {
            desk,
            bodies: Reader::new(http.body_bytes_max),
            request_timeout: Duration::from_millis(http.request_timeout_ms),
            wait_max: Duration::from_millis(api.wait_ms_max),
        }
    }
}

/// What a handler comes to: both are answers.
type Answered = Result<Response, Problem>;

/// An id that is not UTF-8 is nobody's.
type Id = Result<Path<String>, PathRejection>;

type Shared = State<Arc<Api>>;

pub(super) fn router(api: Api) -> Router {
    let defend = async |State(api): Shared, id: Id, request: Request| {
        answer(DEFEND, api.take(id, request, order::defend, view::defended).await)
    };
    let accept = async |State(api): Shared, id: Id, request: Request| {
        answer(ACCEPT, api.take(id, request, order::accept, view::accepted).await)
    };
    let evidence = async |State(api): Shared, id: Id, request: Request| {
        answer(EVIDENCE, api.take(id, request, order::evidence, view::defended).await)
    };
    Router::new()
        .route(DISPUTES, get(list))
        .route(DISPUTE, get(show))
        .route(DEFEND, post(defend))
        .route(ACCEPT, post(accept))
        .route(EVIDENCE, post(evidence))
        .with_state(Arc::new(api))
}

fn answer(route: &'static str, answered: Answered) -> Response {
    counted(route, answered.unwrap_or_else(Problem::into_response))
}

async fn list(State(api): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answered = async || -> Answered {
        let caller = api.admit(&headers, Scope::DisputesRead).await?;
        let filter = ask::page_filter(query.as_deref().unwrap_or_default())?;
        let (lines, next) = api.desk.list(&caller, &filter).await?;
        Ok(view::page(&lines, next.map(ask::cursor)))
    };
    answer(DISPUTES, answered().await)
}

async fn show(State(api): Shared, id: Id, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answered = async || -> Answered {
        let caller = api.admit(&headers, Scope::DisputesRead).await?;
        let named = api.named(&caller, id, query.as_deref().unwrap_or_default()).await?;
        let file = api.desk.show(&named).await?.ok_or_else(Problem::no_such_dispute)?;
        Ok(view::file(&file))
    };
    answer(DISPUTE, answered().await)
}

impl Api {
    /// An order: who gives it, what it is, and what became of it.
    async fn take(
        &self,
        id: Id,
        request: Request,
        read: fn(&[u8], &Named) -> Result<Wish, Problem>,
        write: fn(&Named, &Want, &crate::desk::Told) -> Answered,
    ) -> Answered {
        let came_at = Instant::now();
        let (head, body) = request.into_parts();
        // Nothing is read for whoever is not let in.
        let caller = self.admit(&head.headers, Scope::DisputesWrite).await?;
        if !is_json(&head.headers) {
            let detail = "an order is `application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
        }
        let idempotency_key = ask::idempotency_key(&head.headers)?;
        let wait = ask::wait(&head.headers)?.map_or(self.wait_max, |wait| wait.min(self.wait_max));
        let named = self.named(&caller, id, head.uri.query().unwrap_or_default()).await?;
        let invited = head.headers.contains_key(header::EXPECT);
        let held = match self.bodies.read(body, came_at + self.request_timeout, invited).await {
            Ok(held) => held,
            Err(why) => return no_body(why),
        };
        let wish = read(&held.bytes, &named)?;
        let want = wish.want.clone();
        let key = idempotency_key.as_deref();
        let told = self.desk.order(&caller, &named, wish, key, came_at + wait).await?;
        write(&named, &want, &told)
    }

    /// Whoever shows a key that is good for this.
    async fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let caller = self.desk.authenticate(shown.unwrap_or_default()).await?;
        caller.needs(scope)?;
        Ok(caller)
    }

    async fn named(&self, caller: &Caller, id: Id, query: &str) -> Result<Named, Problem> {
        let Ok(Path(word)) = id else { return Err(Problem::no_such_dispute()) };
        let place = ask::place(query)?;
        let (provider, account) = (place.provider.as_deref(), place.account.as_deref());
        match self.desk.find(caller, Which { word: &word, provider, account }).await? {
            Found::One(named) => Ok(named),
            Found::None => Err(Problem::no_such_dispute()),
            Found::Several(all) => Err(Problem::ambiguous(&all)),
        }
    }
}

fn no_body(why: NoBody) -> Answered {
    let problem = match why {
        NoBody::TooLarge => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large"),
        NoBody::NoRoom => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "away", ""),
        NoBody::TooSlow => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not arrive in time")
        }
        NoBody::Broken => Problem::new(StatusCode::BAD_REQUEST, "broken", "the body ended before its end"),
    };
    Ok(and_close(problem.into_response()))
}
