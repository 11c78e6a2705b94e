//! Prism's numbers of currencies, which are its own and not ISO's: the codes in the order of its `enum Currency`
//! (payment.proto of juspay/connector-service and juspay/hyperswitch-prism, the same in `ucs.v2` and `types`), from 1
//! on. A number that is not here is no currency.

use crate::dispute::Currency;

const CODES: &str = "
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL
    BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUC CUP CVE CZK DJF DKK DOP
    DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF
    IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN
    NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
    SDG SEK SGD SHP SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT TND TOP TRY
    TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL
";

/// `None` also for what ISO 4217 has withdrawn since: what it counted in is not known any more.
pub fn currency(number: i32) -> Option<Currency> {
    let place = usize::try_from(number).ok()?.checked_sub(1)?;
    CODES.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_prisms_list() {
        assert_eq!(CODES.split_whitespace().count(), 160);
        for (number, code) in [
            (1, "AED"),
            (2, "AFN"),
            (15, "BHD"),
            (30, "CLP"),
            (45, "EUR"),
            (48, "GBP"),
            (63, "INR"),
            (69, "JPY"),
            (76, "KWD"),
            (84, "LYD"),
            (98, "MZN"),
            (112, "PYG"),
            (131, "STN"),
            (140, "TRY"),
            (146, "USD"),
            (159, "ZMW"),
        ] {
            assert_eq!(currency(number).map(|c| c.to_string()).as_deref(), Some(code), "{number}");
        }
        for number in [0, -1, 161, 978, i32::MAX, i32::MIN] {
            assert_eq!(currency(number), None, "{number}");
        }
    }

    #[test]
    fn every_currency_in_use_is_read() {
        let unread: Vec<&str> = CODES
            .split_whitespace()
            .zip(1..)
            .filter(|(code, number)| currency(*number).is_none_or(|c| c.as_str() != *code))
            .map(|(code, _)| code)
            .collect();
        // Withdrawn: for XCG, which has no number, and for STN, which has its own.
        assert_eq!(unread, ["ANG", "STD"]);
    }

    /// What we serve under Prism's names has Prism's numbers too.
    #[test]
    fn the_served_list_is_the_same() {
        let served = include_str!("../../../proto/served/types.proto");
        let (_, list) = served.split_once("enum Currency {").unwrap();
        let list = list.split_once('}').unwrap().0;
        let entries = list.lines().filter_map(|line| line.trim().strip_suffix(';')?.split_once(" = "));
        let served: Vec<(&str, usize)> = entries.map(|(name, n)| (name, n.parse().unwrap())).collect();
        let known = CODES.split_whitespace().zip(1..);
        let known: Vec<(&str, usize)> = [("CURRENCY_UNSPECIFIED", 0)].into_iter().chain(known).collect();
        assert_eq!(served, known);
    }
}
