//! `/v1`: what merchants' own programs ask and order, as JSON. Here is how a request is let in, how it is read and
//! how the answer is written; what it means, the desk knows. Closed sets of words are written in capitals, as
//! in `UNDER_REVIEW`.

mod ask;
mod call;
mod form;
mod openapi;
mod order;
mod problem;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::answer::{and_close, counted, json};
use super::body::{self, NoBody, Pieces};
use super::webhook::is_json;
use crate::config::{ApiConfig, HttpConfig};
use crate::desk::{Caller, Desk, Found, Scope, Taken, Told, Want, Which, Wish};
use crate::store::evidence::Named;
use call::Call;
use form::Unread;
use problem::{Kind, Problem};

/// What it takes to answer `/v1`.
pub struct Api {
    desk: Desk,
    body_bytes_max: usize,
    upload_bytes_max: usize,
    request_timeout: Duration,
    upload_timeout: Duration,
    wait_max: Duration,
    document: Bytes,
}

impl Api {
    pub fn new(http: &HttpConfig, api: &ApiConfig, desk: Desk) -> Self {
        Self {
            desk,
            body_bytes_max: http.body_bytes_max,
            upload_bytes_max: api.upload_bytes_max,
            request_timeout: Duration::from_millis(http.request_timeout_ms),
            upload_timeout: Duration::from_millis(api.upload_timeout_ms),
            wait_max: Duration::from_millis(api.wait_ms_max),
            document: (openapi::document().to_string() + "\n").into(),
        }
    }
}

/// What a handler comes to: both are answers.
type Answered = Result<Response, Problem>;

/// An id that is not UTF-8 is nobody's.
type Id = Result<Path<String>, PathRejection>;

type Shared = State<Arc<Api>>;

pub(super) fn router(api: Api) -> Router {
    let route = |router: Router<Arc<Api>>, call: &Call| router.route(call.path(), handler(*call));
    Call::ALL.iter().fold(Router::new(), route).with_state(Arc::new(api))
}

fn handler(call: Call) -> MethodRouter<Arc<Api>> {
    match call {
        Call::Document => get(document),
        Call::List => get(list),
        Call::Show => get(show),
        Call::Defend => order(call, order::defend, view::defended),
        Call::Accept => order(call, order::accept, view::accepted),
        Call::Evidence => order(call, order::evidence, view::defended),
    }
}

type Read = fn(&[u8], &Named) -> Result<Wish, Problem>;
type Write = fn(&Named, &Want, &Told) -> Answered;

fn order(call: Call, read: Read, write: Write) -> MethodRouter<Arc<Api>> {
    post(async move |State(api): Shared, id: Id, request: Request| {
        answer(call, api.take(call, id, request, read, write).await)
    })
}

fn answer(call: Call, answered: Answered) -> Response {
    counted(call.path(), answered.unwrap_or_else(Problem::into_response))
}

async fn document(State(api): Shared) -> Response {
    answer(Call::Document, Ok(json(StatusCode::OK, api.document.clone())))
}

async fn list(State(api): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answered = async || -> Answered {
        let caller = api.admit(&headers, Scope::DisputesRead).await?;
        let filter = ask::page_filter(query.as_deref().unwrap_or_default())?;
        let (lines, next) = api.desk.list(&caller, &filter).await?;
        Ok(view::page(&lines, next.map(ask::cursor)))
    };
    answer(Call::List, answered().await)
}

async fn show(State(api): Shared, id: Id, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answered = async || -> Answered {
        let caller = api.admit(&headers, Scope::DisputesRead).await?;
        let named = api.named(&caller, id, query.as_deref().unwrap_or_default()).await?;
        let file = api.desk.show(&named).await?.ok_or_else(Problem::no_such_dispute)?;
        Ok(view::file(&file))
    };
    answer(Call::Show, answered().await)
}

