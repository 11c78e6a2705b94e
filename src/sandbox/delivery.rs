//! Webhooks on their way: signed as the provider signs them, posted one after the other, and settled by what
//! came back. Redirects are not followed. How a provider signs, and what it takes for success, is in its folder.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use super::control::Shared;
use super::outbox::WebhookAttempt;
use super::stand_in::Sealed;
use super::world::World;

struct Dispatch {
    n: u64,
    url: String,
    sealed: Sealed,
}

/// What came back.
struct Answered {
    status: Option<u16>,
    body: Bytes,
    error: Option<String>,
}

/// Delivers what is due, sleeps until something is, until cancelled.
pub(super) async fn deliver_until(shared: Arc<Shared>, cancelled: CancellationToken) {
    loop {
        deliver_due(&shared).await;
        let next = shared.quietly(|world, _| world.office.next_at());
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
        let answered = match shared.client_for(&dispatch.url) {
            Ok(client) => post(&client, dispatch).await.unwrap_or_else(|error| failed(&error.into())),
            Err(error) => failed(&error.into()),
        };
        shared.quietly(|world, now| settle(world, n, answered, now));
    }
}

fn next(world: &mut World, until: DateTime<Utc>, now: DateTime<Utc>) -> Option<Dispatch> {
    loop {
        let webhook = world.office.outbox.next_due(until)?;
        let mut accounts = world.office.accounts.iter();
        let account =
            accounts.find(|a| a.spec.provider == webhook.provider && a.spec.name == webhook.account)?;
        let url = account.spec.webhook_url.clone().filter(|_| !account.webhook_disabled);
        let Some(url) = url else {
            world.office.outbox.endpoint_gone(webhook.n);
            continue;
        };
        let sealed = world.stand_in(webhook.provider).seal(&webhook, account, now);
        return Some(Dispatch { n: webhook.n, url, sealed });
    }
}

/// Some providers switch an endpoint off when their patience with it has ended.
fn settle(world: &mut World, n: u64, answered: Answered, now: DateTime<Utc>) {
    let provider = world.office.outbox.all()[n as usize].provider;
    let book = world.stand_in(provider);
    let taken = answered.status.is_some_and(|status| book.is_taken(status, &answered.body));
    let facts = book.facts();
    let attempt = WebhookAttempt { at: now, status: answered.status, error: answered.error };
    let patience_ended = world.office.outbox.settle(n, attempt, taken, facts.patience);
    if patience_ended && facts.switches_off {
        let webhook = &world.office.outbox.all()[n as usize];
        let mut accounts = world.office.accounts.iter_mut();
        if let Some(account) =
            accounts.find(|a| a.spec.provider == provider && a.spec.name == webhook.account)
        {
            account.webhook_disabled = true;
        }
    }
}

async fn post(client: &reqwest::Client, dispatch: Dispatch) -> reqwest::Result<Answered> {
    let mut request = client.post(&dispatch.url).body(dispatch.sealed.body);
    for (name, value) in dispatch.sealed.headers {
        request = request.header(name, value);
    }
    let response = request.send().await?;
    let status = Some(response.status().as_u16());
    Ok(Answered { status, body: response.bytes().await?, error: None })
}

fn failed(error: &anyhow::Error) -> Answered {
    Answered { status: None, body: Bytes::new(), error: Some(format!("{error:#}")) }
}

/// Lower-case hex of the HMAC-SHA256.
pub(super) fn hmac_hex(secret: &str, message: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    message.iter().for_each(|piece| mac.update(piece));
    hex::encode(mac.finalize().into_bytes())
}
