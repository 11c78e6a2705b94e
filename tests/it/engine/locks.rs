//! A database whose table of locks is too small for a whole batch: the batch is taken in smaller parts, and nobody
//! hears of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::TimeDelta;
use respondby::app::{self, Engine};
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::store;
use respondby::store::embedded::{self, EmbeddedConfig, Running};
use respondby::worker::{self, Backlog, Stepped};
use sqlx::postgres::PgPool;

use super::stage::{RULES, hours, start_of_time};

/// Far more than the table of locks below has room for.
const BATCH: i64 = 3_000;

async fn small_server(dir: &Path) -> Running {
    let settings = [("fsync", "off"), ("max_connections", "12"), ("max_locks_per_transaction", "10")];
    embedded::start(EmbeddedConfig {
        data_dir: Some(dir.join("server")),
        pg_bin_dir: None,
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    })
    .await
    .unwrap()
}

async fn engine(dir: &Path, url: &str, clock: &Clock) -> Engine {
    for (name, text) in
        [("key", "7b".repeat(32).as_str()), ("secret", "whsec_of_a_test"), ("rules.toml", RULES)]
    {
        fs::write(dir.join(name), text).unwrap();
    }
    let text = format!(
        r#"
[database]
url = "{url}"
connections_max = 4
[http]
listen = "127.0.0.1:0"
[worker]
roles = ["intake"]
batch = {BATCH}
[secrets]
key = "file:key"
[[merchant]]
name = "acme"
rules = "rules.toml"
[[account]]
merchant = "acme"
provider = "stripe"
name = "acme"
webhook_secrets = ["file:secret"]
credentials = {{ api_key = "file:secret" }}
"#
    );
    fs::write(dir.join("respondby.toml"), text).unwrap();
    let config = Config::load(Some(&dir.join("respondby.toml"))).unwrap();
    let opened = store::open(&config.database).await.unwrap();
    app::start(&config, opened, clock.clone()).await.unwrap()
}

/// A webhook for each of [`BATCH`] disputes, kept and not yet read.
async fn keep(pool: &PgPool, word: &str, clock: &Clock) {
    let body = format!(
        r#"{{"id":"evt_{word}_NTH","object":"event","type":"charge.dispute.{word}","created":NOW,"livemode":true,
        "data":{{"object":{{"id":"du_NTH","object":"dispute","amount":1900,"currency":"usd","charge":"ch_NTH",
        "created":NOW,"reason":"fraudulent","status":"needs_response","livemode":true,
        "evidence_details":{{"due_by":DUE,"has_evidence":false,"past_due":false,"submission_count":0}}}}}}}}"#
    )
    .replace("NOW", &clock.now().timestamp().to_string())
    .replace("DUE", &(start_of_time() + hours(240)).timestamp().to_string());
    sqlx::query(
        "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key, headers,
             body, state)
         select a.merchant_id, a.account_id, nextval('ids') * 1000 + n, $1, $2, 'webhook', $3 || n, '[]',
             convert_to(replace($4, 'NTH', n::text), 'utf8'), 'kept'
         from accounts a, generate_series(1, $5) n",
    )
    .bind(store::deliveries::month_of(clock.now()))
    .bind(clock.now())
    .bind(word)
    .bind(body)
    .bind(BATCH)
    .execute(pool)
    .await
    .unwrap();
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_batch_that_the_table_of_locks_has_no_room_for_is_taken_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = small_server(dir.path()).await;
    let clock = Clock::frozen_at(start_of_time());
    let engine = engine(dir.path(), &server.url(), &clock).await;
    let shop = &engine.shop;
    let full = sqlx::query("select pg_advisory_xact_lock(n) from generate_series(1, $1::bigint) n");
    let full = full.bind(BATCH).execute(&shop.pool).await.unwrap_err();
    assert_eq!(full.as_database_error().unwrap().code().as_deref(), Some("53200"), "{full}");

    // New disputes lock nothing; the second news of each locks it.
    for word in ["created", "updated"] {
        keep(&shop.pool, word, &clock).await;
        let mut rounds = 0;
        while let Stepped::Did(_) = worker::apply(shop).await.unwrap() {
            rounds += 1;
        }
        assert_eq!(rounds > 1, word == "updated", "{word}: {rounds} rounds");
        clock.advance(TimeDelta::seconds(1));
    }
    assert_eq!(count(&shop.pool, "select count(*) from deliveries where state = 'settled'").await, 2 * BATCH);

    clock.advance(hours(1));
    let backlog = Backlog::default();
    while let Stepped::Did(_) = worker::wake(shop, &backlog).await.unwrap() {}
    assert_eq!(count(&shop.pool, "select count(*) from actions where kind = 'accept'").await, BATCH);
    let told: Vec<(String, String)> =
        sqlx::query_as("select title, detail::text from alerts").fetch_all(&shop.pool).await.unwrap();
    assert!(told.is_empty(), "{told:?}");
    engine.stop().await.unwrap();
    server.stop().await.unwrap();
}
