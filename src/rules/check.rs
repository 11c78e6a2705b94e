//! What can only be seen with the whole file in view: rules that can never answer, names that lead nowhere,
//! currencies one place lists and another forgot.

use std::ops::Range;

use super::condition::{Condition, Test};
use super::kind::Kind;
use super::load::Reader;
use super::problem::suggest;
use super::rule::{Approval, Rule};
use super::rule_read::Draft;
use super::{Policy, Then, cover, duration};

pub(super) fn check(
    reader: &mut Reader<'_, '_>,
    policy: &Policy,
    drafts: &[Draft],
    templates: &[(String, Range<usize>)],
) {
    ids(reader, drafts);
    reachable(reader, drafts);
    used_templates(reader, templates);
    forgotten_currencies(reader);
    for draft in drafts {
        if let Some(rule) = &draft.rule {
            limits(reader, rule, draft.id_span.clone());
        }
    }
    for (lead, span) in std::mem::take(&mut reader.leads) {
        if lead < policy.safety_margin {
            let margin = duration::print(policy.safety_margin);
            let message =
                format!("`lead` is shorter than the safety margin of {margin}: it acts at the margin");
            reader.notes.warning(Kind::LeadInsideMargin, span, message, None);
        }
    }
}

fn ids(reader: &mut Reader<'_, '_>, drafts: &[Draft]) {
    for (index, draft) in drafts.iter().enumerate() {
        let first = drafts[..index].iter().position(|other| other.id == draft.id);
        if let Some(first) = first.filter(|_| !draft.id.is_empty()) {
            let message = format!("`{}` is the id of rule {} already", draft.id, first + 1);
            reader.notes.error(Kind::IdTwice, draft.id_span.clone(), message, None);
        }
    }
}

/// Only what is certain: an earlier rule without conditions, or with conditions that hold whenever these do.
fn reachable(reader: &mut Reader<'_, '_>, drafts: &[Draft]) {
    for (index, draft) in drafts.iter().enumerate() {
        let Some(rule) = &draft.rule else { continue };
        if let Some((a, b)) = cover::contradiction(&rule.conditions) {
            let message =
                format!("`{}` can never match: `{}` and `{}` exclude each other", rule.id, a.path, b.path);
            reader.notes.error(Kind::NeverMatches, draft.id_span.clone(), message, None);
        }
        let earlier = drafts[..index].iter().filter_map(|other| other.rule.as_ref());
        let cover = earlier.into_iter().find(|other| cover::covers(&other.conditions, &rule.conditions));
        let Some(cover) = cover else { continue };
        let why = match cover.conditions.is_empty() {
            true => "which has no condition and matches everything",
            false => "which matches whatever this one matches",
        };
        let hint = format!("the first match wins: move it above `{}`, or narrow that one", cover.id);
        let message = format!("`{}` can never answer: it stands below `{}`, {why}", rule.id, cover.id);
        reader.notes.error(Kind::NeverReached, draft.id_span.clone(), message, Some(hint));
    }
}

fn used_templates(reader: &mut Reader<'_, '_>, templates: &[(String, Range<usize>)]) {
    let names: Vec<_> = templates.iter().map(|(name, _)| name.as_str()).collect();
    for (name, span) in &reader.templates_used {
        if !names.contains(&name.as_str()) {
            let hint = match names.is_empty() {
                true => format!("the file has no template: write `[template.{name}]` and fields below it"),
                false => suggest(name, &names, "the templates are"),
            };
            reader.notes.error(
                Kind::UnknownTemplate,
                span.clone(),
                format!("no template is called `{name}`"),
                Some(hint),
            );
        }
    }
    for (name, span) in templates {
        if !reader.templates_used.iter().any(|(used, _)| used == name) {
            reader.notes.warning(
                Kind::UnusedTemplate,
                span.clone(),
                format!("no rule uses template `{name}`"),
                None,
            );
        }
    }
}

/// A currency one rule knows and another does not. Rules narrowed to some accounts or providers may well
/// know fewer.
fn forgotten_currencies(reader: &mut Reader<'_, '_>) {
    let mut all: Vec<_> = reader.amounts.iter().flat_map(|a| a.currencies.iter().copied()).collect();
    all.sort();
    all.dedup();
    for amounts in reader.amounts.iter().filter(|amounts| !amounts.narrowed) {
        let absent: Vec<_> =
            all.iter().filter(|c| !amounts.currencies.contains(c)).map(|c| c.as_str()).collect();
        if absent.is_empty() {
            continue;
        }
        let absent = absent.join(", ");
        let effect = match amounts.approval {
            true => "disputes in it always wait for approval",
            false => "disputes in it never match here",
        };
        let message = format!("{absent} is listed elsewhere in the file and not here: {effect}");
        reader.notes.warning(Kind::ForgottenCurrency, amounts.span.clone(), message, None);
    }
}

/// Answers that lack a limit, and approvals that guard nothing.
fn limits(reader: &mut Reader<'_, '_>, rule: &Rule, span: Range<usize>) {
    let accepts = |then: &Then| matches!(then, Then::Accept { .. });
    let acts = |then: &Then| matches!(then, Then::Accept { .. } | Then::Defend { .. });
    let otherwise = rule.otherwise.as_ref();
    let may_accept = accepts(&rule.then) || otherwise.is_some_and(accepts);
    if may_accept && rule.approval == Approval::NotNeeded && !rule.conditions.iter().any(caps_amount) {
        let hint = "add `when.amount = { at_most = { … } }` or `approval = { above = { … } }`".to_owned();
        let message = format!("`{}` accepts whatever the amount is", rule.id);
        reader.notes.warning(Kind::AcceptsAnyAmount, span.clone(), message, Some(hint));
    }
    let may_act = acts(&rule.then) || otherwise.is_some_and(acts);
    if !may_act && rule.approval != Approval::NotNeeded {
        let message = format!("`approval` in `{}` guards nothing: its answer sends nothing", rule.id);
        reader.notes.warning(Kind::ApprovalOfNothing, span, message, None);
    }
}

/// Whether a condition keeps large amounts out.
fn caps_amount(condition: &Condition) -> bool {
    let Test::Amount(ranges) = &condition.test else { return false };
    match condition.negated {
        true => ranges.iter().all(|range| range.minor.at_least.is_some() && range.minor.at_most.is_none()),
        false => ranges.iter().all(|range| range.minor.at_most.is_some()),
    }
}
