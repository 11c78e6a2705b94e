//! Prism's description for the suite that every provider stands. Its webhooks are those of the connector behind it,
//! its answers its own: messages, and statuses with details beside them, as its servers make them of what a connector
//! answers by HTTP.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message as _;
use wiremock::ResponseTemplate;

use super::proto::types::{ConnectorError, ConnectorErrorDetails, ErrorInfo};
use crate::evidence::{Field, FileRef, Packet};
use crate::providers::adyen::Adyen;
use crate::providers::conformance::{ApiAnswers, Carried, Conformance, Preparation};
use crate::providers::{Folder, ProviderName};

/// What a connector said.
const REFUSED: &str = "The defence period is over";

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
            carried: Carried { answer, says_how_long: false },
            dispute_ref: "QX7TWPM4KJ9R2C8V",
            packet,
            before_each: &[],
            before_submission: &[Preparation {
                method: "gRPC",
                path: "SubmitEvidence",
                // The id in field 1, and in field 3 that it is challenged.
                answer: "\n\u{10}QX7TWPM4KJ9R2C8V\u{18}\u{5}",
            }],
            before_acceptance: &[],
            within_list: &[],
            fetched: "",
            page: "",
            omits_empty_list: false,
            // The id in field 1, and in field 2 that it is accepted or challenged.
            accepted: "\n\u{10}QX7TWPM4KJ9R2C8V\u{10}\u{3}",
            staged: "",
            submitted: "\n\u{10}QX7TWPM4KJ9R2C8V\u{10}\u{5}",
            uploaded: "",
            refused: REFUSED,
        },
        // Behind Prism a webhook has its signatures alone.
        sign: |_, _, _| Vec::new(),
        ..Adyen::described()
    }
}

/// A message, or the status that Prism makes of a connector's HTTP status: with the connector's words in its details,
/// or with anything else that stands there instead.
fn answer(http: u16, body: &str) -> ResponseTemplate {
    let grpc = ResponseTemplate::new(200).insert_header("content-type", "application/grpc");
    if (200..300).contains(&http) {
        let length = u32::try_from(body.len()).expect("a short answer").to_be_bytes();
        let frame = [&[0], &length[..], body.as_bytes()].concat();
        return grpc.insert_header("grpc-status", "0").set_body_raw(frame, "application/grpc");
    }
    let details = match body {
        REFUSED => connector_error(http),
        other => other.as_bytes().to_vec(),
    };
    let grpc = grpc.insert_header("grpc-status", code(http)).insert_header("grpc-message", "as%20it%20was");
    match details.is_empty() {
        true => grpc,
        false => grpc.insert_header("grpc-status-details-bin", STANDARD_NO_PAD.encode(details)),
    }
}

fn connector_error(http: u16) -> Vec<u8> {
    let said = ConnectorErrorDetails {
        code: Some("137".to_owned()),
        message: Some(REFUSED.to_owned()),
        ..ConnectorErrorDetails::default()
    };
    ConnectorError {
        error_message: REFUSED.to_owned(),
        error_code: "CONNECTOR_ERROR_RESPONSE".to_owned(),
        http_status_code: Some(http.into()),
        error_info: Some(ErrorInfo { connector_details: Some(said), ..ErrorInfo::default() }),
    }
    .encode_to_vec()
}

/// What gRPC status it makes of a connector's HTTP status.
const fn code(http: u16) -> &'static str {
    match http {
        400 => "3",
        401 => "16",
        403 => "7",
        404 => "5",
        429 => "8",
        500 => "13",
        501 => "12",
        503 => "14",
        504 => "4",
        _ => "2",
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
