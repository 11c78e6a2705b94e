//! What Razorpay can do at each phase. Its documents name no phase in which a dispute could not be accepted
//! or contested (razorpay/markdown-docs, `api/disputes/accept.md`, `contest.md`). Accepting at the fraud phase
//! concedes only: the refund stays the merchant's to make (`payments/disputes.md`, "Process Flow").

use crate::dispute::{Capabilities, FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};

/// Largest picture, bytes. No limit is stated for dispute evidence; Razorpay's partner documents page states
/// 4 MB for JPG and PNG and 2 MB for PDF.
pub const PICTURE_BYTES_MAX: u64 = 4_000_000;
pub const PDF_BYTES_MAX: u64 = 2_000_000;

const JPEG: &str = "image/jpeg";
const PNG: &str = "image/png";
const PDF: &str = "application/pdf";

const fn at(stage: Stage) -> StageCapability {
    StageCapability {
        stage,
        acceptable: true,
        defendable: true,
        draft: true,
        // Once under review every further action is refused until Razorpay asks again.
        responds_once: true,
        // Not documented: the worst is assumed, at the fraud and retrieval phases too.
        lapse: LapseOutcome::Lost,
    }
}

pub static CAPABILITIES: Capabilities = Capabilities {
    stages: &[
        at(Stage::FraudNotice),
        at(Stage::Inquiry),
        at(Stage::Chargeback),
        at(Stage::PreArbitration),
        at(Stage::Arbitration),
    ],
    webhooks: true,
    fetch: true,
    list: true,
    idempotency_key: false,
    submits_by_itself: false,
    own_id_per_stage: true,
    deadline_signed: true,
    documents_min: 1,
    files: FileLimits {
        delivery: FileDelivery::Upload,
        media_types: &[JPEG, PNG, PDF],
        file_bytes_max: PICTURE_BYTES_MAX,
        // No sum is documented.
        total_bytes_max: u64::MAX,
    },
};

/// The largest file of that media type, bytes; none for a type that Razorpay does not take.
pub fn file_bytes_max(media_type: &str) -> Option<u64> {
    match media_type {
        JPEG | PNG => Some(PICTURE_BYTES_MAX),
        PDF => Some(PDF_BYTES_MAX),
        _ => None,
    }
}
