//! A mistake in the configuration and how it is shown: where it stands, the line with a caret under it,
//! and the name that was probably meant.

use std::fmt;

/// Names further off than this are no suggestion but a guess.
const SIMILAR_ENOUGH: f64 = 0.7;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, `environment variable X`, or the compiled-in defaults.
    pub origin: String,
    /// From 1. `None` where lines mean nothing.
    pub position: Option<Position>,
    pub message: String,
    pub hint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub text: String,
    /// Characters under the caret.
    pub width: usize,
}

#[derive(Debug)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl Position {
    /// `at` and `len` in bytes of `text`.
    pub fn of(text: &str, at: usize, len: usize) -> Self {
        let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let rest = &text[line_start..];
        let line_text = rest.split('\n').next().unwrap_or(rest).trim_end_matches('\r');
        let column = text[line_start..at].chars().count();
        let left = line_text.chars().count().saturating_sub(column);
        let wanted = text.get(at..at + len).map_or(1, |t| t.chars().take_while(|c| *c != '\n').count());
        Self {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            text: line_text.to_owned(),
            width: wanted.min(left).max(1),
        }
    }
}

impl Problem {
    /// For a line that may show a secret: what stands from the caret on is left out.
    pub(super) fn hide_value(&mut self) {
        if let Some(at) = &mut self.position {
            at.text = at.text.chars().take(at.column - 1).chain(['…']).collect();
            at.width = 1;
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = &self.position else {
            write!(f, "{}: {}", self.origin, self.message)?;
            return match &self.hint {
                Some(hint) => write!(f, "; {hint}"),
                None => Ok(()),
            };
        };
        writeln!(f, "{}:{}:{}: {}", self.origin, at.line, at.column, self.message)?;
        let number = at.line.to_string();
        let gutter = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands under what it points at.
        let lead: String =
            at.text.chars().take(at.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", at.text)?;
        write!(f, "{gutter} | {lead}{}", "^".repeat(at.width))?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        f.write_str(&shown.join("\n\n"))
    }
}

impl std::error::Error for ConfigError {}

/// `did you mean …`, when one of the names is near.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}
