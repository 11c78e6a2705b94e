//! From rows to the engine's types. A word in the database that the code does not know is an error that
//! names it, never a default.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::dispute::{Currency, Cycle, Dispute, Money, Reason, RespondBy, UnknownWord};
use crate::engine::{ActionView, CycleRow};

pub(crate) const DISPUTE_COLUMNS: &str = "merchant_id, dispute_id, account_id, dispute_ref, payment_ref, charge_ref, stage, status, provider_status, amount_minor, currency, category, provider_reason, network_code, network, respond_by, respond_by_kind, opened_at, as_of, closed_at, submissions, evidence_staged, past_due, fee_required, refunded, customer_ref, live, funds_withdrawn_at, funds_reinstated_at, follows_ref, check_at, read_as_of";

pub(crate) fn word<T: FromStr<Err = UnknownWord>>(row: &PgRow, column: &str) -> sqlx::Result<T> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|e: UnknownWord| sqlx::Error::Decode(Box::new(e)))
}

pub(crate) fn dispute(row: &PgRow) -> sqlx::Result<Dispute> {
    let currency = Currency::parse(row.try_get("currency")?).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    Ok(Dispute {
        merchant_id: row.try_get("merchant_id")?,
        account_id: row.try_get("account_id")?,
        dispute_id: row.try_get("dispute_id")?,
        dispute_ref: row.try_get("dispute_ref")?,
        payment_ref: row.try_get("payment_ref")?,
        charge_ref: row.try_get("charge_ref")?,
        stage: word(row, "stage")?,
        status: word(row, "status")?,
        provider_status: row.try_get("provider_status")?,
        amount: Money::new(row.try_get("amount_minor")?, currency),
        reason: Reason {
            category: word(row, "category")?,
            provider_reason: row.try_get("provider_reason")?,
            network_code: row.try_get("network_code")?,
            network: row.try_get("network")?,
        },
        respond_by: respond_by(row)?,
        opened_at: row.try_get("opened_at")?,
        as_of: row.try_get("as_of")?,
        closed_at: row.try_get("closed_at")?,
        submissions: row.try_get::<i32, _>("submissions")?.unsigned_abs(),
        evidence_staged: row.try_get("evidence_staged")?,
        past_due: row.try_get("past_due")?,
        fee_required: row.try_get("fee_required")?,
        refunded: row.try_get("refunded")?,
        customer_ref: row.try_get("customer_ref")?,
        live: row.try_get("live")?,
        funds_withdrawn_at: row.try_get("funds_withdrawn_at")?,
        funds_reinstated_at: row.try_get("funds_reinstated_at")?,
        follows_ref: row.try_get("follows_ref")?,
    })
}

fn respond_by(row: &PgRow) -> sqlx::Result<RespondBy> {
    let at: Option<DateTime<Utc>> = row.try_get("respond_by")?;
    let kind: &str = row.try_get("respond_by_kind")?;
    match (kind, at) {
        ("at", Some(at)) => Ok(RespondBy::At(at)),
        ("not_allowed", None) => Ok(RespondBy::NotAllowed),
        ("unstated", None) => Ok(RespondBy::Unstated),
        (other, at) => Err(sqlx::Error::Decode(format!("respond_by_kind `{other}` with {at:?}").into())),
    }
}

pub(crate) const fn respond_by_kind(respond_by: RespondBy) -> &'static str {
    match respond_by {
        RespondBy::At(_) => "at",
        RespondBy::NotAllowed => "not_allowed",
        RespondBy::Unstated => "unstated",
    }
}

pub(crate) fn cycle(row: &PgRow) -> sqlx::Result<CycleRow> {
    let plan: &str = row.try_get("plan")?;
    let response: Option<&str> = row.try_get("response")?;
    let response =
        response.map(str::parse).transpose().map_err(|e: UnknownWord| sqlx::Error::Decode(Box::new(e)))?;
    Ok(CycleRow {
        cycle: Cycle {
            n: row.try_get("n")?,
            stage: word(row, "stage")?,
            state: word(row, "state")?,
            opened_at: row.try_get("opened_at")?,
            respond_by: row.try_get("respond_by")?,
            response,
            answered_at: row.try_get("answered_at")?,
            ended_at: row.try_get("ended_at")?,
            wake_at: row.try_get("wake_at")?,
        },
        plan: serde_json::from_str(plan).map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
    })
}

pub(crate) fn action(row: &PgRow) -> sqlx::Result<ActionView> {
    Ok(ActionView {
        kind: word(row, "kind")?,
        subject: row.try_get("subject")?,
        state: word(row, "state")?,
        note: row.try_get("note")?,
        wanted_at: row.try_get("wanted_at")?,
        sent_at: row.try_get("sent_at")?,
    })
}
