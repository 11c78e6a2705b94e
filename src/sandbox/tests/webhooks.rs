//! Webhooks on the wire: signatures computed here once more, repeats, patience, and every fault of delivery.
//! Must not use the sandbox's own signing.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

/// Computed here by itself, so that the sandbox's own signing is checked against something.
fn mac(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn stripe_parts(received: &Received) -> (i64, Vec<String>) {
    let header = received.header("stripe-signature").to_owned();
    let mut items = header.split(',');
    let t = items.next().unwrap().strip_prefix("t=").unwrap().parse().unwrap();
    (t, items.map(|item| item.strip_prefix("v1=").unwrap().to_owned()).collect())
}

fn states(bench: &Bench) -> Vec<WebhookState> {
    bench.control.webhooks().iter().map(|w| w.state).collect()
}

#[tokio::test]
async fn stripe_webhooks_are_signed_at_the_sandboxs_time() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::stripe());
    let received = bench.delivered().await;
    assert_eq!(received.len(), 2);
    let (t, signatures) = stripe_parts(&received[0]);
    assert_eq!(t, start_of_time().timestamp());
    assert_eq!(signatures, [mac(STRIPE_SECRET, &format!("{t}.{}", received[0].body))]);
    assert_eq!(received[0].header("content-type"), "application/json; charset=utf-8");
    assert!(received[0].header("user-agent").starts_with("Stripe/1.0"));
    let body = received[0].json();
    assert_eq!((&body["object"], &body["type"]), (&json!("event"), &json!("charge.dispute.created")));
    assert_eq!(body["data"]["object"]["id"], id.as_str());
    assert!(body["data"].get("previous_attributes").is_none());
    bench.stripe_post(&format!("/v1/disputes/{id}"), &[("evidence[customer_name]", "A")]).await;
    let updated = bench.delivered().await[0].json();
    assert_eq!(updated["data"]["previous_attributes"]["status"], "needs_response");
    assert!(updated["request"]["id"].as_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn razorpay_webhooks_carry_signature_and_event_id() {
    let bench = Bench::new().await;
    let id = bench.create(NewDispute::razorpay());
    let received = &bench.delivered().await[0];
    assert_eq!(received.header("x-razorpay-signature"), mac(RAZORPAY_SECRET, &received.body));
    assert_eq!(received.header("x-razorpay-event-id").len(), 14);
    assert_eq!(received.header("content-type"), "application/json");
    let body = received.json();
    assert_eq!((&body["entity"], &body["contains"]), (&json!("event"), &json!(["payment", "dispute"])));
    assert_eq!(body["payload"]["dispute"]["entity"]["id"], id.as_str());
    assert_eq!(body["payload"]["payment"]["entity"]["notes"], json!([]));
}

#[tokio::test]
async fn a_refused_webhook_is_repeated_with_a_fresh_signature() {
    let bench = Bench::new().await;
    bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    bench.inbox.answer(&[500, 302]);
    let first = bench.delivered().await;
    assert_eq!(states(&bench), [WebhookState::Queued]);
    bench.advance(TimeDelta::minutes(1));
    let second = bench.delivered().await;
    bench.advance(TimeDelta::minutes(1));
    assert_eq!(bench.delivered().await.len(), 0, "the pause has doubled");
    bench.advance(TimeDelta::minutes(1));
    let third = bench.delivered().await;
    assert_eq!((first.len(), second.len(), third.len()), (1, 1, 1));
    assert_eq!(first[0].body, third[0].body);
    let (t, signatures) = stripe_parts(&third[0]);
    assert_eq!(t, start_of_time().timestamp() + 180);
    assert_eq!(signatures, [mac(STRIPE_SECRET, &format!("{t}.{}", third[0].body))]);
    assert_eq!(states(&bench), [WebhookState::Delivered]);
    let seen = bench.control.webhooks()[0].attempts.iter().map(|a| a.status).collect::<Vec<_>>();
    assert_eq!(seen, [Some(500), Some(302), Some(200)]);
}

#[tokio::test]
async fn patience_ends_after_three_days_at_stripe_and_one_at_razorpay() {
    let bench = Bench::new().await;
    bench.inbox.answer(&[500; 200]);
    bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    bench.create(NewDispute::razorpay());
    for _ in 0..30 {
        bench.advance(TimeDelta::hours(1));
        bench.control.flush().await;
    }
    assert_eq!(states(&bench), [WebhookState::Queued, WebhookState::GaveUp]);
    bench.create(NewDispute::razorpay());
    assert_eq!(*states(&bench).last().unwrap(), WebhookState::NoEndpoint, "the endpoint was switched off");
    for _ in 0..45 {
        bench.advance(TimeDelta::hours(1));
        bench.control.flush().await;
    }
    assert_eq!(states(&bench)[0], WebhookState::GaveUp);
    let gave_up = &bench.control.webhooks()[0];
    assert!(gave_up.attempts.last().unwrap().at <= start_of_time() + TimeDelta::days(3));
}

#[tokio::test]
async fn a_rolled_secret_signs_beside_the_old_one_for_a_day() {
    let bench = Bench::new().await;
    bench.inbox.answer(&[500]);
    bench.create(NewDispute::razorpay());
    bench.delivered().await;
    bench.control.roll_webhook_secret(ProviderKind::Stripe, None, "whsec_new").unwrap();
    bench.control.roll_webhook_secret(ProviderKind::Razorpay, None, "rzp_new").unwrap();
    bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    let both = &bench.delivered().await[0];
    let (t, signatures) = stripe_parts(both);
    let signed = format!("{t}.{}", both.body);
    assert_eq!(signatures, [mac("whsec_new", &signed), mac(STRIPE_SECRET, &signed)]);
    bench.advance(TimeDelta::minutes(1));
    let repeat = &bench.delivered().await[0];
    assert_eq!(repeat.header("x-razorpay-signature"), mac(RAZORPAY_SECRET, &repeat.body));
    bench.advance(TimeDelta::hours(25));
    bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    assert_eq!(stripe_parts(&bench.delivered().await[0]).1.len(), 1);
}

#[tokio::test]
async fn webhooks_drop_wait_double_and_change_places() {
    let bench = Bench::new().await;
    let order = |trouble| WebhookFault::once(ProviderKind::Razorpay, trouble);
    let create = |n: i64| bench.create(NewDispute { amount: Some(n), ..NewDispute::razorpay() });
    let amounts = |received: Vec<Received>| {
        let amount = |r: &Received| r.json()["payload"]["dispute"]["entity"]["amount"].as_i64().unwrap();
        received.iter().map(amount).collect::<Vec<_>>()
    };
    bench.control.add_webhook_fault(order(WebhookTrouble::Drop));
    create(1);
    assert_eq!(amounts(bench.delivered().await), Vec::<i64>::new());
    bench.control.add_webhook_fault(order(WebhookTrouble::Delay { by_s: 600 }));
    create(2);
    create(3);
    assert_eq!(amounts(bench.delivered().await), [3]);
    bench.advance(TimeDelta::minutes(10));
    assert_eq!(amounts(bench.delivered().await), [2]);
    bench.control.add_webhook_fault(order(WebhookTrouble::Duplicate { copies: 2 }));
    create(4);
    let copies = bench.delivered().await;
    assert_eq!(copies[0].header("x-razorpay-event-id"), copies[2].header("x-razorpay-event-id"));
    assert_eq!(amounts(copies), [4, 4, 4]);
    bench.control.add_webhook_fault(order(WebhookTrouble::Reorder));
    create(5);
    assert_eq!(amounts(bench.delivered().await), Vec::<i64>::new());
    create(6);
    assert_eq!(amounts(bench.delivered().await), [6, 5]);
    bench.control.add_webhook_fault(order(WebhookTrouble::Reorder));
    create(7);
    bench.advance(TimeDelta::hours(1));
    assert_eq!(amounts(bench.delivered().await), [7], "one that nothing follows leaves in the end");
    assert_eq!(states(&bench).iter().filter(|s| **s == WebhookState::Dropped).count(), 1);
}

#[tokio::test]
async fn extra_webhooks_are_as_bad_as_ordered() {
    let bench = Bench::new().await;
    let stripe = || ExtraWebhook::new(ProviderKind::Stripe);
    let send = |order: ExtraWebhook| bench.control.send_extra(&order).unwrap();
    send(stripe());
    send(ExtraWebhook { body: Some("not json".to_owned()), ..stripe() });
    send(ExtraWebhook { signing: Signing::Forged, ..stripe() });
    send(ExtraWebhook { signing: Signing::Missing, ..stripe() });
    send(ExtraWebhook { timestamp_offset_s: -301, ..stripe() });
    bench.inbox.answer(&[200, 200, 400, 400, 400]);
    let got = bench.delivered().await;
    assert_eq!(got[0].json()["type"], "charge.dispute.teleported");
    let valid = |received: &Received| {
        let (t, signatures) = stripe_parts(received);
        signatures == [mac(STRIPE_SECRET, &format!("{t}.{}", received.body))]
    };
    assert_eq!((valid(&got[0]), valid(&got[1]), valid(&got[2])), (true, true, false));
    assert_eq!(got[1].body, "not json");
    assert_eq!(got[3].header("stripe-signature"), "");
    assert_eq!(stripe_parts(&got[4]).0, start_of_time().timestamp() - 301);
    assert!(valid(&got[4]), "right for its time, which is too old");
    let expected = [
        WebhookState::Delivered,
        WebhookState::Delivered,
        WebhookState::Refused,
        WebhookState::Refused,
        WebhookState::Refused,
    ];
    assert_eq!(states(&bench), expected);
    assert!(bench.control.webhooks().iter().all(|w| w.extra));
    send(ExtraWebhook::new(ProviderKind::Razorpay));
    assert_eq!(bench.delivered_types().await, ["payment.dispute.teleported"]);
}

#[tokio::test]
async fn thin_events_point_at_what_can_be_fetched() {
    let thin = |account: SandboxAccount| match account.provider == ProviderKind::Stripe {
        true => account.thin_events(),
        false => account,
    };
    let bench = Bench::with(thin).await;
    let id = bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    let body = bench.delivered().await[0].json();
    assert_eq!(
        (&body["object"], &body["type"]),
        (&json!("v2.core.event"), &json!("v1.charge.dispute.created"))
    );
    assert!(body.get("data").is_none());
    let url = body["related_object"]["url"].as_str().unwrap();
    assert_eq!(bench.stripe_get(url).await.body["id"], id.as_str());
    let event = format!("/v2/core/events/{}", body["id"].as_str().unwrap());
    assert_eq!(bench.stripe_get(&event).await.body["related_object"]["id"], id.as_str());
}

#[tokio::test]
async fn the_background_deliverer_needs_no_flush() {
    let bench = Bench::new().await;
    bench.create(NewDispute { inquiry: true, ..NewDispute::stripe() });
    // Ends when the receiver has it: the deliverer holds the turn until its post was answered.
    while bench.inbox.got.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.delivered().await.len(), 1);
}

#[tokio::test]
async fn no_endpoint_means_no_webhook_until_one_is_set() {
    let bench = Bench::new().await;
    bench.control.set_webhook_url(ProviderKind::Razorpay, Some("shop"), None).unwrap();
    bench.create(NewDispute::razorpay());
    assert_eq!(bench.delivered().await.len(), 0);
    assert_eq!(states(&bench), [WebhookState::NoEndpoint]);
    assert!(bench.control.set_webhook_url(ProviderKind::Razorpay, Some("shed"), None).is_err());
}
