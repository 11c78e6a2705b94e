//! The merchants' rules that are in force, and published in the middle of things. Every kind of answer, of margin
//! and of condition is among them, so that no path of a month goes unwalked.

use std::sync::{Arc, LazyLock};

use respondby::rules::Ruleset;

pub static ALL: LazyLock<Vec<Arc<Ruleset>>> = LazyLock::new(|| {
    texts()
        .iter()
        .map(|text| match Ruleset::parse(text) {
            Ok(loaded) => Arc::new(loaded.ruleset),
            Err(problems) => panic!("the rules of the simulation do not load: {problems:#?}\n{text}"),
        })
        .collect()
});

fn file(mode: &str, margin: &str, at_margin: &str, rules: &str) -> String {
    format!(
        "schema = 1\n\
         policy = {{ mode = \"{mode}\", safety_margin = \"{margin}\", at_margin = \"{at_margin}\" }}\n\
         default = {{ hold = {{ why = \"no rule matched\" }} }}\n{rules}\n\
         [template.plain]\n\
         summary = \"It was sent as order {{dispute.payment_ref}}.\"\n"
    )
}

const SMALL: &str = r#"
[[rule]]
id = "small"
when.amount = { at_most = { USD = "25.00" } }
then = { accept = { after = "3h" } }
"#;

const PROVED: &str = r#"
[[rule]]
id = "proved"
when.facts.delivered = { is = true }
then = { defend = { template = "plain", lead = "36h" } }
"#;

fn texts() -> Vec<String> {
    let rule = |id: &str, body: &str| format!("[[rule]]\nid = \"{id}\"\n{body}\n");
    let at_once = rule("at-once", "then = { defend = { template = \"plain\" } }");
    let accepted = rule("accepted", "then = { accept = {} }");
    let receipt = rule(
        "with-receipt",
        "then = { defend = { template = \"plain\", lead = \"24h\" } }\nrequires = [\"receipt\"]\notherwise = { accept = {} }",
    );
    let approved = rule(
        "approved",
        "then = { defend = { template = \"plain\", lead = \"48h\" } }\napproval = { above = { USD = \"40.00\" } }",
    );
    let late = rule("late", "when.time_left = { at_most = \"30h\" }\nthen = { accept = {} }");
    let staged = rule("staged", "then = { stage = { template = \"plain\" } }");
    let ignored =
        rule("ignored", "when.reason = [\"general\"]\nthen = { ignore = { why = \"the bank pays\" } }");
    let quiet = rule("quiet", "mode = \"shadow\"\nwhen.reason = [\"fraud\"]\nthen = { accept = {} }");
    vec![
        file("live", "6h", "page", &format!("{SMALL}{PROVED}{at_once}")),
        file("live", "12h", "accept", &format!("{ignored}{PROVED}{approved}")),
        file("live", "3h", "submit what is staged", &format!("{SMALL}{staged}")),
        file("live", "6h", "page", &format!("{quiet}{receipt}")),
        file("live", "24h", "accept", &format!("{late}{PROVED}")),
        file("shadow", "6h", "page", &at_once),
        file("live", "6h", "page", &format!("{quiet}{accepted}")),
    ]
}
