//! When the engine acts by itself: after a delay, a lead before the deadline, at the margin, and what the
//! margin does when nothing else did.

use super::table::{scenario, scenario_razorpay};

/// A rules file with one rule that matches everything, in live mode, margin 6 h.
pub fn always(policy: &str, rule: &str) -> String {
    format!(
        "schema = 1\n\
         policy = {{ mode = \"live\", safety_margin = \"6h\", {policy} }}\n\
         default = {{ hold = {{ why = \"no rule matched\" }} }}\n\
         [[rule]]\n\
         id = \"always\"\n\
         {rule}\n\
         [template.plain]\n\
         summary = \"It was sent as order {{dispute.payment_ref}}.\"\n"
    )
}

fn one(policy: &str, rule: &str, table: &str) {
    scenario(&[("v1", &always(policy, rule))], table);
}

#[test]
fn accepts_after_a_day() {
    one(
        "",
        r#"then = { accept = { after = "24h" } }"#,
        "created 45.00 USD respond_by 20d | accept at -19d; wake -19d
         advance 23h                      | accept at -19d; wake -19d
         advance 6d                       | @1d want accept; answered by accept",
    );
}

#[test]
fn a_delay_counts_from_the_opening_at_the_provider_not_from_the_webhook() {
    let rule = r#"then = { accept = { after = "24h" } }"#;
    one(
        "",
        rule,
        "at 20h created opened -20h respond_by 10d | accept at -9d; wake -9d
         at 30h                                    | @1d want accept; answered by accept",
    );
    // It is over by the time the news comes: at once, and not before the news.
    one("", rule, "at 30h created opened -30h respond_by 10d | @1d6h want accept; answered by accept");
    // What the engine knew late may still be waiting for something: the delay is not counted again.
    one(
        "",
        rule,
        "at 30h kill on                            | no cycle
         created opened -30h respond_by 10d        | tell needs_person;
                                                   | accept at -8d18h (the kill switch is on); wake -7d
         at 40h kill off                           | @1d16h want accept; answered by accept",
    );
}

#[test]
fn a_delay_counts_anew_for_each_cycle() {
    let rule = "when.amount = { at_least = { USD = \"40.00\" } }\nthen = { accept = { after = \"24h\" } }";
    scenario_razorpay(
        &[("v1", &always("", rule))],
        "created 30.00 USD respond_by 10d | tell needs_person; hold (no rule matched); wake -7d
         at 1d news under_review          | @1d tell answered_elsewhere; answered by elsewhere
         at 5d12h late 5d 45.00 USD stage pre_arbitration needs_response respond_by 20d |
                                          | cycle 2 accept at -14d; wake -14d",
    );
}

#[test]
fn defends_a_lead_before_the_deadline() {
    one(
        "",
        r#"then = { defend = { template = "plain", lead = "48h" } }"#,
        "created respond_by 20d | want stage_evidence; defend at -2d; wake -2d
         advance 19d            | @18d want submit; answered by defend",
    );
}

#[test]
fn a_lead_shorter_than_the_margin_acts_before_the_margin() {
    one(
        "",
        r#"then = { defend = { template = "plain", lead = "1h" } }"#,
        "created respond_by 10d | want stage_evidence; defend at -6h10m; wake -6h10m
         advance 20d            | @9d17h50m want submit; answered by defend",
    );
}

#[test]
fn row_4_the_plans_deadline_is_the_earlier_of_the_providers_and_the_rules() {
    one(
        "",
        r#"then = { accept = { after = "72h" } }"#,
        "created respond_by 2d | accept at -6h10m; wake -6h10m
         advance 2d            | @1d17h50m want accept; answered by accept",
    );
}

#[test]
fn row_3_instants_are_not_rounded_to_hours() {
    one(
        "",
        r#"then = { accept = { lead = "7h30m" } }"#,
        "created respond_by 3d12m7s | accept at -7h30m; wake -7h30m
         at 2d16h42m6s              | accept at -7h30m; wake -7h30m
         at 2d16h42m7s              | @2d16h42m7s want accept; answered by accept",
    );
}

#[test]
fn row_3_a_window_is_open_until_its_last_instant() {
    one(
        "",
        r#"then = { hold = { why = "ask ann" } }"#,
        "created respond_by 3d | tell needs_person; hold (ask ann); wake -1d
         at 2d23h59m59s        | @2d tell deadline; @2d18h tell deadline; @2d18h PAGE unanswered;
                               | @2d23h PAGE deadline; hold (ask ann); wake -0s
         order accept by ann   | want accept; answered by accept",
    );
}

