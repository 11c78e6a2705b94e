//! `rules publish`, `show` and `diff`.

use serde_json::json;

use super::{RULES, Shop};

#[tokio::test]
async fn rules_are_published_once_and_open_cycles_decided_again() {
    let shop = Shop::new().await;
    shop.dispute("dp_one", 10).await;
    shop.fails(
        &["rules", "show", "--merchant", "shop"],
        &["no rules are published for shop", "rules publish"],
    );
    let file = shop.write("shop.rules.toml", RULES).display().to_string();
    let publish = ["rules", "publish", &file, "--merchant", "shop", "--as", "ana"];
    assert_eq!(shop.json(&publish), json!({"version": 1, "changed": true, "cycles": 1}));
    assert!(shop.ok(&publish).contains("in force already, as version 1"));
    let shown = shop.ok(&["rules", "show", "--merchant", "shop"]);
    assert!(
        shown.starts_with("# shop: version 1, in force, published ") && shown.contains("by ana"),
        "{shown}"
    );
    assert!(shown.contains("id = \"accept-with-two\""), "{shown}");
    assert_eq!(shop.json(&["rules", "diff", "--merchant", "shop", &file])["same"], true);

    let file = shop.write("shop.rules.toml", &RULES.replace("24h", "36h")).display().to_string();
    shop.fails(
        &["rules", "diff", "--merchant", "shop", &file],
        &[
            "--- shop version 1",
            "-then = { accept = { after = \"24h\" } }",
            "+then = { accept = { after = \"36h\" } }",
        ],
    );
    assert!(shop.ok(&publish).contains("version 2 is in force"));
    assert!(shop.ok(&["rules", "show", "--merchant", "shop", "--version", "1"]).contains("24h"));
    shop.fails(
        &["rules", "show", "--merchant", "shop", "--version", "3"],
        &["no version 3", "there are 2, 1"],
    );
}

#[tokio::test]
async fn a_file_is_tried_on_what_was_known_and_changes_nothing() {
    let shop = Shop::with_rules().await;
    let test = |file: &std::path::Path, more: &[&str]| {
        let file = file.display().to_string();
        shop.json(&[&["rules", "test", &file, "--merchant", "shop"], more].concat())
    };
    let same = shop.write("same.toml", RULES);
    assert_eq!(test(&same, &[]), json!({"tried": 0, "changed": 0, "disputes": []}));
    shop.dispute("dp_one", 10).await;
    assert_eq!(test(&same, &[])["changed"], 0);
    let other = shop.write("other.toml", &RULES.replace("25.00", "15.00"));
    let tried = test(&other, &["--dispute", "dp_one"]);
    let line = &tried["disputes"][0];
    assert_eq!(
        (&line["was"]["rule"], &line["would_be"]["rule"]),
        (&json!("accept-with-two"), &json!("default"))
    );
    assert_eq!((&line["was"]["answer"], &line["would_be"]["answer"]), (&json!("accept"), &json!("hold")));
    let file = other.display().to_string();
    let shown = shop.ok(&["rules", "test", &file, "--merchant", "shop", "--dispute", "dp_one"]);
    assert!(shown.contains("amount: saw 20.00 USD, wanted at most") && shown.contains("1 of 1"), "{shown}");
    assert!(shop.ok(&["rules", "show", "--merchant", "shop"]).contains("25.00"), "nothing is published");
    shop.fails(
        &["rules", "test", &file, "--merchant", "shop", "--dispute", "dp_two"],
        &["no dispute `dp_two`"],
    );
}

#[tokio::test]
async fn a_mistake_is_shown_in_place_and_nothing_is_published() {
    let shop = Shop::new().await;
    let file = shop.write("bad.toml", &RULES.replace("when.reason", "when.raeson")).display().to_string();
    let place = format!("{file}:11:");
    shop.fails(
        &["rules", "publish", &file, "--merchant", "shop", "--as", "ana"],
        &["not published", &place, "^", "reason"],
    );
    let good = shop.write("good.toml", RULES).display().to_string();
    shop.fails(&["rules", "publish", &good, "--merchant", "shob", "--as", "ana"], &["no merchant `shob`"]);
    assert_eq!(shop.run(&["rules", "publish", &good, "--merchant", "shop"]).code, Some(2), "--as is missing");
    let count: i64 =
        sqlx::query_scalar("select count(*) from rulesets").fetch_one(&shop.db.pool).await.unwrap();
    assert_eq!(count, 0);
}
