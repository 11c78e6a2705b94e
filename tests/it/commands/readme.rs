//! README.md cannot rot: its configuration loads, its commands exist, and its rules are rules.

use std::path::Path;

use respondby::config::Config;
use respondby::rules::Ruleset;

use super::respondby;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// What stands between "```LANGUAGE" and "```".
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let inside = |rest: &str| rest.split("```").next().unwrap_or_default().to_owned();
    text.split(&opening).skip(1).map(inside).collect()
}

/// The secret files that a configuration names, with something that fits in each.
fn make_secrets(toml: &str, dir: &Path) {
    for path in toml.split('"').filter_map(|word| word.strip_prefix("file:")) {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = match path.file_name().and_then(|n| n.to_str()) {
            Some("key") => "0".repeat(64),
            Some("slack-url") => "https://hooks.example/made-up".to_owned(),
            Some(_) | None => "made-up".to_owned(),
        };
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn its_configuration_loads_and_its_rules_are_rules() {
    let all = blocks(&readme(), "toml");
    let (rules, configuration): (Vec<_>, Vec<_>) = all.into_iter().partition(|b| b.starts_with("schema"));
    let ([rules], [config, more @ ..]) = (rules.as_slice(), configuration.as_slice()) else {
        panic!("one block of rules, and one that a configuration begins with")
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("respondby.toml");
    for block in std::iter::once("").chain(more.iter().map(String::as_str)) {
        let toml = format!("{config}\n{block}");
        std::fs::write(&file, &toml).unwrap();
        make_secrets(&toml, dir.path());
        let loaded = Config::read(Some(&file), []).unwrap_or_else(|e| panic!("{e}"));
        let written = |table: &str| toml.lines().filter(|line| *line == table).count();
        assert_eq!(loaded.accounts.len(), written("[[account]]"));
        assert_eq!(loaded.alerts.channels.len(), written("[[alerts.channel]]"));
    }
    let keys = config.lines().filter(|l| l.contains('=')).count();
    assert!(keys <= 12, "{keys} lines of configuration are no longer about ten");
    let loaded = Ruleset::parse(rules).unwrap_or_else(|p| panic!("{p:?}"));
    assert_eq!(loaded.warnings, Vec::new());
}

#[test]
fn every_command_it_names_exists() {
    let text = readme();
    let code: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let shell = blocks(&text, "sh").join("\n");
    let named = code.iter().copied().chain(shell.lines()).filter_map(|c| c.trim().strip_prefix("respondby "));
    let mut seen = 0;
    for command in named {
        let words: Vec<&str> = command
            .split_whitespace()
            .take_while(|w| w.bytes().all(|b| b.is_ascii_lowercase()))
            .take(2)
            .collect();
        let words: Vec<&str> = words.into_iter().chain(["--help"]).collect();
        let said = respondby(&words, &[]);
        assert_eq!(said.code, Some(0), "`respondby {command}`: {}", said.all());
        seen += 1;
    }
    assert!(seen >= 15, "only {seen} commands found");
}

#[test]
fn it_names_every_command_there_is() {
    let text = readme();
    let help = respondby(&["--help"], &[]).out;
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    for line in commands.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        assert!(
            name == "help" || text.contains(&format!("`respondby {name}")),
            "README says nothing of `{name}`"
        );
    }
}
