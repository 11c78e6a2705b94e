//! P1 under attack: the database breaks off, hangs, goes and comes back, and nothing that was answered with
//! 200 is lost, nothing is kept twice, and nobody waits long for bad news.

use std::time::Duration;

use sqlx::{PgConnection, Postgres, Transaction};
use tokio::time::timeout;

use super::proxy::Proxy;
use super::surface::{Client, Surface, until};
use crate::support::Database;

/// Nobody waits this long for anything here.
const SOON: Duration = Duration::from_secs(10);

impl Surface {
    /// Whoever writes deliveries waits until this is rolled back.
    async fn paused(&self) -> Transaction<'static, Postgres> {
        let mut tx = self.db.pool.begin().await.unwrap();
        sqlx::query("lock table deliveries in exclusive mode").execute(&mut *tx).await.unwrap();
        tx
    }

    /// Returns once so many writers wait for the lock.
    async fn writers_wait(&self, count: i64) {
        let mut conn = self.db.pool.acquire().await.unwrap();
        until(async || waiting_writers(&mut conn).await == count).await;
    }

    async fn poison(&self, event: &str) {
        let sql = format!("alter table deliveries add constraint poison check (dedupe_key <> '{event}')");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.db.pool).await.unwrap();
    }
}

async fn waiting_writers(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and application_name = 'respondby-intake'
             and wait_event_type = 'Lock'",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_connection_killed_in_the_middle_of_a_batch_costs_nothing() {
    let s = Surface::start_with(|odd| odd.config.intake.writers = 2).await;
    let pause = s.paused().await;
    let mut sent: Vec<_> = (0..20).map(|n| s.sending(s.webhook(&format!("evt_{n}")))).collect();
    s.writers_wait(1).await;
    sent.extend((20..40).map(|n| s.sending(s.webhook(&format!("evt_{n}")))));
    s.writers_wait(2).await;
    let killed: i64 = sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and application_name = 'respondby-intake'",
    )
    .fetch_one(&s.db.pool)
    .await
    .unwrap();
    assert_eq!(killed, 2);
    pause.rollback().await.unwrap();
    for answer in sent {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(s.kept().await, 40);
}

#[tokio::test]
async fn a_poisoned_row_in_a_batch_is_answered_with_500_and_the_others_with_200() {
    let s = Surface::start_with(|odd| odd.config.intake.writers = 1).await;
    s.poison("evt_17").await;
    let pause = s.paused().await;
    let first = s.sending(s.webhook("evt_first"));
    s.writers_wait(1).await;
    let sent: Vec<_> = (0..50).map(|n| s.sending(s.webhook(&format!("evt_{n}")))).collect();
    until(async || s.intake.waiting() == 50).await;
    pause.rollback().await.unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    for (n, answer) in sent.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().status, if n == 17 { 500 } else { 200 }, "evt_{n}");
    }
    assert_eq!(s.kept().await, 50);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_nothing_with_it() {
    let s = Surface::start_with(|odd| odd.config.intake.writers = 1).await;
    let pause = s.paused().await;
    let first = s.sending(s.webhook("evt_first"));
    s.writers_wait(1).await;
    let mut leaving = Client::connect(s.addr).await;
    tokio::io::AsyncWriteExt::write_all(&mut leaving.0, &s.webhook("evt_leaving")).await.unwrap();
    let staying = s.sending(s.webhook("evt_staying"));
    until(async || s.intake.waiting() == 2).await;
    drop(leaving);
    // One that breaks off in its body leaves no trace at all.
    let half = s.webhook("evt_half");
    let mut breaking = Client::connect(s.addr).await;
    tokio::io::AsyncWriteExt::write_all(&mut breaking.0, &half[..half.len() - 9]).await.unwrap();
    drop(breaking);
    pause.rollback().await.unwrap();
    assert_eq!((first.await.unwrap().status, staying.await.unwrap().status), (200, 200));
    let kept: Vec<String> = sqlx::query_scalar("select dedupe_key from deliveries order by 1")
        .fetch_all(&s.db.pool)
        .await
        .unwrap();
    assert_eq!(kept, ["evt_first", "evt_leaving", "evt_staying"]);
}

