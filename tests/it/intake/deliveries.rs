//! Keeping deliveries: once each, whatever comes twice, whatever month it is, whoever else is writing.

use chrono::{DateTime, TimeDelta, Utc};
use respondby::dispute::Source;
use respondby::store::deliveries::{
    Arrival, DeliveryFilter, DeliveryState, Keeping, Read, keep, keep_reads, list, maintain_months, requeue,
    show,
};
use respondby::store::ids::Ids;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::{arrival, arrival_with, at, body};
use crate::support::Database;

async fn kept(pool: &PgPool, batch: &[Arrival]) -> Vec<Keeping> {
    let mut conn = pool.acquire().await.unwrap();
    keep(&mut conn, &Ids::new(), batch).await.unwrap()
}

async fn count(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from deliveries").fetch_one(pool).await.unwrap()
}

fn news(outcomes: &[Keeping]) -> Vec<bool> {
    outcomes.iter().map(|o| matches!(o, Keeping::New { .. })).collect()
}

#[tokio::test]
async fn what_comes_twice_is_kept_once_in_one_batch_and_across_batches() {
    let db = Database::new().await;
    let now = at("2026-11-20T10:00:00Z");
    let batch = ["evt_b", "evt_a", "evt_b", "evt_c", "evt_a"].map(|event| arrival(event, now));
    assert_eq!(news(&kept(&db.pool, &batch).await), [true, true, false, true, false]);
    let again = ["evt_a", "evt_d"].map(|event| arrival(event, now + TimeDelta::hours(9)));
    assert_eq!(news(&kept(&db.pool, &again).await), [false, true]);
    assert_eq!(count(&db.pool).await, 4);
}

#[tokio::test]
async fn a_redelivery_across_the_edge_of_the_month_is_a_duplicate() {
    let db = Database::new().await;
    let before = at("2026-12-31T23:59:59Z");
    let after = at("2027-01-01T00:00:01Z");
    assert_eq!(news(&kept(&db.pool, &[arrival("evt_1", before)]).await), [true]);
    // A batch that straddles the edge itself: the early rows count for the late ones.
    let batch = [arrival("evt_2", after), arrival("evt_1", after), arrival("evt_2", before)];
    assert_eq!(news(&kept(&db.pool, &batch).await), [false, false, true]);
    assert_eq!(count(&db.pool).await, 2);
}

#[tokio::test]
async fn one_row_that_cannot_be_stored_fails_alone() {
    let db = Database::new().await;
    sqlx::query("alter table deliveries add constraint poison check (dedupe_key <> 'evt_17')")
        .execute(&db.pool)
        .await
        .unwrap();
    let now = at("2026-11-20T10:00:00Z");
    let batch: Vec<Arrival> = (0..50).map(|n| arrival(&format!("evt_{n}"), now)).collect();
    let outcomes = kept(&db.pool, &batch).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Keeping::New { .. } => assert_ne!(n, 17),
            Keeping::Unkeepable { why } => assert!(n == 17 && why.contains("poison"), "{n}: {why}"),
            Keeping::Duplicate => panic!("{n} is no duplicate"),
        }
    }
    assert_eq!(count(&db.pool).await, 49);
}

#[tokio::test]
async fn a_clock_years_ahead_finds_its_month() {
    let db = Database::new().await;
    for now in ["2026-11-20T10:00:00Z", "2031-02-28T23:00:00Z", "2029-01-01T00:00:00Z"] {
        assert_eq!(news(&kept(&db.pool, &[arrival(&format!("evt_{now}"), at(now))]).await), [true]);
    }
    assert_eq!(count(&db.pool).await, 3);
}

#[tokio::test]
async fn months_are_made_ahead_side_by_side_and_nobody_who_reads_is_waited_for() {
    let db = Database::new().await;
    let mut reader = db.pool.begin().await.unwrap();
    sqlx::query("select from deliveries").execute(&mut *reader).await.unwrap();
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let pool = db.pool.clone();
            tokio::spawn(async move {
                let mut conn = pool.acquire().await.unwrap();
                sqlx::query("set lock_timeout = '10s'").execute(&mut *conn).await.unwrap();
                maintain_months(&mut conn, at("2026-12-31T23:59:59Z")).await.unwrap();
            })
        })
        .collect();
    for maker in makers {
        maker.await.unwrap();
    }
    reader.rollback().await.unwrap();
    let partitions: Vec<String> = sqlx::query_scalar(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'deliveries'::regclass order by 1",
    )
    .fetch_all(&db.pool)
    .await
    .unwrap();
    assert_eq!(partitions, ["deliveries_2026_12", "deliveries_2027_01", "deliveries_2027_02"]);
}

