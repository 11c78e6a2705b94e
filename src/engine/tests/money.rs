//! Gates and conditions about money, reasons and what a packet may hold.

use super::acting::always;
use super::table::{scenario, scenario_razorpay};

fn one(policy: &str, rule: &str, table: &str) {
    scenario(&[("v1", &always(policy, rule))], table);
}

const SMALL: &str = r#"when.amount = { at_most = { USD = "25.00", JPY = "2500" } }
    then = { accept = {} }"#;

#[test]
fn row_21_amounts_are_compared_in_their_own_currency_and_no_other() {
    one("", SMALL, "created 25.00 USD respond_by 10d | want accept; answered by accept");
    one("", SMALL, "created 25.01 USD respond_by 10d | tell needs_person; hold (no rule matched); wake -7d");
    one("", SMALL, "created 2500 JPY respond_by 10d | want accept; answered by accept");
    one("", SMALL, "created 2501 JPY respond_by 10d | tell needs_person; hold (no rule matched); wake -7d");
    one("", SMALL, "created 1.00 EUR respond_by 10d | tell needs_person; hold (no rule matched); wake -7d");
}

#[test]
fn row_21_approval_above_a_limit_is_needed_in_every_currency_without_one() {
    let rule = r#"then = { accept = { after = "24h" } }
        approval = { above = { USD = "100.00" } }"#;
    one("", rule, "created 100.00 USD respond_by 10d | accept at -9d; wake -9d");
    one(
        "",
        rule,
        "created 100.01 USD respond_by 10d | tell needs_person;
                                           | accept at -9d (approval by a person); wake -9d",
    );
    one(
        "",
        rule,
        "created 1.00 EUR respond_by 10d | tell needs_person;
                                         | accept at -9d (approval by a person); wake -9d",
    );
}

#[test]
fn an_amount_that_changes_is_judged_anew() {
    one(
        "",
        "when.amount = { at_most = { USD = \"25.00\" } }\nthen = { accept = { after = \"24h\" } }",
        "created 20.00 USD respond_by 10d | accept at -9d; wake -9d
         at 2h news 200.00 USD            | @2h tell needs_person; hold (no rule matched); wake -7d",
    );
}

#[test]
fn row_18_each_reason_has_its_own_rule() {
    let rule = "when.reason = [\"fraud\"]\nthen = { accept = {} }\n\
        [[rule]]\nid = \"subscriptions\"\nwhen.reason = [\"subscription_canceled\"]\n\
        then = { defend = { template = \"plain\", lead = \"24h\" } }";
    one("", rule, "created fraud respond_by 10d | want accept; answered by accept");
    one(
        "",
        rule,
        "created subscription_canceled respond_by 10d | want stage_evidence; defend at -1d; wake -1d",
    );
    one("", rule, "created unknown respond_by 10d | tell needs_person; hold (no rule matched); wake -7d");
}

