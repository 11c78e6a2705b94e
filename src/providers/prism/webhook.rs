//! Webhooks of an account behind Prism are the connector's own. Where respondby speaks to that connector itself,
//! its folder verifies and reads them: they tell deadline and amount, which Prism leaves out. Else Prism is asked
//! before verifying (`HandleEvent`); it answers about forged ones too, so that nothing counts without its
//! `source_verified`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use prost::Message;
use prost::bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::api::{Api, Terms};
use super::proto::types;
use super::service::HANDLE_EVENT;
use super::{header, kept, refusal};
use crate::clock::Clock;
use crate::config::Config;
use crate::providers::{
    Account, Delivery, Kept, NotReady, Provider, ProviderName, Reading, Refusal, Verified,
};

/// Answers of Prism that are at hand. A delivery is verified at once after it was asked about; what is older than
/// so many others is asked about again.
const ANSWERS_MAX: usize = 256;
/// An answer about a dispute has about a kilobyte.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Anybody can send a delivery: so many are asked about at one time, and the others come again.
const ASKING_MAX: usize = 8;
/// What `Refusal` names in place of a header: Prism says that the sender is not proved, and not by what.
const SIGNATURE: &str = "source_verified";

/// Everything that comes in.
pub struct Intake {
    natives: LazyLock<Natives, Start>,
    answers: Mutex<VecDeque<(Digest32, Bytes)>>,
    asking: Semaphore,
}

type Natives = BTreeMap<ProviderName, Arc<dyn Provider>>;
/// Makes them, when the first webhook comes.
type Start = Box<dyn FnOnce() -> Natives + Send>;
type Digest32 = [u8; 32];

impl Intake {
    pub fn new(clock: Clock) -> Self {
        Self {
            natives: LazyLock::new(Box::new(move || natives(&clock))),
            answers: Mutex::default(),
            asking: Semaphore::new(ASKING_MAX),
        }
    }

    /// The connector of the account, when respondby speaks to it itself.
    pub fn native(&self, account: &Account) -> Option<&Arc<dyn Provider>> {
        let name: ProviderName = account.credentials.get("connector").parse().ok()?;
        self.natives.get(&name)
    }

    /// Asks Prism about a delivery under each secret, newest first, until one proves its sender.
    pub async fn ask(&self, api: &Api, delivery: &Delivery, account: &Account) -> Result<(), NotReady> {
        let not_ready = |why: String| NotReady { why };
        let terms = Terms::of(account).map_err(not_ready)?;
        let digest = digest(account, delivery);
        if self.known(&digest).is_some() {
            return Ok(());
        }
        let _room =
            self.asking.try_acquire().map_err(|_| not_ready("too many are asked about".to_owned()))?;
        for secret in secrets(account) {
            let message = question(delivery, secret.expose_secret());
            let key = hex::encode(&digest[..16]);
            let metadata = header::metadata(account, terms.form, "webhook", &key).map_err(not_ready)?;
            let address = account.base_url.as_deref().unwrap_or(&api.base_url);
            let (outcome, _) = api.channels.call(address, HANDLE_EVENT, metadata, message).await;
            let answer = match outcome {
                Ok(answered) => answered.message,
                // No later answer will be another: nobody vouches for it.
                Err(failure) if refusal::is_final(&failure) => {
                    tracing::warn!(account.name, "Prism cannot make out a webhook: {}", failure.words());
                    continue;
                }
                Err(failure) => return Err(not_ready(failure.words())),
            };
            if answer.len() > ANSWER_BYTES_MAX {
                return Err(not_ready(format!("Prism's answer about a webhook has {} bytes", answer.len())));
            }
            let handled = types::EventServiceHandleResponse::decode(answer.clone());
            if handled.map_err(|e| not_ready(e.to_string()))?.source_verified {
                self.remember(digest, answer);
                return Ok(());
            }
        }
        Ok(())
    }

