//! How a command answers: a line for people, or one JSON value for programs. A reader that went away
//! (`| head`) is no error.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

pub(super) struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// What did not succeed: words for people on standard error, where errors are; `value` with `--json` on standard
    /// output, where a program looks for it.
    pub fn failure(&self, text: &str, value: &Value) -> anyhow::Result<ExitCode> {
        match self.json {
            true => self.answer(text, value)?,
            false => eprintln!("error: {text}"),
        }
        Ok(ExitCode::FAILURE)
    }

    /// Prints `text`, or `value` with `--json`.
    pub fn answer(&self, text: &str, value: &Value) -> anyhow::Result<()> {
        let shown = if self.json { serde_json::to_string_pretty(value)? } else { text.to_owned() };
        match writeln!(io::stdout().lock(), "{shown}") {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
