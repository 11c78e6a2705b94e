//! Who sent it: what is signed with which key, and what each mistake is told.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use super::{account, fixture, now, router};
use crate::providers::{Delivery, Provider, Refusal, Verified};

const KEY: &str = "Whimbrel-55-new";

fn signature(key: &[u8], body: &str) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn verify(secrets: &[&str], value: &str, body: &str) -> Result<Verified, Refusal> {
    let headers = vec![("x-webhook-signature-512".to_owned(), value.to_owned())];
    let delivery = Delivery { headers, body: Bytes::copy_from_slice(body.as_bytes()), url: None };
    router().verify(delivery, &account(secrets, None), now())
}

#[test]
fn a_known_answer_of_hmac_sha512_is_accepted() {
    // Made with `openssl dgst -sha512 -hmac`.
    let body = r#"{"event_id":"evt_1"}"#;
    let signed = "b943cccd363b5d5634a8cf85a2893efa55d4fd2ca276c7f322204777e845b7457ad1aae293b54095f09085071c82b902cde9cbd17bd1c5668d38574eb1ee79af";
    assert_eq!(signature(b"Dotterel", body), signed);
    assert!(verify(&["Dotterel"], signed, body).is_ok());
}

#[test]
fn an_event_is_kept_once_by_its_own_id_and_else_by_its_body() {
    let body = fixture!("opened");
    let verified = verify(&["other", KEY], &signature(KEY.as_bytes(), body), body).unwrap();
    assert_eq!(verified.dedupe_key(), "evt_019c1a01");
    assert_eq!(verified.claimed_at().unwrap().to_rfc3339(), "2026-03-10T08:15:24.002+00:00");
    for body in
        [body.replace("evt_019c1a01", "../1"), body.replace("\"event_id\"", "\"event\""), "not JSON".into()]
    {
        let verified = verify(&[KEY], &signature(KEY.as_bytes(), &body), &body).unwrap();
        assert!(verified.dedupe_key().starts_with("sha256:"), "{}", verified.dedupe_key());
    }
}

#[test]
fn each_mistake_is_named() {
    let body = fixture!("opened");
    let good = signature(KEY.as_bytes(), body);
    let hint =
        |secrets: &[&str], value: &str, body: &str| verify(secrets, value, body).unwrap_err().to_string();
    assert!(hint(&[KEY], &good.to_uppercase(), body).contains("upper case"));
    assert!(hint(&[KEY], &good[..64], body).contains("expected 128 hex digits, found 64"));
    assert!(hint(&[KEY], &"x".repeat(128), body).contains("other characters"));
    assert!(hint(&[&format!("{KEY}\n")], &good, body).contains("white space around the configured secret"));
    let encoded = hex::encode(KEY);
    assert!(hint(&[&encoded], &good, body).contains("decoded from hex"));
    assert!(hint(&["wrong"], &good, body).contains("payment_response_hash_key"));
    assert!(hint(&[KEY], &good, "").contains("body is empty"));
    assert!(matches!(verify(&[""], &signature(b"", body), body), Err(Refusal::NoSecret)));
}
