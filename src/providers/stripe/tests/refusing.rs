//! Calls that did not go well: each failure has its answer, and what may have taken effect is never taken for
//! what did not.

use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::calling::{answering, dispute, local, ok};
use super::*;
use crate::evidence::{Packet, Sending};
use crate::providers::Answer;

fn error(status: u16, body: serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(serde_json::json!({ "error": body }))
}

/// The word for a read, a staging and the two irreversible calls, in this order.
async fn words(template: ResponseTemplate) -> [&'static str; 4] {
    let server = answering(template.clone()).await;
    let (stripe, account, packet) = (stripe(), local(&server), Packet::default());
    let id = "du_1QaMango";
    // What is held is read well before it submits.
    let reading = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ok(&dispute())).mount(&reading).await;
    Mock::given(method("POST")).respond_with(template).mount(&reading).await;
    [
        stripe.fetch(&account, id).await.0.word(),
        stripe.stage_evidence(&account, id.into(), Sending::of(&packet), "k").await.0.word(),
        stripe.accept(&account, id.into(), "k").await.0.word(),
        stripe.submit(&local(&reading), id.into(), Sending::of(&packet), "k").await.0.word(),
    ]
}

async fn accepted(template: ResponseTemplate) -> Answer<crate::providers::Record> {
    let server = answering(template).await;
    stripe().accept(&local(&server), "du_1QaMango".into(), "k").await.0
}

#[tokio::test]
async fn every_failure_has_its_answer() {
    let plain = |status| ResponseTemplate::new(status);
    let told = |status, should: &str| plain(status).insert_header("stripe-should-retry", should);
    let html = plain(200).set_body_raw("<html>welcome</html>", "text/html");
    let mut other = dispute();
    other["id"] = "du_another".into();
    let invalid =
        |code: &str| serde_json::json!({"type": "invalid_request_error", "code": code, "message": "m"});
    let rows = [
        ("fine", ok(&dispute()), ["receipt"; 4]),
        ("400", error(400, invalid("parameter_unknown")), ["refused"; 4]),
        ("401", plain(401), ["refused"; 4]),
        ("403", plain(403).set_body_raw("<html>", "text/html"), ["refused"; 4]),
        ("404", error(404, invalid("resource_missing")), ["refused"; 4]),
        (
            "another key's parameters",
            error(400, serde_json::json!({"type": "idempotency_error"})),
            ["refused", "refused", "unknown", "unknown"],
        ),
        ("409", error(409, invalid("idempotency_key_in_use")), ["retry"; 4]),
        ("409, final", told(409, "false"), ["refused"; 4]),
        ("lock time-out", error(400, invalid("lock_timeout")), ["retry"; 4]),
        ("429", plain(429), ["retry"; 4]),
        ("429, told to", told(429, "true"), ["retry"; 4]),
        ("429, told not to", told(429, "false"), ["retry"; 4]),
        ("400, told to", told(400, "true"), ["retry"; 4]),
        ("500", plain(500), ["retry", "retry", "unknown", "unknown"]),
        ("503, told to", told(503, "true"), ["retry"; 4]),
        ("500, told not to", told(500, "false"), ["refused", "refused", "unknown", "unknown"]),
        ("redirect", plain(301), ["refused"; 4]),
        ("a page for an answer", html, ["retry", "retry", "unknown", "unknown"]),
        ("nothing for an answer", plain(200), ["retry", "retry", "unknown", "unknown"]),
        ("another dispute", ok(&other), ["retry", "retry", "unknown", "unknown"]),
        ("slow", plain(200).set_delay(Duration::from_secs(20)), ["retry", "retry", "unknown", "unknown"]),
    ];
    for (name, template, expected) in rows {
        assert_eq!(words(template).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_stripes_code_and_words() {
    let body = serde_json::json!({"type": "invalid_request_error", "message": "This dispute is\u{0} settled", "param": "evidence"});
    let Answer::Refused { status, code, reason } = accepted(error(400, body)).await else { panic!() };
    assert_eq!((status, code.as_deref()), (400, Some("invalid_request_error")));
    assert_eq!(reason, "This dispute is\\u{0} settled (parameter `evidence`)");
    let coded = serde_json::json!({"type": "invalid_request_error", "code": "dispute_evidence_page_limit_exceeded", "message": "m"});
    let Answer::Refused { code, .. } = accepted(error(400, coded)).await else { panic!() };
    assert_eq!(code.as_deref(), Some("dispute_evidence_page_limit_exceeded"));
    let page = ResponseTemplate::new(403).set_body_raw("<html>secret page</html>", "text/html");
    let Answer::Refused { code: None, reason, .. } = accepted(page).await else { panic!() };
    assert!(reason.contains("text/html") && !reason.contains("secret"), "{reason}");
}

#[tokio::test]
async fn waits_are_stripes_or_ours() {
    let wait = async |template| match accepted(template).await {
        Answer::Retry { after, .. } => after.unwrap(),
        Answer::Receipt(_) | Answer::Refused { .. } | Answer::Unknown { .. } => panic!("not a retry"),
    };
    assert_eq!(
        wait(ResponseTemplate::new(429).insert_header("retry-after", "30")).await,
        Duration::from_secs(30)
    );
    assert_eq!(wait(ResponseTemplate::new(429)).await, Duration::from_secs(2));
    assert_eq!(wait(ResponseTemplate::new(409)).await, Duration::from_millis(500));
}

/// Reads the whole request and hangs up, having answered `answer`.
async fn hanging_up(answer: &'static [u8]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0u8; 65_536];
        let _read = socket.read(&mut buffer).await.unwrap();
        socket.write_all(answer).await.unwrap();
    });
    url
}

#[tokio::test]
async fn a_lost_connection_is_unknown_where_it_matters() {
    let cut: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"id\":\"du_1QaMango\"";
    for answer in [b"".as_slice(), cut] {
        let account = Account { base_url: Some(hanging_up(answer).await), ..account(&[]) };
        assert_eq!(stripe().accept(&account, "du_1QaMango".into(), "k").await.0.word(), "unknown");
        let account = Account { base_url: Some(hanging_up(answer).await), ..account };
        let (answer, logs) = stripe().fetch(&account, "du_1QaMango").await;
        assert_eq!(answer.word(), "retry");
        assert!(logs[0].error.as_ref().unwrap().contains("no whole answer came"), "{logs:?}");
    }
}

#[tokio::test]
async fn a_call_that_was_never_sent_may_be_repeated() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let account = Account { base_url: Some(url), ..account(&[]) };
    let (answer, logs) = stripe().accept(&account, "du_1QaMango".into(), "k").await;
    assert_eq!(answer.word(), "retry");
    assert_eq!(logs[0].status, None);
}

