//! What has gone wrong in this field before: money, evidence, and people who act beside the engine. One test per
//! row of the collection of failures, named after it.

use chrono::TimeDelta;
use respondby::engine::Command;
use respondby::sandbox::{ApiFault, Change, Operation, Trouble};
use serde_json::json;

use super::rows::{razorpay_event, send, stripe_event};
use super::stage::{RAZORPAY, RULES, STRIPE, Stage, dispute, fraud, hours, not_received, start_of_time};

/// The rule that concedes fraud, up to these amounts alone.
fn up_to(amounts: &str) -> String {
    let bound = format!("when.reason = [\"fraud\"]\nwhen.amount = {{ at_most = {amounts} }}");
    RULES.replace("when.reason = [\"fraud\"]", &bound)
}

#[tokio::test]
async fn row_20_evidence_over_the_provider_s_limits_is_stopped_before_the_one_submission() {
    let mut stage = Stage::new().await;
    let mut order = not_received(STRIPE, hours(96));
    order.payment = Some("pi_long".into());
    let long = "A page of it. ".repeat(12_000);
    stage.say(STRIPE, "pi_long", json!({"evidence": {"uncategorized_text": long}})).await;
    let dispute_ref = stage.open(order).await;
    stage.advance(hours(80)).await;
    assert!(stage.control.ledger().is_empty(), "nothing irreversible was tried");
    let cycle = stage.cycle(&dispute_ref).await;
    assert!(cycle.plan["waiting_for"].to_string().contains("characters"), "{}", cycle.plan);
    assert!(stage.alerts(&dispute_ref).await.contains(&"needs_person/warning".to_owned()));
    // Shortened in time, it goes out.
    stage.say(STRIPE, &dispute_ref, json!({"evidence": {"uncategorized_text": "Short."}})).await;
    stage.advance(hours(1)).await;
    assert_eq!(stage.status(&dispute_ref).await, "under_review");
    stage.uphold().await;
}

#[tokio::test]
async fn row_21_each_currency_has_its_own_threshold_and_its_own_decimals() {
    let mut stage = Stage::ruled_by(&up_to("{ USD = \"20.00\", JPY = \"1500\", KWD = \"2.000\" }")).await;
    let table = [
        ("usd", 2_000, true),
        ("usd", 2_001, false),
        ("jpy", 1_500, true),
        ("jpy", 1_501, false),
        ("kwd", 2_000, true),
        ("kwd", 2_001, false),
        // Euro are no dollars: what no threshold speaks of is not conceded.
        ("eur", 1, false),
    ];
    for (currency, amount, conceded) in table {
        let mut order = fraud(STRIPE, hours(96));
        order.currency = Some(currency.into());
        order.amount = Some(amount);
        let dispute_ref = stage.open(order).await;
        let plan_kind = stage.cycle(&dispute_ref).await.plan_kind;
        assert_eq!(plan_kind, if conceded { "accept" } else { "hold" }, "{amount} {currency}");
    }
    assert_eq!(stage.all().await[0].amount.currency.as_str().len(), 3);
}

#[tokio::test]
async fn row_22_a_payment_that_was_refunded_is_never_conceded_as_well() {
    let mut stage = Stage::new().await;
    let stripe = stage.open(fraud(STRIPE, hours(96))).await;
    let razorpay = stage.open(fraud(RAZORPAY, hours(96))).await;
    for dispute_ref in [&stripe, &razorpay] {
        assert_eq!(stage.cycle(dispute_ref).await.plan_kind, "accept");
    }
    stage.clock.advance(TimeDelta::minutes(5));
    let mut object = stage.theirs(&stripe).record;
    object["charge"] = json!({"id": object["charge"], "object": "charge", "refunded": true});
    let event = stripe_event(&stage, "evt_refunded", "charge.dispute.updated", object);
    send(&mut stage, STRIPE, event).await;
    let entity = stage.theirs(&razorpay).record;
    let payment = json!({"id": entity["payment_id"], "entity": "payment", "refund_status": "full"});
    let mut event = razorpay_event(&stage, "payment.dispute.under_review", entity);
    event["event"] = "payment.dispute.created".into();
    event["payload"]["payment"] = json!({"entity": payment});
    send(&mut stage, RAZORPAY, event).await;
    assert_eq!(stage.deliveries("quarantined").await, 0);
    stage.advance(hours(89)).await;
    assert!(stage.control.ledger().is_empty(), "nothing was conceded on top of the refund");
    for dispute_ref in [&stripe, &razorpay] {
        let cycle = stage.cycle(dispute_ref).await;
        assert!(cycle.plan["waiting_for"].to_string().contains("refunded already"), "{}", cycle.plan);
        assert!(stage.alerts(dispute_ref).await.contains(&"needs_person/warning".to_owned()));
        // Not even by order.
        stage.order(dispute_ref, "alice", Command::Accept).await;
        assert_eq!(stage.action(dispute_ref, "accept").await, "none");
    }
    stage.uphold().await;
}

