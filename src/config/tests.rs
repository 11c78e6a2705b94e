//! The layers win over each other in the right order, and the defaults say what there is. What mistakes are
//! answered with is in `tests/it/bad_input`.

use std::fs;

use super::*;
use crate::providers::ProviderName;

/// Reads `text` as the file `respondby.toml`, with these variables set.
fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("respondby.toml");
    fs::write(&path, text).unwrap();
    let environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    Config::read(Some(&path), environment)
        .map_err(|e| e.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

const TEN_LINES: &str = r#"
secrets.key = "env:SEAL"

[[merchant]]
name = "acme"

[[account]]
merchant        = "acme"
provider        = "stripe"
name            = "acme-eu"
webhook_secrets = ["env:WHSEC"]
credentials     = { api_key = "env:KEY" }
"#;
const SECRETS: [(&str, &str); 4] = [
    ("WHSEC", "made-up-1"),
    ("KEY", "made-up-2"),
    ("SEAL", "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"),
    ("SIGN", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
];

#[test]
fn the_defaults_alone_are_a_valid_configuration() {
    let config = Config::read(None, []).unwrap();
    assert_eq!(config.http.body_bytes_max, 1 << 20);
    assert_eq!(config.worker.roles, [Role::Intake, Role::Worker]);
    assert!(config.accounts.is_empty() && config.database.url.is_none());
}

#[test]
fn ten_lines_make_an_account() {
    let config = read(TEN_LINES, &SECRETS).unwrap();
    let account = &config.accounts[0];
    assert_eq!(account.provider, ProviderName::Stripe);
    assert_eq!(account.webhook_secrets[0].expose(), "made-up-1");
    assert_eq!(account.credentials["api_key"].expose(), "made-up-2");
    let shown = format!("{config:?}");
    assert!(!shown.contains("made-up"), "{shown}");
    assert!(shown.contains("Secret(env:KEY)"), "{shown}");
}

#[test]
fn the_file_goes_over_the_defaults_and_the_environment_over_both() {
    let text = "http.listen = \"0.0.0.0:1\"\n[worker]\nbatch = 7\nroles = [\"worker\"]\n";
    let config = read(text, &[("RESPONDBY_HTTP__LISTEN", "0.0.0.0:2")]).unwrap();
    assert_eq!(config.http.listen.port(), 2);
    assert_eq!((config.worker.batch, config.worker.roles), (7, vec![Role::Worker]));
    assert_eq!(config.http.request_timeout_ms, 10_000, "the rest of a section stays");

    let environment = [
        ("RESPONDBY_WORKER__BATCH", "9"),
        ("RESPONDBY_WORKER__ROLES", "[\"intake\"]"),
        ("RESPONDBY_LOG__FILTER", "true"),
        ("RESPONDBY_CONFIG", "/not/a/key"),
        ("DATABASE_URL", "postgres://localhost/a"),
    ];
    let config = read(text, &environment).unwrap();
    assert_eq!((config.worker.batch, config.worker.roles), (9, vec![Role::Intake]));
    assert_eq!(config.log.filter, "true", "text is wanted, so that it is text");
    assert_eq!(config.database.url.as_deref(), Some("postgres://localhost/a"));
    let both = [("RESPONDBY_DATABASE__URL", "postgres://b/b"), ("DATABASE_URL", "postgres://a/a")];
    assert_eq!(read("", &both).unwrap().database.url.as_deref(), Some("postgres://b/b"));
}

#[test]
fn secrets_and_rules_are_found_beside_the_file_that_names_them() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key"), "5e".repeat(32) + "\n").unwrap();
    fs::write(dir.path().join("acme.toml"), "").unwrap();
    let path = dir.path().join("respondby.toml");
    fs::write(&path, "secrets.key = \"file:key\"\n[[merchant]]\nname = \"acme\"\nrules = \"acme.toml\"\n")
        .unwrap();
    let config = Config::read(Some(&path), []).unwrap();
    assert_eq!(config.secrets.key.unwrap().expose(), "5e".repeat(32));
    assert_eq!(config.merchants[0].rules.as_deref(), Some(dir.path().join("acme.toml").as_path()));
}

#[test]
fn the_place_of_a_mistake_is_counted_in_characters() {
    let message = read("[log]\nfilter = \"ü\"\nformat = \"jsn\" # ü\n", &[]).unwrap_err();
    assert!(message.contains("respondby.toml:3:10: unknown variant `jsn`"), "{message}");
    let message = read("log = { filter = \"üü\", format = \"jsn\" }\n", &[]).unwrap_err();
    assert!(message.contains("respondby.toml:1:33: unknown variant"), "{message}");
}

/// The default file documents every key: each is there, be it behind a `#`.
#[test]
fn every_key_is_in_the_default_file() {
    let tables = [
        "database",
        "http",
        "api",
        "grpc",
        "intake",
        "worker",
        "reconcile",
        "alerts",
        "facts",
        "secrets",
        "log",
        "providers",
    ];
    let providers: Vec<String> = ProviderName::ALL.iter().map(|name| format!("providers.{name}")).collect();
    let tables: Vec<&str> = tables.into_iter().chain(providers.iter().map(String::as_str)).collect();
    let lists = ["merchant", "account", "alerts.channel", "alerts.route"];
    let probes = tables
        .iter()
        .map(|t| (*t, format!("[{t}]\nzzz = 1\n")))
        .chain(lists.iter().map(|t| (*t, format!("[[{t}]]\nzzz = 1\n"))));
    for (table, probe) in probes {
        let message = read(&probe, &[]).unwrap_err();
        let expected = message.lines().next().unwrap().split_once("expected").expect("names what is valid").1;
        for key in expected.split('`').skip(1).step_by(2) {
            let written = |line: &str| {
                let line = line.trim_start_matches('#');
                line.starts_with(&format!("{key} = ")) || line.contains(&format!(".{key}]"))
            };
            assert!(DEFAULT_TOML.lines().any(written), "{table}.{key} is not in config/default.toml");
        }
    }
}

/// With the provider's table stands what an account there has.
#[test]
fn what_an_account_needs_is_told_with_its_providers_table() {
    for provider in ProviderName::ALL {
        let (before, _) = DEFAULT_TOML.split_once(&format!("[providers.{provider}]\n")).expect("its table");
        let told: Vec<&str> = before.lines().rev().take_while(|line| line.starts_with('#')).collect();
        for need in provider.needs() {
            let word = |line: &&str| {
                line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == need.name)
            };
            assert!(told.iter().any(word), "{provider}: `{}` is not told", need.name);
        }
    }
}

#[test]
fn a_merchants_own_facts_come_before_the_common_ones() {
    let text = "[facts]\nurl = \"https://all\"\nsecret = \"env:SIGN\"\n[[merchant]]\nname = \"a\"\n\
                facts_url = \"https://a\"\nfacts_secret = \"env:SIGN\"\n[[merchant]]\nname = \"b\"\n";
    let config = read(text, &SECRETS).unwrap();
    assert_eq!(config.facts_of("a").map(|(url, s)| (url, s.is_some())), Some(("https://a", true)));
    assert_eq!(config.facts_of("b").map(|(url, s)| (url, s.is_some())), Some(("https://all", true)));
}
