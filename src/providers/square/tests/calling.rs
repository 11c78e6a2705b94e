//! The exact requests on the wire, and what Square's answers to them mean.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use wiremock::matchers::{any, method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{DISPUTE, account, at, fixture, square};
use crate::dispute::{Source, Status};
use crate::evidence::{Document, Field, FileRef, Packet, Sending};
use crate::providers::{Account, Answer, Provider, Reading, Record};

const TOKEN: &[(&str, &str)] = &[("access_token", "EAAAl9")];

fn packet() -> Packet {
    let own = FileRef { file_id: 3, sha256: [7; 32] }.to_string();
    Packet {
        text: [
            (Field::Summary, "Delivered on 6 March. ".to_owned()),
            (Field::ShippingTrackingNumber, "1Z-77".to_owned()),
        ]
        .into(),
        files: [(Field::Receipt, vec![own])].into(),
        ..Packet::default()
    }
}

fn receipt() -> Document {
    Document {
        field: Field::Receipt,
        name: "receipt.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        content: Bytes::from_static(b"%PDF-1.7 body"),
    }
}

fn told(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

fn local(server: &MockServer) -> Account {
    account(&[], TOKEN, Some(server.uri()))
}

/// Takes evidence so, shows what the fixture has, and answers the submission so.
async fn submitting(evidence: ResponseTemplate, submission: ResponseTemplate) -> (MockServer, Account) {
    let server = MockServer::start().await;
    let held = told(200, fixture!("evidence_list"));
    Mock::given(path_regex("/evidence$")).and(method("GET")).respond_with(held).mount(&server).await;
    Mock::given(path_regex("/evidence-(text|files)$")).respond_with(evidence).mount(&server).await;
    Mock::given(path_regex("/submit-evidence$")).respond_with(submission).mount(&server).await;
    let account = local(&server);
    (server, account)
}

fn status(record: &Record) -> Status {
    let Reading::Events(events) = &record.reading else { panic!("{record:?}") };
    events[0].snapshot().unwrap().status
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

#[tokio::test]
async fn a_dispute_is_fetched_by_its_id_and_kept_bare() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(format!("/v2/disputes/{DISPUTE}")))
        .respond_with(told(200, fixture!("record")))
        .expect(1)
        .mount(&server)
        .await;
    let (answer, log) = square().fetch(&local(&server), DISPUTE).await;
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    assert_eq!(&record.raw[..], fixture!("bare_record").as_bytes(), "so that it can be read again");
    let Reading::Events(events) = &record.reading else { panic!() };
    assert_eq!((events[0].source, events[0].as_of), (Source::ReadBack, at("2026-03-05T09:00:00.500002Z")));
    assert_eq!(log[0].request, format!("GET /v2/disputes/{DISPUTE}"));
    let sent = requests(&server).await.remove(0);
    assert_eq!(sent.headers["authorization"], "Bearer EAAAl9");
    assert_eq!(sent.headers["square-version"], "2026-01-22");
}

#[tokio::test]
async fn accepting_posts_nothing_and_answers_with_the_record() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/v2/disputes/{DISPUTE}/accept")))
        .respond_with(told(200, fixture!("record_accepted")))
        .mount(&server)
        .await;
    let (answer, _) = square().accept(&local(&server), DISPUTE.into(), "ignored").await;
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    assert_eq!(status(&record), Status::Accepted);
    assert!(requests(&server).await[0].body.is_empty());
}

#[tokio::test]
async fn every_piece_is_given_under_its_key_and_then_all_is_submitted() {
    let (server, account) =
        submitting(told(200, fixture!("evidence")), told(200, fixture!("record_submitted"))).await;
    let (packet, documents) = (packet(), [receipt()]);
    let mut keys = Vec::new();
    for _ in 0..2 {
        let sending = Sending { packet: &packet, documents: &documents };
        let (answer, logs) = square().submit(&account, DISPUTE.into(), sending, "a new try").await;
        let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
        assert_eq!((status(&record), logs.len()), (Status::UnderReview, 5));
    }
    let sent = requests(&server).await;
    let paths: Vec<&str> = sent[..5].iter().map(|r| r.url.path().rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["evidence-text", "evidence-text", "evidence-files", "evidence", "submit-evidence"]);
    for (n, (kind, text)) in
        [("TRACKING_NUMBER", "1Z-77"), ("REBUTTAL_EXPLANATION", "Delivered on 6 March.")].iter().enumerate()
    {
        let body: Value = sent[n].body_json().unwrap();
        assert_eq!(
            (body["evidence_type"].as_str(), body["evidence_text"].as_str()),
            (Some(*kind), Some(*text))
        );
        assert_eq!(body.as_object().unwrap().len(), 3);
        keys.push(body["idempotency_key"].as_str().unwrap().to_owned());
        assert_eq!(sent[n].body, sent[n + 5].body, "a second try gives the same piece");
    }
    let file = String::from_utf8_lossy(&sent[2].body).into_owned();
    assert!(file.contains("name=\"request\"\r\nContent-Type: application/json\r\n\r\n{"), "{file}");
    assert!(
        file.contains("\"evidence_type\":\"RECEIPT\"")
            && file.contains("\"content_type\":\"application/pdf\"")
    );
    assert!(file.contains(
        "name=\"image_file\"; filename=\"receipt.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF"
    ));
    assert_ne!(keys[0], keys[1]);
    assert!(sent[4].body.is_empty());
}

