//! Trouble to order: what goes wrong with an API call or a webhook, how often, and for whom. Choosing is
//! deterministic: rules are tried in the order they were added, and dice are seeded.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::ProviderKind;
use super::reply::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    DisputeList,
    DisputeFetch,
    /// Evidence put with the provider, not sent.
    DisputeStage,
    /// Evidence sent to the bank.
    DisputeSubmit,
    DisputeAccept,
    /// A change that is not evidence: metadata, the intended submission method.
    DisputeUpdate,
    FileUpload,
    FileFetch,
    EventList,
    Other,
}

/// How often a rule applies: after `skip` matches, for `times` matches (absent: for ever), each with
/// `probability` (absent: surely).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turns {
    #[serde(default)]
    pub skip: u32,
    #[serde(default)]
    pub times: Option<u32>,
    #[serde(default)]
    pub probability: Option<f64>,
}

impl Turns {
    pub const fn next(times: u32) -> Self {
        Self { skip: 0, times: Some(times), probability: None }
    }

    pub const fn always() -> Self {
        Self { skip: 0, times: None, probability: None }
    }

    pub const fn sometimes(probability: f64) -> Self {
        Self { skip: 0, times: None, probability: Some(probability) }
    }

    fn take(&mut self, dice: &mut StdRng) -> bool {
        if self.times == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let falls = self.probability.is_none_or(|p| dice.random::<f64>() < p);
        if falls {
            self.times = self.times.map(|left| left - 1);
        }
        falls
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::next(1)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// 429 before any effect.
    RateLimited {
        #[serde(default)]
        retry_after_s: Option<u64>,
        /// Stripe's `Stripe-Should-Retry` header.
        #[serde(default)]
        should_retry: Option<bool>,
    },
    /// Stripe: 429 with code `lock_timeout` and `Stripe-Should-Retry: true`. Others: a plain 429.
    LockTimeout,
    /// Stripe: 409 with code `idempotency_key_in_use`. Others: a plain 409.
    KeyInUse,
    ServerErrorBeforeEffect,
    /// The effect happens and the answer is a 500; Stripe saves that 500 under the idempotency key.
    ServerErrorAfterEffect,
    /// Nothing happens; the connection is closed without an answer after `hold_ms` of real time.
    TimeOutBeforeEffect {
        #[serde(default)]
        hold_ms: u64,
    },
    /// The effect happens; the connection is closed without an answer after `hold_ms` of real time.
    TimeOutAfterEffect {
        #[serde(default)]
        hold_ms: u64,
    },
    /// 200 with a page of HTML, as a proxy or a maintenance screen answers. Nothing happens.
    HtmlBeforeEffect,
    HtmlAfterEffect,
    /// A read answers with the state before the last change (a replica that lags).
    StaleRead,
    /// The true answer, after so much real time.
    Latency {
        ms: u64,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiFault {
    pub provider: ProviderKind,
    /// Absent: every account.
    #[serde(default)]
    pub account: Option<String>,
    /// Absent: every operation.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Absent: every dispute, and calls about none.
    #[serde(default)]
    pub dispute: Option<String>,
    pub trouble: Trouble,
    #[serde(default)]
    pub turns: Turns,
}

impl ApiFault {
    /// `trouble` for the next call of `operation`.
    pub fn once(provider: ProviderKind, operation: Operation, trouble: Trouble) -> Self {
        let operation = Some(operation);
        Self { provider, account: None, operation, dispute: None, trouble, turns: Turns::next(1) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum WebhookTrouble {
    /// Never arrives; the provider believes it was delivered.
    Drop,
    /// Leaves so much later, by the sandbox's clock.
    Delay { by_s: u32 },
    /// Arrives once more so many times.
    Duplicate { copies: u32 },
    /// Waits until the account's next webhook has left before it.
    Reorder,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookFault {
    pub provider: ProviderKind,
    #[serde(default)]
    pub account: Option<String>,
    /// The exact type: `charge.dispute.created`. Absent: every type.
    #[serde(default)]
    pub event_type: Option<String>,
    #[serde(default)]
    pub dispute: Option<String>,
    pub trouble: WebhookTrouble,
    #[serde(default)]
    pub turns: Turns,
}

impl WebhookFault {
    /// `trouble` for the provider's next webhook.
    pub fn once(provider: ProviderKind, trouble: WebhookTrouble) -> Self {
        Self { provider, account: None, event_type: None, dispute: None, trouble, turns: Turns::next(1) }
    }
}

/// How badly webhooks fare, in shares of all of them; each has one fate at most. The default is a bad day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weather {
    /// Lost for good.
    pub drop: f64,
    pub delay: f64,
    /// How much later a delayed one leaves.
    pub delay_by_s: u32,
    /// Arrives twice.
    pub duplicate: f64,
    pub reorder: f64,
}

impl Default for Weather {
    fn default() -> Self {
        Self { drop: 0.05, delay: 0.10, delay_by_s: 2 * 3600, duplicate: 0.20, reorder: 0.30 }
    }
}

impl Weather {
    /// The faults that make it. Rules are tried in turn, so each share is of those that the ones before left.
    pub fn faults(&self, provider: ProviderKind) -> Vec<WebhookFault> {
        let fates = [
            (self.drop, WebhookTrouble::Drop),
            (self.delay, WebhookTrouble::Delay { by_s: self.delay_by_s }),
            (self.duplicate, WebhookTrouble::Duplicate { copies: 1 }),
            (self.reorder, WebhookTrouble::Reorder),
        ];
        let mut left: f64 = 1.0;
        let faults = fates.into_iter().map(|(share, trouble)| {
            let of_the_left = if left > 0.0 { (share / left).clamp(0.0, 1.0) } else { 0.0 };
            left -= share;
            WebhookFault { turns: Turns::sometimes(of_the_left), ..WebhookFault::once(provider, trouble) }
        });
        faults.collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub api: Vec<ApiFault>,
    pub webhooks: Vec<WebhookFault>,
}

/// What a call is about, for matching against the rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallSubject<'a> {
    pub provider: ProviderKind,
    pub account: &'a str,
    pub operation: Operation,
    pub dispute: Option<&'a str>,
}

/// A provider's own answers when it is in trouble.
#[derive(Debug, Clone)]
pub(super) struct Upset {
    pub throttled: Reply,
    pub conflict: Reply,
    pub server_error: Reply,
}

/// The answer of a fault that keeps a call from having an effect.
pub(super) fn before_effect(trouble: Option<&Trouble>, upset: &Upset) -> Option<Reply> {
    match trouble? {
        Trouble::RateLimited { retry_after_s, .. } => {
            let reply = upset.throttled.clone();
            Some(match retry_after_s {
                Some(seconds) => reply.header("retry-after", seconds.to_string()),
                None => reply,
            })
        }
        Trouble::LockTimeout => Some(upset.throttled.clone()),
        Trouble::KeyInUse => Some(upset.conflict.clone()),
        Trouble::ServerErrorBeforeEffect => Some(upset.server_error.clone()),
        Trouble::TimeOutBeforeEffect { hold_ms } => Some(upset.server_error.clone().cut_after(*hold_ms)),
        Trouble::HtmlBeforeEffect => Some(Reply::html()),
        Trouble::ServerErrorAfterEffect
        | Trouble::TimeOutAfterEffect { .. }
        | Trouble::HtmlAfterEffect
        | Trouble::StaleRead
        | Trouble::Latency { .. } => None,
    }
}

/// What a fault makes of the true answer. `server_error` is the provider's own 500.
pub(super) fn after_effect(trouble: Option<Trouble>, reply: Reply, server_error: Reply) -> Reply {
    match trouble {
        Some(Trouble::ServerErrorAfterEffect) => server_error,
        Some(Trouble::TimeOutAfterEffect { hold_ms }) => reply.cut_after(hold_ms),
        Some(Trouble::HtmlAfterEffect) => Reply::html(),
        Some(Trouble::Latency { ms }) => Reply { latency: Duration::from_millis(ms), ..reply },
        Some(
            Trouble::RateLimited { .. }
            | Trouble::LockTimeout
            | Trouble::KeyInUse
            | Trouble::ServerErrorBeforeEffect
            | Trouble::TimeOutBeforeEffect { .. }
            | Trouble::HtmlBeforeEffect
            | Trouble::StaleRead,
        )
        | None => reply,
    }
}

/// What a webhook is about, for matching against the rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct WebhookSubject<'a> {
    pub provider: ProviderKind,
    pub account: &'a str,
    pub event_type: &'a str,
    pub dispute: Option<&'a str>,
}

fn allows(wanted: &Option<String>, found: Option<&str>) -> bool {
    wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
}

impl Faults {
    pub fn for_call(&mut self, subject: &CallSubject<'_>, dice: &mut StdRng) -> Option<Trouble> {
        let mut meant = self.api.iter_mut().filter(|f| {
            f.provider == subject.provider
                && allows(&f.account, Some(subject.account))
                && f.operation.is_none_or(|wanted| wanted == subject.operation)
                && allows(&f.dispute, subject.dispute)
        });
        meant.find_map(|f| f.turns.take(dice).then(|| f.trouble.clone()))
    }

    pub fn for_webhook(&mut self, subject: &WebhookSubject<'_>, dice: &mut StdRng) -> Option<WebhookTrouble> {
        let mut meant = self.webhooks.iter_mut().filter(|f| {
            f.provider == subject.provider
                && allows(&f.account, Some(subject.account))
                && allows(&f.event_type, Some(subject.event_type))
                && allows(&f.dispute, subject.dispute)
        });
        meant.find_map(|f| f.turns.take(dice).then_some(f.trouble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn turns_skip_then_count_then_end() {
        let mut dice = StdRng::seed_from_u64(1);
        let mut turns = Turns { skip: 1, times: Some(2), probability: None };
        let taken: Vec<bool> = (0..5).map(|_| turns.take(&mut dice)).collect();
        assert_eq!(taken, [false, true, true, false, false]);
    }

    #[test]
    fn weather_is_in_shares_of_all_webhooks() {
        let mut dice = StdRng::seed_from_u64(1);
        let webhooks = Weather::default().faults(ProviderKind::Stripe);
        let mut faults = Faults { api: vec![], webhooks };
        let subject =
            WebhookSubject { provider: ProviderKind::Stripe, account: "a", event_type: "e", dispute: None };
        let fates: Vec<_> = (0..20_000).map(|_| faults.for_webhook(&subject, &mut dice)).collect();
        let share = |wanted: fn(&WebhookTrouble) -> bool| {
            fates.iter().flatten().filter(|fate| wanted(fate)).count() as f64 / fates.len() as f64
        };
        for (found, wanted) in [
            (share(|f| matches!(f, WebhookTrouble::Drop)), 0.05),
            (share(|f| matches!(f, WebhookTrouble::Delay { .. })), 0.10),
            (share(|f| matches!(f, WebhookTrouble::Duplicate { .. })), 0.20),
            (share(|f| matches!(f, WebhookTrouble::Reorder)), 0.30),
        ] {
            assert!((found - wanted).abs() < 0.01, "{found} instead of {wanted}");
        }
        let all_lost = Weather { drop: 1.0, ..Weather::default() }.faults(ProviderKind::Stripe);
        let mut faults = Faults { api: vec![], webhooks: all_lost };
        assert_eq!(faults.for_webhook(&subject, &mut dice), Some(WebhookTrouble::Drop));
    }

    #[test]
    fn a_rule_for_another_account_or_operation_is_left_alone() {
        let mut dice = StdRng::seed_from_u64(1);
        let fault = ApiFault::once(ProviderKind::Stripe, Operation::DisputeSubmit, Trouble::LockTimeout);
        let mut faults = Faults { api: vec![fault], webhooks: vec![] };
        let subject = |operation, provider| CallSubject { provider, account: "a", operation, dispute: None };
        let list = subject(Operation::DisputeList, ProviderKind::Stripe);
        let other = subject(Operation::DisputeSubmit, ProviderKind::Razorpay);
        let meant = subject(Operation::DisputeSubmit, ProviderKind::Stripe);
        assert_eq!(faults.for_call(&list, &mut dice), None);
        assert_eq!(faults.for_call(&other, &mut dice), None);
        assert_eq!(faults.for_call(&meant, &mut dice), Some(Trouble::LockTimeout));
        assert_eq!(faults.for_call(&meant, &mut dice), None);
    }
}
