//! Disputes and the rule that answers, as tables a reviewer can check without running them.

use serde_json::json;

use super::super::{AtMargin, Customer, Mode, Ruleset, Then, When};
use super::{Case, EXAMPLE, at, load, matches, one_rule};
use crate::dispute::{Category, Stage};
use crate::evidence::Field;

/// `reason | stage | amount | what else is known | -> rule`
const EXAMPLE_TABLE: &str = "
fraud                | chargeback      | 20.00 USD    |                                                     | small-fraud-is-not-worth-it
fraud                | chargeback      | 25.00 USD    |                                                     | small-fraud-is-not-worth-it
fraud                | chargeback      | 25.01 USD    |                                                     | fraud-without-proof
fraud                | chargeback      | 1500.00 INR  |                                                     | small-fraud-is-not-worth-it
fraud                | chargeback      | 1500 JPY     |                                                     | default
fraud                | chargeback      | 20.00 USD    | refunded                                            | default
fraud                | chargeback      | 20.00 USD    | disputes=3                                          | disputes-again-and-again
fraud                | chargeback      | 20.00 USD    | disputes=2                                          | small-fraud-is-not-worth-it
fraud                | chargeback      | 20.00 USD    | three_d_secure=authenticated                        | fraud-but-authenticated
fraud                | chargeback      | 20.00 USD    | three_d_secure=attempted                            | small-fraud-is-not-worth-it
fraud                | inquiry         | 20.00 USD    |                                                     | default
fraud                | inquiry         | 20.00 USD    | order_id=7 product_description=Lamp                 | answer-the-inquiry
fraud                | pre_arbitration | 20.00 USD    |                                                     | second-round
fraud                | chargeback      | 20.00 USD    | fee                                                 | a-fee-to-answer
fraud                | chargeback      | 90.00 USD    | avs=match cvc=match delivered_at=2026-05-09         | fraud-but-delivered-to-the-cardholder
fraud                | chargeback      | 90.00 USD    | avs=match cvc=match delivered_at=2026-05-10         | fraud-without-proof
fraud                | chargeback      | 90.00 USD    | avs=match cvc=fail delivered_at=2026-05-09          | fraud-without-proof
fraud                | chargeback      | 90.00 USD    | digital=true usage_last_at=2026-05-09               | fraud-but-used
fraud                | chargeback      | 90.00 USD    | +access_activity_log                                | default
fraud                | chargeback      | 900.00 USD   |                                                     | default
fraud                | chargeback      | 900.00 INR   | provider=razorpay                                   | razorpay-small-and-undocumented
fraud                | chargeback      | 900.00 INR   | provider=razorpay +receipt                          | small-fraud-is-not-worth-it
product_not_received | chargeback      | 90.00 USD    | tracking_number=T1 delivered_at=2026-05-09T08:00:00Z| delivered-and-proved
product_not_received | chargeback      | 90.00 USD    | tracking_number=T1 delivered_at=2026-05-12T08:00:00Z| default
product_not_received | chargeback      | 90.00 USD    | tracking_number=T1 delivered_at=last_week           | default
product_not_received | chargeback      | 90.00 USD    | shipped_at=2026-05-02                               | on-its-way
product_not_received | chargeback      | 90.00 USD    | digital=true usage_last_at=2026-05-02               | digital-and-used
product_not_received | chargeback      | 90.00 USD    | digital=yes usage_last_at=2026-05-02                | default
subscription_canceled| chargeback      | 9.00 EUR     | order_id=7                                          | never-cancelled
subscription_canceled| chargeback      | 9.00 EUR     | order_id=7 cancelled_at=2026-04-01                  | default
subscription_canceled| chargeback      | 9.00 EUR     | cancelled_at=2026-04-01 usage_last_at=2026-04-09    | used-after-cancelling
subscription_canceled| chargeback      | 9.00 EUR     | cancelled_at=2026-04-01 usage_last_at=2026-04-01    | default
duplicate            | chargeback      | 90.00 USD    | +duplicate_charge_id                                | two-orders-two-charges
duplicate            | chargeback      | 30.00 USD    |                                                     | small-complaint
credit_not_processed | chargeback      | 30.00 USD    | refund_ref=R1 refunded_at=2026-05-01                | refunded-before-the-dispute
credit_not_processed | chargeback      | 30.00 USD    | refund_ref=R1 refunded_at=2026-05-12                | default
credit_not_processed | chargeback      | 30.00 USD    | refund_ref=R1 refunded                              | refunded-before-the-dispute
unknown              | chargeback      | 5.00 USD     |                                                     | default
";

