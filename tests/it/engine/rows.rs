//! What has gone wrong in this field before, replayed from webhook to database: intake and state. One test per row
//! of the collection of failures, named after it.

use chrono::TimeDelta;
use respondby::engine::{Applied, Command};
use respondby::sandbox::{
    ApiFault, Change, ExtraWebhook, NewDispute, Operation, ProviderKind, Trouble, Turns, WebhookFault,
    WebhookState, WebhookTrouble,
};
use respondby::store::{deliveries, watermarks};
use serde_json::{Value, json};

use super::stage::{RAZORPAY, RULES, STRIPE, Stage, dispute, fraud, hours, not_received, start_of_time};

fn lose_webhooks(stage: &Stage, provider: ProviderKind) {
    let fault = WebhookFault::once(provider, WebhookTrouble::Drop);
    stage.control.add_webhook_fault(WebhookFault { turns: Turns::always(), ..fault });
}

/// An event of `kind` about `object`, signed by the stand-in.
pub async fn send(stage: &mut Stage, provider: ProviderKind, body: Value) {
    let webhook = ExtraWebhook { body: Some(body.to_string()), ..ExtraWebhook::new(provider) };
    stage.control.send_extra(&webhook).unwrap();
    stage.settle().await;
}

pub fn stripe_event(stage: &Stage, id: &str, kind: &str, object: Value) -> Value {
    json!({"id": id, "object": "event", "type": kind, "created": stage.clock.now().timestamp() + 1,
        "livemode": false, "data": {"object": object}})
}

pub fn razorpay_event(stage: &Stage, kind: &str, entity: Value) -> Value {
    json!({"entity": "event", "account_id": "acc_stage", "event": kind, "contains": ["dispute"],
        "payload": {"dispute": {"entity": entity}}, "created_at": stage.clock.now().timestamp() + 1})
}

#[tokio::test]
async fn row_01_what_missed_webhooks_left_open_is_read_from_the_provider_and_never_guessed_from_age() {
    let mut stage = Stage::new().await;
    lose_webhooks(&stage, STRIPE);
    lose_webhooks(&stage, RAZORPAY);
    let mut made = Vec::new();
    for provider in [STRIPE, RAZORPAY] {
        for _ in 0..4 {
            let mut order = dispute(provider, "general", hours(48));
            order.lapse_grace_s = 20 * 86_400;
            made.push(stage.create(order));
        }
    }
    let [won, lost, open, other] = [0, 1, 2, 3].map(|i| made[i].clone());
    for (dispute_ref, change) in
        [(&won, Change::Won { amount_deducted: 0 }), (&lost, Change::Lost), (&made[5], Change::Lost)]
    {
        stage.control.change(dispute_ref, &change).unwrap();
    }
    // A day beyond respond_by: what the provider still calls open is open here too.
    stage.advance(hours(72)).await;
    for dispute_ref in &made {
        assert_eq!(stage.line(dispute_ref).await.provider_status, stage.theirs(dispute_ref).status);
    }
    assert_eq!((stage.status(&won).await, stage.status(&lost).await), ("won", "lost"));
    assert_eq!((stage.status(&open).await, stage.status(&other).await), ("needs_response", "needs_response"));
    let reinstated: Option<chrono::DateTime<chrono::Utc>> =
        sqlx::query_scalar("select funds_reinstated_at from disputes where dispute_ref = $1")
            .bind(&lost)
            .fetch_one(&stage.db.pool)
            .await
            .unwrap();
    assert_eq!(reinstated, None, "money and outcome are two things");
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let gaps = watermarks::gaps(&mut conn).await.unwrap();
    assert!(gaps.iter().all(|gap| gap.disputes_found_by_poll >= 4), "the gap is counted: {gaps:?}");
    drop(conn);
    stage.uphold().await;
}

