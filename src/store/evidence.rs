//! Evidence that people attach to a dispute: words, files of ours, or ids of files the provider has. Loaded
//! for many disputes at once, as packets for the account that each dispute is at.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::dispute::{AccountId, DisputeId, FileDelivery, MerchantId};
use crate::engine::OwnFile;
use crate::evidence::{Field, FieldKind, FileRef, Packet};

/// The longest text of one entry, characters: what the most generous provider takes for a whole dispute.
/// Each provider's own limits are checked when a packet is made.
pub const WORDS_CHARS_MAX: usize = 150_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Words(String),
    /// A file of ours (`store::files`).
    File(i64),
    /// The provider's id of a file that is already there.
    ProviderFile(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEvidence {
    #[error("`{0}` holds words, not a file: give it --text")]
    WantsWords(Field),
    #[error("`{0}` holds files, not words: give it --file or --provider-file")]
    WantsFile(Field),
    #[error("the text for `{0}` is empty")]
    Empty(Field),
    #[error("the text for `{field}` has {chars} characters, and at most {WORDS_CHARS_MAX} are taken")]
    TooLong { field: Field, chars: usize },
    #[error("the text for `{0}` holds a NUL character, which the database cannot keep")]
    Nul(Field),
    #[error("`{0}` is not a provider's file id: 1 to 255 letters, digits, `_` and `-`")]
    BadProviderFile(String),
}

impl BadEvidence {
    /// As it is told to a program, which has no flags to give.
    pub fn to_program(&self) -> String {
        match self {
            Self::WantsWords(field) => format!("`{field}` takes words"),
            Self::WantsFile(field) => format!("`{field}` takes files, by their bytes or the provider's ids"),
            Self::Empty(_) => format!("{self}: leave it out, or say something"),
            Self::TooLong { .. } | Self::Nul(_) | Self::BadProviderFile(_) => self.to_string(),
        }
    }
}

/// One piece of evidence for a field that takes its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvidence {
    field: Field,
    form: Form,
}

impl NewEvidence {
    pub fn new(field: Field, form: Form) -> Result<Self, BadEvidence> {
        match (field.kind(), &form) {
            (FieldKind::Text, Form::Words(words)) => check_words(field, words)?,
            (FieldKind::File, Form::File(_)) => {}
            (FieldKind::File, Form::ProviderFile(id)) => check_provider_file(id)?,
            (FieldKind::Text, Form::File(_) | Form::ProviderFile(_)) => {
                return Err(BadEvidence::WantsWords(field));
            }
            (FieldKind::File, Form::Words(_)) => return Err(BadEvidence::WantsFile(field)),
        }
        Ok(Self { field, form })
    }
}

fn check_words(field: Field, words: &str) -> Result<(), BadEvidence> {
    let chars = words.chars().count();
    if words.trim().is_empty() {
        return Err(BadEvidence::Empty(field));
    }
    if chars > WORDS_CHARS_MAX {
        return Err(BadEvidence::TooLong { field, chars });
    }
    if words.contains('\0') {
        return Err(BadEvidence::Nul(field));
    }
    Ok(())
}

fn check_provider_file(id: &str) -> Result<(), BadEvidence> {
    match crate::providers::http::is_plain_ref(id) {
        true => Ok(()),
        false => Err(BadEvidence::BadProviderFile(id.chars().filter(|c| !c.is_control()).take(64).collect())),
    }
}

/// Attaches evidence after what the field has; returns its number within the field, from 1. With `replace`,
/// what the field had is removed first. Run it in a transaction.
pub async fn add(
    conn: &mut PgConnection,
    (merchant_id, dispute_id): (MerchantId, DisputeId),
    new: &NewEvidence,
    replace: bool,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<i32> {
    // The dispute's row is the queue: two who attach to the same field at once get two numbers.
    sqlx::query("select 1 from disputes where merchant_id = $1 and dispute_id = $2 for no key update")
        .bind(merchant_id)
        .bind(dispute_id)
        .execute(&mut *conn)
        .await?;
    if replace {
        sqlx::query("delete from evidence where merchant_id = $1 and dispute_id = $2 and field = $3")
            .bind(merchant_id)
            .bind(dispute_id)
            .bind(new.field.as_str())
            .execute(&mut *conn)
            .await?;
    }
    let (words, file_id, provider_file_ref) = match &new.form {
        Form::Words(words) => (Some(words), None, None),
        Form::File(file_id) => (None, Some(*file_id), None),
        Form::ProviderFile(id) => (None, None, Some(id)),
    };
    sqlx::query_scalar(
        "insert into evidence (merchant_id, dispute_id, field, n, words, file_id, provider_file_ref, added_at,
            added_by)
        select $1, $2, $3, coalesce(max(n), 0) + 1, $4, $5, $6, $7, $8
        from evidence
        where merchant_id = $1 and dispute_id = $2 and field = $3
        returning n",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .bind(new.field.as_str())
    .bind(words)
    .bind(file_id)
    .bind(provider_file_ref)
    .bind(now)
    .bind(by)
    .fetch_one(conn)
    .await
}

/// Has the dispute's open cycle looked at now; whether there was one.
pub async fn wake_cycle(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update cycles
        set wake_at = least(wake_at - interval '1 microsecond', $3)
        where merchant_id = $1 and dispute_id = $2 and state = 'open'",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Whose evidence is wanted, and for which account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub merchant_id: MerchantId,
    pub dispute_id: DisputeId,
    pub account_id: AccountId,
    /// How files reach the account's provider.
    pub delivery: FileDelivery,
}

/// A file of ours that evidence refers to and the account's provider does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToUpload {
    pub file_id: i64,
    pub name: String,
    pub field: Field,
}