    pub fn verify(
        &self,
        delivery: Delivery,
        account: &Account,
        now: DateTime<Utc>,
    ) -> Result<Verified, Refusal> {
        if let Some(native) = self.native(account) {
            return native.verify(delivery, account, now);
        }
        let secrets = secrets(account).count();
        if secrets == 0 {
            return Err(Refusal::NoSecret);
        }
        let digest = digest(account, &delivery);
        let Some(answer) = self.known(&digest) else {
            let hint = "Prism was asked and did not vouch for the sender, or could not make out the webhook: is the \
                        connector's webhook secret the one that is configured?"
                .to_owned();
            return Err(Refusal::SignatureMismatch { header: SIGNATURE, secrets, hint });
        };
        let dedupe_key = format!("sha256:{}", hex::encode(Sha256::digest(&delivery.body)));
        let body = kept::event(&answer, &delivery.body);
        Ok(Verified::new(account, dedupe_key, None, Delivery { body, ..delivery }))
    }

    /// The meaning of a webhook that was kept as it came. The body does not say whose it is; each connector's folder
    /// knows its own alone, so that at most one understands it.
    pub fn events(&self, kept: &Kept<'_>) -> Reading {
        let mut understood =
            self.natives.values().map(|native| native.events(kept)).filter(|reading| match reading {
                Reading::Events(_)
                | Reading::Partly { .. }
                | Reading::FetchFirst { .. }
                | Reading::NotOurs { .. } => true,
                Reading::Unrecognised { .. } | Reading::Acknowledged { .. } => false,
            });
        match (understood.next(), understood.next()) {
            (Some(reading), None) => reading,
            (Some(_), Some(_)) => Reading::Unrecognised {
                what: "more than one connector's webhooks look like this one".to_owned(),
            },
            (None, _) => Reading::Unrecognised {
                what: "no connector that is known here writes such a webhook, or not with these words"
                    .to_owned(),
            },
        }
    }

    fn known(&self, digest: &Digest32) -> Option<Bytes> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.iter().find(|(known, _)| known == digest).map(|(_, answer)| answer.clone())
    }

    fn remember(&self, digest: Digest32, answer: Bytes) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.pop_front();
        }
        answers.push_back((digest, answer));
    }
}

/// One of each provider but this one, for their reading of webhooks alone: their calls are never made, so that the
/// addresses of the program's defaults are as good as any.
fn natives(clock: &Clock) -> Natives {
    let defaults = Config::read(None, []).expect("the defaults, which a test loads, load").providers;
    let others = ProviderName::ALL.iter().filter(|name| **name != ProviderName::Prism);
    others
        .filter_map(|name| match name.start(defaults.get(*name), clock.clone()) {
            Ok(provider) => Some((*name, provider)),
            Err(error) => {
                tracing::error!(provider = name.as_str(), %error, "webhooks of it cannot be read behind Prism");
                None
            }
        })
        .collect()
}

fn secrets(account: &Account) -> impl Iterator<Item = &SecretString> {
    account.webhook_secrets.iter().filter(|s| !s.expose_secret().is_empty())
}

/// Of the account with its secrets, the headers and the body: what proves the sender may stand in either.
fn digest(account: &Account, delivery: &Delivery) -> Digest32 {
    let mut hash = Sha256::new();
    hash.update(account.account_id.to_be_bytes());
    let secrets = secrets(account).map(|s| s.expose_secret());
    let headers = delivery.headers.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for text in secrets.chain(headers) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(&delivery.body);
    hash.finalize().into()
}

/// Prism's number for POST.
const POST: i32 = 2;

fn question(delivery: &Delivery, secret: &str) -> Vec<u8> {
    let request = types::RequestDetails {
        method: POST,
        uri: delivery.url.clone(),
        headers: delivery.headers.iter().cloned().collect(),
        body: delivery.body.clone(),
        query_params: None,
    };
    types::EventServiceHandleRequest {
        merchant_event_id: None,
        request_details: Some(request),
        webhook_secrets: Some(types::WebhookSecrets { secret: secret.to_owned(), additional_secret: None }),
    }
    .encode_to_vec()
}
