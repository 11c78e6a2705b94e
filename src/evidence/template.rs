//! Templates: text with `{facts.path}` in it, filled in when the packet is made. A placeholder without a
//! value leaves its field out and says so: never an empty or half sentence before a bank. What people and
//! facts give as evidence wins over a template. Knows nothing of rules or providers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;

use super::placeholder::{Part, Path, parse_parts};
use super::{EvidenceSet, Field, FieldKind, Moment, Packet};
use crate::dispute::{Category, Cycle, Dispute};

pub use super::placeholder::{Mistake, MistakeKind, path_names};

/// How to fill each field. Made when rules are loaded, so that a template that exists can be rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Template {
    slots: BTreeMap<Field, Slot>,
}

#[derive(Debug, Clone, PartialEq)]
enum Slot {
    Text(Vec<Part>),
    /// Each yields one or more file ids: a literal id, or a placeholder.
    Files(Vec<Part>),
}

/// What placeholders can see.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub facts: &'a Value,
    pub dispute: &'a Dispute,
    pub cycle: &'a Cycle,
    /// The customer's other disputes; `None` = the customer is not known.
    pub customer_disputes_90d: Option<u32>,
    pub customer_disputes_total: Option<u32>,
    /// In which instants are printed.
    pub time_zone: Tz,
}

/// A field the template would fill, and the placeholders that had no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub field: Field,
    /// `facts.tracking_number`, without braces.
    pub placeholders: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: no value for {}", self.field, self.placeholders.join(", "))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    pub packet: Packet,
    pub missing: Vec<Missing>,
    /// Entries under `facts.evidence` that could not be used, in words.
    pub ignored: Vec<String>,
}

/// Evidence that the merchant's own system sent under `facts.evidence`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromFacts {
    pub packet: Packet,
    /// What could not be used, in words.
    pub ignored: Vec<String>,
}

impl Template {
    /// Sets how a text field is written, or how a file field finds its file ids (`sources` of one or more).
    /// Errors name every mistake in the texts.
    pub fn set(&mut self, field: Field, sources: &[&str]) -> Result<(), Vec<Mistake>> {
        let mut parts = Vec::new();
        let mut mistakes = Vec::new();
        for source in sources {
            match parse_parts(source) {
                Err(found) => mistakes.extend(found),
                Ok(found) => match field.kind() {
                    FieldKind::Text => parts.extend(found),
                    FieldKind::File => match <[Part; 1]>::try_from(found) {
                        Ok([part]) => parts.push(part),
                        Err(_) => mistakes.push(Mistake::not_one_file(source)),
                    },
                },
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let slot = match field.kind() {
            FieldKind::Text => Slot::Text(parts),
            FieldKind::File => Slot::Files(parts),
        };
        self.slots.insert(field, slot);
        Ok(())
    }

    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.slots.keys().copied()
    }

    /// The packet: what people gave (`explicit`), then what facts gave, then what the template fills in.
    pub fn render(&self, scope: &Scope<'_>, explicit: &Packet) -> Rendered {
        let given = FromFacts::read(scope.facts);
        let mut packet = explicit.clone();
        given.packet.fill_into(&mut packet);
        let at_hand = packet.clone();
        let mut missing = Vec::new();
        for (field, slot) in &self.slots {
            if at_hand.text.contains_key(field) || at_hand.files.contains_key(field) {
                continue;
            }
            let mut placeholders = Vec::new();
            match slot {
                Slot::Text(parts) => {
                    let text = text_of(parts, scope, &at_hand, &mut placeholders);
                    packet.text.extend(text.map(|text| (*field, text)));
                }
                Slot::Files(parts) => {
                    let ids = files_of(parts, scope, &at_hand, &mut placeholders);
                    if !ids.is_empty() {
                        packet.files.insert(*field, ids);
                    }
                }
            }
            if !placeholders.is_empty() {
                missing.push(Missing { field: *field, placeholders });
            }
        }
        Rendered { packet, missing, ignored: given.ignored }
    }

    /// Whether every field is at hand already or can be filled in whole.
    pub fn is_complete(&self, scope: &Scope<'_>, at_hand: &EvidenceSet) -> bool {
        self.slots.iter().all(|(field, slot)| {
            let (Slot::Text(parts) | Slot::Files(parts)) = slot;
            let as_file = matches!(slot, Slot::Files(_));
            at_hand.contains(field)
                || parts.iter().all(|part| match part {
                    Part::Words(_) => true,
                    Part::Value(Path::Evidence(other)) => at_hand.contains(other),
                    Part::Value(Path::Fact(path)) if as_file => {
                        fact_at(scope.facts, path).is_some_and(|v| !file_ids(v).is_empty())
                    }
                    Part::Value(path) => value_of(path, scope, &Packet::default()).is_some(),
                })
        })
    }
}

impl FromFacts {
    pub fn read(facts: &Value) -> Self {
        let mut out = Self::default();
        let entries = match facts.get("evidence") {
            None | Some(Value::Null) => return out,
            Some(Value::Object(entries)) => entries,
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                out.ignored.push("facts.evidence is not an object of evidence fields".to_owned());
                return out;
            }
        };
        for (name, value) in entries {
            let Ok(field) = name.parse::<Field>() else {
                out.ignored.push(format!("facts.evidence.{name} is not an evidence field"));
                continue;
            };
            let values = file_ids(value);
            if values.is_empty() {
                out.ignored.push(format!("facts.evidence.{name} is not text or a list of texts"));
                continue;
            }
            match field.kind() {
                FieldKind::Text => _ = out.packet.text.insert(field, values.join("\n")),
                FieldKind::File => _ = out.packet.files.insert(field, values),
            }
        }
        out
    }
}

