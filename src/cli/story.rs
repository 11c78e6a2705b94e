//! What happened to a dispute, entry by entry, in words for people. The history itself holds values; here they
//! are only read, and what is not there is left out.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::show::span;
use crate::dispute::Money;
use crate::engine::HistoryKind;
use crate::store::disputes::Entry;

/// The entry in words, or nothing where its kind says all. `at` prints instants.
pub(crate) fn words(entry: &Entry, kind: HistoryKind, at: fn(DateTime<Utc>) -> String) -> Option<String> {
    let detail = &entry.detail;
    let text = |key: &str| word(&detail[key]);
    let instant = |value: &Value| value.as_str().and_then(|t| t.parse().ok()).map(at).unwrap_or_default();
    let slack = || detail["slack_s"].as_i64().map(span).unwrap_or_default();
    let told = match kind {
        HistoryKind::Opened => format!("{} {}, {}", text("stage"), text("status"), money(&detail["amount"])),
        HistoryKind::CycleOpened => format!("a response is owed by {}", instant(&detail["respond_by"])),
        HistoryKind::StageMoved => format!("moves from {} to {}", text("from"), text("to")),
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
            format!("CONFIRMED by the provider's record: {}, {} to spare", text("response"), slack())
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
        HistoryKind::Ordered => format!("{} orders: {}", text("by"), answer(&detail["command"])),
        HistoryKind::Approved => format!("{} approves: {}", text("by"), answer(&detail["answer"])),
        HistoryKind::ApprovalLapsed => {
            format!("{}'s approval counts no more: {}", text("by"), list(&detail["because"]))
        }
        HistoryKind::Wanted => format!("{} now, {} before the deadline", text("action"), slack()),
        HistoryKind::AtMargin => format!("at the margin: {} instead of {}", text("instead"), text("decided")),
        HistoryKind::Paged => "PAGED: the record shows no response and time is running out".to_owned(),
        HistoryKind::Missed => "MISSED: the deadline has passed without a response".to_owned(),
        HistoryKind::ActionSent => {
            format!("{} was answered well, the record does not show it yet", text("action"))
        }
        HistoryKind::ActionDone => done(&text("action")).to_owned(),
        HistoryKind::ActionRefused => format!("the provider refuses to {}: {}", text("action"), text("why")),
        HistoryKind::ActionUnknown => {
            format!("the answer to {} cannot be trusted: the record will tell", text("action"))
        }
        HistoryKind::ActionCancelled => format!("{} is not sent: {}", text("action"), text("why")),
        HistoryKind::EvidenceAdded => format!("{} attaches evidence", text("by")),
        HistoryKind::FactsChanged => "the shop tells more about the order".to_owned(),
    };
    Some(told)
}

fn decided(detail: &Value, instant: &dyn Fn(&Value) -> String) -> Option<String> {
    let by = word(&detail["by"]);
    let who = match (by.strip_prefix("person:"), detail["rule"].as_str()) {
        (Some(person), _) => format!("{person} decides"),
        (None, Some(rule)) => format!("rule {rule}"),
        (None, None) => return None,
    };
    let waiting = list(&detail["waiting_for"]);
    let when = match detail["act_at"].is_string() && waiting.is_empty() {
        true => format!(" at {}", instant(&detail["act_at"])),
        false => String::new(),
    };
    let waits = if waiting.is_empty() { String::new() } else { format!("; waits: {waiting}") };
    let because = word(&detail["because"]);
    let because = if because.is_empty() { String::new() } else { format!(" ({because})") };
    Some(format!("{who}: {}{when}{waits}{because}", answer(&detail["answer"])))
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
