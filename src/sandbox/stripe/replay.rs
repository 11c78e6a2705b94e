//! Idempotency keys of Stripe's v1 API: the first answer is saved, whatever it was, once the call began to
//! execute; the same key with other parameters is an error; keys may be forgotten after a day.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::super::reply::Reply;
use super::{Book, Call};

#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub print: [u8; 32],
    pub reply: Reply,
    pub request_ref: String,
    pub at: DateTime<Utc>,
}

/// A digest of everything the call asks for.
pub(super) fn fingerprint(call: &Call<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {:?}", call.route, call.parameters));
    for part in call.parts {
        hash.update(format!("{} {:?} {}", part.name, part.filename, part.content.len()));
        hash.update(&part.content);
    }
    hash.finalize().into()
}

impl Book {
    pub(super) fn saved(&self, account: usize, key: &str, now: DateTime<Utc>) -> Option<&Saved> {
        let saved = self.replays.get(&(account, key.to_owned()));
        saved.filter(|saved| now - saved.at < TimeDelta::hours(24))
    }

    pub(super) fn save(&mut self, call: &Call<'_>, key: &str, print: [u8; 32], reply: Reply) {
        let request_ref = call.cause.request.clone().unwrap_or_default();
        let saved = Saved { print, reply, request_ref, at: call.at };
        self.replays.insert((call.account, key.to_owned()), saved);
    }
}
