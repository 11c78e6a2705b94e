//! Reading a provider's JSON into the shapes of its folder. An object is read from an object alone, although a
//! struct would also be read from a list, by position; and a mistake is told by the field it is in.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

/// Longest message about somebody else's text, characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Reads an object. `what` it is stands at the beginning of the message when it is none.
pub fn read<'a, T: Deserialize<'a>>(json: &'a [u8], what: &str) -> Result<T, String> {
    if let Some(found) = no_object(json) {
        return Err(format!("{what} is {found}"));
    }
    serde_json::from_slice(json).map_err(|error| explain::<T>(json, what, &error))
}

/// By its first byte, what it is instead.
fn no_object(json: &[u8]) -> Option<&'static str> {
    Some(match json.trim_ascii_start().first() {
        None => "empty",
        Some(b'[') => "a list: an object is expected",
        Some(b'"') => "text: an object is expected",
        Some(b'-' | b'0'..=b'9') => "a number: an object is expected",
        Some(b't' | b'f') => "true or false: an object is expected",
        Some(b'n') => "null: an object is expected",
        Some(_) => return None,
    })
}

/// Reads once more and keeps the way to each field, which costs too much to be done when all is well.
fn explain<'a, T: Deserialize<'a>>(json: &'a [u8], what: &str, error: &serde_json::Error) -> String {
    let again = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(json));
    let message = match again {
        Err(found) if error.is_data() => {
            let path = found.path().to_string();
            let told = found.into_inner().to_string();
            let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(told, _)| told);
            let told = told.replace("expected i64", "expected a whole number");
            match path.as_str() {
                "." => format!("{what} has another shape than is known: {told}"),
                path => format!("{what} has another shape than is known, at `{path}`: {told}"),
            }
        }
        Ok(_) | Err(_) => format!("{what} is not JSON: {error}"),
    };
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    message.chars().take(MESSAGE_CHARS_MAX).map(printable).collect()
}

/// For a field that holds an object, or null.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(ObjectVisitor { empty_list: false, of: PhantomData })
}

/// The same for a field that some write as `[]` when there is nothing in it.
pub fn object_or_empty_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(ObjectVisitor { empty_list: true, of: PhantomData })
}

/// For a field that must hold one.
pub fn needed_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    object(deserializer)?.ok_or_else(|| D::Error::invalid_type(Unexpected::Unit, &"an object"))
}

struct ObjectVisitor<T> {
    empty_list: bool,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        match self.empty_list && items.next_element::<IgnoredAny>()?.is_none() {
            true => Ok(None),
            false => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        #[serde(default, deserialize_with = "object")]
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        n: i64,
    }

    #[test]
    fn objects_are_read_from_objects_and_null_is_none() {
        let read = |json: &str| read::<Outer>(json.as_bytes(), "it");
        assert_eq!(read(r#"{"inner":{"n":1}}"#), Ok(Outer { inner: Some(Inner { n: 1 }) }));
        for json in ["{}", r#"{"inner":null}"#] {
            assert_eq!(read(json), Ok(Outer { inner: None }));
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        for (json, told) in [
            ("", "it is empty"),
            (" [[1]]", "it is a list: an object is expected"),
            (
                r#"{"inner":[1]}"#,
                "it has another shape than is known, at `inner`: invalid type: sequence, expected an object",
            ),
            (
                r#"{"inner":{"n":1.5}}"#,
                "it has another shape than is known, at `inner.n`: invalid type: floating point `1.5`, expected \
                 a whole number",
            ),
            (r#"{"inner":{}}"#, "it has another shape than is known, at `inner`: missing field `n`"),
            ("{", "it is not JSON: EOF while parsing an object at line 1 column 1"),
            ("{} x", "it is not JSON: trailing characters at line 1 column 4"),
        ] {
            assert_eq!(read::<Outer>(json.as_bytes(), "it").unwrap_err(), told);
        }
        let long = format!("{{\"inner\":\"{}\"}}", "x\u{7f}".repeat(5_000));
        let told = read::<Outer>(long.as_bytes(), "it").unwrap_err();
        assert!(told.chars().count() <= MESSAGE_CHARS_MAX && !told.contains('\u{7f}'), "{told}");
    }
}
