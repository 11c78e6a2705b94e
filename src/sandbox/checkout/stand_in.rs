//! Checkout.com's place among the stand-ins: what its accounts need, how its webhooks are signed, and how its
//! records are shown beside the others'. Behaviour is in the files beside this one.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::accounts::AccountState;
use super::super::control::DisputeView;
use super::super::delivery::hmac_hex;
use super::super::ids::Ids;
use super::super::office::{Office, instant};
use super::super::orders::{Change, ExtraWebhook, NewDispute, NewWarning, Signing};
use super::super::outbox::{Draft, Webhook};
use super::super::reply::{Incoming, Reply};
use super::super::stand_in::{Facts, Sealed, StandIn};
use super::super::{ProviderKind, SandboxAccount};
use super::life::{ANNOUNCED, OLD_ENVELOPE};
use super::record::{Status, envelope};
use super::{Book, Desk};

/// What the webhook action sends as `Authorization`, where an account has it.
const WEBHOOK_AUTHORIZATION: &str = "webhook_authorization";
const EXAMPLE_KEY: &str = "sk_sbox_sandboxexamplekeyforthesdk2";

impl SandboxAccount {
    pub fn checkout(name: &str, api_key: &str, webhook_secret: &str) -> Self {
        Self::new(ProviderKind::Checkout, name).credential("api_key", api_key).webhook_secret(webhook_secret)
    }
}

impl NewDispute {
    pub fn checkout() -> Self {
        Self::new(ProviderKind::Checkout)
    }
}

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "Checkout.com",
            credentials: &["api_key"],
            settings: &[WEBHOOK_AUTHORIZATION],
            extras: &[OLD_ENVELOPE, ANNOUNCED],
            webhook_secret: true,
            // Eight tries over a little more than a day (its webhook pages).
            patience: TimeDelta::hours(30),
            switches_off: false,
            connects: false,
        }
    }

    fn example(&self) -> SandboxAccount {
        // The SDK looks at the key to know how to send it.
        SandboxAccount::checkout("example", EXAMPLE_KEY, "sandbox_workflow_key")
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        let make = format!("const c = new Checkout('{EXAMPLE_KEY}', {{ subdomain: 'sandbox0' }})");
        vec![("Node, checkout-sdk-node", format!("{make}; c.config.host = '{url}'"))]
    }

    fn account_ref(&self, _spec: &SandboxAccount, ids: &mut Ids) -> String {
        ids.next("ent_", 26)
    }

    fn answer(&mut self, office: &mut Office, now: DateTime<Utc>, request: &Incoming) -> Reply {
        super::answer(&mut Desk { book: self, office }, now, request)
    }

    fn open(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        order: &NewDispute,
    ) -> anyhow::Result<String> {
        Desk { book: self, office }.open(now, order)
    }

    fn apply(
        &mut self,
        office: &mut Office,
        at: DateTime<Utc>,
        id: &str,
        change: &Change,
    ) -> anyhow::Result<Value> {
        Desk { book: self, office }.apply(at, id, change)
    }

    fn warn(&mut self, _: &mut Office, _: DateTime<Utc>, _: &NewWarning) -> anyhow::Result<String> {
        anyhow::bail!("Checkout.com sends no early fraud warnings as dispute events")
    }

    fn lapse(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        Desk { book: self, office }.lapse(at, id);
    }

    fn decide(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        Desk { book: self, office }.bank_decides(at, id);
    }

    fn has(&self, id: &str) -> bool {
        self.disputes.contains_key(id)
    }

    fn views(&self, office: &Office) -> Vec<DisputeView> {
        let mut disputes: Vec<_> = self.disputes.values().collect();
        disputes.sort_by_key(|d| d.n);
        let views = disputes.into_iter().map(|d| DisputeView {
            provider: ProviderKind::Checkout,
            account: office.accounts[d.account].spec.name.clone(),
            id: d.id.clone(),
            status: d.status.as_str().to_owned(),
            open: d.status == Status::EvidenceRequired,
            round: d.round,
            amount_minor: d.amount,
            currency: d.currency.clone(),
            reason: d.category.clone(),
            respond_by: Some(instant(d.evidence_required_by)),
            verdict: d.verdict.clone(),
            record: d.json(),
        });
        views.collect()
    }

    fn made_up(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        _account: usize,
        order: &ExtraWebhook,
    ) -> anyhow::Result<Draft> {
        let event_type = order.event_type.as_deref().unwrap_or("dispute_teleported");
        let event_ref = order.event_ref.clone().unwrap_or_else(|| office.ids.next("evt_", 26));
        let body = match &order.dispute {
            Some(id) => {
                let missing = || anyhow::anyhow!("no Checkout.com dispute `{id}` to send a webhook about");
                self.disputes.get(id).ok_or_else(missing)?.event(event_type, &event_ref, now)
            }
            None => envelope(event_type, &event_ref, now, &json!({ "id": "tele_1" }), false),
        };
        Ok(Draft::real(&event_ref, event_type, order.dispute.as_deref(), Bytes::from(body.to_string())))
    }

    fn seal(&self, webhook: &Webhook, account: &AccountState, now: DateTime<Utc>) -> Sealed {
        let mut headers =
            vec![("content-type", "application/json".to_owned()), ("user-agent", "Cko-Workflows".to_owned())];
        if let Some(key) = account.spec.settings.get(WEBHOOK_AUTHORIZATION) {
            headers.push(("authorization", key.clone()));
        }
        let newest = account.signing_secrets(now).into_iter().next();
        let secret = match webhook.signing {
            Signing::Valid => newest,
            Signing::Forged => Some("not-the-secret".to_owned()),
            Signing::Missing => None,
        };
        if let Some(secret) = secret {
            headers.push(("cko-signature", hmac_hex(&secret, &[&webhook.body])));
        }
        Sealed { headers, body: webhook.body.clone() }
    }
}
