//! What a kept body means: a webhook's envelope, or the bare record of one dispute. Pure and total: what is
//! not understood to the last word is `Unrecognised`, with the place, and never a guess.
//!
//! The record inside (`payload.dispute.entity`) is what counts, not the event's name. It may be further on
//! than the name when it was written out later; where it is behind the name, or names another verdict, the
//! two contradict and the record is fetched. Razorpay does not tell test from live mode in its bodies, so
//! every record says live: keep test mode in an account of its own.

use chrono::{DateTime, Utc};

use super::{reason, wire};
use crate::dispute::{Currency, Event, Money, News, RespondBy, Snapshot, Source, Stage, Status};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::plausible::{AMOUNT_MINOR_MAX, clean, unix_instant};
use crate::providers::{Kept, Reading, json};

/// What was found, and where.
type Puzzle = String;

pub fn events(kept: &Kept<'_>) -> Reading {
    let read = match kept.source {
        Source::Webhook => read_webhook(kept.body),
        Source::Poll | Source::ReadBack | Source::Receipt => read_record(kept),
    };
    read.unwrap_or_else(|what| Reading::Unrecognised { what })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happening {
    Created,
    ActionRequired,
    UnderReview,
    Won,
    Lost,
    Closed,
}

impl Happening {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "payment.dispute.created" => Some(Happening::Created),
            "payment.dispute.action_required" => Some(Happening::ActionRequired),
            "payment.dispute.under_review" => Some(Happening::UnderReview),
            "payment.dispute.won" => Some(Happening::Won),
            "payment.dispute.lost" => Some(Happening::Lost),
            "payment.dispute.closed" => Some(Happening::Closed),
            _ => None,
        }
    }

    /// Whether a record with this status can be what the event reported, or what followed it.
    fn agrees_with(self, status: Status) -> bool {
        match self {
            Happening::Created | Happening::ActionRequired => true,
            Happening::UnderReview => status != Status::NeedsResponse,
            Happening::Won => status == Status::Won,
            Happening::Lost => status == Status::Lost,
            Happening::Closed => status == Status::Closed,
        }
    }
}

fn read_webhook(body: &[u8]) -> Result<Reading, Puzzle> {
    let envelope: wire::Envelope<'_> = json::read(body, "the body")?;
    if envelope.entity.as_deref().is_some_and(|e| e != "event") {
        return Err(format!("`entity` is `{}`, expected `event`", shown(envelope.entity.as_deref())));
    }
    let name = envelope.event.filter(|n| !n.is_empty()).ok_or("`event` is missing")?;
    let Some(happening) = Happening::parse(&name) else {
        let name = clean(&name);
        // A dispute event that we do not know must not be passed over as somebody else's.
        return match name.contains("dispute") || name.contains("chargeback") {
            true => Err(format!("`event` is `{name}`, which is not known")),
            false => Ok(Reading::NotOurs { what: name }),
        };
    };
    let as_of = instant("created_at", envelope.created_at.ok_or("`created_at` is missing")?)?;
    let payload = envelope.payload.ok_or("`payload` is missing")?;
    let payload: wire::Payload = json::read(payload.get().as_bytes(), "`payload`")?;
    let mut entity = payload.dispute.entity;
    entity.evidence = entity.evidence.or(payload.dispute.evidence);
    // A payment that is not the disputed one says nothing about it.
    let payment = payload.payment.map(|p| p.entity).filter(|p| p.id == entity.payment_id);
    let mut snapshot = snapshot("payload.dispute.entity", &entity, payment.as_ref())?;
    if !happening.agrees_with(snapshot.status) {
        return Ok(Reading::FetchFirst { dispute_ref: snapshot.dispute_ref, name });
    }
    snapshot.new_round = happening == Happening::ActionRequired && snapshot.status == Status::NeedsResponse;
    Ok(one(Source::Webhook, name, as_of, snapshot))
}

fn read_record(kept: &Kept<'_>) -> Result<Reading, Puzzle> {
    let wrapper: wire::Wrapper<'_> = json::read(kept.body, "the body")?;
    let entity: wire::Dispute = match wrapper.data {
        Some(_) if wrapper.success == Some(false) => return Err("`success` is false".to_owned()),
        Some(inner) if !wrapper.is_flat() => json::read(inner.get().as_bytes(), "`data`")?,
        Some(_) | None => json::read(kept.body, "the body")?,
    };
    let snapshot = snapshot("the dispute", &entity, None)?;
    Ok(one(kept.source, kept.source.as_str().to_owned(), kept.as_of, snapshot))
}

fn one(source: Source, name: String, as_of: DateTime<Utc>, snapshot: Snapshot) -> Reading {
    Reading::Events(vec![Event { source, name, as_of, news: News::Record { snapshot } }])
}

