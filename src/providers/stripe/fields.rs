//! Reads the scalars of a Stripe object into what they must be, or says which one is wrong and how. Knows
//! types and ranges; what a word means is for `event`.

use chrono::{DateTime, Utc};

use super::wire::{Loose, Reference};
use crate::providers::http::is_plain_ref;
use crate::providers::shared::plausible;

/// The value, or what is wrong with it and where.
pub type Understood<T> = Result<T, String>;

/// No word of Stripe's is longer; what is longer is not one.
const WORD_CHARS_MAX: usize = 200;
/// Stripe takes amounts of eight digits, twelve in a few currencies (docs.stripe.com/currencies).
const AMOUNT_MAX: i64 = 100_000_000_000_000;
const COUNT_MAX: u32 = 10_000;

/// Reads fields of the object found at one place in the body.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// `data.object.`, or nothing for a bare record.
    pub place: &'static str,
}

impl Fields {
    fn wrong<T>(&self, field: &str, found: &Loose<'_>, wanted: &str) -> Understood<T> {
        match found {
            Loose::Absent => Err(format!("`{}{field}` is missing: {wanted} is expected", self.place)),
            Loose::Int(n) => Err(format!("`{}{field}` is {n}: {wanted} is expected", self.place)),
            Loose::Text(text) => {
                Err(format!("`{}{field}` is `{}`: {wanted} is expected", self.place, shown(text, 64)))
            }
            Loose::Null | Loose::Bool(_) | Loose::Number | Loose::Nested => {
                Err(format!("`{}{field}` is {}: {wanted} is expected", self.place, found.kind()))
            }
        }
    }

    /// A word, which may be absent, null or empty.
    pub fn word<'v>(&self, field: &str, value: &'v Loose<'_>) -> Understood<Option<&'v str>> {
        match value.text() {
            Some("") => Ok(None),
            Some(text) if is_word(text) => Ok(Some(text)),
            None if value.is_silent() => Ok(None),
            Some(_) | None => self.wrong(field, value, "a word"),
        }
    }

    pub fn needed_word<'v>(&self, field: &str, value: &'v Loose<'_>) -> Understood<&'v str> {
        match self.word(field, value)? {
            Some(word) => Ok(word),
            None => self.wrong(field, value, "a word"),
        }
    }

    pub fn needed_id(&self, field: &str, value: &Loose<'_>) -> Understood<String> {
        match value.text() {
            Some(id) if is_plain_ref(id) => Ok(id.to_owned()),
            Some(_) | None => self.wrong(field, value, "an id"),
        }
    }

    /// The id of an object that may be expanded, absent or null.
    pub fn reference(&self, field: &str, value: &Reference<'_>) -> Understood<Option<String>> {
        if value.id.is_silent() {
            return Ok(None);
        }
        self.needed_id(field, &value.id).map(Some)
    }

    /// True or false; absent and null say nothing.
    pub fn flag(&self, field: &str, value: &Loose<'_>) -> Understood<Option<bool>> {
        if let Loose::Bool(flag) = value {
            return Ok(Some(*flag));
        }
        if value.is_silent() { Ok(None) } else { self.wrong(field, value, "true or false") }
    }

    /// A count, 0 when absent or null.
    pub fn count(&self, field: &str, value: &Loose<'_>) -> Understood<u32> {
        match value.int().map(u32::try_from) {
            Some(Ok(n)) if n <= COUNT_MAX => Ok(n),
            None if value.is_silent() => Ok(0),
            Some(_) | None => self.wrong(field, value, "a count"),
        }
    }

    /// An amount in Stripe's smallest unit.
    pub fn amount(&self, field: &str, value: &Loose<'_>) -> Understood<i64> {
        match value.int() {
            Some(n) if (0..=AMOUNT_MAX).contains(&n) => Ok(n),
            Some(_) | None => self.wrong(field, value, "an amount in whole minor units from 0 to 10^14"),
        }
    }

    /// Unix seconds between the years 2000 and 2200.
    pub fn instant(&self, field: &str, value: &Loose<'_>) -> Understood<DateTime<Utc>> {
        match value.int().and_then(plausible::unix_instant) {
            Some(instant) => Ok(instant),
            None => self.wrong(field, value, "unix seconds between the years 2000 and 2200"),
        }
    }
}

/// Whether text can stand as a word in a message, a metric or a column: short, and nothing unprintable.
fn is_word(text: &str) -> bool {
    text.chars().count() <= WORD_CHARS_MAX && !text.chars().any(char::is_control)
}

/// A stranger's text, cut and escaped for a message.
pub fn shown(text: &str, chars_max: usize) -> String {
    let printable = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().take(chars_max).map(printable).collect()
}
