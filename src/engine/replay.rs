//! Looking back with the same functions: a dispute rebuilt from its events (P7), a decision taken again from its
//! recorded inputs (P8).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::{AccountView, Alert, Case, Effect, MerchantView, Outcome, apply, doubt, unread};
use crate::dispute::{Cycle, Dispute, DisputeId, Event, Source};
use crate::evidence::{EvidenceSet, Packet};
use crate::rules::{Context, Customer, Ruleset, Trace, Verdict};

/// The dispute that these events make, whoever decided what meanwhile. Given as they came, sorted by the provider's own
/// time, then by arrival. Reads among them are those that were believed: a read that was doubted is no news.
pub fn rebuild(
    account: &Arc<AccountView>,
    ids: (i64, DisputeId),
    mut events: Vec<Event>,
    now: DateTime<Utc>,
) -> Option<Dispute> {
    if account.capabilities.fetch {
        events.sort_by_key(|event| event.as_of);
    } else {
        events = unread::remembered(events);
    }
    retell(account, ids, events, now).case.dispute.map(Arc::unwrap_or_clone)
}

/// What a telling in order comes to.
pub(super) struct Retold {
    pub case: Case,
    /// News that was not believed, in order.
    pub doubts: Vec<Doubt>,
}

pub(super) struct Doubt {
    pub as_of: DateTime<Utc>,
    pub why: String,
    /// As people would have been told.
    pub alert: Alert,
    event: Event,
}

impl Doubt {
    pub fn of(&self, event: &Event) -> bool {
        self.event.name == event.name && self.event.news == event.news
    }
}

/// Tells these events, in the order given, to a dispute of which nothing is known.
pub(super) fn retell(
    account: &Arc<AccountView>,
    (merchant_id, dispute_id): (i64, DisputeId),
    events: impl IntoIterator<Item = Event>,
    now: DateTime<Utc>,
) -> Retold {
    let mut retold = Retold { case: blank(account, merchant_id, dispute_id), doubts: Vec::new() };
    for mut event in events {
        // News that came too late for it now stands before it, and it is not to be doubted for that.
        event.source = match event.source {
            Source::Poll | Source::ReadBack | Source::Receipt => Source::Receipt,
            Source::Webhook => Source::Webhook,
        };
        let mut outcome = Outcome::new();
        apply::in_order(&mut retold.case, &event, now, &mut outcome);
        let as_of = event.as_of;
        let alert = outcome.effects.into_iter().find_map(|effect| match effect {
            Effect::Tell(alert) if alert.key.starts_with(&doubt::unproved_key(as_of)) => Some(alert),
            Effect::Tell(_)
            | Effect::Want { .. }
            | Effect::Cancel { .. }
            | Effect::GiveUp { .. }
            | Effect::Withdraw { .. }
            | Effect::ResolveAlerts { .. }
            | Effect::KeepNotice { .. } => None,
        });
        let Some(alert) = alert else { continue };
        let why = alert.title.clone();
        retold.doubts.push(Doubt { as_of, why, alert, event });
    }
    retold
}

fn blank(account: &Arc<AccountView>, merchant_id: i64, dispute_id: DisputeId) -> Case {
    let merchant =
        MerchantView { merchant_id, name: String::new(), killed: false, ruleset: None, facts_pull: false };
    Case {
        merchant: Arc::new(merchant),
        account: account.clone(),
        dispute_id,
        dispute: None,
        newest: None,
        ended: Vec::new(),
        facts: Arc::new(Value::Null),
        attached: Arc::new(Packet::default()),
        pending_uploads: Vec::new(),
        own_files: Vec::new(),
        customer: Customer::default(),
        actions: Vec::new(),
        check_at: None,
        read_as_of: None,
        told: Arc::default(),
    }
}

/// Everything a decision saw, as it was recorded with it.
#[derive(Debug, Clone, Deserialize)]
pub struct Inputs {
    pub merchant: String,
    pub account: String,
    pub provider: String,
    pub dispute: Dispute,
    pub cycle: Cycle,
    pub facts: Value,
    pub evidence: EvidenceSet,
    pub customer: Customer,
    pub now: DateTime<Utc>,
}

impl Inputs {
    /// What these rules say of these inputs, with every condition's result.
    pub fn explain<'r, 'a>(&'a self, ruleset: &'r Ruleset) -> (Verdict<'r>, Trace<'a>)
    where
        'r: 'a,
    {
        ruleset.explain(&self.context())
    }

    /// The same, each rule's conditions only until it was settled.
    pub fn explain_briefly<'r, 'a>(&'a self, ruleset: &'r Ruleset) -> Trace<'a>
    where
        'r: 'a,
    {
        ruleset.explain_briefly(&self.context()).1
    }

    /// The rule that these inputs lead to, under these rules.
    pub fn decide_again<'r>(&self, ruleset: &'r Ruleset) -> &'r str {
        ruleset.decide(&self.context()).rule_id
    }

    fn context(&self) -> Context<'_> {
        Context {
            merchant: &self.merchant,
            account: &self.account,
            provider: &self.provider,
            dispute: &self.dispute,
            cycle: &self.cycle,
            facts: &self.facts,
            evidence: &self.evidence,
            customer: self.customer,
            now: self.now,
        }
    }
}