#[test]
fn row_22_what_is_refunded_is_never_accepted() {
    let table = "created respond_by 60h refunded | tell needs_person;
             | accept at -1d12h (the payment is refunded already: accepting would pay twice); wake -1d12h
         advance 56h                     | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
             | accept at -1d12h (the payment is refunded already: accepting would pay twice); wake -1h
         order accept by ann             |
             | accept at -4h (the payment is refunded already: accepting would pay twice); wake -1h";
    one(r#"at_margin = "accept""#, r#"then = { accept = { after = "24h" } }"#, table);
    one(
        "",
        r#"then = { accept = { after = "24h" } }"#,
        "created respond_by 60h   | accept at -1d12h; wake -1d12h
         at 3h news refunded      | @3h tell needs_person;
             | accept at -1d12h (the payment is refunded already: accepting would pay twice); wake -1d12h",
    );
}

#[test]
fn row_24_a_network_fee_is_paid_only_by_a_person_who_says_so() {
    let asks = "the network charges a fee for a response here: acknowledge it with \
                `disputes defend --acknowledge-fee`";
    one(
        "",
        r#"then = { defend = { template = "plain" } }"#,
        &format!(
            "created stage compliance respond_by 10d fee | want stage_evidence; tell needs_person;
                                            | defend at -10d ({asks}); wake -7d
             order defend plain by ann      | defend at -10d ({asks}); wake -7d
             order defend plain fee by ann  | want submit; answered by defend"
        ),
    );
}

#[test]
fn row_25_an_inquiry_cannot_be_accepted_where_the_provider_cannot() {
    let why = "stripe does not let a dispute be accepted at stage inquiry";
    one(
        r#"at_margin = "accept""#,
        "then = { accept = {} }",
        &format!(
            "created stage inquiry respond_by 60h | tell needs_person; accept at -2d12h ({why}); wake -1d
             order accept by ann                  | accept at -2d12h ({why}); wake -1d
             advance 59h                          | @1d12h tell deadline; @2d6h tell deadline;
                                                  | @2d6h PAGE unanswered; @2d11h PAGE deadline;
                                                  | accept at -2d12h ({why}); wake -0s"
        ),
    );
    let rules = always("", "then = { accept = {} }");
    scenario_razorpay(
        &[("v1", &rules)],
        "created stage inquiry respond_by 60h | want accept; answered by accept",
    );
}

#[test]
fn a_stage_the_provider_does_not_answer_needs_a_person() {
    one(
        "",
        r#"then = { defend = { template = "plain" } }"#,
        "created stage pre_arbitration respond_by 10d | tell needs_person;
              | defend at -10d (stripe does not take a defence at stage pre_arbitration through its API); wake -7d",
    );
    one(
        "",
        "then = { accept = {} }",
        "created stage arbitration respond_by 10d | tell needs_person;
              | accept at -10d (stripe has no arbitration stage that can be answered); wake -7d",
    );
}

#[test]
fn row_31_a_card_number_in_the_evidence_stays_here() {
    one(
        "",
        r#"then = { defend = { template = "plain", lead = "24h" } }"#,
        "created respond_by 60h | want stage_evidence; defend at -1d; wake -1d
         evidence uncategorized_text paid by 4111 1111 1111 1111 | tell needs_person;
              | defend at -1d (a card number ending in 1111 stands in uncategorized_text: take it out); wake -1d
         advance 55h            | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
              | defend at -1d (a card number ending in 1111 stands in uncategorized_text: take it out); wake -1h
         evidence uncategorized_text paid by card | want submit; answered by defend",
    );
}

#[test]
fn row_19_a_defence_that_lacks_what_the_provider_wants_is_not_sent() {
    let rules = always("", r#"then = { defend = { template = "plain" } }"#);
    scenario_razorpay(
        &[("v1", &rules)],
        "created respond_by 60h | want stage_evidence; tell needs_person;
                                | defend at -2d12h (at least one document is needed); wake -1d
         evidence receipt doc_1 | want submit; answered by defend",
    );
}

#[test]
fn a_rule_about_time_left_answers_when_its_time_comes() {
    let rule = "when.time_left = { at_most = \"30h\" }\nthen = { accept = {} }\n\
        [[rule]]\nid = \"early\"\nwhen.time_left = { at_least = \"30h\" }\nthen = { hold = { why = \"early\" } }";
    one(
        "",
        rule,
        "created respond_by 60h | tell needs_person; hold (early); wake -1d6h
         advance 60h            | @1d6h want accept; answered by accept",
    );
    let rule = "when.time_left = { at_least = \"30h\" }\nthen = { hold = { why = \"early\" } }\n\
        [[rule]]\nid = \"late\"\nthen = { accept = {} }";
    one(
        "",
        rule,
        "created respond_by 60h | tell needs_person; hold (early); wake -1d5h59m59s.999999
         advance 60h            | @1d6h+1us want accept; answered by accept",
    );
}

#[test]
fn a_rule_about_a_fact_and_now_answers_when_its_time_comes() {
    let rule = "when.facts.return_by = { before = \"now\" }\nthen = { accept = {} }";
    one(
        "",
        rule,
        r#"created respond_by 10d                        | tell needs_person; hold (no rule matched); wake -7d
           facts {"return_by": "2027-03-02T10:00:00Z"}   | hold (no rule matched); wake -8d23h
           advance 2d                                    | @1d1h+1us want accept; answered by accept"#,
    );
}
