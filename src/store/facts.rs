//! Facts: what the merchant knows of an order and its customer, one JSON object per subject. A subject is a
//! provider's id of the payment, the charge or the dispute. The newest word stands; each decision keeps the
//! facts it saw.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use crate::dispute::{DisputeId, MerchantId};

/// The largest facts about one subject, bytes of JSON.
pub const FACTS_BYTES_MAX: usize = 256 * 1024;
/// The longest id of a subject, bytes.
pub const SUBJECT_BYTES_MAX: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFacts {
    #[error(
        "facts are one JSON object, as in {{\"delivered_at\": \"2026-11-02T09:30:00Z\"}}, and this is {0}"
    )]
    NotAnObject(&'static str),
    #[error("facts hold a NUL character under `{0}`, which the database cannot keep")]
    Nul(String),
    #[error("facts may take {FACTS_BYTES_MAX} bytes, and these take {0}")]
    TooLarge(usize),
    #[error(
        "`{0}` is not an id of a payment, charge or dispute: 1 to {SUBJECT_BYTES_MAX} visible characters"
    )]
    BadSubject(String),
}

/// What happens to facts that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A JSON Merge Patch (RFC 7396): objects are merged, other values replaced, `null` removes a key.
    Merge,
    Replace,
}

/// One subject's facts, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFacts {
    merchant_id: MerchantId,
    subject: String,
    facts: Map<String, Value>,
}

impl NewFacts {
    pub fn new(merchant_id: MerchantId, subject: &str, facts: Value) -> Result<Self, BadFacts> {
        let visible = !subject.chars().any(|c| c.is_control() || c.is_whitespace());
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || !visible {
            return Err(BadFacts::BadSubject(subject.chars().filter(|c| !c.is_control()).take(64).collect()));
        }
        let size = facts.to_string().len();
        if size > FACTS_BYTES_MAX {
            return Err(BadFacts::TooLarge(size));
        }
        let facts = object(facts)?;
        for (key, value) in &facts {
            if key.contains('\0') || holds_nul(value) {
                return Err(BadFacts::Nul(key.replace('\0', "\\0").chars().take(64).collect()));
            }
        }
        Ok(Self { merchant_id, subject: subject.to_owned(), facts })
    }
}

