//! The keys at hand: certificates fetched before a delivery is judged, each kept for a day. Anybody can send a
//! delivery that names a certificate, so what one can make this process do is bounded: only allowed addresses,
//! one download at a time, few in a minute, small, and none twice that led to nothing.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;

use super::certificate::{Key, Trust};
use crate::clock::Clock;
use crate::providers::NotReady;
use crate::providers::http::{Http, TimeOuts, is_local};

/// A chain of certificates has 4 to 8 kB.
const DOWNLOAD_BYTES_MAX: usize = 64 << 10;
const TIME_OUTS: TimeOuts = TimeOuts { connect_ms: 3_000, read_ms: 5_000, total_ms: 8_000 };
/// PayPal changes its certificate about once a year.
const KEYS_MAX: usize = 16;
const FAILURES_MAX: usize = 64;
const DOWNLOADS_PER_MINUTE: usize = 12;
const FRESH: TimeDelta = TimeDelta::days(1);
/// While the address does not answer, a key is used this long.
const KEPT: TimeDelta = TimeDelta::days(7);
const FAILURE_KEPT: TimeDelta = TimeDelta::minutes(5);

#[derive(Default)]
struct Held {
    keys: BTreeMap<String, (Key, DateTime<Utc>)>,
    /// What led to nothing that a repeat would change, and why.
    failures: BTreeMap<String, (String, DateTime<Utc>)>,
    downloads: VecDeque<DateTime<Utc>>,
}

pub struct Keyring {
    http: Http,
    clock: Clock,
    pinned: Option<Pinned>,
    authorities_pem: Option<Vec<u8>>,
    domain: String,
    trust: Arc<OnceLock<Trust>>,
    held: Mutex<Held>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

/// A key of the operator's choice, in place of downloads.
pub struct Pinned {
    key: Key,
    /// The one certificate it stands for; all of them without one.
    id: Option<String>,
}

impl Pinned {
    /// `FILE`, or `CERTIFICATE-ID=FILE`.
    fn read(text: &str) -> anyhow::Result<Self> {
        let (id, file) = match text.split_once('=') {
            Some((id, file)) => (Some(id.to_owned()), file),
            None => (None, text),
        };
        Ok(Self { key: read_key(Path::new(file))?, id })
    }

