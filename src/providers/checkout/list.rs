//! Paging through `GET /disputes`, which lists by the last update, newest first, and takes a window of it
//! (api-reference.checkout.com, "Get disputes"). A dispute that is updated during the walk leaves the window,
//! and with `skip` everything behind it would move up past the cursor. So the next page is asked for by the
//! last instant seen, and `skip` only counts within one instant, or where the order is not as documented.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Method;

use super::api::{Api, record, then, unread};
use super::wire;
use crate::dispute::Source;
use crate::providers::http::{self, Response, Safety};
use crate::providers::{Account, Answer, CallLog, Page};

/// The largest page.
const LIMIT: usize = 250;
/// Whether the bounds are inclusive, and how finely they are compared, is not stated: a second is cheap.
const SLACK: TimeDelta = TimeDelta::seconds(1);

/// Where the next page starts: it asks for `to`, and leaves out `skip` of what it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    to_unix_us: i64,
    skip: usize,
    /// The first id of the page before: seeing it again means that `skip` is not honoured.
    first: String,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let to_unix_us = parts.next()?.parse().ok()?;
        let skip = parts.next()?.parse().ok()?;
        Some(Self { to_unix_us, skip, first: parts.next()?.to_owned() })
    }

    fn print(&self) -> String {
        format!("{}.{}.{}", self.to_unix_us, self.skip, self.first)
    }
}

pub async fn changed_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let cursor = match cursor.as_deref().map(Cursor::parse) {
        None => Cursor { to_unix_us: (api.now() + SLACK).timestamp_micros(), skip: 0, first: String::new() },
        Some(Some(cursor)) => cursor,
        Some(None) => {
            let reason = "the cursor is not one that an earlier page returned".to_owned();
            return (Answer::Refused { status: 0, code: Some("bad_cursor".to_owned()), reason }, Vec::new());
        }
    };
    let from = since - SLACK;
    let Some(to) = DateTime::from_timestamp_micros(cursor.to_unix_us) else {
        return http::refused_unsent("the cursor names no instant".to_owned());
    };
    let [from_text, to_text] = [from, to].map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    let path = format!("/disputes?limit={LIMIT}&skip={}&from={from_text}&to={to_text}", cursor.skip);
    let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
    (then(answer, |response| page(&response, from, &cursor)), log)
}

fn page(response: &Response, from: DateTime<Utc>, cursor: &Cursor) -> Answer<Page> {
    let paged: wire::Paged<'_> = match serde_json::from_slice(&response.body) {
        Ok(paged) => paged,
        Err(e) => return http::uncertain(Safety::Repeatable, unread(response.status, &e)),
    };
    let of = |item: &&serde_json::value::RawValue| {
        record(&Bytes::copy_from_slice(item.get().as_bytes()), Source::Poll, response.as_of)
    };
    let records = paged.data.iter().map(of).collect();
    let listed: Vec<Option<wire::Listed>> =
        paged.data.iter().map(|item| serde_json::from_str(item.get()).ok()).collect();
    // A server that caps lower than we asked says so.
    let full = listed.len() >= paged.limit.unwrap_or(LIMIT).clamp(1, LIMIT);
    match next(&listed, full, from, cursor) {
        Ok(next) => Answer::Receipt(Page { records, next: next.map(|c| c.print()) }),
        Err(why) => http::uncertain(Safety::Repeatable, why),
    }
}

fn next(
    listed: &[Option<wire::Listed>],
    full: bool,
    from: DateTime<Utc>,
    cursor: &Cursor,
) -> Result<Option<Cursor>, String> {
    let first = listed.first().and_then(|item| item.as_ref()?.id.clone()).unwrap_or_default();
    if cursor.skip > 0 && !first.is_empty() && first == cursor.first {
        return Err(format!("the page after `skip={}` starts with {first} again", cursor.skip));
    }
    let updated: Vec<Option<DateTime<Utc>>> =
        listed.iter().map(|item| wire::instant(item.as_ref()?.last_update.as_deref()?)).collect();
    // A page wholly older than asked for: `from` is not honoured, and the walk has left the window.
    if !full || updated.iter().all(|at| at.is_some_and(|at| at < from)) {
        return Ok(None);
    }
    let newest_first = updated.iter().all(Option::is_some) && updated.is_sorted_by(|a, b| a >= b);
    let oldest = updated.last().copied().flatten().filter(|_| newest_first);
    let to_unix_us = oldest.map_or(i64::MAX, |at| (at + SLACK).timestamp_micros());
    Ok(Some(match to_unix_us < cursor.to_unix_us {
        true => Cursor { to_unix_us, skip: 0, first },
        false => Cursor { to_unix_us: cursor.to_unix_us, skip: cursor.skip + listed.len(), first },
    }))
}
