//! The walk through the list of disputes loses nothing and ends.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{account, at, fixture, now, razorpay};
use crate::providers::{Answer, Page, Provider, Reading};

/// Disputes as the list has them, newest first.
type Shelf = Arc<Mutex<Vec<(String, i64)>>>;

fn shelf(count: i64) -> Shelf {
    let newest = now().timestamp() - 10;
    Arc::new(Mutex::new((0..count).map(|n| (format!("disp_n{n}"), newest - n)).collect()))
}

struct Behaviour {
    cap: usize,
    honours_window: bool,
    honours_skip: bool,
    /// Created while the walk goes on, one per page.
    arriving: bool,
}

const PLAIN: Behaviour = Behaviour { cap: 100, honours_window: true, honours_skip: true, arriving: false };

async fn serving(shelf: Shelf, behaviour: Behaviour) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &Request| {
        let query = |key: &str| -> i64 {
            request.url.query_pairs().find(|(k, _)| k == key).unwrap().1.parse().unwrap()
        };
        let mut shelf = shelf.lock().unwrap();
        let inside =
            |created: i64| !behaviour.honours_window || (query("from") < created && created < query("to"));
        let skip = if behaviour.honours_skip { query("skip") as usize } else { 0 };
        let count = (query("count") as usize).min(behaviour.cap);
        let items: Vec<Value> = shelf
            .iter()
            .filter(|(_, created)| inside(*created))
            .skip(skip)
            .take(count)
            .map(|(id, created)| item(id, *created))
            .collect();
        if behaviour.arriving {
            let late = shelf.len() as i64;
            shelf.insert(0, (format!("disp_late{late}"), now().timestamp() + late));
        }
        ResponseTemplate::new(200)
            .set_body_json(json!({ "entity": "collection", "count": items.len(), "items": items }))
    };
    Mock::given(method("GET")).and(path("/v1/disputes")).respond_with(respond).mount(&server).await;
    server
}

fn item(id: &str, created: i64) -> Value {
    let mut item: Value = serde_json::from_str(fixture!("record")).unwrap();
    item["id"] = json!(id);
    item["created_at"] = json!(created);
    item
}

fn ids(page: &Page) -> Vec<String> {
    let id = |reading: &Reading| {
        let Reading::Events(events) = reading else { panic!("{reading:?}") };
        events[0].snapshot().unwrap().dispute_ref.clone()
    };
    page.records.iter().map(|record| id(&record.reading)).collect()
}

/// Every id seen, and how many pages it took. Fails the test when the walk does not end.
async fn walk(server: &MockServer) -> (Vec<String>, usize) {
    let account = account(&[], Some(server.uri()));
    let (mut seen, mut cursor) = (Vec::new(), None);
    for pages in 1..50 {
        let since = at("2026-03-01T00:00:00Z");
        let (answer, _) = razorpay().list_changed_since(&account, since, cursor).await;
        let Answer::Receipt(page) = answer else { panic!("{answer:?}") };
        seen.extend(ids(&page));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return (seen, pages),
        }
    }
    panic!("the walk does not end");
}

#[tokio::test]
async fn the_first_page_asks_for_a_closed_window() {
    let server = serving(shelf(0), PLAIN).await;
    let (seen, pages) = walk(&server).await;
    assert_eq!((seen.len(), pages), (0, 1));
    let requests = server.received_requests().await.unwrap();
    let since = at("2026-03-01T00:00:00Z").timestamp() - 1;
    let to = now().timestamp() + 1;
    assert_eq!(requests[0].url.query(), Some(format!("from={since}&to={to}&count=100&skip=0").as_str()));
}

#[tokio::test]
async fn all_pages_are_seen_once() {
    for (count, pages) in [(3, 1), (9, 1), (10, 2), (100, 2), (250, 4)] {
        let server = serving(shelf(count), PLAIN).await;
        let (mut seen, walked) = walk(&server).await;
        assert_eq!((seen.len() as i64, walked), (count, pages));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len() as i64, count);
    }
}

#[tokio::test]
async fn what_arrives_meanwhile_pushes_nothing_out() {
    for honours_window in [true, false] {
        let server = serving(shelf(230), Behaviour { arriving: true, honours_window, ..PLAIN }).await;
        let (seen, _) = walk(&server).await;
        for n in 0..230 {
            assert!(seen.contains(&format!("disp_n{n}")), "disp_n{n} was lost (window {honours_window})");
        }
        // Inside the window of the first page nothing moves, so nothing is seen twice either.
        assert!(!honours_window || seen.len() == 230, "{}", seen.len());
    }
}

#[tokio::test]
async fn a_server_that_caps_lower_than_asked_is_walked_to_the_end() {
    let server = serving(shelf(95), Behaviour { cap: 20, ..PLAIN }).await;
    assert_eq!(walk(&server).await.0.len(), 95);
}

#[tokio::test]
async fn a_server_that_ignores_the_window_is_left_once_behind_it() {
    let long_ago = at("2026-02-01T00:00:00Z").timestamp();
    let old = (0..900).map(|n| (format!("disp_old{n}"), long_ago - n));
    let all = shelf(30);
    all.lock().unwrap().extend(old);
    let server = serving(all, Behaviour { honours_window: false, ..PLAIN }).await;
    let (seen, pages) = walk(&server).await;
    assert!(pages <= 2, "{pages} pages");
    assert!((0..30).all(|n| seen.contains(&format!("disp_n{n}"))));
}

#[tokio::test]
async fn a_server_that_ignores_skip_is_noticed() {
    let server = serving(shelf(150), Behaviour { honours_skip: false, ..PLAIN }).await;
    let account = account(&[], Some(server.uri()));
    let since = at("2026-03-01T00:00:00Z");
    let (first, _) = razorpay().list_changed_since(&account, since, None).await;
    let Answer::Receipt(first) = first else { panic!("{first:?}") };
    let (second, _) = razorpay().list_changed_since(&account, since, first.next).await;
    let Answer::Retry { why, .. } = second else { panic!("{second:?}") };
    assert!(why.contains("again"), "{why}");
}

#[tokio::test]
async fn an_item_that_is_not_understood_takes_no_other_with_it() {
    let server = MockServer::start().await;
    let page = fixture!("page").replacen(r#""status":"open""#, r#""status":"paused""#, 1);
    let template = ResponseTemplate::new(200).set_body_raw(page, "application/json");
    Mock::given(method("GET")).respond_with(template).mount(&server).await;
    let account = account(&[], Some(server.uri()));
    let (answer, _) = razorpay().list_changed_since(&account, at("2026-03-01T00:00:00Z"), None).await;
    let Answer::Receipt(page) = answer else { panic!("{answer:?}") };
    assert!(matches!(page.records[0].reading, Reading::Unrecognised { .. }));
    assert!(page.records[0].raw.starts_with(b"{\"id\":\"disp_RkAGtB5kVoWn6Q\""));
    assert!(matches!(page.records[1].reading, Reading::Events(_)));
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused() {
    let account = account(&[], Some("http://127.0.0.1:9".to_owned()));
    for cursor in ["", "x", "1", "1.2", "1.-2.x", "a.0.b"] {
        let since = at("2026-03-01T00:00:00Z");
        let (answer, log) = razorpay().list_changed_since(&account, since, Some(cursor.to_owned())).await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{cursor}: {answer:?}");
        assert!(log.is_empty());
    }
}
