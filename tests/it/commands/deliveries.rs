//! `deliveries` and `reconcile`: what waits for a person is found, read and sent round again.

use respondby::store::deliveries;
use serde_json::json;

use super::{Shop, respondby};

async fn quarantined(shop: &Shop, delivery_id: i64, body: &[u8]) {
    let mut conn = shop.db.pool.acquire().await.unwrap();
    deliveries::maintain_months(&mut conn, shop.now).await.unwrap();
    sqlx::query(
        "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
             headers, body, state, settled_at, outcome, note)
         values (1, 10, $1, $2, $3, 'webhook', 'evt_' || $1, '[[\"content-type\",\"application/json\"]]', $4,
             'quarantined', $3, 'unrecognised', 'an unknown word: frobnicated')",
    )
    .bind(delivery_id)
    .bind(deliveries::month_of(shop.now))
    .bind(shop.now)
    .bind(body)
    .execute(&mut *conn)
    .await
    .unwrap();
}

#[tokio::test]
async fn what_is_quarantined_is_listed_shown_and_sent_round_again() {
    let shop = Shop::new().await;
    quarantined(&shop, 71, br#"{"type":"charge.dispute.frobnicated"}"#).await;
    quarantined(&shop, 72, b"\x1b[2Jnot \xff JSON").await;
    let listed = shop.ok(&["deliveries", "list", "--state", "quarantined", "--provider", "stripe"]);
    assert!(
        listed.contains("71") && listed.contains("unrecognised: an unknown word: frobnicated"),
        "{listed}"
    );
    assert_eq!(shop.ok(&["deliveries", "list", "--account", "nobody"]), "no deliveries\n");

    let shown = shop.ok(&["deliveries", "show", "71"]);
    for part in
        ["stripe/shop-eu", "content-type: application/json", "\"type\": \"charge.dispute.frobnicated\""]
    {
        assert!(shown.contains(part), "{part} not in {shown}");
    }
    let wild = shop.ok(&["deliveries", "show", "72"]);
    assert!(wild.contains("\\u{1b}[2Jnot") && !wild.contains('\x1b'), "{wild:?}");
    assert_eq!(shop.ok(&["deliveries", "show", "71", "--raw"]), r#"{"type":"charge.dispute.frobnicated"}"#);
    assert_eq!(shop.json(&["deliveries", "show", "72"])["body_base64"], "G1sySm5vdCD/IEpTT04=");
    shop.fails(&["deliveries", "show", "7"], &["no delivery 7", "deliveries list"]);

    assert_eq!(shop.json(&["deliveries", "replay", "71"]), json!({"requeued": [71], "left_out": []}));
    shop.fails(&["deliveries", "replay", "71", "9"], &["nothing is sent round", "71: ", "9: there is none"]);
    assert_eq!(shop.json(&["deliveries", "replay", "--quarantined"])["requeued"], json!([72]));
    let mut conn = shop.db.pool.acquire().await.unwrap();
    let claimed = deliveries::claim(&mut conn, 10).await.unwrap();
    assert_eq!(claimed.iter().map(|c| c.delivery_id).collect::<Vec<_>>(), [71, 72]);
    assert_eq!(shop.run(&["deliveries", "replay"]).code, Some(2));
    assert_eq!(shop.run(&["deliveries", "list", "--state", "lost"]).code, Some(2));
}

#[tokio::test]
async fn what_can_never_be_read_is_dismissed_for_a_reason_and_stays() {
    let shop = Shop::new().await;
    quarantined(&shop, 71, br#"{"type":"charge.dispute.frobnicated"}"#).await;
    let dismiss = |id: &'static str, by: &'static str| {
        ["deliveries", "dismiss", id, "--as", by, "--why", "a test of the provider's own"]
    };
    for words in [&dismiss("71", "ana")[..5], &["deliveries", "dismiss", "71", "--why", "no name"]] {
        assert_eq!(shop.run(words).code, Some(2), "{words:?}");
    }
    assert_eq!(shop.run(&["deliveries", "dismiss", "71", "--as", "ana", "--why", " "]).code, Some(2));
    assert_eq!(shop.json(&dismiss("71", "ana")), json!({"dismissed": "done"}));
    shop.fails(&dismiss("71", "bob"), &["is settled", "only what is quarantined"]);
    shop.fails(&dismiss("7", "bob"), &["no delivery 7"]);
    assert_eq!(shop.ok(&["deliveries", "list", "--state", "quarantined"]), "no deliveries\n");
    let listed = shop.ok(&["deliveries", "list"]);
    assert!(listed.contains("dismissed: by ana: a test of the provider's own"), "{listed}");

    // It can be read again all the same, and who dismissed it stays known.
    assert_eq!(shop.json(&["deliveries", "replay", "--quarantined"])["requeued"], json!([]));
    assert_eq!(shop.json(&["deliveries", "replay", "71"])["requeued"], json!([71]));
    shop.fails(&dismiss("71", "bob"), &["is kept"]);
    let shown = shop.ok(&["deliveries", "show", "71"]);
    let was = "by ana: a test of the provider's own (it was unrecognised: an unknown word: frobnicated)";
    assert!(shown.contains("waits to be read") && shown.contains(was), "{shown}");
    assert_eq!(shop.json(&["deliveries", "show", "71"])["dismissals"][0]["by"], "ana");
    let forgotten = sqlx::query("delete from dismissals").execute(&shop.db.pool).await;
    assert!(forgotten.unwrap_err().to_string().contains("append-only"));
}

#[tokio::test]
async fn reconcile_shows_the_gap_and_hurries() {
    let shop = Shop::new().await;
    assert!(shop.ok(&["reconcile"]).contains("no account has been polled yet"));
    sqlx::query(
        "insert into watermarks (merchant_id, account_id, changed_until, next_at, disputes_found_by_poll,
             changes_found_by_poll, fence, last_webhook_at, last_poll_error, failing_since)
         values (1, 10, $1, $1 + interval '1 hour', 2, 3, 0, $1, 'the key is revoked', $1)",
    )
    .bind(shop.now)
    .execute(&shop.db.pool)
    .await
    .unwrap();
    let shown = shop.ok(&["reconcile"]);
    assert!(shown.contains("stripe/shop-eu") && shown.contains("the key is revoked"), "{shown}");
    assert!(shown.contains("stripe/shop-eu: no poll has gone through since"), "{shown}");
    let value = shop.json(&["reconcile", "--now"]);
    let gap = &value["accounts"][0];
    assert_eq!((&gap["disputes_found_by_poll"], &gap["changes_found_by_poll"]), (&json!(2), &json!(3)));
    let due: bool = sqlx::query_scalar("select next_at <= clock_timestamp() from watermarks")
        .fetch_one(&shop.db.pool)
        .await
        .unwrap();
    assert!(due, "--now makes it due");
}

#[tokio::test]
async fn every_command_says_what_is_wrong_with_the_database() {
    let commands: [&[&str]; 5] = [
        &["disputes", "list"],
        &["deliveries", "list"],
        &["reconcile"],
        &["rules", "show", "--merchant", "shop"],
        &["kill", "on", "--merchant", "shop", "--as", "ana"],
    ];
    let shop = Shop::new().await;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (29991231235959, 'from the future', true, ''::bytea, 0)",
    )
    .execute(&shop.db.pool)
    .await
    .unwrap();
    let nowhere = "postgres://somebody:made-up-password@127.0.0.1:1/ledger";
    for words in commands {
        shop.fails(words, &["29991231235959", "newer respondby"]);
        let said = respondby(words, &[("DATABASE_URL", nowhere)]);
        assert_eq!(said.code, Some(1), "{words:?}: {}", said.all());
        assert!(said.err.contains("ledger at 127.0.0.1:1"), "{words:?}: {}", said.all());
        assert!(!said.all().contains("made-up-password"), "{words:?}: {}", said.all());
    }
}

#[test]
fn a_slip_on_the_command_line_is_answered_with_what_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("secret", "whsec_of_a_test"), ("body", "{}")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (secret, body) = (file("secret"), file("body"));
    let verify = ["webhook", "verify", "--secret-file", &secret, "--body", &body, "--provider"];
    let rows: [(Vec<&str>, i32, &str); 8] = [
        ([&verify[..], &["strip"]].concat(), 2, "did you mean `stripe`?"),
        (
            [&verify[..], &["stripe", "--header", "Stripe-Signatur: t=1,v1=00"]].concat(),
            1,
            "`stripe-signatur` is given: did you mean `stripe-signature`?",
        ),
        (vec!["deliveries", "list", "--state", "quarantine"], 2, "did you mean `quarantined`?"),
        (vec!["deliveries", "list", "--provider", "strip"], 2, "did you mean `stripe`?"),
        (
            vec!["evidence", "add", "dp_1", "--field", "recept", "--text", "x", "--as", "ann"],
            2,
            "did you mean `receipt`?",
        ),
        (vec!["deliveries", "show", "abc"], 2, "whole numbers, as the command's `list` shows them"),
        (vec!["alerts", "ack", "abc", "--as", "ann"], 2, "whole numbers, as the command's `list` shows them"),
        (vec!["deliveries", "replay"], 2, "respondby deliveries replay --quarantined"),
    ];
    for (words, code, part) in rows {
        let said = respondby(&words, &[]);
        assert_eq!(said.code, Some(code), "{words:?}: {}", said.all());
        assert!(said.all().contains(part), "{words:?}: {part} not in {}", said.all());
    }
}

#[tokio::test]
async fn what_failed_is_said_where_errors_are_and_to_programs_as_json() {
    let shop = Shop::new().await;
    let rows: [&[&str]; 3] = [
        &["alerts", "ack", "9", "--as", "ann"],
        &["deliveries", "replay", "9"],
        &["deliveries", "dismiss", "9", "--as", "ann", "--why", "a test"],
    ];
    for words in rows {
        let said = shop.run(words);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{words:?}");
        assert!(said.err.starts_with("error: ") && said.err.contains('9'), "{words:?}: {}", said.err);
        let told = shop.run(&[words, &["--json"]].concat());
        assert_eq!((told.code, told.err.as_str()), (Some(1), ""), "{words:?}");
        assert!(serde_json::from_str::<serde_json::Value>(&told.out).is_ok(), "{words:?}: {}", told.out);
    }
}
