//! Each kind of mistake, and exactly what its author reads.

use super::super::{Known, Ruleset};
use super::{EXAMPLE, one_rule, render};

/// What a file gets: its problems, or that it loads and with which warnings.
fn answer(text: &str) -> String {
    match Ruleset::parse(text) {
        Ok(loaded) if loaded.warnings.is_empty() => "loads\n".to_owned(),
        Ok(loaded) => format!("loads, with\n{}", render(&loaded.warnings, text)),
        Err(problems) => render(&problems, text),
    }
}

const HEAD: &str = "schema = 1\ndefault = { hold = { why = \"none\" } }\n";

fn with_head(rest: &str) -> String {
    format!("{HEAD}{rest}\n")
}

fn snapshot(name: &str, cases: &[(&str, String)]) {
    let all: Vec<_> = cases.iter().map(|(what, text)| format!("## {what}\n{}", answer(text))).collect();
    insta::assert_snapshot!(name, all.join("\n"));
}

#[test]
fn files_that_are_not_rules() {
    snapshot(
        "files",
        &[
            ("empty", String::new()),
            ("only a comment", "# nothing yet\n".to_owned()),
            ("a NUL byte", with_head("# \0")),
            ("not TOML", with_head("[[rule]\nid = \"a\"\nthen = { hold = { why = \"x } }\n")),
            ("a key twice", with_head("schema = 1")),
            (
                "a byte-order mark, and lines of another system",
                format!("\u{feff}{}", HEAD.replace('\n', "\r\n")),
            ),
            ("JSON", "{\"schema\": 1}".to_owned()),
            ("no schema, no default", "policy = { mode = \"live\" }\n".to_owned()),
            ("a schema from the future", HEAD.replace("schema = 1", "schema = 2")),
            ("parts nobody knows", with_head("rules = 3\n[templates.x]\nsummary = \"y\"")),
            ("one bracket", with_head("[rule]\nid = \"a\"")),
            ("larger than a rules file can be", with_head(&"#".repeat(1 << 20))),
            ("too many rules", with_head(&"[[rule]]\n".repeat(1001))),
        ],
    );
}

#[test]
fn policies() {
    let policy = |text: &str| with_head(&format!("[policy]\n{text}"));
    snapshot(
        "policies",
        &[
            ("words", policy("mode = \"on\"\nat_margin = \"accpt\"\ntime_zone = \"Asia/Calcuta\"")),
            ("submit as people write it", policy("at_margin = \"submit what is staged\"")),
            ("durations", policy("safety_margin = \"six hours\"")),
            ("a number", policy("safety_margin = 6")),
            ("no margin", policy("safety_margin = \"0h\"")),
            ("an unknown key", policy("saftey_margin = \"6h\"")),
            ("not a table", with_head("policy = \"live\"")),
        ],
    );
}

#[test]
fn conditions() {
    let cases = [
        ("an unknown condition", "when.reasn = [\"fraud\"]"),
        ("an unknown word", "when.reason = [\"product not received\"]\nwhen.stage = [\"chargback\"]"),
        ("text where a list stands", "when.status = \"won\""),
        ("an empty list", "when.network = []"),
        ("a list of numbers", "when.network_code = [10.4]"),
        ("a word twice", "when.network = [\"visa\", \"visa\"]"),
        ("a flag in quotes", "when.test_mode = \"yes\"\nwhen.refunded = 1"),
        ("evidence", "when.evidence = { has = [\"shiping_date\"], hasnt = [\"receipt\"] }"),
        ("completeness without a template", "when.evidence.complete = true"),
        ("customer", "when.customer = { disputes_90d = { at_last = 3 }, disputes_1y = { at_least = 1 } }"),
        ("a count", "when.customer.disputes_90d = { at_least = -1, at_most = \"3\" }"),
        ("a range the wrong way", "when.customer.disputes_total = { at_least = 3, at_most = 2 }"),
        ("time left", "when.time_left = { at_most = \"1 day\" }"),
        ("time left without a bound", "when.time_left = \"24h\""),
        ("any", "when.any = { network = [\"visa\"] }"),
        ("any of nothing", "when.any = []\nunless.any = [{}]"),
        ("when inside when", "when.unless.refunded = true"),
        ("not a table", "when = true"),
    ];
    snapshot("conditions", &cases.map(|(what, lines)| (what, one_rule(lines))));
}

