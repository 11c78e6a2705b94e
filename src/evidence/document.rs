//! Files of ours as evidence, for providers that take their bytes in the call itself. A packet names them by id
//! and SHA-256, so that what is frozen says which bytes were meant; the bytes join it when a call is made.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::{Field, Packet};

/// The name of a file of ours in a packet: `own-17-` and the SHA-256 of its bytes, hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileRef {
    pub file_id: i64,
    pub sha256: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name a file of ours: `own-ID-SHA256`")]
pub struct NotOurFile(String);

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "own-{}-{}", self.file_id, hex::encode(self.sha256))
    }
}

impl FromStr for FileRef {
    type Err = NotOurFile;
    fn from_str(name: &str) -> Result<Self, NotOurFile> {
        let parse = || {
            let (file_id, digest) = name.strip_prefix("own-")?.split_once('-')?;
            let sha256 = hex::decode(digest).ok()?.try_into().ok()?;
            let found = Self { file_id: file_id.parse().ok()?, sha256 };
            // One spelling for each file: a packet's digest is over these names.
            (found.to_string() == name).then_some(found)
        };
        parse().ok_or_else(|| NotOurFile(name.chars().filter(|c| !c.is_control()).take(64).collect()))
    }
}

/// One file with its bytes, for the field that it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub field: Field,
    pub name: String,
    /// `application/pdf`, `image/png` or `image/jpeg`, by the file's first bytes.
    pub media_type: String,
    pub content: Bytes,
}

/// What a call carries: the packet, and where the provider takes files inline, the documents it names, in the
/// order of its fields and of the files within each. Empty where files are uploaded beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    pub packet: &'a Packet,
    pub documents: &'a [Document],
}

impl<'a> Sending<'a> {
    /// Words and ids only.
    pub const fn of(packet: &'a Packet) -> Self {
        Self { packet, documents: &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ours_has_one_name() {
        let file = FileRef { file_id: 17, sha256: [0xab; 32] };
        let name = file.to_string();
        assert_eq!(name.parse(), Ok(file));
        let digest = "ab".repeat(32);
        for other in [
            String::new(),
            "file_1QaMango".into(),
            format!("own-{digest}"),
            format!("own--{digest}"),
            format!("own-17-{}", &digest[2..]),
            format!("own-017-{digest}"),
            format!("own-+17-{digest}"),
            format!("own-17-{}", digest.to_uppercase()),
            format!("{name} "),
        ] {
            assert!(other.parse::<FileRef>().is_err(), "{other}");
        }
    }
}