#[test]
fn with_a_short_margin_the_last_quarter_of_the_window_pages_all_the_same() {
    let rules = always("", r#"then = { hold = { why = "ask ann" } }"#).replace("\"6h\"", "\"10m\"");
    scenario(
        &[("v1", &rules)],
        "created respond_by 10d | tell needs_person; hold (ask ann); wake -7d
         at 9d23h59m            | @3d tell deadline; @7d tell deadline; @9d PAGE deadline; @9d18h PAGE deadline;
                                | @9d23h PAGE deadline; @9d23h50m PAGE unanswered; hold (ask ann); wake -0s",
    );
}

#[test]
fn a_one_day_upi_window_has_a_ladder_of_its_own() {
    one(
        "",
        r#"then = { hold = { why = "ask ann" } }"#,
        "created respond_by 1d | tell needs_person; hold (ask ann); wake -12h
         advance 19h           | @12h tell deadline; @18h PAGE unanswered; hold (ask ann); wake -4h
         advance 6h            | @20h PAGE deadline; @23h PAGE deadline; @1d PAGE missed; hold (ask ann); wake +6h",
    );
}

#[test]
fn a_four_hour_window_keeps_three_quarters_for_acting() {
    one(
        "",
        r#"then = { defend = { template = "plain", lead = "48h" } }"#,
        "created respond_by 4h | want submit; answered by defend",
    );
    one(
        "",
        r#"then = { accept = { after = "24h" } }"#,
        "created respond_by 4h | accept at -1h10m; wake -1h10m
         advance 5h            | @2h50m want accept; answered by accept",
    );
}

#[test]
fn a_ninety_minute_window_is_answered_within_it() {
    one(
        "",
        r#"then = { accept = { after = "24h" } }"#,
        "created respond_by 90m | accept at -28m7s.500000; wake -28m7s.500000
         provider forgets       | accept at -28m7s.500000; wake -28m7s.500000
         advance 90m            | @1h1m52s+500000us want accept; @1h7m30s PAGE unanswered; @1h30m PAGE missed;
                                | accept at -28m7s.500000; wake +6h",
    );
}

#[test]
fn past_its_deadline_at_arrival_it_is_tried_and_a_person_is_told() {
    one(
        "",
        r#"then = { accept = { after = "24h" } }"#,
        "provider refuses | no cycle
         at 30d created opened -30d respond_by 20d | @30d want accept; @30d PAGE unanswered; @30d PAGE missed;
                                                   | @30d tell needs_person;
                                                   | accept at +10d (the provider refused to accept: not today); wake +10d6h",
    );
}

#[test]
fn learned_after_the_margin_it_acts_at_once_and_pages() {
    one(
        "",
        r#"then = { defend = { template = "plain", lead = "48h" } }"#,
        "created opened -19d respond_by 3h | want submit; PAGE unanswered; answered by defend",
    );
}

#[test]
fn at_the_margin_the_policy_pages() {
    one(
        "",
        r#"then = { hold = { why = "ask ann" } }"#,
        "created respond_by 60h | tell needs_person; hold (ask ann); wake -1d
         advance 57h            | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
                                | hold (ask ann); wake -1h",
    );
}

#[test]
fn at_the_margin_the_policy_accepts() {
    one(
        r#"at_margin = "accept""#,
        r#"then = { hold = { why = "ask ann" } }"#,
        "created respond_by 60h | tell needs_person; hold (ask ann); wake -1d
         advance 57h            | @1d12h tell deadline; @2d5h50m want accept; answered by accept",
    );
}

#[test]
fn at_the_margin_the_policy_submits_what_is_staged() {
    one(
        r#"at_margin = "submit what is staged""#,
        r#"then = { stage = { template = "plain" } }"#,
        "created respond_by 60h | want stage_evidence; tell needs_person;
                                | stage (evidence is staged; a person decides whether it is sent); wake -1d
         advance 57h            | @1d12h tell deadline; @2d5h50m want submit; answered by defend",
    );
}

#[test]
fn what_is_staged_is_submitted_for_an_answer_that_lacks_its_evidence() {
    one(
        r#"at_margin = "submit what is staged""#,
        r#"then = { defend = { template = "plain" } }
           requires = ["receipt"]"#,
        "created respond_by 60h | want stage_evidence; tell needs_person;
                                | defend at -2d12h (evidence is missing: receipt); wake -1d
         advance 57h            | @1d12h tell deadline; @2d5h50m want submit; answered by defend",
    );
}

#[test]
fn nothing_staged_is_nothing_to_submit() {
    one(
        r#"at_margin = "submit what is staged""#,
        r#"then = { hold = { why = "ask ann" } }"#,
        "created respond_by 60h | tell needs_person; hold (ask ann); wake -1d
         advance 57h            | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
                                | hold (ask ann); wake -1h",
    );
}

#[test]
fn otherwise_acts_at_the_margin_when_evidence_is_missing() {
    one(
        "",
        r#"then = { defend = { template = "plain", lead = "24h" } }
           requires = ["receipt"]
           otherwise = { accept = {} }"#,
        "created respond_by 60h | want stage_evidence; tell needs_person;
                                | defend at -1d (evidence is missing: receipt); wake -1d
         advance 57h            | @1d12h tell deadline; @2d5h50m want accept; answered by accept",
    );
}

#[test]
fn missing_evidence_that_arrives_late_is_sent_at_once() {
    one(
        "",
        r#"then = { defend = { template = "plain", lead = "24h" } }
           requires = ["receipt"]
           otherwise = { accept = {} }"#,
        "created respond_by 60h | want stage_evidence; tell needs_person;
                                | defend at -1d (evidence is missing: receipt); wake -1d
         at 50h                 | @1d12h tell deadline; defend at -1d (evidence is missing: receipt); wake -6h10m
         evidence receipt       | want submit; answered by defend",
    );
}

#[test]
fn what_the_template_fills_in_is_not_missing() {
    one(
        "",
        r#"then = { defend = { template = "plain" } }
           requires = ["summary"]"#,
        "created respond_by 60h | want submit; answered by defend",
    );
}

#[test]
fn evidence_that_is_required_is_required_of_every_answer() {
    one(
        "",
        r#"then = { accept = {} }
           requires = ["customer_communication"]"#,
        "created respond_by 60h                | tell needs_person;
                                               | accept at -2d12h (evidence is missing: customer_communication); wake -1d
         evidence customer_communication       | want accept; answered by accept",
    );
}

#[test]
fn an_ignored_dispute_is_left_alone() {
    one(
        r#"at_margin = "accept""#,
        r#"then = { ignore = { why = "the bank pays" } }"#,
        "created respond_by 60h | ignore; wake -6h10m
         advance 59h            | ignore; wake -0s
         advance 2h             | @2d12h tell missed; ignore; wake +6h",
    );
}
