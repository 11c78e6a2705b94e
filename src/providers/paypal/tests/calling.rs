//! Calls: the exact request of each, what its success brings, and what is refused before anything is sent. The
//! specification's constraints on requests (`customer_disputes_v1.json`) are stated here as assertions.

use bytes::Bytes;
use serde_json::{Value, json};
use wiremock::{MockServer, Request, ResponseTemplate};

use super::{DISPUTE, TOKEN, account, answer, asked, fixture, header, json as parsed, ok, paypal, showing};
use crate::dispute::{Source, Status};
use crate::evidence::{Document, Field, Packet, Sending};
use crate::providers::paypal::event;
use crate::providers::{Account, Answer, CallLog, Credentials, Kept, Provider, Reading, Record};

fn local(server: &MockServer) -> Account {
    account(&[], Some(server.uri()))
}

fn packet() -> Packet {
    let text = [
        (Field::Summary, "Delivered and signed for.\nSee the courier's page."),
        (Field::ShippingCarrier, "ups"),
        (Field::ShippingTrackingNumber, "1Z 77"),
    ];
    Packet { text: text.into_iter().map(|(f, t)| (f, t.to_owned())).collect(), ..Packet::default() }
}

fn documents() -> Vec<Document> {
    let document = |field, name: &str, media_type: &str, content: &'static [u8]| Document {
        field,
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        content: Bytes::from_static(content),
    };
    vec![
        document(Field::CustomerSignature, "proof of delivery.pdf", "application/pdf", b"%PDF-1.7 signed"),
        document(Field::UncategorizedFile, "../parcel é.tar.png", "image/png", b"\x89PNG box"),
    ]
}

/// One part of a multipart body: its name, file name, media type and content.
#[derive(Debug, PartialEq)]
struct Part {
    name: String,
    file: Option<String>,
    media_type: String,
    content: Vec<u8>,
}

fn parts(request: &Request) -> Vec<Part> {
    let content_type = header(request, "content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let split = |bytes: &[u8], at: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let n = bytes.windows(at.len()).position(|w| w == at)?;
        Some((bytes[..n].to_vec(), bytes[n + at.len()..].to_vec()))
    };
    let mut rest = split(&request.body, format!("--{boundary}\r\n").as_bytes()).unwrap().1;
    let mut found = Vec::new();
    loop {
        let (head, body) = split(&rest, b"\r\n\r\n").unwrap();
        let (content, after) = split(&body, format!("\r\n--{boundary}").as_bytes()).unwrap();
        let head = String::from_utf8(head).unwrap();
        let quoted = |key: &str| {
            let (_, value) = head.split_once(&format!("{key}=\""))?;
            Some(value.split_once('"').unwrap().0.to_owned())
        };
        let media_type =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-type: ").map(str::to_owned));
        found.push(Part {
            name: quoted(" name").unwrap(),
            file: quoted("filename"),
            media_type: media_type.unwrap_or_default(),
            content,
        });
        match after.strip_prefix(b"\r\n") {
            Some(more) => rest = more.to_vec(),
            None => return found,
        }
    }
}

#[track_caller]
fn acknowledged(answer: Answer<Record>) -> String {
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    let Reading::Acknowledged { what } = record.reading else { panic!("{:?}", record.reading) };
    what
}

/// A dispute with these links, and the server that takes the action.
async fn offering(rels: &[&str], change: impl FnOnce(&mut Value)) -> MockServer {
    let mut record = parsed(fixture!("record"));
    let base = format!("https://api-m.paypal.com/v1/customer/disputes/{DISPUTE}");
    let link = |rel: &&str| json!({"href": format!("{base}/{}", rel.replace('_', "-")), "rel": rel, "method": "POST"});
    record["links"] = rels.iter().map(link).collect();
    change(&mut record);
    let server = showing(&record.to_string()).await;
    for action in ["accept-claim", "provide-evidence", "appeal", "provide-supporting-info"] {
        let path = format!("/v1/customer/disputes/{DISPUTE}/{action}");
        answer(&server, "POST", &path, ok(fixture!("taken"))).await;
    }
    server
}

async fn submit(server: &MockServer) -> (Answer<Record>, Vec<CallLog>) {
    let (packet, documents) = (packet(), documents());
    paypal()
        .submit(&local(server), DISPUTE.into(), Sending { packet: &packet, documents: &documents }, "k")
        .await
}

