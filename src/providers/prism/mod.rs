//! Hyperswitch Prism, which passes calls on to a connector by gRPC and keeps nothing. Its answers are never outcomes;
//! those are told by the connector's own webhooks. This file is the table of contents.
//!
//! `config` what an account may say · `service` which age of Prism · `proto`, `request`, `response` its messages ·
//! `header` whom it speaks to · `channel` one call · `refusal` and `receipt` what an answer is worth · `reason`,
//! `evidence` our packet in its words · `api` the calls · `webhook`, `kept`, `event`, `currency` what comes in and what
//! it means.

mod api;
mod channel;
mod config;
#[cfg(test)]
mod conformance;
mod currency;
mod event;
mod evidence;
mod header;
mod kept;
mod proto;
mod reason;
mod receipt;
mod refusal;
mod request;
mod response;
mod service;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;

use super::http::{TimeOuts, refused_unsent};
use super::*;
use crate::dispute::{FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};
use api::Api;
use channel::Channels;
use webhook::Intake;

pub struct Prism {
    api: Api,
    intake: Intake,
}

/// What the Get of the servers in use does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Get {
    /// Answers with an empty record, and asks nobody. So do all that were seen.
    Stub,
    /// Tells the connector's record.
    Real,
}

const fn stages(defendable: bool) -> [StageCapability; 3] {
    let inquiry = StageCapability {
        stage: Stage::Inquiry,
        acceptable: false,
        defendable,
        draft: false,
        responds_once: true,
        lapse: LapseOutcome::ProviderDecides,
    };
    // SubmitEvidence is no draft: some connectors submit with it.
    let chargeback =
        StageCapability { stage: Stage::Chargeback, acceptable: true, lapse: LapseOutcome::Lost, ..inquiry };
    // No connector was seen to take an answer here through Prism: a person gives it in the connector's dashboard.
    let pre_arbitration =
        StageCapability { stage: Stage::PreArbitration, acceptable: false, defendable: false, ..chargeback };
    [inquiry, chargeback, pre_arbitration]
}

const DEFENDED: &[StageCapability] = &stages(true);
const NOT_DEFENDED: &[StageCapability] = &stages(false);

const fn capabilities(stages: &'static [StageCapability], fetch: bool) -> Capabilities {
    Capabilities {
        stages,
        webhooks: true,
        fetch,
        list: false,
        idempotency_key: false,
        submits_by_itself: false,
        own_id_per_stage: false,
        // It depends on the connector; each news says for itself whether its deadline is confirmed.
        deadline_signed: false,
        documents_min: 1,
        // The strictest limit of the one connector that takes documents (Adyen: 2 MB for a PDF), and what fits into
        // one message: a gRPC server takes 4 MiB unless it is told otherwise.
        files: FileLimits {
            delivery: FileDelivery::Inline,
            media_types: &["application/pdf", "image/jpeg", "image/png"],
            file_bytes_max: 2_000_000,
            total_bytes_max: 4_000_000,
        },
    }
}

static CAPABILITIES: Capabilities = capabilities(DEFENDED, false);
/// With servers whose Get is known to be real.
static CAPABILITIES_WITH_GET: Capabilities = capabilities(DEFENDED, true);
/// Behind a connector that documents are not known to reach.
static UNDEFENDED: Capabilities = capabilities(NOT_DEFENDED, false);
static UNDEFENDED_WITH_GET: Capabilities = capabilities(NOT_DEFENDED, true);

impl Folder for Prism {
    const SETTINGS: &'static [Setting] = &[Setting::text("get"), Setting::text("certificate_authorities")];

