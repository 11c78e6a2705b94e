//! Stripe's description for the suite that every provider stands: its fixtures, how it signs, what its API
//! answers. Test values only; nothing here is used by the running engine.

use chrono::{DateTime, Utc};

use super::signature;
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
        provider: ProviderName::Stripe,
        credentials: &[("api_key", "rk_live_Tamarind31x")],
        secrets: ["whsec_Loquat91new", "whsec_Pomelo17old", "whsec_Durian00strange"],
        sign,
        within: None,
        optional_headers: &[],
        age_max_s: Some(300),
        settings: &[],
        webhooks: webhooks(),
        records: vec![],
        api: ApiAnswers {
            carried: JSON,
            dispute_ref: "du_1QaMango",
            packet,
            before_each: &[],
            before_submission: &[Preparation {
                method: "GET",
                path: "/v1/disputes/du_1QaMango",
                answer: fixture!("record"),
            }],
            before_acceptance: &[],
            within_list: &[],
            fetched: fixture!("record"),
            page: fixture!("events_page"),
            omits_empty_list: false,
            accepted: fixture!("record_accepted"),
            staged: fixture!("record_staged"),
            submitted: fixture!("record_submitted"),
            uploaded: fixture!("file"),
            refused: fixture!("error"),
        },
    }
}

fn sign(body: &[u8], secret: &str, now: DateTime<Utc>) -> Vec<(String, String)> {
    vec![("stripe-signature".to_owned(), signature::sign(secret, now.timestamp(), body))]
}

fn packet() -> Packet {
    Packet {
        text: [(Field::Summary, "Handed over on 2 March, signed for.".to_owned())].into(),
        files: [(Field::ShippingDocumentation, vec!["file_1QaPaper".to_owned()])].into(),
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
    let needs_response = r#""status": "needs_response""#;
    let (inquiry, appeal) = (r#""status": "warning_needs_response""#, r#""status": "appeal_needs_response""#);
    vec![
        dispute(
            "created",
            fixture!("dispute_created"),
            Status::NeedsResponse,
            needs_response,
            "needs_response",
        ),
        dispute(
            "updated",
            fixture!("dispute_updated"),
            Status::UnderReview,
            r#""status": "under_review""#,
            "under_review",
        ),
        dispute("won", fixture!("dispute_closed"), Status::Won, r#""status": "won""#, "won"),
        dispute("lost", fixture!("lost_closed"), Status::Lost, r#""status": "lost""#, "lost"),
        dispute(
            "withdrawn",
            fixture!("dispute_funds_withdrawn"),
            Status::NeedsResponse,
            needs_response,
            "needs_response",
        ),
        dispute("reinstated", fixture!("dispute_funds_reinstated"), Status::Won, r#""status": "won""#, "won"),
        dispute(
            "oldest shape",
            fixture!("dispute_created_oldest_shape"),
            Status::NeedsResponse,
            needs_response,
            "needs_response",
        ),
        dispute(
            "inquiry",
            fixture!("inquiry_created"),
            Status::NeedsResponse,
            inquiry,
            "warning_needs_response",
        ),
        dispute(
            "prevented",
            fixture!("prevented_closed"),
            Status::Prevented,
            r#""status": "prevented""#,
            "prevented",
        ),
        dispute("appeal", fixture!("appeal_updated"), Status::NeedsResponse, appeal, "appeal_needs_response"),
        other("fraud warning", fixture!("early_fraud_warning_created"), Meaning::Notice),
        other("fraud warning again", fixture!("early_fraud_warning_updated"), Meaning::Notice),
        other("thin dispute", fixture!("thin_dispute_created"), Meaning::FetchFirst),
        other("thin fraud warning", fixture!("thin_early_fraud_warning_created"), Meaning::FetchFirst),
        other("without an id", fixture!("dispute_updated_without_id"), Meaning::Unrecognised),
        other("unknown event", fixture!("unknown_event"), Meaning::Unrecognised),
        other("payment", fixture!("payment_intent_succeeded"), Meaning::NotOurs),
    ]
}
