//! Every trouble a provider's API can make, at every call that cannot be taken back. Whatever was answered, the
//! dispute ends answered, once, and the action's row tells what happened.

use chrono::TimeDelta;
use respondby::engine::Command;
use respondby::sandbox::{
    ApiFault, Irreversible, LedgerResult, NewDispute, Operation, ProviderKind, Trouble, Turns,
};
use respondby::store::actions;
use respondby::store::alerts::{self, Acknowledged};
use respondby::worker::{self, Backlog};

use super::stage::{RAZORPAY, RULES, STRIPE, Setup, Stage, fraud, hours, not_received};

/// Whether the call takes effect although its answer is no good.
fn troubles() -> Vec<(&'static str, Trouble, bool)> {
    let limited = |retry_after_s| Trouble::RateLimited { retry_after_s, should_retry: None };
    vec![
        ("429 with a wait", limited(Some(30)), false),
        ("429 without one", limited(None), false),
        ("locked", Trouble::LockTimeout, false),
        ("500 before", Trouble::ServerErrorBeforeEffect, false),
        ("500 after", Trouble::ServerErrorAfterEffect, true),
        ("time-out before", Trouble::TimeOutBeforeEffect { hold_ms: 0 }, false),
        ("time-out after", Trouble::TimeOutAfterEffect { hold_ms: 0 }, true),
        ("HTML before", Trouble::HtmlBeforeEffect, false),
        ("HTML after", Trouble::HtmlAfterEffect, true),
    ]
}

/// Both kinds of dispute are answered an hour after they are known.
fn at_one() -> String {
    RULES.replace("lead = \"24h\"", "after = \"1h\"")
}

struct Case {
    name: String,
    dispute_ref: String,
    call: Irreversible,
    effect: bool,
}

async fn open_with(
    stage: &mut Stage,
    provider: ProviderKind,
    call: Irreversible,
    n: usize,
    windows: TimeDelta,
) -> String {
    let mut order: NewDispute = match call {
        Irreversible::Accept => fraud(provider, windows),
        Irreversible::Submit => not_received(provider, windows),
    };
    let kind = matches!(call, Irreversible::Accept) as u8;
    let payment = match provider == STRIPE {
        true => format!("pi_fault{kind}{n:02}"),
        false => format!("pay_Fault{kind}{n:08}"),
    };
    if call == Irreversible::Submit {
        stage.prove(provider, &payment).await;
    }
    order.payment = Some(payment);
    stage.create(order)
}

fn operation(call: Irreversible) -> Operation {
    match call {
        Irreversible::Accept => Operation::DisputeAccept,
        Irreversible::Submit => Operation::DisputeSubmit,
    }
}

async fn every_trouble(provider: ProviderKind) {
    let mut stage = Stage::ruled_by(&at_one()).await;
    // Without webhooks nobody but our own reading tells what became of a call.
    let mut cases = Vec::new();
    for call in [Irreversible::Accept, Irreversible::Submit] {
        let mut troubles = troubles();
        if provider == STRIPE {
            troubles.push(("key in use", Trouble::KeyInUse, false));
        }
        for (n, (name, trouble, effect)) in troubles.into_iter().enumerate() {
            let dispute_ref = open_with(&mut stage, provider, call, n, hours(96)).await;
            let dispute = Some(dispute_ref.clone());
            let fault = ApiFault { dispute, ..ApiFault::once(provider, operation(call), trouble) };
            stage.control.add_api_fault(fault);
            cases.push(Case { name: format!("{call:?}, {name}"), dispute_ref, call, effect });
        }
        // The record before the call is read truly, the ones after it are behind.
        let dispute_ref = open_with(&mut stage, provider, call, 90, hours(96)).await;
        let turns = Turns { skip: 1, times: Some(1), probability: None };
        let fault = ApiFault::once(provider, Operation::DisputeFetch, Trouble::StaleRead);
        stage.control.add_api_fault(ApiFault { dispute: Some(dispute_ref.clone()), turns, ..fault });
        cases.push(Case { name: format!("{call:?}, stale reads"), dispute_ref, call, effect: true });
    }
    stage.settle().await;
    stage.control.set_webhook_url(provider, None, None).unwrap();
    stage.advance(hours(20)).await;
    for case in &cases {
        answered_once(&stage, case).await;
    }
    assert_eq!(stage.control.faults().0.iter().filter(|f| f.turns.times != Some(0)).count(), 0, "all struck");
    stage.uphold().await;
}

