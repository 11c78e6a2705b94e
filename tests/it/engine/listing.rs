//! A provider's list that stumbles: a cursor that is no longer good, a row that could not be read with the others, and
//! fetches of disputes that nobody knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::stage::{STRIPE, Stage, fraud, hours};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use respondby::dispute::Capabilities;
use respondby::evidence::{Packet, Sending};
use respondby::providers::{
    Account, Acknowledgement, Answer, Call, Delivery, Kept, NotReady, Page, Provider, ProviderName, Reading,
    Record, Refusal, Uploaded, Verified,
};

/// Answers its lists as it is told to, one after the other, and then as the stand-in does. Of some disputes it says
/// that there are none.
struct Odd {
    inner: Arc<dyn Provider>,
    lists: Mutex<VecDeque<Answer<Page>>>,
    cursors: Mutex<Vec<Option<String>>>,
    /// How often each of those that are not there was asked for.
    nowhere: Mutex<BTreeMap<String, usize>>,
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
        match self.lists.lock().unwrap().pop_front() {
            Some(answer) => Box::pin(async { (answer, Vec::new()) }),
            None => self.inner.list_changed_since(account, since, cursor),
        }
    }
    fn accept<'a>(&'a self, account: &'a Account, dispute_ref: &'a str, key: &'a str) -> Call<'a, Record> {
        self.inner.accept(account, dispute_ref, key)
    }
    fn stage_evidence<'a>(
        &'a self,
        account: &'a Account,
        dispute_ref: &'a str,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        self.inner.stage_evidence(account, dispute_ref, sending, key)
    }
    fn submit<'a>(
        &'a self,
        account: &'a Account,
        dispute_ref: &'a str,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        self.inner.submit(account, dispute_ref, sending, key)
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
