//! The handle by which people, the demo and tests drive the sandbox. Cheap to clone. The control port offers
//! the same over HTTP.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::bail;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;

use super::faults::{ApiFault, Weather, WebhookFault};
use super::ledger::{LedgerEntry, LedgerTotals, totals};
use super::orders::{Change, ExtraWebhook, NewDispute, NewWarning};
use super::outbox::Webhook;
use super::stand_in::check_setting;
use super::world::World;
use super::{ProviderKind, delivery};
use crate::clock::Clock;

/// A webhook that takes longer counts as failed (Razorpay's documented limit; Stripe publishes none).
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Redirects count as failures at every provider.
fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(WEBHOOK_TIMEOUT)
}

/// What the servers, the deliverer and the handles share.
#[derive(Debug)]
pub(super) struct Shared {
    pub clock: Clock,
    world: Mutex<World>,
    /// Told whenever something may have become due.
    pub news: Notify,
    /// Held by whoever delivers webhooks: one at a time, so that their order is theirs alone.
    pub delivering: tokio::sync::Mutex<()>,
    /// For webhooks to plain addresses nearby: past any proxy, and without reading the machine's
    /// certificates, which takes longer than starting everything else.
    pub plain: reqwest::Client,
    secure: OnceLock<reqwest::Client>,
}

impl Shared {
    pub fn new(clock: Clock, world: World) -> reqwest::Result<Self> {
        Ok(Self {
            clock,
            world: Mutex::new(world),
            news: Notify::new(),
            delivering: Default::default(),
            plain: client().no_proxy().tls_certs_only([]).build()?,
            secure: OnceLock::new(),
        })
    }

    /// The client for a webhook address.
    ///
    /// # Errors
    /// The machine's certificates cannot be read.
    pub fn client_for(&self, url: &str) -> reqwest::Result<reqwest::Client> {
        if !url.starts_with("https:") {
            return Ok(self.plain.clone());
        }
        match self.secure.get() {
            Some(made) => Ok(made.clone()),
            None => {
                let made = client().build()?;
                Ok(self.secure.get_or_init(|| made).clone())
            }
        }
    }

    /// Works on the settled world at the sandbox's now, and wakes the deliverer.
    pub fn with<T>(&self, work: impl FnOnce(&mut World, DateTime<Utc>) -> T) -> T {
        let done = self.quietly(work);
        self.news.notify_one();
        done
    }

    /// The same for the deliverer itself.
    pub fn quietly<T>(&self, work: impl FnOnce(&mut World, DateTime<Utc>) -> T) -> T {
        let now = self.clock.now();
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle(now);
        work(&mut world, now)
    }
}

/// A dispute as the provider knows it.
#[derive(Debug, Clone, Serialize)]
pub struct DisputeView {
    pub provider: ProviderKind,
    pub account: String,
    pub id: String,
    /// The provider's word.
    pub status: String,
    /// Whether the provider waits for a response.
    pub open: bool,
    /// 1 for the first response asked for; counts on when asked again.
    pub round: u32,
    /// Minor units.
    pub amount_minor: i64,
    pub currency: String,
    pub reason: String,
    /// Absent where no response is possible.
    pub respond_by: Option<DateTime<Utc>>,
    /// What the bank will say, and when, if that is known already.
    pub verdict: Option<(DateTime<Utc>, String)>,
    /// The whole record, as the API shows it.
    pub record: Value,
}

/// Drives a running sandbox.
#[derive(Debug, Clone)]
pub struct Control(pub(super) Arc<Shared>);

impl Control {
    /// Opens a dispute, with its webhooks. Answers with its id.
    ///
    /// # Errors
    /// An unknown account, status, phase or test card, or an id that is taken.
    pub fn create(&self, order: &NewDispute) -> anyhow::Result<String> {
        self.0.with(|world, now| world.open(now, order))
    }

    /// Lets something happen to a dispute at the provider's side. Answers with the record afterwards; where
    /// the next phase is a dispute of its own, with that one's.
    ///
    /// # Errors
    /// An unknown dispute, or a change that its provider or its state does not have.
    pub fn change(&self, dispute: &str, change: &Change) -> anyhow::Result<Value> {
        self.0.with(|world, now| world.apply(now, dispute, change))
    }

    /// A warning of fraud before any dispute. Answers with its id.
    ///
    /// # Errors
    /// A provider that has none, or an unknown account.
    pub fn warn(&self, order: &NewWarning) -> anyhow::Result<String> {
        self.0.with(|world, now| world.warn(now, order))
    }

