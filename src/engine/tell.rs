//! Whom a look tells what: the person who is needed, at once and again on each rung of the ladder, and the
//! pages at the margin and at `respond_by`. Decides nothing; every alert is raised once, and what is a page is sent
//! again until somebody acknowledges it.

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::look::Look;
use super::{Alert, AlertKind, Answer, Case, CycleRow, Effect, HistoryKind, Outcome, Plan, Severity, ladder};

pub(super) fn what_is_needed(
    row: &CycleRow,
    seen: &Look,
    plan: &mut Plan,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let n = row.cycle.n;
    let respond_by = row.cycle.respond_by;
    // Several rungs may have passed at once: the tightest speaks for all of them.
    let rung =
        ladder(row.cycle.opened_at, respond_by).into_iter().filter(|rung| now >= respond_by - *rung).min();
    let rung_s = rung.map(|r| r.num_seconds());
    let question = json!([plan.answer, plan.waiting_for]).to_string();
    let asked_anew = plan.asked.as_deref() != Some(&question);
    let tighter = rung_s.filter(|rung| plan.rung_told_s.is_none_or(|told| *rung < told));
    let kind_and_key = match (asked_anew, tighter) {
        (true, _) => {
            let digest = hex::encode(Sha256::digest(&question));
            let key = format!("needs-person:{n}:{}:{}", &digest[..16], now.timestamp_micros());
            Some((AlertKind::NeedsPerson, key))
        }
        (false, Some(rung_s)) => {
            let key = format!("deadline:{n}:{rung_s}:{}", now.timestamp_micros());
            Some((AlertKind::Deadline, key))
        }
        (false, None) => None,
    };
    if asked_anew && plan.asked.is_some() {
        nobody_is_asked(n, plan, now, "another question took its place", out);
    }
    if let Some((kind, key)) = kind_and_key {
        out.effects.push(Effect::Tell(Alert {
            kind,
            severity: how_loud(row, plan, now),
            cycle_n: Some(n),
            key,
            title: format!("a person is needed: {}", plan.waiting_for.join("; ")),
            detail: json!({"respond_by": respond_by, "waiting_for": plan.waiting_for, "answer": plan.answer,
                "rule": plan.rule_id, "why": seen.decided.why}),
        }));
    }
    plan.asked = Some(question);
    plan.rung_told_s = match (plan.rung_told_s, rung_s) {
        (Some(told), Some(rung)) => Some(told.min(rung)),
        (told, rung) => told.or(rung),
    };
}

/// In the last quarter of the window somebody has to say "I have it": a safety margin may be short, and what nobody
/// read would be told again when it is too late. The margin's own page comes with this look and is not doubled.
fn how_loud(row: &CycleRow, plan: &Plan, now: DateTime<Utc>) -> Severity {
    let respond_by = row.cycle.respond_by;
    let last_quarter = respond_by - (respond_by - row.cycle.opened_at) / 4;
    let pages_anyway = now >= plan.page_at && plan.paged_at.is_none();
    match (last_quarter..respond_by).contains(&now) && !pages_anyway {
        true => Severity::Page,
        false => Severity::Warning,
    }
}

/// What people were asked is no question any more. A page stands until the record shows the response.
pub(super) fn nobody_is_asked(n: i32, plan: &mut Plan, now: DateTime<Utc>, why: &str, out: &mut Outcome) {
    if plan.asked.take().is_some() && plan.paged_at.is_none() && now < plan.page_at {
        out.effects.push(Effect::ResolveAlerts { cycle_n: n, why: why.to_owned() });
    }
}

/// A call whose answer is lost, at a provider that cannot be asked: at once, and once for each such call. Nothing
/// is sent again before a person has looked.
pub(super) fn of_a_lost_call(row: &CycleRow, plan: &mut Plan, case: &Case, out: &mut Outcome) {
    let Some(lost) = case.lost_call().filter(|lost| plan.call_lost_told != Some(lost.wanted_at)) else {
        return;
    };
    let (n, kind, provider) = (row.cycle.n, lost.kind, case.account.provider);
    let todo = format!(
        "look the dispute up in {provider}'s dashboard: if the response is there, its webhook ends this; if it is \
         not, order it again with `disputes accept` or `disputes defend`, and it is sent once more"
    );
    out.effects.push(Effect::Tell(Alert {
        kind: AlertKind::CallLost,
        severity: Severity::Page,
        cycle_n: Some(n),
        key: format!("call-lost:{n}:{}", lost.wanted_at.timestamp_micros()),
        title: format!(
            "`{kind}` was sent to {provider} and the answer is lost; its record cannot be read, and the call is not \
             repeated"
        ),
        detail: json!({"respond_by": row.cycle.respond_by, "waiting_for": [todo], "answer": plan.answer,
            "rule": plan.rule_id}),
    }));
    plan.call_lost_told = Some(lost.wanted_at);
}

/// The margin and the deadline themselves, once each for every deadline.
pub(super) fn what_time_it_is(
    row: &CycleRow,
    plan: &mut Plan,
    case: &mut Case,
    now: DateTime<Utc>,
    out: &mut Outcome,
) {
    let n = row.cycle.n;
    let respond_by = row.cycle.respond_by;
    let ignored = matches!(plan.answer, Answer::Ignore { .. });
    let detail = json!({"respond_by": respond_by, "waiting_for": plan.waiting_for, "answer": plan.answer});
    let silent = match case.account.capabilities.fetch {
        true => "the provider's record shows no response",
        false => "no webhook of the provider has told of a response",
    };
    let suffix = format!("{n}:{}:{}", respond_by.timestamp_micros(), now.timestamp_micros());
    if now >= plan.page_at && plan.paged_at.is_none() && !ignored {
        plan.paged_at = Some(now);
        out.note(HistoryKind::Paged, Some(n), json!({"waiting_for": plan.waiting_for}));
        out.effects.push(Effect::Tell(Alert {
            kind: AlertKind::Unanswered,
            severity: Severity::Page,
            cycle_n: Some(n),
            key: format!("unanswered:{suffix}"),
            title: format!("{silent}, and time is running out"),
            detail: detail.clone(),
        }));
    }
    if now >= respond_by && !plan.missed_told {
        plan.missed_told = true;
        case.check_at = Some(now);
        out.note(HistoryKind::Missed, Some(n), json!({"respond_by": respond_by, "ignored": ignored}));
        out.effects.push(Effect::Tell(Alert {
            kind: AlertKind::Missed,
            severity: if ignored { Severity::Info } else { Severity::Page },
            cycle_n: Some(n),
            key: format!("missed:{suffix}"),
            title: format!("respond_by has passed and {silent}"),
            detail,
        }));
    }
}
