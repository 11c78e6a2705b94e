//! Checkout.com's description for the suite that every provider stands.
//! Says what is particular to Checkout.com and tests nothing itself.

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
        provider: ProviderName::Checkout,
        credentials: &[("api_key", "sk_q7kd4zr9xw2qmt5")],
        secrets: ["Damson-47-workflow", "Bullace-12-before", "Greengage-88-others"],
        sign,
        within: None,
        optional_headers: &["authorization"],
        age_max_s: None,
        settings: &[],
        webhooks: webhooks(),
        records: vec![],
        api: ApiAnswers {
            carried: JSON,
            dispute_ref: "dsp_k4mvq7rzt2hxw9cbn3pd",
            packet,
            before_each: &[],
            before_submission: &[
                Preparation { method: "PUT", path: "/evidence", answer: "" },
                // Nothing is shown before it is submitted.
                Preparation { method: "GET", path: "/evidence", answer: "" },
            ],
            before_acceptance: &[],
            within_list: &[],
            fetched: fixture!("record"),
            page: fixture!("page"),
            omits_empty_list: false,
            accepted: "",
            staged: "",
            submitted: "",
            uploaded: fixture!("file"),
            refused: fixture!("error"),
        },
    }
}

fn sign(body: &[u8], secret: &str, _now: DateTime<Utc>) -> Vec<(String, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    vec![
        ("cko-signature".to_owned(), signature),
        ("authorization".to_owned(), "of no account's choosing".to_owned()),
    ]
}

fn packet() -> Packet {
    Packet {
        text: [(Field::Summary, "Delivered on 3 March and signed for.".to_owned())].into(),
        files: [(Field::ShippingDocumentation, vec!["file_h4kd7zr9xw2qmt5vbn6c".to_owned()])].into(),
        ..Packet::default()
    }
}

macro_rules! told {
    ($fixture:literal, $type:literal, $status:ident) => {
        Webhook {
            name: $fixture,
            body: fixture!($fixture),
            meaning: Meaning::Dispute(Status::$status),
            status_at: Some((concat!("\"type\":\"", $type, "\""), $type)),
        }
    };
}

fn webhooks() -> Vec<Webhook> {
    let other = |name, body, meaning| Webhook { name, body, meaning, status_at: None };
    vec![
        told!("evidence_required", "dispute_evidence_required", NeedsResponse),
        told!("evidence_submitted", "dispute_evidence_submitted", UnderReview),
        told!("acknowledged_by_scheme", "dispute_evidence_acknowledged_by_scheme", UnderReview),
        told!("won", "dispute_won", Won),
        told!("lost", "dispute_lost", Lost),
        told!("accepted", "dispute_accepted", Accepted),
        told!("expired", "dispute_expired", Expired),
        told!("canceled", "dispute_canceled", Cancelled),
        told!("resolved", "dispute_resolved", Closed),
        told!("arbitration_sent", "dispute_arbitration_sent_to_scheme", UnderReview),
        told!("arbitration_evidence_submitted", "dispute_arbitration_evidence_submitted", UnderReview),
        told!("arbitration_won", "dispute_arbitration_won", Won),
        told!("arbitration_lost", "dispute_arbitration_lost", Lost),
        other("received", fixture!("received"), Meaning::FetchFirst),
        other("won without amount", fixture!("won_without_amount"), Meaning::FetchFirst),
        other("evidence required undated", fixture!("evidence_required_undated"), Meaning::FetchFirst),
        other("information requested", fixture!("information_requested"), Meaning::Unrecognised),
        other("unknown event", fixture!("unknown_event"), Meaning::Unrecognised),
        other("payment captured", fixture!("payment_captured"), Meaning::NotOurs),
    ]
}