impl Packet {
    /// Gives `other` the fields it lacks.
    pub fn fill_into(self, other: &mut Packet) {
        for (field, text) in self.text {
            other.text.entry(field).or_insert(text);
        }
        for (field, ids) in self.files {
            other.files.entry(field).or_insert(ids);
        }
    }
}

/// The value at a dotted path; a `null` is no value.
pub fn fact_at<'v, S: AsRef<str>>(facts: &'v Value, path: &[S]) -> Option<&'v Value> {
    let mut at = facts;
    for step in path {
        at = at.as_object()?.get(step.as_ref())?;
    }
    (!at.is_null()).then_some(at)
}

fn text_of(parts: &[Part], scope: &Scope<'_>, given: &Packet, missing: &mut Vec<String>) -> Option<String> {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Words(words) => out.push_str(words),
            Part::Value(path) => match value_of(path, scope, given) {
                Some(value) => out.push_str(&value),
                None => missing.push(path.to_string()),
            },
        }
    }
    missing.is_empty().then_some(out)
}

fn files_of(parts: &[Part], scope: &Scope<'_>, given: &Packet, missing: &mut Vec<String>) -> Vec<String> {
    let mut out = Vec::new();
    for part in parts {
        let ids = match part {
            Part::Words(id) => vec![id.clone()],
            Part::Value(Path::Fact(path)) => fact_at(scope.facts, path).map(file_ids).unwrap_or_default(),
            Part::Value(Path::Evidence(field)) => given.files.get(field).cloned().unwrap_or_default(),
            Part::Value(path) => value_of(path, scope, given).map(Cow::into_owned).into_iter().collect(),
        };
        if ids.is_empty()
            && let Part::Value(path) = part
        {
            missing.push(path.to_string());
        }
        out.extend(ids);
    }
    out
}