/// A stand-in that holds pieces by their ids, shows them on pages of one, and takes them away.
async fn holding(held: &[&str]) -> (MockServer, Arc<Mutex<Vec<String>>>) {
    let held: Arc<Mutex<Vec<String>>> = Arc::new(Mutex::new(held.iter().map(|&id| id.to_owned()).collect()));
    let server = MockServer::start().await;
    let pieces = held.clone();
    let give = move |_: &Request| {
        let id = "vT8nR4yXcZ2qLmB6vKwP";
        let mut pieces = pieces.lock().unwrap();
        if !pieces.iter().any(|known| known == id) {
            pieces.push(id.to_owned());
        }
        told(200, fixture!("evidence"))
    };
    Mock::given(path_regex("/evidence-(text|files)$")).respond_with(give).mount(&server).await;
    let pieces = held.clone();
    let show = move |request: &Request| {
        let query: Vec<_> = request.url.query_pairs().into_owned().collect();
        let at = query.iter().find(|(name, _)| name == "cursor").map_or(0, |(_, at)| at.parse().unwrap());
        let pieces = pieces.lock().unwrap();
        let shown: Vec<Value> = pieces.iter().skip(at).take(1).map(|id| json!({ "id": id })).collect();
        let next = (at + 1 < pieces.len()).then(|| (at + 1).to_string());
        told(200, &json!({ "evidence": shown, "cursor": next }).to_string())
    };
    Mock::given(method("GET")).and(path_regex("/evidence$")).respond_with(show).mount(&server).await;
    let pieces = held.clone();
    let take_away = move |request: &Request| {
        let id = request.url.path().rsplit('/').next().unwrap();
        pieces.lock().unwrap().retain(|known| known != id);
        told(200, "{}")
    };
    Mock::given(method("DELETE")).respond_with(take_away).mount(&server).await;
    let submitted = told(200, fixture!("record_submitted"));
    Mock::given(path_regex("/submit-evidence$")).respond_with(submitted).mount(&server).await;
    (server, held)
}

/// A piece of an earlier try, or that somebody gave by hand, would go to the bank with the packet.
#[tokio::test]
async fn what_the_packet_lacks_is_taken_away_before_it_is_submitted() {
    let (server, held) = holding(&["Yesterday1", "ByHand2"]).await;
    let packet = packet();
    let (answer, _) = square().submit(&local(&server), DISPUTE.into(), Sending::of(&packet), "k").await;
    assert_eq!(answer.word(), "receipt", "{answer:?}");
    assert_eq!(*held.lock().unwrap(), ["vT8nR4yXcZ2qLmB6vKwP"]);
    let sent = requests(&server).await;
    assert!(sent.last().unwrap().url.path().ends_with("/submit-evidence"));
}

/// What went to the bank in an earlier round stays with the dispute, and the next round is answered all the same.
#[tokio::test]
async fn what_square_does_not_let_go_of_holds_up_no_submission() {
    let server = MockServer::start().await;
    let given = told(200, fixture!("evidence"));
    Mock::given(path_regex("/evidence-(text|files)$")).respond_with(given).mount(&server).await;
    let held = r#"{"evidence":[{"id":"vT8nR4yXcZ2qLmB6vKwP"},{"id":"FirstRound"}]}"#;
    Mock::given(method("GET")).respond_with(told(200, held)).mount(&server).await;
    Mock::given(method("DELETE")).respond_with(told(400, fixture!("error"))).expect(1).mount(&server).await;
    let submitted = told(200, fixture!("record_submitted"));
    Mock::given(path_regex("/submit-evidence$")).respond_with(submitted).mount(&server).await;
    let packet = packet();
    let (answer, _) = square().submit(&local(&server), DISPUTE.into(), Sending::of(&packet), "k").await;
    assert_eq!(answer.word(), "receipt", "{answer:?}");
}

