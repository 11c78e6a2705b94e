//! Decimal amounts, exactly. PayPal writes major units as text; how many decimals a currency has there is not
//! always what ISO 4217 says: it takes none for HUF, JPY and TWD (PayPal, "Currency codes"), of which ISO gives
//! two to HUF and TWD. `1500` of HUF is therefore 150000 of our minor units, and nothing is ever rounded.

use super::wire;
use crate::dispute::{Currency, Money};
use crate::providers::shared::plausible::{AMOUNT_MINOR_MAX, clean};

/// Schema `money`: the longest text of a value, characters.
const VALUE_LENGTH_MAX: usize = 32;

/// Fails in words on a currency that is none, on a negative amount, and on decimals that would be lost.
pub fn read(money: &wire::Money) -> Result<Money, String> {
    let currency = Currency::parse(&money.currency_code).map_err(|e| format!("`currency_code`: {e}"))?;
    let wrong = || format!("`value` is `{}`, which is no amount of {currency}", clean(&money.value));
    if money.value.len() > VALUE_LENGTH_MAX {
        return Err(wrong());
    }
    let decimals = usize::from(currency.exponent());
    let (whole, fraction) = match money.value.split_once('.') {
        Some((_, "")) => return Err(wrong()),
        // `.50` is among what the schema allows.
        Some((whole, fraction)) => (if whole.is_empty() { "0" } else { whole }, fraction),
        None => (money.value.as_str(), ""),
    };
    // `1500.00` of yen says no more than `1500`; `1500.50` would be half a yen.
    let told = fraction.trim_end_matches('0');
    if told.len() > decimals || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let text = if told.is_empty() { whole.to_owned() } else { format!("{whole}.{told}") };
    let read = Money::parse_major(&text, currency).map_err(|_| wrong())?;
    match read.minor <= AMOUNT_MINOR_MAX {
        true => Ok(read),
        false => Err(format!("`value` is `{}`, which is beyond any amount", clean(&money.value))),
    }
}
