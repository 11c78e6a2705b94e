//! Deliveries that wait for a person, and how people hear of them: once an hour for each account, whatever the
//! reason. Says nothing of what a delivery means.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::Shop;
use crate::dispute::{AccountId, Capabilities, MerchantId, Severity};
use crate::store::alerts::NewAlert;
use crate::store::{alerts, deliveries};

/// Why a delivery is not acted on.
pub(super) struct Waiting<'a> {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    /// None: a list had named the dispute, and no delivery.
    pub delivery_id: Option<i64>,
    pub why: Option<&'a str>,
}

impl Waiting<'_> {
    /// `all_there_is`: whether nothing else would tell of the dispute, so that somebody has to look now.
    pub fn alert(
        &self,
        shop: &Shop,
        all_there_is: impl FnOnce(&Capabilities) -> bool,
        now: DateTime<Utc>,
    ) -> NewAlert {
        let account = shop.accounts.by_id(self.merchant_id, self.account_id);
        let page = account
            .as_ref()
            .is_some_and(|account| all_there_is(shop.world.registry.get(account.provider).capabilities()));
        let severity = if page { Severity::Page } else { Severity::Warning };
        NewAlert {
            merchant_id: self.merchant_id,
            dispute_id: None,
            cycle_n: None,
            kind: "webhook_not_understood".into(),
            severity,
            // A warning must not stand in the way of a page.
            dedupe_key: format!("quarantined:{severity}:{}:{}", self.account_id, now.format("%Y-%m-%dT%H")),
            title: "a webhook was not understood, and whatever it tells is not acted on: \
                    see `respondby deliveries list --state quarantined`"
                .into(),
            detail: json!({
                "account": account.map(|account| account.name.clone()),
                "delivery": self.delivery_id,
                "why": self.why,
            }),
        }
    }
}

/// What was to be fetched is given up: what had asked for it waits for a person. Where the provider has no list,
/// nothing else would tell of the dispute.
pub(super) async fn nothing_to_fetch(
    conn: &mut PgConnection,
    shop: &Shop,
    waiting: &Waiting<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if let (Some(delivery_id), Some(why)) = (waiting.delivery_id, waiting.why) {
        deliveries::quarantine_unfetched(conn, (waiting.merchant_id, delivery_id), why, now).await?;
    }
    alerts::raise(conn, &[waiting.alert(shop, |can| !can.list, now)], now).await?;
    Ok(())
}
