//! The calls. There is no idempotency key for disputes, so an accept or submit whose answer is missing is
//! `Unknown` until the record is read: "not allowed when dispute is in … status" then says that it landed.
//! One call is one request; nothing is repeated here.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::AUTHORIZATION;
use reqwest::multipart::Form;
use reqwest::{Method, RequestBuilder};

use super::contest::{Action, Contest};
use super::held::Held;
use super::{capability, event, refusal, wire};
use crate::dispute::FileLimits;
use crate::evidence::Packet;
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::shared::answered::{self, Asked};
use crate::providers::shared::outgoing;
use crate::providers::{Account, Answer, CallLog, Record, Uploaded};

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
        (Asked::to_show(dispute_ref, event::events).record(answer), log)
    }

    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/v1/disputes/{dispute_ref}/accept");
        let body = |request: RequestBuilder| request.json(&serde_json::Map::new());
        let (answer, log) = self.call(account, Method::POST, &path, Safety::Irreversible, body).await;
        (Asked::to_change(dispute_ref, Safety::Irreversible, event::events).record(answer), log)
    }

    pub async fn draft(&self, account: &Account, dispute_ref: &str, packet: &Packet) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let contest = Contest::new(packet, Action::Draft);
        self.contest(account, dispute_ref, &contest, Safety::Repeatable).await
    }

    /// What is held already is looked at first: all of it goes to the bank.
    pub async fn submit(&self, account: &Account, dispute_ref: &str, packet: &Packet) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/v1/disputes/{dispute_ref}");
        let (answer, mut logs) = self.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
        let response = match answer.success() {
            Ok(response) => response,
            Err(other) => return (other, logs),
        };
        let Some(held) = Held::read(&response.body, dispute_ref) else {
            let why = format!("answered HTTP {} without the record of {dispute_ref}", response.status);
            return (http::uncertain(Safety::Repeatable, why), logs);
        };
        let mut contest = Contest::new(packet, Action::Submit);
        contest.amount = contest.amount.or(held.whole());
        if let Some(reason) = held.beside(&contest) {
            return (http::refused_unsent(reason).0, logs);
        }
        let submitted = self.contest(account, dispute_ref, &contest, Safety::Irreversible);
        let (answer, log) = submitted.await;
        logs.extend(log);
        (answer, logs)
    }

    async fn contest(
        &self,
        account: &Account,
        dispute_ref: &str,
        contest: &Contest<'_>,
        safety: Safety,
    ) -> Called<Record> {
        let path = format!("/v1/disputes/{dispute_ref}/contest");
        let body = |request: RequestBuilder| request.json(contest);
        let (answer, log) = self.call(account, Method::PATCH, &path, safety, body).await;
        (Asked::to_change(dispute_ref, safety, event::events).record(answer), log)
    }

    pub async fn upload(
        &self,
        account: &Account,
        name: &str,
        media_type: &str,
        content: Bytes,
    ) -> Called<Uploaded> {
        let files = capability::CAPABILITIES.files;
        let limit = capability::file_bytes_max(media_type).unwrap_or(files.file_bytes_max);
        let limits = FileLimits { file_bytes_max: limit, ..files };
        let part = match outgoing::file(name, media_type, content, &limits, "Razorpay") {
            Ok(part) => part,
            Err(refused) => return (refused, Vec::new()),
        };
        let form = Form::new().text("purpose", "dispute_evidence").part("file", part);
        let body = |request: RequestBuilder| request.multipart(form);
        let (answer, log) = self.call(account, Method::POST, "/v1/documents", Safety::Repeatable, body).await;
        let id = answered::id_of(answer, "document", |document: wire::Document| document.id);
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
        let (id, secret) = (account.credentials.get("key_id"), account.credentials.get("key_secret"));
        let Some(authorization) = outgoing::basic(id, secret) else {
            return (outgoing::unauthorized("`key_id` or `key_secret`: configure both"), Vec::new());
        };
        let base_url = account.base_url.as_deref().unwrap_or(&self.base_url);
        let url = format!("{base_url}{path_and_query}");
        let request = body(self.http.request(method, &url).header(AUTHORIZATION, authorization));
        let (answer, log) = self.http.send(request).await.classify(safety, refusal::refusal);
        (answer, vec![log])
    }
}
