//! What a sender is told: as little as there is. Refusals are problem+json (RFC 9457) without a detail.
//! Why something was refused, the log and the metrics know; the sender does not.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::observe::record;

/// After how many seconds a sender may come again while the database is away.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("5");

/// A refusal: the status says all.
pub(super) fn problem(status: StatusCode) -> Response {
    let title = status.canonical_reason().unwrap_or("Refused");
    let body = format!("{{\"status\":{},\"title\":\"{title}\"}}\n", status.as_u16());
    with_type(status, "application/problem+json", Body::from(body))
}

/// Every delivery that proves nothing is told this, whatever is wrong with it.
pub(super) fn refused() -> Response {
    let mut response = problem(StatusCode::UNAUTHORIZED);
    // RFC 9110 section 11.6.1 wants a scheme named; there is none that a sender could take up.
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Signature"));
    response
}

/// Nothing is lost: the sender comes again.
pub(super) fn come_again() -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
    response
}

/// The answer, and the end of the connection: the rest of what was sent on it is not wanted.
pub(super) fn and_close(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    with_type(status, "application/json", body.into())
}

pub(super) fn with_type(status: StatusCode, media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Counts an answer under its route's pattern.
pub(super) fn counted(route: &'static str, response: Response) -> Response {
    record::http_request(route, response.status().as_u16());
    response
}
