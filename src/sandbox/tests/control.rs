//! The control port and its handle: orders carried out, nonsense refused with a sentence, time moved.
//! Knows of the providers only what an order names.

use super::*;

#[tokio::test]
async fn everything_can_be_driven_over_http() {
    let bench = Bench::new().await;
    let order =
        json!({ "provider": "stripe", "amount": 777, "currency": "eur", "inquiry": true, "due_by": null });
    let made = bench.control_post("/disputes", order).await;
    assert_eq!(
        (made.status, &made.body["amount_minor"], &made.body["open"]),
        (200, &json!(777), &json!(false))
    );
    assert_eq!(made.body["record"]["evidence_details"]["due_by"], Value::Null);
    let id = made.body["id"].as_str().unwrap();
    let moved = bench.control_post(&format!("/disputes/{id}"), json!({ "change": "escalate" })).await;
    assert_eq!(moved.body["status"], "needs_response");
    assert_eq!(bench.control_get(&format!("/disputes/{id}")).await.body["round"], 2);
    let clock = bench.control_post("/clock", json!({ "advance_s": 3600 })).await;
    assert_eq!(clock.body["now"], "2026-03-02T11:00:00Z");
    let fault = json!({ "provider": "stripe", "trouble": { "kind": "drop" }, "turns": { "times": 2 } });
    assert_eq!(bench.control_post("/faults/webhooks", fault).await.status, 200);
    let trouble = json!({ "kind": "rate_limited", "retry_after_s": 3 });
    let fault = json!({ "provider": "stripe", "operation": "dispute_list", "trouble": trouble });
    bench.control_post("/faults/api", fault).await;
    assert_eq!(bench.stripe_get("/v1/disputes").await.header("retry-after"), "3");
    bench.control_post("/warnings", json!({})).await;
    bench
        .control_post("/webhooks", json!({ "provider": "razorpay", "body": "x", "signing": "forged" }))
        .await;
    bench.control_post("/flush", json!({})).await;
    let webhooks = bench.control_get("/webhooks").await.body;
    let states: Vec<&str> =
        webhooks.as_array().unwrap().iter().map(|w| w["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["delivered", "delivered", "delivered", "dropped", "delivered"]);
    bench.stripe_post(&format!("/v1/disputes/{id}/close"), &[]).await;
    let ledger = bench.control_get("/ledger").await.body;
    assert_eq!(
        (&ledger["entries"][0]["call"], &ledger["entries"][0]["round"]),
        (&json!("accept"), &json!(2))
    );
    assert_eq!(ledger["totals"]["effective_per_round_max"], 1);
    assert_eq!(bench.control_get("/disputes").await.body.as_array().unwrap().len(), 1);
    let overview = bench.control_get("").await.body.to_string();
    assert!(!overview.contains(STRIPE_SECRET) && !overview.contains(KEY), "{overview}");
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused_with_a_sentence() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::razorpay());
    for (path, body, said) in [
        ("/disputes", json!({ "provider": "stripe", "colour": "red" }), "colour"),
        ("/disputes", json!({ "provider": "nobody" }), "nobody"),
        ("/disputes", json!({ "provider": "stripe", "status": "open" }), "not a Stripe dispute status"),
        ("/disputes", json!({ "provider": "razorpay", "phase": "inquiry" }), "not a Razorpay phase"),
        ("/disputes", json!({ "provider": "stripe", "account": "shed" }), "there is shop"),
        ("/disputes", json!({ "provider": "stripe", "test_card": "pm_card_visa" }), "test cards"),
        ("/disputes", json!({ "provider": "stripe", "extra": { "mood": 1 } }), "`mood`"),
        ("/accounts/razorpay/shop", json!({ "settings": { "thin_events": "true" } }), "no account settings"),
        ("/warnings", json!({ "provider": "razorpay" }), "no early fraud warnings"),
        ("/disputes/dp_nowhere", json!({ "change": "won" }), "no dispute"),
        ("/clock", json!({ "advance_s": -1 }), "forwards"),
        ("/faults/api", json!({ "provider": "stripe", "trouble": { "kind": "sulk" } }), "sulk"),
    ] {
        let got = bench.control_post(path, body.clone()).await;
        let error = got.body["error"].as_str().unwrap_or_default();
        assert!(got.status == 400 || got.status == 409, "{body}: {}", got.status);
        assert!(error.contains(said), "{body}: {error}");
    }
    let prevented = bench.control_post(&format!("/disputes/{id}"), json!({ "change": "prevented" })).await;
    assert_eq!(prevented.status, 400);
    assert_eq!(bench.control_get("/disputes/dp_nowhere").await.status, 404);
}

#[tokio::test]
async fn the_control_port_serves_both_providers_under_their_names() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::stripe());
    let base = bench.sandbox.control_url();
    let stripe = got(bench.client.get(format!("{base}/stripe/v1/disputes/{id}")).bearer_auth(KEY)).await;
    assert_eq!(stripe.body["id"], id.as_str());
    let request = bench.client.get(format!("{base}/razorpay/v1/disputes"));
    let razorpay = got(request.basic_auth("rzp_test_bench", Some("bench_secret"))).await;
    assert_eq!(razorpay.body["entity"], "collection");
}

/// Each on a port of its own too, and over HTTP/2 for who begins with it.
#[tokio::test]
async fn every_provider_known_answers_on_its_own_port_in_both_versions_of_http() {
    let bench = Bench::new().await;
    for client in [bench.client.clone(), speaking_http2()] {
        for provider in ProviderKind::ALL {
            for base in [bench.sandbox.url(*provider), format!("{}/{provider}", bench.sandbox.control_url())]
            {
                let got = got(client.get(format!("{base}/no/such/thing"))).await;
                assert!(got.status >= 400, "{base}: {}", got.status);
            }
        }
    }
}