/// A text, or a list of texts, without the empty ones.
fn file_ids(value: &Value) -> Vec<String> {
    let clean = |v: &Value| v.as_str().map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
    match value {
        Value::String(_) => clean(value).into_iter().collect(),
        // One entry of another kind makes the list something we do not understand.
        Value::Array(list) if list.iter().all(Value::is_string) => list.iter().filter_map(clean).collect(),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn value_of<'a>(path: &Path, scope: &Scope<'a>, given: &'a Packet) -> Option<Cow<'a, str>> {
    let dispute = scope.dispute;
    let moment = |at| Some(Cow::Owned(Moment::At(at).print(scope.time_zone)));
    match path {
        Path::Fact(steps) => print_fact(fact_at(scope.facts, steps)?, scope.time_zone),
        Path::Evidence(field) => given.text.get(field).map(|text| Cow::Borrowed(text.as_str())),
        Path::DisputeRef => present(&dispute.dispute_ref),
        Path::DisputePaymentRef => present(dispute.payment_ref.as_deref()?),
        Path::DisputeAmount => Some(Cow::Owned(dispute.amount.to_string())),
        Path::DisputeOpenedAt => moment(dispute.opened_at),
        Path::DisputeReason => {
            let category = dispute.reason.category;
            (category != Category::Unknown).then(|| Cow::Owned(category.as_str().replace('_', " ")))
        }
        Path::DisputeProviderReason => present(&dispute.reason.provider_reason),
        Path::DisputeNetworkCode => present(dispute.reason.network_code.as_deref()?),
        Path::DisputeNetwork => present(dispute.reason.network.as_deref()?),
        Path::CycleRespondBy => moment(scope.cycle.respond_by),
        Path::CustomerDisputes90d => scope.customer_disputes_90d.map(|n| n.to_string().into()),
        Path::CustomerDisputesTotal => scope.customer_disputes_total.map(|n| n.to_string().into()),
    }
}

fn present(text: &str) -> Option<Cow<'_, str>> {
    (!text.trim().is_empty()).then_some(Cow::Borrowed(text))
}

/// Words for people: dates with their zone, yes and no, lists with commas. Objects have none.
fn print_fact(value: &Value, zone: Tz) -> Option<Cow<'_, str>> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "yes" } else { "no" })),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::String(text) => match Moment::parse(text.trim()) {
            Some(moment) => Some(Cow::Owned(moment.print(zone))),
            None => present(text),
        },
        Value::Array(list) => {
            let words: Option<Vec<_>> = list.iter().map(|v| print_fact(v, zone)).collect();
            words.filter(|w| !w.is_empty()).map(|w| Cow::Owned(w.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispute::{Currency, CycleState, Money, Reason, RespondBy, Stage, Status};
    use serde_json::json;

    fn dispute() -> Dispute {
        let at = |text: &str| text.parse().unwrap();
        Dispute {
            merchant_id: 1,
            account_id: 1,
            dispute_id: 1,
            dispute_ref: "dp_vase_3".to_owned(),
            payment_ref: None,
            charge_ref: None,
            stage: Stage::Chargeback,
            status: Status::NeedsResponse,
            provider_status: "open".to_owned(),
            amount: Money::new(123_450, Currency::parse("INR").unwrap()),
            reason: Reason {
                category: Category::ProductNotReceived,
                provider_reason: "not_there".to_owned(),
                network_code: None,
                network: Some("rupay".to_owned()),
            },
            respond_by: RespondBy::At(at("2026-06-12T18:29:59Z")),
            opened_at: at("2026-06-02T06:15:00Z"),
            as_of: at("2026-06-02T06:15:00Z"),
            closed_at: None,
            submissions: 0,
            evidence_staged: false,
            past_due: false,
            fee_required: false,
            refunded: false,
            customer_ref: None,
            live: true,
            funds_withdrawn_at: None,
            funds_reinstated_at: None,
            follows_ref: None,
        }
    }

    fn cycle(dispute: &Dispute) -> Cycle {
        Cycle {
            n: 1,
            stage: dispute.stage,
            state: CycleState::Open,
            opened_at: dispute.opened_at,
            respond_by: "2026-06-12T18:29:59Z".parse().unwrap(),
            response: None,
            answered_at: None,
            ended_at: None,
            wake_at: None,
        }
    }

    fn render(slots: &[(Field, &[&str])], facts: Value, explicit: &Packet) -> Rendered {
        let mut template = Template::default();
        for (field, sources) in slots {
            template.set(*field, sources).unwrap();
        }
        let dispute = dispute();
        let cycle = cycle(&dispute);
        let scope = Scope {
            facts: &facts,
            dispute: &dispute,
            cycle: &cycle,
            customer_disputes_90d: Some(2),
            customer_disputes_total: None,
            time_zone: Tz::Asia__Kolkata,
        };
        let rendered = template.render(&scope, explicit);
        let at_hand = explicit.fields().union(&FromFacts::read(&facts).packet.fields()).copied().collect();
        assert_eq!(template.is_complete(&scope, &at_hand), rendered.missing.is_empty(), "{rendered:?}");
        rendered
    }

    fn summary(text: &str, facts: Value) -> Result<String, Vec<String>> {
        let mut rendered = render(&[(Field::Summary, &[text])], facts, &Packet::default());
        match rendered.packet.text.remove(&Field::Summary) {
            Some(text) => Ok(text),
            None => Err(rendered.missing.remove(0).placeholders),
        }
    }

    #[test]
    fn everything_a_placeholder_can_name_is_printed_for_people() {
        let text = "{dispute.ref}, {dispute.amount}, {dispute.reason}, {dispute.network}, \
            {dispute.provider_reason}, opened {dispute.opened_at}, due {cycle.respond_by}, \
            {customer.disputes_90d} others";
        assert_eq!(
            summary(text, json!({})).unwrap(),
            "dp_vase_3, 1,234.50 INR, product not received, rupay, not_there, opened 2 June 2026, 11:45 \
             Asia/Kolkata (UTC+05:30), due 12 June 2026, 23:59:59 Asia/Kolkata (UTC+05:30), 2 others"
        );
    }

    #[test]
    fn facts_are_printed_by_their_kind() {
        let facts = json!({
            "day": "2026-05-30", "at": "2026-05-30T10:00:00+02:00", "n": 3, "yes": true, "list": ["a", 2],
            "deep": { "er": "x" }, "braces": "{facts.n}"
        });
        let text =
            "{facts.day}|{facts.at}|{facts.n}|{facts.yes}|{facts.list}|{ facts.deep.er }|{facts.braces}|{{}}";
        assert_eq!(
            summary(text, facts).unwrap(),
            "30 May 2026|30 May 2026, 13:30 Asia/Kolkata (UTC+05:30)|3|yes|a, 2|x|{facts.n}|{}"
        );
    }

    #[test]
    fn a_placeholder_without_a_value_leaves_the_field_out_and_is_named() {
        let facts = json!({ "null": null, "blank": " ", "object": { "a": 1 }, "empty": [], "here": "x" });
        let text = "{facts.here} {facts.null} {facts.blank} {facts.object} {facts.empty} {facts.gone} \
            {facts.here.deeper} {dispute.network_code} {customer.disputes_total} {evidence.customer_name}";
        assert_eq!(
            summary(text, facts).unwrap_err(),
            [
                "facts.null",
                "facts.blank",
                "facts.object",
                "facts.empty",
                "facts.gone",
                "facts.here.deeper",
                "dispute.network_code",
                "customer.disputes_total",
                "evidence.customer_name"
            ]
        );
    }

    #[test]
    fn what_people_give_wins_over_facts_and_facts_over_the_template() {
        let mut explicit = Packet { fee_acknowledged: true, ..Packet::default() };
        explicit.text.insert(Field::Summary, "by a person".to_owned());
        let facts = json!({ "evidence": {
            "summary": "by the shop", "customer_name": "Asha", "receipt": ["file_1", "file_2"], "refund_policy": "file_3"
        } });
        let slots: &[(Field, &[&str])] = &[
            (Field::Summary, &["by the template"]),
            (Field::CustomerName, &["nobody"]),
            (Field::ProductDescription, &["for {evidence.customer_name}: {evidence.summary}"]),
            (Field::Receipt, &["file_9"]),
            (Field::ServiceDocumentation, &["{evidence.receipt}", "file_8"]),
        ];
        let rendered = render(slots, facts, &explicit);
        let text = &rendered.packet.text;
        assert_eq!(text[&Field::Summary], "by a person");
        assert_eq!(text[&Field::CustomerName], "Asha");
        assert_eq!(text[&Field::ProductDescription], "for Asha: by a person");
        assert_eq!(rendered.packet.files[&Field::Receipt], ["file_1", "file_2"]);
        assert_eq!(rendered.packet.files[&Field::RefundPolicy], ["file_3"]);
        assert_eq!(rendered.packet.files[&Field::ServiceDocumentation], ["file_1", "file_2", "file_8"]);
        assert!(
            rendered.packet.fee_acknowledged && rendered.missing.is_empty() && rendered.ignored.is_empty()
        );
    }

    #[test]
    fn files_that_are_known_go_in_and_the_others_are_named() {
        let facts = json!({ "proof": "file_5", "more": [1], "none": [] });
        let slots: &[(Field, &[&str])] = &[
            (Field::ShippingDocumentation, &["{facts.proof}", "{facts.more}"]),
            (Field::Receipt, &["{facts.none}"]),
        ];
        let rendered = render(slots, facts, &Packet::default());
        assert_eq!(rendered.packet.files[&Field::ShippingDocumentation], ["file_5"]);
        assert!(!rendered.packet.files.contains_key(&Field::Receipt));
        let missing: Vec<_> = rendered.missing.iter().map(Missing::to_string).collect();
        assert_eq!(
            missing,
            ["receipt: no value for facts.none", "shipping_documentation: no value for facts.more"]
        );
    }

    #[test]
    fn evidence_from_facts_that_cannot_be_used_is_named() {
        let facts = json!({ "evidence": { "reciept": "file_1", "summary": 3, "receipt": ["file_1", 2], "customer_name": " " } });
        let read = FromFacts::read(&facts);
        assert!(read.packet.is_empty());
        assert_eq!(read.ignored.len(), 4, "{:?}", read.ignored);
        assert!(read.ignored.contains(&"facts.evidence.reciept is not an evidence field".to_owned()));
        for odd in [json!({ "evidence": "x" }), json!({ "evidence": [] })] {
            assert_eq!(FromFacts::read(&odd).ignored.len(), 1);
        }
        for none in [json!({}), json!(null), json!([1]), json!({ "evidence": null })] {
            assert_eq!(FromFacts::read(&none), FromFacts::default());
        }
    }

    #[test]
    fn mistakes_are_all_found_and_nothing_is_set() {
        let mut template = Template::default();
        let mistakes =
            template.set(Field::Summary, &["{nothing.x} and {evidence.reciept} and }"]).unwrap_err();
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert_eq!(template, Template::default());
        assert!(template.set(Field::Receipt, &["file_1 file_2 {facts.a}"]).is_err());
        assert!(template.set(Field::Receipt, &["file_1", "{facts.a}"]).is_ok());
    }
}
