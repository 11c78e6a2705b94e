//! Writes answers. What became of an order stands in them: `error` is absent exactly when what was asked for is done,
//! so that a caller who looks at nothing else is not misled. An order whose fate is not known yet is no answer but
//! a status that says how far it has come. Pure.

use std::collections::HashMap;

use tonic::Status;

use super::proto::types::{
    ConnectorErrorDetails, DisputeResponse, DisputeServiceAcceptResponse, DisputeServiceDefendResponse,
    DisputeServiceSubmitEvidenceResponse, DisputeStatus, ErrorInfo, EvidenceDocument, Money,
    UnifiedErrorDetails,
};
use super::words;
use crate::desk::{File, Standing, Told};
use crate::dispute::DisputeId;
use crate::evidence::Field;
use crate::store::evidence::{Listed, Named};

/// Why the waiting ended before the order's fate was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The caller's patience is over, or ours.
    Late,
    /// The engine stops.
    Closing,
    /// Too many wait already.
    NoRoom,
}

/// What became of an order, in the documents' words.
#[derive(Debug, PartialEq)]
pub(super) struct Fate {
    status: DisputeStatus,
    /// As an HTTP status.
    status_code: u32,
    error: Option<ErrorInfo>,
}

/// `done`: what the dispute is called once the order is carried out. That is what the documents promise of each call;
/// what came of the dispute afterwards, Get tells.
pub(super) fn fate(named: &Named, told: &Told, done: DisputeStatus, ended: Ended) -> Result<Fate, Status> {
    let as_it_is = words::status(told.status);
    let failed =
        |status_code: u32, error: ErrorInfo| Fate { status: as_it_is, status_code, error: Some(error) };
    Ok(match &told.standing {
        Standing::Confirmed => Fate { status: done, status_code: 200, error: None },
        Standing::Kept => Fate { status: as_it_is, status_code: 200, error: None },
        Standing::UnderWay { sent } => return Err(under_way(named.dispute_id, *sent, ended)),
        Standing::Waits { waiting_for } => {
            let what =
                format!("the order is taken, and a person is needed first: {}", waiting_for.join("; "));
            let guidance =
                "somebody at the merchant's clears this away; the order stands, and goes on by itself then";
            failed(202, ours("WAITS", what, guidance))
        }
        Standing::Refused { why } => {
            let guidance = "nothing was changed and nothing was sent: mend what is said, and order again, under a new `idempotency-key` if \
                 you give one";
            failed(409, ours("REFUSED", why.clone(), guidance))
        }
        Standing::TurnedDown { why } => {
            let guidance =
                "mend what the provider says, and order again, under a new `idempotency-key` if you give one";
            let unified = ours("PROVIDER_REFUSED", format!("the provider refused it: {why}"), guidance);
            let theirs = ConnectorErrorDetails {
                message: Some(why.clone()),
                reason: Some(why.clone()),
                ..ConnectorErrorDetails::default()
            };
            failed(422, ErrorInfo { connector_details: Some(theirs), ..unified })
        }
        Standing::Overtaken { why } => {
            let guidance = "this order is not carried out any more: Get tells how the dispute stands";
            failed(409, ours("OVERTAKEN", why.clone(), guidance))
        }
    })
}

fn ours(code: &str, message: String, guidance: &str) -> ErrorInfo {
    let unified = UnifiedErrorDetails {
        code: Some(code.to_owned()),
        message: Some(message),
        description: None,
        user_guidance_message: Some(guidance.to_owned()),
    };
    ErrorInfo { unified_details: Some(unified), ..ErrorInfo::default() }
}

/// How far an order has come whose caller is told before its fate is known.
fn under_way(dispute_id: DisputeId, sent: bool, ended: Ended) -> Status {
    let far = match sent {
        true => "the order was sent to the provider, whose record does not show it yet",
        false => "the order is taken, and not carried out yet",
    };
    let rest = format!(
        "It stands whether or not anybody waits. Ask Get about dispute {dispute_id}, or call again: the same order is \
         not carried out twice"
    );
    match ended {
        Ended::Late => Status::deadline_exceeded(format!("when the time was over, {far}. {rest}")),
        Ended::Closing => Status::unavailable(format!("this server stops; {far}. {rest}")),
        Ended::NoRoom => Status::unavailable(format!("too many calls wait here; {far}. {rest}")),
    }
}

