//! What a call was answered with, read from the form of the service that was asked. Says what stands there and
//! judges nothing. Prism can be told to copy the request to the connector into its answers, API key and all: that
//! is taken out before anything is kept.

use prost::Message;
use prost::bytes::Bytes;

use super::proto::{types, ucs::v2};
use super::service::{Service, Verb};

/// The answer to a Defend, an Accept or a SubmitEvidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Empty when the answer names no dispute.
    pub dispute_ref: String,
    /// A number of `types.DisputeStatus`.
    pub status: i32,
    /// The HTTP status of the connector's answer; 0 when none is told.
    pub http_status: u32,
    pub fault: Option<Fault>,
}

/// What went wrong, as an answer tells it in its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    pub code: Option<String>,
    pub words: String,
}

/// The answer to a Get. Empty in all fields when it comes from the stub that Prism has for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub dispute_ref: Option<String>,
    pub payment_ref: Option<String>,
    pub status: i32,
    pub stage: i32,
    /// In minor units, and the currency as a number of Prism's list.
    pub amount: Option<(i64, i32)>,
    pub opened_s: Option<i64>,
    pub due_s: Option<i64>,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub connector_status: Option<String>,
    pub fault: Option<Fault>,
}

/// The answer read, and its bytes as they may be kept.
pub type Read<T> = Result<(T, Bytes), String>;

/// `bytes` as the answer to `verb`, which is not Get.
pub fn told(service: Service, verb: Verb, bytes: &[u8]) -> Read<Told> {
    let read = match (service, verb) {
        (Service::Types, Verb::Defend) => read::<types::DisputeServiceDefendResponse>(bytes),
        (Service::Types, Verb::Accept) => read::<types::DisputeServiceAcceptResponse>(bytes),
        (Service::Types, Verb::SubmitEvidence) => read::<types::DisputeServiceSubmitEvidenceResponse>(bytes),
        (Service::UcsV2, Verb::Defend) => read::<v2::DisputeDefendResponse>(bytes),
        (Service::UcsV2, Verb::Accept) => read::<v2::AcceptDisputeResponse>(bytes),
        (Service::UcsV2, Verb::SubmitEvidence) => read::<v2::DisputeServiceSubmitEvidenceResponse>(bytes),
        (Service::UcsV2Renamed, Verb::Defend) => read::<v2::renamed::DisputeServiceDefendResponse>(bytes),
        (Service::UcsV2Renamed, Verb::Accept) => read::<v2::renamed::DisputeServiceAcceptResponse>(bytes),
        (Service::UcsV2Renamed, Verb::SubmitEvidence) => {
            read::<v2::renamed::DisputeServiceSubmitEvidenceResponse>(bytes)
        }
        (Service::Types | Service::UcsV2 | Service::UcsV2Renamed, Verb::Get) => {
            return Err("a Get is answered with a record".to_owned());
        }
    };
    read.map_err(|why| not_in_form(service, verb, &why))
}

pub fn record(service: Service, bytes: &[u8]) -> Read<Record> {
    let read = match service {
        Service::Types => read::<types::DisputeResponse>(bytes),
        Service::UcsV2 => read::<v2::DisputeResponse>(bytes),
        Service::UcsV2Renamed => read::<v2::renamed::DisputeResponse>(bytes),
    };
    read.map_err(|why| not_in_form(service, Verb::Get, &why))
}

fn not_in_form(service: Service, verb: Verb, why: &str) -> String {
    format!(
        "the answer to {} is not in the form of `{}` ({why}): does the account's setting `service` fit the age of \
         its Prism server?",
        verb.as_str(),
        service.as_str()
    )
}

/// One message of one form that says an `As`.
trait Answered: Message + Default {
    type As;

    fn take_secret(&mut self);

    fn read(self) -> Self::As;
}

fn read<M: Answered>(bytes: &[u8]) -> Read<M::As> {
    let mut message = M::decode(bytes).map_err(|e| e.to_string())?;
    message.take_secret();
    let kept = message.encode_to_vec().into();
    Ok((message.read(), kept))
}

impl From<types::ErrorInfo> for Fault {
    fn from(error: types::ErrorInfo) -> Self {
        let connector = error.connector_details.unwrap_or_default();
        let unified = error.unified_details.unwrap_or_default();
        let issuer = error.issuer_details.unwrap_or_default();
        let code = connector.code.or(unified.code).or(issuer.code);
        let connector_words = words(connector.message, connector.reason);
        let unified_words = words(unified.message, unified.description);
        let found = [connector_words, unified_words, issuer.message.unwrap_or_default()];
        let words = found.into_iter().find(|text| !text.is_empty());
        Self { code, words: words.unwrap_or_else(|| "an error without words".to_owned()) }
    }
}

