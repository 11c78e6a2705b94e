//! Orders from merchants' own programs: carried out at the provider once, whatever is said twice, and told as they
//! are when something is in the way.

use respondby::engine::{Applied, Command};
use respondby::sandbox::Change;
use respondby::store::turn::set_kill_switch;
use respondby::store::{api_keys, api_orders};
use serde_json::{Value, json};

use super::{ALL, Program, READ, Said, merchant_id};
use crate::engine::stage::{RAZORPAY, RULES, STRIPE, Stage, fraud, hours, not_received};

const NOW: &str = "wait=0";
const PATIENT: &str = "wait=30";

impl Program {
    fn post(&self, path: &str, prefer: &str, key: Option<&str>, body: &Value) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        request.header("prefer", prefer).json(body)
    }

    /// Orders, and returns how it stands at once.
    async fn order(&self, path: &str, key: Option<&str>, body: Value) -> Said {
        self.send(self.post(path, NOW, key, &body)).await
    }
}

/// Sends requests side by side, and lets the engine work until all are answered.
async fn meanwhile(
    stage: &mut Stage,
    program: &Program,
    requests: Vec<reqwest::RequestBuilder>,
) -> Vec<Said> {
    let mut said = Vec::new();
    let asking = futures_util::future::join_all(requests.into_iter().map(|request| program.send(request)));
    tokio::pin!(asking);
    while said.is_empty() {
        tokio::select! {
            biased;
            all = &mut asking => said = all,
            _ = stage.settle() => {}
        }
    }
    said
}

async fn patiently(stage: &mut Stage, program: &Program, path: &str, key: Option<&str>, body: Value) -> Said {
    let request = program.post(path, PATIENT, key, &body);
    meanwhile(stage, program, vec![request]).await.remove(0)
}

fn defence() -> Value {
    json!({"reason_code": "goods_arrived", "explanation": "It was signed for.", "submit_evidence": true})
}

#[tokio::test]
async fn a_defence_is_answered_in_the_document_s_words_once_the_provider_s_record_shows_it() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/defend");
    let said = patiently(&mut stage, &program, &path, None, defence()).await;
    assert_eq!(said.status, 200, "{}", said.body);
    let told = &said.body;
    assert_eq!((&told["dispute_id"], &told["defense_submitted"]), (&json!(dispute_ref), &json!(true)));
    assert_eq!((&told["status"], &told["status_code"]), (&json!("UNDER_REVIEW"), &json!(200)));
    let record = stage.theirs(&dispute_ref).record.to_string();
    assert!(record.contains("It was signed for."), "{record}");
    assert_eq!(stage.control.ledger().len(), 1);
    let history = stage.history(&dispute_ref).await;
    let ordered = history.iter().find(|h| h.kind == "ordered").unwrap();
    assert_eq!((ordered.cause.as_str(), &ordered.detail["by"]), ("api:till", &json!("api:till")));
    stage.uphold().await;
}

#[tokio::test]
async fn an_acceptance_is_answered_likewise_and_by_our_id_too() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(not_received(STRIPE, hours(96))).await;
    let id = stage.line(&dispute_ref).await.dispute_id;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{id}/accept");
    let said = patiently(&mut stage, &program, &path, None, json!({"dispute_id": dispute_ref})).await;
    assert_eq!((said.status, &said.body["accepted"]), (200, &json!(true)), "{}", said.body);
    assert_eq!(said.body["status"], "LOST");
    stage.uphold().await;
}

