//! What a kept body means, when it is an answer of Prism. A Get or a webhook's answer becomes a record where it tells
//! all that a record needs; Prism's own answers about webhooks tell neither deadline nor amount, and then a person
//! is shown what they do tell. Total: nothing is guessed.

use chrono::{DateTime, Utc};
use prost::Message;

use super::Get;
use super::currency::currency;
use super::kept::{self, To};
use super::proto::types::{DisputeStage, DisputeStatus, EventServiceHandleResponse};
use super::receipt::{acknowledged, shown, status_word};
use super::response::{Record, record, told};
use super::service::{Service, Verb};
use crate::dispute::{
    Category, Currency, Event, Money, News, Reason, RespondBy, Snapshot, Source, Stage, Status,
};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::plausible;
use crate::providers::{Kept, Reading, adyen, checkout, stripe};

/// Where a Get is known to tell the truth, it is asked for what a webhook's answer lacks.
pub fn read(kept: &Kept<'_>, get: Get) -> Reading {
    let reading = kept::read(kept.body).and_then(|answer| match (answer.to, is_webhook(kept.source)) {
        (To::HandleEvent, true) => webhook(&answer.message, kept, get),
        (To::HandleEvent, false) => Err("an answer about a webhook is no record".to_owned()),
        (To::Call(..), true) => Err("the answer to a call is no webhook".to_owned()),
        (To::Call(service, verb @ (Verb::Defend | Verb::Accept | Verb::SubmitEvidence)), false) => {
            let (told, _) = told(service, verb, &answer.message)?;
            Ok(Reading::Acknowledged { what: acknowledged(verb, &told)? })
        }
        (To::Call(service, Verb::Get), false) => {
            let (record, _) = record(service, &answer.message)?;
            Ok(Reading::Events(vec![news(record, kept.source, kept.as_of, "Get")?]))
        }
    });
    reading.unwrap_or_else(|what| Reading::Unrecognised { what })
}

pub const fn is_webhook(source: Source) -> bool {
    match source {
        Source::Webhook => true,
        Source::Poll | Source::ReadBack | Source::Receipt => false,
    }
}

/// The events of Prism's list that are about disputes.
const DISPUTE_EVENTS: std::ops::RangeInclusive<i32> = 17..=23;

fn webhook(message: &[u8], kept: &Kept<'_>, get: Get) -> Result<Reading, String> {
    let handled = EventServiceHandleResponse::decode(message)
        .map_err(|e| format!("the answer about this webhook cannot be read: {e}"))?;
    if !handled.source_verified {
        return Err("Prism did not verify the sender of this webhook".to_owned());
    }
    let Some(dispute) = handled.event_content.and_then(|c| c.disputes_response) else {
        return match DISPUTE_EVENTS.contains(&handled.event_type) {
            true => Err("Prism says that this webhook is about a dispute, and not which".to_owned()),
            false => Ok(Reading::NotOurs { what: format!("event {} of Prism", handled.event_type) }),
        };
    };
    let (record, _) = record(Service::Types, &dispute.encode_to_vec())?;
    let dispute_ref = record.dispute_ref.clone().filter(|id| is_plain_ref(id));
    let seen = summary(&record);
    match (news(record, kept.source, kept.as_of, "HandleEvent"), dispute_ref) {
        (Ok(event), _) => Ok(Reading::Events(vec![event])),
        (Err(_), Some(dispute_ref)) if get == Get::Real => {
            Ok(Reading::FetchFirst { dispute_ref, name: "HandleEvent".to_owned() })
        }
        (Err(why), _) => Err(format!("verified by Prism: {seen}. It cannot be followed by itself: {why}")),
    }
}

/// For a person: what an answer tells, whatever it lacks.
fn summary(record: &Record) -> String {
    let dispute = record.dispute_ref.as_deref().map_or_else(|| "a dispute without an id".to_owned(), shown);
    let message = record.message.as_deref().map(|m| format!(", {}", shown(m))).unwrap_or_default();
    format!("{dispute} is {}{message}", status_word(record.status))
}