fn speaking_http2() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    client.http2_prior_knowledge().build().unwrap()
}

#[tokio::test]
async fn the_weather_is_every_providers() {
    let bench = Bench::new().await;
    assert_eq!(bench.control_post("/faults/weather", json!({ "drop": 1.0 })).await.status, 200);
    bench.create(NewDispute::stripe());
    bench.create(NewDispute::razorpay());
    assert_eq!(bench.delivered().await.len(), 0);
    let fates = bench.control.webhooks();
    assert!(fates.len() == 3 && fates.iter().all(|w| w.state == WebhookState::Dropped), "{fates:?}");
    assert_eq!(bench.control_post("/faults/weather", json!({ "hail": 1.0 })).await.status, 400);
}

#[tokio::test]
async fn test_cards_make_the_cases_they_are_known_for() {
    let bench = Bench::new().await;
    for (card, status, case_type) in [
        ("pm_card_createDispute", "needs_response", "chargeback"),
        ("tok_createDisputeInquiry", "warning_needs_response", "inquiry"),
        ("pm_card_createComplianceDispute", "needs_response", "compliance"),
        ("pm_card_createEthocaAlert", "prevented", "resolution"),
        ("pm_card_createCe3BlockDispute", "prevented", "block"),
    ] {
        let id = bench.create(NewDispute { test_card: Some(card.to_owned()), ..NewDispute::stripe() });
        let record = bench.control.dispute(&id).unwrap().record;
        assert_eq!(record["status"], status, "{card}");
        assert_eq!(record["payment_method_details"]["card"]["case_type"], case_type, "{card}");
    }
}

#[tokio::test]
async fn changes_at_the_providers_side_are_told() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    bench.delivered().await;
    let change = |change: Change| bench.control.change(&id, &change).unwrap();
    change(Change::Escalate { due_by: None, phase: None });
    assert_eq!(bench.delivered_types().await, ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]);
    change(Change::SubmittedElsewhere);
    change(Change::Won { amount_deducted: 0 });
    assert_eq!(
        bench.delivered_types().await,
        ["charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated"]
    );
    change(Change::Status { status: "needs_response".to_owned() });
    change(Change::AcceptedElsewhere);
    assert_eq!(bench.status(&id), "lost");
    assert!(bench.control.ledger().is_empty(), "the dashboard is not the API");
    let silent = bench.create(NewDispute { silent: true, ..NewDispute::stripe() });
    bench.delivered().await;
    let refunded = bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    bench.control.change(&refunded, &Change::Refunded).unwrap();
    assert_eq!(bench.status(&refunded), "warning_closed");
    let told = bench.delivered().await;
    assert!(told.iter().all(|r| !r.body.contains(&silent)));
    let listed = bench.stripe_get("/v1/events?limit=100").await.body.to_string();
    assert!(listed.contains(&silent), "what nobody was told is still listed");
}

#[tokio::test]
async fn the_same_seed_makes_the_same_ids() {
    let (one, two) = (Bench::new().await, Bench::new().await);
    _ = one.stripe_get("/v1/disputes").await;
    assert_eq!(one.create(NewDispute::stripe()), two.create(NewDispute::stripe()));
    assert_eq!(one.create(NewDispute::razorpay()), two.create(NewDispute::razorpay()));
}

#[tokio::test]
async fn a_system_clock_cannot_be_moved_and_says_so() {
    let config = SandboxConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        clock: Clock::system(),
        accounts: vec![],
        seed: 0,
    };
    let sandbox = Sandbox::start(config).await.unwrap();
    let error = sandbox.control().advance(TimeDelta::days(1)).unwrap_err().to_string();
    assert!(error.contains("cannot be moved"), "{error}");
    assert!(
        sandbox.control().create(&NewDispute::stripe()).unwrap_err().to_string().contains("without a stripe")
    );
    sandbox.shutdown().await;
}

#[tokio::test]
async fn accounts_that_contradict_each_other_do_not_start() {
    let start = |accounts| {
        let listen = "127.0.0.1:0".parse().unwrap();
        Sandbox::start(SandboxConfig { listen, clock: Clock::system(), accounts, seed: 0 })
    };
    let twin = || SandboxAccount::stripe("a", "sk", "whsec");
    assert!(start(vec![twin(), twin()]).await.unwrap_err().to_string().contains("`a`"));
    let keyless = SandboxAccount::razorpay("b", "id", "", "w");
    assert!(start(vec![keyless]).await.unwrap_err().to_string().contains("key_secret"));
    let odd = twin().credential("mood", "good");
    assert!(start(vec![odd]).await.unwrap_err().to_string().contains("`mood`"));
    let unsigned = SandboxAccount { webhook_secrets: vec![], ..twin() };
    assert!(start(vec![unsigned]).await.unwrap_err().to_string().contains("webhook secret"));
}

#[tokio::test]
async fn run_prints_and_stops_when_told() {
    let options = RunOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        webhook_url: Some("http://127.0.0.1:9/webhooks/".to_owned()),
        seed: 1,
        settings: vec![(ProviderKind::Stripe, "thin_events".to_owned(), "true".to_owned())],
        movable_clock: true,
        json: false,
        record: None,
    };
    run(options, async {}).await.unwrap();
}
