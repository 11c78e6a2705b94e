//! Paging through `GET /v1/disputes`. It lists by creation, so it finds disputes that no webhook told of; what
//! changed in older ones is found by fetching those that are open. `from` and `to` come from Razorpay's page
//! on pagination in general (razorpay/markdown-docs, `api/understand.md`); that the list honours them, or
//! which order it has, is stated nowhere, so the paging is built to lose nothing if it does not.

use chrono::{DateTime, Utc};
use reqwest::Method;

use super::api::Api;
use super::{event, wire};
use crate::providers::http::{self, Response, Safety};
use crate::providers::shared::answered::{listed, unread};
use crate::providers::shared::walk::Cursor;
use crate::providers::{Account, Answer, CallLog, Page};

/// The largest page documented for any of Razorpay's lists.
const COUNT: usize = 100;
/// The default page. A shorter page than this is the last one; a shorter one than [`COUNT`] may only mean
/// that the server caps lower than we asked.
const COUNT_DEFAULT: usize = 10;

pub async fn created_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let cursor = match Cursor::at(cursor.as_deref(), api.now().timestamp() + 1) {
        Ok(cursor) => cursor,
        Err(refused) => return refused,
    };
    // Whether the bounds are inclusive is not stated: one second on either side is cheap.
    let from = since.timestamp() - 1;
    let path = format!("/v1/disputes?from={from}&to={}&count={COUNT}&skip={}", cursor.to, cursor.skip);
    let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
    (answer.and_then(|response| page(&response, from, &cursor)), log)
}

fn page(response: &Response, from: i64, cursor: &Cursor) -> Answer<Page> {
    let collection: wire::Collection<'_> = match serde_json::from_slice(&response.body) {
        Ok(collection) => collection,
        Err(e) => return http::uncertain(Safety::Repeatable, unread(response.status, &e)),
    };
    let records = listed(collection.items.iter().copied(), response.as_of, event::events);
    let rows: Vec<Option<wire::Listed>> =
        collection.items.iter().map(|item| serde_json::from_str(item.get()).ok()).collect();
    match next(&rows, from, cursor) {
        Ok(next) => Answer::Receipt(Page { records, next: next.map(|c| c.print()) }),
        Err(why) => http::uncertain(Safety::Repeatable, why),
    }
}

fn next(rows: &[Option<wire::Listed>], from: i64, cursor: &Cursor) -> Result<Option<Cursor>, String> {
    let id = |item: &Option<wire::Listed>| item.as_ref().and_then(|l| l.id.clone()).unwrap_or_default();
    let first = rows.first().map(id).unwrap_or_default();
    cursor.must_move(&first)?;
    let before = |item: &Option<wire::Listed>| {
        item.as_ref().and_then(|l| l.created_at).is_some_and(|created| created < from)
    };
    // A page wholly older than asked for: `from` is not honoured, and the walk has left the window.
    if rows.len() < COUNT_DEFAULT || rows.iter().all(before) {
        return Ok(None);
    }
    Ok(Some(Cursor { to: cursor.to, skip: cursor.skip + rows.len(), first }))
}
