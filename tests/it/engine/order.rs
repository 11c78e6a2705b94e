//! Whose news is later is told by the provider's own time, whatever arrives first: the time of a webhook's event
//! against the `Date` of a record that was fetched or listed. Also when the record was asked for before the
//! webhook came and its answer was long under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use respondby::sandbox::{Change, ProviderKind, Turns, WebhookFault, WebhookTrouble};
use respondby::worker;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::stage::{RAZORPAY, STRIPE, Stage, dispute, hours};

/// Stands before a provider's API and holds one answer back, as it was made, until it is let go.
struct Courier {
    next: AtomicBool,
    holds: Notify,
    let_go: Notify,
    upstream: String,
    client: reqwest::Client,
}

impl Courier {
    /// From now on every call to the provider goes this way.
    async fn before(stage: &Stage, provider: ProviderKind) -> Arc<Self> {
        let pool = &stage.db.pool;
        let upstream: String = sqlx::query_scalar("select base_url from accounts where provider = $1")
            .bind(provider.as_str())
            .fetch_one(pool)
            .await
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let courier = Arc::new(Self {
            next: AtomicBool::new(false),
            holds: Notify::new(),
            let_go: Notify::new(),
            upstream,
            client,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().fallback(carry).with_state(courier.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        sqlx::query(
            "update accounts set base_url = $1, updated_at = updated_at + interval '1 second' where provider = $2",
        )
        .bind(format!("http://{address}"))
        .bind(provider.as_str())
        .execute(pool)
        .await
        .unwrap();
        let mut conn = pool.acquire().await.unwrap();
        assert!(stage.engine.shop.accounts.refresh(&mut conn).await.unwrap());
        courier
    }
}

async fn carry(State(courier): State<Arc<Courier>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let mut headers = head.headers;
    headers.remove("host");
    let asked = courier
        .client
        .request(head.method, format!("{}{path}", courier.upstream))
        .headers(headers)
        .body(body);
    let answer = asked.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for name in ["date", "content-type"] {
        response = response.header(name, answer.headers()[name].clone());
    }
    let response = response.body(Body::from(answer.bytes().await.unwrap())).unwrap();
    if courier.next.swap(false, Ordering::AcqRel) {
        courier.holds.notify_one();
        courier.let_go.notified().await;
    }
    response
}

/// The ways a record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Fetched,
    Listed,
}

const WAYS: [(ProviderKind, Way); 4] =
    [(STRIPE, Way::Fetched), (STRIPE, Way::Listed), (RAZORPAY, Way::Fetched), (RAZORPAY, Way::Listed)];

impl Stage {
    /// Has one read due: of the dispute, or of the account's list, which goes back so far that Stripe gives
    /// disputes and not events.
    async fn want(&self, provider: ProviderKind, way: Way) {
        let now = self.clock.now();
        let (sql, at) = match way {
            Way::Fetched => ("update disputes set check_at = $2 from accounts a where a.provider = $1", now),
            Way::Listed => (
                "update watermarks w set next_at = $2, changed_until = $2 - interval '40 days' from accounts a
                 where a.merchant_id = w.merchant_id and a.account_id = w.account_id and a.provider = $1",
                now,
            ),
        };
        let done = sqlx::query(sql).bind(provider.as_str()).bind(at).execute(&self.db.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    /// Takes the step that reads it.
    fn reading(&self, way: Way) -> tokio::task::JoinHandle<()> {
        let shop = self.engine.shop.clone();
        tokio::spawn(async move {
            let stepped = match way {
                Way::Fetched => worker::reconcile_disputes(&shop).await,
                Way::Listed => worker::reconcile_accounts(&shop).await,
            };
            stepped.unwrap();
        })
    }

    async fn apply_all(&self) {
        self.control.flush().await;
        while matches!(worker::apply(&self.engine.shop).await.unwrap(), worker::Stepped::Did(_)) {}
    }

    async fn as_of(&self, dispute_ref: &str) -> DateTime<Utc> {
        sqlx::query_scalar("select as_of from disputes where dispute_ref = $1")
            .bind(dispute_ref)
            .fetch_one(&self.db.pool)
            .await
            .unwrap()
    }

    /// What came of the newest webhook.
    async fn newest_outcome(&self) -> String {
        sqlx::query_scalar(
            "select outcome from deliveries where source = 'webhook' order by received_at desc, delivery_id desc limit 1",
        )
        .fetch_one(&self.db.pool)
        .await
        .unwrap()
    }
}

fn always(provider: ProviderKind, trouble: WebhookTrouble) -> WebhookFault {
    WebhookFault { turns: Turns::always(), ..WebhookFault::once(provider, trouble) }
}

fn reason(provider: ProviderKind) -> &'static str {
    if provider == STRIPE { "general" } else { "RZP00" }
}

/// First lost, which no webhook tells, and then won, which one does: a read of the time between says `lost`.
#[tokio::test]
async fn a_read_that_is_older_than_a_webhook_never_overrides_it() {
    for (provider, way) in WAYS {
        let mut stage = Stage::new().await;
        let dispute_ref = stage.open(dispute(provider, reason(provider), hours(96))).await;
        let courier = Courier::before(&stage, provider).await;
        stage.clock.advance(TimeDelta::minutes(10));
        stage.control.add_webhook_fault(always(provider, WebhookTrouble::Drop));
        stage.control.change(&dispute_ref, &Change::Lost).unwrap();
        stage.control.clear_faults();
        stage.want(provider, way).await;
        courier.next.store(true, Ordering::Release);
        let reading = stage.reading(way);
        // The answer is as of now, and on its way for five minutes.
        courier.holds.notified().await;
        stage.clock.advance(TimeDelta::minutes(5));
        stage.control.change(&dispute_ref, &Change::Won { amount_deducted: 0 }).unwrap();
        stage.apply_all().await;
        assert_eq!(stage.status(&dispute_ref).await, "won", "{provider} {way:?}");
        let (as_of, history) = (stage.as_of(&dispute_ref).await, stage.history(&dispute_ref).await.len());
        courier.let_go.notify_one();
        reading.await.unwrap();
        assert_eq!(stage.status(&dispute_ref).await, "won", "{provider} {way:?}");
        assert_eq!(stage.as_of(&dispute_ref).await, as_of);
        assert_eq!(stage.history(&dispute_ref).await.len(), history, "nothing happened: {provider} {way:?}");
        stage.settle().await;
        stage.uphold().await;
    }
}

/// The same while a response was owed as of the read, and none is any more.
#[tokio::test]
async fn a_read_that_is_older_than_a_settlement_asks_for_nothing() {
    for (provider, way) in WAYS {
        let mut stage = Stage::new().await;
        let dispute_ref = stage.open(dispute(provider, reason(provider), hours(96))).await;
        let courier = Courier::before(&stage, provider).await;
        stage.clock.advance(TimeDelta::minutes(10));
        stage.want(provider, way).await;
        courier.next.store(true, Ordering::Release);
        let reading = stage.reading(way);
        courier.holds.notified().await;
        stage.clock.advance(TimeDelta::minutes(5));
        stage.control.change(&dispute_ref, &Change::Lost).unwrap();
        stage.apply_all().await;
        courier.let_go.notify_one();
        reading.await.unwrap();
        assert_eq!(stage.status(&dispute_ref).await, "lost", "{provider} {way:?}");
        let open: i64 = sqlx::query_scalar("select count(*) from cycles where state = 'open'")
            .fetch_one(&stage.db.pool)
            .await
            .unwrap();
        assert_eq!(open, 0);
        stage.settle().await;
        stage.uphold().await;
    }
}

#[tokio::test]
async fn a_webhook_that_is_older_than_a_read_never_overrides_it() {
    for (provider, way) in WAYS {
        let mut stage = Stage::new().await;
        let dispute_ref = stage.open(dispute(provider, reason(provider), hours(96))).await;
        let opened_as_of = stage.as_of(&dispute_ref).await;
        stage.clock.advance(TimeDelta::minutes(10));
        stage.control.add_webhook_fault(always(provider, WebhookTrouble::Delay { by_s: 3_600 }));
        stage.control.change(&dispute_ref, &Change::SubmittedElsewhere).unwrap();
        stage.clock.advance(TimeDelta::minutes(5));
        stage.control.clear_faults();
        stage.control.add_webhook_fault(always(provider, WebhookTrouble::Drop));
        stage.control.change(&dispute_ref, &Change::Lost).unwrap();
        stage.clock.advance(TimeDelta::minutes(1));
        stage.want(provider, way).await;
        stage.reading(way).await.unwrap();
        assert_eq!(stage.status(&dispute_ref).await, "lost", "{provider} {way:?}");
        let as_of = stage.as_of(&dispute_ref).await;
        assert_eq!(as_of, stage.clock.now(), "the read is as of its answer's `Date`");
        assert!(as_of > opened_as_of);
        stage.clock.advance(hours(1));
        stage.control.tick();
        stage.apply_all().await;
        assert_eq!(stage.newest_outcome().await, "stale", "{provider} {way:?}");
        assert_eq!(stage.status(&dispute_ref).await, "lost");
        assert_eq!(stage.as_of(&dispute_ref).await, as_of);
        stage.settle().await;
        stage.uphold().await;
    }
}

/// A `Date` has whole seconds, and so has the time of an event: of two that are alike the one that is further on
/// counts, in whichever order they come.
#[tokio::test]
async fn a_read_and_a_webhook_of_one_second_come_to_the_same_in_either_order() {
    for (provider, way) in WAYS {
        for read_first in [true, false] {
            let mut stage = Stage::new().await;
            let dispute_ref = stage.open(dispute(provider, reason(provider), hours(96))).await;
            let courier = Courier::before(&stage, provider).await;
            stage.clock.advance(TimeDelta::minutes(10));
            stage.want(provider, way).await;
            courier.next.store(true, Ordering::Release);
            let reading = stage.reading(way);
            courier.holds.notified().await;
            stage.clock.advance(TimeDelta::milliseconds(400));
            stage.control.change(&dispute_ref, &Change::Lost).unwrap();
            if read_first {
                courier.let_go.notify_one();
                reading.await.unwrap();
                stage.apply_all().await;
            } else {
                stage.apply_all().await;
                courier.let_go.notify_one();
                reading.await.unwrap();
            }
            let what = format!("{provider} {way:?}, the read first: {read_first}");
            assert_eq!(stage.status(&dispute_ref).await, "lost", "{what}");
            stage.settle().await;
            assert_eq!(stage.status(&dispute_ref).await, "lost", "{what}");
            stage.uphold().await;
        }
    }
}
