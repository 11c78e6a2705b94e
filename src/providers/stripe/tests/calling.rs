//! Calls: the exact request of each, and what its success brings.

use bytes::Bytes;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::dispute::{News, Status};
use crate::evidence::{Field, Packet, Sending};
use crate::providers::{Answer, Page, Record};

pub const DATE: &str = "Sun, 01 Mar 2026 11:00:00 GMT";

pub fn local(server: &MockServer) -> Account {
    Account { base_url: Some(server.uri()), ..account(&[]) }
}

/// The dispute of the fixture as the API gives it.
pub fn dispute() -> serde_json::Value {
    let event: serde_json::Value = serde_json::from_str(CREATED).unwrap();
    event["data"]["object"].clone()
}

pub async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

pub fn ok(body: &serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(body)
        .insert_header("date", DATE)
        .insert_header("request-id", "req_Qa1")
}

async fn only_request(server: &MockServer) -> Request {
    let mut requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).map(|v| v.to_str().unwrap())
}

#[track_caller]
fn received<T>(answer: Answer<T>) -> T {
    let word = answer.word();
    let Answer::Receipt(value) = answer else { panic!("{word}") };
    value
}

#[track_caller]
fn assert_record(record: &Record, source: Source) {
    let Reading::Events(events) = &record.reading else { panic!("{:?}", record.reading) };
    assert_eq!((events.len(), events[0].source), (1, source));
    assert_eq!(record.as_of, "2026-03-01T11:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(events[0].as_of, record.as_of);
    let kept = Kept { source, body: &record.raw, as_of: record.as_of };
    assert_eq!(offline().events(&kept), record.reading, "what is kept reads the same");
}

#[tokio::test]
async fn fetch_asks_for_one_dispute() {
    let server = answering(ok(&dispute())).await;
    let (answer, logs) = stripe().fetch(&local(&server), "du_1QaMango").await;
    assert_record(&received(answer), Source::ReadBack);
    let request = only_request(&server).await;
    assert_eq!((request.method.as_str(), request.url.path()), ("GET", "/v1/disputes/du_1QaMango"));
    assert_eq!(header(&request, "authorization"), Some("Bearer rk_test_mango"));
    assert_eq!(header(&request, "stripe-version"), Some("2026-10-28.endive"));
    assert_eq!(header(&request, "idempotency-key"), None);
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].request, "GET /v1/disputes/du_1QaMango");
    assert_eq!((logs[0].status, logs[0].provider_request_ref.as_deref()), (Some(200), Some("req_Qa1")));
}

#[tokio::test]
async fn a_fraud_warning_is_fetched_where_it_lives() {
    let warned: serde_json::Value = serde_json::from_str(WARNED).unwrap();
    let server = MockServer::start().await;
    Mock::given(path("/v1/radar/early_fraud_warnings/issfr_1QaPlum"))
        .respond_with(ok(&warned["data"]["object"]))
        .mount(&server)
        .await;
    let record = received(stripe().fetch(&local(&server), "issfr_1QaPlum").await.0);
    assert!(matches!(one(record.reading).news, News::Notice { .. }));
}

