//! What a call carries: credentials in a header, a file in a form, a packet whose fields hold what they are for. What
//! is wrong here is refused before anything is sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::multipart::Part;

use crate::dispute::FileLimits;
use crate::evidence::{FieldKind, Packet};
use crate::providers::Answer;

/// A header that no log shows; `None` for an empty secret, and for one that cannot stand in a header.
pub fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// `Bearer …` (RFC 6750, 2.1); `None` as for [`secret`].
pub fn bearer(token: &str) -> Option<HeaderValue> {
    if token.is_empty() { None } else { secret(&format!("Bearer {token}")) }
}

/// `Basic …` (RFC 7617), the scheme in the one spelling that everybody takes; `None` when a part is missing.
pub fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    if user.is_empty() || password.is_empty() {
        return None;
    }
    secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// The answer to a call of an account that has not what it takes: `lacks` ends with what to do.
pub fn unauthorized<T>(lacks: &str) -> Answer<T> {
    let code = Some("credentials_missing".to_owned());
    Answer::Refused { status: 0, code, reason: format!("the account lacks {lacks}") }
}

/// A file as a part of a form, or why `taker` would not take it.
pub fn file<T>(
    name: &str,
    media_type: &str,
    content: Bytes,
    limits: &FileLimits,
    taker: &str,
) -> Result<Part, Answer<T>> {
    let refused =
        |code: &str, reason: String| Answer::Refused { status: 0, code: Some(code.to_owned()), reason };
    let taken = || {
        let taken = limits.media_types.join(", ");
        refused("media_type", format!("`{name}` is `{media_type}`, and {taker} takes {taken}"))
    };
    if !limits.media_types.contains(&media_type) {
        return Err(taken());
    }
    let (size, limit) = (content.len() as u64, limits.file_bytes_max);
    if size == 0 {
        return Err(refused("file_empty", format!("`{name}` is empty")));
    }
    if size > limit {
        let reason = format!("`{name}` has {size} bytes, and at most {limit} are taken");
        return Err(refused("file_too_large", reason));
    }
    Part::stream(content).file_name(name.to_owned()).mime_str(media_type).map_err(|_| taken())
}

/// Files where words belong, and words where files do, as `lint` tells of them.
pub fn misplaced(packet: &Packet) -> impl Iterator<Item = String> {
    let in_text = packet.text.keys().filter(|f| f.kind() == FieldKind::File);
    let in_files = packet.files.keys().filter(|f| f.kind() == FieldKind::Text);
    in_text
        .map(|field| format!("`{field}` takes files, and the packet has words for it"))
        .chain(in_files.map(|field| format!("`{field}` takes words, and the packet has files for it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown_and_none_that_is_none_is_sent() {
        for value in [secret("k"), bearer("k"), basic("u", "p")] {
            assert!(value.unwrap().is_sensitive());
        }
        assert_eq!(basic("u", "p").unwrap(), "Basic dTpw");
        for none in
            [secret(""), secret("a\nb"), bearer(""), bearer("a\u{7f}"), basic("", "p"), basic("u", "")]
        {
            assert_eq!(none, None);
        }
    }
}
