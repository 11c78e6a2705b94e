//! Reads what stands under `when` and `unless` into conditions. Every line is one condition with a path, a
//! test and words for people.

use chrono::TimeDelta;
use toml::de::DeTable;

use crate::dispute::{Category, Stage, Status};
use crate::evidence::Field;

use super::condition::{Condition, Mask, Range, Test};
use super::kind::Kind;
use super::load::Reader;
use super::node::{self, Node};
use super::problem::suggest;
use super::{amounts, duration, facts_read};

const NAMES: &[&str] = &[
    "account",
    "amount",
    "any",
    "customer",
    "evidence",
    "facts",
    "fee_required",
    "network",
    "network_code",
    "provider",
    "provider_reason",
    "reason",
    "refunded",
    "stage",
    "status",
    "test_mode",
    "time_left",
];

/// Where a set of conditions stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    /// In front of every path: `unless.`, `any[1].`.
    pub prefix: &'p str,
    pub negated: bool,
    /// The template of the rule's answer, which `evidence.complete` asks about.
    pub template: Option<&'p str>,
}

impl Place<'_> {
    pub fn condition(&self, name: &str, wanted: String, test: Test) -> Condition {
        Condition { path: format!("{}{name}", self.prefix), wanted, negated: self.negated, test }
    }
}

/// All conditions of one `when`, `unless` or alternative.
pub(super) fn read(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, place: Place<'_>) -> Vec<Condition> {
    let mut out = Vec::new();
    for (key, node) in node::entries(table) {
        let name = key.get_ref().as_ref();
        match name {
            "amount" => {
                if let Some((ranges, wanted)) = amounts::read_ranges(reader, node) {
                    out.push(place.condition(name, wanted, Test::Amount(ranges)));
                }
            }
            "evidence" => evidence(reader, node, place, &mut out),
            "facts" => facts_read::read(reader, node, place, &mut out),
            "customer" => customer(reader, node, place, &mut out),
            "any" => out.extend(any(reader, node, place)),
            "time_left" => {
                let range = range(reader, node, name, "{ at_most = \"24h\" }", lasting);
                out.extend(
                    range.map(|r| {
                        place.condition(name, bounds(&r, |d| duration::print(*d)), Test::TimeLeft(r))
                    }),
                );
            }
            "test_mode" | "refunded" | "fee_required" => {
                if let Some(wanted) = node::flag(&mut reader.notes, node, name) {
                    let test = match name {
                        "test_mode" => Test::InTestMode(wanted),
                        "refunded" => Test::Refunded(wanted),
                        _ => Test::FeeRequired(wanted),
                    };
                    out.push(place.condition(name, wanted.to_string(), test));
                }
            }
            "reason" | "stage" | "status" => out.extend(closed_words(reader, node, name, place)),
            "provider" | "account" | "network" | "network_code" | "provider_reason" => {
                out.extend(open_words(reader, node, name, place));
            }
            _ if name == "unless" || name == "when" => {
                let hint = "`when` and `unless` stand side by side in the rule, not inside one another";
                reader.notes.error(
                    Kind::MisplacedPart,
                    key.span(),
                    format!("`{name}` inside a condition"),
                    Some(hint.to_owned()),
                );
            }
            _ => node::unknown_key(&mut reader.notes, key, NAMES, "a condition"),
        }
    }
    out.sort_by_key(|condition| condition.test.cost());
    out
}

fn closed_words(
    reader: &mut Reader<'_, '_>,
    node: &Node<'_>,
    name: &str,
    place: Place<'_>,
) -> Option<Condition> {
    let notes = &mut reader.notes;
    let (test, wanted) = match name {
        "reason" => {
            let mask = node::mask(notes, node, name, Category::ALL, Category::as_str)?;
            (Test::Reason(mask), mask_words(mask, Category::ALL, Category::as_str))
        }
        "stage" => {
            let mask = node::mask(notes, node, name, Stage::ALL, Stage::as_str)?;
            (Test::Stage(mask), mask_words(mask, Stage::ALL, Stage::as_str))
        }
        _ => {
            let mask = node::mask(notes, node, name, Status::ALL, Status::as_str)?;
            (Test::Status(mask), mask_words(mask, Status::ALL, Status::as_str))
        }
    };
    Some(place.condition(name, wanted, test))
}

