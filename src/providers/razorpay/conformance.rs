//! Razorpay's description for the suite that every provider stands.
//! Says what is particular to Razorpay and tests nothing itself.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::dispute::Status;
use crate::evidence::{Field, Packet};
use crate::providers::ProviderName;
use crate::providers::conformance::{ApiAnswers, Conformance, JSON, Meaning, Preparation, Webhook};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".json"))
    };
}

pub fn conformance() -> Conformance {
    Conformance {
        provider: ProviderName::Razorpay,
        credentials: &[("key_id", "rzp_live_Zw81"), ("key_secret", "kDamson44x")],
        secrets: ["Quince-91-new", "Medlar-17-old", "Sloe-00-strange"],
        sign,
        within: None,
        optional_headers: &["x-razorpay-event-id"],
        age_max_s: None,
        settings: &[],
        webhooks: webhooks(),
        records: vec![],
        api: ApiAnswers {
            carried: JSON,
            dispute_ref: "disp_Rk2WnV8sQyTz4B",
            packet,
            before_each: &[],
            before_submission: &[Preparation {
                method: "GET",
                path: "/v1/disputes/disp_Rk2WnV8sQyTz4B",
                answer: fixture!("record"),
            }],
            before_acceptance: &[],
            within_list: &[],
            fetched: fixture!("record"),
            page: fixture!("page"),
            omits_empty_list: false,
            accepted: fixture!("record_accepted"),
            staged: fixture!("record_drafted"),
            submitted: fixture!("record_submitted"),
            uploaded: fixture!("document"),
            refused: fixture!("error"),
        },
    }
}

fn sign(body: &[u8], secret: &str, _now: DateTime<Utc>) -> Vec<(String, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    vec![
        ("x-razorpay-signature".to_owned(), signature),
        ("x-razorpay-event-id".to_owned(), "evt_Rk2Wq7Yh3Lc".to_owned()),
    ]
}

fn packet() -> Packet {
    Packet {
        text: [(Field::Summary, "Delivered on 3 March and signed for.".to_owned())].into(),
        files: [(Field::ShippingDocumentation, vec!["doc_Rk3AhS6dPfLw9Z".to_owned()])].into(),
        ..Packet::default()
    }
}

fn webhooks() -> Vec<Webhook> {
    let dispute = |name, body, status, place, word| Webhook {
        name,
        body,
        meaning: Meaning::Dispute(status),
        status_at: Some((place, word)),
    };
    let other = |name, body, meaning| Webhook { name, body, meaning, status_at: None };
    let open = r#""status":"open","phase""#;
    vec![
        dispute("created", fixture!("created"), Status::NeedsResponse, open, "open"),
        dispute("action required", fixture!("action_required"), Status::NeedsResponse, open, "open"),
        dispute(
            "under review",
            fixture!("under_review"),
            Status::UnderReview,
            r#""status": "under_review""#,
            "under_review",
        ),
        dispute("won", fixture!("won"), Status::Won, r#""status":"won""#, "won"),
        dispute("lost", fixture!("lost"), Status::Lost, r#""status":"lost""#, "lost"),
        dispute("closed", fixture!("closed"), Status::Closed, r#""status":"closed""#, "closed"),
        dispute("fraud", fixture!("fraud_created"), Status::NeedsResponse, open, "open"),
        dispute("retrieval", fixture!("retrieval_created"), Status::NeedsResponse, open, "open"),
        dispute("arbitration", fixture!("arbitration_created"), Status::NeedsResponse, open, "open"),
        other("behind its name", fixture!("behind_its_name"), Meaning::FetchFirst),
        other("unknown event", fixture!("unknown_event"), Meaning::Unrecognised),
        other("payment captured", fixture!("payment_captured"), Meaning::NotOurs),
    ]
}
