//! Reads requests: which dispute is meant, and what is wanted with it. What cannot be understood is refused by name,
//! because what it was meant to say would be left out of something that cannot be undone. Pure.

use bytes::Bytes;
use chrono::DateTime;
use prost::encoding::{self, DecodeContext};
use tonic::Status;

use super::proto::types::{
    DisputeServiceAcceptRequest, DisputeServiceDefendRequest, DisputeServiceGetRequest,
    DisputeServiceSubmitEvidenceRequest, EvidenceDocument, EvidenceType,
};
use super::refusal::invalid;
use super::words;
use crate::desk::{Given, Piece, Want, Wish, reason};
use crate::evidence::Field;
use crate::store::evidence::Named;
use crate::store::files::NewFile;

/// So many pieces come in one call at most.
const DOCUMENTS_MAX: usize = 100;
/// The field that holds them.
const DOCUMENTS: (u32, &str) = (6, "evidence_documents");

/// Whether the message says no more often what can be said again and again than it may, by its bytes: an entry of two
/// bytes takes more than a hundred once it is made. What cannot be read is for whoever decodes it.
pub(super) fn few_documents(mut message: &[u8]) -> Result<(), Status> {
    let (field, name) = DOCUMENTS;
    let mut entries = 0;
    while let Ok((tag, wire_type)) = encoding::decode_key(&mut message) {
        entries += usize::from(tag == field);
        if entries > DOCUMENTS_MAX {
            return Err(invalid(format!(
                "`{name}` has more than {DOCUMENTS_MAX} entries, and {DOCUMENTS_MAX} are taken in one call: send the \
                 others in a second one"
            )));
        }
        if encoding::skip_field(wire_type, tag, &mut message, DecodeContext::default()).is_err() {
            break;
        }
    }
    Ok(())
}

/// The dispute a request names, and what comes back with the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct About {
    pub dispute_id: String,
    /// A second name of the same dispute, where the request has one.
    pub or_id: Option<String>,
    /// The provider's id of the payment. Empty is none.
    pub transaction_id: String,
    pub merchant_dispute_id: Option<String>,
}

impl About {
    fn of(dispute_id: String, transaction_id: String, merchant: Option<String>) -> Result<Self, Status> {
        if dispute_id.trim().is_empty() {
            return Err(invalid("`dispute_id` is empty: give the provider's id of the dispute, or ours"));
        }
        Ok(Self { dispute_id, or_id: None, transaction_id, merchant_dispute_id: merchant })
    }

    /// Whether everything that the request says of the dispute is said of this one. A payment that is not the
    /// dispute's means that somebody took one dispute for another; nothing that cannot be undone comes of that.
    pub fn agrees(&self, named: &Named) -> Result<(), Status> {
        let same = |id: &str| id == named.dispute_ref || id == named.dispute_id.to_string();
        if self.or_id.as_deref().is_some_and(|id| !same(id)) {
            return Err(invalid("`dispute_id` and `connector_dispute_id` name different disputes"));
        }
        let known = [&named.payment_ref, &named.charge_ref];
        let told = !self.transaction_id.is_empty() && known.iter().any(|id| id.is_some());
        if told && !known.iter().any(|id| id.as_deref() == Some(self.transaction_id.as_str())) {
            let ids: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
            return Err(invalid(format!(
                "`connector_transaction_id` names another payment than the one this dispute is about ({}): correct \
                 one of the two ids, or leave this one out",
                ids.join(" or ")
            )));
        }
        Ok(())
    }
}

pub(super) fn defend(request: DisputeServiceDefendRequest) -> Result<(About, Wish), Status> {
    let DisputeServiceDefendRequest {
        merchant_dispute_id,
        connector_transaction_id,
        dispute_id,
        reason_code,
    } = request;
    let about = About::of(dispute_id, connector_transaction_id, merchant_dispute_id)?;
    let reason = reason_code.filter(|code| !code.is_empty()).map(|code| reason(&code)).transpose();
    let reason = reason.map_err(|none| invalid(none.to_string()))?;
    let want = Want::Defend { template: None, reason, acknowledge_fee: false };
    Ok((about, wish(want, Vec::new())?))
}

pub(super) fn accept(request: DisputeServiceAcceptRequest) -> Result<(About, Wish), Status> {
    let DisputeServiceAcceptRequest { merchant_dispute_id, connector_transaction_id, dispute_id } = request;
    let about = About::of(dispute_id, connector_transaction_id, merchant_dispute_id)?;
    Ok((about, wish(Want::Accept, Vec::new())?))
}