#[tokio::test]
async fn an_order_that_is_given_again_is_not_carried_out_again() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let other = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/defend");
    let same = |key: Option<&str>| program.post(&path, PATIENT, key, &defence());
    // Side by side, with a name and without.
    let all =
        vec![same(Some("order-1")), same(Some("order-1")), same(None), same(Some("order-1")), same(None)];
    let first: Vec<Said> = meanwhile(&mut stage, &program, all).await;
    for said in &first {
        assert_eq!((said.status, &said.body), (200, &first[0].body));
    }
    // And later, when the dispute has moved on: the first answer.
    stage.change(&dispute_ref, Change::Lost).await;
    let again = program.order(&path, Some("order-1"), defence()).await;
    assert_eq!((again.status, &again.body), (200, &first[0].body));
    assert_eq!(stage.control.ledger().len(), 1);

    // The same name with another order is a mistake: another body, another kind, another dispute.
    let reused = async |path: &str, body: Value| {
        let said = program.order(path, Some("order-1"), body).await;
        assert_eq!((said.status, said.problem()), (422, "idempotency-key-reused"), "{path}");
    };
    reused(&path, json!({"explanation": "Another."})).await;
    reused(&format!("/v1/disputes/{dispute_ref}/accept"), json!({})).await;
    reused(&format!("/v1/disputes/{other}/defend"), defence()).await;
    // Names are each key's own.
    let colleague = Program::of(&stage, "acme", "office", ALL).await;
    let theirs = format!("/v1/disputes/{other}/accept");
    assert_eq!(colleague.order(&theirs, Some("order-1"), json!({})).await.status, 202);
    stage.uphold().await;
}

#[tokio::test]
async fn a_call_whose_time_is_over_says_how_far_it_has_come_and_may_ask_again() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/defend");
    for _ in 0..3 {
        let said = program.order(&path, Some("order-1"), defence()).await;
        assert_eq!((said.status, &said.body["progress"]), (202, &json!("WANTED")), "{}", said.body);
        assert_eq!(
            (&said.body["defense_submitted"], &said.body["status_code"]),
            (&json!(false), &json!(202))
        );
    }
    stage.settle().await;
    let said = program.order(&path, Some("order-1"), defence()).await;
    assert_eq!((said.status, &said.body["defense_submitted"]), (200, &json!(true)), "{}", said.body);
    assert_eq!(stage.control.ledger().len(), 1);
    let orders: i64 = sqlx::query_scalar("select count(*) from history where kind = 'ordered'")
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
    assert_eq!(orders, 1);
}

#[tokio::test]
async fn the_kill_switch_is_told_at_once_and_the_order_stands() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let acme = merchant_id(&stage, "acme").await;
    let now = stage.clock.now();
    let mut conn = stage.db.pool.acquire().await.unwrap();
    set_kill_switch(&mut conn, acme, true, "ana", now).await.unwrap();
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/accept");
    // However long it would wait: nothing will happen by itself.
    let said = program.send(program.post(&path, PATIENT, Some("a"), &json!({}))).await;
    assert_eq!((said.status, &said.body["progress"]), (202, &json!("WAITS")), "{}", said.body);
    assert_eq!(said.body["waiting_for"], json!(["the kill switch is on"]));
    stage.settle().await;
    assert!(stage.control.ledger().is_empty());
    set_kill_switch(&mut conn, acme, false, "ana", now).await.unwrap();
    stage.settle().await;
    let said = patiently(&mut stage, &program, &path, Some("a"), json!({})).await;
    assert_eq!((said.status, &said.body["accepted"]), (200, &json!(true)), "{}", said.body);
    stage.uphold().await;
}

#[tokio::test]
async fn an_order_that_wants_a_second_person_says_so_and_no_key_is_one() {
    let rules = RULES.replace(
        "then = { accept = { after = \"1h\" } }",
        "then = { accept = { after = \"1h\" } }\napproval = \"always\"",
    );
    let mut stage = Stage::ruled_by(&rules).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/accept");
    let said = program.send(program.post(&path, PATIENT, None, &json!({}))).await;
    assert_eq!((said.status, &said.body["progress"]), (202, &json!("WAITS")), "{}", said.body);
    assert_eq!(said.body["waiting_for"], json!(["approval by somebody other than api:till"]));
    let itself = stage.order(&dispute_ref, "api:till", Command::Approve).await;
    assert!(matches!(itself, Applied::Refused(_)), "{itself:?}");
    assert_eq!(stage.order(&dispute_ref, "ben", Command::Approve).await, Applied::Applied);
    // Said again, it is the same order: the approval still counts.
    let said = patiently(&mut stage, &program, &path, None, json!({})).await;
    assert_eq!((said.status, &said.body["accepted"]), (200, &json!(true)), "{}", said.body);
    stage.uphold().await;
}

