//! What a provider can do, stage by stage. The rules never choose what is not here.
//! Each provider fills it in; nothing here knows which ones there are.

use serde::Serialize;

use super::Stage;

/// What the provider does when nobody answers in time (FIELD 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LapseOutcome {
    Lost,
    Accepted,
    /// The provider sends what it holds, or decides by itself, depending on an account setting.
    ProviderDecides,
    /// Nothing moves (an inquiry that simply closes).
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StageCapability {
    pub stage: Stage,
    pub acceptable: bool,
    pub defendable: bool,
    /// Evidence can be put with the provider without being sent to the bank.
    pub draft: bool,
    pub responds_once: bool,
    pub lapse: LapseOutcome,
}

/// How files reach the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileDelivery {
    /// Each by a call of its own beforehand; evidence names them by the ids that the provider gave.
    Upload,
    /// Their bytes travel in the call that stages or submits.
    Inline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FileLimits {
    pub delivery: FileDelivery,
    /// Media types taken as evidence.
    pub media_types: &'static [&'static str],
    /// Largest single file, bytes.
    pub file_bytes_max: u64,
    /// Largest sum over one dispute, bytes.
    pub total_bytes_max: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    pub stages: &'static [StageCapability],
    pub webhooks: bool,
    /// The record of one dispute can be read. Where it cannot, only webhooks tell what became of a call.
    pub fetch: bool,
    /// What changed, or was opened, can be listed.
    pub list: bool,
    /// Irreversible calls carry a key under which the provider answers a repeat with the first answer.
    pub idempotency_key: bool,
    /// Unless it is told otherwise for a dispute, the provider may answer it with what it has gathered itself. A draft
    /// without evidence tells it.
    pub submits_by_itself: bool,
    /// Each stage of one payment's dispute is a dispute of its own at the provider, with an id of its own.
    pub own_id_per_stage: bool,
    /// The webhook's signature covers the deadline.
    pub deadline_signed: bool,
    /// A defence needs at least so many documents.
    pub documents_min: u32,
    pub files: FileLimits,
}

impl Capabilities {
    pub fn at(&self, stage: Stage) -> Option<&StageCapability> {
        self.stages.iter().find(|s| s.stage == stage)
    }
}
