//! Approval by a second person: what a grant is for, and what ends it.

use chrono::TimeDelta;
use serde_json::json;

use super::acting::always;
use super::table::scenario;
use super::world::{STRIPE_LIKE, World, event, money, snapshot};
use crate::dispute::Source;
use crate::engine::*;

const APPROVED: &str = r#"then = { defend = { template = "plain", lead = "24h" } }
    approval = "always""#;

fn one(policy: &str, rule: &str, table: &str) {
    scenario(&[("v1", &always(policy, rule))], table);
}

#[test]
fn approval_by_a_second_person_lets_it_act_at_its_time() {
    one(
        "",
        APPROVED,
        "created respond_by 10d | want stage_evidence; tell needs_person;
                                | defend at -1d (approval by a person); wake -7d
         approve by bob         | defend at -1d; wake -1d
         approve by carol       | no: approved already, by bob; defend at -1d; wake -1d
         advance 10d            | @9d want submit; answered by defend",
    );
}

#[test]
fn nobody_approves_an_order_of_their_own() {
    let rule = r#"then = { hold = { why = "ask ann" } }
        approval = "always""#;
    one(
        "",
        rule,
        "created respond_by 10d   | tell needs_person; hold (ask ann); wake -7d
         order accept by ann      | tell needs_person;
                                  | accept at -10d (approval by somebody other than ann); wake -7d
         approve by ann           | no: ann asked for this, so somebody else has to approve it;
                                  | accept at -10d (approval by somebody other than ann); wake -7d
         approve by  Ann          | no: Ann asked for this, so somebody else has to approve it;
                                  | accept at -10d (approval by somebody other than ann); wake -7d
         approve by bob           | want accept; answered by accept",
    );
}

#[test]
fn without_the_approval_it_pages_and_never_acts() {
    one(
        r#"at_margin = "accept""#,
        APPROVED,
        "created respond_by 60h | want stage_evidence; tell needs_person;
                                | defend at -1d (approval by a person); wake -1d
         advance 61h            | @1d12h tell deadline; @2d6h tell deadline; @2d6h PAGE unanswered;
                                | @2d11h PAGE deadline; @2d12h PAGE missed;
                                | defend at -1d (approval by a person); wake +6h",
    );
}

#[test]
fn a_grant_does_not_carry_over_to_another_answer() {
    let defend = always("", APPROVED);
    let accept = always("", "then = { accept = {} }\napproval = \"always\"");
    scenario(
        &[("v1", &defend), ("v2", &accept)],
        "created respond_by 10d | want stage_evidence; tell needs_person;
                                | defend at -1d (approval by a person); wake -7d
         approve by bob         | defend at -1d; wake -1d
         rules v2               | tell needs_person; accept at -10d (approval by a person:
             | bob had approved before the answer changed from defend with template plain to accept); wake -7d
         approve by bob         | want accept; answered by accept",
    );
}

#[test]
fn a_grant_is_for_the_amount_that_was_seen() {
    one(
        "",
        APPROVED,
        "created 45.00 USD respond_by 10d | want stage_evidence; tell needs_person;
                                | defend at -1d (approval by a person); wake -7d
         approve by bob         | defend at -1d; wake -1d
         at 2d news 60.00 USD   | @2d tell needs_person; defend at -1d (approval by a person:
                                | bob had approved before the amount changed from 45.00 USD to 60.00 USD); wake -7d
         at 2d1h news 60.00 EUR | defend at -1d (approval by a person:
                                | bob had approved before the amount changed from 45.00 USD to 60.00 USD); wake -7d
         approve by carol       | defend at -1d; wake -1d
         advance 10d            | @9d want submit; answered by defend",
    );
}

#[test]
fn what_was_approved_and_not_sent_is_taken_back_when_the_amount_is_raised() {
    one(
        "",
        "then = { accept = {} }\napproval = \"always\"",
        "provider down          | no cycle
         created 45.00 USD respond_by 10d | tell needs_person;
                                | accept at -10d (approval by a person); wake -7d
         approve by bob         | want accept; accept at -10d; wake -6h
         at 1h news 60.00 USD   | @1h cancel; @1h tell needs_person; accept at -10d (approval by a person:
                                | bob had approved before the amount changed from 45.00 USD to 60.00 USD); wake -7d
         provider answers       | accept at -10d (approval by a person:
                                | bob had approved before the amount changed from 45.00 USD to 60.00 USD); wake -7d
         approve by bob         | want accept; answered by accept",
    );
}

#[test]
fn an_amount_that_needs_no_approval_any_more_needs_it_again_when_it_is_raised_again() {
    one(
        "",
        "then = { accept = { after = \"72h\" } }\napproval = { above = { USD = \"50.00\" } }",
        "created 80.00 USD respond_by 10d | tell needs_person;
                                | accept at -7d (approval by a person); wake -7d
         approve by bob         | accept at -7d; wake -7d
         at 1h news 40.00 USD   | accept at -7d; wake -7d
         at 2h news 80.00 USD   | @2h tell needs_person;
                                | accept at -7d (approval by a person); wake -7d",
    );
}