fn snapshot(
    place: &str,
    dispute: &wire::Dispute,
    payment: Option<&wire::Payment>,
) -> Result<Snapshot, Puzzle> {
    if dispute.entity.as_deref().is_some_and(|e| e != "dispute") {
        return Err(format!("{place}: `entity` is `{}`, not `dispute`", shown(dispute.entity.as_deref())));
    }
    let located = |what: Puzzle| format!("{place}: {what}");
    let status = status(&dispute.status).map_err(located)?;
    let evidence = dispute.evidence.as_ref();
    let submitted_at = evidence.and_then(|e| e.submitted_at);
    submitted_at.map(|s| instant("evidence.submitted_at", s)).transpose().map_err(located)?;
    Ok(Snapshot {
        dispute_ref: reference("id", "disp_", &dispute.id).map_err(located)?,
        payment_ref: Some(reference("payment_id", "pay_", &dispute.payment_id).map_err(located)?),
        charge_ref: None,
        stage: stage(&dispute.phase).map_err(located)?,
        status,
        provider_status: dispute.status.clone(),
        amount: amount(dispute).map_err(located)?,
        reason: reason::reason(dispute, payment.and_then(|p| p.method.as_deref())),
        respond_by: respond_by(dispute.respond_by).map_err(located)?,
        // A webhook's signature covers the whole body, and the API is read over TLS.
        deadline_confirmed: true,
        opened_at: instant("created_at", dispute.created_at).map_err(located)?,
        // Razorpay keeps the time of the last one only.
        submissions: u32::from(submitted_at.is_some()),
        evidence_staged: submitted_at.is_none() && evidence.is_some_and(|e| !e.is_blank()),
        past_due: false,
        fee_required: false,
        refunded: payment.map_or(Ok(false), refunded)?,
        customer_ref: payment.and_then(customer),
        live: true,
        new_round: false,
    })
}

fn status(word: &str) -> Result<Status, Puzzle> {
    match word {
        "open" => Ok(Status::NeedsResponse),
        "under_review" => Ok(Status::UnderReview),
        "won" => Ok(Status::Won),
        // An accepted dispute is `lost` too; the provider does not tell them apart.
        "lost" => Ok(Status::Lost),
        "closed" => Ok(Status::Closed),
        _ => Err(format!("`status` is `{}`, which is not known", clean(word))),
    }
}

/// `fraud` is a bank's suspicion with a deadline and an answer owed, so it is a dispute at the stage of a
/// fraud notice and not a notice that nobody answers. `retrieval` asks for papers: an inquiry.
fn stage(word: &str) -> Result<Stage, Puzzle> {
    match word {
        "fraud" => Ok(Stage::FraudNotice),
        "retrieval" => Ok(Stage::Inquiry),
        "chargeback" => Ok(Stage::Chargeback),
        "pre_arbitration" => Ok(Stage::PreArbitration),
        "arbitration" => Ok(Stage::Arbitration),
        _ => Err(format!("`phase` is `{}`, which is not known", clean(word))),
    }
}

fn amount(dispute: &wire::Dispute) -> Result<Money, Puzzle> {
    if !(0..=AMOUNT_MINOR_MAX).contains(&dispute.amount) {
        return Err(format!("`amount` is {}: minor units from 0 to 10^15 are expected", dispute.amount));
    }
    let currency = Currency::parse(&dispute.currency).map_err(|e| format!("`currency`: {e}"))?;
    Ok(Money::new(dispute.amount, currency))
}

/// Razorpay's pages show a time in every dispute and say nothing of one without. If it comes, a person is told that
/// a response is owed, and not until when.
fn respond_by(unix_s: Option<i64>) -> Result<RespondBy, Puzzle> {
    match unix_s {
        Some(0) | None => Ok(RespondBy::Unstated),
        Some(unix_s) => Ok(RespondBy::At(instant("respond_by", unix_s)?)),
    }
}

fn instant(field: &str, unix_s: i64) -> Result<DateTime<Utc>, Puzzle> {
    unix_instant(unix_s).ok_or_else(|| {
        format!("`{field}` is {unix_s}: unix seconds between the years 2000 and 2200 are expected")
    })
}

/// An id as Razorpay gives them, which can also stand in a path as it is.
fn reference(field: &str, prefix: &str, id: &str) -> Result<String, Puzzle> {
    match id.len() > prefix.len() && id.starts_with(prefix) && is_plain_ref(id) {
        true => Ok(id.to_owned()),
        false => Err(format!("`{field}` is `{}`, expected `{prefix}…`", clean(id))),
    }
}

fn refunded(payment: &wire::Payment) -> Result<bool, Puzzle> {
    match payment.refund_status.as_deref() {
        None | Some("partial") => Ok(false),
        Some("full") => Ok(true),
        Some(word) => Err(format!(
            "payload.payment.entity: `refund_status` is `{}`, which is not known",
            shown(Some(word))
        )),
    }
}

/// The e-mail address, else the telephone number. Shops that ask for neither send Razorpay's own address,
/// which would make one customer of many.
fn customer(payment: &wire::Payment) -> Option<String> {
    let email = payment.email.as_deref().map(|e| clean(e.trim()).to_lowercase());
    let told = email.filter(|e| e.contains('@') && e != "void@razorpay.com");
    told.or_else(|| {
        let digits: String =
            payment.contact.as_deref()?.chars().filter(char::is_ascii_digit).take(20).collect();
        (!digits.is_empty()).then(|| format!("+{digits}"))
    })
}

fn shown(word: Option<&str>) -> String {
    clean(word.unwrap_or_default())
}
