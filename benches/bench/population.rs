//! The disputes that lie there: so many with an open cycle each, due or not, made in one statement a table.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use respondby::clock::Clock;

use crate::cluster::Scratch;

/// Which of the cycles want to be woken. The others are far from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    All,
    None,
    OneIn(i64),
}

impl Due {
    /// A number that divides those of the cycles that are due.
    const fn every(self) -> i64 {
        match self {
            Due::All => 1,
            Due::None => i64::MAX,
            Due::OneIn(n) => n,
        }
    }
}

/// More than so many are not vacuumed: that would write all of their pages once more.
const VACUUMED_MAX: i64 = 1_000_000;

const DISPUTES: &str = "insert into disputes (merchant_id, dispute_id, account_id, dispute_ref, payment_ref, charge_ref,
         stage, status, provider_status, amount_minor, currency, category, provider_reason, network_code, network,
         respond_by, respond_by_kind, opened_at, as_of, submissions, evidence_staged, past_due, fee_required, refunded,
         live, seen_at, check_at)
     select a.merchant_id, n, a.account_id, 'du_' || lpad(n::text, 12, '0'), 'pi_' || lpad(n::text, 12, '0'),
         'ch_' || lpad(n::text, 12, '0'), 'chargeback', 'needs_response', 'needs_response', 12900, 'USD',
         'product_not_received', 'product_not_received', '13.1', 'visa', $2 + interval '20 days', 'at',
         $2 - interval '2 hours', $2, 0, false, false, false, false, true, $2, $2 + interval '300 days'
     from accounts a, generate_series(1, $1) n";

const CYCLES: &str = "insert into cycles (merchant_id, dispute_id, n, stage, state, opened_at, respond_by, wake_at, plan,
         plan_kind, rule_id, act_at, page_at)
     select a.merchant_id, n, 1, 'chargeback', 'open', $2 - interval '2 hours', $2 + interval '20 days',
         case when n % $3 = 0 then $2 - interval '30 seconds' else $2 + interval '10 days' end, $4::json, 'accept',
         'rule-20', $2 - interval '1 hour', $2 + interval '20 days' - interval '6 hours'
     from accounts a, generate_series(1, $1) n";

pub async fn empty_state(database: &Scratch) -> anyhow::Result<()> {
    database
        .empty("deliveries, disputes, cycles, history, decisions, packets, actions, attempts, alerts cascade")
        .await
}

/// So many disputes with an open cycle each, as the engine would have made them. Ids come in their order, so that
/// every index grows at its end.
pub async fn open_cycles(database: &Scratch, open: i64, due: Due) -> anyhow::Result<()> {
    empty_state(database).await?;
    let now = Clock::system().now();
    // What is not vacuumed here is not vacuumed behind our back while we measure.
    let vacuumed = open <= VACUUMED_MAX;
    for table in ["disputes", "cycles"] {
        database.run(&format!("alter table {table} set (autovacuum_enabled = {vacuumed})")).await?;
    }
    let disputes = sqlx::query(DISPUTES).bind(open).bind(now).execute(&database.pool);
    let cycles =
        sqlx::query(CYCLES).bind(open).bind(now).bind(due.every()).bind(model(now)).execute(&database.pool);
    // One does not refer to the other.
    tokio::try_join!(disputes, cycles).context("cannot make the cycles of the bench")?;
    for table in ["disputes", "cycles"] {
        database.run(&format!("{} {table}", if vacuumed { "vacuum analyze" } else { "analyze" })).await?;
    }
    database.run("checkpoint").await
}

/// The plan of a cycle that waits for the hour it accepts at.
fn model(now: DateTime<Utc>) -> String {
    let text = |at: DateTime<Utc>| at.to_rfc3339();
    let page_at = now + TimeDelta::days(20) - TimeDelta::hours(6);
    serde_json::json!({
        "answer": "accept", "decided_by": "rules", "rule_id": "rule-20", "ruleset_version": 1,
        "learned_at": text(now - TimeDelta::hours(2)), "act_at": text(now - TimeDelta::hours(1)),
        "act_by": text(page_at - TimeDelta::minutes(10)), "page_at": text(page_at),
        "approval": {"state": "not_needed"}, "shadow": false, "missed_told": false,
    })
    .to_string()
}
