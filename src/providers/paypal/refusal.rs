//! PayPal's error bodies, read into a code that stays the same and words for people. The fine-grained `issue` is
//! the code where there is one; descriptions may change, and no code is taken from them
//! (`customer_disputes_v1.json`, schema `error_details`).

use super::wire;
use crate::providers::http::Response;
use crate::providers::shared::plausible::clean;

/// The code: the first `issue`, else the `name`, else OAuth's `error`.
pub fn refusal(response: &Response) -> (Option<String>, String) {
    let Ok(failure) = serde_json::from_slice::<wire::Failure>(&response.body) else {
        return (None, unreadable(response));
    };
    let details = failure.details.unwrap_or_default();
    let issue = details.iter().find_map(|d| d.issue.clone());
    let code = issue.or(failure.name).or(failure.error).map(|c| clean(&c)).filter(|c| !c.is_empty());
    let said = failure.message.or(failure.error_description);
    let words: Vec<String> = said.into_iter().chain(details.iter().filter_map(detail)).collect();
    match clean(&words.join("; ")) {
        none if none.is_empty() => (code, unreadable(response)),
        words => (code, words),
    }
}

fn detail(detail: &wire::FailureDetail) -> Option<String> {
    let words = detail.description.as_deref().or(detail.issue.as_deref())?;
    Some(match detail.field.as_deref().filter(|f| !f.is_empty()) {
        Some(field) => format!("{words} (field `{field}`)"),
        None => words.to_owned(),
    })
}

fn unreadable(response: &Response) -> String {
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(120)]);
    match clean(start.trim()) {
        empty if empty.is_empty() => "PayPal gave no reason".to_owned(),
        start => format!("the answer is none of PayPal's error shapes: {start}"),
    }
}
