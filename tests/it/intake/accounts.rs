//! Accounts: written from the configuration, sealed, and read back by whoever needs one.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;
use chrono::TimeDelta;
use respondby::providers::ProviderName;
use respondby::store::accounts::{AccountDirectory, ConfiguredAccount, Sealer, SyncError, Synced, sync};
use respondby::store::ids::Ids;
use secrecy::ExposeSecret;

use super::at;
use crate::support::Database;

/// Seals by turning bits over under the place's name: enough to see what is sealed, and where it opens.
struct Inverted;

impl Sealer for Inverted {
    fn seal(&self, plain: &[u8], place: &str) -> anyhow::Result<Vec<u8>> {
        Ok([place.as_bytes(), b"|", &plain.iter().map(|b| !b).collect::<Vec<_>>()].concat())
    }

    fn open(&self, sealed: &[u8], place: &str) -> anyhow::Result<Vec<u8>> {
        let rest = sealed.strip_prefix([place.as_bytes(), b"|"].concat().as_slice());
        ensure!(rest.is_some(), "sealed for another place");
        Ok(rest.into_iter().flatten().map(|b| !b).collect())
    }
}

fn configured(merchant: &str, name: &str, secrets: &[&str]) -> ConfiguredAccount {
    ConfiguredAccount {
        merchant: merchant.to_owned(),
        provider: ProviderName::Stripe,
        name: name.to_owned(),
        base_url: None,
        tolerance_s: 300,
        webhook_secrets: secrets.iter().map(|s| (*s).into()).collect(),
        credentials: BTreeMap::from([("api_key".to_owned(), "rk_of_the_tests".into())]),
    }
}

#[tokio::test]
async fn the_directory_follows_the_configuration() {
    let db = Database::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let ids = Ids::new();
    let now = at("2026-11-20T10:00:00Z");
    let directory = AccountDirectory::new(Arc::new(Inverted));
    assert!(!directory.refresh(&mut conn).await.unwrap(), "nothing there, nothing changed");

    let two = [configured("acme", "one", &["new", "old"]), configured("acme", "two", &["s"])];
    let done = sync(&mut conn, &ids, &Inverted, &two, now).await.unwrap();
    assert_eq!(done, Synced { added: 2, changed: 0, retired: 0 });
    assert!(directory.refresh(&mut conn).await.unwrap());
    let one = directory.find(ProviderName::Stripe, "one").expect("it was configured");
    let secrets: Vec<&str> = one.webhook_secrets.iter().map(|s| s.expose_secret()).collect();
    assert_eq!((secrets, one.credentials.get("api_key")), (vec!["new", "old"], "rk_of_the_tests"));
    assert_eq!(directory.by_id(one.merchant_id, one.account_id).unwrap().name, "one");
    assert!(directory.find(ProviderName::Razorpay, "one").is_none());

    let done = sync(&mut conn, &ids, &Inverted, &two, now + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(done, Synced::default(), "the same again changes nothing");
    assert!(!directory.refresh(&mut conn).await.unwrap());

    // A secret is rotated while the clock stands an hour back, and the other account is not named any more.
    let rotated = [configured("acme", "one", &["newest", "new"])];
    let done = sync(&mut conn, &ids, &Inverted, &rotated, now - TimeDelta::hours(1)).await.unwrap();
    assert_eq!(done, Synced { added: 0, changed: 1, retired: 1 });
    let two_id = directory.find(ProviderName::Stripe, "two").unwrap().account_id;
    assert!(directory.refresh(&mut conn).await.unwrap());
    let again = directory.find(ProviderName::Stripe, "one").unwrap();
    assert_eq!((again.account_id, again.webhook_secrets[0].expose_secret()), (one.account_id, "newest"));
    assert!(directory.find(ProviderName::Stripe, "two").is_none());
    assert!(directory.by_id(one.merchant_id, two_id).is_none(), "nothing is called for a retired account");
    assert_eq!(directory.provider_of(one.merchant_id, two_id), Some(ProviderName::Stripe));

    let done = sync(&mut conn, &ids, &Inverted, &two, now).await.unwrap();
    assert_eq!(done, Synced { added: 0, changed: 2, retired: 0 }, "named again, in use again");
    assert!(directory.refresh(&mut conn).await.unwrap());
    assert_eq!(directory.find(ProviderName::Stripe, "two").unwrap().account_id, two_id);
}

#[tokio::test]
async fn secrets_are_sealed_and_open_only_in_their_own_row() {
    let db = Database::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let all = [configured("acme", "one", &["plain-secret"]), configured("acme", "two", &["other"])];
    sync(&mut conn, &Ids::new(), &Inverted, &all, at("2026-11-20T10:00:00Z")).await.unwrap();
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
    let directory = AccountDirectory::new(Arc::new(Inverted));
    directory.refresh(&mut conn).await.unwrap();
    assert!(directory.find(ProviderName::Stripe, "one").is_some(), "one bad row leaves the others in use");
    assert!(directory.find(ProviderName::Stripe, "two").is_none());
    let unusable = directory.unusable();
    assert_eq!((unusable.len(), unusable[0].name.as_str()), (1, "two"));
    assert!(unusable[0].why.contains("sealed for another place"), "{}", unusable[0].why);
}

#[tokio::test]
async fn an_account_cannot_change_hands_or_be_named_twice() {
    let db = Database::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let (ids, now) = (Ids::new(), at("2026-11-20T10:00:00Z"));
    sync(&mut conn, &ids, &Inverted, &[configured("acme", "one", &["s"])], now).await.unwrap();
    let stolen = [configured("new", "two", &["s"]), configured("globex", "one", &["s"])];
    let error = sync(&mut conn, &ids, &Inverted, &stolen, now).await.unwrap_err();
    assert!(matches!(&error, SyncError::OtherMerchant { owner, .. } if owner == "acme"), "{error}");
    let merchants: Vec<String> =
        sqlx::query_scalar("select name from merchants").fetch_all(&mut *conn).await.unwrap();
    assert_eq!(merchants, ["acme"], "nothing of a refused configuration is written");

    let twice = [configured("acme", "one", &["s"]), configured("acme", "one", &["t"])];
    let error = sync(&mut conn, &ids, &Inverted, &twice, now).await.unwrap_err();
    assert!(matches!(error, SyncError::NamedTwice { .. }), "{error}");
}

#[tokio::test]
async fn replicas_that_start_side_by_side_write_each_account_once() {
    let db = Database::new().await;
    let replicas: Vec<_> = (0..6)
        .map(|_| {
            let pool = db.pool.clone();
            tokio::spawn(async move {
                let all = [configured("acme", "one", &["s"]), configured("globex", "two", &["s"])];
                let mut conn = pool.acquire().await.unwrap();
                sync(&mut conn, &Ids::new(), &Inverted, &all, at("2026-11-20T10:00:00Z")).await.unwrap()
            })
        })
        .collect();
    let mut added = 0;
    for replica in replicas {
        added += replica.await.unwrap().added;
    }
    assert_eq!(added, 2);
}
