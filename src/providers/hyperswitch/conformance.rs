//! The router's description for the suite that every provider stands.
//! Says what is particular to it and tests nothing itself.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use crate::dispute::Status;
use crate::evidence::{Field, Packet};
use crate::providers::ProviderName;
use crate::providers::conformance::{ApiAnswers, Conformance, JSON, Meaning, Webhook};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".json"))
    };
}

pub fn conformance() -> Conformance {
    Conformance {
        provider: ProviderName::Hyperswitch,
        credentials: &[("api_key", "prd_Plover93Teal")],
        secrets: ["Whimbrel-55-new", "Godwit-31-old", "Knot-08-strange"],
        sign,
        within: None,
        optional_headers: &[],
        age_max_s: None,
        settings: &[],
        webhooks: webhooks(),
        records: vec![],
        api: ApiAnswers {
            carried: JSON,
            dispute_ref: "dp_Wz3kQh7LmNs9Tq",
            packet,
            before_each: &[],
            before_submission: &[],
            before_acceptance: &[],
            within_list: &[],
            fetched: fixture!("record"),
            page: fixture!("page"),
            omits_empty_list: false,
            accepted: fixture!("record_accepted"),
            // Neither is offered.
            staged: "",
            submitted: fixture!("record_submitted"),
            uploaded: "",
            refused: fixture!("error"),
        },
    }
}

fn sign(body: &[u8], secret: &str, _now: DateTime<Utc>) -> Vec<(String, String)> {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    vec![("x-webhook-signature-512".to_owned(), hex::encode(mac.finalize().into_bytes()))]
}

fn packet() -> Packet {
    Packet {
        text: [
            (Field::Summary, "Handed over on 3 March and signed for.".to_owned()),
            (Field::CustomerName, "Ines Okafor".to_owned()),
        ]
        .into(),
        ..Packet::default()
    }
}

fn webhooks() -> Vec<Webhook> {
    let told = |name, body, status, place, word| Webhook {
        name,
        body,
        meaning: Meaning::Dispute(status),
        status_at: Some((place, word)),
    };
    let other = |name, body, meaning| Webhook { name, body, meaning, status_at: None };
    macro_rules! dispute {
        ($fixture:literal, $status:ident, $word:literal) => {
            told(
                $fixture,
                fixture!($fixture),
                Status::$status,
                concat!("\"dispute_status\":\"", $word, "\""),
                $word,
            )
        };
    }
    vec![
        dispute!("opened", NeedsResponse, "dispute_opened"),
        dispute!("challenged", UnderReview, "dispute_challenged"),
        dispute!("won", Won, "dispute_won"),
        dispute!("lost", Lost, "dispute_lost"),
        dispute!("accepted", Accepted, "dispute_accepted"),
        dispute!("expired", Expired, "dispute_expired"),
        dispute!("cancelled", Cancelled, "dispute_cancelled"),
        dispute!("pre_arbitration", Won, "dispute_won"),
        dispute!("stripe_funds_withdrawn", NeedsResponse, "dispute_lost"),
        dispute!("stripe_closed_won", Won, "dispute_cancelled"),
        dispute!("stripe_closed_unsaid", Closed, "dispute_cancelled"),
        other("a chargeback that may still be defended", fixture!("adyen_chargeback"), Meaning::FetchFirst),
        other("behind its type", fixture!("behind_its_type"), Meaning::FetchFirst),
        other("unknown status", fixture!("unknown_status"), Meaning::Unrecognised),
        other("payment succeeded", fixture!("payment_succeeded"), Meaning::NotOurs),
    ]
}
