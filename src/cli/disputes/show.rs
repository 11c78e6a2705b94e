//! `disputes show`: one dispute with everything that is known and was done: the record, each cycle and its
//! plan, decisions with what every condition saw, actions with their requests, alerts, evidence, history.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::list::{approval, kill_switch, plan, seen};
use crate::cli::Globals;
use crate::cli::desk::{Which, dispute_at, now, with_database};
use crate::cli::show::{at, at_second, left, plain};
use crate::cli::story;
use crate::dispute::{Dispute, MerchantId, Status};
use crate::engine::Inputs;
use crate::rules::Ruleset;
use crate::store::alerts::{self, AlertRow};
use crate::store::disputes::{self, ActionLine, CycleLine, DecisionLine, Entry};
use crate::store::dossier::{self, AttemptLine};
use crate::store::evidence::{self, Listed, Named};
use crate::store::merchants::{self, Merchant};
use crate::store::{rulesets, snapshot};

/// More than any dispute has; a list without an end is no list.
const ALERTS_MAX: i64 = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// What every condition of every rule saw, also where a person's order stands over the rules.
    #[arg(long)]
    trace: bool,
}

#[derive(Debug, Serialize)]
struct Dossier {
    merchant: Option<Merchant>,
    provider: String,
    account: String,
    dispute: Option<Dispute>,
    cycles: Vec<CycleLine>,
    /// Of the newest cycle, if something is to be approved in it or was: a digest of what.
    seen: Option<String>,
    decisions: Vec<DecisionLine>,
    /// Of the newest decision, from its inputs and the rules it was made by: what each condition saw.
    newest_trace: Value,
    actions: Vec<ActionLine>,
    attempts: Vec<AttemptLine>,
    alerts: Vec<AlertRow>,
    evidence: Vec<Listed>,
    history: Vec<Entry>,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (dossier, now) = with_database(globals, async |conn| {
        let named = dispute_at(conn, &args.which).await?;
        let mut moment = snapshot(conn).await?;
        let dossier = read(&mut moment, named).await?;
        moment.commit().await?;
        Ok((dossier, now(conn).await?))
    })
    .await?;
    globals.output().answer(&dossier.shown(now, args.trace), &serde_json::to_value(&dossier)?)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(conn: &mut PgConnection, named: Named) -> anyhow::Result<Dossier> {
    let (merchant_id, dispute_id) = (named.merchant_id, named.dispute_id);
    let about = alerts::Filter {
        merchant: Some(named.merchant),
        dispute_ref: Some(named.dispute_ref),
        settled_too: true,
        limit: ALERTS_MAX,
    };
    let decisions = disputes::decisions(conn, Some((merchant_id, dispute_id))).await?;
    let newest_trace = match decisions.last() {
        Some(newest) => trace(conn, merchant_id, newest).await?,
        None => Value::Null,
    };
    let cycles = dossier::cycles(conn, merchant_id, dispute_id).await?;
    Ok(Dossier {
        seen: cycles.last().and_then(|cycle| seen(&cycle.plan)),
        merchant: merchants::list(conn).await?.into_iter().find(|m| m.merchant_id == merchant_id),
        provider: named.provider,
        account: named.account,
        dispute: dossier::dispute(conn, merchant_id, dispute_id).await?,
        cycles,
        decisions,
        newest_trace,
        actions: disputes::actions(conn, merchant_id, dispute_id).await?,
        attempts: dossier::attempts(conn, merchant_id, dispute_id).await?,
        alerts: alerts::list(conn, &about).await?,
        evidence: evidence::list(conn, merchant_id, dispute_id).await?,
        history: disputes::history(conn, merchant_id, dispute_id).await?,
    })
}

/// Null when there were no rules, or when this version cannot read what was recorded by another.
async fn trace(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    decision: &DecisionLine,
) -> anyhow::Result<Value> {
    let versions = rulesets::versions(conn, merchant_id).await?;
    let by = versions.iter().find(|v| Some(v.version) == decision.ruleset_version);
    let loaded = by.and_then(|v| Ruleset::parse(&v.rules).ok());
    let inputs = serde_json::from_value::<Inputs>(decision.detail["inputs"].clone()).ok();
    let trace = loaded
        .zip(inputs)
        .map(|(loaded, inputs)| serde_json::to_value(inputs.explain_briefly(&loaded.ruleset)));
    Ok(trace.transpose()?.unwrap_or_default())
}

impl Dossier {
    fn shown(&self, now: DateTime<Utc>, trace: bool) -> String {
        let mut lines: Vec<String> = self.merchant.iter().filter_map(kill_switch).collect();
        if let Some(dispute) = &self.dispute {
            lines.extend(self.record(dispute));
        }
        for cycle in &self.cycles {
            lines.extend(cycle_lines(cycle, now));
        }
        section(&mut lines, "decisions", self.decision_lines(trace));
        section(&mut lines, "actions", self.action_lines());
        section(&mut lines, "alerts", self.alerts.iter().map(alert).collect());
        section(&mut lines, "evidence", self.evidence.iter().map(piece).collect());
        section(&mut lines, "history", self.history.iter().map(entry).collect());
        lines.join("\n")
    }