fn case(row: &str) -> (Case, String) {
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let [reason, stage, amount, known, rule] = cells[..] else { panic!("five cells: {row}") };
    let mut case = Case::new(reason.parse().unwrap(), stage.parse().unwrap(), amount);
    for word in known.split_whitespace() {
        match word.split_once('=') {
            Some(("provider", name)) => case.provider = name.to_owned(),
            Some(("disputes", n)) => case.customer.disputes_90d = Some(n.parse().unwrap()),
            Some((fact, "true")) => case.facts[fact] = json!(true),
            Some((fact, value)) => case.facts[fact] = json!(value),
            None if word == "refunded" => case.dispute.refunded = true,
            None if word == "fee" => case.dispute.fee_required = true,
            None => _ = case.evidence.insert(word.trim_start_matches('+').parse::<Field>().unwrap()),
        }
    }
    (case, rule.to_owned())
}

#[test]
fn the_example_answers_as_its_table_says() {
    let ruleset = load(EXAMPLE);
    for row in EXAMPLE_TABLE.lines().filter(|row| !row.is_empty()) {
        let (case, rule) = case(row);
        let verdict = ruleset.decide(&case.context());
        assert_eq!(verdict.rule_id, rule, "{row}");
        assert_eq!(verdict, ruleset.explain(&case.context()).0, "{row}");
    }
}

/// `conditions -> matches`, for a fraud chargeback of 90.00 USD with the facts below.
const CONDITION_TABLE: &str = r#"
when.provider = ["stripe"]                                                -> yes
when.provider = ["razorpay"]                                              -> no
unless.account = ["shop"]                                                 -> no
when.network = ["VISA", "amex"]                                           -> yes
when.network_code = ["13.1"]                                              -> yes
when.provider_reason = ["other"]                                          -> no
when.status = ["needs_response"]                                          -> yes
when.test_mode = false                                                    -> yes
when.test_mode = true                                                     -> no
when.amount = { at_least = { USD = "90" }, at_most = { USD = "90.00" } }  -> yes
when.amount = { at_least = { USD = "90.01" } }                            -> no
when.amount = { at_most = { EUR = "500.00" } }                            -> no
unless.amount = { at_least = { EUR = "5.00" } }                           -> no
unless.amount = { at_least = { USD = "500.00" } }                         -> yes
when.time_left = { at_least = "9d", at_most = "9d" }                      -> yes
when.time_left = { at_most = "8d23h59m" }                                 -> no
when.customer.disputes_90d = { at_least = 0 }                             -> no
unless.customer.disputes_90d = { at_least = 3 }                           -> no
when.customer.disputes_total = { at_least = 2, at_most = 4 }              -> yes
unless.customer.disputes_total = { at_least = 5 }                         -> yes
when.evidence.has = ["receipt", "customer_name"]                          -> yes
when.evidence.has = ["receipt", "refund_policy"]                          -> no
when.evidence.has_any = ["receipt", "refund_policy"]                      -> yes
when.evidence.lacks = ["receipt", "refund_policy"]                        -> no
when.evidence.lacks = ["refund_policy"]                                   -> yes
when.facts.tier.is = "gold"                                               -> yes
when.facts.tier.is = "Gold"                                               -> no
when.facts.tier.in = ["silver", "gold"]                                   -> yes
when.facts.tier.contains = "ol"                                           -> yes
when.facts.tags.contains = "fragile"                                      -> yes
when.facts.tags.contains = "frag"                                         -> no
when.facts.customer.age_days = { at_least = 30, at_most = 30.5 }          -> yes
when.facts.customer.age_days = { at_least = 31 }                          -> no
when.facts."customer.age_days".is = 30                                    -> yes
when.facts.customer.age_days.is = "30"                                    -> no
unless.facts.customer.age_days.is = "30"                                  -> no
when.facts.digital.is = false                                             -> yes
when.facts.nothing.present = false                                        -> yes
when.facts.absent.present = true                                          -> no
unless.facts.absent.present = true                                        -> yes
unless.facts.absent.is = "x"                                              -> no
unless.facts.absent = { present = true, is = "x" }                        -> yes
unless.facts.tier = { present = true, is = "gold" }                       -> no
when.facts.shipped_at.before = "dispute.opened_at"                        -> yes
when.facts.shipped_at.after = "dispute.opened_at"                         -> no
when.facts.shipped_at.after = 2026-05-02                                  -> no
unless.facts.shipped_at.after = 2026-05-02                                -> no
when.facts.shipped_at.after = "2026-05-01"                                -> yes
when.facts.shipped_at = { after = "facts.ordered_at", before = "now" }    -> yes
when.facts.ordered_at.before = 2026-05-02T00:00:00Z                       -> yes
when.facts.ordered_at.before = "facts.absent"                             -> no
when.facts.tier.before = "now"                                            -> no
unless.facts.tier.before = "now"                                          -> no
when.any = [{ network = ["amex"] }, { facts.tier.is = "gold" }]           -> yes
when.any = [{ network = ["amex"] }, { facts.absent.is = 1 }]              -> no
unless.any = [{ network = ["amex"] }, { facts.absent.is = 1 }]            -> no
unless.any = [{ network = ["amex"] }, { reason = ["duplicate"] }]         -> yes
unless.any = [{ network = ["visa"], reason = ["duplicate"] }]             -> yes
unless = { network = ["visa"], reason = ["duplicate"] }                   -> no
"#;

