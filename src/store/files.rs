//! Files that serve as evidence: their bytes, kept once, and the id each provider account gave them. What a
//! file is, its first bytes say; the name is only a label.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{Connection as _, PgConnection};

use crate::dispute::{AccountId, MerchantId};
use crate::evidence::FileRef;

/// The largest file kept, bytes: above what any provider we speak to takes for one dispute.
pub const FILE_BYTES_MAX: usize = 16 << 20;
const NAME_CHARS_MAX: usize = 200;
/// The forms that providers take, as media types.
pub const MEDIA_TYPES: [&str; 3] = [PDF, PNG, JPEG];
const PDF: &str = "application/pdf";
const PNG: &str = "image/png";
const JPEG: &str = "image/jpeg";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    #[error("`{0}` is empty")]
    Empty(String),
    #[error("`{name}` takes {size} bytes, and a file may take {FILE_BYTES_MAX}")]
    TooLarge { name: String, size: usize },
    #[error("`{0}` is neither a PDF nor a PNG nor a JPEG: those are the forms that providers take")]
    UnknownForm(String),
    #[error("`{0}` is not a name for a file: 1 to {NAME_CHARS_MAX} visible characters, no slash")]
    BadName(String),
    #[error("`{name}` is said to be `{said}`, and its first bytes say `{is}`")]
    OtherForm { name: String, said: String, is: &'static str },
}

/// A file that may be kept. Serialised, it is all but its bytes, with their digest for them.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewFile {
    name: String,
    media_type: &'static str,
    sha256: [u8; 32],
    #[serde(skip)]
    content: Bytes,
}

impl fmt::Debug for NewFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewFile({:?}, {}, {} bytes)", self.name, self.media_type, self.content.len())
    }
}

impl NewFile {
    pub fn new(name: &str, content: impl Into<Bytes>) -> Result<Self, BadFile> {
        Self::judged(name, content.into(), |content| Sha256::digest(content).into())
    }

    fn judged(name: &str, content: Bytes, digest: impl FnOnce(&[u8]) -> [u8; 32]) -> Result<Self, BadFile> {
        let shown = shown(name);
        let odd = |c: char| c.is_control() || c == '/' || c == '\\';
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(odd) {
            return Err(BadFile::BadName(shown));
        }
        if content.is_empty() {
            return Err(BadFile::Empty(shown));
        }
        if content.len() > FILE_BYTES_MAX {
            return Err(BadFile::TooLarge { name: shown, size: content.len() });
        }
        let media_type = media_type(&content).ok_or(BadFile::UnknownForm(shown))?;
        let sha256 = digest(&content);
        Ok(Self { name: name.to_owned(), media_type, sha256, content })
    }

    /// The same, if that is the media type which its sender says it has; whoever says `application/octet-stream` says
    /// nothing.
    pub fn said_to_be(self, said: &str) -> Result<Self, BadFile> {
        let bare = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let meant = match bare.as_str() {
            "" | "application/octet-stream" => self.media_type,
            // Never registered, and written all the same.
            "image/jpg" => JPEG,
            other => other,
        };
        if meant == self.media_type {
            return Ok(self);
        }
        Err(BadFile::OtherForm { name: shown(&self.name), said: shown(said), is: self.media_type })
    }

    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    pub fn content(&self) -> &Bytes {
        &self.content
    }
}

/// A file on its way: its bytes go behind whatever is in a buffer, and its digest is made as they come.
pub struct Coming<'b> {
    buffer: &'b mut BytesMut,
    sha256: Sha256,
}

impl<'b> Coming<'b> {
    /// What is in the buffer already is no part of it, and is dropped.
    pub fn into(buffer: &'b mut BytesMut) -> Self {
        buffer.clear();
        Self { buffer, sha256: Sha256::new() }
    }

    pub fn push(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        self.buffer.extend_from_slice(piece);
    }

