//! Square's place among the stand-ins: what its accounts need, how its webhooks are signed, and how its records
//! are shown beside the others'. Behaviour is in the files beside this one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::super::accounts::AccountState;
use super::super::control::DisputeView;
use super::super::ids::Ids;
use super::super::office::{Office, instant};
use super::super::orders::{Change, ExtraWebhook, NewDispute, NewWarning, Signing};
use super::super::outbox::{Draft, Webhook};
use super::super::reply::{Incoming, Reply};
use super::super::stand_in::{Facts, Sealed, StandIn};
use super::super::{ProviderKind, SandboxAccount};
use super::record::envelope;
use super::{Book, Desk};

impl SandboxAccount {
    pub fn square(name: &str, access_token: &str, webhook_secret: &str) -> Self {
        Self::new(ProviderKind::Square, name)
            .credential("access_token", access_token)
            .webhook_secret(webhook_secret)
    }
}

impl NewDispute {
    pub fn square() -> Self {
        Self::new(ProviderKind::Square)
    }
}

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "Square",
            credentials: &["access_token"],
            settings: &[],
            extras: &[],
            webhook_secret: true,
            // Tried again for a day (its webhook pages).
            patience: TimeDelta::days(1),
            switches_off: false,
            connects: false,
        }
    }

    fn example(&self) -> SandboxAccount {
        SandboxAccount::square("example", "EAAAsandbox-example", "sandbox_signature_key")
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        let line = format!("new SquareClient({{ token: 'EAAAsandbox-example', environment: '{url}' }})");
        vec![("Node, square", line)]
    }

    fn account_ref(&self, _spec: &SandboxAccount, ids: &mut Ids) -> String {
        ids.next("M", 12)
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
        anyhow::bail!("Square sends no early fraud warnings: open a dispute with `inquiry`")
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
            provider: ProviderKind::Square,
            account: office.accounts[d.account].spec.name.clone(),
            id: d.id.clone(),
            status: d.state.as_str().to_owned(),
            open: d.state.asks(),
            round: d.round,
            amount_minor: d.amount,
            currency: d.currency.clone(),
            reason: d.reason.clone(),
            respond_by: Some(instant(d.due_at)),
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
        let event_type = order.event_type.as_deref().unwrap_or("dispute.teleported");
        let event_ref = order.event_ref.clone().unwrap_or_else(|| office.ids.next("sqevent", 25));
        let merchant_ref = &office.accounts[account].account_ref;
        let body = match &order.dispute {
            Some(id) => {
                let missing = || anyhow::anyhow!("no Square dispute `{id}` to send a webhook about");
                self.disputes.get(id).ok_or_else(missing)?.event(event_type, &event_ref, merchant_ref, now)
            }
            None => envelope(event_type, &event_ref, merchant_ref, now, json!({ "id": "tele_1" })),
        };
        Ok(Draft::real(&event_ref, event_type, order.dispute.as_deref(), Bytes::from(body.to_string())))
    }

    /// The signature is over the address and the body.
    fn seal(&self, webhook: &Webhook, account: &AccountState, now: DateTime<Utc>) -> Sealed {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        let newest = account.signing_secrets(now).into_iter().next();
        let secret = match webhook.signing {
            Signing::Valid => newest,
            Signing::Forged => Some("not-the-secret".to_owned()),
            Signing::Missing => None,
        };
        if let Some(secret) = secret {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
            mac.update(account.spec.webhook_url.as_deref().unwrap_or_default().as_bytes());
            mac.update(&webhook.body);
            headers.push(("x-square-hmacsha256-signature", STANDARD.encode(mac.finalize().into_bytes())));
        }
        Sealed { headers, body: webhook.body.clone() }
    }
}
