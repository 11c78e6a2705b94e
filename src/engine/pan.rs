//! Card numbers and social security numbers must not leave in evidence: banks reject such packets, and the
//! numbers do not belong there (FIELD row 31). Finds them in text, whatever the spacing.

/// What was found, with all but the last four digits hidden.
pub fn find_card_or_ssn(text: &str) -> Option<String> {
    find_card(text).or_else(|| find_ssn(text))
}

/// Runs of 13 to 19 digits, single spaces or hyphens between them allowed, that pass the Luhn check and start
/// like a card number (ISO/IEC 7812: 2 to 6).
fn find_card(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let at_run_start =
            bytes[start].is_ascii_digit() && (start == 0 || !bytes[start - 1].is_ascii_digit());
        if at_run_start && let Some(digits) = card_at(&bytes[start..]) {
            let last: String = digits[digits.len() - 4..].iter().map(|d| char::from(b'0' + d)).collect();
            return Some(format!("a card number ending in {last}"));
        }
        start += 1;
    }
    None
}

fn card_at(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(19);
    let mut separated = false;
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                digits.push(byte - b'0');
                separated = false;
            }
            b' ' | b'-' if !separated && !digits.is_empty() => separated = true,
            _ => break,
        }
        if digits.len() > 19 {
            return None;
        }
    }
    let shaped = (13..=19).contains(&digits.len()) && (2..=6).contains(&digits[0]);
    (shaped && luhn(&digits)).then_some(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let doubled = u32::from(*d) << (i % 2);
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `AAA-GG-SSSS` with the parts the Social Security Administration issues (no 000, 666 or 9xx; no 00; no 0000).
fn find_ssn(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    (0..bytes.len().saturating_sub(10)).find_map(|i| {
        let window = &bytes[i..i + 11];
        let shaped = window.iter().enumerate().all(|(n, b)| match n {
            3 | 6 => *b == b'-',
            _ => b.is_ascii_digit(),
        });
        let alone = (i == 0 || !is_word(bytes[i - 1])) && bytes.get(i + 11).is_none_or(|b| !is_word(*b));
        if !shaped || !alone {
            return None;
        }
        let text = std::str::from_utf8(window).ok()?;
        let issued = !matches!(&text[..3], "000" | "666") && !text.starts_with('9');
        let issued = issued && &text[4..6] != "00" && &text[7..] != "0000";
        issued.then(|| format!("a social security number ending in {}", &text[7..]))
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_31_card_and_social_security_numbers_are_found() {
        for text in
            ["paid with 4111 1111 1111 1111.", "4111-1111-1111-1111", "x4111111111111111", "378282246310005"]
        {
            assert!(find_card_or_ssn(text).is_some(), "{text}");
        }
        assert_eq!(find_card_or_ssn("4111111111111111").unwrap(), "a card number ending in 1111");
        assert!(find_card_or_ssn("ssn 078-05-1120").is_some());
    }

    #[test]
    fn what_only_looks_like_one_may_leave() {
        let innocent = [
            "4111111111111112",
            "tracking 1Z999AA10123456784",
            "order 20260102030405",
            "078-05-11201",
            "000-12-3456",
            "+91 98765 43210",
            "4111 11 XX XXXX 1111",
            "",
        ];
        for text in innocent {
            assert_eq!(find_card_or_ssn(text), None, "{text}");
        }
    }
}
