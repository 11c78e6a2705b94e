//! Wakes that meet trouble: a cycle that cannot be looked at, and one that is woken while a turn has it in hand.

use respondby::store::turn;
use respondby::worker::{self, Backlog};

use super::stage::{STRIPE, Stage, fraud, hours};

/// Whose plan no version of the program could have written.
async fn spoil(stage: &Stage, dispute_ref: &str) -> String {
    sqlx::query_scalar(
        "with before as (
             select c.merchant_id, c.dispute_id, c.n, c.plan::text
             from cycles c
             join disputes d using (merchant_id, dispute_id)
             where d.dispute_ref = $1)
         update cycles c
         set plan = '{\"answer\": \"shrug\"}'
         from before b
         where c.merchant_id = b.merchant_id and c.dispute_id = b.dispute_id and c.n = b.n
         returning b.plan",
    )
    .bind(dispute_ref)
    .fetch_one(&stage.db.pool)
    .await
    .unwrap()
}

async fn stuck_pages(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from alerts where kind = 'cycle_stuck' and severity = 'page'")
        .fetch_one(&stage.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_cycle_that_cannot_be_looked_at_holds_up_no_other_and_pages() {
    let mut stage = Stage::new().await;
    let first = stage.open(fraud(STRIPE, hours(96))).await;
    let spoilt = stage.open(fraud(STRIPE, hours(95))).await;
    let last = stage.open(fraud(STRIPE, hours(94))).await;
    let plan = spoil(&stage, &spoilt).await;
    stage.advance(hours(6)).await;
    for dispute_ref in [&first, &last] {
        assert_eq!(
            stage.action(dispute_ref, "accept").await,
            "done",
            "{dispute_ref} waited for the spoilt one"
        );
    }
    assert_eq!(stage.action(&spoilt, "accept").await, "none");
    assert_eq!(stage.cycle(&spoilt).await.state, "open", "and it still has a wake, or P2 would refuse it");
    assert_eq!(stuck_pages(&stage).await, 1, "one page for a day, however often it is tried");
    // Mended by hand, it goes on by itself.
    sqlx::query("update cycles set plan = $1::json where plan::text like '%shrug%'")
        .bind(plan)
        .execute(&stage.db.pool)
        .await
        .unwrap();
    stage.advance(hours(1)).await;
    assert_eq!(stage.action(&spoilt, "accept").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn what_wakes_a_cycle_while_a_turn_has_it_in_hand_is_not_lost() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    // An action of the cycle, whose row the turn waits for after it has loaded the cycle.
    an_action(&stage, &dispute_ref, 1).await;
    let mut holder = stage.db.pool.begin().await.unwrap();
    sqlx::query("select from actions where action_id = 1 for update").execute(&mut *holder).await.unwrap();
    stage.clock.advance(hours(1));
    let shop = stage.engine.shop.clone();
    let waking = tokio::spawn(async move { worker::wake(&shop, &Backlog::default()).await });
    stage.db.somebody_waits("the turn has the cycle and waits").await;
    let mut conn = stage.db.pool.acquire().await.unwrap();
    assert_eq!(turn::wake_merchant(&mut conn, 1, stage.clock.now()).await.unwrap(), 1);
    holder.rollback().await.unwrap();
    waking.await.unwrap().unwrap();
    let wake_at: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select wake_at from cycles").fetch_one(&mut *conn).await.unwrap();
    assert!(wake_at <= stage.clock.now(), "woken by new rules, and asleep until {wake_at}");
    assert_eq!(stage.action(&dispute_ref, "accept").await, "wanted", "the turn itself has done its work");
}

#[tokio::test]
async fn an_action_without_its_cycle_does_not_escape_the_tests() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    stage.uphold().await;
    an_action(&stage, &dispute_ref, 2).await;
    assert_eq!(stage.breaches().await, ["an action without a cycle: 1"]);
}

/// An upload, number 1, that was cancelled.
async fn an_action(stage: &Stage, dispute_ref: &str, cycle_n: i32) {
    sqlx::query(
        "insert into actions (merchant_id, action_id, dispute_id, cycle_n, account_id, kind, subject, irreversible,
             state, fence, generation, attempts, wanted_at)
         select merchant_id, 1, dispute_id, $3, account_id, 'upload', '7', false, 'cancelled', 0, 1, 0, $2
         from disputes where dispute_ref = $1",
    )
    .bind(dispute_ref)
    .bind(stage.clock.now())
    .bind(cycle_n)
    .execute(&stage.db.pool)
    .await
    .unwrap();
}
