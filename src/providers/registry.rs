//! Which providers there are. Adding one is a folder, a line here and a table in the configuration.
//! Nothing else in the crate lists them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Provider, razorpay, stripe};
use crate::config::ProvidersConfig;
use crate::dispute::UnknownWord;

crate::dispute::words!(
    /// The name of a provider, as in webhook URLs and the configuration.
    ProviderName, "provider", {
        Stripe = "stripe",
        Razorpay = "razorpay",
    }
);

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Every provider, ready to be called.
#[derive(Clone)]
pub struct Registry(BTreeMap<ProviderName, Arc<dyn Provider>>);

impl Registry {
    pub fn new(config: &ProvidersConfig, clock: crate::clock::Clock) -> anyhow::Result<Self> {
        let all: [Arc<dyn Provider>; 2] = [
            Arc::new(stripe::Stripe::new(&config.stripe, clock.clone())?),
            Arc::new(razorpay::Razorpay::new(&config.razorpay, clock)?),
        ];
        Ok(Self(all.into_iter().map(|p| (p.name(), p)).collect()))
    }

    /// The same with another implementation of one provider: one that wraps it, or a stand-in in this process.
    pub fn with(&self, provider: Arc<dyn Provider>) -> Self {
        let mut all = self.0.clone();
        all.insert(provider.name(), provider);
        Self(all)
    }

    pub fn get(&self, name: ProviderName) -> &Arc<dyn Provider> {
        self.0.get(&name).expect("every provider name has an entry in Registry::new")
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.0.values()
    }
}