    /// All of it has come. Its bytes stay where they are.
    pub fn named(self, name: &str) -> Result<NewFile, BadFile> {
        let Self { buffer, sha256 } = self;
        NewFile::judged(name, buffer.split().freeze(), |_| sha256.finalize().into())
    }
}

/// What of a name goes into a message.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// By the signatures that the formats' own documents give (ISO 32000 7.5.2, PNG 5.2, JPEG B.1.1.3).
fn media_type(content: &[u8]) -> Option<&'static str> {
    [
        (&b"%PDF-"[..], PDF),
        (&[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a], PNG),
        (&[0xff, 0xd8, 0xff], JPEG),
    ]
    .into_iter()
    .find_map(|(magic, media_type)| content.starts_with(magic).then_some(media_type))
}

/// Keeps a file and returns its id; the id it has already when the same file was kept before.
pub async fn add(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    file: &NewFile,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    if let Some(file_id) = kept_as(conn, merchant_id, file).await? {
        return Ok(file_id);
    }
    let mut attempt = conn.begin().await?;
    match copy_in(&mut attempt, merchant_id, file, by, now).await {
        Ok(file_id) => {
            attempt.commit().await?;
            Ok(file_id)
        }
        // Somebody kept the same at the same time.
        Err(error)
            if error.as_database_error().is_some_and(|e| e.constraint() == Some("files_content_key")) =>
        {
            attempt.rollback().await?;
            kept_as(conn, merchant_id, file).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

async fn kept_as(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    file: &NewFile,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("select file_id from files where merchant_id = $1 and sha256 = $2 and name = $3")
        .bind(merchant_id)
        .bind(&file.sha256[..])
        .bind(&file.name)
        .fetch_optional(conn)
        .await
}

/// So much of a file is handed to the database at a time.
const SLICE_BYTES: usize = 64 << 10;

/// By COPY, because a bound value is copied twice on its way, and a file is the largest thing that this process holds.
async fn copy_in(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    file: &NewFile,
    by: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    let file_id: i64 = sqlx::query_scalar("select nextval('ids')").fetch_one(&mut *conn).await?;
    let (head, tail) = row_around(merchant_id, file_id, file, by, now);
    let mut copy = conn
        .copy_in_raw(
            "copy files (merchant_id, file_id, name, media_type, sha256, size_bytes, added_at, added_by, content)
             from stdin (format binary)",
        )
        .await?;
    copy.send(&head[..]).await?;
    for slice in file.content.chunks(SLICE_BYTES) {
        copy.send(slice).await?;
    }
    copy.send(&tail[..]).await?;
    copy.finish().await?;
    Ok(file_id)
}

/// What stands before the bytes and behind them (PostgreSQL's documentation, COPY, "Binary Format").
fn row_around(
    merchant_id: MerchantId,
    file_id: i64,
    file: &NewFile,
    by: &str,
    now: DateTime<Utc>,
) -> (BytesMut, [u8; 2]) {
    let length = |bytes: usize| i32::try_from(bytes).expect("checked to be within FILE_BYTES_MAX");
    let mut head = BytesMut::new();
    head.put_slice(b"PGCOPY\n\xff\r\n\0");
    // No flags, and no more head than this.
    head.put_slice(&[0; 8]);
    head.put_i16(9);
    // Times are microseconds since the year 2000.
    let at = now.timestamp_micros() - 946_684_800_000_000;
    let size = i64::from(length(file.content.len()));
    let (merchant_id, file_id) = (merchant_id.to_be_bytes(), file_id.to_be_bytes());
    let (size, at) = (size.to_be_bytes(), at.to_be_bytes());
    let name = file.name.as_bytes();
    let before: [&[u8]; 8] =
        [&merchant_id, &file_id, name, file.media_type.as_bytes(), &file.sha256, &size, &at, by.as_bytes()];
    for field in before {
        head.put_i32(length(field.len()));
        head.put_slice(field);
    }
    head.put_i32(length(file.content.len()));
    (head, (-1_i16).to_be_bytes())
}

/// A file with its bytes, ready to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub media_type: String,
    pub content: Bytes,
}

pub async fn load(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    file_id: i64,
) -> sqlx::Result<Option<File>> {
    let row: Option<(String, String, Vec<u8>)> =
        sqlx::query_as("select name, media_type, content from files where merchant_id = $1 and file_id = $2")
            .bind(merchant_id)
            .bind(file_id)
            .fetch_optional(&mut *conn)
            .await?;
    conn.shrink_buffers();
    Ok(row.map(|(name, media_type, content)| File { name, media_type, content: content.into() }))
}

/// The bytes of a file as it was when a packet named it: `None` where it is gone or is another now.
pub async fn load_named(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    named: FileRef,
) -> sqlx::Result<Option<File>> {
    let file = load(conn, merchant_id, named.file_id).await?;
    Ok(file.filter(|file| <[u8; 32]>::from(Sha256::digest(&file.content)) == named.sha256))
}

/// Remembers the id an account's provider gave a file. A later upload replaces the id: the newest lives
/// longest.
pub async fn record_upload(
    conn: &mut PgConnection,
    merchant_id: MerchantId,
    file_id: i64,
    account_id: AccountId,
    provider_file_ref: &str,
    expires_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into file_uploads (merchant_id, file_id, account_id, provider_file_ref, expires_at)
        values ($1, $2, $3, $4, $5)
        on conflict on constraint file_uploads_pkey do update
        set provider_file_ref = excluded.provider_file_ref, expires_at = excluded.expires_at",
    )
    .bind(merchant_id)
    .bind(file_id)
    .bind(account_id)
    .bind(provider_file_ref)
    .bind(expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_what_a_file_is() {
        let form = |bytes: &'static [u8]| NewFile::new("a.txt", bytes).map(|f| f.media_type());
        assert_eq!(form(b"%PDF-1.7\n"), Ok("application/pdf"));
        assert_eq!(form(b"\x89PNG\r\n\x1a\n...."), Ok("image/png"));
        assert_eq!(form(b"\xff\xd8\xff\xe0"), Ok("image/jpeg"));
        for other in [&b"GIF89a"[..], b" %PDF-1.7", b"\x89PNG\n\x1a\n", b"\xff\xd8", b"<html>", b"PK\x03\x04"]
        {
            assert_eq!(form(other), Err(BadFile::UnknownForm("a.txt".into())), "{other:?}");
        }
    }

    #[test]
    fn whoever_says_what_a_file_is_says_the_truth_or_nothing() {
        let said = |said: &str| NewFile::new("a.pdf", &b"\xff\xd8\xff\xe0"[..]).unwrap().said_to_be(said);
        for fits in ["image/jpeg", "IMAGE/JPEG; q=1", "image/jpg", "application/octet-stream", ""] {
            assert!(said(fits).is_ok(), "{fits}");
        }
        for lie in ["application/pdf", "image/png", "text/html", "image", "jpeg"] {
            let other = BadFile::OtherForm { name: "a.pdf".into(), said: lie.into(), is: "image/jpeg" };
            assert_eq!(said(lie), Err(other));
        }
    }

    #[test]
    fn sizes_and_names_have_limits() {
        let pdf = |size: usize| {
            let mut content = b"%PDF-".to_vec();
            content.resize(size, b' ');
            content
        };
        assert!(NewFile::new("a.pdf", pdf(FILE_BYTES_MAX)).is_ok());
        let size = FILE_BYTES_MAX + 1;
        assert_eq!(NewFile::new("a.pdf", pdf(size)), Err(BadFile::TooLarge { name: "a.pdf".into(), size }));
        assert_eq!(NewFile::new("a.pdf", Vec::new()), Err(BadFile::Empty("a.pdf".into())));
        for name in ["", "../a.pdf", "a\\b.pdf", "a\n.pdf", "a\0.pdf", &"x".repeat(201)] {
            assert!(matches!(NewFile::new(name, pdf(9)), Err(BadFile::BadName(_))), "{name:?}");
        }
    }
}