#[tokio::test]
async fn row_23_what_was_prevented_can_open_again_and_is_then_answered() {
    let mut stage = Stage::new().await;
    let mut order = fraud(STRIPE, hours(96));
    order.status = Some("prevented".into());
    let dispute_ref = stage.open(order).await;
    assert_eq!(stage.status(&dispute_ref).await, "prevented");
    assert!(stage.line(&dispute_ref).await.cycle.is_none());
    stage.advance(hours(1)).await;
    stage.change(&dispute_ref, Change::Status { status: "needs_response".into() }).await;
    assert_eq!(stage.cycle(&dispute_ref).await.state, "open");
    assert!(stage.alerts(&dispute_ref).await.contains(&"reversed/warning".to_owned()));
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn row_25_an_inquiry_is_never_conceded_because_it_cannot_be() {
    let rules = RULES.replace("when.stage = [\"chargeback\", \"fraud_notice\"]\n", "");
    let mut stage = Stage::ruled_by(&rules).await;
    let mut order = fraud(STRIPE, hours(96));
    order.inquiry = true;
    let dispute_ref = stage.open(order).await;
    stage.advance(hours(80)).await;
    assert!(stage.control.ledger().is_empty());
    let cycle = stage.cycle(&dispute_ref).await;
    assert!(cycle.plan["waiting_for"][0].as_str().unwrap().contains("accepted at stage inquiry"));
    let template = Some("words".to_owned());
    let defend = Command::Defend { template, reason: None, acknowledge_fee: false };
    stage.order(&dispute_ref, "alice", defend).await;
    assert_eq!(stage.line(&dispute_ref).await.provider_status, "warning_under_review");
    stage.uphold().await;
}

#[tokio::test]
async fn row_26_a_hundred_updates_of_one_dispute_are_one_alert() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(dispute(STRIPE, "general", hours(240))).await;
    for n in 0..100 {
        stage.control.change(&dispute_ref, &Change::Status { status: "needs_response".into() }).unwrap();
        stage.clock.advance(TimeDelta::seconds(n % 3));
    }
    stage.settle().await;
    assert_eq!(stage.alerts(&dispute_ref).await, ["needs_person/warning"]);
    let decided = stage.decisions(&dispute_ref).await.len();
    assert_eq!(decided, 1, "nothing changed, so nothing was decided again");
}

#[tokio::test]
async fn row_29_who_acts_at_the_deadline_is_what_the_policy_says_and_nobody_else() {
    for (at_margin, kind, calls) in [("page", "none", 0), ("accept", "done", 1)] {
        let rules = RULES.replace("at_margin = \"page\"", &format!("at_margin = \"{at_margin}\""));
        let mut stage = Stage::ruled_by(&rules).await;
        let mut order = dispute(STRIPE, "general", hours(96));
        order.extra.insert("smart_disputes".into(), json!(true));
        let dispute_ref = stage.open(order).await;
        let page_at = stage.cycle(&dispute_ref).await.page_at;
        stage.advance_to(page_at - TimeDelta::minutes(11)).await;
        assert!(stage.control.ledger().is_empty(), "{at_margin}: nobody acts before the margin");
        stage.advance_to(page_at).await;
        assert_eq!(stage.action(&dispute_ref, "accept").await, kind, "{at_margin}");
        assert_eq!(stage.control.ledger().len(), calls);
        let paged = stage.alerts(&dispute_ref).await.contains(&"unanswered/page".to_owned());
        assert_eq!(paged, calls == 0, "{at_margin}");
        stage.advance_to(start_of_time() + hours(97)).await;
        let details = &stage.theirs(&dispute_ref).record["evidence_details"];
        assert_eq!(
            details["submission_method"], "not_submitted",
            "{at_margin}: the provider answered by itself"
        );
        assert_eq!(stage.theirs(&dispute_ref).status, "lost");
        stage.uphold().await;
    }
}

