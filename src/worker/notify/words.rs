//! What an alert is about at the moment it is sent, and the notice made of it. Only ids, amounts, times and
//! the words that the engine wrote for people go into a notice.

use anyhow::Context;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use sqlx::PgConnection;

use crate::alerts::{DIGEST, Notice, Round, Subject, is_moot, print_instant};
use crate::dispute::{Currency, CycleState, Money, Status};
use crate::rules::Ruleset;
use crate::store::alerts::{self as rows, Claimed, DigestLine, Look, LookedDispute};

/// Kinds that a digest names one by one; the rest is in the list it points to.
const DIGEST_LINES_MAX: usize = 12;

/// The state now.
pub(super) struct Seen {
    look: Look,
    cycle: Option<CycleState>,
    status: Option<Status>,
    kind: String,
    /// What a digest would tell of, without what is moot; `None` for every other alert.
    digest: Option<Vec<DigestLine>>,
}

/// `None`: nothing is ours to send any more.
pub(super) async fn see(conn: &mut PgConnection, alert: &Claimed) -> anyhow::Result<Option<Seen>> {
    let Some(look) = rows::look(conn, alert).await.context("cannot look at what an alert is about")? else {
        return Ok(None);
    };
    let digest = match alert.kind == DIGEST {
        true => Some(still_told(rows::digest_lines(conn, alert).await?)?),
        false => None,
    };
    let cycle = look.cycle_state.as_deref().map(str::parse).transpose()?;
    let status = look.dispute.as_ref().map(|d| d.status.parse()).transpose()?;
    Ok(Some(Seen { look, cycle, status, kind: alert.kind.clone(), digest }))
}

fn still_told(lines: Vec<DigestLine>) -> anyhow::Result<Vec<DigestLine>> {
    let mut kept: Vec<DigestLine> = Vec::new();
    for line in lines {
        let cycle = line.cycle_state.as_deref().map(str::parse).transpose()?;
        let status = line.status.as_deref().map(str::parse).transpose()?;
        if is_moot(&line.kind, cycle, status) {
            continue;
        }
        match kept.iter_mut().find(|k| k.kind == line.kind) {
            Some(same) => {
                same.count += line.count;
                same.earliest_respond_by =
                    same.earliest_respond_by.into_iter().chain(line.earliest_respond_by).min();
            }
            None => kept.push(line),
        }
    }
    Ok(kept)
}

impl Seen {
    /// Why nothing is to be sent, if so.
    pub(super) fn moot(&self) -> Option<&'static str> {
        match &self.digest {
            Some(lines) => lines.is_empty().then_some("nothing it would have told of is still so"),
            None => is_moot(&self.kind, self.cycle, self.status)
                .then_some("not sent: the cycle was no longer open when it was to be sent"),
        }
    }

    pub(super) fn respond_by(&self) -> Option<DateTime<Utc>> {
        self.look.dispute.as_ref().and_then(|d| d.respond_by)
    }

    pub(super) fn notice(&self, alert: &Claimed, round: Round) -> anyhow::Result<Notice> {
        let zone = self.zone();
        let detail = Detail::of(&alert.detail);
        let (title, lines) = match &self.digest {
            Some(lines) => self.digest_words(lines, zone),
            None => (alert.title.clone(), Vec::new()),
        };
        Ok(Notice {
            message_id: format!("alert_{}_{}", alert.alert_id, round.n),
            alert_id: alert.alert_id,
            merchant: self.look.merchant.clone(),
            kind: alert.kind.clone(),
            severity: alert.severity.parse()?,
            title,
            needed: detail.needed(),
            rule_id: detail.rule,
            subject: self.look.dispute.as_ref().map(|d| subject(d, zone)).transpose()?,
            lines,
            needs_ack: alert.needs_ack,
            round: round.n,
            escalated: round.escalated,
            raised_at: alert.raised_at,
        })
    }

    fn digest_words(&self, lines: &[DigestLine], zone: Tz) -> (String, Vec<String>) {
        let total: i64 = lines.iter().map(|line| line.count).sum();
        let merchant = &self.look.merchant;
        let title = format!(
            "{total} more alerts than the hourly budget lets through: respondby alerts list --merchant {merchant}"
        );
        let line = |line: &DigestLine| {
            let until = line.earliest_respond_by.map(|at| print_instant(at, zone));
            let until =
                until.map(|until| format!(", the earliest to respond to by {until}")).unwrap_or_default();
            format!("{} × {}{until}", line.count, line.kind)
        };
        (title, lines.iter().take(DIGEST_LINES_MAX).map(line).collect())
    }

    /// The zone of the merchant's policy. Rules that no longer load were checked by an older version of this
    /// program: their alerts are told in UTC rather than not at all.
    fn zone(&self) -> Tz {
        let rules = self.look.rules.as_deref().and_then(|text| Ruleset::parse(text).ok());
        rules.map_or(Tz::UTC, |loaded| loaded.ruleset.policy.time_zone)
    }
}

fn subject(dispute: &LookedDispute, zone: Tz) -> anyhow::Result<Subject> {
    Ok(Subject {
        provider: dispute.provider.clone(),
        account: dispute.account.clone(),
        dispute_ref: dispute.dispute_ref.clone(),
        stage: dispute.stage.parse()?,
        category: dispute.category.parse()?,
        amount: Money::new(dispute.amount_minor, Currency::parse(&dispute.currency)?),
        respond_by: dispute.respond_by,
        time_zone: zone,
    })
}

/// The part of an alert's detail that people are told. Everything else stays in the database.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    waiting_for: Vec<String>,
    why: Option<String>,
    rule: Option<String>,
}

impl Detail {
    /// Detail of another shape has nothing to tell.
    fn of(detail: &serde_json::Value) -> Self {
        Self::deserialize(detail).unwrap_or_default()
    }

    fn needed(&self) -> Option<String> {
        match self.waiting_for.is_empty() {
            true => self.why.clone(),
            false => Some(self.waiting_for.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_words_meant_for_people_are_taken_from_the_detail() {
        let detail =
            Detail::of(&json!({"waiting_for": ["a", "b"], "rule": "r", "answer": {"defend": {}}, "x": 1}));
        assert_eq!((detail.needed().as_deref(), detail.rule.as_deref()), (Some("a; b"), Some("r")));
        assert_eq!(Detail::of(&json!({"why": "w"})).needed().as_deref(), Some("w"));
        for odd in [json!([]), json!(null), json!({"waiting_for": 7})] {
            assert_eq!(Detail::of(&odd).needed(), None, "{odd}");
        }
    }

    #[test]
    fn a_digest_adds_up_kinds_and_leaves_out_what_is_moot() {
        let line = |kind: &str, state: &str, count: i64| DigestLine {
            kind: kind.into(),
            cycle_state: Some(state.into()),
            status: Some("needs_response".into()),
            count,
            earliest_respond_by: DateTime::from_timestamp(1_790_000_000 + count, 0),
        };
        let lines = vec![
            line("deadline", "open", 7),
            line("deadline", "answered", 9),
            line("answered_elsewhere", "answered", 2),
            line("answered_elsewhere", "ended", 3),
        ];
        let kept = still_told(lines).unwrap();
        let seen: Vec<_> = kept.iter().map(|k| (k.kind.as_str(), k.count)).collect();
        assert_eq!(seen, [("deadline", 7), ("answered_elsewhere", 5)]);
        assert_eq!(kept[1].earliest_respond_by, DateTime::from_timestamp(1_790_000_002, 0));
    }
}
