//! What is sent: the key in its header, files ahead of the submission, and nothing twice.

use bytes::Bytes;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{account, fixture, router};
use crate::evidence::{Document, Field, FileRef, Packet, Sending};
use crate::providers::{Answer, Credentials, Provider};

const DISPUTE: &str = "dp_Wz3kQh7LmNs9Tq";

fn ok(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/json")
}

fn packet(fields: &[Field]) -> Packet {
    let name = |n: usize| FileRef { file_id: n as i64 + 1, sha256: [n as u8; 32] }.to_string();
    Packet {
        text: [
            (Field::Summary, "It came.".to_owned()),
            (Field::DuplicateChargeId, "ch_2".to_owned()),
            (Field::ShippingCarrier, "Post".to_owned()),
        ]
        .into(),
        files: fields.iter().enumerate().map(|(n, field)| (*field, vec![name(n)])).collect(),
        ..Packet::default()
    }
}

fn document(field: Field) -> Document {
    let (name, media_type) = ("slip.pdf".to_owned(), "application/pdf".to_owned());
    Document { field, name, media_type, content: Bytes::from_static(b"%PDF-1.4 a slip") }
}

#[tokio::test]
async fn a_fetch_asks_the_router_to_ask_the_connector() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(format!("/disputes/{DISPUTE}")))
        .and(query_param("force_sync", "true"))
        .and(header("api-key", "prd_Curlew12"))
        .respond_with(ok(fixture!("record")))
        .mount(&server)
        .await;
    let (answer, logs) = router().fetch(&account(&[], Some(server.uri())), DISPUTE).await;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    assert_eq!(logs[0].request, format!("GET /disputes/{DISPUTE}"));
}

#[tokio::test]
async fn a_submission_attaches_each_file_and_names_it_by_the_id_it_was_given() {
    let server = MockServer::start().await;
    let attach = |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(
            body.contains(DISPUTE)
                && body.contains("filename=\"slip.pdf\"")
                && body.contains("%PDF-1.4 a slip")
        );
        let kind =
            ["receipt", "invoice_showing_distinct_transactions"].into_iter().find(|kind| body.contains(kind));
        ok(&json!({"file_id": format!("file_{}", kind.unwrap())}).to_string())
    };
    let place = "/disputes/evidence";
    Mock::given(method("PUT")).and(path(place)).respond_with(attach).expect(2).mount(&server).await;
    let submit = Mock::given(method("POST")).and(path(place)).respond_with(ok(fixture!("record_submitted")));
    submit.expect(1).mount(&server).await;
    let fields = [Field::Receipt, Field::DuplicateChargeDocumentation];
    let (packet, documents) = (packet(&fields), fields.map(document));
    let sending = Sending { packet: &packet, documents: &documents };
    let (answer, logs) =
        router().submit(&account(&[], Some(server.uri())), DISPUTE.into(), sending, "k").await;
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    assert_eq!(logs.len(), 3);
    let sent = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&sent[2].body).unwrap();
    let wanted = json!({"dispute_id": DISPUTE, "shipping_carrier": "Post", "receipt": "file_receipt",
        "invoice_showing_distinct_transactions": "file_invoice_showing_distinct_transactions",
        "uncategorized_text": "duplicate charge id: ch_2\n\nIt came."});
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn nothing_is_submitted_while_a_file_is_not_attached() {
    for (template, refused) in [
        (ResponseTemplate::new(500), false),
        (ok("{}"), false),
        (ResponseTemplate::new(400).set_body_raw(fixture!("error"), "application/json"), true),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(template).mount(&server).await;
        let packet = packet(&[Field::Receipt]);
        let documents = [document(Field::Receipt)];
        let sending = Sending { packet: &packet, documents: &documents };
        let (answer, _) =
            router().submit(&account(&[], Some(server.uri())), DISPUTE.into(), sending, "k").await;
        let right = match &answer {
            Answer::Refused { code, .. } => refused && code.as_deref() == Some("IR_23"),
            Answer::Retry { .. } => !refused,
            Answer::Receipt(_) | Answer::Unknown { .. } => false,
        };
        assert!(right, "{answer:?}");
        let sent = server.received_requests().await.unwrap();
        assert!(sent.iter().all(|request| request.method == "PUT"), "the submission was not sent");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_whole_is_not_sent() {
    let server = MockServer::start().await;
    let account_there = account(&[], Some(server.uri()));
    let packet = packet(&[Field::Receipt]);
    let strange = [document(Field::RefundPolicy)];
    for documents in [&[][..], &strange] {
        let sending = Sending { packet: &packet, documents };
        let (answer, logs) = router().submit(&account_there, DISPUTE.into(), sending, "k").await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }) && logs.is_empty(), "{answer:?}");
    }
    let keyless = crate::providers::Account { credentials: Credentials::default(), ..account_there.clone() };
    let (answer, _) = router().accept(&keyless, DISPUTE.into(), "k").await;
    assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{answer:?}");
    for id in ["", "dp/1", "..", "dp?x"] {
        let (answer, _) = router().accept(&account_there, id.into(), "k").await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{id}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_200_that_changed_nothing_is_no_receipt() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ok(fixture!("record"))).mount(&server).await;
    let (answer, _) = router().accept(&account(&[], Some(server.uri())), DISPUTE.into(), "k").await;
    let Answer::Unknown { why } = answer else { panic!("{answer:?}") };
    assert!(why.contains("still says `dispute_opened`"), "{why}");
}

#[test]
fn a_packet_that_the_router_cannot_take_is_told_before() {
    let lint = |packet: &Packet| router().lint(packet, true);
    assert_eq!(lint(&packet(&[Field::Receipt, Field::RefundPolicy])), Vec::<String>::new());
    assert!(lint(&packet(&[Field::ExplanationLetter, Field::UncategorizedFile]))[0].contains("one file as"));
    let mut two = packet(&[Field::Receipt]);
    two.files.get_mut(&Field::Receipt).unwrap().push("own-9".into());
    assert!(lint(&two)[0].contains("join the files of `receipt`"));
    let mut foreign = packet(&[]);
    foreign.files.insert(Field::Receipt, vec!["file_1QaMango".into()]);
    assert!(lint(&foreign)[0].contains("`receipt` holds `file_1QaMango`"));
}
