//! Signatures: our own vectors with their exact answers, and every byte tampered with.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde::Deserialize;

use super::super::signature::{sign, verify};
use super::*;
use crate::providers::{Delivery, Refusal, Verified};

const SECRET: &str = "whsec_orchard";

#[derive(Deserialize)]
struct Vectors {
    bodies_b64: std::collections::BTreeMap<String, String>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    headers: Vec<(String, String)>,
    secrets: Vec<String>,
    now: i64,
    tolerance_s: i64,
    body: String,
    expected: String,
    dedupe_key: Option<String>,
    hint: Option<String>,
}

fn deliver(header: &str, body: &[u8], now: i64) -> Result<Verified, Refusal> {
    let headers = vec![("stripe-signature".to_owned(), header.to_owned())];
    let delivery = Delivery { headers, body: body.to_vec().into(), url: None };
    verify(delivery, &account(&[SECRET]), at(now))
}

#[test]
fn a_connected_account_is_named_by_its_event_and_by_nothing_within() {
    let named = |body: &str| {
        let header = sign(SECRET, T, body.as_bytes());
        deliver(&header, body.as_bytes(), T).unwrap().on_behalf_of().map(str::to_owned)
    };
    let rows = [
        (r#"{"id":"evt_1","account":"acct_7"}"#, Some("acct_7")),
        (r#"{"id":"evt_1","context":"acct_7"}"#, Some("acct_7")),
        (r#"{"id":"evt_1","account":"acct_7","context":"acct_8"}"#, Some("acct_7")),
        (r#"{"id":"evt_1","account":null,"context":null}"#, None),
        (r#"{"id":"evt_1","data":{"object":{"account":"acct_7"}}}"#, None),
        // Nobody has an id like these: they wait for a person.
        (r#"{"id":"evt_1","account":""}"#, Some("()")),
        (r#"{"id":"evt_1","account":"acct_7 "}"#, Some("(acct_7 )")),
        (r#"{"id":"evt_1","account":"acct_7\u0000"}"#, Some("(acct_7\\u{0})")),
        (r#"{"id":"evt_1","account":["acct_7"]}"#, Some("(a list or an object)")),
    ];
    for (body, wanted) in rows {
        assert_eq!(named(body).as_deref(), wanted, "{body}");
    }
}

#[test]
fn every_vector_answers_as_expected() {
    let Vectors { bodies_b64, vectors } = serde_json::from_str(VECTORS).unwrap();
    assert!(vectors.len() >= 40);
    for vector in vectors {
        let body = BASE64_STANDARD.decode(&bodies_b64[&vector.body]).unwrap();
        let secrets: Vec<&str> = vector.secrets.iter().map(String::as_str).collect();
        let account = Account { tolerance_s: vector.tolerance_s, ..account(&secrets) };
        let delivery = Delivery { headers: vector.headers, body: body.into(), url: None };
        let answer = verify(delivery, &account, at(vector.now));
        let word = answer.as_ref().map_or_else(Refusal::word, |_| "ok");
        assert_eq!(word, vector.expected, "{}: {answer:?}", vector.name);
        if let Some(key) = vector.dedupe_key {
            assert_eq!(answer.as_ref().unwrap().dedupe_key(), key, "{}", vector.name);
        }
        if let Some(hint) = vector.hint {
            let words = answer.unwrap_err().to_string();
            assert!(words.contains(&hint), "{}: {words}", vector.name);
        }
    }
}

#[test]
fn a_verified_delivery_knows_whose_it_is_and_when_it_was_sent() {
    let verified = deliver(&sign(SECRET, T - 3, CREATED.as_bytes()), CREATED.as_bytes(), T).unwrap();
    assert_eq!((verified.merchant_id, verified.account_id), (1, 2));
    assert_eq!(verified.provider, ProviderName::Stripe);
    assert_eq!(verified.dedupe_key(), "evt_1Qa0001");
    assert_eq!(verified.claimed_at(), Some(at(T - 3)));
    assert_eq!(&verified.delivery().body[..], CREATED.as_bytes());
}

#[test]
fn no_refusal_repeats_a_secret_or_the_body() {
    let refusal = deliver(&sign("whsec_other", T, CREATED.as_bytes()), CREATED.as_bytes(), T).unwrap_err();
    let words = format!("{refusal} {refusal:?}");
    assert!(!words.contains(SECRET) && !words.contains("mango"), "{words}");
}

#[test]
fn every_byte_of_the_body_counts() {
    let header = sign(SECRET, T, CREATED.as_bytes());
    let mut body = CREATED.as_bytes().to_vec();
    for i in 0..body.len() {
        body[i] ^= 1;
        assert!(deliver(&header, &body, T).is_err(), "byte {i}");
        body[i] ^= 1;
    }
    for cut in 0..body.len() {
        assert!(deliver(&header, &body[..cut], T).is_err(), "cut at {cut}");
    }
}

#[test]
fn every_byte_of_the_header_counts() {
    let header = sign(SECRET, T, CREATED.as_bytes());
    for i in 0..header.len() {
        let mut changed = header.clone().into_bytes();
        changed[i] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        assert!(deliver(&changed, CREATED.as_bytes(), T).is_err(), "{changed}");
    }
}

proptest! {
    #[test]
    fn any_header_is_refused_without_panic(header in ".{0,200}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(deliver(&header, &body, T).is_err());
    }

    #[test]
    fn what_looks_like_a_header_is_refused_too(header in "(t=-?[0-9]{0,20},?|v1=[0-9a-f]{0,66},?|v0=x,?|,|=){0,8}") {
        prop_assert!(deliver(&header, CREATED.as_bytes(), T).is_err());
    }

    #[test]
    fn any_signed_body_is_taken_and_named(body in proptest::collection::vec(any::<u8>(), 0..600)) {
        let verified = deliver(&sign(SECRET, T, &body), &body, T).unwrap();
        let key = verified.dedupe_key();
        prop_assert!(!key.is_empty() && key.len() <= 200 && key.is_ascii());
    }
}
