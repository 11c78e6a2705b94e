//! Checkout.com. Its events tell what happened and not how the dispute stands, its calls are answered with
//! nothing: the record is the only word, and is read after every one of them. Calls go with a secret key: its API takes
//! OAuth tokens too, and where those come from its specification does not say.
//!
//! `signature` who sent it · `event` what it means · `reason` why · `capability` what can be done · `evidence`
//! a packet in its words · `api` and `list` the calls · `refusal` its errors · `units` how money is counted · `wire`
//! its JSON.

mod api;
mod capability;
#[cfg(test)]
mod conformance;
mod event;
mod evidence;
mod list;
mod reason;
mod refusal;
mod signature;
#[cfg(test)]
mod tests;
pub(super) mod units;
mod wire;

use super::*;
use crate::providers::http::{Http, TimeOuts};
use api::Api;

pub struct Checkout {
    api: Api,
}

impl Folder for Checkout {
    const SETTINGS: &'static [Setting] = &[];

    const NEEDS: &'static [Need] = &[
        Need::secret("api_key", "a secret key (`sk_…`) that may view, accept and defend disputes"),
        Need::secret(
            signature::WEBHOOK_AUTHORIZATION,
            "what the workflow's webhook action sends as the `Authorization` header, if it sends one",
        )
        .optional(),
    ];

    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        let http = Http::new(TimeOuts::of(config), "cko-request-id", clock.clone())?;
        Ok(Self { api: Api::new(http, &config.base_url, clock) })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

impl Provider for Checkout {
    fn name(&self) -> ProviderName {
        ProviderName::Checkout
    }

    fn capabilities(&self) -> &'static Capabilities {
        &capability::CAPABILITIES
    }

    fn prepare<'a>(
        &'a self,
        _delivery: &'a Delivery,
        _account: &'a Account,
    ) -> Option<BoxFuture<'a, Result<(), NotReady>>> {
        None
    }

    fn verify(
        &self,
        delivery: Delivery,
        account: &Account,
        _now: DateTime<Utc>,
    ) -> Result<Verified, Refusal> {
        signature::verify(delivery, account)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement::PLAIN
    }

    fn events(&self, kept: &Kept<'_>) -> Reading {
        event::events(kept)
    }

    fn fetch<'a>(&'a self, account: &'a Account, dispute_ref: &'a str) -> Call<'a, Record> {
        Box::pin(self.api.fetch(account, dispute_ref))
    }

    fn list_changed_since<'a>(
        &'a self,
        account: &'a Account,
        since: DateTime<Utc>,
        cursor: Option<String>,
    ) -> Call<'a, Page> {
        Box::pin(list::changed_since(&self.api, account, since, cursor))
    }

    fn accept<'a>(&'a self, account: &'a Account, target: Target<'a>, _key: &'a str) -> Call<'a, Record> {
        Box::pin(self.api.accept(account, target.dispute_ref))
    }

    fn stage_evidence<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        Box::pin(self.api.provide(account, target.dispute_ref, sending.packet))
    }

    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        Box::pin(self.api.submit(account, target.dispute_ref, sending.packet))
    }

    fn upload<'a>(
        &'a self,
        account: &'a Account,
        name: &'a str,
        media_type: &'a str,
        content: Bytes,
        _key: &'a str,
    ) -> Call<'a, Uploaded> {
        Box::pin(self.api.upload(account, name, media_type, content))
    }

    fn lint(&self, packet: &Packet, _submit: bool) -> Vec<String> {
        evidence::lint(packet)
    }
}
