//! P8: what is written down with a decision is enough to reach it again, by the same rules, to the letter.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::acting::always;
use super::world::{STRIPE_LIKE, case, event, ruleset, snapshot, start};
use crate::dispute::{Cycle, CycleState, Dispute, Source};
use crate::engine::*;
use crate::evidence::{EvidenceSet, Field};
use crate::rules::{Context, Customer, Then};

const RULE: &str = r#"when.reason = ["product_not_received"]
    when.amount = { at_most = { USD = "50.00" } }
    when.evidence.has = ["receipt"]
    when.facts.delivered_at = { before = "cycle.opened_at" }
    when.time_left = { at_least = "1d" }
    when.account = ["main"]
    unless.customer.disputes_90d = { at_least = 3 }
    then = { accept = { after = "24h" } }"#;

fn decided(at: DateTime<Utc>) -> Vec<Decision> {
    let mut case = case(Some(&always("", RULE)), &STRIPE_LIKE);
    case.facts = json!({"delivered_at": "2027-02-20T10:00:00Z"}).into();
    case.customer = Customer { disputes_90d: Some(1), disputes_total: Some(4) };
    let mut packet = (*case.attached).clone();
    packet.files.insert(Field::Receipt, vec!["file_1".into()]);
    case.attached = packet.into();
    let news = event(Source::Webhook, start(), snapshot(start()));
    let (_, outcome) = step(case, &Input::News(Box::new(news)), at);
    outcome.decisions
}

/// Reads the inputs back, as a person with the database and the rules file would.
fn again(detail: &Value) -> (String, Then, Value) {
    let inputs = &detail["inputs"];
    let read = |name: &str| inputs[name].clone();
    let instant = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let dispute: Dispute = serde_json::from_value(read("dispute")).unwrap();
    let evidence: EvidenceSet = serde_json::from_value(read("evidence")).unwrap();
    let cycle = Cycle {
        n: serde_json::from_value(inputs["cycle"]["n"].clone()).unwrap(),
        stage: serde_json::from_value(inputs["cycle"]["stage"].clone()).unwrap(),
        state: CycleState::Open,
        opened_at: instant(&inputs["cycle"]["opened_at"]),
        respond_by: instant(&inputs["cycle"]["respond_by"]),
        response: None,
        answered_at: None,
        ended_at: None,
        wake_at: None,
    };
    let count = |name: &str| inputs["customer"][name].as_u64().map(|n| u32::try_from(n).unwrap());
    let customer = Customer { disputes_90d: count("disputes_90d"), disputes_total: count("disputes_total") };
    let facts = read("facts");
    let rules = ruleset(&always("", RULE));
    let context = Context {
        merchant: "petrel",
        account: inputs["account"].as_str().unwrap(),
        provider: inputs["provider"].as_str().unwrap(),
        dispute: &dispute,
        cycle: &cycle,
        facts: &facts,
        evidence: &evidence,
        customer,
        now: instant(&inputs["now"]),
    };
    let (verdict, trace) = rules.explain(&context);
    (verdict.rule_id.to_owned(), verdict.then.clone(), serde_json::to_value(&trace).unwrap())
}

#[test]
fn a_decision_is_reached_again_from_what_was_written_down() {
    for (hours, rule) in [(1, "always"), (19 * 24 + 1, "default")] {
        let decisions = decided(start() + TimeDelta::hours(hours));
        let [decision] = &decisions[..] else { panic!("one decision, not {decisions:?}") };
        let detail: Value = serde_json::from_str(&decision.detail).unwrap();
        let (rule_id, then, trace) = again(&detail);
        assert_eq!(decision.rule_id.as_deref(), Some(rule));
        assert_eq!(rule_id, rule);
        assert_eq!(Answer::of(&then), decision.answer);
        assert_eq!(trace, detail["trace"]);
        assert_eq!(decision.ruleset_version, Some(1));
    }
}
