//! The calls: which requests a defence and an acceptance are made of, in which order, and what each answer means.
//! Every body that is sent is held against what Adyen's OpenAPI asks of it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{MERCHANT_ACCOUNT, account, account_with, adyen, fixture};
use crate::evidence::{Document, Field, Packet, Sending};
use crate::providers::{Account, Answer, CallLog, Credentials, Provider, Reading, Record};

const DISPUTE: &str = "KT7WQ2MXH4BZ6R82";
const SERVICE: &str = "/ca/services/DisputeService/v30";

fn ok(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/json")
}

async fn on(server: &MockServer, operation: &str, answer: ResponseTemplate) {
    let place = path(format!("{SERVICE}/{operation}"));
    Mock::given(method("POST")).and(place).respond_with(answer).mount(server).await;
}

/// A server that offers reasons and takes everything.
async fn willing() -> (MockServer, Account) {
    let server = MockServer::start().await;
    on(&server, "retrieveApplicableDefenseReasons", ok(fixture!("reasons"))).await;
    for operation in ["supplyDefenseDocument", "defendDispute", "acceptDispute"] {
        on(&server, operation, ok(fixture!("done"))).await;
    }
    let account = account(&[], Some(server.uri()));
    (server, account)
}

/// One that takes all that comes before this operation, and answers it so.
async fn answering(operation: &str, answer: ResponseTemplate) -> (MockServer, Account) {
    let server = MockServer::start().await;
    let place = path(format!("{SERVICE}/{operation}"));
    Mock::given(place).respond_with(answer).with_priority(1).mount(&server).await;
    on(&server, "retrieveApplicableDefenseReasons", ok(fixture!("reasons"))).await;
    on(&server, "supplyDefenseDocument", ok(fixture!("done"))).await;
    let account = account(&[], Some(server.uri()));
    (server, account)
}

fn documents() -> [Document; 2] {
    let document = |field, name: &str, media_type: &str, content: &'static [u8]| Document {
        field,
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        content: Bytes::from_static(content),
    };
    [
        document(Field::Receipt, "receipt.pdf", "application/pdf", b"%PDF-1.7 receipt"),
        document(Field::ShippingDocumentation, "door.jpg", "image/jpeg", b"\xff\xd8\xff door"),
    ]
}

fn packet() -> Packet {
    Packet { defence_reason: Some("goods_services_received".to_owned()), ..Packet::default() }
}

async fn submit(account: &Account) -> (Answer<Record>, Vec<CallLog>) {
    let (packet, documents) = (packet(), documents());
    let sending = Sending { packet: &packet, documents: &documents };
    adyen().submit(account, DISPUTE.into(), sending, "k").await
}

async fn stage(account: &Account) -> (Answer<Record>, Vec<CallLog>) {
    let (packet, documents) = (packet(), documents());
    let sending = Sending { packet: &packet, documents: &documents };
    adyen().stage_evidence(account, DISPUTE.into(), sending, "k").await
}

fn taken(answer: &Answer<Record>) -> &str {
    let Answer::Receipt(record) = answer else { panic!("{answer:?}") };
    let Reading::Acknowledged { what } = &record.reading else { panic!("{:?}", record.reading) };
    what
}

fn operation(request: &Request) -> String {
    request.url.path().strip_prefix(SERVICE).unwrap().trim_start_matches('/').to_owned()
}