#[tokio::test]
async fn accept_closes_with_the_key_and_nothing_else() {
    let mut lost = dispute();
    lost["status"] = "lost".into();
    let server = answering(ok(&lost)).await;
    let (answer, logs) = stripe().accept(&local(&server), "du_1QaMango".into(), "cycle-7-accept").await;
    let record = received(answer);
    assert_record(&record, Source::Receipt);
    assert_eq!(one(record.reading).snapshot().unwrap().status, Status::Lost);
    let request = only_request(&server).await;
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/v1/disputes/du_1QaMango/close"));
    assert_eq!(header(&request, "idempotency-key"), Some("cycle-7-accept"));
    assert_eq!(header(&request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body, b"");
    assert_eq!(logs[0].request, "POST /v1/disputes/du_1QaMango/close");
}

fn packet() -> Packet {
    let text = [(Field::CustomerName, "Zoë Fig & Söhne+"), (Field::ShippingTrackingNumber, "1Z 9=8")];
    Packet {
        text: text.into_iter().map(|(f, t)| (f, t.to_owned())).collect(),
        files: [(Field::Receipt, vec!["file_1Qa".to_owned()])].into(),
        ..Packet::default()
    }
}

#[tokio::test]
async fn staging_sends_the_form_without_submitting() {
    let server = answering(ok(&dispute())).await;
    received(
        stripe().stage_evidence(&local(&server), "du_1QaMango".into(), Sending::of(&packet()), "k").await.0,
    );
    let request = only_request(&server).await;
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/v1/disputes/du_1QaMango"));
    assert_eq!(header(&request, "idempotency-key"), Some("k"));
    assert_eq!(
        String::from_utf8(request.body).unwrap(),
        "evidence[customer_name]=Zo%C3%AB%20Fig%20%26%20S%C3%B6hne%2B&evidence[shipping_tracking_number]=1Z%209%3D8\
         &evidence[receipt]=file_1Qa&submit=false&intended_submission_method=manual"
    );
}

#[tokio::test]
async fn an_older_pinned_version_is_not_told_what_it_does_not_know() {
    let server = answering(ok(&dispute())).await;
    let mut stripe = stripe();
    stripe.api_version = "2025-08-27.basil".into();
    received(
        stripe
            .stage_evidence(&local(&server), "du_1QaMango".into(), Sending::of(&Packet::default()), "k")
            .await
            .0,
    );
    assert_eq!(only_request(&server).await.body, b"submit=false");
}

/// The body of the call that submits, which follows the one that reads what is held.
async fn submitted(server: &MockServer) -> String {
    let requests = server.received_requests().await.unwrap();
    let methods: Vec<&str> = requests.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["GET", "POST"]);
    String::from_utf8(requests[1].body.clone()).unwrap()
}

#[tokio::test]
async fn submitting_sends_the_whole_packet_again_and_empties_what_it_lacks() {
    let mut held = dispute();
    held["evidence"] = serde_json::json!({
        "customer_name": "Somebody else", "shipping_tracking_number": null, "shipping_carrier": "Yesterday's",
        "receipt": "file_0Old", "refund_policy": "file_0Old", "billing_address": "",
        "enhanced_evidence": {"visa_compelling_evidence_3": {"prior_undisputed_transactions": []}},
    });
    let server = answering(ok(&held)).await;
    received(stripe().submit(&local(&server), "du_1QaMango".into(), Sending::of(&packet()), "k").await.0);
    assert_eq!(
        submitted(&server).await,
        "evidence[customer_name]=Zo%C3%AB%20Fig%20%26%20S%C3%B6hne%2B&evidence[shipping_tracking_number]=1Z%209%3D8\
         &evidence[receipt]=file_1Qa&evidence[refund_policy]=&evidence[shipping_carrier]=&submit=true"
    );
}

#[tokio::test]
async fn a_fee_that_somebody_acknowledged_by_hand_is_not_paid_unless_the_packet_says_so() {
    let mut held = dispute();
    let paid = serde_json::json!({"visa_compliance": {"fee_acknowledged": true}});
    held["evidence"] = serde_json::json!({"enhanced_evidence": paid});
    held["evidence_details"]["enhanced_eligibility"] =
        serde_json::json!({"visa_compliance": {"status": "fee_acknowledged"}});
    let server = answering(ok(&held)).await;
    received(stripe().submit(&local(&server), "du_1QaMango".into(), Sending::of(&packet()), "k").await.0);
    let body = submitted(&server).await;
    assert!(body.ends_with("&evidence[enhanced_evidence]=&submit=true"), "{body}");
    // With the packet's word it stays, and what stands beside it cannot be emptied alone.
    held["evidence"]["enhanced_evidence"]["visa_compelling_evidence_3"] =
        serde_json::json!({"prior_undisputed_transactions": [{"charge": "ch_1"}]});
    let server = answering(ok(&held)).await;
    let packet = Packet { fee_acknowledged: true, ..packet() };
    let (answer, logs) =
        stripe().submit(&local(&server), "du_1QaMango".into(), Sending::of(&packet), "k").await;
    let Answer::Refused { status: 0, reason, .. } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("visa_compelling_evidence_3"), "{reason}");
    assert_eq!(logs.len(), 1, "nothing was sent");
}