#[test]
fn a_grant_is_for_the_evidence_that_was_there() {
    let before = "approval by a person: bob had approved before the evidence to be sent changed";
    let rule = "then = { defend = { template = \"worded\", lead = \"24h\" } }\napproval = \"always\"\n\
        [template.worded]\nsummary = \"Sent by {facts.carrier}.\"";
    one(
        "",
        rule,
        &format!(
            r#"facts {{"carrier": "DHL"}}              | no cycle
               created respond_by 10d                  | want stage_evidence; tell needs_person;
                                                       | defend at -1d (approval by a person); wake -7d
               approve by bob                          | defend at -1d; wake -1d
               facts {{"carrier": "DHL", "vip": true}} | defend at -1d; wake -1d
               facts {{"carrier": "UPS"}}              | want stage_evidence; tell needs_person;
                                                       | defend at -1d ({before}); wake -7d
               approve by bob                          | defend at -1d; wake -1d
               at 1h evidence receipt file_7           | @1h want stage_evidence; @1h tell needs_person;
                                                       | defend at -1d ({before}); wake -7d
               at 9d                                   | @3d tell deadline; @7d tell deadline; @9d PAGE deadline;
                                                       | defend at -1d ({before}); wake -6h10m"#
        ),
    );
}

#[test]
fn history_says_who_had_approved_and_what_changed() {
    let mut world = World::new(Some(&always("", APPROVED)), &STRIPE_LIKE);
    world.changes(|_| ());
    world.order("bob", Command::Approve);
    let mut record = snapshot(world.start);
    record.amount = money("60.00", "USD");
    let raised = Input::News(Box::new(event(Source::Webhook, world.now, record)));
    let (case, outcome) = step(world.case.clone(), &raised, world.now);
    let kinds: Vec<HistoryKind> = outcome.history.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [HistoryKind::AmountChanged, HistoryKind::ApprovalLapsed, HistoryKind::Decided]);
    let lapsed = json!({"by": "bob", "because": ["the amount changed from 45.00 USD to 60.00 USD"]});
    assert_eq!(outcome.history[1].detail, lapsed);
    let plan = case.open().unwrap().plan.clone();
    let Approval::Needed { matter: Some(matter), .. } = plan.approval else { panic!("{:?}", plan.approval) };
    assert_eq!(matter.amount, money("60.00", "USD"));
    let digest = matter.packet.clone().unwrap();
    let told = format!("defend with template plain, 60.00 USD, evidence {}", &digest[..12]);
    assert_eq!(matter.to_string(), told);
}

/// Whether the alerts of the cycle are told that their reason is gone.
fn resolves(outcome: &Outcome) -> bool {
    outcome.effects.iter().any(|effect| matches!(effect, Effect::ResolveAlerts { .. }))
}

#[test]
fn who_was_asked_is_not_asked_any_more_once_nobody_is_needed() {
    let mut world = World::new(Some(&always("", APPROVED)), &STRIPE_LIKE);
    world.changes(|_| ());
    let approve = Input::Order(Order { by: "bob".into(), command: Command::Approve });
    assert!(resolves(&step(world.case.clone(), &approve, world.now).1), "bob has approved");
    let hold = Command::Hold { why: "ask the bank".into() };
    let hold = Input::Order(Order { by: "bob".into(), command: hold });
    let held = step(world.case.clone(), &hold, world.now).1;
    let told = |e: &Effect| matches!(e, Effect::ResolveAlerts { .. } | Effect::Tell(_));
    let effects: Vec<&Effect> = held.effects.iter().filter(|e| told(e)).collect();
    let [Effect::ResolveAlerts { why, .. }, Effect::Tell(_)] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(why, "another question took its place");
    // A page stands until the record shows the response.
    world.advance_to(world.start + TimeDelta::days(20) - TimeDelta::hours(1));
    assert!(!resolves(&step(world.case.clone(), &approve, world.now).1), "nothing is confirmed yet");
}

#[test]
fn a_grant_of_which_nobody_knows_to_what_it_was_given_counts_for_nothing() {
    let old = r#"{"state": "granted", "asked_by": "rules", "by": "bob"}"#;
    let mut world = World::new(Some(&always("", APPROVED)), &STRIPE_LIKE);
    world.changes(|_| ());
    world.case.open_mut().unwrap().plan.approval = serde_json::from_str(old).unwrap();
    world.advance_to(world.start + TimeDelta::days(20));
    assert_eq!(world.memory.irreversible, []);
    let waiting_for = world.case.open().unwrap().plan.waiting_for.join(", ");
    assert!(waiting_for.contains("bob had approved before this engine kept what exactly"), "{waiting_for}");
}

