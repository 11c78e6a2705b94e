//! Reading the parsed TOML with its positions. The tree is walked by hand instead of through serde, because
//! serde stops at the first mistake and a person mending a file wants all of them. Each reader says what it
//! wanted and what it found; none knows of rules.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kind::Kind;
use super::problem::{Notes, suggest};

pub(super) type Node<'t> = Spanned<DeValue<'t>>;
pub(super) type Key<'t> = Spanned<Cow<'t, str>>;

/// A table's entries in the order of the file.
pub(super) fn entries<'a, 't>(table: &'a DeTable<'t>) -> Vec<(&'a Key<'t>, &'a Node<'t>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

pub(super) fn find<'a, 't>(table: &'a DeTable<'t>, name: &str) -> Option<&'a Node<'t>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, node)| node)
}

/// Complains of every key that is not one of `names`.
pub(super) fn only_keys(notes: &mut Notes<'_>, table: &DeTable<'_>, names: &[&str], what: &str) {
    for (key, _) in entries(table) {
        if !names.contains(&key.get_ref().as_ref()) {
            unknown_key(notes, key, names, what);
        }
    }
}

pub(super) fn unknown_key(notes: &mut Notes<'_>, key: &Key<'_>, names: &[&str], what: &str) {
    let word = shorten(key.get_ref());
    let hint = suggest(key.get_ref(), names, "the names are");
    notes.error(Kind::UnknownName, key.span(), format!("`{word}` is not {what}"), Some(hint));
}

pub(super) fn kind(node: &Node<'_>) -> &'static str {
    match node.get_ref() {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// "`lead` takes text like …, and this is a whole number".
pub(super) fn wrong_type(notes: &mut Notes<'_>, node: &Node<'_>, name: &str, wants: &str) {
    notes.error(
        Kind::WrongType,
        node.span(),
        format!("`{name}` takes {wants}, and this is {}", kind(node)),
        None,
    );
}

pub(super) fn table<'a, 't>(
    notes: &mut Notes<'_>,
    node: &'a Node<'t>,
    name: &str,
    example: &str,
) -> Option<&'a DeTable<'t>> {
    let table = node.get_ref().as_table();
    if table.is_none() {
        wrong_type(notes, node, name, &format!("a table like `{example}`"));
    }
    table
}

pub(super) fn text<'a>(notes: &mut Notes<'_>, node: &'a Node<'_>, name: &str) -> Option<&'a str> {
    let text = node.get_ref().as_str();
    match text {
        None => wrong_type(notes, node, name, "text in quotes"),
        Some(text) if text.trim().is_empty() => {
            notes.error(Kind::EmptyText, node.span(), format!("`{name}` is empty"), None);
            return None;
        }
        Some(_) => {}
    }
    text
}

pub(super) fn flag(notes: &mut Notes<'_>, node: &Node<'_>, name: &str) -> Option<bool> {
    let flag = node.get_ref().as_bool();
    if flag.is_none() {
        wrong_type(notes, node, name, "`true` or `false`, without quotes");
    }
    flag
}

/// A list of texts that is not empty and repeats nothing.
pub(super) fn texts<'a>(
    notes: &mut Notes<'_>,
    node: &'a Node<'_>,
    name: &str,
) -> Option<Vec<(&'a str, Range<usize>)>> {
    let Some(list) = node.get_ref().as_array() else {
        match node.get_ref().as_str() {
            Some(word) => {
                let hint = format!("write `{name} = [\"{}\"]`", shorten(word));
                notes.error(
                    Kind::WrongType,
                    node.span(),
                    format!("`{name}` takes a list, and this is text"),
                    Some(hint),
                );
            }
            None => wrong_type(notes, node, name, "a list of texts like `[\"one\", \"two\"]`"),
        }
        return None;
    };
    if list.is_empty() {
        notes.error(
            Kind::EmptyList,
            node.span(),
            format!("`{name}` is an empty list: nothing could match it"),
            None,
        );
        return None;
    }
    let mut out: Vec<(&str, Range<usize>)> = Vec::new();
    let mut seen = HashSet::new();
    for item in list.iter() {
        let word = text(notes, item, name)?;
        if !seen.insert(word) {
            notes.error(
                Kind::WordTwice,
                item.span(),
                format!("`{}` is in the list twice", shorten(word)),
                None,
            );
        }
        out.push((word, item.span()));
    }
    Some(out)
}

/// A list of words of one closed set, as a bit mask over the set's order.
pub(super) fn mask<W: Copy>(
    notes: &mut Notes<'_>,
    node: &Node<'_>,
    name: &str,
    all: &[W],
    spelling: fn(&W) -> &'static str,
) -> Option<u64> {
    let mut mask = 0;
    let names: Vec<_> = all.iter().map(spelling).collect();
    let mut sound = true;
    for (word, span) in texts(notes, node, name)? {
        match names.iter().position(|known| *known == word) {
            Some(index) => mask |= 1 << index,
            None => {
                let hint = suggest(word, &names, "the words are");
                notes.error(
                    Kind::UnknownWord,
                    span,
                    format!("`{}` is not a word that `{name}` knows", shorten(word)),
                    Some(hint),
                );
                sound = false;
            }
        }
    }
    sound.then_some(mask)
}

/// Fit for a message: at most 64 characters, none of them control characters.
pub(super) fn shorten(word: &str) -> String {
    word.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

pub(super) fn shorten_to(word: &str, chars_max: usize) -> String {
    word.chars().take(chars_max).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
