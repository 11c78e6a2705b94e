//! What is told when the answer is no: problem+json (RFC 9457) with a type of ours, a sentence for people, and
//! what a program needs to go on. Whoever shows no good key is told nothing more than that.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::desk::{Denied, Lacks, NotTaken};
use crate::dispute::{UnknownWord, words};
use crate::http::answer::with_type;
use crate::store::evidence::Named;

words!(
    /// Every refusal there is: the last part of its type, `urn:respondby:problem:WORD`.
    Kind, "problem", {
        Broken = "broken",
        Unauthorized = "unauthorized",
        ScopeMissing = "scope-missing",
        NoSuchDispute = "no-such-dispute",
        TooSlow = "too-slow",
        Ambiguous = "ambiguous",
        Refused = "refused",
        Overtaken = "overtaken",
        TooLarge = "too-large",
        UnsupportedMediaType = "unsupported-media-type",
        Invalid = "invalid",
        IdempotencyKeyReused = "idempotency-key-reused",
        ProviderRefused = "provider-refused",
        TooOften = "too-often",
        Away = "away",
    }
);

/// After how long whoever finds us busy, or without a database, may come again.
const AWAY_FOR: Duration = Duration::from_secs(5);

const DETAIL_CHARS_MAX: usize = 1000;

impl Kind {
    pub const fn status(self) -> StatusCode {
        match self {
            Kind::Broken => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::ScopeMissing => StatusCode::FORBIDDEN,
            Kind::NoSuchDispute => StatusCode::NOT_FOUND,
            Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Kind::Ambiguous | Kind::Refused | Kind::Overtaken => StatusCode::CONFLICT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Invalid | Kind::IdempotencyKeyReused | Kind::ProviderRefused => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Kind::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Kind::Away => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub fn urn(self) -> String {
        format!("urn:respondby:problem:{self}")
    }

    /// The status in words, as RFC 9457 section 4.2.1 has titles that say no more.
    pub fn title(self) -> &'static str {
        self.status().canonical_reason().unwrap_or("Refused")
    }
}

/// A refusal.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        // What is wrong may be named in it, and be as long as a body.
        if let Some((at, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
            detail.truncate(at);
            detail.push('…');
        }
        Self { kind, detail, more: Map::new(), retry_after: None }
    }

    /// The request is understood, and something in it cannot be.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail)
    }

    pub fn no_such_dispute() -> Self {
        Self::new(Kind::NoSuchDispute, "there is no such dispute: give the provider's id, or ours")
    }

    pub fn ambiguous(all: &[Named]) -> Self {
        let candidate = |named: &Named| {
            json!({"id": named.dispute_id.to_string(), "dispute_id": named.dispute_ref, "provider": named.provider,
                "account": named.account})
        };
        let detail =
            "several disputes have this id: use one of our ids, or name provider and account in the query";
        let candidates = all.iter().map(candidate).collect();
        Self::new(Kind::Ambiguous, detail).with("candidates", candidates)
    }

    /// Nothing is wrong with the request, and another time it will do.
    pub fn away() -> Self {
        let detail =
            "the service is busy, or its database is away: come again, with the same idempotency key";
        Self { retry_after: Some(AWAY_FOR), ..Self::new(Kind::Away, detail) }
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    pub fn into_response(self) -> Response {
        let Self { kind, detail, mut more, retry_after } = self;
        let status = kind.status();
        more.insert("type".to_owned(), kind.urn().into());
        more.insert("title".to_owned(), kind.title().into());
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
                Self::new(Kind::Unauthorized, "show a key that is in use: `authorization: Bearer KEY`")
            }
            Denied::TooOften { after } => {
                let problem = Self::new(Kind::TooOften, "this key has been used too often");
                Self { retry_after: Some(after), ..problem }
            }
            Denied::Away(error) => error.into(),
        }
    }
}

impl From<Lacks> for Problem {
    fn from(lacks: Lacks) -> Self {
        Self::new(Kind::ScopeMissing, lacks.to_string()).with("scope", json!(lacks.0))
    }
}

impl From<NotTaken> for Problem {
    fn from(not_taken: NotTaken) -> Self {
        match not_taken {
            NotTaken::AnotherUnderThisKey => {
                let detail =
                    "another order was given under this idempotency key: use a new key for a new order";
                Self::new(Kind::IdempotencyKeyReused, detail)
            }
            NotTaken::Away(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for Problem {
    /// Whatever the database says is for the log.
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "a request to /v1 was told to come again: the database does not do as it should");
        Self::away()
    }
}
