//! The walk through the list: each dispute is read whole, the window stays, nothing leads in a circle.

use chrono::TimeDelta;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{account, asked, at, fixture, giving_tokens, json as parsed, now, ok, paypal};
use crate::providers::{Answer, Page, Provider, Reading};

const LIST: &str = "/v1/customer/disputes";

fn page(ids: &[&str], next: Option<&str>) -> ResponseTemplate {
    let mut item = parsed(fixture!("page"))["items"][0].take();
    let items: Vec<Value> = ids
        .iter()
        .map(|id| {
            item["dispute_id"] = json!(id);
            item.clone()
        })
        .collect();
    let mut links = vec![json!({"href": format!("https://api-m.paypal.com{LIST}"), "rel": "self"})];
    if let Some(token) = next {
        let encoded: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let href = format!("https://api-m.paypal.com{LIST}?page_size=20&next_page_token={encoded}");
        links.push(json!({ "href": href, "rel": "next" }));
    }
    ok(&json!({ "items": items, "links": links }).to_string())
}

/// Shows any dispute that is asked for.
async fn serving() -> MockServer {
    let server = giving_tokens().await;
    let record = |request: &Request| {
        let id = request.url.path().rsplit('/').next().unwrap();
        ok(&fixture!("record").replace(super::DISPUTE, id))
    };
    let single = path_regex("^/v1/customer/disputes/[A-Za-z0-9-]+$");
    Mock::given(method("GET")).and(single).respond_with(record).with_priority(9).mount(&server).await;
    server
}

async fn list(server: &MockServer, since: &str, cursor: Option<String>) -> Answer<Page> {
    paypal().list_changed_since(&account(&[], Some(server.uri())), at(since), cursor).await.0
}

#[track_caller]
fn received(answer: Answer<Page>) -> (Vec<String>, Option<String>) {
    let Answer::Receipt(page) = answer else { panic!("{answer:?}") };
    let id = |reading: &Reading| match reading {
        Reading::Events(events) => events[0].snapshot().unwrap().dispute_ref.clone(),
        Reading::FetchFirst { .. }
        | Reading::Partly { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. }
        | Reading::Unrecognised { .. } => panic!("{reading:?}"),
    };
    (page.records.iter().map(|record| id(&record.reading)).collect(), page.next)
}

#[tokio::test]
async fn a_walk_reads_every_dispute_whole_and_ends() {
    let server = serving().await;
    let first = Mock::given(path(LIST)).and(query_param_is_missing("next_page_token"));
    first.respond_with(page(&["PP-1", "PP-2"], Some("a+b/c="))).mount(&server).await;
    let second = Mock::given(path(LIST)).and(query_param("next_page_token", "a+b/c="));
    second.respond_with(page(&["PP-3"], None)).mount(&server).await;
    let (ids, next) = received(list(&server, "2026-03-10T00:00:00Z", None).await);
    assert_eq!(ids, ["PP-1", "PP-2"]);
    let (ids, next) = received(list(&server, "2026-03-10T00:00:00Z", next).await);
    assert_eq!((ids, next), (vec!["PP-3".to_owned()], None));
    let lists: Vec<Request> = asked(&server).await.into_iter().filter(|r| r.url.path() == LIST).collect();
    assert_eq!(lists.len(), 2);
    let window = |request: &Request| {
        let query =
            |key: &str| request.url.query_pairs().find(|(k, _)| k == key).map(|(_, v)| v.into_owned());
        assert_eq!(query("page_size").as_deref(), Some("20"));
        (query("update_time_after").unwrap(), query("update_time_before").unwrap())
    };
    let wanted = ("2026-03-09T23:59:59.000Z".to_owned(), "2026-03-12T09:00:00.000Z".to_owned());
    assert!(lists.iter().all(|request| window(request) == wanted));
}

#[tokio::test]
async fn nothing_older_than_paypal_keeps_is_asked_for() {
    let server = serving().await;
    Mock::given(path(LIST)).respond_with(page(&[], None)).mount(&server).await;
    received(list(&server, "2020-01-01T00:00:00Z", None).await);
    let request = &asked(&server).await[0];
    let after = request.url.query_pairs().find(|(k, _)| k == "update_time_after").unwrap().1.into_owned();
    let age = now() - at(&after);
    assert!(age > TimeDelta::days(178) && age < TimeDelta::days(180), "{after}");
}

