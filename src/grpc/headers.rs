//! What the head of a call says: which connector is meant, for which merchant, how long the caller waits, and its own
//! name for the order. Connectors come in Prism's three forms, with credentials in two of them. Those are passed over
//! unread, never repeated in a message, and nothing of them leaves this file. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::HeaderMap;
use serde_json::value::RawValue;
use tonic::Status;

use super::refusal::invalid;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// In small letters.
    pub connector: Option<String>,
    /// Every value of `x-merchant-id`.
    pub merchants: Vec<String>,
    /// The caller's own name for its order, as over HTTP. Not `x-request-id`, which programs make anew for each try
    /// or hand on from one call to the next, and not `x-reference-id`, which is what a call is about: taken for the
    /// name of an order, the one would let a repeat through and the other refuse the next order. Without a name,
    /// the same order is the same while it stands.
    pub idempotency_key: Option<String>,
    /// When the caller stops waiting, from when it asked.
    pub patience: Option<Duration>,
}

pub(super) fn read(headers: &HeaderMap) -> Result<Said, Status> {
    Ok(Said {
        connector: connector(headers)?,
        merchants: merchants(headers)?,
        idempotency_key: idempotency_key(headers)?,
        patience: patience(headers)?,
    })
}

/// The value of `authorization`, if there is one and no second.
pub(super) fn authorization(headers: &HeaderMap) -> &str {
    let mut all = headers.get_all("authorization").iter();
    match (all.next(), all.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default(),
        (None, _) | (Some(_), Some(_)) => "",
    }
}

const PLAIN: &str = "x-connector";
const CONFIG: &str = "x-connector-config";
const AUTH: &str = "x-connector-auth";

/// Whom all the headers name that name one.
fn connector(headers: &HeaderMap) -> Result<Option<String>, Status> {
    let mut named: Option<(&str, String)> = None;
    for header in [PLAIN, CONFIG, AUTH] {
        for value in headers.get_all(header) {
            let text = value.to_str().unwrap_or_default();
            let name = if header == PLAIN { Some(text.to_owned()) } else { named_in(text) };
            let name = name.as_deref().and_then(|name| small(name.trim()));
            let name = name.ok_or_else(|| invalid(expected(header)))?;
            match &named {
                Some((before, other)) if *other != name => {
                    return Err(invalid(format!("`{before}` and `{header}` name different connectors")));
                }
                Some(_) | None => named = Some((header, name)),
            }
        }
    }
    Ok(named.map(|(_, name)| name))
}

/// What was sent is not repeated: it holds credentials.
fn expected(header: &str) -> String {
    match header {
        CONFIG => format!(
            "`{header}` is JSON that names one connector: {{\"config\":{{\"NAME\":{{…}}}}}} with its name as NAME"
        ),
        AUTH => {
            format!("`{header}` is JSON that names one connector: {{\"NAME\":{{…}}}} with its name as NAME")
        }
        _ => format!("`{header}` is a connector's name: 1 to 64 letters, digits and `_`"),
    }
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// `{"config":{NAME:…}}`, `{"auth_type":{NAME:…}}` or `{NAME:…}`. The credentials are skipped, not read.
fn named_in(text: &str) -> Option<String> {
    let read = |text: &str| -> Option<(String, String)> {
        let object: Object<'_> = serde_json::from_str(text).ok()?;
        let mut all = object.into_iter();
        let (name, value) = all.next().filter(|_| all.next().is_none())?;
        // Only what holds a connector is looked into.
        let inside = matches!(name.as_str(), "config" | "auth_type");
        Some((name, if inside { value.get().to_owned() } else { String::new() }))
    };
    let (name, inside) = read(text)?;
    match name.as_str() {
        "config" | "auth_type" => read(&inside).map(|(name, _)| name),
        _ => Some(name),
    }
}

/// `BankOfAmerica` → `bank_of_america`, `STRIPE` → `stripe`.
fn small(name: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        return None;
    }
    let mut out = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_small {
            out.push('_');
        }
        after_small = letter.is_ascii_lowercase();
        out.push(letter.to_ascii_lowercase());
    }
    Some(out)
}

