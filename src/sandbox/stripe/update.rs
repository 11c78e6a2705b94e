//! `POST /v1/disputes/{id}` and `…/close`: staging, submitting and conceding. `submit` defaults to true: any
//! evidence without `submit=false` goes to the bank, once.

use serde_json::{Map, Value, json};

use super::super::reply::Reply;
use super::Desk;
use super::form::Node;
use super::life::closed_by_merchant;
use super::parameters::{FILES, LONG_TEXTS, SHORT_TEXTS, TEXT_TOTAL_MAX};
use super::record::{Dispute, Status};
use super::refusal::Refusal;
use super::{Call, lists};

/// Whether the call sends evidence to the bank.
pub(super) fn submits(parameters: &Node) -> bool {
    match parameters.text("submit") {
        Some(said) => said == "true",
        None => parameters.get("evidence").is_some(),
    }
}

pub(super) fn update(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let dispute = desk.book.dispute(call.account, id)?;
    let evidence = call.parameters.get("evidence");
    let submit = submits(&call.parameters);
    let mut after = dispute.clone();
    if evidence.is_some() || submit {
        may_respond(dispute, evidence)?;
    }
    if let Some(evidence) = evidence {
        files_exist(desk, call, evidence)?;
        put_evidence(&mut after, evidence)?;
    }
    if submit {
        complete(&after)?;
    }
    put_metadata(&mut after, call.parameters.get("metadata"));
    if let Some(method) = call.parameters.text("intended_submission_method") {
        after.intended_submission_method = Some(method.to_owned());
    }
    lists::expandable(call, "")?;
    match submit {
        true => desk.submit(call.at, id, &call.cause, |d| *d = after),
        false => desk.edit(call.at, id, &call.cause, |d| *d = after),
    }
    let dispute = desk.book.dispute(call.account, id)?;
    lists::shown(desk, dispute, call, "").map(|record| Reply::json(200, &record))
}

pub(super) fn close(desk: &mut Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let status = desk.book.dispute(call.account, id)?.status;
    if status.is_closed() {
        return Err(Refusal::already_closed());
    }
    if !status.is_open() {
        return Err(Refusal::already_submitted());
    }
    lists::expandable(call, "")?;
    desk.move_to(call.at, id, &call.cause, closed_by_merchant(status));
    let dispute = desk.book.dispute(call.account, id)?;
    lists::shown(desk, dispute, call, "").map(|record| Reply::json(200, &record))
}

fn may_respond(dispute: &Dispute, evidence: Option<&Node>) -> Result<(), Refusal> {
    if dispute.status.is_closed() {
        return Err(Refusal::already_closed());
    }
    if dispute.submitted_this_round && !dispute.plan.resubmittable {
        return Err(Refusal::already_submitted());
    }
    if !dispute.takes_a_response() {
        return Err(Refusal::no_response_possible());
    }
    let fields = evidence.map_or(&[][..], Node::fields);
    let appeals = dispute.status == Status::AppealNeedsResponse;
    match fields.iter().find(|(name, _)| (name == "appeal") != appeals) {
        None => Ok(()),
        Some((name, _)) => {
            let message = match appeals {
                true => "Only `evidence[appeal]` can be updated while an appeal is open",
                false => "`evidence[appeal]` can only be updated while an appeal is open",
            };
            Err(Refusal::invalid(message).param(format!("evidence[{name}]")))
        }
    }
}

/// Every file named must be one of the account's, uploaded as dispute evidence.
fn files_exist(desk: &Desk<'_>, call: &Call<'_>, evidence: &Node) -> Result<(), Refusal> {
    let named = FILES.iter().filter_map(|name| Some((format!("evidence[{name}]"), evidence.text(name)?)));
    let appeal = evidence.get("appeal").and_then(|a| a.get("card"));
    let supporting = appeal.map_or(vec![], |card| card.texts("supporting_files"));
    let at = "evidence[appeal][card][supporting_files]";
    let supporting = supporting.into_iter().map(|id| (at.to_owned(), id));
    for (param, id) in named.chain(supporting).filter(|(_, id)| !id.is_empty()) {
        if !desk.book.has_evidence_file(call.account, id, call.at) {
            return Err(Refusal::no_such("file upload", id, &param).status(400));
        }
    }
    Ok(())
}

