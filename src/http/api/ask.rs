//! Reads what stands in the query and the head of a request: which disputes are wanted, where a page begins, how
//! long the caller waits. A parameter that is not known is refused by name, so that a misspelt filter does not
//! show everything.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::problem::Problem;
use crate::dispute::{DisputeId, UnknownWord};
use crate::store::disputes::PageFilter;

pub(super) const LIMIT: i64 = 25;
pub(super) const LIMIT_MAX: i64 = 100;
/// How long the caller's own name for an order may be.
pub(super) const KEY_CHARS_MAX: usize = 255;

type Pairs<'q> = Vec<(Cow<'q, str>, Cow<'q, str>)>;

fn pairs<'q>(query: &'q str, known: &[&str]) -> Result<Pairs<'q>, Problem> {
    let pairs: Pairs<'q> = form_urlencoded::parse(query.as_bytes()).collect();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_ref()) {
            let name: String = name.chars().take(64).collect();
            return Err(Problem::invalid(format!(
                "`{name}` is no parameter here: there are {}",
                known.join(", ")
            )));
        }
        if pairs[..at].iter().any(|(other, _)| other == name) {
            return Err(Problem::invalid(format!("`{name}` is given twice")));
        }
        if value.contains('\0') {
            return Err(Problem::invalid(format!("`{name}` holds a NUL character")));
        }
    }
    Ok(pairs)
}

/// Where a dispute is, when its id alone does not say.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub provider: Option<String>,
    pub account: Option<String>,
}

pub(super) const PLACE: &[&str] = &["provider", "account"];

pub(super) fn place(query: &str) -> Result<Place, Problem> {
    let mut place = Place::default();
    for (name, value) in pairs(query, PLACE)? {
        match name.as_ref() {
            "provider" => place.provider = Some(value.into_owned()),
            _ => place.account = Some(value.into_owned()),
        }
    }
    Ok(place)
}

pub(super) const FILTERS: &[&str] =
    &["open", "status", "stage", "provider", "account", "payment_id", "limit", "cursor"];

pub(super) fn page_filter(query: &str) -> Result<PageFilter, Problem> {
    let mut filter = PageFilter { limit: LIMIT, ..PageFilter::default() };
    for (name, value) in pairs(query, FILTERS)? {
        match name.as_ref() {
            "open" => filter.open = flag(&value)?,
            "status" => filter.status = Some(word(&value)?),
            "stage" => filter.stage = Some(word(&value)?),
            "provider" => filter.provider = Some(value.into_owned()),
            "account" => filter.account = Some(value.into_owned()),
            "payment_id" => filter.payment_ref = Some(value.into_owned()),
            "limit" => filter.limit = limit(&value)?,
            _ => filter.after = Some(after(&value)?),
        }
    }
    Ok(filter)
}

/// In capitals or not.
fn word<T: FromStr<Err = UnknownWord>>(text: &str) -> Result<T, Problem> {
    text.to_ascii_lowercase().parse().map_err(|e: UnknownWord| Problem::invalid(e.to_string()))
}

fn flag(text: &str) -> Result<bool, Problem> {
    text.parse().map_err(|_| Problem::invalid("`open` is true or false"))
}

fn limit(text: &str) -> Result<i64, Problem> {
    let limit = text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n));
    limit.ok_or_else(|| Problem::invalid(format!("`limit` is 1 to {LIMIT_MAX}")))
}

/// Where a page ended, so that nobody takes it for a number that can be reckoned with.
pub(super) fn cursor(after: DisputeId) -> String {
    BASE64.encode(format!("after:{after}"))
}

fn after(cursor: &str) -> Result<DisputeId, Problem> {
    let text = BASE64.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = text.as_deref().and_then(|t| t.strip_prefix("after:")).and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        Problem::invalid("`cursor` is not one of ours: it is the `next_cursor` of the page before")
    })
}

/// The value of `authorization`, if there is one and no second: nobody guesses which key was meant.
pub(super) fn authorization(headers: &HeaderMap) -> &str {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default(),
        (None, _) | (Some(_), Some(_)) => "",
    }
}

