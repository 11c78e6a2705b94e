//! What is shown: the caller's own disputes, page by page, and nothing of anybody else's.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Program, READ};
use crate::engine::stage::{RAZORPAY, STRIPE, Stage, fraud, hours, not_received};

#[tokio::test]
async fn a_dispute_is_shown_with_what_is_owed_planned_and_done() {
    let mut stage = Stage::new().await;
    let mut order = fraud(STRIPE, hours(96));
    order.payment = Some("pi_seen".into());
    let dispute_ref = stage.open(order).await;
    let line = stage.line(&dispute_ref).await;
    let program = Program::of(&stage, "acme", "reader", READ).await;
    let said = program.get(&format!("/v1/disputes/{dispute_ref}")).await;
    assert_eq!(said.status, 200, "{}", said.body);
    let seen = &said.body;
    assert_eq!(
        (&seen["id"], &seen["dispute_id"]),
        (&json!(line.dispute_id.to_string()), &json!(dispute_ref))
    );
    assert_eq!((&seen["status"], &seen["stage"]), (&json!("NEEDS_RESPONSE"), &json!("CHARGEBACK")));
    assert_eq!((&seen["amount_minor"], &seen["currency"]), (&json!(2000), &json!("USD")));
    assert_eq!((&seen["reason"], &seen["payment_id"]), (&json!("FRAUD"), &json!("pi_seen")));
    assert_eq!(seen["respond_by"], json!(stage.clock.now() + hours(96)));
    assert_eq!(seen["cycle"]["answer"], "ACCEPT");
    assert_eq!((&seen["cycle"]["rule"], &seen["cycle"]["decided_by"]), (&json!("fraud"), &json!("rules")));
    stage.advance(hours(2)).await;
    let done = program.get(&format!("/v1/disputes/{}", line.dispute_id)).await.body;
    assert_eq!((&done["status"], &done["respond_by"]), (&json!("LOST"), &json!(null)));
    assert_eq!(
        (&done["cycles"][0]["response"], &done["cycles"][0]["state"]),
        (&json!("ACCEPT"), &json!("ANSWERED"))
    );
    let accepted = done["actions"].as_array().unwrap().iter().find(|a| a["kind"] == "ACCEPT").unwrap();
    assert_eq!((&accepted["state"], &accepted["cycle"]), (&json!("DONE"), &json!(1)));
}

#[tokio::test]
async fn a_merchant_s_key_sees_nothing_of_another_s() {
    let mut stage = Stage::new().await;
    let ours = stage.open(fraud(STRIPE, hours(96))).await;
    let theirs = stage.open(fraud(RAZORPAY, hours(96))).await;
    let their_id = stage.line(&theirs).await.dispute_id;
    let program = Program::of(&stage, "acme", "reader", READ).await;
    let nobody = program.get("/v1/disputes/dp_nobody").await;
    assert_eq!((nobody.status, nobody.problem()), (404, "no-such-dispute"));
    for word in
        [theirs.as_str(), &their_id.to_string(), &format!("{theirs}?account=bazaar&provider=razorpay")]
    {
        let said = program.get(&format!("/v1/disputes/{word}")).await;
        assert_eq!((said.status, &said.body), (404, &nobody.body), "{word}");
    }
    for query in ["", "?account=bazaar", "?provider=razorpay", "?limit=100"] {
        let listed = program.get(&format!("/v1/disputes{query}")).await.body.to_string();
        assert!(!listed.contains(&theirs) && !listed.contains("bazaar"), "{query}: {listed}");
    }
    assert_eq!(program.get("/v1/disputes").await.body["disputes"][0]["dispute_id"], json!(ours));
}