fn put_evidence(dispute: &mut Dispute, evidence: &Node) -> Result<(), Refusal> {
    for name in LONG_TEXTS.iter().chain(&SHORT_TEXTS).chain(&FILES) {
        match evidence.text(name) {
            Some("") => _ = dispute.evidence.remove(*name),
            Some(text) => _ = dispute.evidence.insert((*name).to_owned(), text.to_owned()),
            None => {}
        }
    }
    match evidence.get("enhanced_evidence") {
        Some(Node::Text(_)) => dispute.enhanced.clear(),
        Some(more) => merge(&mut dispute.enhanced, more),
        None => {}
    }
    match evidence.get("appeal") {
        Some(Node::Text(_)) => dispute.appeal = None,
        Some(more) => {
            let mut appeal = dispute.appeal.take().and_then(|v| v.as_object().cloned()).unwrap_or_default();
            merge(&mut appeal, more);
            dispute.appeal = Some(Value::Object(appeal));
        }
        None => {}
    }
    let texts = dispute.evidence.iter().filter(|(name, _)| !FILES.contains(&name.as_str()));
    let total: usize = texts.map(|(_, text)| text.chars().count()).sum();
    match total > TEXT_TOTAL_MAX {
        false => Ok(()),
        true => {
            let message = format!(
                "The combined character count of all evidence fields is {total}; at most {TEXT_TOTAL_MAX} are allowed"
            );
            Err(Refusal::invalid(message).param("evidence"))
        }
    }
}

/// Merges nested evidence. The schema has been checked: a hash of numbers is a list, and flags are flags.
fn merge(into: &mut Map<String, Value>, node: &Node) {
    for (key, value) in node.fields() {
        match value {
            Node::Text(text) if text.is_empty() => _ = into.insert(key.clone(), Value::Null),
            Node::Text(text) if key == "fee_acknowledged" => {
                into.insert(key.clone(), json!(text == "true"));
            }
            Node::Text(text) => _ = into.insert(key.clone(), json!(text)),
            Node::Hash(items) if items.iter().all(|(index, _)| index.parse::<usize>().is_ok()) => {
                into.insert(key.clone(), list(items));
            }
            Node::Hash(_) => {
                let inner = into.get(key).and_then(Value::as_object).cloned();
                let mut inner = inner.unwrap_or_default();
                merge(&mut inner, value);
                into.insert(key.clone(), Value::Object(inner));
            }
        }
    }
}

fn list(items: &[(String, Node)]) -> Value {
    let mut items: Vec<(usize, &Node)> =
        items.iter().filter_map(|(index, node)| Some((index.parse().ok()?, node))).collect();
    items.sort_by_key(|(index, _)| *index);
    let values = items.into_iter().map(|(_, node)| match node {
        Node::Text(text) => json!(text),
        Node::Hash(_) => {
            let mut inner = Map::new();
            merge(&mut inner, node);
            Value::Object(inner)
        }
    });
    values.collect()
}

/// What must be there before evidence may be sent. The texts are assumed; the rules are documented.
fn complete(dispute: &Dispute) -> Result<(), Refusal> {
    if !dispute.has_evidence() {
        return Err(Refusal::invalid("There is no evidence to submit").param("evidence"));
    }
    if dispute.compliance_fee && !dispute.fee_acknowledged() {
        let message = "The network's compliance fee must be acknowledged before evidence is submitted";
        return Err(Refusal::invalid(message).param("evidence[enhanced_evidence]"));
    }
    let ce3 = dispute.enhanced.get("visa_compelling_evidence_3");
    let prior = ce3.and_then(|ce3| ce3.get("prior_undisputed_transactions")).and_then(Value::as_array);
    match prior {
        Some(prior) if prior.len() != 2 || prior.iter().any(|p| !p["charge"].is_string()) => {
            let param =
                "evidence[enhanced_evidence][visa_compelling_evidence_3][prior_undisputed_transactions]";
            Err(Refusal::invalid("Exactly two prior transactions, each with its `charge`, are required")
                .param(param))
        }
        Some(_) | None => Ok(()),
    }
}

fn put_metadata(dispute: &mut Dispute, metadata: Option<&Node>) {
    match metadata {
        None => {}
        Some(Node::Text(_)) => dispute.metadata.clear(),
        Some(entries) => {
            for (key, value) in entries.fields() {
                match value {
                    Node::Text(text) if text.is_empty() => _ = dispute.metadata.remove(key),
                    Node::Text(text) => _ = dispute.metadata.insert(key.clone(), text.clone()),
                    Node::Hash(_) => {}
                }
            }
        }
    }
}
