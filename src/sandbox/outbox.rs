//! The webhooks a provider owes: what is queued, when it leaves, what came back, when it is tried again.
//! Holds no network: `next_due` hands one out, `settle` takes the result.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::faults::WebhookTrouble;
use super::orders::Signing;
use super::{ProviderKind, SandboxAccount};

/// A webhook that waits for a later one leaves on its own after this long.
const REORDER_WAIT: TimeDelta = TimeDelta::hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// Waits for its time, or for its next try.
    Queued,
    /// Answered with 2xx.
    Delivered,
    /// Lost on purpose: it never left.
    Dropped,
    /// Refused, and not to be tried again.
    Refused,
    /// Tried until the provider's patience ended.
    GaveUp,
    /// The account had no webhook URL, or its endpoint was switched off.
    NoEndpoint,
}

#[derive(Debug, Clone, Serialize)]
pub struct WebhookAttempt {
    pub at: DateTime<Utc>,
    pub status: Option<u16>,
    pub error: Option<String>,
}

/// One webhook, as the list of sent ones shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Webhook {
    pub n: u64,
    pub provider: ProviderKind,
    pub account: String,
    pub event_ref: String,
    pub event_type: String,
    pub dispute_ref: Option<String>,
    pub made_at: DateTime<Utc>,
    /// When it leaves, or left last.
    pub due_at: DateTime<Utc>,
    pub state: WebhookState,
    pub attempts: Vec<WebhookAttempt>,
    /// Which fault it was given.
    pub trouble: Option<String>,
    /// The webhook this is one more copy of.
    pub copy_of: Option<u64>,
    /// No dispute caused it: it was ordered.
    pub extra: bool,
    #[serde(skip)]
    pub(super) body: Bytes,
    #[serde(skip)]
    pub(super) signing: Signing,
    #[serde(skip)]
    pub(super) timestamp_offset_s: i64,
    /// The secret that was newest when the event happened, for providers that sign every try with that one.
    #[serde(skip)]
    pub(super) secret: Option<String>,
    #[serde(skip)]
    pub(super) retried: bool,
    #[serde(skip)]
    waits_for_next: bool,
    #[serde(skip)]
    order: u64,
}

/// A webhook to be queued.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub event_ref: String,
    pub event_type: String,
    pub dispute_ref: Option<String>,
    pub body: Bytes,
    pub signing: Signing,
    pub timestamp_offset_s: i64,
    pub retried: bool,
    pub extra: bool,
}

