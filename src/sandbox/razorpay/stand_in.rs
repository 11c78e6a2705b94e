//! Razorpay's place among the stand-ins: what its accounts need, how its webhooks are signed, and how its
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
use super::{Book, Desk};

impl SandboxAccount {
    pub fn razorpay(name: &str, key_id: &str, key_secret: &str, webhook_secret: &str) -> Self {
        Self::new(ProviderKind::Razorpay, name)
            .credential("key_id", key_id)
            .credential("key_secret", key_secret)
            .webhook_secret(webhook_secret)
    }
}

impl NewDispute {
    pub fn razorpay() -> Self {
        Self::new(ProviderKind::Razorpay)
    }
}

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "Razorpay",
            credentials: &["key_id", "key_secret"],
            settings: &[],
            extras: &[],
            webhook_secret: true,
            // Tried again for a day, then the endpoint is switched off (its webhook pages).
            patience: TimeDelta::days(1),
            switches_off: true,
            connects: false,
        }
    }

    fn example(&self) -> SandboxAccount {
        SandboxAccount::razorpay(
            "example",
            "rzp_test_sandbox",
            "sandbox_key_secret",
            "sandbox_webhook_secret",
        )
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        let node =
            format!("const r = new Razorpay({{ key_id, key_secret }}); r.api.rq.defaults.baseURL = '{url}'");
        let python = format!("razorpay.Client(auth=(key_id, key_secret), base_url='{url}')");
        vec![("Node, razorpay", node), ("Python, razorpay", python)]
    }

    fn account_ref(&self, _spec: &SandboxAccount, ids: &mut Ids) -> String {
        ids.next("acc_", 14)
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
        anyhow::bail!("Razorpay sends no early fraud warnings: open a dispute of the phase `fraud`")
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
            provider: ProviderKind::Razorpay,
            account: office.accounts[d.account].spec.name.clone(),
            id: d.id.clone(),
            status: d.status.as_str().to_owned(),
            open: d.status.as_str() == "open",
            round: d.round,
            amount_minor: d.amount,
            currency: d.currency.clone(),
            reason: d.reason_code.clone(),
            respond_by: Some(instant(d.respond_by)),
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
        let event_type = order.event_type.as_deref().unwrap_or("payment.dispute.teleported");
        let event_ref = order.event_ref.clone().unwrap_or_else(|| office.ids.next("x", 13));
        let account_ref = &office.accounts[account].account_ref;
        let body = match &order.dispute {
            Some(id) => {
                let missing = || anyhow::anyhow!("no razorpay dispute `{id}` to send a webhook about");
                self.disputes.get(id).ok_or_else(missing)?.event(event_type, account_ref, now)
            }
            None => json!({
                "entity": "event",
                "account_id": account_ref,
                "event": event_type,
                "contains": ["teleporter"],
                "payload": { "teleporter": { "entity": { "id": "tele_1" } } },
                "created_at": now.timestamp(),
            }),
        };
        Ok(Draft::real(&event_ref, event_type, order.dispute.as_deref(), Bytes::from(body.to_string())))
    }

    fn seal(&self, webhook: &Webhook, _account: &AccountState, _now: DateTime<Utc>) -> Sealed {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "Razorpay-Webhook/v1".to_owned()),
            ("x-razorpay-event-id", webhook.event_ref.clone()),
        ];
        let secret = match webhook.signing {
            Signing::Valid => webhook.secret.as_deref(),
            Signing::Forged => Some("not-the-secret"),
            Signing::Missing => None,
        };
        if let Some(secret) = secret {
            headers.push(("x-razorpay-signature", hmac_hex(secret, &[&webhook.body])));
        }
        Sealed { headers, body: webhook.body.clone() }
    }
}
