//! The walk through every page, and what it passes over.

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{account, at, fixture, square};
use crate::providers::{Answer, Page, Provider};

const TOKEN: &[(&str, &str)] = &[("access_token", "EAAAl9")];

fn item(n: usize) -> Value {
    let mut item: Value = serde_json::from_str(fixture!("bare_record")).unwrap();
    item["id"] = json!(format!("disp{n}"));
    // The order is nobody's promise: new and old stand side by side.
    item["updated_at"] =
        json!(if n.is_multiple_of(2) { "2026-03-11T10:00:00.000Z" } else { "2026-02-01T10:00:00.000Z" });
    item
}

/// Seven disputes to a page.
async fn serving(count: usize) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &Request| {
        let asked = request.url.query_pairs().find(|(key, _)| key == "cursor").map(|(_, v)| v.into_owned());
        let start: usize = asked.map_or(0, |cursor| cursor.strip_prefix("p/+ ").unwrap().parse().unwrap());
        let end = (start + 7).min(count);
        let mut body = json!({ "disputes": (start..end).map(item).collect::<Vec<_>>() });
        if end < count {
            body["cursor"] = json!(format!("p/+ {end}"));
        }
        ResponseTemplate::new(200).set_body_json(body)
    };
    Mock::given(method("GET")).and(path("/v2/disputes")).respond_with(respond).mount(&server).await;
    server
}

async fn list(server: &MockServer, cursor: Option<String>) -> Answer<Page> {
    let account = account(&[], TOKEN, Some(server.uri()));
    square().list_changed_since(&account, at("2026-03-01T00:00:00Z"), cursor).await.0
}

#[tokio::test]
async fn every_page_is_walked_and_what_is_old_is_passed_over() {
    for count in [0, 1, 7, 8, 30] {
        let server = serving(count).await;
        let (mut seen, mut cursor, mut pages) = (0, None, 0);
        loop {
            let Answer::Receipt(page) = list(&server, cursor).await else { panic!() };
            (seen, pages) = (seen + page.records.len(), pages + 1);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            assert!(pages < 20, "the walk does not end");
        }
        assert_eq!((seen, pages), (count.div_ceil(2), count.div_ceil(7).max(1)));
    }
}

#[tokio::test]
async fn a_server_that_repeats_itself_is_told_of() {
    let server = MockServer::start().await;
    let body = json!({ "cursor": "again" });
    Mock::given(path("/v2/disputes"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    let Answer::Receipt(page) = list(&server, None).await else { panic!() };
    assert_eq!(page.next.as_deref(), Some("again"));
    assert!(matches!(list(&server, page.next).await, Answer::Retry { .. }));
}
