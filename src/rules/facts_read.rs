//! Reads the conditions under `facts`: the names there are the merchant's own, nested as deep as the facts
//! are; a table of tests ends a name.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::evidence::{Moment, is_step};

use super::condition::{FactOp, FactTest, Number, Reference, Scalar, Test};
use super::conditions::Place;
use super::kind::Kind;
use super::load::Reader;
use super::node::{self, Key, Node};
use super::problem::{nearest, suggest};

/// What can be asked of a fact. A fact cannot have one of these names.
const TESTS: &[&str] = &["is", "in", "at_least", "at_most", "before", "after", "present", "contains"];

type Conditions = Vec<super::condition::Condition>;

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node<'_>, place: Place<'_>, out: &mut Conditions) {
    let example = "{ delivered_at = { before = \"dispute.opened_at\" } }";
    let Some(table) = node::table(&mut reader.notes, node, "facts", example) else { return };
    if table.is_empty() {
        reader.notes.error(Kind::NoFactNamed, node.span(), "`facts` names no fact", None);
    }
    read_names(reader, table, &[], place, out);
}

fn read_names(
    reader: &mut Reader<'_, '_>,
    table: &DeTable<'_>,
    path: &[String],
    place: Place<'_>,
    out: &mut Conditions,
) {
    let mut tests = Vec::new();
    let mut wanted = Vec::new();
    for (key, value) in node::entries(table) {
        let name = key.get_ref().as_ref();
        if TESTS.contains(&name) {
            if path.is_empty() {
                let hint = format!("name a fact first: `facts.order_id = {{ {name} = … }}`");
                reader.notes.error(
                    Kind::NoFactNamed,
                    key.span(),
                    format!("`{name}` tests a fact, and none is named"),
                    Some(hint),
                );
            } else if let Some((test, words)) = read_test(reader, value, name) {
                tests.push(test);
                wanted.push(words);
            }
            continue;
        }
        let Some(inner) = value.get_ref().as_table() else {
            not_a_test(reader, key, value, path);
            continue;
        };
        let steps: Vec<String> = name.split('.').map(str::to_owned).collect();
        if !steps.iter().all(|step| is_step(step)) {
            let hint = "facts are named by letters, digits, `_` and `-`, and dots between them".to_owned();
            let message = format!("`{}` cannot name a fact", node::shorten(name));
            reader.notes.error(Kind::BadFactName, key.span(), message, Some(hint));
            continue;
        }
        if inner.is_empty() {
            let hint = suggest("", TESTS, "the tests are");
            reader.notes.error(
                Kind::FactWithoutTest,
                key.span(),
                format!("`{}` has no test", node::shorten(name)),
                Some(hint),
            );
            continue;
        }
        let path = [path, &steps].concat();
        read_names(reader, inner, &path, place, out);
    }
    if !tests.is_empty() {
        let name = format!("facts.{}", path.join("."));
        let test = Test::Fact(FactTest { path: path.to_vec(), tests });
        out.push(place.condition(&name, wanted.join(", "), test));
    }
}

/// `facts.digital = true`, or a test with its name misspelt.
fn not_a_test(reader: &mut Reader<'_, '_>, key: &Key<'_>, value: &Node<'_>, path: &[String]) {
    let name = node::shorten(key.get_ref());
    let meant = if path.is_empty() { None } else { nearest(key.get_ref(), TESTS) };
    let (kind, message, hint) = match meant {
        Some(_) => {
            let message = format!("`{name}` is not a test of a fact");
            (Kind::UnknownName, message, suggest(key.get_ref(), TESTS, "the tests are"))
        }
        None => {
            let written = &reader.notes.text()[value.span()];
            let example = if written.len() <= 40 && !written.contains('\n') { written } else { "…" };
            let tests = suggest("", TESTS, "the tests are");
            (
                Kind::FactWithoutTest,
                format!("`{name}` has no test"),
                format!("write `{name} = {{ is = {example} }}`; {tests}"),
            )
        }
    };
    reader.notes.error(kind, key.span(), message, Some(hint));
}

