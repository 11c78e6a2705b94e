//! Prism's description for the suite that every provider stands. Its webhooks are those of the connector behind it;
//! its answers are gRPC's, which the folder's own tests give.

use std::collections::BTreeMap;

use crate::evidence::{Field, FileRef, Packet};
use crate::providers::adyen::Adyen;
use crate::providers::conformance::{ApiAnswers, Conformance, Preparation};
use crate::providers::{Folder, ProviderName};

pub fn conformance() -> Conformance {
    Conformance {
        provider: ProviderName::Prism,
        credentials: &[
            ("connector", "adyen"),
            ("api_key", "AQEp-Zw81"),
            ("merchant_account", "NordlichtHamburg"),
            ("reason_codes", "upper"),
        ],
        api: ApiAnswers {
            dispute_ref: "QX7TWPM4KJ9R2C8V",
            packet,
            before_each: &[],
            before_submission: &[Preparation { method: "gRPC", path: "SubmitEvidence", answer: "" }],
            before_acceptance: &[],
            within_list: &[],
            fetched: "",
            page: "",
            omits_empty_list: false,
            accepted: "",
            staged: "",
            submitted: "",
            uploaded: "",
            refused: "",
        },
        // Behind Prism a webhook has its signatures alone.
        sign: |_, _, _| Vec::new(),
        ..Adyen::described()
    }
}

fn packet() -> Packet {
    let file = FileRef { file_id: 17, sha256: [0x5a; 32] };
    Packet {
        files: BTreeMap::from([(Field::Receipt, vec![file.to_string()])]),
        defence_reason: Some("goods_services_received".to_owned()),
        ..Packet::default()
    }
}
