//! `disputes` and `kill`: what is shown, and a person's orders from the command line to the action they want.

use serde_json::{Value, json};

use super::Shop;

#[tokio::test]
async fn a_list_shows_what_is_owed_until_when_and_what_is_planned() {
    let shop = Shop::with_rules().await;
    assert_eq!(shop.ok(&["disputes", "list"]), "no disputes\n");
    shop.dispute("dp_one", 10).await;
    let listed = shop.ok(&["disputes", "list", "--open", "--merchant", "shop"]);
    let line = listed.lines().nth(1).unwrap();
    for part in
        ["dp_one", "stripe/shop-eu", "chargeback", "20.00 USD", "fraud", " UTC", "4d 23h left", "accept"]
    {
        assert!(line.contains(part), "{part} not in {line}");
    }
    let value = shop.json(&["disputes", "list"]);
    assert_eq!(value["disputes"][0]["cycle"]["rule_id"], "accept-with-two");
    shop.fails(&["disputes", "list", "--merchant", "shob"], &["no merchant `shob`", "there are shop"]);
}

#[tokio::test]
async fn an_order_wants_another_person_and_never_the_one_who_asked() {
    let shop = Shop::with_rules().await;
    shop.dispute("dp_one", 10).await;
    let ordered = shop.ok(&["disputes", "accept", "dp_one", "--as", "ana"]);
    assert!(ordered.contains("approval by somebody other than ana"), "{ordered}");
    assert!(ordered.contains("to be approved: accept, 20.00 USD"), "{ordered}");
    shop.fails(
        &["disputes", "approve", "dp_one", "--as", "ana"],
        &["refused", "somebody else has to approve"],
    );
    assert_eq!(actions(&shop), Vec::<Value>::new());
    let asked = |shop: &Shop| shop.json(&["alerts", "list"])["alerts"].as_array().unwrap().len();
    assert_eq!(asked(&shop), 1);
    let approved = shop.json(&["disputes", "approve", "dp_one", "--as", "ben"]);
    assert_eq!(asked(&shop), 0, "nobody is needed any more");
    assert_eq!(approved["applied"], "applied");
    let wanted = |kind: &str| approved["actions"].as_array().unwrap().iter().any(|a| a["kind"] == kind);
    assert!(wanted("accept"), "{approved}");
    assert_eq!(
        approved["plan"]["approval"],
        json!({"state": "granted", "asked_by": "person:ana", "by": "ben", "matter": {
            "amount": {"minor": 2000, "currency": "USD"}, "answer": "accept", "rule_id": null,
        }})
    );
    assert_eq!(actions(&shop).len(), 1);
    shop.fails(&["disputes", "approve", "dp_one", "--as", "cem"], &["approved already, by ben"]);

    let shown = shop.ok(&["disputes", "show", "dp_one"]);
    for part in [
        "dp_one of shop, stripe/shop-eu",
        "cycle 1, open: respond by",
        "by ana, over rule accept-with-two",
        "ana's order stands over the rules; --trace shows what they say",
        "accept wanted",
        "ordered cycle 1, by ana: ana orders: accept",
        "approved cycle 1, by ben",
        "; waits for approval by somebody other than ana",
        "approved by ben: accept, 20.00 USD",
    ] {
        assert!(shown.contains(part), "{part} not in {shown}");
    }
    assert!(!shown.contains("person:") && !shown.contains(" saw "), "{shown}");
    let traced = shop.ok(&["disputes", "show", "dp_one", "--trace"]);
    for part in ["rule accept-with-two matches", "amount: saw 20.00 USD, wanted"] {
        assert!(traced.contains(part), "{part} not in {traced}");
    }
}

#[tokio::test]
async fn what_the_rules_decided_is_shown_with_what_they_saw() {
    let shop = Shop::with_rules().await;
    shop.dispute("dp_one", 10).await;
    let shown = shop.ok(&["disputes", "show", "dp_one"]);
    assert!(shown.contains("rule accept-with-two matches") && shown.contains("by rules"), "{shown}");
}

#[tokio::test]
async fn who_approves_can_say_what_was_seen_and_is_told_what_has_changed_since() {
    let shop = Shop::with_rules().await;
    shop.dispute("dp_one", 10).await;
    let seen = |shop: &Shop| shop.json(&["disputes", "show", "dp_one"])["seen"].as_str().map(str::to_owned);
    let by_the_rules = seen(&shop).unwrap();
    let shown = shop.ok(&["disputes", "show", "dp_one"]);
    let line = format!("accept, 20.00 USD, by rule accept-with-two (--seen {by_the_rules})");
    assert!(shown.contains(&line), "{shown}");
    shop.ok(&["disputes", "accept", "dp_one", "--as", "ana"]);
    let accepting = seen(&shop).unwrap();
    let shown = shop.ok(&["disputes", "show", "dp_one"]);
    assert!(shown.contains(&format!("to be approved: accept, 20.00 USD (--seen {accepting})")), "{shown}");
    let approve = |seen: &str| shop.run(&["disputes", "approve", "dp_one", "--as", "ben", "--seen", seen]);
    let refused = |seen: &str, parts: &[&str]| {
        let said = approve(seen);
        assert_eq!(said.code, Some(1), "{seen}: {}", said.all());
        for part in parts {
            assert!(said.all().contains(part), "{seen}: {part} not in {}", said.all());
        }
        said.out
    };

    refused(&by_the_rules, &["you saw: the rule changed. It is now: accept, 20.00 USD (seen as"]);
    // While ben looks, another answer is ordered.
    shop.ok(&["disputes", "defend", "dp_one", "--template", "letter", "--as", "ana"]);
    let defending = seen(&shop).unwrap();
    let changed =
        "refused: what is to be approved is not what you saw: the answer and the evidence to be sent changed";
    refused(&accepting, &[changed, "It is now: defend with template letter, 20.00 USD", &defending]);
    // Or more evidence comes, which no engine has looked at yet.
    shop.ok(&["evidence", "add", "dp_one", "--field", "customer_name", "--text", "A. Nother", "--as", "ana"]);
    let told = refused(&defending, &["you saw: the evidence to be sent changed"]);
    for odd in ["", "-", "0123", "zz-zz", &"9".repeat(500), "ä-ö"] {
        refused(odd, &["that digest is of something else"]);
    }
    let (_, now) = told.trim_end().rsplit_once("(seen as ").unwrap();
    let approved = approve(&now.trim_end_matches(')').to_uppercase());
    assert_eq!(approved.code, Some(0), "{}", approved.all());
    assert!(
        approved.out.contains("approved by ben: defend with template letter, 20.00 USD"),
        "{}",
        approved.out
    );
    refused(&defending, &["approved already, by ben"]);
}

