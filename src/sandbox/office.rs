//! What the stand-ins share: ids, dice, accounts, the outbox, faults, the ledger of irreversible calls, and
//! the timers of what becomes due by itself. Knows no provider.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::accounts::AccountState;
use super::faults::{CallSubject, Faults, Operation, Trouble, WebhookSubject};
use super::ids::Ids;
use super::ledger::{Irreversible, LedgerEntry, LedgerResult};
use super::outbox::{Draft, Outbox};
use super::{ProviderKind, SandboxAccount};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timer {
    /// Nobody may have answered: look whether the deadline passed.
    Lapse { provider: ProviderKind, dispute: String },
    /// The bank decides on what was submitted.
    Decide { provider: ProviderKind, dispute: String },
}

/// What follows by itself, as it was ordered with the dispute.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub outcome: Option<String>,
    pub decide_after_s: i64,
    pub lapse_grace_s: i64,
    pub resubmittable: bool,
}

impl Plan {
    pub fn of(order: &super::orders::NewDispute) -> Self {
        Self {
            outcome: order.outcome.clone(),
            decide_after_s: order.decide_after_s.unwrap_or(0),
            lapse_grace_s: order.lapse_grace_s,
            resubmittable: order.resubmittable,
        }
    }
}

/// A call as the ledger wants to know of it.
#[derive(Debug)]
pub(super) struct Called<'a> {
    pub at: DateTime<Utc>,
    pub account: usize,
    pub operation: Operation,
    pub dispute: Option<&'a str>,
    pub round: u32,
    pub idempotency_key: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct Office {
    pub ids: Ids,
    pub dice: StdRng,
    pub accounts: Vec<AccountState>,
    pub outbox: Outbox,
    pub faults: Faults,
    pub ledger: Vec<LedgerEntry>,
    timers: BTreeMap<(DateTime<Utc>, u64), Timer>,
    counted: u64,
}

impl Office {
    pub fn new(seed: u64) -> Self {
        Self {
            ids: Ids::new(seed),
            dice: StdRng::seed_from_u64(seed),
            accounts: vec![],
            outbox: Outbox::default(),
            faults: Faults::default(),
            ledger: vec![],
            timers: BTreeMap::new(),
            counted: 0,
        }
    }

    /// Numbers that order what was made in one instant.
    pub fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// The account called `name`, or the provider's only one.
    pub fn account_index(&self, provider: ProviderKind, name: Option<&str>) -> anyhow::Result<usize> {
        let of_provider = || self.accounts.iter().enumerate().filter(|(_, a)| a.spec.provider == provider);
        let names = || of_provider().map(|(_, a)| a.spec.name.as_str()).collect::<Vec<_>>().join(", ");
        match name {
            Some(name) => of_provider()
                .find(|(_, a)| a.spec.name == name)
                .map(|(i, _)| i)
                .with_context(|| format!("no {provider} account `{name}`: there is {}", names())),
            None => match of_provider().map(|(i, _)| i).collect::<Vec<_>>()[..] {
                [only] => Ok(only),
                [] => bail!("the sandbox was started without a {provider} account"),
                _ => bail!("say which {provider} account: {}", names()),
            },
        }
    }

    /// The provider's account whose credentials these are, by name and value.
    pub fn account_with(&self, provider: ProviderKind, credentials: &[(&str, &str)]) -> Option<usize> {
        self.accounts.iter().position(|a| {
            a.spec.provider == provider
                && credentials.iter().all(|(name, value)| a.credential(name) == *value)
        })
    }

    /// Whose endpoint takes the account's webhooks, and whose secret signs them.
    pub fn receiver(&self, account: usize) -> &AccountState {
        &self.accounts[self.accounts[account].via.unwrap_or(account)]
    }

    pub fn set_timer(&mut self, at: DateTime<Utc>, timer: Timer) {
        let n = self.count();
        self.timers.insert((at, n), timer);
    }

    /// Takes the first timer that is due, with its instant.
    pub fn due_timer(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Timer)> {
        let entry = self.timers.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), timer) = entry.remove_entry();
        Some((at, timer))
    }

    /// The next instant at which something happens by itself.
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        let timer = self.timers.keys().next().map(|(at, _)| *at);
        [timer, self.outbox.next_due_at()].into_iter().flatten().min()
    }

    pub fn trouble_for_call(
        &mut self,
        account: usize,
        operation: Operation,
        dispute: Option<&str>,
    ) -> Option<Trouble> {
        let spec = &self.accounts[account].spec;
        let subject = CallSubject { provider: spec.provider, account: &spec.name, operation, dispute };
        self.faults.for_call(&subject, &mut self.dice)
    }

    /// Writes an irreversible call into the ledger; others leave no trace.
    pub fn record(&mut self, called: &Called<'_>, status: u16, result: LedgerResult) {
        let Some(call) = Irreversible::of(called.operation) else { return };
        let spec: &SandboxAccount = &self.accounts[called.account].spec;
        self.ledger.push(LedgerEntry {
            at: called.at,
            provider: spec.provider,
            account: spec.name.clone(),
            dispute_ref: called.dispute.unwrap_or_default().to_owned(),
            round: called.round,
            call,
            idempotency_key: called.idempotency_key.map(str::to_owned),
            result,
            status,
        });
    }

    /// Queues a webhook of the account, with whatever fault was ordered for it.
    pub fn send_webhook(&mut self, at: DateTime<Utc>, account: usize, draft: Draft) {
        let state = &self.accounts[account];
        let subject = WebhookSubject {
            provider: state.spec.provider,
            account: &state.spec.name,
            event_type: &draft.event_type,
            dispute: draft.dispute_ref.as_deref(),
        };
        let trouble = match draft.extra {
            true => None,
            false => self.faults.for_webhook(&subject, &mut self.dice),
        };
        let receiver = &self.accounts[self.accounts[account].via.unwrap_or(account)];
        self.outbox.push(draft, &receiver.spec, receiver.webhook_disabled, at, trouble);
    }
}

/// An instant of whole unix seconds; absurd numbers become the nearest instant that exists.
pub(super) fn instant(unix_s: i64) -> DateTime<Utc> {
    let nearest = if unix_s < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp(unix_s, 0).unwrap_or(nearest)
}
