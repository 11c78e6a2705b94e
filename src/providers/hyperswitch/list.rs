//! Paging through `GET /disputes/list`. It lists by creation within a range of time, so it finds disputes that no
//! webhook told of; what changed later is found by fetching them. How many the router gives at most is not stated:
//! the walk ends at an empty page.

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use serde_json::value::RawValue;

use super::api::Api;
use super::{event, wire};
use crate::providers::http::{self, Response, Safety};
use crate::providers::shared::answered::{listed, unread};
use crate::providers::shared::plausible::clean;
use crate::providers::shared::walk::Cursor;
use crate::providers::{Account, Answer, CallLog, Page};

const LIMIT: usize = 50;

pub async fn created_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let until = api.now() + chrono::TimeDelta::seconds(1);
    let cursor = match Cursor::at(cursor.as_deref(), until.timestamp_millis()) {
        Ok(cursor) => cursor,
        Err(refused) => return refused,
    };
    let until = DateTime::from_timestamp_millis(cursor.to).unwrap_or(until);
    let path = format!(
        "/disputes/list?limit={LIMIT}&offset={}&start_time={}&end_time={}",
        cursor.skip,
        written(since - chrono::TimeDelta::seconds(1)),
        written(until)
    );
    let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
    (answer.and_then(|response| page(&response, &cursor)), log)
}

/// As the router writes instants.
fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn page(response: &Response, cursor: &Cursor) -> Answer<Page> {
    let rows: Vec<&RawValue> = match serde_json::from_slice(&response.body) {
        Ok(rows) => rows,
        Err(e) => return http::uncertain(Safety::Repeatable, unread(response.status, &e)),
    };
    let id = |item: &&RawValue| {
        serde_json::from_str::<wire::Listed>(item.get()).ok().and_then(|l| l.dispute_id).unwrap_or_default()
    };
    let first = clean(&rows.first().map(id).unwrap_or_default());
    if let Err(why) = cursor.must_move(&first) {
        return http::uncertain(Safety::Repeatable, why);
    }
    let records = listed(rows.iter().copied(), response.as_of, event::events);
    let skip = cursor.skip + rows.len();
    let next = (!rows.is_empty()).then(|| Cursor { to: cursor.to, skip, first }.print());
    Answer::Receipt(Page { records, next })
}
