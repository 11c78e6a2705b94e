//! Paging through `GET /disputes/list`. It lists by creation within a range of time, so it finds disputes that no
//! webhook told of; what changed later is found by fetching them. How many the router gives at most is not stated:
//! the walk ends at an empty page.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use serde_json::value::RawValue;

use super::api::{Api, record, then, unread};
use super::wire;
use crate::dispute::Source;
use crate::providers::http::{self, Response, Safety};
use crate::providers::{Account, Answer, CallLog, Page};

const LIMIT: usize = 50;

/// Where a walk stands. The end of the range is set by its first page, so that what comes in meanwhile does not
/// move what follows.
#[derive(Debug, PartialEq, Eq)]
struct Cursor {
    until_unix_ms: i64,
    offset: usize,
    /// The first id of the page before: seeing it again means that `offset` is not honoured.
    first: String,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let until_unix_ms = parts.next()?.parse().ok()?;
        let offset = parts.next()?.parse().ok()?;
        Some(Self { until_unix_ms, offset, first: parts.next()?.to_owned() })
    }

    fn print(&self) -> String {
        format!("{}.{}.{}", self.until_unix_ms, self.offset, self.first)
    }
}

pub async fn created_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let until = api.now() + chrono::TimeDelta::seconds(1);
    let cursor = match cursor.as_deref().map(Cursor::parse) {
        None => Cursor { until_unix_ms: until.timestamp_millis(), offset: 0, first: String::new() },
        Some(Some(cursor)) => cursor,
        Some(None) => {
            let reason = "the cursor is not one that an earlier page returned".to_owned();
            return (Answer::Refused { status: 0, code: Some("bad_cursor".to_owned()), reason }, Vec::new());
        }
    };
    let until = DateTime::from_timestamp_millis(cursor.until_unix_ms).unwrap_or(until);
    let path = format!(
        "/disputes/list?limit={LIMIT}&offset={}&start_time={}&end_time={}",
        cursor.offset,
        written(since - chrono::TimeDelta::seconds(1)),
        written(until)
    );
    let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
    (then(answer, |response| page(&response, &cursor)), log)
}

/// As the router writes instants.
fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn page(response: &Response, cursor: &Cursor) -> Answer<Page> {
    let listed: Vec<&RawValue> = match serde_json::from_slice(&response.body) {
        Ok(listed) => listed,
        Err(e) => return http::uncertain(Safety::Repeatable, unread(response.status, &e)),
    };
    let id = |item: &&RawValue| {
        serde_json::from_str::<wire::Listed>(item.get()).ok().and_then(|l| l.dispute_id).unwrap_or_default()
    };
    let first = listed.first().map(id).unwrap_or_default();
    if cursor.offset > 0 && !first.is_empty() && first == cursor.first {
        let why =
            format!("the page after `offset={}` starts with {} again", cursor.offset, wire::clean(&first));
        return http::uncertain(Safety::Repeatable, why);
    }
    let of = |item: &&RawValue| {
        record(&Bytes::copy_from_slice(item.get().as_bytes()), Source::Poll, response.as_of)
    };
    let records = listed.iter().map(of).collect();
    let next = (!listed.is_empty()).then(|| {
        let offset = cursor.offset + listed.len();
        Cursor { until_unix_ms: cursor.until_unix_ms, offset, first: wire::clean(&first) }.print()
    });
    Answer::Receipt(Page { records, next })
}
