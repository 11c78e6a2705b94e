//! What Stripe's stand-in does to a dispute: staging, submitting, closing, idempotency, lapses, decisions.
//! Expectations are those of the provider sheets; no adapter of the engine takes part.

use super::*;

fn open() -> NewDispute {
    NewDispute { amount: Some(5900), ..NewDispute::stripe() }
}

fn path(id: &str) -> String {
    format!("/v1/disputes/{id}")
}

#[tokio::test]
async fn evidence_is_staged_merged_and_then_sent_once() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let file = bench.stripe_file().await;
    let staged =
        bench.stripe_post(&path(&id), &[("evidence[customer_name]", "Ann Lee"), ("submit", "false")]).await;
    assert_eq!(staged.status, 200);
    assert_eq!(staged.body["status"], "needs_response");
    assert_eq!(staged.body["evidence_details"]["has_evidence"], true);
    assert_eq!(staged.body["evidence_details"]["submission_count"], 0);
    let sent = bench.stripe_post(&path(&id), &[("evidence[receipt]", &file)]).await;
    assert_eq!(sent.body["status"], "under_review");
    assert_eq!(sent.body["evidence"]["customer_name"], "Ann Lee");
    assert_eq!(sent.body["evidence"]["receipt"], file.as_str());
    assert_eq!(sent.body["evidence_details"]["submission_count"], 1);
    assert_eq!(sent.body["evidence_details"]["past_due"], false);
    let again = bench.stripe_post(&path(&id), &[("evidence[customer_name]", "Ben")]).await;
    assert_eq!(again.status, 400);
    let totals = bench.control.ledger_totals();
    assert_eq!((totals.effective_per_round_max, totals.received_per_round_max), (1, 2));
}

#[tokio::test]
async fn metadata_alone_and_staged_evidence_alone_send_nothing() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let changed = bench
        .stripe_post(&path(&id), &[("metadata[order]", "9"), ("intended_submission_method", "manual")])
        .await;
    assert_eq!(changed.body["status"], "needs_response");
    assert_eq!(changed.body["metadata"]["order"], "9");
    assert_eq!(changed.body["intended_submission_method"], "manual");
    bench.stripe_post(&path(&id), &[("metadata[order]", ""), ("metadata[x]", "1")]).await;
    assert_eq!(bench.stripe_get(&path(&id)).await.body["metadata"], json!({ "x": "1" }));
    let empty = bench.stripe_post(&path(&id), &[("submit", "true")]).await;
    assert_eq!(empty.status, 400);
    bench.stripe_post(&path(&id), &[("evidence[customer_name]", "A"), ("submit", "false")]).await;
    assert_eq!(bench.status(&id), "needs_response");
    let sent = bench.stripe_post(&path(&id), &[("submit", "true")]).await;
    assert_eq!(sent.body["status"], "under_review");
}

#[tokio::test]
async fn close_concedes_and_a_closed_dispute_takes_nothing_more() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let closed = bench.stripe_post(&format!("{}/close", path(&id)), &[]).await;
    assert_eq!((closed.status, &closed.body["status"]), (200, &json!("lost")));
    for (url, form) in [
        (format!("{}/close", path(&id)), &[][..]),
        (path(&id), &[("evidence[customer_name]", "late")][..]),
        (path(&id), &[("evidence[customer_name]", "late"), ("submit", "false")][..]),
    ] {
        let got = bench.stripe_post(&url, form).await;
        assert_eq!(got.status, 400);
        assert_eq!(got.body["error"]["message"], "This dispute is already closed");
        assert_eq!(got.body["error"]["type"], "invalid_request_error");
    }
    let unknown = bench.stripe_post(&format!("{}/close", path(&id)), &[("metadata[a]", "b")]).await;
    assert_eq!(unknown.body["error"]["code"], "parameter_unknown");
}