/// What people attached to one dispute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// Texts of one field are joined by an empty line, in the order they were added.
    pub packet: Packet,
    /// Each file once, in the order of the fields.
    pub to_upload: Vec<ToUpload>,
    /// Each file once: those that travel in the call instead, which the packet names by id and digest.
    pub own_files: Vec<OwnFile>,
}

#[derive(sqlx::FromRow)]
struct EvidenceRow {
    merchant_id: MerchantId,
    dispute_id: DisputeId,
    account_id: AccountId,
    field: String,
    words: Option<String>,
    file_id: Option<i64>,
    provider_file_ref: Option<String>,
    file_name: Option<String>,
    media_type: Option<String>,
    sha256: Option<Vec<u8>>,
    size_bytes: Option<i64>,
}

/// The evidence attached to each of these disputes, in one query, in the order asked for.
pub async fn attached(
    conn: &mut PgConnection,
    wanted: &[Wanted],
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Attached>> {
    let rows: Vec<EvidenceRow> = sqlx::query_as(
        "select e.merchant_id, e.dispute_id, w.account_id, e.field, e.words, e.file_id,
            coalesce(e.provider_file_ref, u.provider_file_ref) as provider_file_ref, f.name as file_name,
            f.media_type, f.sha256, f.size_bytes
        from (select distinct * from unnest($1::bigint[], $2::bigint[], $3::bigint[]))
            as w (merchant_id, dispute_id, account_id)
        join evidence e on e.merchant_id = w.merchant_id and e.dispute_id = w.dispute_id
        left join files f on f.merchant_id = e.merchant_id and f.file_id = e.file_id
        left join file_uploads u on u.merchant_id = e.merchant_id and u.file_id = e.file_id
            and u.account_id = w.account_id and (u.expires_at is null or u.expires_at > $4)
        order by e.merchant_id, e.dispute_id, e.field, e.n",
    )
    .bind(wanted.iter().map(|w| w.merchant_id).collect::<Vec<_>>())
    .bind(wanted.iter().map(|w| w.dispute_id).collect::<Vec<_>>())
    .bind(wanted.iter().map(|w| w.account_id).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(conn)
    .await?;
    let key = |w: &Wanted| (w.merchant_id, w.dispute_id, w.account_id);
    let deliveries: HashMap<_, FileDelivery> = wanted.iter().map(|w| (key(w), w.delivery)).collect();
    let mut found: HashMap<_, Attached> = HashMap::new();
    for row in rows {
        let key = (row.merchant_id, row.dispute_id, row.account_id);
        let delivery = deliveries.get(&key).copied().unwrap_or(FileDelivery::Upload);
        put(found.entry(key).or_default(), row, delivery)?;
    }
    Ok(wanted.iter().map(|w| found.get(&key(w)).cloned().unwrap_or_default()).collect())
}

fn put(attached: &mut Attached, mut row: EvidenceRow, delivery: FileDelivery) -> anyhow::Result<()> {
    let field: Field = row.field.parse()?;
    if let Some(words) = row.words {
        let text = attached.packet.text.entry(field).or_default();
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&words);
    } else if let Some(own) = own_file(&mut row, delivery) {
        let names = attached.packet.files.entry(field).or_default();
        if !names.contains(&own.file_ref) {
            names.push(own.file_ref.clone());
        }
        if !attached.own_files.contains(&own) {
            attached.own_files.push(own);
        }
    } else if let Some(id) = row.provider_file_ref {
        let ids = attached.packet.files.entry(field).or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
    } else if let Some((file_id, name)) = row.file_id.zip(row.file_name)
        && !attached.to_upload.iter().any(|f| f.file_id == file_id)
    {
        attached.to_upload.push(ToUpload { file_id, name, field });
    }
    Ok(())
}

/// A file of ours that travels in the call, if this is one.
fn own_file(row: &mut EvidenceRow, delivery: FileDelivery) -> Option<OwnFile> {
    match delivery {
        FileDelivery::Upload => return None,
        FileDelivery::Inline => {}
    }
    let sha256 = row.sha256.take()?.try_into().ok()?;
    Some(OwnFile {
        file_ref: FileRef { file_id: row.file_id?, sha256 }.to_string(),
        name: row.file_name.take()?,
        media_type: row.media_type.take()?,
        size_bytes: u64::try_from(row.size_bytes?).ok()?,
    })
}

/// A piece of evidence as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Listed {
    pub field: String,
    pub n: i32,
    pub words: Option<String>,
    pub file_id: Option<i64>,
    pub file_name: Option<String>,
    pub media_type: Option<String>,
    pub size_bytes: Option<i64>,
    pub provider_file_ref: Option<String>,
    pub added_at: DateTime<Utc>,
    pub added_by: String,
}