#[tokio::test]
async fn what_cannot_be_compared_or_taken_away_is_not_submitted() {
    let list = |body: &str| (told(200, body), told(200, "{}"));
    let extra = r#"{"evidence":[{"id":"vT8nR4yXcZ2qLmB6vKwP"},{"id":"Other"}]}"#;
    for ((shown, taken_away), word) in [
        ((told(500, ""), told(200, "{}")), "retry"),
        (list("<html>"), "retry"),
        (list("{}"), "retry"),
        (list(r#"{"evidence":[{"id":"vT8nR4yXcZ2qLmB6vKwP"},{}]}"#), "retry"),
        (list(r#"{"evidence":[{"id":"vT8nR4yXcZ2qLmB6vKwP"},{"id":"../x"}]}"#), "retry"),
        (list(r#"{"evidence":[{"id":"vT8nR4yXcZ2qLmB6vKwP"}],"cursor":"again"}"#), "retry"),
        // Taken away with a 200, and still there.
        (list(extra), "retry"),
        ((told(200, extra), told(503, "")), "retry"),
        ((told(200, extra), told(403, fixture!("error"))), "refused"),
    ] {
        let server = MockServer::start().await;
        let given = told(200, fixture!("evidence"));
        Mock::given(path_regex("/evidence-(text|files)$")).respond_with(given).mount(&server).await;
        Mock::given(method("GET")).respond_with(shown).mount(&server).await;
        Mock::given(method("DELETE")).respond_with(taken_away).mount(&server).await;
        let packet = packet();
        let (answer, _) = square().submit(&local(&server), DISPUTE.into(), Sending::of(&packet), "k").await;
        assert_eq!(answer.word(), word, "{answer:?}");
        assert!(requests(&server).await.iter().all(|r| !r.url.path().ends_with("/submit-evidence")));
    }
}

#[tokio::test]
async fn nothing_is_submitted_before_every_piece_is_taken() {
    for (template, word) in [
        (told(400, fixture!("error")), "refused"),
        (told(500, ""), "retry"),
        (told(200, "<html>"), "retry"),
        (told(200, r#"{"evidence":{}}"#), "retry"),
        (told(200, r#"{"errors":[{"category":"API_ERROR","code":"INTERNAL_SERVER_ERROR"}]}"#), "retry"),
    ] {
        let (server, account) = submitting(template, told(200, fixture!("record_submitted"))).await;
        let packet = packet();
        let (answer, _) = square().submit(&account, DISPUTE.into(), Sending::of(&packet), "k").await;
        assert_eq!(answer.word(), word, "{answer:?}");
        assert!(requests(&server).await.iter().all(|r| !r.url.path().ends_with("/submit-evidence")));
    }
}

#[tokio::test]
async fn a_submission_that_may_have_arrived_is_unknown() {
    for template in [
        told(502, ""),
        told(200, ""),
        told(200, "{}"),
        told(200, r#"{"errors":[{"category":"API_ERROR","code":"GATEWAY_TIMEOUT"}]}"#),
        told(200, fixture!("record")),
        told(200, &fixture!("record_submitted").replace(DISPUTE, "AnotherDispute")),
    ] {
        let (_server, account) = submitting(told(200, fixture!("evidence")), template).await;
        let packet = packet();
        let (answer, _) = square().submit(&account, DISPUTE.into(), Sending::of(&packet), "k").await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn refusals_carry_squares_code_and_words() {
    let two = json!({ "errors": [
        { "category": "AUTHENTICATION_ERROR", "code": "UNAUTHORIZED" },
        { "category": "INVALID_REQUEST_ERROR", "code": "BAD_REQUEST", "detail": "not so", "field": "cursor" },
    ]});
    let rows = [
        (
            400,
            fixture!("error").to_owned(),
            Some("BAD_REQUEST"),
            "The dispute has moved on. (field `dispute_id`)",
        ),
        (401, two.to_string(), Some("UNAUTHORIZED"), "UNAUTHORIZED; not so (field `cursor`)"),
        (404, String::new(), None, "Square gave no reason"),
        (
            403,
            "<html>no</html>".to_owned(),
            None,
            "the answer is none of Square's error shapes: <html>no</html>",
        ),
    ];
    for (status, body, wanted, words) in rows {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(told(status, &body)).mount(&server).await;
        let (answer, _) = square().accept(&local(&server), DISPUTE.into(), "k").await;
        let Answer::Refused { status: found, code, reason } = answer else { panic!("{answer:?}") };
        assert_eq!((found, code.as_deref(), reason.as_str()), (status, wanted, words));
    }
}

#[tokio::test]
async fn what_has_no_place_there_is_not_sent() {
    let (server, account) =
        submitting(told(200, fixture!("evidence")), told(200, fixture!("record_submitted"))).await;
    let (packet, square) = (packet(), square());
    let content = Bytes::from_static(b"%PDF");
    assert_eq!(square.upload(&account, "f", "application/pdf", content, "k").await.0.word(), "refused");
    let staged = square.stage_evidence(&account, DISPUTE.into(), Sending::of(&packet), "k").await.0;
    assert_eq!(staged.word(), "refused");
    for id in ["", "../payments", "a/b", "a b"] {
        assert_eq!(square.fetch(&account, id).await.0.word(), "refused", "{id}");
        assert_eq!(square.accept(&account, id.into(), "k").await.0.word(), "refused", "{id}");
        assert_eq!(
            square.submit(&account, id.into(), Sending::of(&packet), "k").await.0.word(),
            "refused",
            "{id}"
        );
    }
    let tokenless = super::account(&[], &[], Some(server.uri()));
    assert_eq!(square.accept(&tokenless, DISPUTE.into(), "k").await.0.word(), "refused");
    assert!(requests(&server).await.is_empty());
}
