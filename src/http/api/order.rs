//! Reads orders: the bodies of `defend`, `accept` and `evidence`. A key that is not known is refused by name, because
//! what it was meant to say would be left out of something that cannot be undone. Pure.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::desk::{Given, Piece, Want, Wish, reason};
use crate::evidence::{Field, FieldKind, spelled};
use crate::store::evidence::Named;
use crate::store::files::NewFile;

/// The fields of the SDK's document, and two of ours.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defence {
    dispute_id: Option<String>,
    reason_code: Option<String>,
    explanation: Option<String>,
    /// False: the explanation is kept and nothing is sent, so that nothing else may be said of the defence: it would be
    /// left out when it is sent. A defence is sent otherwise.
    submit_evidence: Option<bool>,
    template: Option<String>,
    #[serde(default)]
    acknowledge_fee: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acceptance {
    dispute_id: Option<String>,
}

pub(super) fn defend(body: &[u8], named: &Named) -> Result<Wish, Problem> {
    let defence: Defence = read(body)?;
    same_dispute(defence.dispute_id.as_deref(), named)?;
    let reason = defence.reason_code.map(reason_code).transpose()?;
    let template = defence.template.map(|name| name_of("template", name)).transpose()?;
    if defence.submit_evidence == Some(false) {
        let said = [
            ("reason_code", reason.is_some()),
            ("template", template.is_some()),
            ("acknowledge_fee", defence.acknowledge_fee),
        ];
        goes_with_a_defence(said, "`submit_evidence` is false")?;
        if defence.explanation.is_none() {
            return Err(Problem::invalid(
                "`submit_evidence` is false and there is no `explanation`: there is nothing to keep",
            ));
        }
    }
    let words = |text| Piece { field: Field::Summary, given: Given::Words(text) };
    let want = match defence.submit_evidence {
        Some(true) | None => Want::Defend { template, reason, acknowledge_fee: defence.acknowledge_fee },
        Some(false) => Want::Keep,
    };
    wish(want, defence.explanation.map(words).into_iter().collect())
}

pub(super) fn accept(body: &[u8], named: &Named) -> Result<Wish, Problem> {
    let acceptance: Acceptance = read(if body.trim_ascii().is_empty() { b"{}" } else { body })?;
    same_dispute(acceptance.dispute_id.as_deref(), named)?;
    wish(Want::Accept, Vec::new())
}

/// What `evidence` reads from JSON.
pub(super) fn evidence(body: &[u8], named: &Named) -> Result<Wish, Problem> {
    let Keys(keys) = read(body)?;
    evidence_of(keys, Vec::new(), named)
}

/// Evidence as one object under `evidence`, or its fields beside the other keys; sent if `submit` is true or
/// `action` is `submit`. One of the two has to be there: each document has another default.
pub(super) fn evidence_of(
    mut keys: Map<String, Value>,
    files: Vec<(Field, NewFile)>,
    named: &Named,
) -> Result<Wish, Problem> {
    let dispute_id = text(&mut keys, "dispute_id")?;
    same_dispute(dispute_id.as_deref(), named)?;
    let submit = submits(&mut keys)?;
    let reason = text(&mut keys, "reason_code")?.map(reason_code).transpose()?;
    let explanation = text(&mut keys, "explanation")?;
    let amount_minor = match keys.remove("amount") {
        None | Some(Value::Null) => None,
        Some(amount) => Some(
            amount.as_i64().ok_or_else(|| Problem::invalid("`amount` is a whole number of minor units"))?,
        ),
    };
    if !submit {
        goes_with_a_defence([("reason_code", reason.is_some())], "this is a draft")?;
    }
    let mut pieces = Vec::new();
    if let Some(explanation) = explanation {
        pieces.push(Piece { field: Field::Summary, given: Given::Words(explanation) });
    }
    match keys.remove("evidence") {
        None | Some(Value::Null) => {}
        Some(Value::Object(fields)) => fields_of(fields, &mut pieces)?,
        Some(_) => return Err(Problem::invalid("`evidence` is an object of fields")),
    }
    fields_of(keys, &mut pieces)?;
    pieces.extend(files.into_iter().map(|(field, file)| Piece { field, given: Given::File(file) }));
    let want = match submit {
        true => Want::Defend { template: None, reason, acknowledge_fee: false },
        false => Want::Keep,
    };
    if want == Want::Keep && pieces.is_empty() {
        return Err(Problem::invalid("there is no evidence in this draft"));
    }
    Ok(wish(want, pieces)?.contesting(amount_minor))
}

