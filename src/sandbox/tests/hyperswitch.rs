//! The router's stand-in, endpoint by endpoint and refusal by refusal, over HTTP.
//! Expectations are those of the provider sheet; no adapter of the engine takes part.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use super::*;

/// The router's example account alone, told where webhooks go.
async fn bench() -> Bench {
    let mut bench = Bench::new().await;
    let url = bench.control.0.quietly(|world, _| world.office.accounts[0].spec.webhook_url.clone().unwrap());
    let accounts = vec![ProviderKind::Hyperswitch.example().webhook_url(&url)];
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = SandboxConfig { listen, clock: bench.clock.clone(), accounts, seed: 12 };
    bench.sandbox = Sandbox::start(config).await.unwrap();
    bench.control = bench.sandbox.control();
    bench
}

fn open() -> NewDispute {
    NewDispute { amount: Some(8_000), ..NewDispute::new(ProviderKind::Hyperswitch) }
}

impl Bench {
    fn router(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.url(ProviderKind::Hyperswitch));
        self.client.request(method, url).header("api-key", "snd_sandbox_router")
    }

    async fn attach(&self, id: &str, kind: &str, content: &'static [u8]) -> Got {
        let part = reqwest::multipart::Part::bytes(content).file_name("receipt.pdf");
        let form = reqwest::multipart::Form::new()
            .text("dispute_id", id.to_owned())
            .text("evidence_type", kind.to_owned())
            .part("file", part);
        got(self.router(Method::PUT, "/disputes/evidence").multipart(form)).await
    }

    async fn hand_in(&self, body: Value) -> Got {
        got(self.router(Method::POST, "/disputes/evidence").json(&body)).await
    }
}

fn code(got: &Got) -> (u16, &str) {
    (got.status, got.body["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn files_are_attached_and_a_submission_names_them() {
    let bench = bench().await;
    let id = bench.create(open());
    let other = bench.create(open());
    bench.delivered().await;
    let attached = bench.attach(&id, "receipt", PDF).await;
    let file = attached.body["file_id"].as_str().unwrap().to_owned();
    assert_eq!(bench.delivered().await.len(), 0, "an attached file is nobody's news");
    assert_eq!(code(&bench.attach(&id, "selfie", PDF).await), (400, "IR_06"));
    assert_eq!(code(&bench.attach(&id, "receipt", b"MZ").await), (400, "IR_06"));
    assert_eq!(code(&bench.hand_in(json!({"dispute_id": other, "receipt": file})).await), (404, "HE_02"));
    assert_eq!(code(&bench.hand_in(json!({"dispute_id": id, "reciept": file})).await), (400, "IR_06"));
    assert_eq!(code(&bench.hand_in(json!({"receipt": file})).await), (400, "IR_04"));
    let sent = bench
        .hand_in(json!({"dispute_id": id, "receipt": file, "customer_name": "A", "invoice": null}))
        .await;
    assert_eq!(
        (sent.status, &sent.body["dispute_status"]),
        (200, &json!("dispute_challenged")),
        "{}",
        sent.body
    );
    let again = bench.hand_in(json!({"dispute_id": id, "customer_name": "A"})).await;
    assert_eq!(code(&again), (400, "IR_23"));
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
}

#[tokio::test]
async fn only_what_is_open_at_the_stage_dispute_is_answered() {
    let bench = bench().await;
    let accept = async |id: &str| got(bench.router(Method::POST, &format!("/disputes/accept/{id}"))).await;
    for stage in ["pre_dispute", "pre_arbitration", "arbitration"] {
        let id = bench.create(NewDispute { phase: Some(stage.to_owned()), ..open() });
        assert_eq!(code(&accept(&id).await), (400, "IR_23"), "{stage}");
    }
    let id = bench.create(open());
    assert_eq!(accept(&id).await.body["dispute_status"], "dispute_accepted");
    assert_eq!(code(&accept(&id).await), (400, "IR_23"));
    assert_eq!(code(&accept("dp_nobody").await), (404, "HE_02"));
    let url = format!("{}/disputes/accept/x", bench.sandbox.url(ProviderKind::Hyperswitch));
    let strange = got(bench.client.post(url).header("api-key", "snd_other")).await;
    assert_eq!(strange.status, 401);
}

#[tokio::test]
async fn a_list_is_cut_by_time_status_and_page() {
    let bench = bench().await;
    let mut ids = vec![];
    for _ in 0..12 {
        ids.push(bench.create(open()));
        bench.advance(TimeDelta::hours(1));
    }
    let list = async |query: &str| got(bench.router(Method::GET, &format!("/disputes/list?{query}"))).await;
    let count = async |query: &str| list(query).await.body.as_array().unwrap().len();
    assert_eq!((count("").await, count("offset=10").await, count("limit=50").await), (10, 2, 12));
    assert_eq!(list("limit=1").await.body[0]["dispute_id"], json!(ids[11]), "newest first");
    assert_eq!(count("limit=50&start_time=2026-03-02T20:30:00.000Z").await, 1);
    assert_eq!(count("limit=50&end_time=2026-03-02T10:30:00.000Z").await, 1);
    bench.control.change(&ids[0], &Change::Lost).unwrap();
    assert_eq!(count("dispute_status=dispute_lost,dispute_won").await, 1);
    assert_eq!(code(&list("start_time=yesterday").await), (400, "IR_06"));
}

#[tokio::test]
async fn webhooks_carry_the_record_signed_and_the_router_s_translation_of_it() {
    let bench = bench().await;
    let mut order = open();
    order.extra.insert("connector".to_owned(), json!("stripe"));
    let id = bench.create(order);
    bench.control.change(&id, &Change::Won { amount_deducted: 0 }).unwrap();
    let got = bench.delivered().await;
    assert_eq!(got.len(), 2);
    for received in &got {
        let mut mac = Hmac::<Sha512>::new_from_slice(b"sandbox_router_hash_key").unwrap();
        mac.update(received.body.as_bytes());
        assert_eq!(received.header("x-webhook-signature-512"), hex::encode(mac.finalize().into_bytes()));
        let body = received.json();
        assert_eq!(body["event_type"], body["content"]["object"]["dispute_status"]);
    }
    let closed = &got[1].json()["content"]["object"];
    assert_eq!(
        (&closed["dispute_status"], &closed["connector_status"]),
        (&json!("dispute_cancelled"), &json!("won"))
    );
}
