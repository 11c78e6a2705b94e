//! The promises of the design, held against what a test left behind: the database, the stand-ins' ledger and the
//! webhooks they believe to be delivered. Each breach is a sentence.

use std::collections::HashSet;

use respondby::engine::Inputs;
use respondby::rules::Ruleset;
use respondby::sandbox::WebhookState;
use respondby::store::{deliveries, disputes, rebuild, rulesets};

use super::stage::Stage;

impl Stage {
    /// P1 to P5, P7 and P8, for everything there is.
    pub async fn uphold(&self) {
        let breaches = self.breaches().await;
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }

    pub async fn breaches(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.acknowledged_are_kept(&mut found).await;
        self.cycles_are_watched(&mut found).await;
        self.nothing_is_an_orphan(&mut found).await;
        let most = self.control.ledger_totals().effective_per_round_max;
        if most > 1 {
            found.push(format!("P4: {most} irreversible calls took effect in one round"));
        }
        self.states_are_the_providers(&mut found).await;
        let mut conn = self.db.pool.acquire().await.unwrap();
        let now = self.clock.now();
        let differences = rebuild::differences(&mut conn, &self.engine.shop.world, now).await.unwrap();
        found.extend(differences.into_iter().map(|d| format!("P7: {d}")));
        self.decisions_reproduce(&mut found).await;
        found
    }

    async fn acknowledged_are_kept(&self, found: &mut Vec<String>) {
        let mut conn = self.db.pool.acquire().await.unwrap();
        let kept: HashSet<String> = deliveries::webhook_keys(&mut conn).await.unwrap().into_iter().collect();
        let webhooks = self.control.webhooks();
        for webhook in webhooks.iter().filter(|w| w.state == WebhookState::Delivered && !w.extra) {
            if !kept.iter().any(|key| key.starts_with(&webhook.event_ref)) {
                found.push(format!("P1: {} was answered with 2xx and is not kept", webhook.event_ref));
            }
        }
    }

    async fn cycles_are_watched(&self, found: &mut Vec<String>) {
        let mut conn = self.db.pool.acquire().await.unwrap();
        let now = self.clock.now();
        for (dispute_id, cycle) in disputes::all_cycles(&mut conn).await.unwrap() {
            if cycle.state == "open" && cycle.wake_at.is_none() {
                found.push(format!("P2: open and without a wake: {dispute_id} {cycle:?}"));
            }
            let answered = cycle.answered_at.is_some_and(|at| at <= cycle.page_at);
            let paged = cycle.paged_at.is_some_and(|at| at <= cycle.page_at);
            let past = cycle.page_at <= now && cycle.plan_kind != "ignore" && cycle.state != "ended";
            if past && !answered && !paged {
                found.push(format!("P3: neither confirmed nor paged by the margin: {dispute_id} {cycle:?}"));
            }
        }
    }

    /// What no foreign key says any more: an action has its cycle, a cycle its dispute, a dispute its account.
    async fn nothing_is_an_orphan(&self, found: &mut Vec<String>) {
        let orphans: Vec<(String, i64)> = sqlx::query_as(
            "select 'an action without a cycle', action_id
             from actions a
             where not exists (
                 select from cycles c
                 where c.merchant_id = a.merchant_id and c.dispute_id = a.dispute_id and c.n = a.cycle_n)
             union all
             select 'a cycle without a dispute', dispute_id
             from cycles c
             where not exists (
                 select from disputes d where d.merchant_id = c.merchant_id and d.dispute_id = c.dispute_id)
             union all
             select 'a dispute without an account', dispute_id
             from disputes d
             where not exists (
                 select from accounts a where a.merchant_id = d.merchant_id and a.account_id = d.account_id)",
        )
        .fetch_all(&self.db.pool)
        .await
        .unwrap();
        found.extend(orphans.into_iter().map(|(what, id)| format!("{what}: {id}")));
    }

    /// As far as the provider can be asked: where there is no list, of what no webhook told nobody knows, and where
    /// nothing can be read, only webhooks tell.
    async fn states_are_the_providers(&self, found: &mut Vec<String>) {
        let ours = self.all().await;
        for theirs in self.control.disputes() {
            let name = theirs.provider.as_str().parse().expect("both know the provider");
            let can = self.engine.shop.world.registry.get(name).capabilities();
            match ours.iter().find(|line| line.dispute_ref == theirs.id) {
                None if can.list => found.push(format!("P5: {} is at the provider and not here", theirs.id)),
                Some(line) if line.provider_status != theirs.status && (can.list || can.fetch) => {
                    found.push(format!(
                        "P5: {} is `{}` at the provider and `{}` here",
                        theirs.id, theirs.status, line.provider_status
                    ));
                }
                None | Some(_) => {}
            }
        }
    }

    async fn decisions_reproduce(&self, found: &mut Vec<String>) {
        let mut conn = self.db.pool.acquire().await.unwrap();
        for decision in disputes::decisions(&mut conn, None).await.unwrap() {
            let (Some(version), Some(rule_id)) = (decision.ruleset_version, &decision.rule_id) else {
                continue;
            };
            let versions = rulesets::versions(&mut conn, decision.merchant_id).await.unwrap();
            let text = versions.into_iter().find(|v| v.version == version).expect("versions stay").rules;
            let ruleset = Ruleset::parse(&text).unwrap().ruleset;
            let inputs: Inputs = serde_json::from_value(decision.detail["inputs"].clone()).unwrap();
            let again = inputs.decide_again(&ruleset);
            if again != rule_id {
                let id = decision.decision_id;
                found.push(format!("P8: decision {id} was by {rule_id}, and its inputs lead to {again}"));
            }
        }
    }
}
