//! Rules files with each kind of mistake, and exactly what their author reads. The rows are here; what `rules
//! check` answers to each is beside them, in `snapshots`, to be read like the rows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use respondby::rules::Kind;
use serde_json::Value;

use super::{Said, of_one_provider, respondby};

/// What is wrong with it, and the file.
type Row = (&'static str, String);

const HEAD: &str = "schema = 1\ndefault = { hold = { why = \"none\" } }\n";

fn with_head(rest: &str) -> String {
    format!("{HEAD}{rest}\n")
}

/// A file with these lines as the `when` and `unless` of its only rule.
fn one_rule(conditions: &str) -> String {
    with_head(&format!(
        "[[rule]]\nid = \"r\"\nthen = {{ ignore = {{ why = \"it matched\" }} }}\n{conditions}"
    ))
}

fn groups() -> [(&'static str, Vec<Row>); 8] {
    [
        ("files", files()),
        ("policies", policies()),
        ("conditions", conditions()),
        ("amounts", amounts()),
        ("facts", facts()),
        ("answers", answers()),
        ("templates", templates()),
        ("whole", whole()),
    ]
}

/// Each file in a folder of its own, always under one name, so that the answers are the same everywhere.
fn write(dir: &Path, rows: &[Row]) -> Vec<PathBuf> {
    let write = |(at, (_, text)): (usize, &Row)| {
        let folder = dir.join(at.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        // A character of Latin-1 stands for its byte, where a row wants one that is no UTF-8.
        let bytes = text.chars().flat_map(|c| match c {
            NO_UTF_8 => vec![0xff],
            other => other.to_string().into_bytes(),
        });
        std::fs::write(folder.join("rules.toml"), bytes.collect::<Vec<u8>>()).unwrap();
        folder
    };
    rows.iter().enumerate().map(write).collect()
}

/// Stands for the byte 0xff, which no text can have.
const NO_UTF_8: char = '\u{10ffff}';

#[test]
fn every_mistake_is_told_with_its_place_and_how_to_mend_it() {
    for (group, rows) in groups() {
        let dir = tempfile::tempdir().unwrap();
        let folders = write(dir.path(), &rows);
        let answers = rows.iter().zip(folders).map(|((what, _), folder)| {
            let Said { code, out, err } = respondby(&["rules", "check", "rules.toml"]).dir(&folder).said();
            of_one_provider(format!("## {what}\n{out}{err}-- exit {code}\n"))
        });
        insta::assert_snapshot!(group, answers.collect::<Vec<_>>().join("\n"));
    }
}

/// A kind that is added without a row fails here.
#[test]
fn every_kind_of_mistake_has_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = groups().into_iter().flat_map(|(_, rows)| rows).collect();
    let files: Vec<String> =
        write(dir.path(), &rows).iter().map(|f| f.join("rules.toml").display().to_string()).collect();
    let config = dir.path().join("respondby.toml");
    for (name, text) in [("respondby.toml", super::ONE_ACCOUNT), ("key", super::KEY), ("secret", "made-up")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let config = config.display().to_string();
    let words = ["--json", "--config", &config, "rules", "check"];
    let words: Vec<&str> = words.into_iter().chain(files.iter().map(String::as_str)).collect();
    let said = respondby(&words).said();
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    let answers: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answers.len(), rows.len());
    let mut seen = BTreeSet::new();
    for (answer, (what, _)) in answers.iter().zip(&rows) {
        for problem in answer["problems"].as_array().unwrap() {
            let kind: Kind =
                problem["kind"].as_str().unwrap().parse().unwrap_or_else(|e| panic!("{what}: {e}"));
            seen.insert(kind);
        }
    }
    let without: Vec<&Kind> = Kind::ALL.iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(without.is_empty(), "no row is about {without:?}");
}

fn files() -> Vec<Row> {
    vec![
        ("empty", String::new()),
        ("only a comment", "# nothing yet\n".to_owned()),
        ("a NUL byte", with_head("# \0")),
        ("a byte that is no UTF-8", with_head(&format!("# caf{NO_UTF_8}"))),
        ("not TOML", with_head("[[rule]\nid = \"a\"\nthen = { hold = { why = \"x } }\n")),
        ("a key twice", with_head("schema = 1")),
        ("a byte-order mark, and lines of another system", format!("\u{feff}{}", HEAD.replace('\n', "\r\n"))),
        ("JSON", "{\"schema\": 1}".to_owned()),
        ("no schema, no default", "policy = { mode = \"live\" }\n".to_owned()),
        ("a schema from the future", HEAD.replace("schema = 1", "schema = 2")),
        ("parts nobody knows", with_head("rules = 3\n[templates.x]\nsummary = \"y\"")),
        ("one bracket", with_head("[rule]\nid = \"a\"")),
        ("larger than a rules file can be", with_head(&"#".repeat(1 << 20))),
        (
            "brackets without end",
            one_rule(&format!("when.any = {}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ),
        ("a name without end", one_rule(&format!("when.facts.{}b = {{ is = 1 }}", "a.".repeat(200_000)))),
        (
            "more words than anybody has",
            one_rule(&format!(
                "when.network = [{}\"\"]",
                (0..90_000).map(|n| format!("\"{n}\",")).collect::<String>()
            )),
        ),
        ("too many rules", with_head(&"[[rule]]\n".repeat(1001))),
    ]
}

fn policies() -> Vec<Row> {
    let policy = |text: &str| with_head(&format!("[policy]\n{text}"));
    vec![
        ("words", policy("mode = \"on\"\nat_margin = \"accpt\"\ntime_zone = \"Asia/Calcuta\"")),
        ("submit as people write it", policy("at_margin = \"submit what is staged\"")),
        ("durations", policy("safety_margin = \"six hours\"")),
        ("a number", policy("safety_margin = 6")),
        ("no margin", policy("safety_margin = \"0h\"")),
        ("an unknown key", policy("saftey_margin = \"6h\"")),
        ("not a table", with_head("policy = \"live\"")),
    ]
}

fn conditions() -> Vec<Row> {
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
        ("names that nothing has", "when.provider = [\"strpe\"]\nwhen.account = [\"acme-ue\"]"),
    ];
    cases.map(|(what, lines)| (what, one_rule(lines))).to_vec()
}

fn amounts() -> Vec<Row> {
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
        ("a list, a date", "when.amount = { at_most = { USD = [\"1\"], EUR = 2026-01-01 } }"),
    ];
    cases.map(|(what, lines)| (what, one_rule(lines))).to_vec()
}

fn facts() -> Vec<Row> {
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
    cases.map(|(what, lines)| (what, one_rule(lines))).to_vec()
}

fn answers() -> Vec<Row> {
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
    cases.map(|(what, lines)| (what, rule(lines))).to_vec()
}

fn templates() -> Vec<Row> {
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
    all
}

fn whole() -> Vec<Row> {
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
                hold("b", "when.provider = [\"stripe\"]\nwhen.amount = { at_least = { INR = \"500.00\" } }")
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
    cases.to_vec()
}
