//! Adyen's units of money, and what they are in ISO 4217's. Others pass its numbers on as they are, and ask here
//! too: of where a number stood, and whose dispute it is about, nothing is known.

use crate::dispute::Currency;

/// ISO's minor units. Adyen counts four currencies in other ones (docs.adyen.com, "Currency codes and minor units").
///
/// # Errors
/// Hundredths that are no whole unit, in words that go on after the field's name.
pub fn iso_minor(told: i64, currency: Currency) -> Result<i64, String> {
    match currency.as_str() {
        // Hundredths, which ISO does not have.
        "CLP" | "ISK" if told % 100 == 0 => Ok(told / 100),
        "CLP" | "ISK" => {
            Err(format!("is {told}: Adyen counts {currency} in hundredths, and this is no whole number"))
        }
        // Whole units, which are a hundred of ISO's.
        "CVE" | "IDR" => Ok(told.saturating_mul(100)),
        _ => Ok(told),
    }
}
