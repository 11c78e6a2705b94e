//! Square. Its record is in every event and every answer, with a version that orders them; evidence is given
//! piece by piece and then submitted as a whole, once nothing else is held.
//!
//! `signature` who sent it · `event` what it means · `reason` why · `capability` what can be done · `evidence`
//! a packet in its pieces · `held` what Square has of it · `api` and `list` the calls · `refusal` its errors ·
//! `wire` its JSON.

mod api;
mod capability;
#[cfg(test)]
mod conformance;
mod event;
mod evidence;
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

/// The key of the table that pins the shape of Square's records.
const API_VERSION: &str = "api_version";

pub struct Square {
    api: Api,
}

impl Folder for Square {
    const SETTINGS: &'static [Setting] = &[Setting::text(API_VERSION)];

    const NEEDS: &'static [Need] = &[
        Need::secret("access_token", "an OAuth or personal access token with DISPUTES_READ and DISPUTES_WRITE"),
        Need::plain(
            signature::NOTIFICATION_URL,
            "the notification URL of the webhook subscription to the letter, where it is not `http.public_url` with \
             the account's path",
        )
        .optional(),
    ];

    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        let http = Http::new(TimeOuts::of(config), "x-request-id", clock)?;
        Ok(Self { api: Api::new(http, &config.base_url, config.setting(API_VERSION)) })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

impl Provider for Square {
    fn name(&self) -> ProviderName {
        ProviderName::Square
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

    /// Never called: no stage has drafts.
    fn stage_evidence<'a>(
        &'a self,
        _account: &'a Account,
        _target: Target<'a>,
        _sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        let why =
            "Square keeps every piece of evidence that it was given, so none is given before it is meant";
        Box::pin(std::future::ready(http::refused_unsent(why.to_owned())))
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

    /// Never called: files travel with the evidence.
    fn upload<'a>(
        &'a self,
        _account: &'a Account,
        _name: &'a str,
        _media_type: &'a str,
        _content: Bytes,
        _key: &'a str,
    ) -> Call<'a, Uploaded> {
        let why = "Square takes a file together with the dispute it is for".to_owned();
        Box::pin(std::future::ready(http::refused_unsent(why)))
    }

    fn lint(&self, packet: &Packet, _submit: bool) -> Vec<String> {
        evidence::lint(packet)
    }
}
