//! What is made of the list of providers in `providers/mod.rs`: their names, what their folders state, and one
//! of each that can be called. Nothing else in the crate lists them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Provider, ProviderName};
use crate::clock::Clock;
use crate::config::ProvidersConfig;

/// `Variant = "name", folder::Type;` for each provider.
macro_rules! registry {
    ($($variant:ident = $name:literal, $provider:ty;)+) => {
        crate::dispute::words!(
            /// The name of a provider, as in webhook URLs and the configuration.
            ProviderName, "provider", { $($variant = $name,)+ }
        );

        impl ProviderName {
            /// The keys of its table in the configuration, beyond the address and the time-outs.
            pub const fn settings(self) -> &'static [Setting] {
                match self { $(Self::$variant => <$provider as Folder>::SETTINGS,)+ }
            }

            /// What an account needs there.
            pub const fn needs(self) -> &'static [Need] {
                match self { $(Self::$variant => <$provider as Folder>::NEEDS,)+ }
            }

            pub const fn webhook_secrets(self) -> WebhookSecrets {
                match self { $(Self::$variant => <$provider as Folder>::WEBHOOK_SECRETS,)+ }
            }

            /// What is wrong with an account's settings there.
            pub fn faults(
                self,
                settings: &std::collections::BTreeMap<String, String>,
                provider: &ProviderConfig,
            ) -> Vec<(&'static str, String)> {
                match self { $(Self::$variant => <$provider as Folder>::faults(settings, provider),)+ }
            }

            /// How an id of a connected account begins, where there are such accounts.
            pub const fn connected(self) -> Option<&'static str> {
                match self { $(Self::$variant => <$provider as Folder>::CONNECTED,)+ }
            }

            /// The setting with the merchant's id at the go-between.
            pub(super) const fn merchant_there(self) -> Option<&'static str> {
                match self { $(Self::$variant => <$provider as Folder>::MERCHANT_THERE,)+ }
            }

            /// What is wrong with the values of its table, each with its key.
            pub fn mistakes(self, config: &ProviderConfig) -> Vec<(&'static str, String)> {
                match self { $(Self::$variant => <$provider as Folder>::mistakes(config),)+ }
            }

            fn start(self, config: &ProviderConfig, clock: Clock) -> anyhow::Result<Arc<dyn Provider>> {
                Ok(match self { $(Self::$variant => Arc::new(<$provider as Folder>::start(config, clock)?),)+ })
            }

            #[cfg(test)]
            fn described(self) -> conformance::Conformance {
                match self { $(Self::$variant => <$provider as Folder>::described(),)+ }
            }
        }
    };
}
pub(super) use registry;

/// Every provider, ready to be called.
#[derive(Clone)]
pub struct Registry(BTreeMap<ProviderName, Arc<dyn Provider>>);

impl Registry {
    pub fn new(config: &ProvidersConfig, clock: Clock) -> anyhow::Result<Self> {
        let start = |name: &ProviderName| Ok((*name, name.start(config.get(*name), clock.clone())?));
        Ok(Self(ProviderName::ALL.iter().map(start).collect::<anyhow::Result<_>>()?))
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