/// The caller's own name for an order (draft-ietf-httpapi-idempotency-key-header; its quotes may be left out).
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all("idempotency-key").iter();
    let (first, second) = (all.next(), all.next());
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().ok().map(|text| text.trim().trim_matches('"'));
    let fits = |text: &&str| {
        (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    };
    match text.filter(fits).filter(|_| second.is_none()) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Problem::invalid("`idempotency-key` is one header of 1 to 255 visible characters")),
    }
}

/// How long the caller wants to wait, at most: `prefer: wait=SECONDS` (RFC 7240 section 4.3). Other preferences are
/// no business of ours.
pub(super) fn wait(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let wait = all.flat_map(|value| value.split(',')).find_map(|word| word.trim().strip_prefix("wait="));
    let Some(seconds) = wait else { return Ok(None) };
    let seconds: u32 =
        seconds.trim().parse().map_err(|_| Problem::invalid("`prefer: wait=` is a number of seconds"))?;
    Ok(Some(Duration::from_secs(seconds.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispute::{Stage, Status};

    #[test]
    fn a_filter_says_what_is_wanted() {
        let query = format!(
            "open=true&status=UNDER_REVIEW&stage=chargeback&payment_id=pi%5F1&limit=100&cursor={}",
            cursor(4017)
        );
        let filter = page_filter(&query).unwrap();
        assert!(filter.open);
        assert_eq!((filter.status, filter.stage), (Some(Status::UnderReview), Some(Stage::Chargeback)));
        assert_eq!(
            (filter.payment_ref.as_deref(), filter.limit, filter.after),
            (Some("pi_1"), 100, Some(4017))
        );
        assert_eq!(page_filter("").unwrap().limit, LIMIT);
    }

    #[test]
    fn what_is_misspelt_is_refused_and_never_shows_everything() {
        for (query, part) in [
            ("stauts=WON", "`stauts` is no parameter here"),
            ("open=true&open=false", "`open` is given twice"),
            ("open=yes", "true or false"),
            ("status=WINNING", "`winning` is not a status"),
            ("limit=0", "1 to 100"),
            ("limit=101", "1 to 100"),
            ("cursor=4017", "not one of ours"),
            ("cursor=YWZ0ZXI6eA", "not one of ours"),
            ("account=a%00b", "NUL"),
        ] {
            let problem = format!("{:?}", page_filter(query).unwrap_err());
            assert!(problem.contains(part), "{query}: {problem}");
        }
        assert!(format!("{:?}", place("open=true").unwrap_err()).contains("provider, account"));
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_shown_once() {
        assert_eq!(authorization(&headers(&[("authorization", "Bearer a")])), "Bearer a");
        assert_eq!(authorization(&HeaderMap::new()), "");
        let mut two = headers(&[("authorization", "Bearer a")]);
        two.append("authorization", "Bearer b".parse().unwrap());
        assert_eq!(authorization(&two), "");
    }

    #[test]
    fn an_order_s_name_and_the_caller_s_patience_are_read() {
        let key = |value: &str| idempotency_key(&headers(&[("idempotency-key", value)]));
        assert_eq!(key("\"order 7\"").unwrap().as_deref(), Some("order 7"));
        assert_eq!(key("7c2a").unwrap().as_deref(), Some("7c2a"));
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        for bad in ["", "\"\"", "a\tb", "ü", &"x".repeat(256)] {
            assert!(key(bad).is_err(), "{bad}");
        }
        let mut two = headers(&[("idempotency-key", "a")]);
        two.append("idempotency-key", "b".parse().unwrap());
        assert!(idempotency_key(&two).is_err());

        let patience = |value: &str| wait(&headers(&[("prefer", value)]));
        assert_eq!(patience("respond-async, wait=7").unwrap(), Some(Duration::from_secs(7)));
        assert_eq!(patience("respond-async").unwrap(), None);
        assert!(patience("wait=soon").is_err() && patience("wait=-1").is_err());
    }
}