/// A draft is evidence alone: whatever else is said of a defence would be lost without a word.
fn goes_with_a_defence<const N: usize>(said: [(&str, bool); N], why: &str) -> Result<(), Problem> {
    match said.iter().find(|(_, is_said)| *is_said) {
        None => Ok(()),
        Some((name, _)) => Err(Problem::invalid(format!(
            "`{name}` goes with a defence that is sent, and {why}: leave it out here, and give it with the order that \
             sends the evidence"
        ))),
    }
}

fn submits(keys: &mut Map<String, Value>) -> Result<bool, Problem> {
    let submit = keys.remove("submit").filter(|v| !v.is_null());
    let action = keys.remove("action").filter(|v| !v.is_null());
    let submit = match &submit {
        None => None,
        Some(Value::Bool(submit)) => Some(*submit),
        Some(_) => return Err(Problem::invalid("`submit` is true or false")),
    };
    let action = match action.as_ref().map(Value::as_str) {
        None => None,
        Some(Some("submit")) => Some(true),
        Some(Some("draft")) => Some(false),
        Some(_) => return Err(Problem::invalid("`action` is draft or submit")),
    };
    match (submit, action) {
        (Some(a), Some(b)) if a != b => Err(Problem::invalid("`submit` and `action` contradict each other")),
        (Some(submit), _) | (None, Some(submit)) => Ok(submit),
        (None, None) => Err(Problem::invalid(
            "say whether it is to be sent: `submit` (true or false) or `action` (draft or submit)",
        )),
    }
}

