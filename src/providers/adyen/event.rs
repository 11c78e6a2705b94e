//! What a kept body means. Pure and total, item by item: what is not understood to the last word is told with
//! its place, and takes nothing from the items beside it.
//!
//! Adyen keeps no record that could be read: each event tells where the dispute stands, and what it leaves out
//! stays as it was known. The deadline is not signed, so it is never confirmed, and one that is further off than
//! any scheme allows is not believed at all: a person is asked instead.

use chrono::{DateTime, TimeDelta, Utc};

use super::meaning::{EventCode, Meaning, Word};
use super::{reason, units, wire};
use crate::dispute::{Currency, Event, FraudNotice, Money, News, RespondBy, Snapshot, Source, Status};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::plausible::{AMOUNT_MINOR_MAX, clean};
use crate::providers::{Kept, Reading, json};

/// What was found, and where.
type Puzzle = String;

/// The longest window that a scheme gives is 45 days, and Adyen gives no more than 40; a day more is for clocks.
/// What is beyond this is a mistake or a forgery.
const WINDOW_MAX: TimeDelta = TimeDelta::days(46);
/// Longest list of puzzles in one note, characters.
const TOLD_CHARS_MAX: usize = 2_000;
/// Events of the standard webhook that are not about disputes (Adyen's OpenAPI `Webhooks-v1`, and docs.adyen.com
/// "Webhook types"). One that is in neither list may be a new one about disputes.
const OTHERS: &[&str] = &[
    "ACH_NOTIFICATION_OF_CHANGE",
    "AUTHENTICATION",
    "AUTHORISATION",
    "AUTHORISATION_ADJUSTMENT",
    "AUTORESCUE",
    "AUTORESCUE_NEXT_ATTEMPT",
    "CANCELLATION",
    "CANCEL_AUTORESCUE",
    "CANCEL_OR_REFUND",
    "CAPTURE",
    "CAPTURE_FAILED",
    "DEACTIVATE_RECURRING",
    "DONATION",
    "EXPIRE",
    "HANDLED_EXTERNALLY",
    "MANUAL_REVIEW_ACCEPT",
    "MANUAL_REVIEW_REJECT",
    "OFFER_CLOSED",
    "ORDER_CLOSED",
    "ORDER_OPENED",
    "PAIDOUT_REVERSED",
    "PAYOUT_DECLINE",
    "PAYOUT_EXPIRE",
    "PAYOUT_THIRDPARTY",
    "PENDING",
    "POSTPONED_REFUND",
    "PROCESS_RETRY",
    "RECURRING_CONTRACT",
    "REFUND",
    "REFUNDED_REVERSED",
    "REFUND_FAILED",
    "REFUND_NOT_CLEARED",
    "REFUND_WITH_DATA",
    "REPORT_AVAILABLE",
    "TECHNICAL_CANCEL",
    "VOID_PENDING_REFUND",
];

pub fn events(kept: &Kept<'_>) -> Reading {
    match kept.source {
        Source::Webhook => read_webhook(kept.body).unwrap_or_else(|what| Reading::Unrecognised { what }),
        Source::Receipt => read_receipt(kept.body),
        Source::Poll | Source::ReadBack => {
            Reading::Unrecognised { what: "Adyen has no records that could be read".to_owned() }
        }
    }
}

