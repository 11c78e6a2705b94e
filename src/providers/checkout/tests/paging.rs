//! The walk through the list of disputes loses nothing and ends, whatever is updated while it goes on.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{account, at, checkout, fixture, now};
use crate::providers::{Answer, Page, Provider, Reading};

/// Disputes by id and last update.
type Shelf = Arc<Mutex<Vec<(String, DateTime<Utc>)>>>;

#[derive(Clone, Copy)]
struct Behaviour {
    cap: usize,
    honours_window: bool,
    honours_skip: bool,
    sorted: bool,
    /// At every page, the dispute that was updated last but one is updated again.
    moving: bool,
}

const PLAIN: Behaviour =
    Behaviour { cap: 250, honours_window: true, honours_skip: true, sorted: true, moving: false };

/// One update a minute, the newest a minute ago.
fn shelf(count: i64) -> Shelf {
    let last = |n: i64| now() - TimeDelta::minutes(n + 1);
    Arc::new(Mutex::new((0..count).map(|n| (format!("dsp_n{n}"), last(n))).collect()))
}

fn item(id: &str, last_update: DateTime<Utc>) -> Value {
    let page: Value = serde_json::from_str(fixture!("page")).unwrap();
    let mut item = page["data"][1].clone();
    item["id"] = json!(id);
    item["last_update"] = json!(last_update.to_rfc3339());
    item
}

fn answer(request: &Request, shelf: &Shelf, behaviour: Behaviour) -> ResponseTemplate {
    let query = |key: &str| request.url.query_pairs().find(|(k, _)| k == key).unwrap().1.into_owned();
    let (from, to) = (at(&query("from")), at(&query("to")));
    let (limit, skip): (usize, usize) = (query("limit").parse().unwrap(), query("skip").parse().unwrap());
    assert!((1..=250).contains(&limit), "what the reference allows");
    let mut shelf = shelf.lock().unwrap();
    if behaviour.sorted {
        shelf.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    }
    let inside = |at: DateTime<Utc>| !behaviour.honours_window || (from < at && at < to);
    let limit = limit.min(behaviour.cap);
    let items: Vec<Value> = shelf
        .iter()
        .filter(|(_, at)| inside(*at))
        .skip(if behaviour.honours_skip { skip } else { 0 })
        .take(limit)
        .map(|(id, at)| item(id, *at))
        .collect();
    if behaviour.moving {
        let moved = 1.min(shelf.len() - 1);
        shelf[moved].1 = now() + TimeDelta::seconds(5);
    }
    let body = json!({ "limit": limit, "skip": skip, "total_count": shelf.len(), "data": items });
    ResponseTemplate::new(200).set_body_json(body)
}

async fn serving(shelf: Shelf, behaviour: Behaviour) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &Request| answer(request, &shelf, behaviour);
    Mock::given(method("GET")).and(path("/disputes")).respond_with(respond).mount(&server).await;
    server
}

fn ids(page: &Page) -> Vec<String> {
    let id = |reading: &Reading| {
        let Reading::Events(events) = reading else { panic!("{reading:?}") };
        events[0].snapshot().unwrap().dispute_ref.clone()
    };
    page.records.iter().map(|record| id(&record.reading)).collect()
}

/// Every id seen, and how many pages it took. Fails the test when the walk does not end.
async fn walk(server: &MockServer, since: DateTime<Utc>) -> (Vec<String>, usize) {
    let account = account(&[], &[("api_key", "sk_w")], Some(server.uri()));
    let (mut seen, mut cursor) = (Vec::new(), None);
    for pages in 1..100 {
        let (answer, _) = checkout().list_changed_since(&account, since, cursor).await;
        let Answer::Receipt(page) = answer else { panic!("{answer:?}") };
        seen.extend(ids(&page));
        cursor = page.next;
        if cursor.is_none() {
            seen.sort();
            seen.dedup();
            return (seen, pages);
        }
    }
    panic!("the walk does not end");
}

fn all(count: i64) -> Vec<String> {
    let mut ids: Vec<String> = (0..count).map(|n| format!("dsp_n{n}")).collect();
    ids.sort();
    ids
}

const LONG_AGO: &str = "2026-01-01T00:00:00Z";

#[tokio::test]
async fn nothing_is_lost_on_the_way() {
    for count in [0, 1, 249, 250, 251, 700] {
        let server = serving(shelf(count), PLAIN).await;
        let (seen, pages) = walk(&server, at(LONG_AGO)).await;
        assert_eq!(seen, all(count));
        assert!(pages <= count as usize / 249 + 2, "{count}: {pages} pages");
    }
}