fn object(value: Value) -> Result<Map<String, Value>, BadFacts> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Err(BadFacts::NotAnObject("null")),
        Value::Bool(_) => Err(BadFacts::NotAnObject("true or false")),
        Value::Number(_) => Err(BadFacts::NotAnObject("a number")),
        Value::String(_) => Err(BadFacts::NotAnObject("a string")),
        Value::Array(_) => Err(BadFacts::NotAnObject("a list")),
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map.iter().any(|(k, v)| k.contains('\0') || holds_nul(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What became of setting facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    Changed {
        version: i32,
    },
    /// The same was known already: no new version.
    Unchanged {
        version: i32,
    },
}

/// Sets one subject's facts. Run it in a transaction: the row is locked between reading and writing.
pub async fn set(
    conn: &mut PgConnection,
    new: &NewFacts,
    mode: Mode,
    source: &str,
    now: DateTime<Utc>,
) -> Result<Set, SetError> {
    // The row stands before it is read, so that two who set the same subject at once take turns.
    sqlx::query(
        "insert into facts (merchant_id, subject, facts, version, source, updated_at)
        values ($1, $2, '{}', 0, $3, $4)
        on conflict on constraint facts_pkey do nothing",
    )
    .bind(new.merchant_id)
    .bind(&new.subject)
    .bind(source)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    let (known, version): (Value, i32) =
        sqlx::query_as("select facts, version from facts where merchant_id = $1 and subject = $2 for update")
            .bind(new.merchant_id)
            .bind(&new.subject)
            .fetch_one(&mut *conn)
            .await?;
    let known = object(known)?;
    let facts = match mode {
        Mode::Replace => new.facts.clone(),
        Mode::Merge => merged(known.clone(), &new.facts),
    };
    if facts == known && version > 0 {
        return Ok(Set::Unchanged { version });
    }
    let facts = Value::Object(facts);
    let size = facts.to_string().len();
    if size > FACTS_BYTES_MAX {
        return Err(BadFacts::TooLarge(size).into());
    }
    let version = sqlx::query_scalar(
        "update facts
        set facts = $3, version = version + 1, source = $4, updated_at = $5
        where merchant_id = $1 and subject = $2
        returning version",
    )
    .bind(new.merchant_id)
    .bind(&new.subject)
    .bind(facts)
    .bind(source)
    .bind(now)
    .fetch_one(conn)
    .await?;
    Ok(Set::Changed { version })
}

#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error(transparent)]
    Bad(#[from] BadFacts),
    #[error("the facts could not be kept")]
    Database(#[from] sqlx::Error),
}

/// RFC 7396, section 2.
fn merged(mut known: Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in patch {
        match value {
            Value::Null => _ = known.remove(key),
            Value::Object(inner) => {
                let under = match known.remove(key) {
                    Some(Value::Object(under)) => under,
                    Some(_) | None => Map::new(),
                };
                known.insert(key.clone(), Value::Object(merged(under, inner)));
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                known.insert(key.clone(), value.clone());
            }
        }
    }
    known
}

/// The facts of many disputes in one query: for each, what is known under any of its subjects. Where two
/// subjects know the same key, the later in the list is believed: put the dispute after the payment.
/// `{}` where nothing is known.
pub async fn for_disputes(
    conn: &mut PgConnection,
    disputes: &[(MerchantId, Vec<&str>)],
) -> sqlx::Result<Vec<Value>> {
    let wanted = || disputes.iter().flat_map(|(m, subjects)| subjects.iter().map(|s| (*m, *s)));
    let rows: Vec<(MerchantId, String, Value)> = sqlx::query_as(
        "select f.merchant_id, f.subject, f.facts
        from (select distinct * from unnest($1::bigint[], $2::text[])) as w (merchant_id, subject)
        join facts f on f.merchant_id = w.merchant_id and f.subject = w.subject",
    )
    .bind(wanted().map(|(m, _)| m).collect::<Vec<_>>())
    .bind(wanted().map(|(_, s)| s).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let known: HashMap<(MerchantId, String), Value> = rows.into_iter().map(|(m, s, f)| ((m, s), f)).collect();
    let of_one = |merchant_id: MerchantId, subjects: &[&str]| {
        let mut facts = Map::new();
        for subject in subjects {
            if let Some(Value::Object(more)) = known.get(&(merchant_id, (*subject).to_owned())) {
                facts.extend(more.clone());
            }
        }
        Value::Object(facts)
    };
    Ok(disputes.iter().map(|(m, subjects)| of_one(*m, subjects)).collect())
}

/// One subject's facts as they stand.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
pub struct Known {
    pub subject: String,
    pub facts: Value,
    pub version: i32,
    pub source: String,
    pub updated_at: DateTime<Utc>,
}

pub async fn get(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    subject: &str,
) -> sqlx::Result<Option<Known>> {
    sqlx::query_as(
        "select subject, facts, version, source, updated_at
        from facts
        where merchant_id = $1 and subject = $2",
    )
    .bind(merchant_id)
    .bind(subject)
    .fetch_optional(conn)
    .await
}

/// The ids under which a merchant's own system may know of a dispute.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KnownAs {
    pub payment_ref: Option<String>,
    pub charge_ref: Option<String>,
    pub dispute_ref: String,
}

pub async fn known_as(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Option<KnownAs>> {
    sqlx::query_as(
        "select payment_ref, charge_ref, dispute_ref
        from disputes
        where merchant_id = $1 and dispute_id = $2",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .fetch_optional(conn)
    .await
}

/// Has the open cycles of the disputes that these facts are about looked at now. Returns how many.
pub async fn wake_cycles(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    subject: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "with woken as (
            select c.merchant_id, c.dispute_id, c.n
            from disputes d
            join cycles c on c.merchant_id = d.merchant_id and c.dispute_id = d.dispute_id
            where d.merchant_id = $1
                and (d.payment_ref = $2 or d.charge_ref = $2 or d.dispute_ref = $2)
                and c.state = 'open'
            -- In the order in which turns write.
            order by c.dispute_id
            for update of c
        )
        update cycles c
        set wake_at = least(c.wake_at - interval '1 microsecond', $3)
        from woken w
        where c.merchant_id = w.merchant_id and c.dispute_id = w.dispute_id and c.n = w.n",
    )
    .bind(merchant_id)
    .bind(subject)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_that_cannot_be_kept_are_refused_by_name() {
        let bad = |subject: &str, facts: Value| NewFacts::new(1, subject, facts).unwrap_err();
        assert_eq!(bad("pay_1", json!([1])), BadFacts::NotAnObject("a list"));
        assert_eq!(bad("pay_1", json!(null)), BadFacts::NotAnObject("null"));
        assert_eq!(bad("pay_1", json!({"a": {"b": ["x\u{0}"]}})), BadFacts::Nul("a".into()));
        assert_eq!(bad("pay_1", json!({"k\u{0}": 1})), BadFacts::Nul("k\\0".into()));
        assert!(matches!(bad("pay_1", json!({"a": "x".repeat(FACTS_BYTES_MAX)})), BadFacts::TooLarge(_)));
        for subject in ["", "a b", "a\nb", &"x".repeat(256)] {
            assert!(matches!(bad(subject, json!({})), BadFacts::BadSubject(_)), "{subject:?}");
        }
    }

    #[test]
    fn merging_goes_into_objects_and_null_removes() {
        let map = |v: Value| object(v).unwrap();
        let known = map(json!({"a": 1, "b": {"x": 1, "z": 9}, "c": 3, "e": 5}));
        let new = map(json!({"b": {"y": 2, "z": null}, "c": null, "d": [4], "e": {"f": null}}));
        let wanted = json!({"a": 1, "b": {"x": 1, "y": 2}, "d": [4], "e": {}});
        assert_eq!(Value::Object(merged(known, &new)), wanted);
    }
}