#[tokio::test]
async fn nonsense_is_not_sent() {
    let server = answering(ok(&dispute())).await;
    let (stripe, account, packet) = (stripe(), local(&server), Packet::default());
    for id in ["", "..", "du_1/close", "du_1?x=1", "du 1"] {
        for answer in [
            stripe.fetch(&account, id).await.0,
            stripe.accept(&account, id.into(), "k").await.0,
            stripe.submit(&account, id.into(), Sending::of(&packet), "k").await.0,
        ] {
            assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{id:?}: {answer:?}");
        }
    }
    for key in ["", "two words", "ü", &"k".repeat(256)] {
        let answer = stripe.accept(&account, "du_1".into(), key).await.0;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{key:?}");
    }
    for cursor in ["", "evt_1", "events:", "events:../x", "charges:ch_1"] {
        let answer = stripe.list_changed_since(&account, at(T), Some(cursor.into())).await.0;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{cursor:?}");
    }
    for (media_type, bytes) in [("text/html", 1), ("", 1), ("application/pdf", 4_500_001)] {
        let content = Bytes::from(vec![b'x'; bytes]);
        let answer = stripe.upload(&account, "a", media_type, content, "k").await.0;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{media_type}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_account_without_a_usable_key_calls_nobody() {
    let server = answering(ok(&dispute())).await;
    for key in [None, Some(""), Some("rk_test mango"), Some("rk_test_mango\n")] {
        let entries = key.map(|k| ("api_key".to_owned(), SecretString::from(k)));
        let account = Account { credentials: Credentials::new(entries), ..local(&server) };
        let Answer::Refused { status: 0, reason, .. } = stripe().accept(&account, "du_1".into(), "k").await.0
        else {
            panic!()
        };
        assert!(reason.contains("`api_key`") && !reason.contains("mango"), "{reason}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_asked_for_again() {
    let odd = [
        serde_json::json!({"object": "list", "data": "none"}),
        serde_json::json!({"object": "list"}),
        serde_json::json!({"object": "list", "data": [{"id": 7}], "has_more": true}),
    ];
    for body in odd {
        let server = answering(ok(&body)).await;
        let answer = stripe().list_changed_since(&local(&server), at(T), None).await.0;
        assert_eq!(answer.word(), "retry", "{body}");
    }
}