#[tokio::test]
async fn only_what_changed_since_is_asked_for() {
    let server = serving(shelf(600), PLAIN).await;
    let (seen, pages) = walk(&server, now() - TimeDelta::minutes(10)).await;
    assert_eq!((seen.len(), pages), (10, 1), "an update at the very instant is among them: {seen:?}");
}

#[tokio::test]
async fn an_update_during_the_walk_moves_no_other_past_the_cursor() {
    let server = serving(shelf(700), Behaviour { cap: 50, moving: true, ..PLAIN }).await;
    let (seen, _) = walk(&server, at(LONG_AGO)).await;
    // Those that were updated meanwhile are found from the next round's start on; all others must be seen.
    let moved = 700 - seen.len();
    assert!(moved <= 1, "{moved} were lost");
}

#[tokio::test]
async fn a_burst_of_one_instant_is_walked_through() {
    let shelf = shelf(640);
    shelf.lock().unwrap()[100..600].iter_mut().for_each(|(_, at)| *at = now() - TimeDelta::minutes(200));
    let server = serving(shelf, PLAIN).await;
    assert_eq!(walk(&server, at(LONG_AGO)).await.0, all(640));
}

#[tokio::test]
async fn other_ways_of_a_server_lose_nothing_either() {
    for behaviour in [
        Behaviour { cap: 20, ..PLAIN },
        Behaviour { sorted: false, ..PLAIN },
        Behaviour { honours_window: false, ..PLAIN },
        Behaviour { honours_window: false, sorted: false, cap: 60, ..PLAIN },
    ] {
        let shelf = shelf(300);
        if !behaviour.sorted {
            shelf.lock().unwrap().reverse();
        }
        let server = serving(shelf, behaviour).await;
        assert_eq!(walk(&server, at(LONG_AGO)).await.0, all(300));
    }
}

#[tokio::test]
async fn a_server_that_repeats_itself_is_told_of() {
    let shelf = shelf(300);
    shelf.lock().unwrap().iter_mut().for_each(|(_, at)| *at = now() - TimeDelta::minutes(7));
    let server = serving(shelf, Behaviour { honours_skip: false, ..PLAIN }).await;
    let account = account(&[], &[("api_key", "sk_w")], Some(server.uri()));
    let (mut cursor, mut told) = (None, None);
    for _ in 0..4 {
        let (answer, _) = checkout().list_changed_since(&account, at(LONG_AGO), cursor).await;
        match answer {
            Answer::Receipt(page) => cursor = page.next,
            Answer::Retry { why, .. } => {
                told = Some(why);
                break;
            }
            Answer::Refused { .. } | Answer::Unknown { .. } => panic!("{answer:?}"),
        }
        assert!(cursor.is_some(), "the walk ended early");
    }
    assert!(told.unwrap().contains("starts with dsp_n0 again"));
}

#[tokio::test]
async fn an_item_that_is_not_understood_holds_up_no_other() {
    let server = MockServer::start().await;
    let page: Value = serde_json::from_str(fixture!("page")).unwrap();
    let mut data = page["data"].as_array().unwrap().clone();
    data.insert(1, json!({ "id": "dsp_odd", "status": "limbo" }));
    data.push(json!(7));
    let body = json!({ "limit": 250, "data": data });
    Mock::given(path("/disputes"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    let account = account(&[], &[("api_key", "sk_w")], Some(server.uri()));
    let (answer, _) = checkout().list_changed_since(&account, at(LONG_AGO), None).await;
    let Answer::Receipt(page) = answer else { panic!("{answer:?}") };
    let understood = page.records.iter().filter(|r| matches!(r.reading, Reading::Events(_))).count();
    assert_eq!((page.records.len(), understood, page.next), (4, 2, None));
}

#[tokio::test]
async fn a_cursor_of_somebody_else_is_refused_unsent() {
    let account = account(&[], &[("api_key", "sk_w")], None);
    for cursor in ["", "7", "a.b.c", "9223372036854775807.0.x"] {
        let (answer, log) =
            checkout().list_changed_since(&account, at(LONG_AGO), Some(cursor.to_owned())).await;
        assert!(matches!(answer, Answer::Refused { status: 0, .. }), "{cursor}: {answer:?}");
        assert!(log.is_empty());
    }
}
