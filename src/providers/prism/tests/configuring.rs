//! What an account may say of itself is known before anything starts, and so is what can be done for it.

use super::{ADYEN, account, prism, with};
use crate::config::Config;
use crate::dispute::Stage;
use crate::providers::adyen::Adyen;
use crate::providers::{Folder, Provider};

/// A configuration with one account that has these settings and, behind its key, these credentials.
pub(super) fn read(get: &str, settings: &str, credentials: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "[secrets]\nkey = \"env:SEALING\"\n[providers.prism]\nget = \"{get}\"\n[[merchant]]\nname = \"north\"\n[[account]]\nmerchant = \"north\"\n\
         provider = \"prism\"\nname = \"north-prism\"\nwebhook_secrets = [\"env:HMAC\"]\n\
         credentials = {{ api_key = \"env:KEY\"{credentials} }}\nsettings = {{ {settings} }}\n"
    );
    let path = dir.path().join("respondby.toml");
    std::fs::write(&path, text).unwrap();
    let sealing = "3d".repeat(32);
    let variables = [
        ("HMAC", Adyen::described().secrets[0]),
        ("KEY", "AQE-1"),
        ("PASSWORD", "Sorrel: 8"),
        ("SEALING", &sealing),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::read(Some(&path), variables).map_err(|e| e.to_string())
}

#[test]
fn a_word_that_is_none_is_told_before_anything_starts() {
    assert!(read("stub", r#"connector = "adyen""#, "").is_ok());
    let whole =
        r#"connector = "bank_of_america", service = "ucs.v2", headers = "keys", reason_codes = "sdk""#;
    assert!(read("stub", whole, "").is_ok());
    for (settings, words) in [
        (r#"connector = "Adyen""#, ["`Adyen`", "small letters"]),
        (r#"connector = "adyen", service = "v3""#, ["`v3`", "types, ucs.v2"]),
        (r#"connector = "adyen", headers = "cookie""#, ["`cookie`", "config, auth, keys"]),
        (r#"connector = "adyen", reason_codes = "loud""#, ["`loud`", "lower, upper"]),
        (r#"connector = "adyen", environment = "Test""#, ["`Test`", "live, test"]),
    ] {
        let why = read("stub", settings, "").unwrap_err();
        assert!(words.iter().all(|word| why.contains(word)), "{settings}: {why}");
    }
}

/// Its webhooks only point at disputes, and nobody could be asked about them.
#[test]
fn a_connector_that_nothing_would_be_known_of_is_refused() {
    let why = read("stub", r#"connector = "paypal""#, "").unwrap_err();
    for word in ["paypal", "providers.prism.get", "provider = "] {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert!(read("real", r#"connector = "paypal""#, "").is_ok(), "its Get is asked");
}

/// A rule that defends is not chosen where the documents would be lost: people hear at once, and not when it is time
/// to send.
#[test]
fn what_can_be_done_depends_on_the_connector() {
    for get in ["stub", "real"] {
        let p = prism(get);
        let can = |connector| p.capabilities_of(&account(&with(ADYEN, &[("connector", connector)]), ""));
        let defends = |connector, stage| can(connector).at(stage).unwrap().defendable;
        for stage in [Stage::Inquiry, Stage::Chargeback] {
            assert!(defends("adyen", stage), "{stage}");
            for connector in ["stripe", "novalnet", "braintree", "", "Adyen"] {
                assert!(!defends(connector, stage), "{connector} {stage}");
            }
        }
        for connector in ["adyen", "stripe"] {
            let can = can(connector);
            assert!(!defends(connector, Stage::PreArbitration));
            assert!(can.at(Stage::Chargeback).unwrap().acceptable);
            assert_eq!((can.fetch, can.files), (get == "real", p.capabilities().files));
        }
        assert_eq!(can("adyen"), p.capabilities());
    }
}
