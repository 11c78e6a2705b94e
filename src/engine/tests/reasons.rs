//! P8: what is written down with a decision is enough to reach it again, by the same rules.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::acting::always;
use super::world::{STRIPE_LIKE, case, event, ruleset, snapshot, start};
use crate::dispute::Source;
use crate::engine::*;
use crate::evidence::Field;
use crate::rules::Customer;

/// A condition of every kind that looks at something else.
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
    step(case, &Input::News(Box::new(news)), at).1.decisions
}

#[test]
fn a_decision_is_reached_again_from_what_was_written_down() {
    for (hours, rule) in [(1, "always"), (19 * 24 + 1, "default")] {
        let decisions = decided(start() + TimeDelta::hours(hours));
        let [decision] = &decisions[..] else { panic!("one decision, not {decisions:?}") };
        let detail: Value = serde_json::from_str(&decision.detail).unwrap();
        let inputs: Inputs = serde_json::from_value(detail["inputs"].clone()).unwrap();
        assert_eq!(decision.rule_id.as_deref(), Some(rule));
        assert_eq!(inputs.decide_again(&ruleset(&always("", RULE))), rule);
        assert_eq!(decision.ruleset_version, Some(1));
    }
}
