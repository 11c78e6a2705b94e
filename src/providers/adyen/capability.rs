//! What Adyen can do at each stage. It keeps no record that its API tells: what became of a call is told by
//! webhooks alone. Sources: Adyen's OpenAPI `DisputeService-v30`; docs.adyen.com "Disputes API" and
//! "Defense requirements".

use crate::dispute::{Capabilities, FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};

/// Largest picture and largest PDF, bytes.
pub const PICTURE_BYTES_MAX: u64 = 10_000_000;
pub const PDF_BYTES_MAX: u64 = 2_000_000;

pub const JPEG: &str = "image/jpeg";
pub const PNG: &str = "image/png";
pub const PDF: &str = "application/pdf";

const fn at(stage: Stage, acceptable: bool) -> StageCapability {
    StageCapability {
        stage,
        acceptable,
        defendable: true,
        // Documents can be supplied ahead of the defence.
        draft: true,
        responds_once: true,
        lapse: LapseOutcome::Lost,
    }
}

pub static CAPABILITIES: Capabilities = Capabilities {
    stages: &[
        // A request for information is answered or left to expire: there is no liability to accept yet. What
        // follows its end is up to the bank, so the worst is assumed there too.
        at(Stage::Inquiry, false),
        at(Stage::Chargeback, true),
        at(Stage::PreArbitration, true),
    ],
    webhooks: true,
    fetch: false,
    list: false,
    idempotency_key: false,
    submits_by_itself: false,
    own_id_per_stage: false,
    deadline_signed: false,
    documents_min: 1,
    files: FileLimits {
        delivery: FileDelivery::Inline,
        media_types: &[PDF, JPEG, PNG],
        file_bytes_max: PICTURE_BYTES_MAX,
        // No sum is documented.
        total_bytes_max: u64::MAX,
    },
};

/// The largest file of that media type, bytes; none for a type that Adyen does not take.
pub fn file_bytes_max(media_type: &str) -> Option<u64> {
    match media_type {
        JPEG | PNG => Some(PICTURE_BYTES_MAX),
        PDF => Some(PDF_BYTES_MAX),
        _ => None,
    }
}
