//! Reading: one object or a page of them, newest first, with Stripe's cursors, filters and `expand`. Changes
//! nothing.

use serde_json::{Value, json};

use super::super::reply::Reply;
use super::Call;
use super::Desk;
use super::form::Node;
use super::parameters::FILES;
use super::record::Dispute;
use super::refusal::Refusal;

/// `GET /v1/events` reaches this far back.
const EVENT_DAYS: i64 = 30;

pub(super) struct Item {
    pub created: i64,
    /// Orders what was created in one second.
    pub n: u64,
    pub record: Value,
}

/// Cuts the page that the parameters ask for out of everything that matches.
pub(super) fn page(items: Vec<Item>, call: &Call<'_>, noun: &str, url: &str) -> Result<Reply, Refusal> {
    let parameters = &call.parameters;
    let limit = match parameters.text("limit").map(str::parse::<i64>) {
        Some(Ok(limit)) if (1..=100).contains(&limit) => limit as usize,
        Some(Ok(limit)) => {
            let bound = if limit < 1 { "greater than or equal to 1" } else { "less than or equal to 100" };
            let message = format!("This value must be {bound} (it currently is '{limit}').");
            return Err(Refusal::invalid(message).code("parameter_invalid_integer").param("limit"));
        }
        Some(Err(_)) | None => 10,
    };
    let mut items = items;
    items.retain(|item| within(parameters.get("created"), item.created));
    items.sort_by_key(|item| std::cmp::Reverse((item.created, item.n)));
    let place = |cursor: &str| -> Result<Option<usize>, Refusal> {
        let Some(id) = parameters.text(cursor) else { return Ok(None) };
        let found = items.iter().position(|item| item.record["id"] == id);
        found.map(Some).ok_or_else(|| Refusal::no_such(noun, id, cursor).status(400))
    };
    let (after, before) = (place("starting_after")?, place("ending_before")?);
    let start = after.map_or(0, |at| at + 1);
    let end = before.unwrap_or(items.len()).max(start);
    let (from, to, has_more) = match before {
        Some(_) => (end.saturating_sub(limit).max(start), end, end - start > limit),
        None => (start, end.min(start + limit), end - start > limit),
    };
    let rows: Vec<Value> = items.drain(from..to).map(|item| item.record).collect();
    Ok(Reply::json(200, &json!({ "object": "list", "data": rows, "has_more": has_more, "url": url })))
}

fn within(created: Option<&Node>, at: i64) -> bool {
    match created {
        None => true,
        Some(Node::Text(text)) => text.parse() == Ok(at),
        Some(Node::Hash(bounds)) => bounds.iter().all(|(bound, value)| {
            let Node::Text(value) = value else { return false };
            let Ok(value) = value.parse::<i64>() else { return false };
            match bound.as_str() {
                "gt" => at > value,
                "gte" => at >= value,
                "lt" => at < value,
                _ => at <= value,
            }
        }),
    }
}

/// Refuses what cannot be expanded, before anything else happens.
pub(super) fn expandable(call: &Call<'_>, prefix: &str) -> Result<(), Refusal> {
    let known = |path: &str| {
        let Some(field) = path.strip_prefix(prefix) else { return false };
        let file = field.strip_prefix("evidence.").is_some_and(|name| FILES.contains(&name));
        file || ["charge", "payment_intent"].contains(&field)
    };
    match call.parameters.texts("expand").into_iter().find(|path| !known(path)) {
        None => Ok(()),
        Some(path) => {
            Err(Refusal::invalid(format!("This property cannot be expanded ({path}).")).param("expand"))
        }
    }
}

/// The dispute as this call sees it: expanded where it asks, and old where a replica lags.
pub(super) fn shown(
    desk: &Desk<'_>,
    dispute: &Dispute,
    call: &Call<'_>,
    prefix: &str,
) -> Result<Value, Refusal> {
    expandable(call, prefix)?;
    let mut record = match (&dispute.before, call.stale) {
        (Some(before), true) => before.clone(),
        (Some(_), false) | (None, _) => dispute.json(),
    };
    for path in call.parameters.texts("expand") {
        let field = path.strip_prefix(prefix).unwrap_or(path);
        match field.strip_prefix("evidence.") {
            Some(name) => {
                let id = record["evidence"][name].as_str().unwrap_or_default();
                if let Ok(file) = desk.book.file(call.account, id) {
                    record["evidence"][name] = file.record.clone();
                }
            }
            None if field == "charge" => record["charge"] = dispute.charge_json(),
            None => record["payment_intent"] = dispute.payment_intent_json(),
        }
    }
    Ok(record)
}

