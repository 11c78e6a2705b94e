//! Certificates: what is checked of one, where one may come from, and what a stranger can make this process fetch.

use bytes::Bytes;
use secrecy::SecretString;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{account, at, config, fixture, json, key_file, now, paypal, paypal_with};
use crate::clock::Clock;
use crate::providers::paypal::Paypal;
use crate::providers::paypal::certificate::{Key, Trust, is_allowed, is_origin};
use crate::providers::{Account, Delivery, Folder, NotReady, Provider, Refusal};

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(key_file(name)).unwrap()
}

fn trust() -> Trust {
    Trust::new(Some(&pem("root.pem")), "paypal.com")
}

#[track_caller]
fn refused(checked: Result<Key, String>, words: &str) {
    let why = checked.map(|_| "it was taken").unwrap_err();
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_certificate_is_taken_when_its_chain_its_dates_and_its_name_hold() {
    trust().check(&pem("chain.pem"), now()).unwrap();
    refused(trust().check(&pem("expired.pem"), now()), "its chain does not hold");
    refused(trust().check(&pem("chain.pem"), at("2019-12-31T00:00:00Z")), "its chain does not hold");
    refused(trust().check(&pem("chain.pem"), at("2049-06-01T00:00:00Z")), "its chain does not hold");
    refused(trust().check(&pem("other_name.pem"), now()), "messages.notpaypal.com, and not for paypal.com");
    refused(trust().check(&pem("self_made.pem"), now()), "no authority known here issued it");
    // Without the certificate between it and its authority.
    refused(trust().check(&pem("leaf.pem"), now()), "no authority known here issued it");
    let machine = Trust::new(None, "paypal.com");
    refused(machine.check(&pem("chain.pem"), now()), "no authority known here issued it");
}

#[test]
fn what_is_no_certificate_is_refused() {
    for nothing in
        [&b""[..], b"<html>busy</html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        assert!(trust().check(nothing, now()).is_err() && Key::pinned(nothing).is_err());
    }
    let many = pem("chain.pem").repeat(5);
    refused(trust().check(&many, now()), "holds 10 certificates");
    assert!(Key::pinned(&pem("leaf.pem")).is_ok() && Key::pinned(&pem("signer.pub.pem")).is_ok());
}

#[test]
fn only_the_named_origins_and_the_one_path_are_allowed() {
    let origins = ["https://api.paypal.com", "http://127.0.0.1:4300"];
    let allowed = |url: &str| is_allowed(url, origins.into_iter());
    assert!(allowed("https://api.paypal.com/v1/notifications/certs/CERT-1a2b-3c"));
    assert!(allowed("http://127.0.0.1:4300/v1/notifications/certs/CERT-1"));
    for url in [
        "",
        "https://api.paypal.com",
        "https://api.paypal.com/v1/notifications/certs/",
        "https://api.paypal.com/v1/notifications/certs/a/b",
        "https://api.paypal.com/v1/notifications/certs/..",
        "https://api.paypal.com/v1/notifications/certs/%2e%2e",
        "https://api.paypal.com/v1/notifications/certs/a#b",
        "https://api.paypal.com//v1/notifications/certs/a",
        "https://api.paypal.com:443/v1/notifications/certs/a",
        "https://user@api.paypal.com/v1/notifications/certs/a",
        "https://api.paypal.com.evil.example/v1/notifications/certs/a",
        "https://evil.example/https://api.paypal.com/v1/notifications/certs/a",
        "http://api.paypal.com/v1/notifications/certs/a",
        "http://127.0.0.1:4301/v1/notifications/certs/a",
        " https://api.paypal.com/v1/notifications/certs/a",
        "https://api.paypal.com/v1/notifications/certs/a\n",
    ] {
        assert!(!allowed(url), "{url}");
    }
    assert!(!allowed(&format!("https://api.paypal.com/v1/notifications/certs/{}", "a".repeat(101))));
}

#[test]
fn a_setting_that_would_open_a_door_does_not_start() {
    for origin in ["https://api.paypal.com", "http://127.0.0.1:4300", "http://localhost:1"] {
        assert!(is_origin(origin), "{origin}");
    }
    for origin in [
        "http://api.paypal.com",
        "https://",
        "https://a/b",
        "https://a@b",
        "ftp://a",
        "api.paypal.com",
        "https://A",
    ] {
        assert!(!is_origin(origin), "{origin}");
        let error = Paypal::start(&config(&[("certificate_origins", origin)]), Clock::frozen_at(now())).err();
        assert!(error.unwrap().to_string().contains("certificate_origins"), "{origin}");
    }
    for (name, value) in [
        ("repeats_for_s", "soon"),
        ("repeats_for_s", "-1"),
        ("certificate_domain", ""),
        ("certificate_file", "/nowhere/key.pem"),
        ("certificate_authorities", "/nowhere/roots.pem"),
    ] {
        assert!(
            Paypal::start(&config(&[(name, value)]), Clock::frozen_at(now())).is_err(),
            "{name} = {value}"
        );
    }
}

/// A delivery whose certificate is at `server`, the account's own address.
fn from(server: &MockServer, id: &str) -> (Delivery, Account) {
    let mut vector = json(fixture!("vectors"))[0].take();
    vector["headers"]["paypal-cert-url"] = format!("{}/v1/notifications/certs/{id}", server.uri()).into();
    let headers = vector["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())).collect();
    let body = Bytes::from(vector["body"].as_str().unwrap().to_owned());
    let account = Account {
        webhook_secrets: vec![SecretString::from(vector["webhook_ids"][0].as_str().unwrap())],
        ..account(&[], Some(server.uri()))
    };
    (Delivery { headers, body, url: None }, account)
}

async fn serving(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

fn leaf() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_bytes(pem("leaf.pem"))
}

async fn prepare(p: &Paypal, delivery: &Delivery, account: &Account) -> Option<Result<(), NotReady>> {
    match p.prepare(delivery, account) {
        Some(preparing) => Some(preparing.await),
        None => None,
    }
}

#[tokio::test]
async fn a_certificate_is_fetched_once_and_again_after_a_day() {
    let (server, clock) = (serving(leaf()).await, Clock::frozen_at(now()));
    let p = paypal_with(&[], clock.clone());
    let (delivery, account) = from(&server, "CERT-1");
    assert!(p.verify(delivery.clone(), &account, now()).is_err(), "not yet");
    assert_eq!(prepare(&p, &delivery, &account).await, Some(Ok(())));
    p.verify(delivery.clone(), &account, now()).unwrap();
    assert_eq!(prepare(&p, &delivery, &account).await, None);
    clock.advance(chrono::TimeDelta::hours(25));
    assert_eq!(prepare(&p, &delivery, &account).await, Some(Ok(())));
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn many_at_once_fetch_once() {
    let (server, p) = (serving(leaf()).await, paypal());
    let (delivery, account) = from(&server, "CERT-1");
    let waiting = (0..20).map(|_| prepare(&p, &delivery, &account));
    for prepared in futures_util::future::join_all(waiting).await {
        assert_eq!(prepared, Some(Ok(())));
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_fetched_for_a_delivery_that_is_refused_anyway() {
    let (server, p) = (serving(leaf()).await, paypal());
    let (delivery, account) = from(&server, "CERT-1");
    let other_address = Account { base_url: None, ..account.clone() };
    assert_eq!(prepare(&p, &delivery, &other_address).await, None, "an address nobody allowed");
    let no_id = Account { webhook_secrets: vec![], ..account.clone() };
    assert_eq!(prepare(&p, &delivery, &no_id).await, None);
    for n in 0..delivery.headers.len() {
        let mut cut = delivery.clone();
        if cut.headers.remove(n).0 != "paypal-auth-version" {
            assert_eq!(prepare(&p, &cut, &account).await, None);
        }
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_refused_and_not_asked_for_again() {
    for template in [
        ResponseTemplate::new(404),
        ResponseTemplate::new(302).insert_header("location", "https://evil.example/cert.pem"),
        ResponseTemplate::new(200).set_body_string("<html>hello</html>"),
    ] {
        let (server, p) = (serving(template).await, paypal());
        let (delivery, account) = from(&server, "CERT-FORGED");
        assert_eq!(prepare(&p, &delivery, &account).await, Some(Ok(())));
        let refusal = p.verify(delivery.clone(), &account, now()).unwrap_err();
        assert!(matches!(refusal, Refusal::HeaderMalformed { header: "paypal-cert-url", .. }), "{refusal}");
        assert_eq!(prepare(&p, &delivery, &account).await, None);
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_asks_the_sender_to_come_again() {
    let too_much = ResponseTemplate::new(200).set_body_bytes(vec![b'a'; 65 << 10]);
    for template in [ResponseTemplate::new(503), ResponseTemplate::new(429), too_much] {
        let (server, p) = (serving(template).await, paypal());
        let (delivery, account) = from(&server, "CERT-1");
        let why = prepare(&p, &delivery, &account).await.unwrap().unwrap_err().why;
        assert!(why.contains("the certificate was not fetched"), "{why}");
        assert!(prepare(&p, &delivery, &account).await.is_some(), "it is tried again");
    }
}

#[tokio::test]
async fn an_old_key_serves_while_the_address_is_down_but_not_for_ever() {
    let (server, clock) = (MockServer::start().await, Clock::frozen_at(now()));
    Mock::given(any()).respond_with(leaf()).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).with_priority(9).mount(&server).await;
    let p = paypal_with(&[], clock.clone());
    let (delivery, account) = from(&server, "CERT-1");
    assert_eq!(prepare(&p, &delivery, &account).await, Some(Ok(())));
    clock.advance(chrono::TimeDelta::days(6));
    assert_eq!(prepare(&p, &delivery, &account).await, Some(Ok(())));
    clock.advance(chrono::TimeDelta::days(2));
    assert!(prepare(&p, &delivery, &account).await.unwrap().is_err());
}

#[tokio::test]
async fn a_stranger_who_names_many_certificates_makes_few_downloads() {
    let (server, clock) = (serving(ResponseTemplate::new(404)).await, Clock::frozen_at(now()));
    let p = paypal_with(&[], clock.clone());
    let mut turned_away = 0;
    for n in 0..40 {
        let (delivery, account) = from(&server, &format!("CERT-{n}"));
        turned_away += usize::from(prepare(&p, &delivery, &account).await.unwrap().is_err());
    }
    assert_eq!((server.received_requests().await.unwrap().len(), turned_away), (12, 28));
    clock.advance(chrono::TimeDelta::minutes(1));
    let (delivery, account) = from(&server, "CERT-99");
    assert_eq!(prepare(&p, &delivery, &account).await, Some(Ok(())));
}
