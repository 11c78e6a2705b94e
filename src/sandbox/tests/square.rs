//! The Square stand-in, endpoint by endpoint and refusal by refusal, over HTTP.
//! Expectations are those of the provider sheets; no adapter of the engine takes part.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

fn request(bench: &Bench, method: Method, path: &str) -> RequestBuilder {
    let url = format!("{}/v2/disputes{path}", bench.sandbox.url(ProviderKind::Square));
    bench.client.request(method, url).bearer_auth("EAAAsandbox-example")
}

async fn get(bench: &Bench, path: &str) -> Got {
    got(request(bench, Method::GET, path)).await
}

async fn post(bench: &Bench, path: &str) -> Got {
    got(request(bench, Method::POST, path)).await
}

async fn words(bench: &Bench, id: &str, key: &str, text: &str) -> Got {
    let body = json!({ "idempotency_key": key, "evidence_type": "RECEIPT", "evidence_text": text });
    got(request(bench, Method::POST, &format!("/{id}/evidence-text")).json(&body)).await
}

fn code(got: &Got) -> (u16, &str) {
    (got.status, got.body["errors"][0]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn pieces_are_given_once_under_a_key_and_submitted_together() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::square().then("WON", 86_400));
    let submission = format!("/{id}/submit-evidence");
    assert_eq!(code(&post(&bench, &submission).await), (400, "BAD_REQUEST"));
    let first = words(&bench, &id, "key-1", "It came.").await;
    assert_eq!((first.status, &first.body["evidence"]["evidence_type"]), (200, &json!("RECEIPT")));
    assert_eq!(words(&bench, &id, "key-1", "It came.").await.body, first.body, "the first answer again");
    assert_eq!(code(&words(&bench, &id, "key-1", "It went.").await), (400, "IDEMPOTENCY_KEY_REUSED"));
    let part = reqwest::multipart::Part::bytes(PDF).file_name("receipt.pdf");
    let about = json!({ "idempotency_key": "key-2", "content_type": "application/pdf" }).to_string();
    let form = reqwest::multipart::Form::new().text("request", about).part("image_file", part);
    let file = got(request(&bench, Method::POST, &format!("/{id}/evidence-files")).multipart(form)).await;
    assert_eq!(file.body["evidence"]["evidence_file"]["filename"], "receipt.pdf", "{}", file.body);
    assert_eq!(get(&bench, &format!("/{id}/evidence")).await.body["evidence"].as_array().unwrap().len(), 2);
    let sent = post(&bench, &submission).await;
    assert_eq!((sent.status, &sent.body["dispute"]["state"]), (200, &json!("PROCESSING")));
    assert_eq!(sent.body["dispute"]["version"], 4, "every change has a version");
    assert_eq!(code(&post(&bench, &submission).await).0, 400);
    assert_eq!(bench.control.ledger_totals().effective_per_round_max, 1);
    bench.advance(TimeDelta::days(2));
    assert_eq!(bench.status(&id), "WON");
    let told = ["dispute.created", "dispute.evidence.created", "dispute.evidence.created"];
    let moved = ["dispute.state.updated"; 2];
    assert_eq!(bench.delivered_types().await, [&told[..], &moved[..]].concat());
}

#[tokio::test]
async fn evidence_is_read_strictly_and_can_be_taken_away() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::square());
    let long = "é".repeat(501);
    let rows = [
        ("", "It came.", "MISSING_REQUIRED_PARAMETER"),
        (&"k".repeat(46)[..], "It came.", "MISSING_REQUIRED_PARAMETER"),
        ("key", "", "VALUE_TOO_LONG"),
        ("key", &long, "VALUE_TOO_LONG"),
    ];
    for (key, text, wanted) in rows {
        assert_eq!(code(&words(&bench, &id, key, text).await), (400, wanted));
    }
    let odd = json!({ "idempotency_key": "k", "evidence_type": "HEARSAY", "evidence_text": "x" });
    let odd = got(request(&bench, Method::POST, &format!("/{id}/evidence-text")).json(&odd)).await;
    assert_eq!(code(&odd), (400, "INVALID_ENUM_VALUE"));
    let piece =
        words(&bench, &id, "key", "It came.").await.body["evidence"]["id"].as_str().unwrap().to_owned();
    let path = format!("/{id}/evidence/{piece}");
    assert_eq!(get(&bench, &path).await.body["evidence"]["evidence_text"], "It came.");
    assert_eq!(got(request(&bench, Method::DELETE, &path)).await.status, 200);
    assert_eq!(code(&get(&bench, &path).await), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn accepting_ends_a_chargeback_and_an_inquiry_closes_by_itself() {
    let bench = Bench::new().await;
    let conceded = bench.create(NewDispute::square());
    let missed = bench.create(NewDispute::square());
    let asked = bench.create(NewDispute { inquiry: true, ..NewDispute::square() });
    let accepted = post(&bench, &format!("/{conceded}/accept")).await;
    assert_eq!(accepted.body["dispute"]["state"], "ACCEPTED");
    assert_eq!(code(&post(&bench, &format!("/{asked}/accept")).await), (400, "BAD_REQUEST"));
    bench.advance(TimeDelta::days(15));
    let states = [&conceded, &missed, &asked].map(|id| bench.status(id));
    assert_eq!(states, ["ACCEPTED", "LOST", "INQUIRY_CLOSED"]);
}

#[tokio::test]
async fn the_list_goes_on_by_its_cursor() {
    let bench = Bench::new().await;
    let made: std::collections::BTreeSet<String> =
        (0..60).map(|_| bench.create(NewDispute::square())).collect();
    let first = get(&bench, "").await.body;
    let cursor = first["cursor"].as_str().unwrap();
    let second = get(&bench, &format!("?cursor={cursor}")).await.body;
    assert_eq!(second["cursor"], Value::Null);
    let both = first["disputes"].as_array().unwrap().iter().chain(second["disputes"].as_array().unwrap());
    let seen: Vec<String> = both.map(|d| d["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((seen.len(), seen.into_iter().collect()), (60, made));
    assert_eq!(get(&bench, "?states=WON,LOST").await.body, json!({}));
    assert_eq!(code(&get(&bench, "?cursor=mine").await), (400, "BAD_REQUEST"));
}

#[tokio::test]
async fn the_address_is_signed_with_the_body() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::square());
    let told = bench.delivered().await.remove(0);
    assert_eq!(told.json()["data"]["object"]["dispute"]["id"], id.as_str());
    let url = bench.control.0.quietly(|world, _| world.office.accounts[0].spec.webhook_url.clone().unwrap());
    let signed = |url: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"sandbox_signature_key").unwrap();
        mac.update(url.as_bytes());
        mac.update(told.body.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    };
    let found = told.header("x-square-hmacsha256-signature");
    assert_eq!(found, signed(&url));
    assert_ne!(found, signed(""));
}

#[tokio::test]
async fn strangers_are_told_so() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::square());
    let url = format!("{}/v2/disputes/{id}", bench.sandbox.url(ProviderKind::Square));
    let refused = got(bench.client.get(&url).bearer_auth("EAAAother")).await;
    assert_eq!(code(&refused), (401, "UNAUTHORIZED"));
    assert_eq!(code(&get(&bench, "/nobody").await), (404, "NOT_FOUND"));
}
