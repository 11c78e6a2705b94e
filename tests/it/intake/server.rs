//! The accept loop: slow clients, many clients, panics, and an orderly end.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use respondby::http::{Probes, RoleLag, router};
use respondby::observe::Metrics;
use respondby::store::deliveries;
use respondby::store::vitals::Due;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::proxy::Proxy;
use super::surface::{Client, Surface, request};
use crate::support::{Database, world};

const SOON: Duration = Duration::from_secs(10);

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_and_so_is_a_connection_that_says_nothing() {
    let s = Surface::start_with(|odd| odd.config.http.header_read_timeout_ms = 100).await;
    for started in ["", "POST /webhooks/stripe/acme-stripe HTTP/1.1\r\nhost: here\r\nx-slow: "] {
        let mut client = Client::connect(s.addr).await;
        client.0.write_all(started.as_bytes()).await.unwrap();
        assert_eq!(timeout(SOON, client.answer()).await.expect("it is cut off"), None, "{started:?}");
    }
    // One that was served and falls silent is let go of too.
    let mut client = Client::connect(s.addr).await;
    assert_eq!(client.send(&s.webhook("evt_1")).await.status, 200);
    assert_eq!(timeout(SOON, client.answer()).await.expect("it is cut off"), None);
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_with_408() {
    let s = Surface::start_with(|odd| odd.config.http.request_timeout_ms = 100).await;
    let whole = s.webhook("evt_1");
    let mut client = Client::connect(s.addr).await;
    client.0.write_all(&whole[..whole.len() - 1]).await.unwrap();
    let answer = timeout(SOON, client.answer()).await.unwrap().expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(s.kept().await, 0);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let s = Surface::start_with(|odd| odd.config.http.connections_max = 1).await;
    let mut first = Client::connect(s.addr).await;
    assert_eq!(first.send(&s.webhook("evt_1")).await.status, 200);
    let mut second = Client::connect(s.addr).await;
    second.0.write_all(&s.webhook("evt_2")).await.unwrap();
    for n in 3..6 {
        assert_eq!(first.send(&s.webhook(&format!("evt_{n}"))).await.status, 200);
    }
    let mut byte = [0];
    let early = second.0.try_read(&mut byte);
    assert!(early.is_err(), "nobody serves the second while the first is connected: {early:?}");
    drop(first);
    assert_eq!(timeout(SOON, second.answer()).await.unwrap().expect("its turn").status, 200);
}

#[tokio::test]
async fn who_takes_no_answers_is_cut_off_and_keeps_nobody_out() {
    let s = Surface::start_with(|odd| {
        odd.config.http.connections_max = 1;
        odd.config.http.request_timeout_ms = 200;
    })
    .await;
    let greedy = TcpSocket::new_v4().unwrap();
    greedy.set_recv_buffer_size(4 << 10).unwrap();
    let mut greedy = greedy.connect(s.addr).await.unwrap();
    let asking = tokio::spawn(async move {
        // More answers than the kernel keeps for both of us.
        let many = get("/nowhere").repeat(1_000);
        while greedy.write_all(&many).await.is_ok() {}
        greedy
    });
    let mut next = Client::connect(s.addr).await;
    let answered = timeout(SOON, next.send(&s.webhook("evt_1"))).await.expect("its turn comes");
    assert_eq!(answered.status, 200);
    drop(timeout(SOON, asking).await.expect("it was cut off").unwrap());
}

#[tokio::test]
async fn one_connection_serves_many_requests_also_after_a_refusal() {
    let s = Surface::start().await;
    let mut client = Client::connect(s.addr).await;
    for n in 0..3 {
        assert_eq!(client.send(&s.webhook(&format!("evt_{n}"))).await.status, 200);
        let forged = request("/webhooks/stripe/acme-stripe", &[("stripe-signature", "t=1,v1=00")], b"{}");
        assert_eq!(client.send(&forged).await.status, 401);
    }
}

#[tokio::test]
async fn a_panic_is_one_answer_of_500_and_the_process_lives() {
    let s = Surface::start().await;
    let mut client = Client::connect(s.addr).await;
    let answer = client.send(&get("/metrics")).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (500, "{\"status\":500,\"title\":\"Internal Server Error\"}\n")
    );
    assert_eq!(client.send(&s.webhook("evt_1")).await.status, 200, "on the same connection even");
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_keeps_what_is_queued_and_takes_no_more() {
    let s = Surface::start_with(|odd| odd.config.intake.writers = 1).await;
    let mut idle = Client::connect(s.addr).await;
    assert_eq!(idle.send(&get("/healthz")).await.body, "alive\n");
    let mut pause = s.db.pool.begin().await.unwrap();
    sqlx::query("lock table deliveries in exclusive mode").execute(&mut *pause).await.unwrap();
    let sent: Vec<_> = (0..30).map(|n| s.sending(s.webhook(&format!("evt_{n}")))).collect();
    // One batch is in the writer's hand, the rest queues up behind it.
    super::surface::until(async || s.intake.waiting() > 0).await;
    let under_way = s.intake.waiting();
    s.stop.cancel();
    assert_eq!(timeout(SOON, idle.answer()).await.expect("idle connections are closed"), None);
    pause.rollback().await.unwrap();
    let mut answered = 0;
    for answer in sent {
        // A connection that was not yet accepted, or had not sent its request, may be closed unanswered.
        answered += i64::from(answer.await.is_ok_and(|a| a.status == 200));
    }
    assert!(answered >= under_way as i64, "{answered} answered, {under_way} were queued");
    timeout(SOON, s.serving).await.expect("it ends").unwrap();
    timeout(SOON, s.writers.drain()).await.expect("the writers end");
    let kept: i64 =
        sqlx::query_scalar("select count(*) from deliveries").fetch_one(&s.db.pool).await.unwrap();
    assert!(kept >= answered, "{kept} kept, {answered} acknowledged");
    assert!(TcpStream::connect(s.addr).await.is_err(), "nobody listens any more");
    assert_eq!(s.intake.writers_connected(), 0);
}

/// A delivery that came then and waits to be read.
async fn waiting(db: &Database, delivery_id: i64, received_at: DateTime<Utc>) {
    if delivery_id == 1 {
        world::merchant(&db.pool, 1, "shop").await;
    }
    let mut conn = db.pool.acquire().await.unwrap();
    deliveries::maintain_months(&mut conn, received_at).await.unwrap();
    sqlx::query(
        "insert into deliveries (merchant_id, account_id, delivery_id, month, received_at, source, dedupe_key,
             headers, body, state)
         values (1, 10, $1, $2, $3, 'webhook', 'evt_' || $1, '[]', '', 'kept')",
    )
    .bind(delivery_id)
    .bind(deliveries::month_of(received_at))
    .bind(received_at)
    .execute(&mut *conn)
    .await
    .unwrap();
}

