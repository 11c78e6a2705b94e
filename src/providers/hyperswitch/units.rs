//! What the router's amounts count. Of three connectors it writes the number down as they told it, whatever the
//! currency; of the others it multiplies their decimals by its own table, which is not ISO's for every currency
//! (juspay/hyperswitch, each connector's `get_dispute_details`; `common_utils`, `StringMinorUnitForConnector`;
//! `common_enums`, `is_zero_decimal_currency`).

use crate::dispute::Currency;
use crate::providers::{adyen, checkout, stripe};

/// ISO's minor units.
///
/// # Errors
/// What cannot be a number of the connector's units, or which of two units it counts; in words that go on after the
/// field's name.
pub fn iso_minor(told: i64, currency: Currency, connector: &str) -> Result<i64, String> {
    match connector {
        "adyen" => adyen::units::iso_minor(told, currency),
        "stripe" => stripe::units::iso_minor(told, currency),
        "checkout" => checkout::units::iso_minor(told, currency),
        _ => match currency.as_str() {
            // Ariary and rial without decimals, in some versions; króna with two; dinars of Iraq and Libya with two.
            "MGA" | "IRR" | "ISK" | "IQD" | "LYD" => Err(format!(
                "is {told}, and the router does not count {currency} as ISO 4217 does: look at the connector for the \
                 amount"
            )),
            _ => Ok(told),
        },
    }
}
