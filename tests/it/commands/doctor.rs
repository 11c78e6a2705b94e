//! `doctor`: all is well where it is, and each thing that is wrong is named with how to mend it.

use chrono::TimeDelta;
use respondby::config::Config;
use respondby::store::accounts;
use respondby::store::deliveries;
use respondby::store::ids::Ids;
use respondby::store::seal::SealingKey;
use serde_json::Value;

use super::{RULES, Shop, respondby};
use crate::support::world;

const KEY: &str = "5f0b6c1e9a3d4872b1c4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b";
const SECRETS: [&str; 2] = ["whsec_of_doctors_test", "rk_test_of_doctors_test"];

/// A shop whose account was set up as `serve` does it, and compared a minute ago.
async fn healthy() -> Shop {
    let shop = Shop::new().await;
    sqlx::query("delete from accounts").execute(&shop.db.pool).await.unwrap();
    world::rules(&shop.db.pool, 1, RULES).await;
    for (name, content) in [("key", KEY), ("whsec", SECRETS[0]), ("api", SECRETS[1])] {
        shop.write(name, content);
    }
    let toml = format!(
        "[database]\nurl = {:?}\n[secrets]\nkey = \"file:key\"\n[[merchant]]\nname = \"shop\"\n[[account]]\n\
         merchant = \"shop\"\nprovider = \"stripe\"\nname = \"shop-eu\"\nwebhook_secrets = [\"file:whsec\"]\n\
         credentials = {{ api_key = \"file:api\" }}\n",
        shop.db.url
    );
    let path = shop.write("respondby.toml", &toml);
    let config = Config::read(Some(&path), []).unwrap();
    let configured: Vec<accounts::ConfiguredAccount> = config.accounts.iter().map(Into::into).collect();
    let mut conn = shop.db.pool.acquire().await.unwrap();
    let key = SealingKey::parse(&KEY.into()).unwrap();
    accounts::sync(&mut conn, &Ids::new(), &key, &configured, shop.now).await.unwrap();
    deliveries::maintain_months(&mut conn, shop.now).await.unwrap();
    sqlx::query(
        "insert into watermarks (merchant_id, account_id, changed_until, next_at, disputes_found_by_poll,
             changes_found_by_poll, fence, last_poll_at)
         select merchant_id, account_id, $1, $1, 0, 0, 0, $1 from accounts",
    )
    .bind(shop.now - TimeDelta::minutes(1))
    .execute(&shop.db.pool)
    .await
    .unwrap();
    shop
}

fn wrong(shop: &Shop, words: &[&str]) -> Vec<(String, String, String)> {
    let said = shop.run(&[&["doctor", "--json"], words].concat());
    let value: Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.all()));
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let found: Vec<(String, String, String)> = value["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["state"] == "wrong")
        .map(|f| (text(&f["about"]), text(&f["said"]), text(&f["mend"])))
        .collect();
    assert_eq!(said.code, Some(i32::from(!found.is_empty())), "{}", said.all());
    for secret in SECRETS.iter().chain([&KEY]) {
        assert!(!said.all().contains(secret), "a secret is printed: {}", said.all());
    }
    found
}

#[tokio::test]
async fn a_healthy_engine_has_nothing_wrong() {
    let shop = healthy().await;
    assert_eq!(wrong(&shop, &[]), Vec::new());
    assert_eq!(wrong(&shop, &["--deep"]), Vec::new());
    assert!(shop.ok(&["doctor"]).ends_with("nothing is wrong\n"));
    let config = shop.run(&["serve", "--check"]);
    assert_eq!(config.code, Some(0), "{}", config.all());
    assert!(SECRETS.iter().all(|s| !config.all().contains(s)), "{}", config.all());
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_named_with_how_to_mend_it() {
    let rows: [(&str, &str, &str); 8] = [
        (
            "update watermarks set last_poll_at = last_poll_at - interval '2 days'",
            "reconciliation",
            "is a worker running?",
        ),
        ("update watermarks set last_poll_error = 'the key is revoked'", "reconciliation", "mended at the provider"),
        ("update accounts set credentials = 'garbage'", "accounts", "secrets.key"),
        ("update accounts set retired_at = now()", "accounts", "restart it"),
        (
            "do $$ declare part text; begin
                 for part in select inhrelid::regclass::text from pg_inherits where inhparent = 'deliveries'::regclass
                 loop execute 'drop table ' || part; end loop; end $$",
            "partitions",
            "respondby serve",
        ),
        (
            "update cycles set wake_at = wake_at - interval '30 days'",
            "scheduler",
            "is a worker running?",
        ),
        (
            "update cycles set respond_by = respond_by - interval '30 days', page_at = page_at - interval '40 days'",
            "deadlines",
            "dashboard",
        ),
        (
            "insert into alerts (merchant_id, alert_id, kind, severity, dedupe_key, title, detail, needs_ack, raised_at,
                 state, next_at, sends, failures, escalation, fence)
             values (1, 5, 'missed', 'page', 'k', 't', '{}', true, now(), 'raised', now(), 0, 0, 0, 0)",
            "pages",
            "alerts ack",
        ),
    ];
    for (harm, about, mend) in rows {
        let shop = healthy().await;
        let account: i64 =
            sqlx::query_scalar("select account_id from accounts").fetch_one(&shop.db.pool).await.unwrap();
        shop.dispute("dp_one", account).await;
        sqlx::raw_sql(harm).execute(&shop.db.pool).await.unwrap();
        let found = wrong(&shop, &[]);
        assert!(found.iter().any(|f| f.0 == about && f.2.contains(mend)), "{harm}: {found:?}");
    }
}

