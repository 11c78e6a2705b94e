//! What a kept Stripe body means. Total: what is not understood is `Unrecognised`, with what was found and
//! where. Payloads are rendered in the API version of the endpoint, so old shapes are read where their meaning
//! is certain. Knows no signature, no network and no clock.

use chrono::{DateTime, Utc};

use super::fields::{Fields, Understood};
use super::reason::category;
use super::units;
use super::wire::{
    Eligibility, EnhancedEligibility, Envelope, EvidenceDetails, Loose, PaymentMethodDetails, WireDispute,
    WireWarning,
};
use crate::dispute::{
    Currency, Event, FraudNotice, FundsMove, Money, News, Reason, RespondBy, Snapshot, Source, Stage, Status,
};
use crate::providers::http::is_plain_ref;
use crate::providers::{Kept, Reading, json};

const WARNING: &str = "radar.early_fraud_warning";
/// A bare record carries its fields at the top; in an event they are under `data.object`.
const BARE: Fields = Fields { place: "" };
const WITHIN: Fields = Fields { place: "data.object." };

pub fn read(kept: &Kept<'_>) -> Reading {
    let reading = match kept.source {
        Source::Webhook => webhook(kept.body),
        Source::Poll | Source::ReadBack | Source::Receipt => bare(kept.body, kept.source, kept.as_of),
    };
    reading.unwrap_or_else(|what| Reading::Unrecognised { what })
}

fn webhook(body: &[u8]) -> Understood<Reading> {
    let envelope: Envelope<'_> = json::read(body, "the body")?;
    let kind = BARE.needed_word("type", &envelope.kind)?;
    match BARE.needed_word("object", &envelope.object)? {
        "event" => snapshot_event(kind, &envelope),
        "v2.core.event" => thin_event(kind, &envelope),
        other => Err(format!("`object` is `{other}`: `event` or `v2.core.event` is expected")),
    }
}

/// What a snapshot event brings, by its type.
enum Topic {
    Record,
    Funds(FundsMove),
    Notice,
    /// About a dispute or a warning, and of a kind that did not exist when this was written.
    New,
    Other,
}

fn topic(kind: &str) -> Topic {
    match kind {
        "charge.dispute.created" | "charge.dispute.updated" | "charge.dispute.closed" => Topic::Record,
        "charge.dispute.funds_withdrawn" => Topic::Funds(FundsMove::Withdrawn),
        "charge.dispute.funds_reinstated" => Topic::Funds(FundsMove::Reinstated),
        "radar.early_fraud_warning.created" | "radar.early_fraud_warning.updated" => Topic::Notice,
        _ if kind.starts_with("charge.dispute.") || kind.starts_with("radar.early_fraud_warning.") => {
            Topic::New
        }
        _ => Topic::Other,
    }
}

fn snapshot_event(kind: &str, envelope: &Envelope<'_>) -> Understood<Reading> {
    let news = match topic(kind) {
        Topic::Record => News::Record { snapshot: dispute_in(envelope)? },
        Topic::Funds(moved) => News::Funds { moved, snapshot: dispute_in(envelope)? },
        Topic::Notice => News::Notice { notice: warning(object_in(envelope)?, WITHIN, &envelope.livemode)? },
        Topic::New => return Err(new_kind(kind)),
        Topic::Other => return Ok(Reading::NotOurs { what: kind.to_owned() }),
    };
    let as_of = BARE.instant("created", &envelope.created)?;
    Ok(Reading::Events(vec![Event { source: Source::Webhook, name: kind.to_owned(), as_of, news }]))
}

fn object_in<'a>(envelope: &Envelope<'a>) -> Understood<&'a [u8]> {
    let object = envelope.data.as_ref().and_then(|d| d.object);
    object.map(|o| o.get().as_bytes()).ok_or_else(|| "`data.object` is missing".to_owned())
}

fn dispute_in(envelope: &Envelope<'_>) -> Understood<Snapshot> {
    snapshot(&json::read(object_in(envelope)?, "`data.object`")?, WITHIN, &envelope.livemode)
}

/// A thin event only names its object. An early fraud warning is fetched by its own id, as a dispute is.
fn thin_event(kind: &str, envelope: &Envelope<'_>) -> Understood<Reading> {
    let Some(snapshot_kind) = kind.strip_prefix("v1.") else {
        return Ok(Reading::NotOurs { what: kind.to_owned() });
    };
    match topic(snapshot_kind) {
        Topic::Other => return Ok(Reading::NotOurs { what: kind.to_owned() }),
        Topic::New => return Err(new_kind(kind)),
        Topic::Record | Topic::Funds(_) | Topic::Notice => {}
    }
    let related = envelope.related_object.as_ref().ok_or_else(|| "`related_object` is missing".to_owned())?;
    let dispute_ref = Fields { place: "related_object." }.needed_id("id", &related.id)?;
    Ok(Reading::FetchFirst { dispute_ref, name: kind.to_owned() })
}