#[tokio::test]
async fn an_order_that_is_refused_leaves_nothing_behind() {
    let mut stage = Stage::new().await;
    let closed = stage.open(fraud(STRIPE, hours(96))).await;
    stage.change(&closed, Change::AcceptedElsewhere).await;
    let open = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let misspelt = json!({"template": "wrods", "explanation": "It came."});
    let part = json!({"summary": "It came.", "amount": 1999, "action": "submit"});
    for (dispute_ref, call, body, part) in [
        (&closed, "defend", defence(), "no open cycle"),
        (&open, "defend", misspelt, "no template `wrods`"),
        (&open, "evidence", part, "a part of the amount"),
    ] {
        let path = format!("/v1/disputes/{dispute_ref}/{call}");
        let said = program.order(&path, Some(part), body.clone()).await;
        assert_eq!((said.status, said.problem()), (409, "refused"), "{}", said.body);
        assert!(said.body["detail"].as_str().unwrap().contains(part), "{}", said.body);
        assert_eq!(
            (&said.body["dispute_id"], said.body["dispute_status"].is_string()),
            (&json!(dispute_ref), true)
        );
        let again = program.order(&path, Some(part), body).await;
        assert_eq!((again.status, &again.body), (409, &said.body));
        let file = program.get(&format!("/v1/disputes/{dispute_ref}")).await.body;
        assert_eq!(file["evidence"], json!([]));
    }
    stage.settle().await;
    assert!(!stage.control.ledger().iter().any(|entry| entry.dispute_ref == open));
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_in_its_words_and_a_new_order_tries_again() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/evidence");
    let body =
        |receipt: Value| json!({"evidence": {"receipt": receipt, "summary": "It came."}, "submit": true});
    let said = patiently(&mut stage, &program, &path, Some("1"), body(json!("file_nobody_has"))).await;
    assert_eq!((said.status, said.problem()), (422, "provider-refused"), "{}", said.body);
    assert!(said.body["detail"].as_str().unwrap().contains("file_nobody_has"), "{}", said.body);
    assert_eq!(said.body["dispute_status"], "NEEDS_RESPONSE");
    let again = program.order(&path, Some("1"), body(json!("file_nobody_has"))).await;
    assert_eq!(again.body, said.body, "the first answer");
    sqlx::query("delete from evidence where field = 'receipt'").execute(&stage.db.pool).await.unwrap();
    stage.advance(chrono::TimeDelta::seconds(1)).await;
    let said = patiently(&mut stage, &program, &path, None, body(json!(null))).await;
    assert_eq!((said.status, &said.body["defense_submitted"]), (200, &json!(true)), "{}", said.body);
    stage.uphold().await;
}

#[tokio::test]
async fn a_key_that_is_replaced_gives_the_same_orders_and_another_program_gives_its_own() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let other = stage.open(fraud(STRIPE, hours(96))).await;
    let path = format!("/v1/disputes/{dispute_ref}/defend");
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let first = patiently(&mut stage, &program, &path, Some("order-1"), defence()).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let acme = merchant_id(&stage, "acme").await;
    api_keys::revoke(&mut conn, acme, "till", "ana", stage.clock.now()).await.unwrap();
    assert_eq!(program.order(&path, Some("order-1"), defence()).await.status, 401);

    let replaced = Program::of(&stage, "acme", "till", ALL).await;
    for name in [Some("order-1"), None] {
        let again = replaced.order(&path, name, defence()).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{name:?}");
    }
    let reused = replaced.order(&format!("/v1/disputes/{other}/defend"), Some("order-1"), defence()).await;
    assert_eq!((reused.status, reused.problem()), (422, "idempotency-key-reused"));
    let second = Program::of(&stage, "acme", "second-till", ALL).await;
    let own = second.order(&path, Some("order-1"), defence()).await;
    assert_eq!((own.status, own.problem()), (409, "refused"), "{}", own.body);
    assert_eq!(stage.control.ledger().len(), 1);
    // Nor is it another merchant's, who may call its programs the same.
    let theirs = Program::of(&stage, "bazaar", "till", ALL).await;
    assert_eq!(theirs.order(&path, Some("order-1"), defence()).await.status, 404);
}

