//! Access tokens: asked for once, kept, renewed in time, replaced once when refused, and told to nobody.

use futures_util::future::join_all;
use serde_json::json;
use wiremock::matchers::{body_string, header as has_header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{
    DISPUTE, TOKEN, account, answer, asked, fixture, giving_tokens, header, now, ok, paypal, paypal_with,
    showing, tokens_asked,
};
use crate::clock::Clock;
use crate::providers::{Account, Answer, Provider};

fn local(server: &MockServer) -> Account {
    account(&[], Some(server.uri()))
}

fn token(text: &str, expires_in: i64) -> ResponseTemplate {
    ok(&json!({"access_token": text, "token_type": "Bearer", "expires_in": expires_in}).to_string())
}

#[tokio::test]
async fn a_token_is_asked_for_with_the_clients_own_credentials() {
    let server = MockServer::start().await;
    // base64 of `AbLarchClient:ELarchSecret:7`
    Mock::given(method("POST"))
        .and(path("/v1/oauth2/token"))
        .and(has_header("authorization", "Basic QWJMYXJjaENsaWVudDpFTGFyY2hTZWNyZXQ6Nw=="))
        .and(has_header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string("grant_type=client_credentials"))
        .respond_with(ok(fixture!("token")))
        .expect(1)
        .mount(&server)
        .await;
    answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), ok(fixture!("record"))).await;
    let p = paypal();
    for _ in 0..3 {
        assert!(matches!(p.fetch(&local(&server), DISPUTE).await.0, Answer::Receipt(_)));
    }
}

#[tokio::test]
async fn many_calls_at_once_ask_for_one_token() {
    let server = MockServer::start().await;
    let slow = ok(fixture!("token")).set_delay(std::time::Duration::from_millis(100));
    answer(&server, "POST", "/v1/oauth2/token", slow).await;
    answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), ok(fixture!("record"))).await;
    let (p, account) = (paypal(), local(&server));
    for (answer, _) in join_all((0..20).map(|_| p.fetch(&account, DISPUTE))).await {
        assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    }
    assert_eq!(tokens_asked(&server).await, 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let (server, clock) = (showing(fixture!("record")).await, Clock::frozen_at(now()));
    let p = paypal_with(&[], clock.clone());
    // 32,400 s of life, of which a tenth is left untouched.
    for (pass_s, asked) in [(0, 1), (29_159, 1), (1, 2), (29_160, 3)] {
        clock.advance(chrono::TimeDelta::seconds(pass_s));
        p.fetch(&local(&server), DISPUTE).await;
        assert_eq!(tokens_asked(&server).await, asked, "after {pass_s} s more");
    }
}

#[tokio::test]
async fn every_account_has_a_token_of_its_own() {
    let server = showing(fixture!("record")).await;
    let p = paypal();
    for account_id in [80, 81, 80, 81] {
        p.fetch(&Account { account_id, ..local(&server) }, DISPUTE).await;
    }
    assert_eq!(tokens_asked(&server).await, 2);
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_replaced_once() {
    let server = MockServer::start().await;
    Mock::given(path("/v1/oauth2/token"))
        .respond_with(token("first", 900))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(path("/v1/oauth2/token")).respond_with(token("second", 900)).mount(&server).await;
    let record = format!("/v1/customer/disputes/{DISPUTE}");
    Mock::given(path(record.as_str()))
        .and(has_header("authorization", "Bearer second"))
        .respond_with(ok(fixture!("record")))
        .mount(&server)
        .await;
    answer(&server, "GET", &record, ResponseTemplate::new(401)).await;
    let p = paypal();
    let (answered, logs) = p.fetch(&local(&server), DISPUTE).await;
    assert!(matches!(answered, Answer::Receipt(_)), "{answered:?}");
    assert_eq!(logs.iter().map(|l| l.status).collect::<Vec<_>>(), [Some(401), Some(200)]);
    // The new one is kept.
    p.fetch(&local(&server), DISPUTE).await;
    assert_eq!(tokens_asked(&server).await, 2);
    let last = asked(&server).await.pop().unwrap();
    assert_eq!(header(&last, "authorization"), Some("Bearer second"));
}

#[tokio::test]
async fn a_refusal_that_a_new_token_does_not_change_is_a_refusal() {
    let server = giving_tokens().await;
    let refused = ResponseTemplate::new(401).set_body_raw(fixture!("error"), "application/json");
    answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), refused).await;
    let (answered, logs) = paypal().fetch(&local(&server), DISPUTE).await;
    assert!(matches!(answered, Answer::Refused { status: 401, .. }), "{answered:?}");
    assert_eq!((logs.len(), asked(&server).await.len(), tokens_asked(&server).await), (2, 2, 2));
}

#[tokio::test]
async fn an_action_is_repeated_with_a_new_token_because_a_401_did_nothing() {
    let server = showing(fixture!("record")).await;
    let action = format!("/v1/customer/disputes/{DISPUTE}/accept-claim");
    Mock::given(path(action.as_str()))
        .respond_with(ResponseTemplate::new(401))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    answer(&server, "POST", &action, ok(fixture!("taken"))).await;
    let (answered, _) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
    assert!(matches!(answered, Answer::Receipt(_)), "{answered:?}");
    let posts = asked(&server).await.into_iter().filter(|r| r.method.as_str() == "POST");
    let bodies: Vec<usize> = posts.map(|r| r.body.len()).collect();
    assert!(
        bodies.len() == 2 && bodies.iter().all(|length| *length > 100),
        "both carry it whole: {bodies:?}"
    );
}

#[tokio::test]
async fn without_a_token_nothing_else_is_sent() {
    let rows = [
        (
            ResponseTemplate::new(401)
                .set_body_raw(r#"{"error":"invalid_client","error_description":"Who?"}"#, "application/json"),
            "refused",
        ),
        (ResponseTemplate::new(503), "retry"),
        (ResponseTemplate::new(429).insert_header("retry-after", "3"), "retry"),
        (ok("<html>hello</html>"), "retry"),
        (ok("{}"), "retry"),
        (token("", 900), "retry"),
        (token("two\nlines", 900), "retry"),
        (ok(r#"{"access_token":"x","token_type":"mac","expires_in":9}"#), "retry"),
    ];
    for (n, (template, word)) in rows.into_iter().enumerate() {
        let server = MockServer::start().await;
        answer(&server, "POST", "/v1/oauth2/token", template).await;
        let (answered, logs) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
        assert_eq!((answered.word(), logs.len()), (word, 1), "row {n}: {answered:?}");
        assert!(asked(&server).await.is_empty(), "row {n}");
        if let Answer::Refused { reason, code, .. } = answered {
            assert_eq!(code.as_deref(), Some("invalid_client"));
            assert!(reason.contains("no access token was given: Who?"), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_token_that_ends_at_once_is_used_once() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/v1/oauth2/token", token("short", 0)).await;
    answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), ok(fixture!("record"))).await;
    let p = paypal();
    for _ in 0..2 {
        assert!(matches!(p.fetch(&local(&server), DISPUTE).await.0, Answer::Receipt(_)));
    }
    assert_eq!(tokens_asked(&server).await, 2);
}

#[tokio::test]
async fn no_log_and_no_answer_tells_a_token_or_a_secret() {
    let server = giving_tokens().await;
    answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), ResponseTemplate::new(401)).await;
    let told = format!("{:?}", paypal().fetch(&local(&server), DISPUTE).await);
    for secret in [TOKEN, "ELarchSecret", "QWJMYXJjaENsaWVudD"] {
        assert!(!told.contains(secret), "{told}");
    }
}