#[tokio::test]
async fn what_is_held_must_be_seen_before_anything_is_submitted() {
    for read in [ResponseTemplate::new(503), ok(&serde_json::json!({"id": "du_other", "evidence": {}}))] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(read).mount(&server).await;
        Mock::given(method("POST")).respond_with(ok(&dispute())).expect(0).mount(&server).await;
        let (answer, _) =
            stripe().submit(&local(&server), "du_1QaMango".into(), Sending::of(&packet()), "k").await;
        assert_eq!(answer.word(), "retry");
    }
}

#[tokio::test]
async fn a_key_that_was_used_for_another_body_leaves_the_submission_unknown() {
    let server = MockServer::start().await;
    let error = serde_json::json!({"error": {"type": "idempotency_error", "message": "Keys for idempotent requests..."}});
    Mock::given(method("GET")).respond_with(ok(&dispute())).mount(&server).await;
    let told = ResponseTemplate::new(400).set_body_json(&error);
    Mock::given(method("POST")).respond_with(told).mount(&server).await;
    let (answer, _) =
        stripe().submit(&local(&server), "du_1QaMango".into(), Sending::of(&packet()), "k").await;
    assert_eq!(answer.word(), "unknown");
    let (answer, _) =
        stripe().stage_evidence(&local(&server), "du_1QaMango".into(), Sending::of(&packet()), "k").await;
    assert_eq!(answer.word(), "refused");
}

#[tokio::test]
async fn an_acknowledged_fee_is_told_to_the_network_that_asks() {
    for network in ["visa_compliance", "mastercard_compliance"] {
        let mut asking = dispute();
        asking["evidence_details"]["enhanced_eligibility"][network] =
            serde_json::json!({"status": "requires_fee_acknowledgement"});
        let server = answering(ok(&asking)).await;
        let packet = Packet { fee_acknowledged: true, ..packet() };
        let (answer, logs) =
            stripe().submit(&local(&server), "du_1QaMango".into(), Sending::of(&packet), "k").await;
        received(answer);
        assert_eq!(logs.len(), 2, "the record is read first");
        let requests = server.received_requests().await.unwrap();
        let body = String::from_utf8(requests[1].body.clone()).unwrap();
        assert!(
            body.contains(&format!(
                "&evidence[enhanced_evidence][{network}][fee_acknowledged]=true&submit=true"
            )),
            "{body}"
        );
        assert_eq!(body.matches("fee_acknowledged").count(), 1, "{body}");
    }
}

#[tokio::test]
async fn a_fee_whose_network_cannot_be_read_sends_nothing() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    Mock::given(method("POST")).respond_with(ok(&dispute())).expect(0).mount(&server).await;
    let packet = Packet { fee_acknowledged: true, ..packet() };
    let (answer, _) = stripe().submit(&local(&server), "du_1QaMango".into(), Sending::of(&packet), "k").await;
    assert_eq!(answer.word(), "retry");
}

#[tokio::test]
async fn upload_sends_one_file_as_dispute_evidence() {
    let file = serde_json::json!({"id": "file_9Qa", "object": "file", "expires_at": T + 270 * 86_400});
    let server = answering(ok(&file)).await;
    let content = Bytes::from_static(b"%PDF-1.7 mango");
    let (answer, logs) =
        stripe().upload(&local(&server), "proof.pdf", "application/pdf", content, "up-1").await;
    let uploaded = received(answer);
    assert_eq!(uploaded.provider_file_ref, "file_9Qa");
    assert_eq!(uploaded.expires_at, Some(at(T + 270 * 86_400)));
    assert_eq!(logs[0].request, "POST /v1/files");
    let request = only_request(&server).await;
    assert_eq!(header(&request, "idempotency-key"), Some("up-1"));
    assert!(header(&request, "content-type").unwrap().starts_with("multipart/form-data; boundary="));
    let body = String::from_utf8(request.body).unwrap();
    assert!(body.contains("name=\"purpose\"\r\n\r\ndispute_evidence\r\n"), "{body}");
    assert!(
        body.contains(
            "name=\"file\"; filename=\"proof.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7 mango\r\n"
        ),
        "{body}"
    );
}

fn list(items: Vec<serde_json::Value>, has_more: bool) -> serde_json::Value {
    serde_json::json!({"object": "list", "url": "/v1/x", "has_more": has_more, "data": items})
}

