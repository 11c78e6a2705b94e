//! What is told when the answer is no: problem+json (RFC 9457) with a type of ours, a sentence for people, and
//! what a program needs to go on. Whoever shows no good key is told nothing more than that.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::desk::{Denied, Lacks, NotTaken};
use crate::http::answer::{come_again, with_type};
use crate::store::evidence::Named;

/// A refusal.
#[derive(Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    /// The last part of its type: `urn:respondby:problem:WORD`.
    word: &'static str,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(status: StatusCode, word: &'static str, detail: impl Into<String>) -> Self {
        Self { status, word, detail: detail.into(), more: Map::new(), retry_after: None }
    }

    /// The request is understood, and something in it cannot be.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    pub fn no_such_dispute() -> Self {
        let detail = "there is no such dispute: give the provider's id, or ours";
        Self::new(StatusCode::NOT_FOUND, "no-such-dispute", detail)
    }

    pub fn ambiguous(all: &[Named]) -> Self {
        let candidate = |named: &Named| {
            json!({"id": named.dispute_id.to_string(), "dispute_id": named.dispute_ref, "provider": named.provider,
                "account": named.account})
        };
        let detail =
            "several disputes have this id: use one of our ids, or name provider and account in the query";
        let candidates = all.iter().map(candidate).collect();
        Self::new(StatusCode::CONFLICT, "ambiguous", detail).with("candidates", candidates)
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    pub fn into_response(self) -> Response {
        let Self { status, word, detail, mut more, retry_after } = self;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return come_again();
        }
        let title = status.canonical_reason().unwrap_or("Refused");
        more.insert("type".to_owned(), format!("urn:respondby:problem:{word}").into());
        more.insert("title".to_owned(), title.into());
        more.insert("status".to_owned(), status.as_u16().into());
        more.insert("detail".to_owned(), detail.into());
        let body = Body::from(Value::Object(more).to_string() + "\n");
        let mut response = with_type(status, "application/problem+json", body);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = retry_after {
            // Whole seconds, rounded up: who comes then is let in.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown => {
                let detail = "show a key that is in use: `authorization: Bearer KEY`";
                Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            }
            Denied::TooOften { after } => {
                let detail = "this key has been used too often";
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-often", detail);
                Self { retry_after: Some(after), ..problem }
            }
            Denied::Away(error) => error.into(),
        }
    }
}

impl From<Lacks> for Problem {
    fn from(lacks: Lacks) -> Self {
        Self::new(StatusCode::FORBIDDEN, "scope-missing", lacks.to_string()).with("scope", json!(lacks.0))
    }
}

impl From<NotTaken> for Problem {
    fn from(not_taken: NotTaken) -> Self {
        match not_taken {
            NotTaken::AnotherUnderThisKey => {
                let detail =
                    "another order was given under this idempotency key: use a new key for a new order";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
            }
            NotTaken::Away(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for Problem {
    /// Whatever the database says is for the log.
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "a request to /v1 was told to come again: the database does not do as it should");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "away", "")
    }
}
