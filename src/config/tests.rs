//! Attacks on the configuration: every kind of mistake is told with its place, and the layers win over
//! each other in the right order.

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
[[merchant]]
name = "acme"

[[account]]
merchant        = "acme"
provider        = "stripe"
name            = "acme-eu"
webhook_secrets = ["env:WHSEC"]
credentials     = { api_key = "env:KEY" }
"#;
const SECRETS: [(&str, &str); 2] = [("WHSEC", "made-up-1"), ("KEY", "made-up-2")];

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

/// Each row: a file, and what the message must hold, the first part being where it points.
#[test]
fn every_mistake_is_told_with_its_place_and_what_would_be_right() {
    let rows: &[(&str, &[&str])] = &[
        (
            "[http]\nlistn = \"x\"\n",
            &[
                "respondby.toml:2:1: unknown field `listn`",
                "2 | listn = \"x\"\n  | ^^^^^ did you mean `listen`?",
            ],
        ),
        ("[htp]\nlisten = \"x\"\n", &["respondby.toml:1:2: unknown field `htp`", "did you mean `http`?"]),
        ("[http]\nbody_bytes_max = \"1 MiB\"\n", &["respondby.toml:2:18: invalid type", "^^^^^^^"]),
        ("[http]\nlisten = \"localhost\"\n", &["respondby.toml:2:10:", "socket address"]),
        ("[http]\nlisten = \n", &["respondby.toml:2:"]),
        ("[intake]\nwriters = 0\n", &["respondby.toml:2:11: 0 is out of range: 1 to 16"]),
        ("[intake]\nwriters = -1\n", &["respondby.toml:2:11:"]),
        ("a = 1\na = 2\n", &["respondby.toml:2:1: duplicate key"]),
        (
            "[worker]\nroles = [\"intake\", \"wroker\"]\n",
            &["respondby.toml:2:20: unknown variant `wroker`", "did you mean `worker`?"],
        ),
        ("[worker]\nroles = []\n", &["respondby.toml:2:9:", "does nothing"]),
        ("[worker]\nlease_s = 30\n", &["total_timeout_ms", "not shorter than worker.lease_s"]),
        ("[facts]\nurl = \"ftp://x\"\n", &["respondby.toml:2:7:", "https:// or http://"]),
        ("[facts]\nurl = \"https://x/\"\n", &["respondby.toml:2:7:", "without the slash"]),
        ("[facts]\nsecret = \"hunter2hunter2\"\n", &["respondby.toml:2:10:", "env:NAME"]),
        (
            "[facts]\nsecret = \"env:NOPE\"\n",
            &["respondby.toml:2:10: the environment variable NOPE is not set"],
        ),
        ("[secrets]\nkey = \"file:none\"\n", &["respondby.toml:2:7: cannot read the secret file", "none"]),
        ("[database]\nurl = \"mysql://x\"\n", &["respondby.toml:2:7:", "postgres://"]),
        ("[[merchant]]\nname = \"Acme Inc\"\n", &["respondby.toml:2:8: a name is"]),
        (
            "[[merchant]]\nname = \"a\"\n[[merchant]]\nname = \"a\"\n",
            &["respondby.toml:4:8: there is a merchant `a`"],
        ),
        (
            "[[merchant]]\nname = \"a\"\nrules = \"no.toml\"\n",
            &["respondby.toml:3:9: cannot read the rules file", "no.toml"],
        ),
        ("[[merchant]]\nnom = \"a\"\n", &["respondby.toml:2:1: unknown field `nom`", "did you mean `name`?"]),
        ("[[merchant]]\nrules = \"a\"\n", &["respondby.toml:1:1: missing field `name`"]),
        (
            "[[alerts.channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"env:KEY\"\n",
            &["respondby.toml:1:1: a webhook channel needs a `secret`"],
        ),
        (
            "[[alerts.channel]]\nname = \"ops\"\nkind = \"slack\"\nurl = \"env:KEY\"\n[[alerts.route]]\nchannels = [\"opps\"]\n",
            &["respondby.toml:6:13: there is no [[alerts.channel]] named `opps`", "did you mean `ops`?"],
        ),
    ];
    for (text, wanted) in rows {
        let message = read(text, &SECRETS).expect_err(text);
        for part in *wanted {
            assert!(message.contains(part), "{text}\n-- misses {part:?} --\n{message}");
        }
        assert!(!message.contains("hunter2"), "a secret in a message: {message}");
    }
}

