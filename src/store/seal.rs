//! Sealing of credentials and webhook secrets before they reach the database: XChaCha20-Poly1305 under one
//! key that the database never sees. What is sealed is bound to its place, so that a row copied over
//! another does not open there. Knows nothing of tables.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::config::key_bytes;
use crate::dispute::{AccountId, MerchantId};

/// Sealed bytes: version (1), key id (4), nonce (24), ciphertext and tag (length of the text + 16).
const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// 32 bytes that open everything. Wiped when dropped; prints its id and nothing else.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

/// Where a sealed value belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub merchant_id: MerchantId,
    pub account_id: AccountId,
    /// `webhook_secrets.0`, `credentials.api_key`.
    pub field: &'a str,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "the sealing key is not 32 bytes in hex (64 digits) or base64: it has {characters} characters. \
         `openssl rand -hex 32` makes one"
    )]
    Shape { characters: usize },
    #[error("cannot read or make the sealing key {}", .path.display())]
    File { path: PathBuf, source: io::Error },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(
        "sealed with key {sealed_with}, and the key configured is {have}: secrets.key must be the one it was sealed with"
    )]
    OtherKey { sealed_with: String, have: String },
    #[error("sealed in form {version}, which this program does not know: a newer one wrote it")]
    OtherVersion { version: u8 },
    #[error("{bytes} bytes are too few to be a sealed value: it was cut off")]
    Truncated { bytes: usize },
    #[error("does not open in its place: it was changed, or moved from another account or field")]
    Tampered,
    #[error("opens, and is not UTF-8")]
    NotText,
}

impl SealingKey {
    /// From 64 hex digits or base64 (either alphabet) of exactly 32 bytes.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let characters = || text.expose_secret().trim().chars().count();
        key_bytes(text).map(Self).ok_or_else(|| KeyError::Shape { characters: characters() })
    }

    /// A new key from the machine's entropy.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_random(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The key in `path`, which is made, readable by its owner alone, when it is not there.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_path_buf(), source };
        if !path.try_exists().map_err(failed)? {
            // Written beside its place first: a key cut off by a crash would lock everything up for good.
            let beside = path.with_extension(format!("new-{}", std::process::id()));
            let text = Zeroizing::new(hex::encode(Self::generate().0.as_slice()) + "\n");
            let made = write_private(&beside, text.as_bytes()).and_then(|()| fs::hard_link(&beside, path));
            _ = fs::remove_file(&beside);
            match made {
                Ok(()) => {}
                // Another process was quicker: its key counts.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Self::parse(&fs::read_to_string(path).map_err(failed)?.into())
    }

    /// Eight hex digits that tell keys apart and tell nothing about them.
    pub fn id(&self) -> String {
        hex::encode(self.id_bytes())
    }

    fn id_bytes(&self) -> [u8; KEY_ID_BYTES] {
        let digest = Sha256::new()
            .chain_update(b"respondby sealing key id\0")
            .chain_update(self.0.as_slice())
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(self.0.as_slice()))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id())
    }
}

/// Seals `secret` for its place. Sealing twice gives different bytes.
pub fn seal(key: &SealingKey, place: Place<'_>, secret: &SecretString) -> Vec<u8> {
    let mut sealed = vec![0; HEAD_BYTES];
    sealed[0] = VERSION;
    sealed[1..=KEY_ID_BYTES].copy_from_slice(&key.id_bytes());
    fill_random(&mut sealed[1 + KEY_ID_BYTES..]);
    let bound = bound_to(&sealed, place);
    let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &bound };
    let nonce = XNonce::from_slice(&sealed[1 + KEY_ID_BYTES..]);
    let ciphertext = key.cipher().encrypt(nonce, payload).expect("a secret is far shorter than 256 GiB");
    sealed.extend_from_slice(&ciphertext);
    sealed
}

/// Opens what [`seal`] made, in the place it was sealed for.
pub fn open(key: &SealingKey, place: Place<'_>, sealed: &[u8]) -> Result<SecretString, OpenError> {
    let Some((head, ciphertext)) = sealed.split_at_checked(HEAD_BYTES) else {
        return Err(OpenError::Truncated { bytes: sealed.len() });
    };
    if head[0] != VERSION {
        return Err(OpenError::OtherVersion { version: head[0] });
    }
    let (key_id, nonce) = head[1..].split_at(KEY_ID_BYTES);
    if key_id != key.id_bytes() {
        return Err(OpenError::OtherKey { sealed_with: hex::encode(key_id), have: key.id() });
    }
    let bound = bound_to(head, place);
    let plain = key
        .cipher()
        .decrypt(XNonce::from_slice(nonce), Payload { msg: ciphertext, aad: &bound })
        .map_err(|_| OpenError::Tampered)?;
    String::from_utf8(plain).map(SecretString::from).map_err(|e| {
        e.into_bytes().zeroize();
        OpenError::NotText
    })
}

