//! Adyen's error bodies, read into its code and words for people. An answer with HTTP 200 can be a refusal too:
//! `success` is false in it. Source: Adyen's OpenAPI `DisputeService-v30`, `ServiceError`.

use super::wire;
use crate::providers::http::Response;
use crate::providers::shared::plausible::clean;
use crate::providers::{Answer, json};

pub fn refusal(response: &Response) -> (Option<String>, String) {
    let error: wire::ServiceError = json::read(&response.body, "the answer").unwrap_or_default();
    let code = error.error_code.as_deref().map(clean).filter(|c| !c.is_empty());
    let message = error.message.as_deref().map(clean).filter(|m| !m.is_empty());
    let kind = error.error_type.as_deref().map(clean).filter(|t| !t.is_empty());
    match (message, kind) {
        (Some(message), Some(kind)) => (code, format!("{message} ({kind})")),
        (Some(message), None) => (code, message),
        (None, _) => (code, unreadable(response)),
    }
}

/// What a success that is none comes to. Adyen gives no code with it.
pub fn not_done<T>(status: u16, done: wire::Done) -> Answer<T> {
    let told = clean(done.error_message.unwrap_or_default().trim());
    let reason = if told.is_empty() { "Adyen gave no reason".to_owned() } else { told };
    Answer::Refused { status, code: Some("not_successful".to_owned()), reason }
}

fn unreadable(response: &Response) -> String {
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(120)]);
    match clean(start.trim()) {
        empty if empty.is_empty() => "Adyen gave no reason".to_owned(),
        start => format!("the answer is none of Adyen's error shapes: {start}"),
    }
}
