//! What has gone wrong in this field before, at every provider that the sandbox knows. One test per row of the
//! collection of failures, named after it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use respondby::dispute::Capabilities;
use respondby::engine::Command;
use respondby::providers::ProviderName;
use respondby::sandbox::{Change, ExtraWebhook, NewDispute, ProviderKind};
use serde_json::{Value, json};

use super::stage::{RULES, STRIPE, Setup, Stage, fraud, hours};

/// Nothing is conceded and nothing contested.
const HANDS_OFF: &str = "schema = 1\ndefault = { hold = { why = \"a test only watches\" } }\n[policy]\nmode = \"live\"\n\
     safety_margin = \"6h\"\nat_margin = \"page\"\ntime_zone = \"Europe/Lisbon\"\n";

async fn everywhere(rules: &str) -> Stage {
    Stage::with(Setup { rules: rules.into(), everywhere: true, ..Setup::default() }).await
}

fn capabilities(stage: &Stage, provider: ProviderKind) -> &'static Capabilities {
    let name: ProviderName = provider.as_str().parse().expect("the engine knows what the sandbox knows");
    stage.engine.shop.world.registry.get(name).capabilities()
}

#[tokio::test]
async fn row_07_won_means_won_at_every_provider_stage_and_mode() {
    let mut stage = everywhere(HANDS_OFF).await;
    let mut won: BTreeMap<&str, usize> = BTreeMap::new();
    for provider in ProviderKind::ALL {
        for phase in [None, Some("chargeback"), Some("pre_arbitration"), Some("arbitration")] {
            for livemode in [false, true] {
                let mut order = fraud(*provider, hours(48));
                order.phase = phase.map(str::to_owned);
                order.livemode = livemode;
                // What a stand-in does not know is refused there.
                let Ok(made) = stage.control.create(&order) else { continue };
                stage.settle().await;
                if stage.control.change(&made, &Change::SubmittedElsewhere).is_err() {
                    continue;
                }
                stage.settle().await;
                stage.change(&made, Change::Won { amount_deducted: 0 }).await;
                assert_eq!(stage.status(&made).await, "won", "{provider} {phase:?} {livemode}");
                *won.entry(provider.as_str()).or_default() += 1;
            }
        }
    }
    assert_eq!(won.len(), ProviderKind::ALL.len(), "{won:?}");
    stage.uphold().await;
}

#[tokio::test]
async fn row_12_every_provider_that_can_be_listed_is_answered_without_any_webhook() {
    let mut stage = everywhere(RULES).await;
    stage.settle().await;
    let listed: Vec<_> = ProviderKind::ALL.iter().filter(|p| capabilities(&stage, **p).list).collect();
    assert!(listed.len() > 4, "{listed:?}");
    let mut made = Vec::new();
    for provider in listed {
        let mut order = fraud(*provider, hours(96));
        order.silent = true;
        made.push((provider, stage.create(order)));
        stage.control.set_webhook_url(*provider, None, None).unwrap();
    }
    stage.advance(hours(95)).await;
    for (provider, dispute_ref) in &made {
        assert_eq!(stage.action(dispute_ref, "accept").await, "done", "{provider}");
        assert_eq!(stage.cycle(dispute_ref).await.response.unwrap().as_str(), "accept", "{provider}");
    }
    stage.uphold().await;
}

