//! Files that serve as evidence: their bytes, kept once, and the id each provider account gave them. What a
//! file is, its first bytes say; the name is only a label.

use std::fmt;

use bytes::Bytes;
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
        let content = content.into();
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
        let sha256 = Sha256::digest(&content).into();
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
    sqlx::query(
        "insert into files (merchant_id, file_id, name, media_type, sha256, size_bytes, content, added_at,
            added_by)
        values ($1, nextval('ids'), $2, $3, $4, $5, $6, $7, $8)
        on conflict on constraint files_content_key do nothing",
    )
    .bind(merchant_id)
    .bind(&file.name)
    .bind(file.media_type)
    .bind(&file.sha256[..])
    .bind(i64::try_from(file.content.len()).expect("checked to be within FILE_BYTES_MAX"))
    .bind(&file.content[..])
    .bind(now)
    .bind(by)
    .execute(&mut *conn)
    .await?;
    // It would keep room for the largest file that went over it for as long as it lives.
    conn.shrink_buffers();
    sqlx::query_scalar("select file_id from files where merchant_id = $1 and sha256 = $2 and name = $3")
        .bind(merchant_id)
        .bind(&file.sha256[..])
        .bind(&file.name)
        .fetch_one(conn)
        .await
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
