//! Checkout.com's units of money, and what they are in ISO 4217's. Others pass its numbers on as they are, and ask here
//! too: of where a number stood, and whose dispute it is about, nothing is known.

use crate::dispute::Currency;

/// ISO's minor units, but for Chilean pesos, which are told in hundredths that do not exist (checkout.com/docs,
/// "Format the amount value").
///
/// # Errors
/// Hundredths that are no whole unit, in words that go on after the field's name.
pub fn iso_minor(told: i64, currency: Currency) -> Result<i64, String> {
    match currency.as_str() {
        "CLP" if told % 100 == 0 => Ok(told / 100),
        "CLP" => Err(format!("is {told} CLP: hundredths that end in 00 are expected")),
        _ => Ok(told),
    }
}
