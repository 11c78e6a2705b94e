//! PayPal's description for the suite that every provider stands.
//! Says what is particular to PayPal and tests nothing itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use crate::dispute::Status;
use crate::evidence::{Field, Packet};
use crate::providers::ProviderName;
use crate::providers::conformance::{ApiAnswers, Conformance, JSON, Meaning, Preparation, Webhook};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".json"))
    };
}

/// A key of the tests' own, which opens nothing.
const SIGNER: &[u8] = include_bytes!("fixtures/keys/signer.der");
const KEY_FILE: &str = concat!(
    "CERT-2b81f0aa-05f4ab61=",
    env!("CARGO_MANIFEST_DIR"),
    "/src/providers/paypal/fixtures/keys/signer.pub.pem"
);
/// The record is read before anything is done to it.
const SHOWN: &[Preparation] =
    &[Preparation { method: "GET", path: "/v1/customer/disputes/PP-R", answer: fixture!("record") }];

pub fn conformance() -> Conformance {
    Conformance {
        provider: ProviderName::Paypal,
        credentials: &[("client_id", "AbSorrelClient31"), ("client_secret", "ESorrelSecret55x")],
        secrets: ["4PX61120TK9983145", "7LM20981WS4471260", "0ZZ99999ZZ0000000"],
        sign,
        within: None,
        // The version of the scheme, which is not signed.
        optional_headers: &["paypal-auth-version"],
        age_max_s: Some(300),
        settings: &[("certificate_file", KEY_FILE), ("repeats_for_s", "0")],
        webhooks: webhooks(),
        records: records(),
        api: ApiAnswers {
            carried: JSON,
            dispute_ref: "PP-R-TQX-20260311",
            packet,
            before_each: &[Preparation {
                method: "POST",
                path: "/v1/oauth2/token",
                answer: fixture!("token"),
            }],
            before_submission: SHOWN,
            before_acceptance: SHOWN,
            within_list: SHOWN,
            fetched: fixture!("record"),
            page: fixture!("page"),
            omits_empty_list: false,
            accepted: fixture!("taken"),
            staged: fixture!("taken"),
            submitted: fixture!("taken"),
            uploaded: fixture!("taken"),
            refused: fixture!("error"),
        },
    }
}

fn sign(body: &[u8], webhook_id: &str, now: DateTime<Utc>) -> Vec<(String, String)> {
    let (id, time) = ("77c1e0d0-1d33-11f1-8a2b-5f2d0c9be771", now.to_rfc3339_opts(SecondsFormat::Secs, true));
    let message = format!("{id}|{time}|{webhook_id}|{}", crc32fast::hash(body));
    let key = RsaKeyPair::from_pkcs8(SIGNER).expect("a key that openssl made");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("RSA signs");
    let header = |name: &str, value: String| (name.to_owned(), value);
    vec![
        header("paypal-transmission-id", id.to_owned()),
        header("paypal-transmission-time", time),
        header("paypal-transmission-sig", STANDARD.encode(signature)),
        header(
            "paypal-cert-url",
            "https://api.paypal.com/v1/notifications/certs/CERT-2b81f0aa-05f4ab61".to_owned(),
        ),
        header("paypal-auth-algo", "SHA256withRSA".to_owned()),
        header("paypal-auth-version", "v2".to_owned()),
    ]
}

fn packet() -> Packet {
    Packet {
        text: [(Field::Summary, "Delivered on 3 March and signed for.".to_owned())].into(),
        ..Packet::default()
    }
}

fn webhooks() -> Vec<Webhook> {
    let webhook = |name, body, meaning| Webhook { name, body, meaning, status_at: None };
    vec![
        webhook("created", fixture!("created"), Meaning::FetchFirst),
        webhook("updated", fixture!("updated"), Meaning::FetchFirst),
        webhook("resolved", fixture!("resolved"), Meaning::FetchFirst),
        webhook("risk created", fixture!("risk_created"), Meaning::FetchFirst),
        webhook("unknown event", fixture!("unknown_event"), Meaning::Unrecognised),
        webhook("sale", fixture!("sale"), Meaning::NotOurs),
    ]
}

fn records() -> Vec<Webhook> {
    let record = |name, body, status, place, word| Webhook {
        name,
        body,
        meaning: Meaning::Dispute(status),
        status_at: Some((place, word)),
    };
    let waiting = r#""status":"WAITING_FOR_SELLER_RESPONSE""#;
    let review = r#""status":"UNDER_REVIEW""#;
    let resolved = r#""status":"RESOLVED""#;
    vec![
        record("record", fixture!("record"), Status::NeedsResponse, waiting, "WAITING_FOR_SELLER_RESPONSE"),
        record("inquiry", fixture!("record_inquiry"), Status::NeedsResponse, r#""status":"OPEN""#, "OPEN"),
        record("under review", fixture!("record_under_review"), Status::UnderReview, review, "UNDER_REVIEW"),
        record("external", fixture!("record_external"), Status::UnderReview, review, "UNDER_REVIEW"),
        record("won", fixture!("record_won"), Status::Won, resolved, "RESOLVED"),
        record("lost", fixture!("record_lost"), Status::Lost, resolved, "RESOLVED"),
        record("cancelled", fixture!("record_cancelled"), Status::Cancelled, resolved, "RESOLVED"),
        record("appealable", fixture!("record_appealable"), Status::NeedsResponse, resolved, "RESOLVED"),
        record(
            "won by its outcome",
            fixture!("record_won"),
            Status::Won,
            r#""outcome_code":"RESOLVED_SELLER_FAVOUR""#,
            "RESOLVED_SELLER_FAVOUR",
        ),
    ]
}