/// Evidence is kept for the defence that follows, each field's in place of what it had.
pub(super) fn evidence(request: DisputeServiceSubmitEvidenceRequest) -> Result<(About, Wish), Status> {
    let DisputeServiceSubmitEvidenceRequest {
        merchant_dispute_id,
        connector_transaction_id,
        dispute_id,
        service_date,
        shipping_date,
        evidence_documents,
    } = request;
    let transaction_id = connector_transaction_id.unwrap_or_default();
    let about = About::of(dispute_id, transaction_id, merchant_dispute_id)?;
    let mut pieces = Vec::new();
    for (at, document) in evidence_documents.into_iter().enumerate() {
        let piece = piece(document, at);
        pieces.push(piece.map_err(|why| invalid(format!("`evidence_documents[{at}]`: {why}")))?);
    }
    for (name, seconds, field) in [
        ("service_date", service_date, Field::ServiceDate),
        ("shipping_date", shipping_date, Field::ShippingDate),
    ] {
        let Some(seconds) = seconds else { continue };
        let day = day(seconds).ok_or_else(|| {
            invalid(format!(
                "`{name}` is {seconds}, which is no day that anything was sold on: seconds since 1970"
            ))
        })?;
        pieces.push(Piece { field, given: Given::Words(day) });
    }
    if pieces.is_empty() {
        return Err(invalid(
            "there is no evidence in this call: give `evidence_documents`, `service_date` or `shipping_date`",
        ));
    }
    Ok((about, wish(Want::Keep, pieces)?))
}

/// `connector_dispute_id`, or `dispute_id` without one.
pub(super) fn get(request: DisputeServiceGetRequest) -> Result<About, Status> {
    let DisputeServiceGetRequest { merchant_dispute_id, dispute_id, connector_dispute_id } = request;
    let other = dispute_id.filter(|id| !id.is_empty());
    if !connector_dispute_id.is_empty() {
        let about = About::of(connector_dispute_id, String::new(), merchant_dispute_id)?;
        return Ok(About { or_id: other, ..about });
    }
    match other {
        Some(id) => About::of(id, String::new(), merchant_dispute_id),
        None => Err(invalid("`connector_dispute_id` is empty: give the provider's id of the dispute")),
    }
}

fn piece(document: EvidenceDocument, at: usize) -> Result<Piece, String> {
    let EvidenceDocument { evidence_type, file_content, file_mime_type, provider_file_id, text_content } =
        document;
    let kind = kind(evidence_type)?;
    let file_field = words::file_field(kind).ok_or("`evidence_type` is not given")?;
    let content = file_content.filter(|content| !content.is_empty());
    let id = provider_file_id.filter(|id| !id.is_empty());
    let text = text_content.filter(|text| !text.is_empty());
    match (content, id, text) {
        (Some(content), None, None) => {
            let given = Given::File(file(kind, at, content, &file_mime_type.unwrap_or_default())?);
            Ok(Piece { field: file_field, given })
        }
        (None, Some(id), None) => Ok(Piece { field: file_field, given: Given::ProviderFile(id) }),
        (None, None, Some(text)) => match words::text_field(kind) {
            Some(field) => Ok(Piece { field, given: Given::Words(text) }),
            None => Err(format!("there is no place for words as {}: {}", kind.as_str_name(), places())),
        },
        (None, None, None) => {
            Err("it is empty: give `file_content`, `provider_file_id` or `text_content`".to_owned())
        }
        _ => {
            Err("give one of `file_content`, `provider_file_id` and `text_content`, each in an entry of its \
                  own"
            .to_owned())
        }
    }
}

fn kind(number: i32) -> Result<EvidenceType, String> {
    let names = || words::kinds().map(|kind| kind.as_str_name()).collect::<Vec<_>>().join(", ");
    match EvidenceType::try_from(number) {
        Ok(EvidenceType::Unspecified) => Err(format!("`evidence_type` is not given: one of {}", names())),
        Ok(kind) => Ok(kind),
        Err(_) => Err(format!("{number} is no `evidence_type` that is known here: one of {}", names())),
    }
}

fn places() -> String {
    let named = words::kinds().filter(|kind| words::text_field(*kind).is_some());
    format!("there is one as {}", named.map(|kind| kind.as_str_name()).collect::<Vec<_>>().join(", "))
}

/// The document has no name of its own, so that it gets one that tells what it is.
fn file(kind: EvidenceType, at: usize, content: Bytes, said: &str) -> Result<NewFile, String> {
    let name = |ending: &str| format!("{}-{}{ending}", kind.as_str_name().to_lowercase(), at + 1);
    let plain = NewFile::new(&name(""), content.clone()).map_err(|e| e.to_string())?;
    let ending = match plain.media_type() {
        "application/pdf" => ".pdf",
        "image/png" => ".png",
        "image/jpeg" => ".jpg",
        _ => "",
    };
    let named = NewFile::new(&name(ending), content).map_err(|e| e.to_string())?;
    named.said_to_be(said).map_err(|e| e.to_string())
}