async fn answered_once(stage: &Stage, Case { name, dispute_ref, call, effect }: &Case) {
    assert!(!stage.theirs(dispute_ref).open, "{name}: not answered");
    let (kind, response) = match call {
        Irreversible::Accept => ("accept", "accept"),
        Irreversible::Submit => ("submit", "defend"),
    };
    let cycle = stage.cycle(dispute_ref).await;
    let told = (cycle.state.as_str(), cycle.response.map(|r| r.as_str()));
    assert_eq!(told, ("answered", Some(response)), "{name}");
    assert_eq!(stage.action(dispute_ref, kind).await, "done", "{name}");
    let calls: Vec<LedgerResult> = stage
        .control
        .ledger()
        .into_iter()
        .filter(|entry| entry.dispute_ref == *dispute_ref)
        .map(|entry| entry.result)
        .collect();
    let read = |c: &&LedgerResult| matches!(c, LedgerResult::Effective | LedgerResult::Refused);
    assert_eq!(calls.iter().filter(read).count(), 1, "{name}: {calls:?}");
    if *effect {
        assert_eq!(calls, [LedgerResult::Effective], "{name}: the record was read before any repeat");
    }
    // The row and the history agree about what was uncertain.
    let entries = stage.history(dispute_ref).await;
    let kinds: Vec<&str> = entries.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|k| **k == "answered").count(), 1, "{name}: {kinds:?}");
    let lost = ["500", "time-out", "HTML"].iter().any(|word| name.contains(word));
    assert_eq!(kinds.contains(&"action_unknown"), lost, "{name}: {kinds:?}");
    let row = stage.actions(dispute_ref).await.into_iter().find(|a| a.kind == kind).unwrap();
    assert!(row.requests >= 3, "{name}: read, called, read again: {row:?}");
}

#[tokio::test]
async fn whatever_stripe_s_api_answers_each_dispute_is_answered_once() {
    every_trouble(STRIPE).await;
}

#[tokio::test]
async fn whatever_razorpay_s_api_answers_each_dispute_is_answered_once() {
    every_trouble(RAZORPAY).await;
}

#[tokio::test]
async fn a_call_that_never_gets_an_answer_pages_at_the_margin_until_somebody_has_it() {
    let setup = Setup { rules: at_one(), repage_every_s: 3_600, ..Setup::default() };
    let mut stage = Stage::with(setup).await;
    let mut made = Vec::new();
    for provider in [STRIPE, RAZORPAY] {
        let dispute_ref = stage.open(fraud(provider, hours(24))).await;
        let fault =
            ApiFault::once(provider, Operation::DisputeAccept, Trouble::TimeOutBeforeEffect { hold_ms: 0 });
        stage.control.add_api_fault(ApiFault { turns: Turns::always(), ..fault });
        made.push(dispute_ref);
    }
    let page_at = stage.cycle(&made[0]).await.page_at;
    stage.advance_to(page_at - TimeDelta::seconds(1)).await;
    for dispute_ref in &made {
        assert!(!stage.alerts(dispute_ref).await.contains(&"unanswered/page".to_owned()));
        let row = stage.actions(dispute_ref).await.into_iter().find(|a| a.kind == "accept").unwrap();
        assert!(row.state == "unknown" && row.due_at.is_some(), "{row:?}: it goes on trying");
    }
    stage.advance_to(page_at).await;
    let raised: Vec<(i64, i32)> =
        sqlx::query_as("select alert_id, sends from alerts where kind = 'unanswered' order by alert_id")
            .fetch_all(&stage.db.pool)
            .await
            .unwrap();
    assert_eq!(raised.iter().map(|p| p.1).collect::<Vec<_>>(), [1, 1]);
    stage.advance(hours(2)).await;
    let sent = |stage: &Stage| {
        let pool = stage.db.pool.clone();
        async move {
            sqlx::query_scalar::<_, i32>(
                "select sends from alerts where kind = 'unanswered' order by alert_id",
            )
            .fetch_all(&pool)
            .await
            .unwrap()
        }
    };
    assert_eq!(sent(&stage).await, [3, 3], "again every hour");
    let now = stage.clock.now();
    let mut conn = stage.db.pool.acquire().await.unwrap();
    assert_eq!(alerts::acknowledge(&mut conn, raised[0].0, "alice", now).await.unwrap(), Acknowledged::Done);
    drop(conn);
    stage.advance(hours(2)).await;
    assert_eq!(sent(&stage).await, [3, 5], "only what nobody has is repeated");
    // Late, but before the deadline, the provider recovers.
    stage.control.clear_faults();
    stage.advance(hours(1)).await;
    for dispute_ref in &made {
        assert_eq!(stage.action(dispute_ref, "accept").await, "done");
    }
    assert_eq!(stage.control.ledger_totals().effective_per_round_max, 1);
    let open: i64 =
        sqlx::query_scalar("select count(*) from alerts where kind = 'unanswered' and state <> 'resolved'")
            .fetch_one(&stage.db.pool)
            .await
            .unwrap();
    assert_eq!(open, 1, "the acknowledged one stays as it was, the other is resolved by the answer");
}

