//! What Stripe's answers mean: the retry rule of its own libraries, its error bodies, and the records, pages
//! and files in its successes. Sends nothing.

use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use reqwest::header::CONTENT_TYPE;

use super::event;
use super::fields::shown;
use super::wire::{Loose, WireErrorBody, WireList, WireObject};
use crate::dispute::Source;
use crate::providers::http::{Exchange, Response, Safety, is_plain_ref, uncertain};
use crate::providers::{Answer, CallLog, Kept, Page, Record, Uploaded};

/// Waits where Stripe names none: its libraries begin at half a second; a throttled account needs more.
const CONFLICT_WAIT: Duration = Duration::from_millis(500);
const THROTTLED_WAIT: Duration = Duration::from_secs(2);
const KEY_USED_OTHERWISE: &str = "idempotency_error";

/// What Stripe says of repeating a call that it did not answer with success.
enum Advice {
    Repeat { wait: Duration },
    Final,
    Nothing,
}

/// The rule of the official libraries: `Stripe-Should-Retry` wins, then conflicts and lock time-outs. A 429 is
/// always repeated here, in time: they give up on it because a person is waiting.
fn advice(response: &Response) -> Advice {
    match (response.status, response.header("stripe-should-retry")) {
        (429, _) => Advice::Repeat { wait: THROTTLED_WAIT },
        (_, Some("true")) => Advice::Repeat { wait: CONFLICT_WAIT },
        (_, Some("false")) => Advice::Final,
        (409, _) => Advice::Repeat { wait: CONFLICT_WAIT },
        _ if refusal(response).0.as_deref() == Some("lock_timeout") => Advice::Repeat { wait: CONFLICT_WAIT },
        _ => Advice::Nothing,
    }
}

pub fn classify(exchange: Exchange, safety: Safety) -> (Answer<Response>, CallLog) {
    let told = match &exchange.outcome {
        Ok(response) if !(200..300).contains(&response.status) => {
            Some((advice(response), response.status, response.retry_after(), refusal(response)))
        }
        Ok(_) | Err(_) => None,
    };
    match told {
        Some((Advice::Repeat { wait }, status, retry_after, (code, reason))) => {
            let code = code.map_or(String::new(), |c| format!(" {c}"));
            let why = format!("HTTP {status}{code}: {reason}");
            (Answer::Retry { after: Some(retry_after.unwrap_or(wait)), why }, exchange.log)
        }
        // The key's first call had another body, because more was to be emptied: what became of it is not said.
        Some((Advice::Nothing, status, _, (Some(code), reason)))
            if code == KEY_USED_OTHERWISE && safety == Safety::Irreversible =>
        {
            (Answer::Unknown { why: format!("HTTP {status} {code}: {reason}") }, exchange.log)
        }
        // What failed on Stripe's side may have taken effect before it did: that is for the protocol's rule.
        Some((Advice::Final, status, _, (code, reason))) if status < 500 || safety == Safety::Repeatable => {
            (Answer::Refused { status, code, reason }, exchange.log)
        }
        Some((Advice::Final | Advice::Nothing, ..)) | None => exchange.classify(safety, refusal),
    }
}

/// Stripe's code (or, without one, the type of its error) and its words.
fn refusal(response: &Response) -> (Option<String>, String) {
    let Ok(WireErrorBody { error }) = serde_json::from_slice::<WireErrorBody<'_>>(&response.body) else {
        return (None, unreadable(response));
    };
    let text = |value: &Loose<'_>| value.text().filter(|t| !t.is_empty()).map(|t| shown(t, 500));
    let code = text(&error.code).or_else(|| text(&error.kind));
    let message = text(&error.message).unwrap_or_else(|| "no message".to_owned());
    let reason = match text(&error.param) {
        Some(param) => format!("{message} (parameter `{param}`)"),
        None => message,
    };
    (code, reason)
}

pub fn unreadable(response: &Response) -> String {
    let kind = shown(response.header(CONTENT_TYPE.as_str()).unwrap_or("no content type"), 64);
    let bytes = response.body.len();
    format!("HTTP {} with a body that is not Stripe's ({kind}, {bytes} bytes)", response.status)
}

/// Reads the record out of a success. A success that shows another object than was asked for proves nothing.
pub fn record(answer: Answer<Response>, dispute_ref: &str, source: Source, safety: Safety) -> Answer<Record> {
    let response = match answer.success() {
        Ok(response) => response,
        Err(other) => return other,
    };
    match serde_json::from_slice::<WireObject<'_>>(&response.body) {
        Ok(WireObject { id: Loose::Text(id), .. }) if id == dispute_ref => {}
        Ok(_) => return uncertain(safety, format!("the answer is not about `{dispute_ref}`")),
        Err(_) => return uncertain(safety, unreadable(&response)),
    }
    let as_of = response.as_of;
    let reading = event::read(&Kept { source, body: &response.body, as_of });
    Answer::Receipt(Record { reading, raw: response.body, as_of })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    Events,
    Disputes,
}

impl Listed {
    pub const fn path(self) -> &'static str {
        match self {
            Listed::Events => "/v1/events",
            Listed::Disputes => "/v1/disputes",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Listed::Events => "events",
            Listed::Disputes => "disputes",
        }
    }
}

/// Stripe lists newest first; within a page the records are turned round, so that history reads forward.
pub fn page(answer: Answer<Response>, kind: Listed) -> Answer<Page> {
    let response = match answer.success() {
        Ok(response) => response,
        Err(other) => return other,
    };
    let Ok(list) = serde_json::from_slice::<WireList<'_>>(&response.body) else {
        return uncertain(Safety::Repeatable, unreadable(&response));
    };
    let last = list.data.last().map(|item| serde_json::from_str::<WireObject<'_>>(item.get()));
    let next = match (list.has_more, last) {
        (false, _) | (true, None) => None,
        (true, Some(Ok(WireObject { id: Loose::Text(id), .. }))) => Some(format!("{}:{id}", kind.word())),
        (true, Some(_)) => {
            return uncertain(
                Safety::Repeatable,
                "the last item of the page has no id to go on from".to_owned(),
            );
        }
    };
    let records = list.data.iter().rev().map(|item| {
        let (raw, as_of) = match kind {
            Listed::Events => event::listed(item.get(), response.as_of),
            Listed::Disputes => (item.get(), response.as_of),
        };
        let reading = event::read(&Kept { source: Source::Poll, body: raw.as_bytes(), as_of });
        Record { reading, raw: Bytes::copy_from_slice(raw.as_bytes()), as_of }
    });
    Answer::Receipt(Page { records: records.collect(), next })
}

pub fn uploaded(answer: Answer<Response>) -> Answer<Uploaded> {
    let response = match answer.success() {
        Ok(response) => response,
        Err(other) => return other,
    };
    match serde_json::from_slice::<WireObject<'_>>(&response.body) {
        Ok(WireObject { id: Loose::Text(id), expires_at, .. }) if is_plain_ref(&id) => {
            let expires_at = expires_at.int().and_then(|s| DateTime::from_timestamp(s, 0));
            Answer::Receipt(Uploaded { provider_file_ref: id.into_owned(), expires_at })
        }
        Ok(_) | Err(_) => uncertain(Safety::Repeatable, unreadable(&response)),
    }
}
