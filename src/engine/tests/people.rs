//! What people may do: order, hold, and stop everything. A person's word outranks the rules, never the gates.

use super::acting::always;
use super::table::{scenario, scenario_razorpay};

fn one(policy: &str, rule: &str, table: &str) {
    scenario(&[("v1", &always(policy, rule))], table);
}

#[test]
fn a_held_dispute_waits_until_it_is_resumed() {
    one(
        "",
        r#"then = { accept = { after = "24h" } }"#,
        "created respond_by 10d | accept at -9d; wake -9d
         order hold by ann      | tell needs_person; hold (asked to wait); wake -7d
         advance 3d             | @3d tell deadline; hold (asked to wait); wake -3d
         order resume by ann    | want accept; answered by accept",
    );
}

#[test]
fn a_hold_by_a_person_is_not_overruled_by_the_margin() {
    one(
        r#"at_margin = "accept""#,
        r#"then = { accept = { after = "24h" } }"#,
        "created respond_by 60h | accept at -1d12h; wake -1d12h
         order hold by ann      | tell needs_person; hold (asked to wait); wake -1d
         advance 61h            | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
                                | @2d11h PAGE deadline; @2d12h PAGE missed; hold (asked to wait); wake +6h",
    );
}

#[test]
fn a_template_that_is_not_in_the_rules_is_no_order() {
    one(
        "",
        r#"then = { hold = { why = "ask ann" } }"#,
        "created respond_by 10d     | tell needs_person; hold (ask ann); wake -7d
         order defend plian by ann  | no: the rules in force have no template `plian`; hold (ask ann); wake -7d
         order defend by ann        | tell needs_person; defend at -10d (there is no evidence to send); wake -7d
         evidence summary It came.  | want submit; answered by defend
         order accept by ann        | no: no response is owed: the dispute has no open cycle; answered by defend",
    );
}

#[test]
fn shadow_mode_decides_and_sends_nothing() {
    let shadow = always("", "then = { accept = {} }").replace("live", "shadow");
    scenario(
        &[("v1", &shadow)],
        "created respond_by 60h  | tell needs_person;
                                 | accept at -2d12h (shadow mode: would accept now, and does nothing); wake -1d
         advance 55h             | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
                                 | accept at -2d12h (shadow mode: would accept now, and does nothing); wake -1h
         order accept by ann     | want accept; answered by accept",
    );
}

#[test]
fn one_rule_in_shadow_sends_nothing_while_the_others_are_live() {
    one(
        "",
        "mode = \"shadow\"\nthen = { defend = { template = \"plain\" } }",
        "created respond_by 60h | tell needs_person;
                                | defend at -2d12h (shadow mode: would defend now, and does nothing); wake -1d",
    );
}

#[test]
fn the_kill_switch_stops_orders_and_rules_and_what_is_wanted_already() {
    one(
        "",
        r#"then = { accept = { after = "24h" } }"#,
        "created respond_by 60h | accept at -1d12h; wake -1d12h
         provider down          | accept at -1d12h; wake -1d12h
         advance 25h            | @1d want accept; accept at -1d12h; wake -6h
         kill on                | cancel; tell needs_person; accept at -1d12h (the kill switch is on); wake -1d
         order accept by ann    | accept at -1d11h (the kill switch is on); wake -1d
         provider answers       | accept at -1d11h (the kill switch is on); wake -1d
         kill off               | want accept; answered by accept",
    );
}

#[test]
fn new_rules_take_back_what_was_wanted_and_not_sent() {
    let accept = always("", "then = { accept = {} }");
    let defend = always("", r#"then = { defend = { template = "plain", lead = "24h" } }"#);
    let hold = always("", r#"then = { hold = { why = "ask ann" } }"#);
    scenario(
        &[("v1", &accept), ("v2", &defend), ("v3", &hold)],
        "provider down           | no cycle
         created respond_by 60h  | want accept; accept at -2d12h; wake -6h
         rules v2                | cancel; want stage_evidence; defend at -1d; wake -1d
         rules v1                | want accept; accept at -2d12h; wake -6h
         provider times-out      | accept at -2d12h; wake -6h",
    );
    scenario(
        &[("v1", &accept), ("v2", &defend), ("v3", &hold)],
        "provider times-out      | no cycle
         created respond_by 60h  | want accept; accept at -2d12h; wake -6h
         rules v3                | accept at -2d12h; wake -6h
         order hold by ann       | no: too late: `accept` has been sent to the provider already;
                                 | accept at -2d12h; wake -6h
         advance 60h             | @2d6h PAGE unanswered; @2d12h PAGE missed; accept at -2d12h; wake +6h",
    );
}

#[test]
fn row_16_an_accept_the_record_never_shows_is_not_repeated_and_pages() {
    one(
        "",
        "then = { accept = {} }",
        "provider forgets        | no cycle
         created respond_by 60h  | want accept; accept at -2d12h; wake -6h
         poll                    | unchanged; accept at -2d12h; wake -6h
         order accept by ann     | no: too late: `accept` has been sent to the provider already;
                                 | accept at -2d12h; wake -6h
         advance 55h             | @2d6h PAGE unanswered; accept at -2d12h; wake -0s",
    );
}

#[test]
fn what_the_provider_refused_is_tried_again_only_on_an_order() {
    one(
        "",
        "then = { accept = {} }",
        "provider refuses        | no cycle
         created respond_by 60h  | want accept; tell needs_person;
                                 | accept at -2d12h (the provider refused to accept: not today); wake -1d
         provider answers        | accept at -2d12h (the provider refused to accept: not today); wake -1d
         look                    | accept at -2d12h (the provider refused to accept: not today); wake -1d
         at 1h order accept by ann | @1h want accept; answered by accept",
    );
}

#[test]
fn facts_that_are_asked_for_are_waited_for_until_the_margin_and_no_longer() {
    let rule = "unless.facts.vip = { present = true, is = true }\nthen = { accept = {} }";
    one(
        "",
        rule,
        r#"pulls                  | no cycle
           created respond_by 60h | want pull_facts; accept at -2d12h (facts about the order are being asked for);
                                  | wake -6h10m
           facts {"vip": true}    | tell needs_person; hold (no rule matched); wake -1d"#,
    );
    one(
        "",
        rule,
        r#"pulls                  | no cycle
           created respond_by 60h | want pull_facts; accept at -2d12h (facts about the order are being asked for);
                                  | wake -6h10m
           no-facts               | want accept; answered by accept"#,
    );
    one(
        "",
        rule,
        r#"pulls                  | no cycle
           created respond_by 60h | want pull_facts; accept at -2d12h (facts about the order are being asked for);
                                  | wake -6h10m
           advance 60h            | @2d5h50m want accept; @2d5h50m cancel; answered by accept"#,
    );
}

#[test]
fn an_upload_taken_back_by_an_order_is_wanted_again() {
    let rules = always("", r#"then = { defend = { template = "plain", lead = "24h" } }"#);
    scenario_razorpay(
        &[("v1", &rules)],
        "provider down              | no cycle
         created respond_by 60h     | want stage_evidence; tell needs_person;
                                    | defend at -1d (at least one document is needed); wake -1d
         upload slip.pdf            | want upload;
              | defend at -1d (the file slip.pdf is being uploaded, at least one document is needed); wake -1d
         order defend plain by ann  | cancel; want upload;
              | defend at -2d12h (the file slip.pdf is being uploaded, at least one document is needed); wake -6h10m",
    );
}
