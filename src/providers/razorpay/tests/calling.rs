//! The exact requests on the wire, and what Razorpay's answers to them mean.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{account, at, fixture, razorpay};
use crate::dispute::{Source, Status};
use crate::evidence::{Field, Packet, Sending};
use crate::providers::{Account, Answer, Credentials, Provider, Reading, Record};

const DISPUTE: &str = "disp_Rk2WnV8sQyTz4B";
/// `rzp_live_q1:s3:x`
const BASIC: &str = "Basic cnpwX2xpdmVfcTE6czM6eA==";

fn packet() -> Packet {
    Packet {
        text: [(Field::Summary, "Delivered on 3 March.".to_owned())].into(),
        files: [(
            Field::ShippingDocumentation,
            vec!["doc_Rk4BjT8tRgNx2A".to_owned(), "doc_Rk4BjT8tRgNx2B".to_owned()],
        )]
        .into(),
        ..Packet::default()
    }
}

async fn answering(template: ResponseTemplate) -> (MockServer, Account) {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any()).respond_with(template).mount(&server).await;
    let account = account(&[], Some(server.uri()));
    (server, account)
}

fn ok(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/json")
}

fn refusal(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

fn bad_request(description: &str) -> ResponseTemplate {
    let error = json!({ "code": "BAD_REQUEST_ERROR", "description": description });
    ResponseTemplate::new(400).set_body_json(json!({ "error": error }))
}

fn status(record: &Record) -> Status {
    let Reading::Events(events) = &record.reading else { panic!("{record:?}") };
    events[0].snapshot().unwrap().status
}

async fn only_request(server: &MockServer) -> Request {
    let mut requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[tokio::test]
async fn a_dispute_is_fetched_by_its_id() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(format!("/v1/disputes/{DISPUTE}")))
        .and(header("authorization", BASIC))
        .respond_with(
            ok(fixture!("record"))
                .insert_header("date", "Thu, 12 Mar 2026 10:30:00 GMT")
                .insert_header("x-razorpay-request-id", "req-81"),
        )
        .expect(1)
        .mount(&server)
        .await;
    let (answer, log) = razorpay().fetch(&account(&[], Some(server.uri())), DISPUTE).await;
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    assert_eq!(status(&record), Status::NeedsResponse);
    assert_eq!(record.as_of, at("2026-03-12T10:30:00Z"));
    assert_eq!(&record.raw[..], fixture!("record").as_bytes());
    let Reading::Events(events) = &record.reading else { panic!() };
    assert_eq!((events[0].source, events[0].as_of), (Source::ReadBack, record.as_of));
    assert_eq!(log[0].request, format!("GET /v1/disputes/{DISPUTE}"));
    assert_eq!(log[0].provider_request_ref.as_deref(), Some("req-81"));
}

#[tokio::test]
async fn the_wrapped_record_is_taken_as_well() {
    let (_server, account) = answering(ok(fixture!("record_wrapped"))).await;
    let (answer, _) = razorpay().fetch(&account, DISPUTE).await;
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    assert_eq!(status(&record), Status::UnderReview);
}

#[tokio::test]
async fn accepting_posts_an_empty_object() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/v1/disputes/{DISPUTE}/accept")))
        .and(header("authorization", BASIC))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({})))
        .respond_with(ok(fixture!("record_accepted")))
        .expect(1)
        .mount(&server)
        .await;
    let (answer, log) = razorpay().accept(&account(&[], Some(server.uri())), DISPUTE.into(), "ignored").await;
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    assert_eq!(status(&record), Status::Lost);
    assert_eq!(log.len(), 1);
}

