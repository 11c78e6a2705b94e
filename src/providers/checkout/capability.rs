//! What Checkout.com can do at each stage: a chargeback is accepted, or answered with evidence that is first
//! provided and then submitted, once. At arbitration its API only tells what happens; what is wanted there is
//! arranged with its Disputes team (checkout.com/docs, "Disputes API" and "How disputes work"). Newer references name
//! calls under `/evidence/arbitration`. What they take, when they may be made and whether they can be taken back is not
//! known here, so that nothing is sent there and a person is asked.

use crate::dispute::{Capabilities, FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};

/// Largest file, bytes ("no larger than 4MB", api-reference.checkout.com, "Upload file"): whichever megabyte is
/// meant, this fits.
pub const FILE_BYTES_MAX: u64 = 4_000_000;

pub static CAPABILITIES: Capabilities = Capabilities {
    stages: &[
        StageCapability {
            stage: Stage::Chargeback,
            acceptable: true,
            defendable: true,
            draft: true,
            responds_once: true,
            lapse: LapseOutcome::Lost,
        },
        StageCapability {
            stage: Stage::Arbitration,
            acceptable: false,
            defendable: false,
            draft: false,
            responds_once: true,
            lapse: LapseOutcome::Lost,
        },
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
        delivery: FileDelivery::Upload,
        media_types: &["image/jpeg", "image/png", "application/pdf"],
        file_bytes_max: FILE_BYTES_MAX,
        // No sum is documented; there is one file to each of eight places.
        total_bytes_max: 8 * FILE_BYTES_MAX,
    },
};
