//! The signature, by vectors of our own making (HMACs made with another implementation), and the dedupe key.

use bytes::Bytes;
use serde::Deserialize;

use super::{account, at, fixture, now, razorpay};
use crate::providers::{Delivery, Provider, Refusal, Verified};

#[derive(Deserialize)]
struct Vector {
    name: String,
    body: String,
    signature: String,
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

fn deliver(vector: &Vector, more: &[(&str, &str)]) -> Result<Verified, Refusal> {
    let mut headers = vec![("x-razorpay-signature".to_owned(), vector.signature.clone())];
    headers.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let delivery = Delivery { headers, body: Bytes::from(vector.body.clone()), url: None };
    let secrets: Vec<&str> = vector.secrets.iter().map(String::as_str).collect();
    razorpay().verify(delivery, &account(&secrets, None), now())
}

fn key(vector: &Vector, more: &[(&str, &str)]) -> String {
    deliver(vector, more).unwrap().dedupe_key().to_owned()
}

#[test]
fn vectors_answer_as_expected() {
    for vector in vectors() {
        let result = deliver(&vector, &[]);
        assert_eq!(result.is_ok(), vector.accepted, "{}: {result:?}", vector.name);
        let word = result.err().map(|refusal| refusal.word().to_owned());
        assert_eq!(word, vector.refusal, "{}", vector.name);
    }
}

#[test]
fn a_refusal_says_what_is_most_likely_wrong() {
    let rows = [
        ("signed indented, arrived compact", "re-serialised"),
        ("signed compact, arrived indented", "re-serialised"),
        ("a line break added", "re-serialised"),
        ("secret with white space around it", "white space around the configured secret"),
        ("a stranger's secret", "not the one set for this webhook"),
        ("amount raised", "not the one set for this webhook"),
    ];
    for (name, words) in rows {
        let error = deliver(&vector(name), &[]).unwrap_err();
        let Refusal::SignatureMismatch { hint, .. } = &error else { panic!("{name}: {error}") };
        assert!(hint.contains(words), "{name}: {hint}");
    }
    let empty = Vector { body: String::new(), ..vector("newest secret") };
    assert!(deliver(&empty, &[]).unwrap_err().to_string().contains("the body is empty"));
}

#[test]
fn a_forged_body_made_to_be_costly_is_refused_all_the_same() {
    for body in [",".repeat(8_000), "[".repeat(8_000), "\"\\".repeat(4_000), "{\"a\":".repeat(200_000)] {
        let forged = Vector { body, ..vector("newest secret") };
        assert_eq!(deliver(&forged, &[]).unwrap_err().word(), "signature_mismatch");
    }
}

#[test]
fn the_signature_is_needed_once() {
    let genuine = vector("newest secret");
    let twice = [("x-razorpay-signature", genuine.signature.as_str())];
    assert_eq!(deliver(&genuine, &twice).unwrap_err().word(), "header_twice");
    let delivery = Delivery { headers: Vec::new(), body: Bytes::from_static(b"{}"), url: None };
    let refusal = razorpay().verify(delivery, &account(&["a"], None), now()).unwrap_err();
    assert_eq!(refusal, Refusal::HeaderMissing { header: "x-razorpay-signature" });
}

#[test]
fn an_event_id_alone_never_decides_what_is_a_duplicate() {
    let id = [("x-razorpay-event-id", "evt_Rk2Wq7Yh3Lc")];
    let created = vector("newest secret");
    let other = vector("indented body as sent");
    let first = key(&created, &id);
    assert_eq!(first, key(&created, &id), "redelivered");
    assert_eq!(first, key(&vector("older secret in rotation"), &id), "redelivered under the older secret");
    // Somebody holds one genuine body and sends it under the id of an event to come.
    assert_ne!(first, key(&other, &id));
    assert!(first.starts_with("evt_Rk2Wq7Yh3Lc:"), "{first}");
    assert_eq!(first.len(), "evt_Rk2Wq7Yh3Lc:".len() + 16);
}

#[test]
fn without_a_usable_event_id_the_body_is_the_key() {
    let created = vector("newest secret");
    let by_body = key(&created, &[]);
    assert!(by_body.starts_with("sha256:") && by_body.len() == 71, "{by_body}");
    let long = "e".repeat(129);
    for id in ["", " ", "a b", "a:b", "é", "x'y", "\u{0}", long.as_str()] {
        assert_eq!(key(&created, &[("x-razorpay-event-id", id)]), by_body, "{id:?}");
    }
    let twice = [("x-razorpay-event-id", "evt_a"), ("x-razorpay-event-id", "evt_b")];
    assert_eq!(key(&created, &twice), by_body);
    assert!(key(&created, &[("x-razorpay-event-id", &long[..128])]).len() <= 200);
}

#[test]
fn the_claimed_time_is_the_bodys_own_when_it_is_one() {
    let claimed = |name: &str| deliver(&vector(name), &[]).unwrap().claimed_at();
    assert_eq!(claimed("newest secret"), Some(at("2026-03-10T00:00:40Z")));
    assert_eq!(claimed("empty object"), None);
    assert_eq!(claimed("letters beyond ASCII"), None);
}
