//! Paging through `GET /v2/disputes`, by the cursor that each page gives for the next. There is no window of
//! time and no order is stated, so every page is walked through, and what has not been updated since is passed
//! over.

use chrono::{DateTime, Utc};
use reqwest::Method;

use super::api::Api;
use super::{event, wire};
use crate::providers::http::{self, Response, Safety};
use crate::providers::shared::answered::{listed, unread};
use crate::providers::shared::plausible::instant;
use crate::providers::{Account, Answer, CallLog, Page};

/// Longest cursor that is sent back, bytes.
const CURSOR_BYTES_MAX: usize = 2_000;

pub async fn changed_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let query = match &cursor {
        None => String::new(),
        Some(cursor) => {
            format!(
                "?{}",
                form_urlencoded::Serializer::new(String::new()).append_pair("cursor", cursor).finish()
            )
        }
    };
    let path = format!("/v2/disputes{query}");
    let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
    (answer.and_then(|response| page(&response, since, cursor.as_deref())), log)
}

fn page(response: &Response, since: DateTime<Utc>, asked: Option<&str>) -> Answer<Page> {
    let paged: wire::Paged<'_> = match serde_json::from_slice(&response.body) {
        Ok(paged) => paged,
        Err(e) => return http::uncertain(Safety::Repeatable, unread(response.status, &e)),
    };
    let next = paged.cursor.filter(|cursor| !cursor.is_empty());
    if next.as_ref().is_some_and(|next| asked == Some(next) || next.len() > CURSOR_BYTES_MAX) {
        let why = "the page that follows is this one again, or its cursor is absurdly long".to_owned();
        return http::uncertain(Safety::Repeatable, why);
    }
    let is_new = |item: &&serde_json::value::RawValue| {
        let row = serde_json::from_str::<wire::Listed>(item.get()).ok();
        let updated_at = row.and_then(|row| instant(&row.updated_at?));
        updated_at.is_none_or(|at| at >= since)
    };
    let records = listed(paged.disputes.into_iter().filter(is_new), response.as_of, event::events);
    Answer::Receipt(Page { records, next })
}
