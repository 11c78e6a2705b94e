//! A packet as Adyen takes it: one of the reasons that it offers for this dispute, and documents, each under a type
//! of its own that the reason has. Words have no place there, so they travel as a letter. What a packet breaks of
//! the limits is told before anything is sent. Sources: Adyen's OpenAPI `DisputeService-v30`; docs.adyen.com
//! "Defense requirements".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::wire::{DefenseReason, DocumentType};
use super::{capability, letter};
use crate::evidence::{Field, Packet, Sending};
use crate::providers::shared::outgoing::misplaced;
use crate::providers::shared::plausible::clean;

/// The reason that takes any documents, and their type.
const ANY_REASON: &str = "SupplyDefenseMaterial";
const ANY_TYPE: &str = "DefenseMaterial";

/// Adyen's codes that a reason of ours can mean, the fittest first.
const REASONS: &[(&str, &[&str])] = &[
    ("goods_services_received", &["GoodsOrServicesProvided", "GoodsWereAsDescribed"]),
    ("services_used", &["GoodsOrServicesProvided"]),
    ("as_described", &["GoodsWereAsDescribed"]),
    ("goods_as_described", &["GoodsWereAsDescribed"]),
    ("goods_not_returned", &["GoodsNotReturned"]),
    ("goods_replaced", &["GoodsRepairedOrReplaced"]),
    ("cancellation_terms", &["CancellationTermsFailed", "CreditOrCancellationPolicyProperlyDisclosed"]),
    (
        "cancellation_policy_disclosed",
        &["CreditOrCancellationPolicyProperlyDisclosed", "CancellationTermsFailed"],
    ),
];

/// What the types that suit a field have in their names, the fittest first.
fn hints(field: Field) -> &'static [&'static str] {
    match field {
        Field::Receipt => &["TIDorInvoice", "Invoice", "Receipt"],
        Field::ShippingDocumentation => &["Delivery", "GoodsOrServicesProvided", "Provided"],
        Field::ServiceDocumentation => &["ServicesProvided", "Provided", "AsDescribed"],
        Field::AccessActivityDocumentation => &["Activity", "Download", "ServicesProvided"],
        Field::CancellationDocumentation => &["Cancellation"],
        Field::CancellationPolicy | Field::RefundPolicy => &["Policy", "Cancellation"],
        Field::TermsAndConditions => &["Terms", "Policy"],
        Field::RefundDocumentation => &["Refund", "Credit"],
        Field::CustomerCommunication => &["Communication", "Correspondence", "AsDescribed"],
        Field::CustomerSignature => &["Signature", "Identification", "Delivery"],
        Field::DuplicateChargeDocumentation => &["Duplicate", "TIDorInvoice"],
        Field::ExplanationLetter | Field::UncategorizedFile => &[ANY_TYPE],
        Field::AccessActivityLog
        | Field::BillingAddress
        | Field::CancellationPolicyDisclosure
        | Field::CancellationRebuttal
        | Field::CustomerEmailAddress
        | Field::CustomerName
        | Field::CustomerPurchaseIp
        | Field::DuplicateChargeExplanation
        | Field::DuplicateChargeId
        | Field::ProductDescription
        | Field::RefundPolicyDisclosure
        | Field::RefundRefusalExplanation
        | Field::ServiceDate
        | Field::ShippingAddress
        | Field::ShippingCarrier
        | Field::ShippingDate
        | Field::ShippingTrackingNumber
        | Field::Summary
        | Field::UncategorizedText => &[],
    }
}

/// One document in the body of the supplying call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DefenseDocument {
    pub defense_document_type_code: String,
    pub content_type: String,
    /// Base64.
    pub content: String,
}

/// What is sent for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defence {
    pub reason_code: String,
    pub documents: Vec<DefenseDocument>,
    /// The packet has words, and no type was left for the letter that carries them.
    pub words_left_out: bool,
}

