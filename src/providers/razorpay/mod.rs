//! Razorpay. Every phase of a dispute is a dispute of its own there, with its own id, on the same payment.
//!
//! `signature` who sent it · `event` what it means · `reason` why · `capability` what can be done · `contest`
//! evidence in its words · `api` and `list` the calls · `refusal` its errors · `wire` its JSON.

mod api;
mod capability;
#[cfg(test)]
mod conformance;
mod contest;
mod event;
mod held;
mod list;
mod reason;
mod refusal;
mod signature;
#[cfg(test)]
mod tests;
mod wire;

use super::*;
use crate::providers::http::{Http, TimeOuts};
use api::Api;

pub struct Razorpay {
    api: Api,
}

impl Folder for Razorpay {
    const SETTINGS: &'static [Setting] = &[];

    const NEEDS: &'static [Need] = &[
        Need::secret("key_id", "the id of an API key (`rzp_live_…`)"),
        Need::secret("key_secret", "the secret of that API key"),
    ];

    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        let http = Http::new(TimeOuts::of(config), "x-razorpay-request-id", clock.clone())?;
        Ok(Self { api: Api::new(http, &config.base_url, clock) })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

impl Provider for Razorpay {
    fn name(&self) -> ProviderName {
        ProviderName::Razorpay
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
        Box::pin(list::created_since(&self.api, account, since, cursor))
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
        Box::pin(self.api.draft(account, target.dispute_ref, sending.packet))
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

    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        contest::lint(packet, submit)
    }
}