#[tokio::test]
async fn wrong_input_gets_the_error_bodies() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let long = "x".repeat(20_001);
    for (form, status, code, param) in [
        (&[("evidence[color]", "red")][..], 400, json!("parameter_unknown"), "evidence[color]"),
        (&[("submit", "perhaps")][..], 400, Value::Null, "submit"),
        (&[("evidence[receipt]", "file_nowhere")][..], 400, json!("resource_missing"), "evidence[receipt]"),
        (
            &[("evidence[product_description]", long.as_str())][..],
            400,
            Value::Null,
            "evidence[product_description]",
        ),
        (&[("evidence[appeal][card][reason_for_filing]", "x")][..], 400, Value::Null, "evidence[appeal]"),
        (&[("expand[]", "customer")][..], 400, Value::Null, "expand"),
    ] {
        let got = bench.stripe_post(&path(&id), form).await;
        let error = &got.body["error"];
        assert_eq!((got.status, &error["code"], &error["param"]), (status, &code, &json!(param)), "{form:?}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let missing = bench.stripe_get("/v1/disputes/dp_nowhere").await;
    assert_eq!((missing.status, &missing.body["error"]["code"]), (404, &json!("resource_missing")));
    assert_eq!(bench.stripe_get("/v1/nonsense").await.status, 404);
    let as_json = got(bench.stripe(Method::POST, &path(&id)).json(&json!({ "submit": false }))).await;
    assert_eq!(as_json.status, 400);
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 0);
    assert_eq!(bench.status(&id), "needs_response");
}

#[tokio::test]
async fn all_evidence_texts_together_have_a_limit() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let text = "x".repeat(20_000);
    let names = [
        "access_activity_log",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "duplicate_charge_explanation",
        "product_description",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
    ];
    let mut form: Vec<(String, String)> =
        names.iter().map(|name| (format!("evidence[{name}]"), text.clone())).collect();
    form.push(("submit".to_owned(), "false".to_owned()));
    let at_limit = got(bench.stripe(Method::POST, &path(&id)).form(&form)).await;
    assert_eq!(at_limit.status, 200);
    let rest = "y".repeat(10_001);
    let over =
        bench.stripe_post(&path(&id), &[("evidence[uncategorized_text]", &rest), ("submit", "false")]).await;
    assert_eq!(over.status, 400);
    assert_eq!(over.body["error"]["param"], "evidence");
}

#[tokio::test]
async fn keys_open_the_door_as_bearer_and_as_basic() {
    let bench = Bench::new().await;
    let url = format!("{}/v1/disputes", bench.sandbox.url(ProviderKind::Stripe));
    let basic = got(bench.client.get(&url).basic_auth(KEY, Some(""))).await;
    assert_eq!(basic.status, 200);
    for request in [
        bench.client.get(&url),
        bench.client.get(&url).bearer_auth("sk_test_wrong"),
        bench.client.get(&url).header("authorization", "Digest x"),
    ] {
        let got = got(request).await;
        assert_eq!(got.status, 401);
        assert_eq!(got.body["error"]["type"], "invalid_request_error");
        assert!(!got.body.to_string().contains("sk_test_wrong"), "{}", got.body);
    }
}

#[tokio::test]
async fn a_key_answers_a_repeat_with_the_first_answer() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let form = [("evidence[customer_name]", "Ann")];
    let first = bench.stripe_post_keyed(&path(&id), &form, "k1").await;
    let again = bench.stripe_post_keyed(&path(&id), &form, "k1").await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_ne!(again.header("request-id"), first.header("request-id"));
    assert_eq!(again.header("idempotency-key"), "k1");
    let other = bench.stripe_post_keyed(&path(&id), &[("evidence[customer_name]", "Ben")], "k1").await;
    assert_eq!((other.status, &other.body["error"]["type"]), (400, &json!("idempotency_error")));
    let elsewhere = bench.stripe_post_keyed(&format!("{}/close", path(&id)), &[], "k1").await;
    assert_eq!(elsewhere.body["error"]["type"], "idempotency_error");
    let results: Vec<LedgerResult> = bench.control.ledger().iter().map(|e| e.result).collect();
    let expected =
        [LedgerResult::Effective, LedgerResult::Replayed, LedgerResult::Refused, LedgerResult::Refused];
    assert_eq!(results, expected);
}

#[tokio::test]
async fn what_never_began_to_execute_is_not_saved_and_state_refusals_are() {
    let bench = Bench::new().await;
    let id = bench.create(open());
    let bad = bench.stripe_post_keyed(&path(&id), &[("evidence[color]", "red")], "k1").await;
    assert_eq!(bad.status, 400);
    let good = bench.stripe_post_keyed(&path(&id), &[("evidence[customer_name]", "Ann")], "k1").await;
    assert_eq!(good.status, 200);
    let refused = bench.stripe_post_keyed(&format!("{}/close", path(&id)), &[], "k2").await;
    assert_eq!(refused.status, 400);
    bench.control.change(&id, &Change::Status { status: "needs_response".to_owned() }).unwrap();
    let replayed = bench.stripe_post_keyed(&format!("{}/close", path(&id)), &[], "k2").await;
    assert_eq!((replayed.status, replayed.header("idempotent-replayed")), (400, "true"));
    bench.advance(TimeDelta::hours(25));
    let forgotten = bench.stripe_post_keyed(&format!("{}/close", path(&id)), &[], "k2").await;
    assert_eq!(forgotten.status, 200);
    let long = "k".repeat(256);
    assert_eq!(bench.stripe_post_keyed(&path(&id), &[("metadata[a]", "b")], &long).await.status, 400);
}

