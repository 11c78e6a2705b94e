//! What happened to a dispute, entry by entry, in words for people. The history itself holds values; here they
//! are only read, and what is not there is left out. What is said has to be true of a provider that cannot be read
//! as well, so who confirmed something is told by what the entry came from.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::show::span;
use crate::dispute::Money;
use crate::engine::{HistoryKind, Order};
use crate::store::disputes::Entry;

/// The entry in words, or nothing where its kind says all. `at` prints instants.
pub(crate) fn words(entry: &Entry, kind: HistoryKind, at: fn(DateTime<Utc>) -> String) -> Option<String> {
    let detail = &entry.detail;
    let text = |key: &str| word(&detail[key]);
    let name = |key: &str| plainly(&text(key));
    let instant = |value: &Value| value.as_str().and_then(|t| t.parse().ok()).map(at).unwrap_or_default();
    let slack = || detail["slack_s"].as_i64().map(span).unwrap_or_default();
    let told = match kind {
        HistoryKind::Opened => format!("{}, {}, {}", name("stage"), name("status"), money(&detail["amount"])),
        HistoryKind::CycleOpened => format!("a response is owed by {}", instant(&detail["respond_by"])),
        HistoryKind::StageMoved => format!("moves from {} to {}", name("from"), name("to")),
        HistoryKind::DeadlineMoved => match detail["to"]["at"].is_string() {
            true => format!("the deadline moves to {}", instant(&detail["to"]["at"])),
            false => "there is no deadline any more".to_owned(),
        },
        HistoryKind::AmountChanged => {
            format!("the amount changes from {} to {}", money(&detail["from"]), money(&detail["to"]))
        }
        HistoryKind::ReasonChanged => {
            let reason = |key: &str| word(&detail[key]["provider_reason"]);
            format!("the reason changes from {} to {}", reason("from"), reason("to"))
        }
        HistoryKind::Answered => {
            format!(
                "CONFIRMED by {}: {}, {} to spare",
                told_by(&entry.cause),
                answered(&text("response")),
                slack()
            )
        }
        HistoryKind::AnsweredElsewhere => {
            "somebody answered in the provider's dashboard; our plan is cancelled".to_owned()
        }
        HistoryKind::Settled | HistoryKind::Reversed | HistoryKind::Revived => {
            format!("the provider says: {}", text("word"))
        }
        HistoryKind::LookedBack => {
            format!(
                "{} of {} comes late: what came after it is looked at again",
                text("news"),
                instant(&detail["as_of"])
            )
        }
        HistoryKind::FundsMoved => format!("the money is {}", text("moved")),
        HistoryKind::Decided => decided(detail, &instant)?,
        HistoryKind::Ordered => format!("{} orders: {}", who(&text("by")), answer(&detail["command"])),
        HistoryKind::Approved => format!("{} approves: {}", who(&text("by")), answer(&detail["answer"])),
        HistoryKind::ApprovalLapsed => {
            format!("{}'s approval counts no more: {}", who(&text("by")), list(&detail["because"]))
        }
        HistoryKind::Wanted => format!("{} now, {} before the deadline", will(&text("action")), slack()),
        HistoryKind::AtMargin => format!("at the margin: {} instead of {}", text("instead"), text("decided")),
        HistoryKind::Paged => "PAGED: no response is confirmed and time is running out".to_owned(),
        HistoryKind::Missed => "MISSED: the deadline has passed without a response".to_owned(),
        HistoryKind::ActionSent => format!("{}: {}", what(&text("action")), text("why")),
        HistoryKind::ActionDone => done(&text("action")).to_owned(),
        HistoryKind::ActionRefused => {
            format!("the provider refuses {}: {}", what(&text("action")), text("why"))
        }
        HistoryKind::ActionUnknown => doubtful(detail),
        HistoryKind::ActionCancelled => {
            format!("{} is not sent: {}", what(&text("action")), by_name(&text("why")))
        }
        HistoryKind::EvidenceAdded => format!("{} attaches evidence", who(&text("by"))),
        HistoryKind::FactsChanged => "the shop tells more about the order".to_owned(),
    };
    Some(told)
}

fn decided(detail: &Value, instant: &dyn Fn(&Value) -> String) -> Option<String> {
    let by = word(&detail["by"]);
    let decider = match (by.strip_prefix(PERSON), detail["rule"].as_str()) {
        (Some(person), _) => format!("{} decides", who(person)),
        (None, Some(rule)) => format!("rule {rule}"),
        (None, None) => return None,
    };
    let waiting = by_name(&list(&detail["waiting_for"]));
    let when = match detail["act_at"].is_string() && waiting.is_empty() {
        true => format!(" at {}", instant(&detail["act_at"])),
        false => String::new(),
    };
    let waits = if waiting.is_empty() { String::new() } else { format!("; waits: {waiting}") };
    let because = word(&detail["because"]);
    let because = if because.is_empty() { String::new() } else { format!(" ({because})") };
    Some(format!("{decider}: {}{when}{waits}{because}", answer(&detail["answer"])))
}

