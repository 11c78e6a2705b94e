//! What a kept body means: an event's envelope, or the bare record of one dispute. Pure and total: what is not
//! understood to the last word is `Unrecognised`, with the place, and never a guess.
//!
//! An event carries no status: its type is the news. Where it leaves out what a dispute cannot do without (the
//! amount, in the oldest envelopes; a deadline that is owed), the record is fetched. Checkout.com does not
//! tell sandbox from live in its bodies, so every record says live: keep the two in accounts of their own.

use chrono::{DateTime, Utc};

use super::{reason, units, wire};
use crate::dispute::{Currency, Event, Money, News, Reason, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::plausible::{self, AMOUNT_MINOR_MAX, clean};
use crate::providers::{Kept, Reading, json};

/// What was found, and where.
type Puzzle = String;

/// Families of events that are not about disputes of a merchant (checkout.com/docs, "Event types").
/// `issuing_dispute_…` are those of cards that the merchant issues itself: the other side of the table.
const NOT_OURS: &[&str] = &[
    "authentication_",
    "authorization_",
    "balance_",
    "card_",
    "issuing_",
    "merchant_",
    "payment_",
    "payout_",
];

pub fn events(kept: &Kept<'_>) -> Reading {
    let read = match kept.source {
        Source::Webhook => read_webhook(kept.body),
        Source::Poll | Source::ReadBack | Source::Receipt => read_record(kept),
    };
    read.unwrap_or_else(|what| Reading::Unrecognised { what })
}

enum Happening {
    /// The record then has this status.
    Became(&'static str),
    /// News without a status of its own.
    Heard,
    /// Asked for outside the disputes API.
    Asked,
}

/// The fifteen dispute events (checkout.com/docs, "Event types", "Disputes").
fn happening(r#type: &str) -> Option<Happening> {
    Some(match r#type {
        "dispute_received" => Happening::Heard,
        "dispute_evidence_required" => Happening::Became("evidence_required"),
        "dispute_evidence_submitted" => Happening::Became("evidence_under_review"),
        "dispute_evidence_acknowledged_by_scheme" => Happening::Became("evidence_under_review"),
        "dispute_won" => Happening::Became("won"),
        "dispute_lost" => Happening::Became("lost"),
        "dispute_accepted" => Happening::Became("accepted"),
        "dispute_expired" => Happening::Became("expired"),
        "dispute_canceled" => Happening::Became("canceled"),
        "dispute_resolved" => Happening::Became("resolved"),
        "dispute_arbitration_sent_to_scheme" => Happening::Became("arbitration_under_review"),
        "dispute_arbitration_evidence_submitted" => Happening::Became("arbitration_under_review"),
        "dispute_arbitration_won" => Happening::Became("arbitration_won"),
        "dispute_arbitration_lost" => Happening::Became("arbitration_lost"),
        "request_for_information_received" => Happening::Asked,
        _ => return None,
    })
}

/// The eleven statuses of the reference, and the one more of checkout-sdk-net (`DisputeStatus`).
fn standing(word: &str) -> Result<(Stage, Status), Puzzle> {
    match word {
        "evidence_required" => Ok((Stage::Chargeback, Status::NeedsResponse)),
        "evidence_under_review" => Ok((Stage::Chargeback, Status::UnderReview)),
        "won" => Ok((Stage::Chargeback, Status::Won)),
        "lost" => Ok((Stage::Chargeback, Status::Lost)),
        "accepted" => Ok((Stage::Chargeback, Status::Accepted)),
        "expired" => Ok((Stage::Chargeback, Status::Expired)),
        "canceled" => Ok((Stage::Chargeback, Status::Cancelled)),
        // Why it was resolved (refunded already, Rapid Dispute Resolution, a negative amount) stands in the
        // event and in the whole record and not in the list, so all three are read alike.
        "resolved" => Ok((Stage::Chargeback, Status::Closed)),
        "arbitration_under_review" | "arb_evidence_submitted" => {
            Ok((Stage::Arbitration, Status::UnderReview))
        }
        "arbitration_won" => Ok((Stage::Arbitration, Status::Won)),
        "arbitration_lost" => Ok((Stage::Arbitration, Status::Lost)),
        _ => Err(format!("`status` is `{}`, which is not known", clean(word))),
    }
}

fn read_webhook(body: &[u8]) -> Result<Reading, Puzzle> {
    let envelope: wire::Envelope<'_> = json::read(body, "the body")?;
    let name = envelope.r#type.filter(|n| !n.is_empty()).ok_or("`type` is missing")?;
    let Some(happening) = happening(&name) else {
        let name = clean(&name);
        // None of Checkout.com's types has a dot.
        return match !name.contains('.') && NOT_OURS.iter().any(|family| name.starts_with(family)) {
            true => Ok(Reading::NotOurs { what: name }),
            false => Err(format!("`type` is `{name}`, which is not known")),
        };
    };
    let as_of = match (envelope.timestamp, envelope.created_on) {
        (Some(told), _) => instant("timestamp", &told)?,
        (None, Some(told)) => instant("created_on", &told)?,
        (None, None) => return Err("`timestamp` and `created_on` are both missing".to_owned()),
    };
    let told = envelope.data.ok_or("`data` is missing")?;
    let told: wire::Told = json::read(told.get().as_bytes(), "`data`")?;
    let word = match happening {
        Happening::Became(word) => word,
        Happening::Heard => return fetch_first(&told, name),
        Happening::Asked => return Err(asked(&told)),
    };
    match snapshot_told(&told, word, as_of).map_err(|what| format!("`data`: {what}"))? {
        Some(snapshot) => Ok(one(Source::Webhook, name, as_of, snapshot)),
        None => fetch_first(&told, name),
    }
}

fn read_record(kept: &Kept<'_>) -> Result<Reading, Puzzle> {
    let dispute: wire::Dispute = json::read(kept.body, "the body")?;
    let snapshot = snapshot(&dispute).map_err(|what| format!("the dispute: {what}"))?;
    Ok(one(kept.source, kept.source.as_str().to_owned(), kept.as_of, snapshot))
}

fn fetch_first(told: &wire::Told, name: String) -> Result<Reading, Puzzle> {
    let dispute_ref = reference("id", "dsp_", &told.id).map_err(|what| format!("`data`: {what}"))?;
    Ok(Reading::FetchFirst { dispute_ref, name })
}

/// A retrieval request has an id of its own kind (`rtvl_…`), no deadline, and no place in the disputes API.
fn asked(told: &wire::Told) -> Puzzle {
    let id = clean(&told.id);
    let payment = clean(told.payment_id.as_deref().unwrap_or("a payment that it does not name"));
    format!(
        "a request for information ({id}) about {payment}: the disputes API can neither show nor answer it, so a \
         person must answer it in the Checkout.com Dashboard"
    )
}

fn one(source: Source, name: String, as_of: DateTime<Utc>, snapshot: Snapshot) -> Reading {
    Reading::Events(vec![Event { source, name, as_of, news: News::Record { snapshot } }])
}

/// What the API's record and an event have in common.
struct Parts<'a> {
    id: &'a str,
    word: &'a str,
    amount: i64,
    currency: &'a str,
    reason: Reason,
    resolved_reason: Option<&'a str>,
    payment_id: Option<&'a str>,
    payment_action_id: Option<&'a str>,
    respond_by: RespondBy,
    opened_at: DateTime<Utc>,
}

