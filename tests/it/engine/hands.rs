//! Calls under way side by side: who does not answer holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use respondby::sandbox::{ApiFault, Operation, Trouble, Turns};
use respondby::worker::{self, Backlog, Hands, Stepped};
use tokio_util::task::TaskTracker;

use super::stage::{RAZORPAY, STRIPE, Stage, fraud, hours};

/// Longer than any call of this test is waited for.
const SILENCE: Trouble = Trouble::Latency { ms: 3_600_000 };

async fn wake(stage: &Stage, at: TimeDelta) {
    stage.clock.advance_to(super::stage::start_of_time() + at);
    worker::wake(&stage.engine.shop, &Backlog::default()).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_does_not_answer_holds_up_no_other() {
    let mut stage = Stage::new().await;
    assert_eq!(stage.engine.shop.settings.calls_max, 8);
    let mut silent = Vec::new();
    for _ in 0..9 {
        silent.push(stage.open(fraud(STRIPE, hours(96))).await);
    }
    stage.advance(TimeDelta::minutes(10)).await;
    let quick = stage.open(fraud(RAZORPAY, hours(96))).await;
    let fault = ApiFault::once(STRIPE, Operation::DisputeFetch, SILENCE);
    stage.control.add_api_fault(ApiFault { turns: Turns::always(), ..fault });
    let hands = Hands::new(Arc::new(stage.engine.shop.clone()), TaskTracker::new());

    // All that is due now is silent, and more of it than one account has hands.
    wake(&stage, TimeDelta::minutes(61)).await;
    assert_eq!(hands.take_up().await.unwrap(), Stepped::Did(6));
    assert!(matches!(hands.take_up().await.unwrap(), Stepped::Idle { .. }));

    wake(&stage, TimeDelta::minutes(71)).await;
    let rung = stage.engine.shop.bells.act.notify();
    assert_eq!(hands.take_up().await.unwrap(), Stepped::Did(1));
    let done = async {
        while stage.action(&quick, "accept").await != "done" {
            rung.notified().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), done).await.expect("it waits for the silent ones");
    for dispute_ref in &silent {
        assert_eq!(stage.action(dispute_ref, "accept").await, "wanted", "nobody has heard of it yet");
    }
    let made: Vec<String> = stage.control.ledger().into_iter().map(|entry| entry.dispute_ref).collect();
    assert_eq!(made, [quick]);
    // An account that has no hand free is not looked at again and again.
    assert_eq!(hands.take_up().await.unwrap(), Stepped::Idle { next_at: None });
}
