//! Reads a whole rules file: the policy, the templates, the rules, the default. Finds every mistake before
//! it gives up; a ruleset exists only when there is none.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::TimeDelta;
use chrono_tz::Tz;
use toml::de::DeTable;

use crate::dispute::Currency;
use crate::evidence::template::{Mistake, MistakeKind, Template};
use crate::evidence::{Field, FieldKind};

use super::kind::Kind;
use super::node::{self, Node};
use super::problem::{Notes, Problem, nearest, suggest};
use super::rule_read::{self, Draft};
use super::{AtMargin, Known, Loaded, Mode, Policy, Ruleset, Severity, check, conditions};

/// A rules file larger than this is not one, bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;
const SYNTAX_ERRORS_MAX: usize = 5;
/// Rules are checked pairwise.
const RULES_MAX: usize = 1_000;

const KEYS: &[&str] = &["schema", "policy", "default", "rule", "template"];

/// What is found on the way and checked once the file is read.
pub(super) struct Reader<'t, 'k> {
    pub notes: Notes<'t>,
    pub known: Known<'k>,
    pub zone: Tz,
    pub amounts: Vec<AmountsAt>,
    pub templates_used: Vec<(String, Range<usize>)>,
    pub leads: Vec<(TimeDelta, Range<usize>)>,
}

/// Currencies listed in one place.
pub(super) struct AmountsAt {
    pub span: Range<usize>,
    pub currencies: Vec<Currency>,
    /// The rule is for some accounts or providers only, and its author chose their currencies.
    pub narrowed: bool,
    pub approval: bool,
}

pub(super) fn load(text: &str, known: Known<'_>) -> Result<Loaded, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        notes: Notes::new(text),
        known,
        zone: Tz::UTC,
        amounts: Vec::new(),
        templates_used: Vec::new(),
        leads: Vec::new(),
    };
    let ruleset = match readable(&mut reader.notes) {
        None => None,
        Some(root) => read(&mut reader, &root),
    };
    let failed = reader.notes.error_count() > 0;
    let problems = reader.notes.finish();
    match ruleset {
        Some(ruleset) if !failed => Ok(Loaded { ruleset, warnings: problems }),
        Some(_) | None => {
            debug_assert!(problems.iter().any(|p| p.severity == Severity::Error));
            Err(problems)
        }
    }
}

/// The parsed tree, or what keeps the text from being one.
fn readable<'t>(notes: &mut Notes<'t>) -> Option<DeTable<'t>> {
    let text = notes.text();
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the file has {} bytes; rules have at most {TEXT_BYTES_MAX}", text.len());
        notes.error(Kind::FileTooLarge, 0..0, message, None);
        return None;
    }
    if let Some(at) = text.find('\0') {
        notes.error(Kind::NulByte, at..at + 1, "a NUL byte: this is not a text file", None);
        return None;
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    // After the first mistake the parser guesses where to go on: one per line, and few lines.
    let mut lines: Vec<usize> = Vec::new();
    for error in &errors {
        let at = error.span().unwrap_or(0..0);
        let line = text.bytes().take(at.start).filter(|byte| *byte == b'\n').count();
        if lines.len() < SYNTAX_ERRORS_MAX && !lines.contains(&line) {
            lines.push(line);
            notes.error(Kind::NotToml, at, not_toml(error.message()), None);
        }
    }
    if !errors.is_empty() {
        return None;
    }
    if root.get_ref().is_empty() {
        let hint = "start from config/rules.example.toml".to_owned();
        notes.error(Kind::EmptyFile, 0..0, "the file says nothing", Some(hint));
        return None;
    }
    Some(root.into_inner())
}

fn not_toml(message: &str) -> String {
    match message.contains("recurs") {
        true => "lists or names are nested more deeply than is read".to_owned(),
        false => format!("not TOML: {}", node::shorten_to(message, 200)),
    }
}

