//! Adyen's description for the suite that every provider stands.
//! Says what is particular to Adyen and tests nothing itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::dispute::Status;
use crate::evidence::{Field, Packet};
use crate::providers::ProviderName;
use crate::providers::conformance::{ApiAnswers, Conformance, JSON, Meaning, Preparation, Webhook, Within};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".json"))
    };
}

const USER: &str = "adyen-in";
const PASSWORD: &str = "Hawthorn-44:x";

pub fn conformance() -> Conformance {
    Conformance {
        provider: ProviderName::Adyen,
        credentials: &[
            ("api_key", "AQEmhmfuXN-Alder"),
            ("merchant_account", "NordlichtHamburg"),
            ("webhook_user", USER),
            ("webhook_password", PASSWORD),
        ],
        secrets: [
            "5B0E9A7C41D2F8836E1740BB9C5DA2F09477E3D168AC0F25B9E86D3C7A1150F4",
            "C2D4416F08E97B3A5512AF60D98E734B1CA05F27E6B84D93037FA81C62E5B90D",
            "0F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F0",
        ],
        sign,
        within: Some(Within { signed, fields }),
        optional_headers: &[],
        age_max_s: None,
        settings: &[],
        webhooks: webhooks(),
        records: vec![],
        api: ApiAnswers {
            carried: JSON,
            dispute_ref: "KT7WQ2MXH4BZ6R82",
            packet,
            before_each: &[],
            before_submission: PREPARATIONS,
            before_acceptance: &[],
            within_list: &[],
            fetched: "",
            page: "",
            omits_empty_list: false,
            accepted: fixture!("done"),
            staged: fixture!("reasons"),
            submitted: fixture!("done"),
            uploaded: "",
            refused: fixture!("error"),
        },
    }
}

const PREPARATIONS: &[Preparation] = &[
    Preparation { method: "POST", path: "retrieveApplicableDefenseReasons", answer: fixture!("reasons") },
    Preparation { method: "POST", path: "supplyDefenseDocument", answer: fixture!("done") },
];

fn sign(_body: &[u8], _secret: &str, _now: DateTime<Utc>) -> Vec<(String, String)> {
    vec![("authorization".to_owned(), format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}"))))]
}

/// The body with the signature of each item where Adyen puts it: in the place left empty for it.
pub fn signed(body: &[u8], secret: &str) -> Vec<u8> {
    let envelope: Value = serde_json::from_slice(body).expect("fixtures are JSON");
    let text = std::str::from_utf8(body).expect("fixtures are text");
    let empty = [r#""hmacSignature":"""#, r#""hmacSignature": """#];
    let empty = empty.into_iter().find(|empty| text.contains(empty)).expect("a place for the signature");
    let mut pieces = text.split(empty);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (item, piece) in envelope["notificationItems"].as_array().expect("a list").iter().zip(pieces) {
        let signature = signature(&eight(&item["NotificationRequestItem"]).join(":"), secret);
        out.push_str(&format!(r#""hmacSignature":"{signature}"{piece}"#));
    }
    out.into_bytes()
}

fn signature(text: &str, secret: &str) -> String {
    let key = hex::decode(secret).expect("keys are hex");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key of any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// What the signature covers of each item, and the signature.
fn fields(body: &[u8]) -> Option<Vec<String>> {
    let envelope: Value = serde_json::from_slice(body).ok()?;
    let items = envelope["notificationItems"].as_array()?;
    let all = items.iter().map(|item| {
        let item = &item["NotificationRequestItem"];
        let signature = item["additionalData"]["hmacSignature"].as_str().unwrap_or_default();
        eight(item).into_iter().chain([signature.trim().to_owned()]).collect::<Vec<_>>().join("\n")
    });
    Some(all.collect())
}

fn eight(item: &Value) -> [String; 8] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let value = item["amount"]["value"].as_i64().map_or(String::new(), |value| value.to_string());
    [
        text(&item["pspReference"]),
        text(&item["originalReference"]),
        text(&item["merchantAccountCode"]),
        text(&item["merchantReference"]),
        value,
        text(&item["amount"]["currency"]),
        text(&item["eventCode"]),
        text(&item["success"]),
    ]
}

fn packet() -> Packet {
    Packet {
        text: [(Field::Summary, "Delivered on 3 March and signed for.".to_owned())].into(),
        ..Packet::default()
    }
}

fn webhooks() -> Vec<Webhook> {
    let other = |name, body, meaning| Webhook { name, body, meaning, status_at: None };
    let mut all = disputes();
    all.extend([
        other("notification of fraud", fixture!("notification_of_fraud"), Meaning::Notice),
        other("unknown event", fixture!("unknown_event"), Meaning::Unrecognised),
        other("authorisation", fixture!("authorisation"), Meaning::NotOurs),
    ]);
    all
}

fn disputes() -> Vec<Webhook> {
    use Status::{Lost, NeedsResponse, UnderReview, Won};
    let dispute = |name, body, status, place, word| Webhook {
        name,
        body,
        meaning: Meaning::Dispute(status),
        status_at: Some((place, word)),
    };
    let undefended =
        |name, body| dispute(name, body, NeedsResponse, r#""disputeStatus":"Undefended""#, "Undefended");
    let lost = |name, body| dispute(name, body, Lost, r#""disputeStatus":"Lost""#, "Lost");
    let (supplied, asked) = (fixture!("information_supplied"), fixture!("request_for_information"));
    let reversed = fixture!("chargeback_reversed");
    vec![
        undefended("notification of chargeback", fixture!("notification_of_chargeback")),
        undefended("chargeback", fixture!("chargeback")),
        undefended("pre-arbitration opened", fixture!("prearbitration_open")),
        dispute("information supplied", supplied, UnderReview, r#""disputeStatus":"Pending""#, "Pending"),
        dispute("asked", asked, NeedsResponse, r#""disputeStatus":"Unresponded""#, "Unresponded"),
        dispute("chargeback reversed", reversed, Won, r#""disputeStatus":"Won""#, "Won"),
        lost("defense period ended", fixture!("defense_period_ended")),
        lost("second chargeback", fixture!("second_chargeback")),
        lost("pre-arbitration lost", fixture!("prearbitration_lost")),
    ]
}
