//! What the table of mistakes (`tests/it/bad_input`) does not hold: a file with several, names from outside, and
//! the example, which has none.

use super::super::{Known, Ruleset};
use super::{EXAMPLE, one_rule, render};

#[test]
fn the_example_loads_without_a_word() {
    for text in [EXAMPLE.to_owned(), EXAMPLE.replace('\n', "\r\n")] {
        let warnings = Ruleset::parse(&text).unwrap().warnings;
        assert!(warnings.is_empty(), "{}", render(&warnings, &text));
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_in_its_order() {
    let text = EXAMPLE
        .replace("reason = [\"duplicate\"]", "reason = [\"duplicates\"]")
        .replace("mode = \"shadow\"\n", "mode = \"shade\"\n")
        .replace("{facts.avs}", "{fact.avs}");
    let problems = Ruleset::parse(&text).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|p| p.line).collect();
    assert_eq!(problems.len(), 3, "{}", render(&problems, &text));
    assert!(lines.is_sorted());
}

#[test]
fn names_from_outside_are_checked_when_they_are_known() {
    let text = one_rule("when.provider = [\"strpe\"]\nwhen.account = [\"main\"]");
    assert!(Ruleset::parse(&text).is_ok());
    let known = Known { providers: &["stripe", "razorpay"], accounts: &["shop-in"] };
    let told = render(&Ruleset::parse_knowing(&text, known).unwrap_err(), &text);
    assert!(
        told.contains("no provider is called `strpe`") && told.contains("did you mean `stripe`?"),
        "{told}"
    );
    assert!(
        told.contains("no account is called `main`") && told.contains("the names are: shop-in"),
        "{told}"
    );
}
