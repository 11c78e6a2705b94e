//! What can be done through the router: accepting, attaching and submitting are taken at the stage `dispute` in the
//! status `dispute_opened` alone (juspay/hyperswitch, `crates/router/src/core/disputes.rs`). Whether the
//! connector behind it takes them too, only its answer tells.

use crate::dispute::{Capabilities, FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};

/// Largest file, bytes. The router states no limit for evidence; of the connectors that take files in a call of
/// their own, Stripe's 5 MB is the least.
pub const FILE_BYTES_MAX: u64 = 5_000_000;
pub const MEDIA_TYPES: &[&str] = &["image/jpeg", "image/png", "application/pdf"];

const fn at(stage: Stage, answered_here: bool) -> StageCapability {
    StageCapability {
        stage,
        acceptable: answered_here,
        defendable: answered_here,
        // Files can be attached ahead and words cannot: what would be staged is half of what would be sent.
        draft: false,
        responds_once: true,
        // The connector's doing, and not told: the worst is assumed.
        lapse: LapseOutcome::Lost,
    }
}

pub static CAPABILITIES: Capabilities = Capabilities {
    stages: &[
        at(Stage::Inquiry, false),
        at(Stage::Chargeback, true),
        at(Stage::PreArbitration, false),
        at(Stage::Arbitration, false),
    ],
    webhooks: true,
    fetch: true,
    list: true,
    idempotency_key: false,
    submits_by_itself: false,
    own_id_per_stage: false,
    deadline_signed: true,
    documents_min: 0,
    files: FileLimits {
        delivery: FileDelivery::Inline,
        media_types: MEDIA_TYPES,
        file_bytes_max: FILE_BYTES_MAX,
        // No sum is documented.
        total_bytes_max: u64::MAX,
    },
};