pub async fn list(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    dispute_id: DisputeId,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as(
        "select e.field, e.n, e.words, e.file_id, f.name as file_name, f.media_type, f.size_bytes,
            coalesce(e.provider_file_ref, u.provider_file_ref) as provider_file_ref, e.added_at, e.added_by
        from evidence e
        join disputes d on d.merchant_id = e.merchant_id and d.dispute_id = e.dispute_id
        left join files f on f.merchant_id = e.merchant_id and f.file_id = e.file_id
        left join file_uploads u on u.merchant_id = e.merchant_id and u.file_id = e.file_id
            and u.account_id = d.account_id
        where e.merchant_id = $1 and e.dispute_id = $2
        order by e.field, e.n",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .fetch_all(conn)
    .await
}

/// A dispute as a person names it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Named {
    pub merchant_id: MerchantId,
    pub merchant: String,
    pub dispute_id: DisputeId,
    pub account_id: AccountId,
    pub provider: String,
    pub account: String,
    pub dispute_ref: String,
    /// The provider's ids of the payment it is about.
    pub payment_ref: Option<String>,
    pub charge_ref: Option<String>,
}

/// Every dispute with this provider's id, or, where the word is a number, with this id of ours.
pub async fn named(conn: &mut PgConnection, word: &str) -> sqlx::Result<Vec<Named>> {
    sqlx::query_as(
        "select d.merchant_id, m.name as merchant, d.dispute_id, d.account_id, p.provider, p.name as account,
            d.dispute_ref, d.payment_ref, d.charge_ref
        from accounts p
        join merchants m on m.merchant_id = p.merchant_id
        join disputes d on d.merchant_id = p.merchant_id and d.account_id = p.account_id
        where d.dispute_ref = $1 or d.dispute_id = $2
        order by d.merchant_id, d.dispute_id",
    )
    .bind(word)
    .bind(word.parse::<i64>().ok())
    .fetch_all(conn)
    .await
}

/// The same among one merchant's disputes.
pub async fn named_of(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    word: &str,
) -> sqlx::Result<Vec<Named>> {
    sqlx::query_as(
        "select d.merchant_id, m.name as merchant, d.dispute_id, d.account_id, p.provider, p.name as account,
            d.dispute_ref, d.payment_ref, d.charge_ref
        from accounts p
        join merchants m on m.merchant_id = p.merchant_id
        join disputes d on d.merchant_id = p.merchant_id and d.account_id = p.account_id
        where p.merchant_id = $1 and (d.dispute_ref = $2 or d.dispute_id = $3)
        order by d.dispute_id",
    )
    .bind(merchant_id)
    .bind(word)
    .bind(word.parse::<i64>().ok())
    .fetch_all(conn)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_takes_its_own_form_and_no_other() {
        for field in Field::ALL {
            let words = NewEvidence::new(*field, Form::Words("text".into()));
            let file = NewEvidence::new(*field, Form::File(7));
            let there = NewEvidence::new(*field, Form::ProviderFile("file_7".into()));
            match field.kind() {
                FieldKind::Text => {
                    assert!(words.is_ok());
                    assert_eq!(file, Err(BadEvidence::WantsWords(*field)));
                    assert_eq!(there, Err(BadEvidence::WantsWords(*field)));
                }
                FieldKind::File => {
                    assert_eq!(words, Err(BadEvidence::WantsFile(*field)));
                    assert!(file.is_ok() && there.is_ok());
                }
            }
        }
    }

    #[test]
    fn words_and_ids_that_cannot_be_sent_are_refused() {
        let words = |text: &str| NewEvidence::new(Field::Summary, Form::Words(text.into())).unwrap_err();
        assert_eq!(words(" \n"), BadEvidence::Empty(Field::Summary));
        assert_eq!(words("a\0b"), BadEvidence::Nul(Field::Summary));
        assert!(matches!(words(&"x".repeat(WORDS_CHARS_MAX + 1)), BadEvidence::TooLong { .. }));
        for id in ["", "a/b", "a b", "..", &"x".repeat(256)] {
            let refused = NewEvidence::new(Field::Receipt, Form::ProviderFile(id.into()));
            assert!(matches!(refused, Err(BadEvidence::BadProviderFile(_))), "{id:?}");
        }
    }
}