#[tokio::test]
async fn row_02_every_open_dispute_has_one_live_plan_also_without_any_evidence() {
    let mut stage = Stage::new().await;
    let reasons = ["fraudulent", "product_not_received", "general", "duplicate", "never_heard_of"];
    for reason in reasons {
        stage.create(dispute(STRIPE, reason, hours(240)));
    }
    for reason in ["10.4", "13.1", "RZP00", "never_heard_of"] {
        stage.create(dispute(RAZORPAY, reason, hours(120)));
    }
    stage.settle().await;
    let open = stage.control.disputes().into_iter().filter(|d| d.open);
    let mut count = 0;
    for theirs in open {
        let cycle = stage.cycle(&theirs.id).await;
        assert_eq!((cycle.n, cycle.state.as_str()), (1, "open"));
        assert_eq!(cycle.plan["decided_by"], "rules", "{}", theirs.id);
        assert!(cycle.wake_at.is_some_and(|at| at > stage.clock.now()));
        if cycle.plan_kind == "hold" {
            assert_eq!(stage.alerts(&theirs.id).await, ["needs_person/warning"]);
        }
        count += 1;
    }
    assert_eq!(count, 9);
    let more_than_one: Vec<i64> = sqlx::query_scalar(
        "select dispute_id from cycles where state = 'open' group by merchant_id, dispute_id having count(*) <> 1",
    )
    .fetch_all(&stage.db.pool)
    .await
    .unwrap();
    assert_eq!(more_than_one, Vec::<i64>::new());
}

#[tokio::test]
async fn row_03_a_window_closes_at_its_instant_and_not_at_a_rounded_hour() {
    let mut stage = Stage::new().await;
    let short = stage.open(fraud(STRIPE, TimeDelta::minutes(61))).await;
    let held = stage.open(dispute(STRIPE, "general", TimeDelta::minutes(61))).await;
    let act_at = stage.cycle(&short).await.act_at.unwrap();
    stage.advance_to(act_at - TimeDelta::microseconds(1)).await;
    assert!(stage.control.ledger().is_empty(), "not before");
    stage.advance_to(act_at).await;
    assert_eq!(stage.status(&short).await, "lost");
    assert_eq!(stage.control.ledger()[0].at, act_at);
    // One second before the end there is still time.
    stage.advance_to(start_of_time() + TimeDelta::minutes(61) - TimeDelta::seconds(1)).await;
    assert_eq!(stage.order(&held, "alice", Command::Accept).await, Applied::Applied);
    assert_eq!(stage.action(&held, "accept").await, "done");
    assert_eq!(stage.cycle(&held).await.response.unwrap().as_str(), "accept");
}

#[tokio::test]
async fn row_04_the_plan_ends_before_the_provider_s_own_deadline_and_moves_with_it() {
    // The rule would answer half an hour before the deadline; the margin is six hours.
    let rules = RULES.replace("lead = \"24h\"", "lead = \"30m\"");
    let mut stage = Stage::ruled_by(&rules).await;
    let dispute_ref = stage.open(not_received(STRIPE, hours(72))).await;
    let cycle = stage.cycle(&dispute_ref).await;
    assert_eq!(cycle.page_at, start_of_time() + hours(66));
    assert!(cycle.act_at.unwrap() < cycle.page_at);
    let sooner = start_of_time() + hours(30);
    stage.change(&dispute_ref, Change::Deadline { due_by: Some(sooner.timestamp()) }).await;
    let moved = stage.cycle(&dispute_ref).await;
    assert_eq!((moved.respond_by, moved.page_at), (sooner, sooner - hours(6)));
    assert!(moved.act_at.unwrap() < moved.page_at);
    stage.advance_to(sooner).await;
    assert_eq!(stage.status(&dispute_ref).await, "under_review");
    assert!(stage.cycle(&dispute_ref).await.answered_at.unwrap() < sooner - hours(6));
    stage.uphold().await;
}

