//! Adyen's own record of a dispute, and the webhook that tells of it (shape: Adyen's OpenAPI `Webhooks-v1`).
//! Signs nothing and decides nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::super::office::Plan;
use super::super::office::instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Stage {
    Inquiry,
    Chargeback,
    PreArbitration,
    Arbitration,
}

impl Stage {
    pub const ALL: [Stage; 4] =
        [Stage::Inquiry, Stage::Chargeback, Stage::PreArbitration, Stage::Arbitration];

    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Inquiry => "request_for_information",
            Stage::Chargeback => "chargeback",
            Stage::PreArbitration => "pre_arbitration",
            Stage::Arbitration => "arbitration",
        }
    }

    pub fn parse(word: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|s| s.as_str() == word);
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| anyhow::anyhow!("`{word}` is not an Adyen stage: expected one of {}", known()))
    }

    /// The event that begins it.
    pub const fn opening(self) -> &'static str {
        match self {
            Stage::Inquiry => "REQUEST_FOR_INFORMATION",
            Stage::Chargeback => "NOTIFICATION_OF_CHARGEBACK",
            Stage::PreArbitration => "PREARBITRATION_OPEN",
            Stage::Arbitration => "SCHEME_ARBITRATION",
        }
    }

    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|s| *s > self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Pending,
    Accepted,
    Won,
    Lost,
    Expired,
}

impl State {
    /// `disputeStatus`.
    pub const fn word(self, stage: Stage) -> &'static str {
        match (self, stage) {
            (State::Open, Stage::Inquiry) => "Unresponded",
            (State::Open, Stage::Chargeback | Stage::PreArbitration | Stage::Arbitration) => "Undefended",
            (State::Pending, Stage::Inquiry) => "Responded",
            (State::Pending, Stage::Chargeback | Stage::PreArbitration | Stage::Arbitration) => "Pending",
            (State::Accepted, _) => "Accepted",
            (State::Won, _) => "Won",
            (State::Lost, _) => "Lost",
            (State::Expired, _) => "Expired",
        }
    }

    const ALL: [State; 6] =
        [State::Open, State::Pending, State::Accepted, State::Won, State::Lost, State::Expired];

    pub fn parse(word: &str, stage: Stage) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.word(stage) == word);
        let known = || Self::ALL.map(|state| state.word(stage)).join(", ");
        found.ok_or_else(|| {
            anyhow::anyhow!("`{word}` is not an Adyen dispute status: expected one of {}", known())
        })
    }

    /// What may follow a defence.
    pub fn verdict(word: &str) -> anyhow::Result<Self> {
        match word.to_ascii_lowercase().as_str() {
            "won" => Ok(State::Won),
            "lost" => Ok(State::Lost),
            _ => anyhow::bail!("`{word}` is not how an Adyen dispute ends: expected won or lost"),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Dispute {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub payment: String,
    pub merchant_reference: String,
    /// In ISO's minor units, as orders count.
    pub amount: i64,
    pub currency: String,
    /// `visa`, `mc` …
    pub scheme: String,
    pub reason_code: String,
    pub reason: String,
    pub stage: Stage,
    pub state: State,
    pub respond_by: Option<i64>,
    pub defendable: bool,
    /// Not told for payments in Brazil.
    pub status_told: bool,
    /// When the funds are taken; `None` once they were.
    pub debit_at: Option<i64>,
    /// Sizes in bytes, by type.
    pub documents: BTreeMap<String, usize>,
    pub shopper: Option<String>,
    pub plan: Plan,
    pub verdict: Option<(DateTime<Utc>, String)>,
    pub round: u32,
}

impl Dispute {
    /// For people: Adyen shows no record.
    pub fn json(&self) -> Value {
        json!({
            "disputePspReference": self.id,
            "originalReference": self.payment,
            "stage": self.stage.as_str(),
            "disputeStatus": self.state.word(self.stage),
            "amount": self.told_amount(),
            "defendable": self.defendable && self.state == State::Open,
            "defensePeriodEndsAt": self.respond_by.map(|at| dated(instant(at))),
            "documents": self.documents,
        })
    }

    fn told_amount(&self) -> Value {
        let value = told_value(self.amount, &self.currency);
        json!({ "currency": self.currency, "value": value })
    }

    /// The item of a webhook, without its signature.
    pub fn item(&self, code: &str, merchant_account: &str, at: DateTime<Utc>) -> Value {
        let mut additional = Map::new();
        let mut tell = |key: &str, value: &str| _ = additional.insert(key.to_owned(), json!(value));
        let (reason_key, scheme_key) = match self.stage {
            Stage::Inquiry => ("rfiReasonCode", "rfiSchemeCode"),
            Stage::Chargeback | Stage::PreArbitration | Stage::Arbitration => {
                ("chargebackReasonCode", "chargebackSchemeCode")
            }
        };
        // With a blank before it, as in Adyen's own samples.
        tell(reason_key, &format!(" {}", self.reason_code));
        tell(scheme_key, &self.scheme);
        tell("modificationMerchantReferences", "");
        if self.status_told {
            tell("disputeStatus", self.state.word(self.stage));
        }
        if self.state == State::Open {
            tell("defendable", if self.defendable { "true" } else { "false" });
            if let Some(at) = self.respond_by {
                tell("defensePeriodEndsAt", &dated(instant(at)));
            }
        }
        if let Some(shopper) = &self.shopper {
            tell("shopperReference", shopper);
        }
        json!({
            "additionalData": additional,
            "amount": self.told_amount(),
            "eventCode": code,
            "eventDate": dated(at),
            "merchantAccountCode": merchant_account,
            "merchantReference": self.merchant_reference,
            "originalReference": self.payment,
            "paymentMethod": self.scheme,
            "pspReference": self.id,
            "reason": self.reason,
            "success": "true",
        })
    }
}

/// An amount of ISO's minor units in Adyen's, which are others for four currencies (docs.adyen.com, "Currency codes
/// and minor units"); none for what Adyen cannot count.
pub(super) fn told_value(minor: i64, currency: &str) -> Option<i64> {
    match currency {
        "CLP" | "ISK" => minor.checked_mul(100),
        "CVE" | "IDR" => (minor % 100 == 0).then_some(minor / 100),
        _ => Some(minor),
    }
}

/// As Adyen writes instants: whole seconds in the time of Amsterdam, here always that of summer.
pub(super) fn dated(at: DateTime<Utc>) -> String {
    let summer = FixedOffset::east_opt(2 * 3600).expect("two hours are an offset");
    let at = at - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()));
    at.with_timezone(&summer).to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// A webhook of one item.
pub(super) fn envelope(item: Value, live: bool) -> Value {
    let live = if live { "true" } else { "false" };
    json!({ "live": live, "notificationItems": [{ "NotificationRequestItem": item }] })
}