fn fields_of(fields: Map<String, Value>, pieces: &mut Vec<Piece>) -> Result<(), Problem> {
    // Null is not given, as both documents write it.
    for (word, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        if word != "others" {
            piece(&word, value, pieces)?;
            continue;
        }
        let Value::Array(all) = value else { return Err(Problem::invalid("`others` is a list")) };
        for other in all {
            others(other, pieces)?;
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    r#type: String,
    document_ids: Vec<String>,
}

/// Documents for which there is no key: under the field their type names, if it is one.
fn others(other: Value, pieces: &mut Vec<Piece>) -> Result<(), Problem> {
    let other: Other = serde_json::from_value(other).map_err(|e| {
        Problem::invalid(format!("`others` holds objects with `type` and `document_ids`: {e}"))
    })?;
    let field = spelled(&other.r#type, FieldKind::File).unwrap_or(Field::UncategorizedFile);
    let ids = other.document_ids.into_iter();
    pieces.extend(ids.map(|id| Piece { field, given: Given::ProviderFile(id) }));
    Ok(())
}

fn piece(word: &str, value: Value, pieces: &mut Vec<Piece>) -> Result<(), Problem> {
    let field_for = |kind| {
        spelled(word, kind).ok_or_else(|| {
            let known = spelled(word, FieldKind::Text).or(spelled(word, FieldKind::File));
            let shown: String = word.chars().take(64).collect();
            Problem::invalid(match known.map(Field::kind) {
                Some(FieldKind::Text) => format!("`{shown}` takes words, and there is a list"),
                Some(FieldKind::File) => format!("`{shown}` takes the provider's ids of files"),
                None => format!("`{shown}` is no evidence field"),
            })
        })
    };
    match value {
        Value::String(text) => match spelled(word, FieldKind::Text) {
            Some(field) => pieces.push(Piece { field, given: Given::Words(text) }),
            None => {
                let field = field_for(FieldKind::File)?;
                pieces.push(Piece { field, given: Given::ProviderFile(text) });
            }
        },
        Value::Array(ids) => {
            let field = field_for(FieldKind::File)?;
            for id in ids {
                let Value::String(id) = id else {
                    return Err(Problem::invalid(format!("`{field}` is a list of ids, which are texts")));
                };
                pieces.push(Piece { field, given: Given::ProviderFile(id) });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            // Names the field first, if there is none of that name.
            field_for(FieldKind::Text).or_else(|_| field_for(FieldKind::File))?;
            return Err(Problem::invalid(format!("`{word}` is a text or a list of ids")));
        }
    }
    Ok(())
}

fn wish(want: Want, pieces: Vec<Piece>) -> Result<Wish, Problem> {
    Wish::new(want, pieces).map_err(|bad| Problem::invalid(bad.to_program()))
}

/// More than any order has. A value takes up to fifty times the memory of the bytes that say it.
const VALUES_MAX: usize = 1000;

/// Whether the JSON has more values than that, by the marks that part and open them.
fn is_crowded(json: &[u8]) -> bool {
    let (mut values, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b',' | b'[' | b'{') => values += 1,
            _ => {}
        }
    }
    values > VALUES_MAX
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if is_crowded(body) {
        return Err(Problem::invalid(format!(
            "the body has more than {VALUES_MAX} values, and no order has"
        )));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json)
        .map_err(|e| Problem::invalid(format!("the body is not what is expected here: {e}")))?;
    json.end().map_err(|e| Problem::invalid(format!("the body goes on after its end: {e}")))?;
    Ok(read)
}

/// An object in which every key stands once: of two with one name, one would be left out.
struct Keys(Map<String, Value>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Once)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Keys, A::Error> {
        let mut keys = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = match name.as_str() {
                "evidence" => {
                    entries.next_value::<Option<Keys>>()?.map_or(Value::Null, |Keys(keys)| keys.into())
                }
                _ => entries.next_value()?,
            };
            if keys.contains_key(&name) {
                let shown: String = name.chars().take(64).collect();
                return Err(A::Error::custom(format!("`{shown}` is given twice")));
            }
            keys.insert(name, value);
        }
        Ok(Keys(keys))
    }
}

fn text(keys: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match keys.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::invalid(format!("`{name}` is a text"))),
    }
}

/// A body that names its dispute names the one in the address.
fn same_dispute(given: Option<&str>, named: &Named) -> Result<(), Problem> {
    match given {
        Some(id) if id != named.dispute_ref && id != named.dispute_id.to_string() => {
            Err(Problem::invalid("`dispute_id` in the body is another than in the address"))
        }
        Some(_) | None => Ok(()),
    }
}

/// In our words; handed on to providers that want one.
fn reason_code(code: String) -> Result<String, Problem> {
    reason(&code).map_err(|none| Problem::invalid(none.to_string()))
}

