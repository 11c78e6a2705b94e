//! What Square can do at each stage. Evidence can be given long before it is submitted, and only be taken away
//! piece by piece: what was meant yesterday would go out beside what is meant today. So the engine gives it
//! when it submits, and no stage has drafts (developer.squareup.com/docs/disputes-api).

use crate::dispute::{Capabilities, FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};

/// Largest file, bytes ("5 MB", developer.squareup.com/reference/square, "CreateDisputeEvidenceFile").
const FILE_BYTES_MAX: u64 = 5_000_000;

pub static CAPABILITIES: Capabilities = Capabilities {
    stages: &[
        StageCapability {
            stage: Stage::Inquiry,
            // No money has moved: there is nothing to concede.
            acceptable: false,
            defendable: true,
            draft: false,
            responds_once: true,
            // The inquiry closes; what the bank makes of that is its own affair.
            lapse: LapseOutcome::Closed,
        },
        StageCapability {
            stage: Stage::Chargeback,
            acceptable: true,
            defendable: true,
            draft: false,
            responds_once: true,
            lapse: LapseOutcome::Lost,
        },
    ],
    webhooks: true,
    fetch: true,
    list: true,
    // Pieces of evidence carry one; what cannot be taken back does not.
    idempotency_key: false,
    submits_by_itself: false,
    own_id_per_stage: false,
    deadline_signed: true,
    documents_min: 0,
    files: FileLimits {
        delivery: FileDelivery::Inline,
        media_types: &["application/pdf", "image/jpeg", "image/png"],
        file_bytes_max: FILE_BYTES_MAX,
        // No sum is documented.
        total_bytes_max: u64::MAX,
    },
};