    fn stands_for(&self, url: &str) -> bool {
        let named = url.rsplit('/').next();
        self.id.is_none() || self.id.as_deref() == named
    }
}

/// What every webhook's signature is checked with, where a file is named.
pub fn pinned(text: &str) -> anyhow::Result<Option<Pinned>> {
    (!text.is_empty()).then(|| Pinned::read(text)).transpose()
}

/// The authorities in PEM, where a file is named.
pub fn authorities(path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let read = || std::fs::read(path).with_context(|| format!("cannot read the authorities in {path}"));
    (!path.is_empty()).then(read).transpose()
}

enum Download {
    Got(Vec<u8>),
    /// PayPal has no such certificate.
    Nothing(String),
    /// It may answer another time.
    NotNow(String),
}

impl Keyring {
    /// Empty paths are none. Fails when a file that is named cannot be read, or no HTTPS client be built.
    pub fn new(pinned: &str, authorities: &str, domain: &str, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            http: Http::new(TIME_OUTS, "paypal-debug-id", clock.clone())?.body_at_most(DOWNLOAD_BYTES_MAX),
            clock,
            pinned: self::pinned(pinned)?,
            authorities_pem: self::authorities(authorities)?,
            domain: domain.to_owned(),
            trust: Arc::default(),
            held: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        })
    }

    /// Downloads are made so from now on.
    #[cfg(test)]
    pub fn download_by(&mut self, change: impl FnOnce(Http) -> Http) {
        self.http = change(self.http.clone());
    }

    /// The key at that address, or why there is none.
    pub fn key(&self, url: &str) -> Result<Key, String> {
        if let Some(pinned) = self.pinned.as_ref().filter(|pinned| pinned.stands_for(url)) {
            return Ok(pinned.key.clone());
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match (held.keys.get(url), held.failures.get(url)) {
            (Some((key, _)), _) => Ok(key.clone()),
            (None, Some((why, _))) => Err(why.clone()),
            (None, None) => Err("it has not been fetched".to_owned()),
        }
    }

    /// Whether `url` must be asked before a delivery can be judged.
    pub fn wants(&self, url: &str) -> bool {
        if self.pinned.as_ref().is_some_and(|pinned| pinned.stands_for(url)) {
            return false;
        }
        let now = self.clock.now();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = held.keys.get(url).is_some_and(|(_, since)| now - *since < FRESH);
        let in_vain = held.failures.get(url).is_some_and(|(_, since)| now - *since < FAILURE_KEPT);
        !fresh && !in_vain
    }

    /// Fetches and checks the certificate at `url`, an address that has been allowed. What is wrong with it for
    /// good is kept for `key` to tell; the error says that another time may do.
    pub async fn fetch(&self, url: &str) -> Result<(), NotReady> {
        let _turn = self.one_at_a_time.lock().await;
        // Whoever came before may have asked for the same.
        if !self.wants(url) {
            return Ok(());
        }
        let now = self.clock.now();
        if !self.may_download(now) {
            return self.make_do(
                url,
                now,
                "too many unknown certificates were named in this minute".to_owned(),
            );
        }
        match self.download(url).await {
            Download::Got(pem) => {
                let checked = self.check(url, pem, now).await;
                self.keep(url, checked.map_err(|why| format!("the certificate is refused: {why}")), now);
                Ok(())
            }
            Download::Nothing(why) => {
                self.keep(url, Err(format!("the certificate is not there: {why}")), now);
                Ok(())
            }
            Download::NotNow(why) => {
                self.make_do(url, now, format!("the certificate was not fetched: {why}"))
            }
        }
    }

    /// An old key is better than none, for a while.
    fn make_do(&self, url: &str, now: DateTime<Utc>, why: String) -> Result<(), NotReady> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.keys.retain(|_, (_, since)| now - *since < KEPT);
        if held.keys.contains_key(url) { Ok(()) } else { Err(NotReady { why }) }
    }

    fn may_download(&self, now: DateTime<Utc>) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.downloads.retain(|at| now - *at < TimeDelta::minutes(1));
        let may = held.downloads.len() < DOWNLOADS_PER_MINUTE;
        if may {
            held.downloads.push_back(now);
        }
        may
    }

    async fn download(&self, url: &str) -> Download {
        match self.http.send(self.http.request(Method::GET, url)).await.outcome {
            Ok(answer) if answer.status == 200 => Download::Got(answer.body.to_vec()),
            Ok(answer) if matches!(answer.status, 300..=399 | 400 | 403 | 404 | 410) => {
                Download::Nothing(format!("its address answered HTTP {}", answer.status))
            }
            Ok(answer) => Download::NotNow(format!("its address answered HTTP {}", answer.status)),
            Err(failure) => Download::NotNow(failure.to_string()),
        }
    }

    async fn check(&self, url: &str, pem: Vec<u8>, now: DateTime<Utc>) -> Result<Key, String> {
        if is_local(url) {
            return Key::pinned(&pem);
        }
        let (trust, authorities, domain) =
            (self.trust.clone(), self.authorities_pem.clone(), self.domain.clone());
        // The machine's authorities are some hundred files.
        let checked = tokio::task::spawn_blocking(move || {
            trust.get_or_init(|| Trust::new(authorities.as_deref(), &domain)).check(&pem, now)
        });
        checked.await.unwrap_or_else(|error| Err(format!("it could not be checked: {error}")))
    }

    fn keep(&self, url: &str, checked: Result<Key, String>, now: DateTime<Utc>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.keys.remove(url);
        held.failures.remove(url);
        match checked {
            Ok(key) => {
                evict(&mut held.keys, KEYS_MAX);
                held.keys.insert(url.to_owned(), (key, now));
            }
            Err(why) => {
                tracing::warn!(certificate.url = url, why, "a webhook named a certificate that is not taken");
                evict(&mut held.failures, FAILURES_MAX);
                held.failures.insert(url.to_owned(), (why, now));
            }
        }
    }
}

/// Makes room for one more: the oldest goes.
fn evict<T>(held: &mut BTreeMap<String, (T, DateTime<Utc>)>, most: usize) {
    while held.len() >= most {
        let oldest = held.iter().min_by_key(|(_, (_, since))| *since).map(|(url, _)| url.clone());
        let Some(oldest) = oldest else { return };
        held.remove(&oldest);
    }
}

fn read_key(path: &Path) -> anyhow::Result<Key> {
    let pem =
        std::fs::read(path).with_context(|| format!("cannot read the certificate in {}", path.display()))?;
    Key::pinned(&pem).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}