#[tokio::test]
async fn orders_are_forgotten_after_a_day_unless_their_window_is_open() {
    let mut stage = Stage::new().await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let answered = stage.open(fraud(STRIPE, hours(96))).await;
    let open = stage.open(not_received(STRIPE, hours(96))).await;
    let said =
        patiently(&mut stage, &program, &format!("/v1/disputes/{answered}/defend"), Some("a"), defence())
            .await;
    assert_eq!(said.status, 200, "{}", said.body);
    let drafts = format!("/v1/disputes/{open}/evidence");
    for n in 0..3 {
        let draft = json!({"evidence": {"summary": format!("{n}")}, "submit": false});
        assert_eq!(program.order(&drafts, Some(&format!("draft-{n}")), draft).await.status, 200);
    }
    let names = async || -> Vec<String> {
        sqlx::query_scalar("select idempotency_key from api_orders order by order_id")
            .fetch_all(&stage.db.pool)
            .await
            .unwrap()
    };
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let given_at = stage.clock.now();
    assert_eq!(api_orders::forget(&mut conn, given_at + hours(24)).await.unwrap(), 0);
    assert_eq!(names().await.len(), 4);
    let later = given_at + hours(24) + chrono::TimeDelta::seconds(1);
    assert_eq!(api_orders::forget(&mut conn, later).await.unwrap(), 3);
    assert_eq!(names().await, ["draft-2"], "the last one of the window that is open");
    sqlx::query("update api_orders set answer = null, answered_at = null").execute(&mut *conn).await.unwrap();
    assert_eq!(api_orders::forget(&mut conn, later).await.unwrap(), 0, "its fate is not known");

    // Many of them, as fast as they can be looked at.
    sqlx::query(
        "insert into api_orders (merchant_id, order_id, key_id, caller, digest, dispute_id, cycle_n, ordered_at)
         select merchant_id, nextval('ids'), key_id, caller, digest, dispute_id, null, ordered_at
         from api_orders, generate_series(1, 1201)",
    )
    .execute(&mut *conn)
    .await
    .unwrap();
    assert_eq!(api_orders::forget(&mut conn, later).await.unwrap(), 1201);
    assert_eq!(names().await.len(), 1);
}

#[tokio::test]
async fn a_draft_is_kept_and_sent_with_the_defence_that_follows() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/evidence");
    for text in ["First words.", "Second words."] {
        let said = program.order(&path, None, json!({"evidence": {"summary": text}, "submit": false})).await;
        assert_eq!((said.status, &said.body["progress"]), (200, &json!("KEPT")), "{}", said.body);
        assert_eq!(
            (&said.body["defense_submitted"], &said.body["status"]),
            (&json!(false), &json!("NEEDS_RESPONSE"))
        );
    }
    stage.settle().await;
    assert!(stage.control.ledger().is_empty());
    let file = program.get(&format!("/v1/disputes/{dispute_ref}")).await.body;
    let words: Vec<&Value> = file["evidence"].as_array().unwrap().iter().map(|e| &e["words"]).collect();
    assert_eq!(words, [&json!("Second words.")], "each in place of what its field had");
    let said =
        patiently(&mut stage, &program, &format!("/v1/disputes/{dispute_ref}/defend"), None, json!({})).await;
    assert_eq!(said.status, 200, "{}", said.body);
    let record = stage.theirs(&dispute_ref).record.to_string();
    assert!(record.contains("Second words.") && !record.contains("First words."), "{record}");
    // It is told as done again after it is done, and no evidence is added to what was sent.
    let late = program.order(&path, None, json!({"evidence": {"summary": "Late."}, "submit": true})).await;
    assert_eq!((late.status, late.problem()), (409, "refused"));
    // Nor is a draft kept as if anything would come of it, whether as JSON or as a defence that is not to be sent.
    for (path, body) in [
        (path.clone(), json!({"evidence": {"summary": "Late."}, "submit": false})),
        (
            format!("/v1/disputes/{dispute_ref}/defend"),
            json!({"explanation": "Late.", "submit_evidence": false}),
        ),
    ] {
        let late = program.order(&path, None, body).await;
        assert_eq!((late.status, late.problem()), (409, "refused"), "{path}: {}", late.body);
        let detail = late.body["detail"].as_str().unwrap();
        assert!(detail.contains("the defence was made") && detail.contains("not kept"), "{detail}");
    }
    let file = program.get(&format!("/v1/disputes/{dispute_ref}")).await.body;
    assert!(!file["evidence"].to_string().contains("Late."), "{file}");
}

