//! What an answer of Prism is worth. None is an outcome: Prism passes on that a connector took the call, and its
//! Defend says WON where the connector refused. Submitted is what says CHALLENGED (or ACCEPTED, for an Accept) of
//! the dispute that was asked about, without an error beside it; all else is not confirmed.

use prost::bytes::Bytes;

use super::proto::types::DisputeStatus;
use super::refusal::connector_answer;
use super::response::Told;
use super::service::Verb;
use crate::providers::Answer;
use crate::providers::http::{Safety, uncertain};

/// The bytes as they may be kept, when the call was taken.
pub fn taken(verb: Verb, dispute_ref: &str, safety: Safety, told: Told, kept: Bytes) -> Answer<Bytes> {
    let status = status_word(told.status);
    let wanted = wanted(verb);
    let is_wanted = DisputeStatus::try_from(told.status).is_ok_and(|status| status == wanted);
    if let Some(fault) = told.fault {
        // A no and a yes in one answer is neither.
        return match is_wanted {
            true => uncertain(safety, format!("Prism answers {status} and an error: {}", fault.words)),
            false => connector_answer(told.http_status, fault, safety),
        };
    }
    if !told.dispute_ref.is_empty() && told.dispute_ref != dispute_ref {
        let why = format!("asked about {dispute_ref}, and the answer is about {}", shown(&told.dispute_ref));
        return uncertain(safety, why);
    }
    if told.dispute_ref.is_empty() || !is_wanted {
        let why = format!(
            "Prism answers {} with {status} and no error: {} would say that the connector took it. Nothing is confirmed",
            verb.as_str(),
            wanted.as_str_name(),
        );
        return uncertain(safety, why);
    }
    Answer::Receipt(kept)
}

/// Whether kept bytes say that the call was taken, and in what words.
pub fn acknowledged(verb: Verb, told: &Told) -> Result<String, String> {
    let status = status_word(told.status);
    let is_wanted = DisputeStatus::try_from(told.status).is_ok_and(|s| s == wanted(verb));
    match &told.fault {
        None if is_wanted => Ok(format!("Prism's {} was taken by the connector ({status})", verb.as_str())),
        None => Err(format!("Prism's {} answered {status}, which confirms nothing", verb.as_str())),
        Some(fault) => Err(format!("Prism's {} answered with an error: {}", verb.as_str(), fault.words)),
    }
}

const fn wanted(verb: Verb) -> DisputeStatus {
    match verb {
        Verb::Accept => DisputeStatus::DisputeAccepted,
        Verb::Defend | Verb::SubmitEvidence | Verb::Get => DisputeStatus::DisputeChallenged,
    }
}

pub fn status_word(status: i32) -> String {
    match DisputeStatus::try_from(status) {
        Ok(status) => status.as_str_name().to_owned(),
        Err(_) => format!("status {status}, which is none that is known"),
    }
}

pub fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}
