//! The calls. There is no idempotency key, so an accept or a submission whose answer is missing is `Unknown` until the
//! record is read. A submission attaches its files first, each by a call of its own that may be repeated; only the
//! last call cannot be taken back.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderValue;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};

use super::{event, evidence, refusal, wire};
use crate::clock::Clock;
use crate::dispute::{Source, Status};
use crate::evidence::{Document, Sending};
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::{Account, Answer, CallLog, Kept, Reading, Record};

type Called<T> = (Answer<T>, Vec<CallLog>);

#[derive(Debug)]
pub struct Api {
    http: Http,
    base_url: String,
    clock: Clock,
}

impl Api {
    pub fn new(http: Http, base_url: &str, clock: Clock) -> Self {
        Self { http, base_url: base_url.trim_end_matches('/').to_owned(), clock }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The router's record, renewed from the connector where the router can (`force_sync`).
    pub async fn fetch(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/disputes/{dispute_ref}?force_sync=true");
        let (answer, log) = self.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
        (read(answer, Source::ReadBack, dispute_ref, Safety::Repeatable, |_| true), log)
    }

    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/disputes/accept/{dispute_ref}");
        let (answer, log) = self.call(account, Method::POST, &path, Safety::Irreversible, |r| r).await;
        (read(answer, Source::Receipt, dispute_ref, Safety::Irreversible, has_moved), log)
    }

    pub async fn submit(&self, account: &Account, dispute_ref: &str, sending: Sending<'_>) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        if !evidence::is_complete(sending.packet, sending.documents) {
            return http::refused_unsent("a file that the packet names is not at hand".to_owned());
        }
        let mut logs = Vec::new();
        let mut attached = BTreeMap::new();
        for document in sending.documents {
            let (answer, log) = self.attach(account, dispute_ref, document).await;
            logs.extend(log);
            let file_id = match answer {
                Answer::Receipt(file_id) => file_id,
                Answer::Retry { after, why } => return (Answer::Retry { after, why }, logs),
                Answer::Refused { status, code, reason } => {
                    return (Answer::Refused { status, code, reason }, logs);
                }
                Answer::Unknown { why } => return (Answer::Unknown { why }, logs),
            };
            attached.insert(evidence::file_kind(document.field), file_id);
        }
        let fields = evidence::fields(sending.packet, attached);
        let body =
            |request: RequestBuilder| request.json(&wire::Submission { dispute_id: dispute_ref, fields });
        let (answer, log) =
            self.call(account, Method::POST, "/disputes/evidence", Safety::Irreversible, body).await;
        logs.extend(log);
        (read(answer, Source::Receipt, dispute_ref, Safety::Irreversible, has_moved), logs)
    }

    /// Attaches one file; a second of its kind takes the first one's place.
    async fn attach(&self, account: &Account, dispute_ref: &str, document: &Document) -> Called<String> {
        let part = Part::stream(document.content.clone()).file_name(document.name.clone());
        let Ok(part) = part.mime_str(&document.media_type) else {
            return http::refused_unsent(format!("`{}` is no media type", wire::clean(&document.media_type)));
        };
        let form = Form::new()
            .text("dispute_id", dispute_ref.to_owned())
            .text("evidence_type", evidence::file_kind(document.field))
            .part("file", part);
        let body = |request: RequestBuilder| request.multipart(form);
        let (answer, log) =
            self.call(account, Method::PUT, "/disputes/evidence", Safety::Repeatable, body).await;
        let attached =
            then(answer, |response| match serde_json::from_slice::<wire::Attached>(&response.body) {
                Ok(wire::Attached { file_id }) if http::is_plain_ref(&file_id) => Answer::Receipt(file_id),
                Ok(wire::Attached { file_id }) => http::uncertain(
                    Safety::Repeatable,
                    format!("`{}` is not the id of a file", wire::clean(&file_id)),
                ),
                Err(e) => http::uncertain(Safety::Repeatable, unread(response.status, &e)),
            });
        (attached, log)
    }

    pub async fn call(
        &self,
        account: &Account,
        method: Method,
        path_and_query: &str,
        safety: Safety,
        body: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Called<Response> {
        let Some(api_key) = api_key(account) else {
            let reason = "the account lacks `api_key`: configure it".to_owned();
            let code = Some("credentials_missing".to_owned());
            return (Answer::Refused { status: 0, code, reason }, Vec::new());
        };
        let base_url = account.base_url.as_deref().unwrap_or(&self.base_url);
        let url = format!("{base_url}{path_and_query}");
        let request = body(self.http.request(method, &url).header("api-key", api_key));
        let (answer, log) = self.http.send(request).await.classify(safety, refusal::refusal);
        (answer, vec![log])
    }
}

/// `None` when there is none, or one that cannot stand in a header.
fn api_key(account: &Account) -> Option<HeaderValue> {
    let key = account.credentials.get("api_key");
    let mut value = HeaderValue::from_str(key).ok().filter(|_| !key.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// What an accept or a submission must have done. A 200 with a dispute that is still open has changed nothing that
/// anybody can see (FIELD 1, row 16).
fn has_moved(status: Status) -> bool {
    status != Status::NeedsResponse
}

/// The record in an answer: of this dispute, understood, and in a status that the call leads to.
fn read(
    answer: Answer<Response>,
    source: Source,
    dispute_ref: &str,
    safety: Safety,
    expected: impl Fn(Status) -> bool,
) -> Answer<Record> {
    then(answer, |response| {
        let record = record(&response.body, source, response.as_of);
        let Reading::Events(events) = &record.reading else {
            return http::uncertain(safety, puzzle(response.status, &record.reading));
        };
        let Some(snapshot) = events.first().and_then(|e| e.snapshot()) else {
            return http::uncertain(safety, "the answer holds no dispute".to_owned());
        };
        if snapshot.dispute_ref != dispute_ref {
            let why = format!("asked about {dispute_ref}, and the answer is about {}", snapshot.dispute_ref);
            return http::uncertain(safety, why);
        }
        match expected(snapshot.status) {
            true => Answer::Receipt(record),
            false => {
                let word = &snapshot.provider_status;
                let why = format!("answered HTTP {}, and the record still says `{word}`", response.status);
                http::uncertain(safety, why)
            }
        }
    })
}

/// A bare record as the API gave it.
pub fn record(body: &Bytes, source: Source, as_of: DateTime<Utc>) -> Record {
    let reading = event::events(&Kept { source, body, as_of });
    Record { reading, raw: body.clone(), as_of }
}

/// Goes on with a success; every other answer stays what it is.
pub fn then<T>(answer: Answer<Response>, next: impl FnOnce(Response) -> Answer<T>) -> Answer<T> {
    match http::success(answer) {
        Ok(response) => next(response),
        Err(other) => other,
    }
}

fn puzzle(status: u16, reading: &Reading) -> String {
    match reading {
        Reading::Unrecognised { what } => format!("answered HTTP {status}, and {what}"),
        Reading::Events(_)
        | Reading::FetchFirst { .. }
        | Reading::Partly { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. } => {
            format!("answered HTTP {status} without a record")
        }
    }
}

pub fn unread(status: u16, error: &serde_json::Error) -> String {
    format!("answered HTTP {status}, and the body is not what was expected: {error}")
}
