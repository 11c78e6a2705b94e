//! The calls. Each is a POST that names the merchant account and the dispute, and its answer says no more than
//! whether it was taken: HTTP 200 with `success` false is a refusal. There is no idempotency key, so a defence or
//! an acceptance whose answer is missing is `Unknown` until a webhook tells. Everything before that one request may
//! be repeated, and is never more than prepared.

use reqwest::Method;
use reqwest::header::HeaderName;
use serde::Serialize;

use super::defence::{self, DefenseDocument};
use super::{refusal, wire};
use crate::evidence::Sending;
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::shared::outgoing;
use crate::providers::{Account, Answer, CallLog, Reading, Record, json};

type Called<T> = (Answer<T>, Vec<CallLog>);

const SERVICE: &str = "/ca/services/DisputeService/v30";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

pub const REASONS: &str = "retrieveApplicableDefenseReasons";
pub const SUPPLY: &str = "supplyDefenseDocument";
const DEFEND: &str = "defendDispute";
const ACCEPT: &str = "acceptDispute";

#[derive(Debug)]
pub struct Api {
    http: Http,
    live_url: String,
    test_url: String,
}

/// What every request names, and what some add.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    dispute_psp_reference: &'a str,
    merchant_account_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    defense_reason_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    defense_documents: Option<&'a [DefenseDocument]>,
}

/// One dispute of one account, and the log of what was asked about it.
struct Case<'a> {
    api: &'a Api,
    account: &'a Account,
    dispute_ref: &'a str,
    log: Vec<CallLog>,
}

impl Api {
    pub fn new(http: Http, live_url: &str, test_url: &str) -> Self {
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        Self { http, live_url: plain(live_url), test_url: plain(test_url) }
    }

    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        if let Some(refused) = unfit(account, dispute_ref) {
            return refused;
        }
        let mut case = Case { api: self, account, dispute_ref, log: Vec::new() };
        let answer = case.take(ACCEPT, Safety::Irreversible, None, None, "the acceptance").await;
        (answer, case.log)
    }

    /// Puts the documents with Adyen, under the reason that they are for.
    pub async fn stage(&self, account: &Account, dispute_ref: &str, sending: Sending<'_>) -> Called<Record> {
        if let Some(refused) = unfit(account, dispute_ref) {
            return refused;
        }
        let mut case = Case { api: self, account, dispute_ref, log: Vec::new() };
        let defence = match case.prepare(sending, false).await {
            Ok(defence) => defence,
            Err(answer) => return (answer, case.log),
        };
        let answer = match defence.documents.is_empty() {
            false => case.supply(&defence.documents).await,
            true => no_defence(&format!(
                "the packet has no file, and `{}` has no type for a letter",
                defence.reason_code
            )),
        };
        (answer, case.log)
    }

    pub async fn defend(&self, account: &Account, dispute_ref: &str, sending: Sending<'_>) -> Called<Record> {
        if let Some(refused) = unfit(account, dispute_ref) {
            return refused;
        }
        let mut case = Case { api: self, account, dispute_ref, log: Vec::new() };
        let defence = match case.prepare(sending, true).await {
            Ok(defence) => defence,
            Err(answer) => return (answer, case.log),
        };
        let what = match defence.words_left_out {
            false => "the defence",
            true => "the defence, without the letter, for which no document type was left",
        };
        // Without new ones, those that Adyen has already are enough.
        if !defence.documents.is_empty() {
            let supplied = case.supply(&defence.documents).await;
            if !matches!(supplied, Answer::Receipt(_)) {
                return (supplied, case.log);
            }
        }
        let code = Some(defence.reason_code.as_str());
        let answer = case.take(DEFEND, Safety::Irreversible, code, None, what).await;
        (answer, case.log)
    }

    pub fn url(&self, account: &Account, operation: &str) -> String {
        let own = match super::environment(account) {
            "test" => &self.test_url,
            _ => &self.live_url,
        };
        format!("{}{SERVICE}/{operation}", account.base_url.as_deref().unwrap_or(own))
    }
}

/// What cannot be a call at all.
fn unfit(account: &Account, dispute_ref: &str) -> Option<Called<Record>> {
    if !http::is_plain_ref(dispute_ref) {
        return Some(http::bad_ref(dispute_ref));
    }
    if outgoing::secret(account.credentials.get("api_key")).is_some()
        && !account.credentials.get("merchant_account").is_empty()
    {
        return None;
    }
    Some((outgoing::unauthorized("`api_key` or `merchant_account`: configure both"), Vec::new()))
}

fn no_defence(why: &str) -> Answer<Record> {
    let code = Some("no_defence".to_owned());
    Answer::Refused { status: 0, code, reason: format!("nothing was sent: {why}") }
}

impl Case<'_> {
    /// The defence that the packet makes of what Adyen offers. Nothing has changed at Adyen when it fails.
    async fn prepare(
        &mut self,
        sending: Sending<'_>,
        complete: bool,
    ) -> Result<defence::Defence, Answer<Record>> {
        let asked = self.ask(REASONS, Safety::Repeatable, None, None).await;
        let (_, answered) = asked.success()?;
        defence::defence(sending, &answered.defense_reasons, complete).map_err(|why| no_defence(&why))
    }

    async fn supply(&mut self, documents: &[DefenseDocument]) -> Answer<Record> {
        self.take(SUPPLY, Safety::Repeatable, None, Some(documents), "the documents").await
    }

    /// Asks, and tells of a yes that Adyen has taken `what`.
    async fn take(
        &mut self,
        operation: &str,
        safety: Safety,
        reason_code: Option<&str>,
        documents: Option<&[DefenseDocument]>,
        what: &str,
    ) -> Answer<Record> {
        let answer = self.ask(operation, safety, reason_code, documents).await;
        answer.map(|(response, _)| {
            let reading = Reading::Acknowledged { what: format!("Adyen took {what}") };
            Record { reading, raw: response.body, as_of: response.as_of }
        })
    }

    async fn ask(
        &mut self,
        operation: &str,
        safety: Safety,
        reason_code: Option<&str>,
        documents: Option<&[DefenseDocument]>,
    ) -> Answer<(Response, wire::Answered)> {
        let Some(key) = outgoing::secret(self.account.credentials.get("api_key")) else {
            return outgoing::unauthorized("a usable `api_key`: configure it");
        };
        let body = Request {
            dispute_psp_reference: self.dispute_ref,
            merchant_account_code: self.account.credentials.get("merchant_account"),
            defense_reason_code: reason_code,
            defense_documents: documents,
        };
        let url = self.api.url(self.account, operation);
        let request = self.api.http.request(Method::POST, &url).header(API_KEY, key).json(&body);
        let (answer, log) = self.api.http.send(request).await.classify(safety, refusal::refusal);
        self.log.push(log);
        answer.and_then(|response| match json::read::<wire::Answered>(&response.body, "the answer") {
            Ok(answered) if answered.dispute_service_result.success => Answer::Receipt((response, answered)),
            Ok(answered) => refusal::not_done(response.status, answered.dispute_service_result),
            Err(e) => http::uncertain(safety, format!("answered HTTP {}, and {e}", response.status)),
        })
    }
}
