//! The month as it is told: one line for everything worth watching, from the history rows alone.
//! Changes nothing, and knows no plot.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::store::disputes::Entry;

/// The plot's names of the disputes, by the provider's id.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, &'static str>);

impl Names {
    pub fn learn(&mut self, dispute_ref: String, name: &'static str) {
        self.0.insert(dispute_ref, name);
    }

    pub fn of(&self, dispute_ref: &str) -> &str {
        self.0.get(dispute_ref).copied().unwrap_or("?")
    }

    pub fn reference(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(_, n)| **n == name).map(|(dispute_ref, _)| dispute_ref.as_str())
    }
}

pub fn at(instant: DateTime<Utc>) -> String {
    instant.format("%b %d %H:%M").to_string()
}

pub fn line(when: DateTime<Utc>, who: &str, name: &str, what: &str) -> String {
    format!("{}  {who:<9} {name:<11} {what}", at(when))
}

/// The entry in words, or nothing where it is not worth a line.
pub fn words(entry: &Entry) -> Option<String> {
    let detail = &entry.detail;
    let text = |key: &str| detail.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let slack = || detail.get("slack_s").and_then(Value::as_i64).map(span).unwrap_or_default();
    let told = match entry.kind.as_str() {
        "opened" => format!("{} {}, {}", text("stage"), text("status"), money(&detail["amount"])),
        "cycle_opened" => format!("a response is owed by {}", instant(&detail["respond_by"])),
        "stage_moved" => format!("moves from {} to {}", text("from"), text("to")),
        "deadline_moved" => format!("the deadline moves to {}", instant(&detail["to"]["at"])),
        "decided" => decided(detail)?,
        "ordered" => ordered(detail),
        "approved" => format!("{} approves: {}", text("by"), answer(&detail["answer"])),
        "approval_lapsed" => {
            format!("{}'s approval counts no more: {}", text("by"), list(&detail["because"]))
        }
        "wanted" => format!("{} now, {} before the deadline", text("action"), slack()),
        "answered" => {
            format!("CONFIRMED by the provider's record: {}, {} to spare", text("response"), slack())
        }
        "answered_elsewhere" => {
            "somebody answered in the provider's dashboard; our plan is cancelled".to_owned()
        }
        "settled" | "reversed" | "revived" => format!("the provider says: {}", text("word")),
        "at_margin" => format!("at the margin: {} instead of {}", text("instead"), text("decided")),
        "paged" => "PAGED: the record shows no response and time is running out".to_owned(),
        "missed" => "MISSED: the deadline has passed without a response".to_owned(),
        "action_unknown" => {
            format!("no answer to {} that can be trusted: the record will tell", text("action"))
        }
        "action_sent" => format!("{} was answered well, the record does not show it yet", text("action")),
        "action_refused" => format!("the provider refuses to {}: {}", text("action"), text("why")),
        "action_done" if text("action") == "upload" => "a file is uploaded to the provider".to_owned(),
        "action_done" if text("action") == "stage_evidence" => {
            "the evidence is with the provider, not sent".to_owned()
        }
        "evidence_added" => format!("{} attaches evidence", text("by")),
        "facts_changed" => "the shop tells more about the order".to_owned(),
        _ => return None,
    };
    Some(told)
}

fn decided(detail: &Value) -> Option<String> {
    let rule = detail.get("rule").and_then(Value::as_str);
    let by = detail.get("by").and_then(Value::as_str).unwrap_or_default();
    let who = match (by.strip_prefix("person:"), rule) {
        (Some(person), _) => format!("{person} decides"),
        (None, Some(rule)) => format!("rule {rule}"),
        (None, None) => return None,
    };
    let waiting = list(&detail["waiting_for"]);
    let when = match detail.get("act_at").and_then(Value::as_str) {
        Some(_) if waiting.is_empty() => format!(" at {}", instant(&detail["act_at"])),
        Some(_) | None => String::new(),
    };
    let waits = if waiting.is_empty() { String::new() } else { format!("; waits: {waiting}") };
    Some(format!("{who}: {}{when}{waits}", answer(&detail["answer"])))
}

fn list(texts: &Value) -> String {
    texts.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

fn ordered(detail: &Value) -> String {
    let by = detail["by"].as_str().unwrap_or_default();
    format!("{by} orders: {}", answer(&detail["command"]))
}

fn answer(value: &Value) -> String {
    let with_arguments = || value.as_object().and_then(|o| o.keys().next().cloned());
    value.as_str().map(str::to_owned).or_else(with_arguments).unwrap_or_default()
}

fn money(value: &Value) -> String {
    serde_json::from_value::<crate::dispute::Money>(value.clone()).map(|m| m.to_string()).unwrap_or_default()
}

fn instant(value: &Value) -> String {
    value.as_str().and_then(|t| t.parse::<DateTime<Utc>>().ok()).map(at).unwrap_or_default()
}

/// Seconds for people, rounded down: `2d 4h`, `35m`.
pub fn span(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let s = seconds.abs();
    let (days, hours, minutes) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, m) => format!("{sign}{m}m"),
        (0, h, m) => format!("{sign}{h}h {m:02}m"),
        (d, h, _) => format!("{sign}{d}d {h:02}h"),
    }
}