#[tokio::test]
async fn an_unanswered_chargeback_is_lost_and_an_inquiry_closes() {
    let bench = Bench::new().await;
    let due = start_of_time() + TimeDelta::days(3);
    let chargeback = bench.create(open().respond_by(due));
    let inquiry = bench.create(NewDispute { inquiry: true, ..open().respond_by(due) });
    bench.delivered().await;
    bench.advance(TimeDelta::days(3));
    assert_eq!(bench.status(&chargeback), "needs_response");
    bench.advance(TimeDelta::days(2));
    assert_eq!((bench.status(&chargeback), bench.status(&inquiry)), ("lost".into(), "warning_closed".into()));
    let told = bench.delivered().await;
    assert_eq!(told.len(), 2);
    for received in told {
        let body = received.json();
        assert_eq!(body["type"], "charge.dispute.closed");
        assert_eq!(body["created"], due.timestamp() + 1, "told as of the lapse, not of the look");
    }
    let late = bench.stripe_post(&path(&chargeback), &[("evidence[customer_name]", "A")]).await;
    assert_eq!(late.body["error"]["message"], "This dispute is already closed");
}

#[tokio::test]
async fn a_submission_within_the_grace_is_past_due_and_a_moved_deadline_counts() {
    let bench = Bench::new().await;
    let due = start_of_time() + TimeDelta::days(1);
    let graced = bench.create(NewDispute { lapse_grace_s: 86_400, ..open().respond_by(due) });
    let moved = bench.create(open().respond_by(due));
    let later = due + TimeDelta::days(5);
    bench.control.change(&moved, &Change::Deadline { due_by: Some(later.timestamp()) }).unwrap();
    bench.advance(TimeDelta::hours(30));
    let sent = bench.stripe_post(&path(&graced), &[("evidence[customer_name]", "A")]).await;
    assert_eq!(sent.body["evidence_details"]["past_due"], true);
    assert_eq!(bench.status(&moved), "needs_response");
    bench.advance(TimeDelta::days(5));
    assert_eq!(bench.status(&moved), "lost");
}

#[tokio::test]
async fn a_deadline_of_zero_or_null_takes_no_response_and_never_lapses() {
    let bench = Bench::new().await;
    for due_by in [Some(0), None] {
        let id = bench.create(NewDispute { due_by: Some(due_by), ..open() });
        let got = bench.stripe_post(&path(&id), &[("evidence[customer_name]", "A")]).await;
        assert_eq!(got.status, 400);
        assert_eq!(bench.stripe_get(&path(&id)).await.body["evidence_details"]["due_by"], json!(due_by));
        bench.advance(TimeDelta::days(90));
        assert_eq!(bench.status(&id), "needs_response");
    }
}

#[tokio::test]
async fn test_texts_and_ordered_outcomes_decide() {
    let bench = Bench::new().await;
    let text = |word: &'static str| [("evidence[uncategorized_text]", word)];
    let won = bench.create(open());
    let lost = bench.create(open());
    let inquiry = bench.create(NewDispute { inquiry: true, ..open() });
    let ordered = bench.create(open().then("won", 60 * 86_400));
    bench.stripe_post(&path(&won), &text("winning_evidence")).await;
    bench.stripe_post(&path(&lost), &text("losing_evidence")).await;
    bench.stripe_post(&path(&inquiry), &text("escalate_inquiry_evidence")).await;
    bench.stripe_post(&path(&ordered), &text("We shipped it.")).await;
    bench.delivered().await;
    bench.advance(TimeDelta::seconds(10));
    assert_eq!((bench.status(&won), bench.status(&lost)), ("won".into(), "lost".into()));
    assert_eq!(bench.status(&inquiry), "needs_response");
    assert_eq!(bench.control.dispute(&inquiry).unwrap().round, 2);
    assert_eq!(bench.status(&ordered), "under_review");
    let types = bench.delivered_types().await;
    for kind in ["charge.dispute.closed", "charge.dispute.funds_reinstated", "charge.dispute.funds_withdrawn"]
    {
        assert!(types.iter().any(|t| t == kind), "{kind} among {types:?}");
    }
    let second = bench.stripe_post(&path(&inquiry), &text("More proof")).await;
    assert_eq!(second.body["status"], "under_review");
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
    bench.advance(TimeDelta::days(60));
    assert_eq!(bench.status(&ordered), "won");
    let records = bench.stripe_get(&path(&ordered)).await.body;
    assert_eq!(records["balance_transactions"][0]["net"], -5900 - 1500);
    assert_eq!(records["balance_transactions"][1]["amount"], 5900);
}