#[test]
fn an_acceptance_that_was_approved_asks_nothing_of_the_evidence() {
    one(
        "",
        "then = { accept = { after = \"24h\" } }\napproval = \"always\"",
        "created respond_by 10d  | tell needs_person;
                                 | accept at -9d (approval by a person); wake -9d
         approve by bob          | accept at -9d; wake -9d
         evidence receipt file_7 | accept at -9d; wake -9d
         advance 2d              | @1d want accept; answered by accept",
    );
}

#[test]
fn a_grant_is_for_the_rule_that_asked() {
    let named = |id: &str| {
        always("", "then = { accept = { after = \"24h\" } }\napproval = \"always\"")
            .replace("always\"\nthen", &format!("{id}\"\nthen"))
    };
    scenario(
        &[("v1", &named("small")), ("v2", &named("small")), ("v3", &named("other"))],
        "created respond_by 10d  | tell needs_person;
                                 | accept at -9d (approval by a person); wake -9d
         approve by bob          | accept at -9d; wake -9d
         rules v2                | accept at -9d; wake -9d
         rules v3                | tell needs_person; accept at -9d (approval by a person:
                                 | bob had approved before rule other decided, and not rule small); wake -9d
         order accept by ann     | tell needs_person;
                                 | accept at -10d (approval by somebody other than ann); wake -7d
         approve by bob          | want accept; answered by accept",
    );
}

#[test]
fn nobody_approves_what_is_not_complete() {
    one(
        "",
        APPROVED,
        "created respond_by 10d  | want stage_evidence; tell needs_person;
                                 | defend at -1d (approval by a person); wake -7d
         provider down           | defend at -1d (approval by a person); wake -7d
         upload slip.pdf         | want upload; tell needs_person; defend at -1d (the file slip.pdf is being uploaded,
                                 | approval by a person); wake -7d
         approve by bob          | no: the file slip.pdf is not with the provider yet: approve what is complete;
                                 | defend at -1d (the file slip.pdf is being uploaded,
                                 | approval by a person); wake -7d
         at 1h provider answers  | @1h tell needs_person; defend at -1d (approval by a person); wake -7d
         approve by bob          | defend at -1d; wake -1d",
    );
}

#[test]
fn a_grant_for_one_order_is_none_for_the_next() {
    let rule =
        "when.stage = [\"chargeback\"]\nthen = { hold = { why = \"ask ann\" } }\napproval = \"always\"";
    one(
        "",
        rule,
        "provider down                            | no cycle
         created respond_by 10d fee               | tell needs_person; hold (ask ann); wake -7d
         order defend plain by ann                | want stage_evidence; tell needs_person;
              | defend at -10d (the network charges a fee for a response here: acknowledge it with
              | `disputes defend --acknowledge-fee`, approval by somebody other than ann); wake -7d
         approve by bob                           | tell needs_person;
              | defend at -10d (the network charges a fee for a response here: acknowledge it with
              | `disputes defend --acknowledge-fee`); wake -7d
         order defend plain fee by ann            | cancel; want stage_evidence; tell needs_person;
              | defend at -10d (approval by somebody other than ann); wake -7d
         approve by bob                           | want submit; defend at -10d; wake -6h",
    );
}

#[test]
fn what_was_seen_is_known_again_and_each_change_of_it_by_its_name() {
    let mut world = World::new(Some(&always("", APPROVED)), &STRIPE_LIKE);
    world.changes(|_| ());
    let plan = world.case.open().unwrap().plan.clone();
    let Approval::Needed { matter: Some(matter), .. } = plan.approval else { panic!("{:?}", plan.approval) };
    let seen = matter.seen();
    assert_eq!(matter.other_than(&format!(" {} ", seen.to_uppercase())), None);
    let raised = Matter { amount: money("60.00", "USD"), ..matter.clone() };
    let ruled = Matter { rule_id: Some("another".into()), ..matter.clone() };
    let more = Matter { packet: Some("ab".repeat(32)), ..matter.clone() };
    let given_up = Matter { answer: Answer::Accept, packet: None, ..matter.clone() };
    for (now, changed) in [
        (&raised, "the amount changed"),
        (&ruled, "the rule changed"),
        (&more, "the evidence to be sent changed"),
        (&given_up, "the answer and the evidence to be sent changed"),
    ] {
        let why = now.other_than(&seen).unwrap();
        assert!(why.contains(&format!("you saw: {changed}. It is now: {now}")), "{why}");
        assert!(why.contains(&now.seen()) && matter.other_than(&now.seen()).is_some(), "{why}");
    }
    // Parts that are alike do not make a whole.
    let (whole, parts) = seen.split_once('-').unwrap();
    let other = raised.seen();
    let mixed = format!("{}-{parts}", other.split_once('-').unwrap().0);
    for odd in [whole, &mixed, "", "-"] {
        assert!(matter.other_than(odd).unwrap().contains("something else"), "{odd}");
    }
}