#[tokio::test]
async fn holding_and_resuming_change_the_plan_and_the_history_says_who() {
    let shop = Shop::with_rules().await;
    shop.dispute("dp_one", 10).await;
    shop.ok(&["disputes", "hold", "dp_one", "--why", "the customer calls back", "--as", "ana"]);
    let held = shop.json(&["disputes", "show", "dp_one"]);
    assert_eq!(held["cycles"][0]["plan"]["answer"], json!({"hold": {"why": "the customer calls back"}}));
    shop.ok(&["disputes", "resume", "dp_one", "--as", "ben"]);
    let resumed = shop.json(&["disputes", "show", "dp_one"]);
    assert_eq!(resumed["cycles"][0]["plan"]["decided_by"], "rules");
    let causes: Vec<&str> = resumed["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|h| h["kind"] == "ordered")
        .map(|h| h["cause"].as_str().unwrap())
        .collect();
    assert_eq!(causes, ["person:ana", "person:ben"]);
}

#[tokio::test]
async fn orders_that_cannot_be_carried_out_say_why() {
    let shop = Shop::with_rules().await;
    shop.dispute("dp_one", 10).await;
    shop.fails(
        &["disputes", "defend", "dp_one", "--template", "leter", "--as", "ana"],
        &["no template `leter`", "there are letter"],
    );
    shop.fails(
        &["disputes", "approve", "dp_none", "--as", "ana"],
        &["no dispute `dp_none`", "disputes list"],
    );
    for words in [
        &["disputes", "accept", "dp_one"][..],
        &["disputes", "hold", "dp_one", "--as", "ana"],
        &["disputes", "hold", "dp_one", "--why", " ", "--as", "ana"],
    ] {
        assert_eq!(shop.run(words).code, Some(2), "{words:?}");
    }
    crate::support::world::answer(&shop.db.pool, our_id(&shop), shop.now).await;
    shop.fails(&["disputes", "accept", "dp_one", "--as", "ana"], &["no response is owed"]);
}

#[tokio::test]
async fn an_id_that_two_accounts_know_is_asked_about() {
    let shop = Shop::with_rules().await;
    sqlx::query(
        "insert into accounts (merchant_id, account_id, provider, name, tolerance_s, webhook_secrets, credentials,
            updated_at)
         values (1, 11, 'stripe', 'shop-us', 300, '{}', '', now())",
    )
    .execute(&shop.db.pool)
    .await
    .unwrap();
    shop.dispute("dp_one", 10).await;
    shop.dispute("dp_one", 11).await;
    let parts = ["names 2 disputes", "--merchant and --account", "stripe/shop-eu", "stripe/shop-us"];
    shop.fails(&["disputes", "hold", "dp_one", "--why", "x", "--as", "ana"], &parts);
    let at = |account: &str| shop.ok(&["disputes", "show", "dp_one", "--account", account]);
    assert!(at("shop-us").contains("stripe/shop-us") && at("shop-eu").contains("stripe/shop-eu"));
}

#[tokio::test]
async fn the_kill_switch_stops_what_is_wanted_and_is_seen() {
    let shop = Shop::with_rules().await;
    shop.dispute("dp_one", 10).await;
    shop.ok(&["kill", "on", "--merchant", "shop", "--as", "ana"]);
    let again = shop.ok(&["kill", "on", "--merchant", "shop", "--as", "ben"]);
    assert!(again.contains("already, since") && again.contains("by ana"), "{again}");
    assert!(shop.ok(&["disputes", "list"]).starts_with("KILL SWITCH: nothing irreversible is sent for shop"));
    shop.ok(&["disputes", "accept", "dp_one", "--as", "ana"]);
    let approved = shop.ok(&["disputes", "approve", "dp_one", "--as", "ben"]);
    assert!(approved.contains("waits for: the kill switch is on"), "{approved}");
    assert_eq!(actions(&shop), Vec::<Value>::new());
    let off = shop.json(&["kill", "off", "--merchant", "shop", "--as", "ben"]);
    assert_eq!(off, json!({"merchant": "shop", "kill_switch": false, "changed": true}));
    assert_eq!(shop.json(&["disputes", "list"])["kill_switches"], json!([]));
    shop.fails(&["kill", "on", "--merchant", "other", "--as", "ana"], &["no merchant `other`"]);
}

fn actions(shop: &Shop) -> Vec<Value> {
    let value = shop.json(&["disputes", "show", "dp_one"]);
    let wanted = |a: &&Value| a["state"] == "wanted" && a["kind"] == "accept";
    value["actions"].as_array().unwrap().iter().filter(wanted).cloned().collect()
}

fn our_id(shop: &Shop) -> i64 {
    shop.json(&["disputes", "show", "dp_one"])["dispute"]["dispute_id"].as_i64().unwrap()
}
