//! The calls. There is no idempotency key for disputes, so an accept or submit whose answer is missing is
//! `Unknown` until the record is read: "not allowed when dispute is in … status" then says that it landed.
//! One call is one request; nothing is repeated here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};

use super::contest::{Action, Contest};
use super::{capability, event, refusal, wire};
use crate::dispute::{Source, Status};
use crate::evidence::Packet;
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::{Account, Answer, CallLog, Kept, Reading, Record, Uploaded};

type Called<T> = (Answer<T>, Vec<CallLog>);

#[derive(Debug)]
pub struct Api {
    http: Http,
    base_url: String,
    clock: crate::clock::Clock,
}

impl Api {
    pub fn new(http: Http, base_url: &str, clock: crate::clock::Clock) -> Self {
        Self { http, base_url: base_url.trim_end_matches('/').to_owned(), clock }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub async fn fetch(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/v1/disputes/{dispute_ref}");
        let (answer, log) = self.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
        (read(answer, Source::ReadBack, dispute_ref, Safety::Repeatable, |_| true), log)
    }

    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/v1/disputes/{dispute_ref}/accept");
        let body = |request: RequestBuilder| request.json(&serde_json::Map::new());
        let (answer, log) = self.call(account, Method::POST, &path, Safety::Irreversible, body).await;
        (read(answer, Source::Receipt, dispute_ref, Safety::Irreversible, has_moved), log)
    }

    pub async fn contest(
        &self,
        account: &Account,
        dispute_ref: &str,
        packet: &Packet,
        action: Action,
    ) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/v1/disputes/{dispute_ref}/contest");
        let body = |request: RequestBuilder| request.json(&Contest::new(packet, action));
        let (safety, expected): (_, fn(Status) -> bool) = match action {
            Action::Draft => (Safety::Repeatable, |_| true),
            Action::Submit => (Safety::Irreversible, has_moved),
        };
        let (answer, log) = self.call(account, Method::PATCH, &path, safety, body).await;
        (read(answer, Source::Receipt, dispute_ref, safety, expected), log)
    }

    pub async fn upload(
        &self,
        account: &Account,
        name: &str,
        media_type: &str,
        content: Bytes,
    ) -> Called<Uploaded> {
        if let Some(refused) = unfit(name, media_type, content.len()) {
            return (refused, Vec::new());
        }
        let part = Part::stream(content).file_name(name.to_owned());
        let Ok(part) = part.mime_str(media_type) else {
            return (unfit_type(name, media_type), Vec::new());
        };
        let form = Form::new().text("purpose", "dispute_evidence").part("file", part);
        let body = |request: RequestBuilder| request.multipart(form);
        let (answer, log) = self.call(account, Method::POST, "/v1/documents", Safety::Repeatable, body).await;
        let uploaded =
            then(answer, |response| match serde_json::from_slice::<wire::Document>(&response.body) {
                Ok(document) if http::is_plain_ref(&document.id) => {
                    Answer::Receipt(Uploaded { provider_file_ref: document.id, expires_at: None })
                }
                Ok(document) => {
                    let id = wire::clean(&document.id);
                    http::uncertain(Safety::Repeatable, format!("`{id}` is not the id of a document"))
                }
                Err(e) => http::uncertain(Safety::Repeatable, unread(response.status, &e)),
            });
        (uploaded, log)
    }

    pub async fn call(
        &self,
        account: &Account,
        method: Method,
        path_and_query: &str,
        safety: Safety,
        body: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Called<Response> {
        let Some(authorization) = authorization(account) else {
            let reason = "the account lacks `key_id` or `key_secret`: configure both".to_owned();
            let code = Some("credentials_missing".to_owned());
            return (Answer::Refused { status: 0, code, reason }, Vec::new());
        };
        let base_url = account.base_url.as_deref().unwrap_or(&self.base_url);
        let url = format!("{base_url}{path_and_query}");
        let request = body(self.http.request(method, &url).header(AUTHORIZATION, authorization));
        let (answer, log) = self.http.send(request).await.classify(safety, refusal::refusal);
        (answer, vec![log])
    }
}

/// `None` when a part is missing, or when the two cannot stand in a header.
fn authorization(account: &Account) -> Option<HeaderValue> {
    let (id, secret) = (account.credentials.get("key_id"), account.credentials.get("key_secret"));
    if id.is_empty() || secret.is_empty() {
        return None;
    }
    // The scheme word is taken in this spelling only.
    let mut value =
        HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What an accept or a submit must have done. A 200 with a dispute that is still open has changed nothing
/// that anybody can see (FIELD 1, row 16).
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
        | Reading::Partly { .. }
        | Reading::FetchFirst { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. } => {
            format!("answered HTTP {status} without a record")
        }
    }
}

pub fn unread(status: u16, error: &serde_json::Error) -> String {
    format!("answered HTTP {status}, and the body is not what was expected: {error}")
}

/// Refused here, before anything is sent: Razorpay would not take it.
fn unfit(name: &str, media_type: &str, bytes: usize) -> Option<Answer<Uploaded>> {
    let Some(limit) = capability::file_bytes_max(media_type) else {
        return Some(unfit_type(name, media_type));
    };
    let refused =
        |code: &str, reason: String| Some(Answer::Refused { status: 0, code: Some(code.to_owned()), reason });
    match bytes as u64 {
        0 => refused("file_empty", format!("`{name}` is empty")),
        size if size > limit => {
            refused("file_too_large", format!("`{name}` has {size} bytes, and at most {limit} are taken"))
        }
        _ => None,
    }
}

fn unfit_type(name: &str, media_type: &str) -> Answer<Uploaded> {
    let taken = capability::CAPABILITIES.files.media_types.join(", ");
    let reason = format!("`{name}` is `{media_type}`, and Razorpay takes {taken}");
    Answer::Refused { status: 0, code: Some("media_type".to_owned()), reason }
}
