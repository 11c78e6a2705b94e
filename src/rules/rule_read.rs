//! Reads one rule: its id, its conditions, its answer, and what the answer asks for first.
//! Knows the shape of one rule, nothing of the rules around it.

use std::ops::Range;

use chrono::TimeDelta;
use toml::de::{DeTable, DeValue};

use crate::evidence::Field;

use super::conditions::{self, Place};
use super::kind::Kind;
use super::load::{self, AmountsAt, Reader};
use super::node::{self, Node};
use super::problem::{nearest, suggest};
use super::rule::{Approval, Rule};
use super::{Then, When, amounts};

const KEYS: &[&str] = &["id", "why", "mode", "when", "unless", "then", "requires", "approval", "otherwise"];
const ANSWERS: &[&str] = &["accept", "defend", "stage", "hold", "ignore"];

/// A rule while the file is checked: `rule` is there when nothing in it was wrong.
pub(super) struct Draft {
    pub rule: Option<Rule>,
    pub id: String,
    pub id_span: Range<usize>,
    /// `default` stands below a `[[rule]]` line, where TOML makes it a part of the rule.
    pub holds_default: bool,
}

pub(super) fn read(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, span: Range<usize>) -> Draft {
    let holds_default = unknown_keys(reader, table);
    let amounts_before = reader.amounts.len();
    let errors_before = reader.notes.error_count();
    let (id, id_span) = id(reader, table, span.clone());
    let why = node::find(table, "why").and_then(|node| node::text(&mut reader.notes, node, "why"));
    let mode = node::find(table, "mode").and_then(|node| load::mode(reader, node));
    let then = match node::find(table, "then") {
        Some(node) => answer(reader, node, "then"),
        None => {
            let hint = "say what to do: `then = { hold = { why = \"…\" } }`".to_owned();
            reader.notes.error(Kind::NoAnswer, id_span.clone(), "a rule without `then`", Some(hint));
            None
        }
    };
    let otherwise = node::find(table, "otherwise").map(|node| otherwise(reader, node));
    let requires = match node::find(table, "requires") {
        Some(node) => {
            node::mask(&mut reader.notes, node, "requires", Field::ALL, Field::as_str).map(fields_of)
        }
        None => Some(Vec::new()),
    };
    let template = then.as_ref().and_then(template_of);
    let conditions = all_conditions(reader, table, template);
    let approval = match node::find(table, "approval") {
        Some(node) => approval(reader, node),
        None => Some(Approval::NotNeeded),
    };
    let narrowed = ["provider", "account"].iter().any(|name| conditions.iter().any(|c| c.path == *name));
    for amounts in &mut reader.amounts[amounts_before..] {
        amounts.narrowed = narrowed;
    }
    // A rule with a mistake in it says nothing about the rules below.
    let sound = reader.notes.error_count() == errors_before;
    let rule = match (then, requires, approval) {
        (Some(then), Some(requires), Some(approval)) if sound => Some(Rule {
            id: id.clone(),
            why: why.map(str::to_owned).or_else(|| why_of(&then)).unwrap_or_default(),
            mode,
            conditions,
            then,
            requires,
            otherwise: otherwise.flatten(),
            approval,
        }),
        (_, _, _) => None,
    };
    Draft { rule, id, id_span, holds_default }
}

fn unknown_keys(reader: &mut Reader<'_, '_>, table: &DeTable<'_>) -> bool {
    let mut holds_default = false;
    for (key, _) in node::entries(table) {
        match key.get_ref().as_ref() {
            known if KEYS.contains(&known) => {}
            name @ ("default" | "policy" | "schema") => {
                holds_default |= name == "default";
                let hint = "move it above the first `[[rule]]`: a line below belongs to that rule".to_owned();
                reader.notes.error(
                    Kind::MisplacedPart,
                    key.span(),
                    format!("`{name}` inside a rule"),
                    Some(hint),
                );
            }
            _ => node::unknown_key(&mut reader.notes, key, KEYS, "a part of a rule"),
        }
    }
    holds_default
}

fn id(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, span: Range<usize>) -> (String, Range<usize>) {
    let Some(node) = node::find(table, "id") else {
        let hint = "give it a short name: `id = \"small-fraud\"`".to_owned();
        reader.notes.error(Kind::NoId, span.clone(), "a rule without `id`", Some(hint));
        return (String::new(), span);
    };
    let Some(id) = node::text(&mut reader.notes, node, "id") else { return (String::new(), node.span()) };
    check_name(reader, node.span(), id, "an id");
    if id == "default" {
        let message = "`default` is the name of the answer when no rule matched";
        reader.notes.error(Kind::ReservedId, node.span(), message, None);
    }
    (id.to_owned(), node.span())
}

