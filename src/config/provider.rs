//! `[providers.NAME]`: one table per provider, alike but for the settings that the provider's folder states.
//! Read by hand, because a derived reader does not know one provider's keys from another's, and one that takes
//! any key does not see a misspelt one.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use crate::providers::ProviderName;

/// Every provider's table.
#[derive(Debug, Clone)]
pub struct ProvidersConfig(pub BTreeMap<ProviderName, ProviderConfig>);

#[derive(Debug, Clone)]
pub struct ProviderConfig {
    pub base_url: String,
    pub connect_timeout_ms: u64,
    pub read_timeout_ms: u64,
    pub total_timeout_ms: u64,
    /// The keys that this provider alone has.
    pub settings: BTreeMap<String, String>,
}

const COMMON: [&str; 4] = ["base_url", "connect_timeout_ms", "read_timeout_ms", "total_timeout_ms"];

impl ProvidersConfig {
    pub fn get(&self, name: ProviderName) -> &ProviderConfig {
        self.0.get(&name).expect("a configuration without one of the tables is not read")
    }
}

impl ProviderConfig {
    /// The value of a setting that the provider's folder states.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).expect("a table without one of its settings is not read")
    }
}

impl<'de> Deserialize<'de> for ProvidersConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Tables)
    }
}

struct Tables;

impl<'de> Visitor<'de> for Tables {
    type Value = ProvidersConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table for each provider")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProvidersConfig, A::Error> {
        let names: Vec<&str> = ProviderName::ALL.iter().map(ProviderName::as_str).collect();
        let mut tables = BTreeMap::new();
        while let Some(name) = map.next_key_seed(Key(&names))? {
            let name: ProviderName = name.parse().map_err(de::Error::custom)?;
            tables.insert(name, map.next_value_seed(Table(name))?);
        }
        match ProviderName::ALL.iter().find(|name| !tables.contains_key(name)) {
            Some(missing) => {
                Err(de::Error::custom(format!("there is no [providers.{missing}] in config/default.toml")))
            }
            None => Ok(ProvidersConfig(tables)),
        }
    }
}

struct Table(ProviderName);

impl<'de> DeserializeSeed<'de> for Table {
    type Value = ProviderConfig;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ProviderConfig, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Table {
    type Value = ProviderConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table of {}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProviderConfig, A::Error> {
        let own = self.0.settings().iter().map(|setting| setting.name);
        let names: Vec<&str> = COMMON.into_iter().chain(own.clone()).collect();
        let mut base_url = None;
        let [mut connect, mut read, mut total] = [None; 3];
        let mut settings = BTreeMap::new();
        while let Some(name) = map.next_key_seed(Key(&names))? {
            match name.as_str() {
                "base_url" => base_url = Some(map.next_value()?),
                "connect_timeout_ms" => connect = Some(map.next_value()?),
                "read_timeout_ms" => read = Some(map.next_value()?),
                "total_timeout_ms" => total = Some(map.next_value()?),
                _ => _ = settings.insert(name, map.next_value()?),
            }
        }
        let missing = |name: &str| de::Error::custom(format!("missing field `{name}`"));
        if let Some(name) = own.clone().find(|name| !settings.contains_key(*name)) {
            return Err(missing(name));
        }
        Ok(ProviderConfig {
            base_url: base_url.ok_or_else(|| missing("base_url"))?,
            connect_timeout_ms: connect.ok_or_else(|| missing("connect_timeout_ms"))?,
            read_timeout_ms: read.ok_or_else(|| missing("read_timeout_ms"))?,
            total_timeout_ms: total.ok_or_else(|| missing("total_timeout_ms"))?,
            settings,
        })
    }
}

/// A key that is one of these. The mistake is made here, and not with the value, because then it has the key's
/// place.
struct Key<'k>(&'k [&'static str]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.0.contains(&key) {
            return Ok(key.to_owned());
        }
        let names: Vec<String> = self.0.iter().map(|name| format!("`{name}`")).collect();
        Err(E::custom(format!("unknown field `{key}`, expected one of {}", names.join(", "))))
    }
}
