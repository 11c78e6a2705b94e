//! Whether a call that cannot be taken back may be made a second time, when nobody knows what became of the first:
//! only while the decision, taken anew, is to make this very call. Changes nothing.

use chrono::{DateTime, Utc};

use super::{ActionKind, Case, look};
use crate::evidence::Packet;

/// What has come between, in words; `None` when the call is still what is to be done. `packet`: what the first call
/// carried, where it is known.
pub fn overtaken(
    case: &Case,
    kind: ActionKind,
    packet: Option<&Packet>,
    now: DateTime<Utc>,
) -> Option<String> {
    let Some(seen) = look::at_once(case, now) else {
        return Some("no response is owed any more".to_owned());
    };
    if seen.answer.action() != Some(kind) {
        return Some(format!("what is to be done now is `{}`", seen.answer.word()));
    }
    if !seen.obstacles.is_empty() {
        let texts: Vec<&str> = seen.obstacles.iter().map(|o| o.text.as_str()).collect();
        return Some(texts.join("; "));
    }
    if seen.decided.act_at.is_none_or(|at| at > now) {
        return Some("it is not to be done yet".to_owned());
    }
    let other = kind == ActionKind::Submit && packet.is_some_and(|packet| *packet != seen.packet);
    other.then(|| "the evidence to be sent changed".to_owned())
}
