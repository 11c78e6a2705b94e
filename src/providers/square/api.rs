//! The calls. A submission is many: each piece of evidence under a key of its own, which makes giving it again
//! harmless, then a look at what is held, and then the submission, which has no key and cannot be taken back.
//! Whatever fails before that one has sent nothing.

use reqwest::header::AUTHORIZATION;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{event, evidence, held, refusal, wire};
use crate::evidence::{Document, Sending};
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::shared::answered::{Asked, unread};
use crate::providers::shared::outgoing;
use crate::providers::{Account, Answer, CallLog, Record};

type Called<T> = (Answer<T>, Vec<CallLog>);

const SQUARE_VERSION: &str = "square-version";

#[derive(Debug)]
pub struct Api {
    http: Http,
    base_url: String,
    api_version: String,
}

impl Api {
    pub fn new(http: Http, base_url: &str, api_version: &str) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self { http, base_url, api_version: api_version.to_owned() }
    }

    pub async fn fetch(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/v2/disputes/{dispute_ref}");
        let (answer, log) = self.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
        (record(answer, Asked::to_show(dispute_ref, event::events)), log)
    }

    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        self.act(account, dispute_ref, "accept").await
    }

    pub async fn submit(&self, account: &Account, dispute_ref: &str, sending: Sending<'_>) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let (mut logs, mut given) = (Vec::new(), Vec::new());
        for words in evidence::words(sending.packet, dispute_ref) {
            let body = json!({
                "idempotency_key": words.key,
                "evidence_type": words.kind,
                "evidence_text": words.text,
            });
            let path = format!("/v2/disputes/{dispute_ref}/evidence-text");
            let (answer, log) = self.give(account, &path, |request| request.json(&body)).await;
            logs.extend(log);
            match piece(answer) {
                Ok(id) => given.push(id),
                Err(other) => return (other, logs),
            }
        }
        for document in sending.documents {
            let Some(form) = form(dispute_ref, document) else {
                let (answer, _) = http::refused_unsent(format!("`{}` has no media type", document.name));
                return (answer, logs);
            };
            let path = format!("/v2/disputes/{dispute_ref}/evidence-files");
            let (answer, log) = self.give(account, &path, |request| request.multipart(form)).await;
            logs.extend(log);
            match piece(answer) {
                Ok(id) => given.push(id),
                Err(other) => return (other, logs),
            }
        }
        if let Err(other) = held::hold_only(self, account, dispute_ref, &given, &mut logs).await {
            return (other, logs);
        }
        let (answer, log) = self.act(account, dispute_ref, "submit-evidence").await;
        logs.extend(log);
        (answer, logs)
    }

    async fn give(
        &self,
        account: &Account,
        path: &str,
        body: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Called<Response> {
        self.call(account, Method::POST, path, Safety::Repeatable, body).await
    }

    /// What cannot be taken back.
    async fn act(&self, account: &Account, dispute_ref: &str, what: &str) -> Called<Record> {
        if !http::is_plain_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        let path = format!("/v2/disputes/{dispute_ref}/{what}");
        let safety = Safety::Irreversible;
        let (answer, log) = self.call(account, Method::POST, &path, safety, |r| r).await;
        (record(answer, Asked::to_change(dispute_ref, safety, event::events)), log)
    }

    pub async fn call(
        &self,
        account: &Account,
        method: Method,
        path_and_query: &str,
        safety: Safety,
        body: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Called<Response> {
        let Some(authorization) = outgoing::bearer(account.credentials.get("access_token")) else {
            return (outgoing::unauthorized("a usable `access_token`: configure it"), Vec::new());
        };
        let base_url = account.base_url.as_deref().unwrap_or(&self.base_url);
        let request = self.http.request(method, &format!("{base_url}{path_and_query}"));
        let request = request.header(AUTHORIZATION, authorization).header(SQUARE_VERSION, &self.api_version);
        let (answer, log) = self.http.send(body(request)).await.classify(safety, refusal::refusal);
        (answer, vec![log])
    }
}

/// `None` when the media type is none.
fn form(dispute_ref: &str, document: &Document) -> Option<Form> {
    let request = json!({
        "idempotency_key": evidence::document_key(dispute_ref, document),
        "evidence_type": evidence::kind(document.field),
        "content_type": document.media_type,
    });
    let part = Part::stream(document.content.clone()).file_name(document.name.clone());
    let part = part.mime_str(&document.media_type).ok()?;
    let request = Part::text(request.to_string()).mime_str("application/json").ok()?;
    Some(Form::new().part("request", request).part("image_file", part))
}

/// The id of a piece that is Square's now.
fn piece(answer: Answer<Response>) -> Result<String, Answer<Record>> {
    let response = answer.success()?;
    let given: wire::Given = serde_json::from_slice(&response.body)
        .map_err(|e| http::uncertain(Safety::Repeatable, unread(response.status, &e)))?;
    let unnamed = || http::uncertain(Safety::Repeatable, "the evidence was given no id".to_owned());
    given.evidence.into_id().ok_or_else(unnamed)
}

/// The record in an answer, which stands under `dispute`.
fn record(answer: Answer<Response>, asked: Asked<'_>) -> Answer<Record> {
    answer.and_then(|response| {
        let answered = serde_json::from_slice::<wire::Answered<'_>>(&response.body);
        match answered.map(|answered| answered.dispute) {
            Ok(Some(dispute)) => {
                let body = response.body.slice_ref(dispute.get().as_bytes());
                asked.record_in(&body, response.status, response.as_of)
            }
            Ok(None) => {
                http::uncertain(asked.safety, format!("answered HTTP {} without a dispute", response.status))
            }
            Err(e) => http::uncertain(asked.safety, unread(response.status, &e)),
        }
    })
}