#[tokio::test]
async fn a_draft_that_comes_while_the_response_is_on_its_way_is_told_that_it_is_too_late() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let draft = || json!({"evidence": {"summary": "It came."}, "submit": false});
    let path = format!("/v1/disputes/{dispute_ref}/evidence");
    assert_eq!(program.order(&path, None, draft()).await.status, 200);
    assert_eq!(
        program.order(&format!("/v1/disputes/{dispute_ref}/defend"), None, json!({})).await.status,
        202
    );
    // Wanted, and not sent: what comes now still goes with it.
    assert_eq!(program.order(&path, None, draft()).await.status, 200);
    for state in ["sent", "unknown"] {
        sqlx::query("update actions set state = $1, sent_at = wanted_at where kind = 'submit'")
            .bind(state)
            .execute(&stage.db.pool)
            .await
            .unwrap();
        let late = program.order(&path, None, draft()).await;
        assert_eq!((late.status, late.problem()), (409, "refused"), "{state}: {}", late.body);
        assert!(late.body["detail"].as_str().unwrap().contains("`submit` has been sent"), "{}", late.body);
    }
}

#[tokio::test]
async fn evidence_in_the_other_document_s_words_reaches_the_other_provider() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(RAZORPAY, hours(96))).await;
    let program = Program::of(&stage, "bazaar", "till", ALL).await;
    let path = format!("/v1/disputes/{dispute_ref}/evidence");
    let said = program.order(&path, None, json!({"summary": "It came.", "action": "submit"})).await;
    assert_eq!((said.status, &said.body["progress"]), (202, &json!("WAITS")));
    assert!(said.body["waiting_for"][0].as_str().unwrap().contains("at least one file"), "{}", said.body);
    let shop = &stage.engine.shop;
    let account = shop.accounts.all().into_iter().find(|a| a.name == "bazaar").unwrap();
    let adapter = shop.world.registry.get(account.provider).clone();
    let content = b"%PDF-1.4\n% a slip\n%%EOF\n".to_vec();
    let uploaded = adapter.upload(&account, "slip.pdf", "application/pdf", content.into(), "slip").await.0;
    let document = uploaded.into_result().unwrap().provider_file_ref;
    let body =
        json!({"amount": 2000, "shipping_proof": [document], "summary": "It came.", "action": "submit"});
    let said = patiently(&mut stage, &program, &path, None, body).await;
    assert_eq!((said.status, &said.body["status"]), (200, &json!("UNDER_REVIEW")), "{}", said.body);
    let record = stage.theirs(&dispute_ref).record.to_string();
    assert!(record.contains(&document), "{record}");
    stage.uphold().await;
}

#[tokio::test]
async fn what_people_do_meanwhile_outranks_the_order_and_is_told() {
    let mut stage = Stage::new().await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let held = stage.open(fraud(STRIPE, hours(96))).await;
    let path = |dispute_ref: &str| format!("/v1/disputes/{dispute_ref}/accept");
    assert_eq!(program.order(&path(&held), Some("held"), json!({})).await.status, 202);
    stage.order(&held, "ana", Command::Hold { why: "wait".into() }).await;
    let said = program.order(&path(&held), Some("held"), json!({})).await;
    assert_eq!((said.status, said.problem()), (409, "overtaken"));
    assert!(said.body["detail"].as_str().unwrap().contains("ana ordered otherwise"), "{}", said.body);

    let answered = stage.open(fraud(STRIPE, hours(96))).await;
    assert_eq!(program.order(&path(&answered), Some("elsewhere"), json!({})).await.status, 202);
    stage.change(&answered, Change::SubmittedElsewhere).await;
    let said = program.order(&path(&answered), Some("elsewhere"), json!({})).await;
    assert_eq!((said.status, said.problem()), (409, "overtaken"), "{}", said.body);
    assert!(!stage.control.ledger().iter().any(|entry| entry.dispute_ref == held));
    stage.uphold().await;
}

