//! The promises of the design, held against what the month left behind: the database, the ledger of the
//! stand-ins, and the webhooks they believe to be delivered. Each breach is a sentence.

use std::collections::HashSet;

use anyhow::Context;
use chrono::TimeDelta;

use super::stage::Stage;
use crate::engine::Inputs;
use crate::observe;
use crate::rules::Ruleset;
use crate::sandbox::WebhookState;
use crate::store::disputes::{self, CycleLine};
use crate::store::{deliveries, rebuild, rulesets};

/// A page must be raised at its instant; the clock of the demo stands still while steps run.
const PAGE_LATE_MAX: TimeDelta = TimeDelta::seconds(1);

pub(super) fn print(broken: &[String], say: &mut (dyn FnMut(&str) + Send)) {
    match broken {
        [] => say("promises P1 to P8 were checked against what the month left behind, and all hold"),
        broken => broken.iter().for_each(|what| say(&format!("BROKEN {what}"))),
    }
}

/// The promises that what the month left behind breaks, in words.
pub async fn broken(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let mut conn = stage.engine.shop.pool.acquire().await?;
    broken_in(stage, &mut conn).await
}

/// The same for the database as this connection sees it, within whatever transaction it is in.
pub async fn broken_in(stage: &Stage, conn: &mut sqlx::PgConnection) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    let cycles: Vec<CycleLine> =
        disputes::all_cycles(conn).await?.into_iter().map(|(_, cycle)| cycle).collect();
    acknowledged_are_kept(stage, conn, &mut broken).await?;
    for cycle in cycles.iter().filter(|c| c.state == "open" && c.wake_at.is_none()) {
        broken.push(format!("P2: an open cycle without a wake: {cycle:?}"));
    }
    answered_or_paged(&cycles, stage, &mut broken);
    let ledger = stage.control.ledger_totals();
    if ledger.effective_per_round_max > 1 {
        broken.push(format!("P4: {} irreversible calls in one round", ledger.effective_per_round_max));
    }
    state_is_the_providers(stage, conn, &mut broken).await?;
    let (_, quarantined) = deliveries::count_webhooks(conn).await?;
    let odd = kept_extras(stage);
    if quarantined != odd {
        broken
            .push(format!("P6: {odd} deliveries cannot be understood, and {quarantined} are in quarantine"));
    }
    for differs in rebuild::differences(conn, &stage.engine.shop.world, stage.clock.now()).await? {
        broken.push(format!("P7: {differs}"));
    }
    decisions_reproduce(conn, &mut broken).await?;
    for measured in observe::undeclared(&stage.engine.metrics.render()) {
        broken.push(format!("telemetry: {measured} is measured and is not in the table of metrics"));
    }
    Ok(broken)
}

/// What somebody sent beside the providers' own webhooks, signed well enough to be kept. The plots send only
/// what nobody understands, and lies about a dispute, which are believed in nothing but its id.
fn kept_extras(stage: &Stage) -> i64 {
    let sent = stage.control.webhooks();
    let odd = sent.iter().filter(|w| w.extra && w.dispute_ref.is_none());
    odd.filter(|w| w.state == WebhookState::Delivered).count() as i64
}

async fn acknowledged_are_kept(
    stage: &Stage,
    conn: &mut sqlx::PgConnection,
    broken: &mut Vec<String>,
) -> anyhow::Result<()> {
    let kept: HashSet<String> = deliveries::webhook_keys(conn).await?.into_iter().collect();
    let acknowledged = stage.control.webhooks().into_iter().filter(|w| w.state == WebhookState::Delivered);
    for webhook in acknowledged {
        // The key is the event's id, for some providers with a digest of the body behind it; a body without
        // an id is kept under its digest alone.
        let found = kept.iter().any(|key| key.starts_with(&webhook.event_ref));
        if !found && !webhook.extra {
            broken.push(format!("P1: {} was answered with 2xx and is not kept", webhook.event_ref));
        }
    }
    Ok(())
}

/// Cycles that nobody answered in time, and that no rule chose to leave alone.
pub(super) fn missed(cycles: &[CycleLine]) -> Vec<&CycleLine> {
    let missed = |c: &&CycleLine| {
        let late = c.answered_at.is_none_or(|at| at > c.respond_by);
        let told = c.plan["missed_told"].as_bool() == Some(true);
        late && told && c.plan_kind != "ignore"
    };
    cycles.iter().filter(missed).collect()
}

fn answered_or_paged(cycles: &[CycleLine], stage: &Stage, broken: &mut Vec<String>) {
    for cycle in missed(cycles) {
        broken.push(format!("P3: nobody answered in time: {cycle:?}"));
    }
    for cycle in cycles.iter().filter(|c| c.plan_kind != "ignore" && c.page_at <= stage.clock.now()) {
        let in_time = cycle.answered_at.is_some_and(|at| at <= cycle.page_at);
        let paged = cycle.paged_at.is_some_and(|at| at <= cycle.page_at + PAGE_LATE_MAX);
        let ended = cycle.state == "ended";
        if !in_time && !paged && !ended {
            broken.push(format!("P3: neither confirmed nor paged by the margin: {cycle:?}"));
        }
    }
}

async fn state_is_the_providers(
    stage: &Stage,
    conn: &mut sqlx::PgConnection,
    broken: &mut Vec<String>,
) -> anyhow::Result<()> {
    let ours = disputes::list(conn, &disputes::Filter { limit: 10_000, ..Default::default() }).await?;
    for theirs in stage.control.disputes() {
        match ours.iter().find(|line| line.dispute_ref == theirs.id) {
            None => broken.push(format!("P5: {} is at the provider and not here", theirs.id)),
            Some(line) if line.provider_status != theirs.status => broken.push(format!(
                "P5: {} is `{}` at the provider and `{}` here",
                theirs.id, theirs.status, line.provider_status
            )),
            Some(_) => {}
        }
    }
    Ok(())
}

async fn decisions_reproduce(conn: &mut sqlx::PgConnection, broken: &mut Vec<String>) -> anyhow::Result<()> {
    for decision in disputes::decisions(conn, None).await? {
        let (Some(version), Some(rule_id)) = (decision.ruleset_version, &decision.rule_id) else { continue };
        let versions = rulesets::versions(conn, decision.merchant_id).await?;
        let text = versions.into_iter().find(|v| v.version == version).context("the version is there")?.rules;
        let ruleset = Ruleset::parse(&text).map_err(|p| anyhow::anyhow!("version {version}: {p:?}"))?.ruleset;
        let inputs: Inputs = serde_json::from_value(decision.detail["inputs"].clone())
            .with_context(|| format!("the inputs of decision {}", decision.decision_id))?;
        let again = inputs.decide_again(&ruleset);
        if again != rule_id {
            let id = decision.decision_id;
            broken.push(format!("P8: decision {id} was by rule {rule_id}, and its inputs lead to {again}"));
        }
    }
    Ok(())
}