fn names(page: &Page) -> Vec<String> {
    let snapshot_or_notice = |record: &Record| match one(record.reading.clone()).news {
        News::Record { snapshot } | News::Funds { snapshot, .. } => snapshot.provider_status,
        News::Notice { notice } => notice.notice_ref,
    };
    page.records.iter().map(snapshot_or_notice).collect()
}

#[tokio::test]
async fn recent_changes_are_read_from_the_events() {
    let event = |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap();
    let server = answering(ok(&list(vec![event(UPDATED), event(WARNED), event(CREATED)], true))).await;
    let (answer, _) = stripe().list_changed_since(&local(&server), at(T - 86_400), None).await;
    let page = received(answer);
    assert_eq!(names(&page), ["needs_response", "issfr_1QaPlum", "under_review"], "oldest first");
    assert_eq!(page.records[2].as_of, at(T + 3600), "the time of the event, not of the page");
    for record in &page.records {
        let kept = Kept { source: Source::Poll, body: &record.raw, as_of: record.as_of };
        assert_eq!(offline().events(&kept), record.reading);
    }
    assert_eq!(page.next.as_deref(), Some("events:evt_1Qa0001"));
    let request = only_request(&server).await;
    assert_eq!(request.url.path(), "/v1/events");
    let query = request.url.query().unwrap();
    let expected =
        "limit=100&created[gte]=1772272800&types[0]=charge.dispute.created&types[1]=charge.dispute.updated";
    assert!(
        query.starts_with(expected) && query.ends_with("&types[6]=radar.early_fraud_warning.updated"),
        "{query}"
    );
}

#[tokio::test]
async fn the_next_page_follows_the_cursor() {
    for (cursor, path, has_types) in
        [("events:evt_9", "/v1/events", true), ("disputes:du_9", "/v1/disputes", false)]
    {
        let server = answering(ok(&list(vec![], false))).await;
        let (answer, _) = stripe().list_changed_since(&local(&server), at(T), Some(cursor.into())).await;
        let page = received(answer);
        assert!(page.records.is_empty() && page.next.is_none());
        let request = only_request(&server).await;
        assert_eq!(request.url.path(), path);
        let query = request.url.query().unwrap();
        assert!(query.ends_with(&format!("starting_after={}", cursor.split_once(':').unwrap().1)), "{query}");
        assert_eq!(query.contains("types["), has_types);
    }
}

#[tokio::test]
async fn what_events_no_longer_reach_is_listed_by_creation() {
    let server = answering(ok(&list(vec![dispute()], true))).await;
    let (answer, _) = stripe().list_changed_since(&local(&server), at(T - 60 * 86_400), None).await;
    let page = received(answer);
    assert_record(&page.records[0], Source::Poll);
    assert_eq!(page.next.as_deref(), Some("disputes:du_1QaMango"));
    assert_eq!(only_request(&server).await.url.path(), "/v1/disputes");
}

#[tokio::test]
async fn an_item_that_is_not_understood_is_kept_whole() {
    let odd = serde_json::json!({"id": "evt_odd", "object": "event", "type": "charge.dispute.created"});
    let server = answering(ok(&list(vec![odd], false))).await;
    let page = received(stripe().list_changed_since(&local(&server), at(T), None).await.0);
    let record = &page.records[0];
    assert!(matches!(record.reading, Reading::Unrecognised { .. }));
    assert!(record.raw.windows(7).any(|w| w == b"evt_odd"));
    let kept = Kept { source: Source::Poll, body: &record.raw, as_of: record.as_of };
    assert_eq!(offline().events(&kept), record.reading);
}

#[tokio::test]
async fn without_a_base_url_of_its_own_an_account_uses_the_configured_ones() {
    let api = answering(ok(&dispute())).await;
    let files = answering(ok(&serde_json::json!({"id": "file_9Qa"}))).await;
    let mut stripe = stripe();
    stripe.base_url = format!("{}/", api.uri());
    stripe.files_url = files.uri();
    let account = account(&[]);
    received(stripe.fetch(&account, "du_1QaMango").await.0);
    received(stripe.upload(&account, "a.png", "image/png", Bytes::from_static(b"x"), "k").await.0);
    assert_eq!(only_request(&api).await.url.path(), "/v1/disputes/du_1QaMango");
    assert_eq!(only_request(&files).await.url.path(), "/v1/files");
}