fn name_of(what: &str, text: String) -> Result<String, Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match (1..=64).contains(&text.len()) && text.chars().all(plain) {
        true => Ok(text),
        false => Err(Problem::invalid(format!("`{what}` is 1 to 64 letters, digits, `_`, `-` and `.`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> Named {
        Named {
            merchant_id: 1,
            merchant: "acme".into(),
            dispute_id: 77,
            account_id: 10,
            provider: "any".into(),
            account: "eu".into(),
            dispute_ref: "dp_77".into(),
            payment_ref: None,
            charge_ref: None,
        }
    }

    fn file(field: Field, id: &str) -> Piece {
        Piece { field, given: Given::ProviderFile(id.into()) }
    }

    fn words(field: Field, text: &str) -> Piece {
        Piece { field, given: Given::Words(text.into()) }
    }

    fn sent(reason: Option<&str>) -> Want {
        Want::Defend { template: None, reason: reason.map(str::to_owned), acknowledge_fee: false }
    }

    #[test]
    fn the_fields_of_the_sdk_s_document_are_a_defence() {
        let body =
            br#"{"dispute_id": "dp_77", "reason_code": "goods_arrived", "explanation": "It was signed for.",
            "submit_evidence": true}"#;
        let wanted =
            Wish::new(sent(Some("goods_arrived")), vec![words(Field::Summary, "It was signed for.")]);
        assert_eq!(defend(body, &named()).unwrap(), wanted.unwrap());
        let kept = defend(br#"{"explanation": "It was.", "submit_evidence": false}"#, &named()).unwrap();
        assert_eq!(kept.want, Want::Keep);
        assert_eq!(defend(b"{}", &named()).unwrap().want, sent(None));
    }

    #[test]
    fn the_document_s_reasons_are_ours_wherever_they_stand() {
        for (theirs, ours) in [
            ("product_or_service_provided", "goods_services_received"),
            ("GOODS_SERVICES_RECEIVED", "goods_services_received"),
            ("merchandise_or_service_not_as_described", "as_described"),
            ("SupplyDefenseMaterial", "SupplyDefenseMaterial"),
        ] {
            let body = format!(r#"{{"reason_code": "{theirs}"}}"#);
            assert_eq!(defend(body.as_bytes(), &named()).unwrap().want, sent(Some(ours)));
            let body = format!(r#"{{"reason_code": "{theirs}", "summary": "It came.", "submit": true}}"#);
            assert_eq!(evidence(body.as_bytes(), &named()).unwrap().want, sent(Some(ours)));
        }
    }

    #[test]
    fn evidence_is_understood_in_both_documents_words() {
        let wanted = vec![
            words(Field::Summary, "It came."),
            file(Field::ShippingDocumentation, "doc_1"),
            file(Field::ShippingDocumentation, "doc_2"),
        ];
        let nested = br#"{"evidence": {"summary": "It came.", "shipping_documentation": ["doc_1", "doc_2"],
            "receipt": null}, "submit": false}"#;
        let flat = br#"{"amount": 500, "summary": "It came.", "shipping_proof": ["doc_1", "doc_2"],
            "billing_proof": null, "action": "draft"}"#;
        let kept = Wish::new(Want::Keep, wanted.clone()).unwrap();
        assert_eq!(evidence(nested, &named()).unwrap(), kept);
        assert_eq!(evidence(flat, &named()).unwrap(), kept.contesting(Some(500)));
        let others = br#"{"others": [{"type": "signed_by_both", "document_ids": ["doc_3"]},
            {"type": "proof_of_service", "document_ids": ["doc_4"]}], "access_activity_log": ["doc_5"],
            "action": "submit"}"#;
        let wanted = vec![
            file(Field::AccessActivityDocumentation, "doc_5"),
            file(Field::ServiceDocumentation, "doc_4"),
            file(Field::UncategorizedFile, "doc_3"),
        ];
        assert_eq!(evidence(others, &named()).unwrap(), Wish::new(sent(None), wanted).unwrap());
        let log =
            evidence(br#"{"evidence": {"access_activity_log": "seen twice"}, "submit": true}"#, &named());
        assert_eq!(
            log.unwrap(),
            Wish::new(sent(None), vec![words(Field::AccessActivityLog, "seen twice")]).unwrap()
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name_and_nothing_is_guessed() {
        type Read = fn(&[u8], &Named) -> Result<Wish, Problem>;
        let table: &[(Read, &str, &str)] = &[
            (defend, "", "not what is expected"),
            (defend, "[]", "not what is expected"),
            (defend, "{} {}", "goes on after its end"),
            (defend, r#"{"reason": "x"}"#, "unknown field `reason`"),
            (defend, r#"{"reason_code": ""}"#, "`reason_code` is 1 to 64"),
            (defend, r#"{"reason_code": "a\u0000"}"#, "`reason_code` is 1 to 64"),
            (defend, r#"{"explanation": ""}"#, "`summary` is empty"),
            (defend, r#"{"explanation": "a\u0000b"}"#, "NUL"),
            (defend, r#"{"submit_evidence": "yes"}"#, "submit_evidence"),
            (defend, r#"{"dispute_id": "dp_78"}"#, "another than in the address"),
            (
                defend,
                r#"{"explanation": "x", "reason_code": "credit_not_processed", "submit_evidence": false}"#,
                "`reason_code` goes with a defence that is sent, and `submit_evidence` is false: leave it out here",
            ),
            (
                defend,
                r#"{"explanation": "x", "template": "words", "submit_evidence": false}"#,
                "`template` goes with",
            ),
            (
                defend,
                r#"{"explanation": "x", "acknowledge_fee": true, "submit_evidence": false}"#,
                "`acknowledge_fee` goes with",
            ),
            (defend, r#"{"submit_evidence": false}"#, "there is nothing to keep"),
            (evidence, r#"{"summary": "x", "reason_code": "x", "submit": false}"#, "`reason_code` goes with"),
            (evidence, r#"{"summary": "x", "reason_code": "x", "action": "draft"}"#, "and this is a draft"),
            (accept, r#"{"explanation": "x"}"#, "unknown field"),
            (accept, r#"{"dispute_id": "78"}"#, "another than in the address"),
            (evidence, r#"{"summary": "x"}"#, "say whether it is to be sent"),
            (evidence, r#"{"summary": "x", "submit": true, "action": "draft"}"#, "contradict"),
            (evidence, r#"{"summary": "x", "submit": "true"}"#, "`submit` is true or false"),
            (evidence, r#"{"summary": "x", "action": "send"}"#, "`action` is draft or submit"),
            (evidence, r#"{"submit": false}"#, "no evidence in this draft"),
            (
                evidence,
                r#"{"shiping_proof": ["doc_1"], "submit": true}"#,
                "`shiping_proof` is no evidence field",
            ),
            (evidence, r#"{"evidence": {"receit": "f"}, "submit": true}"#, "`receit` is no evidence field"),
            (evidence, r#"{"evidence": {"receipt": 7}, "submit": true}"#, "`receipt` is a text or a list"),
            (evidence, r#"{"evidence": {"summary": ["a"]}, "submit": true}"#, "`summary` takes words"),
            (evidence, r#"{"evidence": {"receipt": ["a/b"]}, "submit": true}"#, "not a provider's file id"),
            (evidence, r#"{"evidence": {"receipt": [7]}, "submit": true}"#, "list of ids"),
            (evidence, r#"{"evidence": "x", "submit": true}"#, "expected an object"),
            (evidence, r#"{"summary": "x", "submit": false, "submit": true}"#, "`submit` is given twice"),
            (
                evidence,
                r#"{"evidence": {"summary": "x", "summary": "y"}, "submit": true}"#,
                "`summary` is given twice",
            ),
            (defend, r#"{"explanation": "x", "explanation": "y"}"#, "duplicate field"),
            (evidence, r#"{"others": [{"kind": "x"}], "submit": true}"#, "`type` and `document_ids`"),
            (evidence, r#"{"summary": "x", "amount": 1.5, "submit": true}"#, "`amount` is a whole number"),
        ];
        for (read, body, part) in table {
            let problem =
                read(body.as_bytes(), &named()).map_or_else(|p| format!("{p:?}"), |w| format!("{w:?}"));
            assert!(problem.contains(part), "{body}: {problem}");
        }
        let many = format!(r#"{{"receipt": [{}"a"], "submit": true}}"#, r#""a", "#.repeat(1000));
        let problem = format!("{:?}", evidence(many.as_bytes(), &named()).unwrap_err());
        assert!(problem.contains("more than 1000 values"), "{problem}");
        // Marks in a text are text.
        let marks = format!(r#"{{"summary": "{}", "submit": false}}"#, r#"a, [b], \", {c} \\ "#.repeat(2000));
        assert!(evidence(marks.as_bytes(), &named()).is_ok());
        let long = format!(r#"{{"{}": "x", "submit": true}}"#, "x".repeat(100_000));
        for read in [defend as Read, accept, evidence] {
            let problem = format!("{:?}", read(long.as_bytes(), &named()).unwrap_err());
            assert!(problem.chars().count() < 1200, "{}", problem.len());
        }
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(evidence(deep.as_bytes(), &named()).is_err());
    }
}