#[test]
fn each_condition_answers_as_its_row_says() {
    let mut case = Case::new(Category::Fraud, Stage::Chargeback, "90.00 USD");
    case.facts = json!({
        "tier": "gold", "tags": ["fragile", "gift"], "digital": false, "nothing": null,
        "customer": { "age_days": 30 },
        "ordered_at": "2026-05-01T09:00:00+05:30", "shipped_at": "2026-05-02",
    });
    case.evidence = [Field::Receipt, Field::CustomerName].into();
    case.customer = Customer { disputes_90d: None, disputes_total: Some(4) };
    for row in CONDITION_TABLE.lines().filter(|row| !row.is_empty()) {
        let (conditions, expected) = row.rsplit_once("->").unwrap();
        assert_eq!(matches(conditions, &case), expected.trim() == "yes", "{row}");
    }
}

#[test]
fn an_unknown_reason_is_no_reason() {
    let case = Case::new(Category::Unknown, Stage::Chargeback, "5.00 USD");
    assert!(!matches("when.reason = [\"fraud\"]", &case));
    assert!(!matches("unless.reason = [\"fraud\"]", &case), "nobody knows that it is not fraud");
    assert!(matches("when.reason = [\"fraud\", \"unknown\"]", &case));
    assert!(!matches("unless.reason = [\"unknown\"]", &case));
}

#[test]
fn a_day_is_a_day_of_the_policy_and_decides_only_outside_of_it() {
    let mut case = Case::new(Category::Fraud, Stage::Chargeback, "5.00 USD");
    case.facts = json!({ "delivered_at": "2026-05-10" });
    let zone = |name: &str, test: &str| {
        one_rule(&format!("when.facts.delivered_at = {{ {test} = \"dispute.opened_at\" }}"))
            .replace("schema = 1", &format!("schema = 1\npolicy = {{ time_zone = \"{name}\" }}"))
    };
    // It opened at noon UTC of that day: nobody can say what came first …
    for test in ["before", "after"] {
        assert_eq!(load(&zone("UTC", test)).decide(&case.context()).rule_id, "default");
    }
    // … but at half past ten it was over already in one zone, and had not begun in another.
    case.dispute.opened_at = at("2026-05-10T10:30:00Z");
    assert_eq!(load(&zone("Pacific/Kiritimati", "before")).decide(&case.context()).rule_id, "r");
    assert_eq!(load(&zone("Pacific/Pago_Pago", "after")).decide(&case.context()).rule_id, "r");
}