#[test]
fn mistakes_of_accounts_are_told_with_their_place() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "provider        = \"stripe\"",
            "provider = \"strip\"",
            &["respondby.toml:7:12: unknown variant `strip`", "did you mean `stripe`?"],
        ),
        (
            "merchant        = \"acme\"",
            "merchant = \"amce\"",
            &["respondby.toml:6:12: there is no [[merchant]] named `amce`", "did you mean `acme`?"],
        ),
        ("[\"env:WHSEC\"]", "[]", &["respondby.toml:9:19: without a webhook secret"]),
        (
            "[\"env:WHSEC\"]",
            "[\"env:WHSEX\"]",
            &["respondby.toml:9:20: the environment variable WHSEX is not set", "did you mean `WHSEC`?"],
        ),
        (
            "{ api_key = \"env:KEY\" }",
            "{}",
            &["respondby.toml:10:19: a stripe account needs the credential `api_key`"],
        ),
        (
            "{ api_key = \"env:KEY\" }",
            "{ api_key = \"env:KEY\", api_kee = \"env:KEY\" }",
            &["no credential `api_kee`", "did you mean `api_key`?"],
        ),
        (
            "\"stripe\"",
            "\"razorpay\"",
            &[
                "needs the credential `key_id`",
                "needs the credential `key_secret`",
                "no credential `api_key`",
            ],
        ),
        ("\"acme-eu\"", "\"acme-eu\"\ntolerance_s = 1", &["respondby.toml:9:15: out of range"]),
    ];
    for (from, to, wanted) in rows {
        let text = TEN_LINES.replacen(from, to, 1);
        assert_ne!(text, TEN_LINES, "{from} is not in the text");
        let message = read(&text, &SECRETS).expect_err(&text);
        for part in *wanted {
            assert!(message.contains(part), "{text}\n-- misses {part:?} --\n{message}");
        }
    }
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let message = read("", &[("RESPONDBY_HTTP__LISTN", "x")]).unwrap_err();
    assert!(
        message.starts_with("environment variable RESPONDBY_HTTP__LISTN: unknown field `listn`"),
        "{message}"
    );
    assert!(message.contains("did you mean `listen`?"), "{message}");
    let message = read("", &[("RESPONDBY_INTAKE__WRITERS", "99")]).unwrap_err();
    assert_eq!(message, "environment variable RESPONDBY_INTAKE__WRITERS: 99 is out of range: 1 to 16");
    let message = read("", &[("RESPONDBY_HTTP__LISTEN", "a \"b\"\n[x]")]).unwrap_err();
    assert!(message.starts_with("environment variable RESPONDBY_HTTP__LISTEN"), "{message}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let message = Config::read(Some(Path::new("/no/such.toml")), []).unwrap_err().to_string();
    assert!(message.starts_with("/no/such.toml: cannot read the configuration"), "{message}");
}

#[test]
fn secrets_and_rules_are_found_beside_the_file_that_names_them() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key"), "made-up-3\n").unwrap();
    fs::write(dir.path().join("acme.toml"), "").unwrap();
    let path = dir.path().join("respondby.toml");
    fs::write(&path, "secrets.key = \"file:key\"\n[[merchant]]\nname = \"acme\"\nrules = \"acme.toml\"\n")
        .unwrap();
    let config = Config::read(Some(&path), []).unwrap();
    assert_eq!(config.secrets.key.unwrap().expose(), "made-up-3");
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
        "intake",
        "worker",
        "reconcile",
        "alerts",
        "facts",
        "secrets",
        "log",
        "providers",
        "providers.stripe",
        "providers.razorpay",
    ];
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

#[test]
fn a_merchants_own_facts_come_before_the_common_ones() {
    let text = "facts.url = \"https://all\"\n[[merchant]]\nname = \"a\"\nfacts_url = \"https://a\"\n\
                facts_secret = \"env:KEY\"\n[[merchant]]\nname = \"b\"\n";
    let config = read(text, &SECRETS).unwrap();
    assert_eq!(config.facts_of("a").map(|(url, s)| (url, s.is_some())), Some(("https://a", true)));
    assert_eq!(config.facts_of("b").map(|(url, s)| (url, s.is_some())), Some(("https://all", false)));
}
