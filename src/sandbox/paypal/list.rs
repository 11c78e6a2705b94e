//! `GET /v1/customer/disputes`: summaries by the time of the last change, newest dispute first, in pages that
//! follow each other by a token. Parameters are read strictly.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::reply::Reply;
use super::record::Dispute;
use super::refusal::Refusal;
use super::{Call, Desk};

const DAYS_MAX: i64 = 180;

pub(super) fn list(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(call.request.query.as_bytes()).into_owned().collect();
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let page_size = match parameter("page_size").map(str::parse::<usize>) {
        None => 10,
        Some(Ok(size)) if (1..=50).contains(&size) => size,
        Some(_) => return Err(wrong("page_size", "1 to 50 is expected.")),
    };
    let oldest = call.at - TimeDelta::days(DAYS_MAX);
    let bound = |name: &str, otherwise: DateTime<Utc>| match parameter(name) {
        None => Ok(otherwise),
        Some(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(at) if at >= oldest => Ok(at.to_utc()),
            Ok(_) => Err(wrong(name, "The time must be within the last 180 days.")),
            Err(_) => Err(wrong(name, "An internet date and time is expected.")),
        },
    };
    let after = bound("update_time_after", oldest)?;
    let before = bound("update_time_before", call.at)?;
    let skip = match parameter("next_page_token").map(|token| token.strip_prefix("page").map(str::parse)) {
        None => 0,
        Some(Some(Ok(skip))) => skip,
        Some(Some(Err(_)) | None) => return Err(wrong("next_page_token", "The token is not one of ours.")),
    };
    let mut rows: Vec<&Dispute> = desk
        .book
        .disputes
        .values()
        .filter(|d| d.account == call.account && d.updated_at >= after && d.updated_at <= before)
        .collect();
    rows.sort_by_key(|d| std::cmp::Reverse((d.created_at, d.n)));
    let url = &desk.book.url;
    let items: Vec<Value> = rows.iter().skip(skip).take(page_size).map(|d| d.summary(url)).collect();
    let list = format!("{url}/v1/customer/disputes");
    let mut links = vec![json!({ "href": list, "rel": "first", "method": "GET" })];
    if rows.len() > skip.saturating_add(page_size) {
        let token = format!("page{}", skip + page_size);
        let href = format!("{list}?page_size={page_size}&next_page_token={token}");
        links.push(json!({ "href": href, "rel": "next", "method": "GET" }));
    }
    let mut body = json!({ "links": links });
    if !items.is_empty() {
        body["items"] = json!(items);
    }
    Ok(Reply::json(200, &body))
}

fn wrong(name: &str, words: &str) -> Refusal {
    Refusal::invalid(name, "INVALID_PARAMETER_VALUE", words)
}