/// What the OpenAPI asks: the required fields of each operation, text in each, and nothing that it does not have.
fn assert_as_specified(request: &Request) {
    let operation = operation(request);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let body = body.as_object().unwrap();
    let own: &[&str] = match operation.as_str() {
        "retrieveApplicableDefenseReasons" | "acceptDispute" => &[],
        "supplyDefenseDocument" => &["defenseDocuments"],
        "defendDispute" => &["defenseReasonCode"],
        other => panic!("{other} is not called"),
    };
    let mut wanted: Vec<&str> =
        ["disputePspReference", "merchantAccountCode"].into_iter().chain(own.to_vec()).collect();
    wanted.sort_unstable();
    assert_eq!(body.keys().map(String::as_str).collect::<Vec<_>>(), wanted, "{operation}");
    assert_eq!(
        (&body["disputePspReference"], &body["merchantAccountCode"]),
        (&json!(DISPUTE), &json!(MERCHANT_ACCOUNT))
    );
    if let Some(code) = body.get("defenseReasonCode") {
        assert!(code.as_str().is_some_and(|c| !c.is_empty()));
    }
    for document in body.get("defenseDocuments").and_then(Value::as_array).into_iter().flatten() {
        let keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["content", "contentType", "defenseDocumentTypeCode"]);
        let content = STANDARD.decode(document["content"].as_str().unwrap()).unwrap();
        assert!(!content.is_empty());
        assert!(
            ["application/pdf", "image/jpeg", "image/png"]
                .contains(&document["contentType"].as_str().unwrap())
        );
    }
    assert_eq!(request.method.as_str(), "POST");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["x-api-key"], "AQEyhmfx-quartz");
    assert!(request.url.query().is_none() && !request.headers.contains_key("authorization"));
}

async fn asked(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().for_each(assert_as_specified);
    requests.iter().map(operation).collect()
}

#[tokio::test]
async fn a_defence_is_reasons_then_documents_then_the_word_itself() {
    let (server, account) = willing().await;
    let (answer, log) = submit(&account).await;
    assert_eq!(taken(&answer), "Adyen took the defence");
    let order = ["retrieveApplicableDefenseReasons", "supplyDefenseDocument", "defendDispute"];
    assert_eq!(asked(&server).await, order);
    assert_eq!(log.len(), 3);
    let requests = server.received_requests().await.unwrap();
    let body = |n: usize| serde_json::from_slice::<Value>(&requests[n].body).unwrap();
    assert_eq!(body(2)["defenseReasonCode"], "GoodsOrServicesProvided");
    let sent = body(1)["defenseDocuments"].clone();
    assert_eq!(
        sent,
        json!([
            {
                "defenseDocumentTypeCode": "TIDorInvoice",
                "contentType": "application/pdf",
                "content": STANDARD.encode("%PDF-1.7 receipt"),
            },
            {
                "defenseDocumentTypeCode": "ProofOfGoodsOrServicesProvided",
                "contentType": "image/jpeg",
                "content": STANDARD.encode(b"\xff\xd8\xff door"),
            },
        ])
    );
}

#[tokio::test]
async fn staging_never_defends_and_accepting_supplies_nothing() {
    let (server, account) = willing().await;
    let (answer, _) = stage(&account).await;
    assert_eq!(taken(&answer), "Adyen took the documents");
    assert_eq!(asked(&server).await, ["retrieveApplicableDefenseReasons", "supplyDefenseDocument"]);
    server.reset().await;
    on(&server, "acceptDispute", ok(fixture!("done"))).await;
    let (answer, log) = adyen().accept(&account, DISPUTE.into(), "k").await;
    assert_eq!((taken(&answer), log.len()), ("Adyen took the acceptance", 1));
    assert_eq!(asked(&server).await, ["acceptDispute"]);
}

