//! What Stripe's stand-in shows: lists, cursors, expansion, files, events, warnings, headers.
//! Expectations are those of the provider sheets; no adapter of the engine takes part.

use super::*;

fn ids(got: &Got) -> Vec<String> {
    let rows = got.body["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn disputes_list_newest_first_with_filters_and_cursors() {
    let bench = Bench::new().await;
    let base = start_of_time().timestamp();
    let made: Vec<String> = (0..5)
        .map(|n| bench.create(NewDispute { created: Some(base + n), ..NewDispute::stripe() }))
        .collect();
    let newest: Vec<String> = made.iter().rev().cloned().collect();
    let all = bench.stripe_get("/v1/disputes").await;
    assert_eq!(ids(&all), newest);
    assert_eq!((&all.body["object"], &all.body["has_more"]), (&json!("list"), &json!(false)));
    let first = bench.stripe_get("/v1/disputes?limit=2").await;
    assert_eq!((ids(&first), &first.body["has_more"]), (newest[..2].to_vec(), &json!(true)));
    let next = bench.stripe_get(&format!("/v1/disputes?limit=2&starting_after={}", newest[1])).await;
    assert_eq!(ids(&next), newest[2..4]);
    let back = bench.stripe_get(&format!("/v1/disputes?limit=2&ending_before={}", newest[3])).await;
    assert_eq!((ids(&back), &back.body["has_more"]), (newest[1..3].to_vec(), &json!(true)));
    let span = format!("/v1/disputes?created[gt]={}&created[lte]={}", base, base + 2);
    assert_eq!(ids(&bench.stripe_get(&span).await), newest[2..4]);
    let exact = bench.stripe_get(&format!("/v1/disputes?created={base}")).await;
    assert_eq!(ids(&exact), newest[4..]);
    let charge = all.body["data"][1]["charge"].as_str().unwrap();
    assert_eq!(ids(&bench.stripe_get(&format!("/v1/disputes?charge={charge}")).await), newest[1..2]);
    let intent = all.body["data"][2]["payment_intent"].as_str().unwrap();
    assert_eq!(ids(&bench.stripe_get(&format!("/v1/disputes?payment_intent={intent}")).await), newest[2..3]);
}

#[tokio::test]
async fn bad_list_parameters_are_refused() {
    let bench = Bench::new().await;
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("status=won", "status"),
        ("created[since]=1", "created[since]"),
        ("starting_after=dp_nowhere", "starting_after"),
        ("charge=", "charge"),
    ] {
        let got = bench.stripe_get(&format!("/v1/disputes?{query}")).await;
        assert_eq!((got.status, &got.body["error"]["param"]), (400, &json!(param)), "{query}");
    }
}

#[tokio::test]
async fn what_is_asked_for_is_expanded() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute { customer: Some("cus_1".to_owned()), ..NewDispute::stripe() });
    let file = bench.stripe_file().await;
    let path = format!("/v1/disputes/{id}");
    bench.stripe_post(&path, &[("evidence[receipt]", &file), ("submit", "false")]).await;
    let query = format!("{path}?expand[]=charge&expand[]=payment_intent&expand[]=evidence.receipt");
    let shown = bench.stripe_get(&query).await.body;
    assert_eq!(
        (&shown["charge"]["object"], &shown["charge"]["customer"]),
        (&json!("charge"), &json!("cus_1"))
    );
    assert_eq!(shown["payment_intent"]["latest_charge"], shown["charge"]["id"]);
    assert_eq!(shown["evidence"]["receipt"]["id"], file.as_str());
    let listed = bench.stripe_get("/v1/disputes?expand[0]=data.charge").await.body;
    assert_eq!(listed["data"][0]["charge"]["object"], "charge");
    assert_eq!(bench.stripe_get("/v1/disputes?expand[0]=charge").await.status, 400);
    let charge = shown["charge"]["id"].as_str().unwrap();
    assert_eq!(bench.stripe_get(&format!("/v1/charges/{charge}")).await.body["disputed"], true);
}