impl Draft {
    pub fn real(event_ref: &str, event_type: &str, dispute_ref: Option<&str>, body: Bytes) -> Self {
        Self {
            event_ref: event_ref.to_owned(),
            event_type: event_type.to_owned(),
            dispute_ref: dispute_ref.map(str::to_owned),
            body,
            signing: Signing::Valid,
            timestamp_offset_s: 0,
            retried: true,
            extra: false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    webhooks: Vec<Webhook>,
    /// What waits, by the instant it leaves, then by the order it was queued in; last, its `n`.
    due: BTreeSet<(DateTime<Utc>, u64, u64)>,
    queued: u64,
}

impl Outbox {
    /// Queues a webhook, with whatever trouble was ordered for it.
    pub fn push(
        &mut self,
        draft: Draft,
        account: &SandboxAccount,
        disabled: bool,
        at: DateTime<Utc>,
        trouble: Option<WebhookTrouble>,
    ) {
        let webhook = self.make(draft, account, at);
        let released: Vec<u64> = self.waiting_for(&webhook.account, webhook.provider);
        let no_endpoint = account.webhook_url.is_none() || disabled;
        let n = self.add(webhook, no_endpoint);
        if let (Some(trouble), false) = (trouble, no_endpoint) {
            self.apply(n, trouble);
        }
        for earlier in released {
            self.reschedule(earlier, at);
        }
    }

    fn make(&self, draft: Draft, account: &SandboxAccount, at: DateTime<Utc>) -> Webhook {
        Webhook {
            n: 0,
            provider: account.provider,
            account: account.name.clone(),
            event_ref: draft.event_ref,
            event_type: draft.event_type,
            dispute_ref: draft.dispute_ref,
            made_at: at,
            due_at: at,
            state: WebhookState::Queued,
            attempts: vec![],
            trouble: None,
            copy_of: None,
            extra: draft.extra,
            body: draft.body,
            signing: draft.signing,
            timestamp_offset_s: draft.timestamp_offset_s,
            secret: account.webhook_secrets.first().cloned(),
            retried: draft.retried,
            waits_for_next: false,
            order: 0,
        }
    }

    fn add(&mut self, mut webhook: Webhook, no_endpoint: bool) -> u64 {
        webhook.n = self.webhooks.len() as u64;
        let n = webhook.n;
        let at = webhook.due_at;
        if no_endpoint {
            webhook.state = WebhookState::NoEndpoint;
        }
        self.webhooks.push(webhook);
        if !no_endpoint {
            self.queue(n, at);
        }
        n
    }

    fn apply(&mut self, n: u64, trouble: WebhookTrouble) {
        let webhook = &mut self.webhooks[n as usize];
        let at = webhook.due_at;
        match trouble {
            WebhookTrouble::Drop => {
                webhook.trouble = Some("dropped".to_owned());
                webhook.state = WebhookState::Dropped;
                self.due.remove(&(at, webhook.order, n));
            }
            WebhookTrouble::Delay { by_s } => {
                webhook.trouble = Some(format!("delayed by {by_s} s"));
                self.reschedule(n, at + TimeDelta::seconds(i64::from(by_s)));
            }
            WebhookTrouble::Duplicate { copies } => {
                webhook.trouble = Some(format!("sent {copies} more times"));
                let copy = Webhook { copy_of: Some(n), trouble: None, ..webhook.clone() };
                for _ in 0..copies {
                    self.add(copy.clone(), false);
                }
            }
            WebhookTrouble::Reorder => {
                webhook.trouble = Some("after its successor".to_owned());
                webhook.waits_for_next = true;
                self.reschedule(n, at + REORDER_WAIT);
            }
        }
    }

    fn waiting_for(&self, account: &str, provider: ProviderKind) -> Vec<u64> {
        let queued = self.due.iter().map(|(_, _, n)| &self.webhooks[*n as usize]);
        queued
            .filter(|w| w.waits_for_next && w.account == account && w.provider == provider)
            .map(|w| w.n)
            .collect()
    }

    /// Moves a queued webhook to `at`, behind everything already queued for that instant.
    fn reschedule(&mut self, n: u64, at: DateTime<Utc>) {
        let webhook = &self.webhooks[n as usize];
        self.due.remove(&(webhook.due_at, webhook.order, n));
        self.queue(n, at);
    }

    fn queue(&mut self, n: u64, at: DateTime<Utc>) {
        self.queued += 1;
        let webhook = &mut self.webhooks[n as usize];
        webhook.due_at = at;
        webhook.order = self.queued;
        self.due.insert((at, self.queued, n));
    }

    /// Takes the first webhook that is due. It stays out of the queue until [`Outbox::settle`].
    pub fn next_due(&mut self, now: DateTime<Utc>) -> Option<Webhook> {
        let first = *self.due.first().filter(|(at, _, _)| *at <= now)?;
        self.due.remove(&first);
        let (_, _, n) = first;
        Some(self.webhooks[n as usize].clone())
    }

    pub fn next_due_at(&self) -> Option<DateTime<Utc>> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// Records a try, `taken` if the provider believes that it arrived. Answers whether the provider's
    /// `patience` with the endpoint ended with it.
    pub fn settle(&mut self, n: u64, attempt: WebhookAttempt, taken: bool, patience: TimeDelta) -> bool {
        let webhook = &mut self.webhooks[n as usize];
        let at = attempt.at;
        webhook.attempts.push(attempt);
        if taken {
            webhook.state = WebhookState::Delivered;
            return false;
        }
        if !webhook.retried {
            webhook.state = WebhookState::Refused;
            return false;
        }
        let again = at + backoff(webhook.attempts.len());
        if again > webhook.made_at + patience {
            webhook.state = WebhookState::GaveUp;
            return true;
        }
        self.queue(n, again);
        false
    }

    pub fn endpoint_gone(&mut self, n: u64) {
        self.webhooks[n as usize].state = WebhookState::NoEndpoint;
    }

    pub fn all(&self) -> &[Webhook] {
        &self.webhooks
    }

    /// Whether the provider believes that every copy of the event arrived. One dropped on the way counts.
    pub fn arrived(&self, event_ref: &str) -> bool {
        let of_event = self.webhooks.iter().filter(|w| w.event_ref == event_ref);
        of_event.map(|w| w.state).all(|state| match state {
            WebhookState::Delivered | WebhookState::Dropped | WebhookState::NoEndpoint => true,
            WebhookState::Queued | WebhookState::Refused | WebhookState::GaveUp => false,
        })
    }
}

/// Providers back off exponentially and few publish numbers: a minute, doubled each time, at most twelve hours.
fn backoff(attempts: usize) -> TimeDelta {
    let doublings = attempts.saturating_sub(1).min(10);
    TimeDelta::minutes(1 << doublings).min(TimeDelta::hours(12))
}
