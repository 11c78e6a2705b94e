//! Verdicts a second on one core: twenty rules over a full context, plain and with every condition's result.

use std::hint::black_box;
use std::time::{Duration, Instant};

use respondby::clock::Clock;
use respondby::dispute::{
    Category, Currency, Cycle, CycleState, Dispute, Money, Reason, RespondBy, Stage, Status,
};
use respondby::evidence::{EvidenceSet, Field};
use respondby::rules::{Context, Customer, Ruleset};

use crate::engine::rules;
use crate::report::Report;

/// Verdicts between two looks at the clock.
const CHUNK: u32 = 1_000;

pub fn measure(window: Duration, report: &mut Report) -> anyhow::Result<()> {
    println!("verdicts of twenty rules on one core");
    let text = rules("accept = { after = \"1h\" }");
    let loaded = Ruleset::parse(&text).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let ruleset = loaded.ruleset;
    let (dispute, cycle) = case()?;
    let facts = serde_json::json!({"order_id": "A-1", "delivered_at": "2026-02-13T11:20:00Z", "customer": {"id": "c"}});
    let evidence: EvidenceSet = [Field::ShippingDocumentation, Field::Receipt].into();
    let context = Context {
        merchant: "bench",
        account: "bench-stripe",
        provider: "stripe",
        dispute: &dispute,
        cycle: &cycle,
        facts: &facts,
        evidence: &evidence,
        customer: Customer { disputes_90d: Some(1), disputes_total: Some(2) },
        now: dispute.opened_at,
    };
    anyhow::ensure!(ruleset.decide(&context).rule_id == "rule-20", "the last rule is the one that matches");
    let plain = per_s(window, || _ = black_box(ruleset.decide(black_box(&context))));
    report.at_least("verdicts, plain", (plain, "verdicts/s"), ("promised", 1e6), 1.0);
    let traced = per_s(window, || _ = black_box(ruleset.explain(black_box(&context))));
    report.at_least("verdicts, traced", (traced, "verdicts/s"), ("promised", 1e5), 1.0);
    Ok(())
}

fn per_s(window: Duration, mut work: impl FnMut()) -> f64 {
    let (began, mut done) = (Instant::now(), 0_u64);
    while began.elapsed() < window {
        (0..CHUNK).for_each(|_| work());
        done += u64::from(CHUNK);
    }
    done as f64 / began.elapsed().as_secs_f64()
}

fn case() -> anyhow::Result<(Dispute, Cycle)> {
    let now = Clock::system().now();
    let respond_by = now + chrono::TimeDelta::days(20);
    let reason = Reason {
        category: Category::ProductNotReceived,
        provider_reason: "product_not_received".into(),
        network_code: Some("13.1".into()),
        network: Some("visa".into()),
    };
    let dispute = Dispute {
        merchant_id: 1,
        account_id: 1,
        dispute_id: 1,
        dispute_ref: "du_1".into(),
        payment_ref: Some("pi_1".into()),
        charge_ref: Some("ch_1".into()),
        stage: Stage::Chargeback,
        status: Status::NeedsResponse,
        provider_status: "needs_response".into(),
        amount: Money::new(12_900, Currency::parse("USD")?),
        reason,
        respond_by: RespondBy::At(respond_by),
        opened_at: now,
        as_of: now,
        closed_at: None,
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: false,
        customer_ref: Some("c".into()),
        live: true,
        funds_withdrawn_at: None,
        funds_reinstated_at: None,
        follows_ref: None,
    };
    let cycle = Cycle {
        n: 1,
        stage: Stage::Chargeback,
        state: CycleState::Open,
        opened_at: now,
        respond_by,
        response: None,
        answered_at: None,
        ended_at: None,
        wake_at: Some(now),
    };
    Ok((dispute, cycle))
}
