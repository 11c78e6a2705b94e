//! Adyen. It tells by webhooks alone: there is no record to read and no list, so what became of a call is known
//! when an event says so.
//!
//! `signature` who sent it · `event` what it means · `meaning` its table of events · `reason` why · `capability`
//! what can be done · `defence` evidence in its words · `letter` words as a document · `api` the calls ·
//! `refusal` its errors · `units` how money is counted · `wire` its JSON.

mod api;
mod capability;
#[cfg(test)]
mod conformance;
mod defence;
mod event;
mod letter;
mod meaning;
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

/// What older endpoints wait for and newer ones pass over (docs.adyen.com, "Accept webhooks").
const ACCEPTED: Acknowledgement = Acknowledgement { media_type: "text/plain", body: b"[accepted]" };

pub struct Adyen {
    api: Api,
}

/// `live` unless the account says otherwise.
fn environment(account: &Account) -> &str {
    match account.credentials.get("environment") {
        "" => "live",
        said => said,
    }
}

impl Folder for Adyen {
    const SETTINGS: &'static [Setting] = &[Setting::address("test_url")];

    const NEEDS: &'static [Need] = &[
        Need::secret("api_key", "the key of an API credential with the role `API dispute management` alone"),
        Need::plain("merchant_account", "the merchant account: events of others are set aside"),
        Need::plain("environment", "`live` or `test`; unset: `live`").optional(),
        Need::plain("webhook_user", "the user that the webhook is set up with").optional(),
        Need::secret("webhook_password", "the password that the webhook is set up with").optional(),
    ];

    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        let http = Http::new(TimeOuts::of(config), "pspreference", clock)?;
        Ok(Self { api: Api::new(http, &config.base_url, config.setting("test_url")) })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

impl Provider for Adyen {
    fn name(&self) -> ProviderName {
        ProviderName::Adyen
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

    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        signature::verify(delivery, account, now)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        ACCEPTED
    }

    fn events(&self, kept: &Kept<'_>) -> Reading {
        event::events(kept)
    }

    fn fetch<'a>(&'a self, _account: &'a Account, _dispute_ref: &'a str) -> Call<'a, Record> {
        Box::pin(async {
            http::refused_unsent("Adyen's API does not tell where a dispute stands".to_owned())
        })
    }

    fn list_changed_since<'a>(
        &'a self,
        _account: &'a Account,
        _since: DateTime<Utc>,
        _cursor: Option<String>,
    ) -> Call<'a, Page> {
        Box::pin(async { http::refused_unsent("Adyen's API lists no disputes".to_owned()) })
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
        Box::pin(self.api.stage(account, target.dispute_ref, sending))
    }

    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        Box::pin(self.api.defend(account, target.dispute_ref, sending))
    }

    fn upload<'a>(
        &'a self,
        _account: &'a Account,
        _name: &'a str,
        _media_type: &'a str,
        _content: Bytes,
        _key: &'a str,
    ) -> Call<'a, Uploaded> {
        Box::pin(async { http::refused_unsent("Adyen takes documents with the defence".to_owned()) })
    }

    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        defence::lint(packet, submit)
    }
}
