//! What came of a call to a provider, with the uncertain cases named: a call that may have taken effect is
//! never mistaken for one that did not.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Reading;

/// The code of a refusal that is not of this dispute: whoever would have to make the call for the account does not
/// have it, and no later one will be answered otherwise. The reason says what to do.
pub const NOT_OFFERED: &str = "NOT_IMPLEMENTED";

/// The outcome of a call.
#[derive(Debug, Clone)]
pub enum Answer<T> {
    /// The provider answered and did it.
    Receipt(T),
    /// Not done, and safe to repeat (never sent, throttled, or a read that failed).
    Retry { after: Option<Duration>, why: String },
    /// The provider said no. `code` is its own word, where it has one.
    Refused { status: u16, code: Option<String>, reason: String },
    /// May or may not have taken effect: read the provider's record before anything else.
    Unknown { why: String },
}

/// The same outcome for callers that only ask whether it went well.
pub type Outcome<T> = Result<T, CallError>;

#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    #[error("not done, may be repeated: {0}")]
    Retry(String),
    #[error("refused with HTTP {status}: {reason}")]
    Refused { status: u16, code: Option<String>, reason: String },
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

impl<T> Answer<T> {
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        self.and_then(|value| Answer::Receipt(f(value)))
    }

    /// Goes on with a success; every other answer stays what it is.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Answer<U>) -> Answer<U> {
        match self.success() {
            Ok(value) => next(value),
            Err(other) => other,
        }
    }

    /// What a success holds, or the same answer for a caller that makes something else of successes.
    pub fn success<U>(self) -> Result<T, Answer<U>> {
        match self {
            Answer::Receipt(value) => Ok(value),
            Answer::Retry { after, why } => Err(Answer::Retry { after, why }),
            Answer::Refused { status, code, reason } => Err(Answer::Refused { status, code, reason }),
            Answer::Unknown { why } => Err(Answer::Unknown { why }),
        }
    }

    pub fn into_result(self) -> Outcome<T> {
        match self {
            Answer::Receipt(value) => Ok(value),
            Answer::Retry { why, .. } => Err(CallError::Retry(why)),
            Answer::Refused { status, code, reason } => Err(CallError::Refused { status, code, reason }),
            Answer::Unknown { why } => Err(CallError::Unknown(why)),
        }
    }

    /// A word for the attempts table and for metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Answer::Receipt(_) => "receipt",
            Answer::Retry { .. } => "retry",
            Answer::Refused { .. } => "refused",
            Answer::Unknown { .. } => "unknown",
        }
    }
}

/// The provider's record of one dispute as its API gave it.
#[derive(Debug, Clone)]
pub struct Record {
    /// What the record means. `Reading::Events` holds exactly one event for a record that is understood. In a page,
    /// `Reading::FetchFirst` is no record, and names a dispute that is to be fetched.
    pub reading: Reading,
    /// The bytes it was read from, kept so that state can be rebuilt.
    pub raw: Bytes,
    /// The provider's own time of the answer (its `Date` header), or ours at sending without one.
    pub as_of: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct Page {
    pub records: Vec<Record>,
    /// Pass it back for the page that follows; `None` on the last page.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    pub provider_file_ref: String,
    pub expires_at: Option<DateTime<Utc>>,
}

/// One request made, as the attempts table keeps it: never a body, never a header that carries a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLog {
    /// `POST /v1/disputes/dp_1/close`
    pub request: String,
    pub status: Option<u16>,
    pub provider_request_ref: Option<String>,
    pub latency_ms: i64,
    pub error: Option<String>,
}