#[tokio::test]
async fn writers_with_the_same_keys_in_any_order_keep_each_once_and_never_deadlock() {
    let db = Database::new().await;
    let now = at("2026-11-20T10:00:00Z");
    maintain_months(&mut db.pool.acquire().await.unwrap(), now).await.unwrap();
    let forth: Vec<Arrival> = (0..200).map(|n| arrival(&format!("evt_{n}"), now)).collect();
    let back: Vec<Arrival> = forth.iter().rev().cloned().collect();
    let writers: Vec<_> = [forth.clone(), back.clone(), forth, back]
        .into_iter()
        .map(|batch| {
            let pool = db.pool.clone();
            tokio::spawn(async move {
                let mut conn = pool.acquire().await.unwrap();
                keep(&mut conn, &Ids::new(), &batch).await.unwrap()
            })
        })
        .collect();
    let mut new = 0;
    for writer in writers {
        new += news(&writer.await.unwrap()).into_iter().filter(|new| *new).count();
    }
    assert_eq!((new, count(&db.pool).await), (200, 200));
}

#[tokio::test]
async fn bytes_are_kept_as_they_came_and_credentials_are_not() {
    let db = Database::new().await;
    // A signed body may hold a NUL as JSON writes it, in its id too, and a time out of any calendar.
    let odd =
        r#"{"id":"evt_\u0000odd","object":"event","type":"x","created":-9000000000000,"data":{"object":{}}}"#;
    let headers = [("authorization", "Bearer abc"), ("user-agent", "Stripe/1.0"), ("cookie", "a=b")];
    let outcomes = kept(&db.pool, &[arrival_with(&headers, odd, at("2026-11-20T10:00:00Z"))]).await;
    assert_eq!(news(&outcomes), [true]);
    let (stored, text): (Vec<u8>, String) =
        sqlx::query_as("select body, headers from deliveries").fetch_one(&db.pool).await.unwrap();
    assert_eq!(stored, odd.as_bytes());
    assert!(text.contains(r#"["user-agent","Stripe/1.0"]"#), "{text}");
    assert!(!text.contains("abc") && !text.contains("a=b"), "{text}");
}

fn read<'a>(source: Source, as_of: DateTime<Utc>, record: &'a str) -> Read<'a> {
    Read {
        merchant_id: 1,
        account_id: 2,
        dispute_id: Some(7),
        source,
        received_at: at("2027-03-01T00:00:05Z"),
        as_of,
        body: record.as_bytes(),
        outcome: "unrecognised",
        note: None,
    }
}

#[tokio::test]
async fn what_a_read_changed_is_kept_each_time_also_when_one_instant_says_now_this_and_now_that() {
    let db = Database::new().await;
    let ids = Ids::new();
    let then = at("2027-03-01T00:00:00Z");
    let changed = |record| Read { outcome: "applied", ..read(Source::Poll, then, record) };
    let mut conn = db.pool.acquire().await.unwrap();
    for record in ["{\"staged\":true}", "{\"staged\":false}", "{\"staged\":true}"] {
        assert!(keep_reads(&mut conn, &ids, &[changed(record)]).await.unwrap()[0].is_some(), "{record}");
    }
    let told: Vec<Vec<u8>> = sqlx::query_scalar("select body from deliveries order by delivery_id")
        .fetch_all(&db.pool)
        .await
        .unwrap();
    assert_eq!(told.last().map(Vec::as_slice), Some(&b"{\"staged\":true}"[..]), "the last word is the last");
    assert_eq!(told.len(), 3);
}

