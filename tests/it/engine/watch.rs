//! The watchdog in processes that are no worker: what it raises is sent by who raised it, and once however many watch.

use chrono::{DateTime, TimeDelta, Utc};
use respondby::app::{self, Engine};
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::store;
use respondby::worker;
use serde_json::Value;
use tempfile::TempDir;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::stage::hours;
use crate::intake::surface::until;
use crate::support::{Database, world};

/// Merchant `shop` with one open dispute that wants to be looked at a day after noon, and a pager.
struct Shop {
    db: Database,
    pager: MockServer,
    dir: TempDir,
}

impl Shop {
    async fn new() -> Self {
        let db = Database::new().await;
        world::merchant(&db.pool, 1, "shop").await;
        world::dispute(&db.pool, 1, 501).await;
        let pager = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&pager).await;
        Self { db, pager, dir: tempfile::tempdir().unwrap() }
    }

    /// A process that takes webhooks in and works on none, with the time it has.
    async fn intake(&self, clock: Clock) -> Engine {
        let text = format!(
            "[database]\nurl = {:?}\n[http]\nlisten = \"127.0.0.1:0\"\n[worker]\nroles = [\"intake\"]\n\
             poll_every_ms = 50\n[[alerts.channel]]\nname = \"pager\"\nkind = \"slack\"\nurl = \"env:PAGER\"\n\
             [[alerts.route]]\nchannels = [\"pager\"]\n",
            self.db.url
        );
        let file = self.dir.path().join("respondby.toml");
        std::fs::write(&file, text).unwrap();
        let config = Config::read(Some(&file), [("PAGER".to_owned(), self.pager.uri())]).unwrap();
        let opened = store::open(&config.database).await.unwrap();
        app::start(&config, opened, clock).await.unwrap()
    }

    async fn pages(&self) -> Vec<String> {
        let told = self.pager.received_requests().await.unwrap();
        let text = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["text"].to_string();
        told.iter().map(|request| text(&request.body)).collect()
    }

    /// `state sends` of each alert of the watchdog.
    async fn late(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select state || ' ' || sends from alerts where kind = 'scheduler_late' order by alert_id",
        )
        .fetch_all(&self.db.pool)
        .await
        .unwrap()
    }
}

fn due() -> DateTime<Utc> {
    world::noon() + hours(24)
}

#[tokio::test]
async fn workers_that_are_gone_are_told_of_by_a_process_that_is_none() {
    let shop = Shop::new().await;
    let engine = shop.intake(Clock::moved_to(due() + hours(60))).await;
    until(async || !shop.pages().await.is_empty()).await;
    let told = shop.pages().await;
    assert!(told[0].contains("1 open cycles were not looked at in time"), "{told:?}");
    until(async || shop.late().await == ["sent 1"]).await;
    engine.stop().await.unwrap();
    assert_eq!(shop.pages().await.len(), 1);
}

#[tokio::test]
async fn many_that_watch_page_once_an_hour_and_none_before_it_is_late() {
    let shop = Shop::new().await;
    let clock = Clock::frozen_at(due() + TimeDelta::minutes(4));
    let (one, other) = (shop.intake(clock.clone()).await, shop.intake(clock.clone()).await);
    let both = async || {
        for engine in [&one, &other] {
            worker::watch(&engine.shop).await.unwrap();
        }
        let (a, b) = tokio::join!(one.notifier.step(), other.notifier.step());
        (a.unwrap(), b.unwrap())
    };
    both().await;
    assert_eq!(shop.late().await, Vec::<String>::new(), "four minutes are no reason to wake anybody");
    clock.advance(TimeDelta::minutes(2));
    for _ in 0..3 {
        both().await;
    }
    assert_eq!((shop.pages().await.len(), shop.late().await), (1, vec!["sent 1".to_owned()]));
}