#[tokio::test]
async fn row_17_a_concession_by_mistake_can_be_taken_back_before_it_acts_and_needs_a_second_person() {
    // Cool-off: the hour that the rule waits.
    let mut stage = Stage::new().await;
    let hasty = stage.open(fraud(STRIPE, hours(96))).await;
    stage.advance(TimeDelta::minutes(50)).await;
    stage.order(&hasty, "alice", Command::Hold { why: "the wrong one".into() }).await;
    stage.advance(hours(80)).await;
    assert_eq!(stage.control.ledger().len(), 0, "what was taken back was never sent");
    stage.uphold().await;
    // Approval: who asked is not the one who agrees, however often.
    let careful = RULES
        .replace("{ accept = { after = \"1h\" } }", "{ accept = { after = \"1h\" } }\napproval = \"always\"");
    let mut stage = Stage::ruled_by(&careful).await;
    let asked = stage.open(fraud(STRIPE, hours(96))).await;
    stage.order(&asked, "alice", Command::Accept).await;
    for _ in 0..3 {
        stage.order(&asked, "alice", Command::Approve).await;
    }
    stage.advance(hours(2)).await;
    assert_eq!(stage.control.ledger().len(), 0, "alice clicked three times, and nobody else did");
    stage.order(&asked, "bob", Command::Approve).await;
    assert_eq!(stage.action(&asked, "accept").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn row_27_a_dispute_at_the_stand_ins_is_won_or_lost_as_it_is_told() {
    let mut stage = everywhere(HANDS_OFF).await;
    for provider in ProviderKind::ALL {
        for (change, status) in [(Change::Won { amount_deducted: 0 }, "won"), (Change::Lost, "lost")] {
            let made = stage.open(fraud(*provider, hours(96))).await;
            stage.change(&made, Change::SubmittedElsewhere).await;
            stage.change(&made, change).await;
            assert_eq!(stage.status(&made).await, status, "{provider}");
        }
    }
}

#[tokio::test]
async fn row_28_what_a_webhook_leaves_out_is_read_and_an_accept_that_nobody_tells_of_is_noticed() {
    let mut stage = everywhere(HANDS_OFF).await;
    let checkout = ProviderKind::Checkout;
    let mut order = NewDispute { silent: true, ..fraud(checkout, hours(96)) };
    order.amount = Some(4_321);
    let made = stage.create(order);
    let mut body = told(&stage, &made, "dispute_received");
    let data = body["data"].as_object_mut().unwrap();
    assert!(data.remove("amount").is_some(), "{data:?}");
    let webhook = ExtraWebhook { body: Some(body.to_string()), ..ExtraWebhook::new(checkout) };
    stage.control.send_extra(&webhook).unwrap();
    stage.settle().await;
    assert_eq!(stage.line(&made).await.amount.minor, 4_321, "asked, and not guessed");
    stage.control.set_webhook_url(checkout, None, None).unwrap();
    stage.control.change(&made, &Change::AcceptedElsewhere).unwrap();
    stage.advance(hours(13)).await;
    assert_eq!(stage.status(&made).await, "accepted");
    assert_ne!(stage.cycle(&made).await.state, "open");
    stage.uphold().await;
}

/// A webhook of Checkout.com about a dispute, as its stand-in would send it.
fn told(stage: &Stage, dispute_ref: &str, kind: &str) -> Value {
    let record = stage.theirs(dispute_ref).record;
    let at = stage.clock.now().to_rfc3339();
    json!({"id": format!("evt_{dispute_ref}"), "type": kind, "version": "1.2.0", "timestamp": at,
        "data": {"id": dispute_ref, "date": at, "category": record["category"], "amount": record["amount"],
            "currency": record["currency"], "reason_code": record["reason_code"], "payment_id": record["payment"]["id"],
            "evidence_required_by": record["evidence_required_by"]}})
}

#[test]
fn row_30_no_call_that_any_client_makes_moves_money_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/specs");
    let mut calls = Vec::new();
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|e| e == "json") {
            let spec: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            calls.extend(
                spec["calls"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|call| call["path"].as_str().unwrap().to_owned()),
            );
        }
    }
    // Every request of every test is held against this list, so what is not in it is never made.
    assert!(calls.len() > 40, "{}", calls.len());
    for word in ["refund", "payout", "transfer", "capture", "void"] {
        assert!(!calls.iter().any(|path| path.to_lowercase().contains(word)), "{word}: {calls:?}");
    }
}