/// The day in UTC, as evidence has it: `2026-03-01`.
fn day(seconds: i64) -> Option<String> {
    let sane = (0..7_258_118_400).contains(&seconds);
    let at = DateTime::from_timestamp(seconds, 0).filter(|_| sane)?;
    Some(at.format("%Y-%m-%d").to_string())
}

fn wish(want: Want, pieces: Vec<Piece>) -> Result<Wish, Status> {
    Wish::new(want, pieces).map_err(|bad| invalid(bad.to_program()))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    fn document(kind: EvidenceType) -> EvidenceDocument {
        EvidenceDocument { evidence_type: kind.into(), ..EvidenceDocument::default() }
    }

    fn asked(documents: Vec<EvidenceDocument>) -> Result<(About, Wish), Status> {
        evidence(DisputeServiceSubmitEvidenceRequest {
            dispute_id: "dp_1".into(),
            evidence_documents: documents,
            ..Default::default()
        })
    }

    fn refused(documents: Vec<EvidenceDocument>) -> String {
        asked(documents).unwrap_err().message().to_owned()
    }

    const PDF: &[u8] = b"%PDF-1.4 a slip";

    #[test]
    fn evidence_is_bytes_or_an_id_or_words_each_in_its_place() {
        let bytes = EvidenceDocument {
            file_content: Some(PDF.into()),
            file_mime_type: Some("application/pdf".into()),
            ..document(EvidenceType::ShippingDocumentation)
        };
        let id =
            EvidenceDocument { provider_file_id: Some("file_1".into()), ..document(EvidenceType::Receipt) };
        let text = EvidenceDocument {
            text_content: Some("It came.".into()),
            ..document(EvidenceType::UncategorizedFile)
        };
        let (_, wish) = asked(vec![bytes, id, text]).unwrap();
        let file = NewFile::new("shipping_documentation-1.pdf", PDF).unwrap();
        let pieces = vec![
            Piece { field: Field::ShippingDocumentation, given: Given::File(file) },
            Piece { field: Field::Receipt, given: Given::ProviderFile("file_1".into()) },
            Piece { field: Field::UncategorizedText, given: Given::Words("It came.".into()) },
        ];
        assert_eq!(wish, Wish::new(Want::Keep, pieces).unwrap());
    }

    #[test]
    fn days_are_those_of_utc() {
        let (_, wish) = evidence(DisputeServiceSubmitEvidenceRequest {
            dispute_id: "dp_1".into(),
            service_date: Some(1_772_409_599),
            ..Default::default()
        })
        .unwrap();
        let day = Piece { field: Field::ServiceDate, given: Given::Words("2026-03-01".into()) };
        assert_eq!(wish, Wish::new(Want::Keep, vec![day]).unwrap());
        assert_eq!((day_of(-1), day_of(i64::MAX), day_of(7_258_118_400)), (None, None, None));
    }

    fn day_of(seconds: i64) -> Option<String> {
        super::day(seconds)
    }

    #[test]
    fn what_cannot_be_evidence_is_told_with_its_place() {
        let receipt = || document(EvidenceType::Receipt);
        let with =
            |content: &'static [u8]| EvidenceDocument { file_content: Some(content.into()), ..receipt() };
        for (document, part) in [
            (EvidenceDocument { evidence_type: 42, ..with(PDF) }, "42 is no `evidence_type`"),
            (EvidenceDocument { evidence_type: 0, ..with(PDF) }, "one of CANCELLATION_POLICY"),
            (receipt(), "it is empty"),
            (with(b""), "it is empty"),
            (with(b"<html>"), "neither a PDF"),
            (EvidenceDocument { file_mime_type: Some("image/png".into()), ..with(PDF) }, "application/pdf"),
            (EvidenceDocument { provider_file_id: Some("f".into()), ..with(PDF) }, "give one of"),
            (
                EvidenceDocument { text_content: Some("x".into()), ..receipt() },
                "no place for words as RECEIPT",
            ),
        ] {
            let good = EvidenceDocument { provider_file_id: Some("f".into()), ..receipt() };
            let told = refused(vec![good, document]);
            assert!(told.contains("evidence_documents[1]") && told.contains(part), "{told}");
        }
        let bad_id = EvidenceDocument { provider_file_id: Some("a/b".into()), ..receipt() };
        assert!(refused(vec![bad_id]).contains("`a/b`"));
        let nul = EvidenceDocument {
            text_content: Some("a\0b".into()),
            ..document(EvidenceType::UncategorizedFile)
        };
        assert!(refused(vec![nul]).contains("NUL"));
        assert!(refused(vec![]).contains("no evidence"));
    }

    #[test]
    fn what_can_be_said_again_and_again_is_counted_on_the_bytes() {
        let message = |n: usize| {
            let evidence_documents = vec![document(EvidenceType::Receipt); n];
            DisputeServiceSubmitEvidenceRequest {
                evidence_documents,
                dispute_id: "dp_1".into(),
                service_date: Some(1_772_409_599),
                ..Default::default()
            }
            .encode_to_vec()
        };
        assert!(few_documents(&message(100)).is_ok());
        let told = few_documents(&message(101)).unwrap_err();
        assert!(told.message().contains("`evidence_documents`") && told.message().contains("100"), "{told}");
        // Broken is another matter, and is told by whoever decodes it; nor is it read for ever.
        for broken in [&b"\xff"[..], b"\x32\x7f", b"\x33", b"", &[0x33; 4096]] {
            assert!(few_documents(broken).is_ok(), "{broken:?}");
        }
    }

    /// A field that is added and can be repeated needs a bound of its own before it is served.
    #[test]
    fn no_other_field_of_a_request_can_be_repeated() {
        let proto = include_str!("../../proto/served/types.proto");
        let message = |name: &str| {
            let (_, rest) = proto.split_once(&format!("\nmessage {name} {{\n"))?;
            rest.split_once("\n}").map(|(fields, _)| fields)
        };
        let calls =
            proto.lines().filter_map(|line| line.trim().strip_prefix("rpc ")?.split(['(', ')']).nth(1));
        let mut asked: Vec<&str> = calls.collect();
        assert_eq!(asked.len(), 4);
        let mut repeated = Vec::new();
        let mut at = 0;
        while let Some(name) = asked.get(at).copied() {
            at += 1;
            for field in message(name).expect(name).lines().map(str::trim) {
                if field.starts_with("repeated ") || field.starts_with("map<") {
                    repeated.push(field);
                }
                asked.extend(field.split(' ').filter(|word| message(word).is_some()));
            }
        }
        let (number, name) = DOCUMENTS;
        let known = format!("repeated EvidenceDocument {name} = {number} ");
        assert!(matches!(repeated[..], [only] if only.starts_with(&known)), "{repeated:?}");
    }

    fn named() -> Named {
        Named {
            merchant_id: 1,
            merchant: "acme".into(),
            dispute_id: 77,
            account_id: 10,
            provider: "any".into(),
            account: "eu".into(),
            dispute_ref: "dp_77".into(),
            payment_ref: Some("pi_77".into()),
            charge_ref: Some("ch_77".into()),
        }
    }

    #[test]
    fn ids_that_contradict_each_other_mean_that_somebody_errs() {
        let about = |transaction: &str| About::of("dp_77".into(), transaction.into(), None).unwrap();
        for good in ["pi_77", "ch_77", ""] {
            assert!(about(good).agrees(&named()).is_ok(), "{good}");
        }
        let told = about("pi_78").agrees(&named()).unwrap_err();
        assert!(told.message().contains("pi_77 or ch_77"), "{told}");
        let nothing_known = Named { payment_ref: None, charge_ref: None, ..named() };
        assert!(about("pi_78").agrees(&nothing_known).is_ok());

        let asked = |connector: &str, ours: Option<&str>| {
            get(DisputeServiceGetRequest {
                merchant_dispute_id: None,
                dispute_id: ours.map(str::to_owned),
                connector_dispute_id: connector.into(),
            })
        };
        for (connector, ours) in
            [("dp_77", None), ("", Some("77")), ("dp_77", Some("77")), ("", Some("dp_77"))]
        {
            let about = asked(connector, ours).unwrap();
            assert!(about.agrees(&named()).is_ok(), "{about:?}");
        }
        assert!(asked("dp_77", Some("78")).unwrap().agrees(&named()).is_err());
        assert!(asked("", None).is_err() && asked("", Some("")).is_err());
    }

    #[test]
    fn a_reason_is_ours_or_the_provider_s_and_no_text() {
        let asked = |code: Option<&str>| {
            defend(DisputeServiceDefendRequest {
                dispute_id: "dp_1".into(),
                reason_code: code.map(str::to_owned),
                ..Default::default()
            })
        };
        let wants = |reason: Option<&str>| Want::Defend {
            template: None,
            reason: reason.map(str::to_owned),
            acknowledge_fee: false,
        };
        for (code, reason) in [
            (Some("GOODS_SERVICES_RECEIVED"), Some("goods_services_received")),
            (Some("goods_services_received"), Some("goods_services_received")),
            (Some("SupplyDefenseMaterial"), Some("SupplyDefenseMaterial")),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(asked(code).unwrap().1.want, wants(reason), "{code:?}");
        }
        assert!(asked(Some("it came")).is_err() && asked(Some(&"x".repeat(65))).is_err());
        assert!(defend(DisputeServiceDefendRequest::default()).is_err());
        assert!(
            accept(DisputeServiceAcceptRequest { dispute_id: " ".into(), ..Default::default() }).is_err()
        );
    }
}
