//! Amounts in a rules file: always per currency, always text. A bare number is refused with the right
//! spelling, because nobody can say in which currency it was meant.

use crate::dispute::{Currency, Money, MoneyError};

use super::condition::{AmountRange, Range};
use super::kind::Kind;
use super::load::{AmountsAt, Reader};
use super::node::{self, Node};
use super::problem::nearest;
use toml::de::DeValue;

/// Suggested for a misspelt code: what disputes are mostly in.
const COMMON: &[&str] = &[
    "USD", "EUR", "GBP", "INR", "JPY", "CAD", "AUD", "CHF", "SEK", "NOK", "DKK", "PLN", "BRL", "MXN", "SGD",
    "HKD", "NZD", "AED", "SAR", "KWD", "BHD", "OMR", "ZAR", "TRY", "CNY", "KRW", "THB", "MYR", "IDR", "PHP",
];

/// Reads `{ USD = "25.00", INR = "1500.00" }`.
pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node<'_>, name: &str) -> Option<Vec<Money>> {
    let Some(table) = node.get_ref().as_table() else {
        let hint = format!("say in which currency: `{name} = {{ USD = \"{}\" }}`", digits_of(node));
        reader.notes.error(
            Kind::AmountWithoutCurrency,
            node.span(),
            format!("`{name}` has an amount without a currency"),
            Some(hint),
        );
        return None;
    };
    let mut out = Vec::new();
    let mut sound = true;
    for (key, value) in node::entries(table) {
        match currency(reader, key).and_then(|currency| amount(reader, value, currency)) {
            Some(amount) => out.push(amount),
            None => sound = false,
        }
    }
    if table.is_empty() {
        reader.notes.error(
            Kind::NoCurrencyListed,
            node.span(),
            format!("`{name}` lists no currency: nothing could match it"),
            None,
        );
        sound = false;
    }
    out.sort_by_key(|m| m.currency);
    sound.then_some(out)
}

/// What a bare amount says, as it would be written in dollars.
fn digits_of(node: &Node<'_>) -> String {
    let digits = match node.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => String::new(),
    };
    money(&digits, "USD").unwrap_or_else(|| "25.00".to_owned())
}

fn currency(reader: &mut Reader<'_, '_>, key: &node::Key<'_>) -> Option<Currency> {
    let word = key.get_ref().as_ref();
    let known = Currency::parse(word).ok();
    if let Some(currency) = known.filter(|c| c.as_str() == word) {
        return Some(currency);
    }
    let upper = word.to_ascii_uppercase();
    let near = known.map(|_| upper.as_str()).or_else(|| {
        let close = COMMON.iter().find(|code| strsim::damerau_levenshtein(code, &upper) == 1);
        close.copied().or_else(|| nearest(word, COMMON))
    });
    let hint = match near {
        Some(near) => format!("did you mean `{near}`? Currencies are ISO 4217 codes in capitals"),
        None => "currencies are ISO 4217 codes in capitals, like USD, EUR, INR".to_owned(),
    };
    reader.notes.error(
        Kind::UnknownCurrency,
        key.span(),
        format!("`{}` is not a currency", node::shorten(word)),
        Some(hint),
    );
    None
}

fn amount(reader: &mut Reader<'_, '_>, value: &Node<'_>, currency: Currency) -> Option<Money> {
    let code = currency.as_str();
    let text = match value.get_ref() {
        DeValue::String(text) => text,
        DeValue::Integer(_) | DeValue::Float(_) => {
            let digits = &reader.notes.text()[value.span()];
            let hint = money(digits, code).map(|digits| format!("write `{code} = \"{digits}\"`"));
            reader.notes.error(
                Kind::AmountNotQuoted,
                value.span(),
                "amounts are written in quotes, so that no digit is lost",
                hint,
            );
            return None;
        }
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            node::wrong_type(&mut reader.notes, value, code, "an amount in quotes, like \"25.00\"");
            return None;
        }
    };
    match Money::parse_major(text, currency) {
        Ok(amount) => Some(amount),
        Err(
            error @ (MoneyError::BadAmount { .. }
            | MoneyError::TooMuch { .. }
            | MoneyError::UnknownCurrency(_)),
        ) => {
            reader.notes.error(
                Kind::NotAnAmount,
                value.span(),
                node::shorten_to(&error.to_string(), 160),
                None,
            );
            None
        }
    }
}

