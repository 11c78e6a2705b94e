//! Secrets by reference: the configuration says where one is kept, never what it is. Nothing here prints
//! a value.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{self, Deserialize, Deserializer};
use zeroize::Zeroizing;

#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    Env(String),
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is not repeated: somebody may have pasted the secret itself.
    #[error(
        "a secret does not stand in a configuration: say \"env:NAME\" for an environment variable or \
         \"file:PATH\" for a file that holds it"
    )]
    Plain,
    #[error("`{word}:` wants a {wanted} after the colon")]
    Unnamed { word: &'static str, wanted: &'static str },
    #[error("the environment variable {name} is not set")]
    EnvUnset { name: String },
    #[error("cannot read the secret file {}: {reason}", .path.display())]
    FileUnreadable { path: PathBuf, reason: io::Error },
    #[error("{source_words} is empty")]
    Empty { source_words: String },
}

impl SecretSource {
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("env", "")) => Err(SecretError::Unnamed { word: "env", wanted: "variable's name" }),
            Some(("file", "")) => Err(SecretError::Unnamed { word: "file", wanted: "path" }),
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some(_) | None => Err(SecretError::Plain),
        }
    }

    /// Reads it. `base` is where relative paths start; `environment` is asked for variables.
    pub fn read(
        &self,
        base: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<SecretString, SecretError> {
        let value = match self {
            Self::Env(name) => {
                environment(name).ok_or_else(|| SecretError::EnvUnset { name: name.clone() })?
            }
            Self::File(path) => read_file(&base.join(path))?,
        };
        if value.is_empty() {
            return Err(SecretError::Empty { source_words: self.to_string() });
        }
        Ok(value.into())
    }
}

/// The text of a secret file without exactly one line ending at its end: editors and `echo` add one, and
/// no provider's secret ends in one. Further line endings and spaces are taken as part of the secret.
pub fn read_file(path: &Path) -> Result<String, SecretError> {
    let mut text = fs::read_to_string(path)
        .map_err(|reason| SecretError::FileUnreadable { path: path.to_path_buf(), reason })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// The 32 bytes of a sealing key, written as 64 hex digits or as base64.
pub fn key_bytes(text: &SecretString) -> Option<Zeroizing<[u8; 32]>> {
    let text = text.expose_secret().trim();
    let decoded = Zeroizing::new(match text.len() {
        64 => hex::decode(text).ok()?,
        _ => STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='))).ok()?,
    });
    Some(Zeroizing::new(decoded.as_slice().try_into().ok()?))
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A secret of the configuration: where it is kept, and, once the configuration is loaded, its value.
#[derive(Clone)]
pub struct Secret {
    source: SecretSource,
    value: SecretString,
}

impl Secret {
    pub fn source(&self) -> &SecretSource {
        &self.source
    }

    pub fn value(&self) -> &SecretString {
        &self.value
    }

    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    pub(super) fn fill(
        &mut self,
        base: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), SecretError> {
        self.value = self.source.read(base, environment)?;
        Ok(())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.source)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SecretString::deserialize(deserializer)?;
        let source = SecretSource::parse(text.expose_secret()).map_err(de::Error::custom)?;
        Ok(Self { source, value: SecretString::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_value_is_refused_without_being_repeated() {
        for text in ["whsec_made_up_for_this", "https://hooks.example/T0/B0", "", "ENV:X", "vault:x"] {
            let message = SecretSource::parse(text).unwrap_err().to_string();
            assert!(message.contains("env:NAME") && message.contains("file:PATH"), "{message}");
            assert!(text.is_empty() || !message.contains(text), "{message}");
        }
        assert!(SecretSource::parse("env:").is_err());
    }

    #[test]
    fn exactly_one_line_ending_is_not_part_of_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (written, read) in [
            ("a b", "a b"),
            ("ab\n", "ab"),
            ("ab\r\n", "ab"),
            ("ab\n\n", "ab\n"),
            (" ab \n", " ab "),
            ("\n", ""),
        ] {
            fs::write(&path, written).unwrap();
            assert_eq!(read_file(&path).unwrap(), read, "{written:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = |_: &str| None;
        let base = Path::new("/srv/etc");
        let env = SecretSource::parse("env:NO_SUCH").unwrap().read(base, &nothing).unwrap_err();
        assert_eq!(env.to_string(), "the environment variable NO_SUCH is not set");
        let file = SecretSource::parse("file:keys/none").unwrap().read(base, &nothing).unwrap_err();
        assert!(file.to_string().contains("/srv/etc/keys/none"), "{file}");
        let empty = SecretSource::parse("env:BLANK").unwrap().read(base, &|_| Some(String::new()));
        assert_eq!(empty.unwrap_err().to_string(), "env:BLANK is empty");
    }
}
