//! The demo's shops: who is paid through which provider, with which made-up secrets, by which rules, and what
//! happens to them. Each is described at the head of its plot; here they are listed, one line each.

use anyhow::Context;

use super::script::Scene;
use crate::sandbox::{ProviderKind, SandboxAccount};

/// A merchant with one account at one provider, which bears the merchant's name.
pub struct Shop {
    pub merchant: &'static str,
    pub provider: ProviderKind,
    /// Made up: they open nothing. A test greps the demo's output for them.
    pub credentials: &'static [(&'static str, &'static str)],
    /// What the account has beside them; not secret.
    pub settings: &'static [(&'static str, &'static str)],
    /// Absent where the provider signs with none of ours.
    pub webhook_secret: Option<&'static str>,
    /// The text of the rules file.
    pub rules: &'static str,
    /// A payment id in the provider's shape, for letters and digits of the plot.
    pub payment: fn(&str) -> String,
    pub scenes: fn(&mut Vec<Scene>),
}

pub const SHOPS: &[&Shop] = &[
    &super::plot_stripe::SHOP,
    &super::plot_razorpay::SHOP,
    &super::plot_hyperswitch::SHOP,
    &super::plot_paypal::SHOP,
    &super::plot_checkout::SHOP,
    &super::plot_square::SHOP,
    &super::plot_adyen::SHOP,
    &super::plot_prism::SHOP,
];

/// The shop that is paid through a provider.
pub fn paid_through(provider: ProviderKind) -> anyhow::Result<&'static Shop> {
    let found = SHOPS.iter().find(|shop| shop.provider == provider);
    found.copied().with_context(|| format!("no shop of the demo is paid through {provider}"))
}

/// How many characters the longest has of what `of` says of each shop.
pub fn widest(of: fn(&Shop) -> &str) -> usize {
    SHOPS.iter().map(|shop| of(shop).chars().count()).max().unwrap_or(0)
}

/// Every secret by the name of its file.
pub fn secrets() -> Vec<(String, &'static str)> {
    SHOPS.iter().flat_map(|shop| shop.secrets()).collect()
}

impl Shop {
    fn secrets(&self) -> Vec<(String, &'static str)> {
        let named = |name: &str| format!("{}-{}", self.merchant, name.replace('_', "-"));
        let credentials = self.credentials.iter().map(|(name, value)| (named(name), *value));
        credentials.chain(self.webhook_secret.map(|secret| (named("webhook"), secret))).collect()
    }

    pub fn account(&self) -> SandboxAccount {
        let mut account = SandboxAccount::new(self.provider, self.merchant);
        for (name, value) in self.credentials {
            account = account.credential(name, value);
        }
        for (name, value) in self.settings {
            account = account.setting(name, value);
        }
        self.webhook_secret.iter().fold(account, |account, secret| account.webhook_secret(secret))
    }

    /// The merchant's and the account's sections of the engine's configuration.
    pub fn configuration(&self, base_url: &str) -> String {
        let (merchant, provider) = (self.merchant, self.provider);
        let file = |name: &str| format!("\"file:{merchant}-{}\"", name.replace('_', "-"));
        let credentials = self.credentials.iter().map(|(name, _)| format!("{name} = {}", file(name)));
        let credentials = credentials.collect::<Vec<_>>().join(", ");
        let webhook = self.webhook_secret.map(|_| file("webhook")).unwrap_or_default();
        let settings = self.settings.iter().map(|(name, value)| format!("{name} = \"{value}\""));
        let settings = match self.settings {
            [] => String::new(),
            _ => format!("settings = {{ {} }}\n", settings.collect::<Vec<_>>().join(", ")),
        };
        format!(
            r#"
[[merchant]]
name = "{merchant}"
rules = "{merchant}.rules.toml"
[[account]]
merchant = "{merchant}"
provider = "{provider}"
name = "{merchant}"
webhook_secrets = [{webhook}]
credentials = {{ {credentials} }}
{settings}base_url = "{base_url}"
"#
        )
    }
}