fn read_test(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<(FactOp, String)> {
    let test = match name {
        "present" => FactOp::Present(node::flag(&mut reader.notes, node, name)?),
        "is" => FactOp::Is(scalar(reader, node, name)?),
        "in" => FactOp::In(scalars(reader, node)?),
        "at_least" => FactOp::AtLeast(number(reader, node, name)?),
        "at_most" => FactOp::AtMost(number(reader, node, name)?),
        "contains" => FactOp::Contains(node::text(&mut reader.notes, node, name)?.to_owned()),
        "before" => FactOp::Before(reference(reader, node, name)?),
        _ => FactOp::After(reference(reader, node, name)?),
    };
    let words = match name {
        "present" if node.get_ref().as_bool() == Some(true) => "known".to_owned(),
        "present" => "not known".to_owned(),
        _ => {
            let written = reader.notes.text()[node.span()].trim_matches('"');
            format!("{} {}", name.replace('_', " "), node::shorten(written))
        }
    };
    Some((test, words))
}

fn scalar(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<Scalar> {
    match node.get_ref() {
        DeValue::String(text) => Some(Scalar::Text(text.to_string())),
        DeValue::Boolean(flag) => Some(Scalar::Flag(*flag)),
        DeValue::Integer(_) | DeValue::Float(_) => number(reader, node, name).map(Scalar::Number),
        DeValue::Datetime(_) => {
            let hint = "dates are compared with `before` and `after`".to_owned();
            reader.notes.error(
                Kind::DateAsValue,
                node.span(),
                format!("`{name}` does not take a date"),
                Some(hint),
            );
            None
        }
        DeValue::Array(_) if name == "is" => {
            let hint = Some("write `in = […]` for one of several".to_owned());
            reader.notes.error(
                Kind::ListAsValue,
                node.span(),
                "`is` takes one value, and this is a list",
                hint,
            );
            None
        }
        DeValue::Array(_) | DeValue::Table(_) => {
            node::wrong_type(&mut reader.notes, node, name, "text, a number, or true or false");
            None
        }
    }
}

fn scalars(reader: &mut Reader<'_, '_>, node: &Node<'_>) -> Option<Vec<Scalar>> {
    let Some(list) = node.get_ref().as_array() else {
        node::wrong_type(&mut reader.notes, node, "in", "a list like `[\"gold\", \"silver\"]`");
        return None;
    };
    if list.is_empty() {
        reader.notes.error(
            Kind::EmptyList,
            node.span(),
            "`in` is an empty list: nothing could match it",
            None,
        );
        return None;
    }
    list.iter().map(|item| scalar(reader, item, "in")).collect()
}

fn number(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<Number> {
    let number = match node.get_ref() {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(Number::Whole),
        DeValue::Float(n) => n.as_str().parse().ok().filter(|f: &f64| f.is_finite()).map(Number::Real),
        DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => None,
        DeValue::Array(_) | DeValue::Table(_) => None,
    };
    if number.is_none() {
        let found = node::kind(node);
        let hint = (found == "a date" || found == "text")
            .then(|| "dates are compared with `before` and `after`; numbers stand without quotes".to_owned());
        let message = format!("`{name}` takes a finite number, and this is {found}");
        reader.notes.error(Kind::NotANumber, node.span(), message, hint);
    }
    number
}

/// `"dispute.opened_at"`, `"facts.cancelled_at"`, `"2026-05-01"`, or a TOML date.
fn reference(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<Reference> {
    let text = match node.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => String::new(),
        DeValue::Array(_) | DeValue::Table(_) => String::new(),
    };
    match text.as_str() {
        "dispute.opened_at" => return Some(Reference::DisputeOpenedAt),
        "cycle.opened_at" => return Some(Reference::CycleOpenedAt),
        "cycle.respond_by" => return Some(Reference::RespondBy),
        "now" => return Some(Reference::Now),
        _ => {}
    }
    if let Some(path) = text.strip_prefix("facts.")
        && path.split('.').all(is_step)
    {
        return Some(Reference::Fact(path.split('.').map(str::to_owned).collect()));
    }
    if let Some(moment) = Moment::parse(&text) {
        let (start, end) = moment.edges(reader.zone);
        return Some(Reference::Fixed(start, end));
    }
    bad_reference(reader, node.span(), name, &text);
    None
}

fn bad_reference(reader: &mut Reader<'_, '_>, span: Range<usize>, name: &str, text: &str) {
    let what = "write a date with its zone (2026-05-01T18:00:00Z), a day (2026-05-01), or one of";
    let hint = suggest(text, Reference::NAMES, what);
    reader.notes.error(
        Kind::NotAMoment,
        span,
        format!("`{name}` takes a point in time, and this is not one"),
        Some(hint),
    );
}