fn read(reader: &mut Reader<'_, '_>, root: &DeTable<'_>) -> Option<Ruleset> {
    node::only_keys(&mut reader.notes, root, KEYS, "a part of a rules file");
    schema(reader, root);
    let policy = node::find(root, "policy").map(|node| policy(reader, node)).unwrap_or_default();
    reader.zone = policy.time_zone;
    let (templates, names) = templates(reader, root);
    let drafts = rules(reader, root);
    let default = match node::find(root, "default") {
        Some(node) => rule_read::default_answer(reader, node),
        None => {
            // Said already where it stands by mistake: below a `[[rule]]` line.
            if !drafts.iter().any(|draft| draft.holds_default) {
                let hint =
                    "write it above the first rule: `default = { hold = { why = \"no rule matched\" } }`";
                reader.notes.error(Kind::NoDefault, 0..0, "there is no `default`", Some(hint.to_owned()));
            }
            None
        }
    };
    check::check(reader, &policy, &drafts, &names);
    let rules = drafts.into_iter().map(|draft| draft.rule).collect::<Option<Vec<_>>>()?;
    Some(Ruleset { policy, rules, default: default?, templates })
}

fn schema(reader: &mut Reader<'_, '_>, root: &DeTable<'_>) {
    match node::find(root, "schema") {
        None => {
            let hint = Some("write `schema = 1` as the first line".to_owned());
            reader.notes.error(Kind::NoSchema, 0..0, "there is no `schema`", hint);
        }
        Some(node) => {
            let number = node.get_ref().as_integer();
            if number.is_none_or(|n| n.as_str() != "1") {
                let hint = Some("this program reads `schema = 1`".to_owned());
                reader.notes.error(
                    Kind::UnknownSchema,
                    node.span(),
                    "a schema that this program does not know",
                    hint,
                );
            }
        }
    }
}

fn policy(reader: &mut Reader<'_, '_>, node: &Node<'_>) -> Policy {
    let mut policy = Policy::default();
    let example = "{ mode = \"shadow\", safety_margin = \"6h\" }";
    let Some(table) = node::table(&mut reader.notes, node, "policy", example) else { return policy };
    let names = ["mode", "safety_margin", "at_margin", "time_zone"];
    node::only_keys(&mut reader.notes, table, &names, "a part of the policy");
    if let Some(mode) = node::find(table, "mode").and_then(|node| mode(reader, node)) {
        policy.mode = mode;
    }
    if let Some(node) = node::find(table, "safety_margin")
        && let Some(margin) = conditions::lasting(reader, node, "safety_margin")
    {
        if margin < TimeDelta::minutes(10) {
            let hint = Some("calls fail and are repeated: leave at least 10m".to_owned());
            reader.notes.error(
                Kind::MarginTooShort,
                node.span(),
                "a `safety_margin` in which nothing can be mended",
                hint,
            );
        }
        policy.safety_margin = margin;
    }
    if let Some(node) = node::find(table, "at_margin") {
        match node::text(&mut reader.notes, node, "at_margin") {
            Some("submit what is staged") => policy.at_margin = AtMargin::SubmitStaged,
            Some(word) => match word.parse() {
                Ok(at_margin) => policy.at_margin = at_margin,
                Err(_) => {
                    unknown_word(reader, node, word, "at_margin", AtMargin::ALL.iter().map(|w| w.as_str()))
                }
            },
            None => {}
        }
    }
    if let Some(node) = node::find(table, "time_zone")
        && let Some(name) = node::text(&mut reader.notes, node, "time_zone")
    {
        match name.parse() {
            Ok(zone) => policy.time_zone = zone,
            Err(_) => {
                let zones: Vec<_> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
                let near = nearest(name, &zones).map(|near| format!("did you mean `{near}`? "));
                let hint = format!("{}zones are named like Asia/Kolkata", near.unwrap_or_default());
                let message = format!("`{}` is not a time zone", node::shorten(name));
                reader.notes.error(Kind::UnknownTimeZone, node.span(), message, Some(hint));
            }
        }
    }
    policy
}

pub(super) fn mode(reader: &mut Reader<'_, '_>, node: &Node<'_>) -> Option<Mode> {
    let word = node::text(&mut reader.notes, node, "mode")?;
    let mode = word.parse().ok();
    if mode.is_none() {
        unknown_word(reader, node, word, "mode", Mode::ALL.iter().map(|w| w.as_str()));
    }
    mode
}

