//! The Checkout.com stand-in, endpoint by endpoint and refusal by refusal, over HTTP.
//! Expectations are those of the provider sheets; no adapter of the engine takes part.

use super::super::delivery::hmac_hex;
use super::*;

const SECRET: &str = "sandbox_workflow_key";

fn request(bench: &Bench, method: Method, path: &str) -> RequestBuilder {
    let url = format!("{}{path}", bench.sandbox.url(ProviderKind::Checkout));
    bench.client.request(method, url).bearer_auth("sk_sbox_sandboxexamplekeyforthesdk2")
}

async fn get(bench: &Bench, path: &str) -> Got {
    got(request(bench, Method::GET, path)).await
}

async fn post(bench: &Bench, path: &str) -> Got {
    got(request(bench, Method::POST, path)).await
}

async fn provide(bench: &Bench, id: &str, evidence: Value) -> Got {
    got(request(bench, Method::PUT, &format!("/disputes/{id}/evidence")).json(&evidence)).await
}

async fn upload(bench: &Bench, purpose: &'static str, content: &'static [u8]) -> Got {
    let part = reqwest::multipart::Part::bytes(content).file_name("receipt.pdf");
    let form = reqwest::multipart::Form::new().text("purpose", purpose).part("file", part);
    got(request(bench, Method::POST, "/files").multipart(form)).await
}

fn code(got: &Got) -> (u16, &str) {
    (got.status, got.body["error_codes"][0].as_str().unwrap_or_default())
}

fn ordered(name: &str) -> NewDispute {
    let mut order = NewDispute::checkout();
    order.extra.insert(name.to_owned(), json!(true));
    order
}

#[tokio::test]
async fn evidence_is_provided_as_often_as_one_likes_and_submitted_once() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::checkout().then("won", 86_400));
    bench.delivered().await;
    let submission = format!("/disputes/{id}/evidence");
    assert_eq!(code(&post(&bench, &submission).await), (422, "evidence_not_provided"));
    let file = upload(&bench, "dispute_evidence", PDF).await;
    let file = file.body["id"].as_str().unwrap().to_owned();
    assert_eq!(get(&bench, &format!("/files/{file}")).await.body["size"], PDF.len());
    let first = provide(&bench, &id, json!({ "invoice_or_receipt_file": file })).await;
    assert_eq!((first.status, &first.body), (204, &json!("")));
    provide(&bench, &id, json!({ "additional_evidence_text": "It came." })).await;
    let held = get(&bench, &submission).await.body;
    assert_eq!(held, json!({ "invoice_or_receipt_file": file, "additional_evidence_text": "It came." }));
    assert_eq!(bench.delivered().await.len(), 0, "a draft is nobody's news");
    assert_eq!(post(&bench, &submission).await.status, 204);
    let record = get(&bench, &format!("/disputes/{id}")).await;
    assert_eq!((record.status, &record.body["status"]), (200, &json!("evidence_under_review")));
    assert!(record.header("cko-request-id").starts_with("cko"));
    let again = post(&bench, &submission).await;
    assert_eq!(code(&again), (422, "dispute_status_not_evidence_required"));
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
    bench.advance(TimeDelta::days(2));
    assert_eq!(bench.status(&id), "won");
    assert_eq!(bench.delivered_types().await, ["dispute_evidence_submitted", "dispute_won"]);
}

#[tokio::test]
async fn accepting_ends_it_and_so_does_waiting() {
    let bench = Bench::new().await;
    let (conceded, missed) = (bench.create(NewDispute::checkout()), bench.create(NewDispute::checkout()));
    bench.delivered().await;
    assert_eq!(post(&bench, &format!("/disputes/{conceded}/accept")).await.status, 204);
    let again = post(&bench, &format!("/disputes/{conceded}/accept")).await;
    assert_eq!(code(&again), (422, "dispute_status_not_evidence_required"));
    bench.advance(TimeDelta::days(15));
    assert_eq!((bench.status(&conceded), bench.status(&missed)), ("accepted".into(), "expired".into()));
    let late = provide(&bench, &missed, json!({ "additional_evidence_text": "It came." })).await;
    assert_eq!(code(&late).0, 422);
    assert_eq!(bench.delivered_types().await, ["dispute_accepted", "dispute_expired"]);
}

