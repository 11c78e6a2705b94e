//! The table at the end: what was decided and why, when it acted, how much time was left, and what the
//! provider's own record says.

use super::stage::Stage;
use super::tell::{self, Names};
use crate::cli::show::span;
use crate::sandbox::WebhookState;
use crate::store::disputes::{self, CycleLine, Line};

const ALL: i64 = 1000;

pub(super) async fn print(
    stage: &mut Stage,
    names: &Names,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    let mut conn = stage.engine.shop.pool.acquire().await?;
    let mut lines = disputes::list(&mut conn, &disputes::Filter { limit: ALL, ..Default::default() }).await?;
    let cycles = disputes::all_cycles(&mut conn).await?;
    drop(conn);
    lines.sort_by_key(|line| (line.merchant.clone(), line.opened_at));
    say("");
    say(&format!(
        "{:<11} {:>14} {:<22} {:<38} {:<22} {:>8}  {}",
        "dispute", "amount", "reason", "decided by: what", "acted", "slack", "the provider's record"
    ));
    for line in &lines {
        let name = names.of(&line.dispute_ref);
        let theirs = stage.control.dispute(&line.dispute_ref).map_or("?".to_owned(), |view| view.status);
        let own: Vec<&CycleLine> =
            cycles.iter().filter(|(id, _)| *id == line.dispute_id).map(|(_, cycle)| cycle).collect();
        if own.is_empty() {
            say(&row(name, line, None, &theirs));
        }
        for cycle in own {
            say(&row(name, line, Some(cycle), &theirs));
        }
    }
    say("");
    totals(stage, &cycles.into_iter().map(|(_, cycle)| cycle).collect::<Vec<_>>(), lines.len(), say).await
}

fn row(name: &str, line: &Line, cycle: Option<&CycleLine>, theirs: &str) -> String {
    let why = match cycle {
        Some(cycle) => {
            let by = cycle.plan["decided_by"].as_str().unwrap_or_default();
            let who =
                by.strip_prefix("person:").map_or(cycle.rule_id.clone(), |person| Some(person.to_owned()));
            format!("{}: {}", who.unwrap_or_default(), cycle.plan_kind)
        }
        None => "no response is possible or owed".to_owned(),
    };
    let acted = match cycle.and_then(|c| Some((c.response?, c.answered_at?))) {
        Some((response, at)) => format!("{response} {}", tell::at(at)),
        None => "-".to_owned(),
    };
    let slack = cycle
        .and_then(|c| Some(span((c.respond_by - c.answered_at?).num_seconds())))
        .unwrap_or("-".to_owned());
    let amount = line.amount.to_string();
    format!("{name:<11} {amount:>14} {:<22} {why:<38} {acted:<22} {slack:>8}  {theirs}", line.category)
}

async fn totals(
    stage: &Stage,
    cycles: &[CycleLine],
    disputes: usize,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    let webhooks = stage.control.webhooks();
    let sent: usize = webhooks.iter().map(|w| w.attempts.len()).sum();
    let dropped = webhooks.iter().filter(|w| w.state == WebhookState::Dropped).count();
    let refused = webhooks.iter().filter(|w| w.state == WebhookState::Refused).count();
    let counts: (i64, i64) = {
        let mut conn = stage.engine.shop.pool.acquire().await?;
        crate::store::deliveries::count_webhooks(&mut conn).await?
    };
    let delivered = webhooks.iter().filter(|w| w.state == WebhookState::Delivered).count() as i64;
    let duplicates = delivered - counts.0;
    let answered = cycles.iter().filter(|c| c.answered_at.is_some_and(|at| at <= c.respond_by)).count();
    let paged = cycles.iter().filter(|c| c.paged_at.is_some()).count();
    let missed = super::promises::missed(cycles).len();
    let ledger = stage.control.ledger_totals();
    say(&format!(
        "webhooks: {sent} sent, {} kept, {duplicates} duplicate, {refused} refused, {} quarantined, {dropped} lost on the way",
        counts.0, counts.1
    ));
    say(&format!(
        "disputes: {disputes} seen, {answered} cycles answered in time, {paged} paged, {missed} missed; \
         irreversible calls per cycle: at most {}",
        ledger.effective_per_round_max
    ));
    Ok(())
}