    /// Sends a webhook that no dispute caused.
    ///
    /// # Errors
    /// An unknown account or dispute.
    pub fn send_extra(&self, order: &ExtraWebhook) -> anyhow::Result<()> {
        self.0.with(|world, now| world.send_extra(now, order))
    }

    pub fn add_api_fault(&self, fault: ApiFault) {
        self.0.with(|world, _| world.office.faults.api.push(fault));
    }

    pub fn add_webhook_fault(&self, fault: WebhookFault) {
        self.0.with(|world, _| world.office.faults.webhooks.push(fault));
    }

    /// The same weather for every provider's webhooks, after the faults that were ordered before.
    pub fn set_weather(&self, weather: &Weather) {
        let everywhere = ProviderKind::ALL.iter().flat_map(|provider| weather.faults(*provider));
        self.0.with(|world, _| world.office.faults.webhooks.extend(everywhere));
    }

    pub fn clear_faults(&self) {
        self.0.with(|world, _| world.office.faults = Default::default());
    }

    /// The faults as they stand, with the turns they have left.
    pub fn faults(&self) -> (Vec<ApiFault>, Vec<WebhookFault>) {
        self.0.quietly(|world, _| (world.office.faults.api.clone(), world.office.faults.webhooks.clone()))
    }

    /// Where the account's webhooks go from now on.
    ///
    /// # Errors
    /// An unknown account.
    pub fn set_webhook_url(
        &self,
        provider: ProviderKind,
        account: Option<&str>,
        url: Option<&str>,
    ) -> anyhow::Result<()> {
        self.0.with(|world, _| {
            let at = world.office.account_index(provider, account)?;
            world.office.accounts[at].spec.webhook_url = url.map(str::to_owned);
            world.office.accounts[at].webhook_disabled = false;
            Ok(())
        })
    }

    /// Gives the account a setting from now on.
    ///
    /// # Errors
    /// An unknown account, or a setting that the provider's accounts do not have.
    pub fn set_setting(
        &self,
        provider: ProviderKind,
        account: Option<&str>,
        name: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        self.0.with(|world, _| {
            check_setting(&world.stand_in(provider).facts(), provider, name)?;
            let at = world.office.account_index(provider, account)?;
            world.office.accounts[at].spec.settings.insert(name.to_owned(), value.to_owned());
            Ok(())
        })
    }

    /// Rolls the signing secret. Some providers sign with the old one too for a day; others repeat older
    /// events with the secret they were first signed with.
    ///
    /// # Errors
    /// An unknown account.
    pub fn roll_webhook_secret(
        &self,
        provider: ProviderKind,
        account: Option<&str>,
        secret: &str,
    ) -> anyhow::Result<()> {
        self.0.with(|world, now| {
            let at = world.office.account_index(provider, account)?;
            let state = &mut world.office.accounts[at];
            let old = std::mem::replace(&mut state.spec.webhook_secrets, vec![secret.to_owned()]);
            state.retiring = old.into_iter().map(|s| (s, now + TimeDelta::hours(24))).collect();
            Ok(())
        })
    }

    /// Every webhook made so far, in the order they were made.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.0.quietly(|world, _| world.office.outbox.all().to_vec())
    }

    /// Every accept and submission that reached the stand-ins, in order.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.0.quietly(|world, _| world.office.ledger.clone())
    }

    pub fn ledger_totals(&self) -> LedgerTotals {
        self.0.quietly(|world, _| totals(&world.office.ledger))
    }

    /// Every dispute as the providers know it, in the registry's order and each in order of creation.
    pub fn disputes(&self) -> Vec<DisputeView> {
        self.0.with(|world, _| world.views())
    }

    pub fn dispute(&self, id: &str) -> Option<DisputeView> {
        self.disputes().into_iter().find(|view| view.id == id)
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// Moves the clock the sandbox was started with, and lets what became due happen.
    ///
    /// # Errors
    /// The clock is the machine's own, which does not move.
    pub fn advance(&self, by: TimeDelta) -> anyhow::Result<DateTime<Utc>> {
        let before = self.0.clock.now();
        self.0.clock.advance(by);
        if self.0.clock.now() - before < by {
            bail!(
                "the sandbox runs on the machine's clock, which cannot be moved: start it with a movable one"
            );
        }
        self.tick();
        Ok(self.0.clock.now())
    }

    /// Lets what became due by the sandbox's clock happen: lapses, decisions, webhooks.
    pub fn tick(&self) {
        self.0.with(|_, _| ());
    }

    /// Returns when every webhook that is due at the sandbox's now has been delivered, refused or dropped.
    pub async fn flush(&self) {
        delivery::deliver_due(&self.0).await;
    }
}
