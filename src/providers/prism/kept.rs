//! How Prism's answers are kept: its messages do not say which they are, so their bytes stand in a small JSON object
//! that does, with their digest. A webhook of a connector that is spoken to natively is kept as it came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::service::{Service, Verb};
use crate::providers::json;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    /// `types/Defend`, `types/HandleEvent`.
    prism: String,
    /// Base64 of the message.
    answer: String,
    /// Hex, of the message.
    sha256: String,
    /// Base64 of the webhook that Prism was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
}

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub to: To,
    pub message: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Call(Service, Verb),
    HandleEvent,
}

/// What every kept answer begins with, and no connector's webhook.
const START: &[u8] = b"{\"prism\":";

pub fn is_ours(body: &[u8]) -> bool {
    body.starts_with(START)
}

pub fn call(service: Service, verb: Verb, message: &Bytes) -> Bytes {
    write(format!("{}/{}", service.as_str(), verb.as_str()), message, None)
}

/// An answer about a webhook, together with the webhook as it came.
pub fn event(message: &Bytes, webhook: &Bytes) -> Bytes {
    write(HANDLE_EVENT_NAME.to_owned(), message, Some(STANDARD.encode(webhook)))
}

const HANDLE_EVENT_NAME: &str = "types/HandleEvent";

fn write(prism: String, message: &Bytes, webhook: Option<String>) -> Bytes {
    let sha256 = hex::encode(Sha256::digest(message));
    let envelope = Envelope { prism, answer: STANDARD.encode(message), sha256, webhook };
    serde_json::to_vec(&envelope).expect("four texts are JSON").into()
}

/// # Errors
/// What is wrong with it, in words.
pub fn read(body: &[u8]) -> Result<Answer, String> {
    let envelope: Envelope = json::read(body, "the kept answer")?;
    let message = STANDARD.decode(&envelope.answer).map_err(|_| "its `answer` is not base64".to_owned())?;
    if hex::encode(Sha256::digest(&message)) != envelope.sha256 {
        return Err("its `answer` is not what was kept: the digest differs".to_owned());
    }
    let to = to(&envelope.prism).ok_or_else(|| "its `prism` names no call".to_owned())?;
    Ok(Answer { to, message: message.into() })
}

fn to(name: &str) -> Option<To> {
    if name == HANDLE_EVENT_NAME {
        return Some(To::HandleEvent);
    }
    let (service, verb) = name.rsplit_once('/')?;
    let verb = Verb::ALL.into_iter().find(|v| v.as_str() == verb)?;
    Some(To::Call(Service::named(service)?, verb))
}
