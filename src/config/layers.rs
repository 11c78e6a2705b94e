//! The layers of the configuration and how they become one. Each text is parsed with its positions moved
//! past those of the texts before it, so that a place in the merged whole still says which text it is
//! from. A later layer's tables are merged into the earlier ones; everything else replaces.

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::check::Mistake;
use super::problem::{ConfigError, Position, Problem, nearest};
use super::variables::PREFIX;
use super::{Config, DEFAULT_TOML, SecretError};

/// Keys there were, and what is so instead.
const RETIRED: [(&str, &str); 1] = [(
    "quiet_after_s",
    "`quiet_after_s` is no key any more: an open dispute with no news is fetched after an eighth of the time that is left, \
     at least every 6 hours. Remove it",
)];
const COMMON: &str = "DATABASE_URL";

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

pub(super) struct Layers {
    layers: Vec<Layer>,
}

struct Layer {
    origin: String,
    text: String,
    /// The text after so many line feeds that no position in it is one of an earlier layer.
    padded: String,
    offset: usize,
    /// Whether a line number means anything to the reader.
    has_lines: bool,
}

pub(super) type Merged<'a> = Spanned<DeTable<'a>>;

impl Layers {
    pub fn read(file: Option<&Path>, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut layers = Self { layers: Vec::new() };
        layers.push("config/default.toml (compiled in)".to_owned(), DEFAULT_TOML.to_owned(), true);
        if let Some(path) = file {
            let origin = path.display().to_string();
            let text = read(path, &origin).map_err(|problem| ConfigError { problems: vec![problem] })?;
            layers.push(origin, text, true);
        }
        let merged = layers.merge()?;
        // DATABASE_URL is everybody's name; ours goes over it.
        let (common, own): (Vec<_>, Vec<_>) = environment.iter().partition(|(name, _)| name == COMMON);
        let overrides: Vec<(String, String)> = common
            .into_iter()
            .chain(own)
            .filter_map(|(name, value)| Some((name, path_of(name)?, value)))
            .map(|(name, path, value)| {
                let text = format!("{} = {}", path.join("."), literal(&merged, &path, value));
                (format!("environment variable {name}"), text)
            })
            .collect();
        drop(merged);
        for (origin, text) in overrides {
            layers.push(origin, text, false);
        }
        Ok(layers)
    }

    /// Everything that was written, one text after the other, the defaults left out.
    pub fn text(&self) -> String {
        self.layers.iter().skip(1).map(|layer| format!("{}\n", layer.text)).collect()
    }

    fn push(&mut self, origin: String, text: String, has_lines: bool) {
        let offset = self.layers.last().map_or(0, |l| l.padded.len() + 1);
        let padded = format!("{}{text}", "\n".repeat(offset));
        self.layers.push(Layer { origin, text, padded, offset, has_lines });
    }

    pub fn merge(&self) -> Result<Merged<'_>, ConfigError> {
        let mut whole = Spanned::new(0..0, DeTable::new());
        for layer in &self.layers {
            let table = DeTable::parse(&layer.padded).map_err(|e| self.parse_error(layer, &e))?;
            merge_into(whole.get_mut(), table.into_inner());
        }
        Ok(whole)
    }

    pub fn deserialize(&self, merged: Merged<'_>) -> Result<Config, ConfigError> {
        Config::deserialize(Deserializer::from(merged)).map_err(|e| {
            let (message, hint) = explain(e.message());
            let mut problem = self.problem(e.span(), message, hint);
            if problem.message.contains(&SecretError::Plain.to_string()) {
                problem.hide_value();
            }
            ConfigError { problems: vec![problem] }
        })
    }

    /// The problem with its place. Of two values that do not go together it is the one that was not left as it is
    /// by default.
    pub fn locate(&self, merged: &Merged<'_>, mistake: Mistake) -> Problem {
        let Mistake { at, or_at, message, hint } = mistake;
        let of_the_defaults =
            |span: &Range<usize>| self.layers.get(1).is_none_or(|own| span.start < own.offset);
        let span = span_of(merged, &at);
        let other = or_at.and_then(|path| span_of(merged, &path)).filter(|span| !of_the_defaults(span));
        let span = span.filter(|span| !of_the_defaults(span) || other.is_none()).or(other);
        self.problem(span, message, hint)
    }

    fn parse_error(&self, layer: &Layer, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(layer.offset..layer.offset);
        ConfigError { problems: vec![self.problem(Some(span), error.message().to_owned(), None)] }
    }

    fn problem(&self, span: Option<Range<usize>>, message: String, hint: Option<String>) -> Problem {
        let layer = span.as_ref().and_then(|s| self.layers.iter().rev().find(|l| l.offset <= s.start));
        let origin = layer.map_or_else(|| "the configuration".to_owned(), |l| l.origin.clone());
        let position = match (layer, span) {
            (Some(layer), Some(span)) if layer.has_lines => {
                let at = span.start - layer.offset;
                Some(Position::of(&layer.text, at, span.end.saturating_sub(span.start)))
            }
            (Some(_), Some(_)) | (Some(_), None) | (None, _) => None,
        };
        Problem { origin, position, message, hint }
    }
}