#[tokio::test]
async fn pages_hold_each_dispute_once_also_when_more_come_meanwhile() {
    let mut stage = Stage::new().await;
    let mut known = BTreeSet::new();
    for n in 0..5 {
        let order = if n % 2 == 0 { fraud(STRIPE, hours(96)) } else { not_received(STRIPE, hours(96)) };
        known.insert(stage.open(order).await);
    }
    let program = Program::of(&stage, "acme", "reader", READ).await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = program.get(&format!("/v1/disputes?limit=2{cursor}")).await.body;
        let disputes = page["disputes"].as_array().unwrap();
        assert!((1..=2).contains(&disputes.len()), "{page}");
        seen.extend(disputes.iter().map(|d| d["dispute_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        stage.open(fraud(STRIPE, hours(96))).await;
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), known);
    let count = async |query: &str| {
        program.get(&format!("/v1/disputes?{query}")).await.body["disputes"].as_array().unwrap().len()
    };
    assert_eq!(count("open=true").await, 7);
    assert_eq!(count("status=WON").await, 0);
    assert_eq!(count("stage=CHARGEBACK&account=acme&provider=stripe&status=needs_response").await, 7);
    assert_eq!(count("account=elsewhere").await, 0);
}

#[tokio::test]
async fn an_id_that_two_accounts_know_is_asked_about_with_the_candidates() {
    let mut stage = Stage::new().await;
    let one = stage.open(fraud(STRIPE, hours(96))).await;
    let two = stage.open(fraud(STRIPE, hours(96))).await;
    let (one_id, two_id) = (stage.line(&one).await.dispute_id, stage.line(&two).await.dispute_id);
    sqlx::query(
        "insert into accounts (merchant_id, account_id, provider, name, tolerance_s, webhook_secrets, credentials,
            updated_at)
         select merchant_id, 1, provider, 'acme-us', 300, '{}', '', now() from accounts where name = 'acme'",
    )
    .execute(&stage.db.pool)
    .await
    .unwrap();
    sqlx::query("update disputes set account_id = 1, dispute_ref = $1 where dispute_id = $2")
        .bind(&one)
        .bind(two_id)
        .execute(&stage.db.pool)
        .await
        .unwrap();
    let program = Program::of(&stage, "acme", "reader", READ).await;
    let said = program.get(&format!("/v1/disputes/{one}")).await;
    assert_eq!((said.status, said.problem()), (409, "ambiguous"));
    let mut ids: Vec<&str> =
        said.body["candidates"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut wanted = [one_id.to_string(), two_id.to_string()];
    wanted.sort_unstable();
    assert_eq!(ids, wanted);
    let by_place = program.get(&format!("/v1/disputes/{one}?account=acme-us")).await;
    assert_eq!((by_place.status, &by_place.body["id"]), (200, &json!(two_id.to_string())));
    let by_id = program.get(&format!("/v1/disputes/{one_id}")).await;
    assert_eq!((by_id.status, &by_id.body["account"]), (200, &json!("acme")));
}

#[tokio::test]
async fn a_dispute_is_shown_as_it_was_at_one_moment() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "reader", READ).await;
    let mut tx = stage.db.pool.begin().await.unwrap();
    sqlx::query("lock table evidence").execute(&mut *tx).await.unwrap();
    let path = format!("/v1/disputes/{dispute_ref}");
    let asking = program.get(&path);
    let meanwhile = async {
        // The record is read, and its evidence cannot be yet.
        stage.db.somebody_waits("the reader").await;
        sqlx::query("update disputes set status = 'under_review'").execute(&mut *tx).await.unwrap();
        sqlx::query(
            "insert into evidence (merchant_id, dispute_id, field, n, words, added_at, added_by)
             select merchant_id, dispute_id, 'summary', 1, 'It came.', now(), 'ana' from disputes",
        )
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    };
    let (said, ()) = tokio::join!(asking, meanwhile);
    assert_eq!((&said.body["status"], &said.body["evidence"]), (&json!("NEEDS_RESPONSE"), &json!([])));
    let later = program.get(&path).await.body;
    assert_eq!(
        (&later["status"], &later["evidence"][0]["words"]),
        (&json!("UNDER_REVIEW"), &json!("It came."))
    );
}

#[tokio::test]
async fn odd_addresses_are_nobody_s_and_odd_queries_are_refused_by_name() {
    let stage = Stage::new().await;
    let program = Program::of(&stage, "acme", "reader", READ).await;
    let long = "x".repeat(3000);
    for word in ["dp%00x", "%00", "%ff%fe", "dp%0Ax", "-1", "99999999999999999999", "%20", &long] {
        let said = program.get(&format!("/v1/disputes/{word}")).await;
        assert_eq!((said.status, said.problem()), (404, "no-such-dispute"), "{word}");
    }
    for query in ["stauts=WON", "limit=0", "cursor=x", "account=a%00", "open=true&open=true", "status=%00"] {
        let said = program.get(&format!("/v1/disputes?{query}")).await;
        assert_eq!((said.status, said.problem()), (422, "invalid"), "{query}");
    }
    let said = program.send(program.http.delete(format!("{}/v1/disputes", program.base))).await;
    assert_eq!(said.status, 405);
    let said = program.get("/v1/nothing").await;
    assert_eq!(said.status, 404);
}