#[tokio::test]
async fn staging_drafts_and_submitting_submits_the_same_evidence() {
    for (submit, action, answered) in
        [(false, "draft", fixture!("record_drafted")), (true, "submit", fixture!("record_submitted"))]
    {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(ok(fixture!("record"))).mount(&server).await;
        Mock::given(method("PATCH"))
            .and(path(format!("/v1/disputes/{DISPUTE}/contest")))
            .and(header("authorization", BASIC))
            .and(body_json(json!({
                "action": action,
                "summary": "Delivered on 3 March.",
                "shipping_proof": ["doc_Rk4BjT8tRgNx2A", "doc_Rk4BjT8tRgNx2B"],
            })))
            .respond_with(ok(answered))
            .expect(1)
            .mount(&server)
            .await;
        let (account, packet) = (account(&[], Some(server.uri())), packet());
        let (answer, _) = match submit {
            true => razorpay().submit(&account, DISPUTE.into(), Sending::of(&packet), "k").await,
            false => razorpay().stage_evidence(&account, DISPUTE.into(), Sending::of(&packet), "k").await,
        };
        assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_file_goes_up_with_its_purpose_name_and_type() {
    let (server, account) = answering(ok(fixture!("document"))).await;
    let content = Bytes::from_static(b"%PDF-1.7 body");
    let (answer, _) = razorpay().upload(&account, "note \"3\".pdf", "application/pdf", content, "k").await;
    let Answer::Receipt(uploaded) = answer else { panic!("{answer:?}") };
    assert_eq!(uploaded.provider_file_ref, "doc_Rk3AhS6dPfLw9Z");
    let request = only_request(&server).await;
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/v1/documents"));
    let body = String::from_utf8_lossy(&request.body).into_owned();
    for part in [
        "name=\"purpose\"\r\n\r\ndispute_evidence\r\n",
        "name=\"file\"; filename=\"note \\\"3\\\".pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7 body\r\n",
    ] {
        assert!(body.contains(part), "{part:?} is not in {body}");
    }
    assert!(request.headers["content-type"].to_str().unwrap().starts_with("multipart/form-data; boundary="));
}

#[tokio::test]
async fn files_that_would_not_be_taken_are_not_sent() {
    let (server, account) = answering(ok(fixture!("document"))).await;
    let rows = [
        ("text/plain", 10, "media_type"),
        ("image/gif", 10, "media_type"),
        ("application/pdf\r\nx: y", 10, "media_type"),
        ("application/pdf", 2_000_001, "file_too_large"),
        ("image/png", 4_000_001, "file_too_large"),
        ("image/jpeg", 0, "file_empty"),
    ];
    for (media_type, size, wanted) in rows {
        let (answer, log) = razorpay().upload(&account, "f", media_type, vec![1; size].into(), "k").await;
        let Answer::Refused { status: 0, code: Some(code), .. } = answer else { panic!("{answer:?}") };
        assert_eq!((code.as_str(), log.len()), (wanted, 0), "{media_type}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
    let (answer, _) = razorpay().upload(&account, "f", "image/png", vec![1; 4_000_000].into(), "k").await;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
}

#[tokio::test]
async fn refusals_carry_a_code_of_ours_that_stays_the_same() {
    let rows = [
        ("Action not allowed when dispute is in under_review status", "status_not_open:under_review"),
        ("Action not allowed when dispute is in lost status.", "status_not_open:lost"),
        ("Action not allowed as deadline to respond has elapsed", "deadline_elapsed"),
        ("The id provided does not exist", "not_found"),
        ("disp_1 is not a valid id", "invalid_id"),
        ("contest amount cannot be greater than dispute amount", "amount_too_large"),
        ("Invalid file id provided or merchant is unauthorized to access the fileId(s)", "invalid_document"),
        ("proof is/are not required and should not be sent", "invalid_parameter"),
        ("Something that no page mentions", "BAD_REQUEST_ERROR"),
    ];
    for (description, wanted) in rows {
        let (_server, account) = answering(bad_request(description)).await;
        let (answer, _) = razorpay().submit(&account, DISPUTE.into(), Sending::of(&packet()), "k").await;
        let Answer::Refused { status: 400, code, reason } = answer else { panic!("{answer:?}") };
        assert_eq!((code.as_deref(), reason.as_str()), (Some(wanted), description));
    }
}

#[tokio::test]
async fn the_other_error_shapes_are_read_too() {
    let expand = r#"{"status_code":400,"success":false,"errors":["Value of each expand is wrong","Status Code: 400"]}"#;
    let key = r#"{"error":{"status_code":401,"description":"The API `` provided is invalid.","code":"BAD_REQUEST_ERROR"}}"#;
    let field = r#"{"error":{"code":"BAD_REQUEST_ERROR","description":"not so","field":"expand.0"}}"#;
    let rows = [
        (400, expand, "Value of each expand is wrong; Status Code: 400"),
        (401, key, "The API `` provided is invalid."),
        (400, field, "not so (field `expand.0`)"),
        (403, "<html>no</html>", "the answer is none of Razorpay's error shapes: <html>no</html>"),
        (404, "", "Razorpay gave no reason"),
        (404, "{}", "the answer is none of Razorpay's error shapes: {}"),
    ];
    for (code, body, words) in rows {
        let (_server, account) = answering(refusal(code, body)).await;
        let (answer, _) = razorpay().fetch(&account, DISPUTE).await;
        let Answer::Refused { status, reason, .. } = answer else { panic!("{answer:?}") };
        assert_eq!((status, reason.as_str()), (code, words));
    }
}

#[tokio::test]
async fn a_200_that_changed_nothing_is_no_receipt() {
    for template in [ok(fixture!("record")), ok(fixture!("record_drafted"))] {
        let (_server, account) = answering(template).await;
        for (answer, _) in [
            razorpay().accept(&account, DISPUTE.into(), "k").await,
            razorpay().submit(&account, DISPUTE.into(), Sending::of(&packet()), "k").await,
        ] {
            let Answer::Unknown { why } = answer else { panic!("{answer:?}") };
            assert!(why.contains("still says `open`"), "{why}");
        }
    }
}

#[tokio::test]
async fn a_throttled_call_waits_as_long_as_it_is_asked_to() {
    let (_server, account) = answering(ResponseTemplate::new(429).insert_header("retry-after", "13")).await;
    let (answer, _) = razorpay().accept(&account, DISPUTE.into(), "k").await;
    let Answer::Retry { after, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(after, Some(Duration::from_secs(13)));
}

#[tokio::test]
async fn an_account_without_keys_and_an_id_that_is_a_path_send_nothing() {
    let (server, account) = answering(ok(fixture!("record"))).await;
    let keyless = Account { credentials: Credentials::default(), ..account.clone() };
    let (answer, log) = razorpay().accept(&keyless, DISPUTE.into(), "k").await;
    let Answer::Refused { code, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((code.as_deref(), log.len()), (Some("credentials_missing"), 0));
    for id in ["", "../payments", "disp_1/accept?", "disp 1"] {
        for (answer, log) in [
            razorpay().fetch(&account, id).await,
            razorpay().accept(&account, id.into(), "k").await,
            razorpay().submit(&account, id.into(), Sending::of(&packet()), "k").await,
        ] {
            assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{id}: {answer:?}");
            assert!(log.is_empty());
        }
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}
