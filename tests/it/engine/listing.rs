//! A provider's list that stumbles: a cursor that is no longer good, a row that could not be read with the others, and
//! fetches of disputes that nobody knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use respondby::store::watermarks::{self, Gap};
use respondby::store::{deliveries, fetches};
use respondby::worker::{self, Stepped};

use super::stage::{RAZORPAY, STRIPE, Setup, Stage, dispute, fraud, hours};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use respondby::dispute::Capabilities;
use respondby::evidence::{Packet, Sending};
use respondby::providers::{
    Account, Acknowledgement, Answer, Call, Delivery, Kept, NotReady, Page, Provider, ProviderName, Reading,
    Record, Refusal, Target, Uploaded, Verified,
};

/// Answers its lists as it is told to, one after the other, and then as the stand-in does. Of some disputes it says
/// that there are none.
struct Odd {
    inner: Arc<dyn Provider>,
    lists: Mutex<VecDeque<Answer<Page>>>,
    cursors: Mutex<Vec<Option<String>>>,
    /// How often each of those that are not there was asked for.
    nowhere: Mutex<BTreeMap<String, usize>>,
    /// Every list is refused with this status, until it is 0.
    revoked: AtomicU16,
}

fn refused<T>(status: u16, code: &str) -> Answer<T> {
    Answer::Refused { status, code: Some(code.into()), reason: "no".into() }
}

fn page(reading: Option<Reading>, next: Option<&str>) -> Answer<Page> {
    let record = |reading| Record { reading, raw: Bytes::new(), as_of: super::stage::start_of_time() };
    Answer::Receipt(Page {
        records: reading.map(record).into_iter().collect(),
        next: next.map(str::to_owned),
    })
}

impl Odd {
    fn cursors(&self) -> Vec<Option<String>> {
        self.cursors.lock().unwrap().clone()
    }

    fn loses(&self, dispute_ref: &str) {
        self.nowhere.lock().unwrap().insert(dispute_ref.to_owned(), 0);
    }

    fn finds(&self, dispute_ref: &str) {
        self.nowhere.lock().unwrap().remove(dispute_ref);
    }

    fn asked_for(&self, dispute_ref: &str) -> usize {
        self.nowhere.lock().unwrap()[dispute_ref]
    }
}

impl Provider for Odd {
    fn name(&self) -> ProviderName {
        self.inner.name()
    }
    fn capabilities(&self) -> &'static Capabilities {
        self.inner.capabilities()
    }
    fn prepare<'a>(
        &'a self,
        delivery: &'a Delivery,
        account: &'a Account,
    ) -> Option<BoxFuture<'a, Result<(), NotReady>>> {
        self.inner.prepare(delivery, account)
    }
    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        self.inner.verify(delivery, account, now)
    }
    fn acknowledgement(&self) -> Acknowledgement {
        self.inner.acknowledgement()
    }
    fn events(&self, kept: &Kept<'_>) -> Reading {
        self.inner.events(kept)
    }
    fn fetch<'a>(&'a self, account: &'a Account, dispute_ref: &'a str) -> Call<'a, Record> {
        match self.nowhere.lock().unwrap().get_mut(dispute_ref) {
            Some(times) => {
                *times += 1;
                Box::pin(async { (refused(404, "resource_missing"), Vec::new()) })
            }
            None => self.inner.fetch(account, dispute_ref),
        }
    }
    fn list_changed_since<'a>(
        &'a self,
        account: &'a Account,
        since: DateTime<Utc>,
        cursor: Option<String>,
    ) -> Call<'a, Page> {
        self.cursors.lock().unwrap().push(cursor.clone());
        let status = self.revoked.load(Ordering::Relaxed);
        if status > 0 {
            return Box::pin(async move { (refused(status, "revoked"), Vec::new()) });
        }
        match self.lists.lock().unwrap().pop_front() {
            Some(answer) => Box::pin(async { (answer, Vec::new()) }),
            None => self.inner.list_changed_since(account, since, cursor),
        }
    }
    fn accept<'a>(&'a self, account: &'a Account, target: Target<'a>, key: &'a str) -> Call<'a, Record> {
        self.inner.accept(account, target, key)
    }
    fn stage_evidence<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        self.inner.stage_evidence(account, target, sending, key)
    }
    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        self.inner.submit(account, target, sending, key)
    }
    fn upload<'a>(
        &'a self,
        account: &'a Account,
        name: &'a str,
        media_type: &'a str,
        content: Bytes,
        key: &'a str,
    ) -> Call<'a, Uploaded> {
        self.inner.upload(account, name, media_type, content, key)
    }
    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        self.inner.lint(packet, submit)
    }
}

