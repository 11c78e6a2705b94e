//! The walk through the list of disputes loses nothing and ends.

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{account, fixture, now, router};
use crate::providers::{Answer, Page, Provider};

/// A router with so many disputes, which gives so many at most and may not honour `offset`.
async fn serving(count: usize, cap: usize, honours_offset: bool) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &Request| {
        let query = |key: &str| request.url.query_pairs().find(|(k, _)| k == key).unwrap().1.into_owned();
        assert_eq!(
            (query("start_time").as_str(), query("end_time").as_str()),
            ("2026-03-10T08:59:59.000Z", "2026-03-12T09:00:01.000Z")
        );
        let offset: usize = if honours_offset { query("offset").parse().unwrap() } else { 0 };
        let limit: usize = query("limit").parse().unwrap();
        let items: Vec<Value> = (0..count).skip(offset).take(limit.min(cap)).map(item).collect();
        ResponseTemplate::new(200).set_body_json(items)
    };
    Mock::given(method("GET")).and(path("/disputes/list")).respond_with(respond).mount(&server).await;
    server
}

fn item(n: usize) -> Value {
    let mut item: Value = serde_json::from_str(fixture!("record")).unwrap();
    item["dispute_id"] = json!(format!("dp_n{n}"));
    item
}

async fn page(server: &MockServer, cursor: Option<String>) -> Answer<Page> {
    let since = now() - chrono::TimeDelta::days(2);
    router().list_changed_since(&account(&[], Some(server.uri())), since, cursor).await.0
}

#[tokio::test]
async fn every_dispute_is_listed_once_whatever_a_page_holds() {
    for (count, cap) in [(0, 50), (1, 50), (50, 50), (120, 50), (25, 10)] {
        let server = serving(count, cap, true).await;
        let (mut listed, mut cursor) = (0, None);
        loop {
            let Answer::Receipt(page) = page(&server, cursor).await else { panic!("{count} by {cap}") };
            listed += page.records.len();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, count, "by {cap}");
    }
}

#[tokio::test]
async fn a_walk_that_comes_round_again_is_ended_and_a_strange_cursor_refused() {
    let server = serving(200, 50, false).await;
    let Answer::Receipt(first) = page(&server, None).await else { panic!("the first page") };
    let Answer::Retry { why, .. } = page(&server, first.next).await else { panic!("the second page") };
    assert!(why.contains("starts with dp_n0 again"), "{why}");
    for cursor in ["", "x", "1.2", "a.b.c"] {
        assert!(
            matches!(page(&server, Some(cursor.into())).await, Answer::Refused { status: 0, .. }),
            "{cursor}"
        );
    }
}