/// A call of which nobody can say whether it arrived, and what happened to it. The cause is the adapter's; where the
/// record can be read it decides, and where it cannot the cause says so itself.
fn doubtful(detail: &Value) -> String {
    let (action, why) = (what(&word(&detail["action"])), cause(&word(&detail["why"])));
    match detail["standing"].as_str() {
        Some("regenerated") => format!("{action} had no effect: {why}"),
        _ if why.is_empty() => format!("it is not known whether {action} arrived"),
        _ if why.contains(UNREAD) => format!("it is not known whether {action} arrived: {why}"),
        _ => format!(
            "it is not known whether {action} arrived: {}. The record will tell",
            why.trim_end_matches('.')
        ),
    }
}

/// How a cause begins to say that the provider has no record to read.
const UNREAD: &str = "cannot be read";

/// What a broken call came to, without the client library's own names for it.
fn cause(why: &str) -> String {
    let broken = ["connection closed", "connection reset", "broken pipe", "stream error received"];
    let (first, rest) = why.split_once(';').map_or((why, String::new()), |(a, b)| (a, format!(";{b}")));
    let lower = first.to_lowercase();
    match lower.as_str() {
        _ if broken.iter().any(|sign| lower.contains(sign)) => {
            format!("the connection broke before an answer came{rest}")
        }
        _ if lower.contains("timed out") => format!("no answer came in time{rest}"),
        _ => why.to_owned(),
    }
}

fn done(action: &str) -> &str {
    match action {
        "upload" => "a file is uploaded to the provider",
        "stage_evidence" => "the evidence is with the provider, not sent",
        "keep_manual" => "the provider leaves submitting to us",
        "pull_facts" => "the shop was asked for facts",
        other => other,
    }
}

/// The call, as the subject of a sentence.
fn what(action: &str) -> String {
    match action {
        "accept" => "the acceptance".to_owned(),
        "submit" => "the defence".to_owned(),
        "stage_evidence" => "the draft of the evidence".to_owned(),
        "upload" => "a file".to_owned(),
        "fetch" => "the reading of the record".to_owned(),
        "pull_facts" => "the question for facts".to_owned(),
        other => plainly(other),
    }
}

fn will(action: &str) -> String {
    match action {
        "accept" => "accepts".to_owned(),
        "submit" => "sends the defence".to_owned(),
        other => plainly(other),
    }
}

/// A response in the past tense.
pub(crate) fn answered(response: &str) -> &str {
    match response {
        "accept" => "accepted",
        "defend" => "defended",
        "elsewhere" => "answered in the provider's dashboard",
        "nothing" => "not answered",
        other => other,
    }
}

const PERSON: &str = "person:";

/// Who gave an order: a person by name, a program as one. Takes the name with or without `person:` before it.
pub(crate) fn who(by: &str) -> String {
    let name = by.strip_prefix(PERSON).unwrap_or(by);
    match name.strip_prefix(Order::PROGRAM) {
        Some(program) => format!("the program {program}"),
        None => name.to_owned(),
    }
}

/// What an entry of the history or a decision came from.
pub(crate) fn source(cause: &str) -> String {
    match cause.split_once([' ', ':']) {
        Some(("webhook", name)) => format!("the webhook {name}"),
        Some(("person", _)) => who(cause),
        Some(("action", action)) => what(action),
        None if cause == "wake" => "the clock".to_owned(),
        None if cause == "receipt" => "the provider's answer".to_owned(),
        None if cause == "poll" => "asking the provider".to_owned(),
        None if cause == "read_back" => "reading the record back".to_owned(),
        Some(_) | None => cause.to_owned(),
    }
}

/// Whose word the news is.
fn told_by(cause: &str) -> &'static str {
    match cause.split(' ').next() {
        Some("webhook") => "the provider's webhook",
        Some("receipt") => "the provider's answer",
        Some(_) | None => "the provider's record",
    }
}

/// Sentences of the engine's own that name a program as the database does.
fn by_name(text: &str) -> String {
    text.replace(&format!(" by {}", Order::PROGRAM), " by the program ")
}

