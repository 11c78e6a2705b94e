//! Paging through `GET /disputes`, which lists by the last update, newest first, and takes a window of it
//! (api-reference.checkout.com, "Get disputes"). A dispute that is updated during the walk leaves the window,
//! and with `skip` everything behind it would move up past the cursor. So the next page is asked for by the
//! last instant seen, and `skip` only counts within one instant, or where the order is not as documented.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Method;

use super::api::Api;
use super::{event, wire};
use crate::providers::http::{self, Response, Safety};
use crate::providers::shared::answered::{listed, unread};
use crate::providers::shared::plausible::instant;
use crate::providers::shared::walk::Cursor;
use crate::providers::{Account, Answer, CallLog, Page};

/// The largest page.
const LIMIT: usize = 250;
/// Whether the bounds are inclusive, and how finely they are compared, is not stated: a second is cheap.
const SLACK: TimeDelta = TimeDelta::seconds(1);

pub async fn changed_since(
    api: &Api,
    account: &Account,
    since: DateTime<Utc>,
    cursor: Option<String>,
) -> (Answer<Page>, Vec<CallLog>) {
    let cursor = match Cursor::at(cursor.as_deref(), (api.now() + SLACK).timestamp_micros()) {
        Ok(cursor) => cursor,
        Err(refused) => return refused,
    };
    let from = since - SLACK;
    let Some(to) = DateTime::from_timestamp_micros(cursor.to) else {
        return http::refused_unsent("the cursor names no instant".to_owned());
    };
    let [from_text, to_text] = [from, to].map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    let path = format!("/disputes?limit={LIMIT}&skip={}&from={from_text}&to={to_text}", cursor.skip);
    let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
    (answer.and_then(|response| page(&response, from, &cursor)), log)
}

fn page(response: &Response, from: DateTime<Utc>, cursor: &Cursor) -> Answer<Page> {
    let paged: wire::Paged<'_> = match serde_json::from_slice(&response.body) {
        Ok(paged) => paged,
        Err(e) => return http::uncertain(Safety::Repeatable, unread(response.status, &e)),
    };
    let records = listed(paged.data.iter().copied(), response.as_of, event::events);
    let rows: Vec<Option<wire::Listed>> =
        paged.data.iter().map(|item| serde_json::from_str(item.get()).ok()).collect();
    // A server that caps lower than we asked says so.
    let full = rows.len() >= paged.limit.unwrap_or(LIMIT).clamp(1, LIMIT);
    match next(&rows, full, from, cursor) {
        Ok(next) => Answer::Receipt(Page { records, next: next.map(|c| c.print()) }),
        Err(why) => http::uncertain(Safety::Repeatable, why),
    }
}

fn next(
    rows: &[Option<wire::Listed>],
    full: bool,
    from: DateTime<Utc>,
    cursor: &Cursor,
) -> Result<Option<Cursor>, String> {
    let first = rows.first().and_then(|item| item.as_ref()?.id.clone()).unwrap_or_default();
    cursor.must_move(&first)?;
    let updated: Vec<Option<DateTime<Utc>>> =
        rows.iter().map(|item| instant(item.as_ref()?.last_update.as_deref()?)).collect();
    // A page wholly older than asked for: `from` is not honoured, and the walk has left the window.
    if !full || updated.iter().all(|at| at.is_some_and(|at| at < from)) {
        return Ok(None);
    }
    let newest_first = updated.iter().all(Option::is_some) && updated.is_sorted_by(|a, b| a >= b);
    let oldest = updated.last().copied().flatten().filter(|_| newest_first);
    let to = oldest.map_or(i64::MAX, |at| (at + SLACK).timestamp_micros());
    Ok(Some(match to < cursor.to {
        true => Cursor { to, skip: 0, first },
        false => Cursor { to: cursor.to, skip: cursor.skip + rows.len(), first },
    }))
}