/// Where the value at `path` stands, or the nearest table around it when it is not written.
fn span_of(merged: &Merged<'_>, path: &[Step]) -> Option<Range<usize>> {
    let mut span = None;
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    for step in path {
        let next = match (step, value) {
            (Step::Key(key), None) => merged.get_ref().get(key.as_str()),
            (Step::Key(key), Some(v)) => v.get_ref().get(key.as_str()),
            (Step::Index(i), Some(v)) => v.get_ref().get(*i),
            (Step::Index(_), None) => None,
        };
        let Some(next) = next else { break };
        span = Some(next.span());
        value = Some(next);
    }
    span
}

fn read(path: &Path, origin: &str) -> Result<String, Problem> {
    let problem = |position, message, hint| Problem { origin: origin.to_owned(), position, message, hint };
    let bytes =
        fs::read(path).map_err(|e| problem(None, format!("cannot read the configuration: {e}"), None))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!(
            "the byte 0x{:02x} is not UTF-8, and a configuration is written in it",
            error.as_bytes()[at]
        );
        let place = Position::of(&String::from_utf8_lossy(error.as_bytes()), at, 1);
        problem(Some(place), message, Some("save the file as UTF-8".to_owned()))
    })
}

fn merge_into<'a>(whole: &mut DeTable<'a>, layer: DeTable<'a>) {
    for (key, value) in layer {
        let span = value.span();
        match (whole.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value.into_inner()) {
            (Some(DeValue::Table(below)), DeValue::Table(above)) => merge_into(below, above),
            (_, value) => {
                // Removed first: a map keeps the key it has, and with it the older position.
                whole.remove(key.get_ref().as_ref());
                whole.insert(key, Spanned::new(span, value));
            }
        }
    }
}

/// `RESPONDBY_HTTP__LISTEN` → `http`, `listen`. A name without `__` is not a key of the configuration.
fn path_of(name: &str) -> Option<Vec<String>> {
    if name == COMMON {
        return Some(vec!["database".to_owned(), "url".to_owned()]);
    }
    let path = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__"))?;
    let steps: Vec<String> = path.split("__").map(str::to_lowercase).collect();
    let bare =
        |step: &String| !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    steps.iter().all(bare).then_some(steps)
}

/// How the value of a variable is written in TOML: as text where the default is text, else as what it
/// looks like.
fn literal(merged: &Merged<'_>, path: &[String], value: &str) -> String {
    let mut default = merged.get_ref().get(path[0].as_str());
    for key in &path[1..] {
        default = default.and_then(|v| v.get_ref().get(key.as_str()));
    }
    let text_wanted = default.is_some_and(|v| v.get_ref().is_str());
    if !text_wanted && DeValue::parse(value).is_ok() {
        return value.to_owned();
    }
    toml::Value::String(value.to_owned()).to_string()
}

/// Serde's message in people's words, with the nearest valid name where it is about an unknown one.
fn explain(message: &str) -> (String, Option<String>) {
    if message == "invalid socket address syntax" {
        return ("an address is a number with a port, like \"127.0.0.1:8787\"".to_owned(), None);
    }
    let (told, kind) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    let wanted = match kind {
        "usize" | "u32" | "u64" => Some("a whole number from 0"),
        "f64" => Some("a number"),
        _ => None,
    };
    if let Some(wanted) = wanted {
        return (format!("{told}, expected {wanted}"), None);
    }
    let retired = |word: &str| RETIRED.iter().find(|(key, _)| word == *key).map(|(_, now)| (*now).to_owned());
    if let Some(now) = message.strip_prefix("unknown field `").and_then(|m| retired(m.split('`').next()?)) {
        return (now, None);
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let hint = match quoted.next() {
        Some(word) if message.starts_with("unknown ") => nearest(word, quoted),
        Some(_) | None => None,
    };
    (message.to_owned(), hint)
}
