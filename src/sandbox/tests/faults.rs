//! Every trouble that can be ordered, with the effect it must or must not have and the answer it gives.
//! The effect is read from the state and the ledger, never from the answer.

use super::*;

fn form() -> [(&'static str, &'static str); 1] {
    [("evidence[customer_name]", "Ann")]
}

struct Case {
    trouble: Trouble,
    /// `None` when the connection is to be cut.
    status: Option<u16>,
    effect: bool,
}

fn cases() -> Vec<Case> {
    let case = |trouble, status, effect| Case { trouble, status, effect };
    vec![
        case(Trouble::RateLimited { retry_after_s: Some(7), should_retry: Some(true) }, Some(429), false),
        case(Trouble::RateLimited { retry_after_s: None, should_retry: None }, Some(429), false),
        case(Trouble::LockTimeout, Some(429), false),
        case(Trouble::KeyInUse, Some(409), false),
        case(Trouble::ServerErrorBeforeEffect, Some(500), false),
        case(Trouble::ServerErrorAfterEffect, Some(500), true),
        case(Trouble::TimeOutBeforeEffect { hold_ms: 0 }, None, false),
        case(Trouble::TimeOutAfterEffect { hold_ms: 5 }, None, true),
        case(Trouble::HtmlBeforeEffect, Some(200), false),
        case(Trouble::HtmlAfterEffect, Some(200), true),
        case(Trouble::Latency { ms: 5 }, Some(200), true),
    ]
}

#[tokio::test]
async fn each_trouble_has_its_effect_and_answer_at_stripe() {
    for case in cases() {
        let bench = Bench::new().await;
        let id = bench.create(NewDispute::stripe());
        let fault = ApiFault::once(ProviderKind::Stripe, Operation::DisputeSubmit, case.trouble.clone());
        bench.control.add_api_fault(fault);
        let sent = bench.stripe(Method::POST, &format!("/v1/disputes/{id}")).form(&form()).send().await;
        assert_eq!(sent.ok().map(|r| r.status().as_u16()), case.status, "{:?}", case.trouble);
        assert_eq!(bench.status(&id) == "under_review", case.effect, "{:?}", case.trouble);
        let effective = usize::from(case.effect);
        assert_eq!(bench.control.ledger_totals().effective_per_round_max, effective, "{:?}", case.trouble);
        assert_eq!(bench.control.ledger().len(), 1);
    }
}

#[tokio::test]
async fn each_trouble_has_its_effect_and_answer_at_razorpay() {
    for case in cases() {
        let bench = Bench::new().await;
        let id = bench.create(NewDispute::razorpay());
        let fault = ApiFault::once(ProviderKind::Razorpay, Operation::DisputeAccept, case.trouble.clone());
        bench.control.add_api_fault(fault);
        let request = bench.razorpay(Method::POST, &format!("/v1/disputes/{id}/accept"));
        let sent = request.json(&json!({})).send().await;
        assert_eq!(sent.ok().map(|r| r.status().as_u16()), case.status, "{:?}", case.trouble);
        assert_eq!(bench.status(&id) == "lost", case.effect, "{:?}", case.trouble);
        let effective = usize::from(case.effect);
        assert_eq!(bench.control.ledger_totals().effective_per_round_max, effective, "{:?}", case.trouble);
        if case.effect {
            let repeat = bench.razorpay_accept(&id).await;
            assert_eq!(repeat.status, 400, "a repeat shows that the first call landed");
        }
    }
}

#[tokio::test]
async fn throttling_headers_say_what_was_ordered() {
    let bench = Bench::new().await;
    let order = |trouble| {
        bench.control.add_api_fault(ApiFault::once(ProviderKind::Stripe, Operation::DisputeList, trouble));
    };
    order(Trouble::RateLimited { retry_after_s: Some(7), should_retry: Some(false) });
    let first = bench.stripe_get("/v1/disputes").await;
    assert_eq!((first.header("retry-after"), first.header("stripe-should-retry")), ("7", "false"));
    order(Trouble::LockTimeout);
    let second = bench.stripe_get("/v1/disputes").await;
    assert_eq!((second.header("retry-after"), second.header("stripe-should-retry")), ("", "true"));
    assert_eq!(second.body["error"]["code"], "lock_timeout");
    assert_eq!(bench.stripe_get("/v1/disputes").await.status, 200);
}