#[test]
fn amounts() {
    let cases = [
        ("no currency", "when.amount = { at_most = 25 }"),
        ("no currency, in quotes", "when.amount = { at_most = \"99.5\" }"),
        ("no bound and no currency", "when.amount = 1500"),
        ("no bound", "when.amount = { USD = \"25.00\" }"),
        ("a bare number", "when.amount = { at_most = { USD = 25, JPY = 1500, EUR = 9.5 } }"),
        ("too many decimals", "when.amount = { at_most = { USD = \"25.001\", JPY = \"15.00\" } }"),
        ("not digits", "when.amount = { at_most = { USD = \"-1\", EUR = \"1,000.00\" } }"),
        (
            "unknown currencies",
            "when.amount = { at_most = { UDS = \"1\", usd = \"1\", dollars = \"1\", XQQ = \"1\" } }",
        ),
        ("nothing listed", "when.amount = { at_most = {} }\nunless.amount = {}"),
        (
            "listed in one bound only",
            "when.amount = { at_least = { USD = \"1\" }, at_most = { EUR = \"2\" } }",
        ),
        ("a range the wrong way", "when.amount = { at_least = { USD = \"2\" }, at_most = { USD = \"1\" } }"),
        ("more than money holds", "when.amount = { at_most = { USD = \"99999999999999999999\" } }"),
    ];
    snapshot("amounts", &cases.map(|(what, lines)| (what, one_rule(lines))));
}

#[test]
fn facts() {
    let cases = [
        ("a test misspelt", "when.facts.delivered_at = { befor = \"now\" }"),
        ("no test", "when.facts.digital = true\nwhen.facts.order_id = {}"),
        ("no fact", "when.facts = { is = 3 }\nunless.facts = {}"),
        ("a name no fact has", "when.facts.\"order id\" = { present = true }"),
        ("values of the wrong kind", "when.facts.a = { present = \"yes\", is = [1], in = 3, contains = 4 }"),
        ("numbers", "when.facts.a = { at_least = \"3\", at_most = nan, is = 1e999 }"),
        ("a date as a value", "when.facts.a = { is = 2026-05-01 }"),
        ("points in time", "when.facts.a = { before = \"yesterday\", after = 2026-05-01T10:00:00 }"),
        ("a point misspelt", "when.facts.a = { before = \"dispute.open_at\", after = \"facts.\" }"),
        ("empty choice", "when.facts.a = { in = [] }"),
    ];
    snapshot("facts", &cases.map(|(what, lines)| (what, one_rule(lines))));
}

#[test]
fn answers() {
    let rule = |lines: &str| with_head(&format!("[[rule]]\nid = \"a\"\nwhen.refunded = true\n{lines}"));
    let cases = [
        ("no answer", ""),
        ("a word", "then = \"accept\""),
        ("an unknown answer", "then = { refund = {} }"),
        ("two answers", "then = { accept = {}, hold = { why = \"x\" } }"),
        ("nothing inside", "then = {}"),
        ("no why", "then = { hold = {} }\notherwise = { ignore = { why = \" \" } }"),
        ("no template", "then = { defend = { reason = \"Not A Word\" } }"),
        ("after and lead", "then = { accept = { after = \"1h\", lead = \"1h\" } }"),
        (
            "lengths of time",
            "then = { accept = { after = \"1h30\" } }\notherwise = { accept = { lead = \"0m\" } }",
        ),
        ("otherwise later", "then = { hold = { why = \"x\" } }\notherwise = { accept = { after = \"1h\" } }"),
        ("requires", "then = { hold = { why = \"x\" } }\nrequires = [\"reciept\"]"),
        ("approval", "then = { accept = {} }\napproval = \"never\""),
        ("approval without a currency", "then = { accept = {} }\napproval = { above = 1000 }"),
        ("approval from", "then = { accept = {} }\napproval = { from = { USD = \"1\" } }"),
        ("a mode", "then = { accept = { } }\napproval = \"always\"\nmode = \"dry-run\""),
        ("default below a rule", "then = { hold = { why = \"x\" } }\ndefault = { hold = { why = \"y\" } }"),
    ];
    snapshot("answers", &cases.map(|(what, lines)| (what, rule(lines))));
}

