//! The `[alerts]` section: the channels there are, and which alerts go where. Checked whole, so that a
//! route to a channel that does not exist is found before the first page is lost on it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Severity;
use crate::standard_webhooks::Key;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// How long until a page that nobody has acknowledged is sent again, seconds.
    pub repage_s: u32,
    /// Sends without acknowledgement before the escalation route is told as well.
    pub escalate_after: u32,
    /// Infos and warnings sent at once per merchant and hour; the rest goes into one digest.
    pub per_hour: u32,
    /// How long a digest collects before it is sent, seconds.
    pub digest_after_s: u32,
    pub connect_timeout_ms: u64,
    pub read_timeout_ms: u64,
    pub total_timeout_ms: u64,
    /// Slack-compatible incoming webhooks, by a name of your choice.
    #[serde(default)]
    pub slack: BTreeMap<String, SlackConfig>,
    /// Endpoints of your own, signed by the Standard Webhooks scheme, by a name of your choice.
    #[serde(default)]
    pub webhook: BTreeMap<String, WebhookConfig>,
    pub routes: Routes,
    /// A merchant named here has these routes instead.
    #[serde(default)]
    pub merchants: BTreeMap<String, Routes>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The whole address is the secret.
    pub url: SecretString,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    pub url: SecretString,
    /// `whsec_<base64>`, newest first. Every one of them signs, so that the receiver can change over.
    pub secrets: Vec<SecretString>,
}

/// Names of channels. Everything goes to the log as well, whatever stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    #[serde(default)]
    pub info: Vec<String>,
    #[serde(default)]
    pub warning: Vec<String>,
    #[serde(default)]
    pub page: Vec<String>,
    /// Told as well, once a page has gone unacknowledged for too long.
    #[serde(default)]
    pub escalation: Vec<String>,
}

impl Routes {
    pub fn of(&self, severity: Severity) -> &[String] {
        match severity {
            Severity::Info => &self.info,
            Severity::Warning => &self.warning,
            Severity::Page => &self.page,
        }
    }

    fn lists(&self) -> [(&'static str, &[String]); 4] {
        [
            ("info", &self.info),
            ("warning", &self.warning),
            ("page", &self.page),
            ("escalation", &self.escalation),
        ]
    }
}

impl AlertsConfig {
    /// Everything wrong with the section, each with where it stands and how to mend it.
    pub fn problems(&self) -> Vec<String> {
        let mut out = Vec::new();
        for (key, value) in [
            ("repage_s", self.repage_s),
            ("escalate_after", self.escalate_after),
            ("per_hour", self.per_hour),
            ("digest_after_s", self.digest_after_s),
        ] {
            if value == 0 {
                out.push(format!("alerts.{key}: 0 is no value for it: write at least 1"));
            }
        }
        self.channel_problems(&mut out);
        self.route_problems("alerts.routes", &self.routes, &mut out);
        for (merchant, routes) in &self.merchants {
            self.route_problems(&format!("alerts.merchants.{merchant}"), routes, &mut out);
        }
        out
    }

    fn channel_problems(&self, out: &mut Vec<String>) {
        for (name, slack) in &self.slack {
            address_problem(&format!("alerts.slack.{name}.url"), &slack.url, out);
            if self.webhook.contains_key(name) {
                out.push(format!("alerts: `{name}` names a slack and a webhook channel: rename one"));
            }
        }
        for (name, webhook) in &self.webhook {
            address_problem(&format!("alerts.webhook.{name}.url"), &webhook.url, out);
            if webhook.secrets.is_empty() {
                out.push(format!("alerts.webhook.{name}.secrets: empty, so nothing could be signed"));
            }
            for (i, secret) in webhook.secrets.iter().enumerate() {
                if let Err(why) = Key::parse(secret) {
                    out.push(format!("alerts.webhook.{name}.secrets[{i}]: {why}"));
                }
            }
        }
    }

    fn route_problems(&self, place: &str, routes: &Routes, out: &mut Vec<String>) {
        let known: BTreeSet<&str> =
            self.slack.keys().chain(self.webhook.keys()).map(String::as_str).collect();
        for (list, names) in routes.lists() {
            for name in names.iter().filter(|n| !known.contains(n.as_str())) {
                let hint = nearest(name, &known);
                out.push(format!("{place}.{list}: `{name}` is not a channel{hint}"));
            }
        }
    }
}

fn address_problem(place: &str, url: &SecretString, out: &mut Vec<String>) {
    let parsed = reqwest::Url::parse(url.expose_secret());
    if !parsed.is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host()) {
        out.push(format!("{place}: not an http or https address"));
    }
}

fn nearest(name: &str, known: &BTreeSet<&str>) -> String {
    let best =
        known.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    match best {
        Some(best) if strsim::jaro_winkler(name, best) > 0.8 => format!(": did you mean `{best}`?"),
        Some(_) => format!(": there are {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
        None => ": none is configured under alerts.slack or alerts.webhook".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        repage_s = 900
        escalate_after = 3
        per_hour = 20
        digest_after_s = 900
        connect_timeout_ms = 2000
        read_timeout_ms = 5000
        total_timeout_ms = 10000
        [slack.ops]
        url = "https://chat.example.test/hook/opaque-part"
        [webhook.pager]
        url = "https://pager.example.test/in"
        secrets = ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
        [routes]
        warning = ["ops"]
        page = ["ops", "pager"]
    "#;

    fn problems(text: &str) -> Vec<String> {
        toml::from_str::<AlertsConfig>(text).unwrap().problems()
    }

    #[test]
    fn a_whole_section_loads_and_prints_no_secret() {
        let config: AlertsConfig = toml::from_str(GOOD).unwrap();
        assert_eq!(config.problems(), Vec::<String>::new());
        assert_eq!(config.routes.of(Severity::Page), ["ops", "pager"]);
        assert!(config.routes.of(Severity::Info).is_empty());
        let printed = format!("{config:?}");
        assert!(!printed.contains("opaque-part") && !printed.contains("AAECAw"), "{printed}");
    }

    #[test]
    fn each_mistake_is_named_with_its_place() {
        let typo = GOOD.replace("warning = [\"ops\"]", "warning = [\"opps\"]");
        assert_eq!(problems(&typo), ["alerts.routes.warning: `opps` is not a channel: did you mean `ops`?"]);
        let short = GOOD.replace("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAAA");
        assert!(problems(&short)[0].starts_with("alerts.webhook.pager.secrets[0]: a webhook secret holds"));
        let unsigned = GOOD.replace("[\"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]", "[]");
        assert!(problems(&unsigned)[0].contains("nothing could be signed"));
        let address = GOOD.replace("https://pager.example.test/in", "pager");
        assert_eq!(problems(&address), ["alerts.webhook.pager.url: not an http or https address"]);
        let zero = GOOD.replace("repage_s = 900", "repage_s = 0");
        assert!(problems(&zero)[0].starts_with("alerts.repage_s"));
        let merchant = format!("{GOOD}\n[merchants.shop]\npage = [\"nobody\"]\n");
        assert!(problems(&merchant)[0].starts_with("alerts.merchants.shop.page: `nobody`"));
        let unknown = GOOD.replace("repage_s", "repaeg_s");
        assert!(toml::from_str::<AlertsConfig>(&unknown).unwrap_err().to_string().contains("repaeg_s"));
    }
}
