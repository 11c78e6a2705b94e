//! Prism's place among the stand-ins: what its accounts need. What happens to a dispute, and the webhooks that tell
//! of it, are the connector's.

use axum::Router;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::accounts::AccountState;
use super::super::control::DisputeView;
use super::super::ids::Ids;
use super::super::office::Office;
use super::super::orders::{Change, ExtraWebhook, NewDispute, NewWarning};
use super::super::outbox::{Draft, Webhook};
use super::super::reply::{Incoming, Reply};
use super::super::server::Port;
use super::super::stand_in::{Facts, Sealed, StandIn};
use super::super::{ProviderKind, SandboxAccount};
use super::{Book, front, reflection};

impl SandboxAccount {
    /// Of a merchant whose payments Prism passes on to Adyen, whose webhooks come with a user and a password.
    pub fn prism(name: &str, api_key: &str, merchant_account: &str, hmac_key: &str) -> Self {
        Self::new(ProviderKind::Prism, name)
            .credential("api_key", api_key)
            .credential("webhook_password", "sandbox_webhook_password")
            .setting("connector", "adyen")
            .setting("webhook_user", "sandbox")
            .setting("merchant_account", merchant_account)
            .webhook_secret(hmac_key)
    }
}

impl NewDispute {
    pub fn prism() -> Self {
        Self::new(ProviderKind::Prism)
    }
}

impl StandIn for Book {
    fn facts(&self) -> Facts {
        Facts {
            name: "Hyperswitch Prism",
            credentials: &["api_key", "webhook_password"],
            settings: &[
                "connector",
                "merchant_account",
                "environment",
                "webhook_user",
                "service",
                "headers",
                "reason_codes",
            ],
            ..self.connector.facts()
        }
    }

    fn example(&self) -> SandboxAccount {
        let key = "5B0D7F2E91C3A8465B0D7F2E91C3A8465B0D7F2E91C3A8465B0D7F2E91C3A846";
        SandboxAccount::prism("example", "sandbox_connector_key", "SandboxBehindPrism", key)
            .setting("environment", "test")
    }

    fn sdk_lines(&self, url: &str) -> Vec<(&'static str, String)> {
        let address = url.trim_start_matches("http://");
        let (example, [first, second]) = (self.example(), ["types", "ucs.v2"]);
        let fields = json!({
            "api_key": example.credentials["api_key"],
            "merchant_account": example.settings["merchant_account"],
        });
        let header = json!({ "config": { "Adyen": fields } });
        let asked = json!({ "dispute_id": "ID", "reason_code": "SupplyDefenseMaterial" });
        let call = format!(
            "grpcurl -plaintext -H 'x-connector-config: {header}' -d '{asked}' {address} {first}.DisputeService/Defend"
        );
        let look = format!("grpcurl -plaintext {address} describe {second}.DisputeService");
        vec![("grpcurl", look), ("grpcurl", call)]
    }

    fn routes(&self, _port: Port) -> Router {
        reflection::routes()
    }

    fn account_ref(&self, spec: &SandboxAccount, ids: &mut Ids) -> String {
        self.connector.account_ref(spec, ids)
    }

    fn answer(&mut self, office: &mut Office, now: DateTime<Utc>, request: &Incoming) -> Reply {
        front::answer(self, office, now, request)
    }

    fn open(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        order: &NewDispute,
    ) -> anyhow::Result<String> {
        self.connector.open(office, now, order)
    }

    fn apply(
        &mut self,
        office: &mut Office,
        at: DateTime<Utc>,
        id: &str,
        change: &Change,
    ) -> anyhow::Result<Value> {
        self.connector.apply(office, at, id, change)
    }

    fn warn(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        order: &NewWarning,
    ) -> anyhow::Result<String> {
        self.connector.warn(office, now, order)
    }

    fn lapse(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        self.connector.lapse(office, at, id);
    }

    fn decide(&mut self, office: &mut Office, at: DateTime<Utc>, id: &str) {
        self.connector.decide(office, at, id);
    }

    fn has(&self, id: &str) -> bool {
        self.connector.has(id)
    }

    fn views(&self, office: &Office) -> Vec<DisputeView> {
        self.connector.views(office)
    }

    fn made_up(
        &mut self,
        office: &mut Office,
        now: DateTime<Utc>,
        account: usize,
        order: &ExtraWebhook,
    ) -> anyhow::Result<Draft> {
        self.connector.made_up(office, now, account, order)
    }

    fn seal(&self, webhook: &Webhook, account: &AccountState, now: DateTime<Utc>) -> Sealed {
        self.connector.seal(webhook, account, now)
    }
}
