//! The stand-ins with somebody in front of them who holds every request against what its API takes, and fails the
//! test that made one too many. With `RECORD` set to a folder, what passes is also written there, for `bin/spec-check`.

use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use respondby::sandbox::{Exchange, Sandbox, SandboxConfig, Witness};

use crate::specs;

pub struct Watched {
    sandbox: Sandbox,
    faults: Faults,
}

/// What was asked that no API takes.
#[derive(Debug, Clone, Default)]
struct Faults(Arc<Mutex<Vec<String>>>);

impl Watched {
    pub async fn start(config: SandboxConfig) -> Self {
        let faults = Faults::default();
        let kept = recorder();
        let seen = faults.clone();
        let tell = move |exchange: &Exchange| {
            seen.add(found(exchange));
            if let Some(kept) = &kept {
                kept.saw(exchange);
            }
        };
        let sandbox = Sandbox::start_watched(config, Some(Witness::new(tell))).await.unwrap();
        Self { sandbox, faults }
    }

    /// What was found so far, which the test then answers for itself.
    pub fn taken_faults(&self) -> Vec<String> {
        std::mem::take(&mut self.faults.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Faults {
    fn add(&self, found: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }
}

/// gRPC is not asked in words: what is sent there stands byte for byte in the fixture of the adapter's own tests, and
/// the stand-in reads it with field numbers of its own.
const NOT_IN_WORDS: &str = "prism";

fn found(exchange: &Exchange) -> Vec<String> {
    let provider = exchange.provider.as_str();
    if provider == NOT_IN_WORDS {
        return Vec::new();
    }
    specs::faults(specs::Asked {
        provider,
        method: &exchange.method,
        path: &exchange.path,
        query: &exchange.query,
        headers: &exchange.headers,
        body: &exchange.body,
    })
}

fn recorder() -> Option<Witness> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = std::env::var_os("RECORD")?;
    let name = format!("{}-{}.jsonl", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Some(Witness::writing_to(&Path::new(&folder).join(name)).unwrap())
}

impl Deref for Watched {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let faults = self.taken_faults();
        if !std::thread::panicking() {
            assert!(faults.is_empty(), "requests that their APIs do not take:\n{}", faults.join("\n"));
        }
    }
}