    fn record(&self, d: &Dispute) -> Vec<String> {
        let merchant = self.merchant.as_ref().map_or("?", |m| m.name.as_str());
        let code = d.reason.network_code.iter().chain(&d.reason.network).map(|w| format!(", {w}"));
        let refs = d.payment_ref.iter().map(|p| format!("payment {p}"));
        let refs = refs.chain(d.charge_ref.iter().map(|c| format!("charge {c}")));
        let refs: Vec<String> = refs.chain(d.follows_ref.iter().map(|f| format!("follows {f}"))).collect();
        let marks = [
            (!d.live, "test mode"),
            (d.refunded, "refunded already"),
            (d.fee_required, "a fee is charged for a response"),
            // A record keeps saying that evidence is there after it was sent.
            (
                d.evidence_staged && d.status == Status::NeedsResponse,
                "evidence is with the provider, not sent",
            ),
        ];
        let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        let mut lines = vec![
            format!(
                "{} of {merchant}, {}/{} (our id {})",
                d.dispute_ref, self.provider, self.account, d.dispute_id
            ),
            format!(
                "  {} at stage {}, {}; the provider says {}",
                d.status, d.stage, d.amount, d.provider_status
            ),
            format!(
                "  reason {} ({}{})",
                d.reason.category,
                d.reason.provider_reason,
                code.collect::<String>()
            ),
            format!("  opened {}, as of {}", at(d.opened_at), at_second(d.as_of)),
        ];
        lines.extend((!refs.is_empty()).then(|| format!("  {}", refs.join(", "))));
        lines.extend((!marks.is_empty()).then(|| format!("  {}", marks.join(", "))));
        lines.iter().map(|line| plain(line)).collect()
    }

    /// All of them in a line each, and the newest with every condition; of a person's order the rules say nothing
    /// that counts, so that they are told only to who asks.
    fn decision_lines(&self, trace: bool) -> Vec<String> {
        let mut lines: Vec<String> = self.decisions.iter().map(decision).collect();
        let Some(newest) = self.decisions.last() else { return lines };
        if is_ordered(&newest.decided_by) && !trace {
            let by = story::who(&newest.decided_by);
            lines.push(format!("{by}'s order stands over the rules; --trace shows what they say"));
            return lines;
        }
        lines.push(format!("why the last one, at {}:", at_second(newest.at)));
        lines.extend(conditions(&self.newest_trace));
        lines
    }

    fn action_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for a in &self.actions {
            let due = a.due_at.map(|due| format!(", looked at again {}", at_second(due))).unwrap_or_default();
            let done = a.done_at.map(|done| format!(", done {}", at_second(done))).unwrap_or_default();
            let note = a.note.as_ref().map(|n| format!(": {n}")).unwrap_or_default();
            let subject = if a.subject.is_empty() { String::new() } else { format!(" {}", a.subject) };
            let wanted = at_second(a.wanted_at);
            lines.push(format!(
                "cycle {}: {}{subject} {}, wanted {wanted}{done}{due}{note}",
                a.cycle_n, a.kind, a.state
            ));
            lines.extend(self.attempts.iter().filter(|t| t.action_id == a.action_id).map(attempt));
        }
        lines
    }
}

fn section(lines: &mut Vec<String>, title: &str, own: Vec<String>) {
    if !own.is_empty() {
        lines.push(title.to_owned());
        lines.extend(own.iter().map(|line| format!("  {}", plain(line))));
    }
}