    const NEEDS: &'static [Need] = &[
        Need::plain("connector", "whom Prism speaks to, in its spelling: `adyen`, `stripe` …"),
        Need::plain(
            "service",
            "`types` for servers since 2026-03-09, else `ucs.v2` (or `ucs.v2-2026-03-05`)",
        )
        .optional(),
        Need::plain("headers", "how credentials travel: `config`, `auth` or `keys`").optional(),
        Need::plain(
            "reason_codes",
            "how our defence reasons are spelled: `lower`, `upper`, `sdk` or `adyen`",
        )
        .optional(),
        Need::plain("tenant", "Prism's tenant; `public` if unset").optional(),
        Need::plain("prism_merchant", "the merchant's id at Prism; the merchant's name if unset").optional(),
        Need::plain("merchant_account", "the merchant account at the connector, where it has one").optional(),
        // What the connectors' own folders verify their webhooks with.
        Need::plain("environment", "Adyen's: `live` or `test`; unset: `live`").optional(),
        Need::plain("webhook_user", "the user that the connector's webhook is set up with, where it has one")
            .optional(),
        Need::secret("webhook_password", "the password that goes with that user").optional(),
        Need::secret(
            "webhook_authorization",
            "what the connector sends as the Authorization header of its webhooks",
        )
        .optional(),
        Need::plain("notification_url", "the address as the connector signs it, where it does").optional(),
        Need::secret("api_key", "the connector's API key").optional(),
        Need::secret("api_secret", "the connector's second secret, where it has one").optional(),
        Need::secret("key1", "a further key, where the connector has one").optional(),
        Need::secret("key2", "a further key, where the connector has one").optional(),
        Need::secret(
            "connector_config",
            "all of the connector's credentials as one JSON object, instead of those",
        )
        .optional(),
    ];

    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    const MERCHANT_THERE: Option<&'static str> = Some("prism_merchant");

    fn faults(settings: &BTreeMap<String, String>, provider: &ProviderConfig) -> Vec<(&'static str, String)> {
        config::faults(settings, provider)
    }

    fn start(table: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        let get = match table.setting("get") {
            "stub" => Get::Stub,
            "real" => Get::Real,
            other => anyhow::bail!("providers.prism.get is `{other}`: expected `stub` or `real`"),
        };
        let authorities = config::authorities(table.setting("certificate_authorities"))?;
        let channels = Channels::new(TimeOuts::of(table), authorities, clock.clone());
        let api = Api { channels, base_url: table.base_url.clone(), get };
        Ok(Self { api, intake: Intake::new(clock) })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

/// A webhook that only points at a dispute, where nobody can be asked for the rest.
fn told_whole(reading: Reading, get: Get) -> Reading {
    match reading {
        Reading::FetchFirst { dispute_ref, name } if get == Get::Stub => Reading::Unrecognised {
            what: format!(
                "{name} says only that {dispute_ref} changed, and Prism, whose Get answers with nothing, cannot be \
                 asked for the rest: look {dispute_ref} up in the connector's dashboard. An account with the \
                 connector's own name instead of `prism` is asked for it, where respondby speaks to it itself"
            ),
        },
        Reading::Events(_)
        | Reading::Partly { .. }
        | Reading::FetchFirst { .. }
        | Reading::Acknowledged { .. }
        | Reading::NotOurs { .. }
        | Reading::Unrecognised { .. } => reading,
    }
}

impl Provider for Prism {
    fn name(&self) -> ProviderName {
        ProviderName::Prism
    }

    fn capabilities(&self) -> &'static Capabilities {
        match self.api.get {
            Get::Stub => &CAPABILITIES,
            Get::Real => &CAPABILITIES_WITH_GET,
        }
    }

    fn capabilities_of(&self, account: &Account) -> &'static Capabilities {
        match (api::takes_documents(account.credentials.get("connector")), self.api.get) {
            (true, Get::Stub) => &CAPABILITIES,
            (true, Get::Real) => &CAPABILITIES_WITH_GET,
            (false, Get::Stub) => &UNDEFENDED,
            (false, Get::Real) => &UNDEFENDED_WITH_GET,
        }
    }

    fn prepare<'a>(
        &'a self,
        delivery: &'a Delivery,
        account: &'a Account,
    ) -> Option<BoxFuture<'a, Result<(), NotReady>>> {
        match self.intake.native(account) {
            Some(native) => native.prepare(delivery, account),
            None => Some(Box::pin(self.intake.ask(&self.api, delivery, account))),
        }
    }

    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        self.intake.verify(delivery, account, now)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        // What Adyen wants to read; other connectors read the status alone.
        Acknowledgement { media_type: "text/plain", body: b"[accepted]" }
    }

    fn events(&self, kept: &Kept<'_>) -> Reading {
        match event::is_webhook(kept.source) && !kept::is_ours(kept.body) {
            true => told_whole(self.intake.events(kept), self.api.get),
            false => event::read(kept, self.api.get),
        }
    }

    fn fetch<'a>(&'a self, account: &'a Account, dispute_ref: &'a str) -> Call<'a, Record> {
        Box::pin(self.api.fetch(account, dispute_ref))
    }

    fn list_changed_since<'a>(
        &'a self,
        _account: &'a Account,
        _since: DateTime<Utc>,
        _cursor: Option<String>,
    ) -> Call<'a, Page> {
        Box::pin(async { refused_unsent("Prism has no list of disputes".to_owned()) })
    }

    fn accept<'a>(&'a self, account: &'a Account, target: Target<'a>, key: &'a str) -> Call<'a, Record> {
        Box::pin(self.api.accept(account, target, key))
    }

    fn stage_evidence<'a>(
        &'a self,
        _account: &'a Account,
        _target: Target<'a>,
        _sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        let why = "Prism's SubmitEvidence is no draft: some connectors submit with it";
        Box::pin(async move { refused_unsent(why.to_owned()) })
    }

    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        Box::pin(self.api.submit(account, target, sending, key))
    }

    fn upload<'a>(
        &'a self,
        _account: &'a Account,
        _name: &'a str,
        _media_type: &'a str,
        _content: Bytes,
        _key: &'a str,
    ) -> Call<'a, Uploaded> {
        Box::pin(async { refused_unsent("Prism takes documents with the evidence itself".to_owned()) })
    }

    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        evidence::lint(packet, submit)
    }
}