impl Api {
    /// An order: who gives it, what it is, and what became of it.
    async fn take(&self, call: Call, id: Id, request: Request, read: Read, write: Write) -> Answered {
        let (head, body) = request.into_parts();
        // Nothing is read for whoever is not let in.
        let caller = self.admit(&head.headers, Scope::DisputesWrite).await?;
        let boundary = match call {
            Call::Evidence => form::boundary(&head.headers).transpose()?,
            Call::Document | Call::List | Call::Show | Call::Defend | Call::Accept => None,
        };
        if boundary.is_none() && !is_json(&head.headers) {
            return Err(unsupported(call));
        }
        let idempotency_key = ask::idempotency_key(&head.headers)?;
        let wait = ask::wait(&head.headers)?.map_or(self.wait_max, |wait| wait.min(self.wait_max));
        let named = self.named(&caller, id, head.uri.query().unwrap_or_default()).await?;
        let invited = head.headers.contains_key(header::EXPECT);
        let read = match boundary {
            Some(boundary) => self.read_form(&caller, body, boundary, invited, &named).await,
            None => self.read_json(&caller, body, invited, &named, read).await,
        };
        let wish = match read {
            Ok(wish) => wish,
            Err(Unread::Problem(problem)) => return Err(problem),
            Err(Unread::NoBody(why)) => return no_body(why),
        };
        let (want, until) = (wish.want.clone(), Instant::now() + wait);
        let told = self.desk.order(&caller, &named, wish, idempotency_key.as_deref(), until).await?;
        write(&named, &want, &told)
    }

    async fn read_json(
        &self,
        caller: &Caller,
        body: Body,
        invited: bool,
        named: &Named,
        read: Read,
    ) -> Result<Wish, Unread> {
        let until = Instant::now() + self.request_timeout;
        let pieces = Pieces::of(body, self.body_bytes_max, invited).await.map_err(Unread::NoBody)?;
        let room = self.room(caller, pieces.size(), until).await.map_err(Unread::NoBody)?;
        let whole = timeout_at(until, pieces.whole()).await.unwrap_or(Err(NoBody::TooSlow));
        Ok(read(&whole.map_err(Unread::NoBody)?, named)?.held_in(room))
    }

    async fn read_form(
        &self,
        caller: &Caller,
        body: Body,
        boundary: String,
        invited: bool,
        named: &Named,
    ) -> Result<Wish, Unread> {
        let came_at = Instant::now();
        let room_until = came_at + self.request_timeout.min(self.upload_timeout);
        let mut pieces = Pieces::of(body, self.upload_bytes_max, invited).await.map_err(Unread::NoBody)?;
        let room = self.room(caller, pieces.size(), room_until).await.map_err(Unread::NoBody)?;
        let until = came_at + self.upload_timeout;
        let reading = timeout_at(until, form::read(&mut pieces, boundary)).await;
        match reading.unwrap_or(Err(Unread::NoBody(NoBody::TooSlow))) {
            Ok(form) => Ok(order::evidence_of(form.keys, form.files, named)?.held_in(room)),
            Err(why) => {
                drop(room);
                if !matches!(why, Unread::NoBody(NoBody::TooSlow)) {
                    pieces.discard().await;
                }
                Err(why)
            }
        }
    }

    async fn room(&self, caller: &Caller, bytes: usize, until: Instant) -> Result<Option<Taken>, NoBody> {
        if body::is_small(bytes) {
            return Ok(None);
        }
        self.desk.room(caller, bytes, until).await.map(Some).ok_or(NoBody::NoRoom)
    }

    /// Whoever shows a key that is good for this.
    async fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
        let caller = self.desk.authenticate(ask::authorization(headers)).await?;
        caller.needs(scope)?;
        Ok(caller)
    }

    async fn named(&self, caller: &Caller, id: Id, query: &str) -> Result<Named, Problem> {
        let Ok(Path(word)) = id else { return Err(Problem::no_such_dispute()) };
        let place = ask::place(query)?;
        let (provider, account) = (place.provider.as_deref(), place.account.as_deref());
        match self.desk.find(caller, Which { word: &word, provider, account, connector: None }).await? {
            Found::One(named) => Ok(named),
            Found::None => Err(Problem::no_such_dispute()),
            Found::Several(all) => Err(Problem::ambiguous(&all)),
        }
    }
}

fn unsupported(call: Call) -> Problem {
    let detail = match call {
        Call::Evidence => "evidence is `application/json` or `multipart/form-data`",
        Call::Document | Call::List | Call::Show | Call::Defend | Call::Accept => {
            "an order is `application/json`"
        }
    };
    Problem::new(Kind::UnsupportedMediaType, detail)
}

fn no_body(why: NoBody) -> Answered {
    let problem = match why {
        NoBody::TooLarge => Problem::new(Kind::TooLarge, why.to_string()),
        NoBody::NoRoom => Problem::away(),
        NoBody::TooSlow => Problem::new(Kind::TooSlow, why.to_string()),
        NoBody::Broken => Problem::new(Kind::Broken, why.to_string()),
    };
    Ok(and_close(problem.into_response()))
}
