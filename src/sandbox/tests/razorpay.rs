//! The Razorpay stand-in, endpoint by endpoint and refusal by refusal, over HTTP.
//! Expectations are those of the provider sheets; no adapter of the engine takes part.

use super::*;

fn open() -> NewDispute {
    NewDispute { amount: Some(80_000), ..NewDispute::razorpay() }
}

fn description(got: &Got) -> &str {
    got.body["error"]["description"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn drafts_merge_and_a_submission_goes_under_review() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let (one, two) = (bench.razorpay_document().await, bench.razorpay_document().await);
    bench.delivered().await;
    let draft = bench.razorpay_contest(&id, json!({ "summary": "Delivered", "shipping_proof": [one] })).await;
    assert_eq!((draft.status, &draft.body["status"]), (200, &json!("open")));
    assert_eq!(draft.body["evidence"]["submitted_at"], Value::Null);
    assert_eq!(bench.delivered().await.len(), 0, "a draft is nobody's news");
    let others = json!([{ "type": "signed_receipt", "document_ids": [two] }]);
    let body = json!({ "action": "submit", "others": others, "amount": 50_000 });
    let sent = bench.razorpay_contest(&id, body).await;
    assert_eq!((sent.status, &sent.body["status"]), (200, &json!("under_review")));
    let evidence = &sent.body["evidence"];
    assert_eq!((&evidence["summary"], &evidence["amount"]), (&json!("Delivered"), &json!(50_000)));
    assert_eq!((&evidence["shipping_proof"], &evidence["others"]), (&json!([one]), &others));
    assert_eq!(evidence["submitted_at"], start_of_time().timestamp());
    assert_eq!(bench.delivered_types().await, ["payment.dispute.under_review"]);
    let again = bench.razorpay_contest(&id, json!({ "action": "submit" })).await;
    assert_eq!(description(&again), "Action not allowed when dispute is in under_review status");
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
}

#[tokio::test]
async fn accept_loses_the_dispute_for_good() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let accepted = bench.razorpay_accept(&id).await;
    assert_eq!(
        (&accepted.body["status"], &accepted.body["amount_deducted"]),
        (&json!("lost"), &json!(80_000))
    );
    let again = bench.razorpay_accept(&id).await;
    assert_eq!(
        (again.status, description(&again)),
        (400, "Action not allowed when dispute is in lost status")
    );
    assert_eq!(bench.delivered_types().await, ["payment.dispute.created", "payment.dispute.lost"]);
    let ledger = bench.control.ledger();
    assert_eq!(
        ledger.iter().map(|e| e.result).collect::<Vec<_>>(),
        [LedgerResult::Effective, LedgerResult::Refused]
    );
}

#[tokio::test]
async fn the_form_body_of_the_other_sdk_is_an_empty_body() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let request = bench.razorpay(Method::POST, &format!("/v1/disputes/{id}/accept"));
    assert_eq!(got(request.form::<[(&str, &str)]>(&[])).await.status, 200);
}

#[tokio::test]
async fn wrong_contests_get_the_error_bodies() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let document = bench.razorpay_document().await;
    let long = "x".repeat(1001);
    for (body, said) in [
        (json!({ "action": "send" }), "The selected action is invalid"),
        (json!({ "amount": 80_001 }), "contest amount cannot be greater than dispute amount"),
        (json!({ "amount": -1 }), "The amount must be a positive integer."),
        (json!({ "summary": long }), "The summary may not be greater than 1000 characters."),
        (json!({ "shipping_proof": "doc" }), "The shipping_proof must be an array."),
        (json!({ "terms": [] }), "terms is/are not required and should not be sent"),
        (
            json!({ "shipping_proof": ["doc_00000000000000"] }),
            "Invalid file id provided or merchant is unauthorized to access the fileId(s) provided",
        ),
        (json!({ "others": [{ "document_ids": [document] }] }), "The others.0.type field is required."),
        (
            json!({ "action": "submit", "summary": "no papers" }),
            "At least one document is required to submit the contest",
        ),
    ] {
        let got = bench.razorpay_contest(&id, body.clone()).await;
        assert_eq!((got.status, description(&got)), (400, said), "{body}");
        assert_eq!(got.body["error"]["code"], "BAD_REQUEST_ERROR");
    }
    let evidence = &bench.razorpay_get(&format!("/v1/disputes/{id}")).await.body["evidence"];
    assert_eq!((&evidence["summary"], &evidence["amount"]), (&Value::Null, &json!(80_000)));
    let just = bench.razorpay_contest(&id, json!({ "summary": "x".repeat(1000), "amount": 80_000 })).await;
    assert_eq!(just.status, 200);
    let broken = bench.razorpay(Method::PATCH, &format!("/v1/disputes/{id}/contest")).body("{");
    assert_eq!(got(broken).await.status, 400);
}

