//! What the provider's news does to the windows: deadlines that move, rounds that follow, answers from
//! elsewhere, settlements that are reversed.

use super::acting::always;
use super::table::{scenario, scenario_razorpay};

fn accepting(table: &str) {
    scenario(&[("v1", &always("", r#"then = { accept = { after = "24h" } }"#))], table);
}

fn defending(table: &str) {
    let rules = always("", r#"then = { defend = { template = "plain", lead = "48h" } }"#);
    scenario(&[("v1", &rules)], table);
}

fn holding(table: &str) {
    scenario(&[("v1", &always("", r#"then = { hold = { why = "ask ann" } }"#))], table);
}

#[test]
fn a_deadline_moved_either_way_is_planned_anew() {
    defending(
        "created respond_by 20d    | want stage_evidence; defend at -2d; wake -2d
         at 1d news respond_by 10d | defend at -2d; wake -2d
         at 7d news respond_by 30d | defend at -2d; wake -2d
         at 27d                    | defend at -2d; wake -2d
         at 28d                    | @28d want submit; answered by defend",
    );
    // Moved so early that the lead has passed: at once.
    defending(
        "created respond_by 20d    | want stage_evidence; defend at -2d; wake -2d
         at 5d news respond_by 6d  | @5d want submit; answered by defend",
    );
}

#[test]
fn each_deadline_is_paged_for_on_its_own() {
    holding(
        "created respond_by 60h    | tell needs_person; hold (ask ann); wake -1d
         at 55h                    | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
                                   | hold (ask ann); wake -1h
         news respond_by 100h      | tell deadline; hold (ask ann); wake -1d
         advance 45h               | @3d4h PAGE deadline; @3d22h tell deadline; @3d22h PAGE unanswered;
                                   | @4d3h PAGE deadline; @4d4h PAGE missed; hold (ask ann); wake +6h",
    );
}

#[test]
fn several_rungs_that_passed_at_once_are_told_once() {
    holding(
        "created respond_by 20d    | tell needs_person; hold (ask ann); wake -7d
         at 10d news respond_by 10d20h | @10d PAGE deadline; hold (ask ann); wake -6h10m",
    );
}

#[test]
fn news_that_nothing_proves_opens_no_window_twice() {
    defending(
        "created respond_by 20d unsigned               | want stage_evidence; defend at -2d; wake -2d
         at 18d                                        | @18d want submit; answered by defend
         at 19d news needs_response unsigned           | @19d doubtful; @19d tell reversed; answered by defend
         at 20d news needs_response respond_by 60d unsigned | @20d doubtful; @20d tell reversed; answered by defend
         at 21d news won unsigned                      | answered by defend
         at 22d news needs_response respond_by 60d unsigned | @22d doubtful; @22d tell reversed; answered by defend
         at 23d news needs_response stage inquiry respond_by 60d unsigned | @23d doubtful; @23d tell reversed; answered by defend
         at 24d news needs_response stage compliance respond_by 60d unsigned
                                                       | @24d tell reversed; @24d want stage_evidence; cycle 2 defend at -2d; wake -2d",
    );
}

#[test]
fn an_unsigned_deadline_may_shorten_a_plan_and_never_lengthen_it() {
    defending(
        "created respond_by 20d             | want stage_evidence; defend at -2d; wake -2d
         at 1h news respond_by 30d unsigned | @1h unchanged; defend at -2d; wake -2d
         at 2h news respond_by 10d unsigned | defend at -2d; wake -2d
         at 3h news respond_by 15d unsigned | @3h unchanged; defend at -2d; wake -2d
         at 4h news respond_by none unsigned | @4h unchanged; defend at -2d; wake -2d
         at 7d                              | defend at -2d; wake -2d
         at 7d1h news respond_by 15d        | defend at -2d; wake -2d
         at 12d                             | defend at -2d; wake -2d
         at 14d                             | @13d want submit; answered by defend",
    );
}

#[test]
fn where_the_provider_takes_no_response_nobody_is_paged() {
    accepting(
        "created respond_by none | tell no_response_possible; no cycle
               at 1h poll              | @1h unchanged; no cycle
               at 2d news lost         | no cycle",
    );
    accepting(
        "created respond_by 20d         | accept at -19d; wake -19d
               at 1h news respond_by none     | @1h tell no_response_possible; ended with nothing
               at 2h news respond_by 20d      | cycle 2 accept at -18d22h; wake -18d22h",
    );
}

#[test]
fn a_deadline_nobody_states_is_a_page_and_is_asked_for() {
    accepting(
        "created respond_by unstated    | PAGE deadline_unknown; no cycle
               at 1h poll                     | @1h unchanged; no cycle
               at 2h news respond_by 20d      | accept at -19d; wake -19d
               at 3h news respond_by unstated | @3h unchanged; accept at -19d; wake -19d",
    );
}

#[test]
fn row_32_an_answer_from_elsewhere_cancels_ours() {
    accepting(
        "created respond_by 20d    | accept at -19d; wake -19d
               at 2h news under_review   | @2h tell answered_elsewhere; answered by elsewhere
               order accept by ann       | no: no response is owed: the dispute has no open cycle;
                                         | answered by elsewhere",
    );
    accepting(
        "provider down            | no cycle
               created respond_by 20d   | accept at -19d; wake -19d
               at 25h                   | @1d want accept; accept at -19d; wake -6h
               at 26h news under_review | @1d2h cancel; @1d2h tell answered_elsewhere; answered by elsewhere
               provider answers         | answered by elsewhere",
    );
}

#[test]
fn row_32_while_ours_is_on_its_way_the_answer_is_taken_for_ours() {
    defending(
        "provider times-out       | no cycle
               created respond_by 20d   | want stage_evidence; defend at -2d; wake -2d
               at 18d                   | @18d want submit; defend at -2d; wake -6h
               at 18d1h news under_review | answered by defend",
    );
}

#[test]
fn rows_1_and_5_lost_without_our_answer_is_never_accepted_and_never_inferred() {
    holding(
        "created respond_by 60h | tell needs_person; hold (ask ann); wake -1d
             at 20d                 | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
                                    | @2d11h PAGE deadline; @2d12h PAGE missed; hold (ask ann); wake +17d18h
             news lost              | ended with nothing",
    );
    // The news of the loss is the first thing seen after a long silence: somebody is told.
    holding(
        "created respond_by 60h | tell needs_person; hold (ask ann); wake -1d
             at 20h news lost       | @20h tell missed; ended with nothing",
    );
}

#[test]
fn row_1_a_loss_after_our_defence_is_a_loss() {
    defending(
        "created respond_by 20d | want stage_evidence; defend at -2d; wake -2d
               at 19d                 | @18d want submit; answered by defend
               at 60d news lost       | answered by defend
               at 61d news won        | @61d tell reversed; answered by defend
               at 62d news lost       | @62d tell reversed; answered by defend",
    );
}

#[test]
fn an_appeal_after_a_loss_is_a_window_of_its_own() {
    defending(
        "created respond_by 20d | want stage_evidence; defend at -2d; wake -2d
               at 19d                 | @18d want submit; answered by defend
               at 60d news lost       | answered by defend
               at 61d news needs_response stage pre_arbitration respond_by 75d |
                   | @61d tell reversed; @61d tell needs_person; cycle 2 defend at -2d
                   | (stripe does not take a defence at stage pre_arbitration through its API); wake -7d
               at 62d news under_review | @62d tell answered_elsewhere; cycle 2 answered by elsewhere
               at 90d news won          | cycle 2 answered by elsewhere",
    );
}

#[test]
fn an_inquiry_that_becomes_a_chargeback_is_answered_again() {
    defending(
        "created stage inquiry respond_by 10d  | want stage_evidence; defend at -2d; wake -2d
               at 9d                                 | @8d want submit; answered by defend
               at 20d news needs_response stage chargeback respond_by 40d |
                   | @20d want stage_evidence; cycle 2 defend at -2d; wake -2d
               at 39d                                | @38d want submit; cycle 2 answered by defend",
    );
    // Nobody had answered, and it never was under review.
    holding("created stage inquiry respond_by 10d  | tell needs_person; hold (ask ann); wake -7d
             at 1d news stage chargeback respond_by 40d | @1d tell needs_person; cycle 2 hold (ask ann); wake -7d");
    // It had closed.
    accepting(
        "created stage inquiry respond_by 10d | tell needs_person;
                   | accept at -9d (stripe does not let a dispute be accepted at stage inquiry); wake -9d
               at 1h news closed                    | ended with nothing
               at 2d news needs_response stage chargeback respond_by 40d |
                   | @2d tell reversed; cycle 2 accept at -37d; wake -37d
               at 4d                                | @3d want accept; cycle 2 answered by accept",
    );
}

#[test]
fn razorpay_asks_for_more_and_every_round_has_its_own_answer() {
    let rules = always("", r#"then = { defend = { template = "plain", lead = "24h" } }"#);
    scenario_razorpay(
        &[("v1", &rules)],
        "created respond_by 7d   | want stage_evidence; tell needs_person;
                                 | defend at -1d (at least one document is needed); wake -3d
         evidence receipt doc_1  | want stage_evidence; defend at -1d; wake -1d
         at 6d                   | @6d want submit; answered by defend
         at 9d news needs_response new_round respond_by 14d |
                                 | @9d want stage_evidence; cycle 2 defend at -1d; wake -1d
         at 13d                  | @13d want submit; cycle 2 answered by defend
         at 16d news needs_response new_round respond_by 20d |
                                 | @16d want stage_evidence; cycle 3 defend at -1d; wake -1d
         at 17d news won         | cycle 3 ended with nothing",
    );
}

#[test]
fn a_round_is_seen_although_the_news_between_was_lost() {
    let rules = always("", r#"then = { defend = { template = "plain", lead = "24h" } }"#);
    scenario_razorpay(
        &[("v1", &rules)],
        "provider forgets         | no cycle
         created respond_by 7d    | want stage_evidence; tell needs_person;
                                  | defend at -1d (at least one document is needed); wake -3d
         evidence receipt doc_1   | want stage_evidence; defend at -1d; wake -1d
         at 6d                    | @6d want submit; defend at -1d; wake -6h
         provider answers         | defend at -1d; wake -6h
         at 6d2h news new_round respond_by 14d | @6d2h want stage_evidence; cycle 2 defend at -1d; wake -1d
         at 6d3h                  | cycle 2 defend at -1d; wake -1d
         late 6d2h new_round      | unchanged; cycle 2 defend at -1d; wake -1d
         at 13d                   | @13d want submit; cycle 2 answered by defend",
    );
}

#[test]
fn row_23_a_prevention_that_fails_is_answered_after_all() {
    accepting(
        "created prevented respond_by none | no cycle
               at 3d news needs_response respond_by 20d | @3d tell reversed; accept at -16d; wake -16d
               at 5d                             | @4d want accept; answered by accept",
    );
}

#[test]
fn stale_and_repeated_news_changes_nothing() {
    accepting(
        "created respond_by 20d    | accept at -19d; wake -19d
               at 1h news respond_by 15d | accept at -14d; wake -14d
               late 30m respond_by 30d   | stale; accept at -14d; wake -14d
               late 1h respond_by 15d    | unchanged; accept at -14d; wake -14d
               at 2h news under_review   | @2h tell answered_elsewhere; answered by elsewhere
               late 1h needs_response    | stale; answered by elsewhere
               late 2h needs_response    | stale; answered by elsewhere",
    );
}

#[test]
fn a_lagging_read_does_not_ask_for_a_second_answer() {
    defending(
        "created respond_by 20d     | want stage_evidence; defend at -2d; wake -2d
               at 18d                     | @18d want submit; answered by defend
               unseen needs_response      | answered by defend
               at 18d4m poll              | @18d4m doubtful; answered by defend
               at 18d14m59s poll          | @18d14m59s doubtful; answered by defend
               unseen under_review        | answered by defend
               at 18d20m poll             | @18d20m unchanged; answered by defend",
    );
}

#[test]
fn a_round_that_says_only_later_until_when_is_a_window_all_the_same() {
    holding(
        "created respond_by 10d    | tell needs_person; hold (ask ann); wake -7d
         at 1d news under_review   | @1d tell answered_elsewhere; answered by elsewhere
         at 5d news needs_response respond_by unstated | @5d PAGE deadline_unknown; answered by elsewhere
         at 5d1h news respond_by 9d | @5d1h tell needs_person; cycle 2 hold (ask ann); wake -3d",
    );
}

#[test]
fn a_round_that_may_be_answered_only_later_is_a_window_all_the_same() {
    holding(
        "created respond_by 10d    | tell needs_person; hold (ask ann); wake -7d
         at 1d news under_review   | @1d tell answered_elsewhere; answered by elsewhere
         at 2d news needs_response respond_by none | @2d tell no_response_possible; answered by elsewhere
         at 3d news respond_by 9d  | @3d tell needs_person; cycle 2 hold (ask ann); wake -3d",
    );
}

#[test]
fn a_window_that_closed_on_a_call_of_ours_and_opens_again_was_not_answered_by_it() {
    accepting(
        "provider times-out        | no cycle
         created respond_by 10d    | accept at -9d; wake -9d
         at 2d                     | @1d want accept; accept at -9d; wake -6h
         news respond_by none      | answered by accept
         provider answers          | answered by accept
         at 3d news respond_by 10d | cycle 2 accept at -6d; wake -6d",
    );
}

#[test]
fn stale_news_that_a_read_just_contradicted_is_looked_into() {
    // The read came from a replica that lagged: what it did not show is true all the same.
    let mut world = super::world::World::new(None, &super::world::STRIPE_LIKE);
    let second = chrono::TimeDelta::seconds(1);
    let at_start = super::world::snapshot(world.now);
    let told = |status| crate::dispute::Snapshot { status, ..at_start.clone() };
    use crate::dispute::{Source, Status};
    world.news(Source::Webhook, world.now, told(Status::UnderReview));
    world.now += chrono::TimeDelta::hours(1);
    world.news(Source::Poll, world.now, told(Status::UnderReview));
    let calm = world.case.check_at.unwrap();
    assert!(calm > world.now + chrono::TimeDelta::hours(1), "{calm}");
    world.now += second;
    world.news(Source::Webhook, world.now - second * 2, told(Status::NeedsResponse));
    assert_eq!(world.case.check_at, Some(world.now), "the provider is asked which of the two is true");
    // Old news that says what was true long ago is no reason to ask.
    world.case.check_at = Some(calm);
    world.now += second;
    world.news(Source::Webhook, world.now - chrono::TimeDelta::hours(3), told(Status::NeedsResponse));
    assert_eq!(world.case.check_at, Some(calm));
}