#[tokio::test]
async fn row_05_a_blank_or_unknown_outcome_is_quarantined_and_changes_nothing() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(dispute(STRIPE, "general", hours(240))).await;
    for (n, word) in ["", "vanished", "LOST", "lost "].into_iter().enumerate() {
        let mut object = stage.theirs(&dispute_ref).record;
        object["status"] = word.into();
        let event = stripe_event(&stage, &format!("evt_odd{n}"), "charge.dispute.closed", object);
        send(&mut stage, STRIPE, event).await;
        assert_eq!(stage.status(&dispute_ref).await, "needs_response", "{word:?}");
    }
    assert_eq!(stage.deliveries("quarantined").await, 4);
    assert_eq!(stage.cycle(&dispute_ref).await.state, "open");
    // Somebody hears of it, once: what the provider's record says is read all the same.
    let told: Vec<(String, String)> =
        sqlx::query_as("select severity, state from alerts where kind = 'webhook_not_understood'")
            .fetch_all(&stage.db.pool)
            .await
            .unwrap();
    assert_eq!(told, [("warning".to_owned(), "sent".to_owned())]);
}

#[tokio::test]
async fn row_06_no_status_and_no_stage_is_made_up_for_a_word_that_is_missing() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(dispute(RAZORPAY, "RZP00", hours(240))).await;
    let odd = [
        ("status", Value::Null),
        ("status", json!("limbo")),
        ("phase", Value::Null),
        ("phase", json!("court")),
    ];
    for (field, value) in odd {
        let mut entity = stage.theirs(&dispute_ref).record;
        entity[field] = value;
        let event = razorpay_event(&stage, "payment.dispute.lost", entity);
        send(&mut stage, RAZORPAY, event).await;
    }
    assert_eq!(stage.deliveries("quarantined").await, 4);
    let line = stage.line(&dispute_ref).await;
    assert_eq!((line.status.as_str(), line.stage.as_str()), ("needs_response", "chargeback"));
    // What was quarantined stays so when it is read again: nothing has learned the word meanwhile.
    let ids: Vec<i64> = sqlx::query_scalar("select delivery_id from deliveries where state = 'quarantined'")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap();
    let mut conn = stage.db.pool.acquire().await.unwrap();
    assert_eq!(deliveries::requeue(&mut conn, &ids).await.unwrap().len(), 4);
    drop(conn);
    stage.settle().await;
    assert_eq!(stage.deliveries("quarantined").await, 4);
}

#[tokio::test]
async fn row_07_won_means_won_for_every_provider_stage_and_mode() {
    let mut stage = Stage::new().await;
    let mut made = Vec::new();
    for provider in [STRIPE, RAZORPAY] {
        for livemode in [false, true] {
            let mut order = not_received(provider, hours(48));
            order.livemode = livemode;
            made.push(stage.open(order).await);
        }
    }
    for dispute_ref in &made {
        stage.change(dispute_ref, Change::SubmittedElsewhere).await;
        stage.change(dispute_ref, Change::Won { amount_deducted: 0 }).await;
        assert_eq!(stage.status(dispute_ref).await, "won");
    }
    stage.uphold().await;
}

#[tokio::test]
async fn row_08_what_is_not_understood_is_kept_and_answered_with_200_so_that_nobody_repeats_it() {
    let mut stage = Stage::new().await;
    for provider in [STRIPE, RAZORPAY] {
        let odd = ExtraWebhook { retried: true, ..ExtraWebhook::new(provider) };
        stage.control.send_extra(&odd).unwrap();
        let broken =
            ExtraWebhook { body: Some("<html>".into()), retried: true, ..ExtraWebhook::new(provider) };
        stage.control.send_extra(&broken).unwrap();
    }
    stage.settle().await;
    for webhook in stage.control.webhooks() {
        assert_eq!(webhook.state, WebhookState::Delivered, "{webhook:?}");
        assert_eq!(webhook.attempts.len(), 1);
    }
    assert_eq!(stage.deliveries("quarantined").await, 4);
    stage.advance(hours(80)).await;
    assert_eq!(stage.control.webhooks().len(), 4, "no storm of repeats");
}