fn cycle_lines(cycle: &CycleLine, now: DateTime<Utc>) -> Vec<String> {
    let text = |key: &str| cycle.plan[key].as_str().unwrap_or_default().to_owned();
    let time = match cycle.state.as_str() {
        "open" => format!(" ({})", left(cycle.respond_by, now)),
        _ => String::new(),
    };
    let mut lines =
        vec![format!("cycle {}, {}: respond by {}{time}", cycle.n, cycle.state, at(cycle.respond_by))];
    let by = text("decided_by");
    let rule = cycle.rule_id.as_ref().map(|rule| format!("{} {rule}", over(&by))).unwrap_or_default();
    lines.push(format!("  plan: {}; by {}{rule}", plan(cycle), story::who(&by)));
    let waiting = cycle.plan["waiting_for"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.extend(approval(&cycle.plan, cycle.state == "open").map(|line| format!("  {line}")));
    if cycle.state == "open" {
        lines.extend(waiting.map(|w| format!("  waits for: {w}")));
        let wake =
            cycle.wake_at.map(|wake| format!(", looked at again {}", at_second(wake))).unwrap_or_default();
        let paged = cycle.paged_at.map(|paged| format!(" (paged {})", at_second(paged))).unwrap_or_default();
        lines.push(format!("  people are paged at {}{paged}{wake}", at(cycle.page_at)));
    }
    lines.iter().map(|line| plain(line)).collect()
}

fn decision(d: &DecisionLine) -> String {
    let rule = d.rule_id.as_ref().map(|rule| format!("{} {rule}", over(&d.decided_by))).unwrap_or_default();
    let version = d.ruleset_version.map(|v| format!(", version {v}")).unwrap_or_default();
    let act_at = d.act_at.map(|act_at| format!(" at {}", at(act_at))).unwrap_or_default();
    let shadow = if d.shadow { ", in shadow mode" } else { "" };
    // Of an order it says who gave it, which stands here already.
    let why = d.detail["why"].as_str().filter(|_| !is_ordered(&d.decided_by));
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let waiting = d.detail["waiting_for"].as_array().filter(|list| !list.is_empty());
    let waits =
        waiting.map(|_| format!("; waits for {}", word(&d.detail["waiting_for"]))).unwrap_or_default();
    format!(
        "{}  cycle {}: {}{act_at} by {}{rule}{version}{shadow}{why}{waits}",
        at_second(d.at),
        d.cycle_n,
        d.answer,
        story::who(&d.decided_by)
    )
}

fn is_ordered(decided_by: &str) -> bool {
    decided_by.starts_with("person:")
}

/// A person's order stands over the rule that would have decided.
fn over(decided_by: &str) -> &'static str {
    if is_ordered(decided_by) { ", over rule" } else { ", rule" }
}

/// Each rule tried, and of each condition what it saw and what it wanted.
pub(in crate::cli) fn conditions(trace: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for rule in list(&trace["rules"]) {
        let matched = if rule["matched"] == true { "matches" } else { "does not match" };
        lines.push(format!("  rule {} {matched}", word(&rule["id"])));
        for asked in list(&rule["conditions"]) {
            let held = match asked["held"].as_bool() {
                Some(true) => "holds   ",
                Some(false) => "does not",
                None => "unknown ",
            };
            let (path, saw, wanted) = (word(&asked["path"]), word(&asked["saw"]), word(&asked["wanted"]));
            lines.push(format!("    {held}  {path}: saw {saw}, wanted {wanted}"));
        }
    }
    let not_tried: Vec<String> = list(&trace["not_tried"]).iter().map(word).collect();
    if !not_tried.is_empty() {
        lines.push(format!("  not tried: {}", not_tried.join(", ")));
    }
    lines
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        Value::Array(list) if list.is_empty() => "nothing".to_owned(),
        Value::Array(list) => list.iter().map(word).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn attempt(t: &AttemptLine) -> String {
    let status = t.status.map(|status| format!(" {status}")).unwrap_or_default();
    let request = t.provider_request_ref.as_ref().map(|r| format!(", request {r}")).unwrap_or_default();
    let error = t.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
    format!(
        "  {}  {}:{status} {}, {} ms{request}{error}",
        at_second(t.at),
        t.request,
        t.outcome,
        t.latency_ms
    )
}

fn alert(a: &AlertRow) -> String {
    let by = a.acknowledged_by.as_ref().map(|by| format!(" by {}", story::who(by))).unwrap_or_default();
    format!("{}  #{} {}: {} ({}{by})", at_second(a.raised_at), a.alert_id, a.severity, a.title, a.state)
}

fn piece(e: &Listed) -> String {
    let what = match (&e.words, &e.file_name, &e.provider_file_ref) {
        (Some(words), _, _) => format!("{} characters of text", words.chars().count()),
        (None, Some(name), Some(there)) => format!("{name}, at the provider as {there}"),
        (None, Some(name), None) => format!("{name}, not uploaded yet"),
        (None, None, there) => format!("the provider's file {}", there.as_deref().unwrap_or("?")),
    };
    format!("{} {}: {what}, added {} by {}", e.field, e.n, at_second(e.added_at), story::who(&e.added_by))
}

fn entry(h: &Entry) -> String {
    let cycle = h.cycle_n.map(|n| format!(" cycle {n}")).unwrap_or_default();
    let words = h.kind.parse().ok().and_then(|kind| story::words(h, kind, at));
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    format!("{}  {}{cycle}, by {}{words}", at_second(h.at), story::plainly(&h.kind), story::source(&h.cause))
}