#[tokio::test]
async fn after_a_lost_answer_the_key_gives_the_answer_and_after_a_500_the_500() {
    for (trouble, replayed) in [
        (Trouble::TimeOutAfterEffect { hold_ms: 0 }, 200),
        (Trouble::HtmlAfterEffect, 200),
        (Trouble::ServerErrorAfterEffect, 500),
    ] {
        let bench = Bench::new().await;
        let id = bench.create(NewDispute::stripe());
        bench.control.add_api_fault(ApiFault::once(
            ProviderKind::Stripe,
            Operation::DisputeSubmit,
            trouble.clone(),
        ));
        let path = format!("/v1/disputes/{id}");
        _ = bench.stripe(Method::POST, &path).header("idempotency-key", "k").form(&form()).send().await;
        let repeat = bench.stripe_post_keyed(&path, &form(), "k").await;
        assert_eq!((repeat.status, repeat.header("idempotent-replayed")), (replayed, "true"), "{trouble:?}");
        let totals = bench.control.ledger_totals();
        assert_eq!((totals.calls, totals.received_per_round_max), (2, 1));
    }
}

#[tokio::test]
async fn a_stale_read_shows_the_state_before_the_last_change() {
    let bench = Bench::new().await;
    for (provider, id) in [
        (ProviderKind::Stripe, bench.create(NewDispute::stripe())),
        (ProviderKind::Razorpay, bench.create(NewDispute::razorpay())),
    ] {
        bench.control.change(&id, &Change::SubmittedElsewhere).unwrap();
        for operation in [Operation::DisputeFetch, Operation::DisputeList] {
            bench.control.add_api_fault(ApiFault::once(provider, operation, Trouble::StaleRead));
        }
        let at_stripe = provider == ProviderKind::Stripe;
        let fetch = || async {
            match at_stripe {
                true => bench.stripe_get(&format!("/v1/disputes/{id}")).await.body,
                false => bench.razorpay_get(&format!("/v1/disputes/{id}")).await.body,
            }
        };
        let list = || async {
            match at_stripe {
                true => bench.stripe_get("/v1/disputes").await.body["data"][0].clone(),
                false => bench.razorpay_get("/v1/disputes").await.body["items"][0].clone(),
            }
        };
        let (old, new) = (fetch().await, fetch().await);
        assert!(old["status"] == "needs_response" || old["status"] == "open", "{old}");
        assert_eq!(new["status"], "under_review");
        assert_eq!(
            (list().await["status"].clone(), list().await["status"].clone()),
            (old["status"].clone(), new["status"].clone())
        );
    }
}

#[tokio::test]
async fn faults_can_be_for_one_dispute_and_by_chance_and_be_cleared() {
    let bench = Bench::new().await;
    let (marked, spared) = (bench.create(NewDispute::stripe()), bench.create(NewDispute::stripe()));
    bench.control.add_api_fault(ApiFault {
        dispute: Some(marked.clone()),
        turns: Turns::always(),
        ..ApiFault::once(ProviderKind::Stripe, Operation::DisputeFetch, Trouble::ServerErrorBeforeEffect)
    });
    for _ in 0..2 {
        assert_eq!(bench.stripe_get(&format!("/v1/disputes/{marked}")).await.status, 500);
        assert_eq!(bench.stripe_get(&format!("/v1/disputes/{spared}")).await.status, 200);
    }
    bench.control.clear_faults();
    assert_eq!(bench.stripe_get(&format!("/v1/disputes/{marked}")).await.status, 200);
    bench.control.add_api_fault(ApiFault {
        turns: Turns::sometimes(0.5),
        ..ApiFault::once(ProviderKind::Stripe, Operation::DisputeList, Trouble::LockTimeout)
    });
    let mut refused = 0;
    for _ in 0..40 {
        refused += usize::from(bench.stripe_get("/v1/disputes").await.status == 429);
    }
    assert!((5..36).contains(&refused), "{refused} of 40");
}