#[tokio::test]
async fn health_says_alive_always_and_ready_only_when_it_is() {
    let db = Database::new().await;
    let mut proxy = Proxy::before(&db.pool);
    let pool = sqlx::postgres::PgPoolOptions::new().connect_lazy_with(proxy.options(&db.pool));
    let role = |running| -> respondby::http::Role {
        Arc::new(move |due: &Due| {
            let waits = |since: DateTime<Utc>| (world::noon() - since).num_milliseconds();
            RoleLag { role: "apply".to_owned(), lag_ms: due.since("apply").map(waits), running }
        })
    };
    let probes = |running| {
        let metrics = Metrics::install();
        Probes::new(pool.clone(), None, vec![role(running)], Arc::new(move || metrics.render()))
    };
    let ask = async |running, path: &str| {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(router(probes(running), None, None), request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let ready = |lag: &str| {
        format!(
            "{{\"ready\":true,\"database\":\"ok\",\"roles\":[{{\"role\":\"apply\",\"lag_ms\":{lag},\"running\":true}}]}}\n"
        )
    };
    assert_eq!(ask(true, "/readyz").await, (200, ready("null")), "nothing waits");
    for (delivery_id, ms) in [(1, 12), (2, 2_500)] {
        waiting(&db, delivery_id, world::noon() - TimeDelta::milliseconds(ms)).await;
    }
    assert_eq!(ask(true, "/readyz").await, (200, ready("2500")), "the oldest");
    assert_eq!(ask(false, "/readyz").await.0, 503, "a role that stopped");
    let (status, text) = ask(true, "/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(respondby::observe::undeclared(&text), std::collections::BTreeSet::new());
    assert_eq!(ask(true, "/webhooks/stripe/acme").await.0, 404, "a process that does no intake");

    sqlx::query("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .execute(&db.pool)
        .await
        .unwrap();
    let (status, body) = ask(true, "/readyz").await;
    assert!(status == 503 && body.contains("1 migrations are pending"), "{body}");
    proxy.cut().await;
    let (status, body) = ask(true, "/readyz").await;
    assert!(status == 503 && body.contains("\"database\":\"no answer within"), "{body}");
    assert_eq!(ask(true, "/healthz").await, (200, "alive\n".to_owned()));
}
