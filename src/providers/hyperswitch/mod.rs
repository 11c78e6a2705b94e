//! The Hyperswitch router: it stands before other providers and tells of their disputes in words of its own. Some of
//! its words are wrong for some of them (`connector`), and only what is sure is believed.
//!
//! `signature` who sent it · `event` what it means · `connector` whose word counts · `reason` why · `capability` what
//! can be done · `evidence` in its words · `api` and `list` the calls · `refusal` its errors · `units` how money is
//! counted · `wire` its JSON.

mod api;
mod capability;
#[cfg(test)]
mod conformance;
mod connector;
mod event;
mod evidence;
mod list;
mod reason;
mod refusal;
mod signature;
#[cfg(test)]
mod tests;
mod units;
mod wire;

use super::*;
use crate::providers::http::{Http, TimeOuts};
use api::Api;

pub struct Hyperswitch {
    api: Api,
}

impl Folder for Hyperswitch {
    const SETTINGS: &'static [Setting] = &[];

    const NEEDS: &'static [Need] = &[Need::secret("api_key", "an API key of the merchant account")];

    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        let http = Http::new(TimeOuts::of(config), "x-request-id", clock.clone())?;
        Ok(Self { api: Api::new(http, &config.base_url, clock) })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

impl Provider for Hyperswitch {
    fn name(&self) -> ProviderName {
        ProviderName::Hyperswitch
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
        _account: &'a Account,
        _target: Target<'a>,
        _sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        let why = "the router keeps no draft of a whole defence".to_owned();
        Box::pin(async { http::refused_unsent(why) })
    }

    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        Box::pin(self.api.submit(account, target.dispute_ref, sending))
    }

    fn upload<'a>(
        &'a self,
        _account: &'a Account,
        _name: &'a str,
        _media_type: &'a str,
        _content: Bytes,
        _key: &'a str,
    ) -> Call<'a, Uploaded> {
        let why = "files go with the defence, each under the kind of evidence it is".to_owned();
        Box::pin(async { http::refused_unsent(why) })
    }

    fn lint(&self, packet: &Packet, _submit: bool) -> Vec<String> {
        evidence::lint(packet)
    }
}
