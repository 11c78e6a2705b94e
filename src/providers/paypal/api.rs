//! The calls. Before anything irreversible the record is read: its links say what may be done, and what has no link
//! is refused unsent. Actions answer with links and no record, so that the engine reads back. There is no
//! idempotency key: an action whose answer is missing is `Unknown`. A token that is no longer taken is replaced
//! once, and the call made again: HTTP 401 says that nothing was done. Nothing else is repeated here.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::AUTHORIZATION;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;

use super::evidence::{self, File};
use super::link::{self, Action};
use super::token::Tokens;
use super::{assertion, event, refusal, wire};
use crate::clock::Clock;
use crate::dispute::Source;
use crate::evidence::Sending;
use crate::providers::http::{self, Http, Response, Safety};
use crate::providers::shared::answered::{self, Asked};
use crate::providers::shared::outgoing::bearer;
use crate::providers::shared::plausible::clean;
use crate::providers::{Account, Answer, CallLog, Reading, Record};

type Called<T> = (Answer<T>, Vec<CallLog>);

/// The part that the JSON of an action is in.
const INPUT: &str = "input";
/// What the buyer and PayPal read of a claim that is accepted.
const ACCEPT_NOTE: &str = "The claim is accepted.";
const REFUND: &str = "REFUND";

pub struct Api {
    http: Http,
    base_url: String,
    tokens: Tokens,
    clock: Clock,
}

/// An action that the record allows, ready to be sent.
struct Planned<'a> {
    action: Action,
    input: String,
    files: Vec<File<'a>>,
}

#[derive(Debug, Serialize)]
struct Accept {
    note: &'static str,
    accept_claim_type: &'static str,
}

impl Api {
    pub fn new(http: Http, base_url: &str, clock: Clock) -> Self {
        let tokens = Tokens::new(clock.clone());
        Self { http, base_url: base_url.trim_end_matches('/').to_owned(), tokens, clock }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub async fn fetch(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        let (answer, logs) = self.show(account, dispute_ref).await;
        (Asked::to_show(dispute_ref, event::events).record(answer), logs)
    }

    /// The record as it stands, understood or not.
    pub async fn look(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        let (answer, logs) = self.show(account, dispute_ref).await;
        let record = |r: Response| answered::record(&r.body, Source::Poll, r.as_of, event::events);
        (answer.map(record), logs)
    }

    /// Concedes: PayPal refunds the buyer in full.
    pub async fn accept(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        self.act(account, dispute_ref, plan_accept).await
    }

    pub async fn submit(&self, account: &Account, dispute_ref: &str, sending: Sending<'_>) -> Called<Record> {
        if let Some(reason) = evidence::unfit(sending.documents) {
            return http::refused_unsent(reason);
        }
        self.act(account, dispute_ref, |record| plan_defence(record, &sending)).await
    }

    async fn show(&self, account: &Account, dispute_ref: &str) -> Called<Response> {
        if !wire::is_dispute_ref(dispute_ref) {
            return http::bad_ref(dispute_ref);
        }
        self.get(account, &format!("/v1/customer/disputes/{dispute_ref}")).await
    }

    pub async fn get(&self, account: &Account, path_and_query: &str) -> Called<Response> {
        self.call(account, Method::GET, path_and_query, Safety::Repeatable, |r| r).await
    }

    async fn act<'a>(
        &self,
        account: &Account,
        dispute_ref: &str,
        plan: impl FnOnce(&wire::Dispute) -> Result<Planned<'a>, String>,
    ) -> Called<Record> {
        let (answer, mut logs) = self.show(account, dispute_ref).await;
        let planned = answer.and_then(|response| match wire_record(&response, dispute_ref) {
            Ok(record) => match plan(&record) {
                Ok(planned) => Answer::Receipt(planned),
                Err(reason) => not_offered(reason),
            },
            // Nothing has been sent yet.
            Err(why) => Answer::Retry { after: None, why },
        });
        let planned = match planned {
            Answer::Receipt(planned) => planned,
            Answer::Retry { after, why } => return (Answer::Retry { after, why }, logs),
            Answer::Refused { status, code, reason } => {
                return (Answer::Refused { status, code, reason }, logs);
            }
            Answer::Unknown { why } => return (Answer::Retry { after: None, why }, logs),
        };
        let path = format!("/v1/customer/disputes/{dispute_ref}/{}", planned.action.path());
        let body = |request: RequestBuilder| request.multipart(form(&planned));
        let (answer, more) = self.call(account, Method::POST, &path, Safety::Irreversible, body).await;
        logs.extend(more);
        (answer.and_then(|response| acknowledged(&response, &planned, dispute_ref)), logs)
    }

