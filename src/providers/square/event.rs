//! What a kept body means: an event's envelope, or one dispute as the API gives it. Pure and total: what is not
//! understood to the last word is `Unrecognised`, with the place, and never a guess.
//!
//! The record inside is what counts, not the event's type, and orders itself: by its last update, and within
//! one millisecond by its version. That is so for reads too, whenever they were answered.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::{reason, wire};
use crate::dispute::{Currency, Event, Money, News, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::plausible::{self, AMOUNT_MINOR_MAX, clean};
use crate::providers::{Kept, Reading, json};

/// What was found, and where.
type Puzzle = String;

/// Versions that are told apart within one millisecond.
const VERSION_MAX: i64 = 999;

pub fn events(kept: &Kept<'_>) -> Reading {
    let read = match kept.source {
        Source::Webhook => read_webhook(kept.body),
        Source::Poll | Source::ReadBack | Source::Receipt => read_record(kept),
    };
    read.unwrap_or_else(|what| Reading::Unrecognised { what })
}

/// The events about disputes, the four deprecated ones (from `changed` on) among them.
fn is_about_disputes(r#type: &str) -> bool {
    matches!(
        r#type,
        "dispute.created"
            | "dispute.state.updated"
            | "dispute.evidence.created"
            | "dispute.evidence.deleted"
            | "dispute.state.changed"
            | "dispute.evidence.added"
            | "dispute.evidence.removed"
    )
}

fn read_webhook(body: &[u8]) -> Result<Reading, Puzzle> {
    let envelope: wire::Envelope<'_> = json::read(body, "the body")?;
    let name = envelope.r#type.filter(|n| !n.is_empty()).ok_or("`type` is missing")?;
    if envelope.merchant_id.is_none() || envelope.event_id.is_none() {
        return Err("`merchant_id` or `event_id` is missing: this is none of Square's envelopes".to_owned());
    }
    if !is_about_disputes(&name) {
        let name = clean(&name);
        // A dispute event that we do not know must not be passed over as somebody else's.
        return match name.to_lowercase().contains("dispute") || !name.contains('.') {
            true => Err(format!("`type` is `{name}`, which is not known")),
            false => Ok(Reading::NotOurs { what: name }),
        };
    }
    let told = envelope.data.ok_or("`data` is missing")?;
    let told: wire::Told = json::read(told.get().as_bytes(), "`data`")?;
    read(Source::Webhook, name, &told.object.dispute, "data.object.dispute")
}

fn read_record(kept: &Kept<'_>) -> Result<Reading, Puzzle> {
    let dispute: wire::Dispute = json::read(kept.body, "the body")?;
    read(kept.source, kept.source.as_str().to_owned(), &dispute, "the dispute")
}

fn read(source: Source, name: String, dispute: &wire::Dispute, place: &str) -> Result<Reading, Puzzle> {
    let located = |what: Puzzle| format!("{place}: {what}");
    let as_of = as_of(dispute).map_err(located)?;
    let snapshot = snapshot(dispute).map_err(located)?;
    Ok(Reading::Events(vec![Event { source, name, as_of, news: News::Record { snapshot } }]))
}

fn as_of(dispute: &wire::Dispute) -> Result<DateTime<Utc>, Puzzle> {
    let updated_at = instant("updated_at", &dispute.updated_at)?;
    let version = dispute.version.unwrap_or(0).clamp(0, VERSION_MAX);
    Ok(updated_at.trunc_subsecs(3) + TimeDelta::microseconds(version))
}

fn snapshot(dispute: &wire::Dispute) -> Result<Snapshot, Puzzle> {
    let (stage, status) = standing(&dispute.state)?;
    let id = dispute.id.as_deref().or(dispute.dispute_id.as_deref()).ok_or("`id` is missing")?;
    let payment = dispute.disputed_payment.as_ref().and_then(|p| p.payment_id.as_deref());
    Ok(Snapshot {
        dispute_ref: reference("id", id)?,
        // A dispute does without one: an id of an unknown shape is none.
        payment_ref: payment.filter(|id| is_plain_ref(id)).map(str::to_owned),
        charge_ref: None,
        stage,
        status,
        provider_status: dispute.state.clone(),
        amount: amount(&dispute.amount_money)?,
        reason: reason::reason(dispute.reason.as_deref(), dispute.card_brand.as_deref()),
        respond_by: respond_by(dispute.due_at.as_deref())?,
        // A webhook's signature covers the whole body, and the API is read over TLS.
        deadline_confirmed: true,
        opened_at: instant("created_at", &dispute.created_at)?,
        // Responses are not counted, and evidence that was given is not told of in every record.
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: false,
        customer_ref: None,
        // Sandbox and production have tokens and subscriptions of their own.
        live: true,
        new_round: false,
    })
}

/// developer.squareup.com/reference/square, `DisputeState`.
fn standing(word: &str) -> Result<(Stage, Status), Puzzle> {
    match word {
        "INQUIRY_EVIDENCE_REQUIRED" => Ok((Stage::Inquiry, Status::NeedsResponse)),
        "INQUIRY_PROCESSING" => Ok((Stage::Inquiry, Status::UnderReview)),
        "INQUIRY_CLOSED" => Ok((Stage::Inquiry, Status::Closed)),
        "EVIDENCE_REQUIRED" => Ok((Stage::Chargeback, Status::NeedsResponse)),
        "PROCESSING" => Ok((Stage::Chargeback, Status::UnderReview)),
        "WON" => Ok((Stage::Chargeback, Status::Won)),
        "LOST" => Ok((Stage::Chargeback, Status::Lost)),
        "ACCEPTED" => Ok((Stage::Chargeback, Status::Accepted)),
        _ => Err(format!("`state` is `{}`, which is not known", clean(word))),
    }
}

fn amount(told: &wire::Money) -> Result<Money, Puzzle> {
    if !(0..=AMOUNT_MINOR_MAX).contains(&told.amount) {
        return Err(format!("`amount` is {}: minor units from 0 to 10^15 are expected", told.amount));
    }
    let currency = Currency::parse(&told.currency).map_err(|e| format!("`currency`: {e}"))?;
    Ok(Money::new(told.amount, currency))
}

/// It may be null, even while a response is owed: that is for a person to see, and no reason to see nothing.
fn respond_by(told: Option<&str>) -> Result<RespondBy, Puzzle> {
    match told {
        Some(told) => Ok(RespondBy::At(instant("due_at", told)?)),
        None => Ok(RespondBy::Unstated),
    }
}

fn instant(field: &str, told: &str) -> Result<DateTime<Utc>, Puzzle> {
    plausible::instant(told).ok_or_else(|| {
        let told = clean(told);
        format!("`{field}` is `{told}`: a time with its zone between the years 2000 and 2200 is expected")
    })
}

/// Square's ids have no prefix; what they have must be able to stand in a path as it is.
fn reference(field: &str, id: &str) -> Result<String, Puzzle> {
    match is_plain_ref(id) {
        true => Ok(id.to_owned()),
        false => Err(format!("`{field}` is `{}`, which is no id", clean(id))),
    }
}