/// One name at two providers, or of two merchants, is two accounts.
#[tokio::test]
async fn an_account_that_changed_hands_or_its_provider_is_named_with_both() {
    let rows: [(&str, &[&str]); 4] = [
        (
            "update accounts set provider = 'razorpay'",
            &[
                "stripe/shop-eu is in the configuration",
                "in use under that name is razorpay/shop-eu, of the merchant shop",
            ],
        ),
        // What cannot be used of another provider says nothing of this one.
        (
            "update accounts set provider = 'razorpay', credentials = 'garbage'",
            &["razorpay/shop-eu cannot be used", "stripe/shop-eu is in the configuration and not in use yet"],
        ),
        (
            "insert into merchants (merchant_id, name, created_at) values (77, 'stall', now());
             update merchants set name = 'booth' where name = 'shop';
             update merchants set name = 'shop' where name = 'stall'",
            &["stripe/shop-eu is the merchant booth's in the database, and shop's in the configuration"],
        ),
        ("update accounts set credentials = 'garbage'", &["stripe/shop-eu cannot be used"]),
    ];
    for (harm, told) in rows {
        let shop = healthy().await;
        sqlx::raw_sql(harm).execute(&shop.db.pool).await.unwrap();
        let found: Vec<String> =
            wrong(&shop, &[]).into_iter().filter(|f| f.0 == "accounts").map(|f| f.1).collect();
        for words in told {
            assert!(found.iter().any(|said| said.contains(words)), "{harm}: {words}: {found:?}");
        }
        let expected = if harm.contains("razorpay") && harm.contains("garbage") { 2 } else { 1 };
        assert_eq!(found.len(), expected, "{harm}: {found:?}");
    }
}

/// What was sent to whom how long ago is waited for, and when it is told.
#[tokio::test]
async fn where_only_webhooks_can_confirm_a_response_a_day_is_given_to_them() {
    let rows = [("stripe", 20, false), ("stripe", 40, true), ("adyen", 40, false), ("adyen", 25 * 60, true)];
    for (provider, minutes, told) in rows {
        let shop = healthy().await;
        let account: i64 =
            sqlx::query_scalar("select account_id from accounts").fetch_one(&shop.db.pool).await.unwrap();
        shop.dispute("dp_one", account).await;
        sqlx::query("update accounts set provider = $1").bind(provider).execute(&shop.db.pool).await.unwrap();
        sqlx::query(
            "insert into actions (merchant_id, action_id, dispute_id, cycle_n, account_id, kind, subject, irreversible,
                 state, due_at, fence, generation, sent_at, attempts, wanted_at)
             select merchant_id, 5, dispute_id, n, $1, 'submit', '', true, 'sent', now(), 1, 1, $2, 1, $2 from cycles",
        )
        .bind(account)
        .bind(shop.now - TimeDelta::minutes(minutes))
        .execute(&shop.db.pool)
        .await
        .unwrap();
        let found = wrong(&shop, &[]).into_iter().any(|f| f.0 == "actions");
        assert_eq!(found, told, "{provider}, {minutes} min");
    }
}

#[tokio::test]
async fn state_that_no_delivery_leads_to_is_found_by_looking_deep() {
    let shop = healthy().await;
    let account: i64 =
        sqlx::query_scalar("select account_id from accounts").fetch_one(&shop.db.pool).await.unwrap();
    shop.dispute("dp_one", account).await;
    assert_eq!(wrong(&shop, &[]), Vec::new());
    let found = wrong(&shop, &["--deep"]);
    assert!(found[0].0 == "rebuilt" && found[0].1.contains("dp_one is in no delivery"), "{found:?}");
}

#[tokio::test]
async fn a_configuration_or_database_that_is_not_there_is_one_finding() {
    let shop = healthy().await;
    std::fs::remove_file(shop.dir.path().join("api")).unwrap();
    let found = wrong(&shop, &[]);
    assert!(found[0].0 == "configuration" && found[0].1.contains("cannot read the secret file"), "{found:?}");
    let nowhere = [("DATABASE_URL", "postgres://somebody:made-up-password@127.0.0.1:1/ledger")];
    let said = respondby(&["doctor"], &nowhere);
    assert_eq!(said.code, Some(1), "{}", said.all());
    assert!(said.out.contains("WRONG  database: cannot reach ledger at 127.0.0.1:1"), "{}", said.out);
    assert!(!said.all().contains("made-up-password"), "{}", said.all());
}