/// Ids and template names: they appear in URLs, file names and metrics.
pub(super) fn check_name(reader: &mut Reader<'_, '_>, span: Range<usize>, name: &str, what: &str) {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(sound) {
        let tidy: String =
            name.to_lowercase().chars().map(|c| if sound(c) { c } else { '-' }).take(64).collect();
        let hint = (!tidy.is_empty()).then(|| format!("write \"{tidy}\""));
        let message = format!("{what} has at most 64 small letters, digits and `-`");
        reader.notes.error(Kind::BadName, span, message, hint);
    }
}

fn all_conditions(
    reader: &mut Reader<'_, '_>,
    table: &DeTable<'_>,
    template: Option<&str>,
) -> Vec<super::condition::Condition> {
    let mut out = Vec::new();
    for (name, prefix, negated) in [("when", "", false), ("unless", "unless.", true)] {
        let Some(node) = node::find(table, name) else { continue };
        let example = "{ reason = [\"fraud\"] }";
        let Some(set) = node::table(&mut reader.notes, node, name, example) else { continue };
        out.extend(conditions::read(reader, set, Place { prefix, negated, template }));
    }
    // Stable: conditions of one cost keep their places.
    out.sort_by_key(|condition| condition.test.cost());
    out
}

fn fields_of(mask: u64) -> Vec<Field> {
    Field::ALL.iter().copied().filter(|field| mask & (1 << *field as u64) != 0).collect()
}

fn approval(reader: &mut Reader<'_, '_>, node: &Node<'_>) -> Option<Approval> {
    if node.get_ref().as_str() == Some("always") {
        return Some(Approval::Always);
    }
    let hint = "write `approval = \"always\"` or `approval = { above = { USD = \"1000.00\" } }`".to_owned();
    let Some(table) = node.get_ref().as_table() else {
        reader.notes.error(
            Kind::BadApproval,
            node.span(),
            "`approval` is `\"always\"` or a limit per currency",
            Some(hint),
        );
        return None;
    };
    node::only_keys(&mut reader.notes, table, &["above"], "a part of an approval");
    let Some(above) = node::find(table, "above") else {
        reader.notes.error(Kind::BadApproval, node.span(), "`approval` has no limit", Some(hint));
        return None;
    };
    let limits = amounts::read(reader, above, "above")?;
    let currencies = limits.iter().map(|m| m.currency).collect();
    reader.amounts.push(AmountsAt { span: above.span(), currencies, narrowed: false, approval: true });
    Some(Approval::Above(limits))
}

/// The file's `default`.
pub(super) fn default_answer(reader: &mut Reader<'_, '_>, node: &Node<'_>) -> Option<Then> {
    let then = answer(reader, node, "default")?;
    if matches!(then, Then::Accept { .. }) {
        let hint = "hold what no rule names, and accept by rules".to_owned();
        let message = "the default accepts every dispute that no rule names, whatever its reason and amount";
        reader.notes.warning(Kind::DefaultAccepts, node.span(), message, Some(hint));
    }
    Some(then)
}

/// What to do at the margin. It has no time of its own.
fn otherwise(reader: &mut Reader<'_, '_>, node: &Node<'_>) -> Option<Then> {
    let leads = reader.leads.len();
    let then = answer(reader, node, "otherwise")?;
    reader.leads.truncate(leads);
    match &then {
        Then::Accept { when } | Then::Defend { when, .. } if *when != When::AtOnce => {
            let message = "`otherwise` acts at the margin and takes neither `after` nor `lead`";
            reader.notes.error(Kind::OtherwiseTimed, node.span(), message, None);
            None
        }
        Then::Accept { .. }
        | Then::Defend { .. }
        | Then::Stage { .. }
        | Then::Hold { .. }
        | Then::Ignore { .. } => Some(then),
    }
}

pub(super) fn template_of(then: &Then) -> Option<&str> {
    match then {
        Then::Defend { template, .. } | Then::Stage { template } => Some(template),
        Then::Accept { .. } | Then::Hold { .. } | Then::Ignore { .. } => None,
    }
}

fn why_of(then: &Then) -> Option<String> {
    match then {
        Then::Hold { why } | Then::Ignore { why } => Some(why.clone()),
        Then::Accept { .. } | Then::Defend { .. } | Then::Stage { .. } => None,
    }
}

