//! The router's place among the stand-ins: what its accounts need, how its webhooks are signed, and how its records are
//! shown beside the others'. Behaviour is in the files beside this one.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha512;

use super::super::accounts::AccountState;
use super::super::control::DisputeView;
use super::super::ids::Ids;
use super::super::office::Office;
use super::super::orders::{Change, ExtraWebhook, NewDispute, NewWarning, Signing};
use super::super::outbox::{Draft, Webhook};
use super::super::reply::{Incoming, Reply};
use super::super::stand_in::{Facts, Sealed, StandIn};
use super::super::{ProviderKind, SandboxAccount};
use super::record::Status;
use super::{Book, Desk};

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "Hyperswitch",
            credentials: &["api_key"],
            settings: &[],
            extras: &["connector"],
            webhook_secret: true,
            // Fifteen tries, the last after a day.
            patience: TimeDelta::days(1),
            switches_off: false,
            connects: false,
        }
    }

    fn example(&self) -> SandboxAccount {
        SandboxAccount::new(ProviderKind::Hyperswitch, "example")
            .credential("api_key", "snd_sandbox_router")
            .webhook_secret("sandbox_router_hash_key")
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        vec![("curl", format!("curl -H 'api-key: snd_sandbox_router' '{url}/disputes/list'"))]
    }

    fn account_ref(&self, spec: &SandboxAccount, _ids: &mut Ids) -> String {
        format!("merchant_{}", spec.name)
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
        anyhow::bail!("the router sends no fraud warnings: open a dispute of the stage `pre_dispute`")
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
            provider: ProviderKind::Hyperswitch,
            account: office.accounts[d.account].spec.name.clone(),
            id: d.id.clone(),
            status: d.status.as_str().to_owned(),
            open: d.status == Status::Opened,
            round: d.round,
            amount_minor: d.amount,
            currency: d.currency.clone(),
            reason: d.reason.clone().or(d.reason_code.clone()).unwrap_or_default(),
            respond_by: d.respond_by,
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
        let event_type = order.event_type.as_deref().unwrap_or("dispute_teleported");
        let event_ref = order.event_ref.clone().unwrap_or_else(|| office.ids.next("evt_made_up_", 16));
        let merchant = &office.accounts[account].account_ref;
        let body = match &order.dispute {
            Some(id) => {
                let missing = || anyhow::anyhow!("the router has no dispute `{id}` to send a webhook about");
                self.disputes.get(id).ok_or_else(missing)?.event(&event_ref, event_type, merchant, now)
            }
            None => json!({
                "merchant_id": merchant,
                "event_id": event_ref,
                "event_type": event_type,
                "content": { "type": "teleporter_details", "object": { "id": "tele_1" } },
                "timestamp": now,
            }),
        };
        Ok(Draft::real(&event_ref, event_type, order.dispute.as_deref(), Bytes::from(body.to_string())))
    }

    fn seal(&self, webhook: &Webhook, _account: &AccountState, _now: DateTime<Utc>) -> Sealed {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        let secret = match webhook.signing {
            Signing::Valid => webhook.secret.as_deref(),
            Signing::Forged => Some("not-the-secret"),
            Signing::Missing => None,
        };
        if let Some(secret) = secret {
            let mut mac =
                Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
            mac.update(&webhook.body);
            headers.push(("x-webhook-signature-512", hex::encode(mac.finalize().into_bytes())));
        }
        Sealed { headers, body: webhook.body.clone() }
    }
}