/// A document that wants a place.
struct Piece<'a> {
    name: &'a str,
    hints: &'static [&'static str],
    media_type: &'a str,
    content: &'a Bytes,
}

/// Picks the reason and gives each document its type, or says why there is no defence in it.
/// `complete`: everything that the reason requires must be there (a draft may lack some).
pub fn defence(sending: Sending<'_>, offered: &[DefenseReason], complete: bool) -> Result<Defence, String> {
    let reason = pick(sending.packet.defence_reason.as_deref(), offered)?;
    let letter = letter::letter(&letter::words(sending.packet));
    let pieces = sending.documents.iter().map(|document| Piece {
        name: &document.name,
        hints: hints(document.field),
        media_type: &document.media_type,
        content: &document.content,
    });
    let mut places = Places::of(reason);
    let mut strange = Vec::new();
    for piece in pieces {
        unfit(&piece)?;
        if !places.give_fitting(&piece) {
            strange.push(piece);
        }
    }
    // Last, so that none of them takes a type that another one suits.
    for piece in strange {
        places.give_any(&piece)?;
    }
    let mut words_left_out = false;
    if let Some(content) = &letter {
        let piece = Piece { name: "the letter", hints: &[ANY_TYPE], media_type: capability::PDF, content };
        unfit(&piece)?;
        words_left_out = !places.give_fitting(&piece) && places.give_any(&piece).is_err();
    }
    if complete {
        places.check_complete(&reason.defense_reason_code)?;
    }
    let documents = places.given;
    Ok(Defence { reason_code: reason.defense_reason_code.clone(), documents, words_left_out })
}

/// The reason that the rule names, in our words or Adyen's; else the one that takes anything. The only one of all is
/// picked where the rule names none: it may say something else than what the rule wants said.
fn pick<'o>(wanted: Option<&str>, offered: &'o [DefenseReason]) -> Result<&'o DefenseReason, String> {
    let by_code = |code: &str| offered.iter().find(|r| plain(&r.defense_reason_code) == plain(code));
    let ours = wanted.and_then(|w| REASONS.iter().find(|(name, _)| *name == w)).map(|(_, codes)| *codes);
    let found = wanted
        .and_then(by_code)
        .or_else(|| ours.and_then(|codes| codes.iter().find_map(|code| by_code(code))))
        .or_else(|| by_code(ANY_REASON))
        .or_else(|| offered.first().filter(|_| offered.len() == 1 && wanted.is_none()));
    found.ok_or_else(|| match offered {
        [] => "Adyen offers no reason to defend this dispute with".to_owned(),
        _ => {
            let codes = offered.iter().map(|r| clean(&r.defense_reason_code)).collect::<Vec<_>>().join(", ");
            let named = wanted.map_or("the rule names no reason".to_owned(), |w| {
                format!("the reason `{w}` is none of them")
            });
            format!("Adyen offers {codes}, and {named}: name one of them as the rule's `reason`")
        }
    })
}

/// `goods_or_services_provided` and `GoodsOrServicesProvided` are one name.
fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The types of a reason, each given once: a second document of a type would replace the first.
struct Places<'r> {
    all: &'r [DocumentType],
    free: Vec<&'r DocumentType>,
    given: Vec<DefenseDocument>,
}

impl<'r> Places<'r> {
    fn of(reason: &'r DefenseReason) -> Self {
        let all = &reason.defense_document_types[..];
        let mut free: Vec<&DocumentType> = all.iter().collect();
        free.sort_by_key(|t| urgency(&t.requirement_level));
        Self { all, free, given: Vec::new() }
    }

    /// Whether a type was free that suits it.
    fn give_fitting(&mut self, piece: &Piece<'_>) -> bool {
        let suits =
            |t: &&DocumentType, hint: &str| plain(&t.defense_document_type_code).contains(&plain(hint));
        let at = piece.hints.iter().find_map(|hint| self.free.iter().position(|t| suits(t, hint)));
        at.map(|at| self.give(at, piece)).is_some()
    }