/// `{ defend = { … } }`: exactly one answer.
fn answer(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<Then> {
    let example = "{ hold = { why = \"…\" } }";
    if let Some(word) = node.get_ref().as_str() {
        let meant = nearest(word, ANSWERS).unwrap_or("hold");
        let hint = format!("write `{name} = {{ {meant} = {} }}`", example_of(meant));
        reader.notes.error(
            Kind::AnswerNotInBraces,
            node.span(),
            format!("`{name}` takes an answer in braces"),
            Some(hint),
        );
        return None;
    }
    let table = node::table(&mut reader.notes, node, name, example)?;
    node::only_keys(&mut reader.notes, table, ANSWERS, "an answer");
    let answers: Vec<_> = node::entries(table)
        .into_iter()
        .filter(|(key, _)| ANSWERS.contains(&key.get_ref().as_ref()))
        .collect();
    match answers.as_slice() {
        [] => {
            if table.is_empty() {
                let hint = suggest("", ANSWERS, "the answers are");
                reader.notes.error(
                    Kind::NoAnswer,
                    node.span(),
                    format!("`{name}` has no answer"),
                    Some(hint),
                );
            }
            None
        }
        [(key, value)] => one_answer(reader, key.get_ref(), value),
        [_, (second, _), ..] => {
            let message = format!("`{name}` has {} answers, and one is all it can do", answers.len());
            reader.notes.error(Kind::SeveralAnswers, second.span(), message, None);
            None
        }
    }
}

fn example_of(answer: &str) -> &'static str {
    match answer {
        "accept" => "{ after = \"24h\" }",
        "defend" => "{ template = \"delivered\", lead = \"48h\" }",
        "stage" => "{ template = \"delivered\" }",
        _ => "{ why = \"…\" }",
    }
}

fn one_answer(reader: &mut Reader<'_, '_>, name: &str, node: &Node<'_>) -> Option<Then> {
    let example = example_of(name);
    let table = node::table(&mut reader.notes, node, name, example)?;
    let names: &[&str] = match name {
        "accept" => &["after", "lead"],
        "defend" => &["reason", "template", "after", "lead"],
        "stage" => &["template"],
        _ => &["why"],
    };
    node::only_keys(&mut reader.notes, table, names, &format!("a part of `{name}`"));
    match name {
        "accept" => when(reader, table, node).map(|when| Then::Accept { when }),
        "defend" => {
            // A reason that cannot be read is in the notes; the rest is looked at all the same.
            let reason = node::find(table, "reason").and_then(|node| reason(reader, node));
            let template = template(reader, table, node, name);
            let when = when(reader, table, node)?;
            Some(Then::Defend { reason, template: template?, when })
        }
        "stage" => template(reader, table, node, name).map(|template| Then::Stage { template }),
        _ => {
            let Some(why) = node::find(table, "why") else {
                let hint = format!("write `{name} = {example}`; the words reach the person who looks");
                reader.notes.error(
                    Kind::NoWhy,
                    node.span(),
                    format!("`{name}` does not say why"),
                    Some(hint),
                );
                return None;
            };
            let why = node::text(&mut reader.notes, why, "why")?.to_owned();
            Some(if name == "hold" { Then::Hold { why } } else { Then::Ignore { why } })
        }
    }
}

/// The reason for a defence, for providers that ask for one: a word of ours (`goods_services_received`), or a code
/// as the provider spells it (`SupplyDefenseMaterial`).
fn reason(reader: &mut Reader<'_, '_>, node: &Node<'_>) -> Option<String> {
    let word = node::text(&mut reader.notes, node, "reason")?;
    let sound =
        word.len() <= 64 && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !sound {
        let message = "a defence reason has at most 64 letters, digits, `_`, `-` and `.`";
        reader.notes.error(Kind::BadDefenceReason, node.span(), message, None);
    }
    sound.then(|| word.to_owned())
}

fn template(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, node: &Node<'_>, name: &str) -> Option<String> {
    let Some(template) = node::find(table, "template") else {
        let hint = Some("name one that the file defines: `template = \"delivered\"`".to_owned());
        reader.notes.error(Kind::NoTemplate, node.span(), format!("`{name}` without `template`"), hint);
        return None;
    };
    let word = node::text(&mut reader.notes, template, "template")?;
    reader.templates_used.push((word.to_owned(), template.span()));
    Some(word.to_owned())
}

fn when(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, node: &Node<'_>) -> Option<When> {
    let after = node::find(table, "after");
    let lead = node::find(table, "lead");
    match (after, lead) {
        (None, None) => Some(When::AtOnce),
        (Some(after), None) => positive(reader, after, "after").map(When::After),
        (None, Some(lead)) => {
            let length = positive(reader, lead, "lead")?;
            reader.leads.push((length, lead.span()));
            Some(When::Lead(length))
        }
        (Some(_), Some(_)) => {
            let hint =
                "`after` counts from the opening at the provider, `lead` back from respond_by: choose one"
                    .to_owned();
            reader.notes.error(Kind::AfterAndLead, node.span(), "both `after` and `lead`", Some(hint));
            None
        }
    }
}

fn positive(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<TimeDelta> {
    let length = conditions::lasting(reader, node, name)?;
    if length.is_zero() {
        let hint = format!("leave `{name}` out to act at once");
        reader.notes.error(Kind::NoTime, node.span(), format!("`{name}` of nothing"), Some(hint));
        return None;
    }
    debug_assert!(matches!(node.get_ref(), DeValue::String(_)));
    Some(length)
}