#[tokio::test]
async fn an_empty_list_is_one_and_a_body_without_a_list_is_not() {
    let server = serving().await;
    Mock::given(path(LIST)).respond_with(ok(r#"{"links":[]}"#)).up_to_n_times(1).mount(&server).await;
    assert_eq!(received(list(&server, "2026-03-10T00:00:00Z", None).await), (vec![], None));
    for body in ["{}", "[]", "", r#"{"items":{}}"#, r#"{"items":[{}]}"#] {
        let server = serving().await;
        Mock::given(path(LIST)).respond_with(ok(body)).mount(&server).await;
        let answer = list(&server, "2026-03-10T00:00:00Z", None).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn a_next_page_that_is_the_same_page_ends_the_walk_with_an_error() {
    let server = serving().await;
    Mock::given(path(LIST)).respond_with(page(&["PP-1"], Some("again"))).mount(&server).await;
    let (_, next) = received(list(&server, "2026-03-10T00:00:00Z", None).await);
    let answer = list(&server, "2026-03-10T00:00:00Z", next).await;
    let Answer::Retry { why, .. } = answer else { panic!("{answer:?}") };
    assert!(why.contains("leads nowhere new"), "{why}");
    for token in ["", "a b", "\u{0}", &"a".repeat(256)] {
        let server = serving().await;
        Mock::given(path(LIST)).respond_with(page(&["PP-1"], Some(token))).mount(&server).await;
        let answer = list(&server, "2026-03-10T00:00:00Z", None).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{token:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_cursor_that_no_page_gave_is_refused() {
    let server = serving().await;
    for cursor in ["", "x", "2026-03-10T00:00:00Z", "2026-03-10T00:00:00Z 2026-03-12T00:00:00Z ", "a b c"] {
        let answer = list(&server, "2026-03-10T00:00:00Z", Some(cursor.to_owned())).await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{cursor:?}: {answer:?}");
    }
    assert!(asked(&server).await.is_empty());
}

#[tokio::test]
async fn a_dispute_that_cannot_be_read_is_left_for_a_person_or_for_later() {
    let server = serving().await;
    Mock::given(path(LIST)).respond_with(page(&["PP-1", "PP-2", "PP-3"], None)).mount(&server).await;
    let strange = fixture!("record").replace(super::DISPUTE, "PP-2").replace("CHARGEBACK", "LIMBO");
    Mock::given(path("/v1/customer/disputes/PP-2")).respond_with(ok(&strange)).mount(&server).await;
    Mock::given(path("/v1/customer/disputes/PP-3"))
        .respond_with(ResponseTemplate::new(404))
        .mount(&server)
        .await;
    let Answer::Receipt(page) = list(&server, "2026-03-10T00:00:00Z", None).await else { panic!() };
    assert_eq!(page.records.len(), 2);
    assert!(matches!(page.records[1].reading, Reading::Unrecognised { .. }));
}

/// What of the page was read, and what was only named.
fn read_and_named(page: &Page) -> (Vec<&str>, Vec<&str>) {
    let (mut read, mut named) = (Vec::new(), Vec::new());
    for record in &page.records {
        match &record.reading {
            Reading::Events(events) => read.push(events[0].snapshot().unwrap().dispute_ref.as_str()),
            Reading::FetchFirst { dispute_ref, .. } => named.push(dispute_ref.as_str()),
            Reading::Partly { .. }
            | Reading::Acknowledged { .. }
            | Reading::NotOurs { .. }
            | Reading::Unrecognised { .. } => panic!("{:?}", record.reading),
        }
    }
    (read, named)
}

#[tokio::test]
async fn a_dispute_that_is_not_shown_holds_up_no_other() {
    for template in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(403).set_body_raw(fixture!("error"), "application/json"),
        ResponseTemplate::new(429).insert_header("retry-after", "7"),
    ] {
        let server = serving().await;
        Mock::given(path(LIST))
            .respond_with(page(&["PP-1", "PP-2", "PP-3"], Some("more")))
            .mount(&server)
            .await;
        Mock::given(path("/v1/customer/disputes/PP-2"))
            .respond_with(template)
            .with_priority(1)
            .mount(&server)
            .await;
        let Answer::Receipt(page) = list(&server, "2026-03-10T00:00:00Z", None).await else { panic!() };
        assert_eq!(read_and_named(&page), (vec!["PP-1", "PP-3"], vec!["PP-2"]));
        assert!(page.next.is_some(), "the walk goes on");
    }
}

/// Where reading fails, it is not tried for every row: they are fetched later, one by one, at their own pace.
#[tokio::test]
async fn a_page_is_not_waited_for_row_by_row_when_nothing_is_shown() {
    let server = giving_tokens().await;
    let ids: Vec<String> = (0..20).map(|n| format!("PP-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    Mock::given(path(LIST)).respond_with(page(&ids, None)).mount(&server).await;
    Mock::given(path_regex("^/v1/customer/disputes/PP-"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&server)
        .await;
    let Answer::Receipt(page) = list(&server, "2026-03-10T00:00:00Z", None).await else { panic!() };
    assert_eq!(read_and_named(&page), (vec![], ids));
    assert_eq!(asked(&server).await.len(), 1 + 2);
}

#[tokio::test]
async fn a_row_whose_id_is_none_is_left_for_a_person() {
    let server = serving().await;
    Mock::given(path(LIST)).respond_with(page(&["PP-1", "../x"], None)).mount(&server).await;
    let Answer::Receipt(page) = list(&server, "2026-03-10T00:00:00Z", None).await else { panic!() };
    assert_eq!(page.records.len(), 2);
    let Reading::Unrecognised { what } = &page.records[1].reading else { panic!() };
    assert!(what.contains("`../x`, which is no id"), "{what}");
}
