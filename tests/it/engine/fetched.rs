//! What is not pushed whole: thin events, fraud warnings, and stages that come as disputes of their own.

use chrono::TimeDelta;
use respondby::dispute::{Event, FraudNotice, News, Source};
use respondby::engine::Input;
use respondby::sandbox::{Change, NewWarning, WebhookFault, WebhookTrouble};
use respondby::store::turn::{self, CaseKey, Item};

use super::stage::{RAZORPAY, STRIPE, Setup, Stage, dispute, fraud, hours, not_received};

fn warning(charge: &str) -> NewWarning {
    NewWarning {
        provider: STRIPE,
        account: None,
        charge: Some(charge.into()),
        payment: None,
        fraud_type: Some("made_with_stolen_card".into()),
        actionable: Some(true),
        livemode: false,
    }
}

/// Id, charge and kind of every notice kept.
async fn notices(stage: &Stage) -> Vec<(String, Option<String>, String)> {
    sqlx::query_as("select notice_ref, charge_ref, fraud_type from fraud_notices order by notice_ref")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_thin_event_ends_as_a_whole_dispute_that_is_answered() {
    let mut stage = Stage::with(Setup { thin_events: true, ..Setup::default() }).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let outcomes: Vec<String> =
        sqlx::query_scalar("select distinct outcome from deliveries where source = 'webhook'")
            .fetch_all(&stage.db.pool)
            .await
            .unwrap();
    assert_eq!(outcomes, ["fetching"], "no webhook said more than that something changed");
    let line = stage.line(&dispute_ref).await;
    assert_eq!((line.amount.minor, line.status.as_str()), (2_000, "needs_response"));
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    assert_eq!(stage.deliveries("quarantined").await, 0);
    stage.uphold().await;
}

#[tokio::test]
async fn a_notice_told_of_many_times_in_one_turn_is_one_row_and_the_newest() {
    let mut stage = Stage::new().await;
    // Any dispute, for the ids of a merchant and an account.
    let line = {
        let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
        stage.line(&dispute_ref).await
    };
    let account_id: i64 = sqlx::query_scalar("select account_id from disputes where dispute_id = $1")
        .bind(line.dispute_id)
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
    let now = stage.clock.now();
    let told = |notice_ref: &str, minutes: i64, fraud_type: &str| {
        let (notice_ref, fraud_type) = (notice_ref.to_owned(), fraud_type.to_owned());
        let key = CaseKey::Ref { merchant_id: line.merchant_id, account_id, dispute_ref: notice_ref.clone() };
        let (payment_ref, charge_ref) = (None, Some("ch_1".to_owned()));
        let notice =
            FraudNotice { notice_ref, payment_ref, charge_ref, fraud_type, actionable: true, live: false };
        let as_of = now + TimeDelta::minutes(minutes);
        let (source, name) = (Source::Webhook, "a test".to_owned());
        let event = Event { source, name, as_of, news: News::Notice { notice } };
        Item { key, input: Input::News(Box::new(event)), cause: "a test".into(), delivery_id: None }
    };
    let turns = [
        vec![
            told("issfr_a", 2, "second"),
            told("issfr_b", 1, "other"),
            told("issfr_a", 3, "third"),
            told("issfr_a", 3, "third, corrected"),
            told("issfr_a", 1, "first"),
        ],
        vec![told("issfr_a", 2, "late"), told("issfr_b", 1, "other, corrected")],
    ];
    for items in turns {
        let mut tx = stage.db.pool.begin().await.unwrap();
        turn::take(&mut tx, &stage.engine.shop.world, items, now).await.unwrap();
        tx.commit().await.unwrap();
    }
    let kept: Vec<(String, String)> =
        notices(&stage).await.into_iter().map(|(notice_ref, _, kind)| (notice_ref, kind)).collect();
    let expected = [("issfr_a", "third, corrected"), ("issfr_b", "other, corrected")];
    assert_eq!(kept, expected.map(|(notice_ref, kind)| (notice_ref.to_owned(), kind.to_owned())));
}

#[tokio::test]
async fn fraud_warnings_are_kept_as_notices_whole_or_thin_and_owe_nothing() {
    for thin_events in [false, true] {
        let mut stage = Stage::with(Setup { thin_events, ..Setup::default() }).await;
        let first = stage.control.warn(&warning("ch_first")).unwrap();
        let second = stage.control.warn(&warning("ch_second")).unwrap();
        stage.settle().await;
        let mut expected = vec![
            (first, Some("ch_first".to_owned()), "made_with_stolen_card".to_owned()),
            (second, Some("ch_second".to_owned()), "made_with_stolen_card".to_owned()),
        ];
        expected.sort();
        assert_eq!(notices(&stage).await, expected, "thin: {thin_events}");
        assert!(stage.all().await.is_empty(), "a notice is no dispute");
        assert_eq!(stage.deliveries("quarantined").await, 0);
        assert_eq!(stage.deliveries("kept").await, 0);
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from fetches").fetch_one(&stage.db.pool).await.unwrap();
        assert_eq!(waiting, 0, "what was fetched is not fetched again");
        stage.advance(hours(7)).await;
        assert_eq!(notices(&stage).await, expected, "told again by the list, kept once");
        stage.uphold().await;
    }
}

#[tokio::test]
async fn a_warning_whose_webhook_is_lost_is_found_in_the_list() {
    let mut stage = Stage::new().await;
    stage.settle().await;
    stage.control.add_webhook_fault(WebhookFault::once(STRIPE, WebhookTrouble::Drop));
    let notice_ref = stage.control.warn(&warning("ch_lost")).unwrap();
    stage.settle().await;
    assert!(notices(&stage).await.is_empty());
    stage.advance(hours(7)).await;
    assert_eq!(notices(&stage).await[0].0, notice_ref);
}

async fn follows(stage: &Stage, dispute_ref: &str) -> Option<String> {
    sqlx::query_scalar("select follows_ref from disputes where dispute_ref = $1")
        .bind(dispute_ref)
        .fetch_one(&stage.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_new_stage_under_an_id_of_its_own_follows_the_one_before() {
    let mut stage = Stage::new().await;
    let mut order = dispute(RAZORPAY, "RZP00", hours(96));
    order.payment = Some("pay_Followed000001".into());
    let first = stage.open(order).await;
    stage.advance(hours(1)).await;
    stage.change(&first, Change::Lost).await;
    stage.advance(hours(1)).await;
    let due_by = Some(stage.clock.now().timestamp() + 90 * 3600);
    let escalate = |phase: &str| Change::Escalate { due_by, phase: Some(phase.into()) };
    let second = stage.change(&first, escalate("pre_arbitration")).await["id"].as_str().unwrap().to_owned();
    stage.advance(hours(1)).await;
    assert_ne!(first, second);
    assert_eq!(follows(&stage, &second).await.as_deref(), Some(first.as_str()));
    stage.change(&second, Change::Lost).await;
    stage.advance(hours(1)).await;
    let third = stage.change(&second, escalate("arbitration")).await["id"].as_str().unwrap().to_owned();
    stage.advance(hours(1)).await;
    assert_eq!(follows(&stage, &third).await.as_deref(), Some(second.as_str()), "the newest, not the first");
    assert_eq!(follows(&stage, &first).await, None);
    // Another payment, and another dispute of the same stage, have nothing to do with it.
    let other = stage.open(dispute(RAZORPAY, "RZP00", hours(96))).await;
    assert_eq!(follows(&stage, &other).await, None);
    stage.uphold().await;
}

#[tokio::test]
async fn a_stage_that_is_heard_of_before_the_one_it_follows_is_joined_to_it_later() {
    let mut stage = Stage::new().await;
    stage.settle().await;
    stage.control.add_webhook_fault(WebhookFault::once(RAZORPAY, WebhookTrouble::Drop));
    let first = stage.create(dispute(RAZORPAY, "RZP00", hours(96)));
    stage.settle().await;
    assert!(stage.known(&first).await.is_none());
    stage.clock.advance(hours(1));
    stage.control.set_webhook_url(RAZORPAY, None, None).unwrap();
    stage.control.change(&first, &Change::Lost).unwrap();
    let address = stage.engine.address.unwrap();
    let url = format!("http://{address}/webhooks/razorpay/bazaar");
    stage.control.set_webhook_url(RAZORPAY, None, Some(&url)).unwrap();
    stage.clock.advance(hours(1));
    let escalate = Change::Escalate { due_by: None, phase: Some("pre_arbitration".into()) };
    let second = stage.change(&first, escalate).await["id"].as_str().unwrap().to_owned();
    assert_eq!(follows(&stage, &second).await, None, "nobody knows the first yet");
    stage.advance(hours(14)).await;
    assert_eq!(follows(&stage, &second).await.as_deref(), Some(first.as_str()));
}

#[tokio::test]
async fn stripe_s_stages_share_one_id_and_follow_nothing() {
    let mut stage = Stage::new().await;
    let mut orders = [not_received(STRIPE, hours(96)), not_received(STRIPE, hours(96))];
    orders[0].inquiry = true;
    for mut order in orders {
        order.payment = Some("pi_shared".into());
        let dispute_ref = stage.open(order).await;
        assert_eq!(follows(&stage, &dispute_ref).await, None);
        stage.advance(hours(1)).await;
    }
}