impl Stage {
    /// Once the first listings are over.
    async fn odd(&mut self, lists: impl IntoIterator<Item = Answer<Page>>) -> Arc<Odd> {
        self.settle().await;
        let world = &mut self.engine.shop.world;
        let odd = Arc::new(Odd {
            inner: world.registry.get(ProviderName::Stripe).clone(),
            lists: Mutex::new(lists.into_iter().collect()),
            cursors: Mutex::default(),
            nowhere: Mutex::default(),
            revoked: AtomicU16::new(0),
        });
        world.registry = world.registry.with(odd.clone());
        odd
    }

    /// A dispute that no webhook tells of.
    async fn unheard(&mut self) -> String {
        self.control.set_webhook_url(STRIPE, Some("acme"), None).unwrap();
        let dispute_ref = self.create(fraud(STRIPE, hours(96)));
        self.settle().await;
        assert!(self.known(&dispute_ref).await.is_none());
        dispute_ref
    }
}

#[tokio::test]
async fn a_listing_whose_cursor_goes_bad_starts_anew() {
    let mut stage = Stage::new().await;
    let odd = stage.odd([page(None, Some("gone")), refused(400, "INVALID_CURSOR")]).await;
    let dispute_ref = stage.unheard().await;
    stage.advance(hours(14)).await;
    assert_eq!(odd.cursors()[..3], [None, Some("gone".to_owned()), None]);
    assert!(stage.known(&dispute_ref).await.is_some());
    stage.uphold().await;
}

#[tokio::test]
async fn a_listing_that_is_put_off_goes_on_where_it_was() {
    let mut stage = Stage::new().await;
    let later = Answer::Retry { after: None, why: "HTTP 503".into() };
    let odd = stage.odd([page(None, Some("half")), later, page(None, None)]).await;
    stage.advance(hours(7)).await;
    assert_eq!(odd.cursors()[..3], [None, Some("half".to_owned()), Some("half".to_owned())]);
}

#[tokio::test]
async fn a_row_that_is_only_named_is_fetched_by_itself() {
    let mut stage = Stage::new().await;
    let odd = stage.odd([]).await;
    let dispute_ref = stage.unheard().await;
    let named = Reading::FetchFirst { dispute_ref: dispute_ref.clone(), name: "a list".into() };
    odd.lists.lock().unwrap().push_back(page(Some(named), None));
    stage.advance(hours(7)).await;
    assert!(stage.known(&dispute_ref).await.is_some());
    assert_eq!(stage.deliveries("quarantined").await, 0);
    stage.uphold().await;
}

impl Stage {
    /// The merchant and the account of a dispute.
    async fn account_of(&self, dispute_ref: &str) -> (i64, i64) {
        sqlx::query_as("select merchant_id, account_id from disputes where dispute_ref = $1")
            .bind(dispute_ref)
            .fetch_one(&self.db.pool)
            .await
            .unwrap()
    }

    async fn want_fetches(&self, account: (i64, i64), refs: &[String], unknown_max: i64) -> usize {
        let rows: Vec<_> = refs.iter().map(|r| (account.0, account.1, r.clone(), None)).collect();
        let mut conn = self.db.pool.acquire().await.unwrap();
        fetches::want(&mut conn, &rows, unknown_max, self.clock.now()).await.unwrap().len()
    }

