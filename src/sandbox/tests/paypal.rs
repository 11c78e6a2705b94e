//! The PayPal stand-in, endpoint by endpoint and refusal by refusal, over HTTP.
//! Expectations are those of the provider sheets; no adapter of the engine takes part.

use axum::http::Method;
use reqwest::multipart::{Form, Part};

use super::*;

const CLIENT: (&str, &str) = ("AbBenchClient", "EBenchSecret");
const WEBHOOK_ID: &str = "4BN00000CH0000001";

pub(super) fn account() -> SandboxAccount {
    SandboxAccount::paypal("shop", CLIENT.0, CLIENT.1, WEBHOOK_ID)
}

struct Paypal {
    bench: Bench,
    token: String,
}

impl Paypal {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let url = format!("{}/v1/oauth2/token", bench.sandbox.url(ProviderKind::Paypal));
        let request = bench.client.post(url).basic_auth(CLIENT.0, Some(CLIENT.1));
        let got = got(request.form(&[("grant_type", "client_credentials")])).await;
        assert_eq!((got.status, &got.body["token_type"]), (200, &json!("Bearer")));
        let token = got.body["access_token"].as_str().unwrap().to_owned();
        Self { bench, token }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/v1/{path}", self.bench.sandbox.url(ProviderKind::Paypal));
        self.bench.client.request(method, url).bearer_auth(&self.token)
    }

    async fn show(&self, id: &str) -> Value {
        got(self.request(Method::GET, &format!("customer/disputes/{id}"))).await.body
    }

    async fn act(&self, id: &str, action: &str, input: &Value, files: &[(&str, &[u8])]) -> Got {
        let mut form = Form::new().part("input", Part::text(input.to_string()));
        for (name, content) in files {
            form = form.part("evidence-file", Part::bytes(content.to_vec()).file_name((*name).to_owned()));
        }
        let path = format!("customer/disputes/{id}/{action}");
        got(self.request(Method::POST, &path).multipart(form)).await
    }

    fn open(&self) -> String {
        self.bench.create(NewDispute::paypal())
    }
}