#[tokio::test]
async fn compliance_fees_must_be_acknowledged_and_appeals_take_only_their_own_evidence() {
    let bench = Bench::new().await;
    let costly = bench.create(NewDispute { compliance_fee: true, ..open() });
    let refused = bench.stripe_post(&path(&costly), &[("evidence[customer_name]", "A")]).await;
    assert_eq!(refused.status, 400);
    let status =
        |body: &Value| body["evidence_details"]["enhanced_eligibility"]["visa_compliance"]["status"].clone();
    assert_eq!(status(&bench.stripe_get(&path(&costly)).await.body), "requires_fee_acknowledgement");
    let fee = "evidence[enhanced_evidence][visa_compliance][fee_acknowledged]";
    let paid = bench.stripe_post(&path(&costly), &[("evidence[customer_name]", "A"), (fee, "true")]).await;
    assert_eq!((paid.status, status(&paid.body)), (200, json!("fee_acknowledged")));
    bench.control.change(&costly, &Change::Lost).unwrap();
    bench.control.change(&costly, &Change::AppealOffered { due_by: None }).unwrap();
    assert_eq!(bench.status(&costly), "appeal_needs_response");
    let other = bench.stripe_post(&path(&costly), &[("evidence[customer_name]", "B")]).await;
    assert_eq!(other.status, 400);
    let appeal = [("evidence[appeal][card][reason_for_filing]", "The bank overlooked the receipt.")];
    let filed = bench.stripe_post(&path(&costly), &appeal).await;
    assert_eq!(filed.body["status"], "appeal_under_review");
    assert_eq!(filed.body["evidence"]["appeal"]["card"]["reason_for_filing"], appeal[0].1);
}

#[tokio::test]
async fn ce3_wants_exactly_two_prior_transactions() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute { ce3: Some("requires_action".to_owned()), ..open() });
    let prior = |n: usize| {
        format!(
            "evidence[enhanced_evidence][visa_compelling_evidence_3][prior_undisputed_transactions][{n}][charge]"
        )
    };
    let (first, second) = (prior(0), prior(1));
    let one = bench.stripe_post(&path(&id), &[(first.as_str(), "ch_a")]).await;
    assert_eq!(one.status, 400);
    let two = bench.stripe_post(&path(&id), &[(first.as_str(), "ch_a"), (second.as_str(), "ch_b")]).await;
    assert_eq!(two.status, 200, "{}", two.body);
    let kept = &two.body["evidence"]["enhanced_evidence"]["visa_compelling_evidence_3"];
    assert_eq!(kept["prior_undisputed_transactions"], json!([{ "charge": "ch_a" }, { "charge": "ch_b" }]));
}

#[tokio::test]
async fn at_the_deadline_stripe_answers_by_itself_where_it_may_and_is_not_told_otherwise() {
    for (allowed, method, status, by) in [
        (true, None, "under_review", "smart_disputes"),
        (true, Some("prefer_manual"), "under_review", "smart_disputes"),
        (true, Some("manual"), "lost", "not_submitted"),
        (false, None, "lost", "not_submitted"),
    ] {
        let bench = Bench::new().await;
        let mut order = open();
        order.extra.insert("smart_disputes".into(), json!(allowed));
        let id = bench.create(order);
        if let Some(method) = method {
            bench
                .stripe_post(&path(&id), &[("submit", "false"), ("intended_submission_method", method)])
                .await;
        }
        bench.advance(chrono::TimeDelta::days(11));
        let record = bench.stripe_get(&path(&id)).await.body;
        assert_eq!(
            (&record["status"], &record["evidence_details"]["submission_method"]),
            (&json!(status), &json!(by))
        );
    }
}