#[tokio::test]
async fn row_09_all_five_kinds_of_dispute_events_are_understood_and_money_is_followed() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(not_received(STRIPE, hours(72)).then("won", 7_200)).await;
    stage.advance(hours(60)).await;
    let kinds: std::collections::BTreeSet<String> =
        stage.control.webhooks().into_iter().map(|w| w.event_type).collect();
    let five = ["closed", "created", "funds_reinstated", "funds_withdrawn", "updated"];
    assert_eq!(kinds, five.map(|k| format!("charge.dispute.{k}")).into());
    assert_eq!((stage.deliveries("quarantined").await, stage.deliveries("kept").await), (0, 0));
    let (withdrawn, reinstated): (bool, bool) = sqlx::query_as(
        "select funds_withdrawn_at is not null, funds_reinstated_at is not null from disputes where dispute_ref = $1",
    )
    .bind(&dispute_ref)
    .fetch_one(&stage.db.pool)
    .await
    .unwrap();
    assert_eq!((stage.status(&dispute_ref).await, withdrawn, reinstated), ("won", true, true));
    stage.uphold().await;
}

#[tokio::test]
async fn row_10_a_debit_that_arrives_lost_owes_nothing_in_whatever_order_its_events_come() {
    let mut stage = Stage::new().await;
    let fault = WebhookFault::once(STRIPE, WebhookTrouble::Reorder);
    stage.control.add_webhook_fault(WebhookFault { turns: Turns::sometimes(0.5), ..fault });
    let mut made = Vec::new();
    for _ in 0..6 {
        let mut order = NewDispute::stripe();
        order.reason = Some("debit_not_authorized".into());
        order.status = Some("lost".into());
        order.due_by = Some(Some(0));
        made.push(stage.open(order).await);
    }
    stage.advance(hours(3)).await;
    for dispute_ref in &made {
        let line = stage.line(dispute_ref).await;
        assert_eq!((line.status.as_str(), line.cycle.is_none()), ("lost", true));
        assert!(stage.actions(dispute_ref).await.is_empty());
    }
    // The same news again, from before it was lost: too late to open anything.
    let mut object = stage.theirs(&made[0]).record;
    object["status"] = "needs_response".into();
    let mut event = stripe_event(&stage, "evt_late", "charge.dispute.created", object);
    event["created"] = (start_of_time().timestamp() - 60).into();
    send(&mut stage, STRIPE, event).await;
    assert_eq!(stage.status(&made[0]).await, "lost");
    assert!(stage.line(&made[0]).await.cycle.is_none());
    stage.uphold().await;
}

#[tokio::test]
async fn row_11_facts_are_found_by_the_charge_and_an_absent_customer_is_no_trouble() {
    let rules = RULES.replace(
        "[[rule]]\nid = \"fraud\"",
        "[[rule]]\nid = \"known\"\nwhy = \"the shop knows it\"\nwhen.facts.vip = { is = true }\nthen = { hold = { why = \"a friend\" } }\n\n[[rule]]\nid = \"fraud\"",
    );
    let mut stage = Stage::ruled_by(&rules).await;
    stage.say(STRIPE, "ch_of_a_friend", json!({"vip": true})).await;
    let mut order = fraud(STRIPE, hours(240));
    order.charge = Some("ch_of_a_friend".into());
    order.payment = Some("pi_of_a_friend".into());
    order.customer = None;
    let dispute_ref = stage.open(order).await;
    assert_eq!(stage.cycle(&dispute_ref).await.rule_id.as_deref(), Some("known"));
    assert_ne!(dispute_ref, "ch_of_a_friend", "the dispute is named by its own id");
}

#[tokio::test]
async fn row_12_a_provider_that_sends_nothing_is_listed_and_answered_all_the_same() {
    let mut stage = Stage::new().await;
    stage.settle().await;
    let mut made = Vec::new();
    for provider in [STRIPE, RAZORPAY] {
        let mut order = fraud(provider, hours(96));
        order.silent = true;
        made.push(stage.create(order));
        stage.control.set_webhook_url(provider, None, None).unwrap();
    }
    stage.advance(hours(95)).await;
    for dispute_ref in &made {
        assert_eq!(stage.action(dispute_ref, "accept").await, "done");
        assert_eq!(stage.cycle(dispute_ref).await.response.unwrap().as_str(), "accept");
    }
    stage.uphold().await;
}