/// Words of providers and networks: an open set, compared without regard to case.
fn open_words(
    reader: &mut Reader<'_, '_>,
    node: &Node<'_>,
    name: &str,
    place: Place<'_>,
) -> Option<Condition> {
    let words = node::texts(&mut reader.notes, node, name)?;
    let known = match name {
        "provider" => reader.known.providers,
        "account" => reader.known.accounts,
        _ => &[],
    };
    for (word, span) in &words {
        if !known.is_empty() && !known.contains(word) {
            let hint = suggest(word, known, "the names are");
            let message = format!("no {name} is called `{}`", node::shorten(word));
            reader.notes.error(Kind::UnknownAccount, span.clone(), message, Some(hint));
        }
    }
    let words: Vec<String> = words.into_iter().map(|(word, _)| word.to_owned()).collect();
    let wanted = words.join(" or ");
    let test = match name {
        "provider" => Test::Provider(words),
        "account" => Test::Account(words),
        "network" => Test::Network(words),
        "network_code" => Test::NetworkCode(words),
        _ => Test::ProviderReason(words),
    };
    Some(place.condition(name, wanted, test))
}

fn evidence(reader: &mut Reader<'_, '_>, node: &Node<'_>, place: Place<'_>, out: &mut Vec<Condition>) {
    let example = "{ has = [\"receipt\"] }";
    let Some(table) = node::table(&mut reader.notes, node, "evidence", example) else { return };
    for (key, value) in node::entries(table) {
        let name = key.get_ref().as_ref();
        let path = format!("evidence.{name}");
        if name == "complete" {
            out.extend(complete(reader, value, place));
            continue;
        }
        let test: fn(Mask) -> Test = match name {
            "has" => Test::Has,
            "has_any" => Test::HasAny,
            "lacks" => Test::Lacks,
            _ => {
                let names = ["complete", "has", "has_any", "lacks"];
                node::unknown_key(&mut reader.notes, key, &names, "a test of evidence");
                continue;
            }
        };
        if let Some(mask) = node::mask(&mut reader.notes, value, name, Field::ALL, Field::as_str) {
            let joint = if name == "has" { " and " } else { " or " };
            let wanted = words_of(mask, Field::ALL, Field::as_str).join(joint);
            out.push(place.condition(&path, wanted, test(mask)));
        }
    }
}

fn complete(reader: &mut Reader<'_, '_>, node: &Node<'_>, place: Place<'_>) -> Option<Condition> {
    let wanted = node::flag(&mut reader.notes, node, "complete")?;
    let Some(template) = place.template else {
        let hint = "it asks whether the template of `defend` or `stage` can be filled in";
        let message = "`evidence.complete` in a rule whose answer has no template";
        reader.notes.error(Kind::CompleteWithoutTemplate, node.span(), message, Some(hint.to_owned()));
        return None;
    };
    let test = Test::Complete { template: template.to_owned(), wanted };
    let words = if wanted { "whole" } else { "not whole" };
    Some(place.condition("evidence.complete", format!("template {template} {words}"), test))
}

fn customer(reader: &mut Reader<'_, '_>, node: &Node<'_>, place: Place<'_>, out: &mut Vec<Condition>) {
    let example = "{ disputes_90d = { at_least = 3 } }";
    let Some(table) = node::table(&mut reader.notes, node, "customer", example) else { return };
    for (key, value) in node::entries(table) {
        let name = key.get_ref().as_ref();
        let test: fn(Range<u32>) -> Test = match name {
            "disputes_90d" => Test::Disputes90d,
            "disputes_total" => Test::DisputesTotal,
            _ => {
                let names = ["disputes_90d", "disputes_total"];
                node::unknown_key(&mut reader.notes, key, &names, "known of a customer");
                continue;
            }
        };
        if let Some(range) = range(reader, value, name, "{ at_least = 3 }", counted) {
            out.push(place.condition(
                &format!("customer.{name}"),
                bounds(&range, u32::to_string),
                test(range),
            ));
        }
    }
}