    async fn waiting(&self) -> Vec<String> {
        sqlx::query_scalar("select dispute_ref from fetches order by 1")
            .fetch_all(&self.db.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_dispute_that_is_nowhere_is_given_up_and_one_that_is_known_never() {
    let mut stage = Stage::new().await;
    let known = stage.open(fraud(STRIPE, hours(96))).await;
    let account = stage.account_of(&known).await;
    let odd = stage.odd([]).await;
    for dispute_ref in ["dp_forged", &known] {
        odd.loses(dispute_ref);
        assert_eq!(stage.want_fetches(account, &[dispute_ref.to_owned()], 10).await, 1);
    }
    stage.advance(TimeDelta::minutes(30)).await;
    assert_eq!(stage.waiting().await.len(), 2, "a provider may name a dispute a little before it shows it");
    stage.advance(hours(9)).await;
    assert_eq!(stage.waiting().await, [known]);
    assert_eq!(odd.asked_for("dp_forged"), 5);
}

/// A dispute that five webhooks name within a second may be shown a second later.
#[tokio::test]
async fn refusals_in_a_row_are_one_refusal() {
    let mut stage = Stage::new().await;
    let known = stage.open(fraud(STRIPE, hours(96))).await;
    let account = stage.account_of(&known).await;
    let odd = stage.odd([]).await;
    odd.loses("dp_slow");
    for _ in 0..8 {
        assert_eq!(stage.want_fetches(account, &["dp_slow".to_owned()], 10).await, 1);
        stage.settle().await;
        stage.advance(TimeDelta::seconds(1)).await;
    }
    assert_eq!(odd.asked_for("dp_slow"), 8, "it is asked for each time");
    assert_eq!(stage.waiting().await, ["dp_slow"]);
    stage.advance(hours(9)).await;
    assert!(stage.waiting().await.is_empty(), "and given up some time");
}

#[tokio::test]
async fn a_webhook_whose_dispute_is_given_up_waits_for_a_person_who_hears_of_it() {
    let mut stage = Stage::with(Setup { thin_events: true, ..Setup::default() }).await;
    let odd = stage.odd([]).await;
    let dispute_ref = stage.create(fraud(STRIPE, hours(96)));
    odd.loses(&dispute_ref);
    // No list tells of it either.
    odd.lists.lock().unwrap().extend((0..4).map(|_| page(None, None)));
    stage.advance(hours(3)).await;
    assert_eq!(stage.deliveries("quarantined").await, 0, "it may be shown yet");
    stage.advance(hours(6)).await;
    assert!(stage.waiting().await.is_empty() && stage.known(&dispute_ref).await.is_none());
    let notes: Vec<String> = sqlx::query_scalar("select note from deliveries where state = 'quarantined'")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap();
    assert!(notes.len() == 1 && notes[0].contains(&dispute_ref), "{notes:?}");
    let told: Vec<String> =
        sqlx::query_scalar("select severity from alerts where kind = 'webhook_not_understood'")
            .fetch_all(&stage.db.pool)
            .await
            .unwrap();
    assert_eq!(told, ["warning"], "stripe's list would tell of it");
    // Sent round again it is asked for again, and this time it is there.
    odd.finds(&dispute_ref);
    let mut conn = stage.db.pool.acquire().await.unwrap();
    assert_eq!(deliveries::requeue_quarantined(&mut conn).await.unwrap().len(), 1);
    drop(conn);
    stage.settle().await;
    assert!(stage.known(&dispute_ref).await.is_some());
}

#[tokio::test]
async fn what_is_asked_for_while_it_is_being_read_is_read_once_more() {
    let mut stage = Stage::new().await;
    let known = stage.open(fraud(STRIPE, hours(96))).await;
    let account = stage.account_of(&known).await;
    let refs = ["dp_read", "dp_put_off", "dp_refused"].map(str::to_owned);
    for (asked_since, left) in [(false, 0), (true, 3)] {
        assert_eq!(stage.want_fetches(account, &refs, 10).await, 3);
        let mut conn = stage.db.pool.acquire().await.unwrap();
        let now = stage.clock.now();
        let claimed = fetches::claim(&mut conn, now, TimeDelta::minutes(5), 8).await.unwrap();
        assert_eq!(claimed.len(), 3);
        if asked_since {
            // As long as a lease, or longer: the reader has lost it, and nobody has taken it up.
            stage.clock.advance(TimeDelta::minutes(5));
            assert_eq!(stage.want_fetches(account, &refs, 10).await, 3);
        }
        let later = now + hours(9);
        let refusals = fetches::Refusals { max: 1, apart: TimeDelta::minutes(10) };
        for read in &claimed {
            match read.dispute_ref.as_str() {
                "dp_put_off" => _ = fetches::settle(&mut conn, read, Some((later, "busy"))).await.unwrap(),
                "dp_refused" => {
                    _ = fetches::refuse(&mut conn, read, refusals, (later, "404"), now).await.unwrap();
                }
                _ => _ = fetches::settle(&mut conn, read, None).await.unwrap(),
            }
        }
        let due: i64 = sqlx::query_scalar("select count(*) from fetches where due_at <= $1")
            .bind(stage.clock.now())
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        assert_eq!(due, left, "asked for since: {asked_since}");
        sqlx::query("delete from fetches").execute(&mut *conn).await.unwrap();
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_for_a_day_is_told_once() {
    let told = async |stage: &Stage| -> Vec<String> {
        sqlx::query_scalar("select severity from alerts where kind = 'record_not_read'")
            .fetch_all(&stage.db.pool)
            .await
            .unwrap()
    };
    // Quiet, or asked for by a webhook.
    for asked in [false, true] {
        let mut stage = Stage::new().await;
        let known = stage.open(dispute(STRIPE, "general", hours(24 * 20))).await;
        let account = stage.account_of(&known).await;
        let odd = stage.odd([]).await;
        stage.advance(hours(24 * 3)).await;
        odd.loses(&known);
        if asked {
            assert_eq!(stage.want_fetches(account, std::slice::from_ref(&known), 10).await, 1);
        }
        stage.advance(hours(17)).await;
        assert!(odd.asked_for(&known) > 1 && told(&stage).await.is_empty(), "asked: {asked}");
        stage.advance(hours(14)).await;
        assert_eq!(told(&stage).await, ["warning"], "asked: {asked}");
        stage.advance(hours(48)).await;
        assert_eq!(told(&stage).await, ["warning"], "asked: {asked}");
    }
}

#[tokio::test]
async fn disputes_that_nobody_knows_wait_in_bounded_numbers_and_hold_up_no_other() {
    let mut stage = Stage::new().await;
    let known = stage.open(fraud(STRIPE, hours(96))).await;
    let account = stage.account_of(&known).await;
    let forged = |from: usize, n: usize| -> Vec<String> {
        (from..from + n).map(|n| format!("dp_forged{n}")).collect()
    };
    assert_eq!(stage.want_fetches(account, &forged(0, 7), 10).await, 7);
    assert_eq!(
        stage.want_fetches(account, &forged(4, 7), 10).await,
        6,
        "three wait already, and three find room"
    );
    assert_eq!(stage.want_fetches(account, &forged(20, 3), 10).await, 0);
    assert_eq!(stage.want_fetches(account, &[forged(30, 1), vec![known.clone()]].concat(), 10).await, 1);
    assert!(stage.waiting().await.contains(&known));
    // Another account has room of its own.
    let other = stage.open(dispute(RAZORPAY, "RZP00", hours(96))).await;
    let other = stage.account_of(&other).await;
    stage.settle().await;
    assert_eq!(stage.want_fetches(other, &forged(0, 3), 10).await, 3);
}

#[tokio::test]
async fn a_webhook_whose_dispute_finds_no_room_waits_for_a_person() {
    let mut stage = Stage::with(Setup { thin_events: true, ..Setup::default() }).await;
    let known = stage.open(fraud(STRIPE, hours(96))).await;
    let account = stage.account_of(&known).await;
    let forged: Vec<String> = (0..1_000).map(|n| format!("dp_forged{n}")).collect();
    assert_eq!(stage.want_fetches(account, &forged, 1_000).await, 1_000);
    stage.create(fraud(STRIPE, hours(96)));
    stage.control.flush().await;
    while matches!(worker::apply(&stage.engine.shop).await.unwrap(), Stepped::Did(_)) {}
    let notes: Vec<String> = sqlx::query_scalar("select note from deliveries where state = 'quarantined'")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap();
    assert!(!notes.is_empty() && notes.iter().all(|n| n.contains("1000 such disputes wait")), "{notes:?}");
    assert_eq!(stage.waiting().await.len(), 1_000);
}

impl Stage {
    async fn gap(&self) -> Gap {
        let mut conn = self.db.pool.acquire().await.unwrap();
        let gaps = watermarks::gaps(&mut conn).await.unwrap();
        gaps.into_iter().find(|gap| gap.provider == "stripe").unwrap()
    }

    /// The severity of what the watchdog says of accounts that cannot be listed, and whether it still stands.
    async fn told_of_failing(&self) -> Vec<String> {
        worker::watch(&self.engine.shop).await.unwrap();
        sqlx::query_scalar(
            "select severity || case when state in ('raised', 'sent') then ' stands' else ' ' || state end
             from alerts where kind = 'polls_failing' order by alert_id",
        )
        .fetch_all(&self.db.pool)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn polls_that_keep_failing_are_told_of_once_until_they_go_through_again() {
    let mut stage = Stage::new().await;
    let odd = stage.odd([]).await;
    let polled_at = stage.gap().await.last_poll_at;
    assert!(polled_at.is_some());
    odd.revoked.store(401, Ordering::Relaxed);
    stage.advance(hours(17)).await;
    assert_eq!(stage.told_of_failing().await, Vec::<String>::new(), "a bad hour is nobody's business");
    stage.open(dispute(STRIPE, "general", hours(400))).await;
    stage.advance(hours(2)).await;
    assert_eq!(stage.told_of_failing().await, ["warning stands"]);
    stage.advance(hours(29)).await;
    assert_eq!(stage.told_of_failing().await, ["warning stands"]);
    let gap = stage.gap().await;
    assert_eq!(gap.last_poll_at, polled_at, "48 hours later the last poll is what it was");
    assert_eq!(gap.failing_since, Some(stage.clock.now() - hours(42)));
    assert!(gap.last_poll_error.is_some_and(|why| why.contains("401")));
    odd.revoked.store(0, Ordering::Relaxed);
    stage.advance(hours(7)).await;
    assert_eq!(stage.told_of_failing().await, ["warning resolved"]);
    let gap = stage.gap().await;
    assert!(gap.last_poll_at > polled_at && gap.failing_since.is_none() && gap.last_poll_error.is_none());
}

#[tokio::test]
async fn an_account_of_which_nothing_is_heard_in_any_way_is_a_page() {
    let mut stage = Stage::new().await;
    let odd = stage.odd([]).await;
    odd.revoked.store(503, Ordering::Relaxed);
    stage.advance(hours(19)).await;
    assert_eq!(stage.told_of_failing().await, ["page stands"]);
    stage.settle().await;
    stage.advance(hours(19)).await;
    assert_eq!(stage.told_of_failing().await, ["page stands"]);
    odd.revoked.store(0, Ordering::Relaxed);
    stage.advance(hours(7)).await;
    assert_eq!(stage.told_of_failing().await, ["page resolved"]);
}