    async fn call(
        &self,
        account: &Account,
        method: Method,
        path_and_query: &str,
        safety: Safety,
        body: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Called<Response> {
        let base_url = account.base_url.as_deref().unwrap_or(&self.base_url);
        let url = format!("{base_url}{path_and_query}");
        let mut logs = Vec::new();
        let mut refused = None;
        loop {
            let token = match self.tokens.get(&self.http, base_url, account, refused.as_ref()).await {
                Ok(token) => token,
                Err((answer, more)) => {
                    logs.extend(more);
                    return (without_token(answer), logs);
                }
            };
            let mut request = self.http.request(method.clone(), &url);
            if let Some(value) = bearer(secrecy::ExposeSecret::expose_secret(&token)) {
                request = request.header(AUTHORIZATION, value);
            }
            if let Some(value) = assertion::header(account) {
                request = request.header(assertion::NAME, value);
            }
            let exchange = self.http.send(body(request)).await;
            let (answer, log) = exchange.classify(safety, refusal::refusal);
            logs.push(log);
            let ended = matches!(answer, Answer::Refused { status: 401, .. });
            if !ended || refused.is_some() {
                return (answer, logs);
            }
            refused = Some(token);
        }
    }
}

/// Without a token the call itself was not made.
fn without_token(answer: Answer<()>) -> Answer<Response> {
    match answer {
        Answer::Receipt(()) => Answer::Retry { after: None, why: "no token was given".to_owned() },
        Answer::Retry { after, why } => Answer::Retry { after, why },
        Answer::Refused { status, code, reason } => Answer::Refused { status, code, reason },
        Answer::Unknown { why } => Answer::Retry { after: None, why },
    }
}

fn plan_accept<'a>(record: &wire::Dispute) -> Result<Planned<'a>, String> {
    if !link::offers(record, Action::AcceptClaim) {
        return Err(format!("its record offers no accept-claim, only {}", link::shown(record)));
    }
    let options = record.allowed_response_options.as_ref().and_then(|o| o.accept_claim.as_ref());
    let kinds = options.and_then(|o| o.accept_claim_types.as_deref());
    if let Some(kinds) = kinds.filter(|kinds| !kinds.iter().any(|kind| kind == REFUND)) {
        let kinds = clean(&kinds.join(", "));
        return Err(format!("it may be accepted as {kinds} only, which a person chooses in PayPal's pages"));
    }
    let input = Accept { note: ACCEPT_NOTE, accept_claim_type: REFUND };
    Ok(Planned { action: Action::AcceptClaim, input: written(&input), files: Vec::new() })
}

/// Evidence where PayPal asks for it, an appeal where it has decided. Supporting information is neither: it changes no
/// status, so that it would be given again and again, and is left to people.
fn plan_defence<'a>(record: &wire::Dispute, sending: &Sending<'a>) -> Result<Planned<'a>, String> {
    let offered =
        [Action::ProvideEvidence, Action::Appeal].into_iter().find(|action| link::offers(record, *action));
    let Some(action) = offered else {
        return Err(format!("its record offers no way to defend, only {}", link::shown(record)));
    };
    let files = evidence::files(sending.documents);
    let input = written(&evidence::Input::new(sending.packet, &files, record));
    Ok(Planned { action, input, files })
}

fn written(input: &impl Serialize) -> String {
    serde_json::to_string(input).expect("texts and lists are written as JSON")
}

fn form(planned: &Planned<'_>) -> Form {
    let part_name = match planned.action {
        Action::AcceptClaim => "accept-claim-document",
        Action::ProvideEvidence | Action::Appeal => "evidence-file",
    };
    let typed =
        |part: Part, media_type: &str| part.mime_str(media_type).expect("a media type that was checked");
    let input = typed(Part::text(planned.input.clone()), "application/json");
    planned.files.iter().fold(Form::new().percent_encode_noop().part(INPUT, input), |form, file| {
        let content = file.document.content.clone();
        let length = content.len() as u64;
        let part = Part::stream_with_length(content, length).file_name(file.name.clone());
        form.part(part_name, typed(part, &file.document.media_type))
    })
}

fn not_offered<T>(reason: String) -> Answer<T> {
    let reason = format!("nothing was sent: {reason}");
    Answer::Refused { status: 0, code: Some("not_offered".to_owned()), reason }
}

fn wire_record(response: &Response, dispute_ref: &str) -> Result<wire::Dispute, String> {
    let record: wire::Dispute = crate::providers::json::read(&response.body, "the record")?;
    match record.dispute_id == dispute_ref {
        true => Ok(record),
        false => {
            let answered = clean(&record.dispute_id);
            Err(format!("asked about {dispute_ref}, and the answer is about {answered}"))
        }
    }
}

/// The answer to an action: links, one of them to this dispute.
fn acknowledged(response: &Response, planned: &Planned<'_>, dispute_ref: &str) -> Answer<Record> {
    let what = planned.action.path();
    let links: Result<wire::SubsequentAction, String> =
        crate::providers::json::read(&response.body, "the answer");
    match links {
        Ok(links) if link::is_about(&links, dispute_ref) => {
            let reading = Reading::Acknowledged { what: format!("PayPal took {what} for {dispute_ref}") };
            Answer::Receipt(Record { reading, raw: Bytes::clone(&response.body), as_of: response.as_of })
        }
        Ok(_) => {
            let why = format!("{what} answered HTTP {} with no link to {dispute_ref}", response.status);
            http::uncertain(Safety::Irreversible, why)
        }
        Err(what) => {
            http::uncertain(Safety::Irreversible, format!("answered HTTP {}, and {what}", response.status))
        }
    }
}