fn unknown_word<'w>(
    reader: &mut Reader<'_, '_>,
    node: &Node<'_>,
    word: &str,
    name: &str,
    known: impl Iterator<Item = &'w str>,
) {
    let known: Vec<_> = known.collect();
    let hint = suggest(word, &known, "the words are");
    let message = format!("`{}` is not a word that `{name}` knows", node::shorten(word));
    reader.notes.error(Kind::UnknownWord, node.span(), message, Some(hint));
}

/// Where each template's name stands.
type Names = Vec<(String, Range<usize>)>;

fn templates(reader: &mut Reader<'_, '_>, root: &DeTable<'_>) -> (BTreeMap<String, Template>, Names) {
    let mut templates = BTreeMap::new();
    let mut names = Vec::new();
    let Some(node) = node::find(root, "template") else { return (templates, names) };
    let example = "[template.delivered]";
    let Some(table) = node::table(&mut reader.notes, node, "template", example) else {
        return (templates, names);
    };
    for (key, value) in node::entries(table) {
        let name = key.get_ref().to_string();
        names.push((name.clone(), key.span()));
        rule_read::check_name(reader, key.span(), &name, "a template");
        let Some(fields) = node::table(&mut reader.notes, value, &name, example) else { continue };
        if fields.is_empty() {
            reader.notes.error(
                Kind::EmptyTemplate,
                key.span(),
                format!("template `{}` fills no field", node::shorten(&name)),
                None,
            );
        }
        templates.insert(name, template(reader, fields));
    }
    (templates, names)
}

fn template(reader: &mut Reader<'_, '_>, fields: &DeTable<'_>) -> Template {
    let mut template = Template::default();
    for (key, value) in node::entries(fields) {
        let Ok(field) = key.get_ref().parse::<Field>() else {
            let names: Vec<_> = Field::ALL.iter().map(Field::as_str).collect();
            node::unknown_key(&mut reader.notes, key, &names, "an evidence field");
            continue;
        };
        let sources = match (field.kind(), value.get_ref().as_array()) {
            (FieldKind::File, Some(_)) => match node::texts(&mut reader.notes, value, field.as_str()) {
                Some(list) => list.into_iter().map(|(text, _)| text).collect(),
                None => continue,
            },
            (FieldKind::File | FieldKind::Text, _) => {
                match node::text(&mut reader.notes, value, field.as_str()) {
                    Some(text) => vec![text],
                    None => continue,
                }
            }
        };
        if let Err(mistakes) = template.set(field, &sources) {
            for mistake in mistakes {
                report(reader, value.span(), &mistake);
            }
        }
    }
    template
}

/// Points at the piece of text inside the value, where it can be found as written.
fn report(reader: &mut Reader<'_, '_>, span: Range<usize>, mistake: &Mistake) {
    let inside = reader.notes.text()[span.clone()].find(&mistake.excerpt);
    let span = inside.map_or(span.clone(), |at| span.start + at..span.start + at + mistake.excerpt.len());
    let hint = mistake.word.as_ref().map(|word| suggest(word, &mistake.names, "the names are"));
    let kind = match mistake.kind {
        MistakeKind::Brace => Kind::LoneBrace,
        MistakeKind::FactName => Kind::BadFactName,
        MistakeKind::Name => Kind::UnknownPlaceholder,
        MistakeKind::NotOneFile => Kind::NotAFileId,
    };
    reader.notes.error(kind, span, mistake.message.clone(), hint);
}

fn rules(reader: &mut Reader<'_, '_>, root: &DeTable<'_>) -> Vec<Draft> {
    let Some(node) = node::find(root, "rule") else { return Vec::new() };
    let Some(list) = node.get_ref().as_array() else {
        let hint = Some("each rule starts with a line `[[rule]]`, two brackets on each side".to_owned());
        reader.notes.error(Kind::RulesNotAList, node.span(), "`rule` is not a list of rules", hint);
        return Vec::new();
    };
    if list.len() > RULES_MAX {
        let message = format!("{} rules; a file has at most {RULES_MAX}", list.len());
        reader.notes.error(Kind::TooManyRules, node.span(), message, None);
        return Vec::new();
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for item in list.iter() {
        let example = "[[rule]]";
        if let Some(table) = node::table(&mut reader.notes, item, "rule", example) {
            drafts.push(rule_read::read(reader, table, item.span()));
        }
    }
    drafts
}
