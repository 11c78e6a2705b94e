//! Stripe's units of money, and what they are in ISO 4217's. Others pass its numbers on as they are, and ask here
//! too: of where a number stood, and whose dispute it is about, nothing is known.

use crate::dispute::Currency;

/// ISO's minor units, but in three currencies: króna and shilling come with two decimals that are always zero, ariary
/// with none (docs.stripe.com/currencies, special cases and zero-decimal currencies).
///
/// # Errors
/// Hundredths that are no whole unit, in words that go on after the field's name.
pub fn iso_minor(told: i64, currency: Currency) -> Result<i64, String> {
    match currency.as_str() {
        "ISK" | "UGX" if told % 100 == 0 => Ok(told / 100),
        "ISK" | "UGX" => Err(format!("is {told}: in {currency} Stripe sends multiples of 100")),
        "MGA" => Ok(told.saturating_mul(100)),
        _ => Ok(told),
    }
}