fn any(reader: &mut Reader<'_, '_>, node: &Node<'_>, place: Place<'_>) -> Option<Condition> {
    let Some(list) = node.get_ref().as_array() else {
        let wants = "a list of alternatives like `[{ network = [\"visa\"] }, { refunded = true }]`";
        node::wrong_type(&mut reader.notes, node, "any", wants);
        return None;
    };
    let mut alternatives = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let table = node::table(&mut reader.notes, item, "any", "{ network = [\"visa\"] }")?;
        if table.is_empty() {
            reader.notes.error(
                Kind::AlwaysHolds,
                item.span(),
                "an alternative without a condition always holds",
                None,
            );
        }
        let prefix = format!("{}any[{}].", place.prefix, index + 1);
        // What stands inside is asked as it is; `unless` turns the whole around.
        alternatives.push(read(reader, table, Place { prefix: &prefix, negated: false, ..place }));
    }
    if alternatives.is_empty() {
        reader.notes.error(
            Kind::EmptyList,
            node.span(),
            "`any` is an empty list: nothing could match it",
            None,
        );
        return None;
    }
    let wanted = format!("one of {}", alternatives.len());
    Some(place.condition("any", wanted, Test::Any(alternatives)))
}

/// Reads `{ at_least = …, at_most = … }`.
pub(super) fn range<T: PartialOrd + Copy>(
    reader: &mut Reader<'_, '_>,
    node: &Node<'_>,
    name: &str,
    example: &str,
    read: fn(&mut Reader<'_, '_>, &Node<'_>, &str) -> Option<T>,
) -> Option<Range<T>> {
    let table = node::table(&mut reader.notes, node, name, example)?;
    node::only_keys(&mut reader.notes, table, &["at_least", "at_most"], &format!("a bound of `{name}`"));
    let mut bound = |name: &str| node::find(table, name).map(|node| read(reader, node, name));
    let (at_least, at_most) = (bound("at_least"), bound("at_most"));
    if at_least.is_none() && at_most.is_none() {
        if table.is_empty() {
            let hint = format!("write `{name} = {example}`");
            let message = format!("`{name}` has neither `at_least` nor `at_most`");
            reader.notes.error(Kind::NoBound, node.span(), message, Some(hint));
        }
        return None;
    }
    if at_least == Some(None) || at_most == Some(None) {
        return None;
    }
    let range = Range { at_least: at_least.flatten(), at_most: at_most.flatten() };
    if range.is_empty() {
        reader.notes.error(
            Kind::EmptyRange,
            node.span(),
            "`at_least` is above `at_most`: nothing is both",
            None,
        );
        return None;
    }
    Some(range)
}

fn counted(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<u32> {
    let number = node.get_ref().as_integer();
    let count = number.and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
    if count.is_none() {
        let message = format!("`{name}` counts disputes: a whole number from 0, without quotes");
        reader.notes.error(Kind::NotACount, node.span(), message, None);
    }
    count
}

/// A duration like `1d12h`.
pub(super) fn lasting(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<TimeDelta> {
    let length = node.get_ref().as_str().and_then(duration::parse);
    if length.is_none() {
        let message = format!("`{name}` is a length of time, and this is not one");
        let hint = "write numbers with w, d, h, m or s, longest first: \"7d\", \"24h\", \"1d12h\", \"90m\"";
        reader.notes.error(Kind::NotADuration, node.span(), message, Some(hint.to_owned()));
    }
    length
}

fn bounds<T>(range: &Range<T>, print: fn(&T) -> String) -> String {
    let least = range.at_least.as_ref().map(|v| format!("at least {}", print(v)));
    let most = range.at_most.as_ref().map(|v| format!("at most {}", print(v)));
    least.into_iter().chain(most).collect::<Vec<_>>().join(", ")
}

/// The words of a mask.
pub(super) fn words_of<W>(mask: Mask, all: &[W], spelling: fn(&W) -> &'static str) -> Vec<&'static str> {
    all.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, w)| spelling(w)).collect()
}

fn mask_words<W>(mask: Mask, all: &[W], spelling: fn(&W) -> &'static str) -> String {
    words_of(mask, all, spelling).join(" or ")
}