/// The order never was one: its time was over before.
pub(super) fn too_late() -> Status {
    Status::deadline_exceeded("the time was over before the order was taken: nothing was changed")
}

pub(super) fn defended(named: &Named, fate: Fate, merchant: Option<String>) -> DisputeServiceDefendResponse {
    let Fate { status, status_code, error } = fate;
    DisputeServiceDefendResponse {
        dispute_id: named.dispute_ref.clone(),
        dispute_status: status.into(),
        connector_status_code: None,
        error,
        status_code,
        response_headers: HashMap::new(),
        merchant_dispute_id: merchant,
        raw_connector_request: None,
    }
}

pub(super) fn accepted(named: &Named, fate: Fate, merchant: Option<String>) -> DisputeServiceAcceptResponse {
    let Fate { status, status_code, error } = fate;
    DisputeServiceAcceptResponse {
        dispute_id: named.dispute_ref.clone(),
        dispute_status: status.into(),
        connector_status_code: None,
        error,
        status_code,
        response_headers: HashMap::new(),
        merchant_dispute_id: merchant,
        raw_connector_request: None,
    }
}

/// `kept`: all that is kept for the dispute now, each under its field and its number there.
pub(super) fn submitted(
    named: &Named,
    fate: Fate,
    kept: &[Listed],
    merchant: Option<String>,
) -> DisputeServiceSubmitEvidenceResponse {
    let Fate { status, status_code, error } = fate;
    DisputeServiceSubmitEvidenceResponse {
        dispute_id: Some(named.dispute_ref.clone()),
        submitted_evidence_ids: kept.iter().map(|piece| format!("{}/{}", piece.field, piece.n)).collect(),
        dispute_status: status.into(),
        connector_status_code: None,
        error,
        status_code,
        response_headers: HashMap::new(),
        merchant_dispute_id: merchant,
        raw_connector_request: None,
    }
}

/// A dispute by its record.
pub(super) fn got(file: &File, merchant: Option<String>) -> DisputeResponse {
    let line = &file.line;
    let open = line.cycle.as_ref().filter(|cycle| cycle.state == "open");
    let currency = words::currency(line.amount.currency.as_str());
    let amount = currency.map(|c| Money { minor_amount: line.amount.minor, currency: c.into() });
    DisputeResponse {
        connector_dispute_id: Some(line.dispute_ref.clone()),
        connector_transaction_id: line.payment_ref.clone(),
        dispute_status: words::status(line.status).into(),
        dispute_stage: words::stage(line.stage).into(),
        connector_status_code: Some(line.provider_status.clone()),
        error: None,
        status_code: 200,
        response_headers: HashMap::new(),
        dispute_amount: amount,
        dispute_date: Some(line.opened_at.timestamp()),
        service_date: date(file, Field::ServiceDate),
        shipping_date: date(file, Field::ShippingDate),
        due_date: open.map(|cycle| cycle.respond_by.timestamp()),
        evidence_documents: file.evidence.iter().filter_map(document).collect(),
        dispute_reason: Some(line.network_code.clone().unwrap_or_else(|| line.category.clone())),
        dispute_message: Some(message(file)),
        merchant_dispute_id: merchant,
        raw_connector_request: None,
    }
}

/// What has no field of its own: our id, the amount, and what is meant to happen.
fn message(file: &File) -> String {
    let line = &file.line;
    let whole =
        format!("dispute {} at {}: {} over {}", line.dispute_id, line.account, line.category, line.amount);
    let Some(cycle) = &line.cycle else { return whole };
    let far = match (cycle.state.as_str(), cycle.response) {
        ("open", _) => format!("a response is owed, and the plan is to {}", cycle.plan_kind),
        (_, Some(response)) => format!("the last response that was owed: {response}"),
        (_, None) => "no response is owed".to_owned(),
    };
    format!("{whole}; {far}")
}

