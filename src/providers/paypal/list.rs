//! Paging through `GET /v1/customer/disputes` by the time of the last change, which PayPal keeps for 180 days.
//! A list shows summaries, without the payment and the outcome, so each dispute on a page is read whole. One that is
//! not shown now holds up no other: it is only named, to be fetched on its own.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::api::Api;
use super::{link, wire};
use crate::providers::http::{self, Safety};
use crate::providers::shared::plausible::{clean, instant};
use crate::providers::{Account, Answer, CallLog, Page, Reading, Record, json};

/// Of at most 50: each row is a call of its own.
const PAGE_SIZE: usize = 20;
/// `update_time_after` "must be within the last 180 days": a day short of it, for clocks that differ.
const DAYS_MAX: i64 = 179;
/// Schema of `next_page_token`.
const TOKEN_LENGTH_MAX: usize = 255;

/// Disputes of a page that are not shown before the rest of it is only named: each may take as long as a time-out.
const FAILURES_MAX: usize = 2;
const NAME: &str = "a list";

const NOTHING: Page = Page { records: Vec::new(), next: None };

/// Where the next page starts. The window stays what it was on the first page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    after: DateTime<Utc>,
    before: DateTime<Utc>,
    token: String,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let after = instant(parts.next()?)?;
        let before = instant(parts.next()?)?;
        let token = parts.next().filter(|token| is_token(token))?.to_owned();
        Some(Self { after, before, token })
    }

    fn print(&self) -> String {
        format!("{} {} {}", written(self.after), written(self.before), self.token)
    }
}

fn is_token(token: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    (1..=TOKEN_LENGTH_MAX).contains(&token.len()) && token.bytes().all(plain)
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub async fn updated_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let here = match cursor.as_deref().map(Cursor::parse) {
        None => {
            let before = api.now();
            // Whether the bound is inclusive is not stated: one second more is cheap.
            let after = (since - TimeDelta::seconds(1)).max(before - TimeDelta::days(DAYS_MAX));
            Cursor { after, before, token: String::new() }
        }
        Some(Some(cursor)) => cursor,
        Some(None) => {
            let reason = "the cursor is not one that an earlier page returned".to_owned();
            return (Answer::Refused { status: 0, code: Some("bad_cursor".to_owned()), reason }, Vec::new());
        }
    };
    let (answer, mut logs) = api.get(account, &path(&here)).await;
    let searched = answer.and_then(|response| {
        match json::read::<wire::Search>(&response.body, "the list").and_then(|search| whole(&search, &here))
        {
            Ok(found) => Answer::Receipt(found),
            Err(why) => {
                http::uncertain(Safety::Repeatable, format!("answered HTTP {}, and {why}", response.status))
            }
        }
    });
    let (ids, next) = match searched {
        Answer::Receipt(found) => found,
        Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => {
            return (searched.map(|_| NOTHING), logs);
        }
    };
    let records = read_whole(api, account, ids, &mut logs).await;
    (Answer::Receipt(Page { records, next }), logs)
}

async fn read_whole(api: &Api, account: &Account, ids: Vec<String>, logs: &mut Vec<CallLog>) -> Vec<Record> {
    let mut records = Vec::with_capacity(ids.len());
    let mut failures = 0;
    for id in ids {
        if !wire::is_dispute_ref(&id) {
            let what = format!("the list names a dispute `{}`, which is no id", clean(&id));
            records.push(without_record(api, Reading::Unrecognised { what }, id));
            continue;
        }
        if failures < FAILURES_MAX {
            let (answer, more) = api.look(account, &id).await;
            logs.extend(more);
            match answer {
                // One that is not understood is among them, for a person to see.
                Answer::Receipt(record) => {
                    records.push(record);
                    continue;
                }
                Answer::Refused { status: 404, .. } => continue,
                Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => failures += 1,
            }
        }
        let reading = Reading::FetchFirst { dispute_ref: id.clone(), name: NAME.to_owned() };
        records.push(without_record(api, reading, id));
    }
    records
}

fn without_record(api: &Api, reading: Reading, id: String) -> Record {
    Record { reading, raw: Bytes::from(id), as_of: api.now() }
}

fn path(here: &Cursor) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("page_size", &PAGE_SIZE.to_string())
        .append_pair("update_time_after", &written(here.after))
        .append_pair("update_time_before", &written(here.before));
    if !here.token.is_empty() {
        query.append_pair("next_page_token", &here.token);
    }
    format!("/v1/customer/disputes?{}", query.finish())
}

/// The ids on the page, and the cursor to the next. An empty list has no `items`, and is told by its links.
fn whole(search: &wire::Search, here: &Cursor) -> Result<(Vec<String>, Option<String>), String> {
    if search.items.is_none() && search.links.is_none() {
        return Err("the list holds neither `items` nor `links`".to_owned());
    }
    let ids: Vec<String> = search.items.iter().flatten().map(|item| item.dispute_id.clone()).collect();
    let Some(token) = link::next_page_token(search.links.as_deref()) else { return Ok((ids, None)) };
    if !is_token(&token) || token == here.token {
        return Err(format!("the link to the next page leads nowhere new: `{}`", clean(&token)));
    }
    Ok((ids, Some(Cursor { token, ..here.clone() }.print())))
}