fn rels(record: &Value) -> Vec<&str> {
    record["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect()
}

fn issue(got: &Got) -> (u16, &str) {
    let detail = got.body["details"][0]["issue"].as_str();
    (got.status, detail.or(got.body["name"].as_str()).or(got.body["error"].as_str()).unwrap_or_default())
}

fn other(notes: &str) -> Value {
    json!({ "evidences": [{ "evidence_type": "OTHER", "notes": notes }] })
}

#[tokio::test]
async fn a_token_opens_the_disputes_and_ends() {
    let paypal = Paypal::new().await;
    let id = paypal.open();
    assert_eq!(paypal.show(&id).await["dispute_id"], json!(id));
    let url = format!("{}/v1/customer/disputes/{id}", paypal.bench.sandbox.url(ProviderKind::Paypal));
    for request in [paypal.bench.client.get(&url), paypal.bench.client.get(&url).bearer_auth("A21AAwrong")] {
        assert_eq!(issue(&got(request).await), (401, "AUTHENTICATION_FAILURE"));
    }
    paypal.bench.clock.advance(TimeDelta::seconds(32_400));
    let path = format!("customer/disputes/{id}");
    assert_eq!(got(paypal.request(Method::GET, &path)).await.status, 401);
    let token = format!("{}/v1/oauth2/token", paypal.bench.sandbox.url(ProviderKind::Paypal));
    let stranger = paypal.bench.client.post(&token).basic_auth("x", Some("y"));
    assert_eq!(
        issue(&got(stranger.form(&[("grant_type", "client_credentials")])).await),
        (401, "invalid_client")
    );
    let wrong = paypal.bench.client.post(&token).basic_auth(CLIENT.0, Some(CLIENT.1));
    assert_eq!(issue(&got(wrong.form(&[("grant_type", "password")])).await), (400, "unsupported_grant_type"));
}

#[tokio::test]
async fn evidence_goes_under_review_with_its_documents() {
    let paypal = Paypal::new().await;
    let id = paypal.open();
    let record = paypal.show(&id).await;
    assert_eq!(rels(&record), ["self", "provide_evidence", "accept_claim"]);
    assert_eq!(record["dispute_amount"], json!({ "currency_code": "USD", "value": "42.00" }));
    let input = json!({ "evidences": [
        { "evidence_type": "PROOF_OF_FULFILLMENT",
          "evidence_info": { "tracking_info": [{ "carrier_name": "UPS", "tracking_number": "1Z" }] } },
        { "evidence_type": "OTHER", "documents": [{ "name": "proof.pdf" }] },
    ]});
    let taken = paypal.act(&id, "provide-evidence", &input, &[("proof.pdf", PDF)]).await;
    assert_eq!((taken.status, rels(&taken.body)), (200, vec!["self"]));
    let record = paypal.show(&id).await;
    // How it stands for the merchant is told in the list alone.
    assert_eq!((&record["status"], record.get("dispute_state")), (&json!("UNDER_REVIEW"), None));
    assert_eq!(record["evidences"][1]["source"], "SUBMITTED_BY_SELLER");
    let again = paypal.act(&id, "provide-evidence", &other("more"), &[]).await;
    assert_eq!(issue(&again), (422, "ACTION_NOT_ALLOWED"));
    assert_eq!(paypal.bench.control.ledger_totals().effective_per_round_max, 1);
    assert_eq!(paypal.act(&id, "provide-supporting-info", &json!({ "notes": "x" }), &[]).await.status, 200);
}

#[tokio::test]
async fn accept_refunds_and_resolves() {
    let paypal = Paypal::new().await;
    let id = paypal.open();
    let input = json!({ "note": "Fine.", "accept_claim_type": "REFUND" });
    assert_eq!(paypal.act(&id, "accept-claim", &input, &[]).await.status, 200);
    let record = paypal.show(&id).await;
    assert_eq!(record["dispute_outcome"]["outcome_code"], "RESOLVED_BUYER_FAVOUR");
    assert_eq!(record["dispute_outcome"]["amount_refunded"]["value"], "42.00");
    assert_eq!(issue(&paypal.act(&id, "accept-claim", &input, &[]).await), (422, "ACTION_NOT_ALLOWED"));
    let results: Vec<_> = paypal.bench.control.ledger().iter().map(|e| e.result).collect();
    assert_eq!(results, [LedgerResult::Effective, LedgerResult::Refused]);
    let types = ["CUSTOMER.DISPUTE.CREATED", "CUSTOMER.DISPUTE.RESOLVED"];
    assert_eq!(paypal.bench.delivered_types().await, types);
}

#[tokio::test]
async fn wrong_evidence_gets_the_error_bodies() {
    let paypal = Paypal::new().await;
    let id = paypal.open();
    let fulfilment = |info: Value| json!({ "evidences": [{ "evidence_type": "PROOF_OF_FULFILLMENT", "evidence_info": info }] });
    let tracking = |info: Value| fulfilment(json!({ "tracking_info": [info] }));
    for (input, wanted) in [
        (json!({}), "MISSING_REQUIRED_PARAMETER"),
        (json!({ "evidences": [] }), "MISSING_REQUIRED_PARAMETER"),
        (json!({ "evidences": [{ "evidence_type": "HEARSAY" }] }), "INVALID_PARAMETER_VALUE"),
        (other(&"x".repeat(2_001)), "INVALID_STRING_LENGTH"),
        (other(""), "INVALID_STRING_LENGTH"),
        (fulfilment(Value::Null), "MISSING_REQUIRED_PARAMETER"),
        (tracking(json!({ "carrier_name": "UPS" })), "MISSING_REQUIRED_PARAMETER"),
        (tracking(json!({ "carrier_name": "OTHER", "tracking_number": "1" })), "MISSING_REQUIRED_PARAMETER"),
        (
            json!({ "evidences": [{ "evidence_type": "OTHER", "documents": [{ "name": "lost.pdf" }] }] }),
            "INVALID_PARAMETER_VALUE",
        ),
    ] {
        assert_eq!(issue(&paypal.act(&id, "provide-evidence", &input, &[]).await), (400, wanted), "{input}");
    }
    for (files, wanted) in [
        (vec![("page.html", &b"<p>"[..])], "INVALID_DOCUMENT_TYPE"),
        (vec![("empty.pdf", &b""[..])], "INVALID_DOCUMENT_SIZE"),
    ] {
        assert_eq!(issue(&paypal.act(&id, "provide-evidence", &other("x"), &files).await), (400, wanted));
    }
    let path = format!("customer/disputes/{id}/provide-evidence");
    let plain = paypal.request(Method::POST, &path).json(&other("x"));
    assert_eq!(issue(&got(plain).await), (415, "UNSUPPORTED_MEDIA_TYPE"));
    assert_eq!(
        paypal.show(&id).await["status"],
        "WAITING_FOR_SELLER_RESPONSE",
        "nothing of it had an effect"
    );
    for path in ["customer/disputes/PP-NONE", "customer/nothing", "customer/disputes/PP-NONE/appeal"] {
        assert_eq!(got(paypal.request(Method::GET, path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_inquiry_has_no_deadline_and_becomes_a_claim() {
    let paypal = Paypal::new().await;
    let id = paypal.bench.create(NewDispute { inquiry: true, ..NewDispute::paypal() });
    let record = paypal.show(&id).await;
    assert_eq!((&record["status"], &record["dispute_life_cycle_stage"]), (&json!("OPEN"), &json!("INQUIRY")));
    assert_eq!(record.get("seller_response_due_date"), None);
    paypal.bench.control.change(&id, &Change::Escalate { due_by: None, phase: None }).unwrap();
    let record = paypal.show(&id).await;
    assert_eq!(record["seller_response_due_date"], "2026-03-12T10:00:00.000Z");
    // Nobody answers: it goes to the buyer, and may be appealed once that is offered.
    paypal.bench.clock.advance(TimeDelta::days(11));
    paypal.bench.control.tick();
    let view = paypal.bench.control.dispute(&id).unwrap();
    assert_eq!((view.status.as_str(), view.open, view.round), ("RESOLVED_BUYER_FAVOUR", false, 2));
    paypal.bench.control.change(&id, &Change::AppealOffered { due_by: None }).unwrap();
    let view = paypal.bench.control.dispute(&id).unwrap();
    assert_eq!((view.status.as_str(), view.open, view.round), ("RESOLVED_BUYER_FAVOUR APPEALABLE", true, 3));
    assert!(rels(&view.record).contains(&"appeal"));
}

#[tokio::test]
async fn lists_page_by_the_last_change() {
    let paypal = Paypal::new().await;
    let ids: Vec<String> = (0..3).map(|_| paypal.open()).collect();
    let list = |query: &str| got(paypal.request(Method::GET, &format!("customer/disputes?{query}")));
    let first = list("page_size=2").await.body;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert_eq!(first["items"][0]["dispute_id"], json!(ids[2]), "newest first");
    assert_eq!(first["items"][0].get("disputed_transactions"), None, "a summary");
    let next = first["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap();
    let token = next["href"].as_str().unwrap().rsplit_once('=').unwrap().1.to_owned();
    let second = list(&format!("page_size=2&next_page_token={token}")).await.body;
    assert_eq!(second["items"][0]["dispute_id"], json!(ids[0]));
    paypal.bench.clock.advance(TimeDelta::hours(1));
    paypal.bench.control.change(&ids[1], &Change::Refunded).unwrap();
    let changed = list("update_time_after=2026-03-02T10:30:00.000Z").await.body;
    assert_eq!(changed["items"].as_array().unwrap().len(), 1);
    assert_eq!(list("update_time_after=2026-03-03T10:30:00.000Z").await.body.get("items"), None);
    for query in
        ["page_size=51", "page_size=x", "update_time_after=2020-01-01T00:00:00Z", "next_page_token=zzz"]
    {
        assert_eq!(issue(&list(query).await), (400, "INVALID_PARAMETER_VALUE"), "{query}");
    }
}

#[tokio::test]
async fn webhooks_are_signed_with_the_certificate_they_name() {
    let paypal = Paypal::new().await;
    paypal.open();
    let received = paypal.bench.delivered().await.remove(0);
    let body = received.body.clone();
    let url = received.header("paypal-cert-url").to_owned();
    assert!(url.starts_with(&paypal.bench.sandbox.url(ProviderKind::Paypal)), "{url}");
    let pem = paypal.bench.client.get(&url).send().await.unwrap().bytes().await.unwrap();
    let certificate: rustls_pki_types::CertificateDer<'_> =
        rustls_pki_types::pem::PemObject::from_pem_slice(&pem).unwrap();
    let leaf = webpki::EndEntityCert::try_from(&certificate).unwrap();
    let message = |body: &str| {
        let (id, time) =
            (received.header("paypal-transmission-id"), received.header("paypal-transmission-time"));
        format!("{id}|{time}|{WEBHOOK_ID}|{}", crc32fast::hash(body.as_bytes()))
    };
    let encoded = received.header("paypal-transmission-sig");
    let signature = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded).unwrap();
    let verify = |message: String| {
        leaf.verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature)
    };
    verify(message(&body)).unwrap();
    assert!(verify(message(&body.replace("42.00", "43.00"))).is_err());
    assert_eq!(received.header("paypal-auth-algo"), "SHA256withRSA");
}
