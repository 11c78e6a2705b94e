//! Paging through `GET /v1/disputes`. It lists by creation, so it finds disputes that no webhook told of; what
//! changed in older ones is found by fetching those that are open. `from` and `to` come from Razorpay's page
//! on pagination in general (razorpay/markdown-docs, `api/understand.md`); that the list honours them, or
//! which order it has, is stated nowhere, so the paging is built to lose nothing if it does not.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::Method;

use super::api::{Api, record, then, unread};
use super::wire;
use crate::dispute::Source;
use crate::providers::http::{self, Response, Safety};
use crate::providers::{Account, Answer, CallLog, Page};

/// The largest page documented for any of Razorpay's lists.
const COUNT: usize = 100;
/// The default page. A shorter page than this is the last one; a shorter one than [`COUNT`] may only mean
/// that the server caps lower than we asked.
const COUNT_DEFAULT: usize = 10;

/// Where the next page starts. `to` stays what it was on the first page: what is created meanwhile stays out
/// of this walk and moves no row past the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    to_unix_s: i64,
    skip: usize,
    /// The first id of the page before: seeing it again means that `skip` is not honoured.
    first: String,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let to_unix_s = parts.next()?.parse().ok()?;
        let skip = parts.next()?.parse().ok()?;
        Some(Self { to_unix_s, skip, first: parts.next()?.to_owned() })
    }

    fn print(&self) -> String {
        format!("{}.{}.{}", self.to_unix_s, self.skip, self.first)
    }
}

pub async fn created_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let cursor = match cursor.as_deref().map(Cursor::parse) {
        None => Cursor { to_unix_s: api.now().timestamp() + 1, skip: 0, first: String::new() },
        Some(Some(cursor)) => cursor,
        Some(None) => {
            let reason = "the cursor is not one that an earlier page returned".to_owned();
            return (Answer::Refused { status: 0, code: Some("bad_cursor".to_owned()), reason }, Vec::new());
        }
    };
    // Whether the bounds are inclusive is not stated: one second on either side is cheap.
    let from = since.timestamp() - 1;
    let path = format!("/v1/disputes?from={from}&to={}&count={COUNT}&skip={}", cursor.to_unix_s, cursor.skip);
    let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
    (then(answer, |response| page(&response, from, &cursor)), log)
}

fn page(response: &Response, from: i64, cursor: &Cursor) -> Answer<Page> {
    let collection: wire::Collection<'_> = match serde_json::from_slice(&response.body) {
        Ok(collection) => collection,
        Err(e) => return http::uncertain(Safety::Repeatable, unread(response.status, &e)),
    };
    let of = |item: &&serde_json::value::RawValue| {
        record(&Bytes::copy_from_slice(item.get().as_bytes()), Source::Poll, response.as_of)
    };
    let records = collection.items.iter().map(of).collect();
    let listed: Vec<Option<wire::Listed>> =
        collection.items.iter().map(|item| serde_json::from_str(item.get()).ok()).collect();
    match next(&listed, from, cursor) {
        Ok(next) => Answer::Receipt(Page { records, next: next.map(|c| c.print()) }),
        Err(why) => http::uncertain(Safety::Repeatable, why),
    }
}

fn next(listed: &[Option<wire::Listed>], from: i64, cursor: &Cursor) -> Result<Option<Cursor>, String> {
    let id = |item: &Option<wire::Listed>| item.as_ref().and_then(|l| l.id.clone()).unwrap_or_default();
    let first = listed.first().map(id).unwrap_or_default();
    if cursor.skip > 0 && !first.is_empty() && first == cursor.first {
        return Err(format!("the page after `skip={}` starts with {first} again", cursor.skip));
    }
    let before = |item: &Option<wire::Listed>| {
        item.as_ref().and_then(|l| l.created_at).is_some_and(|created| created < from)
    };
    // A page wholly older than asked for: `from` is not honoured, and the walk has left the window.
    if listed.len() < COUNT_DEFAULT || listed.iter().all(before) {
        return Ok(None);
    }
    Ok(Some(Cursor { to_unix_s: cursor.to_unix_s, skip: cursor.skip + listed.len(), first }))
}
