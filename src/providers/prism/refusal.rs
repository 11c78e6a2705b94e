//! What a gRPC status of Prism means. The code alone says little: INVALID_ARGUMENT is what Prism answers to a
//! missing header and what it makes of a 400 from the connector. `grpc-status-details-bin` tells them apart; it
//! holds a bare ConnectorError or IntegrationError, not the `google.rpc.Status` that the name promises.

use std::time::Duration;

use prost::Message;
use tonic::Code;

use super::channel::Failure;
use super::proto::types;
use super::response::Fault;
use super::service::Verb;
use crate::grpc_code;
use crate::providers::http::{Safety, uncertain};
use crate::providers::{Answer, NOT_OFFERED};

/// What stands in the details of a status.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Details {
    /// None came: servers before 2026-04-28, whatever stands before a server, and gRPC itself.
    None,
    /// The connector answered, or was asked and its answer could not be made out.
    Connector {
        code: String,
        http_status: Option<u32>,
        fault: Fault,
    },
    /// Prism refused by itself, before the connector was asked.
    Integration {
        code: String,
        words: String,
        suggested: Option<String>,
    },
    Unreadable,
}

/// Error codes that only ConnectorErrors have. The two messages begin alike, so that these words decide.
const OF_THE_CONNECTOR: [&str; 5] = [
    ANSWERED,
    "RESPONSE_DESERIALIZATION_FAILED",
    "RESPONSE_HANDLING_FAILED",
    "UNEXPECTED_RESPONSE_ERROR",
    "INTEGRITY_CHECK_FAILED",
];
/// The connector answered with an HTTP status of its own.
const ANSWERED: &str = "CONNECTOR_ERROR_RESPONSE";

fn details(bytes: &[u8]) -> Details {
    if bytes.is_empty() {
        return Details::None;
    }
    let Ok(error) = types::ConnectorError::decode(bytes) else { return integration(bytes) };
    if !OF_THE_CONNECTOR.contains(&error.error_code.as_str()) {
        return integration(bytes);
    }
    let fault = error.error_info.map(Fault::from);
    let fault = fault.unwrap_or(Fault { code: None, words: error.error_message });
    Details::Connector { code: error.error_code, http_status: error.http_status_code, fault }
}

fn integration(bytes: &[u8]) -> Details {
    match types::IntegrationError::decode(bytes) {
        Ok(error) if !error.error_code.is_empty() => Details::Integration {
            code: error.error_code,
            words: error.error_message,
            suggested: error.suggested_action,
        },
        Ok(_) | Err(_) => Details::Unreadable,
    }
}

/// What a call without an answer comes to. `connector` is whom Prism was to ask.
pub fn answer<T>(failure: &Failure, verb: Verb, connector: &str, safety: Safety) -> Answer<T> {
    let (code, message, bytes) = match failure {
        Failure::NotSent(why) => return Answer::Retry { after: None, why: format!("not sent: {why}") },
        Failure::Lost(why) => return uncertain(safety, why.clone()),
        Failure::Late => return uncertain(safety, "no answer came before the deadline".to_owned()),
        Failure::Status { code, message, details } => (*code, message, details),
    };
    match details(bytes) {
        Details::Connector { code: word, http_status: Some(status), fault } if word == ANSWERED => {
            connector_answer(status, fault, safety)
        }
        Details::Connector { code: word, fault, .. } => {
            uncertain(safety, format!("Prism {word} about {connector}: {}", fault.words))
        }
        Details::Integration { code: word, .. } if word == NOT_OFFERED => {
            refused(NOT_OFFERED, not_implemented(verb, connector))
        }
        Details::Integration { code: word, words, suggested } => {
            let hint = suggested.map(|s| format!(" ({s})")).unwrap_or_default();
            refused(&word, format!("Prism refused before it asked {connector}: {words}{hint}"))
        }
        Details::None => bare(code, message, verb, safety),
        Details::Unreadable => uncertain(
            safety,
            format!("{}: {message}, with details that cannot be read", grpc_code::word(code)),
        ),
    }
}

/// Whether Prism will answer the same question so again: it could not make it out, or will not pass it on.
pub fn is_final(failure: &Failure) -> bool {
    let Failure::Status { code, details: bytes, .. } = failure else { return false };
    match details(bytes) {
        Details::Integration { .. } => true,
        Details::None => matches!(code, Code::InvalidArgument | Code::FailedPrecondition),
        Details::Connector { .. } | Details::Unreadable => false,
    }
}

/// Nothing has reached the connector: status 0 says so.
fn refused<T>(code: &str, reason: String) -> Answer<T> {
    Answer::Refused { status: 0, code: Some(code.to_owned()), reason }
}

/// What the connector answered by HTTP, as Prism passes it on: in a status, or in the fields of an answer.
pub fn connector_answer<T>(status: u32, fault: Fault, safety: Safety) -> Answer<T> {
    let Fault { code, words } = fault;
    let why = || format!("HTTP {status} from the connector: {words}");
    match status {
        425 | 429 => Answer::Retry { after: Some(THROTTLED), why: why() },
        // In the fields of an answer, 200 stands beside a no of the connector.
        200..=299 | 400..=407 | 409..=424 | 426..=428 | 430..=499 => {
            Answer::Refused { status: u16::try_from(status).unwrap_or_default(), code, reason: words }
        }
        _ => uncertain(safety, why()),
    }
}

/// Prism does not pass on how long a connector wants to be left alone.
const THROTTLED: Duration = Duration::from_secs(60);

fn not_implemented(verb: Verb, connector: &str) -> String {
    let verb = verb.as_str();
    format!(
        "this Prism server has no {verb} for {connector}, and nothing was sent: answer in {connector}'s dashboard; give \
         the account the provider's own name instead of `prism` where respondby speaks to it itself, or have Prism \
         updated to a version that has it"
    )
}

/// A status without details: only what cannot have reached the connector is a no.
fn bare<T>(code: Code, message: &str, verb: Verb, safety: Safety) -> Answer<T> {
    let told = format!("{}: {message}", grpc_code::word(code));
    match code {
        Code::Unimplemented => refused(
            grpc_code::word(code),
            format!(
                "the server at this address does not know this {} call ({told}): Prism servers before 2026-03-09 \
                 speak `ucs.v2`, later ones `types`. Set the account's `service` to the one of its server, and look \
                 whether `base_url` leads to a Prism server at all",
                verb.as_str()
            ),
        ),
        Code::InvalidArgument
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::NotFound
        | Code::FailedPrecondition => refused(grpc_code::word(code), told),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => uncertain(safety, told),
    }
}