/// `None` when the event leaves out what only the record tells.
fn snapshot_told(told: &wire::Told, word: &str, as_of: DateTime<Utc>) -> Result<Option<Snapshot>, Puzzle> {
    let (Some(amount), Some(currency)) = (told.amount, told.currency.as_deref()) else { return Ok(None) };
    let (_, status) = standing(word)?;
    let respond_by = respond_by(told.evidence_required_by.as_deref())?;
    if status == Status::NeedsResponse && respond_by == RespondBy::Unstated {
        return Ok(None);
    }
    let opened_at = told.date.as_deref().map(|date| instant("date", date)).transpose()?;
    whole(Parts {
        id: &told.id,
        word,
        amount,
        currency,
        reason: reason::reason(
            told.category.as_deref(),
            told.reason_code.as_deref(),
            told.payment_method.as_deref(),
        ),
        resolved_reason: told.resolved_reason.as_deref(),
        payment_id: told.payment_id.as_deref(),
        payment_action_id: told.payment_action_id.as_deref(),
        respond_by,
        opened_at: opened_at.unwrap_or(as_of),
    })
    .map(Some)
}

fn snapshot(dispute: &wire::Dispute) -> Result<Snapshot, Puzzle> {
    let payment = dispute.payment.as_ref();
    let method = dispute.payment_method.as_deref().or(payment.and_then(|p| p.method.as_deref()));
    whole(Parts {
        id: &dispute.id,
        word: &dispute.status,
        amount: dispute.amount,
        currency: &dispute.currency,
        reason: reason::reason(dispute.category.as_deref(), dispute.reason_code.as_deref(), method),
        resolved_reason: dispute.resolved_reason.as_deref(),
        payment_id: dispute.payment_id.as_deref().or(payment.and_then(|p| p.id.as_deref())),
        payment_action_id: dispute
            .payment_action_id
            .as_deref()
            .or(payment.and_then(|p| p.action_id.as_deref())),
        // There is nobody else to ask: without one, it is for a person to see that a response is owed.
        respond_by: respond_by(dispute.evidence_required_by.as_deref())?,
        opened_at: instant("received_on", &dispute.received_on)?,
    })
}