#[tokio::test]
async fn every_field_that_the_api_description_requires_is_there() {
    let bench = Bench::new().await;
    let order =
        NewDispute { compliance_fee: true, ce3: Some("qualified".to_owned()), ..NewDispute::stripe() };
    let id = bench.create(order);
    let record = bench.stripe_get(&format!("/v1/disputes/{id}")).await.body;
    for field in [
        "amount",
        "balance_transactions",
        "charge",
        "created",
        "currency",
        "enhanced_eligibility_types",
        "evidence",
        "evidence_details",
        "id",
        "is_charge_refundable",
        "livemode",
        "metadata",
        "object",
        "reason",
        "status",
    ] {
        assert!(!record[field].is_null(), "{field} in {record}");
    }
    assert_eq!(record["evidence"].as_object().unwrap().len(), 28);
    assert_eq!(
        record["enhanced_eligibility_types"],
        json!(["visa_compelling_evidence_3", "visa_compliance"])
    );
    assert_eq!(record["payment_method_details"]["card"]["case_type"], "compliance");
    let due = record["evidence_details"]["due_by"].as_i64().unwrap();
    assert_eq!(due % 86_400, 86_399, "the last second of a day");
}

#[tokio::test]
async fn files_are_checked_kept_and_given_back() {
    let bench = Bench::new().await;
    let id = bench.stripe_file().await;
    let record = bench.stripe_get(&format!("/v1/files/{id}")).await.body;
    assert_eq!((&record["type"], &record["size"]), (&json!("pdf"), &json!(PDF.len())));
    let kept = record["expires_at"].as_i64().unwrap() - record["created"].as_i64().unwrap();
    assert_eq!(kept, 270 * 86_400);
    let bytes = bench.stripe(Method::GET, &format!("/v1/files/{id}/contents")).send().await.unwrap();
    assert_eq!(bytes.bytes().await.unwrap(), PDF);
    assert_eq!(ids(&bench.stripe_get("/v1/files?purpose=dispute_evidence").await), [id.as_str()]);
    let upload = |content: Vec<u8>, purpose: &'static str| {
        let part = reqwest::multipart::Part::bytes(content).file_name("a.pdf");
        let form = reqwest::multipart::Form::new().text("purpose", purpose).part("file", part);
        got(bench.stripe(Method::POST, "/v1/files").multipart(form))
    };
    assert_eq!(upload(b"plain text".to_vec(), "dispute_evidence").await.body["error"]["param"], "file");
    let sized = |n: usize| [PDF, &vec![b'x'; n - PDF.len()]].concat();
    assert_eq!(upload(sized(5_000_000), "dispute_evidence").await.status, 200);
    assert_eq!(upload(sized(5_000_001), "dispute_evidence").await.body["error"]["param"], "file");
    assert_eq!(upload(PDF.to_vec(), "holiday_picture").await.body["error"]["param"], "purpose");
    let no_file = reqwest::multipart::Form::new().text("purpose", "dispute_evidence");
    let missing = got(bench.stripe(Method::POST, "/v1/files").multipart(no_file)).await;
    assert_eq!(missing.body["error"]["code"], "parameter_missing");
    let signature = upload(PDF.to_vec(), "customer_signature").await.body["id"].as_str().unwrap().to_owned();
    let dispute = bench.create(NewDispute::stripe());
    let wrong = [("evidence[receipt]", signature.as_str())];
    assert_eq!(bench.stripe_post(&format!("/v1/disputes/{dispute}"), &wrong).await.status, 400);
}

