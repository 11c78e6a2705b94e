//! What the answer to a call holds, where it is JSON: the record of the dispute that was asked about, a page of
//! records, the id of a file. How a record is read comes with the question.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::plausible::clean;
use crate::dispute::{Source, Status};
use crate::providers::http::{Response, Safety, is_plain_ref, uncertain};
use crate::providers::{Answer, Kept, Reading, Record};

/// A folder's reading of kept bodies.
pub type Read = fn(&Kept<'_>) -> Reading;

/// The dispute that a call was about, and what its answer is worth.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub dispute_ref: &'a str,
    pub source: Source,
    pub safety: Safety,
    pub read: Read,
}

impl<'a> Asked<'a> {
    /// How it stands.
    pub fn to_show(dispute_ref: &'a str, read: Read) -> Self {
        Self { dispute_ref, source: Source::ReadBack, safety: Safety::Repeatable, read }
    }

    /// To be changed.
    pub fn to_change(dispute_ref: &'a str, safety: Safety, read: Read) -> Self {
        Self { dispute_ref, source: Source::Receipt, safety, read }
    }

    /// The record in a success: of this dispute, understood, and no longer waiting where the call was its response. A
    /// 200 with a dispute that is still open has changed nothing that anybody can see (FIELD 1, row 16).
    pub fn record(&self, answer: Answer<Response>) -> Answer<Record> {
        answer.and_then(|response| self.record_in(&response.body, response.status, response.as_of))
    }

    /// The same, of a body that is a record, which an answer with HTTP `status` may have wrapped.
    pub fn record_in(&self, body: &Bytes, status: u16, as_of: DateTime<Utc>) -> Answer<Record> {
        let record = record(body, self.source, as_of, self.read);
        match self.puzzle(&record.reading, status) {
            None => Answer::Receipt(record),
            Some(why) => uncertain(self.safety, why),
        }
    }

    /// Why it is not the answer.
    fn puzzle(&self, reading: &Reading, status: u16) -> Option<String> {
        let events = match reading {
            Reading::Events(events) => events,
            Reading::Unrecognised { what } => return Some(format!("answered HTTP {status}, and {what}")),
            Reading::Partly { .. }
            | Reading::FetchFirst { .. }
            | Reading::Acknowledged { .. }
            | Reading::NotOurs { .. } => return Some(format!("answered HTTP {status} without a record")),
        };
        let Some(snapshot) = events.first().and_then(|e| e.snapshot()) else {
            return Some("the answer holds no dispute".to_owned());
        };
        let asked = self.dispute_ref;
        if snapshot.dispute_ref != asked {
            return Some(format!("asked about {asked}, and the answer is about {}", snapshot.dispute_ref));
        }
        let is_response = self.safety == Safety::Irreversible;
        (is_response && snapshot.status == Status::NeedsResponse).then(|| {
            let word = &snapshot.provider_status;
            format!("answered HTTP {status}, and the record still says `{word}`")
        })
    }
}

/// A bare record as the API gave it, understood or not.
pub fn record(body: &Bytes, source: Source, as_of: DateTime<Utc>, read: Read) -> Record {
    let reading = read(&Kept { source, body, as_of });
    Record { reading, raw: body.clone(), as_of }
}

/// The records of a page.
pub fn listed<'a>(
    items: impl IntoIterator<Item = &'a RawValue>,
    as_of: DateTime<Utc>,
    read: Read,
) -> Vec<Record> {
    let of =
        |item: &RawValue| record(&Bytes::copy_from_slice(item.get().as_bytes()), Source::Poll, as_of, read);
    items.into_iter().map(of).collect()
}

/// The id that a provider gave to a file (or whatever `what` is), taken out of its answer by `id`.
pub fn id_of<S: DeserializeOwned>(
    answer: Answer<Response>,
    what: &str,
    id: impl FnOnce(S) -> String,
) -> Answer<String> {
    answer.and_then(|response| {
        let id = match serde_json::from_slice(&response.body) {
            Ok(shape) => id(shape),
            Err(e) => return uncertain(Safety::Repeatable, unread(response.status, &e)),
        };
        match is_plain_ref(&id) {
            true => Answer::Receipt(id),
            false => uncertain(Safety::Repeatable, format!("`{}` is not the id of a {what}", clean(&id))),
        }
    })
}

/// Why nothing is known although an answer came.
pub fn unread(status: u16, error: &serde_json::Error) -> String {
    format!("answered HTTP {status}, and the body is not what was expected: {error}")
}