#[tokio::test]
async fn ids_keys_and_addresses_are_checked() {
    let bench = Bench::new().await;
    for (path, said) in [
        ("/v1/disputes/disp_short", "disp_short is not a valid id"),
        ("/v1/disputes/pay_00000000000000", "pay_00000000000000 is not a valid id"),
        ("/v1/disputes/disp_00000000000000", "The id provided does not exist"),
        ("/v1/documents/doc_00000000000000", "The id provided does not exist"),
    ] {
        let got = bench.razorpay_get(path).await;
        assert_eq!((got.status, description(&got)), (400, said));
    }
    let url = format!("{}/v1/disputes", bench.sandbox.url(ProviderKind::Razorpay));
    let wrong = got(bench.client.get(&url).basic_auth("rzp_test_bench", Some("wrong"))).await;
    assert_eq!((wrong.status, description(&wrong)), (401, "Authentication failed"));
    let lower = got(bench.client.get(&url).header("authorization", "basic cnpwOng=")).await;
    assert_eq!(lower.status, 401);
    let documents = format!("{}/v1/documents", bench.sandbox.url(ProviderKind::Razorpay));
    assert_eq!(got(bench.client.post(&documents)).await.body["error"]["status_code"], 401);
}

#[tokio::test]
async fn lists_page_by_count_and_skip() {
    let bench = Bench::new().await;
    let base = start_of_time().timestamp();
    let made: Vec<String> =
        (0..12).map(|n| bench.create(NewDispute { created: Some(base + n), ..open() })).collect();
    let ids = |got: Got| {
        let items = got.body["items"].as_array().unwrap().clone();
        assert_eq!((&got.body["entity"], &got.body["count"]), (&json!("collection"), &json!(items.len())));
        items.into_iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let newest: Vec<String> = made.iter().rev().cloned().collect();
    assert_eq!(ids(bench.razorpay_get("/v1/disputes").await), newest[..10]);
    assert_eq!(ids(bench.razorpay_get("/v1/disputes?count=5&skip=10").await), newest[10..]);
    let span = format!("/v1/disputes?from={}&to={}", base + 3, base + 4);
    assert_eq!(ids(bench.razorpay_get(&span).await), newest[7..9]);
    for query in ["count=0", "count=101", "count=ten", "skip=-1"] {
        assert_eq!(bench.razorpay_get(&format!("/v1/disputes?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn the_expanded_record_is_wrapped_and_spells_its_terms_differently() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let flat = bench.razorpay_get(&format!("/v1/disputes/{id}")).await.body;
    assert!(flat["evidence"].get("term_and_conditions").is_some());
    for value in ["payment", "transaction.settlement"] {
        let wrapped = bench.razorpay_get(&format!("/v1/disputes/{id}?expand[]={value}")).await.body;
        assert_eq!((&wrapped["status_code"], &wrapped["success"]), (&json!(200), &json!(true)));
        assert_eq!(wrapped["data"]["id"], id.as_str());
        assert!(wrapped["data"]["evidence"].get("terms_and_conditions").is_some());
        assert!(wrapped["data"]["lifecycle"].is_array());
    }
    let bad = bench.razorpay_get(&format!("/v1/disputes/{id}?expand[]=customer")).await;
    assert_eq!((bad.status, &bad.body["success"]), (400, &json!(false)));
}

#[tokio::test]
async fn documents_are_checked_and_given_back() {
    let bench = Bench::new().await;
    let id = bench.razorpay_document().await;
    let record = bench.razorpay_get(&format!("/v1/documents/{id}")).await.body;
    assert_eq!((&record["entity"], &record["mime_type"]), (&json!("document"), &json!("application/pdf")));
    let content = bench.razorpay(Method::GET, &format!("/v1/documents/{id}/content")).send().await.unwrap();
    assert_eq!(content.headers()["content-type"], "application/pdf");
    assert_eq!(content.bytes().await.unwrap(), PDF);
    let upload =
        |form: reqwest::multipart::Form| got(bench.razorpay(Method::POST, "/v1/documents").multipart(form));
    let file = |content: Vec<u8>| reqwest::multipart::Part::bytes(content).file_name("a.pdf");
    let form = reqwest::multipart::Form::new;
    let no_purpose = upload(form().part("file", file(PDF.to_vec()))).await;
    assert_eq!(description(&no_purpose), "The purpose field is required.");
    let no_file = upload(form().text("purpose", "dispute_evidence")).await;
    assert_eq!(description(&no_file), "The file field is required.");
    let odd = upload(form().text("purpose", "selfie").part("file", file(PDF.to_vec()))).await;
    assert_eq!(description(&odd), "invalid document upload purpose:selfie");
    let text = upload(form().text("purpose", "dispute_evidence").part("file", file(b"words".to_vec()))).await;
    assert_eq!(text.status, 400);
}

#[tokio::test]
async fn an_unanswered_dispute_is_lost_and_a_fraud_report_closes() {
    let bench = Bench::new().await;
    let due = start_of_time() + TimeDelta::days(2);
    let lost = bench.create(open().respond_by(due));
    let fraud = bench.create(NewDispute { phase: Some("fraud".to_owned()), ..open().respond_by(due) });
    bench.delivered().await;
    bench.advance(TimeDelta::days(2));
    assert_eq!(bench.status(&lost), "open");
    bench.advance(TimeDelta::seconds(1));
    assert_eq!((bench.status(&lost), bench.status(&fraud)), ("lost".into(), "closed".into()));
    assert_eq!(bench.delivered_types().await, ["payment.dispute.lost", "payment.dispute.closed"]);
}

#[tokio::test]
async fn within_the_grace_the_deadline_refuses_every_action() {
    let bench = Bench::new().await;
    let due = start_of_time() + TimeDelta::hours(1);
    let id = bench.create(NewDispute { lapse_grace_s: 3600, ..open().respond_by(due) });
    bench.advance(TimeDelta::minutes(90));
    let said = "Action not allowed as deadline to respond has elapsed";
    assert_eq!(description(&bench.razorpay_accept(&id).await), said);
    assert_eq!(description(&bench.razorpay_contest(&id, json!({})).await), said);
    bench.advance(TimeDelta::hours(1));
    assert_eq!(bench.status(&id), "lost");
}

#[tokio::test]
async fn action_required_opens_a_round_and_a_phase_opens_a_dispute() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let document = bench.razorpay_document().await;
    let submit = json!({ "action": "submit", "billing_proof": [document] });
    bench.razorpay_contest(&id, submit.clone()).await;
    bench.delivered().await;
    let due = start_of_time() + TimeDelta::days(20);
    let asked = bench.control.change(&id, &Change::ActionRequired { due_by: Some(due.timestamp()) }).unwrap();
    assert_eq!((&asked["status"], &asked["respond_by"]), (&json!("open"), &json!(due.timestamp())));
    let told = bench.delivered().await[0].json();
    assert_eq!(told["event"], "payment.dispute.action_required");
    assert!(told["payload"]["dispute"]["entity"].get("evidence").is_none());
    assert_eq!(told["payload"]["dispute"]["evidence"]["billing_proof"], json!([document]));
    assert_eq!(bench.razorpay_contest(&id, submit).await.status, 200);
    assert_eq!(bench.control.dispute(&id).unwrap().round, 2);
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
    let next = bench.control.change(&id, &Change::Escalate { due_by: None, phase: None }).unwrap();
    assert_ne!(next["id"], id.as_str());
    assert_eq!((&next["phase"], &next["payment_id"]), (&json!("pre_arbitration"), &asked["payment_id"]));
    assert_eq!(bench.delivered_types().await, ["payment.dispute.under_review", "payment.dispute.created"]);
}

#[tokio::test]
async fn a_partly_contested_win_keeps_a_part() {
    let bench = Bench::new().await;
    let id = bench.create(open().then("won", 3600));
    bench.control.change(&id, &Change::SubmittedElsewhere).unwrap();
    bench.advance(TimeDelta::hours(1));
    assert_eq!(bench.status(&id), "won");
    let other = bench.create(open());
    let won = bench.control.change(&other, &Change::Won { amount_deducted: 30_000 }).unwrap();
    assert_eq!((&won["status"], &won["amount_deducted"]), (&json!("won"), &json!(30_000)));
}
