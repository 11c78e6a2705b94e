//! The whole state of the sandbox, behind one lock that is never held while the network is in use. What
//! becomes due by the sandbox's clock (deadlines that lapse, banks that decide) is settled in the order of
//! its instants before anything else is looked at.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::accounts::AccountState;
use super::faults::{CallSubject, Faults, Trouble, WebhookSubject};
use super::ids::Ids;
use super::ledger::LedgerEntry;
use super::outbox::{Draft, Outbox};
use super::{ProviderKind, SandboxAccount, razorpay, stripe};

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

#[derive(Debug)]
pub(super) struct World {
    pub ids: Ids,
    pub dice: StdRng,
    pub accounts: Vec<AccountState>,
    pub stripe: stripe::Book,
    pub razorpay: razorpay::Book,
    pub outbox: Outbox,
    pub faults: Faults,
    pub ledger: Vec<LedgerEntry>,
    timers: BTreeMap<(DateTime<Utc>, u64), Timer>,
    counted: u64,
}

impl World {
    pub fn new(accounts: Vec<SandboxAccount>, seed: u64) -> anyhow::Result<Self> {
        let mut ids = Ids::new(seed);
        let mut states: Vec<AccountState> = vec![];
        for spec in accounts {
            let twin = states.iter().any(|a| a.spec.provider == spec.provider && a.spec.name == spec.name);
            if twin {
                bail!("two {} accounts of the sandbox are called `{}`: rename one", spec.provider, spec.name);
            }
            if spec.provider == ProviderKind::Razorpay && spec.api_secret.is_none() {
                bail!("the razorpay account `{}` needs `api_secret`, the key secret", spec.name);
            }
            if spec.webhook_secrets.is_empty() {
                bail!("the {} account `{}` needs a webhook secret", spec.provider, spec.name);
            }
            let account_ref = match spec.provider {
                ProviderKind::Stripe => ids.next("acct_", 16),
                ProviderKind::Razorpay => ids.next("acc_", 14),
            };
            states.push(AccountState { spec, account_ref, retiring: vec![], webhook_disabled: false });
        }
        Ok(Self {
            ids,
            dice: StdRng::seed_from_u64(seed),
            accounts: states,
            stripe: stripe::Book::default(),
            razorpay: razorpay::Book::default(),
            outbox: Outbox::default(),
            faults: Faults::default(),
            ledger: vec![],
            timers: BTreeMap::new(),
            counted: 0,
        })
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

    pub fn set_timer(&mut self, at: DateTime<Utc>, timer: Timer) {
        let n = self.count();
        self.timers.insert((at, n), timer);
    }

    /// Lets everything happen that is due by `now`, each at its own instant.
    pub fn settle(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), timer) = entry.remove_entry();
            match timer {
                Timer::Lapse { provider: ProviderKind::Stripe, dispute } => self.stripe_lapse(at, &dispute),
                Timer::Lapse { provider: ProviderKind::Razorpay, dispute } => {
                    self.razorpay_lapse(at, &dispute);
                }
                Timer::Decide { provider: ProviderKind::Stripe, dispute } => {
                    self.stripe_bank_decides(at, &dispute);
                }
                Timer::Decide { provider: ProviderKind::Razorpay, dispute } => {
                    self.razorpay_bank_decides(at, &dispute);
                }
            }
        }
    }

    /// The next instant at which something happens by itself.
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        let timer = self.timers.keys().next().map(|(at, _)| *at);
        [timer, self.outbox.next_due_at()].into_iter().flatten().min()
    }

    pub fn trouble_for_call(
        &mut self,
        account: usize,
        operation: super::Operation,
        dispute: Option<&str>,
    ) -> Option<Trouble> {
        let spec = &self.accounts[account].spec;
        let subject = CallSubject { provider: spec.provider, account: &spec.name, operation, dispute };
        self.faults.for_call(&subject, &mut self.dice)
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
        self.outbox.push(draft, &state.spec, state.webhook_disabled, at, trouble);
    }
}

/// An instant of whole unix seconds; absurd numbers become the nearest instant that exists.
pub(super) fn instant(unix_s: i64) -> DateTime<Utc> {
    let nearest = if unix_s < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp(unix_s, 0).unwrap_or(nearest)
}
