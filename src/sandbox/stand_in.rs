//! What a provider's folder implements to stand in for it: answer requests, open and move disputes, sign
//! webhooks. Plain values and the sandbox's clock only; the network is the server's and the deliverer's.

use std::any::Any;
use std::fmt::Debug;

use axum::Router;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::accounts::AccountState;
use super::control::DisputeView;
use super::ids::Ids;
use super::office::Office;
use super::orders::{Change, ExtraWebhook, NewDispute, NewWarning};
use super::outbox::{Draft, Webhook};
use super::reply::{Incoming, Reply};
use super::server::Port;
use super::{ProviderKind, SandboxAccount};

/// What a stand-in is, before anything happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// As people write it.
    pub name: &'static str,
    /// What every account needs, by the names the engine's configuration uses.
    pub credentials: &'static [&'static str],
    /// What an account may be given beside them, not secret.
    pub settings: &'static [&'static str],
    /// What an order for a dispute may name under `extra`.
    pub extras: &'static [&'static str],
    /// Whether webhooks are signed with a secret that the account shares.
    pub webhook_secret: bool,
    /// How long a webhook is tried again.
    pub patience: TimeDelta,
    /// Whether an endpoint that failed for that long is switched off.
    pub switches_off: bool,
    /// Whether accounts may be connected to a platform's, which speaks for them.
    pub connects: bool,
}

/// A webhook as it leaves.
#[derive(Debug)]
pub(super) struct Sealed {
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// One provider's stand-in, with everything the provider keeps. The [`Office`] is what all share.
pub(super) trait StandIn: Any + Debug + Send {
    fn facts(&self) -> Facts;

    /// The account that `respondby sandbox` starts with. Its credentials open nothing.
    fn example(&self) -> SandboxAccount;

    /// How to point official SDKs at the stand-in that listens at `url`: who, and what to write.
    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)>;

    /// The provider's own id of the merchant.
    fn account_ref(&self, spec: &SandboxAccount, ids: &mut Ids) -> String;

    /// Where its port answers, without a slash at the end: known before the first request.
    fn listens_at(&mut self, _url: &str) {}

    /// Answers one request on the provider's port as the provider would, but for the faults that were ordered.
    fn answer(&mut self, office: &mut Office, now: DateTime<Utc>, request: &Incoming) -> Reply;

    /// Routes of the stand-in's own. What they do not know goes to [`StandIn::answer`].
    fn routes(&self, _port: Port) -> Router {
        Router::new()
    }

    /// Opens a dispute, with its webhooks, and answers with its id.
    ///
    /// # Errors
    /// A word the provider does not have, an unknown account, or an id that is taken.
    fn open(&mut self, office: &mut Office, now: DateTime<Utc>, order: &NewDispute)
    -> anyhow::Result<String>;

    /// Something happens to a dispute at the provider's side. Answers with the record afterwards.
    ///
    /// # Errors
    /// An unknown dispute, or a change that the provider or the dispute's state does not have.
    fn apply(
        &mut self,
        office: &mut Office,
        at: DateTime<Utc>,
        id: &str,
        change: &Change,
    ) -> anyhow::Result<Value>;

    /// A warning of fraud before any dispute. Answers with its id.
    ///
    /// # Errors
    /// The provider has none, or an unknown account.
    fn warn(&mut self, office: &mut Office, now: DateTime<Utc>, order: &NewWarning)
    -> anyhow::Result<String>;

    /// A deadline may have passed without a response.
    fn lapse(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str);

    /// The bank decides on what was submitted.
    fn decide(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str);

    fn has(&self, id: &str) -> bool;

    /// Every dispute, in order of creation.
    fn views(&self, office: &Office) -> Vec<DisputeView>;

    /// A well-formed webhook that no dispute caused; of a type that nobody knows unless the order names one.
    ///
    /// # Errors
    /// An unknown dispute.
    fn made_up(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        account: usize,
        order: &ExtraWebhook,
    ) -> anyhow::Result<Draft>;

    /// Signs a webhook that leaves at `now`, as `webhook.signing` says.
    fn seal(&self, webhook: &Webhook, account: &AccountState, now: DateTime<Utc>) -> Sealed;

    /// Whether an answer lets the provider believe that its webhook arrived.
    fn is_taken(&self, status: u16, _body: &[u8]) -> bool {
        (200..300).contains(&status)
    }
}

/// A stand-in at work: its own book, and the office it shares with the others.
#[derive(Debug)]
pub(super) struct Desk<'a, B> {
    pub book: &'a mut B,
    pub office: &'a mut Office,
}

/// What is wrong with an account for this provider, as a sentence.
pub(super) fn check_account(facts: &Facts, spec: &SandboxAccount) -> anyhow::Result<()> {
    let (provider, name): (ProviderKind, &str) = (spec.provider, &spec.name);
    for key in spec.settings.keys() {
        check_setting(facts, provider, key)?;
    }
    if spec.via.is_some() && !facts.connects {
        anyhow::bail!("{provider} knows no connected accounts, and `{name}` says `via`");
    }
    if spec.via.is_some() {
        return match spec.credentials.is_empty() && spec.webhook_secrets.is_empty() {
            true => Ok(()),
            false => anyhow::bail!(
                "the {provider} account `{name}` goes with what its platform has: give it nothing"
            ),
        };
    }
    for wanted in facts.credentials {
        if spec.credentials.get(*wanted).is_none_or(String::is_empty) {
            anyhow::bail!("the {provider} account `{name}` needs the credential `{wanted}`");
        }
    }
    if let Some(odd) = spec.credentials.keys().find(|key| !facts.credentials.contains(&key.as_str())) {
        anyhow::bail!(
            "the {provider} account `{name}` has a credential `{odd}`, which {provider} does not know"
        );
    }
    if facts.webhook_secret && spec.webhook_secrets.is_empty() {
        anyhow::bail!("the {provider} account `{name}` needs a webhook secret");
    }
    Ok(())
}

pub(super) fn check_setting(facts: &Facts, provider: ProviderKind, name: &str) -> anyhow::Result<()> {
    match (facts.settings.contains(&name), facts.settings) {
        (true, _) => Ok(()),
        (false, []) => anyhow::bail!("{provider} has no account settings, and so no `{name}`"),
        (false, known) => {
            anyhow::bail!("{provider} has no account setting `{name}`: there is {}", known.join(", "))
        }
    }
}