#[tokio::test]
async fn fetch_asks_for_one_dispute_with_a_token() {
    let server = showing(fixture!("record")).await;
    let (answer, logs) = paypal().fetch(&local(&server), DISPUTE).await;
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    let Reading::Events(events) = &record.reading else { panic!("{:?}", record.reading) };
    assert_eq!(events[0].snapshot().unwrap().status, Status::NeedsResponse);
    assert_eq!(record.as_of, super::at("2026-03-12T09:00:10Z"));
    let kept = Kept { source: Source::ReadBack, body: &record.raw, as_of: record.as_of };
    assert_eq!(event::events(&kept), record.reading, "what is kept reads the same");
    let requests = asked(&server).await;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].url.path(), format!("/v1/customer/disputes/{DISPUTE}"));
    assert_eq!(header(&requests[0], "authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(header(&requests[0], "paypal-auth-assertion"), None);
    let log = &logs[0];
    assert_eq!((logs.len(), log.status, log.provider_request_ref.as_deref()), (1, Some(200), Some("d0c5a1")));
}

#[tokio::test]
async fn accept_refunds_in_full_as_one_multipart_call() {
    let server = offering(&["accept_claim"], |_| {}).await;
    let (answer, logs) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
    assert_eq!(acknowledged(answer), format!("PayPal took accept-claim for {DISPUTE}"));
    let requests = asked(&server).await;
    assert_eq!(requests.len(), 2, "the record is read first");
    assert_eq!(requests[1].url.path(), format!("/v1/customer/disputes/{DISPUTE}/accept-claim"));
    assert_eq!(header(&requests[1], "paypal-request-id"), None, "not declared for these addresses");
    let parts = parts(&requests[1]);
    assert_eq!((parts.len(), parts[0].name.as_str()), (1, "input"));
    assert_eq!(parts[0].media_type, "application/json");
    let input: Value = serde_json::from_slice(&parts[0].content).unwrap();
    assert_eq!(input, json!({"note": "The claim is accepted.", "accept_claim_type": "REFUND"}));
    let requests: Vec<&str> = logs.iter().map(|l| l.request.as_str()).collect();
    let path = format!("/v1/customer/disputes/{DISPUTE}");
    assert_eq!(requests, [format!("GET {path}"), format!("POST {path}/accept-claim")]);
}

#[tokio::test]
async fn evidence_goes_with_its_documents_in_one_call() {
    let server = offering(&["provide_evidence", "accept_claim"], |_| {}).await;
    let (answer, _) = submit(&server).await;
    assert_eq!(acknowledged(answer), format!("PayPal took provide-evidence for {DISPUTE}"));
    let request = &asked(&server).await[1];
    assert!(header(request, "content-length").is_some());
    let parts = parts(request);
    let input: Value = serde_json::from_slice(&parts[0].content).unwrap();
    assert_eq!(
        input,
        json!({"evidences": [
            {"evidence_type": "PROOF_OF_FULFILLMENT",
             "evidence_info": {"tracking_info": [{"carrier_name": "UPS", "tracking_number": "1Z 77"}]}},
            {"evidence_type": "OTHER", "documents": [{"name": "parcel---tar.png"}],
             "notes": "Delivered and signed for.\nSee the courier's page."},
            {"evidence_type": "PROOF_OF_DELIVERY_SIGNATURE", "documents": [{"name": "proof-of-delivery.pdf"}]},
        ]})
    );
    let files: Vec<_> = parts[1..].iter().map(|p| (p.name.as_str(), p.file.as_deref().unwrap())).collect();
    assert_eq!(files, [("evidence-file", "proof-of-delivery.pdf"), ("evidence-file", "parcel---tar.png")]);
    let media: Vec<&str> = parts[1..].iter().map(|p| p.media_type.as_str()).collect();
    assert_eq!(media, ["application/pdf", "image/png"]);
    assert_eq!(parts[1].content, b"%PDF-1.7 signed");
    assert_eq!(parts[2].content, b"\x89PNG box");
}

#[tokio::test]
async fn a_type_that_nobody_asked_for_goes_as_other() {
    let server = offering(&["provide-evidence"], |record| record["evidences"] = Value::Null).await;
    acknowledged(submit(&server).await.0);
    let input: Value = serde_json::from_slice(&parts(&asked(&server).await[1])[0].content).unwrap();
    let types: Vec<&str> =
        input["evidences"].as_array().unwrap().iter().map(|e| e["evidence_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["PROOF_OF_FULFILLMENT", "OTHER"]);
    assert_eq!(input["evidences"][1]["documents"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_decided_dispute_is_appealed() {
    let server = offering(&["appeal"], |_| {}).await;
    assert!(acknowledged(submit(&server).await.0).contains("appeal"));
    let request = &asked(&server).await[1];
    assert_eq!(request.url.path(), format!("/v1/customer/disputes/{DISPUTE}/appeal"));
    assert_eq!(parts(request)[1].name, "evidence-file");
}

/// It changes no status: taken for an answer, it would be given again and again until the deadline.
#[tokio::test]
async fn supporting_information_is_no_answer_and_is_left_to_a_person() {
    for rel in ["provide-supporting-info", "provide_supporting_info"] {
        let server = offering(&[rel], |record| record["status"] = json!("OPEN")).await;
        let (answer, _) = submit(&server).await;
        let Answer::Refused { status: 0, code, reason } = answer else { panic!("{answer:?}") };
        assert_eq!(code.as_deref(), Some("not_offered"));
        assert!(reason.contains("nothing was sent") && reason.contains(rel), "{reason}");
        assert!(asked(&server).await.iter().all(|r| r.method.as_str() == "GET"));
    }
}

#[tokio::test]
async fn what_has_no_link_is_refused_before_anything_is_sent() {
    let server = offering(&["send_message"], |_| {}).await;
    for (answer, logs) in [paypal().accept(&local(&server), DISPUTE.into(), "k").await, submit(&server).await]
    {
        let Answer::Refused { status: 0, code, reason } = answer else { panic!("{answer:?}") };
        assert_eq!(code.as_deref(), Some("not_offered"));
        assert!(reason.contains("nothing was sent") && reason.contains("only send_message"), "{reason}");
        assert_eq!(logs.len(), 1);
    }
    assert!(asked(&server).await.iter().all(|r| r.method.as_str() == "GET"));
}

#[tokio::test]
async fn a_link_to_somewhere_else_offers_nothing() {
    for href in [
        format!("https://api-m.paypal.com/v1/customer/disputes/{DISPUTE}X/accept-claim"),
        format!("https://api-m.paypal.com/v1/customer/disputes/{DISPUTE}/provide-evidence"),
        "https://evil.example/accept-claim".to_owned(),
        String::new(),
    ] {
        let server = offering(&["accept_claim"], |record| record["links"][0]["href"] = json!(href)).await;
        let (answer, _) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{href}: {answer:?}");
        assert_eq!(asked(&server).await.len(), 1, "{href}");
    }
}

#[tokio::test]
async fn a_claim_that_may_not_be_refunded_in_full_is_left_to_a_person() {
    let server = offering(&["accept_claim"], |record| {
        record["allowed_response_options"]["accept_claim"]["accept_claim_types"] =
            json!(["REFUND_WITH_RETURN"]);
    })
    .await;
    let (answer, _) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
    let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("REFUND_WITH_RETURN only"), "{reason}");
    assert_eq!(asked(&server).await.len(), 1);
}

#[tokio::test]
async fn documents_that_paypal_would_not_take_are_not_sent() {
    let server = offering(&["provide_evidence"], |_| {}).await;
    let big = Bytes::from(vec![0; 10_000_000]);
    let half = Bytes::from(vec![0; 9_000_000]);
    let one = |media_type: &str, content: &Bytes| Document {
        field: Field::Receipt,
        name: "r.pdf".to_owned(),
        media_type: media_type.to_owned(),
        content: content.clone(),
    };
    for (documents, words) in [
        (vec![one("application/pdf", &big)], "has 10000000 bytes"),
        (vec![one("application/pdf", &Bytes::new())], "has 0 bytes"),
        (vec![one("text/html", &half)], "PayPal takes image/jpeg, image/png, image/gif, application/pdf"),
        (vec![one("application/pdf", &half); 6], "the documents have 54000000 bytes"),
    ] {
        let packet = packet();
        let sending = Sending { packet: &packet, documents: &documents };
        let (answer, logs) = paypal().submit(&local(&server), DISPUTE.into(), sending, "k").await;
        let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{answer:?}") };
        assert!(reason.contains(words) && logs.is_empty(), "{reason}");
    }
    assert!(asked(&server).await.is_empty());
}

#[tokio::test]
async fn refusals_carry_the_issue_as_their_code() {
    let rows = [
        (fixture!("error"), "CLAIM_NOT_OPEN", "An answer came before. (field `/dispute_id`)"),
        (
            r#"{"name":"RESOURCE_NOT_FOUND","message":"No such case.","debug_id":"x"}"#,
            "RESOURCE_NOT_FOUND",
            "No such",
        ),
        (r#"{"error":"invalid_token","error_description":"It has ended"}"#, "invalid_token", "It has ended"),
    ];
    for (body, wanted, words) in rows {
        let server = offering(&["accept_claim"], |_| {}).await;
        server.reset().await;
        answer(&server, "POST", "/v1/oauth2/token", ok(fixture!("token"))).await;
        answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), ok(fixture!("record"))).await;
        let refused = ResponseTemplate::new(422).set_body_raw(body, "application/json");
        answer(&server, "POST", &format!("/v1/customer/disputes/{DISPUTE}/accept-claim"), refused).await;
        let (answer, _) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
        let Answer::Refused { status: 422, code, reason } = answer else { panic!("{answer:?}") };
        assert_eq!(code.as_deref(), Some(wanted));
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test]
async fn an_action_whose_answer_is_lost_is_unknown_and_one_before_it_is_not() {
    // The record cannot be read: nothing has been sent.
    let server = super::giving_tokens().await;
    answer(&server, "GET", &format!("/v1/customer/disputes/{DISPUTE}"), ResponseTemplate::new(503)).await;
    let (before, _) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
    assert!(matches!(before, Answer::Retry { .. }), "{before:?}");
    // The answer to the action is another dispute's, or none.
    for body in
        [fixture!("taken").replace(DISPUTE, "PP-R-ELSE"), "{}".to_owned(), r#"{"links":[]}"#.to_owned()]
    {
        let server = showing(fixture!("record")).await;
        answer(&server, "POST", &format!("/v1/customer/disputes/{DISPUTE}/accept-claim"), ok(&body)).await;
        let (after, _) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
        assert!(matches!(after, Answer::Unknown { .. }), "{body}: {after:?}");
    }
}

#[tokio::test]
async fn the_record_of_another_dispute_sends_nothing() {
    let server = showing(
        &fixture!("record").replace(&format!("\"dispute_id\":\"{DISPUTE}\""), "\"dispute_id\":\"PP-2\""),
    )
    .await;
    let (answer, _) = paypal().accept(&local(&server), DISPUTE.into(), "k").await;
    let Answer::Retry { why, .. } = answer else { panic!("{answer:?}") };
    assert!(why.contains("the answer is about PP-2"), "{why}");
    assert_eq!(asked(&server).await.len(), 1);
}

#[tokio::test]
async fn an_account_without_credentials_and_an_id_that_is_a_path_send_nothing() {
    let server = showing(fixture!("record")).await;
    let nobody = Account { credentials: Credentials::default(), ..local(&server) };
    let (answer, logs) = paypal().accept(&nobody, DISPUTE.into(), "k").await;
    let Answer::Refused { status: 0, code, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((code.as_deref(), logs.len()), (Some("credentials_missing"), 0));
    for id in ["", "../x", "PP 1", "PP_1", "PP-1/accept-claim", "PP-1?x"] {
        let (answer, logs) = paypal().fetch(&local(&server), id).await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{id}: {answer:?}");
        assert!(logs.is_empty());
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_platforms_app_names_the_merchant_it_acts_for() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let server = showing(fixture!("record")).await;
    let credential = |name: &str, value: &str| (name.to_owned(), value.to_owned().into());
    let credentials = Credentials::new([
        credential("client_id", "AbPlatform"),
        credential("client_secret", "s"),
        credential("payer_id", "LARCH7QX42"),
    ]);
    let platform = Account { credentials, ..local(&server) };
    paypal().fetch(&platform, DISPUTE).await;
    let requests = asked(&server).await;
    let assertion = header(&requests[0], "paypal-auth-assertion").unwrap();
    let parts: Vec<&str> = assertion.split('.').collect();
    let decoded =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!((parts.len(), decoded(parts[0]), parts[2]), (3, json!({"alg": "none"}), ""));
    assert_eq!(decoded(parts[1]), json!({"iss": "AbPlatform", "payer_id": "LARCH7QX42"}));
}

#[tokio::test]
async fn there_are_no_drafts_and_no_uploads() {
    let server = showing(fixture!("record")).await;
    let (account, packet) = (local(&server), packet());
    let (staged, _) = paypal().stage_evidence(&account, DISPUTE.into(), Sending::of(&packet), "k").await;
    assert!(matches!(staged, Answer::Refused { status: 0, .. }), "{staged:?}");
    let (uploaded, _) = paypal().upload(&account, "a", "image/png", Bytes::from_static(b"x"), "k").await;
    assert!(matches!(uploaded, Answer::Refused { status: 0, .. }), "{uploaded:?}");
    assert!(server.received_requests().await.unwrap().is_empty());
}
