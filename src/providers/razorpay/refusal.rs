//! Razorpay's error bodies, read into a code that stays the same and words for people. All refusals carry
//! one code of its own (`BAD_REQUEST_ERROR`), so ours is taken from the description (razorpay/markdown-docs,
//! `api/disputes/accept.md` and `contest.md`, "Errors").

use super::wire;
use crate::providers::http::Response;
use crate::providers::shared::plausible::clean;

/// What stands before the status in a refusal because of it.
const NOT_IN_STATUS: &str = "not allowed when dispute is in ";

/// Our code by words that the description contains.
const CODES: &[(&str, &str)] = &[
    ("deadline to respond has elapsed", "deadline_elapsed"),
    ("id provided does not exist", "not_found"),
    ("not a valid id", "invalid_id"),
    ("amount cannot be greater", "amount_too_large"),
    ("invalid file id", "invalid_document"),
    ("selected action is invalid", "invalid_action"),
    ("not required and should not be sent", "invalid_parameter"),
];

/// The code: `status_not_open:<status>`, one of [`CODES`], else Razorpay's own.
pub fn refusal(response: &Response) -> (Option<String>, String) {
    let Ok(failure) = serde_json::from_slice::<wire::Failure>(&response.body) else {
        return (None, unreadable(response));
    };
    let detail = failure.error.unwrap_or_default();
    let words = detail.description.or_else(|| failure.errors.map(|all| all.join("; "))).unwrap_or_default();
    if words.is_empty() {
        return (detail.code, unreadable(response));
    }
    let reason = match detail.field.filter(|f| !f.is_empty()) {
        Some(field) => format!("{} (field `{}`)", clean(&words), clean(&field)),
        None => clean(&words),
    };
    (code_in(&words).or(detail.code.map(|c| clean(&c))), reason)
}

fn code_in(description: &str) -> Option<String> {
    let lower = description.to_lowercase();
    if let Some((_, after)) = lower.split_once(NOT_IN_STATUS) {
        let status: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        return Some(format!("status_not_open:{status}"));
    }
    CODES.iter().find(|(words, _)| lower.contains(words)).map(|(_, code)| (*code).to_owned())
}

fn unreadable(response: &Response) -> String {
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(120)]);
    match clean(start.trim()) {
        empty if empty.is_empty() => "Razorpay gave no reason".to_owned(),
        start => format!("the answer is none of Razorpay's error shapes: {start}"),
    }
}
