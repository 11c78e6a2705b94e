//! What a kept body means: a webhook's envelope, or the bare record of one dispute. Pure and total: what is not
//! understood to the last word is `Unrecognised`, with the place, and never a guess.
//!
//! The type of the event and the status of the record inside are one word of the router's; where they are not, one
//! of the two is older, and the record is fetched, as it is where the connector's word leaves the status open. Its bodies do not tell test from live mode, so every
//! record says live: keep test mode in an account of its own.

use chrono::{DateTime, Utc};

use super::{connector, reason, units, wire};
use crate::dispute::{Currency, Event, Money, News, RespondBy, Snapshot, Source, Stage};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::plausible::{self, AMOUNT_MINOR_MAX, clean};
use crate::providers::{Kept, Reading, json};

/// What was found, and where.
type Puzzle = String;

/// Of disputes; others have a type of their own.
const DISPUTE: &str = "dispute_details";

pub fn events(kept: &Kept<'_>) -> Reading {
    let read = match kept.source {
        Source::Webhook => read_webhook(kept.body),
        Source::Poll | Source::ReadBack | Source::Receipt => read_record(kept),
    };
    read.unwrap_or_else(|what| Reading::Unrecognised { what })
}

fn read_webhook(body: &[u8]) -> Result<Reading, Puzzle> {
    let envelope: wire::Envelope<'_> = json::read(body, "the body")?;
    let name = envelope.event_type.filter(|n| !n.is_empty()).ok_or("`event_type` is missing")?;
    let content = envelope.content.ok_or("`content` is missing")?;
    let content: wire::Content<'_> = json::read(content.get().as_bytes(), "`content`")?;
    if content.r#type != DISPUTE {
        let name = clean(&name);
        // A dispute event in a shape that we do not know must not be passed over as somebody else's.
        return match name.contains("dispute") || content.r#type.contains("dispute") {
            true => Err(format!(
                "`content.type` is `{}` and `event_type` `{name}`, expected `{DISPUTE}`",
                clean(&content.r#type)
            )),
            false => Ok(Reading::NotOurs { what: name }),
        };
    }
    let timestamp = envelope.timestamp.ok_or("`timestamp` is missing")?;
    let as_of = instant("timestamp", &timestamp)?;
    let dispute: wire::Dispute = json::read(content.object.get().as_bytes(), "`content.object`")?;
    let located = |what: Puzzle| format!("`content.object`: {what}");
    if let Err(connector::Doubt::Unsure(_)) = connector::status(&dispute) {
        let dispute_ref = reference("dispute_id", &dispute.dispute_id).map_err(located)?;
        return Ok(Reading::FetchFirst { dispute_ref, name: clean(&name) });
    }
    let snapshot = snapshot(&dispute).map_err(located)?;
    if name != dispute.dispute_status {
        return Ok(Reading::FetchFirst { dispute_ref: snapshot.dispute_ref, name: clean(&name) });
    }
    Ok(one(Source::Webhook, name, as_of, snapshot))
}

fn read_record(kept: &Kept<'_>) -> Result<Reading, Puzzle> {
    let dispute: wire::Dispute = json::read(kept.body, "the body")?;
    let snapshot = snapshot(&dispute).map_err(|what| format!("the dispute: {what}"))?;
    Ok(one(kept.source, kept.source.as_str().to_owned(), kept.as_of, snapshot))
}

fn one(source: Source, name: String, as_of: DateTime<Utc>, snapshot: Snapshot) -> Reading {
    Reading::Events(vec![Event { source, name, as_of, news: News::Record { snapshot } }])
}

fn snapshot(dispute: &wire::Dispute) -> Result<Snapshot, Puzzle> {
    let opened_at = match &dispute.connector_created_at {
        Some(at) => instant("connector_created_at", at)?,
        None => instant("created_at", &dispute.created_at)?,
    };
    let respond_by = match &dispute.challenge_required_by {
        Some(at) => RespondBy::At(instant("challenge_required_by", at)?),
        None => RespondBy::Unstated,
    };
    Ok(Snapshot {
        dispute_ref: reference("dispute_id", &dispute.dispute_id)?,
        // A dispute does without one: an id of an unknown shape is none.
        payment_ref: dispute.payment_id.as_deref().filter(|id| is_plain_ref(id)).map(str::to_owned),
        charge_ref: None,
        stage: stage(&dispute.dispute_stage)?,
        status: connector::status(dispute).map_err(connector::Doubt::what)?,
        provider_status: clean(&dispute.dispute_status),
        amount: amount(dispute)?,
        reason: reason::reason(dispute),
        respond_by,
        // A webhook's signature covers the whole body, and the API is read over TLS.
        deadline_confirmed: true,
        opened_at,
        submissions: 0,
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: dispute.is_already_refunded == Some(true),
        customer_ref: None,
        live: true,
        new_round: false,
    })
}

fn stage(word: &str) -> Result<Stage, Puzzle> {
    match word {
        "pre_dispute" => Ok(Stage::Inquiry),
        "dispute" => Ok(Stage::Chargeback),
        "pre_arbitration" => Ok(Stage::PreArbitration),
        // The router's last stage comes after arbitration. There is no later one here, and none of the two can be
        // answered through the router, so that whatever is owed there a person is asked about.
        "arbitration" | "dispute_reversal" => Ok(Stage::Arbitration),
        _ => Err(format!("`dispute_stage` is `{}`, which is not known", clean(word))),
    }
}

fn amount(dispute: &wire::Dispute) -> Result<Money, Puzzle> {
    let text = dispute.amount.as_str();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let possible = |minor: &i64| (0..=AMOUNT_MINOR_MAX).contains(minor);
    let wrong =
        || format!("`amount` is `{}`: minor units from 0 to 10^15 are expected, as text", clean(text));
    let told = text.parse().ok().filter(|told| digits && possible(told)).ok_or_else(wrong)?;
    let currency = Currency::parse(&dispute.currency).map_err(|e| format!("`currency`: {e}"))?;
    let minor =
        units::iso_minor(told, currency, &dispute.connector).map_err(|what| format!("`amount` {what}"))?;
    if !possible(&minor) {
        return Err(wrong());
    }
    Ok(Money::new(minor, currency))
}

fn instant(field: &str, text: &str) -> Result<DateTime<Utc>, Puzzle> {
    plausible::instant(text).ok_or_else(|| {
        format!(
            "`{field}` is `{}`: an instant as `2026-02-21T06:45:36.000Z` between the years 2000 and 2200 is expected",
            clean(text)
        )
    })
}

/// An id that can also stand in a path as it is.
fn reference(field: &str, id: &str) -> Result<String, Puzzle> {
    match is_plain_ref(id) {
        true => Ok(id.to_owned()),
        false => Err(format!("`{field}` is `{}`, which is no id", clean(id))),
    }
}