fn merchants(headers: &HeaderMap) -> Result<Vec<String>, Status> {
    let read = |value: &hyper::header::HeaderValue| value.to_str().ok().map(|text| text.trim().to_owned());
    let all: Option<Vec<String>> = headers.get_all("x-merchant-id").iter().map(read).collect();
    all.ok_or_else(|| invalid("`x-merchant-id` is a merchant's name, in ASCII"))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Status> {
    let mut all = headers.get_all("idempotency-key").iter();
    let (first, second) = (all.next(), all.next());
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().ok().map(|text| text.trim().trim_matches('"'));
    let fits = |text: &&str| {
        (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    };
    match text.filter(fits).filter(|_| second.is_none()) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(invalid("`idempotency-key` is one entry of 1 to 255 visible characters")),
    }
}

/// `grpc-timeout`: one to eight digits and a unit (PROTOCOL-HTTP2 of gRPC, "Timeout").
fn patience(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let read = |text: &str| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let n: u64 = digits.parse().ok().filter(|_| plain)?;
        Some(match unit {
            "H" => Duration::from_secs(n * 3600),
            "M" => Duration::from_secs(n * 60),
            "S" => Duration::from_secs(n),
            "m" => Duration::from_millis(n),
            "u" => Duration::from_micros(n),
            "n" => Duration::from_nanos(n),
            _ => return None,
        })
    };
    match value.to_str().ok().and_then(read) {
        Some(patience) => Ok(Some(patience)),
        None => Err(invalid("`grpc-timeout` is one to eight digits and a unit of H, M, S, m, u and n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    const SECRET: &str = "sk_live_never";

    #[test]
    fn a_connector_is_named_in_any_of_three_forms() {
        for (all, name) in [
            (vec![("x-connector", "stripe")], "stripe"),
            (vec![("x-connector", "Stripe")], "stripe"),
            (vec![("x-connector-config", r#"{"config":{"Stripe":{"api_key":"sk_live_never"}}}"#)], "stripe"),
            (vec![("x-connector-config", r#"{"config":{"BankOfAmerica":{}}}"#)], "bank_of_america"),
            (vec![("x-connector-auth", r#"{"Stripe":{"api_key":"sk_live_never"}}"#)], "stripe"),
            (vec![("x-connector-auth", r#"{"auth_type":{"Adyen":{"api_key":"a","key1":"b"}}}"#)], "adyen"),
            (vec![("x-connector", "adyen"), ("x-auth", "body-key"), ("x-api-key", "k")], "adyen"),
            (vec![("x-connector", "adyen"), ("x-connector-config", r#"{"config":{"Adyen":{}}}"#)], "adyen"),
        ] {
            assert_eq!(connector(&headers(&all)).unwrap().as_deref(), Some(name), "{all:?}");
        }
        assert_eq!(connector(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn what_names_none_or_two_is_refused_and_never_repeated() {
        for all in [
            vec![("x-connector", "")],
            vec![("x-connector", "sk_live_never/")],
            vec![("x-connector-config", "sk_live_never")],
            vec![("x-connector-config", r#"{"config":"sk_live_never"}"#)],
            vec![("x-connector-config", r#"{"config":{}}"#)],
            vec![("x-connector-config", r#"{"config":{"A":{},"B":{"k":"sk_live_never"}}}"#)],
            vec![("x-connector-config", r#"{"config":{"Stripe":{"api_key":"sk_live_never"}"#)],
            vec![("x-connector-auth", r#"["sk_live_never"]"#)],
            vec![("x-connector", "sk_live_never"), ("x-connector", "stripe")],
            vec![("x-connector", "adyen"), ("x-connector-config", r#"{"config":{"Stripe":{}}}"#)],
        ] {
            let refused = connector(&headers(&all)).unwrap_err();
            let shown = format!("{refused:?}");
            assert!(refused.code() == tonic::Code::InvalidArgument && !shown.contains(SECRET), "{shown}");
        }
    }

    #[test]
    fn a_caller_s_patience_is_read_to_the_letter() {
        let read = |text: &str| patience(&headers(&[("grpc-timeout", text)]));
        for (text, patience) in [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("250m", Duration::from_millis(250)),
            ("0u", Duration::ZERO),
            ("7n", Duration::from_nanos(7)),
        ] {
            assert_eq!(read(text).unwrap(), Some(patience), "{text}");
        }
        for text in ["", "S", "1", "123456789S", "-1S", "+1S", "1s", "1.5S", "1 S"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(patience(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_key_is_shown_once() {
        assert_eq!(authorization(&headers(&[("authorization", "Bearer a")])), "Bearer a");
        assert_eq!(authorization(&headers(&[("authorization", "a"), ("authorization", "b")])), "");
        assert_eq!(authorization(&HeaderMap::new()), "");
        assert!(idempotency_key(&headers(&[("idempotency-key", "")])).is_err());
        assert!(idempotency_key(&headers(&[("idempotency-key", "a"), ("idempotency-key", "b")])).is_err());
        assert_eq!(idempotency_key(&headers(&[("idempotency-key", "\"a b\"")])).unwrap().unwrap(), "a b");
    }
}
