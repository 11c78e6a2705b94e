//! Adyen's place among the stand-ins: what its accounts need, how its webhooks are signed, and how its disputes
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
use super::record::{State, dated, envelope};
use super::{Book, Desk};

/// Of a key that no account has.
const FORGED: &str = "00000000000000000000000000000000000000000000000000000000000000AD";

impl SandboxAccount {
    /// Its webhooks come with a user and a password.
    pub fn adyen(name: &str, api_key: &str, merchant_account: &str, hmac_key: &str) -> Self {
        Self::new(ProviderKind::Adyen, name)
            .credential("api_key", api_key)
            .credential("webhook_password", "sandbox_webhook_password")
            .setting("merchant_account", merchant_account)
            .setting("webhook_user", "sandbox")
            .webhook_secret(hmac_key)
    }
}

impl NewDispute {
    pub fn adyen() -> Self {
        Self::new(ProviderKind::Adyen)
    }
}

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "Adyen",
            credentials: &["api_key", "webhook_password"],
            settings: &["merchant_account", "environment", "webhook_user"],
            extras: &["defendable", "status_told", "debit_after_s"],
            webhook_secret: true,
            // Every eight hours at last, for thirty days (docs.adyen.com, "Webhook troubleshooting").
            patience: TimeDelta::days(30),
            switches_off: false,
            connects: false,
        }
    }

    fn example(&self) -> SandboxAccount {
        let key = "2A7C5E90B4D8136F2A7C5E90B4D8136F2A7C5E90B4D8136F2A7C5E90B4D8136F";
        SandboxAccount::adyen("example", "sandbox_api_key", "SandboxMerchant", key)
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        let node = format!("send what its client sends to https://ca-test.adyen.com to {url} instead");
        vec![("Node, @adyen/api-library", node)]
    }

    fn account_ref(&self, spec: &SandboxAccount, ids: &mut Ids) -> String {
        let named = spec.settings.get("merchant_account").cloned();
        named.unwrap_or_else(|| ids.next("Merchant", 8))
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
        let account = office.account_index(self.kind, order.account.as_deref())?;
        let id = office.ids.next("fraud", 16).trim_start_matches("fraud").to_ascii_uppercase();
        let state = &office.accounts[account];
        let item = json!({
            "additionalData": { "nofReasonCode": order.fraud_type.as_deref().unwrap_or("6"), "nofSchemeCode": "visa" },
            "amount": { "currency": "EUR", "value": 4_900 },
            "eventCode": "NOTIFICATION_OF_FRAUD",
            "eventDate": dated(now),
            "merchantAccountCode": state.account_ref,
            "merchantReference": order.charge.as_deref().unwrap_or("order-1"),
            "originalReference": order.payment.as_deref().unwrap_or("SANDBOXPAYMENT01"),
            "paymentMethod": "visa",
            "pspReference": id,
            "reason": "Fraudulent use of the account number",
            "success": "true",
        });
        let live = state.spec.settings.get("environment").is_none_or(|word| word != "test");
        let body = Bytes::from(envelope(item, live).to_string());
        let event_ref = format!("NOTIFICATION_OF_FRAUD:{id}");
        office.send_webhook(now, account, Draft::real(&event_ref, "NOTIFICATION_OF_FRAUD", None, body));
        Ok(id)
    }

    fn lapse(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        Desk { book: self, office }.lapse(at, id);
    }

    fn decide(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        Desk { book: self, office }.decide(at, id);
    }

    fn has(&self, id: &str) -> bool {
        self.disputes.contains_key(id)
    }

    fn views(&self, office: &Office) -> Vec<DisputeView> {
        let mut disputes: Vec<_> = self.disputes.values().collect();
        disputes.sort_by_key(|d| d.n);
        let views = disputes.into_iter().map(|d| DisputeView {
            provider: self.kind,
            account: office.accounts[d.account].spec.name.clone(),
            id: d.id.clone(),
            status: d.state.word(d.stage).to_owned(),
            open: d.state == State::Open && d.defendable,
            round: d.round,
            amount_minor: d.amount,
            currency: d.currency.clone(),
            reason: d.reason_code.clone(),
            respond_by: d.respond_by.filter(|_| d.defendable).map(instant),
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
        let code = order.event_type.as_deref().unwrap_or("DISPUTE_TELEPORTED");
        let event_ref = order.event_ref.clone().unwrap_or_else(|| office.ids.next("x", 15));
        let account_ref = &office.accounts[account].account_ref;
        let item = match &order.dispute {
            Some(id) => {
                let missing = || anyhow::anyhow!("no adyen dispute `{id}` to send a webhook about");
                self.disputes.get(id).ok_or_else(missing)?.item(code, account_ref, now)
            }
            None => json!({
                "additionalData": {},
                "amount": { "currency": "EUR", "value": 1 },
                "eventCode": code,
                "eventDate": dated(now),
                "merchantAccountCode": account_ref,
                "merchantReference": "teleporter",
                "pspReference": "TELEPORTER000001",
                "success": "true",
            }),
        };
        let live =
            office.accounts[account].spec.settings.get("environment").is_none_or(|word| word != "test");
        let body = Bytes::from(envelope(item, live).to_string());
        Ok(Draft::real(&event_ref, code, order.dispute.as_deref(), body))
    }

    /// The signature is in the body, where each item has its own. A body that is none is sent as it is.
    fn seal(&self, webhook: &Webhook, account: &AccountState, _now: DateTime<Utc>) -> Sealed {
        let mut headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        if let Some(user) = account.spec.settings.get("webhook_user") {
            let pair = format!("{user}:{}", account.credential("webhook_password"));
            headers.push(("authorization", format!("Basic {}", STANDARD.encode(pair))));
        }
        let secret = match webhook.signing {
            Signing::Valid => webhook.secret.as_deref(),
            Signing::Forged => Some(FORGED),
            Signing::Missing => None,
        };
        let sealed = secret.and_then(|secret| sign(&webhook.body, secret));
        Sealed { headers, body: sealed.unwrap_or_else(|| webhook.body.clone()) }
    }
}

fn sign(body: &[u8], secret: &str) -> Option<Bytes> {
    let mut envelope: Value = serde_json::from_slice(body).ok()?;
    let key = hex::decode(secret).ok()?;
    for wrapper in envelope["notificationItems"].as_array_mut()? {
        let item = &mut wrapper["NotificationRequestItem"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let fields = [
            text(&item["pspReference"]),
            text(&item["originalReference"]),
            text(&item["merchantAccountCode"]),
            text(&item["merchantReference"]),
            item["amount"]["value"].to_string(),
            text(&item["amount"]["currency"]),
            text(&item["eventCode"]),
            text(&item["success"]),
        ];
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        mac.update(fields.join(":").as_bytes());
        item["additionalData"]["hmacSignature"] = json!(STANDARD.encode(mac.finalize().into_bytes()));
    }
    Some(Bytes::from(envelope.to_string()))
}
