//! Many at once: a backlog after downtime, several workers on one database, and one delivery that cannot be stored.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use respondby::app;
use respondby::config::{Config, Role};
use respondby::engine::{Cause, Command, Input, Order};
use respondby::sandbox::{LedgerResult, WebhookState};
use respondby::store::turn::{self, CaseKey, Item};
use respondby::store::{self, deliveries};
use respondby::worker::{self, Backlog, Shop, Stepped};

use super::stage::{RAZORPAY, STRIPE, Stage, dispute, fraud, hours};

#[tokio::test]
async fn a_backlog_is_worked_off_earliest_deadline_first() {
    let mut stage = Stage::new().await;
    let mut windows: Vec<i64> = (30..54).collect();
    windows.shuffle(&mut StdRng::seed_from_u64(5));
    for window in windows {
        stage.create(dispute(STRIPE, "general", hours(window)));
    }
    stage.settle().await;
    // Nobody looks for two days. All that people hear then is heard in the order in which it matters.
    stage.clock.advance(hours(60));
    stage.engine.shop.settings.batch = 1;
    let backlog = Backlog::default();
    while let Stepped::Did(_) = worker::wake(&stage.engine.shop, &backlog).await.unwrap() {}
    let respond_by: Vec<chrono::DateTime<chrono::Utc>> = sqlx::query_scalar(
        "select c.respond_by
         from history h
         join cycles c on c.merchant_id = h.merchant_id and c.dispute_id = h.dispute_id and c.n = h.cycle_n
         where h.kind = 'missed'
         order by h.history_id",
    )
    .fetch_all(&stage.db.pool)
    .await
    .unwrap();
    assert_eq!(respond_by.len(), 24);
    assert!(respond_by.is_sorted(), "{respond_by:?}");
}

#[tokio::test]
async fn calls_that_have_piled_up_are_made_earliest_deadline_first_and_what_cannot_wait_before_what_can() {
    let mut stage = Stage::new().await;
    let mut windows: Vec<i64> = (30..42).collect();
    windows.shuffle(&mut StdRng::seed_from_u64(6));
    for window in windows {
        // One is only told to leave the answer to us, the other is conceded an hour later.
        stage.create(dispute(STRIPE, "general", hours(window)));
        stage.create(fraud(STRIPE, hours(window)));
    }
    stage.control.flush().await;
    while let Stepped::Did(_) = worker::apply(&stage.engine.shop).await.unwrap() {}
    // Nobody calls for a while, and then one at a time.
    stage.clock.advance(hours(2));
    let backlog = Backlog::default();
    while let Stepped::Did(_) = worker::wake(&stage.engine.shop, &backlog).await.unwrap() {}
    stage.engine.shop.settings.calls_max = 1;
    while let Stepped::Did(_) = worker::act(&stage.engine.shop).await.unwrap() {}
    let done: Vec<(chrono::DateTime<chrono::Utc>, bool)> = sqlx::query_as(
        "select c.respond_by, h.cause <> 'action:accept'
         from history h
         join cycles c on c.merchant_id = h.merchant_id and c.dispute_id = h.dispute_id and c.n = h.cycle_n
         where h.kind = 'action_done'
         order by h.history_id",
    )
    .fetch_all(&stage.db.pool)
    .await
    .unwrap();
    assert_eq!(done.iter().filter(|(_, reversible)| !reversible).count(), 12);
    assert_eq!(done.len(), 24, "what was conceded is told nothing any more");
    assert!(done.is_sorted(), "{done:?}");
}

/// A second process, as far as the database can tell.
async fn second(stage: &Stage) -> app::Engine {
    let mut config = Config::load(Some(&stage.configuration())).unwrap();
    config.worker.roles = vec![Role::Intake];
    config.reconcile.calls_per_s = 1e6;
    let opened = store::open(&config.database).await.unwrap();
    app::start(&config, opened, stage.clock.clone()).await.unwrap()
}

async fn all_steps(shop: &Shop, backlog: &Backlog) -> bool {
    let done = [
        worker::apply(shop).await.unwrap(),
        worker::wake(shop, backlog).await.unwrap(),
        worker::act(shop).await.unwrap(),
    ];
    let now = shop.clock.now();
    done.iter().any(|step| match step {
        Stepped::Did(_) => true,
        Stepped::Idle { next_at } => next_at.is_some_and(|at| at <= now),
    })
}

#[tokio::test]
async fn four_workers_of_two_processes_do_everything_once() {
    let mut stage = Stage::new().await;
    stage.settle().await;
    let other = second(&stage).await;
    let mut shops = Vec::new();
    for _ in 0..2 {
        shops.push(stage.engine.shop.clone());
        shops.push(other.shop.clone());
    }
    shops.iter_mut().for_each(|shop| shop.settings.batch = 7);
    let backlogs: Vec<_> = shops.iter().map(|_| Backlog::default()).collect();
    let made: Vec<String> =
        (0..40).map(|n| stage.create(fraud([STRIPE, RAZORPAY][n % 2], hours(96)))).collect();
    for _ in 0..2 {
        stage.control.flush().await;
        for _ in 0..1_000 {
            let steps = shops.iter().zip(&backlogs).map(|(shop, backlog)| all_steps(shop, backlog));
            if !join_all(steps).await.into_iter().any(|busy| busy) {
                break;
            }
        }
        stage.clock.advance(TimeDelta::minutes(61));
        stage.control.tick();
    }
    stage.settle().await;
    for dispute_ref in &made {
        assert_eq!(stage.decisions(dispute_ref).await.len(), 2, "planned, and acted upon");
        let actions = stage.actions(dispute_ref).await;
        let mut told: Vec<_> = actions.iter().map(|a| (a.kind.as_str(), a.state.as_str())).collect();
        told.sort_unstable();
        let keeps = stage.line(dispute_ref).await.provider == "stripe";
        let wanted = [("accept", "done"), ("keep_manual", "done")];
        assert_eq!(told, wanted[..1 + usize::from(keeps)]);
    }
    let ledger = stage.control.ledger();
    assert_eq!(ledger.len(), 40, "one request each");
    assert!(ledger.iter().all(|entry| entry.result == LedgerResult::Effective));
    stage.uphold().await;
    other.stop().await.unwrap();
}