#[tokio::test]
async fn a_refusal_that_means_nothing_to_us_is_no_answer_and_a_person_decides() {
    let mut stage = Stage::ruled_by(&at_one()).await;
    let dispute_ref = stage.open(fraud(RAZORPAY, hours(48))).await;
    // Razorpay documents no 409.
    let fault = ApiFault::once(RAZORPAY, Operation::DisputeAccept, Trouble::KeyInUse);
    stage.control.add_api_fault(fault);
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "refused");
    assert!(stage.theirs(&dispute_ref).open);
    assert_eq!(stage.alerts(&dispute_ref).await, ["needs_person/warning"]);
    stage.order(&dispute_ref, "alice", Command::Accept).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn a_failure_saved_under_a_key_is_left_behind_with_a_new_key() {
    let mut stage = Stage::ruled_by(&at_one()).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    // As long as the same key comes back the answer is the saved 500: for ten calls here.
    let fault = ApiFault::once(STRIPE, Operation::DisputeAccept, Trouble::ServerErrorBeforeEffect);
    stage.control.add_api_fault(ApiFault { turns: Turns::next(10), ..fault });
    stage.advance(hours(6)).await;
    let keys: std::collections::BTreeSet<String> =
        stage.control.ledger().into_iter().filter_map(|entry| entry.idempotency_key).collect();
    assert!(keys.len() > 1, "one key for ever gets one answer for ever: {keys:?}");
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn what_changed_while_a_call_was_on_its_way_counts_once_the_call_has_had_no_effect() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(RAZORPAY, hours(96))).await;
    stage.clock.advance(hours(1));
    worker::wake(&stage.engine.shop, &Backlog::default()).await.unwrap();
    // A process marks the call as sent and dies before it leaves. It is missed when the record has proved that.
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let now = stage.clock.now();
    let claimed = actions::claim(&mut conn, now, TimeDelta::minutes(16), 10, &[]).await.unwrap();
    let [accept] = &claimed[..] else { panic!("one action, not {claimed:?}") };
    assert!(actions::mark_sent(&mut conn, accept, TimeDelta::minutes(2), now).await.unwrap());
    drop(conn);
    // Nothing can be taken back now, so nothing is decided; the record will tell whether it arrived.
    let hold = RULES.replace("accept = { after = \"1h\" }", "hold = { why = \"not any more\" }");
    stage.publish(RAZORPAY, &hold).await;
    assert_eq!(stage.cycle(&dispute_ref).await.plan_kind, "accept");
    stage.advance(hours(2)).await;
    assert!(stage.control.ledger().is_empty(), "accepted by rules that are not in force");
    assert_eq!(stage.cycle(&dispute_ref).await.plan_kind, "hold");
    assert_eq!(stage.action(&dispute_ref, "accept").await, "cancelled");
    stage.uphold().await;
}