#[tokio::test]
async fn evidence_is_read_strictly() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::checkout());
    let long = "é".repeat(501);
    let rows = [
        (json!({}), "evidence_required"),
        (json!([]), "request_body_malformed"),
        (json!({ "additional_evidence_text": long }), "additional_evidence_text_too_long"),
        (json!({ "additional_evidence_text": "" }), "additional_evidence_text_invalid"),
        (json!({ "additional_evidence_text": 7 }), "additional_evidence_text_invalid"),
        (json!({ "summary": "It came." }), "summary_unknown"),
        (json!({ "invoice_or_receipt_file": "file_nobody" }), "file_not_found"),
    ];
    for (evidence, wanted) in rows {
        assert_eq!(code(&provide(&bench, &id, evidence).await), (422, wanted));
    }
    let fits = json!({ "additional_evidence_text": "é".repeat(500) });
    assert_eq!(provide(&bench, &id, fits).await.status, 204);
    assert_eq!(provide(&bench, "dsp_nobody", json!({})).await.status, 404);
}

#[tokio::test]
async fn files_are_looked_at() {
    let bench = Bench::new().await;
    let rows: [(&'static str, &'static [u8], &str); 2] = [
        ("identity_document", PDF, "purpose_invalid"),
        ("dispute_evidence", b"plain words", "file_type_invalid"),
    ];
    for (purpose, content, wanted) in rows {
        assert_eq!(code(&upload(&bench, purpose, content).await), (422, wanted));
    }
    assert_eq!(get(&bench, "/files/file_nobody").await.status, 404);
}

