//! `respondby rules`: here `check`, which loads rules files as the engine would and shows every mistake with
//! its place. It needs no database; the commands that do are in `publish`. With `--config`, names of accounts
//! are checked against it as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Globals, publish, trial};
use crate::providers::ProviderName;
use crate::rules::{Known, Loaded, Problem, Ruleset, text_of};

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
    /// Try a file on disputes there were: what it would answer to what was known at their last decision.
    Test(trial::Args),
    /// Put a file in force as the merchant's next version. What does not load is refused.
    Publish(publish::Publish),
    /// Show the version in force, or another.
    Show(publish::Show),
    /// Compare a file with the version in force. Exits with 1 when they differ.
    Diff(publish::Diff),
}

#[derive(Debug, clap::Args)]
struct Check {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A file as the engine would load it.
pub(super) struct Checked {
    pub file: String,
    pub text: String,
    /// How many there are, where all of them load.
    pub rules: Option<usize>,
    /// Warnings among them.
    pub problems: Vec<Problem>,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check(args) => check_all(args, globals),
        Command::Test(args) => trial::run(args, globals).await,
        Command::Publish(args) => publish::publish(args, globals).await,
        Command::Show(args) => publish::show(args, globals).await,
        Command::Diff(args) => publish::diff(args, globals).await,
    }
}

fn check_all(args: Check, globals: &Globals) -> anyhow::Result<ExitCode> {
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

pub(super) fn check(path: &Path, accounts: &[String]) -> anyhow::Result<Checked> {
    let file = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("cannot read {file}"))?;
    let text = match text_of(bytes) {
        Ok(text) => text,
        Err((text, problem)) => return Ok(Checked { file, text, rules: None, problems: vec![problem] }),
    };
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
