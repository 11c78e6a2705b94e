//! Stripe's place among the stand-ins: what its accounts need, how its webhooks are signed, and how its
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
use super::events::name_connected;
use super::{API_VERSION, Book, Desk, THIN_EVENTS};

impl SandboxAccount {
    pub fn stripe(name: &str, secret_key: &str, webhook_secret: &str) -> Self {
        let account = Self::new(ProviderKind::Stripe, name).credential("api_key", secret_key);
        account.webhook_secret(webhook_secret)
    }

    /// Stripe: an account that is connected to the platform `via`, which speaks for it. `account_ref` is Stripe's id
    /// of it.
    pub fn stripe_connected(name: &str, via: &str, account_ref: &str) -> Self {
        Self {
            via: Some(via.to_owned()),
            provider_account: Some(account_ref.to_owned()),
            ..Self::new(ProviderKind::Stripe, name)
        }
    }

    /// Stripe: thin `v2.core.event` notifications instead of snapshots.
    pub fn thin_events(self) -> Self {
        self.setting(THIN_EVENTS, "true")
    }
}

impl NewDispute {
    pub fn stripe() -> Self {
        Self::new(ProviderKind::Stripe)
    }
}

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "Stripe",
            credentials: &["api_key"],
            settings: &[THIN_EVENTS],
            extras: &["smart_disputes"],
            webhook_secret: true,
            // Live webhooks are tried again for three days (its webhook pages).
            patience: TimeDelta::days(3),
            switches_off: false,
            connects: true,
        }
    }

    fn example(&self) -> SandboxAccount {
        SandboxAccount::stripe("example", "sk_test_sandbox", "whsec_sandbox")
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        let address = url.trim_start_matches("http://");
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
        let node =
            format!("new Stripe('sk_test_sandbox', {{ host: '{host}', port: {port}, protocol: 'http' }})");
        vec![("Node, stripe", node)]
    }

    fn account_ref(&self, spec: &SandboxAccount, ids: &mut Ids) -> String {
        spec.provider_account.clone().unwrap_or_else(|| ids.next("acct_", 16))
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

    fn warn(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        order: &NewWarning,
    ) -> anyhow::Result<String> {
        Desk { book: self, office }.warn(now, order)
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
            provider: ProviderKind::Stripe,
            account: office.accounts[d.account].spec.name.clone(),
            id: d.id.clone(),
            status: d.status.as_str().to_owned(),
            open: d.status.is_open() && d.takes_a_response(),
            round: d.round,
            amount_minor: d.amount,
            currency: d.currency.to_ascii_uppercase(),
            reason: d.reason.clone(),
            respond_by: d.due_by.filter(|due| *due != 0).map(instant),
            verdict: d.verdict.clone(),
            record: d.json(),
        });
        views.collect()
    }

    fn made_up(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        account: usize,
        order: &ExtraWebhook,
    ) -> anyhow::Result<Draft> {
        let event_type = order.event_type.as_deref().unwrap_or("charge.dispute.teleported");
        let event_ref = order.event_ref.clone().unwrap_or_else(|| office.ids.next("evt_x", 23));
        let object = match &order.dispute {
            Some(id) => {
                let missing = || anyhow::anyhow!("no stripe dispute `{id}` to send a webhook about");
                self.disputes.get(id).ok_or_else(missing)?.json()
            }
            None => json!({ "id": "obj_1", "object": "teleporter" }),
        };
        let mut body = json!({
            "id": event_ref,
            "object": "event",
            "api_version": API_VERSION,
            "created": now.timestamp(),
            "data": { "object": object },
            "livemode": false,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": event_type,
        });
        name_connected(&mut body, "account", &office.accounts[account]);
        Ok(Draft::real(&event_ref, event_type, order.dispute.as_deref(), Bytes::from(body.to_string())))
    }

    fn seal(&self, webhook: &Webhook, account: &AccountState, now: DateTime<Utc>) -> Sealed {
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("accept", "*/*; q=0.5, application/xml".to_owned()),
            ("cache-control", "no-cache".to_owned()),
            ("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned()),
        ];
        let at = (now.timestamp() + webhook.timestamp_offset_s).to_string();
        let secrets = match webhook.signing {
            Signing::Valid => account.signing_secrets(now),
            Signing::Forged => vec!["not-the-secret".to_owned()],
            Signing::Missing => vec![],
        };
        if !secrets.is_empty() {
            headers.push(("stripe-signature", signature(&secrets, &at, &webhook.body)));
        }
        Sealed { headers, body: webhook.body.clone() }
    }
}

/// `t=…` and one `v1=…` per secret, over the time, a dot and the body.
fn signature(secrets: &[String], at: &str, body: &[u8]) -> String {
    let signatures = secrets.iter().map(|s| format!(",v1={}", hmac_hex(s, &[at.as_bytes(), b".", body])));
    std::iter::once(format!("t={at}")).chain(signatures).collect()
}