fn whole(parts: Parts<'_>) -> Result<Snapshot, Puzzle> {
    let (stage, status) = standing(parts.word)?;
    Ok(Snapshot {
        dispute_ref: reference("id", "dsp_", parts.id)?,
        // A dispute does without them: an id of an unknown shape is none.
        payment_ref: parts.payment_id.filter(|id| is_id("pay_", id)).map(str::to_owned),
        charge_ref: parts.payment_action_id.filter(|id| is_id("act_", id)).map(str::to_owned),
        stage,
        status,
        provider_status: parts.word.to_owned(),
        amount: amount(parts.amount, parts.currency, parts.word)?,
        reason: parts.reason,
        // The record goes on to tell the deadline that the chargeback had.
        respond_by: if stage == Stage::Arbitration { RespondBy::Unstated } else { parts.respond_by },
        // A webhook's signature covers the whole body, and the API is read over TLS.
        deadline_confirmed: true,
        opened_at: parts.opened_at,
        // Neither responses nor drafts are told of in the record.
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        // `has_refund` of the payment says only that a part of it is.
        refunded: parts.resolved_reason == Some("already_refunded"),
        customer_ref: None,
        live: true,
        new_round: false,
    })
}

/// A dispute of a refund has a negative amount, and is resolved without anybody's doing: its size is kept.
fn amount(told: i64, currency: &str, word: &str) -> Result<Money, Puzzle> {
    let minor = if word == "resolved" { told.saturating_abs() } else { told };
    if !(0..=AMOUNT_MINOR_MAX).contains(&minor) {
        return Err(format!("`amount` is {told}: minor units from 0 to 10^15 are expected"));
    }
    let currency = Currency::parse(currency).map_err(|e| format!("`currency`: {e}"))?;
    let minor = units::iso_minor(minor, currency).map_err(|what| format!("`amount` {what}"))?;
    Ok(Money::new(minor, currency))
}

fn respond_by(told: Option<&str>) -> Result<RespondBy, Puzzle> {
    match told {
        Some(told) => Ok(RespondBy::At(instant("evidence_required_by", told)?)),
        None => Ok(RespondBy::Unstated),
    }
}

fn instant(field: &str, told: &str) -> Result<DateTime<Utc>, Puzzle> {
    plausible::instant(told).ok_or_else(|| {
        let told = clean(told);
        format!("`{field}` is `{told}`: a time with its zone between the years 2000 and 2200 is expected")
    })
}

/// An id as Checkout.com gives them, which can also stand in a path as it is.
fn is_id(prefix: &str, id: &str) -> bool {
    id.len() > prefix.len() && id.starts_with(prefix) && is_plain_ref(id)
}

fn reference(field: &str, prefix: &str, id: &str) -> Result<String, Puzzle> {
    match is_id(prefix, id) {
        true => Ok(id.to_owned()),
        false => Err(format!("`{field}` is `{}`, expected `{prefix}…`", clean(id))),
    }
}
