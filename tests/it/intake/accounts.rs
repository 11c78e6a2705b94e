//! Accounts: written from the configuration, sealed, and read back by whoever needs one.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use respondby::providers::ProviderName;
use respondby::store::accounts::{AccountDirectory, ConfiguredAccount, SyncError, Synced, sync};
use respondby::store::ids::Ids;
use respondby::store::seal::SealingKey;
use secrecy::ExposeSecret;

use tokio_util::sync::CancellationToken;

use super::at;
use super::surface::until;
use crate::support::Database;

fn configured(merchant: &str, name: &str, secrets: &[&str]) -> ConfiguredAccount {
    ConfiguredAccount {
        merchant: merchant.to_owned(),
        provider: ProviderName::Stripe,
        name: name.to_owned(),
        provider_account: None,
        via: None,
        base_url: None,
        tolerance_s: 300,
        webhook_secrets: secrets.iter().map(|s| (*s).into()).collect(),
        credentials: BTreeMap::from([("api_key".to_owned(), "rk_of_the_tests".into())]),
    }
}

#[tokio::test]
async fn the_directory_follows_the_configuration() {
    let db = Database::new().await;
    let key = SealingKey::generate();
    let mut conn = db.pool.acquire().await.unwrap();
    let ids = Ids::new();
    let now = at("2026-11-20T10:00:00Z");
    let directory = AccountDirectory::new(key.clone());
    assert!(!directory.refresh(&mut conn).await.unwrap(), "nothing there, nothing changed");

    let two = [configured("acme", "one", &["new", "old"]), configured("acme", "two", &["s"])];
    let done = sync(&mut conn, &ids, &key, &two, now).await.unwrap();
    assert_eq!(done, Synced { added: 2, changed: 0, retired: 0 });
    assert!(directory.refresh(&mut conn).await.unwrap());
    let one = directory.find(ProviderName::Stripe, "one").expect("it was configured");
    let secrets: Vec<&str> = one.webhook_secrets.iter().map(|s| s.expose_secret()).collect();
    assert_eq!((secrets, one.credentials.get("api_key")), (vec!["new", "old"], "rk_of_the_tests"));
    assert_eq!(directory.by_id(one.merchant_id, one.account_id).unwrap().name, "one");
    assert!(directory.find(ProviderName::Razorpay, "one").is_none());

    let done = sync(&mut conn, &ids, &key, &two, now + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(done, Synced::default(), "the same again changes nothing");
    assert!(!directory.refresh(&mut conn).await.unwrap());

    // A secret is rotated while the clock stands an hour back, and the other account is not named any more.
    let rotated = [configured("acme", "one", &["newest", "new"])];
    let done = sync(&mut conn, &ids, &key, &rotated, now - TimeDelta::hours(1)).await.unwrap();
    assert_eq!(done, Synced { added: 0, changed: 1, retired: 1 });
    let two_id = directory.find(ProviderName::Stripe, "two").unwrap().account_id;
    assert!(directory.refresh(&mut conn).await.unwrap());
    let again = directory.find(ProviderName::Stripe, "one").unwrap();
    assert_eq!((again.account_id, again.webhook_secrets[0].expose_secret()), (one.account_id, "newest"));
    assert!(directory.find(ProviderName::Stripe, "two").is_none());
    assert!(directory.by_id(one.merchant_id, two_id).is_none(), "nothing is called for a retired account");
    assert_eq!(directory.provider_of(one.merchant_id, two_id), Some(ProviderName::Stripe));

    let done = sync(&mut conn, &ids, &key, &two, now).await.unwrap();
    assert_eq!(done, Synced { added: 0, changed: 2, retired: 0 }, "named again, in use again");
    assert!(directory.refresh(&mut conn).await.unwrap());
    assert_eq!(directory.find(ProviderName::Stripe, "two").unwrap().account_id, two_id);
}

#[tokio::test]
async fn secrets_are_sealed_and_open_only_in_their_own_row() {
    let db = Database::new().await;
    let key = SealingKey::generate();
    let mut conn = db.pool.acquire().await.unwrap();
    let all = [configured("acme", "one", &["plain-secret"]), configured("acme", "two", &["other"])];
    sync(&mut conn, &Ids::new(), &key, &all, at("2026-11-20T10:00:00Z")).await.unwrap();
    let text: String = sqlx::query_scalar("select string_agg(encode(webhook_secrets[1], 'escape') || encode(credentials, 'escape'), '') from accounts")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert!(!text.contains("plain-secret") && !text.contains("rk_of_the_tests"), "{text}");

    sqlx::query(
        "update accounts set webhook_secrets = (select webhook_secrets from accounts where name = 'one')",
    )
    .execute(&mut *conn)
    .await
    .unwrap();
    let directory = AccountDirectory::new(key.clone());
    directory.refresh(&mut conn).await.unwrap();
    assert!(directory.find(ProviderName::Stripe, "one").is_some(), "one bad row leaves the others in use");
    assert!(directory.find(ProviderName::Stripe, "two").is_none());
    let unusable = directory.unusable();
    assert_eq!((unusable.len(), unusable[0].name.as_str()), (1, "two"));
    assert!(unusable[0].why.contains("moved from another account"), "{}", unusable[0].why);
}

#[tokio::test]
async fn an_account_cannot_change_hands_or_be_named_twice() {
    let db = Database::new().await;
    let key = SealingKey::generate();
    let mut conn = db.pool.acquire().await.unwrap();
    let (ids, now) = (Ids::new(), at("2026-11-20T10:00:00Z"));
    sync(&mut conn, &ids, &key, &[configured("acme", "one", &["s"])], now).await.unwrap();
    let stolen = [configured("new", "two", &["s"]), configured("globex", "one", &["s"])];
    let error = sync(&mut conn, &ids, &key, &stolen, now).await.unwrap_err();
    assert!(matches!(&error, SyncError::OtherMerchant { owner, .. } if owner == "acme"), "{error}");
    let merchants: Vec<String> =
        sqlx::query_scalar("select name from merchants").fetch_all(&mut *conn).await.unwrap();
    assert_eq!(merchants, ["acme"], "nothing of a refused configuration is written");

    let twice = [configured("acme", "one", &["s"]), configured("acme", "one", &["t"])];
    let error = sync(&mut conn, &ids, &key, &twice, now).await.unwrap_err();
    assert!(matches!(error, SyncError::NamedTwice { .. }), "{error}");
}

#[tokio::test]
async fn an_account_stays_the_one_it_is_at_its_provider() {
    let db = Database::new().await;
    let key = SealingKey::generate();
    let mut conn = db.pool.acquire().await.unwrap();
    let (ids, now) = (Ids::new(), at("2026-11-20T10:00:00Z"));
    let connected = |name: &str, id: &str| ConfiguredAccount {
        provider_account: Some(id.to_owned()),
        via: Some("platform".to_owned()),
        credentials: BTreeMap::new(),
        ..configured("globex", name, &[])
    };
    let platform = configured("acme", "platform", &["s"]);
    let all = [connected("a-shop", "acct_1"), platform.clone()];
    assert_eq!(sync(&mut conn, &ids, &key, &all, now).await.unwrap().added, 2);
    let directory = AccountDirectory::new(key.clone());
    directory.refresh(&mut conn).await.unwrap();
    let shop =
        directory.find(ProviderName::Stripe, "a-shop").expect("whatever the order they are written in");
    assert_eq!(shop.credentials.get("api_key"), "rk_of_the_tests");
    assert_eq!(shop.credentials.on_behalf_of(), Some("acct_1"));
    let platform_id = directory.find(ProviderName::Stripe, "platform").unwrap().account_id;
    let named = |receiver, id: &str| directory.named(receiver, id).map(|a| a.name.clone());
    assert_eq!(named(platform_id, "acct_1").as_deref(), Some("a-shop"));
    assert_eq!(named(shop.account_id, "acct_1").as_deref(), Some("a-shop"));
    assert_eq!((named(platform_id, "acct_2"), named(7, "acct_1")), (None, None));

    let other = [connected("a-shop", "acct_2"), platform.clone()];
    let error = sync(&mut conn, &ids, &key, &other, now).await.unwrap_err();
    assert!(
        matches!(&error, SyncError::OtherAccount { was, is, .. } if was == "acct_1" && is == "acct_2"),
        "{error}"
    );
    // Under another name it is another account here, and takes over what comes.
    let renamed = [connected("b-shop", "acct_1"), platform];
    let done = sync(&mut conn, &ids, &key, &renamed, now).await.unwrap();
    assert_eq!((done.added, done.retired), (1, 1));
    directory.refresh(&mut conn).await.unwrap();
    assert_eq!(directory.named(platform_id, "acct_1").map(|a| a.name.clone()).as_deref(), Some("b-shop"));

    // A platform that cannot be used leaves nothing to call with.
    sqlx::query("update accounts set credentials = '', updated_at = now() where name = 'platform'")
        .execute(&mut *conn)
        .await
        .unwrap();
    directory.refresh(&mut conn).await.unwrap();
    assert!(directory.find(ProviderName::Stripe, "b-shop").is_none());
    assert_eq!(directory.unusable().len(), 2);
}

#[tokio::test]
async fn replicas_that_start_side_by_side_write_each_account_once() {
    let db = Database::new().await;
    let key = SealingKey::generate();
    let replicas: Vec<_> = (0..6)
        .map(|_| {
            let (pool, key) = (db.pool.clone(), key.clone());
            tokio::spawn(async move {
                let all = [configured("acme", "one", &["s"]), configured("globex", "two", &["s"])];
                let mut conn = pool.acquire().await.unwrap();
                sync(&mut conn, &Ids::new(), &key, &all, at("2026-11-20T10:00:00Z")).await.unwrap()
            })
        })
        .collect();
    let mut added = 0;
    for replica in replicas {
        added += replica.await.unwrap().added;
    }
    assert_eq!(added, 2);
}

#[tokio::test]
async fn a_running_process_learns_of_changes_made_elsewhere() {
    let db = Database::new().await;
    let key = SealingKey::generate();
    let directory = AccountDirectory::new(key.clone());
    let stop = CancellationToken::new();
    let every = Duration::from_millis(1);
    let fresh = tokio::spawn(directory.clone().keep_fresh(db.pool.clone(), every, stop.clone()));
    let mut conn = db.pool.acquire().await.unwrap();
    let now = at("2026-11-20T10:00:00Z");
    sync(&mut conn, &Ids::new(), &key, &[configured("acme", "one", &["s"])], now).await.unwrap();
    until(async || directory.find(ProviderName::Stripe, "one").is_some()).await;
    stop.cancel();
    fresh.await.unwrap();
}