/// # Errors
/// What is missing or unknown, in words.
fn news(record: Record, source: Source, as_of: DateTime<Utc>, name: &str) -> Result<Event, String> {
    if record == Record::default() {
        return Err(
            "the record is empty in all fields, as that of a Prism server whose Get is only a stub: set \
                    `get = \"stub\"` under [providers.prism]"
                .to_owned(),
        );
    }
    if let Some(fault) = &record.fault {
        return Err(format!("the answer holds an error instead of a record: {}", fault.words));
    }
    let dispute_ref = record.dispute_ref.clone().filter(|id| is_plain_ref(id));
    let dispute_ref = dispute_ref.ok_or("the record has no id of a dispute")?;
    let (minor, number) = record.amount.ok_or("the record has no amount")?;
    let currency = currency(number).ok_or_else(|| format!("currency {number} is none that is known here"))?;
    if !counted_alike(currency) {
        return Err(format!(
            "the amount is {minor} {currency}, which connectors count in different units: look at the connector for it"
        ));
    }
    let opened_at = record.opened_s.map(instant).transpose()?.ok_or("the record does not say since when")?;
    let provider_reason = record.reason.clone().unwrap_or_default();
    let respond_by = record.due_s.map(instant).transpose()?.map_or(RespondBy::Unstated, RespondBy::At);
    let snapshot = Snapshot {
        dispute_ref,
        payment_ref: record.payment_ref.clone().filter(|id| !id.is_empty()),
        charge_ref: None,
        stage: stage(record.stage)?,
        status: status(record.status)?,
        provider_status: status_word(record.status),
        amount: Money { minor, currency },
        // The words are the connector's, and Prism does not say which words there are.
        reason: Reason {
            category: Category::Unknown,
            provider_reason: shown(&provider_reason),
            network_code: None,
            network: None,
        },
        respond_by,
        deadline_confirmed: source != Source::Webhook,
        opened_at,
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: false,
        customer_ref: None,
        live: true,
        new_round: false,
    };
    Ok(Event { source, name: name.to_owned(), as_of, news: News::Record { snapshot } })
}

fn status(number: i32) -> Result<Status, String> {
    match DisputeStatus::try_from(number) {
        Ok(DisputeStatus::DisputeOpened) => Ok(Status::NeedsResponse),
        Ok(DisputeStatus::DisputeExpired) => Ok(Status::Expired),
        Ok(DisputeStatus::DisputeAccepted) => Ok(Status::Accepted),
        Ok(DisputeStatus::DisputeCancelled) => Ok(Status::Cancelled),
        Ok(DisputeStatus::DisputeChallenged) => Ok(Status::UnderReview),
        Ok(DisputeStatus::DisputeWon) => Ok(Status::Won),
        Ok(DisputeStatus::DisputeLost) => Ok(Status::Lost),
        Ok(DisputeStatus::Unspecified) | Err(_) => Err(format!("the record says {}", status_word(number))),
    }
}

fn stage(number: i32) -> Result<Stage, String> {
    match DisputeStage::try_from(number) {
        Ok(DisputeStage::PreDispute) => Ok(Stage::Inquiry),
        Ok(DisputeStage::ActiveDispute) => Ok(Stage::Chargeback),
        Ok(DisputeStage::PreArbitration) => Ok(Stage::PreArbitration),
        Ok(DisputeStage::Unspecified) | Err(_) => {
            Err(format!("the record has stage {number}, which says nothing"))
        }
    }
}

/// Whether every connector counts a currency as ISO 4217 does. Prism hands a connector's number on as it is told, and
/// an answer does not say whose it is.
fn counted_alike(currency: Currency) -> bool {
    const PROBE: i64 = 12_300;
    [adyen::units::iso_minor, stripe::units::iso_minor, checkout::units::iso_minor]
        .iter()
        .all(|iso_minor| iso_minor(PROBE, currency) == Ok(PROBE))
}

fn instant(seconds: i64) -> Result<DateTime<Utc>, String> {
    plausible::unix_instant(seconds).ok_or_else(|| format!("{seconds} is no time of a dispute"))
}