fn read_webhook(body: &[u8]) -> Result<Reading, Puzzle> {
    let envelope: wire::Envelope<'_> = json::read(body, "the body")?;
    let items = envelope.items.ok_or("`notificationItems` is missing")?;
    let mut puzzles: Vec<Puzzle> = envelope.set_aside.iter().map(|told| clean(&told.why)).collect();
    let live = match envelope.live.as_deref() {
        Some("true") | None => true,
        Some("false") => false,
        Some(word) => return Err(format!("`live` is `{}`, which is not known", clean(word))),
    };
    if items.is_empty() && puzzles.is_empty() {
        return Err("`notificationItems` holds no item".to_owned());
    }
    let (mut events, mut passed_over) = (Vec::new(), Vec::new());
    for (n, raw) in items.iter().enumerate() {
        let located = |what: Puzzle| format!("item {}: {what}", n + 1);
        match json::read::<wire::Wrapper>(raw.get().as_bytes(), "it").and_then(|w| read_item(&w.item, live)) {
            Ok(Told::Event(event)) => events.push(*event),
            Ok(Told::NotOurs(what)) => passed_over.push(what),
            Err(what) => puzzles.push(located(what)),
        }
    }
    let what = joined(&puzzles);
    Ok(match (events.is_empty(), puzzles.is_empty()) {
        (false, true) => Reading::Events(events),
        (false, false) => Reading::Partly { events, what },
        (true, false) => Reading::Unrecognised { what },
        (true, true) => Reading::NotOurs { what: joined(&passed_over) },
    })
}

/// The answer to a call of ours tells only that it was taken.
fn read_receipt(body: &[u8]) -> Reading {
    let answered: Result<wire::Answered, String> = json::read(body, "the answer");
    match answered.map(|a| a.dispute_service_result) {
        Ok(done) if done.success => {
            Reading::Acknowledged { what: "Adyen took it and says no more".to_owned() }
        }
        Ok(done) => {
            let why = clean(&done.error_message.unwrap_or_default());
            Reading::Unrecognised { what: format!("`success` is false: {why}") }
        }
        Err(what) => Reading::Unrecognised { what },
    }
}

enum Told {
    Event(Box<Event>),
    NotOurs(String),
}

fn read_item(item: &wire::Item, live: bool) -> Result<Told, Puzzle> {
    let name = item.event_code.as_deref().filter(|c| !c.is_empty()).ok_or("`eventCode` is missing")?;
    let Ok(code) = name.parse::<EventCode>() else {
        return match OTHERS.contains(&name) {
            true => Ok(Told::NotOurs(name.to_owned())),
            false => Err(format!("`eventCode` is `{}`, which is not known", clean(name))),
        };
    };
    match item.success.as_deref() {
        Some("true") => {}
        other => {
            let word = clean(other.unwrap_or_default());
            return Err(format!("`success` of {code} is `{word}`, expected `true`"));
        }
    }
    let reference = reference(item)?;
    let as_of = instant("eventDate", item.event_date.as_deref().ok_or("`eventDate` is missing")?)?;
    let word = item.additional_data.as_ref().and_then(|a| a.dispute_status.as_deref());
    let word = word.map(str::parse::<Word>).transpose();
    let word = word.map_err(|e| format!("`disputeStatus` is `{}`, which is not known", clean(&e.word)))?;
    let of_inquiry = item.additional(|a| &a.rfi_reason_code).is_some();
    let auto_defended = flag("autoDefended", item.additional(|a| &a.auto_defended))?.unwrap_or(false);
    let event =
        |news| Told::Event(Box::new(Event { source: Source::Webhook, name: code.to_string(), as_of, news }));
    Ok(match code.meaning(word, of_inquiry, auto_defended)? {
        Some(meaning) => {
            let snapshot = snapshot(item, code, word, &meaning, (reference, as_of, live))?;
            event(match meaning.funds {
                Some(moved) => News::Funds { moved, snapshot },
                None => News::Record { snapshot },
            })
        }
        None if code == EventCode::NotificationOfFraud => {
            event(News::Notice { notice: notice(item, reference, live) })
        }
        None => Told::NotOurs(format!("{code} of {reference}, which changes nothing")),
    })
}

