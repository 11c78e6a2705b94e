//! The harness itself: databases are cheap, apart from each other, migrated, and gone afterwards.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::Database;

#[tokio::test]
async fn twenty_databases_in_well_under_two_seconds_each_on_its_own() {
    // The first one may have to start the cluster and make the template.
    let first = Database::new().await;
    sqlx::query("create table only_here (n int)").execute(&first.pool).await.unwrap();
    let begun_at = Instant::now();
    let databases = join_all((0..20).map(|_| Database::new())).await;
    let took = begun_at.elapsed();
    for database in &databases {
        let there: bool = sqlx::query_scalar("select to_regclass('only_here') is not null")
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert!(!there, "{} sees a table of another test", database.name);
    }
    // 0.15 s on two quiet cores; room for a machine that is busy with other things.
    assert!(took < Duration::from_secs(20), "twenty databases took {took:?}");
}

#[tokio::test]
async fn a_database_is_migrated_to_the_newest_version() {
    let database = Database::new().await;
    assert_eq!(respondby::store::pending_migrations(&database.pool).await.unwrap(), Vec::<i64>::new());
}

#[tokio::test]
async fn a_database_is_dropped_when_its_test_is_over() {
    let database = Database::new().await;
    let name = database.name.clone();
    let other = Database::new().await;
    database.close().await;
    let left: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&other.pool)
        .await
        .unwrap();
    assert!(!left, "{name} is still there");
}

#[tokio::test]
async fn the_url_leads_to_the_same_database() {
    use sqlx::Connection;
    let database = Database::new().await;
    sqlx::query("create table marked (n int)").execute(&database.pool).await.unwrap();
    let mut conn = sqlx::PgConnection::connect(&database.url).await.unwrap();
    sqlx::query("insert into marked values (1)").execute(&mut conn).await.unwrap();
}