/// The message, and the reason where it says more.
fn words(message: Option<String>, reason: Option<String>) -> String {
    match (message.filter(|m| !m.is_empty()), reason.filter(|r| !r.is_empty())) {
        (Some(message), Some(reason)) if message != reason => format!("{message}: {reason}"),
        (Some(message), _) => message,
        (None, reason) => reason.unwrap_or_default(),
    }
}

/// The flat fields of servers before 2026-03-05.
fn flat(code: Option<String>, message: Option<String>, reason: Option<String>) -> Option<Fault> {
    let code = code.filter(|c| !c.is_empty());
    let words = words(message, reason);
    match (code, words.is_empty()) {
        (None, true) => None,
        (code, true) => Some(Fault { code, words: "an error without words".to_owned() }),
        (code, false) => Some(Fault { code, words }),
    }
}

fn id(identifier: Option<v2::Identifier>) -> Option<String> {
    use v2::identifier::IdType;
    match identifier?.id_type? {
        IdType::Id(id) => Some(id),
        IdType::EncodedData(_) | IdType::NoResponseIdMarker(_) => None,
    }
}

/// The three answers of one form differ in their numbers alone, and in whether the id is optional.
macro_rules! answered {
    ($($message:ty, |$m:ident| $fault:expr;)+) => { $(
        impl Answered for $message {
            type As = Told;

            fn take_secret(&mut self) {
                self.raw_connector_request = None;
            }

            fn read(self) -> Told {
                let $m = self;
                let dispute_ref: Option<String> = $m.dispute_id.into();
                Told {
                    dispute_ref: dispute_ref.unwrap_or_default(),
                    status: $m.dispute_status,
                    http_status: $m.status_code,
                    fault: $fault,
                }
            }
        }
    )+ };
}

answered! {
    types::DisputeServiceDefendResponse, |m| m.error.map(Fault::from);
    types::DisputeServiceAcceptResponse, |m| m.error.map(Fault::from);
    types::DisputeServiceSubmitEvidenceResponse, |m| m.error.map(Fault::from);
    v2::renamed::DisputeServiceDefendResponse, |m| m.error.map(Fault::from);
    v2::renamed::DisputeServiceAcceptResponse, |m| m.error.map(Fault::from);
    v2::renamed::DisputeServiceSubmitEvidenceResponse, |m| m.error.map(Fault::from);
    v2::DisputeDefendResponse, |m| flat(m.error_code, m.error_message, m.error_reason);
    v2::AcceptDisputeResponse, |m| flat(m.error_code, m.error_message, m.error_reason);
    v2::DisputeServiceSubmitEvidenceResponse, |m| flat(m.error_code, m.error_message, m.error_reason);
}

impl Answered for types::DisputeResponse {
    type As = Record;

    fn take_secret(&mut self) {
        self.raw_connector_request = None;
    }

    fn read(self) -> Record {
        Record {
            dispute_ref: self.connector_dispute_id,
            payment_ref: self.connector_transaction_id,
            status: self.dispute_status,
            stage: self.dispute_stage,
            amount: self.dispute_amount.map(|money| (money.minor_amount, money.currency)),
            opened_s: self.dispute_date,
            due_s: self.due_date,
            reason: self.dispute_reason,
            message: self.dispute_message,
            connector_status: self.connector_status_code,
            fault: self.error.map(Fault::from),
        }
    }
}

impl Answered for v2::renamed::DisputeResponse {
    type As = Record;

    fn take_secret(&mut self) {
        self.raw_connector_request = None;
    }

    fn read(self) -> Record {
        Record {
            dispute_ref: self.connector_dispute_id,
            payment_ref: id(self.connector_transaction_id),
            status: self.dispute_status,
            stage: self.dispute_stage,
            amount: self.dispute_amount.map(|money| (money.minor_amount, money.currency)),
            opened_s: self.dispute_date,
            due_s: self.due_date,
            reason: self.dispute_reason,
            message: self.dispute_message,
            connector_status: self.connector_status_code,
            fault: self.error.map(Fault::from),
        }
    }
}

impl Answered for v2::DisputeResponse {
    type As = Record;

    fn take_secret(&mut self) {
        self.raw_connector_request = None;
    }

    fn read(self) -> Record {
        Record {
            dispute_ref: self.dispute_id,
            payment_ref: id(self.transaction_id),
            status: self.dispute_status,
            stage: self.dispute_stage,
            amount: self.dispute_amount.zip(self.dispute_currency),
            opened_s: self.dispute_date,
            due_s: self.due_date,
            reason: self.dispute_reason,
            message: self.dispute_message,
            connector_status: self.connector_status_code,
            fault: flat(self.error_code, self.error_message, self.error_reason),
        }
    }
}
