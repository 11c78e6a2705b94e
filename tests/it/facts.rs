//! Facts: what is set is found by any of a dispute's ids, and nobody's words are lost when several set them
//! at once.

use chrono::TimeDelta;
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::providers::{Account, Credentials, ProviderName};
use respondby::store::facts::{self, Mode, NewFacts, Set};
use respondby::worker::facts::{FactsAsker, PullOutcome};
use serde_json::{Value, json};
use wiremock::matchers::{path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Database, world};

async fn set(db: &Database, merchant_id: i64, subject: &str, facts: Value, mode: Mode) -> Set {
    let new = NewFacts::new(merchant_id, subject, facts).unwrap();
    let mut tx = db.pool.begin().await.unwrap();
    let set = facts::set(&mut tx, &new, mode, "a-test", world::noon()).await.unwrap();
    tx.commit().await.unwrap();
    set
}

#[tokio::test]
async fn setting_merges_or_replaces_and_counts_versions_of_what_changed() {
    let db = Database::new().await;
    world::merchant(&db.pool, 1, "shop").await;
    let first = set(&db, 1, "pi_9", json!({"a": 1, "b": {"x": 1}}), Mode::Merge).await;
    assert_eq!(first, Set::Changed { version: 1 });
    let second = set(&db, 1, "pi_9", json!({"b": null, "c": "z"}), Mode::Merge).await;
    assert_eq!(second, Set::Changed { version: 2 });
    assert_eq!(set(&db, 1, "pi_9", json!({"c": "z"}), Mode::Merge).await, Set::Unchanged { version: 2 });
    let mut conn = db.pool.acquire().await.unwrap();
    let known = facts::get(&mut conn, 1, "pi_9").await.unwrap().unwrap();
    assert_eq!((known.facts, known.version), (json!({"a": 1, "c": "z"}), 2));
    assert_eq!(set(&db, 1, "pi_9", json!({"d": 1}), Mode::Replace).await, Set::Changed { version: 3 });
    assert_eq!(facts::get(&mut conn, 1, "pi_9").await.unwrap().unwrap().facts, json!({"d": 1}));
    assert_eq!(set(&db, 1, "pi_10", json!({}), Mode::Merge).await, Set::Changed { version: 1 });
}

#[tokio::test]
async fn many_disputes_get_theirs_in_one_query_and_never_another_merchants() {
    let db = Database::new().await;
    world::merchant(&db.pool, 1, "shop").await;
    world::merchant(&db.pool, 2, "other").await;
    set(&db, 1, "pi_1", json!({"delivered": true, "carrier": "post"}), Mode::Merge).await;
    set(&db, 1, "dp_1", json!({"carrier": "courier"}), Mode::Merge).await;
    set(&db, 2, "pi_2", json!({"secret": 1}), Mode::Merge).await;
    let mut conn = db.pool.acquire().await.unwrap();
    let asked = [
        (1, vec!["pi_1", "ch_1", "dp_1"]),
        (1, vec!["pi_2", "dp_2"]),
        (2, vec!["pi_1", "pi_2"]),
        (1, vec![]),
        (1, vec!["pi_1"]),
    ];
    let found = facts::for_disputes(&mut conn, &asked).await.unwrap();
    let wanted = [
        json!({"delivered": true, "carrier": "courier"}),
        json!({}),
        json!({"secret": 1}),
        json!({}),
        json!({"delivered": true, "carrier": "post"}),
    ];
    assert_eq!(found, wanted);
    assert_eq!(facts::for_disputes(&mut conn, &[]).await.unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn two_who_set_facts_at_once_both_keep_their_word() {
    let db = Database::new().await;
    world::merchant(&db.pool, 1, "shop").await;
    let each = (0..8).map(|i| set(&db, 1, "pi_1", json!({ format!("key_{i}"): i }), Mode::Merge));
    let sets = futures_util::future::join_all(each).await;
    let mut versions: Vec<i32> = sets
        .into_iter()
        .map(|set| match set {
            Set::Changed { version } => version,
            Set::Unchanged { .. } => panic!("each of them changed something"),
        })
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=8).collect::<Vec<_>>());
    let mut conn = db.pool.acquire().await.unwrap();
    let known = facts::get(&mut conn, 1, "pi_1").await.unwrap().unwrap();
    assert_eq!(known.facts.as_object().unwrap().len(), 8);
}