/// What is authenticated beside the secret. Fixed-width numbers first, so that no two places read alike.
fn bound_to(head: &[u8], place: Place<'_>) -> Vec<u8> {
    let mut bound = head.to_vec();
    bound.extend_from_slice(&place.merchant_id.to_be_bytes());
    bound.extend_from_slice(&place.account_id.to_be_bytes());
    bound.extend_from_slice(place.field.as_bytes());
    bound
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn fill_random(bytes: &mut [u8]) {
    OsRng.try_fill_bytes(bytes).expect("the machine has entropy");
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    const PLACE: Place<'_> = Place { merchant_id: 7, account_id: 11, field: "credentials.api_key" };

    fn secret() -> SecretString {
        "made-up-credential".to_owned().into()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place() {
        let key = SealingKey::generate();
        let sealed = seal(&key, PLACE, &secret());
        assert_eq!(open(&key, PLACE, &sealed).unwrap().expose_secret(), "made-up-credential");
        assert_ne!(sealed, seal(&key, PLACE, &secret()), "the same nonce twice");
        let clear = b"made-up";
        assert!(!sealed.windows(clear.len()).any(|w| w == clear));
    }

    #[test]
    fn it_opens_nowhere_else() {
        let key = SealingKey::generate();
        let sealed = seal(&key, PLACE, &secret());
        for moved in [
            Place { merchant_id: 8, ..PLACE },
            Place { account_id: 12, ..PLACE },
            Place { merchant_id: 11, account_id: 7, ..PLACE },
            Place { field: "credentials.api_ke", ..PLACE },
            Place { field: "", ..PLACE },
        ] {
            assert_eq!(open(&key, moved, &sealed).unwrap_err(), OpenError::Tampered, "{moved:?}");
        }
    }

    #[test]
    fn another_key_is_told_from_tampering() {
        let (key, other) = (SealingKey::generate(), SealingKey::generate());
        let sealed = seal(&key, PLACE, &secret());
        let error = open(&other, PLACE, &sealed).unwrap_err();
        assert_eq!(error, OpenError::OtherKey { sealed_with: key.id(), have: other.id() });
        assert!(error.to_string().contains("secrets.key"));
    }

    #[test]
    fn every_changed_byte_and_every_shorter_length_is_noticed() {
        let key = SealingKey::generate();
        let sealed = seal(&key, PLACE, &secret());
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 0x20;
            assert!(open(&key, PLACE, &changed).is_err(), "byte {i}");
            assert!(open(&key, PLACE, &sealed[..i]).is_err(), "length {i}");
        }
        assert_eq!(open(&key, PLACE, &sealed[..9]).unwrap_err(), OpenError::Truncated { bytes: 9 });
        let mut newer = sealed;
        newer[0] = 2;
        assert_eq!(open(&key, PLACE, &newer).unwrap_err(), OpenError::OtherVersion { version: 2 });
    }

    #[test]
    fn keys_are_read_from_hex_and_both_base64s_and_nothing_else() {
        let bytes: [u8; 32] = std::array::from_fn(|i| 255 - i as u8);
        let texts = [
            hex::encode(bytes),
            hex::encode_upper(bytes),
            STANDARD.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
        ];
        let ids: Vec<String> =
            texts.into_iter().map(|t| SealingKey::parse(&t.into()).unwrap().id()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        for wrong in ["", "short", &"0".repeat(63), &"g".repeat(64), &STANDARD.encode([0; 31])] {
            let message = SealingKey::parse(&wrong.to_owned().into()).unwrap_err().to_string();
            assert!(message.contains("openssl rand -hex 32"), "{message}");
            assert!(wrong.is_empty() || !message.contains(wrong), "{message}");
        }
    }

    #[test]
    fn nothing_prints_the_key() {
        let bytes = [0xab; 32];
        let key = SealingKey::parse(&hex::encode(bytes).into()).unwrap();
        let shown = format!("{key:?} {key:#?}");
        assert!(!shown.contains("abab"), "{shown}");
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let made = SealingKey::load_or_create(&path).unwrap();
        assert_eq!(SealingKey::load_or_create(&path).unwrap().id(), made.id());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something is left beside the key");
        fs::write(&path, "not a key").unwrap();
        assert!(matches!(SealingKey::load_or_create(&path), Err(KeyError::Shape { .. })));
    }
}
