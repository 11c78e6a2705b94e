//! The handle by which people, the demo and tests drive the sandbox. Cheap to clone. The control port offers
//! the same over HTTP.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::faults::{ApiFault, WebhookFault};
use super::ledger::{LedgerEntry, LedgerTotals, totals};
use super::orders::{Change, ExtraWebhook, NewDispute, NewWarning};
use super::outbox::{Draft, Webhook};
use super::world::{World, instant};
use super::{ProviderKind, delivery};
use crate::clock::Clock;

/// A webhook that takes longer counts as failed (Razorpay's documented limit; Stripe publishes none).
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Redirects count as failures at both providers.
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
        self.0.with(|world, now| match order.provider {
            ProviderKind::Stripe => world.stripe_open(now, order),
            ProviderKind::Razorpay => world.razorpay_open(now, order),
        })
    }

    /// Lets something happen to a dispute at the provider's side. Answers with the record afterwards; for a
    /// new Razorpay phase with the new dispute's.
    ///
    /// # Errors
    /// An unknown dispute, or a change that its provider or its state does not have.
    pub fn change(&self, dispute: &str, change: &Change) -> anyhow::Result<Value> {
        self.0.with(|world, now| match provider_of(world, dispute)? {
            ProviderKind::Stripe => world.stripe_apply(now, dispute, change),
            ProviderKind::Razorpay => world.razorpay_apply(now, dispute, change),
        })
    }

    /// Stripe: an early fraud warning. Answers with its id.
    ///
    /// # Errors
    /// An unknown account.
    pub fn warn(&self, order: &NewWarning) -> anyhow::Result<String> {
        self.0.with(|world, now| world.stripe_warn(now, order))
    }

    /// Sends a webhook that no dispute caused.
    ///
    /// # Errors
    /// An unknown account or dispute.
    pub fn send_extra(&self, order: &ExtraWebhook) -> anyhow::Result<()> {
        self.0.with(|world, now| {
            let account = world.account_index(order.provider, order.account.as_deref())?;
            let draft = extra(world, now, account, order)?;
            world.send_webhook(now, account, draft);
            Ok(())
        })
    }

    pub fn add_api_fault(&self, fault: ApiFault) {
        self.0.with(|world, _| world.faults.api.push(fault));
    }

    pub fn add_webhook_fault(&self, fault: WebhookFault) {
        self.0.with(|world, _| world.faults.webhooks.push(fault));
    }

    pub fn clear_faults(&self) {
        self.0.with(|world, _| world.faults = Default::default());
    }

    /// The faults as they stand, with the turns they have left.
    pub fn faults(&self) -> (Vec<ApiFault>, Vec<WebhookFault>) {
        self.0.quietly(|world, _| (world.faults.api.clone(), world.faults.webhooks.clone()))
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
            let at = world.account_index(provider, account)?;
            world.accounts[at].spec.webhook_url = url.map(str::to_owned);
            world.accounts[at].webhook_disabled = false;
            Ok(())
        })
    }

    /// Stripe: thin notifications from now on, or snapshots again.
    ///
    /// # Errors
    /// An unknown account.
    pub fn set_thin_events(&self, account: Option<&str>, thin: bool) -> anyhow::Result<()> {
        self.0.with(|world, _| {
            let at = world.account_index(ProviderKind::Stripe, account)?;
            world.accounts[at].spec.thin_events = thin;
            Ok(())
        })
    }

    /// Rolls the signing secret. Stripe signs with the old one too for a day; Razorpay repeats older events
    /// with the secret they were first signed with.
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
            let at = world.account_index(provider, account)?;
            let state = &mut world.accounts[at];
            let old = std::mem::replace(&mut state.spec.webhook_secrets, vec![secret.to_owned()]);
            state.retiring = old.into_iter().map(|s| (s, now + TimeDelta::hours(24))).collect();
            Ok(())
        })
    }

    /// Every webhook made so far, in the order they were made.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.0.quietly(|world, _| world.outbox.all().to_vec())
    }

    /// Every accept and submission that reached the stand-ins, in order.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.0.quietly(|world, _| world.ledger.clone())
    }

    pub fn ledger_totals(&self) -> LedgerTotals {
        self.0.quietly(|world, _| totals(&world.ledger))
    }

    /// Every dispute as the providers know it, Stripe's first, each in order of creation.
    pub fn disputes(&self) -> Vec<DisputeView> {
        self.0.with(|world, _| views(world))
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

fn provider_of(world: &World, dispute: &str) -> anyhow::Result<ProviderKind> {
    match (world.stripe.disputes.contains_key(dispute), world.razorpay.disputes.contains_key(dispute)) {
        (true, _) => Ok(ProviderKind::Stripe),
        (false, true) => Ok(ProviderKind::Razorpay),
        (false, false) => bail!("the sandbox has no dispute `{dispute}`"),
    }
}

fn views(world: &World) -> Vec<DisputeView> {
    let account = |at: usize| world.accounts[at].spec.name.clone();
    let mut stripe: Vec<_> = world.stripe.disputes.values().collect();
    stripe.sort_by_key(|d| d.n);
    let stripe = stripe.into_iter().map(|d| DisputeView {
        provider: ProviderKind::Stripe,
        account: account(d.account),
        id: d.id.clone(),
        status: d.status.as_str().to_owned(),
        open: d.status.is_open() && d.takes_a_response(),
        round: d.round,
        amount_minor: d.amount,
        currency: d.currency.to_ascii_uppercase(),
        reason: d.reason.clone(),
        respond_by: d.due_by.filter(|due| *due != 0).map(instant),
        verdict: d.verdict.clone(),
        record: d.json(),
    });
    let mut razorpay: Vec<_> = world.razorpay.disputes.values().collect();
    razorpay.sort_by_key(|d| d.n);
    let razorpay = razorpay.into_iter().map(|d| DisputeView {
        provider: ProviderKind::Razorpay,
        account: account(d.account),
        id: d.id.clone(),
        status: d.status.as_str().to_owned(),
        open: d.status.as_str() == "open",
        round: d.round,
        amount_minor: d.amount,
        currency: d.currency.clone(),
        reason: d.reason_code.clone(),
        respond_by: Some(instant(d.respond_by)),
        verdict: d.verdict.clone(),
        record: d.json(),
    });
    stripe.chain(razorpay).collect()
}

fn extra(
    world: &mut World,
    now: DateTime<Utc>,
    account: usize,
    order: &ExtraWebhook,
) -> anyhow::Result<Draft> {
    let usual = match order.provider {
        ProviderKind::Stripe => "charge.dispute.teleported",
        ProviderKind::Razorpay => "payment.dispute.teleported",
    };
    let event_type = order.event_type.as_deref().unwrap_or(usual);
    let event_ref = order.event_ref.clone().unwrap_or_else(|| match order.provider {
        ProviderKind::Stripe => world.ids.next("evt_x", 23),
        ProviderKind::Razorpay => world.ids.next("x", 13),
    });
    let body = match &order.body {
        Some(body) => Bytes::from(body.clone()),
        None => Bytes::from(made_up(world, now, account, order, event_type, &event_ref)?.to_string()),
    };
    let mut draft = Draft::real(&event_ref, event_type, order.dispute.as_deref(), body);
    draft.signing = order.signing;
    draft.timestamp_offset_s = order.timestamp_offset_s;
    draft.retried = order.retried;
    draft.extra = true;
    Ok(draft)
}

fn made_up(
    world: &World,
    now: DateTime<Utc>,
    account: usize,
    order: &ExtraWebhook,
    event_type: &str,
    event_ref: &str,
) -> anyhow::Result<Value> {
    let missing = |id: &str| format!("no {} dispute `{id}` to send a webhook about", order.provider);
    match (order.provider, &order.dispute) {
        (ProviderKind::Stripe, dispute) => {
            let object = match dispute {
                Some(id) => world.stripe.disputes.get(id).with_context(|| missing(id))?.json(),
                None => json!({ "id": "obj_1", "object": "teleporter" }),
            };
            Ok(json!({
                "id": event_ref,
                "object": "event",
                "api_version": super::accounts::STRIPE_API_VERSION,
                "created": now.timestamp(),
                "data": { "object": object },
                "livemode": false,
                "pending_webhooks": 1,
                "request": { "id": null, "idempotency_key": null },
                "type": event_type,
            }))
        }
        (ProviderKind::Razorpay, Some(id)) => {
            let dispute = world.razorpay.disputes.get(id).with_context(|| missing(id))?;
            Ok(dispute.event(event_type, &world.accounts[account].account_ref, now))
        }
        (ProviderKind::Razorpay, None) => Ok(json!({
            "entity": "event",
            "account_id": world.accounts[account].account_ref,
            "event": event_type,
            "contains": ["teleporter"],
            "payload": { "teleporter": { "entity": { "id": "tele_1" } } },
            "created_at": now.timestamp(),
        })),
    }
}
