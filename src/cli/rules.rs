//! `respondby rules check`: loads rules files as the engine would and shows every mistake with its place.
//! Needs no database. With `--config`, names of accounts are checked against it as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::Globals;
use crate::providers::ProviderName;
use crate::rules::{Known, Loaded, Problem, Ruleset};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check rules files before they are published.
    ///
    /// Exits with 0 when all of them load, warnings or not, and with 1 otherwise.
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

struct Checked {
    file: String,
    text: String,
    rules: Option<usize>,
    problems: Vec<Problem>,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Command::Check(args) = args.command;
    let accounts = match globals.config {
        Some(_) => globals.load()?.accounts.into_iter().map(|a| a.name).collect(),
        None => Vec::new(),
    };
    let checked = args.files.iter().map(|f| check(f, &accounts)).collect::<anyhow::Result<Vec<_>>>()?;
    let text: Vec<String> = checked.iter().map(Checked::shown).collect();
    let values: Vec<Value> = checked.iter().map(Checked::value).collect();
    globals.output().answer(text.join("\n").trim_end(), &Value::from(values))?;
    let all_load = checked.iter().all(|c| c.rules.is_some());
    Ok(if all_load { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(path: &Path, accounts: &[String]) -> anyhow::Result<Checked> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {file}"))?;
    let providers: Vec<&str> = ProviderName::ALL.iter().map(ProviderName::as_str).collect();
    let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    let known = Known { providers: &providers, accounts: &accounts };
    let (rules, problems) = match Ruleset::parse_knowing(&text, known) {
        Ok(Loaded { ruleset, warnings }) => (Some(ruleset.rule_ids().count()), warnings),
        Err(problems) => (None, problems),
    };
    Ok(Checked { file, text, rules, problems })
}

impl Checked {
    fn shown(&self) -> String {
        let mut shown: String = self.problems.iter().map(|p| p.render(&self.file, &self.text)).collect();
        shown += &match self.rules {
            Some(1) => format!("{}: ok, 1 rule and the default\n", self.file),
            Some(n) => format!("{}: ok, {n} rules and the default\n", self.file),
            None => format!("{}: does not load\n", self.file),
        };
        shown
    }

    fn value(&self) -> Value {
        let ok = self.rules.is_some();
        json!({ "file": self.file, "ok": ok, "rules": self.rules, "problems": self.problems })
    }
}