#[tokio::test]
async fn events_are_listed_by_type_and_by_whether_they_arrived() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::stripe());
    bench.inbox.answer(&[200, 503]);
    bench.control.flush().await;
    let all = bench.stripe_get("/v1/events").await.body;
    let kinds: Vec<&str> =
        all["data"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["charge.dispute.funds_withdrawn", "charge.dispute.created"]);
    assert_eq!(all["data"][0]["data"]["object"]["id"], id.as_str());
    for (query, expected) in [
        ("type=charge.dispute.created", 1),
        ("type=charge.dispute.*", 2),
        ("type=radar.*", 0),
        ("types[]=charge.dispute.created&types[]=charge.dispute.closed", 1),
        ("delivery_success=false", 1),
        ("delivery_success=true", 1),
    ] {
        let got = bench.stripe_get(&format!("/v1/events?{query}")).await;
        assert_eq!(got.body["data"].as_array().unwrap().len(), expected, "{query}");
    }
    let failed = bench.stripe_get("/v1/events?delivery_success=false").await;
    assert_eq!(failed.body["data"][0]["type"], "charge.dispute.funds_withdrawn");
    let event = all["data"][0]["id"].as_str().unwrap();
    assert_eq!(bench.stripe_get(&format!("/v1/events/{event}")).await.body, all["data"][0]);
    assert_eq!(bench.stripe_get("/v1/events?type=a&types[]=b").await.status, 400);
    bench.advance(TimeDelta::days(31));
    let old = bench.stripe_get("/v1/events?type=charge.dispute.created").await;
    assert_eq!(old.body["data"], json!([]), "events are kept thirty days");
}

#[tokio::test]
async fn fraud_warnings_are_told_and_listed() {
    let bench = Bench::new().await;
    let order: NewWarning =
        serde_json::from_value(json!({ "charge": "ch_w", "fraud_type": "misc" })).unwrap();
    let id = bench.control.warn(&order).unwrap();
    assert_eq!(bench.delivered_types().await, ["radar.early_fraud_warning.created"]);
    let listed = bench.stripe_get("/v1/radar/early_fraud_warnings?charge=ch_w").await;
    assert_eq!(ids(&listed), [id.as_str()]);
    let one = bench.stripe_get(&format!("/v1/radar/early_fraud_warnings/{id}")).await;
    assert_eq!((&one.body["actionable"], &one.body["fraud_type"]), (&json!(true), &json!("misc")));
}

#[tokio::test]
async fn every_answer_carries_the_sandboxs_time_and_the_version_asked_for() {
    let bench = Bench::new().await;
    let request = bench.stripe(Method::GET, "/v1/disputes").header("stripe-version", "2025-08-27.basil");
    let answer = got(request).await;
    assert_eq!(answer.header("date"), "Mon, 02 Mar 2026 10:00:00 GMT");
    assert_eq!(answer.header("stripe-version"), "2025-08-27.basil");
    assert!(answer.header("request-id").starts_with("req_"));
    assert_eq!(bench.razorpay_get("/v1/disputes").await.header("date"), "Mon, 02 Mar 2026 10:00:00 GMT");
}

#[tokio::test]
async fn another_accounts_objects_do_not_exist() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::stripe());
    let file = bench.stripe_file().await;
    let mut accounts =
        vec![SandboxAccount::stripe("a", "sk_a", "whsec_a"), SandboxAccount::stripe("b", "sk_b", "whsec_b")];
    accounts[0].webhook_url = None;
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = SandboxConfig { listen, clock: bench.clock.clone(), accounts, seed: 1 };
    let two = Sandbox::start(config).await.unwrap();
    let order = NewDispute { account: Some("a".to_owned()), id: Some(id.clone()), ..NewDispute::stripe() };
    two.control().create(&order).unwrap();
    let read = |key: &'static str, path: String| {
        got(bench.client.get(format!("{}{path}", two.url(ProviderKind::Stripe))).bearer_auth(key))
    };
    assert_eq!(read("sk_a", format!("/v1/disputes/{id}")).await.status, 200);
    assert_eq!(read("sk_b", format!("/v1/disputes/{id}")).await.status, 404);
    assert_eq!(read("sk_b", "/v1/disputes".to_owned()).await.body["data"], json!([]));
    assert_eq!(read("sk_a", format!("/v1/files/{file}")).await.status, 404);
    assert!(two.control().create(&NewDispute::stripe()).unwrap_err().to_string().contains("a, b"));
    two.shutdown().await;
}