#[tokio::test]
async fn one_delivery_that_cannot_be_stored_is_quarantined_alone_and_can_be_sent_round_again() {
    // Stand for whatever a database may one day refuse: a value that breaks a promise, and one beyond a limit.
    let promise = "alter table disputes add constraint no_4242 check (amount_minor <> 4242)";
    let limit = "create function no_4242() returns trigger language plpgsql as $$
                 begin raise exception 'too large' using errcode = '54000'; end $$;
                 create trigger no_4242 before insert on disputes for each row when (new.amount_minor = 4242)
                 execute function no_4242()";
    refuses_one(promise, "alter table disputes drop constraint no_4242").await;
    refuses_one(limit, "drop trigger no_4242 on disputes").await;
}

async fn refuses_one(refuse: &'static str, mend: &'static str) {
    let mut stage = Stage::new().await;
    sqlx::raw_sql(refuse).execute(&stage.db.pool).await.unwrap();
    let mut made = Vec::new();
    for n in 0..50 {
        let mut order = fraud(RAZORPAY, hours(96));
        order.amount = Some(if n == 20 { 4_242 } else { 1_000 });
        made.push(stage.create(order));
    }
    stage.control.flush().await;
    let webhooks = stage.control.webhooks();
    let late: Vec<_> = webhooks.iter().filter(|w| w.state != WebhookState::Delivered).collect();
    assert!(late.is_empty(), "{late:?}");
    while let Stepped::Did(_) = worker::apply(&stage.engine.shop).await.unwrap() {}
    let told = (stage.deliveries("quarantined").await, stage.deliveries("settled").await);
    assert_eq!(told, (1, 49));
    assert_eq!(stage.all().await.len(), 49);
    let (delivery_id, note): (i64, String) =
        sqlx::query_as("select delivery_id, note from deliveries where state = 'quarantined'")
            .fetch_one(&stage.db.pool)
            .await
            .unwrap();
    assert!(note.contains("cannot be stored"), "{note}");
    sqlx::query(mend).execute(&stage.db.pool).await.unwrap();
    let mut conn = stage.db.pool.acquire().await.unwrap();
    assert_eq!(deliveries::requeue(&mut conn, &[delivery_id]).await.unwrap(), [delivery_id]);
    drop(conn);
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&made[20], "accept").await, "done");
    stage.uphold().await;
}

/// Orders, wakes and webhooks about the same few disputes, from many sides.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn orders_wakes_and_webhooks_about_the_same_disputes_never_deadlock() {
    let mut stage = Stage::new().await;
    let made: Vec<String> =
        (0..12).map(|n| stage.create(dispute([STRIPE, RAZORPAY][n % 2], "general", hours(96)))).collect();
    stage.settle().await;
    let mut keys = Vec::new();
    for dispute_ref in &made {
        keys.push(stage.key(dispute_ref).await);
    }
    for _ in 0..8 {
        for dispute_ref in &made {
            let word = stage.theirs(dispute_ref).status;
            let change = respondby::sandbox::Change::Status { status: word };
            _ = stage.control.change(dispute_ref, &change);
        }
        stage.clock.advance(TimeDelta::seconds(1));
    }
    stage.control.flush().await;
    let mut shop = stage.engine.shop.clone();
    shop.settings.batch = 5;
    let shop = Arc::new(shop);
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..3u64 {
        let shop = shop.clone();
        tasks.spawn(async move {
            let backlog = Backlog::default();
            while all_steps(&shop, &backlog).await {}
            _ = worker;
        });
    }
    for person in 0..3 {
        let (shop, keys) = (shop.clone(), keys.clone());
        tasks.spawn(async move { order_about(&shop, &keys, person).await });
    }
    let merchants = [1_i64, 2];
    let (shop_too, clock) = (shop.clone(), stage.clock.clone());
    tasks.spawn(async move {
        for merchant_id in merchants.repeat(10) {
            let mut tx = shop_too.pool.begin().await.unwrap();
            turn::wake_merchant(&mut tx, merchant_id, clock.now()).await.unwrap();
            tx.commit().await.unwrap();
        }
    });
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    stage.settle().await;
    stage.uphold().await;
    assert_eq!(stage.deadlocks().await, 0);
}

async fn order_about(shop: &Shop, keys: &[CaseKey], person: usize) {
    for round in 0..8 {
        let mut items: Vec<Item> = keys
            .iter()
            .map(|key| {
                let command = Command::Hold { why: format!("round {round}") };
                let order = Input::Order(Order { by: format!("person {person}"), command });
                let input = if round % 2 == 0 { order } else { Input::Look(Cause::Wake) };
                Item { key: key.clone(), input, cause: "person".into(), delivery_id: None }
            })
            .collect();
        // Each in an order of their own.
        let places = (person * 4 + round) % items.len();
        items.rotate_left(places);
        let now = shop.clock.now();
        let mut tx = shop.pool.begin().await.unwrap();
        turn::take(&mut tx, &shop.world, items, now).await.unwrap();
        tx.commit().await.unwrap();
    }
}
