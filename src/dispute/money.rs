//! Money as providers state it: minor units and an ISO 4217 code. Never a float, and never compared
//! across currencies. Conversion to major units exists for people's eyes only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency code that the standard lists with a minor unit, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("`{0}` is not an ISO 4217 currency code")]
    UnknownCurrency(String),
    #[error("`{text}` is not an amount of {currency}: write digits{}", after_dot(*.exponent))]
    BadAmount { text: String, currency: Currency, exponent: u8 },
    #[error("`{text}` of {currency} is more than can be counted: at most {}", Money::new(i64::MAX, *.currency))]
    TooMuch { text: String, currency: Currency },
}

fn after_dot(exponent: u8) -> String {
    match exponent {
        0 => " without a dot, because it has no smaller unit".to_owned(),
        n => format!(", and at most {n} after a dot"),
    }
}

impl Currency {
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let unknown = || MoneyError::UnknownCurrency(code.chars().take(16).collect());
        let upper = code.to_ascii_uppercase();
        // Gold, baskets of currencies, tests and "no currency" have a code, and no unit to count in.
        iso_currency::Currency::from_code(&upper).and_then(|c| c.exponent()).ok_or_else(unknown)?;
        let bytes: [u8; 3] = upper.as_bytes().try_into().map_err(|_| unknown())?;
        Ok(Self(bytes))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency code is three ASCII letters")
    }

    /// Digits after the decimal point: 2 for USD, 0 for JPY, 3 for KWD (ISO 4217, table A.1).
    pub fn exponent(&self) -> u8 {
        let known = iso_currency::Currency::from_code(self.as_str());
        known.and_then(|c| c.exponent()).map_or(0, |e| e as u8)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::parse(s)
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units of `currency`: cents, paise; whole units where the exponent is 0.
    pub minor: i64,
    pub currency: Currency,
}

impl Money {
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Reads a decimal amount in major units, as people write it in rules: `25.00`, `1500`.
    pub fn parse_major(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let exponent = currency.exponent();
        let bad = || MoneyError::BadAmount { text: text.chars().take(32).collect(), currency, exponent };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let shaped = !whole.is_empty() && digits(whole) && digits(fraction);
        if !shaped || fraction.len() > exponent as usize || text.ends_with('.') {
            return Err(bad());
        }
        let padded = format!("{whole}{fraction:0<width$}", width = exponent as usize);
        let minor = padded
            .parse()
            .map_err(|_| MoneyError::TooMuch { text: text.chars().take(32).collect(), currency })?;
        Ok(Self { minor, currency })
    }

    /// Compares two amounts of one currency; `None` when the currencies differ.
    pub fn compare(&self, other: &Money) -> Option<std::cmp::Ordering> {
        (self.currency == other.currency).then(|| self.minor.cmp(&other.minor))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        let grouped = group_thousands(whole);
        match fraction.is_empty() {
            true => write!(f, "{sign}{grouped} {}", self.currency),
            false => write!(f, "{sign}{grouped}.{fraction} {}", self.currency),
        }
    }
}

fn group_thousands(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, Currency::parse(code).unwrap())
    }

    #[test]
    fn amounts_print_with_their_own_exponent() {
        assert_eq!(money(123_456, "usd").to_string(), "1,234.56 USD");
        assert_eq!(money(1500, "JPY").to_string(), "1,500 JPY");
        assert_eq!(money(5, "KWD").to_string(), "0.005 KWD");
        assert_eq!(money(-250, "INR").to_string(), "-2.50 INR");
        assert_eq!(money(i64::MIN, "USD").to_string(), "-92,233,720,368,547,758.08 USD");
    }

    #[test]
    fn major_units_read_strictly() {
        let usd = Currency::parse("USD").unwrap();
        let jpy = Currency::parse("JPY").unwrap();
        assert_eq!(Money::parse_major("25.00", usd).unwrap().minor, 2500);
        assert_eq!(Money::parse_major("25.5", usd).unwrap().minor, 2550);
        assert_eq!(Money::parse_major("25", usd).unwrap().minor, 2500);
        assert_eq!(Money::parse_major("1500", jpy).unwrap().minor, 1500);
        for bad in ["", ".", "25.", ".5", "25.001", "-1", "1e3", "1,000", " 1", "99999999999999999999"] {
            assert!(Money::parse_major(bad, usd).is_err(), "{bad:?} must be refused");
        }
        assert!(Money::parse_major("15.00", jpy).is_err(), "yen has no minor unit");
    }

    #[test]
    fn unknown_currencies_are_refused_by_name() {
        let error = Currency::parse("ZZZ").unwrap_err();
        assert_eq!(error.to_string(), "`ZZZ` is not an ISO 4217 currency code");
        for no_money in ["", "XXX", "XTS", "XAU", "XDR"] {
            assert!(Currency::parse(no_money).is_err(), "{no_money}");
        }
        assert!(Currency::parse("US").is_err());
        assert!(Currency::parse("\u{130}SD").is_err());
    }

    #[test]
    fn currencies_never_compare_across() {
        assert_eq!(money(1, "USD").compare(&money(1, "INR")), None);
        assert_eq!(money(1, "USD").compare(&money(2, "USD")), Some(std::cmp::Ordering::Less));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(minor in 0i64..1_000_000_000_000, code in "(USD|JPY|KWD|INR|EUR)") {
            let amount = money(minor, &code);
            let text = amount.to_string().replace(',', "");
            let (digits, _) = text.split_once(' ').unwrap();
            prop_assert_eq!(Money::parse_major(digits, amount.currency).unwrap(), amount);
        }
    }
}