    /// Under the type that takes anything, else under one that nothing depends on: a proof that it is not would
    /// satisfy what the reason requires.
    fn give_any(&mut self, piece: &Piece<'_>) -> Result<(), String> {
        let takes_anything = |t: &&DocumentType| t.defense_document_type_code == ANY_TYPE;
        let nothing_depends =
            |t: &&DocumentType| matches!(t.requirement_level.as_str(), "Optional" | "AlternativeRequired");
        let at = self.free.iter().position(takes_anything);
        match at.or_else(|| self.free.iter().position(nothing_depends)) {
            Some(at) => {
                self.give(at, piece);
                Ok(())
            }
            None => Err(format!(
                "Adyen takes one document of each of {} for this reason, and no type is left that `{}` suits: merge \
                 files into one, or put it into a field that fits",
                names(self.all),
                piece.name
            )),
        }
    }

    fn give(&mut self, at: usize, piece: &Piece<'_>) {
        let kind = self.free.remove(at);
        self.given.push(DefenseDocument {
            defense_document_type_code: kind.defense_document_type_code.clone(),
            content_type: piece.media_type.to_owned(),
            content: STANDARD.encode(piece.content),
        });
    }

    fn check_complete(&self, reason_code: &str) -> Result<(), String> {
        let of = |level: &'static str| self.all.iter().filter(move |t| t.requirement_level == level);
        let is_there = |t: &&DocumentType| {
            let is_given = |d: &DefenseDocument| d.defense_document_type_code == t.defense_document_type_code;
            t.available || self.given.iter().any(is_given)
        };
        if of("Required").any(|t| !is_there(&t)) {
            let names = names(of("Required").filter(|t| !is_there(t)));
            return Err(format!(
                "`{reason_code}` needs a document of each type, and there is none for {names}"
            ));
        }
        if of("OneOrMore").count() > 0 && !of("OneOrMore").any(|t| is_there(&t)) {
            return Err(format!("`{reason_code}` needs a document of one of {}", names(of("OneOrMore"))));
        }
        match self.given.is_empty() && self.all.iter().all(|t| !t.available) {
            true => Err("Adyen takes no defence without a document: add at least one file".to_owned()),
            false => Ok(()),
        }
    }
}

fn names<'t>(types: impl IntoIterator<Item = &'t DocumentType>) -> String {
    let names = types.into_iter().map(|t| clean(&t.defense_document_type_code));
    names.collect::<Vec<_>>().join(", ")
}

/// What is required gets a document before what is welcome.
fn urgency(level: &str) -> u8 {
    match level {
        "Required" => 0,
        "OneOrMore" => 1,
        "AlternativeRequired" => 2,
        _ => 3,
    }
}

fn unfit(piece: &Piece<'_>) -> Result<(), String> {
    let (name, media_type, size) = (piece.name, piece.media_type, piece.content.len());
    match capability::file_bytes_max(media_type) {
        None => {
            let taken = capability::CAPABILITIES.files.media_types.join(", ");
            Err(format!("`{name}` is `{media_type}`, and Adyen takes {taken}"))
        }
        Some(_) if size == 0 => Err(format!("`{name}` is empty")),
        Some(limit) if size as u64 > limit => {
            Err(format!("`{name}` has {size} bytes, and Adyen takes at most {limit} of `{media_type}`"))
        }
        Some(_) => Ok(()),
    }
}

pub fn lint(packet: &Packet, submit: bool) -> Vec<String> {
    let mut found = Vec::new();
    let words = letter::words(packet);
    if submit && packet.document_count() == 0 && words.is_empty() {
        found.push("Adyen takes no defence without a document: add words or at least one file".to_owned());
    }
    found.extend(letter::lint(&words));
    found.extend(misplaced(packet));
    if packet.amount.is_some() {
        found.push("Adyen takes no defence of a part of the amount".to_owned());
    }
    found
}
