//! PayPal's place among the stand-ins: what its accounts need, how its webhooks are signed, and how its records
//! are shown beside the others'. Behaviour is in the files beside this one.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::accounts::AccountState;
use super::super::control::DisputeView;
use super::super::ids::Ids;
use super::super::office::{Office, instant};
use super::super::orders::{Change, ExtraWebhook, NewDispute, NewWarning, Signing};
use super::super::outbox::{Draft, Webhook};
use super::super::reply::{Incoming, Reply};
use super::super::stand_in::{Facts, Sealed, StandIn};
use super::super::{ProviderKind, SandboxAccount};
use super::{Book, Desk, record, signing};

impl SandboxAccount {
    /// `webhook_id` stands where others have a secret: the signature covers it, and no request carries it.
    pub fn paypal(name: &str, client_id: &str, client_secret: &str, webhook_id: &str) -> Self {
        Self::new(ProviderKind::Paypal, name)
            .credential("client_id", client_id)
            .credential("client_secret", client_secret)
            .webhook_secret(webhook_id)
    }
}

impl NewDispute {
    pub fn paypal() -> Self {
        Self::new(ProviderKind::Paypal)
    }
}

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "PayPal",
            credentials: &["client_id", "client_secret"],
            settings: &[],
            extras: &[],
            webhook_secret: true,
            // Up to 25 times over three days (PayPal's webhook pages).
            patience: TimeDelta::days(3),
            switches_off: false,
            connects: false,
        }
    }

    fn example(&self) -> SandboxAccount {
        SandboxAccount::paypal("example", "AbSandboxClient", "ESandboxSecret", "8SB00000WH0000001")
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        let token =
            format!("curl -u CLIENT_ID:CLIENT_SECRET -d grant_type=client_credentials {url}/v1/oauth2/token");
        vec![("curl", token)]
    }

    fn listens_at(&mut self, url: &str) {
        self.url = url.to_owned();
    }

    fn account_ref(&self, _spec: &SandboxAccount, ids: &mut Ids) -> String {
        ids.next("PP", 11).to_ascii_uppercase()
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
        anyhow::bail!("PayPal sends no early fraud warnings")
    }

    fn lapse(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        Desk { book: self, office }.lapse(at, id);
    }

    fn decide(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        Desk { book: self, office }.decides(at, id);
    }

    fn has(&self, id: &str) -> bool {
        self.disputes.contains_key(id)
    }

    fn views(&self, office: &Office) -> Vec<DisputeView> {
        let mut disputes: Vec<_> = self.disputes.values().collect();
        disputes.sort_by_key(|d| d.n);
        let views = disputes.into_iter().map(|d| DisputeView {
            provider: ProviderKind::Paypal,
            account: office.accounts[d.account].spec.name.clone(),
            id: d.id.clone(),
            status: d.told(),
            open: d.asks(),
            round: d.round,
            amount_minor: d.amount,
            currency: d.currency.clone(),
            reason: d.reason.clone(),
            respond_by: d.respond_by.map(instant),
            verdict: d.verdict.clone(),
            record: d.json(&self.url),
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
        let event_type = order.event_type.as_deref().unwrap_or("CUSTOMER.DISPUTE.TELEPORTED");
        let event_ref = order.event_ref.clone().unwrap_or_else(|| office.ids.next("WH-", 17));
        let resource = match &order.dispute {
            Some(id) => {
                let missing = || anyhow::anyhow!("no PayPal dispute `{id}` to send a webhook about");
                self.disputes.get(id).ok_or_else(missing)?.json(&self.url)
            }
            None => json!({ "id": "tele-1" }),
        };
        let body = record::event(&event_ref, event_type, &resource, now);
        Ok(Draft::real(&event_ref, event_type, order.dispute.as_deref(), Bytes::from(body.to_string())))
    }

    fn seal(&self, webhook: &Webhook, _account: &AccountState, now: DateTime<Utc>) -> Sealed {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "PayPal/AUHR-214".to_owned()),
        ];
        let webhook_id = match webhook.signing {
            Signing::Valid => webhook.secret.as_deref(),
            Signing::Forged => Some("not-this-webhook"),
            Signing::Missing => None,
        };
        if let Some(webhook_id) = webhook_id {
            let id = format!("{:08x}-5a4d-11f1-8b0c-0b5e55ed{:04x}", webhook.n, webhook.attempts.len());
            let at = now + TimeDelta::seconds(webhook.timestamp_offset_s);
            let time = at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let url = format!("{}/v1/notifications/certs/{}", self.url, signing::CERTIFICATE_ID);
            headers.extend([
                ("paypal-transmission-sig", signing::sign(&id, &time, webhook_id, &webhook.body)),
                ("paypal-transmission-id", id),
                ("paypal-transmission-time", time),
                ("paypal-cert-url", url),
                ("paypal-auth-algo", "SHA256withRSA".to_owned()),
                ("paypal-auth-version", "v2".to_owned()),
            ]);
        }
        Sealed { headers, body: webhook.body.clone() }
    }
}
