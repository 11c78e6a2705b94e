//! What PayPal can do at each stage. Whether it may be done to one dispute now, its links say (`link`); here is
//! what can be at all. Sources: `customer_disputes_v1.json` (provide-evidence, appeal, accept-claim), and the
//! sheet of supported files: JPG, GIF, PNG and PDF, each under 10 MB, at most 50 MB.

use crate::dispute::{Capabilities, FileDelivery, FileLimits, LapseOutcome, Stage, StageCapability};

const fn claim(stage: Stage) -> StageCapability {
    StageCapability {
        stage,
        acceptable: true,
        defendable: true,
        // What is sent is sent: there is nothing to put it in before.
        draft: false,
        responds_once: true,
        // "Closed in the customer's favor" (schema `dispute`, `seller_response_due_date`).
        lapse: LapseOutcome::Lost,
    }
}

pub static CAPABILITIES: Capabilities = Capabilities {
    stages: &[
        StageCapability {
            stage: Stage::Inquiry,
            acceptable: true,
            // A talk with the buyer: messages and offers, which are people's, and no evidence.
            defendable: false,
            draft: false,
            responds_once: false,
            // The buyer makes a claim of it, or it closes after twenty days.
            lapse: LapseOutcome::Closed,
        },
        claim(Stage::Chargeback),
        claim(Stage::PreArbitration),
        claim(Stage::Arbitration),
    ],
    webhooks: true,
    fetch: true,
    list: true,
    idempotency_key: false,
    submits_by_itself: false,
    own_id_per_stage: false,
    // Nothing of a webhook is believed; records are read over an authenticated channel.
    deadline_signed: true,
    documents_min: 0,
    files: FileLimits {
        delivery: FileDelivery::Inline,
        media_types: &["image/jpeg", "image/png", "image/gif", "application/pdf"],
        file_bytes_max: 9_999_999,
        total_bytes_max: 50_000_000,
    },
};
