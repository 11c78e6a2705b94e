//! The whole state of the sandbox, behind one lock that is never held while the network is in use: every
//! provider's stand-in, and the office they share. What becomes due by the sandbox's clock (deadlines that
//! lapse, banks that decide) is settled in the order of its instants before anything else is looked at.

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::accounts::AccountState;
use super::control::DisputeView;
use super::office::{Office, Timer};
use super::orders::{Change, ExtraWebhook, NewDispute, NewWarning};
use super::reply::{Incoming, Reply};
use super::stand_in::{StandIn, check_account};
use super::{ProviderKind, SandboxAccount};

#[derive(Debug)]
pub(super) struct World {
    pub office: Office,
    /// In the registry's order.
    books: Vec<Box<dyn StandIn>>,
}

impl World {
    pub fn new(accounts: Vec<SandboxAccount>, seed: u64) -> anyhow::Result<Self> {
        let books = ProviderKind::ALL.iter().map(|kind| kind.stand_in()).collect();
        let mut world = Self { office: Office::new(seed), books };
        for spec in accounts {
            let twin = |a: &AccountState| a.spec.provider == spec.provider && a.spec.name == spec.name;
            if world.office.accounts.iter().any(twin) {
                bail!("two {} accounts of the sandbox are called `{}`: rename one", spec.provider, spec.name);
            }
            let (book, office) = world.at(spec.provider);
            check_account(&book.facts(), &spec)?;
            let platform = |name: &String| office.account_index(spec.provider, Some(name));
            let via = spec.via.as_ref().map(platform).transpose();
            let via = via
                .with_context(|| format!("`{}` comes after the account that it names by `via`", spec.name))?;
            if via.is_some_and(|via| office.accounts[via].via.is_some()) {
                bail!(
                    "`{}` is connected to an account that is connected itself: name the platform",
                    spec.name
                );
            }
            let account_ref = book.account_ref(&spec, &mut office.ids);
            let state = AccountState { spec, via, account_ref, retiring: vec![], webhook_disabled: false };
            office.accounts.push(state);
        }
        Ok(world)
    }

    /// A provider's stand-in, and the office beside it.
    pub fn at(&mut self, provider: ProviderKind) -> (&mut dyn StandIn, &mut Office) {
        (self.books[provider as usize].as_mut(), &mut self.office)
    }

    pub fn stand_in(&self, provider: ProviderKind) -> &dyn StandIn {
        self.books[provider as usize].as_ref()
    }

    /// Lets everything happen that is due by `now`, each at its own instant.
    pub fn settle(&mut self, now: DateTime<Utc>) {
        while let Some((at, timer)) = self.office.due_timer(now) {
            match timer {
                Timer::Lapse { provider, dispute } => {
                    let (book, office) = self.at(provider);
                    book.lapse(office, at, &dispute);
                }
                Timer::Decide { provider, dispute } => {
                    let (book, office) = self.at(provider);
                    book.decide(office, at, &dispute);
                }
            }
        }
    }

    pub fn answer(&mut self, provider: ProviderKind, now: DateTime<Utc>, request: &Incoming) -> Reply {
        let (book, office) = self.at(provider);
        book.answer(office, now, request)
    }

    pub fn open(&mut self, now: DateTime<Utc>, order: &NewDispute) -> anyhow::Result<String> {
        let (book, office) = self.at(order.provider);
        let known = book.facts().extras;
        if let Some(odd) = order.extra.keys().find(|key| !known.contains(&key.as_str())) {
            bail!("{} knows no `{odd}` under `extra`: there is [{}]", order.provider, known.join(", "));
        }
        book.open(office, now, order)
    }

    pub fn apply(&mut self, at: DateTime<Utc>, dispute: &str, change: &Change) -> anyhow::Result<Value> {
        let found = self.books.iter_mut().find(|book| book.has(dispute));
        let book = found.with_context(|| format!("the sandbox has no dispute `{dispute}`"))?;
        book.apply(&mut self.office, at, dispute, change)
    }

    pub fn warn(&mut self, now: DateTime<Utc>, order: &NewWarning) -> anyhow::Result<String> {
        let (book, office) = self.at(order.provider);
        book.warn(office, now, order)
    }

    /// Queues a webhook that no dispute caused.
    pub fn send_extra(&mut self, now: DateTime<Utc>, order: &ExtraWebhook) -> anyhow::Result<()> {
        let (book, office) = self.at(order.provider);
        let account = office.account_index(order.provider, order.account.as_deref())?;
        let mut asked = order.clone();
        if order.body.is_some() {
            asked.dispute = None;
        }
        let mut draft = book.made_up(office, now, account, &asked)?;
        if let Some(body) = &order.body {
            draft.body = body.clone().into();
        }
        draft.dispute_ref = order.dispute.clone();
        draft.signing = order.signing;
        draft.timestamp_offset_s = order.timestamp_offset_s;
        draft.retried = order.retried;
        draft.extra = true;
        office.send_webhook(now, account, draft);
        Ok(())
    }

    /// Every dispute, provider by provider, each in order of creation.
    pub fn views(&self) -> Vec<DisputeView> {
        self.books.iter().flat_map(|book| book.views(&self.office)).collect()
    }
}
