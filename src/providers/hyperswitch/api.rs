//! The calls. There is no idempotency key, so an accept or a submission whose answer is missing is `Unknown` until the
//! record is read. A submission attaches its files first, each by a call of its own that may be repeated; only the
//! last call cannot be taken back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};

use super::{event, evidence, refusal, wire};
use crate::clock::Clock;
use crate::evidence::{Document, Sending};
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::shared::answered::{self, Asked};
use crate::providers::shared::outgoing;
use crate::providers::shared::plausible::clean;
use crate::providers::{Account, Answer, CallLog, Record};

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
        (Asked::to_show(dispute_ref, event::events).record(answer), log)
    }

    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/disputes/accept/{dispute_ref}");
        let (answer, log) = self.call(account, Method::POST, &path, Safety::Irreversible, |r| r).await;
        (Asked::to_change(dispute_ref, Safety::Irreversible, event::events).record(answer), log)
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
            match answer.success() {
                Ok(file_id) => _ = attached.insert(evidence::file_kind(document.field), file_id),
                Err(other) => return (other, logs),
            }
        }
        let fields = evidence::fields(sending.packet, attached);
        let body =
            |request: RequestBuilder| request.json(&wire::Submission { dispute_id: dispute_ref, fields });
        let (answer, log) =
            self.call(account, Method::POST, "/disputes/evidence", Safety::Irreversible, body).await;
        logs.extend(log);
        (Asked::to_change(dispute_ref, Safety::Irreversible, event::events).record(answer), logs)
    }

    /// Attaches one file; a second of its kind takes the first one's place.
    async fn attach(&self, account: &Account, dispute_ref: &str, document: &Document) -> Called<String> {
        let part = Part::stream(document.content.clone()).file_name(document.name.clone());
        let Ok(part) = part.mime_str(&document.media_type) else {
            return http::refused_unsent(format!("`{}` is no media type", clean(&document.media_type)));
        };
        let form = Form::new()
            .text("dispute_id", dispute_ref.to_owned())
            .text("evidence_type", evidence::file_kind(document.field))
            .part("file", part);
        let body = |request: RequestBuilder| request.multipart(form);
        let (answer, log) =
            self.call(account, Method::PUT, "/disputes/evidence", Safety::Repeatable, body).await;
        (answered::id_of(answer, "file", |attached: wire::Attached| attached.file_id), log)
    }

    pub async fn call(
        &self,
        account: &Account,
        method: Method,
        path_and_query: &str,
        safety: Safety,
        body: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Called<Response> {
        let Some(api_key) = outgoing::secret(account.credentials.get("api_key")) else {
            return (outgoing::unauthorized("`api_key`: configure it"), Vec::new());
        };
        let base_url = account.base_url.as_deref().unwrap_or(&self.base_url);
        let url = format!("{base_url}{path_and_query}");
        let request = body(self.http.request(method, &url).header("api-key", api_key));
        let (answer, log) = self.http.send(request).await.classify(safety, refusal::refusal);
        (answer, vec![log])
    }
}
