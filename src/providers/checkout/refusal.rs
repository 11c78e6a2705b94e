//! Checkout.com's error bodies, read into a code that stays the same and words for people. Its own codes are
//! taken as they come; a 401 or 404 has no body, and then the status alone speaks.

use super::wire;
use crate::providers::http::Response;
use crate::providers::shared::plausible::clean;

/// Codes that are passed on, at most. A body can name one per field.
const CODES_MAX: usize = 8;

pub fn refusal(response: &Response) -> (Option<String>, String) {
    let failure = serde_json::from_slice::<wire::Failure>(&response.body).unwrap_or_default();
    let codes: Vec<String> =
        failure.error_codes.unwrap_or_default().iter().take(CODES_MAX).map(|c| clean(c)).collect();
    let kind = failure.error_type.map(|t| clean(&t)).filter(|t| !t.is_empty());
    let code = codes.iter().find(|c| !c.is_empty()).cloned().or(kind.clone());
    let reason = match (kind, codes.is_empty()) {
        (Some(kind), false) => format!("{kind}: {}", codes.join(", ")),
        (Some(kind), true) => kind,
        (None, false) => codes.join(", "),
        (None, true) => return (None, without_words(response)),
    };
    match failure.request_id.map(|id| clean(&id)) {
        Some(id) => (code, format!("{reason} (request {id})")),
        None => (code, reason),
    }
}

fn without_words(response: &Response) -> String {
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(120)]);
    let start = clean(start.trim());
    if !start.is_empty() {
        return format!("the answer is none of Checkout.com's error shapes: {start}");
    }
    match response.status {
        401 => "the API key is not taken: is it the secret key of this environment?",
        403 => "the API key lacks a scope: disputes:view, disputes:accept and disputes:provide-evidence are needed",
        404 => "there is no such dispute or file under this API key",
        _ => "Checkout.com gave no reason",
    }
    .to_owned()
}