fn snapshot(
    item: &wire::Item,
    code: EventCode,
    word: Option<Word>,
    meaning: &Meaning,
    (dispute_ref, as_of, live): (String, DateTime<Utc>, bool),
) -> Result<Snapshot, Puzzle> {
    let provider_status = match word {
        Some(word) => word.to_string(),
        None => code.to_string(),
    };
    Ok(Snapshot {
        dispute_ref,
        payment_ref: plain(&item.original_reference),
        // The merchant's own name for the payment.
        charge_ref: plain(&item.merchant_reference),
        stage: meaning.stage,
        status: meaning.status,
        provider_status,
        amount: amount(item)?,
        reason: reason::reason(item),
        respond_by: respond_by(item, meaning.status, as_of)?,
        deadline_confirmed: false,
        // The earliest news of a dispute is the nearest to its opening that Adyen tells.
        opened_at: as_of,
        submissions: 0,
        // Told of by an event that says nothing else, and so changes nothing.
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: false,
        customer_ref: item.additional(|a| &a.shopper_reference).map(clean),
        live,
        new_round: false,
    })
}

fn notice(item: &wire::Item, notice_ref: String, live: bool) -> FraudNotice {
    let told = item.additional(|a| &a.nof_reason_code).or(item.reason.as_deref()).unwrap_or_default();
    FraudNotice {
        notice_ref,
        payment_ref: plain(&item.original_reference),
        charge_ref: plain(&item.merchant_reference),
        fraud_type: clean(told.trim()),
        // A refund now prevents the chargeback.
        actionable: true,
        live,
    }
}

/// An id as Adyen gives them.
fn reference(item: &wire::Item) -> Result<String, Puzzle> {
    let id = item.psp_reference.as_deref().unwrap_or_default();
    match is_plain_ref(id) {
        true => Ok(id.to_owned()),
        false => Err(format!("`pspReference` is `{}`, expected letters and digits", clean(id))),
    }
}

fn plain(text: &Option<String>) -> Option<String> {
    text.as_deref().map(|t| clean(t.trim())).filter(|t| !t.is_empty())
}

fn amount(item: &wire::Item) -> Result<Money, Puzzle> {
    let amount = item.amount.as_ref().ok_or("`amount` is missing")?;
    let value = amount.value.ok_or("`amount.value` is missing")?;
    let currency = amount.currency.as_deref().unwrap_or_default();
    let currency = Currency::parse(currency).map_err(|e| format!("`amount.currency`: {e}"))?;
    let minor = units::iso_minor(value, currency).map_err(|what| format!("`amount.value` {what}"))?;
    if !(0..=AMOUNT_MINOR_MAX).contains(&minor) {
        return Err(format!("`amount.value` is {value}: minor units from 0 to 10^15 are expected"));
    }
    Ok(Money::new(minor, currency))
}

fn respond_by(item: &wire::Item, status: Status, as_of: DateTime<Utc>) -> Result<RespondBy, Puzzle> {
    let defendable = flag("defendable", item.additional(|a| &a.defendable))?;
    if status == Status::NeedsResponse && defendable == Some(false) {
        return Ok(RespondBy::NotAllowed);
    }
    let Some(text) = item.additional(|a| &a.defense_period_ends_at) else {
        return Ok(RespondBy::Unstated);
    };
    let at = instant("defensePeriodEndsAt", text)?;
    Ok(if at > as_of + WINDOW_MAX { RespondBy::Unstated } else { RespondBy::At(at) })
}

/// `true` and `false` as text.
fn flag(name: &str, value: Option<&str>) -> Result<Option<bool>, Puzzle> {
    match value {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(word) => Err(format!("`{name}` is `{}`, expected `true` or `false`", clean(word))),
    }
}

fn instant(field: &str, text: &str) -> Result<DateTime<Utc>, Puzzle> {
    wire::instant(text).ok_or_else(|| {
        let text = clean(text);
        format!(
            "`{field}` is `{text}`: a date and time with an offset, of the years 2000 to 2200, is expected"
        )
    })
}

/// As many as can be told.
fn joined(texts: &[String]) -> String {
    let mut out = String::new();
    for (n, text) in texts.iter().enumerate() {
        if out.len() + text.len() > TOLD_CHARS_MAX {
            out.push_str(&format!("; and {} more", texts.len() - n));
            break;
        }
        if n > 0 {
            out.push_str("; ");
        }
        out.push_str(text);
    }
    out
}
