//! PayPal. A webhook is a hint here: its signature can be had for another body, so the dispute it names is fetched,
//! and nothing else of it is believed. What may be done to a dispute, the links of its record say.
//!
//! `signature` who sent it · `certificate` and `keyring` whose key that is · `event` and `record` what it means ·
//! `money` `reason` its parts · `link` and `capability` what can be done · `evidence` in its words · `api`, `token`,
//! `assertion` and `list` the calls · `refusal` its errors · `wire` its JSON.

mod api;
mod assertion;
mod capability;
mod certificate;
#[cfg(test)]
mod conformance;
mod event;
mod evidence;
mod keyring;
mod link;
mod list;
mod money;
mod reason;
mod record;
mod refusal;
mod signature;
#[cfg(test)]
mod tests;
mod token;
mod wire;

use super::*;
use crate::providers::http::{Http, TimeOuts};
use anyhow::{Context, bail, ensure};
use api::Api;
use chrono::TimeDelta;
use keyring::Keyring;

pub struct Paypal {
    api: Api,
    keyring: Keyring,
    /// Where certificates may be fetched from, beside an account's own address.
    origins: Vec<String>,
    repeats_for: TimeDelta,
}

impl Folder for Paypal {
    const SETTINGS: &'static [Setting] = &[
        Setting::text("certificate_origins"),
        Setting::text("certificate_domain"),
        Setting::text("certificate_authorities"),
        Setting::text("certificate_file"),
        Setting::text("repeats_for_s"),
    ];

    const NEEDS: &'static [Need] = &[
        Need::secret("client_id", "the client id of the REST app"),
        Need::secret("client_secret", "the secret of that app"),
        Need::plain("payer_id", "the merchant's PayPal account id, where a platform's app acts for it")
            .optional(),
    ];

    /// The id of the webhook, which the signature covers and no request carries.
    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    fn mistakes(config: &ProviderConfig) -> Vec<(&'static str, String)> {
        let of = |name: &str| config.setting(name);
        let checked = [
            ("certificate_origins", origins(of("certificate_origins")).err()),
            ("certificate_domain", domain(of("certificate_domain")).err()),
            ("certificate_authorities", keyring::authorities(of("certificate_authorities")).err()),
            ("certificate_file", keyring::pinned(of("certificate_file")).err()),
            ("repeats_for_s", repeats_for(of("repeats_for_s")).err()),
        ];
        checked.into_iter().filter_map(|(name, error)| Some((name, format!("{:#}", error?)))).collect()
    }

    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        let of = |name: &str| config.setting(name);
        let http = Http::new(TimeOuts::of(config), "paypal-debug-id", clock.clone())?;
        let (pinned, authorities) = (of("certificate_file"), of("certificate_authorities"));
        Ok(Self {
            api: Api::new(http, &config.base_url, clock.clone()),
            origins: origins(of("certificate_origins"))?,
            repeats_for: repeats_for(of("repeats_for_s"))?,
            keyring: Keyring::new(pinned, authorities, domain(of("certificate_domain"))?, clock)?,
        })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

fn origins(text: &str) -> anyhow::Result<Vec<String>> {
    let origins: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    match origins.iter().find(|origin| !certificate::is_origin(origin)) {
        Some(wrong) => {
            bail!("`certificate_origins` holds `{wrong}`: write `https://` and a host, without a path")
        }
        None => Ok(origins),
    }
}

fn domain(text: &str) -> anyhow::Result<&str> {
    ensure!(text.contains('.'), "`certificate_domain` is `{text}`: a domain is expected");
    Ok(text)
}

fn repeats_for(text: &str) -> anyhow::Result<TimeDelta> {
    let seconds: Option<u32> = text.parse().ok();
    let seconds =
        seconds.with_context(|| format!("`repeats_for_s` is `{text}`: whole seconds are expected"))?;
    Ok(TimeDelta::seconds(seconds.into()))
}

impl Provider for Paypal {
    fn name(&self) -> ProviderName {
        ProviderName::Paypal
    }

    fn capabilities(&self) -> &'static Capabilities {
        &capability::CAPABILITIES
    }

    fn prepare<'a>(
        &'a self,
        delivery: &'a Delivery,
        account: &'a Account,
    ) -> Option<BoxFuture<'a, Result<(), NotReady>>> {
        signature::webhook_ids(account).ok()?;
        let transmission = signature::Transmission::read(delivery).ok()?;
        signature::allowed(transmission.cert_url, &self.origins, account).ok()?;
        if !self.keyring.wants(transmission.cert_url) {
            return None;
        }
        Some(Box::pin(self.keyring.fetch(transmission.cert_url)))
    }

    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        signature::verify(delivery, account, now, &self.origins, self.repeats_for, |url| {
            self.keyring.key(url)
        })
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
        Box::pin(list::updated_since(&self.api, account, since, cursor))
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
        Box::pin(async {
            http::refused_unsent("PayPal keeps no drafts: what is sent is submitted".to_owned())
        })
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
        let why = "PayPal takes files only in the call that submits them";
        Box::pin(async move { http::refused_unsent(why.to_owned()) })
    }

    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        evidence::lint(packet, submit)
    }
}
