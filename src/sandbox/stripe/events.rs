//! The events Stripe keeps of what happened to disputes, and the webhooks that carry them: snapshots, or thin
//! notifications for accounts that asked for them.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::super::accounts::AccountState;
use super::super::outbox::Draft;
use super::{API_VERSION, Desk, THIN_EVENTS};

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub id: String,
    pub account: usize,
    pub n: u64,
    pub kind: String,
    pub created: i64,
    pub body: Value,
    /// The id the webhook carries; a thin notification has one of its own.
    pub sent_as: String,
}

/// The request that caused an event; nothing for what the network or the bank did.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause {
    pub request: Option<String>,
    pub key: Option<String>,
}

/// Says whose event it is, where that is not the account at whose endpoint it arrives
/// (docs.stripe.com/connect/webhooks).
pub(super) fn name_connected(event: &mut Value, field: &str, account: &AccountState) {
    if account.via.is_some() {
        event[field] = json!(account.account_ref);
    }
}

/// The fields of `before` that read differently in `after`, nested hashes field by field.
pub(super) fn changed(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return before.clone() };
    let mut out = Map::new();
    for (key, was) in old {
        match new.get(key) {
            Some(is) if is == was => {}
            Some(is) if is.is_object() && was.is_object() => _ = out.insert(key.clone(), changed(was, is)),
            Some(_) | None => _ = out.insert(key.clone(), was.clone()),
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        out.insert(key.clone(), Value::Null);
    }
    Value::Object(out)
}

impl Desk<'_> {
    /// Keeps an event about `object` and sends its webhook.
    pub(super) fn tell(
        &mut self,
        at: DateTime<Utc>,
        account: usize,
        kind: &str,
        object: &Value,
        before: Option<&Value>,
        cause: &Cause,
    ) {
        let event = self.event(at, account, kind, object, before, cause);
        let body = match self.office.receiver(account).is_on(THIN_EVENTS) {
            true => self.thin(&event, object),
            false => event.body.clone(),
        };
        let dispute_ref = object["id"].as_str().filter(|_| object["object"] == "dispute");
        let draft = Draft::real(&event.sent_as, kind, dispute_ref, Bytes::from(body.to_string()));
        self.book.events.push(event);
        self.office.send_webhook(at, account, draft);
    }

    /// Keeps an event that nobody is told of: only listing finds it.
    pub(super) fn keep_event(&mut self, at: DateTime<Utc>, account: usize, kind: &str, object: &Value) {
        let event = self.event(at, account, kind, object, None, &Cause::default());
        self.book.events.push(event);
    }

    fn event(
        &mut self,
        at: DateTime<Utc>,
        account: usize,
        kind: &str,
        object: &Value,
        before: Option<&Value>,
        cause: &Cause,
    ) -> Event {
        let id = self.office.ids.next("evt_", 24);
        let receiver = self.office.receiver(account);
        let sent_as = match receiver.is_on(THIN_EVENTS) {
            true => format!("{id}_thin"),
            false => id.clone(),
        };
        let mut told = Map::new();
        told.insert("object".to_owned(), object.clone());
        if let (Some(before), true) = (before, kind.ends_with(".updated")) {
            told.insert("previous_attributes".to_owned(), changed(before, object));
        }
        let mut body = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": at.timestamp(),
            "data": told,
            "livemode": object["livemode"].as_bool() == Some(true),
            "pending_webhooks": u8::from(receiver.spec.webhook_url.is_some()),
            "request": { "id": cause.request, "idempotency_key": cause.key },
            "type": kind,
        });
        name_connected(&mut body, "account", &self.office.accounts[account]);
        let n = self.office.count();
        Event { id, account, n, kind: kind.to_owned(), created: at.timestamp(), body, sent_as }
    }

    fn thin(&mut self, event: &Event, object: &Value) -> Value {
        let (noun, url) = match object["object"].as_str() {
            Some("radar.early_fraud_warning") => ("radar.early_fraud_warning", "radar/early_fraud_warnings"),
            Some(_) | None => ("dispute", "disputes"),
        };
        let id = object["id"].as_str().unwrap_or_default();
        let created =
            super::super::office::instant(event.created).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let mut thin = json!({
            "id": event.sent_as,
            "object": "v2.core.event",
            "context": null,
            "created": created,
            "livemode": event.body["livemode"],
            "reason": null,
            "related_object": { "id": id, "type": noun, "url": format!("/v1/{url}/{id}") },
            "type": format!("v1.{}", event.kind),
        });
        name_connected(&mut thin, "context", &self.office.accounts[event.account]);
        self.book.thin.insert(event.sent_as.clone(), (event.account, thin.clone()));
        thin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previous_attributes_hold_only_what_changed() {
        let before = json!({ "status": "needs_response", "amount": 5, "evidence": { "a": null, "b": "x" } });
        let after =
            json!({ "status": "under_review", "amount": 5, "evidence": { "a": "y", "b": "x" }, "new": 1 });
        let expected = json!({ "status": "needs_response", "evidence": { "a": null }, "new": null });
        assert_eq!(changed(&before, &after), expected);
    }
}