/// What may come while nobody knows whether a call has arrived.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    OtherRules,
    Refund,
}

#[tokio::test]
async fn a_call_of_unknown_outcome_is_decided_anew_before_it_is_repeated() {
    let cases =
        [STRIPE, RAZORPAY].into_iter().flat_map(|p| [(p, Meanwhile::OtherRules), (p, Meanwhile::Refund)]);
    for (provider, meanwhile) in cases {
        let mut stage = Stage::new().await;
        let dispute_ref = stage.open(fraud(provider, hours(96))).await;
        let lost = Trouble::TimeOutBeforeEffect { hold_ms: 0 };
        stage.control.add_api_fault(ApiFault::once(provider, Operation::DisputeAccept, lost));
        stage.advance(hours(1)).await;
        assert_eq!(stage.action(&dispute_ref, "accept").await, "unknown", "{provider} {meanwhile:?}");
        match meanwhile {
            Meanwhile::OtherRules => {
                let hold = RULES.replace("accept = { after = \"1h\" }", "hold = { why = \"not any more\" }");
                stage.publish(provider, &hold).await;
            }
            // What news of it leaves. No stand-in tells a refund of what is charged back already.
            Meanwhile::Refund => {
                let known = sqlx::query("update disputes set refunded = true where dispute_ref = $1")
                    .bind(&dispute_ref)
                    .execute(&stage.db.pool)
                    .await
                    .unwrap();
                assert_eq!(known.rows_affected(), 1);
            }
        }
        stage.advance(hours(3)).await;
        let effects = stage.control.ledger_totals().effective_per_round_max;
        assert_eq!(effects, 0, "{provider} {meanwhile:?}: repeated without a decision");
        assert_eq!(stage.action(&dispute_ref, "accept").await, "cancelled", "{provider} {meanwhile:?}");
        let history = stage.history(&dispute_ref).await;
        let why = |e: &&respondby::store::disputes::Entry| {
            e.kind == "action_unknown"
                && e.detail["why"].as_str().is_some_and(|w| w.starts_with("not repeated"))
        };
        assert_eq!(history.iter().filter(why).count(), 1, "{provider} {meanwhile:?}: and says so once");
    }
}

#[tokio::test]
async fn a_failure_saved_under_a_key_does_not_keep_evidence_from_being_put_with_the_provider() {
    let mut stage = Stage::new().await;
    // The effect happens, the answer is a 500, and Stripe repeats that 500 for whoever repeats the key.
    let fault = ApiFault::once(STRIPE, Operation::DisputeStage, Trouble::ServerErrorAfterEffect);
    stage.control.add_api_fault(fault);
    let dispute_ref = stage.open(not_received(STRIPE, hours(96))).await;
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "stage_evidence").await, "done");
    stage.uphold().await;
}

#[tokio::test]
async fn what_stands_as_it_stood_is_written_into_the_history_once() {
    let mut stage = Stage::ruled_by(&at_one()).await;
    let lost =
        ApiFault::once(RAZORPAY, Operation::DisputeAccept, Trouble::TimeOutBeforeEffect { hold_ms: 0 });
    stage.control.add_api_fault(lost);
    let dispute_ref = stage.open(fraud(RAZORPAY, hours(96))).await;
    stage.advance(hours(1)).await;
    // Nothing can be read for a while: the answer stays unknown at every look.
    let turns = Turns { skip: 0, times: Some(6), probability: None };
    let fault = ApiFault::once(RAZORPAY, Operation::DisputeFetch, Trouble::ServerErrorBeforeEffect);
    stage.control.add_api_fault(ApiFault { turns, ..fault });
    stage.advance(hours(3)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    let history = stage.history(&dispute_ref).await;
    let told = history.iter().filter(|e| e.kind == "action_unknown" || e.kind == "action_sent");
    let told: Vec<String> = told.map(|e| e.detail["why"].to_string()).collect();
    let mut once = told.clone();
    once.dedup();
    assert!(!told.is_empty() && told == once, "{told:?}");
    stage.uphold().await;
}