fn new_kind(kind: &str) -> String {
    format!("`type` is `{kind}`, an event about disputes or fraud warnings that is not known")
}

/// An item of the events list as the bare object it is about and the time of the event, so that it can be kept
/// and read like any record. An item that has neither stays whole and is not understood later.
pub fn listed(item: &str, as_of: DateTime<Utc>) -> (&str, DateTime<Utc>) {
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(item) else { return (item, as_of) };
    let object = envelope.data.as_ref().and_then(|d| d.object);
    match (object, BARE.instant("created", &envelope.created)) {
        (Some(object), Ok(created_at)) => (object.get(), created_at),
        (None, _) | (_, Err(_)) => (item, as_of),
    }
}

/// A dispute or early fraud warning as the API gives it.
fn bare(body: &[u8], source: Source, as_of: DateTime<Utc>) -> Understood<Reading> {
    let dispute: WireDispute<'_> = json::read(body, "the record")?;
    let news = match BARE.word("object", &dispute.object)? {
        Some(WARNING) => News::Notice { notice: warning(body, BARE, &Loose::Absent)? },
        _ => News::Record { snapshot: snapshot(&dispute, BARE, &Loose::Absent)? },
    };
    Ok(Reading::Events(vec![Event { source, name: source.as_str().to_owned(), as_of, news }]))
}

/// `livemode` is the envelope's, for old objects that have none of their own.
fn snapshot(dispute: &WireDispute<'_>, fields: Fields, livemode: &Loose<'_>) -> Understood<Snapshot> {
    match fields.word("object", &dispute.object)? {
        None | Some("dispute") => {}
        Some(other) => return Err(format!("`{}object` is `{other}`: `dispute` is expected", fields.place)),
    }
    let dispute_ref = fields.needed_id("id", &dispute.id)?;
    let word = fields.needed_word("status", &dispute.status)?;
    let (status, stage_told) = status(word)
        .ok_or_else(|| format!("`{}status` is `{word}`, which is no status that is known", fields.place))?;
    let charge_ref = fields.reference("charge", &dispute.charge)?;
    let payment_ref =
        fields.reference("payment_intent", &dispute.payment_intent)?.or_else(|| charge_ref.clone());
    let no_details = EvidenceDetails::default();
    let details = dispute.evidence_details.as_ref().unwrap_or(&no_details);
    let no_method = PaymentMethodDetails::default();
    let method = dispute.payment_method_details.as_ref().unwrap_or(&no_method);
    Ok(Snapshot {
        dispute_ref,
        payment_ref,
        charge_ref,
        stage: match stage_told {
            Some(stage) => stage,
            None => stage(method, fields)?,
        },
        status,
        provider_status: word.to_owned(),
        amount: money(dispute, fields)?,
        reason: reason(dispute, method, fields)?,
        respond_by: respond_by(dispute, details, fields)?,
        // Signed with the body, or read over an authenticated channel.
        deadline_confirmed: true,
        opened_at: fields.instant("created", &dispute.created)?,
        submissions: fields.count("evidence_details.submission_count", &details.submission_count)?,
        evidence_staged: fields.flag("evidence_details.has_evidence", &details.has_evidence)? == Some(true),
        past_due: fields.flag("evidence_details.past_due", &details.past_due)? == Some(true),
        fee_required: details.enhanced_eligibility.as_ref().is_some_and(fee_required),
        // Stripe says so only of an expanded charge, and with the old status that means nothing else.
        refunded: word == REFUNDED || dispute.charge.refunded == Loose::Bool(true),
        customer_ref: customer_ref(&dispute.charge.customer),
        live: live(&dispute.livemode, livemode, fields)?,
        new_round: false,
    })
}

/// Not in the API since 2023-08-16; an endpoint pinned to an older version still sends it.
const REFUNDED: &str = "charge_refunded";

/// Stripe's ten statuses and the one it retired, with the stage where the status tells it.
fn status(word: &str) -> Option<(Status, Option<Stage>)> {
    Some(match word {
        "warning_needs_response" => (Status::NeedsResponse, Some(Stage::Inquiry)),
        "warning_under_review" => (Status::UnderReview, Some(Stage::Inquiry)),
        "warning_closed" => (Status::Closed, Some(Stage::Inquiry)),
        "needs_response" => (Status::NeedsResponse, None),
        "under_review" => (Status::UnderReview, None),
        "won" => (Status::Won, None),
        "lost" => (Status::Lost, None),
        "prevented" => (Status::Prevented, None),
        "appeal_needs_response" => (Status::NeedsResponse, Some(Stage::PreArbitration)),
        "appeal_under_review" => (Status::UnderReview, Some(Stage::PreArbitration)),
        REFUNDED => (Status::Closed, None),
        _ => return None,
    })
}