#[tokio::test]
async fn row_29_the_provider_is_told_once_to_leave_it_to_us_whatever_the_answer_is() {
    let ignore = RULES.replace("hold = { why", "ignore = { why");
    for (rules, reason) in
        [(RULES, "general"), (&ignore, "general"), (RULES, "fraudulent"), (RULES, "product_not_received")]
    {
        let mut stage = Stage::ruled_by(rules).await;
        let mut order = dispute(STRIPE, reason, hours(96));
        order.extra.insert("smart_disputes".into(), json!(true));
        let dispute_ref = stage.open(order).await;
        let told = &stage.theirs(&dispute_ref).record["intended_submission_method"];
        assert_eq!(told, "manual", "{reason}");
        stage.advance(TimeDelta::minutes(30)).await;
        let actions = stage.actions(&dispute_ref).await;
        let telling = actions.iter().filter(|a| a.kind == "keep_manual" || a.kind == "stage_evidence");
        assert_eq!(telling.count(), 1, "{reason}: {actions:?}");
        assert!(stage.control.ledger().is_empty());
    }
    // Nothing is said where nothing answers by itself, and nothing by whoever only watches.
    let mut stage = Stage::new().await;
    let elsewhere = stage.open(dispute(RAZORPAY, "general", hours(96))).await;
    assert_eq!(stage.action(&elsewhere, "keep_manual").await, "none");
    let mut stage = Stage::ruled_by(&RULES.replace("mode = \"live\"", "mode = \"shadow\"")).await;
    let watched = stage.open(dispute(STRIPE, "general", hours(96))).await;
    assert_eq!(stage.action(&watched, "keep_manual").await, "none");
}

#[tokio::test]
async fn row_29_a_refusal_to_leave_it_to_us_is_told_once_and_keeps_nothing_from_being_done() {
    let mut stage = Stage::new().await;
    let fault = ApiFault::once(
        STRIPE,
        Operation::DisputeUpdate,
        Trouble::RateLimited { retry_after_s: None, should_retry: None },
    );
    stage.control.add_api_fault(fault);
    let dispute_ref = stage.create(fraud(STRIPE, hours(96)));
    stage.advance(TimeDelta::minutes(10)).await;
    assert_eq!(stage.action(&dispute_ref, "keep_manual").await, "done", "tried again");
    let refused = stage.open(fraud(STRIPE, hours(96))).await;
    sqlx::query("update actions set state = 'refused', done_at = null, note = 'no such parameter' where kind = 'keep_manual'")
        .execute(&stage.db.pool)
        .await
        .unwrap();
    stage.advance(TimeDelta::minutes(61)).await;
    assert_eq!(stage.action(&refused, "keep_manual").await, "refused", "not asked again");
    assert_eq!(stage.action(&refused, "accept").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn row_32_an_answer_given_in_the_provider_s_dashboard_cancels_the_plan() {
    let mut stage = Stage::new().await;
    for provider in [STRIPE, RAZORPAY] {
        for elsewhere in [Change::SubmittedElsewhere, Change::AcceptedElsewhere] {
            let dispute_ref = stage.open(fraud(provider, hours(96))).await;
            stage.change(&dispute_ref, elsewhere.clone()).await;
            let cycle = stage.cycle(&dispute_ref).await;
            assert_ne!(cycle.state, "open", "{provider} {elsewhere:?}");
            let history = stage.history(&dispute_ref).await;
            assert!(history.iter().all(|e| e.kind != "missed"), "{provider} {elsewhere:?}: there was time");
        }
    }
    let before = stage.control.ledger().len();
    stage.advance(hours(80)).await;
    assert_eq!(stage.control.ledger().len(), before, "no call was added to theirs");
    stage.uphold().await;
}

#[tokio::test]
async fn row_32_the_dashboard_is_noticed_even_when_its_webhook_is_lost_and_the_engine_is_about_to_act() {
    let mut stage = Stage::new().await;
    for provider in [STRIPE, RAZORPAY] {
        let dispute_ref = stage.open(fraud(provider, hours(96))).await;
        stage.control.set_webhook_url(provider, None, None).unwrap();
        stage.control.change(&dispute_ref, &Change::SubmittedElsewhere).unwrap();
        let ours = stage.control.ledger().len();
        stage.advance(TimeDelta::minutes(61)).await;
        assert_eq!(stage.control.ledger().len(), ours, "the record was read before the call");
        assert_eq!(stage.action(&dispute_ref, "accept").await, "cancelled");
        assert_eq!(stage.status(&dispute_ref).await, "under_review");
        stage.uphold().await;
    }
}