#[tokio::test]
async fn records_that_were_read_are_kept_settled_and_once_in_the_callers_transaction() {
    let db = Database::new().await;
    let ids = Ids::new();
    let then = at("2027-03-01T00:00:00Z");
    let batch = [
        read(Source::Poll, then, "{\"n\":1}"),
        read(Source::Poll, then, "{\"n\":1}"),
        read(Source::Poll, then + TimeDelta::seconds(1), "{\"n\":1}"),
        read(Source::ReadBack, then, "{\"n\":1}"),
    ];
    let mut tx = db.pool.begin().await.unwrap();
    keep_reads(&mut tx, &ids, &batch).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = db.pool.begin().await.unwrap();
    let first = keep_reads(&mut tx, &ids, &batch).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(first.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true]);
    let mut conn = db.pool.acquire().await.unwrap();
    assert_eq!(keep_reads(&mut conn, &ids, &batch).await.unwrap(), [None; 4]);
    let states: Vec<String> =
        sqlx::query_scalar("select distinct state from deliveries").fetch_all(&db.pool).await.unwrap();
    assert_eq!((states, count(&db.pool).await), (vec!["settled".to_owned()], 3));
}

/// The account that [`super::account`] describes, for lists that name it.
async fn a_merchant(pool: &PgPool) {
    for statement in [
        "insert into merchants values (1, 'acme', null, null, null, '2026-01-01T00:00Z')",
        "insert into accounts values (1, 2, 'stripe', 'acme-stripe', null, 300, '{}', '', '2026-01-01T00:00Z')",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
}

/// What the turn does, for these tests.
async fn settle(conn: &mut PgConnection, event: &str, state: &str) {
    let sql = format!(
        "update deliveries set state = '{state}', settled_at = received_at, outcome = 'unrecognised', \
         note = 'what is this' where dedupe_key = '{event}'"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(conn).await.unwrap();
}

#[tokio::test]
async fn people_list_show_and_send_deliveries_round_again() {
    let db = Database::new().await;
    a_merchant(&db.pool).await;
    let now = at("2026-11-20T10:00:00Z");
    let later = |event: &str, minutes| arrival(event, now + TimeDelta::minutes(minutes));
    let batch = [later("evt_1", 1), later("evt_2", 2), later("evt_3", 3), later("evt_4", 4)];
    let outcomes = kept(&db.pool, &batch).await;
    let id = |n: usize| match outcomes[n] {
        Keeping::New { delivery_id } => delivery_id,
        Keeping::Duplicate | Keeping::Unkeepable { .. } => panic!("{n} is new"),
    };
    let mut conn = db.pool.acquire().await.unwrap();
    settle(&mut conn, "evt_1", "quarantined").await;
    settle(&mut conn, "evt_3", "quarantined").await;
    settle(&mut conn, "evt_4", "settled").await;

    let any = DeliveryFilter { state: None, provider: None, account: None, limit: 3 };
    let keys = |rows: Vec<respondby::store::deliveries::DeliveryRow>| -> Vec<String> {
        rows.into_iter().map(|r| r.dedupe_key).collect()
    };
    assert_eq!(keys(list(&mut conn, &any).await.unwrap()), ["evt_4", "evt_3", "evt_2"]);
    let quarantined = DeliveryFilter { state: Some(DeliveryState::Quarantined), ..any.clone() };
    assert_eq!(keys(list(&mut conn, &quarantined).await.unwrap()), ["evt_3", "evt_1"]);
    let elsewhere = DeliveryFilter { provider: Some("razorpay".to_owned()), ..any.clone() };
    assert_eq!(list(&mut conn, &elsewhere).await.unwrap(), []);
    let other = DeliveryFilter { account: Some("nobody".to_owned()), ..any };
    assert_eq!(list(&mut conn, &other).await.unwrap(), []);

    let shown = show(&mut conn, id(0)).await.unwrap().expect("it was kept");
    assert_eq!((shown.body, shown.row.merchant.as_str()), (body("evt_1").into_bytes(), "acme"));
    assert_eq!(shown.row.note.as_deref(), Some("what is this"));
    assert_eq!(show(&mut conn, 999_999).await.unwrap(), None);

    // One that waits already and one that is not there are left out.
    let mut expected = vec![id(0), id(3)];
    expected.sort_unstable();
    assert_eq!(requeue(&mut conn, &[id(0), id(1), id(3), 999_999]).await.unwrap(), expected);
    let shown = show(&mut conn, id(0)).await.unwrap().expect("it was kept").row;
    assert_eq!((shown.state.as_str(), shown.settled_at, shown.outcome), ("kept", None, None));
}
