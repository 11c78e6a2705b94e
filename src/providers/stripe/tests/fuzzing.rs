//! Hostile bodies: reading is total, and what it says can be shown and stored.

use proptest::prelude::*;

use super::*;

/// Nothing panics, and every text that comes out is printable: a database column refuses NUL.
fn check(source: Source, body: &[u8]) -> Result<(), TestCaseError> {
    let reading = offline().events(&Kept { source, body, as_of: at(T) });
    match &reading {
        Reading::Events(events) => {
            let json = serde_json::to_string(events).unwrap();
            prop_assert!(!json.contains("\\u00"), "{json}");
        }
        Reading::FetchFirst { dispute_ref: words, name: what } => {
            prop_assert!(!words.is_empty() && is_printable(words) && is_printable(what), "{reading:?}");
        }
        Reading::Partly { what, .. }
        | Reading::Acknowledged { what }
        | Reading::NotOurs { what }
        | Reading::Unrecognised { what } => {
            prop_assert!(is_printable(what) && !what.is_empty() && what.chars().count() < 800, "{what:?}");
        }
    }
    Ok(())
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn source() -> impl Strategy<Value = Source> {
    prop::sample::select(Source::ALL)
}

/// A body with one value somewhere replaced by another of any type.
fn replaced() -> impl Strategy<Value = String> {
    let values = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-1",
        "1e300",
        "18446744073709551616",
        "1000000000000000000",
        "\"\"",
        "\"\\u0000\"",
        "\"\\u001b[31m\"",
        "[]",
        "{}",
        "[[[]]]",
        "\"needs_response\"",
        "253402300800",
        "\"\\ud83c\\udf4a\"",
    ]);
    (prop::sample::select(&BODIES[..]), any::<prop::sample::Index>(), values).prop_map(|(body, at, value)| {
        let colons: Vec<usize> = body.match_indices(": ").map(|(i, _)| i + 2).collect();
        let start = colons[at.index(colons.len())];
        let end = start + body[start..].find([',', '\n']).unwrap_or(0);
        format!("{}{value}{}", &body[..start], &body[end..])
    })
}

proptest! {
    #[test]
    fn random_bytes(source in source(), body in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(source, &body)?;
    }

    #[test]
    fn fixtures_with_bytes_changed(
        source in source(),
        body in prop::sample::select(&BODIES[..]),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = body.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        check(source, &body)?;
    }

    #[test]
    fn fixtures_with_values_replaced(source in source(), body in replaced()) {
        check(source, body.as_bytes())?;
    }

    #[test]
    fn fixtures_cut_short(source in source(), body in prop::sample::select(&BODIES[..]), at in any::<prop::sample::Index>()) {
        let cut = at.index(body.trim_end().len());
        let kept = Kept { source, body: &body.as_bytes()[..cut], as_of: at_now() };
        let reading = offline().events(&kept);
        prop_assert!(matches!(reading, Reading::Unrecognised { .. }), "{reading:?}");
    }
}

fn at_now() -> DateTime<Utc> {
    at(T)
}

#[test]
fn deep_nesting_is_survived() {
    for (open, close) in [("[", "]"), ("{\"id\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        unrecognised(webhook(&deep));
        unrecognised(read(Source::Poll, &deep));
        for field in ["charge", "amount", "evidence", "evidence_details", "payment_method_details", "id"] {
            let body = CREATED.replacen("\"data\": {", &format!("\"data\": {{ \"{field}\": {deep},"), 1);
            let inside =
                CREATED.replacen("\"object\": {", &format!("\"object\": {{ \"more_{field}\": {deep},"), 1);
            // What is not needed is skipped, however deep it is; the point is that nothing overflows.
            webhook(&body);
            webhook(&inside);
            webhook(&CREATED.replacen("\"ch_3QaMango\"", &deep, 1));
            webhook(&CREATED.replacen("4599", &deep, 1));
        }
    }
}

#[test]
fn other_json_is_said_to_be_something_else() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "7",
        "\"evt\"",
        "\u{feff}{}",
        "{\"type\":7}",
        "{\"type\":\"a\",\"object\":\"list\"}",
    ] {
        assert!(!unrecognised(webhook(body)).is_empty(), "{body}");
        assert!(!unrecognised(read(Source::ReadBack, body)).is_empty(), "{body}");
    }
}

#[test]
fn row_06_an_unknown_case_type_is_no_stage() {
    let read = |case_type: &str| {
        let body = serde_json::json!({
            "id": "du_1Row6", "object": "dispute", "amount": 4200, "currency": "usd", "charge": "ch_1Row6",
            "created": 1_790_000_000, "livemode": false, "reason": "general", "status": "needs_response",
            "evidence_details": {"due_by": 1_791_000_000},
            "payment_method_details": {"type": "card", "card": {"brand": "visa", "case_type": case_type}},
        });
        let body = body.to_string();
        offline().events(&Kept { source: Source::Poll, body: body.as_bytes(), as_of: at_now() })
    };
    assert!(matches!(read("chargeback"), Reading::Events(_)), "{:?}", read("chargeback"));
    let Reading::Unrecognised { what } = read("tribunal") else { panic!("{:?}", read("tribunal")) };
    assert!(what.contains("case_type` is `tribunal`"), "{what}");
}