#[tokio::test]
async fn success_that_is_false_is_a_no_and_nothing_follows_it() {
    let rows = [("retrieveApplicableDefenseReasons", 1), ("supplyDefenseDocument", 2), ("defendDispute", 3)];
    for (operation, calls) in rows {
        let (server, account) = answering(operation, ok(fixture!("not_done"))).await;
        let (answer, log) = submit(&account).await;
        let Answer::Refused { status, code, reason } = answer else { panic!("{operation}: {answer:?}") };
        assert_eq!((status, code.as_deref()), (200, Some("not_successful")));
        assert_eq!(reason, "The dispute was defended already");
        assert_eq!((asked(&server).await.len(), log.len()), (calls, calls), "{operation}");
    }
    let (_server, account) =
        answering("acceptDispute", ok(r#"{"disputeServiceResult":{"success":false}}"#)).await;
    let (answer, _) = adyen().accept(&account, DISPUTE.into(), "k").await;
    let Answer::Refused { reason, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(reason, "Adyen gave no reason");
}

#[tokio::test]
async fn only_the_request_that_cannot_be_taken_back_is_ever_unknown() {
    let failures = || {
        [
            ResponseTemplate::new(500).set_body_string("<html>bad gateway</html>"),
            ok("<html>Welcome</html>"),
            ok("{}"),
            ok(r#"{"disputeServiceResult":{}}"#),
            ok(r#"{"disputeServiceResult":{"success":"true"}}"#),
            ok(r#"{"status":422,"errorCode":"1","message":"no"}"#),
        ]
    };
    for operation in ["retrieveApplicableDefenseReasons", "supplyDefenseDocument", "defendDispute"] {
        for failure in failures() {
            let (_server, account) = answering(operation, failure).await;
            let (answer, _) = submit(&account).await;
            let right = match operation {
                "defendDispute" => matches!(answer, Answer::Unknown { .. }),
                _ => matches!(answer, Answer::Retry { .. }),
            };
            assert!(right, "{operation}: {answer:?}");
        }
    }
    for failure in failures() {
        let (_server, account) = answering("acceptDispute", failure).await;
        let (answer, _) = adyen().accept(&account, DISPUTE.into(), "k").await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_defence_is_refused_before_anything_changes() {
    let nothing = r#"{"defenseReasons":[],"disputeServiceResult":{"success":true}}"#;
    let absent = r#"{"disputeServiceResult":{"success":true}}"#;
    for body in [nothing, absent] {
        let (server, account) = answering("retrieveApplicableDefenseReasons", ok(body)).await;
        let (answer, _) = submit(&account).await;
        let Answer::Refused { status: 0, code: Some(code), reason } = answer else { panic!("{answer:?}") };
        assert_eq!(code, "no_defence");
        assert_eq!(reason, "nothing was sent: Adyen offers no reason to defend this dispute with");
        assert_eq!(asked(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn error_bodies_are_read_into_their_code_and_words() {
    let bare = r#"{"message":"HTTP Status Response - Unauthorized"}"#;
    let rows = [
        (422, fixture!("error"), Some("10_017"), "No dispute has this reference (validation)"),
        (401, bare, None, "HTTP Status Response - Unauthorized"),
        (
            403,
            r#"{"errorCode":901,"message":"Invalid Merchant Account","errorType":"security"}"#,
            Some("901"),
            "Invalid Merchant Account (security)",
        ),
        (400, "", None, "Adyen gave no reason"),
        (403, "<html>no</html>", None, "the answer is none of Adyen's error shapes: <html>no</html>"),
    ];
    for (status, body, code, words) in rows {
        let answer = ResponseTemplate::new(status).set_body_string(body);
        let (_server, account) = answering("acceptDispute", answer).await;
        let (answer, _) = adyen().accept(&account, DISPUTE.into(), "k").await;
        let Answer::Refused { status: told, code: found, reason } = answer else { panic!("{answer:?}") };
        assert_eq!((told, found.as_deref(), reason.as_str()), (status, code, words));
    }
}

#[tokio::test]
async fn a_throttled_call_waits_as_long_as_it_is_asked_to() {
    for operation in ["retrieveApplicableDefenseReasons", "supplyDefenseDocument", "defendDispute"] {
        let throttled = ResponseTemplate::new(429).insert_header("retry-after", "13");
        let (_server, account) = answering(operation, throttled).await;
        let (answer, _) = submit(&account).await;
        let Answer::Retry { after, .. } = answer else { panic!("{operation}: {answer:?}") };
        assert_eq!(after, Some(Duration::from_secs(13)));
    }
}

#[tokio::test]
async fn documents_that_are_there_already_are_not_sent_again() {
    let (server, account) = willing().await;
    let supplied = fixture!("reasons").replace(r#""available":false"#, r#""available":true"#);
    let place = path(format!("{SERVICE}/retrieveApplicableDefenseReasons"));
    Mock::given(place).respond_with(ok(&supplied)).with_priority(1).mount(&server).await;
    let packet = packet();
    let (answer, _) = adyen().submit(&account, DISPUTE.into(), Sending::of(&packet), "k").await;
    assert_eq!(taken(&answer), "Adyen took the defence");
    assert_eq!(asked(&server).await, ["retrieveApplicableDefenseReasons", "defendDispute"]);
}

#[tokio::test]
async fn a_draft_with_nothing_to_supply_supplies_nothing() {
    let proofs = fixture!("reasons").replace("\"Optional\"", "\"Required\"");
    let words = Packet { text: [(Field::Summary, "It arrived.".to_owned())].into(), ..packet() };
    for packet in [packet(), words] {
        let (server, account) = answering("retrieveApplicableDefenseReasons", ok(&proofs)).await;
        let (answer, _) = adyen().stage_evidence(&account, DISPUTE.into(), Sending::of(&packet), "k").await;
        let Answer::Refused { status: 0, code: Some(code), reason } = answer else { panic!("{answer:?}") };
        assert_eq!(code, "no_defence");
        assert!(reason.starts_with("nothing was sent: ") && reason.contains("GoodsOrServices"), "{reason}");
        assert_eq!(asked(&server).await, ["retrieveApplicableDefenseReasons"]);
    }
}

#[tokio::test]
async fn words_without_a_place_are_told_of() {
    let (_server, account) = willing().await;
    let packet = Packet { text: [(Field::Summary, "It arrived.".to_owned())].into(), ..packet() };
    let documents = documents();
    let sending = Sending { packet: &packet, documents: &documents };
    let (answer, _) = adyen().submit(&account, DISPUTE.into(), sending, "k").await;
    assert!(taken(&answer).contains("without the letter"), "{answer:?}");
}

#[tokio::test]
async fn nothing_is_sent_for_an_account_without_credentials_or_an_id_that_is_none() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ok(fixture!("done"))).mount(&server).await;
    let whole = account(&[], Some(server.uri()));
    let credential = |name: &str| (name.to_owned(), secrecy::SecretString::from("x"));
    for credentials in [vec![], vec![credential("api_key")], vec![credential("merchant_account")]] {
        let lacking = Account { credentials: Credentials::new(credentials), ..whole.clone() };
        for (answer, log) in [adyen().accept(&lacking, DISPUTE.into(), "k").await, submit(&lacking).await] {
            let Answer::Refused { status: 0, code: Some(code), .. } = answer else { panic!("{answer:?}") };
            assert_eq!((code.as_str(), log.len()), ("credentials_missing", 0));
        }
    }
    for id in ["", "../x", "a b", "a/b"] {
        let (answer, log) = adyen().accept(&whole, id.into(), "k").await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }) && log.is_empty(), "{id}: {answer:?}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_adyen_has_no_call_for_is_never_asked() {
    let account = account(&[], None);
    let can = adyen().capabilities();
    assert!(!can.fetch && !can.list && !can.deadline_signed && !can.idempotency_key);
    let (fetched, _) = adyen().fetch(&account, DISPUTE).await;
    assert!(matches!(fetched, Answer::Refused { status: 0, .. }), "{fetched:?}");
    let (listed, _) = adyen().list_changed_since(&account, super::now(), None).await;
    assert!(matches!(listed, Answer::Refused { status: 0, .. }), "{listed:?}");
    let (uploaded, _) = adyen().upload(&account, "f", "application/pdf", Bytes::new(), "k").await;
    assert!(matches!(uploaded, Answer::Refused { status: 0, .. }), "{uploaded:?}");
}

#[tokio::test]
async fn the_test_environment_has_an_address_of_its_own() {
    for (environment, port) in [("live", ":9/"), ("test", ":10/"), ("", ":9/")] {
        let account = account_with(&[], &[("environment", environment)], None);
        let url = adyen().api.url(&account, "acceptDispute");
        assert!(url.contains(port), "{environment}: {url}");
    }
}
