//! The signature over address and body, by vectors of our own making (HMACs made with another implementation),
//! and the dedupe key.

use bytes::Bytes;
use serde::Deserialize;

use super::super::signature::NOTIFICATION_URL;
use super::{account, at, fixture, now, square};
use crate::providers::{Delivery, Provider, Refusal, Verified};

#[derive(Deserialize)]
struct Vector {
    name: String,
    body: String,
    signature: String,
    url: Option<String>,
    notification_url: Option<String>,
    secrets: Vec<String>,
    accepted: bool,
    refusal: Option<String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(fixture!("vectors")).unwrap()
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|v| v.name == name).unwrap()
}

fn deliver(vector: &Vector) -> Result<Verified, Refusal> {
    let headers = vec![("x-square-hmacsha256-signature".to_owned(), vector.signature.clone())];
    let delivery = Delivery { headers, body: Bytes::from(vector.body.clone()), url: vector.url.clone() };
    let secrets: Vec<&str> = vector.secrets.iter().map(String::as_str).collect();
    let configured: Vec<(&str, &str)> =
        vector.notification_url.iter().map(|url| (NOTIFICATION_URL, url.as_str())).collect();
    square().verify(delivery, &account(&secrets, &configured, None), now())
}

#[test]
fn vectors_answer_as_expected() {
    for vector in vectors() {
        let result = deliver(&vector);
        assert_eq!(result.is_ok(), vector.accepted, "{}: {result:?}", vector.name);
        let word = result.err().map(|refusal| refusal.word().to_owned());
        assert_eq!(word, vector.refusal, "{}", vector.name);
    }
}

#[test]
fn a_refusal_says_what_is_most_likely_wrong() {
    let rows = [
        ("a slash more", "`https://merchant.example/webhooks/square/north/`"),
        (
            "the account's address counts, not the request's",
            "`https://merchant.example/webhooks/square/north`",
        ),
        ("without TLS", "`http://merchant.example/webhooks/square/north`"),
        ("the body alone", "Square signs the notification URL too"),
        ("a stranger's secret", "not the signature key of this webhook subscription"),
        ("amount lowered", "not the signature key of this webhook subscription"),
    ];
    for (name, words) in rows {
        let error = deliver(&vector(name)).unwrap_err();
        let Refusal::SignatureMismatch { hint, .. } = &error else { panic!("{name}: {error}") };
        assert!(hint.contains(words), "{name}: {hint}");
    }
}

#[test]
fn without_any_address_nothing_is_believed() {
    let lost = Vector { url: None, ..vector("newest secret") };
    assert_eq!(deliver(&lost).unwrap_err().word(), "signature_mismatch");
}

#[test]
fn an_event_names_itself_and_its_older_twin() {
    let verified = deliver(&vector("newest secret")).unwrap();
    assert_eq!(verified.dedupe_key(), "5d0c9a1e-7b42-4f38-9c6d-000000000001");
    assert_eq!(verified.claimed_at(), Some(at("2026-03-02T17:40:11.204Z")));
    let by_body = deliver(&vector("no JSON at all")).unwrap();
    assert!(by_body.dedupe_key().starts_with("sha256:") && by_body.claimed_at().is_none());
}