#[tokio::test]
async fn a_full_queue_is_answered_at_once_and_what_was_in_it_is_kept() {
    let s = Surface::start_with(|odd| {
        odd.config.intake.writers = 1;
        odd.config.intake.queue_max = 2;
    })
    .await;
    let pause = s.paused().await;
    let mut sent = vec![s.sending(s.webhook("evt_0"))];
    s.writers_wait(1).await;
    sent.extend([1, 2].map(|n| s.sending(s.webhook(&format!("evt_{n}")))));
    until(async || s.intake.waiting() == 2).await;
    let turned_away = timeout(SOON, s.send(&s.webhook("evt_3"))).await.unwrap();
    assert_eq!((turned_away.status, turned_away.header("retry-after")), (503, Some("5")));
    pause.rollback().await.unwrap();
    for answer in sent {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(s.kept().await, 3);
}

#[tokio::test]
async fn a_database_that_goes_and_comes_back_loses_nothing_that_was_acknowledged() {
    let db = Database::new().await;
    let mut proxy = Proxy::before(&db.pool);
    let through = proxy.options(&db.pool);
    let s = Surface::start_on(db, |odd| odd.connect = Some(through)).await;
    assert_eq!(s.send(&s.webhook("evt_before")).await.status, 200);

    proxy.cut().await;
    // The writers find out one by one; nobody is told 200 meanwhile, and nobody waits.
    for n in 0..8 {
        let answer = timeout(SOON, s.send(&s.webhook(&format!("evt_away_{n}")))).await.unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "request {n}");
        assert_eq!(answer.body, "{\"status\":503,\"title\":\"Service Unavailable\"}\n");
    }
    s.intake.connected().wait_for(|n| *n == 0).await.unwrap();
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(s.send(&s.webhook("evt_away_0")).await.status, 503);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "each is turned away without asking the database");

    proxy.mend();
    timeout(SOON, s.intake.connected().wait_for(|n| *n > 0)).await.expect("found again").unwrap();
    for event in ["evt_before", "evt_away_0", "evt_after"] {
        assert_eq!(s.send(&s.webhook(event)).await.status, 200, "{event}");
    }
    let kept: Vec<String> = sqlx::query_scalar("select dedupe_key from deliveries order by 1")
        .fetch_all(&s.db.pool)
        .await
        .unwrap();
    assert_eq!(kept, ["evt_after", "evt_away_0", "evt_before"]);
}

#[tokio::test]
async fn a_database_cut_off_in_the_middle_of_a_batch_is_bad_news_soon() {
    let db = Database::new().await;
    let mut proxy = Proxy::before(&db.pool);
    let through = proxy.options(&db.pool);
    let s = Surface::start_on(db, |odd| {
        odd.connect = Some(through);
        odd.config.intake.writers = 1;
    })
    .await;
    let pause = s.paused().await;
    let in_hand = s.sending(s.webhook("evt_in_hand"));
    s.writers_wait(1).await;
    let queued = s.sending(s.webhook("evt_queued"));
    until(async || s.intake.waiting() == 1).await;
    proxy.cut().await;
    assert_eq!(timeout(SOON, in_hand).await.unwrap().unwrap().status, 503);
    assert_eq!(timeout(SOON, queued).await.unwrap().unwrap().status, 503);
    pause.rollback().await.unwrap();
}

#[tokio::test]
async fn every_commit_is_announced() {
    let s = Surface::start().await;
    let announced = s.arrived.notified();
    assert_eq!(s.send(&s.webhook("evt_1")).await.status, 200);
    timeout(SOON, announced).await.expect("whoever applies deliveries is told");
}

#[tokio::test]
async fn a_month_that_begins_while_it_runs_is_prepared_for() {
    let s = Surface::start_with(|odd| odd.config.intake.writers = 1).await;
    s.clock.advance(chrono::TimeDelta::days(400));
    assert_eq!(s.send(&s.webhook("evt_next_year")).await.status, 200);
    let last: String = sqlx::query_scalar(
        "select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'deliveries'::regclass",
    )
    .fetch_one(&s.db.pool)
    .await
    .unwrap();
    assert_eq!(last, "deliveries_2028_02", "two months ahead of December 2027");
}

#[tokio::test]
async fn the_month_before_is_looked_at_by_index_however_much_there_is() {
    let s = Surface::start_with(|odd| odd.config.intake.writers = 1).await;
    let mut conn = s.db.pool.acquire().await.unwrap();
    let october = super::at("2026-10-31T23:00:00Z");
    respondby::store::deliveries::maintain_months(&mut conn, october).await.unwrap();
    sqlx::query(
        "insert into deliveries select merchant_id, account_id, n, '2026-10-01', $1, 'webhook', 'evt_' || n, null,
             '[]', '', 'kept'
         from accounts, generate_series(1, 5000) n",
    )
    .bind(october)
    .execute(&mut *conn)
    .await
    .unwrap();
    for event in ["evt_77", "evt_new"] {
        assert_eq!(s.send(&s.webhook(event)).await.status, 200, "{event}");
    }
    let kept: i64 =
        sqlx::query_scalar("select count(*) from deliveries").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(kept, 5001, "one of them was there a month before");
    // The writer's counters reach the server's with the end of its connection.
    s.stop.cancel();
    s.serving.await.unwrap();
    s.writers.drain().await;
    let scans = async |column: &str| -> i64 {
        let sql = format!("select {column} from pg_stat_user_tables where relname = 'deliveries_2026_10'");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&s.db.pool).await.unwrap()
    };
    until(async || scans("idx_scan").await >= 2).await;
    assert_eq!(scans("seq_scan").await, 0);
}

#[tokio::test]
async fn waiting_for_the_database_ends_when_it_is_there_and_also_when_it_is_not() {
    let s = Surface::start().await;
    timeout(SOON, s.intake.wait_connected(Duration::from_secs(3600))).await.expect("it is there");
    s.writers.drain().await;
    timeout(SOON, s.intake.wait_connected(Duration::from_millis(1))).await.expect("it is not");
    assert_eq!(s.intake.writers_connected(), 0);
}
