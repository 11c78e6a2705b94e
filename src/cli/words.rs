//! Words and numbers on the command line, read so that a slip is answered with what was probably meant.
//! Knows lists of words, and not what any of them does.

use std::str::FromStr;

use crate::config::nearest;
use crate::dispute::UnknownWord;

/// One of a closed set of words.
pub(super) fn word<T: FromStr<Err = UnknownWord>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|unknown: UnknownWord| {
        let hint = nearest(&unknown.word, unknown.expected.split(", "));
        hint.map_or_else(|| unknown.to_string(), |hint| format!("{unknown}; {hint}"))
    })
}

/// The number of a delivery or an alert.
pub(super) fn number(text: &str) -> Result<i64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let read = if digits { text.parse().ok() } else { None };
    read.ok_or_else(|| {
        "this is no id: those are whole numbers, as the command's `list` shows them".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Field;
    use crate::providers::ProviderName;

    #[test]
    fn a_slip_is_answered_with_what_was_probably_meant() {
        assert_eq!(word("stripe"), Ok(ProviderName::Stripe));
        assert!(word::<ProviderName>("strip").unwrap_err().ends_with("did you mean `stripe`?"));
        assert!(word::<Field>("recept").unwrap_err().ends_with("did you mean `receipt`?"));
        assert!(!word::<ProviderName>("xyz").unwrap_err().contains("did you mean"));
    }

    #[test]
    fn an_id_is_a_whole_number() {
        assert_eq!(number("71"), Ok(71));
        for wrong in ["abc", "", "-7", "7.0", "+7", "99999999999999999999"] {
            assert!(number(wrong).unwrap_err().contains("`list` shows them"), "{wrong}");
        }
    }
}