#[test]
fn templates() {
    let rule = "[[rule]]\nid = \"a\"\nwhen.refunded = true\nthen = { stage = { template = \"t\" } }\n";
    let cases = [
        ("unknown field", "shipping = \"x\""),
        (
            "unknown placeholders",
            "summary = \"{order.id} {dispute.amout} {facts} {evidence.reciept} {facts.a b}\"",
        ),
        ("braces", "summary = \"\"\"\nFirst line\nthen {facts.a and\nthen } and {{facts.b}}\"\"\""),
        ("files", "receipt = [\"{facts.a} {facts.b}\", \"{facts.c}\"]\nexplanation_letter = 3"),
        ("a list for text", "summary = [\"a\"]"),
        ("empty text", "summary = \"\""),
        ("nothing at all", ""),
    ];
    let mut all =
        cases.map(|(what, lines)| (what, with_head(&format!("{rule}[template.t]\n{lines}")))).to_vec();
    all.push(("not there", with_head(rule)));
    all.push((
        "another name",
        with_head(&format!("{rule}[template.tt]\nsummary = \"x\"\n[template.T_2]\nsummary = \"x\"")),
    ));
    snapshot("templates", &all);
}

#[test]
fn the_file_as_a_whole() {
    let hold = |id: &str, lines: &str| {
        format!("[[rule]]\nid = \"{id}\"\nthen = {{ hold = {{ why = \"x\" }} }}\n{lines}\n")
    };
    let accept =
        |id: &str, lines: &str| format!("[[rule]]\nid = \"{id}\"\nthen = {{ accept = {{ }} }}\n{lines}\n");
    let pair = |a: &str, b: &str| with_head(&format!("{}{}", hold("first", a), hold("second", b)));
    let cap = "when.amount = { at_most = { USD = \"25.00\", INR = \"1500.00\" } }";
    let cases = [
        ("no id", with_head("[[rule]]\nthen = { hold = { why = \"x\" } }")),
        (
            "ids",
            with_head(&format!("{}{}", hold("Small Fraud", "when.refunded = true"), hold("default", ""))),
        ),
        ("one id twice", with_head(&format!("{}{}", hold("a", "when.refunded = true"), hold("a", "")))),
        ("an unknown key", with_head(&hold("a", "whne.refunded = true"))),
        ("below everything", pair("", "when.refunded = true")),
        ("below the same", pair("when.network = [\"visa\"]", "when.network = [\"VISA\"]")),
        (
            "below a wider one",
            pair(
                "when.reason = [\"fraud\", \"duplicate\"]",
                "when.reason = [\"fraud\"]\nwhen.refunded = true",
            ),
        ),
        (
            "below a wider exception",
            pair("unless.stage = [\"inquiry\"]", "unless.stage = [\"inquiry\", \"arbitration\"]"),
        ),
        (
            "below a narrower one",
            pair("when.reason = [\"fraud\"]", "when.reason = [\"fraud\", \"duplicate\"]"),
        ),
        (
            "never",
            with_head(&hold("a", "when.reason = [\"fraud\"]\nunless.reason = [\"fraud\", \"duplicate\"]")),
        ),
        (
            "has and lacks",
            with_head(&hold("a", "when.evidence = { has = [\"receipt\"], lacks = [\"receipt\"] }")),
        ),
        (
            "a forgotten currency",
            with_head(&format!(
                "{}{}",
                accept("a", cap),
                hold("b", "when.amount = { at_least = { USD = \"500.00\" } }")
            )),
        ),
        (
            "a currency of one provider",
            with_head(&format!(
                "{}{}",
                accept("a", cap),
                hold("b", "when.provider = [\"x\"]\nwhen.amount = { at_least = { INR = \"500.00\" } }")
            )),
        ),
        (
            "an approval that forgets one",
            with_head(&format!(
                "{}{}",
                accept("a", cap),
                accept("b", "approval = { above = { USD = \"9\" } }")
            )),
        ),
        ("accept without a limit", with_head(&accept("a", "when.refunded = true"))),
        ("an approval of nothing", with_head(&hold("a", "approval = \"always\""))),
        (
            "a short lead",
            with_head("[[rule]]\nid = \"a\"\nthen = { accept = { lead = \"2h\" } }\napproval = \"always\""),
        ),
        ("default accepts", HEAD.replace("hold = { why = \"none\" }", "accept = {}")),
    ];
    snapshot("whole", &cases);
}

#[test]
fn the_example_loads_without_a_word() {
    assert_eq!(answer(EXAMPLE), "loads\n");
    assert_eq!(answer(&EXAMPLE.replace('\n', "\r\n")), "loads\n");
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