/// A word of the model as people write it: `pre_arbitration` is pre-arbitration.
pub(crate) fn plainly(word: &str) -> String {
    match word {
        "pre_arbitration" => "pre-arbitration".to_owned(),
        "needs_response" => "needs a response".to_owned(),
        other => other.replace('_', " "),
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(texts: &Value) -> String {
    texts.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

/// `accept`, `defend`, `hold`: the answer without what belongs to it.
fn answer(value: &Value) -> String {
    let with_arguments = || value.as_object().and_then(|o| o.keys().next().cloned());
    value.as_str().map(str::to_owned).or_else(with_arguments).unwrap_or_default()
}

fn money(value: &Value) -> String {
    serde_json::from_value::<Money>(value.clone()).map(|m| m.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: HistoryKind, cause: &str, detail: Value) -> String {
        let entry = Entry {
            history_id: 1,
            dispute_id: 1,
            dispute_ref: "dp_1".into(),
            provider: "any".into(),
            cycle_n: Some(1),
            at: DateTime::UNIX_EPOCH,
            kind: kind.to_string(),
            cause: cause.into(),
            delivery_id: None,
            detail,
        };
        words(&entry, kind, |at| at.to_rfc3339()).unwrap()
    }

    #[test]
    fn who_confirmed_it_is_said_as_it_was() {
        for (cause, wanted) in [
            (
                "webhook INFORMATION_SUPPLIED",
                "CONFIRMED by the provider's webhook: defended, 2d 00h to spare",
            ),
            ("read_back", "CONFIRMED by the provider's record: defended, 2d 00h to spare"),
            ("poll", "CONFIRMED by the provider's record: defended, 2d 00h to spare"),
            ("receipt", "CONFIRMED by the provider's answer: defended, 2d 00h to spare"),
        ] {
            let detail = json!({"response": "defend", "slack_s": 172_800});
            assert_eq!(told(HistoryKind::Answered, cause, detail), wanted, "{cause}");
        }
    }

    #[test]
    fn a_call_in_doubt_says_what_happened_to_it() {
        let doubt = |why: &str, standing: &str| {
            let detail = json!({"action": "submit", "why": why, "standing": standing});
            told(HistoryKind::ActionUnknown, "action:submit", detail)
        };
        for (why, standing, wanted) in [
            (
                "error sending request: client error (SendRequest): connection closed before message completed",
                "unknown",
                "it is not known whether the defence arrived: the connection broke before an answer came. The record \
                 will tell",
            ),
            (
                "operation timed out; this provider cannot be read, so the call is not repeated",
                "unknown",
                "it is not known whether the defence arrived: no answer came in time; this provider cannot be read, \
                 so the call is not repeated",
            ),
            (
                "HTTP 500: something went wrong",
                "unknown",
                "it is not known whether the defence arrived: HTTP 500: something went wrong. The record will tell",
            ),
            (
                "15 min after the call the record still asks for a response",
                "regenerated",
                "the defence had no effect: 15 min after the call the record still asks for a response",
            ),
            ("", "unknown", "it is not known whether the defence arrived"),
        ] {
            assert_eq!(doubt(why, standing), wanted);
        }
    }

    #[test]
    fn a_program_is_named_as_one_and_a_person_by_name() {
        let order = |by: &str| told(HistoryKind::Ordered, "", json!({"by": by, "command": "accept"}));
        assert_eq!(order("ana"), "ana orders: accept");
        assert_eq!(order("api:shop-backend"), "the program shop-backend orders: accept");
        let decision =
            json!({"by": "person:api:shop-backend", "rule": "r", "answer": "accept", "waiting_for": []});
        assert_eq!(told(HistoryKind::Decided, "", decision), "the program shop-backend decides: accept");
        let why = json!({"action": "submit", "why": "ordered otherwise by api:shop-backend"});
        let said = told(HistoryKind::ActionCancelled, "", why);
        assert_eq!(said, "the defence is not sent: ordered otherwise by the program shop-backend");
        for (cause, wanted) in [
            ("person:ana", "ana"),
            ("person:api:shop-backend", "the program shop-backend"),
            ("webhook charge.dispute.created", "the webhook charge.dispute.created"),
            ("action:submit", "the defence"),
            ("wake", "the clock"),
            ("rules", "rules"),
        ] {
            assert_eq!(source(cause), wanted);
        }
    }

    #[test]
    fn words_of_the_model_are_said_as_people_say_them() {
        let moved = json!({"from": "fraud_notice", "to": "pre_arbitration"});
        assert_eq!(told(HistoryKind::StageMoved, "", moved), "moves from fraud notice to pre-arbitration");
        let amount = json!({"minor": 100, "currency": "USD"});
        let opened = json!({"stage": "chargeback", "status": "needs_response", "amount": amount});
        assert_eq!(told(HistoryKind::Opened, "", opened), "chargeback, needs a response, 1.00 USD");
    }
}