#[tokio::test]
async fn nobody_orders_without_the_scope_nor_for_another_merchant() {
    let mut stage = Stage::new().await;
    let theirs = stage.open(fraud(RAZORPAY, hours(96))).await;
    let ours = stage.open(fraud(STRIPE, hours(96))).await;
    let reader = Program::of(&stage, "acme", "reader", READ).await;
    let said = reader.order(&format!("/v1/disputes/{ours}/accept"), None, json!({})).await;
    assert_eq!(
        (said.status, said.problem(), &said.body["scope"]),
        (403, "scope-missing", &json!("disputes:write"))
    );
    let writer = Program::of(&stage, "acme", "writer", ALL).await;
    for (call, body) in [("accept", json!({})), ("defend", defence()), ("evidence", json!({"submit": true}))]
    {
        let said = writer.order(&format!("/v1/disputes/{theirs}/{call}"), None, body).await;
        assert_eq!((said.status, said.problem()), (404, "no-such-dispute"));
    }
    stage.settle().await;
    assert!(stage.control.ledger().is_empty());
    let orders: i64 =
        sqlx::query_scalar("select count(*) from api_orders").fetch_one(&stage.db.pool).await.unwrap();
    assert_eq!(orders, 0);
}

#[tokio::test]
async fn bodies_that_are_huge_odd_or_not_json_are_refused_and_nothing_is_ordered() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let program = Program::of(&stage, "acme", "till", ALL).await;
    let address = format!("{}/v1/disputes/{dispute_ref}/defend", program.base);
    let huge = format!("{{\"explanation\": \"{}\"}}", "x".repeat(2 << 20));
    let long = format!("{{\"explanation\": \"{}\"}}", "x".repeat(150_001));
    let table: &[(&str, &str, u16, &str)] = &[
        ("application/json", &huge, 413, "too-large"),
        ("application/json", &long, 422, "invalid"),
        ("text/plain", "{}", 415, "unsupported-media-type"),
        ("application/json", "{\"explanation\": \"a\\u0000b\"}", 422, "invalid"),
        ("application/json", "{\"explanation\": \"a\0b\"}", 422, "invalid"),
        ("application/json", "{\"explanation\": ", 422, "invalid"),
        ("application/json", "<html>", 422, "invalid"),
        ("application/json", "", 422, "invalid"),
    ];
    for (media_type, body, status, problem) in table {
        let request = program.http.post(&address).bearer_auth(&program.key);
        let request = request.header("content-type", *media_type).body((*body).to_owned());
        let said = program.send(request).await;
        let shown: String = body.chars().take(30).collect();
        assert_eq!((said.status, said.problem()), (*status, *problem), "{shown}");
    }
    let odd = program.post(&format!("/v1/disputes/{dispute_ref}/accept"), "wait=soon", None, &json!({}));
    assert_eq!(program.send(odd).await.status, 422);
    let nameless = program.post(&format!("/v1/disputes/{dispute_ref}/accept"), NOW, Some(""), &json!({}));
    assert_eq!(program.send(nameless).await.status, 422);
    // Whoever is not let in is told so, whatever they send.
    let stranger =
        program.http.post(&address).bearer_auth("x").header("content-type", "text/plain").body("x");
    assert_eq!(program.send(stranger).await.status, 401);
    let orders: i64 =
        sqlx::query_scalar("select count(*) from api_orders").fetch_one(&stage.db.pool).await.unwrap();
    assert_eq!(orders, 0);
}
