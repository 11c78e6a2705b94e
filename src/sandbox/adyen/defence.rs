//! What a dispute can be defended with: the reasons by scheme, the types of documents under each, and what is wrong
//! with documents and defences. The reasons are a few of those that Adyen's pages list.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::record::Dispute;
use super::refusal::Refusal;

type Reason = (&'static str, &'static [(&'static str, &'static str)]);

const ANY: Reason =
    ("SupplyDefenseMaterial", &[("DefenseMaterial", "Required"), ("TIDorInvoice", "Optional")]);

/// What only this scheme offers comes first.
fn offered(scheme: &str) -> Vec<Reason> {
    match scheme {
        "mc" => vec![
            (
                "GoodsOrServicesProvided",
                &[("ProofOfGoodsOrServicesProvided", "Required"), ("TIDorInvoice", "Optional")],
            ),
            ("GoodsNotReturned", &[("GoodsNotReturned", "Required"), ("TIDorInvoice", "Optional")]),
            ANY,
        ],
        "amex" | "discover" => vec![("SupplyDefenseMaterial", &[("DefenseMaterial", "Required")])],
        _ => vec![ANY],
    }
}

pub(super) fn reasons(dispute: &Dispute) -> Vec<Value> {
    let reason = |(code, types): &Reason| {
        let there = |kind: &str| dispute.documents.contains_key(kind);
        let satisfied = types.iter().all(|(kind, level)| *level != "Required" || there(kind));
        let types: Vec<Value> = types
            .iter()
            .map(|(kind, level)| {
                json!({
                    "defenseDocumentTypeCode": kind,
                    "requirementLevel": level,
                    "available": there(kind),
                })
            })
            .collect();
        json!({ "defenseReasonCode": code, "satisfied": satisfied, "defenseDocumentTypes": types })
    };
    offered(&dispute.scheme).iter().map(reason).collect()
}

/// The supplied documents by type, with their sizes.
pub(super) fn read_documents(dispute: &Dispute, body: &Value) -> Result<BTreeMap<String, usize>, Refusal> {
    let list = body["defenseDocuments"].as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::missing("defenseDocuments"))?;
    list.iter().map(|document| read_document(dispute, document)).collect()
}

fn read_document(dispute: &Dispute, document: &Value) -> Result<(String, usize), Refusal> {
    let text = |field: &'static str| {
        document[field].as_str().filter(|t| !t.is_empty()).ok_or_else(|| Refusal::missing(field))
    };
    let kind = text("defenseDocumentTypeCode")?;
    let (content_type, content) = (text("contentType")?, text("content")?);
    let known = offered(&dispute.scheme).iter().any(|(_, types)| types.iter().any(|(code, _)| *code == kind));
    if !known {
        return Err(Refusal::not_done("The defense document type is not one of this dispute's"));
    }
    let size = STANDARD.decode(content).map_err(|_| Refusal::not_json())?.len();
    let most = match content_type {
        "application/pdf" => 2_000_000,
        "image/jpeg" | "image/jpg" | "image/png" | "image/tiff" => 10_000_000,
        _ => return Err(Refusal::not_done("The content type of the defense document is not supported")),
    };
    match size {
        0 => Err(Refusal::not_done("The defense document is empty")),
        size if size > most => Err(Refusal::not_done("The defense document is too large")),
        size => Ok((kind.to_owned(), size)),
    }
}

/// Whether the reason is one of the dispute's, and what it requires is there.
pub(super) fn check(dispute: &Dispute, body: &Value) -> Result<(), Refusal> {
    let code = body["defenseReasonCode"].as_str().filter(|c| !c.is_empty());
    let code = code.ok_or_else(|| Refusal::missing("defenseReasonCode"))?;
    let offered = offered(&dispute.scheme);
    let reason = offered.iter().find(|(known, _)| *known == code);
    let (_, types) = reason.ok_or_else(|| Refusal::not_done("The defense reason code is not applicable"))?;
    let lacking =
        |(kind, level): &(&str, &str)| *level == "Required" && !dispute.documents.contains_key(*kind);
    match types.iter().find(|t| lacking(t)) {
        Some((kind, _)) => Err(Refusal::not_done(&format!("Required defense document {kind} is missing"))),
        None => Ok(()),
    }
}
