//! The signature, by vectors of our own making (HMACs made with another implementation), the header key beside
//! it, and the dedupe key.

use bytes::Bytes;
use serde::Deserialize;

use super::super::signature::WEBHOOK_AUTHORIZATION;
use super::{account, at, checkout, fixture, now};
use crate::providers::{Delivery, Provider, Refusal, Verified};

#[derive(Deserialize)]
struct Vector {
    name: String,
    body: String,
    signature: String,
    authorization: Option<String>,
    secrets: Vec<String>,
    wants_authorization: Option<String>,
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
    let mut headers = vec![("cko-signature".to_owned(), vector.signature.clone())];
    headers.extend(vector.authorization.iter().map(|key| ("authorization".to_owned(), key.clone())));
    let delivery = Delivery { headers, body: Bytes::from(vector.body.clone()), url: None };
    let secrets: Vec<&str> = vector.secrets.iter().map(String::as_str).collect();
    let wanted: Vec<(&str, &str)> =
        vector.wants_authorization.iter().map(|key| (WEBHOOK_AUTHORIZATION, key.as_str())).collect();
    checkout().verify(delivery, &account(&secrets, &wanted, None), now())
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
        ("secret with white space around it", "white space around the configured secret"),
        ("a line break added", "white space around the body"),
        ("a stranger's secret", "not the signature key of this workflow"),
        ("amount raised", "not the signature key of this workflow"),
    ];
    for (name, words) in rows {
        let error = deliver(&vector(name)).unwrap_err();
        let Refusal::SignatureMismatch { hint, .. } = &error else { panic!("{name}: {error}") };
        assert!(hint.contains(words), "{name}: {hint}");
    }
    let empty = Vector { body: String::new(), ..vector("newest secret") };
    assert!(deliver(&empty).unwrap_err().to_string().contains("the body is empty"));
    let other_key = deliver(&vector("another header key")).unwrap_err().to_string();
    assert!(other_key.contains("`webhook_authorization`") && !other_key.contains("Perry"), "{other_key}");
}

#[test]
fn a_header_key_that_is_asked_for_is_needed_once_and_whole() {
    let genuine = vector("the header key that is asked for");
    for told in ["", "Perry-3-heade", "Perry-3-header ", "perry-3-header", "Bearer Perry-3-header"] {
        let other = Vector { authorization: Some(told.to_owned()), ..vector(&genuine.name) };
        assert_eq!(deliver(&other).unwrap_err().word(), "header_malformed", "{told:?}");
    }
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        header("cko-signature", &genuine.signature),
        header("authorization", "Perry-3-header"),
        header("authorization", "Perry-3-header"),
    ];
    let twice = Delivery { headers, body: Bytes::from(genuine.body), url: None };
    let account = account(&["Damson-47-workflow"], &[(WEBHOOK_AUTHORIZATION, "Perry-3-header")], None);
    assert_eq!(checkout().verify(twice, &account, now()).unwrap_err().word(), "header_twice");
}

#[test]
fn one_event_is_one_event_however_often_it_was_tried() {
    let key = |vector: &Vector| deliver(vector).unwrap().dedupe_key().to_owned();
    let first = key(&vector("newest secret"));
    assert_eq!(first, "evt_a1kd4zr9xw2qmt5vbn6c");
    assert_eq!(first, key(&vector("older secret in rotation")));
    // Without an id that can be a key, the body is one.
    for name in ["letters beyond ASCII", "no JSON at all"] {
        let key = key(&vector(name));
        assert!(key.starts_with("sha256:") && key.len() == 71, "{name}: {key}");
    }
}

#[test]
fn the_claimed_time_is_that_of_either_envelope() {
    let claimed = |name: &str| deliver(&vector(name)).unwrap().claimed_at();
    assert_eq!(claimed("newest secret"), Some(at("2026-03-02T08:14:06.402Z")));
    assert_eq!(claimed("oldest envelope"), Some(at("2026-04-20T11:25:44Z")));
    assert_eq!(claimed("no JSON at all"), None);
}