pub(super) fn disputes(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let (charge, payment) = (call.parameters.text("charge"), call.parameters.text("payment_intent"));
    let wanted = desk.book.disputes.values().filter(|d| {
        d.account == call.account
            && charge.is_none_or(|charge| d.charge == charge)
            && payment.is_none_or(|payment| d.payment_intent.as_deref() == Some(payment))
    });
    let items = wanted
        .map(|d| shown(desk, d, call, "data.").map(|record| Item { created: d.created, n: d.n, record }));
    page(items.collect::<Result<_, _>>()?, call, "dispute", "/v1/disputes")
}

fn names_type(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => pattern == kind,
    }
}

pub(super) fn events(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let one = call.parameters.text("type");
    let several = call.parameters.texts("types");
    if one.is_some() && !several.is_empty() {
        return Err(Refusal::invalid("Send `type` or `types`, not both").param("types"));
    }
    if several.len() > 20 {
        return Err(Refusal::invalid("At most 20 types can be listed").param("types"));
    }
    let delivered = call.parameters.text("delivery_success").map(|word| word == "true");
    let oldest = call.at.timestamp() - EVENT_DAYS * 86_400;
    let wanted = desk.book.events.iter().filter(|event| {
        event.account == call.account
            && event.created >= oldest
            && one.is_none_or(|pattern| names_type(pattern, &event.kind))
            && (several.is_empty() || several.iter().any(|pattern| names_type(pattern, &event.kind)))
            && delivered.is_none_or(|wanted| desk.office.outbox.arrived(&event.sent_as) == wanted)
    });
    let items = wanted.map(|e| Item { created: e.created, n: e.n, record: e.body.clone() });
    page(items.collect(), call, "event", "/v1/events")
}

pub(super) fn event(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let found = desk.book.events.iter().find(|e| e.id == id && e.account == call.account);
    let event = found.ok_or_else(|| Refusal::no_such("event", id, "id"))?;
    Ok(Reply::json(200, &event.body))
}

pub(super) fn thin_event(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let found = desk.book.thin.get(id).filter(|(account, _)| *account == call.account);
    let (_, body) = found.ok_or_else(|| Refusal::no_such("event", id, "id"))?;
    Ok(Reply::json(200, body))
}

pub(super) fn warnings(desk: &Desk<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let matches = |warning: &Value, name: &str| {
        call.parameters.text(name).is_none_or(|wanted| warning[name].as_str() == Some(wanted))
    };
    let wanted = desk.book.warnings.iter().zip(0..).filter(|((account, warning), _)| {
        *account == call.account && matches(warning, "charge") && matches(warning, "payment_intent")
    });
    let items = wanted.map(|((_, warning), n)| Item {
        created: warning["created"].as_i64().unwrap_or_default(),
        n,
        record: warning.clone(),
    });
    page(items.collect(), call, "early fraud warning", "/v1/radar/early_fraud_warnings")
}

pub(super) fn warning(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let mut of_account = desk.book.warnings.iter().filter(|(account, _)| *account == call.account);
    let found = of_account.find(|(_, warning)| warning["id"] == id);
    let missing = || Refusal::no_such("early fraud warning", id, "early_fraud_warning");
    found.map(|(_, warning)| Reply::json(200, warning)).ok_or_else(missing)
}

pub(super) fn charge(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let mut of_account = desk.book.disputes.values().filter(|d| d.account == call.account);
    let found = of_account.find(|d| d.charge == id);
    found.map(|d| Reply::json(200, &d.charge_json())).ok_or_else(|| Refusal::no_such("charge", id, "charge"))
}

pub(super) fn payment_intent(desk: &Desk<'_>, call: &Call<'_>, id: &str) -> Result<Reply, Refusal> {
    let mut of_account = desk.book.disputes.values().filter(|d| d.account == call.account);
    let found = of_account.find(|d| d.payment_intent.as_deref() == Some(id));
    let missing = || Refusal::no_such("payment_intent", id, "intent");
    found.map(|d| Reply::json(200, &d.payment_intent_json())).ok_or_else(missing)
}
