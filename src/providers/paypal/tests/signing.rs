//! The signature, by vectors of our own making (RSA signatures made with another implementation, and a body forged
//! to the CRC32 of a genuine one), and the dedupe key.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::{account, fixture, key_file, now, paypal_with};
use crate::clock::Clock;
use crate::dispute::Source;
use crate::providers::paypal::Paypal;
use crate::providers::{Delivery, Kept, Provider, Reading, Refusal, Verified};

#[derive(Deserialize, Clone)]
struct Vector {
    name: String,
    body: String,
    headers: BTreeMap<String, String>,
    webhook_ids: Vec<String>,
    accepted: bool,
    refusal: Option<String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(fixture!("vectors")).unwrap()
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|v| v.name == name).unwrap()
}

fn pinned() -> Paypal {
    paypal_with(&[("certificate_file", &key_file("signer.pub.pem"))], Clock::frozen_at(now()))
}

fn delivery(vector: &Vector) -> Delivery {
    let headers = vector.headers.clone().into_iter().collect();
    Delivery { headers, body: Bytes::from(vector.body.clone()), url: None }
}

fn deliver(vector: &Vector, later_s: i64) -> Result<Verified, Refusal> {
    let ids: Vec<&str> = vector.webhook_ids.iter().map(String::as_str).collect();
    pinned().verify(delivery(vector), &account(&ids, None), now() + chrono::TimeDelta::seconds(later_s))
}

#[test]
fn vectors_answer_as_expected() {
    for vector in vectors() {
        let result = deliver(&vector, 0);
        assert_eq!(result.is_ok(), vector.accepted, "{}: {result:?}", vector.name);
        let word = result.err().map(|refusal| refusal.word().to_owned());
        assert_eq!(word, vector.refusal, "{}", vector.name);
    }
}

#[test]
fn a_body_forged_under_genuine_headers_says_nothing_but_which_dispute_to_fetch() {
    let (genuine, forged) = (vector("genuine"), vector("another body with the same CRC32"));
    assert_eq!(genuine.headers, forged.headers);
    assert_ne!(genuine.body, forged.body);
    assert!(forged.body.contains("RESOLVED_SELLER_FAVOUR"));
    let reading =
        pinned().events(&Kept { source: Source::Webhook, body: forged.body.as_bytes(), as_of: now() });
    let Reading::FetchFirst { dispute_ref, name } = reading else { panic!("{reading:?}") };
    assert_eq!((dispute_ref.as_str(), name.as_str()), ("PP-R-NOT-YOURS", "CUSTOMER.DISPUTE.RESOLVED"));
}

#[test]
fn a_forged_body_never_takes_the_place_of_a_real_one() {
    let key = |vector: &Vector| deliver(vector, 0).unwrap().dedupe_key().to_owned();
    let forged = vector("another body with the same CRC32");
    // It names an event to come as its own.
    let claimed = key(&forged);
    assert!(claimed.starts_with("WH-0FORGED000-00A:"), "{claimed}");
    let digest = claimed.split_once(':').unwrap().1;
    assert!(digest.len() == 16 && !key(&vector("genuine")).ends_with(digest));
}

#[test]
fn a_repeat_is_known_by_its_body_whatever_its_transmission() {
    let first = deliver(&vector("genuine"), 0).unwrap();
    let repeated = deliver(&vector("signed with an offset"), 0).unwrap();
    assert_eq!(first.dedupe_key(), repeated.dedupe_key());
    assert!(first.dedupe_key().starts_with("WH-7TB44120CD-92Y:"), "{}", first.dedupe_key());
    assert_eq!(first.claimed_at(), Some(super::at("2026-03-12T08:59:00Z")));
}

#[test]
fn a_delivery_may_be_as_old_as_repeats_are_and_no_older() {
    let genuine = vector("genuine");
    // Signed a minute ago; five minutes and three days are allowed.
    let most = 300 + 259_200 - 60;
    assert!(deliver(&genuine, most).is_ok());
    let late = deliver(&genuine, most + 1).unwrap_err();
    assert_eq!(late, Refusal::TooOld { age_s: 259_501, tolerance_s: 259_500 });
}

#[test]
fn a_refusal_says_what_is_most_likely_wrong() {
    for (name, words) in [
        ("white space around the webhook id", "white space around the configured webhook id"),
        ("a stranger's webhook id", "not the id of this webhook"),
        ("body re-spaced", "re-serialises JSON"),
        ("SHA-1", "only `SHA256withRSA`"),
        ("certificate of a host like PayPal's", "no address that certificates may come from"),
    ] {
        let error = deliver(&vector(name), 0).unwrap_err().to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
    let empty = Vector { body: String::new(), ..vector("genuine") };
    assert!(deliver(&empty, 0).unwrap_err().to_string().contains("the body is empty"));
}

#[test]
fn a_certificate_that_was_never_fetched_proves_nothing() {
    let strange = paypal_with(&[], Clock::frozen_at(now()));
    let genuine = vector("genuine");
    let ids: Vec<&str> = genuine.webhook_ids.iter().map(String::as_str).collect();
    let refusal = strange.verify(delivery(&genuine), &account(&ids, None), now()).unwrap_err();
    assert!(refusal.to_string().contains("has not been fetched"), "{refusal}");
}

#[test]
fn headers_are_asked_for_once() {
    let genuine = vector("genuine");
    let ids: Vec<&str> = genuine.webhook_ids.iter().map(String::as_str).collect();
    let mut doubled = delivery(&genuine);
    doubled.headers.push(("paypal-cert-url".to_owned(), "https://evil.example/cert".to_owned()));
    let refusal = pinned().verify(doubled, &account(&ids, None), now()).unwrap_err();
    assert_eq!(refusal, Refusal::HeaderTwice { header: "paypal-cert-url" });
}