#[tokio::test]
async fn new_facts_wake_the_open_cycles_they_are_about_and_no_other() {
    let db = Database::new().await;
    world::merchant(&db.pool, 1, "shop").await;
    for dispute_id in [501, 502, 503] {
        world::dispute(&db.pool, 1, dispute_id).await;
    }
    world::answer(&db.pool, 503, world::noon()).await;
    let mut conn = db.pool.acquire().await.unwrap();
    let now = world::noon() + TimeDelta::minutes(1);
    for (subject, woken) in [("ch_501", 1), ("pi_502", 1), ("dp_503", 0), ("pi_999", 0)] {
        assert_eq!(facts::wake_cycles(&mut conn, 1, subject, now).await.unwrap(), woken, "{subject}");
    }
    assert_eq!(facts::wake_cycles(&mut conn, 2, "pi_501", now).await.unwrap(), 0);
    let later = now + TimeDelta::minutes(5);
    facts::wake_cycles(&mut conn, 1, "pi_501", later).await.unwrap();
    let wakes: Vec<Option<chrono::DateTime<chrono::Utc>>> =
        sqlx::query_scalar("select wake_at from cycles order by dispute_id")
            .fetch_all(&db.pool)
            .await
            .unwrap();
    // One that is due already moves by the smallest step, so that a turn that has it in hand sees it was woken.
    let again = now - TimeDelta::microseconds(1);
    assert_eq!(wakes, [Some(again), Some(now), None], "a wake is only ever brought forward");
}

fn asker(text: &str, secret: &str) -> anyhow::Result<FactsAsker> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("respondby.toml");
    std::fs::write(&file, text).unwrap();
    let config = Config::read(Some(&file), [("KEY".to_owned(), secret.to_owned())])?;
    FactsAsker::new(&config, Clock::frozen_at(world::noon()))
}

fn account() -> Account {
    Account {
        merchant_id: 1,
        account_id: 10,
        merchant: "shop".into(),
        name: "shop-eu".into(),
        provider: ProviderName::Stripe,
        webhook_secrets: Vec::new(),
        credentials: Credentials::default(),
        base_url: None,
        tolerance_s: 300,
    }
}

const SECRET: &str = "whsec_AwQFBgcICQoLDA0ODxABAgMEBQYHCAkKCwwNDg8QAQI=";

#[tokio::test]
async fn what_the_merchants_system_answers_is_kept_beside_what_was_set_by_hand() {
    let db = Database::new().await;
    world::merchant(&db.pool, 1, "shop").await;
    world::dispute(&db.pool, 1, 501).await;
    set(&db, 1, "pi_501", json!({"carrier": "post", "note": "by hand"}), Mode::Merge).await;
    let server = MockServer::start().await;
    let answers = ResponseTemplate::new(200).set_body_json(json!({"carrier": "courier", "items": 3}));
    Mock::given(path("/own"))
        .and(query_param("payment", "pi_501"))
        .and(query_param("charge", "ch_501"))
        .and(query_param("dispute", "dp_501"))
        .and(query_param("account", "shop-eu"))
        .respond_with(answers)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(path("/own")).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    let own = format!(
        "[facts]\nurl = '{0}/common'\nsecret = 'env:KEY'\n[[merchant]]\nname = 'shop'\nfacts_url = '{0}/own'\n\
         facts_secret = 'env:KEY'\n",
        server.uri()
    );
    let asker = asker(&own, SECRET).unwrap();
    let (outcome, logs) = asker.pull_and_keep(&db.pool, &account(), 501).await.unwrap();
    assert_eq!(outcome, PullOutcome::Known(json!({"carrier": "courier", "items": 3})));
    assert_eq!((logs.len(), logs[0].status), (1, Some(200)));
    let mut conn = db.pool.acquire().await.unwrap();
    let wanted = json!({"carrier": "courier", "items": 3, "note": "by hand"});
    assert_eq!(facts::get(&mut conn, 1, "pi_501").await.unwrap().unwrap().facts, wanted);

    let (outcome, _) = asker.pull_and_keep(&db.pool, &account(), 501).await.unwrap();
    assert!(matches!(outcome, PullOutcome::Again { .. }), "{outcome:?}");
    assert_eq!(
        facts::get(&mut conn, 1, "pi_501").await.unwrap().unwrap().version,
        2,
        "a failure changes nothing"
    );
}

#[tokio::test]
async fn a_question_that_cannot_be_signed_is_a_mistake_in_the_configuration() {
    let unsigned = asker("[facts]\nurl = 'https://shop.example.test/facts'\n", SECRET).unwrap_err();
    assert!(format!("{unsigned:#}").contains("nothing is named to sign with"), "{unsigned:#}");
    let text = "[facts]\nurl = 'https://shop.example.test/facts'\nsecret = 'env:KEY'\n";
    let short = format!("{:#}", asker(text, "whsec_AAAA").unwrap_err());
    assert!(short.contains("24 to 64 random bytes") && !short.contains("AAAA"), "{short}");
    assert!(asker(text, SECRET).is_ok() && asker("", SECRET).is_ok());
}
