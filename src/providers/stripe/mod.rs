//! Stripe: signed webhooks in, disputes out; form-encoded calls with an idempotency key. This file is the
//! table of contents. Nothing of Stripe's wire leaves this folder.

mod api;
#[cfg(test)]
mod conformance;
mod event;
mod evidence;
mod fields;
mod held;
mod reason;
mod receipt;
mod signature;
#[cfg(test)]
mod tests;
pub(super) mod units;
mod wire;

use super::http::{Http, TimeOuts};
use super::*;
use crate::dispute::{FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};

pub struct Stripe {
    http: Http,
    clock: Clock,
    base_url: String,
    files_url: String,
    api_version: String,
}

/// What can be done where (docs.stripe.com/disputes).
const CURRENT: Capabilities = Capabilities {
    stages: &[
        // An inquiry is answered or refunded; there is nothing to concede. Unanswered it closes, or comes
        // back as a chargeback.
        StageCapability {
            stage: Stage::Inquiry,
            acceptable: false,
            defendable: true,
            draft: true,
            responds_once: true,
            lapse: LapseOutcome::Closed,
        },
        StageCapability {
            stage: Stage::Chargeback,
            acceptable: true,
            defendable: true,
            draft: true,
            responds_once: true,
            lapse: LapseOutcome::Lost,
        },
        // An appeal takes a reason for filing and files of its own, no other evidence, and only from accounts
        // that asked for appeals: a packet cannot say that, so a person files it in Stripe's dashboard.
        StageCapability {
            stage: Stage::PreArbitration,
            acceptable: false,
            defendable: false,
            draft: false,
            responds_once: true,
            lapse: LapseOutcome::Lost,
        },
        StageCapability {
            stage: Stage::Compliance,
            acceptable: true,
            defendable: true,
            draft: true,
            responds_once: true,
            lapse: LapseOutcome::Lost,
        },
    ],
    webhooks: true,
    fetch: true,
    list: true,
    idempotency_key: true,
    submits_by_itself: true,
    own_id_per_stage: false,
    deadline_signed: true,
    documents_min: 0,
    // 5 MB are documented, for one file and in practice for all of a dispute; merchants report refusals from
    // about 4.5 MB on.
    files: FileLimits {
        delivery: FileDelivery::Upload,
        media_types: &["application/pdf", "image/jpeg", "image/png"],
        file_bytes_max: 4_500_000,
        total_bytes_max: 4_500_000,
    },
};

static CAPABILITIES: Capabilities = CURRENT;
/// Of a pinned version that cannot be told who submits.
static OLDER: Capabilities = Capabilities { submits_by_itself: false, ..CURRENT };

impl Folder for Stripe {
    const SETTINGS: &'static [Setting] = &[Setting::address("files_url"), Setting::text("api_version")];

    const NEEDS: &'static [Need] = &[Need::secret(
        "api_key",
        "a restricted key (`rk_…`): disputes and files write, events and fraud warnings read",
    )];

    const WEBHOOK_SECRETS: WebhookSecrets = WebhookSecrets::Required;

    const CONNECTED: Option<&'static str> = Some("acct_");

    fn start(config: &ProviderConfig, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            http: Http::new(TimeOuts::of(config), "request-id", clock.clone())?,
            clock,
            base_url: config.base_url.clone(),
            files_url: config.setting("files_url").to_owned(),
            api_version: config.setting("api_version").to_owned(),
        })
    }

    #[cfg(test)]
    fn described() -> super::conformance::Conformance {
        conformance::conformance()
    }
}

impl Provider for Stripe {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    fn capabilities(&self) -> &'static Capabilities {
        match self.knows_submission_methods() {
            true => &CAPABILITIES,
            false => &OLDER,
        }
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
        Acknowledgement::PLAIN
    }

    fn events(&self, kept: &Kept<'_>) -> Reading {
        event::read(kept)
    }

    fn fetch<'a>(&'a self, account: &'a Account, dispute_ref: &'a str) -> Call<'a, Record> {
        Box::pin(self.fetch_record(account, dispute_ref))
    }

    fn list_changed_since<'a>(
        &'a self,
        account: &'a Account,
        since: DateTime<Utc>,
        cursor: Option<String>,
    ) -> Call<'a, Page> {
        Box::pin(self.list_page(account, since, cursor))
    }

    fn accept<'a>(&'a self, account: &'a Account, target: Target<'a>, key: &'a str) -> Call<'a, Record> {
        Box::pin(self.close(account, target.dispute_ref, key))
    }

    fn stage_evidence<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        Box::pin(self.send_evidence(account, target.dispute_ref, sending.packet, key, api::Reach::Provider))
    }

    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        Box::pin(self.send_evidence(account, target.dispute_ref, sending.packet, key, api::Reach::Bank))
    }

    fn upload<'a>(
        &'a self,
        account: &'a Account,
        name: &'a str,
        media_type: &'a str,
        content: Bytes,
        key: &'a str,
    ) -> Call<'a, Uploaded> {
        Box::pin(self.upload_file(account, name, media_type, content, key))
    }

    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        evidence::lint(packet, submit, &CAPABILITIES)
    }
}
