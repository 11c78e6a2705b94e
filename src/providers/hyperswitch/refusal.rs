//! The router's error bodies, read into a code and words for people: `{"error": {"type", "code", "message"}}`. Whether a
//! refusal is one is not decided here.

use super::wire;
use crate::providers::http::Response;
use crate::providers::shared::plausible::clean;

pub fn refusal(response: &Response) -> (Option<String>, String) {
    let detail = serde_json::from_slice::<wire::Failure>(&response.body).unwrap_or_default().error;
    let code = [detail.code, detail.r#type].into_iter().flatten().find(|code| !code.is_empty());
    let code = code.map(|code| clean(&code));
    match detail.message.map(|words| clean(&words)).filter(|words| !words.is_empty()) {
        Some(words) => (code, words),
        None => (code, unreadable(response)),
    }
}

fn unreadable(response: &Response) -> String {
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(120)]);
    match clean(start.trim()) {
        empty if empty.is_empty() => "the router gave no reason".to_owned(),
        start => format!("the answer is none of the router's error shapes: {start}"),
    }
}
