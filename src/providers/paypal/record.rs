//! PayPal's record of a dispute as a snapshot: every word of its closed sets is known here or the record is not
//! understood. Source: `customer_disputes_v1.json`, schemas `status`, `dispute_state`, `dispute_outcome`,
//! `dispute_lifecycle_stage`, `dispute_channel`. What a link allows is for `link` to say.

use chrono::{DateTime, Utc};

use super::link::{self, Action};
use super::{money, reason, wire};
use crate::dispute::{RespondBy, Snapshot, Stage, Status};
use crate::providers::shared::plausible::{self, clean};

/// What was found, and where.
type Puzzle = String;

/// `as_of` is when PayPal showed it.
pub fn snapshot(dispute: &wire::Dispute, as_of: DateTime<Utc>) -> Result<Snapshot, Puzzle> {
    if !wire::is_dispute_ref(&dispute.dispute_id) {
        return Err(format!("`dispute_id` is `{}`, which is no id", clean(&dispute.dispute_id)));
    }
    let state = dispute.dispute_state.as_deref().map(State::parse).transpose()?;
    let outcome = dispute.dispute_outcome.as_ref().and_then(|o| o.outcome_code.as_deref());
    let outcome = outcome.map(Outcome::parse).transpose()?;
    let appealable = state == Some(State::Appealable) || link::offers(dispute, Action::Appeal);
    let status = status(&dispute.status, state, outcome, appealable)?;
    let over = |at: DateTime<Utc>| appealable && at < as_of;
    let external = dispute.dispute_channel.as_deref().map(is_external).transpose()?.unwrap_or(false);
    let transaction = dispute.disputed_transactions.as_deref().and_then(<[_]>::first);
    Ok(Snapshot {
        dispute_ref: dispute.dispute_id.clone(),
        payment_ref: transaction.and_then(|t| reference(t.seller_transaction_id.as_deref())),
        charge_ref: transaction.and_then(|t| reference(t.invoice_number.as_deref())),
        stage: stage(&dispute.dispute_life_cycle_stage)?,
        status,
        provider_status: told(&dispute.status, outcome, appealable),
        amount: money::read(&dispute.dispute_amount).map_err(|what| format!("`dispute_amount`: {what}"))?,
        reason: reason::reason(dispute, external),
        respond_by: respond_by(dispute.seller_response_due_date.as_deref(), status, over)?,
        // Records are read over an authenticated channel only; a webhook's are never believed.
        deadline_confirmed: true,
        opened_at: instant("create_time", &dispute.create_time)?,
        submissions: u32::from(has_answered(dispute)),
        evidence_staged: false,
        past_due: false,
        fee_required: false,
        refunded: transaction.map_or(Ok(false), refunded)?,
        // To PayPal's merchants the buyer is a name, which is no key: two customers may share it.
        customer_ref: None,
        // Test and live disputes are told apart by the address they are read from alone.
        live: true,
        new_round: false,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    OpenInquiries,
    RequiredAction,
    RequiredOtherPartyAction,
    UnderPaypalReview,
    Appealable,
    Resolved,
}

impl State {
    fn parse(word: &str) -> Result<Self, Puzzle> {
        match word {
            "OPEN_INQUIRIES" => Ok(State::OpenInquiries),
            "REQUIRED_ACTION" => Ok(State::RequiredAction),
            "REQUIRED_OTHER_PARTY_ACTION" => Ok(State::RequiredOtherPartyAction),
            "UNDER_PAYPAL_REVIEW" => Ok(State::UnderPaypalReview),
            "APPEALABLE" => Ok(State::Appealable),
            "RESOLVED" => Ok(State::Resolved),
            _ => Err(unknown("dispute_state", word)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    BuyerFavour,
    SellerFavour,
    WithPayout,
    CanceledByBuyer,
    Accepted,
    Denied,
    None,
}

impl Outcome {
    fn parse(word: &str) -> Result<Self, Puzzle> {
        match word {
            "RESOLVED_BUYER_FAVOUR" => Ok(Outcome::BuyerFavour),
            "RESOLVED_SELLER_FAVOUR" => Ok(Outcome::SellerFavour),
            "RESOLVED_WITH_PAYOUT" => Ok(Outcome::WithPayout),
            "CANCELED_BY_BUYER" => Ok(Outcome::CanceledByBuyer),
            "ACCEPTED" => Ok(Outcome::Accepted),
            "DENIED" => Ok(Outcome::Denied),
            "NONE" => Ok(Outcome::None),
            _ => Err(unknown("dispute_outcome.outcome_code", word)),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Outcome::BuyerFavour => "RESOLVED_BUYER_FAVOUR",
            Outcome::SellerFavour => "RESOLVED_SELLER_FAVOUR",
            Outcome::WithPayout => "RESOLVED_WITH_PAYOUT",
            Outcome::CanceledByBuyer => "CANCELED_BY_BUYER",
            Outcome::Accepted => "ACCEPTED",
            Outcome::Denied => "DENIED",
            Outcome::None => "NONE",
        }
    }

    /// PayPal pays one side out of its own pocket in a payout and does not say which, and `NONE` names no
    /// winner: both are closed, and neither is a verdict. A claim that was accepted went to the buyer (a
    /// merchant's own accept-claim reads `RESOLVED_BUYER_FAVOUR`), one that was denied to the merchant.
    const fn status(self) -> Status {
        match self {
            Outcome::BuyerFavour | Outcome::Accepted => Status::Lost,
            Outcome::SellerFavour | Outcome::Denied => Status::Won,
            Outcome::WithPayout | Outcome::None => Status::Closed,
            Outcome::CanceledByBuyer => Status::Cancelled,
        }
    }
}

/// `status` is the same for all parties, `dispute_state` is ours. A loss that may be appealed asks once more.
fn status(
    word: &str,
    state: Option<State>,
    outcome: Option<Outcome>,
    appealable: bool,
) -> Result<Status, Puzzle> {
    match word {
        // The inquiry is a talk with the buyer: the merchant may answer, and is given no deadline.
        "OPEN" | "WAITING_FOR_SELLER_RESPONSE" => Ok(Status::NeedsResponse),
        "WAITING_FOR_BUYER_RESPONSE" | "UNDER_REVIEW" => Ok(Status::UnderReview),
        "RESOLVED" => {
            let outcome = outcome.ok_or("`dispute_outcome` is missing though the dispute is resolved")?;
            let settled = outcome.status();
            Ok(if settled == Status::Lost && appealable { Status::NeedsResponse } else { settled })
        }
        "OTHER" => match state {
            Some(State::OpenInquiries | State::RequiredAction | State::Appealable) => {
                Ok(Status::NeedsResponse)
            }
            Some(State::RequiredOtherPartyAction | State::UnderPaypalReview) => Ok(Status::UnderReview),
            Some(State::Resolved) | None => {
                Err("`status` is `OTHER`, which does not say where the dispute stands".to_owned())
            }
        },
        _ => Err(unknown("status", word)),
    }
}

/// For people's eyes: PayPal's words. A resolved dispute is told by its outcome.
fn told(status: &str, outcome: Option<Outcome>, appealable: bool) -> String {
    let resolved = (status == "RESOLVED").then_some(outcome).flatten();
    let word = match resolved {
        Some(outcome) => outcome.as_str(),
        None => status,
    };
    if appealable { format!("{word} APPEALABLE") } else { word.to_owned() }
}

fn stage(word: &str) -> Result<Stage, Puzzle> {
    match word {
        "INQUIRY" => Ok(Stage::Inquiry),
        "CHARGEBACK" => Ok(Stage::Chargeback),
        "PRE_ARBITRATION" => Ok(Stage::PreArbitration),
        "ARBITRATION" => Ok(Stage::Arbitration),
        _ => Err(unknown("dispute_life_cycle_stage", word)),
    }
}

/// Whether the claim came through the buyer's card issuer or bank, and not through PayPal.
fn is_external(channel: &str) -> Result<bool, Puzzle> {
    match channel {
        "EXTERNAL" => Ok(true),
        "INTERNAL" | "ALERT" => Ok(false),
        _ => Err(unknown("dispute_channel", channel)),
    }
}

/// The due date outlives the answer; without an answer owed it says nothing, and where it is `over` it is that of the
/// evidence, and until when the appeal is taken nobody has said.
fn respond_by(
    due: Option<&str>,
    status: Status,
    over: impl Fn(DateTime<Utc>) -> bool,
) -> Result<RespondBy, Puzzle> {
    let at = due.map(|due| instant("seller_response_due_date", due)).transpose()?;
    let at = at.filter(|at| status == Status::NeedsResponse && !over(*at));
    Ok(at.map_or(RespondBy::Unstated, RespondBy::At))
}

fn has_answered(dispute: &wire::Dispute) -> bool {
    let evidences = dispute.evidences.iter().flatten();
    evidences.filter_map(|e| e.source.as_deref()).any(|source| source == "SUBMITTED_BY_SELLER")
}

fn refunded(transaction: &wire::Transaction) -> Result<bool, Puzzle> {
    match transaction.transaction_status.as_deref() {
        None
        | Some(
            "COMPLETED" | "UNCLAIMED" | "DENIED" | "FAILED" | "HELD" | "PENDING" | "PARTIALLY_REFUNDED"
            | "REVERSED" | "CANCELLED",
        ) => Ok(false),
        Some("REFUNDED") => Ok(true),
        Some(word) => Err(unknown("disputed_transactions.transaction_status", word)),
    }
}

fn reference(id: Option<&str>) -> Option<String> {
    id.map(|id| clean(id.trim())).filter(|id| !id.is_empty())
}

fn instant(field: &str, text: &str) -> Result<DateTime<Utc>, Puzzle> {
    plausible::instant(text).ok_or_else(|| {
        let shown = clean(text);
        format!("`{field}` is `{shown}`: an RFC 3339 time between the years 2000 and 2200 is expected")
    })
}

fn unknown(field: &str, word: &str) -> Puzzle {
    format!("`{field}` is `{}`, which is not known", clean(word))
}