/// Dates are kept as the text they were given as.
fn date(file: &File, field: Field) -> Option<i64> {
    let text = file.evidence.iter().find(|piece| piece.field == field.as_str())?.words.as_deref()?;
    let day = text.trim().parse::<chrono::NaiveDate>().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

/// Bytes are not sent back.
fn document(piece: &Listed) -> Option<EvidenceDocument> {
    let field: Field = piece.field.parse().ok()?;
    if matches!(field, Field::ServiceDate | Field::ShippingDate) {
        return None;
    }
    Some(EvidenceDocument {
        evidence_type: words::kind(field).into(),
        file_content: None,
        file_mime_type: piece.media_type.clone(),
        provider_file_id: piece.provider_file_ref.clone(),
        text_content: piece.words.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispute::{Stage, Status as Theirs};

    fn named() -> Named {
        Named {
            merchant_id: 1,
            merchant: "acme".into(),
            dispute_id: 77,
            account_id: 10,
            provider: "any".into(),
            account: "eu".into(),
            dispute_ref: "dp_77".into(),
            payment_ref: None,
            charge_ref: None,
        }
    }

    fn fate_of(standing: Standing, ended: Ended) -> Result<Fate, Status> {
        let told = Told { standing, status: Theirs::NeedsResponse, stage: Stage::Chargeback };
        fate(&named(), &told, DisputeStatus::Challenged, ended)
    }

    #[test]
    fn there_is_no_error_exactly_when_what_was_asked_for_is_done() {
        let why = || "so".to_owned();
        for (standing, status, status_code, code) in [
            (Standing::Confirmed, DisputeStatus::Challenged, 200, None),
            (Standing::Kept, DisputeStatus::Opened, 200, None),
            (Standing::Waits { waiting_for: vec![why()] }, DisputeStatus::Opened, 202, Some("WAITS")),
            (Standing::Refused { why: why() }, DisputeStatus::Opened, 409, Some("REFUSED")),
            (Standing::Overtaken { why: why() }, DisputeStatus::Opened, 409, Some("OVERTAKEN")),
            (Standing::TurnedDown { why: why() }, DisputeStatus::Opened, 422, Some("PROVIDER_REFUSED")),
        ] {
            let fate = fate_of(standing.clone(), Ended::Late).unwrap();
            assert_eq!((fate.status, fate.status_code), (status, status_code), "{standing:?}");
            let unified = fate.error.as_ref().map(|error| error.unified_details.clone().unwrap());
            assert_eq!(unified.as_ref().and_then(|u| u.code.as_deref()), code, "{standing:?}");
            assert!(unified.is_none_or(|u| u.message().contains("so")), "{standing:?}");
            let theirs = fate.error.and_then(|error| error.connector_details);
            assert_eq!(theirs.is_some(), matches!(standing, Standing::TurnedDown { .. }), "{standing:?}");
        }
    }

    #[test]
    fn an_order_under_way_says_how_far_it_has_come_and_why_the_waiting_ended() {
        for (sent, ended, code, parts) in [
            (false, Ended::Late, tonic::Code::DeadlineExceeded, ["time was over", "not carried out yet"]),
            (true, Ended::Late, tonic::Code::DeadlineExceeded, ["time was over", "sent to the provider"]),
            (true, Ended::Closing, tonic::Code::Unavailable, ["this server stops", "sent to the provider"]),
            (false, Ended::NoRoom, tonic::Code::Unavailable, ["too many", "not carried out yet"]),
        ] {
            let status = fate_of(Standing::UnderWay { sent }, ended).unwrap_err();
            assert_eq!(status.code(), code);
            let told = status.message();
            assert!(parts.iter().all(|part| told.contains(part)) && told.contains("dispute 77"), "{told}");
        }
    }
}
