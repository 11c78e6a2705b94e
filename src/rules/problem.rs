//! What is wrong with a rules file, where, and how to mend it: one value per mistake, printed with its line
//! and a caret. Collects; judges nothing.

use std::fmt::Write;
use std::ops::Range;

use serde::Serialize;

use super::kind::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file does not load.
    Error,
    /// The file loads, and probably does not do what its author wants.
    Warning,
}

/// One mistake. `line` and `column` count from 1, `column` and `width` in characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub kind: Kind,
    pub line: u32,
    pub column: u32,
    /// How many characters the mistake covers on its line.
    pub width: u32,
    pub message: String,
    pub hint: Option<String>,
    pub severity: Severity,
}

/// Longest piece of a source line that is printed, characters.
const SHOWN_CHARS_MAX: usize = 120;

impl Problem {
    /// `file:line:column: error: …`, the line with a caret below, then the hint. `text` is the whole file.
    pub fn render(&self, file: &str, text: &str) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{file}:{}:{}: {word}: {}\n", self.line, self.column, self.message);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(line) = text.split('\n').nth(self.line as usize - 1) {
            let (shown, before) = excerpt(line, self.column as usize - 1);
            let number = self.line.to_string();
            let gap: String =
                shown.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let room = shown.chars().count().saturating_sub(before).max(1);
            let carets = "^".repeat((self.width as usize).clamp(1, room));
            _ = writeln!(out, " {number} | {shown}");
            _ = writeln!(out, " {:width$} | {gap}{carets}", "", width = number.len());
        }
        if let Some(hint) = &self.hint {
            _ = writeln!(out, "  hint: {hint}");
        }
        out
    }
}

/// The text of a rules file, or why it is none: where the first byte stands that is not UTF-8, and the text
/// with that byte replaced, to show the place in.
pub fn text_of(bytes: Vec<u8>) -> Result<String, (String, Problem)> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let message = format!("the byte 0x{:02x} is not UTF-8, and rules are written in it", bytes[at]);
        let hint = "save the file as UTF-8: most editors ask for it under \"encoding\"".to_owned();
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut notes = Notes::new(&text);
        notes.error(Kind::NotUtf8, at..at + 1, message, Some(hint));
        let problem = notes.finish().remove(0);
        (text, problem)
    })
}

/// The part of a line around a column, fit to print, and how many of its characters come before the column.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    // Control characters would reach the reader's terminal as commands.
    let safe = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    let line = line.strip_suffix('\r').unwrap_or(line);
    let start = if column > SHOWN_CHARS_MAX - 20 { column - 40 } else { 0 };
    let mut shown = String::new();
    if start > 0 {
        shown.push('…');
    }
    let mark = usize::from(start > 0);
    let mut rest = line.chars().skip(start).map(safe);
    shown.extend(rest.by_ref().take(SHOWN_CHARS_MAX));
    if rest.next().is_some() {
        shown.push('…');
    }
    (shown, column - start + mark)
}

/// Problems while they are found, in bytes of the text.
pub(super) struct Notes<'t> {
    text: &'t str,
    found: Vec<(Range<usize>, Problem)>,
    errors: usize,
}

impl<'t> Notes<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new(), errors: 0 }
    }

    pub fn text(&self) -> &'t str {
        self.text
    }

    pub fn error(
        &mut self,
        kind: Kind,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.push(kind, Severity::Error, span, message.into(), hint);
    }

    pub fn warning(
        &mut self,
        kind: Kind,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.push(kind, Severity::Warning, span, message.into(), hint);
    }

    pub fn error_count(&self) -> usize {
        self.errors
    }

    fn push(
        &mut self,
        kind: Kind,
        severity: Severity,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        self.errors += usize::from(severity == Severity::Error);
        let problem = Problem { kind, line: 0, column: 0, width: 1, message, hint, severity };
        self.found.push((span, problem));
    }

    /// All problems in the order of the file, each once.
    pub fn finish(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(span, problem)| (span.start, problem.severity));
        let starts: Vec<usize> =
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        for (span, problem) in &mut self.found {
            let at = floor_boundary(self.text, span.start);
            let line = starts.partition_point(|start| *start <= at) - 1;
            let line_end = starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
            let end = floor_boundary(self.text, span.end.min(line_end).max(at));
            problem.line = line as u32 + 1;
            problem.column = self.text[starts[line]..at].chars().count() as u32 + 1;
            problem.width = self.text[at..end].trim_end().chars().count().max(1) as u32;
        }
        let mut problems: Vec<_> = self.found.into_iter().map(|(_, problem)| problem).collect();
        problems.dedup();
        problems
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `did you mean …?` when a name is near, then the names there are.
pub(super) fn suggest<S: AsRef<str>>(word: &str, names: &[S], what: &str) -> String {
    let list = || names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match nearest(word, names) {
        Some(near) => format!("did you mean `{near}`? {what}: {}", list()),
        None => format!("{what}: {}", list()),
    }
}

/// The name a person most likely meant: near in spelling, or the word with other separators.
pub(super) fn nearest<'n, S: AsRef<str>>(word: &str, names: &'n [S]) -> Option<&'n str> {
    let lower = word.to_lowercase().replace(['-', ' '], "_");
    let scored = names.iter().map(|name| (strsim::jaro_winkler(&lower, &name.as_ref().to_lowercase()), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= 0.8).map(|(_, name)| name.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_and_keeps_tabs() {
        let text = "a = 1\n\té = \"x\"\r\n";
        let mut notes = Notes::new(text);
        let at = text.find('x').unwrap();
        notes.error(Kind::NotToml, at..at + 1, "no", Some("yes".to_owned()));
        let problems = notes.finish();
        assert_eq!((problems[0].line, problems[0].column), (2, 7));
        assert_eq!(
            problems[0].render("f.toml", text),
            "f.toml:2:7: error: no\n 2 | \té = \"x\"\n   | \t     ^\n  hint: yes\n"
        );
    }

    #[test]
    fn a_position_outside_the_text_is_its_end_and_long_lines_are_cut() {
        let text = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let mut notes = Notes::new(&text);
        notes.warning(Kind::UnusedTemplate, 5000..5001, "here", None);
        notes.error(Kind::NotToml, usize::MAX - 1..usize::MAX, "far", None);
        let problems = notes.finish();
        let near = problems[0].render("f", &text);
        assert!(near.lines().all(|l| l.chars().count() < 140), "{near}");
        let lines: Vec<_> = near.lines().collect();
        assert_eq!(lines[1].chars().position(|c| c == 'X'), lines[2].chars().position(|c| c == '^'));
        assert_eq!(problems[1].column, 10002);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = "a = \"\u{1b}[2J\"";
        let mut notes = Notes::new(text);
        notes.error(Kind::NotToml, 4..5, "no", None);
        let shown = notes.finish()[0].render("f", text);
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn the_nearest_name_forgives_separators_and_gives_up_in_time() {
        assert_eq!(
            nearest("product-not-received", &["fraud", "product_not_received"]),
            Some("product_not_received")
        );
        assert_eq!(nearest("reasn", &["reason", "network"]), Some("reason"));
        assert_eq!(nearest("zzz", &["reason", "network"]), None);
    }
}
