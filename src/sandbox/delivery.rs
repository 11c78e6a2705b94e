//! Webhooks on their way: signed as the provider signs them, posted one after the other, and settled by what
//! came back. 2xx is success and nothing else is; redirects are not followed.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use super::ProviderKind;
use super::control::Shared;
use super::orders::Signing;
use super::outbox::{Webhook, WebhookAttempt};
use super::world::World;

struct Dispatch {
    n: u64,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// Delivers what is due, sleeps until something is, until cancelled.
pub(super) async fn deliver_until(shared: Arc<Shared>, cancelled: CancellationToken) {
    loop {
        deliver_due(&shared).await;
        let next = shared.quietly(|world, _| world.next_at());
        let due = async {
            match next {
                Some(at) => shared.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = shared.news.notified() => {}
            () = due => {}
        }
    }
}

/// Delivers everything that is due at the sandbox's now, in order.
pub(super) async fn deliver_due(shared: &Shared) {
    let _turn = shared.delivering.lock().await;
    let until = shared.clock.now();
    while let Some(dispatch) = shared.quietly(|world, now| next(world, until, now)) {
        let n = dispatch.n;
        let (status, error) = match shared.client_for(&dispatch.url) {
            Ok(client) => post(&client, dispatch).await,
            Err(error) => (None, Some(error.to_string())),
        };
        shared.quietly(|world, now| settle(world, n, WebhookAttempt { at: now, status, error }));
    }
}

fn next(world: &mut World, until: DateTime<Utc>, now: DateTime<Utc>) -> Option<Dispatch> {
    loop {
        let webhook = world.outbox.next_due(until)?;
        let mut accounts = world.accounts.iter();
        let account =
            accounts.find(|a| a.spec.provider == webhook.provider && a.spec.name == webhook.account)?;
        let url = account.spec.webhook_url.clone().filter(|_| !account.webhook_disabled);
        let Some(url) = url else {
            world.outbox.endpoint_gone(webhook.n);
            continue;
        };
        let headers = headers(&webhook, &account.signing_secrets(now), now);
        return Some(Dispatch { n: webhook.n, url, headers, body: webhook.body });
    }
}

/// Razorpay switches an endpoint off that it could not reach for a day.
fn settle(world: &mut World, n: u64, attempt: WebhookAttempt) {
    let patience_ended = world.outbox.settle(n, attempt);
    let webhook = &world.outbox.all()[n as usize];
    if patience_ended && webhook.provider == ProviderKind::Razorpay {
        let of_webhook = |a: &&mut super::accounts::AccountState| {
            a.spec.provider == webhook.provider && a.spec.name == webhook.account
        };
        if let Some(account) = world.accounts.iter_mut().find(of_webhook) {
            account.webhook_disabled = true;
        }
    }
}

async fn post(client: &reqwest::Client, dispatch: Dispatch) -> (Option<u16>, Option<String>) {
    let mut request = client.post(&dispatch.url).body(dispatch.body);
    for (name, value) in dispatch.headers {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(response) => (Some(response.status().as_u16()), None),
        Err(error) => (None, Some(format!("{:#}", anyhow::Error::from(error)))),
    }
}

/// Lower-case hex of the HMAC-SHA256.
pub(super) fn hmac_hex(secret: &str, message: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    message.iter().for_each(|piece| mac.update(piece));
    hex::encode(mac.finalize().into_bytes())
}

fn headers(webhook: &Webhook, secrets: &[String], now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let forged = ["not-the-secret".to_owned()];
    match webhook.provider {
        ProviderKind::Stripe => {
            let mut headers = vec![
                ("content-type", "application/json; charset=utf-8".to_owned()),
                ("accept", "*/*; q=0.5, application/xml".to_owned()),
                ("cache-control", "no-cache".to_owned()),
                ("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned()),
            ];
            let at = (now.timestamp() + webhook.timestamp_offset_s).to_string();
            match webhook.signing {
                Signing::Valid => {
                    headers.push(("stripe-signature", stripe_signature(secrets, &at, &webhook.body)));
                }
                Signing::Forged => {
                    headers.push(("stripe-signature", stripe_signature(&forged, &at, &webhook.body)));
                }
                Signing::Missing => {}
            }
            headers
        }
        ProviderKind::Razorpay => {
            let mut headers = vec![
                ("content-type", "application/json".to_owned()),
                ("user-agent", "Razorpay-Webhook/v1".to_owned()),
                ("x-razorpay-event-id", webhook.event_ref.clone()),
            ];
            let secret = match webhook.signing {
                Signing::Valid => webhook.secret.as_ref(),
                Signing::Forged => forged.first(),
                Signing::Missing => None,
            };
            if let Some(secret) = secret {
                headers.push(("x-razorpay-signature", hmac_hex(secret, &[&webhook.body])));
            }
            headers
        }
    }
}

/// `t=…` and one `v1=…` per secret, over the time, a dot and the body.
fn stripe_signature(secrets: &[String], at: &str, body: &[u8]) -> String {
    let signatures = secrets.iter().map(|s| format!(",v1={}", hmac_hex(s, &[at.as_bytes(), b".", body])));
    std::iter::once(format!("t={at}")).chain(signatures).collect()
}