/// The digits as they should be written: `25` in USD is `25.00`.
fn money(digits: &str, code: &str) -> Option<String> {
    let currency = Currency::parse(code).ok()?;
    let exponent = usize::from(currency.exponent());
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let written = match exponent {
        0 => whole.to_owned(),
        _ => format!("{whole}.{fraction:0<exponent$}"),
    };
    Money::parse_major(&written, currency).ok().map(|_| written)
}

/// Reads `{ at_least = {…}, at_most = {…} }` into one range per currency.
pub(super) fn read_ranges(
    reader: &mut Reader<'_, '_>,
    node: &Node<'_>,
) -> Option<(Vec<AmountRange>, String)> {
    let example = "{ at_most = { USD = \"25.00\" } }";
    let Some(table) = node.get_ref().as_table() else {
        let hint = format!("write `amount = {{ at_most = {{ USD = \"{}\" }} }}`", digits_of(node));
        reader.notes.error(
            Kind::AmountWithoutBound,
            node.span(),
            "`amount` without a bound and a currency",
            Some(hint),
        );
        return None;
    };
    for (key, _) in node::entries(table) {
        let word = key.get_ref();
        if ["at_least", "at_most"].contains(&word.as_ref()) {
            continue;
        }
        match Currency::parse(word) {
            Ok(_) => {
                let message = format!("`{word}` needs `at_least` or `at_most` around it");
                reader.notes.error(
                    Kind::AmountWithoutBound,
                    key.span(),
                    message,
                    Some(format!("write `amount = {example}`")),
                );
            }
            Err(_) => {
                node::unknown_key(&mut reader.notes, key, &["at_least", "at_most"], "a bound of an amount")
            }
        }
    }
    let at_least = node::find(table, "at_least").map(|node| read(reader, node, "at_least"));
    let at_most = node::find(table, "at_most").map(|node| read(reader, node, "at_most"));
    if at_least.is_none() && at_most.is_none() {
        if table.is_empty() {
            let hint = format!("write `amount = {example}`");
            reader.notes.error(
                Kind::NoBound,
                node.span(),
                "`amount` has neither `at_least` nor `at_most`",
                Some(hint),
            );
        }
        return None;
    }
    let (at_least, at_most) = (given(at_least)?, given(at_most)?);
    let wanted = wanted(at_least.as_deref(), at_most.as_deref());
    let ranges = ranges(reader, node, at_least, at_most)?;
    let currencies = ranges.iter().map(|r| r.currency).collect();
    reader.amounts.push(AmountsAt { span: node.span(), currencies, narrowed: false, approval: false });
    Some((ranges, wanted))
}

/// Not written is fine; written and unreadable is not.
fn given<T>(bound: Option<Option<T>>) -> Option<Option<T>> {
    match bound {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn ranges(
    reader: &mut Reader<'_, '_>,
    node: &Node<'_>,
    at_least: Option<Vec<Money>>,
    at_most: Option<Vec<Money>>,
) -> Option<Vec<AmountRange>> {
    let listed: Vec<Currency> = at_least.iter().chain(&at_most).flatten().map(|m| m.currency).collect();
    let bound = |bounds: &Option<Vec<Money>>, currency| {
        bounds.as_ref().map(|list| list.iter().find(|m| m.currency == currency).map(|m| m.minor))
    };
    let mut out: Vec<AmountRange> = Vec::new();
    for currency in listed {
        let (least, most) = (bound(&at_least, currency), bound(&at_most, currency));
        if least == Some(None) || most == Some(None) {
            let message = format!("{currency} is in one of `at_least` and `at_most` and not in the other");
            let hint = "list the same currencies in both: one that is missing never matches".to_owned();
            reader.notes.error(Kind::CurrencyInOneBound, node.span(), message, Some(hint));
            return None;
        }
        let minor = Range { at_least: least.flatten(), at_most: most.flatten() };
        if minor.is_empty() {
            let message = format!("`at_least` is above `at_most` in {currency}: no amount is both");
            reader.notes.error(Kind::EmptyRange, node.span(), message, None);
            return None;
        }
        if !out.iter().any(|range| range.currency == currency) {
            out.push(AmountRange { currency, minor });
        }
    }
    Some(out)
}

fn wanted(at_least: Option<&[Money]>, at_most: Option<&[Money]>) -> String {
    let list = |amounts: &[Money]| amounts.iter().map(Money::to_string).collect::<Vec<_>>().join(" / ");
    let least = at_least.map(|a| format!("at least {}", list(a)));
    let most = at_most.map(|a| format!("at most {}", list(a)));
    least.into_iter().chain(most).collect::<Vec<_>>().join(", ")
}
