//! The exact requests on the wire, and what Checkout.com's answers to them mean.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use wiremock::matchers::{any, header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{DISPUTE, account, at, checkout, fixture};
use crate::dispute::Source;
use crate::evidence::{Field, Packet, Sending};
use crate::providers::{Account, Answer, Credentials, Provider, Reading, Record};

const KEY: &[(&str, &str)] = &[("api_key", "sk_w4kd7zr9")];

fn packet() -> Packet {
    Packet {
        text: [(Field::Summary, "Delivered on 3 March.".to_owned())].into(),
        files: [(Field::ShippingDocumentation, vec!["file_h4kd7".to_owned()])].into(),
        ..Packet::default()
    }
}

fn local(server: &MockServer) -> Account {
    account(&[], KEY, Some(server.uri()))
}

async fn answering(template: ResponseTemplate) -> (MockServer, Account) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    let account = local(&server);
    (server, account)
}

/// Takes the evidence, and answers its submission so.
async fn submitting(template: ResponseTemplate) -> (MockServer, Account) {
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(done()).mount(&server).await;
    Mock::given(method("POST")).respond_with(template).mount(&server).await;
    let account = local(&server);
    (server, account)
}

fn done() -> ResponseTemplate {
    ResponseTemplate::new(204)
}

fn told(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

fn acknowledged(answer: Answer<Record>) -> String {
    let Answer::Receipt(Record { reading: Reading::Acknowledged { what }, raw, .. }) = answer else {
        panic!("{answer:?}")
    };
    assert!(raw.is_empty());
    what
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

#[tokio::test]
async fn a_dispute_is_fetched_by_its_id() {
    let server = MockServer::start().await;
    let answer = told(200, fixture!("record"))
        .insert_header("date", "Thu, 12 Mar 2026 10:30:00 GMT")
        .insert_header("cko-request-id", "8e1d-77");
    Mock::given(method("GET"))
        .and(path(format!("/disputes/{DISPUTE}")))
        .and(header("authorization", "Bearer sk_w4kd7zr9"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    let (answer, log) = checkout().fetch(&local(&server), DISPUTE).await;
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    assert_eq!(record.as_of, at("2026-03-12T10:30:00Z"));
    assert_eq!(&record.raw[..], fixture!("record").as_bytes());
    let Reading::Events(events) = &record.reading else { panic!() };
    assert_eq!((events[0].source, events[0].as_of), (Source::ReadBack, record.as_of));
    assert_eq!(log[0].request, format!("GET /disputes/{DISPUTE}"));
    assert_eq!(log[0].provider_request_ref.as_deref(), Some("8e1d-77"));
}

#[tokio::test]
async fn accepting_posts_nothing_and_is_acknowledged_with_nothing() {
    let (server, account) = answering(done()).await;
    let (answer, log) = checkout().accept(&account, DISPUTE.into(), "ignored").await;
    assert_eq!((acknowledged(answer).as_str(), log.len()), ("accepted", 1));
    let sent = requests(&server).await.remove(0);
    let wanted = format!("/disputes/{DISPUTE}/accept");
    assert_eq!((sent.method.as_str(), sent.url.path(), sent.body.len()), ("POST", wanted.as_str(), 0));
}

#[tokio::test]
async fn staging_provides_and_submitting_provides_and_sends() {
    let evidence = json!({
        "proof_of_delivery_or_service_file": "file_h4kd7",
        "additional_evidence_text": "Delivered on 3 March.",
    });
    for submit in [false, true] {
        let (server, account) = answering(done()).await;
        let packet = packet();
        let (answer, log) = match submit {
            true => checkout().submit(&account, DISPUTE.into(), Sending::of(&packet), "k").await,
            false => checkout().stage_evidence(&account, DISPUTE.into(), Sending::of(&packet), "k").await,
        };
        let what = if submit { "evidence submitted" } else { "evidence provided" };
        assert_eq!(acknowledged(answer), what);
        let sent = requests(&server).await;
        let path = format!("/disputes/{DISPUTE}/evidence");
        assert!(sent.iter().all(|r| r.url.path() == path), "{sent:?}");
        let methods: Vec<&str> = sent.iter().map(|r| r.method.as_str()).collect();
        assert_eq!(methods, if submit { vec!["PUT", "GET", "POST"] } else { vec!["PUT"] });
        assert_eq!(log.len(), methods.len());
        assert_eq!(sent[0].body_json::<serde_json::Value>().unwrap(), evidence);
        assert!(sent[1..].iter().all(|r| r.body.is_empty()));
    }
}

#[tokio::test]
async fn evidence_that_is_not_taken_is_not_submitted() {
    let rows = [
        (told(422, fixture!("error")), "refused"),
        (ResponseTemplate::new(500), "retry"),
        (ResponseTemplate::new(429).insert_header("retry-after", "9"), "retry"),
        (told(200, "<html>Welcome</html>"), "retry"),
        (done().set_delay(Duration::from_secs(30)), "retry"),
    ];
    for (template, word) in rows {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(template).mount(&server).await;
        Mock::given(method("POST")).respond_with(done()).expect(0).mount(&server).await;
        let packet = packet();
        let (answer, log) =
            checkout().submit(&local(&server), DISPUTE.into(), Sending::of(&packet), "k").await;
        // Nothing that cannot be taken back was sent, so nothing is unknown.
        assert_eq!((answer.word(), log.len()), (word, 1), "{answer:?}");
    }
}

/// What is held beside the packet would go to the bank with it, and cannot be taken away.
#[tokio::test]
async fn evidence_that_the_packet_does_not_hold_is_not_submitted() {
    let mut ours = json!({
        "proof_of_delivery_or_service_file": "file_h4kd7",
        "additional_evidence_text": "Delivered on 3 March.",
        "invoice_or_receipt_text": null,
        "customer_communication_text": "",
        "_links": { "self": { "href": "https://api.checkout.com/disputes" } },
    });
    for (place, other, word) in [
        ("id", "dsp_1", "receipt"),
        ("invoice_or_receipt_text", "Invoice 7", "refused"),
        ("customer_communication_file", "file_zz9", "refused"),
        ("proof_of_delivery_or_service_file", "file_other", "refused"),
    ] {
        let before = ours[place].take();
        ours[place] = json!(other);
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(done()).mount(&server).await;
        Mock::given(method("GET")).respond_with(told(200, &ours.to_string())).mount(&server).await;
        let submissions = if word == "receipt" { 1 } else { 0 };
        Mock::given(method("POST")).respond_with(done()).expect(submissions).mount(&server).await;
        let packet = packet();
        let (answer, _) = checkout().submit(&local(&server), DISPUTE.into(), Sending::of(&packet), "k").await;
        assert_eq!(answer.word(), word, "{place}: {answer:?}");
        if let Answer::Refused { status, reason, .. } = answer {
            assert_eq!(status, 0);
            assert!(reason.contains("nothing was sent") && reason.contains(place), "{reason}");
        }
        ours[place] = before;
    }
}

#[tokio::test]
async fn what_cannot_be_compared_is_not_submitted_before_it_can_be() {
    for template in [ResponseTemplate::new(500), told(200, "<html>"), told(200, "[]"), told(200, "")] {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(done()).mount(&server).await;
        Mock::given(method("GET")).respond_with(template).mount(&server).await;
        Mock::given(method("POST")).respond_with(done()).expect(0).mount(&server).await;
        let packet = packet();
        let (answer, _) = checkout().submit(&local(&server), DISPUTE.into(), Sending::of(&packet), "k").await;
        assert_eq!(answer.word(), "retry", "{answer:?}");
    }
}

#[tokio::test]
async fn a_submission_that_may_have_arrived_is_unknown() {
    let rows = [
        ResponseTemplate::new(502),
        told(200, ""),
        told(200, fixture!("record_submitted")),
        told(202, ""),
        done().set_delay(Duration::from_secs(30)),
    ];
    for template in rows {
        let (_server, account) = submitting(template.clone()).await;
        let packet = packet();
        let (answer, log) = checkout().submit(&account, DISPUTE.into(), Sending::of(&packet), "k").await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
        assert_eq!(log.len(), 3);
        let (_server, account) = answering(template).await;
        let (answer, _) = checkout().accept(&account, DISPUTE.into(), "k").await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn a_refused_submission_says_so() {
    let (_server, account) = submitting(told(422, fixture!("error"))).await;
    let packet = packet();
    let (answer, _) = checkout().submit(&account, DISPUTE.into(), Sending::of(&packet), "k").await;
    let Answer::Refused { status: 422, code, reason } = answer else { panic!("{answer:?}") };
    assert_eq!(code.as_deref(), Some("dispute_evidence_text_too_long"));
    assert_eq!(reason, "request_invalid: dispute_evidence_text_too_long (request 0HMZQ7R4T2K9W)");
}

#[tokio::test]
async fn every_error_shape_is_read() {
    let rows = [
        (
            422,
            r#"{"error_type":"request_invalid","error_codes":["a_b","c_d"]}"#,
            Some("a_b"),
            "request_invalid: a_b, c_d",
        ),
        (422, r#"{"error_type":"processing_error"}"#, Some("processing_error"), "processing_error"),
        (400, r#"{"error_codes":["limit_invalid"]}"#, Some("limit_invalid"), "limit_invalid"),
        (401, "", None, "secret key of this environment"),
        (403, "", None, "disputes:provide-evidence"),
        (404, "", None, "no such dispute or file"),
        (418, "", None, "gave no reason"),
        (404, "{}", None, "none of Checkout.com's error shapes: {}"),
        (403, "<html>no</html>", None, "none of Checkout.com's error shapes: <html>no</html>"),
        (422, r#"{"error_codes":"many"}"#, None, "none of Checkout.com's error shapes"),
    ];
    for (status, body, wanted, words) in rows {
        let (_server, account) = answering(told(status, body)).await;
        let (answer, _) = checkout().fetch(&account, DISPUTE).await;
        let Answer::Refused { status: found, code, reason } = answer else { panic!("{answer:?}") };
        assert_eq!((found, code.as_deref()), (status, wanted), "{body}");
        assert!(reason.contains(words), "{body}: {reason}");
    }
}

#[tokio::test]
async fn a_throttled_call_waits_as_long_as_it_is_asked_to() {
    let (_server, account) = answering(ResponseTemplate::new(429).insert_header("retry-after", "13")).await;
    let (answer, _) = checkout().accept(&account, DISPUTE.into(), "k").await;
    let Answer::Retry { after, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(after, Some(Duration::from_secs(13)));
}

#[tokio::test]
async fn a_file_goes_up_with_its_purpose_name_and_type() {
    let (server, account) = answering(told(200, fixture!("file"))).await;
    let content = Bytes::from_static(b"%PDF-1.7 body");
    let (answer, _) = checkout().upload(&account, "note \"3\".pdf", "application/pdf", content, "k").await;
    let Answer::Receipt(uploaded) = answer else { panic!("{answer:?}") };
    assert_eq!(uploaded.provider_file_ref, "file_h4kd7zr9xw2qmt5vbn6c");
    let request = requests(&server).await.remove(0);
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/files"));
    let body = String::from_utf8_lossy(&request.body).into_owned();
    for part in [
        "name=\"purpose\"\r\n\r\ndispute_evidence\r\n",
        "name=\"file\"; filename=\"note \\\"3\\\".pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7 body\r\n",
    ] {
        assert!(body.contains(part), "{part:?} is not in {body}");
    }
}

#[tokio::test]
async fn files_that_would_not_be_taken_are_not_sent() {
    let (server, account) = answering(told(200, fixture!("file"))).await;
    let rows = [
        ("text/plain", 10, "media_type"),
        ("image/tiff", 10, "media_type"),
        ("application/pdf\r\nx: y", 10, "media_type"),
        ("application/pdf", 4_000_001, "file_too_large"),
        ("image/jpeg", 0, "file_empty"),
    ];
    for (media_type, size, wanted) in rows {
        let (answer, log) = checkout().upload(&account, "f", media_type, vec![1; size].into(), "k").await;
        let Answer::Refused { status: 0, code: Some(code), .. } = answer else { panic!("{answer:?}") };
        assert_eq!((code.as_str(), log.len()), (wanted, 0), "{media_type}");
    }
    assert!(requests(&server).await.is_empty());
    let (answer, _) = checkout().upload(&account, "f", "image/png", vec![1; 4_000_000].into(), "k").await;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
}

#[tokio::test]
async fn an_account_without_a_key_and_an_id_that_is_a_path_send_nothing() {
    let (server, account) = answering(told(200, fixture!("record"))).await;
    let unusable: [&[(&str, &str)]; 3] = [&[], &[("api_key", "")], &[("api_key", "sk_a\r\nx: y")]];
    for credentials in unusable {
        let credentials = credentials.iter().map(|(n, v)| ((*n).to_owned(), (*v).into()));
        let keyless = Account { credentials: Credentials::new(credentials), ..account.clone() };
        let (answer, log) = checkout().accept(&keyless, DISPUTE.into(), "k").await;
        let Answer::Refused { code, .. } = answer else { panic!("{answer:?}") };
        assert_eq!((code.as_deref(), log.len()), (Some("credentials_missing"), 0));
    }
    let packet = packet();
    for id in ["", "../payments", "dsp_1/accept?", "dsp 1"] {
        for (answer, log) in [
            checkout().fetch(&account, id).await,
            checkout().accept(&account, id.into(), "k").await,
            checkout().submit(&account, id.into(), Sending::of(&packet), "k").await,
        ] {
            assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{id}: {answer:?}");
            assert!(log.is_empty());
        }
    }
    assert!(requests(&server).await.is_empty());
}
