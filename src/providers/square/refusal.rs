//! Square's error bodies: a list, each with a category, a code, words, and the field it is about.
//! The first one's code is the refusal's.

use super::wire;
use crate::providers::http::Response;
use crate::providers::shared::plausible::clean;

/// Errors that are passed on, at most.
const ERRORS_MAX: usize = 8;

pub fn refusal(response: &Response) -> (Option<String>, String) {
    let failure = serde_json::from_slice::<wire::Failure>(&response.body).unwrap_or_default();
    let code = failure.errors.iter().find_map(|error| error.code.as_deref()).map(clean);
    let words: Vec<String> = failure.errors.iter().take(ERRORS_MAX).filter_map(words).collect();
    match words.is_empty() {
        true => (code, unreadable(response)),
        false => (code, words.join("; ")),
    }
}

fn words(error: &wire::FailureDetail) -> Option<String> {
    let told = error.detail.as_deref().or(error.code.as_deref()).or(error.category.as_deref())?;
    Some(match error.field.as_deref().filter(|field| !field.is_empty()) {
        Some(field) => format!("{} (field `{}`)", clean(told), clean(field)),
        None => clean(told),
    })
}

fn unreadable(response: &Response) -> String {
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(120)]);
    match clean(start.trim()) {
        empty if empty.is_empty() => "Square gave no reason".to_owned(),
        start => format!("the answer is none of Square's error shapes: {start}"),
    }
}
