//! The calls. There is no idempotency key for disputes, and what changes one is answered with 204 and nothing
//! in it: the record is read back to know what came of it. A submission is three calls: the evidence is provided,
//! what is held is compared with it, and then it is sent. Only the last cannot be taken back, so whatever fails
//! before has sent nothing.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};

use super::{capability, event, evidence, refusal, wire};
use crate::dispute::Source;
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
        let path = format!("/disputes/{dispute_ref}");
        let (answer, log) = self.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
        (then(answer, |response| fetched(&response, dispute_ref)), log)
    }

    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/disputes/{dispute_ref}/accept");
        let safety = Safety::Irreversible;
        let (answer, log) = self.call(account, Method::POST, &path, safety, |r| r).await;
        (acknowledged(answer, safety, "accepted"), log)
    }

    /// Puts evidence with the dispute, in place of what was there under the same names. What is there under others
    /// stays, and cannot be taken away.
    pub async fn provide(&self, account: &Account, dispute_ref: &str, packet: &Packet) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/disputes/{dispute_ref}/evidence");
        let body = |request: RequestBuilder| request.json(&evidence::body(packet));
        let safety = Safety::Repeatable;
        let (answer, log) = self.call(account, Method::PUT, &path, safety, body).await;
        (acknowledged(answer, safety, "evidence provided"), log)
    }

    pub async fn submit(&self, account: &Account, dispute_ref: &str, packet: &Packet) -> Called<Record> {
        let (provided, mut logs) = self.provide(account, dispute_ref, packet).await;
        let Answer::Receipt(_) = provided else { return (provided, logs) };
        let path = format!("/disputes/{dispute_ref}/evidence");
        let (held, log) = self.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
        logs.extend(log);
        if let Some(other) = other_than_packet(held, packet) {
            return (other, logs);
        }
        let safety = Safety::Irreversible;
        let (answer, log) = self.call(account, Method::POST, &path, safety, |r| r).await;
        logs.extend(log);
        (acknowledged(answer, safety, "evidence submitted"), logs)
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
        let (answer, log) = self.call(account, Method::POST, "/files", Safety::Repeatable, body).await;
        let uploaded = then(answer, |response| match serde_json::from_slice::<wire::File>(&response.body) {
            Ok(file) if http::is_plain_ref(&file.id) => {
                Answer::Receipt(Uploaded { provider_file_ref: file.id, expires_at: None })
            }
            Ok(file) => {
                let id = wire::clean(&file.id);
                http::uncertain(Safety::Repeatable, format!("`{id}` is not the id of a file"))
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
            let reason = "the account lacks a usable `api_key`: configure it".to_owned();
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

/// `None` when there is no key, or when it cannot stand in a header.
fn authorization(account: &Account) -> Option<HeaderValue> {
    let key = account.credentials.get("api_key");
    if key.is_empty() {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The record in an answer, of this dispute and understood.
fn fetched(response: &Response, dispute_ref: &str) -> Answer<Record> {
    let record = record(&response.body, Source::ReadBack, response.as_of);
    let told = match &record.reading {
        Reading::Events(events) => {
            events.first().and_then(|e| e.snapshot()).map(|s| s.dispute_ref.clone()).unwrap_or_default()
        }
        Reading::Unrecognised { what } => {
            return uncertain_read(format!("answered HTTP {}, and {what}", response.status));
        }
        Reading::Partly { .. }
        | Reading::FetchFirst { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. } => {
            return uncertain_read(format!("answered HTTP {} without a record", response.status));
        }
    };
    match told == dispute_ref {
        true => Answer::Receipt(record),
        false => uncertain_read(format!("asked about {dispute_ref}, and the answer is about {told}")),
    }
}

fn uncertain_read(why: String) -> Answer<Record> {
    http::uncertain(Safety::Repeatable, why)
}

/// Why what is held is not to be sent; `None` when it is the packet. All of it goes to the bank, drafts of before too.
fn other_than_packet(held: Answer<Response>, packet: &Packet) -> Option<Answer<Record>> {
    let response = match held {
        // Nothing is shown before it is submitted: there is nothing to compare with.
        Answer::Refused { status: 404, .. } => return None,
        Answer::Receipt(response) if response.status == 204 => return None,
        Answer::Receipt(response) => response,
        Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => {
            return http::success(held).err();
        }
    };
    match serde_json::from_slice(&response.body) {
        Ok(held) => evidence::beside(packet, &held).map(|what| http::refused_unsent(what).0),
        Err(e) => Some(uncertain_read(unread(response.status, &e))),
    }
}

/// A 204 says that it was done. Any other success is a body that nobody documented, a proxy's page perhaps.
fn acknowledged(answer: Answer<Response>, safety: Safety, what: &str) -> Answer<Record> {
    then(answer, |response| match response.status {
        204 => {
            let reading = Reading::Acknowledged { what: what.to_owned() };
            Answer::Receipt(Record { reading, raw: response.body, as_of: response.as_of })
        }
        status => {
            http::uncertain(safety, format!("answered HTTP {status}, and 204 is what says that it is done"))
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

pub fn unread(status: u16, error: &serde_json::Error) -> String {
    format!("answered HTTP {status}, and the body is not what was expected: {error}")
}

/// Refused here, before anything is sent: Checkout.com would not take it.
fn unfit(name: &str, media_type: &str, bytes: usize) -> Option<Answer<Uploaded>> {
    let files = &capability::CAPABILITIES.files;
    if !files.media_types.contains(&media_type) {
        return Some(unfit_type(name, media_type));
    }
    let refused =
        |code: &str, reason: String| Some(Answer::Refused { status: 0, code: Some(code.to_owned()), reason });
    match bytes as u64 {
        0 => refused("file_empty", format!("`{name}` is empty")),
        size if size > files.file_bytes_max => {
            let limit = files.file_bytes_max;
            refused("file_too_large", format!("`{name}` has {size} bytes, and at most {limit} are taken"))
        }
        _ => None,
    }
}

fn unfit_type(name: &str, media_type: &str) -> Answer<Uploaded> {
    let taken = capability::CAPABILITIES.files.media_types.join(", ");
    let reason = format!("`{name}` is `{media_type}`, and Checkout.com takes {taken}");
    Answer::Refused { status: 0, code: Some("media_type".to_owned()), reason }
}
