//! The calls. There is no idempotency key for disputes, and what changes one is answered with 204 and nothing
//! in it: the record is read back to know what came of it. A submission is three calls: the evidence is provided,
//! what is held is compared with it, and then it is sent. Only the last cannot be taken back, so whatever fails
//! before has sent nothing.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::AUTHORIZATION;
use reqwest::multipart::Form;
use reqwest::{Method, RequestBuilder};

use super::{capability, event, evidence, refusal, wire};
use crate::evidence::Packet;
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::shared::answered::{self, Asked, unread};
use crate::providers::shared::outgoing;
use crate::providers::{Account, Answer, CallLog, Reading, Record, Uploaded};

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
        (Asked::to_show(dispute_ref, event::events).record(answer), log)
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
        let limits = &capability::CAPABILITIES.files;
        let part = match outgoing::file(name, media_type, content, limits, "Checkout.com") {
            Ok(part) => part,
            Err(refused) => return (refused, Vec::new()),
        };
        let form = Form::new().text("purpose", "dispute_evidence").part("file", part);
        let body = |request: RequestBuilder| request.multipart(form);
        let (answer, log) = self.call(account, Method::POST, "/files", Safety::Repeatable, body).await;
        let id = answered::id_of(answer, "file", |file: wire::File| file.id);
        (id.map(|id| Uploaded { provider_file_ref: id, expires_at: None }), log)
    }

    pub async fn call(
        &self,
        account: &Account,
        method: Method,
        path_and_query: &str,
        safety: Safety,
        body: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Called<Response> {
        let Some(authorization) = outgoing::bearer(account.credentials.get("api_key")) else {
            return (outgoing::unauthorized("a usable `api_key`: configure it"), Vec::new());
        };
        let base_url = account.base_url.as_deref().unwrap_or(&self.base_url);
        let url = format!("{base_url}{path_and_query}");
        let request = body(self.http.request(method, &url).header(AUTHORIZATION, authorization));
        let (answer, log) = self.http.send(request).await.classify(safety, refusal::refusal);
        (answer, vec![log])
    }
}

/// Why what is held is not to be sent; `None` when it is the packet. All of it goes to the bank, drafts of before too.
fn other_than_packet(held: Answer<Response>, packet: &Packet) -> Option<Answer<Record>> {
    let response = match held {
        // Nothing is shown before it is submitted: there is nothing to compare with.
        Answer::Refused { status: 404, .. } => return None,
        Answer::Receipt(response) if response.status == 204 => return None,
        Answer::Receipt(response) => response,
        Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => {
            return held.success::<Record>().err();
        }
    };
    match serde_json::from_slice(&response.body) {
        Ok(held) => evidence::beside(packet, &held).map(|what| http::refused_unsent(what).0),
        Err(e) => Some(http::uncertain(Safety::Repeatable, unread(response.status, &e))),
    }
}

/// A 204 says that it was done. Any other success is a body that nobody documented, a proxy's page perhaps.
fn acknowledged(answer: Answer<Response>, safety: Safety, what: &str) -> Answer<Record> {
    answer.and_then(|response| match response.status {
        204 => {
            let reading = Reading::Acknowledged { what: what.to_owned() };
            Answer::Receipt(Record { reading, raw: response.body, as_of: response.as_of })
        }
        status => {
            http::uncertain(safety, format!("answered HTTP {status}, and 204 is what says that it is done"))
        }
    })
}