#[tokio::test]
async fn the_list_has_the_last_updated_first_and_a_window() {
    let bench = Bench::new().await;
    let ids: Vec<String> = (0..3)
        .map(|_| {
            bench.advance(TimeDelta::minutes(1));
            bench.create(NewDispute::checkout())
        })
        .collect();
    bench.advance(TimeDelta::minutes(1));
    provide(&bench, &ids[0], json!({ "additional_evidence_text": "It came." })).await;
    let listed = |body: &Value| -> Vec<String> {
        body["data"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = get(&bench, "/disputes").await.body;
    assert_eq!(listed(&all), [&ids[0], &ids[2], &ids[1]].map(String::clone));
    assert_eq!((&all["limit"], &all["skip"], &all["total_count"]), (&json!(50), &json!(0), &json!(3)));
    let second = get(&bench, "/disputes?limit=1&skip=1").await.body;
    assert_eq!(listed(&second), [ids[2].clone()]);
    let window = get(&bench, "/disputes?from=2026-03-02T10:02:30Z&to=2026-03-02T10:03:30Z").await.body;
    assert_eq!(listed(&window), [ids[2].clone()]);
    assert_eq!(listed(&get(&bench, "/disputes?statuses=won,lost").await.body), Vec::<String>::new());
    for (query, wanted) in [
        ("limit=251", "paging_limit_invalid"),
        ("limit=0", "paging_limit_invalid"),
        ("skip=-1", "paging_skip_invalid"),
        ("from=yesterday", "paging_from_invalid"),
    ] {
        let refused = get(&bench, &format!("/disputes?{query}")).await;
        assert_eq!((code(&refused), &refused.body["error_type"]), ((422, wanted), &json!("request_invalid")));
    }
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::checkout());
    let url = format!("{}/disputes/{id}", bench.sandbox.url(ProviderKind::Checkout));
    for key in ["sk_other", "", "sk_sbox_sandboxexamplekeyforthesdk"] {
        let refused = got(bench.client.get(&url).bearer_auth(key)).await;
        assert_eq!((refused.status, &refused.body), (401, &json!("")), "{key}");
    }
    assert_eq!(got(bench.client.get(&url)).await.status, 401);
    assert_eq!(get(&bench, "/payments").await.status, 404);
}

#[tokio::test]
async fn both_envelopes_are_signed_over_the_raw_body() {
    let bench = Bench::with(|account| account).await;
    bench.create(NewDispute::checkout());
    bench.create(ordered("old_envelope"));
    let told = bench.delivered().await;
    let [new, old] = &told[..] else { panic!("{told:?}") };
    for webhook in [new, old] {
        assert_eq!(webhook.header("cko-signature"), hmac_hex(SECRET, &[webhook.body.as_bytes()]));
        assert_eq!(webhook.header("authorization"), "", "none is configured");
        assert!(webhook.json()["data"]["evidence_required_by"].is_string());
    }
    let keys = |webhook: &Received| {
        let body = webhook.json();
        ["timestamp", "version", "created_on"].map(|key| body[key].is_string())
    };
    assert_eq!((keys(new), keys(old)), ([true, true, false], [false, false, true]));
    assert_ne!(new.json()["id"], old.json()["id"]);
}

#[tokio::test]
async fn the_header_key_of_the_action_goes_along() {
    let bench = Bench::with(|account| match account.provider == ProviderKind::Checkout {
        true => account.setting("webhook_authorization", "Perry-9"),
        false => account,
    })
    .await;
    bench.create(NewDispute::checkout());
    assert_eq!(bench.delivered().await[0].header("authorization"), "Perry-9");
}

#[tokio::test]
async fn what_happens_elsewhere_has_its_events() {
    let bench = Bench::new().await;
    let special = |name: &str| Change::Special { name: name.to_owned(), extra: Default::default() };
    let id = bench.create(ordered("announced"));
    for change in [
        Change::SubmittedElsewhere,
        special("acknowledged_by_scheme"),
        Change::Lost,
        special("arbitration_evidence"),
        Change::Escalate { due_by: None, phase: None },
        Change::Won { amount_deducted: 0 },
    ] {
        bench.control.change(&id, &change).unwrap();
    }
    assert_eq!(bench.status(&id), "arbitration_won");
    let wanted = [
        "dispute_received",
        "dispute_evidence_required",
        "dispute_evidence_submitted",
        "dispute_evidence_acknowledged_by_scheme",
        "dispute_lost",
        "dispute_arbitration_evidence_submitted",
        "dispute_arbitration_sent_to_scheme",
        "dispute_arbitration_won",
    ];
    assert_eq!(bench.delivered_types().await, wanted);
    let refunded = bench.create(NewDispute::checkout());
    bench.control.change(&refunded, &Change::Refunded).unwrap();
    bench.control.change(&refunded, &special("information_requested")).unwrap();
    let told = bench.delivered().await;
    assert_eq!(told[1].json()["data"]["resolved_reason"], "already_refunded");
    assert!(told[2].json()["data"]["id"].as_str().unwrap().starts_with("rtvl_"));
    assert_eq!(
        get(&bench, &format!("/disputes/{refunded}")).await.body["resolved_reason"],
        "already_refunded"
    );
}

#[tokio::test]
async fn orders_that_make_no_sense_are_told_apart() {
    let bench = Bench::new().await;
    let with = |change: fn(&mut NewDispute)| {
        let mut order = NewDispute::checkout();
        change(&mut order);
        bench.control.create(&order).unwrap_err().to_string()
    };
    assert!(with(|d| d.reason = Some("boredom".into())).contains("is not a Checkout.com category"));
    assert!(with(|d| d.status = Some("open".into())).contains("is not a Checkout.com dispute status"));
    assert!(with(|d| d.due_by = Some(None)).contains("always states"));
    assert!(with(|d| _ = d.extra.insert("old_envelope".into(), json!("yes"))).contains("true or false"));
    let id = bench.create(NewDispute::checkout());
    let odd = bench.control.change(&id, &Change::AppealOffered { due_by: None }).unwrap_err();
    assert!(odd.to_string().contains("arbitration"), "{odd}");
}