/// Where the status does not tell, a compliance case is one by its `case_type`. Inquiries are told by their
/// `warning_` statuses alone: once money has moved the status loses the prefix, whatever else is said.
fn stage(method: &PaymentMethodDetails<'_>, fields: Fields) -> Understood<Stage> {
    let Some(card) = &method.card else { return Ok(Stage::Chargeback) };
    let case_type = fields.word("payment_method_details.card.case_type", &card.case_type)?;
    match case_type {
        Some("compliance") => Ok(Stage::Compliance),
        None | Some("chargeback" | "inquiry" | "block" | "resolution") => Ok(Stage::Chargeback),
        Some(word) => Err(format!(
            "`{}payment_method_details.card.case_type` is `{}`, which is not known",
            fields.place,
            word.chars().filter(|c| !c.is_control()).take(64).collect::<String>()
        )),
    }
}

fn respond_by(
    dispute: &WireDispute<'_>,
    details: &EvidenceDetails<'_>,
    fields: Fields,
) -> Understood<RespondBy> {
    match (&details.due_by, &dispute.evidence_due_by) {
        // "0 if the bank does not allow a response"; null says the same.
        (Loose::Null | Loose::Int(0), _) => Ok(RespondBy::NotAllowed),
        (Loose::Absent, Loose::Absent | Loose::Null | Loose::Int(0)) => Ok(RespondBy::Unstated),
        (Loose::Absent, old) => Ok(RespondBy::At(fields.instant("evidence_due_by", old)?)),
        (due_by, _) => Ok(RespondBy::At(fields.instant("evidence_details.due_by", due_by)?)),
    }
}

fn reason(
    dispute: &WireDispute<'_>,
    method: &PaymentMethodDetails<'_>,
    fields: Fields,
) -> Understood<Reason> {
    let word = fields.word("reason", &dispute.reason)?.unwrap_or("");
    let at = |field: &'static str, value| fields.word(field, value);
    let mut network = at("payment_method_details.type", &method.kind)?.filter(|kind| *kind != "card");
    let mut code = None;
    if let Some(card) = &method.card {
        let brand = at("payment_method_details.card.brand", &card.brand)?;
        network = at("payment_method_details.card.network", &card.network)?.or(brand);
        code = at("payment_method_details.card.network_reason_code", &card.network_reason_code)?;
    }
    for other in [&method.klarna, &method.paypal].into_iter().flatten() {
        code = code.or(at("payment_method_details.reason_code", &other.reason_code)?);
    }
    code = code.or(at("network_reason_code", &dispute.network_reason_code)?);
    let network = network.map(str::to_lowercase);
    Ok(Reason {
        category: category(network.as_deref(), code, word),
        provider_reason: word.to_owned(),
        network_code: code.map(str::to_owned),
        network,
    })
}

/// A status that is neither of the two known words keeps the gate closed: a person looks before USD 500 go.
fn fee_required(eligibility: &EnhancedEligibility<'_>) -> bool {
    let unpaid = |e: &Eligibility<'_>| !e.status.is_silent() && e.status.text() != Some("fee_acknowledged");
    [&eligibility.visa_compliance, &eligibility.mastercard_compliance].into_iter().flatten().any(unpaid)
}

fn money(dispute: &WireDispute<'_>, fields: Fields) -> Understood<Money> {
    let code = fields.needed_word("currency", &dispute.currency)?;
    let currency = Currency::parse(code).map_err(|e| format!("`{}currency`: {e}", fields.place))?;
    let amount = fields.amount("amount", &dispute.amount)?;
    let minor = units::iso_minor(amount, currency);
    Ok(Money::new(minor.map_err(|what| format!("`{}amount` {what}", fields.place))?, currency))
}

fn customer_ref(customer: &Loose<'_>) -> Option<String> {
    customer.text().filter(|id| is_plain_ref(id)).map(str::to_owned)
}

fn live(own: &Loose<'_>, envelope: &Loose<'_>, fields: Fields) -> Understood<bool> {
    let told = fields.flag("livemode", own)?.or(BARE.flag("livemode", envelope)?);
    told.ok_or_else(|| format!("`{}livemode` is missing: true or false is expected", fields.place))
}

fn warning(object: &[u8], fields: Fields, livemode: &Loose<'_>) -> Understood<FraudNotice> {
    let warning: WireWarning<'_> = json::read(object, "the early fraud warning")?;
    let charge_ref = fields.reference("charge", &warning.charge)?;
    let payment_ref = fields.reference("payment_intent", &warning.payment_intent)?;
    let actionable = fields.flag("actionable", &warning.actionable)?;
    Ok(FraudNotice {
        notice_ref: fields.needed_id("id", &warning.id)?,
        payment_ref: payment_ref.or_else(|| charge_ref.clone()),
        charge_ref,
        fraud_type: fields.needed_word("fraud_type", &warning.fraud_type)?.to_owned(),
        actionable: actionable.ok_or_else(|| format!("`{}actionable` is missing", fields.place))?,
        live: live(&warning.livemode, livemode, fields)?,
    })
}
