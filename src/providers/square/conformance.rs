//! Square's description for the suite that every provider stands.
//! Says what is particular to Square and tests nothing itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::dispute::Status;
use crate::evidence::{Field, Packet};
use crate::providers::ProviderName;
use crate::providers::conformance::{ApiAnswers, Conformance, JSON, Meaning, Preparation, URL, Webhook};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".json"))
    };
}

pub fn conformance() -> Conformance {
    Conformance {
        provider: ProviderName::Square,
        credentials: &[("access_token", "EAAAq7kd4zr9xw2q")],
        secrets: ["Sorrel-55-signs", "Yarrow-21-before", "Tansy-77-others"],
        sign,
        within: None,
        optional_headers: &[],
        age_max_s: None,
        settings: &[],
        webhooks: webhooks(),
        records: vec![],
        api: ApiAnswers {
            carried: JSON,
            dispute_ref: "Kq7ZtW3nVbR2xHcY8mPd",
            packet,
            before_each: &[],
            before_submission: &[
                Preparation { method: "POST", path: "/evidence-", answer: fixture!("evidence") },
                Preparation { method: "GET", path: "/evidence", answer: fixture!("evidence_list") },
            ],
            before_acceptance: &[],
            within_list: &[],
            fetched: fixture!("record"),
            page: fixture!("page"),
            omits_empty_list: true,
            accepted: fixture!("record_accepted"),
            staged: fixture!("record"),
            submitted: fixture!("record_submitted"),
            uploaded: "",
            refused: fixture!("error"),
        },
    }
}

fn sign(body: &[u8], secret: &str, _now: DateTime<Utc>) -> Vec<(String, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(URL.as_bytes());
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    vec![("x-square-hmacsha256-signature".to_owned(), signature)]
}

fn packet() -> Packet {
    Packet { text: [(Field::Summary, "Delivered on 6 March.".to_owned())].into(), ..Packet::default() }
}

fn webhooks() -> Vec<Webhook> {
    let dispute = |name, body, status, place, word| Webhook {
        name,
        body,
        meaning: Meaning::Dispute(status),
        status_at: Some((place, word)),
    };
    let other = |name, body, meaning| Webhook { name, body, meaning, status_at: None };
    let open = (r#""state":"EVIDENCE_REQUIRED""#, "EVIDENCE_REQUIRED");
    let asks = |name, body| dispute(name, body, Status::NeedsResponse, open.0, open.1);
    vec![
        asks("created", fixture!("created")),
        asks("evidence created", fixture!("evidence_created")),
        asks("evidence added", fixture!("evidence_added")),
        dispute(
            "inquiry",
            fixture!("inquiry_created"),
            Status::NeedsResponse,
            r#""state":"INQUIRY_EVIDENCE_REQUIRED""#,
            "INQUIRY_EVIDENCE_REQUIRED",
        ),
        dispute(
            "inquiry processing",
            fixture!("inquiry_processing"),
            Status::UnderReview,
            r#""state":"INQUIRY_PROCESSING""#,
            "INQUIRY_PROCESSING",
        ),
        dispute(
            "inquiry closed",
            fixture!("inquiry_closed"),
            Status::Closed,
            r#""state":"INQUIRY_CLOSED""#,
            "INQUIRY_CLOSED",
        ),
        dispute(
            "processing",
            fixture!("processing"),
            Status::UnderReview,
            r#""state":"PROCESSING""#,
            "PROCESSING",
        ),
        dispute("won", fixture!("won"), Status::Won, r#""state":"WON""#, "WON"),
        dispute("lost", fixture!("lost"), Status::Lost, r#""state":"LOST""#, "LOST"),
        dispute("accepted", fixture!("accepted"), Status::Accepted, r#""state":"ACCEPTED""#, "ACCEPTED"),
        other("unknown event", fixture!("unknown_event"), Meaning::Unrecognised),
        other("payment updated", fixture!("payment_updated"), Meaning::NotOurs),
    ]
}