#[test]
fn a_verdict_carries_what_its_rule_says() {
    let ruleset = load(&EXAMPLE.replace("mode = \"shadow\"\n", "mode = \"live\"\n"));
    let mut case = Case::new(Category::ProductNotReceived, Stage::Chargeback, "1000.00 USD");
    case.facts = json!({ "tracking_number": "T1", "delivered_at": "2026-05-09T08:00:00Z" });
    let verdict = ruleset.decide(&case.context());
    assert_eq!(verdict.rule_id, "delivered-and-proved");
    assert_eq!(verdict.why, "the carrier says that it arrived before the dispute was opened");
    let when = When::Lead(chrono::TimeDelta::hours(48));
    let reason = Some("goods_services_received".to_owned());
    assert_eq!(*verdict.then, Then::Defend { reason, template: "delivered".to_owned(), when });
    assert_eq!(verdict.requires, [Field::ShippingDocumentation]);
    assert!(matches!(verdict.otherwise, Some(Then::Hold { .. })));
    assert_eq!(verdict.mode, Mode::Live);
    assert!(!verdict.approval_needed);
    case.dispute.amount.minor += 1;
    assert!(ruleset.decide(&case.context()).approval_needed, "a cent above the limit");
    case.dispute.amount = crate::dispute::Money::parse_major("1", "SEK".parse().unwrap()).unwrap();
    assert!(ruleset.decide(&case.context()).approval_needed, "a currency without a limit");
}

#[test]
fn a_file_that_says_little_sends_nothing() {
    let ruleset = load(&one_rule(""));
    assert_eq!(ruleset.policy.mode, Mode::Shadow);
    assert_eq!(ruleset.policy.at_margin, AtMargin::Page);
    assert_eq!(ruleset.policy.safety_margin, chrono::TimeDelta::hours(6));
    assert_eq!(ruleset.rule_ids().collect::<Vec<_>>(), ["r"]);
}

#[test]
fn one_rule_can_stay_in_shadow() {
    let case = Case::new(Category::Fraud, Stage::Chargeback, "5.00 USD");
    let decide = |policy: &str, rule: &str| {
        let text = one_rule(&format!("mode = \"{rule}\""));
        let text = text.replace("schema = 1", &format!("schema = 1\npolicy = {{ mode = \"{policy}\" }}"));
        load(&text).decide(&case.context()).mode
    };
    assert_eq!(decide("live", "live"), Mode::Live);
    assert_eq!(decide("live", "shadow"), Mode::Shadow);
    assert_eq!(decide("shadow", "live"), Mode::Shadow, "a rule cannot go live before its policy");
}

#[test]
fn completeness_asks_whether_the_template_can_be_filled() {
    let text = "schema = 1\ndefault = { hold = { why = \"none\" } }\n[[rule]]\nid = \"r\"\n\
        when.evidence.complete = true\nthen = { stage = { template = \"t\" } }\n\
        [template.t]\nsummary = \"{facts.a} of {dispute.amount}\"\nreceipt = \"{facts.files}\"\n";
    let ruleset: Ruleset = load(text);
    let mut case = Case::new(Category::Fraud, Stage::Chargeback, "5.00 USD");
    let answers = |case: &Case| ruleset.decide(&case.context()).rule_id == "r";
    assert!(!answers(&case));
    case.facts = json!({ "a": "Lamp", "files": [] });
    assert!(!answers(&case));
    case.evidence = [Field::Receipt].into();
    assert!(answers(&case), "a person uploaded the receipt");
    case.facts = json!({ "a": " ", "files": "file_1" });
    assert!(!answers(&case), "blank is no value");
}

#[test]
fn the_trace_tells_what_was_seen_and_what_was_wanted() {
    let text = one_rule(
        "when.reason = [\"fraud\"]\nwhen.amount = { at_most = { USD = \"25.00\", INR = \"1500.00\" } }\n\
         when.any = [{ network = [\"amex\"] }, { evidence.has = [\"receipt\", \"refund_policy\"] }]\n\
         when.facts.note = { contains = \"x\", present = true }\nwhen.time_left = { at_least = \"1d12h\" }\n\
         unless.customer.disputes_90d = { at_least = 3 }\n\
         [[rule]]\nid = \"second\"\nthen = { ignore = { why = \"y\" } }\nunless.facts.list = { is = 3 }\n\
         [[rule]]\nid = \"third\"\nwhen.test_mode = true\nthen = { ignore = { why = \"z\" } }",
    );
    let ruleset = load(&text);
    let mut case = Case::new(Category::Fraud, Stage::Chargeback, "30.00 USD");
    case.evidence = [Field::Receipt, Field::CustomerName].into();
    case.facts = json!({ "note": "n".repeat(500), "list": 4 });
    let context = case.context();
    let (verdict, trace) = ruleset.explain(&context);
    assert_eq!(verdict.rule_id, "second");
    insta::assert_json_snapshot!("trace", trace);
    insta::assert_json_snapshot!("trace_brief", ruleset.explain_briefly(&context).1);
}