#[tokio::test]
async fn row_13_a_webhook_without_its_key_is_quarantined_and_the_dispute_is_found_by_asking() {
    let mut stage = Stage::new().await;
    stage.settle().await;
    let mut order = fraud(STRIPE, hours(96));
    order.silent = true;
    let dispute_ref = stage.create(order);
    let mut object = stage.theirs(&dispute_ref).record;
    object.as_object_mut().unwrap().remove("id");
    let event = stripe_event(&stage, "evt_keyless", "charge.dispute.created", object);
    send(&mut stage, STRIPE, event).await;
    assert_eq!(stage.deliveries("quarantined").await, 1);
    assert!(stage.known(&dispute_ref).await.is_none());
    stage.advance(hours(7)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn row_14_a_currency_that_is_not_told_of_is_found_in_the_processor_s_own_list() {
    let mut stage = Stage::new().await;
    stage.settle().await;
    let mut made = Vec::new();
    for (provider, currency) in [(RAZORPAY, "INR"), (STRIPE, "inr"), (STRIPE, "kwd")] {
        let mut order = dispute(provider, "general", hours(96));
        order.currency = Some(currency.into());
        order.silent = true;
        made.push((stage.create(order), currency));
    }
    stage.advance(hours(7)).await;
    for (dispute_ref, currency) in &made {
        let line = stage.line(dispute_ref).await;
        assert_eq!(line.amount.currency.as_str(), currency.to_ascii_uppercase());
        assert_eq!(line.amount.minor, 2_000);
    }
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let gaps = watermarks::gaps(&mut conn).await.unwrap();
    assert_eq!(gaps.iter().map(|gap| gap.disputes_found_by_poll).sum::<i64>(), 3);
}

#[tokio::test]
async fn row_15_the_deadline_is_one_instant_in_every_zone_across_the_change_of_clocks() {
    let mut stage = Stage::new().await;
    // 2027-03-28 01:00 UTC: clocks change in Europe; the window spans it.
    let spans = start_of_time() + hours(24 * 130);
    let dispute_ref = stage.open(not_received(STRIPE, spans - start_of_time())).await;
    let first = stage.cycle(&dispute_ref).await;
    assert_eq!(first.respond_by, spans);
    for zone in
        ["Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu", "Pacific/Pago_Pago", "Europe/Berlin"]
    {
        stage.publish(STRIPE, &RULES.replace("Europe/Lisbon", zone)).await;
        let cycle = stage.cycle(&dispute_ref).await;
        assert!(cycle.plan["ruleset_version"].as_i64() > Some(1), "{zone} is in force");
        assert_eq!((cycle.respond_by, cycle.act_at), (spans, first.act_at), "{zone}");
        assert_eq!(cycle.act_at.unwrap(), spans - hours(24));
    }
}

#[tokio::test]
async fn row_16_three_clicks_are_one_call_and_200_is_not_believed_before_the_record_shows_it() {
    let mut stage = Stage::new().await;
    for provider in [STRIPE, RAZORPAY] {
        let dispute_ref = stage.open(dispute(provider, "general", hours(240))).await;
        stage.control.add_api_fault(ApiFault {
            dispute: Some(dispute_ref.clone()),
            ..ApiFault::once(provider, Operation::DisputeAccept, Trouble::HtmlBeforeEffect)
        });
        assert_eq!(stage.order(&dispute_ref, "alice", Command::Accept).await, Applied::Applied);
        assert!(stage.theirs(&dispute_ref).open, "the page of HTML was no acceptance");
        assert_ne!(stage.action(&dispute_ref, "accept").await, "done");
        for who in ["alice", "bob"] {
            let applied = stage.order(&dispute_ref, who, Command::Accept).await;
            assert!(matches!(applied, Applied::Refused(_)), "{applied:?}");
        }
        stage.advance(hours(1)).await;
        assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
        assert!(!stage.theirs(&dispute_ref).open);
        let cycle = stage.cycle(&dispute_ref).await;
        assert_eq!((cycle.state.as_str(), cycle.response.unwrap().as_str()), ("answered", "accept"));
    }
    stage.uphold().await;
}
