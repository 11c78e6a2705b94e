//! What is configured, looked at before anything starts: words that are none, a connector that nothing would be
//! known of, the authorities of private servers. Knows the settings alone; what is secret is not seen here.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tonic::transport::Certificate;

use super::header::{self, Form};
use super::reason::Spelling;
use super::receipt::shown;
use super::service::Service;
use crate::config::ProviderConfig;

/// Connectors whose webhooks only say that a dispute changed.
const HINTS_ONLY: [&str; 1] = ["paypal"];

/// What is wrong, each with the setting that it stands under.
pub fn faults(settings: &BTreeMap<String, String>, provider: &ProviderConfig) -> Vec<(&'static str, String)> {
    let told = |name: &str| settings.get(name).map(String::as_str).filter(|word| !word.is_empty());
    let mut found = Vec::new();
    if let Some(connector) = told("connector") {
        found.extend(connector_fault(connector, provider).map(|why| ("connector", why)));
    }
    let mut one_of = |name: &'static str, words: &[&str]| {
        let Some(word) = told(name).filter(|word| !words.contains(word)) else { return };
        found.push((name, format!("`{}` is none of the words here: {}", shown(word), words.join(", "))));
    };
    one_of("service", &Service::ALL.map(Service::as_str));
    one_of("headers", &Form::ALL.map(Form::as_str));
    one_of("reason_codes", &Spelling::ALL.map(Spelling::as_str));
    one_of("environment", &["live", "test"]);
    found
}

fn connector_fault(connector: &str, provider: &ProviderConfig) -> Option<String> {
    if !header::is_connector(connector) {
        let shown = shown(connector);
        return Some(format!(
            "`{shown}` is no name of Prism's: small letters, as in `adyen` or `bank_of_america`"
        ));
    }
    let told_nothing = HINTS_ONLY.contains(&connector) && provider.setting("get") == "stub";
    told_nothing.then(|| {
        format!(
            "webhooks of {connector} say only that a dispute changed, and Prism cannot be asked for the rest while \
             providers.prism.get is \"stub\": nothing would be known of its disputes, in time or at all. Give the \
             account provider = \"{connector}\", which is asked itself"
        )
    })
}

/// The authorities of that PEM file; `None` without one: those of this machine.
///
/// # Errors
/// A file that cannot be read, or holds no certificate.
pub fn authorities(file: &str) -> anyhow::Result<Option<Certificate>> {
    if file.is_empty() {
        return Ok(None);
    }
    let setting = || format!("providers.prism.certificate_authorities is `{file}`");
    let pem = std::fs::read(file).with_context(setting)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|e| anyhow::anyhow!("{e}")).with_context(setting)?;
    ensure!(!certificates.is_empty(), "{}: it holds no certificate in PEM", setting());
    Ok(Some(Certificate::from_pem(pem)))
}
